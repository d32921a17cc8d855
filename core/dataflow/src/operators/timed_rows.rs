//! Rows with their event times, as the operators over event time read them.

use std::ops::RangeInclusive;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use laminar_types::{Delta, Error, Result, Weights};

use crate::operator::Context;

/// The rows of a delta whose event time, the column `time`, is known, and these times in units of
/// the column. Rows without a time, or with one out of a range, are dead letters.
pub(super) fn with_times(
    delta: Delta,
    time: usize,
    range: &RangeInclusive<i64>,
    cx: &mut Context<'_>,
) -> Result<(Delta, Int64Array)> {
    let internal = |error| Error::internal(format!("an event time cannot be read: {error}"));
    let read = |delta: &Delta| {
        let times = cast(delta.batch.column(time), &DataType::Int64).map_err(internal)?;
        Ok(times.as_primitive::<Int64Type>().clone())
    };
    let times: Int64Array = read(&delta)?;
    let is_known = |row: usize| !times.is_null(row) && range.contains(&times.value(row));
    if times.null_count() == 0 && times.values().iter().all(|time| range.contains(time)) {
        return Ok((delta, times));
    }
    let name = delta.batch.schema_ref().field(time).name();
    let mut known = Vec::with_capacity(times.len());
    for row in 0..times.len() {
        if is_known(row) {
            known.push(row as u32);
            continue;
        }
        let error = match times.is_null(row) {
            true => format!("the event time `{name}` is NULL"),
            false => format!("the event time `{name}` is too far from 1970 to be in a window"),
        };
        cx.dead_letter_of(&delta.batch, row, error);
    }
    let delta = select(&delta, &known)?;
    let times = read(&delta)?;
    Ok((delta, times))
}

/// Some rows of a delta.
pub(super) fn select(delta: &Delta, rows: &[u32]) -> Result<Delta> {
    let indices = UInt32Array::from(rows.to_vec());
    let batch = take_record_batch(&delta.batch, &indices)
        .map_err(|error| Error::internal(format!("rows cannot be taken: {error}")))?;
    let weights = delta.weights.as_ref().map(|weights| {
        Weights::from(rows.iter().map(|row| weights[*row as usize]).collect::<Vec<i64>>())
    });
    Ok(Delta { batch, weights })
}

/// Several deltas of one schema as one.
pub(crate) fn join(schema: &SchemaRef, mut pieces: Vec<Delta>) -> Result<Option<Delta>> {
    if pieces.len() < 2 {
        return Ok(pieces.pop());
    }
    let batch = concat_batches(schema, pieces.iter().map(|delta| &delta.batch))
        .map_err(|error| Error::internal(format!("the pieces of a change differ: {error}")))?;
    let weighted = pieces.iter().any(|delta| delta.weights.is_some());
    let weights = weighted.then(|| {
        let rows =
            pieces.iter().flat_map(|delta| (0..delta.num_rows()).map(|row| delta.weight(row)));
        Weights::from(rows.collect::<Vec<i64>>())
    });
    Ok(Some(Delta { batch, weights }))
}

/// One time for each of some rows, as a column of an event-time type.
pub(super) fn time_column(times: Int64Array, data_type: &DataType) -> Result<ArrayRef> {
    cast(&times, data_type)
        .map_err(|error| Error::internal(format!("a window has no time: {error}")))
}
