//! `bool_and` and `bool_or`: how many values are there, and how many of them are true.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use laminar_types::Result;

use super::{Accumulator, Input, argument, same};
use crate::state::{Container, Paged, Parts};

/// `bool_and` if `ALL`, otherwise `bool_or`.
pub(super) struct Booleans<const ALL: bool> {
    counts: Paged<Counts>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    values: i64,
    trues: i64,
}

impl<const ALL: bool> Default for Booleans<ALL> {
    fn default() -> Self {
        Self { counts: Paged::new(Counts::default()) }
    }
}

impl<const ALL: bool> Accumulator for Booleans<ALL> {
    fn result_type(&self) -> DataType {
        DataType::Boolean
    }

    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let values: &BooleanArray = argument(input)?;
        let mut counts = self.counts.writer();
        input.each_ahead(input.selection().as_ref(), counts.ahead(), |row, slot, weight| {
            let counts = counts.at(slot as usize);
            counts.values += weight;
            counts.trues += weight * i64::from(values.value(row));
        });
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        let mut counts = self.counts.writer();
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let (ours, theirs) = (counts.at(slot as usize), other.counts.at(from as usize));
            ours.values += theirs.values;
            ours.trues += theirs.trues;
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let results = slots.iter().map(|&slot| {
            let Counts { values, trues } = *self.counts.at(slot as usize);
            (values != 0).then_some(if ALL { trues == values } else { trues != 0 })
        });
        Ok(Arc::new(BooleanArray::from_iter(results)))
    }

    fn reset(&mut self, slot: u32) {
        *self.counts.at_mut(slot as usize) = Counts::default();
    }

    fn clear(&mut self) {
        self.counts.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        Box::new(Self { counts: self.counts.snapshot() })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.counts.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::default())
    }

    fn state_bytes(&self) -> usize {
        self.counts.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
