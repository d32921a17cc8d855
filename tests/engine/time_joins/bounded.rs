//! State stays bounded over a long time, and windows join windows and streams.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::LaminarDB;

use crate::row;
use crate::support::database::{content, created, execute, listed};
use crate::support::value::Row;

/// Pushes rows `k, v, ts` to a source.
fn push(db: &LaminarDB, source: &str, rows: &[(i64, i64, i64)]) {
    let source = db.source_untyped(source).unwrap();
    let column = |of: &dyn Fn(&(i64, i64, i64)) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
    };
    let columns = vec![column(&|row| row.0), column(&|row| row.1), column(&|row| row.2)];
    source.push_arrow(RecordBatch::try_new(source.schema(), columns).unwrap()).unwrap();
}

const SOURCES: [&str; 2] = [
    "CREATE SOURCE l (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 50)",
    "CREATE SOURCE r (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 50)",
];

#[test]
fn state_stays_bounded() {
    let kinds = [
        "ASOF LEFT JOIN r MATCH_CONDITION (l.ts >= r.ts) ON l.k = r.k",
        // A key must come again, or its last rows wait for it.
        "ASOF JOIN r MATCH_CONDITION (l.ts < r.ts) ON l.k % 50 = r.k % 50",
        "ASOF LEFT JOIN r MATCH_CONDITION (NEAREST(l.ts, r.ts)) ON l.k = r.k",
        "JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - 100 AND l.ts + 20",
        "FULL JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts AND l.ts + 20",
        "LEFT SEMI JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - 100 AND l.ts",
        "LEFT ANTI JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - 10 AND l.ts",
    ];
    let db = created(&SOURCES);
    let mut names = Vec::new();
    for (index, join) in kinds.iter().enumerate() {
        names.push(format!("s{index}"));
        let sql = format!(
            "CREATE STREAM s{index} WITH (retain_history = 10) AS SELECT l.k FROM l {join}"
        );
        execute(&db, &sql);
    }
    names.push("corrected".to_string());
    execute(
        &db,
        "CREATE STREAM corrected AS SELECT max(k) AS k FROM (SELECT l.k, r.v FROM l ASOF JOIN r
         MATCH_CONDITION (l.ts >= r.ts) ON l.k = r.k) GROUP BY v EMIT CHANGES",
    );
    db.start_blocking().unwrap();
    let mut after = Vec::new();
    // Keys come and go: 50 at a time, from a range that moves on. All values are 0.
    for step in 0..400 {
        let rows: Vec<(i64, i64, i64)> =
            (0..100).map(|row| (step / 4 + row % 50, 0, step * 100 + row)).collect();
        push(&db, "l", &rows);
        push(&db, "r", &rows);
        if step == 100 || step == 399 {
            let bytes = |name: &String| listed(&db, "SHOW STREAMS", name, "state_bytes").int();
            after.push(names.iter().map(bytes).collect::<Vec<i64>>());
        }
    }
    for (index, name) in names.iter().enumerate() {
        let (early, late) = (after[0][index], after[1][index]);
        // Looking back, a key keeps its last row for ever; there are four times as many keys.
        assert!(late <= 3 * early, "{name}: {early} bytes after 100 steps, {late} after 400");
    }
}

/// Windows of two streams by their start, and a stream's rows in the windows of another.
#[test]
fn windows_join_windows_and_streams() {
    let db = created(&SOURCES);
    for side in ["l", "r"] {
        execute(
            &db,
            &format!(
                "CREATE STREAM {side}w AS SELECT k, window_start, window_end, count(*) AS n
                 FROM TUMBLE({side}, ts, 100) GROUP BY k, window_start, window_end"
            ),
        );
    }
    execute(
        &db,
        "CREATE STREAM both_windows AS SELECT l.k, l.window_start, l.n, r.n AS rn FROM lw l
         LEFT JOIN rw r ON l.window_start = r.window_start AND l.k = r.k",
    );
    execute(
        &db,
        "CREATE STREAM in_window AS SELECT r.k, r.ts, w.n FROM r JOIN lw w
         ON r.k = w.k AND r.ts >= w.window_start AND r.ts < w.window_end",
    );
    db.start_blocking().unwrap();
    push(&db, "l", &[(1, 0, 5), (1, 0, 60), (2, 0, 99), (1, 0, 100), (2, 0, 250)]);
    push(&db, "r", &[(1, 0, 0), (1, 0, 99), (1, 0, 100), (3, 0, 160), (2, 0, 199)]);
    // Windows up to 200 are closed on the left, up to 100 on the right.
    let both: Vec<Row> = vec![row![1, 0, 2, 2], row![2, 0, 1, None::<i64>]];
    assert_eq!(content(&db, "both_windows"), both);
    let mut inside = vec![row![1, 0, 2], row![1, 99, 2], row![1, 100, 1]];
    assert_eq!(content(&db, "in_window"), inside);
    push(&db, "r", &[(2, 0, 170), (2, 0, 400)]);
    push(&db, "l", &[(2, 0, 500)]);
    let both: Vec<Row> = vec![
        row![1, 0, 2, 2],
        row![1, 100, 1, 1],
        row![2, 0, 1, None::<i64>],
        row![2, 200, 1, None::<i64>],
    ];
    assert_eq!(content(&db, "both_windows"), both);
    // The window of 2 in [100, 200) is not there.
    inside.sort();
    assert_eq!(content(&db, "in_window"), inside);
    // The result of a join carries event time: its rows can be grouped by windows.
    execute(
        &db,
        "CREATE STREAM joined_in_windows AS
         SELECT tumble(ts, 100) AS start, count(*) AS n FROM (
             SELECT l.ts FROM l JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - 10 AND l.ts + 10)
         GROUP BY tumble(ts, 100)",
    );
    push(&db, "l", &[(7, 0, 601), (7, 0, 640)]);
    push(&db, "r", &[(7, 0, 600), (7, 0, 605), (7, 0, 649)]);
    assert_eq!(content(&db, "joined_in_windows"), Vec::<Row>::new());
    push(&db, "l", &[(7, 0, 900)]);
    push(&db, "r", &[(7, 0, 900)]);
    assert_eq!(content(&db, "joined_in_windows"), vec![row![600, 3]]);
}
