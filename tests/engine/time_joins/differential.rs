//! Random joins in time over random rows: after every few pushes each stream is compared with its
//! definition, by what it holds and by what its subscription was told.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{LaminarDB, UntypedSource, UntypedSubscription};

use super::model::{Asof, Band, Side};
use crate::support::database::{content, created, execute, listed, subscribe};
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, Value};

/// What a stream is to be.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Asof(Asof, bool),
    Band(Band),
}

struct Checked {
    name: String,
    sql: String,
    expected: Expected,
    subscription: UntypedSubscription,
    replay: Replay,
}

struct Test {
    random: Random,
    db: LaminarDB,
    sides: [Side; 2],
    sources: [UntypedSource; 2],
    streams: Vec<Checked>,
    clocks: [i64; 2],
}

fn asof_sql(asof: &Asof, random: &mut Random) -> String {
    let flipped = random.chance(30);
    let condition = match (asof.operator, flipped) {
        ("nearest", _) => "NEAREST(l.ts, r.ts)".to_string(),
        (operator, false) => format!("l.ts {operator} r.ts"),
        (operator, true) => {
            let turned = operator.replace('<', "@").replace('>', "<").replace('@', ">");
            format!("r.ts {turned} l.ts")
        }
    };
    let join = if asof.outer { "ASOF LEFT JOIN" } else { "ASOF JOIN" };
    let on = match (asof.keyed, random.chance(50)) {
        (true, true) => format!("MATCH_CONDITION ({condition}) ON l.k = r.k"),
        (true, false) => format!("ON l.k = r.k AND {condition}"),
        (false, true) => format!("MATCH_CONDITION ({condition})"),
        (false, false) => format!("ON {condition}"),
    };
    format!("SELECT l.k, l.v, l.ts, r.k AS rk, r.v AS rv, r.ts AS rts FROM l {join} r {on}")
}

fn band_sql(band: &Band, random: &mut Random) -> String {
    let (low, high) = (band.low, band.high);
    let mut conditions = match random.range(0, 4) {
        0 => vec![format!("r.ts BETWEEN l.ts + ({low}) AND l.ts + ({high})")],
        1 => vec![format!("r.ts >= l.ts + ({low})"), format!("r.ts - ({high}) <= l.ts")],
        2 => vec![format!("l.ts > r.ts - ({high}) - 1"), format!("l.ts < r.ts - ({low}) + 1")],
        _ => vec![
            format!("l.ts <= r.ts - INTERVAL '{low}' MILLISECOND"),
            format!("l.ts + INTERVAL '{high}' MILLISECOND >= r.ts"),
            format!("l.ts >= r.ts - ({high}) - 3"),
        ],
    };
    if band.keyed {
        conditions.insert(random.range(0, 2) as usize, "l.k = r.k".to_string());
    }
    if band.filtered {
        conditions.push("l.v <= r.v".to_string());
    }
    let columns = match band.kind {
        "LEFT SEMI" | "LEFT ANTI" => "l.k, l.v, l.ts",
        "RIGHT SEMI" | "RIGHT ANTI" => "r.k, r.v, r.ts",
        _ => "l.k, l.v, l.ts, r.k AS rk, r.v AS rv, r.ts AS rts",
    };
    format!("SELECT {columns} FROM l {} JOIN r ON {}", band.kind, conditions.join(" AND "))
}

