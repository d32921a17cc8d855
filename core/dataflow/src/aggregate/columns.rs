//! [`AggregateColumns`]: the state of aggregate calls by slot, whoever gives the slots.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use laminar_types::{Error, Result, code, mutant};

use super::{Accumulator, Input};
use crate::state::{Container, Parts};

/// The arguments and the filter of one aggregate call over a batch.
#[derive(Clone, Copy, Default)]
pub struct AggregateArgs<'a> {
    /// The arguments; none for `count(*)`.
    pub args: &'a [ArrayRef],
    /// The `FILTER` clause.
    pub filter: Option<&'a BooleanArray>,
}

/// The accumulators of some calls, each with a column for the same slots.
pub struct AggregateColumns {
    pub(super) calls: Vec<Box<dyn Accumulator>>,
}

impl AggregateColumns {
    /// Columns without slots.
    pub fn new(calls: Vec<Box<dyn Accumulator>>) -> Self {
        Self { calls }
    }

    /// Columns of the same calls without slots.
    pub fn fresh(&self) -> Self {
        Self::new(self.calls.iter().map(|call| call.fresh()).collect())
    }

    /// The types of the columns of [`AggregateColumns::evaluate`].
    pub fn types(&self) -> impl Iterator<Item = DataType> {
        self.calls.iter().map(|call| call.result_type())
    }

    /// Makes room for slots; new ones hold the state of no rows.
    pub fn resize(&mut self, slots: usize) {
        self.calls.iter_mut().for_each(|call| call.resize(slots));
    }

    /// Adds rows to their slots. There is one element of `args` for each call.
    ///
    /// # Errors
    /// `EXECUTION` when a sum overflows; the columns are then as before.
    pub fn apply(
        &mut self,
        slots: &[u32],
        args: &[AggregateArgs<'_>],
        weights: Option<&[i64]>,
    ) -> Result<()> {
        debug_assert_eq!(args.len(), self.calls.len());
        let input = |call: usize| {
            let AggregateArgs { args, filter } = args[call];
            let weights = weights.filter(|_| !mutant!(RetractionsAdded));
            Input { slots, args, filter, weights }
        };
        // Those that can fail go first: they can be undone, the others need not be.
        for call in 0..self.calls.len() {
            if !self.calls[call].can_fail() {
                continue;
            }
            if let Err(error) = self.calls[call].update(&input(call)) {
                for done in 0..call {
                    if self.calls[done].can_fail() {
                        self.calls[done].undo(&input(done));
                    }
                }
                return Err(error);
            }
        }
        for (index, call) in self.calls.iter_mut().enumerate().filter(|(_, call)| !call.can_fail())
        {
            call.update(&input(index))?;
        }
        Ok(())
    }

    /// The results of slots, one column per call.
    ///
    /// # Errors
    /// As [`Accumulator::evaluate`].
    pub fn evaluate(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        self.calls.iter().map(|call| call.evaluate(slots)).collect()
    }

    /// The results of unions of slots, one column per call: slot `slots[i]` is a part of union
    /// `unions[i]`, which is below `count`.
    ///
    /// # Errors
    /// As [`Accumulator::merge`] and [`Accumulator::evaluate`].
    pub fn evaluate_merged(
        &self,
        slots: &[u32],
        unions: &[u32],
        count: usize,
    ) -> Result<Vec<ArrayRef>> {
        if slots.len() == count {
            // Each union is one slot.
            return self.evaluate(slots);
        }
        let mut merged = self.fresh();
        merged.resize(count);
        merged.merge(unions, self, slots)?;
        merged.evaluate(&(0..count as u32).collect::<Vec<_>>())
    }

    /// The same where a union may fail by itself: the unions that do not, ascending, with their
    /// results, and the others with what failed.
    ///
    /// # Errors
    /// As [`Accumulator::merge`] and [`Accumulator::evaluate`], but for what fails of a union.
    #[allow(clippy::type_complexity)]
    pub fn evaluate_merged_apart(
        &self,
        slots: &[u32],
        unions: &[u32],
        count: usize,
    ) -> Result<(Vec<u32>, Vec<ArrayRef>, Vec<(u32, Error)>)> {
        let mut merged = self.fresh();
        merged.resize(count);
        let mut failed = BTreeMap::new();
        for (slot, union) in slots.iter().zip(unions) {
            merged.merge_apart(*union, self, *slot, &mut failed)?;
        }
        let kept = (0..count as u32).filter(|union| !failed.contains_key(union));
        let kept: Vec<u32> = kept.collect();
        let results = merged.evaluate(&kept)?;
        Ok((kept, results, failed.into_iter().collect()))
    }

    /// Adds the state of a slot of other columns to a slot, unless that has failed; notes it if it
    /// fails now.
    ///
    /// # Errors
    /// As [`Accumulator::merge`], but for sums that overflow.
    pub fn merge_apart(
        &mut self,
        slot: u32,
        other: &Self,
        other_slot: u32,
        failed: &mut BTreeMap<u32, Error>,
    ) -> Result<()> {
        if failed.contains_key(&slot) {
            return Ok(());
        }
        match self.merge(&[slot], other, &[other_slot]) {
            Err(error) if error.code() == code::EXECUTION => {
                failed.insert(slot, error);
                Ok(())
            }
            merged => merged,
        }
    }

    /// Adds the state of `other_slots[i]` of columns of the same calls to `slots[i]`.
    ///
    /// # Errors
    /// As [`Accumulator::merge`]; the columns are then to be cleared.
    pub fn merge(&mut self, slots: &[u32], other: &Self, other_slots: &[u32]) -> Result<()> {
        for (call, other) in self.calls.iter_mut().zip(&other.calls) {
            call.merge(slots, other.as_ref(), other_slots)?;
        }
        Ok(())
    }

    /// Gives a slot back the state of no rows.
    pub fn reset(&mut self, slot: u32) {
        for call in self.calls.iter_mut().filter(|_| !mutant!(SlotReusedWithItsState)) {
            call.reset(slot);
        }
    }

    /// Forgets all slots and keeps memory for new ones.
    pub fn clear(&mut self) {
        self.calls.iter_mut().for_each(|call| call.clear());
    }

    /// The same results for readers, sharing memory; neither sees later changes of the other.
    pub fn snapshot(&mut self) -> Self {
        Self::new(self.calls.iter_mut().map(|call| call.snapshot()).collect())
    }
}

impl Container for AggregateColumns {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.calls.iter_mut().try_for_each(|call| call.parts(parts))
    }

    fn state_bytes(&self) -> usize {
        self.calls.iter().map(|call| call.state_bytes()).sum()
    }
}
