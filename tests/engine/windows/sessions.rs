//! Sessions: cases by hand, random rows against a model that knows the definition alone, and
//! gaps and islands in DataFusion.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};

use super::{SOURCE, late_rows, push, push_times};
use crate::row;
use crate::support::database::{
    batch, content, created, drain_rows, execute, listed, started, subscribe,
};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, Value};

#[test]
fn sessions_merge_and_close_a_gap_after_their_last_row() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 1000)",
        "CREATE STREAM w AS SELECT k, window_start, window_end, count(*) n, sum(v) s FROM t
         GROUP BY k, session(ts, 10)",
        "CREATE STREAM c AS SELECT k, session_start(ts, 10) s, session_end(ts, 10) e, count(*) n
         FROM t GROUP BY k, session(ts, INTERVAL '10' MILLISECOND) EMIT CHANGES",
    ]);
    let source = db.source_untyped("t").unwrap();
    let mut changes = subscribe(&db, "c");
    push(&source, &[(1, 1, 100), (2, 2, 101), (1, 3, 118)]);
    let told = vec![row![1, 100, 110, 1, 1], row![2, 101, 111, 1, 1], row![1, 118, 128, 1, 1]];
    assert_eq!(drain_rows(&mut changes), told);
    // 109 overlaps [100, 110) and [118, 128): one session. 110 alone would only touch the first.
    push(&source, &[(1, 4, 109)]);
    let told = vec![row![1, 100, 110, 1, -1], row![1, 118, 128, 1, -1], row![1, 100, 128, 3, 1]];
    assert_eq!(drain_rows(&mut changes), told);
    assert_eq!(content(&db, "w"), Vec::<Row>::new());
    source.watermark(126).unwrap();
    assert_eq!(content(&db, "w"), vec![row![2, 101, 111, 1, 2]]);
    source.watermark(127).unwrap();
    let all = vec![row![1, 100, 128, 3, 8], row![2, 101, 111, 1, 2]];
    assert_eq!(content(&db, "w"), all);
    let all = vec![row![1, 100, 128, 3], row![2, 101, 111, 1]];
    assert_eq!(content(&db, "c"), all);
}

/// A key whose sessions begin ever earlier is to be looked at ever earlier: only the last of these
/// times is kept.
#[test]
fn sessions_that_grow_to_the_past_take_no_memory() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL,
             WATERMARK FOR ts AS ts - 10000000)",
        "CREATE STREAM w AS SELECT k, window_start, window_end, count(*) n FROM t
         GROUP BY k, session(ts, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    let mut most = 0;
    for batch in 0..20 {
        let rows: Vec<(i64, i64, i64)> =
            (0..1_000).map(|row| (row % 3, 0, 1_000_000 - batch * 1_000 - row)).collect();
        push(&source, &rows);
        most = listed(&db, "SHOW STREAMS", "w", "state_bytes").int().max(most);
    }
    // 40,000 times that do not count would be 640,000.
    assert!(most < 300_000, "{most} bytes for three sessions");
    source.end_of_input().unwrap();
    // The last rows of the last batch are 999 of key 0, 998 of key 2 and 997 of key 1.
    let all = vec![
        row![0, 980_001, 1_000_010, 6_680],
        row![1, 980_003, 1_000_009, 6_660],
        row![2, 980_002, 1_000_008, 6_660],
    ];
    assert_eq!(content(&db, "w"), all);
}

#[test]
fn rows_that_touch_do_not_merge() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT window_start, window_end, count(*) n FROM t
         GROUP BY session(ts, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    push_times(&source, &[100, 110, 119]);
    source.watermark(200).unwrap();
    assert_eq!(content(&db, "w"), vec![row![100, 110, 1], row![110, 129, 2]]);
}

#[test]
fn which_rows_are_late_for_a_session() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 1000)",
        "CREATE STREAM w AS SELECT k, window_start, window_end, count(*) n FROM t
         GROUP BY k, session(ts, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 0, 100), (2, 0, 120), (3, 0, 100), (3, 0, 112)]);
    // F = 114: the session [100, 110) of keys 1 and 3 is closed, [120, 130) and [112, 122) not.
    source.watermark(113).unwrap();
    assert_eq!(content(&db, "w"), vec![row![1, 100, 110, 1], row![3, 100, 110, 1]]);
    // By itself: [104, 114) is closed, [105, 115) open.
    push(&source, &[(4, 0, 104), (4, 0, 105)]);
    assert_eq!(late_rows(&db, "w"), 1);
    // 105 is in time by itself, but key 1 had a session up to 110.
    push(&source, &[(1, 0, 105), (1, 0, 110)]);
    assert_eq!(late_rows(&db, "w"), 2);
    // 103 is late by itself, and joins the session that 105 began; 96 joins 105 no more.
    push(&source, &[(4, 0, 103), (4, 0, 95)]);
    assert_eq!(late_rows(&db, "w"), 3);
    // 111 and 110 reach [112, 122); 109 would merge with the closed [100, 110).
    push(&source, &[(3, 0, 111), (3, 0, 109), (3, 0, 110)]);
    assert_eq!(late_rows(&db, "w"), 4);
    source.watermark(200).unwrap();
    let expected = vec![
        row![1, 100, 110, 1],
        row![1, 110, 120, 1],
        row![2, 120, 130, 1],
        row![3, 100, 110, 1],
        row![3, 110, 122, 3],
        row![4, 103, 115, 2],
    ];
    assert_eq!(content(&db, "w"), expected);
}

