//! A few rows at a time take another way through the engine than a batch: without Arrow arrays,
//! expressions interpreted. Here random queries run over the same random rows, extremes and NULLs
//! among them, cut into batches on either side of the border. Every output bit and every dead
//! letter must be the same. (That batches give what they should is what the other tests show.)

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow::compute::concat_batches;
use laminar_db::{Config, LaminarDB, SubscribeOptions, UntypedSubscription};

use super::support::database::{
    batch, content, created, drain, drain_rows, execute, listed, query, subscribe, texts,
};
use super::support::random::{Random, for_seeds};
use super::support::replay::Replay;
use super::support::value::Row;

const SOURCE: &str = "CREATE SOURCE input (id BIGINT NOT NULL, b BOOLEAN, t TINYINT, i INT, \
                      l BIGINT, m BIGINT, f REAL, d DOUBLE, e DOUBLE, s VARCHAR, u VARCHAR, \
                      w TIMESTAMP)";

/// More rows than travel as a block.
const ROWS: usize = 100;

fn input(random: &mut Random) -> RecordBatch {
    let rows = || 0..ROWS;
    fn maybe<T>(random: &mut Random, value: impl FnOnce(&mut Random) -> T) -> Option<T> {
        (!random.chance(15)).then(|| value(random))
    }
    let long = |random: &mut Random| match random.range(0, 6) {
        0 => *random.pick(&[i64::MIN, i64::MAX, i64::MIN + 1, 1 << 53, -1, 0]),
        _ => random.range(-4, 5),
    };
    let double = |random: &mut Random| match random.range(0, 4) {
        0 => *random.pick(&[
            f64::NAN,
            -0.0,
            0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            1e-310,
            127.5,
            -128.9,
        ]),
        _ => random.range(-8, 9) as f64 / 4.0,
    };
    let text = |random: &mut Random| {
        random.pick(&["", "a", "ab", "b", "grün", "a text of more than fifteen bytes"]).to_string()
    };
    macro_rules! column {
        ($array:ty, $value:expr) => {
            Arc::new(rows().map(|_| maybe(random, $value)).collect::<$array>()) as ArrayRef
        };
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS as i64))),
        ("b", column!(BooleanArray, |random| random.chance(50))),
        ("t", column!(Int8Array, |random| random.range(-128, 128) as i8)),
        ("i", column!(Int32Array, |random| long(random) as i32)),
        ("l", column!(Int64Array, long)),
        ("m", column!(Int64Array, long)),
        ("f", column!(Float32Array, |random| double(random) as f32)),
        ("d", column!(Float64Array, double)),
        ("e", column!(Float64Array, double)),
        ("s", column!(StringArray, text)),
        ("u", column!(StringArray, text)),
        ("w", column!(TimestampNanosecondArray, |random| random.range(-3, 4))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Numbers for a seed; those of neighbouring seeds have nothing in common.
fn random(seed: u64) -> Random {
    Random::new(seed * 1_000_003)
}

/// A subscription that begins with what there is: a count over no rows is a row.
fn with_content(db: &LaminarDB, name: &str) -> UntypedSubscription {
    let options = SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
    db.subscribe_with(name, options).unwrap()
}

/// A random expression of a kind: a number, a truth value or a text.
struct Expressions<'a>(&'a mut Random);

