//! Late rows: where they go.

use super::{SOURCE, late_rows, push};
use crate::row;
use crate::support::database::{content, execute, refused, started};
use crate::support::value::Row;

#[test]
fn changes_that_are_late_are_a_log() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM rare AS SELECT k, ts, count(*) n FROM t GROUP BY k, ts HAVING count(*) < 2",
        "CREATE STREAM w AS SELECT window_start, sum(n) n FROM rare GROUP BY tumble(ts, 10)
         EMIT CHANGES LATE DATA TO missed",
        "CREATE STREAM s AS SELECT window_start, sum(n) n FROM rare GROUP BY session(ts, 5)
         EMIT CHANGES LATE DATA TO missed_by_sessions",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 0, 3), (1, 0, 15)]);
    // A second row at 3 takes the first one out of a window that is closed, and a new one comes.
    push(&source, &[(1, 0, 3)]);
    push(&source, &[(2, 0, 4)]);
    let log = vec![row![1, 3, 1, -1], row![2, 4, 1, 1]];
    assert_eq!(content(&db, "missed"), log);
    assert_eq!(content(&db, "missed_by_sessions"), log);
    assert_eq!(late_rows(&db, "w"), 2);
    // What was closed stands.
    assert_eq!(content(&db, "w"), vec![row![0, 1], row![10, 1]]);
    assert_eq!(content(&db, "s"), vec![row![3, 1], row![15, 1]]);
}

#[test]
fn several_windows_share_a_sink() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS
         SELECT 'ten' AS size, window_start, count(*) n FROM t GROUP BY tumble(ts, 10)
         UNION ALL SELECT 'twenty', window_start, count(*) FROM t GROUP BY tumble(ts, 20)
         LATE DATA TO missed",
        "CREATE STREAM of_missed AS SELECT k, count(*) n FROM missed GROUP BY k",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 1, 3), (1, 1, 16), (2, 2, 4), (3, 3, 12)]);
    assert_eq!(content(&db, "missed"), vec![row![2, 2, 4]]);
    // Late for both.
    push(&source, &[(1, 1, 40), (4, 4, 5)]);
    assert_eq!(content(&db, "missed"), vec![row![2, 2, 4], row![4, 4, 5], row![4, 4, 5]]);
    assert_eq!(late_rows(&db, "w"), 3);
    assert_eq!(content(&db, "of_missed"), vec![row![2, 1], row![4, 2]]);
    execute(&db, "DROP STREAM of_missed");
    execute(&db, "DROP STREAM w");
    execute(&db, "CREATE STREAM missed AS SELECT k FROM t");
    push(&source, &[(5, 5, 5)]);
    assert_eq!(content(&db, "missed"), vec![row![5]]);
    let error = refused(
        &db,
        "CREATE STREAM x AS SELECT window_start FROM t GROUP BY tumble(ts, 10)
         UNION ALL SELECT window_start FROM (SELECT v, ts FROM t) GROUP BY tumble(ts, 10)
         LATE DATA TO lost",
    );
    assert!(error.message().contains("different columns"), "{error}");
}

#[test]
fn a_row_is_late_once_for_all_grouping_sets() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT window_start, k, count(*) n FROM t
         GROUP BY tumble(ts, 10), ROLLUP (k) LATE DATA TO missed",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 1, 3), (1, 1, 20), (2, 2, 4)]);
    assert_eq!(content(&db, "missed"), vec![row![2, 2, 4]]);
    assert_eq!(late_rows(&db, "w"), 1);
    let mut got = content(&db, "w");
    got.sort();
    let mut expected: Vec<Row> = vec![row![0, 1, 1], row![0, None::<i64>, 1]];
    expected.sort();
    assert_eq!(got, expected);
}

