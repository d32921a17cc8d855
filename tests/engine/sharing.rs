//! Operators that several streams use: which are shared and which must not be, that each stream is as
//! if it were alone whatever becomes of the others, and what it saves.
//!
//! Expected content is arithmetic by hand or that of a database in which the stream is alone.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use laminar_db::{LaminarDB, UntypedSource};

use crate::row;
use crate::support::database::{
    batch, content, created, drain_rows, execute, listed, query, refused, started, subscribe, texts,
};
use crate::support::replay::Replay;
use crate::support::value::{Row, Value};

const SOURCE: &str = "CREATE SOURCE s (k VARCHAR NOT NULL, v BIGINT, ts BIGINT, WATERMARK FOR ts)";
const OTHER: &str = "CREATE SOURCE r (k VARCHAR NOT NULL, w BIGINT, ts BIGINT, WATERMARK FOR ts)";
const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, v BIGINT)";
const SUMS: &str = "SELECT k, sum(v) AS n FROM s WHERE v > 0 GROUP BY k";

fn push(source: &UntypedSource, rows: &[(&str, i64, i64)]) {
    let keys = texts(rows.iter().map(|row| Some(row.0)));
    let of = |column: fn(&(&str, i64, i64)) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(column)))
    };
    let rows = batch(source.schema(), vec![keys, of(|row| row.1), of(|row| row.2)]);
    source.push_arrow(rows).unwrap();
}

/// How many operators a stream has, and how many of these no other stream uses.
fn operators(db: &LaminarDB, stream: &str) -> (i64, i64) {
    let sql = format!(
        "SELECT count(*), count(*) FILTER (WHERE shared_with IS NULL) FROM laminar_operators \
         WHERE stream = '{stream}' AND partition IS NULL"
    );
    let counts = query(db, &sql).remove(0);
    (counts[0].int(), counts[1].int())
}

fn state_bytes(db: &LaminarDB) -> i64 {
    let sql = "SELECT CAST(sum(state_bytes) AS BIGINT) FROM laminar_streams";
    query(db, sql).remove(0).remove(0).int()
}

/// The lines of a plan that tell of others.
fn told_shared(db: &LaminarDB, explain: &str) -> Vec<String> {
    let lines = query(db, explain).into_iter().map(|mut row| match row.remove(0) {
        Value::Text(line) => line,
        other => panic!("a line of a plan is {other:?}"),
    });
    let with = lines.filter_map(|line| {
        let (before, with) = line.split_once("[shared with ")?;
        let label = before.trim().split([':', ' ']).next()?.to_string();
        Some(format!("{label} {}", with.trim_end_matches(']')))
    });
    with.collect()
}

// --- what is shared ---------------------------------------------------------------------------

#[test]
fn equal_streams_add_their_output_alone() {
    let db = created(&[
        SOURCE,
        &format!("CREATE STREAM a AS {SUMS}"),
        &format!("CREATE STREAM b AS {SUMS}"),
        "CREATE STREAM c AS SELECT n + 1 AS m FROM (SELECT k, sum(v) AS n FROM s WHERE v > 0 GROUP BY k)",
    ]);
    db.start_blocking().unwrap();
    // The filter and the groups are those of the first; what gives the result is each one's own.
    assert_eq!(operators(&db, "a"), (3, 1));
    assert_eq!(operators(&db, "b"), (3, 1));
    assert_eq!(operators(&db, "c"), (3, 1));
    let source = db.source_untyped("s").unwrap();
    push(&source, &[("x", 1, 0), ("y", 5, 0), ("x", -9, 0), ("x", 2, 0)]);
    let sums = [row!["x", 3], row!["y", 5]];
    assert_eq!(content(&db, "a"), sums);
    assert_eq!(content(&db, "b"), sums);
    assert_eq!(content(&db, "c"), [row![4], row![6]]);
    // The operator was given its rows once.
    let given = "SELECT DISTINCT rows_in FROM laminar_operators WHERE label LIKE 'Aggregate%'";
    assert_eq!(query(&db, given), [row![3]]);
}

