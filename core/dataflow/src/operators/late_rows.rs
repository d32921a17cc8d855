//! [`LateRows`]: what an operator does with rows that come too late for it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use laminar_types::{Delta, Error, Result, mutant};

use super::partitioned::ordinals;
use super::timed_rows::select;
use crate::operator::Context;
use crate::state::Parts;

/// The column that tells how often a row came or, below zero, ceased.
pub const WEIGHT_COLUMN: &str = "_weight";

/// The grouping set that counts, where every row comes once for each: the column with the sets'
/// numbers, and the number.
pub type OfSet = (usize, u64);

/// Counts late rows, and hands them on where that is asked for.
///
/// Late rows of an input whose rows can cease are handed on as a log: each with its weight, in one
/// more column.
pub(super) struct LateRows {
    columns: Option<usize>,
    append_only: bool,
    of_set: Option<OfSet>,
    count: u64,
}

impl LateRows {
    /// Hands on the first `columns` columns; `None` only counts.
    pub(super) fn new(columns: Option<usize>, append_only: bool, of_set: Option<OfSet>) -> Self {
        Self { columns, append_only, of_set, count: 0 }
    }

    /// Those of both sides of a join, which count.
    pub(super) fn of_sides() -> [Self; 2] {
        [(); 2].map(|()| Self::new(None, false, None))
    }

    /// What outlives an epoch.
    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { columns: _, append_only: _, of_set: _, count } = self;
        parts.number(count)
    }

    /// Takes rows that are late, in the order in which they came.
    pub(super) fn take(&mut self, rows: Delta, cx: &mut Context<'_>) -> Result<()> {
        let rows = match self.of_set {
            Some(_) if mutant!(LateRowForEverySet) => rows,
            None => rows,
            Some((column, number)) => {
                let numbers = cast(rows.batch.column(column), &DataType::UInt64)
                    .map_err(|error| Error::internal(format!("a set has no number: {error}")))?;
                let numbers = numbers.as_primitive::<UInt64Type>();
                let of_set = (0..numbers.len()).filter(|row| numbers.value(*row) == number);
                select(&rows, &of_set.map(|row| row as u32).collect::<Vec<u32>>())?
            }
        };
        self.count += rows.num_rows() as u64;
        if let Some(columns) = self.columns.filter(|_| !rows.is_empty()) {
            cx.late.push(self.handed_on(&rows, columns)?);
        }
        Ok(())
    }

    /// How many rows there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn handed_on(&self, rows: &Delta, count: usize) -> Result<Delta> {
        let is_numbered = ordinals::of(&rows.batch).is_some();
        let mut fields = rows.batch.schema_ref().fields()[..count].to_vec();
        let mut columns = rows.batch.columns()[..count].to_vec();
        if !self.append_only {
            fields.push(Arc::new(weight_field()));
            let weight = |row| if mutant!(LateRowsAllCame) { 1 } else { rows.weight(row) };
            let weights = (0..rows.num_rows()).map(weight);
            columns.push(Arc::new(Int64Array::from_iter_values(weights)) as ArrayRef);
        }
        if let Some(ordinals) = rows.batch.columns().last().filter(|_| is_numbered) {
            // Those of all partitions are put into their order by them.
            fields.extend(rows.batch.schema_ref().fields().last().cloned());
            columns.push(Arc::clone(ordinals));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let batch =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
                .map_err(|error| Error::internal(format!("late rows do not line up: {error}")))?;
        Ok(Delta::insert(batch))
    }
}

/// The field of [`WEIGHT_COLUMN`].
pub fn weight_field() -> Field {
    Field::new(WEIGHT_COLUMN, DataType::Int64, false)
}
