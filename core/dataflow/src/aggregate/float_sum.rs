//! `sum` and `avg` of floats, and `avg` of integers.
//!
//! Append-only input is added in the order of arrival to one double per group. Where rows can go
//! again, a sum is a pair of doubles (the rounded sum and its error, Knuth's TwoSum as in
//! Dekker's double-double), so that what is added and taken off cancels; NaN and the infinities
//! are counted apart, and numbers near the end of the range are summed apart, scaled down, so
//! that a sum which overflowed comes back when its parts go.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, Float64Array, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use laminar_types::Result;
use laminar_types::rows::Word;

use super::expansion::two_sum;
use super::presence::Presence;
use super::{Accumulator, ByWord, Input, argument, same};
use crate::state::{Container, Paged, Parts};

/// The sum or the average of values of `T`, as a double.
pub(super) struct FloatSum<T> {
    sums: Sums,
    presence: Presence,
    is_average: bool,
    input: PhantomData<fn(T)>,
}

enum Sums {
    InOrder(Paged<f64>),
    Exact(ExactSums),
}

impl<T: ArrowPrimitiveType> FloatSum<T> {
    /// `sum(x)`.
    pub(super) fn sum(append_only: bool) -> Self {
        Self::new(append_only, Presence::new(append_only), false)
    }

    /// `avg(x)`.
    pub(super) fn average(append_only: bool) -> Self {
        Self::new(append_only, Presence::counts(), true)
    }

    fn new(append_only: bool, presence: Presence, is_average: bool) -> Self {
        let sums = if append_only {
            Sums::InOrder(Paged::new(0.0))
        } else {
            Sums::Exact(ExactSums::default())
        };
        Self { sums, presence, is_average, input: PhantomData }
    }

    /// The sum or the average of a slot that has seen a value.
    fn result(&self, slot: u32) -> f64 {
        let sum = match &self.sums {
            Sums::InOrder(sums) => *sums.at(slot as usize),
            Sums::Exact(sums) => sums.value(slot as usize),
        };
        if self.is_average { sum / self.presence.count(slot) as f64 } else { sum }
    }
}

