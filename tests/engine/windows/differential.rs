//! Random windowed queries over random rows, in random batches, from producers that come and go:
//! after every push each stream is compared with the [`Model`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::cast;
use laminar_db::{LaminarDB, UntypedSource, UntypedSubscription};

use super::model::{Model, Watermarks, Windows};
use crate::row;
use crate::support::database::{content, created, drain_rows, execute, listed, subscribe};
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, Value};

/// `(SQL type, nanoseconds in a unit)`.
pub(super) const TYPES: [(&str, i64); 9] = [
    ("BIGINT", 1_000_000),
    ("TIMESTAMP(0)", 1_000_000_000),
    ("TIMESTAMP(3)", 1_000_000),
    ("TIMESTAMP(6)", 1_000),
    ("TIMESTAMP(9)", 1),
    ("TIMESTAMP(0) WITH TIME ZONE", 1_000_000_000),
    ("TIMESTAMP(3) WITH TIME ZONE", 1_000_000),
    ("TIMESTAMP(6) WITH TIME ZONE", 1_000),
    ("TIMESTAMP(9) WITH TIME ZONE", 1),
];

/// How a stream gives its rows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Emit {
    Final,
    Update,
    Changes,
}

/// A stream of the test: how to check what it holds and what its subscription told.
struct Checked {
    name: String,
    sql: String,
    emit: Emit,
    has_key: bool,
    model: Model,
    subscription: UntypedSubscription,
    replay: Replay,
    /// For ON UPDATE: the last row of each window and key.
    last: BTreeMap<Row, Row>,
}

/// A stream of windows over the ends or the starts of another stream's windows.
struct Cascade {
    name: String,
    over_end: bool,
    windows: Windows,
}

struct Test {
    random: Random,
    db: LaminarDB,
    /// One unit that all lengths are multiples of: a second for TIMESTAMP(0), else a millisecond.
    tick_ms: i64,
    unit_ns: i64,
    declared: bool,
    watermarks: Watermarks,
    streams: Vec<Checked>,
    cascades: Vec<Cascade>,
    producers: Vec<(usize, UntypedSource)>,
    /// The time around which rows come, in units of the column.
    clock: i64,
    null_times: i64,
}