impl Expressions<'_> {
    fn number(&mut self, depth: u32) -> String {
        if depth == 0 {
            let leaves = [
                "t",
                "i",
                "l",
                "m",
                "f",
                "d",
                "e",
                "0",
                "1",
                "-3",
                "2.5",
                "127",
                "CAST(NULL AS INT)",
            ];
            return self.0.pick(&leaves).to_string();
        }
        let below = depth - 1;
        match self.0.range(0, 8) {
            7 => format!("(- {})", self.number(below)),
            0..=2 => {
                let op = *self.0.pick(&["+", "-", "*", "/", "%"]);
                format!("({} {op} {})", self.number(below), self.number(below))
            }
            3 => {
                let to = *self.0.pick(&["TINYINT", "SMALLINT", "INT", "BIGINT", "REAL", "DOUBLE"]);
                format!("CAST({} AS {to})", self.number(below))
            }
            4 => format!(
                "CASE WHEN {} THEN {} WHEN {} THEN {} ELSE {} END",
                self.truth(below),
                self.number(below),
                self.truth(below),
                self.number(below),
                self.number(below),
            ),
            5 => format!(
                "CASE {} WHEN 1 THEN {} WHEN 2 THEN {} END",
                self.number(below),
                self.number(below),
                self.number(below)
            ),
            _ => self.number(0),
        }
    }

    fn truth(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.0.pick(&["b", "true", "l = m", "d < e", "s <= u"]).to_string();
        }
        let below = depth - 1;
        let compare = ["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"];
        match self.0.range(0, 9) {
            0 | 1 => format!("({} AND {})", self.truth(below), self.truth(below)),
            2 => format!("({} OR {})", self.truth(below), self.truth(below)),
            3 => format!("(NOT {})", self.truth(below)),
            4 => format!("({} IS NULL)", self.number(below)),
            5 => format!("({} {} {})", self.text(), self.0.pick(&compare), self.text()),
            6 => format!("({} IS NOT NULL AND l IN (1, 2, NULL))", self.truth(below)),
            7 => format!("({} NOT IN ('a', 'ab'))", self.text()),
            _ => {
                let op = *self.0.pick(&compare);
                format!("({} {op} {})", self.number(below), self.number(below))
            }
        }
    }

    fn text(&mut self) -> String {
        self.0.pick(&["s", "u", "'ab'", "CASE WHEN b THEN s ELSE u END"]).to_string()
    }
}

fn push(db: &LaminarDB, input: &RecordBatch, rows_at_once: usize) {
    let source = db.source_untyped("input").unwrap();
    for from in (0..input.num_rows()).step_by(rows_at_once) {
        let rows = rows_at_once.min(input.num_rows() - from);
        source.push_arrow(input.slice(from, rows)).unwrap();
    }
}

fn dead_letters(db: &LaminarDB) -> Vec<Row> {
    let mut letters = query(db, "SELECT stream, row, error FROM laminar_dead_letters");
    letters.sort();
    letters
}

#[test]
fn expressions_give_the_same_row_by_row_and_in_batches() {
    for_seeds(120, |seed| {
        let mut random = random(seed);
        let input = input(&mut random);
        let mut expressions = Expressions(&mut random);
        let condition = expressions.truth(2);
        let (one, two) = (expressions.number(3), expressions.truth(3));
        let three = expressions.text();
        // Two projections, one over the other, and a filter between them.
        let sql = format!(
            "CREATE STREAM output AS SELECT id, x, y, z, w FROM (SELECT id, w, {one} AS x, {two} \
             AS y, {three} AS z FROM input WHERE {condition}) WHERE x IS NULL OR id % 7 <> 3"
        );
        let results: Vec<_> = [ROWS, 1, 9]
            .into_iter()
            .filter_map(|rows_at_once| {
                let db = created(&[SOURCE]);
                // What the planner refuses (a literal out of range) has no result to compare.
                db.execute_blocking(&sql).ok()?;
                db.start_blocking().unwrap();
                let mut output = subscribe(&db, "output");
                push(&db, &input, rows_at_once);
                let batches: Vec<RecordBatch> =
                    drain(&mut output).into_iter().map(|change| change.batch).collect();
                let rows = concat_batches(&output.schema(), &batches).unwrap();
                let kept = query(&db, "SELECT count(*) FROM output");
                Some((rows, kept, dead_letters(&db)))
            })
            .collect();
        for other in results.iter().skip(1) {
            assert_eq!(results[0].0, other.0, "{sql}");
            assert_eq!(results[0].1, other.1, "{sql}");
            assert_eq!(results[0].2, other.2, "{sql}");
        }
    });
}

