//! `min` and `max` of strings and binary over append-only input: the best value per slot, short
//! ones inline. Order is that of bytes, which for UTF-8 is that of code points.

use std::any::Any;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use laminar_types::Result;

use super::min_max::better;
use super::{Accumulator, Input, same};
use crate::state::{Bits, ByteColumn, Container, Parts, byte_array, each_byte_array};

/// The best string of each slot.
pub(super) struct ByteExtreme<const MAX: bool> {
    data_type: DataType,
    best: ByteColumn,
    held: Bits,
}

impl<const MAX: bool> ByteExtreme<MAX> {
    pub(super) fn new(data_type: &DataType) -> Self {
        Self { data_type: data_type.clone(), best: ByteColumn::default(), held: Bits::default() }
    }

    #[inline]
    fn offer(&mut self, slot: u32, value: &[u8]) {
        let is_first = self.held.insert(slot);
        if is_first || value.cmp(self.best.value(slot as usize)) == better(MAX) {
            self.best.set(slot as usize, value);
        }
    }
}

impl<const MAX: bool> Accumulator for ByteExtreme<MAX> {
    fn result_type(&self) -> DataType {
        self.data_type.clone()
    }

    fn resize(&mut self, slots: usize) {
        self.best.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let selection = input.selection();
        each_byte_array!(input.args[0], array => {
            input.each(selection.as_ref(), |row, slot, weight| {
                debug_assert_eq!(weight, 1);
                self.offer(slot, array.value(row).as_ref());
            });
        });
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        for (&slot, &from) in slots.iter().zip(other_slots) {
            if other.held.contains(from) {
                self.offer(slot, other.best.value(from as usize));
            }
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let values = slots.iter().map(|&slot| self.best.value(slot as usize));
        byte_array(&self.data_type, values, self.held.nulls(slots))
    }

    fn reset(&mut self, slot: u32) {
        self.best.set(slot as usize, &[]);
        self.held.remove(slot);
    }

    fn clear(&mut self) {
        self.best.clear();
        self.held.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (best, held) = (self.best.snapshot(), self.held.snapshot());
        Box::new(Self { data_type: self.data_type.clone(), best, held })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.best.parts(parts)?;
        self.held.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::new(&self.data_type))
    }

    fn state_bytes(&self) -> usize {
        self.best.state_bytes() + self.held.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
