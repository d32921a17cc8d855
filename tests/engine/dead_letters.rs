//! Rows on which an expression fails, in every operator that evaluates one: they are absent while
//! they fail and are logged, their retractions cancel, and `ON ERROR FAIL` stops the stream.
//!
//! `10 / x` fails where x is 0. The expected content is DataFusion's answer to the same query over
//! `ok`, the rows of `t` that do not fail, where the failing rows would be read.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use laminar_db::LaminarDB;

use crate::row;
use crate::support::database::{
    batch, batches, content, drain_rows, execute, listed, query, refused, started, subscribe, texts,
};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::value::{Row, Value};

const PAIRS: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT)";

/// A query over `t` and `o`, and the one that answers it.
const QUERIES: [(&str, &str); 30] = [
    ("SELECT id, 10 / x AS q FROM t", "SELECT id, 10 / x AS q FROM ok"),
    ("SELECT id FROM t WHERE 10 / x > 2", "SELECT id FROM ok WHERE 10 / x > 2"),
    ("SELECT k, sum(10 / x) AS s, count(*) AS n FROM t GROUP BY k",
     "SELECT k, sum(10 / x) AS s, count(*) AS n FROM ok GROUP BY k"),
    ("SELECT count(*) AS n, max(10 / x) AS m FROM t",
     "SELECT count(*) AS n, max(10 / x) AS m FROM ok"),
    ("SELECT k, count(*) FILTER (WHERE 10 / x > 2) AS n FROM t GROUP BY k",
     "SELECT k, count(*) FILTER (WHERE 10 / x > 2) AS n FROM ok GROUP BY k"),
    ("SELECT array_agg(id ORDER BY 10 / x, id) AS a FROM t",
     "SELECT array_agg(id ORDER BY 10 / x, id) AS a FROM ok"),
    ("SELECT count(DISTINCT 10 / x) AS n FROM t", "SELECT count(DISTINCT 10 / x) AS n FROM ok"),
    ("SELECT 10 / x AS q, count(*) AS n FROM t GROUP BY 10 / x",
     "SELECT 10 / x AS q, count(*) AS n FROM ok GROUP BY 10 / x"),
    ("SELECT k, 10 / x AS q, count(*) AS n FROM t GROUP BY CUBE (k, 10 / x)",
     "SELECT k, 10 / x AS q, count(*) AS n FROM ok GROUP BY CUBE (k, 10 / x)"),
    ("SELECT k FROM t GROUP BY k HAVING 10 / sum(x) >= 1",
     "SELECT k FROM t GROUP BY k HAVING 10 / NULLIF(sum(x), 0) >= 1"),
    ("SELECT k, 10 / sum(x) AS q FROM t GROUP BY k",
     "SELECT k, 10 / s AS q FROM (SELECT k, sum(x) AS s FROM t GROUP BY k) AS g WHERE s <> 0 OR s IS NULL"),
    ("SELECT DISTINCT 10 / x AS q FROM t", "SELECT DISTINCT 10 / x AS q FROM ok"),
    ("SELECT DISTINCT ON (10 / x) id, x FROM t ORDER BY 10 / x, id",
     "SELECT DISTINCT ON (10 / x) id, x FROM ok ORDER BY 10 / x, id"),
    ("SELECT id FROM t ORDER BY 10 / x, id LIMIT 3", "SELECT id FROM ok ORDER BY 10 / x, id LIMIT 3"),
    ("SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY k ORDER BY 10 / x DESC, id) AS r FROM t)
        AS u WHERE r <= 2",
     "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY k ORDER BY 10 / x DESC, id) AS r FROM ok)
        AS u WHERE r <= 2"),
    ("SELECT id, row_number() OVER (ORDER BY 10 / x, id) AS r FROM t",
     "SELECT id, row_number() OVER (ORDER BY 10 / x, id) AS r FROM ok"),
    ("SELECT id, sum(10 / x) OVER (PARTITION BY k ORDER BY id) AS s FROM t",
     "SELECT id, sum(10 / x) OVER (PARTITION BY k ORDER BY id) AS s FROM ok"),
    ("SELECT id, count(*) OVER (PARTITION BY 10 / x) AS n FROM t",
     "SELECT id, count(*) OVER (PARTITION BY 10 / x) AS n FROM ok"),
    ("SELECT id, lag(10 / x) OVER (ORDER BY id) AS b FROM t",
     "SELECT id, lag(10 / x) OVER (ORDER BY id) AS b FROM ok"),
    ("SELECT id, q FROM t CROSS JOIN UNNEST(make_array(10 / x, id)) AS u (q)",
     "SELECT id, 10 / x AS q FROM ok UNION ALL SELECT id, id AS q FROM ok"),
    ("SELECT id, unnest(make_array(10 / x)) AS q FROM t", "SELECT id, 10 / x AS q FROM ok"),
    ("SELECT t.id, o.y FROM t JOIN o ON o.y = 10 / t.x",
     "SELECT t.id, o.y FROM ok AS t JOIN o ON o.y = 10 / t.x"),
    ("SELECT t.id, o.y FROM t LEFT JOIN o ON o.y = 10 / t.x",
     "SELECT t.id, o.y FROM t LEFT JOIN o ON t.x <> 0 AND o.y = 10 / (CASE t.x WHEN 0 THEN 1 ELSE t.x END)"),
    ("SELECT t.id, o.y FROM t JOIN o ON o.id = t.id AND o.y > 10 / t.x",
     "SELECT t.id, o.y FROM ok AS t JOIN o ON o.id = t.id AND o.y > 10 / t.x"),
    ("SELECT t.id, o.y FROM t LEFT JOIN o ON o.id = t.id AND o.y > 10 / (t.x + o.y - o.y)",
     "SELECT t.id, o.y FROM t LEFT JOIN o
        ON o.id = t.id AND t.x <> 0 AND o.y > 10 / (CASE t.x WHEN 0 THEN 1 ELSE t.x END)"),
    ("SELECT o.id FROM o WHERE EXISTS (SELECT 1 FROM t WHERE t.id = o.id AND 10 / t.x > 1)",
     "SELECT o.id FROM o WHERE EXISTS (SELECT 1 FROM ok WHERE ok.id = o.id AND 10 / ok.x > 1)"),
    ("SELECT o.id FROM o WHERE o.y IN (SELECT 10 / x FROM t)",
     "SELECT o.id FROM o WHERE o.y IN (SELECT 10 / x FROM ok)"),
    ("SELECT o.id, (SELECT max(10 / x) FROM t) AS m FROM o",
     "SELECT o.id, (SELECT max(10 / x) FROM ok) AS m FROM o"),
    ("SELECT 10 / x AS q FROM t UNION ALL SELECT y AS q FROM o",
     "SELECT 10 / x AS q FROM ok UNION ALL SELECT y AS q FROM o"),
    ("SELECT y AS q FROM o EXCEPT SELECT 10 / x AS q FROM t",
     "SELECT y AS q FROM o EXCEPT SELECT 10 / x AS q FROM ok"),
];

fn check(db: &LaminarDB, oracle: &Oracle, names: &[String], what: &str) {
    for table in ["t", "o"] {
        let schema = db.source_untyped(table).unwrap().schema();
        oracle.table(table, schema, batches(db, &format!("SELECT * FROM {table}")));
    }
    let schema = db.source_untyped("t").unwrap().schema();
    // A NULL does not fail.
    let ok = batches(db, "SELECT * FROM t WHERE x IS DISTINCT FROM 0");
    oracle.table("ok", schema, ok);
    for (name, (query, expected)) in names.iter().zip(QUERIES) {
        let mut expected = oracle.rows(expected);
        expected.sort();
        assert_eq!(content(db, name), expected, "{query} after {what}");
    }
}

#[test]
fn a_failing_row_is_absent_logged_and_can_go_again() {
    for_seeds(3, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT)",
            "CREATE TABLE o (id BIGINT PRIMARY KEY, y BIGINT)",
            "INSERT INTO o VALUES (1, 10), (2, 5), (3, 1), (4, 0), (5, NULL)",
            "INSERT INTO t VALUES (1, 'a', 0), (2, 'a', 5)",
        ]);
        let oracle = Oracle::new();
        let mut names = Vec::new();
        for (index, (query, _)) in QUERIES.iter().enumerate() {
            execute(&db, &format!("CREATE STREAM s{index} AS {query}"));
            names.push(format!("s{index}"));
        }
        check(&db, &oracle, &names, "the creation");
        for _ in 0..25 {
            let id = random.range(1, 7);
            let (k, x) = (
                random.pick(&["'a'", "'b'", "NULL"]),
                random.pick(&["0", "0", "1", "2", "-4", "NULL"]),
            );
            let statement = match random.range(0, 5) {
                0 => format!("DELETE FROM t WHERE id = {id}"),
                1 => format!("UPDATE t SET x = {x} WHERE k = {k}"),
                2 => format!("INSERT INTO o VALUES ({id}, {})", random.range(-3, 11)),
                _ => format!("INSERT INTO t VALUES ({id}, {k}, {x})"),
            };
            execute(&db, &statement);
            check(&db, &oracle, &names, &statement);
        }
        execute(&db, "DELETE FROM t");
        execute(&db, "INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0)");
        check(&db, &oracle, &names, "the last rows");
        for (name, (query, _)) in names.iter().zip(QUERIES) {
            let letters = listed(&db, "SHOW STREAMS", name, "dead_letters");
            assert!(matches!(letters, Value::Int(1..)), "{query} has {letters:?} dead letters");
        }
    });
}

