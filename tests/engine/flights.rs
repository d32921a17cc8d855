//! The demo's five queries over its year of flights.
//!
//! The statements are read out of the demo's program, so what is tested is what it runs. The
//! oracle decides row by row which rows are late, and asks DataFusion for the batch answer over
//! the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, OnceLock};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use laminar_db::{Epoch, LaminarDB, UntypedSource};

use crate::support::database::{batches, content, created, drain_rows, listed, subscribe};
use crate::support::oracle::Oracle;
use crate::support::value::{Row, Value, assert_same, rows};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// What the demo declares.
const DELAY_MS: i64 = 6 * HOUR_MS;
/// Of the sums of magnitudes.
const TOLERANCE: f64 = 1e-9;

const DEMO: &str = include_str!("../../docs/demo/flights.c");

const STREAMS: [&str; 5] = ["hourly", "rolling", "carriers", "long_delays", "daily"];

/// The text of the C string literals between a marker and the next of a set of characters that
/// stands outside them.
fn literal(marker: &str, ends: &[char]) -> String {
    let start = DEMO.find(marker).unwrap_or_else(|| panic!("the demo has no {marker}"));
    let mut text = String::new();
    let mut inside = false;
    for c in DEMO[start + marker.len()..].chars() {
        match c {
            '"' => inside = !inside,
            c if inside => text.push(c),
            c if ends.contains(&c) => break,
            _ => {}
        }
    }
    text
}

/// The query of a stream of the demo.
fn demo_query(stream: &str) -> String {
    let name = format!(".name = \"{stream}\"");
    let at = DEMO.find(&name).unwrap_or_else(|| panic!("the demo has no stream {stream}"));
    let query = DEMO[at..].find(".query =").expect("a stream has a query") + at;
    literal(&DEMO[at..query + ".query =".len()], &['}'])
}

/// The year, in the order of its rows, read as the demo reads it.
fn year() -> RecordBatch {
    static YEAR: OnceLock<RecordBatch> = OnceLock::new();
    let read = || {
        let db = LaminarDB::open().unwrap();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/demo/data/flights.parquet");
        let read = batches(&db, &format!("SELECT * FROM '{file}'"));
        let year = concat_batches(&read[0].schema(), &read).unwrap();
        assert_eq!(year.num_rows(), 336_776);
        year
    };
    YEAR.get_or_init(read).clone()
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    batch.column_by_name(name).unwrap_or_else(|| panic!("flights have no column {name}"))
}

fn times(batch: &RecordBatch) -> Vec<i64> {
    let times = cast(column(batch, "ts"), &DataType::Int64).unwrap();
    times.as_primitive::<Int64Type>().values().to_vec()
}

/// The demo's database with subscriptions to its streams, started.
struct Demo {
    db: LaminarDB,
    subscriptions: Vec<(&'static str, laminar_db::UntypedSubscription)>,
}

impl Demo {
    fn new() -> Self {
        let db = created(&[&literal("flights_sql[] =", &[';'])]);
        let mut subscriptions = Vec::new();
        for name in STREAMS {
            let sql = format!("CREATE STREAM {name} AS {}", demo_query(name));
            crate::support::database::execute(&db, &sql);
            let options =
                laminar_db::SubscribeOptions { capacity: Some(1 << 24), ..Default::default() };
            subscriptions.push((name, db.subscribe_with(name, options).unwrap()));
        }
        db.start_blocking().unwrap();
        Self { db, subscriptions }
    }

    fn source(&self) -> UntypedSource {
        self.db.source_untyped("flights").unwrap()
    }

    /// Compares every stream with the oracle, by what its subscription got and by what it holds.
    fn check(mut self, what: &str, oracle: &Expected) {
        for (name, subscription) in &mut self.subscriptions {
            let name = *name;
            let mut got = drain_rows(subscription);
            if name == "carriers" {
                // ON UPDATE gives new rows of a key: the last one stands.
                let last: BTreeMap<Value, Row> =
                    got.into_iter().map(|row| (row[0].clone(), row)).collect();
                got = last.into_values().collect();
                assert_same(
                    &format!("{what}: content of {name}"),
                    &content(&self.db, name),
                    &oracle.streams[name],
                    TOLERANCE,
                );
            }
            assert_same(&format!("{what}: {name}"), &got, &oracle.streams[name], TOLERANCE);
            let late = listed(&self.db, "SHOW STREAMS", name, "late_rows").int();
            let expected = oracle.late.get(name).copied().unwrap_or(0);
            assert_eq!(late, expected, "{what}: late rows of {name}");
        }
    }
}

/// What the streams hold once every window is closed.
struct Expected {
    streams: BTreeMap<&'static str, Vec<Row>>,
    late: BTreeMap<&'static str, i64>,
}

impl Expected {
    /// Over rows in the order of their arrival, each with the frontier that it met: `W + 1`.
    fn of(arrived: &RecordBatch, frontiers: &[i64]) -> Self {
        let oracle = Oracle::new();
        let mut fields: Vec<_> = arrived.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("t", DataType::Int64, false)));
        fields.push(Arc::new(Field::new("f", DataType::Int64, false)));
        let schema = Arc::new(Schema::new(fields));
        let mut columns = arrived.columns().to_vec();
        columns.push(Arc::new(Int64Array::from(times(arrived))));
        columns.push(Arc::new(Int64Array::from(frontiers.to_vec())));
        let table = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        oracle.table("flights", schema, vec![table]);

