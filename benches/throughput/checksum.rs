//! [`Checksum`]: what a relation holds, whatever the order and the batches it came in.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;

/// The sum of a hash of each row, all columns taken, times the row's weight. Changes of a relation
/// add up to the checksum of what it holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checksum {
    rows: i64,
    hashes: u64,
}

impl Checksum {
    /// Adds the rows' first `columns` columns; without weights each counts once.
    pub(crate) fn add(
        &mut self,
        batch: &RecordBatch,
        columns: usize,
        weights: Option<&[i64]>,
    ) -> Result<(), ArrowError> {
        let mut hashes = vec![0_u64; batch.num_rows()];
        for column in &batch.columns()[..columns] {
            let column = cast(column, &DataType::Int64)?;
            let column = column.as_primitive::<Int64Type>();
            for (row, hash) in hashes.iter_mut().enumerate() {
                let value = if arrow::array::Array::is_null(column, row) {
                    u64::MAX
                } else {
                    column.value(row) as u64
                };
                *hash = mixed(hash.rotate_left(17) ^ value);
            }
        }
        for (row, hash) in hashes.into_iter().enumerate() {
            let weight = weights.map_or(1, |weights| weights[row]);
            self.rows += weight;
            self.hashes = self.hashes.wrapping_add(hash.wrapping_mul(weight as u64));
        }
        Ok(())
    }
}

/// The finisher of MurmurHash3 (Appleby).
fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
