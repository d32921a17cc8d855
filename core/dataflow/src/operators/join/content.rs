//! [`JoinContent`]: the result of a join as it was at one moment, read from both sides' rows.
//!
//! Only of joins whose result follows from the rows that are kept: what a row without a key gives
//! is not kept.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use laminar_types::Result;

use super::kind::{JoinKind, RowOutput, Side};
use super::output::Output;
use super::side::{JoinSide, internal, not_kept};
use super::{JoinFilter, PAIRS, chosen};
use crate::operator::Content;
use crate::state::{KeyLookup, MultimapSnapshot, Paged, StoredRows};

/// Rows of one side that are read at a time.
const ROWS: usize = 8_192;

/// A join at one moment.
pub(super) struct JoinContent {
    kind: JoinKind,
    rows: [MultimapSnapshot; 2],
    /// By side and row, how many rows match it, where that is known.
    counts: [Option<Paged<i64>>; 2],
    /// By side and column of its input, where it is kept.
    places: [Vec<Option<usize>>; 2],
    /// By side, the columns of its input that the result has.
    columns: [Vec<usize>; 2],
    filter: Option<JoinFilter>,
    schema: SchemaRef,
}

impl JoinContent {
    /// The content of a join with these sides, if it follows from their rows.
    pub(super) fn of(
        sides: &mut [JoinSide; 2],
        filter: Option<&JoinFilter>,
        output: &Output,
    ) -> Option<Self> {
        let Output { kind, schema, columns, .. } = output;
        let (kind, columns) = (*kind, columns.clone());
        if !kind.content_follows_from_rows() {
            return None;
        }
        let [left, right] = sides;
        let places = [left.place_of.clone(), right.place_of.clone()];
        // One after the other: both may be the same rows.
        let left_rows = left.rows.now().ok()?.snapshot();
        let right_rows = right.rows.now().ok()?.snapshot();
        let rows = [left_rows, right_rows];
        let counts = [left.matches.snapshot(), right.matches.snapshot()];
        let (filter, schema) = (filter.cloned(), schema.clone());
        Some(Self { kind, rows, counts, places, columns, filter, schema })
    }

    /// The rows of a side that have a match.
    fn matched(&self, side: Side) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        for rows in self.rows[side.index()].chunks(ROWS) {
            let rows = rows?;
            let counts = self.counts[side.index()].as_ref();
            let count = |row: usize| counts.map_or(0, |c| *c.at(rows.slots[row] as usize));
            let weight = |row: usize| if count(row) != 0 { rows.weights[row] } else { 0 };
            let picked = repeated((0..rows.weights.len()).map(|row| (row as u32, weight(row))));
            let columns = self.columns[side.index()].iter().map(|column| {
                let place = self.places[side.index()][*column].ok_or_else(not_kept)?;
                taken(&rows.columns[place], &picked)
            });
            self.push(columns.collect::<Result<_>>()?, picked.len(), &mut batches)?;
        }
        Ok(batches)
    }

    /// The pairs of a piece of the left side's rows with the right side's.
    fn pairs(
        &self,
        left: &StoredRows,
        keys: &mut KeyLookup<'_>,
        batches: &mut Vec<RecordBatch>,
    ) -> Result<()> {
        let right = &self.rows[Side::Right.index()];
        let keys = keys.find(&left.keys, left.weights.len())?;
        let mut pairs = keys.iter().enumerate().flat_map(|(row, key)| {
            let slots = key.iter().flat_map(|key| right.rows_of(*key));
            slots.map(move |slot| (row as u32, slot))
        });
        loop {
            let (rows, slots): (Vec<u32>, Vec<u32>) = pairs.by_ref().take(PAIRS).unzip();
            if rows.is_empty() {
                return Ok(());
            }
            let rows = UInt32Array::from(rows);
            let gather = |side: Side, column: usize| {
                let place = self.places[side.index()][column].ok_or_else(not_kept)?;
                match side {
                    Side::Left => taken(&left.columns[place], &rows),
                    Side::Right => right.gather(place, &slots),
                }
            };
            let keep = match &self.filter {
                None => None,
                // The failing pairs were noted when they came; here they are only left out.
                Some(filter) => chosen(filter, rows.len(), gather, |_, _, _| {})?,
            };
            let weights =
                rows.values().iter().zip(&slots).enumerate().map(|(pair, (row, slot))| {
                    let kept = keep.as_ref().is_none_or(|keep| keep[pair]);
                    let weight = left.weights[*row as usize] * right.weight(*slot);
                    (pair as u32, if kept { weight } else { 0 })
                });
            let picked = repeated(weights);
            let mut columns = Vec::with_capacity(self.schema.fields().len());
            for side in Side::BOTH {
                for column in &self.columns[side.index()] {
                    columns.push(taken(&gather(side, *column)?, &picked)?);
                }
            }
            self.push(columns, picked.len(), batches)?;
        }
    }

    fn push(
        &self,
        columns: Vec<ArrayRef>,
        rows: usize,
        batches: &mut Vec<RecordBatch>,
    ) -> Result<()> {
        if rows > 0 {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
            batches.push(batch.map_err(internal)?);
        }
        Ok(())
    }
}

impl Content for JoinContent {
    fn batches(&self) -> Result<Vec<RecordBatch>> {
        for side in Side::BOTH {
            if self.kind.row_output(side) == RowOutput::Matched {
                return self.matched(side);
            }
        }
        let [left, right] = &self.rows;
        let (mut keys, mut batches) = (right.key_lookup()?, Vec::new());
        for rows in left.chunks(ROWS) {
            self.pairs(&rows?, &mut keys, &mut batches)?;
        }
        Ok(batches)
    }
}

/// Each row as often as its weight says.
fn repeated(weights: impl Iterator<Item = (u32, i64)>) -> UInt32Array {
    let rows = weights.flat_map(|(row, weight)| std::iter::repeat_n(row, weight.max(0) as usize));
    rows.collect::<Vec<u32>>().into()
}

fn taken(column: &ArrayRef, rows: &UInt32Array) -> Result<ArrayRef> {
    take(column, rows, None).map_err(internal)
}