#[test]
fn a_stream_may_stop_instead() {
    for (query, _) in QUERIES {
        let db = started(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT)",
            "CREATE TABLE o (id BIGINT PRIMARY KEY, y BIGINT)",
            "INSERT INTO o VALUES (1, 10), (2, 5), (3, 1), (4, 0), (5, NULL)",
            "INSERT INTO t VALUES (2, 'a', 5)",
            &format!("CREATE STREAM s AS {query} ON ERROR FAIL"),
            "CREATE STREAM other AS SELECT count(*) AS n FROM t",
        ]);
        content(&db, "s");
        execute(&db, "INSERT INTO t VALUES (1, 'b', 0)");
        let error = refused(&db, "SELECT * FROM s").to_string();
        assert!(error.to_lowercase().contains("divide by zero"), "{query}\n{error}");
        assert_eq!(content(&db, "other"), [row![2]]);
    }
}

// --- by hand -------------------------------------------------------------------------------------

fn push_pairs(db: &LaminarDB, rows: &[(&str, i64)]) -> u64 {
    let source = db.source_untyped("t").unwrap();
    let keys = texts(rows.iter().map(|row| Some(row.0)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    source.push_arrow(batch(source.schema(), vec![keys, values])).unwrap()
}

#[test]
fn a_row_on_which_an_expression_fails_is_a_dead_letter_and_the_others_pass() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM quotient AS SELECT k, 100 / v AS q FROM t",
        "CREATE STREAM number AS SELECT CAST(k AS BIGINT) AS x, v FROM t",
        "CREATE STREAM product AS SELECT k, v * 4611686018427387904 AS p FROM t WHERE v + 1 > 0",
        "CREATE STREAM guarded AS SELECT k, CASE WHEN v = 0 THEN -1 ELSE 100 / v END AS q FROM t",
        "CREATE STREAM total AS SELECT count(*) AS n, sum(q) AS s FROM quotient",
        "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k",
    ]);
    let mut told = subscribe(&db, "quotient");
    let epoch = push_pairs(&db, &[("1", 5), ("x", 0), ("3", 1), ("4", 2)]) as i64;
    assert_eq!(drain_rows(&mut told), vec![row!["1", 20], row!["3", 100], row!["4", 50]]);
    assert_eq!(content(&db, "number"), vec![row![1, 5], row![3, 1], row![4, 2]]);
    assert_eq!(content(&db, "product"), vec![row!["3", 1_i64 << 62], row!["x", 0]]);
    assert_eq!(content(&db, "total"), vec![row![3, 170]]);
    assert_eq!(content(&db, "counts").len(), 4);
    let guarded = vec![row!["1", 20], row!["3", 100], row!["4", 50], row!["x", -1]];
    assert_eq!(content(&db, "guarded"), guarded);

    let mut letters = query(&db, "SELECT stream, epoch, row, error FROM laminar_dead_letters");
    letters.sort();
    let expected = [
        ("number", "x", "Cannot cast string 'x'"),
        ("product", "1", "verflow"),
        ("product", "4", "verflow"),
        ("quotient", "x", "Divide by zero"),
    ];
    assert_eq!(letters.len(), expected.len(), "{letters:?}");
    for (letter, (stream, key, words)) in letters.iter().zip(expected) {
        assert_eq!(letter[..2], row![stream, epoch][..]);
        assert!(letter[2].text().contains(&format!("k: {key}, v: ")), "{letter:?}");
        assert!(letter[3].text().contains(words), "{letter:?}");
    }
    let count = |stream: &str| listed(&db, "SHOW STREAMS", stream, "dead_letters");
    assert_eq!((count("quotient"), count("product")), (Value::Int(1), Value::Int(2)));
    assert_eq!((count("guarded"), count("counts")), (Value::Int(0), Value::Int(0)));
    // The streams go on.
    push_pairs(&db, &[("9", 50)]);
    assert_eq!(content(&db, "total"), vec![row![4, 172]]);
}

