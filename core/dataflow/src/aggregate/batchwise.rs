//! [`Batchwise`]: DataFusion's own accumulators, one per group, over append-only input.
//!
//! For what has no incremental form here and needs none of its rows back. The results are kept
//! beside the accumulators, so that readers need none.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Accumulator as BatchAccumulator;
use laminar_types::Result;

use super::call::{BatchFunction, CallSpec, batch_error};
use super::{Accumulator, Input, same};
use crate::state::arrow_error;

/// Results in a shared chunk.
const CHUNK: usize = 256;

type Results = Vec<Arc<Vec<ScalarValue>>>;

/// An accumulator of DataFusion for every slot that has rows.
pub(super) struct Batchwise {
    call: CallSpec,
    function: BatchFunction,
    /// The result of no rows.
    nothing: ScalarValue,
    groups: Vec<Option<std::sync::Mutex<Box<dyn BatchAccumulator>>>>,
    results: Results,
}

impl Batchwise {
    pub(super) fn new(call: &CallSpec, function: &BatchFunction) -> Result<Self> {
        let mut accumulator = function.accumulator()?;
        let nothing = accumulator.evaluate().map_err(|error| batch_error(&error))?;
        Ok(Self::with(call.clone(), function.clone(), nothing, Results::new()))
    }

    fn with(
        call: CallSpec,
        function: BatchFunction,
        nothing: ScalarValue,
        results: Results,
    ) -> Self {
        Self { call, function, nothing, groups: Vec::new(), results }
    }

    /// Changes the accumulator of a slot and keeps its new result.
    fn change(
        &mut self,
        slot: u32,
        change: impl FnOnce(&mut dyn BatchAccumulator) -> datafusion::error::Result<()>,
    ) -> Result<()> {
        let group = &mut self.groups[slot as usize];
        if group.is_none() {
            *group = Some(self.function.accumulator()?.into());
        }
        let Some(group) = group else { return Ok(()) };
        let accumulator = group.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        let result = change(accumulator.as_mut()).and_then(|()| accumulator.evaluate());
        let result = result.map_err(|error| batch_error(&error))?;
        Arc::make_mut(&mut self.results[slot as usize / CHUNK])[slot as usize % CHUNK] = result;
        Ok(())
    }
}

impl Accumulator for Batchwise {
    fn result_type(&self) -> DataType {
        self.function.0.field().data_type().clone()
    }

    fn resize(&mut self, slots: usize) {
        if slots > self.groups.len() {
            self.groups.resize_with(slots, || None);
        }
        while self.results.len() * CHUNK < slots {
            self.results.push(Arc::new(vec![self.nothing.clone(); CHUNK]));
        }
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let mut rows: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        input.each(input.selection_of(&self.call).as_ref(), |row, slot, _| {
            rows.entry(slot).or_default().push(row as u32);
        });
        for (slot, rows) in rows {
            let rows = UInt32Array::from(rows);
            let columns = input.args.iter().map(|column| take(column, &rows, None));
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(arrow_error)?;
            self.change(slot, |accumulator| accumulator.update_batch(&columns))?;
        }
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let Some(theirs) = &other.groups[from as usize] else { continue };
            let mut theirs = theirs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let state = theirs.state().map_err(|error| batch_error(&error))?;
            let state = state.iter().map(ScalarValue::to_array);
            let state =
                state.collect::<Result<Vec<_>, _>>().map_err(|error| batch_error(&error))?;
            self.change(slot, |accumulator| accumulator.merge_batch(&state))?;
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        if slots.is_empty() {
            return Ok(new_null_array(&self.result_type(), 0));
        }
        let results = slots.iter().map(|&slot| {
            let chunk = self.results.get(slot as usize / CHUNK);
            chunk.map_or(&self.nothing, |chunk| &chunk[slot as usize % CHUNK]).clone()
        });
        ScalarValue::iter_to_array(results).map_err(|error| batch_error(&error))
    }

    fn reset(&mut self, slot: u32) {
        self.groups[slot as usize] = None;
        let results = Arc::make_mut(&mut self.results[slot as usize / CHUNK]);
        results[slot as usize % CHUNK] = self.nothing.clone();
    }

    fn clear(&mut self) {
        self.groups.clear();
        self.results.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (call, function) = (self.call.clone(), self.function.clone());
        Box::new(Self::with(call, function, self.nothing.clone(), self.results.clone()))
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        let (call, function) = (self.call.clone(), self.function.clone());
        Box::new(Self::with(call, function, self.nothing.clone(), Results::new()))
    }

    fn state_bytes(&self) -> usize {
        let groups = self
            .groups
            .iter()
            .flatten()
            .map(|group| group.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).size());
        groups.sum::<usize>() + self.results.len() * CHUNK * size_of::<ScalarValue>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
