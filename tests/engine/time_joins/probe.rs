//! `TEMPORAL PROBE JOIN`: each left row as of its time plus each offset, against DataFusion's cross
//! join with the offsets, its join and ROW_NUMBER, over the rows that were not late.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use laminar_db::{LaminarDB, UntypedSubscription};

use super::model::Side;
use crate::row;
use crate::support::database::{
    content, created, execute, listed, query, refused, started, subscribe,
};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, Value, sorted};

const OFFSETS: [(&str, &[i64]); 4] = [
    ("LIST (0s)", &[0]),
    ("RANGE FROM -10 TO INTERVAL '10' MILLISECOND STEP 5ms", &[-10, -5, 0, 5, 10]),
    ("LIST (0.02s, -3, '7 milliseconds', 20)", &[-3, 7, 20]),
    ("RANGE FROM 5 TO 30 STEP 10", &[5, 15, 25]),
];

fn schema() -> SchemaRef {
    let fields = ["k", "v", "ts", "arrival"].map(|name| Field::new(name, DataType::Int64, true));
    Arc::new(Schema::new(fields.to_vec()))
}

fn kept(side: &Side) -> RecordBatch {
    let of = |value: &dyn Fn(&super::model::Event) -> Option<i64>| -> ArrayRef {
        Arc::new(side.kept.iter().map(value).collect::<Int64Array>())
    };
    let columns = vec![
        of(&|row| row.key),
        of(&|row| Some(row.value)),
        of(&|row| Some(row.time)),
        of(&|row| Some(row.arrival as i64)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// The definition. `final_before` leaves out the probes that a right row may still change.
fn expected(
    sides: &[Side; 2],
    offsets: &[i64],
    outer: bool,
    final_before: Option<i64>,
) -> Vec<Row> {
    let oracle = Oracle::new();
    for (name, side) in ["l", "r"].into_iter().zip(sides) {
        oracle.table(name, schema(), vec![kept(side)]);
    }
    let offsets: Vec<String> = offsets.iter().map(|offset| format!("({offset})")).collect();
    let is_final = match final_before {
        Some(frontier) => format!("(probe.k IS NULL OR at < {frontier})"),
        None => "true".to_string(),
    };
    let kind = if outer { "LEFT" } else { "INNER" };
    let sql = format!(
        "WITH probe AS (SELECT k, v, arrival, o.offset_ms, ts + o.offset_ms AS at FROM l
             CROSS JOIN (VALUES {}) AS o(offset_ms)),
         best AS (SELECT * FROM (SELECT probe.arrival, probe.offset_ms, r.v AS rv, r.ts AS rts,
             ROW_NUMBER() OVER (PARTITION BY probe.arrival, probe.offset_ms
                 ORDER BY r.ts DESC, r.arrival DESC) AS n
             FROM probe JOIN r ON probe.k = r.k AND r.ts <= probe.at) WHERE n = 1)
         SELECT probe.k, probe.v, probe.offset_ms, probe.at, best.rv, best.rts FROM probe
         {kind} JOIN best ON probe.arrival = best.arrival AND probe.offset_ms = best.offset_ms
         WHERE {is_final}",
        offsets.join(", ")
    );
    sorted(&oracle.batches(&sql))
}

struct Checked {
    sql: String,
    offsets: &'static [i64],
    outer: bool,
    is_final: bool,
    subscription: UntypedSubscription,
    replay: Replay,
}

fn push(db: &LaminarDB, side: &mut Side, name: &str, clock: &mut i64, random: &mut Random) {
    let count = *random.pick(&[1, 1, 3, 10, 40]);
    let (mut keys, mut values, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        *clock += random.range(0, 3);
        let key = (!random.chance(10)).then(|| random.range(0, 4));
        let (value, time) = (random.range(0, 5), *clock - random.range(0, 25));
        side.add(key, value, time);
        keys.push(key);
        values.push(value);
        times.push(time);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(keys)),
        Arc::new(Int64Array::from(values)),
        Arc::new(Int64Array::from(times)),
    ];
    let source = db.source_untyped(name).unwrap();
    let batch = RecordBatch::try_new(source.schema(), columns).unwrap();
    let mut offset = 0;
    let mut pieces = Vec::new();
    while offset < batch.num_rows() {
        let left = (batch.num_rows() - offset) as i64;
        let rows = if random.chance(60) { left } else { random.range(1, left + 1) };
        pieces.push(batch.slice(offset, rows as usize));
        offset += rows as usize;
    }
    source.push_batches(pieces).unwrap();
}

#[test]
fn random_probes_equal_the_definition() {
    for_seeds(15, |seed| {
        let mut random = Random::new(seed);
        let delays = [random.range(0, 20), random.range(0, 20)];
        let lateness = *random.pick(&[0, 0, 15]);
        let source = |name: &str, delay: i64| {
            format!(
                "CREATE SOURCE {name} (k BIGINT, v BIGINT, ts BIGINT NOT NULL,
                 WATERMARK FOR ts AS ts - {delay})"
            )
        };
        let db = created(&[&source("l", delays[0]), &source("r", delays[1])]);
        let mut streams = Vec::new();
        for index in 0..6 {
            let (written, offsets) = *random.pick(&OFFSETS);
            let (outer, is_final) = (random.chance(50), random.chance(60));
            let join = match (outer, random.chance(50)) {
                (true, true) => "LEFT TEMPORAL PROBE JOIN",
                (true, false) => "TEMPORAL PROBE LEFT OUTER JOIN",
                (false, _) => "TEMPORAL PROBE JOIN",
            };
            let on = *random.pick(&["ON (k)", "ON l.k = r.k", "ON (l.k = r.k)"]);
            let times = *random.pick(&["(l.ts, ts)", "(l.ts, r.ts)", "(ts, ts)"]);
            let mut emit = if is_final { "" } else { " EMIT CHANGES" }.to_string();
            if lateness > 0 {
                emit.push_str(&format!(" ALLOW LATENESS {lateness}"));
            }
            let sql = format!(
                "SELECT l.k, l.v, p.offset_ms, p.probe_ts, r.v AS rv, r.ts AS rts FROM l
                 {join} r {on} TIMESTAMPS {times} {written} AS p{emit}"
            );
            execute(&db, &format!("CREATE STREAM s{index} AS {sql}"));
            let subscription = subscribe(&db, &format!("s{index}"));
            let replay = Replay::default();
            streams.push(Checked { sql, offsets, outer, is_final, subscription, replay });
        }
        db.start_blocking().unwrap();
        let mut sides = delays.map(|delay| Side::new(delay + lateness));
        let mut clocks = [0, 0];
        for step in 0..24 {
            let side = random.range(0, 2) as usize;
            push(&db, &mut sides[side], ["l", "r"][side], &mut clocks[side], &mut random);
            if step % 4 != 3 {
                continue;
            }
            for (index, stream) in streams.iter_mut().enumerate() {
                let frontier = sides[1].frontier().unwrap_or(i64::MIN);
                let final_before = stream.is_final.then_some(frontier);
                let expected = expected(&sides, stream.offsets, stream.outer, final_before);
                let name = format!("s{index}");
                assert_eq!(content(&db, &name), expected, "content of {}", stream.sql);
                stream.replay.drain(&mut stream.subscription);
                assert_eq!(stream.replay.content(), expected, "told by {}", stream.sql);
                let late = listed(&db, "SHOW STREAMS", &name, "late_rows");
                assert_eq!(late, Value::Int(sides[0].late + sides[1].late), "{}", stream.sql);
            }
        }
    });
}

