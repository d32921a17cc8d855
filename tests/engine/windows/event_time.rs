//! Event time through expressions: what is monotone carries a frontier, and the right one.

use super::push;
use crate::row;
use crate::support::database::{content, query, refused, started};
use crate::support::value::Row;

/// The expression over `ts`, the window over it, the last time at which its first window is still
/// open, and the window's start; times are of the column's type, from 0 on.
struct Case {
    column: &'static str,
    expr: &'static str,
    window: &'static str,
    /// With the watermark here nothing is closed, and one unit later the window is.
    open_at: i64,
    start: i64,
}

const CASES: [Case; 17] = [
    // W + 1 = 60_000 makes the minute 1, which is past the window of one minute.
    case("BIGINT", "ts", "60000", 59_998, 0),
    case("BIGINT", "ts + INTERVAL '1' MINUTE", "60000", 59_998, 60_000),
    case("BIGINT", "INTERVAL '1' MINUTE + ts", "60000", 59_998, 60_000),
    case("BIGINT", "ts - 60000", "60000", 59_998, -60_000),
    case("BIGINT", "ts * 2", "60000", 29_998, 0),
    // Of times up to 59 the tenth is less than 6.
    case("BIGINT", "ts / 10", "6", 58, 0),
    case("BIGINT", "to_timestamp_millis(ts)", "INTERVAL '1' MINUTE", 59_998, 0),
    case("BIGINT", "to_timestamp(ts)", "INTERVAL '1' MINUTE", 58, 0),
    case("BIGINT", "from_unixtime(ts)", "INTERVAL '1' MINUTE", 58, 0),
    case(
        "BIGINT",
        "CAST(to_timestamp_millis(ts) AS TIMESTAMP(0))",
        "INTERVAL '1' MINUTE",
        59_998,
        0,
    ),
    case("TIMESTAMP(3)", "CAST(ts AS TIMESTAMP(9))", "INTERVAL '1' MINUTE", 59_998, 0),
    case("TIMESTAMP(3)", "CAST(ts AS TIMESTAMP(0))", "INTERVAL '1' MINUTE", 59_998, 0),
    case("TIMESTAMP(3)", "CAST(ts AS BIGINT)", "60000", 59_998, 0),
    case("TIMESTAMP(3)", "date_trunc('minute', ts)", "INTERVAL '2' MINUTE", 119_998, 0),
    case("TIMESTAMP(3)", "date_bin(INTERVAL '30' SECOND, ts)", "INTERVAL '1' MINUTE", 59_998, 0),
    case("TIMESTAMP(3)", "tumble(ts, INTERVAL '30' SECOND)", "INTERVAL '1' MINUTE", 59_998, 0),
    case(
        "TIMESTAMP(3)",
        "date_trunc('second', ts + INTERVAL '1' SECOND) - INTERVAL '500' MILLISECOND",
        "INTERVAL '1' MINUTE",
        59_998,
        0,
    ),
];

const fn case(
    column: &'static str,
    expr: &'static str,
    window: &'static str,
    open_at: i64,
    start: i64,
) -> Case {
    Case { column, expr, window, open_at, start }
}

#[test]
fn monotone_expressions_carry_the_frontier() {
    for Case { column, expr, window, open_at, start } in CASES {
        let db = started(&[
            &format!(
                "CREATE SOURCE t (k BIGINT, v BIGINT, ts {column} NOT NULL, WATERMARK FOR ts)"
            ),
            // Through a stream of its own, an alias and a subquery.
            &format!(
                "CREATE STREAM projected AS SELECT k, e AS at FROM (SELECT k, {expr} AS e FROM t)"
            ),
            &format!(
                "CREATE STREAM w AS SELECT CAST(window_start AS BIGINT) s, count(*) n
                      FROM projected GROUP BY tumble(at, {window})"
            ),
        ]);
        let source = db.source_untyped("t").unwrap();
        push(&source, &[(1, 1, 0), (1, 1, open_at)]);
        assert_eq!(content(&db, "w"), Vec::<Row>::new(), "{expr}");
        push(&source, &[(1, 1, open_at + 1)]);
        // The row that closes the window may be in it.
        let closed = content(&db, "w");
        assert_eq!(closed.len(), 1, "{expr}");
        assert_eq!(closed[0][0], row![start][0], "{expr}");
        if expr != "ts" {
            let plan = query(&db, "EXPLAIN projected");
            let shown = plan.iter().any(|line| line[0].text().contains("by that of ts"));
            assert!(shown, "{expr}: {plan:?}");
        }
    }
}

#[test]
fn other_expressions_drop_it() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, a BIGINT, ts TIMESTAMP NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE u (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
    ]);
    for (expr, from) in [
        ("ts * -1", "u"),
        ("1000 - ts", "u"),
        ("ts % 1000", "u"),
        ("ts + k", "u"),
        ("abs(ts)", "u"),
        ("CASE WHEN k > 1 THEN ts ELSE ts + 1 END", "u"),
        // A later hour of the 30th comes behind an earlier one of the 31st.
        ("ts + INTERVAL '1' MONTH", "t"),
        // Local time goes back in autumn.
        ("CAST(CAST(ts AS TIMESTAMP WITH TIME ZONE) AT TIME ZONE 'Europe/Rome' AS TIMESTAMP)", "t"),
    ] {
        let sql = format!(
            "CREATE STREAM x AS SELECT count(*) FROM (SELECT {expr} AS e FROM {from}) GROUP BY tumble(e, INTERVAL '1' HOUR)"
        );
        let error = refused(&db, &sql);
        assert!(error.message().contains("no watermark reaches"), "{expr}: {error}");
    }
}

#[test]
fn a_cascade_of_windows_over_computed_times() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts TIMESTAMP(3) NOT NULL, WATERMARK FOR ts)",
        "CREATE STREAM minutes AS SELECT window_end AS until, sum(v) AS s FROM t
         GROUP BY tumble(ts, INTERVAL '1' MINUTE)",
        "CREATE STREAM hours AS SELECT hour, sum(s) AS s FROM (
             SELECT date_trunc('hour', until - INTERVAL '1' MILLISECOND) AS hour, s FROM minutes)
         GROUP BY hour, tumble(hour, INTERVAL '1' HOUR)",
    ]);
    let source = db.source_untyped("t").unwrap();
    let minute = 60_000;
    push(&source, &[(1, 1, 0), (1, 2, 59 * minute), (1, 4, 60 * minute)]);
    // The minute of 59 is closed, and the hour with it.
    assert_eq!(content(&db, "hours"), vec![row![0, 3]]);
    push(&source, &[(1, 1, 119 * minute)]);
    assert_eq!(content(&db, "hours"), vec![row![0, 3]]);
    push(&source, &[(1, 1, 120 * minute)]);
    assert_eq!(content(&db, "hours"), vec![row![0, 3], row![3_600_000, 5]]);
}
