//! Top-N and window functions by an event time: a partition that is over is forgotten, and its
//! rows stay.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::LaminarDB;

use crate::row;
use crate::support::database::{content, created, execute, listed, query, started};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::value::{Row, assert_same};

const SOURCE: &str =
    "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 50)";

/// Streams over windows of 100, and what DataFusion answers for them; `w` stands for the windows
/// that are over.
const STREAMS: [(&str, &str, &str); 6] = [
    (
        "best",
        "SELECT start, k, n, p FROM (
             SELECT *, row_number() OVER (PARTITION BY start ORDER BY n DESC, k) AS p
             FROM (SELECT tumble(ts, 100) AS start, k, sum(v) AS n FROM t GROUP BY 1, 2) AS w) AS q
         WHERE p <= 3",
        "SELECT start, k, n, p FROM (
             SELECT *, row_number() OVER (PARTITION BY start ORDER BY n DESC, k) AS p
             FROM (SELECT start, k, sum(v) AS n FROM w GROUP BY 1, 2)) WHERE p <= 3",
    ),
    (
        "shares",
        "SELECT start, k, n, sum(n) OVER (PARTITION BY start ORDER BY k) AS s,
                lag(n) OVER (PARTITION BY start ORDER BY k) AS l
         FROM (SELECT tumble(ts, 100) AS start, k, sum(v) AS n FROM t GROUP BY 1, 2) AS w",
        "SELECT start, k, n, sum(n) OVER (PARTITION BY start ORDER BY k) AS s,
                lag(n) OVER (PARTITION BY start ORDER BY k) AS l
         FROM (SELECT start, k, sum(v) AS n FROM w GROUP BY 1, 2)",
    ),
    (
        "counted",
        "SELECT k, count(*) AS c, sum(s) AS s FROM (
             SELECT *, sum(n) OVER (PARTITION BY start ORDER BY k ROWS 2 PRECEDING) AS s FROM (
                 SELECT *, row_number() OVER (PARTITION BY start ORDER BY n DESC, k) AS p FROM (
                     SELECT tumble(ts, 100) AS start, k, sum(v) AS n FROM t GROUP BY 1, 2
                 ) AS w) AS q WHERE p <= 3) AS o GROUP BY k",
        "SELECT k, count(*) AS c, sum(s) AS s FROM (
             SELECT *, sum(n) OVER (PARTITION BY start ORDER BY k ROWS 2 PRECEDING) AS s FROM (
                 SELECT *, row_number() OVER (PARTITION BY start ORDER BY n DESC, k) AS p FROM (
                     SELECT start, k, sum(v) AS n FROM w GROUP BY 1, 2
                 )) WHERE p <= 3) GROUP BY k",
    ),
    (
        "first_rows",
        "SELECT window_start, k, v, p FROM (
             SELECT *, rank() OVER (PARTITION BY window_start, window_end ORDER BY v) AS p
             FROM TUMBLE(t, ts, 100)) AS q WHERE p <= 2 EMIT ON WINDOW CLOSE",
        "SELECT start, k, v, p FROM (
             SELECT *, rank() OVER (PARTITION BY start ORDER BY v) AS p FROM w) WHERE p <= 2",
    ),
    (
        "running",
        "SELECT window_end, v, sum(v) OVER (PARTITION BY window_end ORDER BY v) AS s,
                ntile(3) OVER (PARTITION BY window_end ORDER BY v) AS b
         FROM TUMBLE(t, ts, 100) EMIT ON WINDOW CLOSE",
        "SELECT start + 100, v, sum(v) OVER (PARTITION BY start ORDER BY v) AS s,
                ntile(3) OVER (PARTITION BY start ORDER BY v) AS b FROM w",
    ),
    (
        "of_the_best",
        "SELECT window_end, k, v, sum(v) OVER (PARTITION BY window_end ORDER BY v) AS s FROM (
             SELECT *, row_number() OVER (PARTITION BY window_end, k ORDER BY v DESC) AS p
             FROM TUMBLE(t, ts, 100)) AS q WHERE p <= 2 EMIT ON WINDOW CLOSE",
        "SELECT start + 100, k, v, sum(v) OVER (PARTITION BY start ORDER BY v) AS s FROM (
             SELECT *, row_number() OVER (PARTITION BY start, k ORDER BY v DESC) AS p FROM w)
         WHERE p <= 2",
    ),
];

