//! [`Input`]: the rows of a workload, made once into Arrow batches.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// The first event's time: a minute's beginning, in milliseconds since 1970.
const START_MS: i64 = 28_333_333 * 60_000;

/// What the rows are like: `key` is drawn evenly, `value` evenly from 0 to 999, `ts` ascends but for
/// the rows that stand out of order.
#[derive(Clone, Copy)]
pub(crate) struct Input {
    pub(crate) keys: u64,
    /// Rows per second of event time.
    pub(crate) rate: i64,
    pub(crate) disorder: Disorder,
}

/// Which rows are older than those before them.
#[derive(Clone, Copy)]
pub(crate) enum Disorder {
    None,
    /// Of a hundred so many, each older by up to so many milliseconds, but not before the last
    /// multiple of so many.
    Percent {
        rows: u64,
        most_ms: i64,
        not_before_ms: i64,
    },
}

impl Disorder {
    fn time(self, row: u64, time: i64) -> i64 {
        let Self::Percent { rows, most_ms, not_before_ms } = self else { return time };
        let drawn = random(row ^ 1 << 62);
        match drawn % 100 < rows {
            true => (time - (drawn / 100 % most_ms as u64) as i64)
                .max(time / not_before_ms * not_before_ms),
            false => time,
        }
    }
}

/// The columns of `events`.
pub(crate) fn schema() -> SchemaRef {
    let column = |name: &str| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![column("key"), column("value"), column("ts")]))
}

/// The same rows whatever the size of the batches.
pub(crate) fn batches(
    input: &Input,
    rows: usize,
    batch_rows: usize,
) -> Result<Vec<RecordBatch>, ArrowError> {
    let schema = schema();
    let starts = (0..rows).step_by(batch_rows);
    let batch = |from: usize| {
        let rows = from as u64..rows.min(from + batch_rows) as u64;
        let key = rows.clone().map(|row| (random(row) % input.keys) as i64);
        let value = rows.clone().map(|row| (random(row ^ 1 << 63) % 1_000) as i64);
        let ts =
            rows.map(|row| input.disorder.time(row, START_MS + row as i64 * 1_000 / input.rate));
        RecordBatch::try_new(
            Arc::clone(&schema),
            vec![
                Arc::new(Int64Array::from_iter_values(key)),
                Arc::new(Int64Array::from_iter_values(value)),
                Arc::new(Int64Array::from_iter_values(ts)),
            ],
        )
    };
    starts.map(batch).collect()
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
