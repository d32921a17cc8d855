//! Late rows of joins in time: those of the left side are handed on, worked out by hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::LaminarDB;

use crate::row;
use crate::support::database::{content, execute, listed, query, refused, started};

/// Pushes rows `k, v, ts` to a source.
fn push(db: &LaminarDB, source: &str, rows: &[(i64, i64, i64)]) {
    let source = db.source_untyped(source).unwrap();
    let column = |of: &dyn Fn(&(i64, i64, i64)) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
    };
    let columns = vec![column(&|row| row.0), column(&|row| row.1), column(&|row| row.2)];
    source.push_arrow(RecordBatch::try_new(source.schema(), columns).unwrap()).unwrap();
}

const SOURCES: [&str; 3] = [
    "CREATE SOURCE l (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 5)",
    "CREATE SOURCE r (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 5)",
    "CREATE TABLE u (k BIGINT PRIMARY KEY, v BIGINT, ts BIGINT NOT NULL,
                     WATERMARK FOR ts AS ts - 5)",
];

fn late_rows(db: &LaminarDB, stream: &str) -> i64 {
    listed(db, "SHOW STREAMS", stream, "late_rows").int()
}

#[test]
fn late_rows_of_the_left_side_are_handed_on() {
    let db = started(&SOURCES);
    for (name, query) in [
        (
            "inner_band",
            "SELECT l.k, r.v FROM l JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - 9 AND l.ts",
        ),
        ("outer_band", "SELECT l.k, r.v FROM l FULL JOIN r ON r.ts BETWEEN l.ts AND l.ts + 9"),
        ("semi_band", "SELECT l.k FROM l LEFT SEMI JOIN r ON r.ts BETWEEN l.ts AND l.ts + 9"),
        ("asof", "SELECT l.k, r.v FROM l ASOF JOIN r MATCH_CONDITION (l.ts >= r.ts) ON l.k = r.k"),
        (
            "corrected",
            "SELECT l.k, r.v FROM l ASOF LEFT JOIN r MATCH_CONDITION (l.ts < r.ts) ON l.k = r.k
             EMIT CHANGES",
        ),
        ("temporal", "SELECT l.k, u.v FROM l LEFT JOIN u FOR SYSTEM_TIME AS OF l.ts ON l.k = u.k"),
        (
            "windows_above",
            "SELECT window_start, count(*) AS n FROM (
                 SELECT l.ts FROM l JOIN r ON r.ts BETWEEN l.ts AND l.ts + 9) AS q
             GROUP BY tumble(ts, 100)",
        ),
    ] {
        let sql = format!("CREATE STREAM {name} AS {query} LATE DATA TO {name}_late");
        execute(&db, &sql);
    }
    // On the right F is 96 when the second row comes, which is late, too, and is counted.
    push(&db, "r", &[(1, 7, 100), (9, 9, 95)]);
    // F is 99 when the third row comes.
    push(&db, "l", &[(1, 10, 100), (2, 20, 103), (3, 30, 98), (4, 40, 99)]);
    push(&db, "l", &[(5, 50, 97), (6, 60, 99)]);
    let late = vec![row![3, 30, 98], row![5, 50, 97]];
    for name in ["inner_band", "outer_band", "semi_band", "asof", "corrected", "windows_above"] {
        assert_eq!(content(&db, &format!("{name}_late")), late, "{name}");
        assert_eq!(late_rows(&db, name), 3, "{name}");
    }
    assert_eq!(content(&db, "temporal_late"), late);
    assert_eq!(late_rows(&db, "temporal"), 2);
    let columns = query(&db, "SELECT count(k), sum(v), max(ts) FROM asof_late");
    assert_eq!(columns, vec![row![2, 80, 98]]);
}

#[test]
fn a_row_is_late_once_with_all_of_its_probes() {
    let db = started(&SOURCES);
    execute(
        &db,
        "CREATE STREAM probe AS SELECT l.k, p.offset_ms, r.v FROM l TEMPORAL PROBE JOIN r ON (k)
         TIMESTAMPS (ts, ts) LIST (0, 4) AS p LATE DATA TO missed",
    );
    push(&db, "l", &[(1, 10, 100), (2, 20, 95)]);
    // F is 96: the second row comes too late, though not for a time 4 after it.
    assert_eq!(content(&db, "missed"), vec![row![2, 20, 95]]);
    assert_eq!(late_rows(&db, "probe"), 1);
}

#[test]
fn late_changes_of_the_left_side_are_a_log() {
    let db = started(&SOURCES);
    execute(
        &db,
        "CREATE STREAM s AS SELECT a.k, a.n, r.v FROM
         (SELECT k, ts, count(*) AS n FROM l GROUP BY k, ts) AS a
         JOIN r ON a.k = r.k AND r.ts BETWEEN a.ts - 9 AND a.ts EMIT CHANGES LATE DATA TO missed",
    );
    push(&db, "l", &[(1, 10, 100), (3, 30, 95)]);
    push(&db, "l", &[(3, 30, 95)]);
    let log = vec![row![3, 95, 1, -1], row![3, 95, 1, 1], row![3, 95, 2, 1]];
    assert_eq!(content(&db, "missed"), log);
}

#[test]
fn joins_share_a_sink() {
    let db = started(&SOURCES);
    execute(
        &db,
        "CREATE STREAM s AS
         SELECT l.k, r.v FROM l JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - 9 AND l.ts
         UNION ALL
         SELECT r.k, l.v FROM r ASOF JOIN l MATCH_CONDITION (r.ts >= l.ts) ON r.k = l.k
         LATE DATA TO missed",
    );
    push(&db, "l", &[(1, 10, 100), (2, 20, 95)]);
    push(&db, "r", &[(3, 30, 200), (4, 40, 195)]);
    assert_eq!(content(&db, "missed"), vec![row![2, 20, 95], row![4, 40, 195]]);
    let error = refused(
        &db,
        "CREATE STREAM x AS
         SELECT l.k FROM l JOIN r ON r.ts BETWEEN l.ts - 9 AND l.ts
         UNION ALL SELECT q.k FROM (SELECT k, ts FROM r) AS q JOIN l ON l.ts BETWEEN q.ts AND q.ts
         LATE DATA TO lost",
    );
    assert!(error.message().contains("different columns"), "{error}");
}

#[test]
fn where_nothing_is_late_the_clause_is_refused() {
    let db = started(&SOURCES);
    for query in [
        "SELECT l.k FROM l JOIN r ON l.k = r.k",
        "SELECT l.k FROM l JOIN u FOR SYSTEM_TIME AS OF proctime() ON l.k = u.k",
        "SELECT u.k FROM u ASOF JOIN r MATCH_CONDITION (u.ts >= r.ts) ON u.k = r.k EMIT CHANGES",
        "SELECT k, max(v) FROM l GROUP BY k",
    ] {
        let error = refused(&db, &format!("CREATE STREAM x AS {query} LATE DATA TO y"));
        assert!(error.message().contains("LATE DATA TO needs a window"), "{query}: {error}");
        assert!(error.position().is_some(), "{query}");
    }
}
