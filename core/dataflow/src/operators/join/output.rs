//! [`Output`]: what a step of a join has to say, put together into one net delta.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Result};

use super::kind::{JoinKind, RowOutput, Side};
use super::side::{JoinSide, Touch, internal, not_kept};
use super::{JoinInput, Keeping};
use crate::operators::emission::Emission;
use crate::operators::partitioned::{Origin, Place};

/// What comes out one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Rows whose key equals no other.
    Keyless,
    /// Pairs, in the order of the rows that made them.
    Pairs,
    /// What left rows give beside their pairs, in the order in which they were touched.
    LeftRows,
    /// What right rows give.
    RightRows,
}

/// The pieces of a step's delta.
pub(super) struct Output {
    pub(super) kind: JoinKind,
    pub(super) schema: SchemaRef,
    /// By side, the columns of its input that the result has.
    pub(super) columns: [Vec<usize>; 2],
    /// Whether rows only ever come to be.
    append_only: bool,
    /// Whether both inputs are append-only.
    inputs_append_only: bool,
    /// Whether padding may equal the row of a pair, all of whose values on one side are NULL.
    padding_may_equal: bool,
    emission: Emission,
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
        let columns = Side::BOTH.map(|side| match sides.contains(&side) {
            true => inputs[side.index()].columns.clone(),
            false => Vec::new(),
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
            !input.columns.iter().copied().any(is_never_null)
        };
        let pads = |side: Side| kind.has_pairs() && kind.row_output(side) != RowOutput::Nothing;
        Self {
            kind,
            schema,
            columns,
            append_only: grows && inputs_append_only,
            inputs_append_only,
            padding_may_equal: Side::BOTH.iter().any(|s| pads(*s) && may_be_null(s.other())),
            emission: Emission::default(),
            changed: [false; 2],
            rows_may_cancel: false,
        }
    }

    /// Adds pairs with these weights, of columns that `column` gives by side and number in its input. `ordinals` are
    /// those of the rows that made them, where rows have ordinals.
    pub(super) fn push(
        &mut self,
        weights: Vec<i64>,
        ordinals: Vec<u64>,
        column: impl Fn(Side, usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for side in Side::BOTH {
            for number in &self.columns[side.index()] {
                columns.push(column(side, *number)?);
            }
        }
        self.push_batch(Stage::Pairs, columns, weights, ordinals)
    }

    /// Adds rows of one side: with NULLs for the other one's columns, and with their marks, where
    /// the join has them.
    pub(super) fn push_rows(
        &mut self,
        (side, stage): (Side, Stage),
        weights: Vec<i64>,
        ordinals: Vec<u64>,
        mark: impl Fn(usize) -> bool,
        column: impl Fn(usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        if weights.is_empty() {
            return Ok(());
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for from in Side::BOTH {
            for number in &self.columns[from.index()] {
                columns.push(match from == side {
                    true => column(*number)?,
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
        self.push_batch(stage, columns, weights, ordinals)
    }

    /// Adds, for each touched row of a side, the difference between what it gave before the step
    /// and what it gives now.
    pub(super) fn push_touched(&mut self, side: Side, of: &mut JoinSide) -> Result<()> {
        if of.matches.touched.is_empty() {
            return Ok(());
        }
        let (rows, matches, output) = (of.rows.now()?, &of.matches, of.matches.output);
        let (mut slots, mut weights, mut marks) = (Vec::new(), Vec::new(), Vec::new());
        let mut ordinals = Vec::new();
        let mut push = |touch: &Touch, weight: i64, mark: bool| {
            if weight != 0 {
                slots.push(touch.slot);
                weights.push(weight);
                marks.push(mark);
                ordinals.extend(touch.ordinal);
            }
        };
        for touch in &matches.touched {
            let slot = touch.slot;
            let matched = matches.count(slot) != 0;
            let before = output.weight(touch.weight, touch.matched);
            let after = output.weight(rows.weight(slot), matched);
            if output == RowOutput::Marked && matched != touch.matched {
                push(touch, -before, touch.matched);
                push(touch, after, matched);
            } else {
                push(touch, after - before, matched);
            }
        }
        let column = |number: usize| rows.gather(of.place_of[number].ok_or_else(not_kept)?, &slots);
        let stage = match side {
            Side::Left => Stage::LeftRows,
            Side::Right => Stage::RightRows,
        };
        self.push_rows((side, stage), weights, ordinals, |row| marks[row], column)
    }

    fn push_batch(
        &mut self,
        stage: Stage,
        columns: Vec<ArrayRef>,
        weights: Vec<i64>,
        ordinals: Vec<u64>,
    ) -> Result<()> {
        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
        let origins = ordinals.into_iter().map(Origin::from).collect();
        self.emission.push(stage as u8, batch.map_err(internal)?, Some(weights.into()), origins);
        Ok(())
    }

    /// The net delta of the step, retractions first; what it began is forgotten.
    pub(super) fn take(&mut self, places: &mut Vec<Place>) -> Result<Option<Delta>> {
        let both_changed = std::mem::take(&mut self.changed) == [true; 2];
        let may_cancel = std::mem::take(&mut self.rows_may_cancel)
            || self.padding_may_equal
            // A pair with a row that the step brought and another that it took away.
            || (both_changed && self.kind.has_pairs() && !self.inputs_append_only);
        match may_cancel {
            _ if self.append_only => self.emission.take_appended(&self.schema, places),
            true => self.emission.take_net(&self.schema, places),
            false => self.emission.take_in_order(&self.schema, places),
        }
    }
}