#[test]
fn the_least_integer_has_no_opposite() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM opposites AS SELECT k, -v AS x FROM t",
        "CREATE STREAM narrow AS SELECT k, -CAST(v % 128 AS TINYINT) AS x FROM t",
        "CREATE STREAM floats AS SELECT k, -CAST(v AS DOUBLE) AS x FROM t WHERE v <= 0",
    ]);
    push_pairs(&db, &[("a", 5), ("b", i64::MIN), ("c", i64::MAX), ("d", 0)]);
    let expected = vec![row!["a", -5], row!["c", -i64::MAX], row!["d", 0]];
    assert_eq!(content(&db, "opposites"), expected);
    let expected = vec![row!["a", -5], row!["b", 0], row!["c", -127], row!["d", 0]];
    assert_eq!(content(&db, "narrow"), expected);
    assert_eq!(content(&db, "floats"), vec![row!["b", 9223372036854775808.0], row!["d", -0.0]]);
    let letters = query(&db, "SELECT stream, row, error FROM laminar_dead_letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0][0], "opposites".into());
    assert!(letters[0][2].text().contains("verflow"), "{letters:?}");
    let error = refused(&db, "SELECT -v FROM t");
    assert!(error.message().contains("verflow"), "{error}");
    assert_eq!(
        query(&db, "SELECT -v FROM t WHERE v < 9 AND v > -9 ORDER BY v"),
        vec![row![0], row![-5]]
    );
}