impl Test {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let delays = [random.range(0, 20), random.range(0, 20)];
        // What lateness allows is as if the watermarks were so much further behind.
        let lateness = *random.pick(&[0, 0, 7, 30]);
        let source = |name: &str, delay: i64| {
            format!(
                "CREATE SOURCE {name} (k BIGINT, v BIGINT, ts BIGINT NOT NULL,
                 WATERMARK FOR ts AS ts - {delay})"
            )
        };
        let db = created(&[&source("l", delays[0]), &source("r", delays[1])]);
        let mut streams = Vec::new();
        for index in 0..8 {
            let (expected, mut sql) = if random.chance(50) {
                let operator = *random.pick(&[">=", ">", "<=", "<", "nearest"]);
                let asof = Asof { operator, outer: random.chance(50), keyed: random.chance(70) };
                let is_final = random.chance(60);
                (Expected::Asof(asof, is_final), asof_sql(&asof, &mut random))
            } else {
                let kind = *random.pick(&[
                    "INNER",
                    "LEFT",
                    "RIGHT",
                    "FULL",
                    "LEFT SEMI",
                    "LEFT ANTI",
                    "RIGHT SEMI",
                    "RIGHT ANTI",
                ]);
                let low = random.range(-15, 10);
                let band = Band {
                    low,
                    high: low + random.range(0, 12),
                    kind,
                    keyed: random.chance(70),
                    filtered: random.chance(30),
                };
                (Expected::Band(band), band_sql(&band, &mut random))
            };
            match expected {
                Expected::Asof(_, false) => sql.push_str(" EMIT CHANGES"),
                Expected::Asof(_, true) if random.chance(50) => {
                    sql.push_str(" EMIT ON WINDOW CLOSE");
                }
                _ => {}
            }
            if lateness > 0 {
                sql.push_str(&format!(" ALLOW LATENESS INTERVAL '{lateness}' MILLISECOND"));
            }
            let name = format!("s{index}");
            execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
            let subscription = subscribe(&db, &name);
            streams.push(Checked { name, sql, expected, subscription, replay: Replay::default() });
        }
        db.start_blocking().unwrap();
        let sources = ["l", "r"].map(|name| db.source_untyped(name).unwrap());
        let sides = delays.map(|delay| Side::new(delay + lateness));
        Self { random, db, sides, sources, streams, clocks: [0, 0] }
    }

    /// Pushes rows of one side around its clock, as one batch or several.
    fn push(&mut self) {
        let side = self.random.range(0, 2) as usize;
        let count = *self.random.pick(&[1, 1, 3, 10, 40]);
        let (mut keys, mut values, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            self.clocks[side] += self.random.range(0, 3);
            let key = (!self.random.chance(10)).then(|| self.random.range(0, 4));
            let value = self.random.range(0, 5);
            let time = self.clocks[side] - self.random.range(0, 25);
            self.sides[side].add(key, value, time);
            keys.push(key);
            values.push(value);
            times.push(time);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(keys)),
            Arc::new(Int64Array::from(values)),
            Arc::new(Int64Array::from(times)),
        ];
        let source = &self.sources[side];
        let batch = RecordBatch::try_new(source.schema(), columns).unwrap();
        let mut pieces = Vec::new();
        let mut offset = 0;
        while offset < batch.num_rows() {
            let left = (batch.num_rows() - offset) as i64;
            let rows = if self.random.chance(60) { left } else { self.random.range(1, left + 1) };
            pieces.push(batch.slice(offset, rows as usize));
            offset += rows as usize;
        }
        source.push_batches(pieces).unwrap();
    }

    fn check(&mut self) {
        let [left, right] = &self.sides;
        for stream in &mut self.streams {
            let what = format!("{} AS {}", stream.name, stream.sql);
            let expected: Vec<Row> = match stream.expected {
                Expected::Asof(asof, is_final) => asof.content(left, right, is_final),
                Expected::Band(band) => band.content(left, right),
            };
            assert_eq!(content(&self.db, &stream.name), expected, "content of {what}");
            stream.replay.drain(&mut stream.subscription);
            assert_eq!(stream.replay.content(), expected, "told by {what}");
            let late = listed(&self.db, "SHOW STREAMS", &stream.name, "late_rows");
            assert_eq!(late, Value::Int(left.late + right.late), "late rows of {what}");
        }
    }
}

#[test]
fn random_joins_equal_the_model() {
    for_seeds(40, |seed| {
        let mut test = Test::new(seed);
        for step in 0..40 {
            test.push();
            if step % 3 == 0 {
                test.check();
            }
        }
        test.check();
    });
}
