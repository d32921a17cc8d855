//! What leaves in an epoch, dead letters, and streams that begin late. Expected by hand.

use super::{SOURCES, SourceRow, push};
use crate::row;
use crate::support::database::{
    content, created, drain_rows, execute, listed, query, started, subscribe,
};
use crate::support::value::{Row, Value};

fn kv(k: i64, v: i64) -> SourceRow {
    (Some(k), Some(v), None)
}

#[test]
fn a_match_is_found_however_much_later_it_comes() {
    let db = started(&SOURCES);
    execute(&db, "CREATE STREAM j AS SELECT a.v AS av, b.v AS bv FROM a JOIN b ON a.k = b.k");
    push(&db, "a", &[kv(1, 10)]);
    for filler in 0..300 {
        push(&db, "a", &[kv(1_000 + filler, 0)]);
        push(&db, "b", &[kv(5_000 + filler, 0)]);
    }
    push(&db, "b", &[kv(1, 20)]);
    push(&db, "a", &[kv(1, 11)]);
    assert_eq!(content(&db, "j"), vec![row![10, 20], row![11, 20]]);
}

#[test]
fn padding_goes_with_the_first_match_and_comes_back_with_the_last() {
    let db = started(&SOURCES);
    execute(
        &db,
        "CREATE STREAM few AS SELECT k, count(*) AS n FROM b GROUP BY k HAVING count(*) < 2",
    );
    execute(
        &db,
        "CREATE STREAM j AS SELECT a.k, a.v, few.n FROM a LEFT JOIN few ON a.k = few.k EMIT CHANGES",
    );
    let mut changes = subscribe(&db, "j");
    push(&db, "a", &[kv(1, 7), kv(1, 7), (None, Some(3), None)]);
    let none = None::<i64>;
    let mut first = drain_rows(&mut changes);
    first.sort();
    assert_eq!(first, vec![row![none, 3, none, 1], row![1, 7, none, 1], row![1, 7, none, 1]]);
    push(&db, "b", &[kv(1, 0)]);
    let back = row![1, 7, none, -1];
    let padded = row![1, 7, none, 1];
    let pair = |weight: i64| row![1, 7, 1, weight];
    assert_eq!(drain_rows(&mut changes), vec![back.clone(), back, pair(1), pair(1)]);
    push(&db, "b", &[kv(1, 0)]);
    assert_eq!(drain_rows(&mut changes), vec![pair(-1), pair(-1), padded.clone(), padded]);
    // A row that comes and goes within an epoch is not told of.
    push(&db, "b", &[kv(2, 0), kv(2, 0)]);
    assert_eq!(drain_rows(&mut changes), Vec::<Row>::new());
}