#[test]
fn a_sum_that_would_overflow_leaves_the_row_out() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM sums AS SELECT k, sum(v) AS s, count(*) AS n FROM t GROUP BY k",
        "CREATE STREAM wide AS SELECT sum(CAST(v AS DECIMAL(38, 0))) AS s FROM t",
        "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k",
    ]);
    push_pairs(&db, &[("a", i64::MAX - 5), ("b", 1)]);
    push_pairs(&db, &[("a", 3), ("a", 10), ("b", 2), ("a", 2)]);
    // The one row of 10 is left out: 3 and 2 come up to the largest number exactly.
    assert_eq!(content(&db, "sums"), vec![row!["a", i64::MAX, 3], row!["b", 3, 2]]);
    assert_eq!(content(&db, "counts"), vec![row!["a", 4], row!["b", 2]]);
    let letters = query(&db, "SELECT stream, row, error FROM laminar_dead_letters");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0][0], "sums".into());
    assert!(letters[0][1].text().contains("10"), "{letters:?}");
    assert!(letters[0][2].text().contains("sum overflows"), "{letters:?}");
    let exact = i128::from(i64::MAX) - 5 + 1 + 3 + 10 + 2 + 2;
    assert_eq!(content(&db, "wide"), vec![row![exact.to_string().as_str()]]);
}

