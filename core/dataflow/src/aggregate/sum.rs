//! `sum` of integers, decimals, durations and intervals, exact and checked.
//!
//! A batch is added with wrapping arithmetic that notes overflow; if there was one, the batch is
//! taken off again, which is exact whatever happened in between.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;
use laminar_types::Result;
use laminar_types::rows::Word;

use super::converted::Converted;
use super::float_sum::FloatSum;
use super::presence::Presence;
use super::{Accumulator, ByWord, Input, argument, overflow, same, unsupported};
use crate::state::{Container, Paged, Parts};

/// The accumulator of `sum` for an argument of this type.
pub(super) fn create(data_type: &DataType, append_only: bool) -> Result<Box<dyn Accumulator>> {
    macro_rules! exact {
        ($input:ty, $result:ty, $data_type:expr) => {
            Ok(Box::new(Sum::<$input, $result>::new($data_type, append_only)))
        };
    }
    macro_rules! float {
        ($input:ty) => {
            Ok(Box::new(FloatSum::<$input>::sum(append_only)))
        };
    }
    let same = data_type.clone();
    match data_type {
        DataType::Int8 => exact!(Int8Type, Int64Type, DataType::Int64),
        DataType::Int16 => exact!(Int16Type, Int64Type, DataType::Int64),
        DataType::Int32 => exact!(Int32Type, Int64Type, DataType::Int64),
        DataType::Int64 => exact!(Int64Type, Int64Type, DataType::Int64),
        DataType::UInt8 => exact!(UInt8Type, UInt64Type, DataType::UInt64),
        DataType::UInt16 => exact!(UInt16Type, UInt64Type, DataType::UInt64),
        DataType::UInt32 => exact!(UInt32Type, UInt64Type, DataType::UInt64),
        DataType::UInt64 => exact!(UInt64Type, UInt64Type, DataType::UInt64),
        DataType::Float16 => {
            let inner = Box::new(FloatSum::<Float64Type>::sum(append_only));
            Ok(Converted::over(DataType::Float64, inner))
        }
        DataType::Float32 => float!(Float32Type),
        DataType::Float64 => float!(Float64Type),
        // Ten more digits than the input's, as far as the type goes.
        DataType::Decimal32(precision, scale) => {
            let precision = DECIMAL32_MAX_PRECISION.min(precision.saturating_add(10));
            exact!(Decimal32Type, Decimal32Type, DataType::Decimal32(precision, *scale))
        }
        DataType::Decimal64(precision, scale) => {
            let precision = DECIMAL64_MAX_PRECISION.min(precision.saturating_add(10));
            exact!(Decimal64Type, Decimal64Type, DataType::Decimal64(precision, *scale))
        }
        DataType::Decimal128(precision, scale) => {
            let precision = DECIMAL128_MAX_PRECISION.min(precision.saturating_add(10));
            exact!(Decimal128Type, Decimal128Type, DataType::Decimal128(precision, *scale))
        }
        DataType::Decimal256(precision, scale) => {
            let precision = DECIMAL256_MAX_PRECISION.min(precision.saturating_add(10));
            exact!(Decimal256Type, Decimal256Type, DataType::Decimal256(precision, *scale))
        }
        DataType::Duration(TimeUnit::Second) => {
            exact!(DurationSecondType, DurationSecondType, same)
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            exact!(DurationMillisecondType, DurationMillisecondType, same)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            exact!(DurationMicrosecondType, DurationMicrosecondType, same)
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            exact!(DurationNanosecondType, DurationNanosecondType, same)
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            exact!(IntervalYearMonthType, IntervalYearMonthType, same)
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            exact!(IntervalDayTimeType, IntervalDayTimeType, same)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            exact!(IntervalMonthDayNanoType, IntervalMonthDayNanoType, same)
        }
        other => Err(unsupported("sum", std::slice::from_ref(other))),
    }
}

/// A sum of values of `T` as values of `R`.
struct Sum<T, R: ArrowPrimitiveType> {
    result: DataType,
    sums: Paged<R::Native>,
    presence: Presence,
    /// The largest sum that the precision of a decimal allows.
    limit: Option<R::Native>,
    input: PhantomData<fn(T)>,
}