impl Test {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (data_type, unit_ns) = *random.pick(&TYPES);
        let tick_ms = (unit_ns / 1_000_000).max(1);
        let declared = random.chance(75);
        let delay_ms = random.range(0, 20) * tick_ms;
        let units_in_ms = |ms: i64| (i128::from(ms) * 1_000_000 / i128::from(unit_ns)) as i64;
        let watermark = match (declared, random.chance(50)) {
            (false, _) => String::new(),
            (true, true) => {
                format!(", WATERMARK FOR ts AS ts - INTERVAL '{delay_ms}' MILLISECOND")
            }
            (true, false) => format!(", WATERMARK FOR ts AS ts - {delay_ms}"),
        };
        let db = created(&[&format!(
            "CREATE SOURCE t (k VARCHAR, v BIGINT, ts {data_type}{watermark})"
        )]);
        if random.chance(50) {
            db.start_blocking().unwrap();
        }
        let delay = declared.then(|| units_in_ms(delay_ms));
        let mut test = Self {
            db,
            tick_ms,
            unit_ns,
            declared,
            watermarks: Watermarks::new(delay, unit_ns),
            streams: Vec::new(),
            cascades: Vec::new(),
            producers: Vec::new(),
            clock: units_in_ms(tick_ms * random.range(-100, 100)),
            null_times: 0,
            random,
        };
        for index in 0..4 {
            test.add_stream(index);
        }
        test.add_cascades();
        test.db.start_blocking().unwrap();
        test
    }

    fn units(&self, ticks: i64) -> i64 {
        (i128::from(ticks * self.tick_ms) * 1_000_000 / i128::from(self.unit_ns)) as i64
    }

    /// A length in SQL: as an interval or as a number of milliseconds.
    fn length(&mut self, ticks: i64) -> String {
        let ms = ticks * self.tick_ms;
        match self.random.chance(50) {
            true => format!("INTERVAL '{ms}' MILLISECOND"),
            false => ms.to_string(),
        }
    }

    /// Random windows over a column, and the call that makes them.
    fn windows(&mut self, column: &str) -> (Windows, String) {
        let size = self.random.range(1, 13);
        let tumbling = self.random.chance(40);
        let slide = if tumbling { size } else { self.random.range(1, size + 1) };
        let offset = if self.random.chance(40) { self.random.range(-15, 15) } else { 0 };
        let (size_sql, slide_sql) = (self.length(size), self.length(slide));
        let offset_sql =
            if offset == 0 { String::new() } else { format!(", {}", self.length(offset)) };
        let call = match (tumbling, self.random.chance(50)) {
            (true, _) => format!("tumble({column}, {size_sql}{offset_sql})"),
            (false, true) => format!("hop({column}, {size_sql}, {slide_sql}{offset_sql})"),
            (false, false) => format!("hop({column}, {slide_sql}, {size_sql}{offset_sql})"),
        };
        let windows = Windows {
            size: self.units(size),
            slide: self.units(slide),
            offset: self.units(offset),
        };
        (windows, call)
    }

    fn add_stream(&mut self, index: usize) {
        let (windows, call) = self.windows("ts");
        let emit = match index {
            0 => Emit::Final,
            _ => *self.random.pick(&[Emit::Final, Emit::Update, Emit::Changes]),
        };
        let has_key = index == 0 || self.random.chance(70);
        let clause = match emit {
            Emit::Final if self.declared && self.random.chance(50) => "",
            Emit::Final => " EMIT ON WINDOW CLOSE",
            Emit::Update => " EMIT ON UPDATE",
            Emit::Changes => " EMIT CHANGES",
        };
        let (key, group) = if has_key { ("k, ", "k, ") } else { ("", "") };
        let name = format!("s{index}");
        let sql = format!(
            "SELECT {key}window_start, window_end, count(*) AS n, count(v) AS c, sum(v) AS s,
             min(v) AS low, max(v) AS high FROM t GROUP BY {group}{call}{clause}"
        );
        execute(&self.db, &format!("CREATE STREAM {name} AS {sql}"));
        let subscription = subscribe(&self.db, &name);
        let (model, replay, last) = (Model::new(windows), Replay::default(), BTreeMap::new());
        self.streams.push(Checked { name, sql, emit, has_key, model, subscription, replay, last });
    }

    /// Windows over the first stream's, which is final and has keys.
    fn add_cascades(&mut self) {
        for (name, column, over_end) in
            [("over_end", "window_end", true), ("over_start", "window_start", false)]
        {
            let (windows, call) = self.windows(column);
            let sql = format!(
                "CREATE STREAM {name} AS SELECT window_start, sum(n) AS n, count(*) AS c FROM s0
                 GROUP BY {call} EMIT ON WINDOW CLOSE"
            );
            execute(&self.db, &sql);
            self.cascades.push(Cascade { name: name.to_string(), over_end, windows });
        }
    }

    fn step(&mut self) {
        match self.random.range(0, 100) {
            0..8 if self.producers.len() > 1 => {
                let index = self.random.range(0, self.producers.len() as i64) as usize;
                let (producer, source) = self.producers.remove(index);
                drop(source);
                self.watermarks.close(producer);
            }
            8..15 if self.producers.len() < 3 => self.open_producer(),
            15..30 => {
                let index = self.random.range(0, self.producers.len() as i64) as usize;
                let ticks = self.random.range(-30, 15) * self.tick_ms * 1_000;
                let now_us = i128::from(self.clock) * i128::from(self.unit_ns) / 1_000;
                let time_ms = ((now_us as i64) + ticks).div_euclid(1_000);
                let (producer, source) = &self.producers[index];
                source.watermark(time_ms).unwrap();
                self.watermarks.promise(*producer, time_ms);
            }
            _ => self.push(),
        }
    }

    fn open_producer(&mut self) {
        let source = self.db.source_untyped("t").unwrap();
        self.producers.push((self.watermarks.open(), source));
    }

    fn push(&mut self) {
        let index = self.random.range(0, self.producers.len() as i64) as usize;
        let producer = self.producers[index].0;
        let rows = match self.random.range(0, 4) {
            0 => 1,
            1 => self.random.range(1, 6),
            2 => self.random.range(1, 60),
            _ => 2,
        };
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rows {
            let (on, back) = (self.random.range(-1, 3).max(0), self.random.range(-3, 25));
            self.clock += self.units(on);
            let time = self.clock - self.units(back) + self.random.range(0, self.units(1));
            let time = (self.declared || !self.random.chance(3)).then_some(time);
            let key = *self.random.pick(&[Some("a"), Some("b"), Some("c"), None]);
            let value = (!self.random.chance(10)).then(|| self.random.range(-50, 50));
            let frontier = self.watermarks.frontier();
            match time {
                None => self.null_times += 1,
                Some(time) => {
                    for stream in &mut self.streams {
                        let key = if stream.has_key { Value::from(key) } else { Value::Null };
                        stream.model.add(key, value, time, frontier);
                    }
                    self.watermarks.see(producer, time);
                }
            }
            columns.0.push(key);
            columns.1.push(value);
            columns.2.push(time);
        }
        let source = &self.producers[index].1;
        let schema = source.schema();
        let times: ArrayRef = Arc::new(Int64Array::from(columns.2));
        let columns: Vec<ArrayRef> = vec![
            crate::support::database::texts(columns.0),
            Arc::new(Int64Array::from(columns.1)),
            cast(&times, schema.field(2).data_type()).unwrap(),
        ];
        let batch = RecordBatch::try_new(schema, columns).unwrap();
        // One push, or the same rows cut at random into batches of one push.
        let mut pieces = Vec::new();
        let mut offset = 0;
        while offset < batch.num_rows() {
            let left = (batch.num_rows() - offset) as i64;
            let cut = if self.random.chance(60) { left } else { self.random.range(1, left + 1) };
            pieces.push(batch.slice(offset, cut as usize));
            offset += cut as usize;
        }
        source.push_batches(pieces).unwrap();
    }

    fn check(&mut self) {
        // A producer's end counts from the next push or promise on.
        let frontier = self.watermarks.frontier;
        let mut bases = Vec::new();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let what = format!("{} AS {}", stream.name, stream.sql);
            let closed_by = (stream.emit == Emit::Final).then_some(frontier);
            let mut expected = stream.model.content(closed_by);
            if index == 0 {
                bases = expected.clone();
            }
            if !stream.has_key {
                expected.iter_mut().for_each(|row| drop(row.remove(0)));
                expected.sort();
            }
            assert_eq!(content(&self.db, &stream.name), expected, "content of {what}");
            if stream.emit == Emit::Update {
                for row in drain_rows(&mut stream.subscription) {
                    let bounds = 2 + usize::from(stream.has_key);
                    stream.last.insert(row[..bounds].to_vec(), row);
                }
                let told: Vec<Row> = stream.last.values().cloned().collect();
                assert_eq!(told, expected, "told by {what}");
            } else {
                stream.replay.drain(&mut stream.subscription);
                assert_eq!(stream.replay.content(), expected, "told by {what}");
            }
            let late = listed(&self.db, "SHOW STREAMS", &stream.name, "late_rows");
            assert_eq!(late, Value::Int(stream.model.late_rows), "late rows of {what}");
            let letters = listed(&self.db, "SHOW STREAMS", &stream.name, "dead_letters");
            assert_eq!(letters, Value::Int(self.null_times), "dead letters of {what}");
        }
        let base_windows = self.streams[0].model.windows;
        for cascade in &self.cascades {
            // What the first stream has given, grouped by the definition.
            let frontier = match cascade.over_end {
                true => frontier,
                false => base_windows.first_open(frontier),
            };
            let mut groups: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
            for row in &bases {
                let time = if cascade.over_end { row[2].int() } else { row[1].int() };
                for start in cascade.windows.of(time) {
                    if cascade.windows.is_closed(start, frontier) {
                        let group = groups.entry(start).or_default();
                        *group = (group.0 + row[3].int(), group.1 + 1);
                    }
                }
            }
            let expected: Vec<Row> =
                groups.into_iter().map(|(start, (n, c))| row![start, n, c]).collect();
            let what = format!("{} {:?} over {base_windows:?}", cascade.name, cascade.windows);
            assert_eq!(content(&self.db, &cascade.name), expected, "content of {what}");
            let late = listed(&self.db, "SHOW STREAMS", &cascade.name, "late_rows");
            assert_eq!(late, Value::Int(0), "late rows of {what}");
        }
    }
}

#[test]
fn random_windows_equal_the_model() {
    for_seeds(60, |seed| {
        let mut test = Test::new(seed);
        test.open_producer();
        for step in 0..25 {
            test.step();
            // Ending counts when something is pushed; the model is asked at the same moment.
            test.push();
            test.watermarks.frontier();
            if step % 2 == 0 {
                test.check();
            }
        }
        test.check();
    });
}
