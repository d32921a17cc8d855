//! Variances, covariances, correlation and regression, by moments that rows can be taken off.
//!
//! A group keeps how many rows it has and the sums of their values, squares and products, in
//! [`Expansion`]s: central moments come out of them by a subtraction that cancels, and the spare
//! digits pay for that. So the order of rows does not matter, groups merge by adding up, and a row
//! that goes takes off what it brought. Over input that may retract there are two components more:
//! a value 10^24 times as large as the others may come and go.
//!
//! NaN, the infinities and values from 2^500 up, whose squares overflow, are counted apart.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float64Type};
use laminar_types::Result;

use super::converted::Converted;
use super::expansion::{Double, Expansion};
use super::{Accumulator, Input, same, unsupported};
use crate::state::{Container, Paged, Parts};

/// A function of the moments of one variable, or of two: then the first argument is y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Moment {
    VarPop,
    VarSamp,
    StddevPop,
    StddevSamp,
    CovarPop,
    CovarSamp,
    Corr,
    RegrCount,
    RegrSlope,
    RegrIntercept,
    RegrR2,
    RegrAvgX,
    RegrAvgY,
    RegrSxx,
    RegrSyy,
    RegrSxy,
}

impl Moment {
    /// The function of a SQL name, as DataFusion has it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "var_pop" => Self::VarPop,
            "var" => Self::VarSamp,
            "stddev_pop" => Self::StddevPop,
            "stddev" => Self::StddevSamp,
            "covar_pop" => Self::CovarPop,
            "covar_samp" => Self::CovarSamp,
            "corr" => Self::Corr,
            "regr_count" => Self::RegrCount,
            "regr_slope" => Self::RegrSlope,
            "regr_intercept" => Self::RegrIntercept,
            "regr_r2" => Self::RegrR2,
            "regr_avgx" => Self::RegrAvgX,
            "regr_avgy" => Self::RegrAvgY,
            "regr_sxx" => Self::RegrSxx,
            "regr_syy" => Self::RegrSyy,
            "regr_sxy" => Self::RegrSxy,
            _ => return None,
        })
    }

    /// How many variables it is of.
    fn variables(self) -> usize {
        match self {
            Self::VarPop | Self::VarSamp | Self::StddevPop | Self::StddevSamp => 1,
            _ => 2,
        }
    }

    fn result_type(self) -> DataType {
        if self == Self::RegrCount { DataType::UInt64 } else { DataType::Float64 }
    }
}

/// The accumulator of a function of moments; arguments are taken as doubles.
pub(super) fn create(
    moment: Moment,
    input: &[DataType],
    append_only: bool,
) -> Result<Box<dyn Accumulator>> {
    let is_number = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
    if input.len() != moment.variables() || !input.iter().all(is_number) {
        return Err(unsupported("a function of moments", input));
    }
    let accumulator: Box<dyn Accumulator> = match (moment.variables(), append_only) {
        (1, true) => Box::new(Moments::<2, 2>::new(moment)),
        (1, false) => Box::new(Moments::<2, 4>::new(moment)),
        (_, true) => Box::new(Moments::<5, 2>::new(moment)),
        (_, false) => Box::new(Moments::<5, 4>::new(moment)),
    };
    match input.iter().all(|data_type| data_type == &DataType::Float64) {
        true => Ok(accumulator),
        false => Ok(Converted::over(DataType::Float64, accumulator)),
    }
}

/// Values from this on have no square: 2^500.
const LARGE: f64 = f64::from_bits((1023 + 500) << 52);

/// Below this share of the sum of squares, 2^-90, a central moment is what rounding left of zero:
/// 53 bits of a value's own are far above it.
const NOISE: f64 = f64::from_bits((1023 - 90) << 52);

/// The moments of every slot: `S` sums of `K` components each. Two sums are those of x and x²;
/// five those of x, x², y, y² and xy.
struct Moments<const S: usize, const K: usize> {
    moment: Moment,
    sums: Paged<Sums<S, K>>,
    /// As long as the largest slot that ever saw one of them.
    specials: Paged<[Specials; 2]>,
}

#[derive(Clone, Copy)]
struct Sums<const S: usize, const K: usize> {
    /// Every row, those with special values included.
    count: i64,
    of: [Expansion<K>; S],
}

/// How many values of a variable were not added up.
#[derive(Clone, Copy, Default)]
struct Specials {
    nans: i64,
    infinities: i64,
    negative_infinities: i64,
    large: i64,
}