/// The curve of a price after each trade, by the second.
#[test]
fn probes_of_timestamps_carry_event_time() {
    let db = started(&[
        "CREATE SOURCE trades (id BIGINT, symbol VARCHAR, ts TIMESTAMP(3) NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE quotes (symbol VARCHAR, bid BIGINT, at TIMESTAMP NOT NULL, WATERMARK FOR at)",
        "CREATE STREAM curve AS SELECT t.id, p.offset_ms, p.probe_ts, q.bid FROM trades AS t
         TEMPORAL PROBE JOIN quotes AS q ON (symbol) TIMESTAMPS (t.ts, at)
         RANGE FROM 0s TO 2s STEP 1s AS p",
        "CREATE STREAM by_second AS SELECT tumble(probe_ts, INTERVAL '1' SECOND) AS second,
         sum(bid) AS bids FROM curve GROUP BY tumble(probe_ts, INTERVAL '1' SECOND)",
        "CREATE STREAM everything AS SELECT * FROM trades
         TEMPORAL PROBE JOIN quotes ON (symbol) TIMESTAMPS (ts, at) LIST (1s) AS p",
    ]);
    execute(&db, "INSERT INTO quotes VALUES ('A', 10, '2026-01-01 00:00:00')");
    execute(&db, "INSERT INTO trades VALUES (1, 'A', '2026-01-01 00:00:00.5')");
    execute(&db, "INSERT INTO quotes VALUES ('A', 11, '2026-01-01 00:00:01.5')");
    execute(&db, "INSERT INTO quotes VALUES ('B', 1, '2026-01-01 00:00:03')");
    let curve =
        "SELECT id, offset_ms, CAST(probe_ts AS VARCHAR), bid FROM curve ORDER BY offset_ms";
    assert_eq!(
        query(&db, curve),
        vec![
            row![1, 0, "2026-01-01T00:00:00.500", 10],
            row![1, 1000, "2026-01-01T00:00:01.500", 11],
            row![1, 2000, "2026-01-01T00:00:02.500", 11],
        ]
    );
    // The trades' watermark is at the first trade, so a probe may come from there on.
    let seconds = "SELECT bids FROM by_second ORDER BY second";
    assert_eq!(query(&db, seconds), Vec::<Row>::new());
    execute(&db, "INSERT INTO trades VALUES (2, 'B', '2026-01-01 00:00:02')");
    assert_eq!(query(&db, seconds), vec![row![10], row![11]]);
    let columns = query(&db, "DESCRIBE everything");
    let mut names: Vec<&str> = columns.iter().map(|row| row[0].text()).collect();
    names.sort_unstable();
    assert_eq!(names, ["at", "bid", "id", "offset_ms", "probe_ts", "symbol", "ts"]);
    let curve = query(
        &db,
        "SELECT t.id, p.offset_ms, q.bid FROM trades AS t TEMPORAL PROBE LEFT JOIN quotes AS q
         ON (symbol) TIMESTAMPS (ts, at) LIST (-1s, 1s) AS p ORDER BY 1, 2",
    );
    let none = None::<i64>;
    let expected =
        vec![row![1, -1000, none], row![1, 1000, 11], row![2, -1000, none], row![2, 1000, 1]];
    assert_eq!(curve, expected);
}

