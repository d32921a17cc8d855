//! Joins within a band of time: in every spelling, over inputs that are updated, and over inputs
//! whose producers promise by hand. Expected contents are DataFusion's join over the rows that were
//! not late.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::SchemaRef;
use laminar_db::{LaminarDB, UntypedSource, UntypedSubscription};

use super::model::Side;
use crate::row;
use crate::support::database::{content, created, execute, listed, query, started, subscribe};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, sorted};

fn plan(db: &LaminarDB, sql: &str) -> String {
    let rows = query(db, &format!("EXPLAIN CREATE STREAM x AS {sql}"));
    rows.iter().map(|row| row[0].text().to_string() + "\n").collect()
}

/// A subquery in an expression counts every row, however late: only ranges of time make it a join
/// in time, as a join spelled out is.
#[test]
fn a_subquery_about_an_equal_time_minds_late_rows() {
    let db = started(&[
        "CREATE SOURCE s (ts BIGINT NOT NULL, k BIGINT, WATERMARK FOR ts AS ts - 3)",
        "CREATE SOURCE r (ts BIGINT NOT NULL, k BIGINT, WATERMARK FOR ts AS ts - 3)",
        "CREATE STREAM greatest AS
             SELECT k, ts, (SELECT max(i.k) FROM s AS i WHERE i.ts = l.ts) AS g FROM s AS l",
        "CREATE STREAM found AS SELECT k, ts FROM s WHERE ts IN (SELECT ts FROM r)",
        "CREATE STREAM missing AS SELECT k, ts FROM s
             WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.ts = s.ts)",
    ]);
    execute(&db, "INSERT INTO s VALUES (60, 2), (54, 1), (54, 3), (60, 4)");
    execute(&db, "INSERT INTO r VALUES (70, 1), (54, 1)");
    let expected =
        |rows: &[[i64; 2]]| -> Vec<Row> { rows.iter().map(|r| row!(r[0], r[1])).collect() };
    assert_eq!(
        content(&db, "greatest"),
        vec![row!(1, 54, 3), row!(2, 60, 4), row!(3, 54, 3), row!(4, 60, 4)]
    );
    assert_eq!(content(&db, "found"), expected(&[[1, 54], [3, 54]]));
    assert_eq!(content(&db, "missing"), expected(&[[2, 60], [4, 60]]));
    let ranges = plan(
        &db,
        "SELECT k, ts FROM s WHERE EXISTS
             (SELECT 1 FROM r WHERE r.k = s.k AND r.ts BETWEEN s.ts - 5 AND s.ts)",
    );
    assert!(ranges.contains("5 ms before"), "{ranges}");
}

/// The band that a condition is found to mean, in seconds before and after.
#[test]
fn every_spelling_of_a_band() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE r (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE a (k BIGINT, ts TIMESTAMP NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE b (k BIGINT, ts TIMESTAMP(3) NOT NULL, WATERMARK FOR ts)",
    ]);
    for (condition, before, after) in [
        ("r.ts BETWEEN l.ts - 5000 AND l.ts + INTERVAL '1' SECOND", "5 s", "1 s"),
        ("l.ts - r.ts <= 5000 AND r.ts - l.ts <= INTERVAL '1' SECOND", "5 s", "1 s"),
        ("5000 >= l.ts - r.ts AND -1000 <= l.ts - r.ts", "5 s", "1 s"),
        ("l.ts - r.ts BETWEEN -1000 AND 5000", "5 s", "1 s"),
        ("abs(l.ts - r.ts) <= 5000", "5 s", "5 s"),
        ("abs(r.ts - l.ts) < INTERVAL '5' SECOND", "4999 ms", "4999 ms"),
        ("l.ts - r.ts < INTERVAL '5' SECOND AND l.ts > r.ts", "4999 ms", "-1 ms"),
        ("r.ts = l.ts", "0 s", "0 s"),
        ("r.ts - l.ts = 2000", "-2 s", "2 s"),
        ("r.ts + 1000 >= l.ts AND r.ts <= l.ts AND l.ts - r.ts <= 700", "700 ms", "0 s"),
    ] {
        let plan = plan(&db, &format!("SELECT l.k FROM l JOIN r ON l.k = r.k AND {condition}"));
        let expected = format!("ts from {before} before ts to {after} after it");
        assert!(plan.contains("Interval join"), "{condition}\n{plan}");
        assert!(plan.contains(&expected), "{condition}\n{plan}\ndoes not say {expected}");
        assert!(!plan.contains("filter"), "{condition}\n{plan}");
    }
    for (condition, before, after) in [
        ("b.ts - a.ts BETWEEN INTERVAL '0' SECOND AND INTERVAL '2' SECOND", "0 s", "2 s"),
        ("a.ts - b.ts < INTERVAL '5' SECOND AND a.ts >= b.ts", "4999999999 ns", "0 s"),
        ("a.ts >= b.ts AND b.ts > a.ts - INTERVAL '5' SECOND", "4999999999 ns", "0 s"),
    ] {
        let plan = plan(&db, &format!("SELECT a.k FROM a JOIN b ON a.k = b.k AND {condition}"));
        let expected = format!("ts from {before} before ts to {after} after it");
        assert!(plan.contains("Interval join"), "{condition}\n{plan}");
        assert!(plan.contains(&expected), "{condition}\n{plan}\ndoes not say {expected}");
    }
    // What bounds one side alone, or another function of the times.
    for condition in [
        "l.ts - r.ts < 5000",
        "abs(l.ts - r.ts) >= 5000",
        "abs(l.ts - r.k) < 5000",
        "l.ts * 2 - r.ts BETWEEN 0 AND 10",
    ] {
        let plan = plan(&db, &format!("SELECT l.k FROM l JOIN r ON l.k = r.k AND {condition}"));
        assert!(plan.contains("keeps for ever"), "{condition}\n{plan}");
    }
}