impl<T, R> Sum<T, R>
where
    T: ArrowPrimitiveType,
    T::Native: Word,
    R: ArrowPrimitiveType,
    R::Native: Summand + From<T::Native> + Word,
{
    fn new(result: DataType, append_only: bool) -> Self {
        Self::with(result, Paged::new(R::Native::default()), Presence::new(append_only))
    }

    fn with(result: DataType, sums: Paged<R::Native>, presence: Presence) -> Self {
        let limit = decimal_precision(&result).map(R::Native::nines);
        Self { result, sums, presence, limit, input: PhantomData }
    }

    /// Adds the selected rows, or takes them off; tells whether a sum left its range.
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
        let limit = self.limit;
        input.each_ahead(selection, sums.ahead(), |row, slot, weight| {
            let sum = sums.at(slot as usize);
            let weight = if UNDO { weight.wrapping_neg() } else { weight };
            let (next, beyond) = sum.step(values[row].into(), weight);
            overflowed |= beyond || limit.is_some_and(|limit| next.is_beyond(limit));
            *sum = next;
        });
        Ok(overflowed)
    }
}

impl<T, R> Accumulator for Sum<T, R>
where
    T: ArrowPrimitiveType,
    T::Native: Word,
    R: ArrowPrimitiveType,
    R::Native: Summand + From<T::Native> + Word,
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
            return Err(overflow("sum", &self.result));
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

    fn by_word(&mut self) -> Option<&mut dyn ByWord> {
        if T::Native::FITS && R::Native::FITS { Some(self) } else { None }
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        let mut sums = self.sums.writer();
        let mut overflowed = false;
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let sum = sums.at(slot as usize);
            let (next, beyond) = sum.step(*other.sums.at(from as usize), 1);
            overflowed |= beyond || self.limit.is_some_and(|limit| next.is_beyond(limit));
            *sum = next;
        }
        self.presence.merge(slots, &other.presence, other_slots);
        if overflowed { Err(overflow("sum", &self.result)) } else { Ok(()) }
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let sums: Vec<_> = slots.iter().map(|&slot| *self.sums.at(slot as usize)).collect();
        let array = PrimitiveArray::<R>::new(sums.into(), self.presence.nulls(slots));
        Ok(Arc::new(array.with_data_type(self.result.clone())))
    }

    fn reset(&mut self, slot: u32) {
        *self.sums.at_mut(slot as usize) = R::Native::default();
        self.presence.reset(slot);
    }

    fn clear(&mut self) {
        self.sums.clear();
        self.presence.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (sums, presence) = (self.sums.snapshot(), self.presence.snapshot());
        Box::new(Self::with(self.result.clone(), sums, presence))
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.sums.parts(parts)?;
        self.presence.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        let sums = Paged::new(R::Native::default());
        Box::new(Self::with(self.result.clone(), sums, self.presence.fresh()))
    }

    fn state_bytes(&self) -> usize {
        self.sums.state_bytes() + self.presence.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<T, R> ByWord for Sum<T, R>
where
    T: ArrowPrimitiveType,
    T::Native: Word,
    R: ArrowPrimitiveType,
    R::Native: Summand + From<T::Native> + Word,
{
    fn check(&self, slot: u32, word: u64, weight: i64) -> Result<()> {
        let sum = *self.sums.at(slot as usize);
        let (next, beyond) = sum.step(T::Native::of_word(word).into(), weight);
        match beyond || self.limit.is_some_and(|limit| next.is_beyond(limit)) {
            true => Err(overflow("sum", &self.result)),
            false => Ok(()),
        }
    }

    fn add(&mut self, slot: u32, word: u64, weight: i64) {
        let sum = self.sums.at_mut(slot as usize);
        *sum = sum.step(T::Native::of_word(word).into(), weight).0;
        self.presence.add(slot, weight);
    }

    fn value(&self, slot: u32) -> Option<u64> {
        let sum = self.sums.at(slot as usize);
        self.presence.has_value(slot).then(|| sum.to_word())
    }
}

fn decimal_precision(data_type: &DataType) -> Option<u8> {
    match data_type {
        DataType::Decimal32(precision, _)
        | DataType::Decimal64(precision, _)
        | DataType::Decimal128(precision, _)
        | DataType::Decimal256(precision, _) => Some(*precision),
        _ => None,
    }
}

/// A value that can be summed modulo its width.
pub(super) trait Summand: Copy + Default + Send + Sync + 'static {
    /// This sum with a value added `weight` times, modulo the width, and whether the true sum is
    /// another. The step with the negated weight leads back.
    fn step(self, value: Self, weight: i64) -> (Self, bool);
    /// The number written as `digits` nines.
    fn nines(digits: u8) -> Self;
    /// Whether the distance from zero is more than `limit`.
    fn is_beyond(self, limit: Self) -> bool;
}

