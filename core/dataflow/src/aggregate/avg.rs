//! `avg`: doubles for numbers, decimals of four more digits for decimals, durations for
//! durations.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;
use laminar_types::Result;

use super::converted::Converted;
use super::float_sum::FloatSum;
use super::presence::Presence;
use super::sum::Summand;
use super::{Accumulator, Input, argument, overflow, same, unsupported};
use crate::state::{Container, Paged, Parts};

/// Digits that a decimal sum needs beyond its input's: four for the scale and nine for the rows,
/// as DataFusion reckons.
const HEADROOM_DIGITS: u8 = 13;

/// The accumulator of `avg` for an argument of this type.
pub(super) fn create(data_type: &DataType, append_only: bool) -> Result<Box<dyn Accumulator>> {
    macro_rules! float {
        ($input:ty) => {
            Ok(Box::new(FloatSum::<$input>::average(append_only)))
        };
    }
    macro_rules! exact {
        ($input:ty, $wide:ty) => {
            Ok(Box::new(Avg::<$input, $wide>::new(data_type)))
        };
    }
    match data_type {
        DataType::Int8 => float!(Int8Type),
        DataType::Int16 => float!(Int16Type),
        DataType::Int32 => float!(Int32Type),
        DataType::Int64 => float!(Int64Type),
        DataType::UInt8 => float!(UInt8Type),
        DataType::UInt16 => float!(UInt16Type),
        DataType::UInt32 => float!(UInt32Type),
        DataType::UInt64 => float!(UInt64Type),
        DataType::Float16 => {
            let inner = Box::new(FloatSum::<Float64Type>::average(append_only));
            Ok(Converted::over(DataType::Float64, inner))
        }
        DataType::Float32 => float!(Float32Type),
        DataType::Float64 => float!(Float64Type),
        DataType::Decimal32(..) => exact!(Decimal32Type, i128),
        DataType::Decimal64(..) => exact!(Decimal64Type, i128),
        DataType::Decimal128(precision, _)
            if precision.saturating_add(HEADROOM_DIGITS) <= DECIMAL128_MAX_PRECISION =>
        {
            exact!(Decimal128Type, i128)
        }
        DataType::Decimal128(..) => exact!(Decimal128Type, i256),
        DataType::Decimal256(..) => exact!(Decimal256Type, i256),
        DataType::Duration(TimeUnit::Second) => exact!(DurationSecondType, i128),
        DataType::Duration(TimeUnit::Millisecond) => exact!(DurationMillisecondType, i128),
        DataType::Duration(TimeUnit::Microsecond) => exact!(DurationMicrosecondType, i128),
        DataType::Duration(TimeUnit::Nanosecond) => exact!(DurationNanosecondType, i128),
        other => Err(unsupported("avg", std::slice::from_ref(other))),
    }
}

/// An exact average of decimals or durations, summed as `W`.
struct Avg<T, W> {
    argument: DataType,
    result: DataType,
    sums: Paged<W>,
    presence: Presence,
    /// Ten to the power of the digits that the result's scale has more than the argument's.
    scale_up: W,
    /// The largest result that the precision of a decimal allows.
    limit: Option<W>,
    input: PhantomData<fn(T)>,
}

impl<T, W> Avg<T, W>
where
    T: ArrowPrimitiveType,
    T::Native: Narrow<W>,
    W: Wide + From<T::Native>,
{
    fn new(argument: &DataType) -> Self {
        Self::with(argument, Paged::new(W::default()), Presence::counts())
    }

    fn with(argument: &DataType, sums: Paged<W>, presence: Presence) -> Self {
        let (result, precision, more) = result_type(argument);
        Self {
            argument: argument.clone(),
            result,
            sums,
            presence,
            // Ten is one more than nine.
            scale_up: W::nines(more).step(W::one(), 1).0,
            limit: precision.map(W::nines),
            input: PhantomData,
        }
    }

    #[inline]
    fn add<const UNDO: bool>(
        &mut self,
        input: &Input<'_>,
        selection: Option<&NullBuffer>,
    ) -> Result<bool> {
        let values: &[T::Native] = argument::<PrimitiveArray<T>>(input)?.values();
        assert_eq!(values.len(), input.slots.len());
        let mut sums = self.sums.writer();
        let mut overflowed = false;
        input.each_ahead(selection, sums.ahead(), |row, slot, weight| {
            let sum = sums.at(slot as usize);
            let weight = if UNDO { weight.wrapping_neg() } else { weight };
            let (next, beyond) = sum.step(values[row].into(), weight);
            overflowed |= beyond;
            *sum = next;
        });
        Ok(overflowed)
    }

    fn average(&self, slot: u32) -> Option<T::Native> {
        let sum = self.sums.at(slot as usize).product(self.scale_up)?;
        let average = sum.quotient(self.presence.count(slot));
        if self.limit.is_some_and(|limit| average.is_beyond(limit)) {
            return None;
        }
        T::Native::narrow(average)
    }
}

