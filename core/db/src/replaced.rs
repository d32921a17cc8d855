//! [`replaced`]: what the rows of a batch replace in a keyed table with a watermark, as if they came one
//! at a time.
//!
//! A row that is not late by itself may replace one that is behind the watermark by then, and so must
//! not be netted with the rows before it: what they closed had the old row. And each row of a key is a
//! version of its own.

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use laminar_dataflow::state::{GroupIndex, TableRows};
use laminar_types::{Error, Result};

/// A row that another one replaces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replaced {
    /// Its event time.
    pub(crate) time: i64,
    /// Its place in the batch, unless the table held it before.
    pub(crate) row: Option<usize>,
}

/// What each row of a batch replaces, whose event time is a column; nothing for a table without a
/// primary key, and where no row replaces another.
pub(crate) fn replaced(
    table: &mut TableRows,
    key: &[usize],
    batch: &RecordBatch,
    time: usize,
) -> Result<Vec<Option<Replaced>>> {
    let keys_of = |batch: &RecordBatch| -> Vec<ArrayRef> {
        key.iter().map(|column| batch.column(*column).clone()).collect()
    };
    let keys = keys_of(batch);
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let Some(held) = table.rows_of(&keys)? else { return Ok(Vec::new()) };
    let types: Vec<DataType> = keys.iter().map(|column| column.data_type().clone()).collect();
    let mut index = GroupIndex::new(&types)?;
    let (mut slots, mut held_slots) = (Vec::new(), Vec::new());
    index.intern(&keys, batch.num_rows(), &mut slots)?;
    if held.num_rows() == 0 && index.slots() == batch.num_rows() {
        return Ok(Vec::new());
    }
    index.intern(&keys_of(&held), held.num_rows(), &mut held_slots)?;
    let mut last: Vec<Option<Replaced>> = vec![None; index.slots()];
    for (slot, time) in held_slots.iter().zip(times(&held, time)?) {
        last[*slot as usize] = Some(Replaced { time, row: None });
    }
    let rows = slots.iter().zip(times(batch, time)?).enumerate();
    let replaced = rows
        .map(|(row, (slot, time))| last[*slot as usize].replace(Replaced { time, row: Some(row) }));
    Ok(replaced.collect())
}

fn times(batch: &RecordBatch, column: usize) -> Result<Vec<i64>> {
    let times = cast(batch.column(column), &DataType::Int64)
        .map_err(|error| Error::internal(format!("an event time is no integer: {error}")))?;
    Ok(times.as_primitive::<Int64Type>().values().to_vec())
}
