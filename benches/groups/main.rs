//! What one more row costs, with a thousand groups and with a million: it must be the same.
//!
//! ```text
//! groups [--pushes COUNT] [--most GROUPS]
//! ```
//!
//! For each kind of state that an aggregate keeps, over rows that are only appended and over rows
//! that are replaced: fills that many groups, then pushes single rows into groups here and there
//! and polls after each. Before that, how long windows of so many groups take from the watermark that
//! closes them to their rows. A line of JSON per figure goes to stdout, a line for people to stderr.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use laminar_benches::clock::Clock;
use laminar_db::{LaminarDB, Polled, SubscribeOptions, UntypedSubscription};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// What is kept, and the calls that keep it.
const KINDS: [(&str, &str); 5] = [
    ("values", "count(*), sum(v), max(v)"),
    ("moments", "stddev(v), corr(v, w)"),
    ("distinct", "count(DISTINCT v)"),
    ("order", "median(v), last_value(w ORDER BY v)"),
    ("rows", "array_agg(v ORDER BY w)"),
];

/// Rows of a batch that fills groups.
const FILL_ROWS: usize = 8_192;
/// Rows that a group has before the single ones come.
const ROWS_PER_GROUP: usize = 2;

fn main() -> Result<()> {
    let (mut pushes, mut most) = (20_000, 1_000_000);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--pushes" => pushes = value()?.parse()?,
            "--most" => most = value()?.parse()?,
            // Cargo's own.
            "--bench" => {}
            _ => return Err(format!("there is no argument {argument}").into()),
        }
    }
    for groups in [1_000, 10_000, 100_000, 1_000_000] {
        if groups <= most {
            measure_close(groups)?;
        }
    }
    for (kind, calls) in KINDS {
        for updating in [false, true] {
            for groups in [1_000, 10_000, 100_000, 1_000_000] {
                if groups <= most {
                    measure(kind, calls, updating, groups, pushes)?;
                }
            }
        }
    }
    Ok(())
}

/// From the watermark that closes a window to its rows, the median of some windows.
fn measure_close(groups: usize) -> Result<()> {
    const WINDOWS: i64 = 15;
    let db = LaminarDB::open()?;
    db.execute_blocking("CREATE SOURCE t (k BIGINT NOT NULL, v BIGINT NOT NULL, ts BIGINT)")?;
    db.execute_blocking(
        "CREATE STREAM s AS SELECT k, window_start, count(*) AS n, sum(v) AS total FROM t
         GROUP BY k, tumble(ts, 1000) EMIT ON WINDOW CLOSE",
    )?;
    db.start_blocking()?;
    let source = db.source_untyped("t")?;
    let options = SubscribeOptions { capacity: Some(1 << 22), ..SubscribeOptions::default() };
    let mut subscription = db.subscribe_with("s", options)?;
    let mut millis = Vec::new();
    for window in 0..WINDOWS {
        for from in (0..groups).step_by(FILL_ROWS) {
            let keys = from as i64..(from + FILL_ROWS).min(groups) as i64;
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from_iter_values(keys.clone())),
                Arc::new(Int64Array::from_iter_values(keys.clone())),
                Arc::new(Int64Array::from_iter_values(keys.map(|_| window * 1_000))),
            ];
            source.push_arrow(RecordBatch::try_new(source.schema().clone(), columns)?)?;
        }
        let start = std::time::Instant::now();
        source.watermark(window * 1_000 + 999)?;
        let mut rows = 0;
        while let Polled::Batch(change) = subscription.poll(Some(Duration::ZERO))? {
            rows += change.batch.num_rows();
        }
        millis.push(start.elapsed().as_secs_f64() * 1e3);
        if rows != groups {
            return Err(format!("a window of {groups} groups gave {rows} rows").into());
        }
    }
    millis.sort_by(f64::total_cmp);
    let median = millis[millis.len() / 2];
    println!("{{\"benchmark\":\"window_close\",\"groups\":{groups},\"median_ms\":{median:.3}}}");
    eprintln!("close of a window of {groups} groups, to visible rows: {median:.3} ms");
    Ok(())
}

fn measure(kind: &str, calls: &str, updating: bool, groups: usize, pushes: usize) -> Result<()> {
    let db = LaminarDB::open()?;
    db.execute_blocking(
        "CREATE SOURCE t (id BIGINT NOT NULL, k BIGINT NOT NULL, v BIGINT, w BIGINT)",
    )?;
    // Each id is one row; over updates a row of a known id replaces it.
    db.execute_blocking(
        "CREATE STREAM latest AS SELECT id, last_value(k) AS k, last_value(v) AS v,
           last_value(w) AS w FROM t GROUP BY id",
    )?;
    let input = if updating { "latest" } else { "t" };
    db.execute_blocking(&format!("CREATE STREAM s AS SELECT k, {calls} FROM {input} GROUP BY k"))?;
    db.start_blocking()?;
    let source = db.source_untyped("t")?;
    let rows = groups * ROWS_PER_GROUP;
    for from in (0..rows).step_by(FILL_ROWS) {
        let ids = from as i64..(from + FILL_ROWS).min(rows) as i64;
        source.push_arrow(batch(source.schema(), ids, groups, 0)?)?;
    }
    let mut subscription = db.subscribe_with("s", SubscribeOptions::default())?;
    let mut changes = 0;
    let mut clock = Clock::start();
    for push in 0..pushes as i64 {
        // Steps of a prime number, so that neighbours in time are not neighbours in memory.
        let id = push * 7_919 % rows as i64;
        let single = clock.without(|| batch(source.schema(), id..id + 1, groups, push))?;
        source.push_arrow(single)?;
        changes += drain(&mut subscription)?;
    }
    let ns_per_push = clock.seconds() * 1e9 / pushes as f64;
    let input = if updating { "updating" } else { "append-only" };
    println!(
        "{{\"benchmark\":\"groups\",\"kind\":\"{kind}\",\"input\":\"{input}\",\"groups\":{groups},\
         \"ns_per_push\":{ns_per_push:.0},\"changed_rows\":{changes}}}"
    );
    eprintln!("{kind:9} {input:12} {groups:>9} groups {ns_per_push:>9.0} ns per row");
    Ok(())
}

/// The rows of these ids, which spread over the groups; rows of another `turn` have other values.
fn batch(schema: SchemaRef, ids: Range<i64>, groups: usize, turn: i64) -> Result<RecordBatch> {
    let column = |of: &dyn Fn(i64) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(ids.clone().map(of)))
    };
    let columns = vec![
        column(&|id| id),
        column(&|id| id % groups as i64),
        column(&|id| (id * 31 + turn) % 1_009),
        column(&|id| (id * 17 + turn) % 997),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn drain(subscription: &mut UntypedSubscription) -> Result<usize> {
    let mut rows = 0;
    loop {
        match subscription.poll(Some(Duration::ZERO))? {
            Polled::Batch(change) => rows += change.batch.num_rows(),
            Polled::Empty => return Ok(rows),
            other => return Err(format!("a poll answered {other:?}").into()),
        }
    }
}