impl Specials {
    fn of(value: f64) -> Self {
        Self {
            nans: i64::from(value.is_nan()),
            infinities: i64::from(value == f64::INFINITY),
            negative_infinities: i64::from(value == f64::NEG_INFINITY),
            large: i64::from(value.is_finite() && value.abs() >= LARGE),
        }
    }

    fn add(&mut self, other: Self, weight: i64) {
        self.nans += other.nans * weight;
        self.infinities += other.infinities * weight;
        self.negative_infinities += other.negative_infinities * weight;
        self.large += other.large * weight;
    }

    /// What the average is because of them.
    fn average(self) -> Option<f64> {
        match self {
            Self { nans: 0, infinities: 0, negative_infinities: 0, large: 0 } => None,
            Self { nans: 0, negative_infinities: 0, infinities: 1.., .. } => Some(f64::INFINITY),
            Self { nans: 0, infinities: 0, negative_infinities: 1.., .. } => {
                Some(f64::NEG_INFINITY)
            }
            _ => Some(f64::NAN),
        }
    }

    /// What a second moment is because of them.
    fn square(self) -> Option<f64> {
        match self {
            Self { nans: 0, infinities: 0, negative_infinities: 0, large: 0 } => None,
            Self { nans: 0, infinities: 0, negative_infinities: 0, .. } => Some(f64::INFINITY),
            _ => Some(f64::NAN),
        }
    }
}

impl<const S: usize, const K: usize> Moments<S, K> {
    fn new(moment: Moment) -> Self {
        let none = Sums { count: 0, of: [Expansion::default(); S] };
        let specials = Paged::new([Specials::default(); 2]);
        Self { moment, sums: Paged::new(none), specials }
    }

    #[inline]
    fn add(&mut self, input: &Input<'_>, selection: Option<&NullBuffer>) {
        let doubles = |argument: &ArrayRef| argument.as_primitive::<Float64Type>().values().clone();
        let first = doubles(&input.args[0]);
        let second = input.args.get(1).map(doubles);
        let mut sums = self.sums.writer();
        let mut specials = Vec::new();
        input.each_ahead(selection, sums.ahead(), |row, slot, weight| {
            let sums = sums.at(slot as usize);
            sums.count += weight;
            let (a, b) = (first[row], second.as_ref().map_or(0.0, |second| second[row]));
            if !(a.abs() < LARGE && b.abs() < LARGE) {
                specials.push((slot, [Specials::of(a), Specials::of(b)], weight));
            } else if S == 2 {
                sums.of[0].add_times(Double::from(a), weight);
                sums.of[1].add_times(Double::product(a, a), weight);
            } else {
                // The first argument is y.
                sums.of[0].add_times(Double::from(b), weight);
                sums.of[1].add_times(Double::product(b, b), weight);
                sums.of[2].add_times(Double::from(a), weight);
                sums.of[3].add_times(Double::product(a, a), weight);
                sums.of[4].add_times(Double::product(a, b), weight);
            }
        });
        for (slot, [a, b], weight) in specials {
            self.specials.resize(slot as usize + 1);
            let [x, y] = self.specials.at_mut(slot as usize);
            let (new_x, new_y) = if S == 2 { (a, b) } else { (b, a) };
            x.add(new_x, weight);
            y.add(new_y, weight);
        }
    }