/// A row: key, value, time.
type Timed = (i64, i64, i64);

fn batch(db: &LaminarDB, rows: &[Timed]) -> RecordBatch {
    let schema = db.source_untyped("t").unwrap().schema();
    let column = |of: &dyn Fn(&Timed) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
    };
    let columns = vec![column(&|row| row.0), column(&|row| row.1), column(&|row| row.2)];
    RecordBatch::try_new(schema, columns).unwrap()
}

fn push(db: &LaminarDB, rows: &[Timed]) {
    db.source_untyped("t").unwrap().push_arrow(batch(db, rows)).unwrap();
}

/// Rows in no order, none of them late, whose values all differ.
fn rows(random: &mut Random, count: i64) -> Vec<Timed> {
    let mut rows: Vec<Timed> = Vec::new();
    for row in 0..count {
        let value = row * 2_654_435_761 % 1_000_003;
        rows.push((random.range(0, 6), value, 50 + row * 3 + random.range(-25, 24)));
    }
    rows
}

#[test]
fn the_rows_of_partitions_that_are_over_stay() {
    for_seeds(3, |seed| {
        let mut random = Random::new(seed);
        let rows = rows(&mut random, 600);
        for size in [1, 7, 1_000] {
            let db = created(&[SOURCE]);
            for (name, sql, _) in STREAMS {
                execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
            }
            db.start_blocking().unwrap();
            let oracle = Oracle::new();
            let parts: Vec<&[Timed]> = rows.chunks(size).collect();
            let mut pushed = 0;
            for (index, part) in parts.iter().enumerate() {
                push(&db, part);
                pushed += part.len();
                if index % (400 / size).max(1) != 0 && index + 1 != parts.len() {
                    continue;
                }
                let arrived = &rows[..pushed];
                let last = arrived.iter().map(|row| row.2).max().unwrap_or(0);
                oracle.table("t", batch(&db, arrived).schema(), vec![batch(&db, arrived)]);
                for (name, _, answer) in STREAMS {
                    let expected = oracle.rows(&format!(
                        "WITH w AS (SELECT *, ts / 100 * 100 AS start FROM t
                                    WHERE ts / 100 * 100 + 100 <= {last} - 50 + 1) {answer}"
                    ));
                    let got = query(&db, &format!("SELECT * FROM {name}"));
                    assert_same(&format!("{name} {seed} {size}"), &got, &expected, 0.0);
                }
            }
            for (name, ..) in STREAMS {
                assert_eq!(listed(&db, "SHOW STREAMS", name, "late_rows").int(), 0, "{name}");
            }
        }
    });
}

#[test]
fn state_stays_bounded() {
    let db = created(&[SOURCE]);
    // What is left of their rows is bounded: by key, or by what is retained.
    let names = ["counted", "first_rows", "running", "of_the_best"];
    for (name, sql, _) in STREAMS.iter().filter(|(name, ..)| names.contains(name)) {
        execute(&db, &format!("CREATE STREAM {name} WITH (retain_history = 10) AS {sql}"));
    }
    db.start_blocking().unwrap();
    // The most that each took in the first and in the last quarter of the time.
    let mut most = [[0; 4]; 4];
    for step in 0..1_600 {
        let rows: Vec<Timed> =
            (0..40).map(|row| (row % 20, step * 40 + row, step * 100 + 2 * row)).collect();
        push(&db, &rows);
        if step % 20 == 0 {
            for (most, name) in most[step as usize / 400].iter_mut().zip(names) {
                *most = listed(&db, "SHOW STREAMS", name, "state_bytes").int().max(*most);
            }
        }
    }
    for (index, name) in names.iter().enumerate() {
        let (early, late) = (most[0][index], most[3][index]);
        assert!(late <= 2 * early, "{name}: {early} bytes in the first quarter, {late} at last");
    }
}

