//! [`Batchwise`]: DataFusion's own accumulators over append-only input.
//!
//! For what has no incremental form here and needs none of its rows back. A group is held as the
//! state that its accumulator gives to be merged, in Arrow's row format: an accumulator lives as
//! long as it is asked something.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Accumulator as BatchAccumulator;
use laminar_types::Result;

use super::call::{BatchFunction, CallSpec, batch_error};
use super::{Accumulator, Input, same};
use crate::state::{Bits, ByteColumn, Container, Parts, arrow_error};

/// The state of an accumulator of DataFusion for every slot that has rows.
pub(super) struct Batchwise {
    call: Arc<CallSpec>,
    function: BatchFunction,
    format: Arc<RowConverter>,
    states: ByteColumn,
    held: Bits,
    /// The states before the last update, where the function can fail.
    before: Vec<(u32, Option<Vec<u8>>)>,
}

impl Batchwise {
    pub(super) fn new(call: &CallSpec, function: &BatchFunction) -> Result<Self> {
        let state = columns_of(function.accumulator()?.as_mut()).map_err(|e| batch_error(&e))?;
        let fields = state.iter().map(|column| SortField::new(column.data_type().clone()));
        let format = Arc::new(RowConverter::new(fields.collect()).map_err(arrow_error)?);
        Ok(Self::with(Arc::new(call.clone()), function.clone(), format))
    }

    fn with(call: Arc<CallSpec>, function: BatchFunction, format: Arc<RowConverter>) -> Self {
        let (states, held) = (ByteColumn::default(), Bits::default());
        Self { call, function, format, states, held, before: Vec::new() }
    }

    /// An accumulator with the state of a slot.
    fn accumulator(&self, slot: u32) -> Result<Box<dyn BatchAccumulator>> {
        let mut accumulator = self.function.accumulator()?;
        if self.held.contains(slot) {
            let parser = self.format.parser();
            let row = parser.parse(self.states.value(slot as usize));
            let state = self.format.convert_rows([row]).map_err(arrow_error)?;
            accumulator.merge_batch(&state).map_err(|error| batch_error(&error))?;
        }
        Ok(accumulator)
    }

    /// Changes the state of a slot.
    fn change(
        &mut self,
        slot: u32,
        change: impl FnOnce(&mut dyn BatchAccumulator) -> Result<(), DataFusionError>,
    ) -> Result<()> {
        let mut accumulator = self.accumulator(slot)?;
        let state = change(accumulator.as_mut()).and_then(|()| columns_of(accumulator.as_mut()));
        let state = state.map_err(|error| batch_error(&error))?;
        let rows = self.format.convert_columns(&state).map_err(arrow_error)?;
        let row = rows.row(0);
        // Most rows change nothing in a large approximation.
        if self.held.insert(slot) || self.states.value(slot as usize) != row.data() {
            self.states.set(slot as usize, row.data());
        }
        Ok(())
    }
}

impl Batchwise {
    /// Puts the states before the last update back.
    fn restore(&mut self) {
        for (slot, state) in std::mem::take(&mut self.before) {
            match state {
                Some(state) => self.states.set(slot as usize, &state),
                None => self.reset(slot),
            }
        }
    }
}

/// What an accumulator gives to be merged, as columns of one row.
fn columns_of(accumulator: &mut dyn BatchAccumulator) -> Result<Vec<ArrayRef>, DataFusionError> {
    accumulator.state()?.iter().map(ScalarValue::to_array).collect()
}

impl Accumulator for Batchwise {
    fn result_type(&self) -> DataType {
        self.function.expr.field().data_type().clone()
    }

    fn resize(&mut self, slots: usize) {
        self.states.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let mut rows: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        input.each(input.selection_of(&self.call).as_ref(), |row, slot, _| {
            rows.entry(slot).or_default().push(row as u32);
        });
        self.before.clear();
        for (slot, rows) in rows {
            let rows = UInt32Array::from(rows);
            let columns = input.args.iter().map(|column| take(column, &rows, None));
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(arrow_error)?;
            if self.function.can_fail {
                let held = self.held.contains(slot);
                let state = held.then(|| self.states.value(slot as usize).to_vec());
                self.before.push((slot, state));
            }
            let changed = self.change(slot, |accumulator| accumulator.update_batch(&columns));
            if let Err(error) = changed {
                self.restore();
                return Err(error);
            }
        }
        Ok(())
    }

    fn can_fail(&self) -> bool {
        self.function.can_fail
    }

    fn undo(&mut self, _input: &Input<'_>) {
        self.restore();
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        for (&slot, &from) in slots.iter().zip(other_slots) {
            if other.held.contains(from) {
                let mut theirs = other.accumulator(from)?;
                self.change(slot, |ours| ours.merge_batch(&columns_of(theirs.as_mut())?))?;
            }
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        if slots.is_empty() {
            return Ok(new_null_array(&self.result_type(), 0));
        }
        let results = slots
            .iter()
            .map(|&slot| self.accumulator(slot)?.evaluate().map_err(|error| batch_error(&error)));
        let results = results.collect::<Result<Vec<ScalarValue>>>()?;
        ScalarValue::iter_to_array(results).map_err(|error| batch_error(&error))
    }

    fn reset(&mut self, slot: u32) {
        self.states.set(slot as usize, &[]);
        self.held.remove(slot);
    }

    fn clear(&mut self) {
        self.states.clear();
        self.held.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (states, held) = (self.states.snapshot(), self.held.snapshot());
        let (call, format) = (Arc::clone(&self.call), Arc::clone(&self.format));
        let before = Vec::new();
        Box::new(Self { call, function: self.function.clone(), format, states, held, before })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.states.parts(parts)?;
        self.held.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        let (call, format) = (Arc::clone(&self.call), Arc::clone(&self.format));
        Box::new(Self::with(call, self.function.clone(), format))
    }

    fn state_bytes(&self) -> usize {
        self.states.state_bytes() + self.held.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