/// A join that seems bounded and is not says so, and why.
#[test]
fn an_unbounded_band_is_said_to_be_one() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE u (k BIGINT, ts BIGINT NOT NULL)",
        "CREATE SOURCE stamped (k BIGINT, ts TIMESTAMP NOT NULL)",
        "CREATE TABLE plain (k BIGINT, ts BIGINT)",
        "CREATE TABLE marked (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
    ]);
    let join = |right: &str, condition: &str| {
        plan(&db, &format!("SELECT l.k FROM l JOIN {right} AS r ON l.k = r.k AND {condition}"))
    };
    let band = "r.ts BETWEEN l.ts - 5 AND l.ts + INTERVAL '1' SECOND";
    for (right, why) in [
        ("u", "no watermark is declared for r.ts, which may be a number: declare WATERMARK FOR it"),
        ("plain", "no watermark is about r.ts, and its rows can be taken back at any time"),
        ("marked", "rows with a r.ts behind its watermark can still be taken back"),
    ] {
        let plan = join(right, band);
        let note = format!("note: unbounded: the rows of the join are kept for ever, since {why}");
        assert!(plan.contains(&note), "{right}\n{plan}");
        assert!(plan.contains("keeps for ever"), "{right}\n{plan}");
    }
    let stamped = "SELECT r.k FROM stamped AS r JOIN stamped AS l ON l.k = r.k
         AND r.ts BETWEEN l.ts - INTERVAL '1' SECOND AND l.ts";
    for plan in [
        // Bounded, by a watermark that is declared or promised.
        join("l", band),
        plan(&db, stamped),
        // What does not seem to be.
        join("u", "r.ts > l.ts"),
        join("u", "r.ts = l.ts"),
        join("l", "r.k BETWEEN l.k - 5 AND l.k + 5"),
    ] {
        assert!(!plan.contains("unbounded"), "{plan}");
    }
}

/// What the conditions of `every_spelling_of_a_band` answer, by arithmetic.
#[test]
fn distances_are_compared_as_they_are_written() {
    let db = started(&[
        "CREATE SOURCE l (id BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE r (id BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
    ]);
    let conditions = [
        ("s0", "abs(l.ts - r.ts) < 3", vec![row![5, 3], row![5, 5], row![5, 7]]),
        ("s1", "l.ts - r.ts BETWEEN -1 AND 2", vec![row![5, 3], row![5, 5]]),
        ("s2", "INTERVAL '2' MILLISECOND > r.ts - l.ts AND 0 < r.ts - l.ts", vec![]),
        ("s3", "r.ts - l.ts = 2", vec![row![5, 7]]),
    ];
    for (name, condition, _) in &conditions {
        let sql = format!(
            "CREATE STREAM {name} AS SELECT l.ts, r.ts AS rts FROM l JOIN r ON {condition}"
        );
        execute(&db, &sql);
    }
    execute(&db, "INSERT INTO r VALUES (1, 1), (2, 2), (3, 3), (4, 5), (5, 7), (6, 8)");
    execute(&db, "INSERT INTO l VALUES (1, 5)");
    for (name, condition, expected) in conditions {
        assert_eq!(content(&db, name), expected, "{condition}");
    }
}