#[test]
fn what_a_probe_is_not() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, ts TIMESTAMP(0) NOT NULL, s VARCHAR, WATERMARK FOR ts)",
        "CREATE SOURCE r (k BIGINT, ts TIMESTAMP(0) NOT NULL, WATERMARK FOR ts)",
    ]);
    let join = |rest: &str| format!("SELECT l.k FROM l TEMPORAL PROBE JOIN r {rest}");
    for (query, words) in [
        (join("ON (k) LIST (0s) AS p"), "expected TIMESTAMPS"),
        (join("TIMESTAMPS (ts, ts) LIST (0s) AS p"), "expected ON"),
        (join("ON (k) TIMESTAMPS (ts) LIST (0s) AS p"), "a time of each side"),
        (join("ON (k) TIMESTAMPS (ts, ts) AS p"), "expected RANGE or LIST"),
        (join("ON (k) TIMESTAMPS (ts, ts) LIST (x) AS p"), "expected a duration"),
        (join("ON (k) TIMESTAMPS (ts, ts) LIST (0s)"), "expected AS"),
        (join("ON (k) TIMESTAMPS (ts, ts) LIST (0.0001 ms) AS p"), "whole number of milliseconds"),
        (join("ON (k) TIMESTAMPS (ts, ts) LIST (1 ms) AS p"), "no whole number of units"),
        (join("ON (k) TIMESTAMPS (ts, ts) RANGE FROM 1s TO 0s STEP 1s AS p"), "goes up from a to b"),
        (join("ON (k) TIMESTAMPS (ts, ts) RANGE FROM 0s TO 1s STEP 0s AS p"), "more than zero"),
        (join("ON (k) TIMESTAMPS (ts, ts) RANGE FROM 0 TO 2000 STEP 1 AS p"), "at most 1000 offsets"),
        (join("ON (k) TIMESTAMPS (l.s, ts) LIST (0s) AS p"), "not Utf8"),
        (
            "SELECT l.k FROM l TEMPORAL PROBE FULL JOIN r ON (k) TIMESTAMPS (ts, ts) LIST (0s) AS p"
                .to_string(),
            "not a right or full one",
        ),
    ] {
        let error = refused(&db, &format!("CREATE STREAM x AS {query}")).to_string();
        assert!(error.contains(words), "{query}\n{error}");
    }
}