#[test]
fn groups_change_the_same_row_by_row_and_in_batches() {
    for_seeds(60, |seed| {
        let mut random = random(seed);
        let input = input(&mut random);
        let keys = ["l", "t, b", "s", "w, i", "b", "d", "s, l", ""];
        let calls = [
            "count(*)",
            "count(s)",
            "sum(l)",
            "sum(t)",
            "sum(f)",
            "sum(d)",
            "avg(d)",
            "avg(l)",
            "min(m)",
            "max(d)",
            "min(f)",
            "max(b)",
            "sum(l) FILTER (WHERE b)",
            "max(w)",
        ];
        let key = *random.pick(&keys);
        let chosen: Vec<String> = (0..random.range(1, 5))
            .map(|index| format!("{} AS c{index}", random.pick(&calls)))
            .collect();
        let (select, group) = match key {
            "" => (chosen.join(", "), String::new()),
            key => (format!("{key}, {}", chosen.join(", ")), format!("GROUP BY {key}")),
        };
        let having = *random.pick(&["", " HAVING count(*) > 2"]);
        let first = format!("CREATE STREAM groups AS SELECT {select} FROM input {group}{having}");
        // Over updating input rows cease again.
        let second = "CREATE STREAM again AS SELECT c0, count(*) AS n, min(c0) AS low FROM groups \
                      GROUP BY c0 EMIT CHANGES";
        let results: Vec<_> = [ROWS, 1, 9]
            .into_iter()
            .map(|rows_at_once| {
                let db = created(&[SOURCE, &format!("{first} EMIT CHANGES")]);
                execute(&db, second);
                db.start_blocking().unwrap();
                let mut subscriptions = [with_content(&db, "groups"), with_content(&db, "again")];
                let mut replays = [Replay::default(), Replay::default()];
                push(&db, &input, rows_at_once);
                for (replay, subscription) in replays.iter_mut().zip(&mut subscriptions) {
                    replay.drain(subscription);
                }
                for (replay, name) in replays.iter().zip(["groups", "again"]) {
                    let mut held = query(&db, &format!("SELECT * FROM {name}"));
                    held.sort();
                    assert_eq!(replay.content(), held, "{rows_at_once} at once: {first}");
                }
                (replays.map(|replay| replay.content()), dead_letters(&db))
            })
            .collect();
        for other in &results[1..] {
            assert_eq!(results[0].0, other.0, "{first}");
            assert_eq!(results[0].1, other.1, "{first}");
        }
    });
}

#[test]
fn long_strings_go_as_batches() {
    let long: Vec<String> = (0..40).map(|row| "x".repeat(3_000 * row % 70_000)).collect();
    let [one, all] = [1, long.len()].map(|rows_at_once| {
        let db = created(&[
            "CREATE SOURCE input (s VARCHAR)",
            "CREATE STREAM output AS SELECT s AS a, s AS b, s AS c FROM input",
            "CREATE STREAM counts AS SELECT s, count(*) AS n FROM input GROUP BY s EMIT CHANGES",
        ]);
        db.start_blocking().unwrap();
        let source = db.source_untyped("input").unwrap();
        let strings = texts(long.iter().map(|text| Some(text.as_str())));
        push(&db, &batch(source.schema(), vec![strings]), rows_at_once);
        (content(&db, "output"), content(&db, "counts"))
    });
    assert_eq!(one.0.len(), long.len());
    assert!(one == all, "the strings came out otherwise");
}