/// Queries with the operators that only their streams have: of each, the result alone.
#[test]
fn every_kind_of_state_is_kept_once() {
    let queries = [
        SUMS,
        "SELECT DISTINCT k FROM s",
        "SELECT k, sum(v) AS n FROM s GROUP BY ROLLUP (k)",
        "SELECT window_end, count(*) AS n FROM s GROUP BY tumble(ts, 10)",
        "SELECT k, window_end, max(v) AS n FROM s GROUP BY k, session(ts, 5)",
        "SELECT window_end, sum(v) AS n FROM s GROUP BY hop(ts, 20, 10) EMIT CHANGES",
        "SELECT s.k, v, w FROM s JOIN r ON s.k = r.k",
        "SELECT s.k, v, w FROM s LEFT JOIN r ON s.k = r.k",
        "SELECT s.k, v, w FROM s JOIN r ON s.k = r.k AND s.ts BETWEEN r.ts - 5 AND r.ts + 5",
        "SELECT s.k, v, w FROM s ASOF JOIN r MATCH_CONDITION (s.ts >= r.ts) ON s.k = r.k",
        "SELECT s.k, s.v, t.v AS w FROM s JOIN t ON s.k = t.k",
        "SELECT k, v FROM s WHERE k IN (SELECT k FROM r)",
        "SELECT k, v FROM s ORDER BY v DESC LIMIT 3",
        "SELECT k, v, sum(v) OVER (PARTITION BY k ORDER BY ts) AS n FROM s",
        "SELECT k FROM s INTERSECT SELECT k FROM r",
        "SELECT count(*) AS n FROM (SELECT k, sum(v) AS n FROM s GROUP BY k)",
        "SELECT k, sum(v) AS n FROM s GROUP BY k WITH (state_ttl = 100)",
        "SELECT k, sum(v) AS n FROM s GROUP BY k WITH (workers = 2)",
        "SELECT k, sum(v) AS n FROM s GROUP BY k ON ERROR FAIL",
    ];
    for sql in queries {
        let feed = |names: &[&str]| {
            let db = started(&[SOURCE, OTHER, TABLE]);
            for name in names {
                execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
            }
            let (s, r) = (db.source_untyped("s").unwrap(), db.source_untyped("r").unwrap());
            execute(&db, "INSERT INTO t VALUES (1, 'x', 7), (2, 'y', 8)");
            push(&r, &[("x", 1, 2), ("z", 2, 3), ("x", 3, 20)]);
            push(&s, &[("x", 10, 1), ("y", 20, 4), ("x", 30, 12), ("z", 5, 13)]);
            push(&s, &[("y", 1, 30)]);
            push(&r, &[("y", 9, 30)]);
            db
        };
        let (alone, together) = (feed(&["a"]), feed(&["a", "b"]));
        assert_eq!(operators(&alone, "a").0, operators(&alone, "a").1, "{sql}");
        let (all, own) = operators(&together, "b");
        assert_eq!(own, 1, "{sql}: of {all}");
        assert_eq!(content(&together, "a"), content(&alone, "a"), "{sql}");
        assert_eq!(content(&together, "b"), content(&alone, "a"), "{sql}");
        // What is retained of a result that only grows is each stream's own.
        let operators = "SELECT CAST(max(state_bytes) AS BIGINT) FROM laminar_operators";
        assert_eq!(query(&together, operators), query(&alone, operators), "{sql}");
        let counted = "SELECT count(*) FROM (SELECT stream, sum(state_bytes) AS n \
             FROM laminar_operators WHERE shared_with IS NULL GROUP BY stream) WHERE n > 0";
        assert_eq!(query(&together, counted), [row![0]], "{sql}");
    }
}

#[test]
fn state_is_counted_once() {
    let state_of = |streams: usize| {
        let db = started(&[SOURCE]);
        for stream in 0..streams {
            execute(&db, &format!("CREATE STREAM q{stream} AS {SUMS}"));
        }
        let keys: Vec<String> = (0..500).map(|key| format!("key {key}")).collect();
        let rows: Vec<(&str, i64, i64)> = keys.iter().map(|key| (key.as_str(), 1, 0)).collect();
        push(&db.source_untyped("s").unwrap(), &rows);
        state_bytes(&db)
    };
    assert!(state_of(1) > 10_000);
    assert_eq!(state_of(5), state_of(1));
}

#[test]
fn the_plan_says_with_whom() {
    let db = started(&[SOURCE, &format!("CREATE STREAM a AS {SUMS}")]);
    let explain = format!("EXPLAIN CREATE STREAM b AS {SUMS}");
    assert_eq!(told_shared(&db, &explain), ["Aggregate a", "Map a"]);
    assert_eq!(told_shared(&db, "EXPLAIN a"), Vec::<String>::new());
    // It only said what would be.
    assert_eq!(operators(&db, "a"), (3, 3));
    execute(&db, &format!("CREATE STREAM b AS {SUMS}"));
    execute(&db, &format!("CREATE STREAM c AS {SUMS}"));
    assert_eq!(told_shared(&db, "EXPLAIN a"), ["Aggregate b, c", "Map b, c"]);
    assert_eq!(told_shared(&db, "EXPLAIN ANALYZE b"), ["Aggregate a, c", "Map a, c"]);
    let shared = "SELECT operator, shared_with FROM laminar_operators WHERE stream = 'c'";
    let none = Value::Null;
    assert_eq!(query(&db, shared), [row![0, "a, b"], row![1, "a, b"], vec![Value::Int(2), none]]);
    execute(&db, "DROP STREAM a");
    assert_eq!(told_shared(&db, "EXPLAIN b"), ["Aggregate c", "Map c"]);
    let subscription = subscribe(&db, SUMS);
    let with = ["Aggregate c, a subscription", "Map c, a subscription"];
    // A subscription begins with what the source retains, of which there is nothing.
    assert_eq!(told_shared(&db, "EXPLAIN b"), with);
    drop(subscription);
    let source = db.source_untyped("s").unwrap();
    push(&source, &[("x", 1, 0)]);
    let mut subscription = subscribe(&db, SUMS);
    assert_eq!(told_shared(&db, "EXPLAIN b"), ["Aggregate c", "Map c"]);
    assert_eq!(drain_rows(&mut subscription), [row!["x", 1]]);
}

