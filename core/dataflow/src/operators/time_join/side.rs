//! [`TimedSide`]: one input of a join in time, and what the join reads from its batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use laminar_types::{Delta, Error, Frontier, Result, TimeUnit, mutant};

use crate::operator::Context;
use crate::operators::timed_rows::select;

/// One input of a join in time.
#[derive(Debug, Clone)]
pub struct TimedSide {
    /// The columns of the input. Those behind the first [`Self::width`] were computed for the join
    /// alone and do not come out of it.
    pub schema: SchemaRef,
    /// How many columns come out of the join.
    pub width: usize,
    /// The columns that must equal those of the other side; NULL equals nothing.
    pub keys: Vec<usize>,
    /// The column of the time.
    pub time: usize,
    /// Its unit.
    pub unit: TimeUnit,
    /// Its position among the input's event-time columns, when it carries a frontier that rows
    /// are not behind, retractions included.
    pub frontier: Option<usize>,
    /// Whether rows only ever come.
    pub append_only: bool,
}

impl TimedSide {
    /// The columns that come out of the join.
    pub(super) fn visible(&self) -> SchemaRef {
        Arc::new(Schema::new(self.schema.fields()[..self.width].to_vec()))
    }

    /// The rows as they come out of the join; `schema` is that of [`Self::visible`].
    pub(super) fn visible_rows(
        &self,
        batch: &RecordBatch,
        schema: &SchemaRef,
    ) -> Result<RecordBatch> {
        batch_of(schema, batch.columns()[..self.width].to_vec(), batch.num_rows())
    }

    /// The key columns of a batch.
    pub(super) fn key_columns(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|column| batch.column(*column).clone()).collect()
    }

    /// The types of the key columns.
    pub(super) fn key_types(&self) -> Vec<DataType> {
        let of = |column: &usize| self.schema.field(*column).data_type().clone();
        self.keys.iter().map(of).collect()
    }

    /// Which rows have every key. `None` for all.
    pub(super) fn known_keys(&self, batch: &RecordBatch) -> Option<NullBuffer> {
        let nulls = self.keys.iter().map(|column| batch.column(*column).logical_nulls());
        nulls
            .fold(None, |all, nulls| NullBuffer::union(all.as_ref(), nulls.as_ref()))
            .filter(|nulls| nulls.null_count() > 0)
    }

    /// Which rows can match at all: those of which no key and no time is NULL. `None` for all.
    pub(super) fn matchable(&self, batch: &RecordBatch) -> Option<NullBuffer> {
        let times = batch.column(self.time).logical_nulls();
        NullBuffer::union(self.known_keys(batch).as_ref(), times.as_ref())
            .filter(|nulls| nulls.null_count() > 0)
    }

    /// A column of times in another unit, which is not coarser.
    pub(super) fn times(
        batch: &RecordBatch,
        column: usize,
        own: TimeUnit,
        unit: TimeUnit,
    ) -> Result<ScalarBuffer<i64>> {
        let times = cast(batch.column(column), &DataType::Int64)
            .map_err(|error| Error::internal(format!("a time cannot be read: {error}")))?;
        let times = times.as_primitive::<Int64Type>().values().clone();
        let scale = own.nanos() / unit.nanos();
        if scale == 1 {
            return Ok(times);
        }
        // Those of which it is more are no times of rows that are looked at.
        Ok(times.iter().map(|time| time.saturating_mul(scale)).collect())
    }

    /// The rows whose times, in these columns, can be said in another unit, which is not coarser. The
    /// others are dead letters.
    pub(super) fn comparable(
        &self,
        delta: Delta,
        columns: &[usize],
        unit: TimeUnit,
        cx: &mut Context<'_>,
    ) -> Result<Delta> {
        let scale = self.unit.nanos() / unit.nanos();
        if scale == 1 {
            return Ok(delta);
        }
        let range = i64::MIN / scale..=i64::MAX / scale;
        let mut too_far = vec![None; delta.num_rows()];
        for column in columns {
            let times = Self::times(&delta.batch, *column, self.unit, self.unit)?;
            let nulls = delta.batch.column(*column).logical_nulls();
            for (row, time) in times.iter().enumerate() {
                let is_known = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                if is_known && !range.contains(time) {
                    too_far[row] = Some(*column);
                }
            }
        }
        if too_far.iter().all(Option::is_none) {
            return Ok(delta);
        }
        let mut kept = Vec::with_capacity(too_far.len());
        for (row, column) in too_far.into_iter().enumerate() {
            let Some(column) = column else {
                kept.push(row as u32);
                continue;
            };
            let name = self.schema.field(column).name();
            let message = format!(
                "the event time `{name}` is too far from 1970 to be compared with one of a finer unit"
            );
            cx.dead_letter_of(&delta.batch, row, message);
        }
        select(&delta, &kept)
    }

    /// The rows that are not behind a frontier, and those that are, if any. Rows without a time are not
    /// behind it, and with `keep_retractions` no retraction is.
    pub(super) fn without_late(
        &self,
        delta: Delta,
        frontier: Frontier,
        keep_retractions: bool,
    ) -> Result<(Delta, Option<Delta>)> {
        let limit = frontier.in_unit(self.unit);
        if limit == i64::MIN || mutant!(LateRowJoins) {
            return Ok((delta, None));
        }
        let times = Self::times(&delta.batch, self.time, self.unit, self.unit)?;
        if times.iter().all(|time| *time >= limit) {
            return Ok((delta, None));
        }
        let nulls = delta.batch.column(self.time).logical_nulls();
        let is_late = |row: usize| {
            times[row] < limit
                && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
                && !(keep_retractions && delta.weight(row) < 0)
        };
        let rows = 0..times.len() as u32;
        let (late, kept): (Vec<u32>, Vec<u32>) = rows.partition(|row| is_late(*row as usize));
        match late.is_empty() {
            true => Ok((delta, None)),
            false => Ok((select(&delta, &kept)?, Some(select(&delta, &late)?))),
        }
    }
}

/// A batch of so many rows.
pub(super) fn batch_of(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|error| {
        Error::internal(format!("a join does not have the planned columns: {error}"))
    })
}

/// Some rows of columns.
pub(super) fn take_rows(columns: &[ArrayRef], rows: &[u32]) -> Result<Vec<ArrayRef>> {
    let rows = UInt32Array::from(rows.to_vec());
    let taken = columns.iter().map(|column| take(column, &rows, None));
    taken
        .collect::<Result<_, _>>()
        .map_err(|error| Error::internal(format!("rows cannot be taken: {error}")))
}