#[test]
fn time_goes_the_same_row_by_row_and_in_batches() {
    const TIMES: [&str; 6] = [
        "",
        "WITH (idle_timeout = '5 seconds')",
        "WITH (watermark_per = 'key:k')",
        "WITH (watermark_per = 'key:k', idle_timeout = '1 s')",
        "WITH (max_future_ms = 1000)",
        "proctime",
    ];
    const START_MS: i64 = 1_000_000;
    for_seeds(30, |seed| {
        let mut random = random(seed);
        let times = TIMES[(seed % TIMES.len() as u64) as usize];
        let (clock, options) = match times {
            "proctime" => (", at TIMESTAMP(3) AS proctime()", ""),
            options => ("", options),
        };
        let source = format!(
            "CREATE SOURCE input (k BIGINT, v BIGINT, ts BIGINT NOT NULL{clock}, WATERMARK FOR ts \
             AS ts - INTERVAL '5' MILLISECOND) {options}"
        );
        let latest = if clock.is_empty() { "max(v)" } else { "max(at)" };
        let sums = format!(
            "CREATE STREAM sums AS SELECT k, sum(v) AS s, {latest} AS m FROM input GROUP BY k \
             EMIT CHANGES"
        );
        // What is far ahead refuses its push, whatever else is in it: so it comes alone.
        let pushes: Vec<Vec<(i64, i64, i64)>> = (0..4)
            .map(|push| {
                let rows = (0..ROWS as i64 / 2).map(|row| {
                    let ts = START_MS - 500 + 40 * push + row + random.range(-12, 13);
                    (random.range(0, 4), random.range(-9, 10), ts)
                });
                rows.collect()
            })
            .collect();
        let results: Vec<_> = [ROWS, 1, 9]
            .into_iter()
            .map(|rows_at_once| {
                let db = LaminarDB::open_with_clock_at(Config::default(), START_MS).unwrap();
                execute(&db, &source);
                execute(&db, &sums);
                execute(
                    &db,
                    "CREATE STREAM windows AS SELECT k, window_start, count(*) AS n, sum(v) AS s \
                     FROM input GROUP BY k, tumble(ts, 10) LATE DATA TO late_rows",
                );
                execute(
                    &db,
                    "CREATE STREAM seconds AS SELECT k, count(*) AS n FROM input GROUP BY k \
                     EMIT EVERY INTERVAL '1' SECOND CHANGES",
                );
                let handle = db.source_untyped("input").unwrap();
                let columns = |rows: &[(i64, i64, i64)]| -> Vec<ArrayRef> {
                    let column = |of: fn(&(i64, i64, i64)) -> i64| -> ArrayRef {
                        Arc::new(rows.iter().map(of).map(Some).collect::<Int64Array>())
                    };
                    vec![column(|row| row.0), column(|row| row.1), column(|row| row.2)]
                };
                let push = |rows: &[(i64, i64, i64)]| {
                    for rows in rows.chunks(rows_at_once) {
                        let columns = columns(rows);
                        handle.push_arrow(batch(handle.schema(), columns)).unwrap();
                    }
                };
                let mut seconds = subscribe(&db, "seconds");
                let mut told = Vec::new();
                for (index, rows) in pushes.iter().enumerate() {
                    // The first push waits for the start.
                    push(rows);
                    if index == 0 {
                        db.start_blocking().unwrap();
                    }
                    let columns = columns(&[(0, 1, START_MS + 100_000)]);
                    let ahead = handle.push_arrow(batch(handle.schema(), columns));
                    assert_eq!(ahead.is_err(), times.contains("max_future_ms"), "{times}");
                    db.advance_clock(Duration::from_secs(1)).unwrap();
                    let mut changes = drain_rows(&mut seconds);
                    changes.sort();
                    told.push(changes);
                }
                handle.end_of_input().unwrap();
                let rows = columns(&pushes[0][..1]);
                assert!(handle.push_arrow(batch(handle.schema(), rows)).is_err());
                (
                    ["sums", "windows", "late_rows", "seconds"].map(|name| content(&db, name)),
                    told,
                    listed(&db, "SHOW STREAMS", "windows", "late_rows"),
                    dead_letters(&db),
                )
            })
            .collect();
        assert!(!results[0].0[1].is_empty());
        for other in &results[1..] {
            assert_eq!(&results[0], other, "{source}");
        }
    });
}