#[test]
fn what_is_not_equal_is_not_shared() {
    let db = started(&[SOURCE, "CREATE STREAM a AS SELECT k, sum(v) AS n FROM s GROUP BY k"]);
    let others = [
        "SELECT k, sum(v) AS n FROM s WHERE v > 1 GROUP BY k",
        "SELECT k, sum(v) AS n FROM s GROUP BY k ON ERROR FAIL",
        "SELECT k, sum(v) AS n FROM s GROUP BY k WITH (workers = 2)",
        "SELECT k, sum(v) AS n FROM s GROUP BY k WITH (state_ttl = 10)",
        "SELECT k, sum(v + 1) AS n FROM s GROUP BY k",
        "SELECT k, sum(v) AS n FROM r GROUP BY k",
        "SELECT k, max(v) AS n FROM s GROUP BY k",
    ];
    execute(&db, "CREATE SOURCE r (k VARCHAR NOT NULL, v BIGINT, ts BIGINT, WATERMARK FOR ts)");
    for sql in others {
        let shared = told_shared(&db, &format!("EXPLAIN CREATE STREAM b AS {sql}"));
        assert!(!shared.iter().any(|line| line.starts_with("Aggregate")), "{sql}: {shared:?}");
    }
    // Each stream has dice of its own.
    let dice = "SELECT k, sum(random()) AS n FROM s GROUP BY k";
    execute(&db, &format!("CREATE STREAM b AS {dice}"));
    execute(&db, &format!("CREATE STREAM c AS {dice}"));
    assert_eq!(operators(&db, "c").0, operators(&db, "c").1);
    execute(
        &db,
        "CREATE STREAM late1 AS SELECT count(*) AS n FROM s GROUP BY tumble(ts, 10) LATE DATA TO l1",
    );
    execute(
        &db,
        "CREATE STREAM late2 AS SELECT count(*) AS n FROM s GROUP BY tumble(ts, 10) LATE DATA TO l2",
    );
    let source = db.source_untyped("s").unwrap();
    push(&source, &[("x", 1, 50), ("x", 1, 1)]);
    assert_eq!(content(&db, "l1"), [row!["x", 1, 1]]);
    assert_eq!(content(&db, "l2"), [row!["x", 1, 1]]);
}

// --- when they were made ------------------------------------------------------------------------

#[test]
fn over_rows_that_only_come_a_later_stream_has_groups_of_its_own() {
    let db = started(&[SOURCE, &format!("CREATE STREAM a AS {SUMS}")]);
    let source = db.source_untyped("s").unwrap();
    push(&source, &[("x", 1, 0), ("y", 2, 0)]);
    execute(&db, &format!("CREATE STREAM b AS {SUMS}"));
    // The filter keeps nothing, so it serves both.
    assert_eq!(operators(&db, "b"), (3, 2));
    push(&source, &[("x", 10, 0)]);
    assert_eq!(content(&db, "a"), [row!["x", 11], row!["y", 2]]);
    assert_eq!(content(&db, "b"), [row!["x", 10]]);
    execute(&db, &format!("CREATE STREAM c AS {SUMS}"));
    execute(&db, &format!("CREATE STREAM d AS {SUMS}"));
    assert_eq!(told_shared(&db, "EXPLAIN c"), ["Aggregate d", "Map a, b, d"]);
    push(&source, &[("y", 100, 0)]);
    assert_eq!(content(&db, "a"), [row!["x", 11], row!["y", 102]]);
    assert_eq!(content(&db, "b"), [row!["x", 10], row!["y", 100]]);
    assert_eq!(content(&db, "c"), [row!["y", 100]]);
    assert_eq!(content(&db, "d"), [row!["y", 100]]);
}

