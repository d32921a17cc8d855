//! [`Checksum`]: what a relation holds, whatever the order and the batches it came in.

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;

/// The sum of a hash of each row, all columns taken, times the row's weight. Changes of a relation
/// add up to the checksum of what it holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    rows: i64,
    hashes: u64,
}

impl Checksum {
    /// Adds the rows' first `columns` columns; without weights each counts once.
    pub fn add(
        &mut self,
        batch: &RecordBatch,
        columns: usize,
        weights: Option<&[i64]>,
    ) -> Result<(), ArrowError> {
        let mut hashes = vec![0_u64; batch.num_rows()];
        for column in &batch.columns()[..columns] {
            for (hash, cell) in hashes.iter_mut().zip(cells(column)?) {
                *hash = mixed(hash.rotate_left(17) ^ cell);
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

/// A number for each value of a column: itself where it has 64 bits at most, a hash of its text else.
fn cells(column: &ArrayRef) -> Result<Vec<u64>, ArrowError> {
    const NULL: u64 = u64::MAX;
    let kind = column.data_type();
    if kind.is_floating() {
        let floats = cast(column, &DataType::Float64)?;
        let floats = floats.as_primitive::<Float64Type>().iter();
        // Zeros and NaNs are each one value.
        let bits = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 }.to_bits();
        Ok(floats.map(|value| value.map_or(NULL, bits)).collect())
    } else if kind.is_integer() || kind.is_temporal() || *kind == DataType::Boolean {
        let integers = cast(column, &DataType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>().iter();
        Ok(integers.map(|value| value.map_or(NULL, |value| value as u64)).collect())
    } else {
        let texts = cast(column, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>().iter();
        Ok(texts.map(|value| value.map_or(NULL, |text| hash_of(text.as_bytes()))).collect())
    }
}

fn hash_of(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mixed(hash.rotate_left(5) ^ u64::from_le_bytes(word))
    })
}

/// The finisher of MurmurHash3 (Appleby).
fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
