//! `count(*)` and `count(x, ...)`.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use laminar_types::{Result, mutant};

use super::{Accumulator, ByWord, Input, same};
use crate::state::{Container, Paged, Parts};

/// Counts rows, or rows where no argument is null.
pub(super) struct Count {
    all: bool,
    counts: Paged<i64>,
}

impl Count {
    /// `all` for `count(*)`.
    pub(super) fn new(all: bool) -> Self {
        Self { all, counts: Paged::new(0) }
    }
}

impl Accumulator for Count {
    fn result_type(&self) -> DataType {
        DataType::Int64
    }

    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let selection = if self.all { input.filtered() } else { input.selection() };
        let mut counts = self.counts.writer();
        input.each_ahead(selection.as_ref(), counts.ahead(), |_, slot, weight| {
            *counts.at(slot as usize) += weight;
        });
        Ok(())
    }

    fn by_word(&mut self) -> Option<&mut dyn ByWord> {
        Some(self)
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        if mutant!(MergeForgetsCounts) {
            return Ok(());
        }
        let mut counts = self.counts.writer();
        for (&slot, &from) in slots.iter().zip(other_slots) {
            *counts.at(slot as usize) += other.counts.at(from as usize);
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let counts = slots.iter().map(|&slot| *self.counts.at(slot as usize));
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }

    fn reset(&mut self, slot: u32) {
        *self.counts.at_mut(slot as usize) = 0;
    }

    fn clear(&mut self) {
        self.counts.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        Box::new(Self { all: self.all, counts: self.counts.snapshot() })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.counts.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::new(self.all))
    }

    fn state_bytes(&self) -> usize {
        self.counts.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ByWord for Count {
    fn add(&mut self, slot: u32, _word: u64, weight: i64) {
        *self.counts.at_mut(slot as usize) += weight;
    }

    fn value(&self, slot: u32) -> Option<u64> {
        Some(*self.counts.at(slot as usize) as u64)
    }
}