impl<T, W> Accumulator for Avg<T, W>
where
    T: ArrowPrimitiveType,
    T::Native: Narrow<W>,
    W: Wide + From<T::Native>,
{
    fn result_type(&self) -> DataType {
        self.result.clone()
    }

    fn resize(&mut self, slots: usize) {
        self.sums.resize(slots);
        self.presence.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let selection = input.selection();
        if self.add::<false>(input, selection.as_ref())? {
            self.add::<true>(input, selection.as_ref())?;
            return Err(overflow("avg", &self.result));
        }
        self.presence.update(input, selection.as_ref());
        Ok(())
    }

    fn can_fail(&self) -> bool {
        true
    }

    fn undo(&mut self, input: &Input<'_>) {
        let selection = input.selection();
        // The same input was just added, so it has the right type; sums are back in range.
        let undone = self.add::<true>(input, selection.as_ref());
        debug_assert!(undone.is_ok());
        self.presence.undo(input, selection.as_ref());
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        let mut sums = self.sums.writer();
        let mut overflowed = false;
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let sum = sums.at(slot as usize);
            let (next, beyond) = sum.step(*other.sums.at(from as usize), 1);
            overflowed |= beyond;
            *sum = next;
        }
        self.presence.merge(slots, &other.presence, other_slots);
        if overflowed { Err(overflow("avg", &self.result)) } else { Ok(()) }
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let mut averages = Vec::with_capacity(slots.len());
        for &slot in slots {
            averages.push(if self.presence.contains(slot) {
                self.average(slot).ok_or_else(|| overflow("avg", &self.result))?
            } else {
                T::Native::default()
            });
        }
        let array = PrimitiveArray::<T>::new(averages.into(), self.presence.nulls(slots));
        Ok(Arc::new(array.with_data_type(self.result.clone())))
    }

    fn reset(&mut self, slot: u32) {
        *self.sums.at_mut(slot as usize) = W::default();
        self.presence.reset(slot);
    }

    fn clear(&mut self) {
        self.sums.clear();
        self.presence.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (sums, presence) = (self.sums.snapshot(), self.presence.snapshot());
        Box::new(Self::with(&self.argument, sums, presence))
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.sums.parts(parts)?;
        self.presence.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::new(&self.argument))
    }

    fn state_bytes(&self) -> usize {
        self.sums.state_bytes() + self.presence.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The type of an average, its precision, and how many digits its scale has more.
fn result_type(argument: &DataType) -> (DataType, Option<u8>, u8) {
    let wider = |precision: u8, scale: i8, max_precision: u8, max_scale: i8| {
        let precision = max_precision.min(precision.saturating_add(4));
        let wide = max_scale.min(scale.saturating_add(4));
        (precision, wide, wide.saturating_sub(scale).max(0) as u8)
    };
    match *argument {
        DataType::Decimal32(precision, scale) => {
            let (p, s, more) =
                wider(precision, scale, DECIMAL32_MAX_PRECISION, DECIMAL32_MAX_SCALE);
            (DataType::Decimal32(p, s), Some(p), more)
        }
        DataType::Decimal64(precision, scale) => {
            let (p, s, more) =
                wider(precision, scale, DECIMAL64_MAX_PRECISION, DECIMAL64_MAX_SCALE);
            (DataType::Decimal64(p, s), Some(p), more)
        }
        DataType::Decimal128(precision, scale) => {
            let (p, s, more) =
                wider(precision, scale, DECIMAL128_MAX_PRECISION, DECIMAL128_MAX_SCALE);
            (DataType::Decimal128(p, s), Some(p), more)
        }
        DataType::Decimal256(precision, scale) => {
            let (p, s, more) =
                wider(precision, scale, DECIMAL256_MAX_PRECISION, DECIMAL256_MAX_SCALE);
            (DataType::Decimal256(p, s), Some(p), more)
        }
        ref other => (other.clone(), None, 0),
    }
}

/// A number wide enough for the sums behind averages.
trait Wide: Summand {
    fn one() -> Self;
    fn product(self, factor: Self) -> Option<Self>;
    /// Division by a count that is not zero, towards zero.
    fn quotient(self, count: i64) -> Self;
}

impl Wide for i128 {
    fn one() -> Self {
        1
    }
    fn product(self, factor: Self) -> Option<Self> {
        self.checked_mul(factor)
    }
    fn quotient(self, count: i64) -> Self {
        self / Self::from(count)
    }
}

impl Wide for i256 {
    fn one() -> Self {
        Self::ONE
    }
    fn product(self, factor: Self) -> Option<Self> {
        self.checked_mul(factor)
    }
    fn quotient(self, count: i64) -> Self {
        self.wrapping_div(Self::from(count))
    }
}

/// A number that an average of `W` may be brought back to.
trait Narrow<W>: Sized {
    fn narrow(wide: W) -> Option<Self>;
}

macro_rules! narrow {
    ($($wide:ty => $narrow:ty, $of:expr;)*) => {
        $(impl Narrow<$wide> for $narrow {
            fn narrow(wide: $wide) -> Option<Self> {
                $of(wide)
            }
        })*
    };
}
narrow! {
    i128 => i32, |wide| i32::try_from(wide).ok();
    i128 => i64, |wide| i64::try_from(wide).ok();
    i128 => i128, Some;
    i256 => i128, i256::to_i128;
    i256 => i256, Some;
}