#[test]
fn sessions_over_rows_that_cease_split() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM rare AS SELECT k, ts, count(*) n FROM t GROUP BY k, ts HAVING count(*) < 2",
        "CREATE STREAM w AS SELECT k, window_start, window_end, sum(n) n FROM rare
         GROUP BY k, session(ts, 10)",
        "CREATE STREAM c AS SELECT k, window_start, window_end, sum(n) n FROM rare
         GROUP BY k, session(ts, 10) EMIT CHANGES",
    ]);
    let source = db.source_untyped("t").unwrap();
    let mut changes = subscribe(&db, "c");
    push(&source, &[(1, 0, 100), (1, 0, 108), (1, 0, 116)]);
    assert_eq!(drain_rows(&mut changes), vec![row![1, 100, 126, 3, 1]]);
    // A second row at 108 takes the first one out.
    push(&source, &[(1, 0, 108)]);
    let told = vec![row![1, 100, 126, 3, -1], row![1, 100, 110, 1, 1], row![1, 116, 126, 1, 1]];
    assert_eq!(drain_rows(&mut changes), told);
    source.watermark(125).unwrap();
    let expected = vec![row![1, 100, 110, 1], row![1, 116, 126, 1]];
    assert_eq!(content(&db, "w"), expected);
    assert_eq!(content(&db, "c"), expected);
}

/// A session whose last row ceases ends earlier than the watermark would have it, which makes no row
/// of it late for a window over its end.
#[test]
fn a_session_that_shrinks_is_not_late() {
    let db = started(&[
        "CREATE TABLE t (id BIGINT PRIMARY KEY, ts BIGINT, v BIGINT, WATERMARK FOR ts AS ts - 4)",
        "CREATE STREAM sessions AS SELECT window_start, window_end, sum(v) AS total FROM t
             GROUP BY session(ts, 8) EMIT ON WINDOW CLOSE",
        "CREATE STREAM ends AS SELECT tumble(window_end, 3) AS s, sum(total) AS total FROM sessions
             GROUP BY tumble(window_end, 3) EMIT ON WINDOW CLOSE",
    ]);
    execute(&db, "INSERT INTO t VALUES (0, 6, 1), (1, 12, 2), (2, 21, 3)");
    // The session of 6 and 12 is open until 20; now it ends at 14, and the watermark is 29.
    execute(&db, "INSERT INTO t VALUES (1, 33, 4)");
    assert_eq!(content(&db, "sessions"), vec![row!(6, 14, 1), row!(21, 29, 3)]);
    execute(&db, "INSERT INTO t VALUES (3, 100, 5)");
    assert_eq!(content(&db, "ends"), vec![row!(12, 1), row!(27, 3), row!(39, 4)]);
    assert_eq!(listed(&db, "SHOW STREAMS", "ends", "late_rows").int(), 0);
}

#[test]
fn sessions_as_table_functions_and_cascades() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM a AS SELECT k, window_start, window_end, count(*) n
         FROM SESSION(t, ts, INTERVAL '10' MILLISECOND) GROUP BY k, window_start, window_end",
        "CREATE STREAM b AS SELECT k, window_start, window_end, count(*) n
         FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MILLISECOND))
         GROUP BY k, window_start, window_end",
        "CREATE STREAM by_end AS SELECT tumble(window_end, 100) w, count(*) n FROM a GROUP BY 1",
        "CREATE STREAM by_start AS SELECT tumble(window_start, 100) w, count(*) n FROM a GROUP BY 1",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 0, 20), (1, 0, 29), (2, 0, 85), (2, 0, 92), (2, 0, 99), (1, 0, 150)]);
    source.watermark(300).unwrap();
    let expected = vec![row![1, 20, 39, 2], row![1, 150, 160, 1], row![2, 85, 109, 3]];
    assert_eq!(content(&db, "a"), expected);
    assert_eq!(content(&db, "b"), expected);
    assert_eq!(content(&db, "by_end"), vec![row![0, 1], row![100, 2]]);
    assert_eq!(content(&db, "by_start"), vec![row![0, 2], row![100, 1]]);
}