macro_rules! narrow_summand {
    ($($t:ty),*) => {
        $(impl Summand for $t {
            #[inline(always)]
            fn step(self, value: Self, weight: i64) -> (Self, bool) {
                match weight {
                    1 => self.overflowing_add(value),
                    -1 => self.overflowing_sub(value),
                    // The product of two 64-bit numbers and a third one's sum fit 128 bits.
                    _ => {
                        let sum = i128::from(self) + i128::from(value) * i128::from(weight);
                        (sum as $t, <$t>::try_from(sum).is_err())
                    }
                }
            }
            fn nines(digits: u8) -> Self {
                (0..digits).fold(0, |number: $t, _| number.wrapping_mul(10).wrapping_add(9))
            }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn is_beyond(self, limit: Self) -> bool {
                self > limit || (self < 0 && self < limit.wrapping_neg())
            }
        })*
    };
}
narrow_summand!(i32, i64, u64);

impl Summand for i128 {
    #[inline(always)]
    fn step(self, value: Self, weight: i64) -> (Self, bool) {
        match weight {
            1 => self.overflowing_add(value),
            -1 => self.overflowing_sub(value),
            _ => {
                let (product, beyond) = value.overflowing_mul(i128::from(weight));
                let (sum, over) = self.overflowing_add(product);
                (sum, beyond || over)
            }
        }
    }
    fn nines(digits: u8) -> Self {
        10i128.pow(u32::from(digits)) - 1
    }
    #[inline(always)]
    fn is_beyond(self, limit: Self) -> bool {
        self > limit || self < -limit
    }
}

impl Summand for i256 {
    #[inline(always)]
    fn step(self, value: Self, weight: i64) -> (Self, bool) {
        match weight {
            1 => {
                let sum = self.wrapping_add(value);
                (sum, (sum < self) != (value < i256::ZERO))
            }
            -1 => {
                let sum = self.wrapping_sub(value);
                (sum, (sum > self) != (value < i256::ZERO))
            }
            _ => {
                let weight = i256::from(weight);
                let beyond = value.checked_mul(weight).is_none();
                let (sum, over) = self.step(value.wrapping_mul(weight), 1);
                (sum, beyond || over)
            }
        }
    }
    fn nines(digits: u8) -> Self {
        i256::from_i128(10).wrapping_pow(u32::from(digits)).wrapping_sub(i256::ONE)
    }
    #[inline(always)]
    fn is_beyond(self, limit: Self) -> bool {
        self > limit || self < limit.wrapping_neg()
    }
}

impl Summand for IntervalDayTime {
    #[inline(always)]
    fn step(self, value: Self, weight: i64) -> (Self, bool) {
        let (days, a) = self.days.step(value.days, weight);
        let (milliseconds, b) = self.milliseconds.step(value.milliseconds, weight);
        (Self { days, milliseconds }, a || b)
    }
    fn nines(_digits: u8) -> Self {
        Self::MAX
    }
    fn is_beyond(self, _limit: Self) -> bool {
        false
    }
}

impl Summand for IntervalMonthDayNano {
    #[inline(always)]
    fn step(self, value: Self, weight: i64) -> (Self, bool) {
        let (months, a) = self.months.step(value.months, weight);
        let (days, b) = self.days.step(value.days, weight);
        let (nanoseconds, c) = self.nanoseconds.step(value.nanoseconds, weight);
        (Self { months, days, nanoseconds }, a || b || c)
    }
    fn nines(_digits: u8) -> Self {
        Self::MAX
    }
    fn is_beyond(self, _limit: Self) -> bool {
        false
    }
}