    /// The result of a slot; `None` is NULL.
    fn value(&self, slot: u32) -> Option<f64> {
        let sums = self.sums.at(slot as usize);
        let [x, y] = match (slot as usize) < self.specials.len() {
            true => *self.specials.at(slot as usize),
            false => Default::default(),
        };
        let group = Group { sums, x, y, count: sums.count as f64 };
        if sums.count <= 0 {
            return None;
        }
        let is_single = sums.count == 1;
        match self.moment {
            Moment::VarPop => Some(group.sxx() / group.count),
            Moment::StddevPop => Some((group.sxx() / group.count).sqrt()),
            Moment::CovarPop => Some(group.sxy() / group.count),
            Moment::RegrAvgX => Some(group.average(x, 0)),
            Moment::RegrAvgY => Some(group.average(y, 2)),
            Moment::RegrSxx => Some(group.sxx()),
            Moment::RegrSyy => Some(group.syy()),
            Moment::RegrSxy => Some(group.sxy()),
            Moment::RegrCount => Some(group.count),
            Moment::Corr if x.nans > 0 && y.nans > 0 => Some(f64::NAN),
            Moment::Corr if x.nans > 0 || y.nans > 0 => None,
            _ if is_single => None,
            Moment::VarSamp => Some(group.sxx() / (group.count - 1.0)),
            Moment::StddevSamp => Some((group.sxx() / (group.count - 1.0)).sqrt()),
            Moment::CovarSamp => Some(group.sxy() / (group.count - 1.0)),
            Moment::RegrSlope | Moment::RegrIntercept if group.sxx() == 0.0 => None,
            Moment::RegrR2 | Moment::Corr if group.sxx() == 0.0 || group.syy() == 0.0 => None,
            Moment::RegrSlope => Some(group.sxy() / group.sxx()),
            Moment::RegrIntercept => {
                let slope = group.sxy() / group.sxx();
                Some(group.average(y, 2) - slope * group.average(x, 0))
            }
            Moment::RegrR2 => Some((group.sxy() / group.sxx()) * (group.sxy() / group.syy())),
            Moment::Corr => Some(group.sxy() / group.sxx().sqrt() / group.syy().sqrt()),
        }
    }
}

/// The moments of one group.
struct Group<'a, const S: usize, const K: usize> {
    sums: &'a Sums<S, K>,
    x: Specials,
    y: Specials,
    count: f64,
}

impl<const S: usize, const K: usize> Group<'_, S, K> {
    /// Of the variable whose sum is `sum`.
    fn average(&self, specials: Specials, sum: usize) -> f64 {
        let sum = || self.sums.of[sum].value().over(self.count).rounded();
        specials.average().unwrap_or_else(sum)
    }

    fn sxx(&self) -> f64 {
        self.x.square().unwrap_or_else(|| self.squares(0, 1))
    }

    fn syy(&self) -> f64 {
        self.y.square().unwrap_or_else(|| self.squares(2, 3))
    }

    fn squares(&self, sum: usize, squares: usize) -> f64 {
        let squares = self.sums.of[squares].value();
        let sum = self.sums.of[sum].value();
        let central = squares.minus(sum.times(sum).over(self.count)).rounded();
        if central <= squares.rounded() * NOISE { 0.0 } else { central }
    }

    fn sxy(&self) -> f64 {
        if self.x.square().or(self.y.square()).is_some() {
            return f64::NAN;
        }
        let [x, y] = [0, 2].map(|sum| self.sums.of[sum].value());
        self.sums.of[4].value().minus(x.times(y).over(self.count)).rounded()
    }
}

impl<const S: usize, const K: usize> Accumulator for Moments<S, K> {
    fn result_type(&self) -> DataType {
        self.moment.result_type()
    }

    fn resize(&mut self, slots: usize) {
        self.sums.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        self.add(input, input.selection().as_ref());
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        let mut sums = self.sums.writer();
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let (ours, theirs) = (sums.at(slot as usize), other.sums.at(from as usize));
            ours.count += theirs.count;
            ours.of.iter_mut().zip(&theirs.of).for_each(|(ours, theirs)| ours.merge(theirs));
        }
        for (&slot, &from) in slots.iter().zip(other_slots) {
            if (from as usize) < other.specials.len() {
                let theirs = *other.specials.at(from as usize);
                self.specials.resize(slot as usize + 1);
                let ours = self.specials.at_mut(slot as usize);
                ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| ours.add(theirs, 1));
            }
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        if self.moment == Moment::RegrCount {
            let counts = slots.iter().map(|&slot| self.sums.at(slot as usize).count as u64);
            return Ok(Arc::new(UInt64Array::from_iter_values(counts)));
        }
        Ok(Arc::new(Float64Array::from_iter(slots.iter().map(|&slot| self.value(slot)))))
    }

    fn reset(&mut self, slot: u32) {
        *self.sums.at_mut(slot as usize) = Sums { count: 0, of: [Expansion::default(); S] };
        if (slot as usize) < self.specials.len() {
            *self.specials.at_mut(slot as usize) = Default::default();
        }
    }

    fn clear(&mut self) {
        self.sums.clear();
        self.specials.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (sums, specials) = (self.sums.snapshot(), self.specials.snapshot());
        Box::new(Self { moment: self.moment, sums, specials })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.sums.parts(parts)?;
        self.specials.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::new(self.moment))
    }

    fn state_bytes(&self) -> usize {
        self.sums.state_bytes() + self.specials.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
