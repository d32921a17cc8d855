//! `EMIT`: what is final, what is refused, what is warned of.

use laminar_db::ExecuteResult;

use super::{SOURCE, late_rows, push};
use crate::row;
use crate::support::database::{
    content, drain, drain_rows, execute, listed, query, refused, started, subscribe,
};
use crate::support::value::{Row, Value, rows};

#[test]
fn every_spelling_of_final_is_final() {
    for clause in ["ON WINDOW CLOSE", "FINAL", "AFTER WATERMARK", "ON WATERMARK"] {
        let db = started(&[
            SOURCE,
            &format!(
                "CREATE STREAM w AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)
                 EMIT {clause}"
            ),
        ]);
        let source = db.source_untyped("t").unwrap();
        let mut told = subscribe(&db, "w");
        push(&source, &[(1, 1, 3), (1, 1, 13), (1, 1, 4)]);
        assert_eq!(drain_rows(&mut told), Vec::<Row>::new(), "{clause}");
        push(&source, &[(1, 1, 14), (1, 1, 5)]);
        assert_eq!(drain_rows(&mut told), vec![row![0, 2]], "{clause}");
        assert_eq!(late_rows(&db, "w"), 1, "{clause}");
        assert_eq!(query(&db, "EXPLAIN w")[0][0].text(), "EMIT ON WINDOW CLOSE", "{clause}");
    }
}

#[test]
fn what_changes_until_its_time_is_over_is_given_once() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM best AS SELECT window_start, window_end, k, v FROM (
             SELECT *, row_number() OVER (PARTITION BY window_start, window_end ORDER BY v DESC, k)
             AS place FROM TUMBLE(t, ts, 10)) AS p WHERE place <= 2 EMIT ON WINDOW CLOSE",
        // The event time need not be selected under the window's own name.
        "CREATE STREAM seen AS SELECT DISTINCT ts AS at FROM t EMIT FINAL",
        "CREATE STREAM busiest AS SELECT window_end AS until, k, n FROM (
             SELECT *, rank() OVER (PARTITION BY window_end ORDER BY n DESC) AS place FROM (
                 SELECT k, window_end, count(*) AS n FROM t GROUP BY k, tumble(ts, 10)))
         WHERE place = 1 EMIT FINAL",
    ]);
    let source = db.source_untyped("t").unwrap();
    let mut told = subscribe(&db, "best");
    push(&source, &[(1, 5, 3), (2, 7, 4), (3, 6, 5), (3, 1, 12), (3, 1, 3)]);
    assert_eq!(drain(&mut told).len(), 0);
    // F = 10 after 14.
    push(&source, &[(2, 9, 14), (9, 99, 3)]);
    let closed = drain(&mut told);
    assert!(closed[0].weights.is_none());
    let mut best = rows(&[closed[0].batch.clone()]);
    best.sort();
    // The second row came after the close: it would come in, and put another one out.
    assert_eq!(best, vec![row![0, 10, 2, 7], row![0, 10, 3, 6]]);
    assert_eq!(late_rows(&db, "best"), 1);
    assert_eq!(content(&db, "seen"), vec![row![3], row![4], row![5]]);
    // Ends up to 10 have come, and are final when the frontier has passed them.
    assert_eq!(content(&db, "busiest"), Vec::<Row>::new());
    source.watermark(10).unwrap();
    assert_eq!(content(&db, "busiest"), vec![row![10, 3, 2]]);
    source.watermark(100).unwrap();
    assert_eq!(content(&db, "best").len(), 4);
    let plan = query(&db, "EXPLAIN best");
    let waits =
        |line: &Row| line[0].text().contains("Until final: rows wait until the frontier of");
    assert!(plan.iter().any(waits), "{plan:?}");
}

#[test]
fn groups_of_an_event_time_are_dropped_when_it_is_over() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM counted AS WITH w AS (SELECT * FROM HOP(t, ts, 5, 10) WHERE v > 0)
         SELECT k, window_start, window_end, count(*) AS n FROM w
         GROUP BY k, window_start, window_end EMIT ON WINDOW CLOSE",
        "CREATE STREAM seen AS SELECT DISTINCT ts FROM t EMIT FINAL",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 1, 3), (1, 1, 4), (2, 1, 4), (1, -1, 4), (1, 1, 12)]);
    assert_eq!(content(&db, "counted"), vec![row![1, -5, 5, 2], row![2, -5, 5, 1]]);
    assert_eq!(content(&db, "seen"), vec![row![3], row![4]]);
    // Late for the window that is over, not for the other.
    push(&source, &[(3, 1, 4)]);
    assert_eq!((late_rows(&db, "counted"), late_rows(&db, "seen")), (1, 1));
    source.watermark(14).unwrap();
    let expected = vec![
        row![1, -5, 5, 2],
        row![1, 0, 10, 2],
        row![1, 5, 15, 1],
        row![2, -5, 5, 1],
        row![2, 0, 10, 1],
        row![3, 0, 10, 1],
    ];
    assert_eq!(content(&db, "counted"), expected);
    let plan = query(&db, "EXPLAIN counted");
    let drops = |line: &Row| line[0].text().contains("one table per window, dropped at its close");
    assert!(plan.iter().any(drops), "{plan:?}");
}