/// A row that was taken.
#[derive(Clone)]
struct Taken {
    time: i64,
    value: Option<i64>,
    is_own: bool,
}

/// What sessions are, by the definition, decided row by row.
struct Model {
    gap: i64,
    open: BTreeMap<Value, Vec<Taken>>,
    closed: Vec<Row>,
    closed_to: BTreeMap<Value, i64>,
    late_rows: i64,
}

impl Model {
    fn new(gap: i64) -> Self {
        let (open, closed_to) = (BTreeMap::new(), BTreeMap::new());
        Self { gap, open, closed: Vec::new(), closed_to, late_rows: 0 }
    }

    /// Rows in the order of time, cut where the gap is.
    fn islands(&self, rows: &[Taken]) -> Vec<Vec<Taken>> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.time);
        let mut islands: Vec<Vec<Taken>> = Vec::new();
        for row in rows {
            match islands.last_mut() {
                Some(island) if row.time - island[island.len() - 1].time < self.gap => {
                    island.push(row)
                }
                _ => islands.push(vec![row]),
            }
        }
        islands
    }

    fn end(&self, island: &[Taken]) -> i64 {
        island[island.len() - 1].time + self.gap
    }

    fn row(&self, key: &Value, island: &[Taken]) -> Row {
        let values: Vec<i64> = island.iter().filter_map(|row| row.value).collect();
        let sum = (!values.is_empty()).then(|| values.iter().sum::<i64>());
        let mut row = row![island[0].time, self.end(island), island.len() as i64, sum];
        row.push(values.iter().min().copied().into());
        row.insert(0, key.clone());
        row
    }

    fn advance(&mut self, frontier: i64) {
        for (key, rows) in std::mem::take(&mut self.open) {
            let mut open = Vec::new();
            for island in self.islands(&rows) {
                let end = self.end(&island);
                match end <= frontier {
                    true => {
                        self.closed.push(self.row(&key, &island));
                        let to = self.closed_to.entry(key.clone()).or_insert(i64::MIN);
                        *to = end.max(*to);
                    }
                    false => open.extend(island),
                }
            }
            self.open.insert(key, open);
        }
    }

    fn add(&mut self, key: &Value, time: i64, value: Option<i64>, frontier: i64) {
        self.advance(frontier);
        let rows = self.open.get(key).cloned().unwrap_or_default();
        let is_own = time + self.gap > frontier;
        let reaches = |island: &Vec<Taken>| {
            island.iter().any(|row| (row.time - time).abs() < self.gap)
                && island.iter().any(|row| row.is_own && time > row.time - self.gap)
        };
        let joins = self.islands(&rows).iter().any(reaches);
        let is_closed = self.closed_to.get(key).is_some_and(|to| time < *to);
        match !is_closed && (is_own || joins) {
            true => {
                self.open.entry(key.clone()).or_default().push(Taken { time, value, is_own });
            }
            false => self.late_rows += 1,
        }
    }

    fn content(&self, with_open: bool) -> Vec<Row> {
        let mut rows = self.closed.clone();
        for (key, open) in self.open.iter().filter(|_| with_open) {
            rows.extend(self.islands(open).iter().map(|island| self.row(key, island)));
        }
        rows.sort();
        rows
    }
}