const KINDS: [&str; 8] =
    ["INNER", "LEFT", "RIGHT", "FULL", "LEFT SEMI", "LEFT ANTI", "RIGHT SEMI", "RIGHT ANTI"];

struct Checked {
    sql: String,
    expected: String,
    subscription: UntypedSubscription,
    replay: Replay,
}

fn random_join(random: &mut Random, unit: &str) -> String {
    let low = random.range(-15, 10);
    // Not an equality, which may be of keys that are no times.
    let high = low + random.range(1, 12);
    let kind = *random.pick(&KINDS);
    let columns = match kind {
        "LEFT SEMI" | "LEFT ANTI" => "l.k, l.v, l.ts",
        "RIGHT SEMI" | "RIGHT ANTI" => "r.k, r.v, r.ts",
        _ => "l.k, l.v, l.ts, r.k AS rk, r.v AS rv, r.ts AS rts",
    };
    let span = |span: i64| match unit {
        "" => format!("({span})"),
        unit => format!("INTERVAL '{span}' {unit}"),
    };
    let (low, high) = (span(low), span(high));
    let band = match random.range(0, 3) {
        0 => format!("r.ts BETWEEN l.ts + {low} AND l.ts + {high}"),
        1 => format!("r.ts - l.ts >= {low} AND r.ts - l.ts <= {high}"),
        _ => format!("l.ts <= r.ts - {low} AND l.ts + {high} >= r.ts"),
    };
    let keys = if random.chance(70) { "l.k = r.k AND " } else { "" };
    let filter = if random.chance(30) { " AND l.v <= r.v" } else { "" };
    format!("SELECT {columns} FROM l {kind} JOIN r ON {keys}{band}{filter}")
}

fn check(db: &LaminarDB, oracle: &Oracle, streams: &mut [Checked]) {
    for (index, stream) in streams.iter_mut().enumerate() {
        let expected: Vec<Row> = sorted(&oracle.batches(&stream.expected));
        let name = format!("s{index}");
        assert_eq!(content(db, &name), expected, "content of {}", stream.sql);
        stream.replay.drain(&mut stream.subscription);
        assert_eq!(stream.replay.content(), expected, "told by {}", stream.sql);
    }
}

fn streams(db: &LaminarDB, random: &mut Random, unit: &str, lateness: i64) -> Vec<Checked> {
    let allowed = match lateness {
        0 => String::new(),
        ms => format!(" ALLOW LATENESS {ms}"),
    };
    let made = (0..6).map(|index| {
        let sql = random_join(random, unit);
        execute(db, &format!("CREATE STREAM s{index} AS {sql} EMIT CHANGES{allowed}"));
        let subscription = subscribe(db, &format!("s{index}"));
        Checked { expected: sql.clone(), sql, subscription, replay: Replay::default() }
    });
    made.collect()
}

/// `k, v, ts` of rows that were not late.
fn kept(schema: &SchemaRef, side: &Side) -> RecordBatch {
    let column = |of: &dyn Fn(&super::model::Event) -> Option<i64>| -> ArrayRef {
        Arc::new(side.kept.iter().map(of).collect::<Int64Array>())
    };
    let times = column(&|row| Some(row.time));
    let times = arrow::compute::cast(&times, schema.field(2).data_type()).unwrap();
    let columns = vec![column(&|row| row.key), column(&|row| Some(row.value)), times];
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

/// Random rows about a clock: those of a batch, and the batch.
fn random_rows(
    random: &mut Random,
    clock: &mut i64,
    values: (i64, i64),
    source: &UntypedSource,
) -> (Vec<(Option<i64>, i64, i64)>, RecordBatch) {
    let rows: Vec<(Option<i64>, i64, i64)> = (0..*random.pick(&[1, 1, 3, 10, 40]))
        .map(|_| {
            *clock += random.range(0, 3);
            let key = (!random.chance(10)).then(|| random.range(0, 4));
            (key, random.range(values.0, values.1), *clock - random.range(0, 25))
        })
        .collect();
    let keys: Int64Array = rows.iter().map(|row| row.0).collect();
    let numbers: Int64Array = rows.iter().map(|row| Some(row.1)).collect();
    let times = rows.iter().map(|row| row.2);
    let times: ArrayRef = match source.schema().field(2).data_type() {
        arrow::datatypes::DataType::Int64 => Arc::new(Int64Array::from_iter_values(times)),
        _ => Arc::new(TimestampMillisecondArray::from_iter_values(times)),
    };
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(numbers), times];
    (rows, RecordBatch::try_new(source.schema(), columns).unwrap())
}