        // A window is closed when its end is at or before the frontier. All times of 2013 are
        // positive, so that % rounds down.
        let hourly_sql = format!(
            "SELECT t - t % {HOUR_MS} AS hour_start, origin, count(*) AS departures,
                    avg(dep_delay) AS mean_delay
             FROM flights WHERE NOT cancelled AND t - t % {HOUR_MS} + {HOUR_MS} > f
             GROUP BY t - t % {HOUR_MS}, origin"
        );
        let rolling_sql = format!(
            "SELECT start, origin, count(*), avg(dep_delay), max(dep_delay)
             FROM (SELECT *, t - t % {HOUR_MS} - k * {HOUR_MS} AS start FROM flights
                   CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5)) AS earlier (k))
             WHERE NOT cancelled AND start + 6 * {HOUR_MS} > f
             GROUP BY start, origin"
        );
        let carriers_sql = "SELECT carrier, count(*), avg(arr_delay), max(dep_delay)
             FROM flights WHERE NOT cancelled GROUP BY carrier";
        let long_delays_sql =
            "SELECT t, carrier, flight, origin, dest, dep_delay FROM flights WHERE dep_delay > 180";
        // New York's days begin at 5 o'clock UTC.
        let daily_sql = format!(
            "SELECT h - (h - 5 * {HOUR_MS}) % {DAY_MS}, origin, sum(departures),
                    sum(departures * mean_delay) / sum(departures), max(departures)
             FROM (SELECT hour_start AS h, * FROM ({hourly_sql}))
             GROUP BY h - (h - 5 * {HOUR_MS}) % {DAY_MS}, origin"
        );
        let streams = BTreeMap::from([
            ("hourly", oracle.rows(&hourly_sql)),
            ("rolling", oracle.rows(&rolling_sql)),
            ("carriers", oracle.rows(carriers_sql)),
            ("long_delays", oracle.rows(long_delays_sql)),
            ("daily", oracle.rows(&daily_sql)),
        ]);
        // A row is late when the last window that it belongs to is closed.
        let late = |hours: i64| {
            let sql = format!(
                "SELECT count(*) FROM flights
                 WHERE NOT cancelled AND t - t % {HOUR_MS} + {hours} * {HOUR_MS} <= f"
            );
            oracle.rows(&sql)[0][0].int()
        };
        Self { streams, late: BTreeMap::from([("hourly", late(1)), ("rolling", late(6))]) }
    }

    /// For one producer: the frontier runs with the largest time of the rows before.
    fn in_order(arrived: &RecordBatch) -> Self {
        let mut largest = i64::MIN;
        let frontiers = times(arrived).into_iter().map(|time| {
            let frontier = if largest == i64::MIN { i64::MIN } else { largest - DELAY_MS + 1 };
            largest = largest.max(time);
            frontier
        });
        Self::of(arrived, &frontiers.collect::<Vec<i64>>())
    }
}

/// Pushes the rows of one producer in batches, and ends the year.
fn push_all(demo: &Demo, arrived: &RecordBatch, size: usize) {
    let source = demo.source();
    for offset in (0..arrived.num_rows()).step_by(size) {
        let length = size.min(arrived.num_rows() - offset);
        source.push_arrow(arrived.slice(offset, length)).unwrap();
    }
    finish(&source, arrived);
}

/// Nothing more comes: every window closes.
fn finish(source: &UntypedSource, arrived: &RecordBatch) {
    let last = times(arrived).into_iter().max().unwrap();
    source.watermark(last + 3 * DAY_MS).unwrap();
}

