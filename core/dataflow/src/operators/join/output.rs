//! [`Output`]: what a step of a join has to say, put together into one net delta.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use arrow::compute::{concat_batches, interleave_record_batch, take};
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Result, Weights};

use super::kind::{JoinKind, RowOutput, Side};
use super::side::{JoinSide, internal};
use super::{JoinInput, Keeping};
use crate::consolidate::consolidate;

/// The pieces of a step's delta.
pub(super) struct Output {
    kind: JoinKind,
    pub(super) schema: SchemaRef,
    /// By side, how many columns it has in the result.
    widths: [usize; 2],
    /// Whether rows only ever come to be.
    append_only: bool,
    /// Whether both inputs are append-only.
    inputs_append_only: bool,
    /// Whether padding may equal the row of a pair, all of whose values on one side are NULL.
    padding_may_equal: bool,
    pieces: Vec<(RecordBatch, Vec<i64>)>,
    /// By side, whether its rows changed in the step.
    pub(super) changed: [bool; 2],
    /// Whether pieces of the step may hold the same row with opposite signs.
    pub(super) rows_may_cancel: bool,
}

impl Output {
    pub(super) fn new(
        kind: JoinKind,
        inputs: &[JoinInput; 2],
        null_equals_null: bool,
        schema: SchemaRef,
    ) -> Self {
        let sides = kind.output_sides();
        let widths = Side::BOTH.map(|side| match sides.contains(&side) {
            true => inputs[side.index()].schema.fields().len(),
            false => 0,
        });
        let inputs_append_only = inputs.iter().all(|input| input.keeping == Keeping::AppendOnly);
        let grows = matches!(kind, JoinKind::Inner | JoinKind::LeftSemi | JoinKind::RightSemi);
        // A pair's half is not all NULL if a column of it is no NULL, or is a key that no NULL
        // matches.
        let may_be_null = |side: Side| {
            let input = &inputs[side.index()];
            let is_never_null = |column: usize| {
                let is_key = input.keys.iter().any(|key| key.as_column() == Some(column));
                !input.schema.field(column).is_nullable() || (is_key && !null_equals_null)
            };
            !(0..input.schema.fields().len()).any(is_never_null)
        };
        let pads = |side: Side| kind.has_pairs() && kind.row_output(side) != RowOutput::Nothing;
        Self {
            kind,
            schema,
            widths,
            append_only: grows && inputs_append_only,
            inputs_append_only,
            padding_may_equal: Side::BOTH.iter().any(|s| pads(*s) && may_be_null(s.other())),
            pieces: Vec::new(),
            changed: [false; 2],
            rows_may_cancel: false,
        }
    }