fn push_in_pieces(random: &mut Random, source: &UntypedSource, batch: &RecordBatch) {
    let mut offset = 0;
    while offset < batch.num_rows() {
        let left = (batch.num_rows() - offset) as i64;
        let rows = if random.chance(60) { left } else { random.range(1, left + 1) };
        source.push_arrow(batch.slice(offset, rows as usize)).unwrap();
        offset += rows as usize;
    }
}

/// Both sides are groups by time, whose values change and which cease; a change of a group that is
/// behind its source's frontier is late.
#[test]
fn bands_over_updated_inputs_equal_the_batch_answer() {
    for_seeds(12, |seed| {
        let mut random = Random::new(seed);
        let delays = [random.range(5, 25), random.range(5, 25)];
        let lateness = *random.pick(&[0, 0, 12]);
        let mut statements = Vec::new();
        for (name, delay) in ["l", "r"].into_iter().zip(delays) {
            statements.push(format!(
                "CREATE SOURCE {name}s (k BIGINT, v BIGINT, ts BIGINT NOT NULL,
                 WATERMARK FOR ts AS ts - {delay})"
            ));
            statements.push(format!(
                "CREATE STREAM {name} AS SELECT k, sum(v) AS v, ts FROM {name}s GROUP BY k, ts
                 HAVING sum(v) <> 0"
            ));
        }
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        let db = created(&statements);
        let mut streams = streams(&db, &mut random, "", lateness);
        let plan = plan(&db, &streams[0].sql);
        assert!(plan.contains("keeps until the frontiers pass that"), "{plan}");
        db.start_blocking().unwrap();
        let sources = ["ls", "rs"].map(|name| db.source_untyped(name).unwrap());
        let mut sides = delays.map(|delay| Side::new(delay + lateness));
        let mut clocks = [0, 0];
        let oracle = Oracle::new();
        for step in 0..30 {
            let side = random.range(0, 2) as usize;
            let source = &sources[side];
            let (rows, batch) = random_rows(&mut random, &mut clocks[side], (-1, 2), source);
            rows.iter().for_each(|(key, value, time)| sides[side].add(*key, *value, *time));
            push_in_pieces(&mut random, source, &batch);
            if step % 3 == 2 {
                for (name, (source, side)) in ["l", "r"].iter().zip(sources.iter().zip(&sides)) {
                    let schema = source.schema();
                    oracle.table(&format!("{name}s"), schema.clone(), vec![kept(&schema, side)]);
                    oracle.batches(&format!(
                        "CREATE OR REPLACE VIEW {name} AS SELECT k, sum(v) AS v, ts FROM {name}s
                         GROUP BY k, ts HAVING sum(v) <> 0"
                    ));
                }
                check(&db, &oracle, &mut streams);
            }
        }
    });
}

/// No watermark is declared: what counts is what producers promise.
#[test]
fn bands_by_promised_watermarks_equal_the_batch_answer() {
    for_seeds(8, |seed| {
        let mut random = Random::new(seed);
        let db = created(&[
            "CREATE SOURCE l (k BIGINT, v BIGINT, ts TIMESTAMP(3) NOT NULL)",
            "CREATE SOURCE r (k BIGINT, v BIGINT, ts TIMESTAMP(3) NOT NULL)",
        ]);
        let mut streams = streams(&db, &mut random, "MILLISECOND", 0);
        db.start_blocking().unwrap();
        let sources = ["l", "r"].map(|name| db.source_untyped(name).unwrap());
        let mut clocks = [0, 0];
        let mut promised = [i64::MIN; 2];
        // A side that decides itself what is late, which here is what a promise has passed.
        let mut sides = [Side::new(0), Side::new(0)];
        let oracle = Oracle::new();
        for step in 0..30 {
            let side = random.range(0, 2) as usize;
            let source = &sources[side];
            let (rows, batch) = random_rows(&mut random, &mut clocks[side], (0, 5), source);
            for (key, value, time) in rows.iter().filter(|row| row.2 > promised[side]) {
                let arrival = sides[side].kept.len();
                let event = super::model::Event { key: *key, value: *value, time: *time, arrival };
                sides[side].kept.push(event);
            }
            push_in_pieces(&mut random, source, &batch);
            if random.chance(40) {
                promised[side] = promised[side].max(clocks[side] - random.range(0, 15));
                source.watermark(promised[side]).unwrap();
            }
            if step % 3 == 2 {
                for (name, (source, side)) in ["l", "r"].iter().zip(sources.iter().zip(&sides)) {
                    let schema = source.schema();
                    oracle.table(name, schema.clone(), vec![kept(&schema, side)]);
                }
                check(&db, &oracle, &mut streams);
            }
        }
    });
}

