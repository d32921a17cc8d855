//! The order of arrival of rows that a union gives: where one push gives rows to several branches it
//! would depend on how rows are cut into pushes, and so no tie breaks by it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};

use crate::row;
use crate::support::database::{content, created, execute, query, started};
use crate::support::random::{Random, for_seeds};
use crate::support::value::Row;

const SOURCE: &str =
    "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 1000)";
const UNION: &str = "SELECT k, v, ts, 'a' AS tag FROM t
     UNION ALL SELECT k, v, ts, 'b' FROM t WHERE v > 0 UNION ALL SELECT k, v, ts, 'c' FROM plus";

/// Queries whose results would depend on the order of arrival in `u`, itself or in its place.
const QUERIES: [&str; 12] = [
    "SELECT k, v, tag, p FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v) AS p FROM u)
     AS q WHERE p <= 2",
    "SELECT v, tag FROM u ORDER BY v LIMIT 3",
    "SELECT k, v, tag, lag(tag) OVER (PARTITION BY k ORDER BY v) AS l FROM u",
    "SELECT k, first_value(tag) AS f, last_value(tag ORDER BY v) AS l, string_agg(tag, '') AS s
     FROM u GROUP BY k",
    "SELECT window_end, string_agg(tag, '') AS s FROM u GROUP BY tumble(ts, 10) EMIT CHANGES",
    "SELECT l.k, l.ts, r.tag FROM t AS l ASOF JOIN u AS r MATCH_CONDITION (l.ts >= r.ts)
     ON l.k = r.k EMIT CHANGES",
    "SELECT k, first_value(tag) AS f FROM (SELECT k, tag, max(v) AS v FROM u GROUP BY k, tag)
     AS q GROUP BY k",
    "SELECT l.k, l.ts, r.tag FROM t AS l JOIN u FOR SYSTEM_TIME AS OF l.ts AS r ON l.k = r.k
     EMIT CHANGES",
    "SELECT v, a, b FROM (SELECT l.v AS v, l.ts AS a, r.ts AS b FROM t AS l JOIN t AS r ON l.k = r.k)
     AS q ORDER BY v LIMIT 3",
    "SELECT k, last_value(w) AS l, string_agg(CAST(w AS VARCHAR), '') AS s FROM (
         SELECT l.k AS k, r.v AS w FROM t AS l JOIN t AS r ON l.k = r.k AND l.v < r.v) AS q GROUP BY k",
    "SELECT k, n FROM (SELECT k, count(*) AS n, window_end FROM d GROUP BY k, session(ts, 2)) AS q
     ORDER BY n LIMIT 4",
    "SELECT v, a, b FROM (SELECT l.v AS v, l.ts AS a, r.ts AS b FROM d AS l LEFT JOIN d AS r
         ON l.k = r.k AND r.ts BETWEEN l.ts + INTERVAL '1' MILLISECOND AND l.ts + INTERVAL '3' MILLISECOND)
     AS q ORDER BY v LIMIT 4",
];

/// What each query holds when rows come so many at a time.
fn contents(rows: &[[i64; 3]], size: usize) -> Vec<Vec<Row>> {
    let db = created(&[
        SOURCE,
        "CREATE SOURCE d (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 2)",
        "CREATE STREAM plus AS SELECT k, v + 1 AS v, ts FROM t",
        &format!("CREATE STREAM u AS {UNION}"),
    ]);
    let inline = format!("({UNION}) AS u");
    let mut names = Vec::new();
    for (index, sql) in QUERIES.iter().enumerate() {
        execute(&db, &format!("CREATE STREAM s{index} AS {sql}"));
        names.push(format!("s{index}"));
        if let Some((before, after)) = sql.split_once("FROM u ") {
            execute(&db, &format!("CREATE STREAM i{index} AS {before} FROM {inline} {after}"));
            names.push(format!("i{index}"));
        }
    }
    db.start_blocking().unwrap();
    // Times that go up, and close what is over.
    let rising = |(at, [k, v, ts]): (usize, &[i64; 3])| [*k, *v, at as i64 / 2 + ts % 4];
    let rising: Vec<[i64; 3]> = rows.iter().enumerate().map(rising).collect();
    for (name, rows) in [("t", rows), ("d", &rising)] {
        let source = db.source_untyped(name).unwrap();
        for part in rows.chunks(size) {
            let column = |index: usize| -> ArrayRef {
                Arc::new(Int64Array::from_iter_values(part.iter().map(|row| row[index])))
            };
            let columns = vec![column(0), column(1), column(2)];
            source.push_arrow(RecordBatch::try_new(source.schema(), columns).unwrap()).unwrap();
        }
    }
    names.iter().map(|name| content(&db, name)).collect()
}

#[test]
fn results_do_not_depend_on_how_rows_are_cut_into_pushes() {
    for_seeds(3, |seed| {
        let mut random = Random::new(seed);
        let rows: Vec<[i64; 3]> = (0..60)
            .map(|_| [random.range(0, 3), random.range(-1, 2), random.range(0, 30)])
            .collect();
        let expected = contents(&rows, 1_000);
        assert!(expected.iter().all(|rows| !rows.is_empty()));
        for size in [1, 7] {
            assert_eq!(contents(&rows, size), expected, "seed {seed}, {size} at a time");
        }
    });
}

/// Ties break by all columns there; by arrival where branches are of different sources.
#[test]
fn ties_break_by_arrival_where_that_is_an_order() {
    let db = started(&[
        SOURCE,
        "CREATE SOURCE w (k BIGINT, v BIGINT, ts BIGINT NOT NULL)",
        "CREATE STREAM twice AS SELECT v, tag FROM (
             SELECT v, 'z' AS tag FROM t UNION ALL SELECT v, 'a' FROM t) AS u ORDER BY v LIMIT 1",
        "CREATE STREAM both AS SELECT v, tag FROM (
             SELECT v, 'z' AS tag FROM t UNION ALL SELECT v, 'a' FROM w) AS u ORDER BY v LIMIT 1",
    ]);
    execute(&db, "INSERT INTO t VALUES (1, 5, 1)");
    execute(&db, "INSERT INTO w VALUES (1, 5, 1)");
    assert_eq!(content(&db, "twice"), vec![row![5, "a"]]);
    assert_eq!(content(&db, "both"), vec![row![5, "z"]]);
    let keeps = |name: &str| {
        let plan = query(&db, &format!("EXPLAIN {name}"));
        let has = |words: &str| plan.iter().any(|line| line[0].text().contains(words));
        [has("the rows up to the last rank"), has("every row, since any can move up")]
    };
    assert_eq!(keeps("both"), [true, false]);
    assert_eq!(keeps("twice"), [false, true]);
}