#[test]
fn random_sessions_equal_the_model() {
    for_seeds(50, |seed| {
        let mut random = Random::new(seed);
        let (delay, gap) = (random.range(0, 40), random.range(1, 15));
        let lateness = if random.chance(30) { random.range(1, 30) } else { 0 };
        let allow = match lateness {
            0 => String::new(),
            _ => format!(" ALLOW LATENESS INTERVAL '{lateness}' MILLISECOND"),
        };
        let db = created(&[&format!(
            "CREATE SOURCE t (k VARCHAR, v BIGINT, ts BIGINT, WATERMARK FOR ts AS ts - {delay})"
        )]);
        if random.chance(50) {
            db.start_blocking().unwrap();
        }
        let mut subscriptions = Vec::new();
        for (name, emit) in [("f", "EMIT FINAL"), ("u", "EMIT CHANGES")] {
            execute(
                &db,
                &format!(
                    "CREATE STREAM {name} AS SELECT k, window_start, window_end, count(*) n,
                     sum(v) s, min(v) low FROM t GROUP BY k, session(ts, {gap}){allow} {emit}"
                ),
            );
            subscriptions.push((name, subscribe(&db, name), Replay::default()));
        }
        db.start_blocking().unwrap();
        let source = db.source_untyped("t").unwrap();
        let mut model = Model::new(gap);
        let (mut clock, mut largest, mut frontier) = (random.range(-50, 50), None, i64::MIN / 2);
        for step in 0..random.range(5, 60) {
            let rows = *random.pick(&[1, 1, 2, 7, 40]);
            let mut columns = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..rows {
                clock += random.range(-1, 4).max(0);
                let time = clock - random.range(0, delay + lateness + 10);
                let key = *random.pick(&[Some("a"), Some("b"), None]);
                let value = (!random.chance(10)).then(|| random.range(-50, 50));
                model.add(&Value::from(key), time, value, frontier);
                largest = largest.max(Some(time));
                frontier = largest.map_or(frontier, |largest| largest - delay + 1 - lateness);
                columns.0.push(key);
                columns.1.push(value);
                columns.2.push(time);
            }
            model.advance(frontier);
            let keys: ArrayRef = Arc::new(StringArray::from(columns.0));
            let values: ArrayRef = Arc::new(Int64Array::from(columns.1));
            let times: ArrayRef = Arc::new(Int64Array::from(columns.2));
            source.push_arrow(batch(source.schema(), vec![keys, values, times])).unwrap();
            for (name, subscription, replay) in &mut subscriptions {
                let expected = model.content(*name == "u");
                assert_eq!(content(&db, name), expected, "{name} at step {step}");
                replay.drain(subscription);
                assert_eq!(replay.content(), expected, "told by {name} at step {step}");
                assert_eq!(late_rows(&db, name), model.late_rows, "{name} at step {step}");
            }
        }
    });
}

/// Over rows that never are late, sessions are gaps and islands, for input that changes too.
#[test]
fn sessions_over_updating_input_are_gaps_and_islands() {
    for_seeds(20, |seed| {
        let mut random = Random::new(seed);
        let gap = random.range(2, 12);
        let sessions = format!(
            "SELECT k, window_start, window_end, count(*) c, sum(n) n, min(low) low FROM rare
             GROUP BY k, session(ts, {gap})"
        );
        let db = started(&[
            "CREATE SOURCE t (k VARCHAR, v BIGINT, ts BIGINT, WATERMARK FOR ts AS ts - 1000)",
            "CREATE STREAM rare AS SELECT k, ts, count(*) n, min(v) low FROM t GROUP BY k, ts
             HAVING count(*) <> 2 AND count(*) < 5",
            &format!("CREATE STREAM u AS {sessions} EMIT CHANGES"),
            &format!("CREATE STREAM f AS {sessions} EMIT FINAL"),
        ]);
        let (mut changes, mut replay) = (subscribe(&db, "u"), Replay::default());
        let source = db.source_untyped("t").unwrap();
        let oracle = Oracle::new();
        let mut batches = Vec::new();
        let expected = format!(
            "WITH rare AS (SELECT k, ts, count(*) n, min(v) low FROM t GROUP BY k, ts
                           HAVING count(*) <> 2 AND count(*) < 5),
             cut AS (SELECT *, CASE WHEN ts - lag(ts) OVER (PARTITION BY k ORDER BY ts) < {gap}
                                    THEN 0 ELSE 1 END AS starts FROM rare),
             numbered AS (SELECT *, sum(starts) OVER (PARTITION BY k ORDER BY ts) AS island FROM cut)
             SELECT k, min(ts), max(ts) + {gap}, count(*), sum(n), min(low) FROM numbered
             GROUP BY k, island"
        );
        let sorted = |mut rows: Vec<Row>| {
            rows.sort();
            rows
        };
        for _ in 0..random.range(3, 25) {
            let rows = *random.pick(&[1, 3, 20]);
            let keys: Vec<_> =
                (0..rows).map(|_| *random.pick(&[Some("a"), Some("b"), None])).collect();
            let values: Vec<i64> = (0..rows).map(|_| random.range(-9, 9)).collect();
            let times: Vec<i64> = (0..rows).map(|_| random.range(-40, 40)).collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from(keys)),
                Arc::new(Int64Array::from(values)),
                Arc::new(Int64Array::from(times)),
            ];
            let rows = batch(source.schema(), columns);
            source.push_arrow(rows.clone()).unwrap();
            batches.push(rows);
            oracle.table("t", source.schema(), batches.clone());
            let expected = sorted(oracle.rows(&expected));
            assert_eq!(sorted(content(&db, "u")), expected);
            replay.drain(&mut changes);
            assert_eq!(replay.content(), expected);
        }
        source.watermark(2_000).unwrap();
        assert_eq!(sorted(content(&db, "f")), sorted(oracle.rows(&expected)));
    });
}