/// The bounds of windows that a subquery gives are those of windows: groups of them are final by
/// default, as groups by the window itself are.
#[test]
fn groups_of_a_bound_are_final_by_default() {
    let db = started(&[SOURCE, "CREATE TABLE u (k BIGINT, ts BIGINT)"]);
    for (name, sql) in [
        ("direct", "SELECT window_start, count(*) AS n FROM TUMBLE(t, ts, 10) GROUP BY 1"),
        (
            "by_cte",
            "WITH w AS (SELECT * FROM TUMBLE(t, ts, 10))
             SELECT window_start, count(*) AS n FROM w GROUP BY window_start, window_end",
        ),
        (
            "by_call",
            "SELECT s, count(*) AS n FROM (SELECT tumble(ts, 10) AS s FROM t) AS q GROUP BY s",
        ),
        (
            "filtered",
            "SELECT window_start, count(*) AS n FROM HOP(t, ts, 10, 10) WHERE window_start > -1
             GROUP BY window_start",
        ),
        (
            "renamed",
            "SELECT a, count(*) AS n FROM (SELECT window_start AS a, v FROM CUMULATE(t, ts, 10, 10))
             WHERE v > -100 GROUP BY a",
        ),
    ] {
        execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
        let plan = query(&db, &format!("EXPLAIN {name}"));
        assert_eq!(plan[0][0].text(), "EMIT ON WINDOW CLOSE (by default)", "{name}: {plan:?}");
    }
    let source = db.source_untyped("t").unwrap();
    // F = 20 after 24: a row of 15 is late.
    push(&source, &[(1, 1, 3), (1, 1, 13), (1, 1, 4), (1, 1, 14), (2, 1, 24), (2, 1, 15)]);
    for name in ["direct", "by_cte", "by_call", "filtered", "renamed"] {
        assert_eq!(content(&db, name), vec![row![0, 2], row![10, 2]], "{name}");
        assert_eq!(late_rows(&db, name), 1, "{name}");
    }
    // What is no bound, or not of windows alone, is as ever.
    for sql in [
        "SELECT ts, count(*) AS n FROM TUMBLE(t, ts, 10) GROUP BY ts",
        "SELECT k, count(*) AS n FROM HOP(t, ts, 5, 10) WHERE window_start > 0 GROUP BY k",
        "SELECT tumble(ts, 10) + 5 AS x, count(*) AS n FROM u GROUP BY 1",
    ] {
        if let Ok(plan) = db.explain(&format!("CREATE STREAM x AS {sql}")) {
            assert!(!plan.starts_with("EMIT ON WINDOW CLOSE"), "{sql}\n{plan}");
        }
    }
}

#[test]
fn what_can_change_for_ever_is_not_final() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT k, window_end, count(*) n FROM t GROUP BY k, tumble(ts, 10)",
    ]);
    for sql in [
        "CREATE STREAM x AS SELECT k, count(*) FROM t GROUP BY k EMIT FINAL",
        "CREATE STREAM x AS SELECT k, max(n) FROM w GROUP BY k EMIT ON WINDOW CLOSE",
        "CREATE STREAM x AS SELECT * FROM w ORDER BY n DESC LIMIT 3 EMIT AFTER WATERMARK",
        "CREATE STREAM x AS SELECT k, max(n) FROM (
             SELECT k, count(*) AS n FROM t GROUP BY k, tumble(ts, 10)) GROUP BY k EMIT FINAL",
        "CREATE STREAM x AS SELECT l.k FROM w l LEFT JOIN t r ON l.k = r.k EMIT FINAL",
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains("these can change for ever"), "{sql}: {error}");
        assert!(error.position().is_some(), "{sql}");
    }
    let error = refused(&db, "CREATE STREAM x AS SELECT k FROM t EMIT FINAL");
    assert!(error.message().contains("needs a window"), "{error}");
}

#[test]
fn final_without_a_declared_watermark_warns() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT)",
        SOURCE.replace(" t ", " u ").as_str(),
    ]);
    let warnings = |sql: &str| match db.execute_blocking(sql).unwrap() {
        ExecuteResult::Ddl { warnings, .. } => warnings,
        _ => panic!("{sql} defines something"),
    };
    let window = "FROM t GROUP BY tumble(ts, 10)";
    let told = warnings(&format!("CREATE STREAM a AS SELECT count(*) n {window} EMIT FINAL"));
    let expected =
        "no watermark is declared: windows close only when the producer calls watermark(t)";
    assert_eq!(told, [expected]);
    let told = warnings(&format!("CREATE STREAM b AS SELECT count(*) n {window}"));
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("windows are kept until"), "{told:?}");
    assert_eq!(warnings("CREATE STREAM c AS SELECT k FROM t"), Vec::<String>::new());
    let declared = "CREATE STREAM d AS SELECT count(*) n FROM u GROUP BY tumble(ts, 10) EMIT FINAL";
    assert_eq!(warnings(declared), Vec::<String>::new());
    let plan = query(&db, "EXPLAIN a");
    assert!(plan.iter().any(|line| line[0].text() == format!("note: {expected}")), "{plan:?}");
    // Who did not make the stream, or not from Rust, finds it in the listings.
    assert_eq!(listed(&db, "SHOW STREAMS", "a", "warnings"), Value::from(expected));
    assert_eq!(listed(&db, "SHOW STREAMS", "d", "warnings"), Value::Null);
    let described = query(&db, "DESCRIBE EXTENDED a");
    assert!(described.contains(&row!["warning", expected]), "{described:?}");
}