    /// Adds rows with these weights, of columns that `column` gives by side and number.
    pub(super) fn push(
        &mut self,
        weights: Vec<i64>,
        column: impl Fn(Side, usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for side in Side::BOTH {
            for number in 0..self.widths[side.index()] {
                columns.push(column(side, number)?);
            }
        }
        self.push_batch(columns, weights)
    }

    /// Adds rows of one side: with NULLs for the other one's columns, and with their marks, where
    /// the join has them.
    pub(super) fn push_rows(
        &mut self,
        side: Side,
        weights: Vec<i64>,
        mark: impl Fn(usize) -> bool,
        column: impl Fn(usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        if weights.is_empty() {
            return Ok(());
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for from in Side::BOTH {
            for number in 0..self.widths[from.index()] {
                columns.push(match from == side {
                    true => column(number)?,
                    false => {
                        let field = self.schema.field(columns.len());
                        new_null_array(field.data_type(), weights.len())
                    }
                });
            }
        }
        if self.kind.has_mark() {
            let marks: Vec<bool> = (0..weights.len()).map(mark).collect();
            columns.push(Arc::new(BooleanArray::from(marks)));
        }
        self.push_batch(columns, weights)
    }

    /// Adds, for each touched row of a side, the difference between what it gave before the step
    /// and what it gives now.
    pub(super) fn push_touched(&mut self, side: Side, rows: &JoinSide) -> Result<()> {
        let output = rows.output;
        let (mut slots, mut weights, mut marks) = (Vec::new(), Vec::new(), Vec::new());
        let mut push = |slot: u32, weight: i64, mark: bool| {
            if weight != 0 {
                slots.push(slot);
                weights.push(weight);
                marks.push(mark);
            }
        };
        for touch in &rows.touched {
            let slot = touch.slot;
            let matched = rows.rows.count(slot) != 0;
            let before = output.weight(touch.weight, touch.matched);
            let after = output.weight(rows.rows.weight(slot), matched);
            if output == RowOutput::Marked && matched != touch.matched {
                push(slot, -before, touch.matched);
                push(slot, after, matched);
            } else {
                push(slot, after - before, matched);
            }
        }
        let column = |number: usize| rows.gather(number, &slots);
        self.push_rows(side, weights, |row| marks[row], column)
    }

    fn push_batch(&mut self, columns: Vec<ArrayRef>, weights: Vec<i64>) -> Result<()> {
        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
        self.pieces.push((batch.map_err(internal)?, weights));
        Ok(())
    }

    /// The net delta of the step, retractions first; what it began is forgotten.
    pub(super) fn take(&mut self) -> Result<Option<Delta>> {
        let pieces = std::mem::take(&mut self.pieces);
        let both_changed = std::mem::take(&mut self.changed) == [true; 2];
        let mixed = std::mem::take(&mut self.rows_may_cancel)
            || self.padding_may_equal
            // A pair with a row that the step brought and another that it took away.
            || (both_changed && self.kind.has_pairs() && !self.inputs_append_only);
        if pieces.is_empty() {
            return Ok(None);
        }
        if self.append_only {
            return repeated(&self.schema, &pieces).map(|batch| Some(Delta::insert(batch)));
        }
        if mixed {
            let pieces: Vec<(RecordBatch, Option<Weights>)> =
                pieces.into_iter().map(|(batch, weights)| (batch, Some(weights.into()))).collect();
            let net = consolidate(&self.schema, &pieces)?;
            return Ok(net.map(|(batch, weights)| Delta::weighted(batch, weights)));
        }
        in_order(&self.schema, &pieces).map(Some)
    }
}

/// The pieces as one batch.
fn joined(schema: &SchemaRef, pieces: &[(RecordBatch, Vec<i64>)]) -> Result<RecordBatch> {
    match pieces {
        [(batch, _)] => Ok(batch.clone()),
        pieces => concat_batches(schema, pieces.iter().map(|(batch, _)| batch)).map_err(internal),
    }
}

/// The pieces as one batch, each row as often as its weight says: more than once where a side
/// keeps no columns and therefore counts its rows.
fn repeated(schema: &SchemaRef, pieces: &[(RecordBatch, Vec<i64>)]) -> Result<RecordBatch> {
    let weights = || pieces.iter().flat_map(|(_, weights)| weights.iter().copied());
    debug_assert!(weights().all(|weight| weight > 0), "an append-only join takes nothing back");
    let batch = joined(schema, pieces)?;
    if weights().all(|weight| weight == 1) {
        return Ok(batch);
    }
    let rows = weights().enumerate();
    let rows = rows.flat_map(|(row, weight)| std::iter::repeat_n(row as u32, weight as usize));
    let rows = UInt32Array::from(rows.collect::<Vec<u32>>());
    let columns = batch.columns().iter().map(|column| take(column, &rows, None));
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>().map_err(internal)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(internal)
}

/// The pieces as one delta, retractions first, otherwise in their order.
fn in_order(schema: &SchemaRef, pieces: &[(RecordBatch, Vec<i64>)]) -> Result<Delta> {
    let weights = || pieces.iter().flat_map(|(_, weights)| weights.iter().copied());
    if schema.fields().is_empty() || weights().is_sorted_by_key(|weight| weight > 0) {
        // Rows without columns have no order.
        let mut weights: Vec<i64> = weights().collect();
        weights.sort_by_key(|weight| *weight > 0);
        return Ok(Delta::weighted(joined(schema, pieces)?, weights.into()));
    }
    let places = |retracted: bool| {
        pieces.iter().enumerate().flat_map(move |(piece, (_, weights))| {
            let rows = weights.iter().enumerate();
            rows.filter(move |(_, weight)| (**weight < 0) == retracted)
                .map(move |(row, weight)| ((piece, row), *weight))
        })
    };
    let (places, weights): (Vec<(usize, usize)>, Vec<i64>) =
        places(true).chain(places(false)).unzip();
    let batches: Vec<&RecordBatch> = pieces.iter().map(|(batch, _)| batch).collect();
    let batch = interleave_record_batch(&batches, &places).map_err(internal)?;
    Ok(Delta::weighted(batch, weights.into()))
}