impl<T> Accumulator for FloatSum<T>
where
    T: ArrowPrimitiveType,
    T::Native: ToDouble + Word,
{
    fn result_type(&self) -> DataType {
        DataType::Float64
    }

    fn resize(&mut self, slots: usize) {
        match &mut self.sums {
            Sums::InOrder(sums) => sums.resize(slots),
            Sums::Exact(sums) => sums.resize(slots),
        }
        self.presence.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let values: &[T::Native] = argument::<PrimitiveArray<T>>(input)?.values();
        assert_eq!(values.len(), input.slots.len());
        let selection = input.selection();
        let selected: Option<&NullBuffer> = selection.as_ref();
        match &mut self.sums {
            Sums::InOrder(sums) => {
                let mut sums = sums.writer();
                input.each_ahead(selected, sums.ahead(), |row, slot, weight| {
                    debug_assert_eq!(weight, 1);
                    *sums.at(slot as usize) += values[row].to_double();
                });
            }
            Sums::Exact(sums) => input.each(selected, |row, slot, weight| {
                sums.add(slot as usize, values[row].to_double(), weight);
            }),
        }
        self.presence.update(input, selected);
        Ok(())
    }

    fn by_word(&mut self) -> Option<&mut dyn ByWord> {
        Some(self)
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let (slot, from) = (slot as usize, from as usize);
            match (&mut self.sums, &other.sums) {
                (Sums::InOrder(sums), Sums::InOrder(others)) => {
                    *sums.at_mut(slot) += *others.at(from);
                }
                (Sums::Exact(sums), Sums::Exact(others)) => sums.merge(slot, others, from),
                _ => unreachable!("both come from one call, so from one kind of input"),
            }
        }
        self.presence.merge(slots, &other.presence, other_slots);
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let results = slots.iter().map(|&slot| self.result(slot));
        let results: Vec<f64> = results.collect();
        Ok(Arc::new(Float64Array::new(results.into(), self.presence.nulls(slots))))
    }

    fn reset(&mut self, slot: u32) {
        match &mut self.sums {
            Sums::InOrder(sums) => *sums.at_mut(slot as usize) = 0.0,
            Sums::Exact(sums) => sums.reset(slot as usize),
        }
        self.presence.reset(slot);
    }

    fn clear(&mut self) {
        match &mut self.sums {
            Sums::InOrder(sums) => sums.clear(),
            Sums::Exact(sums) => sums.clear(),
        }
        self.presence.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let sums = match &mut self.sums {
            Sums::InOrder(sums) => Sums::InOrder(sums.snapshot()),
            Sums::Exact(sums) => Sums::Exact(sums.snapshot()),
        };
        let presence = self.presence.snapshot();
        Box::new(Self { sums, presence, is_average: self.is_average, input: PhantomData })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        match &mut self.sums {
            Sums::InOrder(sums) => sums.parts(parts)?,
            Sums::Exact(ExactSums { pairs, specials }) => {
                pairs.parts(parts)?;
                specials.parts(parts)?;
            }
        }
        self.presence.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        let append_only = matches!(self.sums, Sums::InOrder(_));
        Box::new(Self::new(append_only, self.presence.fresh(), self.is_average))
    }

    fn state_bytes(&self) -> usize {
        let sums = match &self.sums {
            Sums::InOrder(sums) => sums.state_bytes(),
            Sums::Exact(sums) => sums.pairs.state_bytes() + sums.specials.state_bytes(),
        };
        sums + self.presence.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<T> ByWord for FloatSum<T>
where
    T: ArrowPrimitiveType,
    T::Native: ToDouble + Word,
{
    fn add(&mut self, slot: u32, word: u64, weight: i64) {
        let value = T::Native::of_word(word).to_double();
        match &mut self.sums {
            Sums::InOrder(sums) => *sums.at_mut(slot as usize) += value,
            Sums::Exact(sums) => sums.add(slot as usize, value, weight),
        }
        self.presence.add(slot, weight);
    }

    fn value(&self, slot: u32) -> Option<u64> {
        self.presence.has_value(slot).then(|| self.result(slot).to_word())
    }
}

/// Sums from which rows can be taken off again.
struct ExactSums {
    pairs: Paged<Pair>,
    /// As long as the largest slot that ever saw one of them.
    specials: Paged<Special>,
}

/// A sum and its rounding error.
#[derive(Clone, Copy, Default)]
struct Pair {
    sum: f64,
    error: f64,
}

/// What does not go into the pair: how often NaN and the infinities came, and the sum of the
/// numbers that are [`LARGE`], times [`SHRINK`].
#[derive(Clone, Copy, Default)]
struct Special {
    nans: i64,
    infinities: i64,
    negative_infinities: i64,
    large: Pair,
}

/// 2^900: so many smaller numbers as there can be rows do not overflow.
const LARGE: f64 = f64::from_bits((1023 + 900) << 52);
/// 2^-200, and 2^200.
const SHRINK: f64 = f64::from_bits((1023 - 200) << 52);
const EXPAND: f64 = f64::from_bits((1023 + 200) << 52);

impl Default for ExactSums {
    fn default() -> Self {
        Self { pairs: Paged::new(Pair::default()), specials: Paged::new(Special::default()) }
    }
}

impl ExactSums {
    fn resize(&mut self, slots: usize) {
        self.pairs.resize(slots);
    }

    #[inline]
    fn add(&mut self, slot: usize, value: f64, weight: i64) {
        if value.abs() < LARGE {
            self.pairs.at_mut(slot).add(value, weight);
        } else {
            self.add_special(slot, value, weight);
        }
    }

    #[cold]
    fn add_special(&mut self, slot: usize, value: f64, weight: i64) {
        self.specials.resize(slot + 1);
        let special = self.specials.at_mut(slot);
        if value.is_nan() {
            special.nans += weight;
        } else if value == f64::INFINITY {
            special.infinities += weight;
        } else if value == f64::NEG_INFINITY {
            special.negative_infinities += weight;
        } else {
            special.large.add(value * SHRINK, weight);
        }
    }

    fn merge(&mut self, slot: usize, other: &Self, from: usize) {
        let pair = *other.pairs.at(from);
        self.pairs.at_mut(slot).merge(pair);
        if from < other.specials.len() {
            let theirs = *other.specials.at(from);
            self.specials.resize(slot + 1);
            let ours = self.specials.at_mut(slot);
            ours.nans += theirs.nans;
            ours.infinities += theirs.infinities;
            ours.negative_infinities += theirs.negative_infinities;
            ours.large.merge(theirs.large);
        }
    }

    fn value(&self, slot: usize) -> f64 {
        let pair = *self.pairs.at(slot);
        if slot >= self.specials.len() {
            return pair.sum + pair.error;
        }
        let special = *self.specials.at(slot);
        match (special.infinities != 0, special.negative_infinities != 0) {
            _ if special.nans != 0 => f64::NAN,
            (true, true) => f64::NAN,
            (true, false) => f64::INFINITY,
            (false, true) => f64::NEG_INFINITY,
            (false, false) if special.large.sum == 0.0 => {
                pair.sum + special.large.error * EXPAND + pair.error
            }
            (false, false) => {
                let mut total = special.large;
                total.merge(Pair { sum: pair.sum * SHRINK, error: pair.error * SHRINK });
                (total.sum + total.error) * EXPAND
            }
        }
    }

    fn reset(&mut self, slot: usize) {
        *self.pairs.at_mut(slot) = Pair::default();
        if slot < self.specials.len() {
            *self.specials.at_mut(slot) = Special::default();
        }
    }

    fn clear(&mut self) {
        self.pairs.clear();
        self.specials.clear();
    }

    fn snapshot(&mut self) -> Self {
        Self { pairs: self.pairs.snapshot(), specials: self.specials.snapshot() }
    }
}

impl Pair {
    /// Adds a value `weight` times.
    #[inline(always)]
    fn add(&mut self, value: f64, weight: i64) {
        match weight {
            1 => self.merge(Pair { sum: value, error: 0.0 }),
            -1 => self.merge(Pair { sum: -value, error: 0.0 }),
            _ => {
                let times = weight as f64;
                let product = value * times;
                self.merge(Pair { sum: product, error: value.mul_add(times, -product) });
            }
        }
    }

    #[inline(always)]
    fn merge(&mut self, other: Pair) {
        let (sum, error) = two_sum(self.sum, other.sum);
        // Renormalised, so that the error stays below half a unit of the sum.
        let (sum, error) = two_sum(sum, error + (self.error + other.error));
        *self = Pair { sum, error };
    }
}

/// A number as a double, as a cast in SQL has it.
pub(super) trait ToDouble: Copy {
    fn to_double(self) -> f64;
}

macro_rules! to_double {
    ($($t:ty),*) => {
        $(impl ToDouble for $t {
            #[inline(always)]
            fn to_double(self) -> f64 {
                self as f64
            }
        })*
    };
}
to_double!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);