/// By hand: an average of DECIMAL(38, 0) is a DECIMAL(38, 4), which holds nothing from 10^34 up.
#[test]
fn a_row_whose_running_aggregate_fails_is_absent_while_it_does() {
    let large = format!("9{}", "0".repeat(36));
    let db = started(&[
        "CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, o BIGINT, v DECIMAL(38, 0))",
        "CREATE STREAM by_row AS SELECT id, CAST(avg(v) OVER w AS DOUBLE) AS a, count(*) OVER w AS n
             FROM t WINDOW w AS (PARTITION BY k ORDER BY o, id ROWS UNBOUNDED PRECEDING)",
        "CREATE STREAM by_peers AS SELECT id, CAST(avg(v) OVER (PARTITION BY k ORDER BY o) AS DOUBLE)
             AS a FROM t",
        "CREATE STREAM strict AS SELECT id, avg(v) OVER (PARTITION BY k ORDER BY o, id) AS a FROM t
             ON ERROR FAIL",
    ]);
    execute(&db, "INSERT INTO t VALUES (1, 'a', 1, 10), (5, 'a', 5, 3)");
    assert_eq!(content(&db, "by_row"), vec![row![1, 10.0, 1], row![5, 6.5, 2]]);
    assert_eq!(content(&db, "by_peers"), vec![row![1, 10.0], row![5, 6.5]]);
    // The average is too large from 2 on, until 4 makes it small again.
    execute(&db, &format!("INSERT INTO t VALUES (2, 'a', 2, {large}), (3, 'a', 2, 8)"));
    assert_eq!(content(&db, "by_row"), vec![row![1, 10.0, 1]]);
    assert_eq!(content(&db, "by_peers"), vec![row![1, 10.0]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "by_row", "dead_letters"), Value::Int(3));
    assert_eq!(listed(&db, "SHOW STREAMS", "by_peers", "dead_letters"), Value::Int(3));
    let letters = query(
        &db,
        "SELECT row, error FROM laminar_dead_letters WHERE stream = 'by_row' AND row LIKE '%id: 3,%'",
    );
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0][1].text().contains("avg"), "{letters:?}");
    execute(&db, &format!("INSERT INTO t VALUES (4, 'a', 3, -{large}), (9, 'b', 1, 7)"));
    let good = vec![row![1, 10.0, 1], row![4, 4.5, 4], row![5, 4.2, 5], row![9, 7.0, 1]];
    assert_eq!(content(&db, "by_row"), good);
    assert_eq!(
        content(&db, "by_peers"),
        vec![row![1, 10.0], row![4, 4.5], row![5, 4.2], row![9, 7.0]]
    );
    // Rows at the end, and the failing one goes again.
    execute(&db, "DELETE FROM t WHERE id IN (2, 4)");
    execute(&db, "INSERT INTO t VALUES (6, 'a', 6, 12)");
    assert_eq!(
        content(&db, "by_row"),
        vec![row![1, 10.0, 1], row![3, 9.0, 2], row![5, 7.0, 3], row![6, 8.25, 4], row![9, 7.0, 1]]
    );
    let error = db.query_blocking("SELECT * FROM strict").map(|_| ()).unwrap_err();
    assert!(error.message().contains("avg"), "{error}");
}

#[test]
fn a_failing_row_of_an_updating_stream_is_absent_while_it_fails() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM sums AS SELECT k, sum(v) AS s FROM t GROUP BY k",
        "CREATE STREAM inverse AS SELECT k, 100 / s AS q FROM sums EMIT CHANGES",
    ]);
    let mut told = subscribe(&db, "inverse");
    push_pairs(&db, &[("a", 5), ("b", 10)]);
    assert_eq!(drain_rows(&mut told), vec![row!["a", 20, 1], row!["b", 10, 1]]);
    // The sum of a is zero: its quotient ceases, and the retraction of the failing row cancels it.
    push_pairs(&db, &[("a", -5)]);
    assert_eq!(drain_rows(&mut told), vec![row!["a", 20, -1]]);
    assert_eq!(content(&db, "inverse"), vec![row!["b", 10]]);
    push_pairs(&db, &[("a", 50)]);
    assert_eq!(drain_rows(&mut told), vec![row!["a", 2, 1]]);
    assert_eq!(content(&db, "inverse"), vec![row!["a", 2], row!["b", 10]]);
}