#[test]
fn over_a_table_a_later_stream_begins_with_what_is_there() {
    let sums = "SELECT k, sum(v) AS n FROM t WHERE v > 0 GROUP BY k";
    let db = started(&[TABLE, &format!("CREATE STREAM a AS {sums}")]);
    execute(&db, "INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 2), (3, 'y', 5), (4, 'z', -1)");
    execute(&db, "DELETE FROM t WHERE id = 1");
    execute(&db, &format!("CREATE STREAM b AS {sums}"));
    execute(
        &db,
        "CREATE STREAM c AS SELECT max(n) AS most FROM (SELECT k, sum(v) AS n FROM t WHERE v > 0 GROUP BY k)",
    );
    assert_eq!(operators(&db, "b"), (3, 1));
    assert_eq!(content(&db, "b"), [row!["x", 2], row!["y", 5]]);
    assert_eq!(content(&db, "c"), [row![5]]);
    let mut told = subscribe(&db, "SELECT * FROM b EMIT CHANGES");
    let mut replay = Replay::default();
    replay.drain(&mut told);
    execute(&db, "UPDATE t SET v = 20 WHERE id = 2");
    replay.drain(&mut told);
    for name in ["a", "b"] {
        assert_eq!(content(&db, name), [row!["x", 20], row!["y", 5]]);
    }
    assert_eq!(replay.content(), content(&db, "b"));
    assert_eq!(content(&db, "c"), [row![20]]);
    execute(&db, "DROP STREAM a");
    execute(&db, "DELETE FROM t WHERE k = 'x'");
    replay.drain(&mut told);
    assert_eq!(content(&db, "b"), [row!["y", 5]]);
    assert_eq!(replay.content(), [row!["y", 5]]);
    assert_eq!(content(&db, "c"), [row![5]]);
}

#[test]
fn over_an_updating_stream_a_later_one_begins_with_what_is_there() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM sums AS SELECT k, sum(v) AS n FROM s GROUP BY k",
        "CREATE STREAM a AS SELECT n, count(*) AS keys FROM sums GROUP BY n",
    ]);
    let source = db.source_untyped("s").unwrap();
    push(&source, &[("x", 1, 0), ("y", 1, 0), ("z", 3, 0)]);
    execute(&db, "CREATE STREAM b AS SELECT n, count(*) AS keys FROM sums GROUP BY n");
    assert_eq!(operators(&db, "b").1, 1);
    assert_eq!(content(&db, "b"), [row![1, 2], row![3, 1]]);
    push(&source, &[("x", 2, 0)]);
    assert_eq!(content(&db, "a"), [row![1, 1], row![3, 2]]);
    assert_eq!(content(&db, "b"), [row![1, 1], row![3, 2]]);
}

#[test]
fn what_waits_for_the_start_tells_streams_apart() {
    let db = created(&[SOURCE, &format!("CREATE STREAM a AS {SUMS}")]);
    execute(&db, &format!("CREATE STREAM b AS {SUMS}"));
    assert_eq!(told_shared(&db, "EXPLAIN b"), ["Aggregate a", "Map a"]);
    let source = db.source_untyped("s").unwrap();
    push(&source, &[("x", 1, 0)]);
    execute(&db, &format!("CREATE STREAM c AS {SUMS}"));
    assert_eq!(told_shared(&db, "EXPLAIN c"), Vec::<String>::new());
    push(&source, &[("x", 10, 0)]);
    db.start_blocking().unwrap();
    push(&source, &[("x", 100, 0)]);
    assert_eq!(content(&db, "a"), [row!["x", 111]]);
    assert_eq!(content(&db, "b"), [row!["x", 111]]);
    assert_eq!(content(&db, "c"), [row!["x", 110]]);
}

#[test]
fn a_source_that_was_replaced_is_another_beginning_for_views() {
    let counts = "SELECT k, count(*) AS n FROM s GROUP BY k";
    let db = started(&[SOURCE]);
    let source = db.source_untyped("s").unwrap();
    push(&source, &[("x", 1, 0)]);
    execute(&db, &format!("CREATE MATERIALIZED VIEW a AS {counts}"));
    execute(&db, &format!("CREATE MATERIALIZED VIEW b AS {counts}"));
    assert_eq!(operators(&db, "b").1, 1);
    // What the source retains is forgotten, and stays with those who had it.
    execute(&db, &SOURCE.replace("CREATE", "CREATE OR REPLACE"));
    execute(&db, &format!("CREATE MATERIALIZED VIEW c AS {counts}"));
    push(&source, &[("x", 1, 0)]);
    assert_eq!(content(&db, "a"), [row!["x", 2]]);
    assert_eq!(content(&db, "b"), [row!["x", 2]]);
    assert_eq!(content(&db, "c"), [row!["x", 1]]);
}

// --- who goes first -----------------------------------------------------------------------------

