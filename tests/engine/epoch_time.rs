//! `now()` and its like in continuous queries: the time of the epoch that brings a row, told by a
//! clock that the tests move.

use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, TimeUnit, TimestampNanosecondType};
use laminar_db::{Config, ErrorKind, LaminarDB};

use crate::row;
use crate::support::database::{batches, content, drain_rows, execute, refused, subscribe};

/// 2023-11-14 22:13:20.250 UTC.
const START_MS: i64 = 1_700_000_000_250;
const DAY: i64 = 19_675;
const SOURCE: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, ts BIGINT NOT NULL, WATERMARK FOR ts)";

fn opened(statements: &[&str]) -> LaminarDB {
    let db = LaminarDB::open_with_clock_at(Config::default(), START_MS).unwrap();
    statements.iter().for_each(|sql| execute(&db, sql));
    db
}

fn advance(db: &LaminarDB, ms: u64) {
    db.advance_clock(Duration::from_millis(ms)).unwrap();
}

/// As milliseconds since the start.
const AT: &str = "CAST(CAST(now() AS TIMESTAMP(3)) AS BIGINT) - 1700000000250";

#[test]
fn a_row_has_the_time_of_the_epoch_that_brought_it() {
    let db = opened(&[
        SOURCE,
        "CREATE STREAM s AS SELECT k, now() AS at, current_timestamp AS again, current_date AS day, \
         current_time AS time FROM t",
    ]);
    db.start_blocking().unwrap();
    execute(&db, "INSERT INTO t VALUES ('a', 1), ('b', 2)");
    advance(&db, 86_400_000 + 1);
    execute(&db, "INSERT INTO t VALUES ('c', 3)");
    let rows = batches(&db, "SELECT at, again, day, time FROM s ORDER BY k");
    let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    assert_eq!(rows[0].column(0).data_type(), &utc);
    assert_eq!(rows[0].column(0), rows[0].column(1));
    let at = rows[0].column(0).as_primitive::<TimestampNanosecondType>().values().to_vec();
    let next_day_ms = START_MS + 86_400_001;
    assert_eq!(at, [START_MS, START_MS, next_day_ms].map(|ms| ms * 1_000_000));
    let parts = "SELECT k, CAST(day AS INT) AS day, date_part('hour', time) AS h, \
                 date_part('minute', time) AS m FROM s";
    assert_eq!(
        content(&db, &format!("({parts})")),
        [row!["a", DAY, 22, 13], row!["b", DAY, 22, 13], row!["c", DAY + 1, 22, 13]]
    );
}

#[test]
fn it_is_a_column_of_the_row_from_then_on() {
    let db = opened(&[
        SOURCE,
        &format!("CREATE STREAM stamped AS SELECT k, {AT} AS at FROM t"),
        "CREATE STREAM late AS SELECT k FROM stamped WHERE at >= 10",
        "CREATE STREAM last AS SELECT k, max(at) AS at FROM stamped GROUP BY k EMIT CHANGES",
        &format!(
            "CREATE STREAM late_too AS SELECT k FROM (SELECT k, {AT} AS at FROM t) AS s WHERE at >= 10"
        ),
        &format!(
            "CREATE STREAM closed AS SELECT window_end, count(*) AS n, {AT} AS at FROM t \
             GROUP BY tumble(ts, 100)"
        ),
    ]);
    db.start_blocking().unwrap();
    let mut last = subscribe(&db, "last");
    execute(&db, "INSERT INTO t VALUES ('a', 1)");
    advance(&db, 10);
    execute(&db, "INSERT INTO t VALUES ('a', 2), ('b', 3)");
    advance(&db, 5);
    execute(&db, "INSERT INTO t VALUES ('c', 250)");
    assert_eq!(
        content(&db, "stamped"),
        [row!["a", 0], row!["a", 10], row!["b", 10], row!["c", 15]]
    );
    for late in ["late", "late_too"] {
        assert_eq!(content(&db, late), [row!["a"], row!["b"], row!["c"]]);
    }
    assert_eq!(
        drain_rows(&mut last),
        [row!["a", 0, 1], row!["a", 0, -1], row!["a", 10, 1], row!["b", 10, 1], row!["c", 15, 1]]
    );
    // A window has the time of its close.
    assert_eq!(content(&db, "closed"), [row![100, 3, 15]]);
}

