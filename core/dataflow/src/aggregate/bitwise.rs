//! `bit_and`, `bit_or` and `bit_xor` of integers.
//!
//! An exclusive or is its own inverse, so one value per slot does for every input; so it does for
//! the others over append-only input. Over updating input those count, for every bit, the values
//! that have it.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::datatypes::*;
use laminar_types::Result;

use super::converted::Converted;
use super::presence::Presence;
use super::{Accumulator, Input, argument, same, unsupported};
use crate::state::{Container, Paged, Parts};

/// Which bits of a result are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bitwise {
    And,
    Or,
    Xor,
}

/// The accumulator of a bitwise function for an argument of this type.
pub(super) fn create(
    function: Bitwise,
    data_type: &DataType,
    append_only: bool,
) -> Result<Box<dyn Accumulator>> {
    macro_rules! of {
        ($t:ty, $bits:literal) => {
            match append_only || function == Bitwise::Xor {
                true => Ok(Box::new(BitValue::<$t>::new(function, append_only))),
                false => Ok(Box::new(BitCounts::<$t, $bits>::new(function))),
            }
        };
    }
    match data_type {
        DataType::Int8 => of!(Int8Type, 8),
        DataType::Int16 => of!(Int16Type, 16),
        DataType::Int32 => of!(Int32Type, 32),
        DataType::Int64 => of!(Int64Type, 64),
        DataType::UInt8 => of!(UInt8Type, 8),
        DataType::UInt16 => of!(UInt16Type, 16),
        DataType::UInt32 => of!(UInt32Type, 32),
        DataType::UInt64 => of!(UInt64Type, 64),
        DataType::Dictionary(_, values) => {
            Ok(Converted::over(values.as_ref().clone(), create(function, values, append_only)?))
        }
        other => Err(unsupported("a bitwise aggregate", std::slice::from_ref(other))),
    }
}

/// An integer as its bits.
trait Word: Copy + Send + Sync + 'static {
    fn to_bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
}

macro_rules! word {
    ($($t:ty),*) => {
        $(impl Word for $t {
            #[inline(always)]
            fn to_bits(self) -> u64 {
                self as u64
            }
            #[inline(always)]
            fn from_bits(bits: u64) -> Self {
                bits as Self
            }
        })*
    };
}
word!(i8, i16, i32, i64, u8, u16, u32, u64);

/// The value so far of each slot.
struct BitValue<T> {
    function: Bitwise,
    values: Paged<u64>,
    presence: Presence,
    input: PhantomData<fn(T)>,
}

impl<T> BitValue<T> {
    fn new(function: Bitwise, append_only: bool) -> Self {
        let values = Paged::new(Self::neutral(function));
        Self { function, values, presence: Presence::new(append_only), input: PhantomData }
    }

    /// What changes no other value.
    fn neutral(function: Bitwise) -> u64 {
        if function == Bitwise::And { u64::MAX } else { 0 }
    }

    #[inline(always)]
    fn combine(function: Bitwise, a: u64, b: u64) -> u64 {
        match function {
            Bitwise::And => a & b,
            Bitwise::Or => a | b,
            Bitwise::Xor => a ^ b,
        }
    }
}

impl<T> Accumulator for BitValue<T>
where
    T: ArrowPrimitiveType,
    T::Native: Word,
{
    fn result_type(&self) -> DataType {
        T::DATA_TYPE
    }

    fn resize(&mut self, slots: usize) {
        self.values.resize(slots);
        self.presence.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let array = argument::<PrimitiveArray<T>>(input)?.values();
        let selection = input.selection();
        let function = self.function;
        let mut values = self.values.writer();
        input.each_ahead(selection.as_ref(), values.ahead(), |row, slot, weight| {
            let value = values.at(slot as usize);
            if weight % 2 != 0 {
                *value = Self::combine(function, *value, array[row].to_bits());
            }
        });
        self.presence.update(input, selection.as_ref());
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        let mut values = self.values.writer();
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let value = values.at(slot as usize);
            *value = Self::combine(self.function, *value, *other.values.at(from as usize));
        }
        self.presence.merge(slots, &other.presence, other_slots);
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let values = slots.iter().map(|&slot| T::Native::from_bits(*self.values.at(slot as usize)));
        let values: Vec<T::Native> = values.collect();
        Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), self.presence.nulls(slots))))
    }

    fn reset(&mut self, slot: u32) {
        *self.values.at_mut(slot as usize) = Self::neutral(self.function);
        self.presence.reset(slot);
    }

    fn clear(&mut self) {
        self.values.clear();
        self.presence.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (values, presence) = (self.values.snapshot(), self.presence.snapshot());
        Box::new(Self { function: self.function, values, presence, input: PhantomData })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.values.parts(parts)?;
        self.presence.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        let values = Paged::new(Self::neutral(self.function));
        let presence = self.presence.fresh();
        Box::new(Self { function: self.function, values, presence, input: PhantomData })
    }

    fn state_bytes(&self) -> usize {
        self.values.state_bytes() + self.presence.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// How many values of each slot have each of `BITS` bits.
struct BitCounts<T, const BITS: usize> {
    function: Bitwise,
    counts: Paged<Counts<BITS>>,
    input: PhantomData<fn(T)>,
}

#[derive(Clone, Copy)]
struct Counts<const BITS: usize> {
    values: i64,
    of_bit: [i64; BITS],
}

impl<const BITS: usize> Counts<BITS> {
    const NONE: Self = Self { values: 0, of_bit: [0; BITS] };
}

impl<T, const BITS: usize> BitCounts<T, BITS> {
    fn new(function: Bitwise) -> Self {
        Self { function, counts: Paged::new(Counts::NONE), input: PhantomData }
    }
}

impl<T, const BITS: usize> Accumulator for BitCounts<T, BITS>
where
    T: ArrowPrimitiveType,
    T::Native: Word,
{
    fn result_type(&self) -> DataType {
        T::DATA_TYPE
    }

    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let array = argument::<PrimitiveArray<T>>(input)?.values();
        let mut counts = self.counts.writer();
        input.each_ahead(input.selection().as_ref(), counts.ahead(), |row, slot, weight| {
            let counts = counts.at(slot as usize);
            let bits = array[row].to_bits();
            counts.values += weight;
            for (bit, count) in counts.of_bit.iter_mut().enumerate() {
                *count += weight * (bits >> bit & 1) as i64;
            }
        });
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        let mut counts = self.counts.writer();
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let (ours, theirs) = (counts.at(slot as usize), other.counts.at(from as usize));
            ours.values += theirs.values;
            ours.of_bit.iter_mut().zip(theirs.of_bit).for_each(|(ours, theirs)| *ours += theirs);
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let results = slots.iter().map(|&slot| {
            let counts = self.counts.at(slot as usize);
            let is_set = |count: i64| match self.function {
                Bitwise::And => count == counts.values,
                Bitwise::Or => count > 0,
                Bitwise::Xor => count % 2 != 0,
            };
            let bits = counts.of_bit.iter().enumerate();
            let bits =
                bits.filter(|(_, count)| is_set(**count)).fold(0, |all, (bit, _)| all | 1 << bit);
            (counts.values != 0).then(|| T::Native::from_bits(bits))
        });
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(results)))
    }

    fn reset(&mut self, slot: u32) {
        *self.counts.at_mut(slot as usize) = Counts::NONE;
    }

    fn clear(&mut self) {
        self.counts.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let counts = self.counts.snapshot();
        Box::new(Self { function: self.function, counts, input: PhantomData })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.counts.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::new(self.function))
    }

    fn state_bytes(&self) -> usize {
        self.counts.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