#[test]
fn whoever_goes_first_the_others_go_on() {
    for order in
        [["a", "b", "c"], ["a", "c", "b"], ["b", "a", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    {
        let db = started(&[
            SOURCE,
            OTHER,
            "CREATE STREAM a AS SELECT k, count(*) AS n FROM s GROUP BY k EMIT CHANGES",
            "CREATE STREAM b AS SELECT k, count(*) AS n FROM s GROUP BY k EMIT CHANGES",
            "CREATE STREAM c AS SELECT r.w, x.n FROM r JOIN (SELECT k, count(*) AS n FROM s GROUP BY k) AS x ON r.k = x.k EMIT CHANGES",
        ]);
        let (s, r) = (db.source_untyped("s").unwrap(), db.source_untyped("r").unwrap());
        let mut told = ["a", "b", "c"].map(|name| (name, subscribe(&db, name), Replay::default()));
        push(&r, &[("x", 7, 0)]);
        for gone in 0..=order.len() {
            push(&s, &[("x", 1, 0)]);
            let n = gone as i64 + 1;
            for (name, subscription, replay) in &mut told {
                if order[..gone].contains(name) {
                    continue;
                }
                let expected = if *name == "c" { row![7, n] } else { row!["x", n] };
                replay.drain(subscription);
                assert_eq!(content(&db, name), std::slice::from_ref(&expected), "{order:?}");
                assert_eq!(replay.content(), [expected], "{order:?}: {name}");
            }
            if let Some(name) = order.get(gone) {
                execute(&db, &format!("DROP STREAM {name}"));
            }
        }
        let left = query(&db, "SELECT count(*) FROM laminar_operators");
        assert_eq!(left, [row![0]]);
        // Nothing is left behind that a new one could take for its own.
        execute(&db, "CREATE STREAM a AS SELECT k, count(*) AS n FROM s GROUP BY k EMIT CHANGES");
        push(&s, &[("x", 1, 0)]);
        assert_eq!(content(&db, "a"), [row!["x", 1]]);
    }
}

#[test]
fn a_creation_that_fails_leaves_everything_as_it_was() {
    let db = started(&[
        SOURCE,
        TABLE,
        "INSERT INTO t VALUES (1, 'x', 0)",
        "CREATE STREAM broken AS SELECT k, max(10 / v) AS m FROM t GROUP BY k ON ERROR FAIL",
        "CREATE STREAM a AS SELECT k, count(*) AS n FROM t GROUP BY k",
    ]);
    // The groups are shared, then the stopped stream has nothing to begin with.
    let joined = "SELECT x.k, x.n, b.m FROM (SELECT k, count(*) AS n FROM t GROUP BY k) AS x \
         JOIN broken AS b ON x.k = b.k";
    let shared = told_shared(&db, &format!("EXPLAIN CREATE STREAM b AS {joined}"));
    assert!(shared.iter().any(|line| line == "Aggregate a"), "{shared:?}");
    refused(&db, &format!("CREATE STREAM b AS {joined}"));
    assert_eq!(told_shared(&db, "EXPLAIN a"), Vec::<String>::new());
    execute(&db, "INSERT INTO t VALUES (2, 'x', 0)");
    assert_eq!(content(&db, "a"), [row!["x", 2]]);
    execute(&db, "DROP STREAM a");
    execute(&db, "CREATE STREAM b AS SELECT k, count(*) AS n FROM t GROUP BY k");
    assert_eq!(operators(&db, "b").0, operators(&db, "b").1);
    assert_eq!(content(&db, "b"), [row!["x", 2]]);
}

// --- OR REPLACE ---------------------------------------------------------------------------------

/// The result of the first stream is what the second one computes with: readers of the first follow
/// its new definition, the second one does not.
#[test]
fn a_replacement_is_for_the_readers_of_the_stream_alone() {
    let distinct = "SELECT DISTINCT k FROM t";
    let db = started(&[
        TABLE,
        "INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2)",
        &format!("CREATE STREAM a AS {distinct}"),
        &format!("CREATE STREAM b AS {distinct}"),
        "CREATE STREAM over_a AS SELECT count(*) AS n FROM a",
        "CREATE STREAM over_b AS SELECT count(*) AS n FROM b",
        &format!("CREATE STREAM within AS SELECT count(*) AS n FROM ({distinct})"),
    ]);
    assert_eq!(operators(&db, "b").1, 1);
    let replacement = "SELECT DISTINCT k FROM t WHERE v > 1";
    execute(&db, &format!("CREATE OR REPLACE STREAM a AS {replacement}"));
    let check = |a: &[Row], b: &[Row]| {
        assert_eq!(content(&db, "a"), a);
        assert_eq!(content(&db, "b"), b);
        assert_eq!(content(&db, "over_a"), [row![a.len() as i64]]);
        assert_eq!(content(&db, "over_b"), [row![b.len() as i64]]);
        assert_eq!(content(&db, "within"), [row![b.len() as i64]]);
    };
    check(&[row!["y"]], &[row!["x"], row!["y"]]);
    execute(&db, "INSERT INTO t VALUES (3, 'z', 3)");
    check(&[row!["y"], row!["z"]], &[row!["x"], row!["y"], row!["z"]]);
    // Back to what it was, now from what the other one kept.
    execute(&db, &format!("CREATE OR REPLACE STREAM a AS {distinct}"));
    assert_eq!(operators(&db, "a").1, 1);
    execute(&db, "DELETE FROM t WHERE id = 1");
    check(&[row!["y"], row!["z"]], &[row!["y"], row!["z"]]);
    // The other one is replaced.
    execute(&db, &format!("CREATE OR REPLACE STREAM b AS {replacement}"));
    execute(&db, "UPDATE t SET v = 0 WHERE id = 2");
    assert_eq!(content(&db, "a"), [row!["y"], row!["z"]]);
    assert_eq!(content(&db, "b"), [row!["z"]]);
    assert_eq!(content(&db, "over_a"), [row![2]]);
    assert_eq!(content(&db, "over_b"), [row![1]]);
    assert_eq!(content(&db, "within"), [row![2]]);
    execute(&db, "DROP STREAM a CASCADE");
    execute(&db, "DROP STREAM b CASCADE");
    execute(&db, "INSERT INTO t VALUES (4, 'w', 0)");
    assert_eq!(content(&db, "within"), [row![3]]);
}

#[test]
fn a_replacement_may_keep_a_part_of_what_it_replaces() {
    let db = started(&[
        TABLE,
        "INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'x', 3)",
        "CREATE STREAM a AS SELECT k, sum(v) AS n FROM t GROUP BY k EMIT CHANGES",
        "CREATE STREAM over_a AS SELECT max(n) AS n FROM a",
    ]);
    let mut told = subscribe(&db, "a");
    execute(
        &db,
        "CREATE OR REPLACE STREAM a AS SELECT k, n * 10 AS n FROM \
         (SELECT k, sum(v) AS n FROM t GROUP BY k) EMIT CHANGES",
    );
    let mut changes = drain_rows(&mut told);
    changes.sort();
    assert_eq!(changes, [row!["x", 4, -1], row!["x", 40, 1], row!["y", 2, -1], row!["y", 20, 1]]);
    assert_eq!(content(&db, "over_a"), [row![40]]);
    execute(&db, "INSERT INTO t VALUES (4, 'y', 5)");
    assert_eq!(drain_rows(&mut told), [row!["y", 20, -1], row!["y", 70, 1]]);
    assert_eq!(content(&db, "over_a"), [row![70]]);
    assert_eq!(operators(&db, "a").0, operators(&db, "a").1);
}

/// Streams over a stream that is replaced share, too, and go on to share.
#[test]
fn readers_that_share_receive_the_difference_once_each() {
    let db = started(&[
        TABLE,
        "INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'x', 3)",
        "CREATE STREAM a AS SELECT k, sum(v) AS n FROM t GROUP BY k",
        "CREATE STREAM b AS SELECT sum(n) AS total, count(*) AS keys FROM a",
        "CREATE STREAM c AS SELECT sum(n) AS total, count(*) AS keys FROM a",
    ]);
    assert_eq!(operators(&db, "c").1, 1);
    execute(
        &db,
        "CREATE OR REPLACE STREAM a AS SELECT k, sum(v) AS n FROM t WHERE v < 3 GROUP BY k",
    );
    execute(&db, "CREATE STREAM d AS SELECT sum(n) AS total, count(*) AS keys FROM a");
    for name in ["b", "c", "d"] {
        assert_eq!(content(&db, name), [row![3, 2]]);
        assert_eq!(operators(&db, name).1, 1, "{name}");
    }
    execute(&db, "DROP STREAM b");
    execute(&db, "DELETE FROM t WHERE k = 'y'");
    for name in ["c", "d"] {
        assert_eq!(content(&db, name), [row![1, 1]]);
    }
}

// --- rows that several joins keep ------------------------------------------------------------------

const USERS: [&str; 3] = [
    "CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR, city VARCHAR)",
    "CREATE SOURCE orders (user_id BIGINT, amount BIGINT)",
    "CREATE SOURCE clicks (user_id BIGINT, page VARCHAR)",
];

/// Joins that keep users by id, each with other columns of them or of something else, and one of users
/// with themselves.
const OF_USERS: [(&str, &str); 6] = [
    ("names", "SELECT amount, name FROM orders JOIN users ON user_id = id"),
    ("cities", "SELECT page, city FROM clicks LEFT JOIN users ON user_id = id"),
    ("both", "SELECT amount, name, city FROM orders LEFT JOIN users ON user_id = id"),
    ("known", "SELECT page FROM clicks WHERE user_id IN (SELECT id FROM users)"),
    (
        "silent",
        "SELECT id, name FROM users WHERE id NOT IN (SELECT user_id FROM clicks WHERE user_id IS NOT NULL)",
    ),
    ("pairs", "SELECT a.id, b.id AS other FROM users AS a JOIN users AS b ON a.city = b.city"),
];

/// What a plan tells of rows that others read.
fn rows_shared(db: &LaminarDB, stream: &str) -> Vec<String> {
    let lines = query(db, &format!("EXPLAIN {stream}")).into_iter().map(|mut row| row.remove(0));
    let told = lines.flat_map(|line| match line {
        Value::Text(line) => line.split("  [").map(str::to_string).collect::<Vec<_>>(),
        other => panic!("a line of a plan is {other:?}"),
    });
    let told = told.filter(|part| part.contains(" rows shared with "));
    told.map(|part| part.trim_end_matches(']').to_string()).collect()
}

/// Some changes of users, orders and clicks.
fn changed(db: &LaminarDB, round: i64) {
    let other = round + 1;
    execute(db, &format!("INSERT INTO orders VALUES ({round}, {round}0), (7, 1), (NULL, 3)"));
    execute(db, &format!("INSERT INTO users VALUES ({round}, 'n{round}', 'c{}')", round % 3));
    execute(
        db,
        &format!("INSERT INTO clicks VALUES ({other}, 'p{round}'), ({round}, 'q'), (NULL, 'r')"),
    );
    // A column that some joins do not read, a key that ceases, and one that comes back.
    execute(db, &format!("UPDATE users SET city = 'c{}' WHERE id = {round}", round % 2));
    execute(db, &format!("UPDATE users SET name = 'm' WHERE id = {round} - 1"));
    if round % 3 == 0 {
        execute(db, &format!("DELETE FROM users WHERE id < {round} AND id % 2 = 0"));
    }
}

#[test]
fn joins_of_one_table_keep_it_once_and_are_as_if_alone() {
    let create = |(name, sql): (&str, &str)| format!("CREATE STREAM {name} AS {sql} EMIT CHANGES");
    for first in 0..4 {
        let db = started(&USERS);
        let alone = OF_USERS.map(|_| started(&USERS));
        let mut there: Vec<usize> = Vec::new();
        for round in 0..14 {
            if (round as usize) < OF_USERS.len() {
                let new = (first + round as usize) % OF_USERS.len();
                execute(&db, &create(OF_USERS[new]));
                execute(&alone[new], &create(OF_USERS[new]));
                there.push(new);
            }
            if round == 9 {
                let gone = there.remove(0);
                execute(&db, &format!("DROP STREAM {}", OF_USERS[gone].0));
            }
            changed(&db, round);
            alone.iter().for_each(|db| changed(db, round));
            for of in &there {
                let name = OF_USERS[*of].0;
                assert_eq!(content(&db, name), content(&alone[*of], name), "{name} in {round}");
            }
        }
    }
}

#[test]
fn the_plan_says_whose_rows_a_join_reads() {
    let db = started(&USERS);
    for (name, sql) in OF_USERS {
        execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
    }
    // The first keeps the columns that it reads, which serve those that read none; the second, which
    // reads another one, keeps all.
    let left = |with: &str| format!("left rows shared with {with}");
    let right = |with: &str| format!("right rows shared with {with}");
    assert_eq!(rows_shared(&db, "names"), [left("both"), right("known, silent")]);
    assert_eq!(rows_shared(&db, "cities"), [left("known"), right("both")]);
    assert_eq!(rows_shared(&db, "pairs"), [left("pairs"), right("pairs")]);
    execute(&db, "DROP STREAM cities");
    execute(&db, "DROP STREAM silent");
    assert_eq!(rows_shared(&db, "known"), [right("names")]);
}

#[test]
fn rows_that_joins_share_are_counted_once() {
    let state_of = |streams: usize| {
        let db = started(&USERS);
        for stream in 0..streams {
            // Each with a condition of its own, so that no operator is the same.
            let sql = format!(
                "CREATE STREAM q{stream} AS SELECT amount, name, city FROM orders JOIN users \
                 ON user_id = id AND amount > {stream}"
            );
            execute(&db, &sql);
        }
        let users: Vec<String> = (0..2_000).map(|n| format!("({n}, 'name {n}', 'city')")).collect();
        execute(&db, &format!("INSERT INTO users VALUES {}", users.join(", ")));
        let sql = "SELECT CAST(sum(state_bytes) AS BIGINT) FROM laminar_operators WHERE label LIKE '%join%'";
        query(&db, sql).remove(0).remove(0).int()
    };
    let one = state_of(1);
    assert!(one > 100_000, "{one}");
    assert!(state_of(5) < one * 5 / 4, "{} for five, {one} for one", state_of(5));
}

// --- errors in data -----------------------------------------------------------------------------

#[test]
fn a_row_that_fails_is_told_of_each_stream() {
    let shares = "SELECT k, sum(100 / v) AS n FROM s GROUP BY k";
    let db = started(&[
        SOURCE,
        &format!("CREATE STREAM a AS {shares}"),
        &format!("CREATE STREAM b AS {shares}"),
        &format!("CREATE STREAM strict AS {shares} ON ERROR FAIL"),
        &format!("CREATE STREAM strict2 AS {shares} ON ERROR FAIL"),
    ]);
    assert_eq!(operators(&db, "b").1, 1);
    assert_eq!(operators(&db, "strict2").1, 1);
    let source = db.source_untyped("s").unwrap();
    push(&source, &[("x", 0, 0), ("x", 50, 0)]);
    let letters = "SELECT stream FROM laminar_dead_letters ORDER BY stream";
    assert_eq!(query(&db, letters), [row!["a"], row!["b"]]);
    for name in ["a", "b"] {
        assert_eq!(listed(&db, "SHOW STREAMS", name, "dead_letters"), Value::Int(1));
        assert_eq!(content(&db, name), [row!["x", 2]]);
    }
    for name in ["strict", "strict2"] {
        let error = refused(&db, &format!("SELECT * FROM {name}"));
        assert!(error.message().starts_with(&format!("the stream `{name}` stopped")), "{error}");
    }
    // One that comes now is alone: it would not know of the row.
    execute(&db, &format!("CREATE STREAM c AS {shares} ON ERROR FAIL"));
    push(&source, &[("x", 10, 0)]);
    assert_eq!(content(&db, "c"), [row!["x", 10]]);
    assert_eq!(content(&db, "a"), [row!["x", 12]]);
    execute(&db, "DROP STREAM a");
    push(&source, &[("x", 0, 0)]);
    assert_eq!(query(&db, letters), [row!["a"], row!["b"], row!["b"]]);
}

#[test]
fn over_a_table_a_new_stream_tells_of_rows_that_fail_itself() {
    let shares = "SELECT k, sum(100 / v) AS n FROM t GROUP BY k";
    let db = started(&[TABLE, &format!("CREATE STREAM a AS {shares}")]);
    execute(&db, "INSERT INTO t VALUES (1, 'x', 0), (2, 'x', 50)");
    execute(&db, &format!("CREATE STREAM b AS {shares}"));
    let letters = "SELECT stream FROM laminar_dead_letters ORDER BY stream";
    assert_eq!(query(&db, letters), [row!["a"], row!["b"]]);
    assert_eq!(content(&db, "b"), [row!["x", 2]]);
}

// --- what it saves ------------------------------------------------------------------------------

/// Processor time of this thread, which runs all of it, in nanoseconds.
fn thread_ns() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// Prints the cost of pushes into ten streams of a common part, against one stream and against ten
/// without anything in common. Times are never asserted; the rows that operators were given are.
#[test]
fn ten_streams_with_a_common_part() {
    const BATCHES: usize = 40;
    let run = |queries: &[String]| {
        let db = started(&[SOURCE]);
        for (index, sql) in queries.iter().enumerate() {
            execute(&db, &format!("CREATE STREAM q{index} AS {sql}"));
        }
        let source = db.source_untyped("s").unwrap();
        let keys: Vec<String> = (0..2_000).map(|key| format!("key {key}")).collect();
        let rows: Vec<(&str, i64, i64)> =
            keys.iter().enumerate().map(|(v, key)| (key.as_str(), v as i64 + 1, 0)).collect();
        push(&source, &rows);
        let before = thread_ns();
        (0..BATCHES).for_each(|_| push(&source, &rows));
        let took = (thread_ns() - before) / (BATCHES * rows.len()) as f64;
        (took, state_bytes(&db))
    };
    // The last condition keeps one group, so that the result costs little.
    let of = |least: i64, last: i64| {
        format!(
            "SELECT k, n FROM (SELECT k, count(*) AS c, sum(v) AS n, min(v) AS low, max(v) AS high \
             FROM s WHERE v > {least} GROUP BY k) WHERE n = {last} AND c > 0 AND low < high"
        )
    };
    let one = run(&[of(0, 0)]);
    let shared = run(&(0..10).map(|stream| of(0, -stream)).collect::<Vec<_>>());
    let apart = run(&(0..10).map(|stream| of(-stream, 0)).collect::<Vec<_>>());
    for (what, (ns, bytes)) in [("one", one), ("ten that share", shared), ("ten apart", apart)] {
        println!(
            "{what}: {ns:.0} ns a row, {:.2} times one; {bytes} bytes, {:.2} times one",
            ns / one.0,
            bytes as f64 / one.1 as f64
        );
    }
    assert_eq!(shared.1, one.1);
    assert!(apart.1 > 9 * one.1);
}