#[test]
fn the_demo_answers_as_batch_does_whatever_the_batch_size() {
    let year = year();
    let expected = Expected::in_order(&year);
    // The data is known to be up to eleven hours out of order, so some rows are truly late.
    assert!(expected.late["hourly"] > expected.late["rolling"]);
    assert!(expected.late["hourly"] > 100, "{:?}", expected.late);
    for size in [7, 1_000, year.num_rows()] {
        let demo = Demo::new();
        push_all(&demo, &year, size);
        demo.check(&format!("batches of {size}"), &expected);
    }
}

#[test]
fn the_demo_answers_as_batch_does_row_by_row() {
    // A month and a half: the same rows one by one and all at once.
    let begin = year().slice(0, 40_000);
    let expected = Expected::in_order(&begin);
    assert!(expected.late["hourly"] > 10, "{:?}", expected.late);
    for size in [1, begin.num_rows()] {
        let demo = Demo::new();
        push_all(&demo, &begin, size);
        demo.check(&format!("batches of {size}"), &expected);
    }
}

#[test]
fn rows_that_waited_for_the_start_give_the_same() {
    let begin = year().slice(0, 40_000);
    let expected = Expected::in_order(&begin);
    let db = created(&[&literal("flights_sql[] =", &[';'])]);
    for name in STREAMS {
        let sql = format!("CREATE STREAM {name} AS {}", demo_query(name));
        crate::support::database::execute(&db, &sql);
    }
    let subscriptions = STREAMS.map(|name| (name, subscribe(&db, name)));
    let demo = Demo { db, subscriptions: subscriptions.into() };
    let source = demo.source();
    for offset in (0..30_000).step_by(1_500) {
        source.push_arrow(begin.slice(offset, 1_500)).unwrap();
    }
    assert_eq!(source.pending(), 30_000);
    demo.db.start_blocking().unwrap();
    assert_eq!(source.pending(), 0);
    source.push_arrow(begin.slice(30_000, 10_000)).unwrap();
    finish(&source, &begin);
    demo.check("before and after the start", &expected);
}

/// What a thread pushed: in which epoch, by which producer, which of its rows.
struct Push {
    epoch: Epoch,
    producer: usize,
    offset: usize,
    length: usize,
}

/// Pushes from a thread per producer, in `phases.len()` phases. A producer's handle is dropped
/// after the phase given by `ends`, when nobody pushes.
fn push_concurrently(
    demo: &Demo,
    parts: &[RecordBatch],
    phases: usize,
    ends: &[usize],
    size: usize,
) -> Vec<Push> {
    let sources: Vec<UntypedSource> = parts.iter().map(|_| demo.source()).collect();
    let barrier = Barrier::new(parts.len());
    std::thread::scope(|scope| {
        let push = |producer: usize, source: UntypedSource| {
            let (part, barrier, last_phase) = (&parts[producer], &barrier, ends[producer]);
            scope.spawn(move || {
                let (mut source, mut pushes) = (Some(source), Vec::new());
                for phase in 0..phases {
                    barrier.wait();
                    if phase > last_phase {
                        source = None;
                    }
                    // Whoever ended has ended before anybody goes on.
                    barrier.wait();
                    let Some(source) = &source else { continue };
                    let share = |phase| part.num_rows() * phase / (last_phase + 1);
                    let mut offset = share(phase);
                    while offset < share(phase + 1) {
                        let length = size.min(share(phase + 1) - offset);
                        let epoch = source.push_arrow(part.slice(offset, length)).unwrap();
                        pushes.push(Push { epoch, producer, offset, length });
                        offset += length;
                    }
                }
                pushes
            })
        };
        let threads: Vec<_> =
            sources.into_iter().enumerate().map(|(index, source)| push(index, source)).collect();
        let pushes = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        let mut pushes: Vec<Push> = pushes.collect();
        pushes.sort_by_key(|push| push.epoch);
        pushes
    })
}

/// The rows in the order in which their pushes ran, and the frontier that each met: the least of
/// the open producers' own ones, which run with their own rows, and never less than before.
fn replayed(parts: &[RecordBatch], pushes: &[Push], ends: &[usize]) -> (RecordBatch, Vec<i64>) {
    let part_times: Vec<Vec<i64>> = parts.iter().map(times).collect();
    let mut largest = vec![None; parts.len()];
    let mut frontier = i64::MIN;
    let mut frontiers = Vec::new();
    let mut slices = Vec::new();
    let phase_of = |push: &Push| {
        let (rows, phases) = (parts[push.producer].num_rows(), ends[push.producer] + 1);
        (0..phases).rfind(|phase| rows * phase / phases <= push.offset).unwrap()
    };
    let mut phase = 0;
    for push in pushes {
        phase = phase.max(phase_of(push));
        for time in &part_times[push.producer][push.offset..push.offset + push.length] {
            let open = (0..parts.len()).filter(|producer| phase <= ends[*producer]);
            // Whoever has sent nothing promises nothing.
            let promises: Option<Vec<i64>> = open.map(|producer| largest[producer]).collect();
            if let Some(least) = promises.and_then(|promises| promises.into_iter().min()) {
                frontier = frontier.max(least - DELAY_MS + 1);
            }
            frontiers.push(frontier);
            let own = &mut largest[push.producer];
            *own = Some(own.map_or(*time, |own: i64| own.max(*time)));
        }
        slices.push(parts[push.producer].slice(push.offset, push.length));
    }
    (concat_batches(&parts[0].schema(), &slices).unwrap(), frontiers)
}

