//! Windows that overlap much: what they share is merged once, and comes out as by the definition.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Model, Watermarks, Windows};
use super::{late_rows, push};
use crate::row;
use crate::support::database::{content, execute, started};
use crate::support::random::{Random, for_seeds};
use crate::support::value::{Row, Value};

/// Size and slide; the last ones do not divide each other.
const SHAPES: [(i64, i64); 5] = [(20, 1), (60, 2), (48, 4), (30, 4), (17, 2)];

#[test]
fn windows_of_many_panes_equal_the_model() {
    for_seeds(8, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[super::SOURCE]);
        let mut models = Vec::new();
        for (index, (size, slide)) in SHAPES.into_iter().enumerate() {
            execute(
                &db,
                &format!(
                    "CREATE STREAM w{index} AS SELECT k, window_start, window_end, count(*) n,
                     count(v) c, sum(v) s, min(v) l, max(v) h FROM t
                     GROUP BY k, hop(ts, {size}, {slide}) EMIT ON WINDOW CLOSE"
                ),
            );
            models.push(Model::new(Windows { size, slide, offset: 0 }));
        }
        let source = db.source_untyped("t").unwrap();
        let mut watermarks = Watermarks::new(Some(5), 1_000_000);
        let producer = watermarks.open();
        let mut now = -50;
        for _ in 0..25 {
            let mut rows = Vec::new();
            for _ in 0..*random.pick(&[1, 7, 60]) {
                // Mostly in the order of time; some are late for a few of their windows, some for
                // all.
                now += random.range(0, 1) * random.range(0, 1);
                let back = if random.chance(5) { random.range(0, 70) } else { random.range(0, 4) };
                let row = (random.range(0, 2), random.range(-9, 9), now - back);
                for model in &mut models {
                    model.add(Value::Int(row.0), Some(row.1), row.2, watermarks.frontier());
                }
                watermarks.see(producer, row.2);
                rows.push(row);
            }
            push(&source, &rows);
            let frontier = watermarks.frontier();
            for (index, model) in models.iter().enumerate() {
                let name = format!("w{index}");
                assert_eq!(content(&db, &name), model.content(Some(frontier)), "{name}");
                assert_eq!(late_rows(&db, &name), model.late_rows, "{name}");
            }
        }
    });
}

/// Groups that are in the end of a block alone, in the beginning of the next alone, or in both; two
/// pushes come late, so that what was merged is merged again.
#[test]
fn groups_of_many_panes_come_and_go() {
    for_seeds(6, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[
            super::SOURCE,
            "CREATE STREAM w AS SELECT CASE WHEN k % 3 > 0 THEN k END g, window_start, window_end,
             count(*) n, count(v) c, sum(v) s, min(v) l, max(v) h FROM t
             GROUP BY CASE WHEN k % 3 > 0 THEN k END, hop(ts, 24, 2) EMIT ON WINDOW CLOSE",
        ]);
        let source = db.source_untyped("t").unwrap();
        let mut model = Model::new(Windows { size: 24, slide: 2, offset: 0 });
        let mut watermarks = Watermarks::new(Some(5), 1_000_000);
        let producer = watermarks.open();
        for step in 0..60 {
            let mut rows = Vec::new();
            for row in 0..30 {
                let back = if step % 25 == 24 { random.range(6, 20) } else { random.range(0, 4) };
                let now = step * 5 + row / 6;
                // A group lives as long as about five windows.
                let key = now / 40 + random.range(0, 2);
                let row = (key, random.range(-9, 9), now - back);
                let group = if row.0 % 3 > 0 { Value::Int(row.0) } else { Value::Null };
                model.add(group, Some(row.1), row.2, watermarks.frontier());
                watermarks.see(producer, row.2);
                rows.push(row);
            }
            push(&source, &rows);
            assert_eq!(content(&db, "w"), model.content(Some(watermarks.frontier())));
        }
        assert_eq!(late_rows(&db, "w"), model.late_rows);
    });
}

#[test]
fn windows_of_many_panes_over_rows_that_cease() {
    for_seeds(6, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[
            "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 40)",
            // A row is there while it came an odd number of times.
            "CREATE STREAM odd AS SELECT k, ts FROM t GROUP BY k, ts HAVING count(*) % 2 = 1",
            "CREATE STREAM w AS SELECT k, window_start, count(*) n, min(ts) l, max(ts) h FROM odd
             GROUP BY k, hop(ts, 20, 1) EMIT ON WINDOW CLOSE",
        ]);
        let source = db.source_untyped("t").unwrap();
        let mut present: BTreeSet<(i64, i64)> = BTreeSet::new();
        let mut now = 0;
        for _ in 0..30 {
            let mut rows = Vec::new();
            for _ in 0..random.range(1, 40) {
                now += random.range(0, 1) * random.range(0, 1);
                let row = (random.range(0, 1), now - random.range(0, 30));
                rows.push((row.0, 0, row.1));
                if !present.remove(&row) {
                    present.insert(row);
                }
            }
            push(&source, &rows);
            // Nothing is ever late.
            assert_eq!(late_rows(&db, "w"), 0);
        }
        source.watermark(10_000).unwrap();
        let windows = Windows { size: 20, slide: 1, offset: 0 };
        let mut groups: BTreeMap<(i64, i64), Vec<i64>> = BTreeMap::new();
        for (k, ts) in &present {
            for start in windows.of(*ts) {
                groups.entry((*k, start)).or_default().push(*ts);
            }
        }
        let row_of = |((k, start), times): ((i64, i64), Vec<i64>)| {
            row![
                k,
                start,
                times.len() as i64,
                times.iter().min().copied(),
                times.iter().max().copied()
            ]
        };
        // A window is given as it was when it closed, which no later row changed.
        let expected: Vec<Row> = groups.into_iter().map(row_of).collect();
        assert_eq!(content(&db, "w"), expected);
    });
}

#[test]
fn floats_of_windows_do_not_depend_on_how_rows_are_cut() {
    let results = [1, 7, 1_000].map(|cut| {
        let db = started(&[
            super::SOURCE,
            "CREATE STREAM w AS SELECT k, window_start, sum(CAST(v AS DOUBLE) / 7) s, avg(v * 0.1) a
             FROM t GROUP BY k, hop(ts, 20, 1) EMIT ON WINDOW CLOSE",
        ]);
        let source = db.source_untyped("t").unwrap();
        let mut random = Random::new(5);
        let rows: Vec<_> = (0..2_000)
            .map(|row| (random.range(0, 2), random.range(-999, 999), row / 20 - random.range(0, 9)))
            .collect();
        rows.chunks(cut).for_each(|rows| push(&source, rows));
        content(&db, "w")
    });
    // To the last bit.
    assert!(results[0].len() > 100);
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}