#[test]
fn dead_letters_are_bounded_and_counted() {
    let db = started(&[PAIRS, "CREATE STREAM q AS SELECT 1 / v AS q FROM t"]);
    let rows: Vec<(&str, i64)> = (0..1_500).map(|_| ("a", 0)).collect();
    push_pairs(&db, &rows);
    assert_eq!(query(&db, "SELECT count(*) FROM laminar_dead_letters"), vec![row![1_000]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "q", "dead_letters"), Value::Int(1_500));
    assert_eq!(content(&db, "q"), Vec::<Row>::new());
}

/// Sums of panes, or of the pieces of a session, that no row of the step overflowed: the window is left
/// out for the key, and everything else goes on.
#[test]
fn a_window_whose_parts_do_not_add_up_is_left_out() {
    for emit in ["", " WITH (workers = 3)"] {
        let db = started(&[
            "CREATE SOURCE t (k VARCHAR, v BIGINT, ts BIGINT, WATERMARK FOR ts AS ts - 20)",
            &format!(
                "CREATE STREAM hops AS SELECT k, window_end AS e, sum(v) AS s FROM t GROUP BY k, hop(ts, 10, 20){emit}"
            ),
            &format!(
                "CREATE STREAM grown AS SELECT k, window_end AS e, sum(v) AS s FROM t GROUP BY k, cumulate(ts, 10, 20){emit}"
            ),
            &format!(
                "CREATE STREAM sessions AS SELECT k, window_end AS e, sum(v) AS s FROM t GROUP BY k, session(ts, 10){emit}"
            ),
            &format!(
                "CREATE STREAM told AS SELECT k, window_end AS e, sum(v) AS s FROM t GROUP BY k, session(ts, 10) EMIT CHANGES{emit}"
            ),
        ]);
        let most = i64::MAX;
        // 8 brings the sessions of 0 and 15 together, and overflows nothing itself.
        execute(&db, &format!("INSERT INTO t VALUES ('a', {most}, 0), ('a', 2, 15), ('b', 1, 6)"));
        execute(&db, "INSERT INTO t VALUES ('a', 0, 8)");
        execute(&db, "INSERT INTO t VALUES ('a', 4, 100)");
        assert_eq!(
            content(&db, "hops"),
            [row!["a", 10, most], row!["a", 30, 2], row!["b", 10, 1], row!["b", 20, 1],]
        );
        assert_eq!(
            content(&db, "grown"),
            [row!["a", 10, most], row!["b", 10, 1], row!["b", 20, 1],]
        );
        assert_eq!(content(&db, "sessions"), [row!["b", 16, 1]]);
        assert_eq!(content(&db, "told"), [row!["a", 110, 4], row!["b", 16, 1]]);
        let letters = query(&db, "SELECT stream, row, error FROM laminar_dead_letters");
        assert!(letters.iter().all(|letter| letter[2] == "sum overflows its type Int64".into()));
        for (stream, end) in [("hops", "20"), ("grown", "20"), ("sessions", "25"), ("told", "25")] {
            let of: Vec<String> = letters
                .iter()
                .filter(|letter| letter[0] == stream.into())
                .map(|letter| format!("{:?}", letter[1]))
                .collect();
            assert_eq!(of.len(), 1, "{stream}: {letters:?}");
            assert!(of[0].contains(": a") && of[0].contains(&format!(": {end}")), "{of:?}");
        }
        // The two sessions that were told ceased with the one row that made them one.
        assert_eq!(listed(&db, "SHOW STREAMS", "told", "state"), "running".into());
    }
}
