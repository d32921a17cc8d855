//! [`KeptRow`]: the first or the last row of a group, over append-only input.
//!
//! `first_value` and `last_value` in any order, and `min` and `max` of types that have no slot of
//! a fixed size. One row is kept per group.

use std::any::Any;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use laminar_types::Result;

use super::call::CallSpec;
use super::min_max::better;
use super::row_codec::RowCodec;
use super::{Accumulator, Input, same};
use crate::state::{Bits, ByteColumn, Container, Parts};

/// The last row of every slot, or the first, as the codec orders them.
pub(super) struct KeptRow<const LAST: bool> {
    call: CallSpec,
    codec: RowCodec,
    rows: ByteColumn,
    held: Bits,
}

impl<const LAST: bool> KeptRow<LAST> {
    pub(super) fn new(call: &CallSpec) -> Result<Self> {
        Ok(Self::with(call.clone(), RowCodec::new(call)?))
    }

    fn with(call: CallSpec, codec: RowCodec) -> Self {
        Self { call, codec, rows: ByteColumn::default(), held: Bits::default() }
    }

    fn offer(rows: &mut ByteColumn, held: &mut Bits, slot: u32, row: &[u8]) {
        let is_first = held.insert(slot);
        if is_first || row.cmp(rows.value(slot as usize)) == better(LAST) {
            rows.set(slot as usize, row);
        }
    }
}

impl<const LAST: bool> Accumulator for KeptRow<LAST> {
    fn result_type(&self) -> DataType {
        self.call.args[0].clone()
    }

    fn resize(&mut self, slots: usize) {
        self.rows.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let selection = input.selection_of(&self.call);
        self.codec.encode(input.args)?;
        let Self { codec, rows, held, .. } = self;
        input.each(selection.as_ref(), |row, slot, _| {
            Self::offer(rows, held, slot, codec.row(row).data());
        });
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        for (&slot, &from) in slots.iter().zip(other_slots) {
            if other.held.contains(from) {
                let row = other.rows.value(from as usize);
                Self::offer(&mut self.rows, &mut self.held, slot, row);
            }
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        self.codec.decode_each(
            slots
                .iter()
                .map(|&slot| self.held.contains(slot).then(|| self.rows.value(slot as usize))),
        )
    }

    fn reset(&mut self, slot: u32) {
        self.rows.set(slot as usize, &[]);
        self.held.remove(slot);
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.held.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (rows, held) = (self.rows.snapshot(), self.held.snapshot());
        Box::new(Self { call: self.call.clone(), codec: self.codec.beside(), rows, held })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.rows.parts(parts)?;
        self.held.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::with(self.call.clone(), self.codec.beside()))
    }

    fn state_bytes(&self) -> usize {
        self.rows.state_bytes() + self.held.state_bytes() + self.codec.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