#[test]
fn all_streams_of_an_epoch_have_one_time_and_what_waited_has_that_of_the_start() {
    let db = opened(&[
        SOURCE,
        &format!("CREATE STREAM s AS SELECT k, {AT} AS at FROM t UNION ALL SELECT k, {AT} FROM t"),
    ]);
    execute(&db, "INSERT INTO t VALUES ('a', 1)");
    advance(&db, 7);
    db.start_blocking().unwrap();
    // What a view finds, it has from the epoch of its creation.
    advance(&db, 3);
    execute(&db, &format!("CREATE MATERIALIZED VIEW v AS SELECT k, {AT} AS at FROM t"));
    execute(&db, &format!("CREATE STREAM one AS SELECT {AT} AS at"));
    assert_eq!(content(&db, "s"), [row!["a", 7], row!["a", 7]]);
    assert_eq!(content(&db, "v"), [row!["a", 10]]);
    advance(&db, 3);
    assert_eq!(content(&db, "one"), [row![10]]);
}

#[test]
fn what_is_computed_once_of_a_row_has_it_too() {
    let db = opened(&[
        SOURCE,
        "CREATE STREAM days AS SELECT current_date AS day, count(*) AS n FROM t GROUP BY current_date",
        &format!("CREATE STREAM last AS SELECT max({AT}) AS at FROM t"),
        "CREATE STREAM newest AS SELECT k FROM t ORDER BY now() DESC, k LIMIT 1",
    ]);
    db.start_blocking().unwrap();
    execute(&db, "INSERT INTO t VALUES ('a', 1), ('b', 2)");
    advance(&db, 86_400_000);
    execute(&db, "INSERT INTO t VALUES ('d', 3), ('c', 3)");
    let days = "(SELECT CAST(day AS INT) AS day, n FROM days)";
    assert_eq!(content(&db, days), [row![DAY, 2], row![DAY + 1, 2]]);
    assert_eq!(content(&db, "last"), [row![86_400_000]]);
    assert_eq!(content(&db, "newest"), [row!["c"]]);
}

#[test]
fn a_row_that_fails_beside_it_is_left_out_alone() {
    let db = opened(&[
        SOURCE,
        &format!("CREATE STREAM s AS SELECT 6 / (ts - 1) AS x, {AT} AS at FROM t"),
    ]);
    db.start_blocking().unwrap();
    execute(&db, "INSERT INTO t VALUES ('a', 1), ('b', 3)");
    assert_eq!(content(&db, "s"), [row![3, 0]]);
    assert_eq!(content(&db, "(SELECT stream FROM laminar_dead_letters)"), [row!["s"]]);
}

#[test]
fn it_is_refused_by_name_where_it_would_change_by_itself() {
    let db = opened(&[
        SOURCE,
        "CREATE TABLE names (k VARCHAR PRIMARY KEY, name VARCHAR)",
        "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k",
    ]);
    let condition = "in a condition";
    for (query, words) in [
        ("SELECT k FROM t WHERE to_timestamp_millis(ts) > now()", ["now()", condition]),
        ("SELECT k FROM t WHERE current_date > DATE '2024-01-01'", ["current_date()", condition]),
        (
            "SELECT k, count(*) FROM t GROUP BY k HAVING max(to_timestamp_millis(ts)) < now()",
            ["now()", condition],
        ),
        (
            "SELECT a.k FROM t a JOIN t b ON a.k = b.k AND now() > to_timestamp_millis(a.ts)",
            ["now()", condition],
        ),
        (
            "SELECT count(*) FILTER (WHERE now() > to_timestamp_millis(ts)) FROM t",
            ["now()", condition],
        ),
        (
            "SELECT sum(ts) FILTER (WHERE current_date > DATE '2024-01-01') \
             OVER (PARTITION BY k) FROM t",
            ["current_date()", condition],
        ),
        ("SELECT k, now() AS at FROM counts", ["now()", "updating input"]),
        ("SELECT name, current_time AS at FROM names", ["current_time()", "updating input"]),
        ("SELECT k, count(*), now() AS at FROM t GROUP BY k", ["now()", "updating input"]),
    ] {
        let error = refused(&db, &format!("CREATE STREAM x AS {query}"));
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{query}\n{error}");
        assert!(words.iter().all(|word| error.message().contains(word)), "{query}\n{error}");
    }
}
