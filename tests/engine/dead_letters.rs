//! Rows on which an expression fails, in every operator that evaluates one: they are absent while
//! they fail and are logged, their retractions cancel, and `ON ERROR FAIL` stops the stream.
//!
//! `10 / x` fails where x is 0. The expected content is DataFusion's answer to the same query over
//! `ok`, the rows of `t` that do not fail, where the failing rows would be read.

use laminar_db::LaminarDB;

use crate::support::database::{batches, content, execute, listed, refused, started};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::value::Value;

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
        assert_eq!(content(&db, "other"), [crate::row![2]]);
    }
}