#[test]
fn lateness_allowed_moves_every_close() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM once AS SELECT window_end, count(*) n FROM t GROUP BY tumble(ts, 10)
         EMIT ON WINDOW CLOSE ALLOW LATENESS 10",
        "CREATE STREAM hops AS SELECT window_start, count(*) n FROM t GROUP BY hop(ts, 5, 10)
         EMIT CHANGES ALLOW LATENESS INTERVAL '10' MILLISECOND LATE DATA TO missed",
        "CREATE STREAM stays AS SELECT window_start, window_end, count(*) n FROM t
         GROUP BY session(ts, 5) EMIT CHANGES ALLOW LATENESS 10",
        "CREATE STREAM above AS SELECT tumble(window_end, 20) w, sum(n) n FROM once GROUP BY 1",
    ]);
    let source = db.source_untyped("t").unwrap();
    // F = 16: without lateness [0, 10) would be closed. Less ten only [-5, 5) is, for the row at 4.
    push(&source, &[(1, 1, 3), (1, 1, 20), (1, 1, 4)]);
    assert_eq!(content(&db, "once"), Vec::<Row>::new());
    assert_eq!(content(&db, "hops"), vec![row![-5, 1], row![0, 2], row![15, 1], row![20, 1]]);
    assert_eq!(content(&db, "stays"), vec![row![3, 9, 2], row![20, 25, 1]]);
    // F = 19 after 23: less ten it is 9, and closes the session [3, 9) before the row comes.
    push(&source, &[(1, 1, 23), (1, 1, 4)]);
    assert_eq!(content(&db, "hops")[..2], [row![-5, 1], row![0, 3]]);
    // F = 20 less ten closes [0, 10); a row at 4 is then late everywhere.
    push(&source, &[(1, 1, 24), (1, 1, 4)]);
    assert_eq!(content(&db, "once"), vec![row![10, 3]]);
    assert_eq!(content(&db, "missed"), vec![row![1, 1, 4]]);
    assert_eq!((late_rows(&db, "once"), late_rows(&db, "hops")), (1, 1));
    assert_eq!(content(&db, "stays"), vec![row![3, 9, 2], row![20, 29, 3]]);
    // What stands above waits for what is below: [0, 20) closes when the frontier of ends is 20.
    assert_eq!(content(&db, "above"), Vec::<Row>::new());
    push(&source, &[(1, 1, 34)]);
    assert_eq!(content(&db, "above"), vec![row![0, 3]]);
}

#[test]
fn a_retraction_for_a_closed_session_is_late() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM rare AS SELECT k, ts, count(*) n FROM t GROUP BY k, ts HAVING count(*) < 2",
        "CREATE STREAM done AS SELECT k, window_start, window_end, count(*) n FROM rare
         GROUP BY k, session(ts, 5) EMIT ON WINDOW CLOSE",
        "CREATE STREAM now AS SELECT k, window_start, window_end, count(*) n FROM rare
         GROUP BY k, session(ts, 5) EMIT CHANGES",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 0, 0), (1, 0, 3), (1, 0, 6), (1, 0, 20)]);
    // F = 16. The row that holds [0, 11) together goes, and comes again for a third time.
    let closed = vec![row![1, 0, 11, 3]];
    assert_eq!(content(&db, "done"), closed);
    push(&source, &[(1, 0, 3)]);
    assert_eq!((late_rows(&db, "done"), late_rows(&db, "now")), (1, 1));
    assert_eq!(content(&db, "done"), closed);
    assert_eq!(content(&db, "now"), vec![row![1, 0, 11, 3], row![1, 20, 25, 1]]);
    // A row that is open goes: its session with it, the closed one stays.
    push(&source, &[(1, 0, 20)]);
    assert_eq!(content(&db, "now"), closed);
    // A row beside the closed session is not in it, and neither is its retraction.
    push(&source, &[(1, 0, 12), (1, 0, 12)]);
    source.watermark(100).unwrap();
    assert_eq!(content(&db, "done"), closed);
    assert_eq!(content(&db, "now"), closed);
}