/// The rows of each airport, in their order.
fn by_airport(of: &RecordBatch) -> Vec<RecordBatch> {
    let origins = rows(&[of.project(&[of.schema().index_of("origin").unwrap()]).unwrap()]);
    let parts = ["EWR", "JFK", "LGA"].map(|airport| {
        let mask: arrow::array::BooleanArray =
            origins.iter().map(|row| Some(row[0].text() == airport)).collect();
        arrow::compute::filter_record_batch(of, &mask).unwrap()
    });
    assert_eq!(parts.iter().map(RecordBatch::num_rows).sum::<usize>(), of.num_rows());
    parts.into()
}

/// One producer per airport, all pushing at once, against the oracle over the order that came.
fn check_concurrent(what: &str, size: usize, ends: [usize; 3], phases: usize) {
    let rows = year().slice(0, 120_000);
    let parts = by_airport(&rows);
    let demo = Demo::new();
    let pushes = push_concurrently(&demo, &parts, phases, &ends, size);
    assert!(pushes.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
    let (arrived, frontiers) = replayed(&parts, &pushes, &ends);
    assert_eq!(arrived.num_rows(), rows.num_rows());
    // All of them have ended: a new one alone tells that the year is over.
    finish(&demo.source(), &rows);
    demo.check(what, &Expected::of(&arrived, &frontiers));
}

#[test]
fn a_producer_for_each_airport_pushing_at_once() {
    check_concurrent("three producers", 250, [0, 0, 0], 1);
}

#[test]
fn producers_that_end_at_different_times() {
    check_concurrent("EWR ends first", 250, [0, 3, 2], 4);
    check_concurrent("LGA ends first, in large batches", 3_000, [4, 5, 1], 6);
}

/// Sessions of planes over the year: gaps and islands in DataFusion over the same rows.
#[test]
fn sessions_of_planes_are_gaps_and_islands() {
    // With a delay longer than the file is out of order, no row is late.
    let source_sql = literal("flights_sql[] =", &[';']).replace("'6' HOUR", "'40' DAY");
    let db = created(&[
        &source_sql,
        "CREATE STREAM duties AS SELECT tailnum, window_start, window_end, count(*) AS flights,
         sum(distance) AS miles FROM flights GROUP BY tailnum, session(ts, INTERVAL '8' HOUR)",
    ]);
    db.start_blocking().unwrap();
    let options = laminar_db::SubscribeOptions { capacity: Some(1 << 24), ..Default::default() };
    let mut subscription = db.subscribe_with("duties", options).unwrap();
    let source = db.source_untyped("flights").unwrap();
    let year = year();
    let mut offset = 0;
    for size in [1, 7, 1_000, 5_000].into_iter().cycle() {
        let rows = usize::min(size, year.num_rows() - offset);
        source.push_arrow(year.slice(offset, rows)).unwrap();
        offset += rows;
        if offset == year.num_rows() {
            break;
        }
    }
    source.end_of_input().unwrap();
    assert_eq!(listed(&db, "SHOW STREAMS", "duties", "late_rows"), Value::Int(0));
    let expected = Oracle::new().table("flights", year.schema(), vec![year]).rows(
        "WITH times AS (SELECT tailnum, distance, CAST(ts AS BIGINT) AS ts FROM flights),
             cut AS (SELECT *, CASE WHEN ts - lag(ts) OVER (PARTITION BY tailnum ORDER BY ts)
                                    < 28800000 THEN 0 ELSE 1 END AS starts FROM times),
             numbered AS (SELECT *, sum(starts) OVER (PARTITION BY tailnum ORDER BY ts
                              ROWS UNBOUNDED PRECEDING) AS island FROM cut)
             SELECT tailnum, min(ts), max(ts) + 28800000, count(*), sum(distance)
             FROM numbered GROUP BY tailnum, island",
    );
    assert!(expected.len() > 50_000, "{} sessions", expected.len());
    assert_same("sessions of planes", &drain_rows(&mut subscription), &expected, TOLERANCE);
}