#[test]
fn both_sides_change_in_one_epoch_and_each_pair_comes_once() {
    let db = started(&SOURCES);
    execute(&db, "CREATE STREAM c AS SELECT k, count(*) AS n FROM a GROUP BY k");
    execute(&db, "CREATE STREAM t AS SELECT k, sum(v) AS n FROM a GROUP BY k");
    for (name, query) in [
        ("same", "SELECT l.k, l.n AS ln, r.n AS rn FROM c AS l JOIN c AS r ON l.k = r.k"),
        ("diamond", "SELECT c.k, c.n AS ln, t.n AS rn FROM c FULL JOIN t ON c.k = t.k"),
        ("cross", "SELECT l.k AS lk, r.k AS rk, l.n + r.n AS n FROM c AS l CROSS JOIN c AS r"),
    ] {
        execute(&db, &format!("CREATE STREAM {name} AS {query} EMIT CHANGES"));
    }
    let (mut same, mut diamond) = (subscribe(&db, "same"), subscribe(&db, "diamond"));
    let mut cross = subscribe(&db, "cross");
    push(&db, "a", &[kv(1, 5)]);
    assert_eq!(drain_rows(&mut same), vec![row![1, 1, 1, 1]]);
    assert_eq!(drain_rows(&mut diamond), vec![row![1, 1, 5, 1]]);
    push(&db, "a", &[kv(1, 6), kv(2, 9)]);
    assert_eq!(drain_rows(&mut same), vec![row![1, 1, 1, -1], row![1, 2, 2, 1], row![2, 1, 1, 1]]);
    assert_eq!(
        drain_rows(&mut diamond),
        vec![row![1, 1, 5, -1], row![1, 2, 11, 1], row![2, 1, 9, 1]]
    );
    let mut told = drain_rows(&mut cross);
    told.sort();
    let expected = vec![
        row![1, 1, 2, -1],
        row![1, 1, 2, 1],
        row![1, 1, 4, 1],
        row![1, 2, 3, 1],
        row![2, 1, 3, 1],
        row![2, 2, 2, 1],
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_pair_whose_condition_fails_is_left_out_and_noted() {
    let db = started(&SOURCES);
    execute(&db, "CREATE STREAM c AS SELECT k, sum(v) AS n FROM b GROUP BY k");
    execute(
        &db,
        "CREATE STREAM j AS SELECT a.k, a.v, c.n FROM a LEFT JOIN c \
         ON a.k = c.k AND 10 / (a.v - c.n) > 0",
    );
    push(&db, "a", &[kv(1, 5), kv(1, 8)]);
    push(&db, "b", &[kv(1, 5)]);
    let none = None::<i64>;
    assert_eq!(content(&db, "j"), vec![row![1, 5, none], row![1, 8, 5]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "j", "dead_letters"), Value::Int(1));
    // The retraction of the pair fails alike; then no pair fails.
    push(&db, "b", &[kv(1, -1)]);
    assert_eq!(content(&db, "j"), vec![row![1, 5, 4], row![1, 8, 4]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "j", "dead_letters"), Value::Int(2));
    let letters = query(&db, "SELECT error FROM laminar_dead_letters");
    assert!(letters.iter().all(|row| row[0].text().to_lowercase().contains("divide by zero")));
}

#[test]
fn a_row_whose_key_fails_matches_nothing() {
    let db = started(&SOURCES);
    execute(&db, "CREATE STREAM l AS SELECT a.v, b.k FROM a LEFT JOIN b ON 12 / a.v = b.k");
    execute(&db, "CREATE STREAM i AS SELECT a.v, b.k FROM b JOIN a ON b.k = 12 / a.v");
    push(&db, "b", &[kv(4, 0), kv(6, 0)]);
    push(&db, "a", &[kv(0, 3), kv(0, 0), (None, None, None), kv(0, 2)]);
    let none = None::<i64>;
    assert_eq!(content(&db, "l"), vec![row![none, none], row![0, none], row![2, 6], row![3, 4]]);
    assert_eq!(content(&db, "i"), vec![row![2, 6], row![3, 4]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "i", "dead_letters"), Value::Int(1));
}

#[test]
fn a_stream_begins_with_what_its_updating_inputs_hold() {
    let db = started(&SOURCES);
    execute(&db, "CREATE STREAM c AS SELECT k, count(*) AS n FROM a GROUP BY k");
    push(&db, "a", &[kv(1, 1), kv(2, 1), kv(2, 1)]);
    push(&db, "b", &[kv(1, 70)]);
    // Of the append-only input the stream has the rows that come after it.
    execute(&db, "CREATE STREAM j AS SELECT c.k, c.n, b.v FROM c LEFT JOIN b ON c.k = b.k");
    execute(&db, "CREATE STREAM s AS SELECT l.k, r.n FROM c AS l JOIN c AS r ON l.k = r.n");
    let none = None::<i64>;
    assert_eq!(content(&db, "j"), vec![row![1, 1, none], row![2, 2, none]]);
    assert_eq!(content(&db, "s"), vec![row![1, 1], row![2, 2]]);
    push(&db, "b", &[kv(2, 80)]);
    assert_eq!(content(&db, "j"), vec![row![1, 1, none], row![2, 2, 80]]);
    let mut snapshot = db
        .subscribe_with(
            "j",
            laminar_db::SubscribeOptions { snapshot: Some(true), ..Default::default() },
        )
        .unwrap();
    let mut rows = drain_rows(&mut snapshot);
    rows.iter_mut().for_each(|row| row.truncate(3));
    rows.sort();
    assert_eq!(rows, content(&db, "j"));
    // A stream over the join's own content.
    execute(&db, "CREATE STREAM over AS SELECT count(*) AS n, sum(v) AS total FROM j");
    assert_eq!(content(&db, "over"), vec![row![2, 80]]);
    push(&db, "b", &[kv(1, 5)]);
    assert_eq!(content(&db, "over"), vec![row![2, 85]]);
}

#[test]
fn a_table_is_joined_as_it_is_updated_and_deleted_from() {
    let db = started(&SOURCES);
    execute(&db, "CREATE TABLE names (id BIGINT PRIMARY KEY, name VARCHAR)");
    execute(&db, "CREATE TABLE tags (id BIGINT, tag VARCHAR)");
    execute(&db, "CREATE STREAM l AS SELECT a.v, names.name FROM a LEFT JOIN names ON k = id");
    execute(
        &db,
        "CREATE STREAM f AS SELECT n.name, t.tag FROM names n FULL JOIN tags t ON n.id = t.id",
    );
    let none = None::<&str>;
    push(&db, "a", &[kv(1, 10), kv(2, 20)]);
    execute(&db, "INSERT INTO names VALUES (1, 'one'), (3, 'three')");
    assert_eq!(content(&db, "l"), vec![row![10, "one"], row![20, none]]);
    execute(&db, "INSERT INTO tags VALUES (1, 'odd'), (1, 'odd'), (2, 'even')");
    let odd = row!["one", "odd"];
    assert_eq!(content(&db, "f"), vec![row![none, "even"], odd.clone(), odd, row!["three", none]]);
    // The key changes, and so does which rows match.
    execute(&db, "UPDATE names SET name = 'eins' WHERE id = 1");
    execute(&db, "INSERT INTO names VALUES (2, 'two')");
    assert_eq!(content(&db, "l"), vec![row![10, "eins"], row![20, "two"]]);
    execute(&db, "UPDATE tags SET id = 3 WHERE tag = 'odd'");
    let three = row!["three", "odd"];
    assert_eq!(
        content(&db, "f"),
        vec![row!["eins", none], three.clone(), three, row!["two", "even"]]
    );
    execute(&db, "DELETE FROM names WHERE id >= 2");
    execute(&db, "DELETE FROM tags WHERE tag = 'even'");
    assert_eq!(content(&db, "l"), vec![row![10, "eins"], row![20, none]]);
    let odd = row![none, "odd"];
    assert_eq!(content(&db, "f"), vec![odd.clone(), odd, row!["eins", none]]);
}

#[test]
fn what_queued_before_the_start_is_joined() {
    let db = created(&SOURCES);
    push(&db, "a", &[kv(1, 1)]);
    execute(&db, "CREATE STREAM j AS SELECT a.v, b.v AS w FROM a JOIN b ON a.k = b.k");
    push(&db, "b", &[kv(1, 3)]);
    push(&db, "a", &[kv(1, 2)]);
    db.start_blocking().unwrap();
    assert_eq!(content(&db, "j"), vec![row![2, 3]]);
    push(&db, "a", &[kv(1, 4)]);
    assert_eq!(content(&db, "j"), vec![row![2, 3], row![4, 3]]);
}

#[test]
fn zeros_match_as_they_compare() {
    let db = started(&[
        "CREATE SOURCE l (x DOUBLE)",
        "CREATE SOURCE r (x DOUBLE)",
        "CREATE STREAM j AS SELECT l.x, r.x AS y FROM l JOIN r ON l.x = r.x",
        "CREATE STREAM e AS SELECT x FROM l EXCEPT SELECT x FROM r",
    ]);
    for sql in [
        "INSERT INTO l VALUES (1.5), (CAST('NaN' AS DOUBLE)), (0.0)",
        "INSERT INTO r VALUES (CAST('NaN' AS DOUBLE)), (0.0), (1.25), (NULL)",
    ] {
        execute(&db, sql);
    }
    // As DataFusion compares them, NaN equals itself.
    assert_eq!(content(&db, "j"), vec![row![0.0, 0.0], row![f64::NAN, f64::NAN]]);
    assert_eq!(content(&db, "e"), vec![row![1.5]]);
}