/// Windows that are corrected until they close: their partitions end with them, whether the bounds
/// or the results are told.
#[test]
fn partitions_of_corrected_windows_are_forgotten() {
    for_seeds(3, |seed| {
        let mut random = Random::new(seed);
        let rows = rows(&mut random, 600);
        for size in [1, 7, 1_000] {
            let db = created(&[SOURCE]);
            for (name, sql, _) in &STREAMS[..3] {
                let sql = format!("{sql} EMIT CHANGES");
                let plan = query(&db, &format!("EXPLAIN CREATE STREAM {name} AS {sql}"));
                let forgets = |row: &Row| row[0].text().contains("a partition is forgotten when");
                assert!(plan.iter().any(forgets), "{sql}");
                execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
            }
            db.start_blocking().unwrap();
            let oracle = Oracle::new();
            rows.chunks(size).for_each(|part| push(&db, part));
            oracle.table("t", batch(&db, &rows).schema(), vec![batch(&db, &rows)]);
            for (name, _, answer) in &STREAMS[..3] {
                let expected = oracle.rows(&format!(
                    "WITH w AS (SELECT *, ts / 100 * 100 AS start FROM t) {answer}"
                ));
                let got = query(&db, &format!("SELECT * FROM {name}"));
                assert_same(&format!("{name} {seed} {size}"), &got, &expected, 0.0);
            }
        }
    });
}

#[test]
fn state_over_corrected_windows_stays_bounded() {
    let db = created(&[SOURCE]);
    let (sessions, hops) = (
        "SELECT k, count(*) AS c FROM (
             SELECT *, row_number() OVER (PARTITION BY window_end ORDER BY n DESC, k) AS p FROM (
                 SELECT window_end, k, count(*) AS n FROM t GROUP BY k, session(ts, 20)) AS w) AS q
         WHERE p <= 2 GROUP BY k EMIT CHANGES",
        "SELECT k, count(*) AS c, sum(s) AS s FROM (
             SELECT *, sum(n) OVER (PARTITION BY window_start ORDER BY k) AS s FROM (
                 SELECT window_start, k, count(*) AS n FROM t GROUP BY k, hop(ts, 50, 200)) AS w
             ) AS q GROUP BY k EMIT CHANGES",
    );
    let tumbling = format!("{} EMIT CHANGES", STREAMS[2].1);
    let streams = [("sessions", sessions), ("hops", hops), ("tumbling", &tumbling)];
    for (name, sql) in streams {
        execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
    }
    db.start_blocking().unwrap();
    let mut most = [[0; 3]; 4];
    for step in 0..800 {
        let rows: Vec<Timed> =
            (0..40).map(|row| (row % 20, step * 40 + row, step * 100 + row)).collect();
        push(&db, &rows);
        if step % 20 == 0 {
            for (most, (name, _)) in most[step as usize / 200].iter_mut().zip(streams) {
                *most = listed(&db, "SHOW STREAMS", name, "state_bytes").int().max(*most);
            }
        }
    }
    for (index, (name, _)) in streams.iter().enumerate() {
        let (early, late) = (most[0][index], most[3][index]);
        assert!(late <= 2 * early, "{name}: {early} bytes in the first quarter, {late} at last");
    }
}

/// What comes for a partition that is over is late where only final rows are asked for, and
/// nowhere else.
#[test]
fn rows_are_late_for_final_partitions_alone() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM final_rows AS SELECT window_end, v FROM (
             SELECT *, row_number() OVER (PARTITION BY window_end ORDER BY v) AS p
             FROM TUMBLE(t, ts, 100)) AS q WHERE p <= 2 EMIT ON WINDOW CLOSE",
        "CREATE STREAM corrected AS SELECT window_end, v FROM (
             SELECT *, row_number() OVER (PARTITION BY window_end ORDER BY v) AS p
             FROM TUMBLE(t, ts, 100)) AS q WHERE p <= 2",
        "CREATE STREAM all_of_time AS SELECT ts, v, sum(v) OVER (PARTITION BY ts ORDER BY v) AS s
         FROM t",
    ]);
    push(&db, &[(1, 10, 5), (1, 11, 70), (1, 12, 99)]);
    // W = 98 leaves the first window open, W = 99 closes it, in the middle of a batch.
    push(&db, &[(1, 13, 148), (1, 9, 5), (1, 14, 149), (1, 8, 5), (1, 7, 100)]);
    assert_eq!(content(&db, "final_rows"), vec![row![100, 9], row![100, 10]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "final_rows", "late_rows").int(), 1);
    let corrected = vec![row![100, 8], row![100, 9], row![200, 7], row![200, 13]];
    assert_eq!(content(&db, "corrected"), corrected);
    assert_eq!(listed(&db, "SHOW STREAMS", "corrected", "late_rows").int(), 0);
    let at_five = query(&db, "SELECT v, s FROM all_of_time WHERE ts = 5 ORDER BY v");
    assert_eq!(at_five, vec![row![8, 8], row![9, 17], row![10, 27]]);
}