/// Neither kind of band keeps its rows for ever, nor does an ASOF join of updated inputs.
#[test]
fn their_state_stays_bounded() {
    let db = started(&[
        "CREATE SOURCE ls (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 50)",
        "CREATE SOURCE rs (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 50)",
        "CREATE SOURCE lp (k BIGINT, v BIGINT, ts TIMESTAMP(3) NOT NULL)",
        "CREATE SOURCE rp (k BIGINT, v BIGINT, ts TIMESTAMP(3) NOT NULL)",
        "CREATE STREAM l AS SELECT k, sum(v) AS v, ts FROM ls GROUP BY k, ts",
        "CREATE STREAM r AS SELECT k, sum(v) AS v, ts FROM rs GROUP BY k, ts",
    ]);
    let joins = [
        ("band", "l JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts - 100 AND l.ts + 20"),
        ("full_band", "l FULL JOIN r ON l.k = r.k AND r.ts BETWEEN l.ts AND l.ts + 20"),
        ("asof", "l ASOF JOIN r MATCH_CONDITION (l.ts >= r.ts) ON l.k % 50 = r.k % 50"),
        (
            "nearest",
            "l ASOF LEFT JOIN r MATCH_CONDITION (NEAREST(l.ts, r.ts)) ON l.k % 50 = r.k % 50",
        ),
    ];
    for (name, join) in &joins {
        execute(
            &db,
            &format!(
                "CREATE STREAM {name} AS SELECT count(*) AS n FROM (SELECT l.k, r.v FROM {join})
                 EMIT CHANGES"
            ),
        );
    }
    execute(
        &db,
        "CREATE STREAM promised AS SELECT count(*) AS n FROM (SELECT l.k, r.v FROM lp AS l
         LEFT JOIN rp AS r ON l.k = r.k AND l.ts - r.ts < INTERVAL '20' MILLISECOND
         AND r.ts - l.ts < INTERVAL '20' MILLISECOND) EMIT CHANGES",
    );
    let sources = ["ls", "rs", "lp", "rp"].map(|name| db.source_untyped(name).unwrap());
    let mut after = Vec::new();
    for step in 0..400 {
        let times: Vec<i64> = (0..100).map(|row| step * 100 + row).collect();
        let keys: ArrayRef =
            Arc::new(Int64Array::from_iter_values((0..100).map(|row| step / 4 + row % 50)));
        let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; 100]));
        for source in &sources {
            let stamps: ArrayRef = match source.name() {
                "ls" | "rs" => Arc::new(Int64Array::from(times.clone())),
                _ => Arc::new(TimestampMillisecondArray::from(times.clone())),
            };
            let columns = vec![keys.clone(), zeros.clone(), stamps];
            source.push_arrow(RecordBatch::try_new(source.schema(), columns).unwrap()).unwrap();
            if matches!(source.name(), "lp" | "rp") {
                source.watermark(step * 100 + 50).unwrap();
            }
        }
        if step == 100 || step == 399 {
            let bytes = |name: &&str| listed(&db, "SHOW STREAMS", name, "state_bytes").int();
            let names = ["band", "full_band", "asof", "nearest", "promised"];
            after.push(names.iter().map(bytes).collect::<Vec<i64>>());
        }
    }
    assert!(
        after[0].iter().zip(&after[1]).all(|(early, late)| late <= &(2 * early)),
        "bytes after 100 steps and after 400: {after:?}"
    );
}
