//! Event time: units, watermarks and frontiers.
//!
//! Event times are `i64` counts of a column's [`TimeUnit`]. Watermarks and frontiers are kept in
//! nanoseconds as `i128`, so that columns of different units compare exactly and nothing overflows.

use arrow::datatypes::{DataType, TimeUnit as ArrowTimeUnit};

/// The unit in which an event-time column counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeUnit {
    /// Nanoseconds.
    Nanosecond,
    /// Microseconds.
    Microsecond,
    /// Milliseconds; also the unit of `BIGINT` event times.
    Millisecond,
    /// Seconds.
    Second,
}

impl TimeUnit {
    /// The unit of a column that can carry event time: `TIMESTAMP` of any precision, or `BIGINT`,
    /// which counts milliseconds. `None` for every other type.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Int64 => Some(Self::Millisecond),
            DataType::Timestamp(ArrowTimeUnit::Nanosecond, _) => Some(Self::Nanosecond),
            DataType::Timestamp(ArrowTimeUnit::Microsecond, _) => Some(Self::Microsecond),
            DataType::Timestamp(ArrowTimeUnit::Millisecond, _) => Some(Self::Millisecond),
            DataType::Timestamp(ArrowTimeUnit::Second, _) => Some(Self::Second),
            _ => None,
        }
    }

    /// How many nanoseconds one unit is.
    pub const fn nanos(self) -> i64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
        }
    }
}

/// A promise: every event whose time is at most this has arrived. Inclusive, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watermark(i128);

impl Watermark {
    /// Before all time: nothing is promised.
    pub const MIN: Self = Self(i128::MIN);
    /// After all time: the input has ended.
    pub const MAX: Self = Self(i128::MAX);

    /// The watermark at a time given in a unit.
    pub fn new(time: i64, unit: TimeUnit) -> Self {
        Self(i128::from(time) * i128::from(unit.nanos()))
    }

    /// The watermark of a source that declares `delay_ns` and has seen `max` as its largest time.
    pub fn declared(max: i64, unit: TimeUnit, delay_ns: i64) -> Self {
        Self(i128::from(max) * i128::from(unit.nanos()) - i128::from(delay_ns))
    }

    /// In milliseconds, rounded down; `None` before the first promise.
    pub fn millis(self) -> Option<i64> {
        match self {
            Self::MIN => None,
            Self(ns) => Some(saturate(ns.div_euclid(1_000_000))),
        }
    }

    /// The frontier that this watermark means for a column of a unit: one unit past it.
    pub fn frontier(self, unit: TimeUnit) -> Frontier {
        match self {
            Self::MIN => Frontier::MIN,
            Self::MAX => Frontier::MAX,
            Self(ns) => {
                let nanos = i128::from(unit.nanos());
                Frontier((ns.div_euclid(nanos) + 1) * nanos)
            }
        }
    }
}

/// The exclusive form of a watermark: every event whose time is *before* this has arrived.
///
/// A window `[s, e)` is closed, and its events are late, exactly when `e <= F`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frontier(i128);

impl Frontier {
    /// Nothing has arrived for certain.
    pub const MIN: Self = Self(i128::MIN);
    /// Everything has arrived: end of input, tables, lookups.
    pub const MAX: Self = Self(i128::MAX);

    /// As nanoseconds; the ends of `i128` are [`Self::MIN`] and [`Self::MAX`].
    pub fn to_nanos(self) -> i128 {
        self.0
    }

    /// The frontier of which [`Self::to_nanos`] gives this.
    pub fn of_nanos(nanos: i128) -> Self {
        Self(nanos)
    }

    /// The frontier just before a time.
    pub fn before(time: i64, unit: TimeUnit) -> Self {
        Self(i128::from(time) * i128::from(unit.nanos()))
    }

    /// The smallest time of a unit that is not before the frontier: an event at `t` has certainly
    /// arrived when `t < F.in_unit(unit)`, and a window is closed when `end <= F.in_unit(unit)`
    /// for ends on whole units. Saturates at the ends of `i64`.
    pub fn in_unit(self, unit: TimeUnit) -> i64 {
        match self {
            Self::MIN => i64::MIN,
            Self::MAX => i64::MAX,
            Self(ns) => {
                let nanos = i128::from(unit.nanos());
                saturate(-((-ns).div_euclid(nanos)))
            }
        }
    }

    /// The frontier moved by a span, for columns computed as `time + span`.
    pub fn shift(self, span_ns: i128) -> Self {
        match self {
            Self::MIN | Self::MAX => self,
            Self(ns) => Self(ns.saturating_add(span_ns)),
        }
    }

    /// The whole milliseconds that lie before the frontier, less one: the watermark a person reads.
    pub fn watermark_millis(self) -> Option<i64> {
        match self {
            Self::MIN => None,
            _ => Some(self.in_unit(TimeUnit::Millisecond).saturating_sub(1)),
        }
    }
}

fn saturate(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frontier_is_one_unit_past_its_watermark() {
        let w = Watermark::new(5, TimeUnit::Millisecond);
        assert_eq!(w.frontier(TimeUnit::Millisecond).in_unit(TimeUnit::Millisecond), 6);
        assert_eq!(w.frontier(TimeUnit::Nanosecond).in_unit(TimeUnit::Nanosecond), 5_000_001);
        // 5 ms lies inside second 0: no event of second 0 is certain to have come, except t = 0.
        assert_eq!(w.frontier(TimeUnit::Second).in_unit(TimeUnit::Second), 1);
    }

    #[test]
    fn times_before_the_epoch_floor() {
        let w = Watermark::declared(-1, TimeUnit::Second, 500_000_000);
        assert_eq!(w.frontier(TimeUnit::Second).in_unit(TimeUnit::Second), -1);
        assert_eq!(w.millis(), Some(-1500));
    }

    #[test]
    fn the_ends_of_time_saturate() {
        assert_eq!(Watermark::MIN.frontier(TimeUnit::Second), Frontier::MIN);
        assert_eq!(Watermark::MAX.frontier(TimeUnit::Second), Frontier::MAX);
        let far = Watermark::new(i64::MAX, TimeUnit::Second).frontier(TimeUnit::Second);
        assert_eq!(far.in_unit(TimeUnit::Nanosecond), i64::MAX);
        assert_eq!(Frontier::MIN.shift(5), Frontier::MIN);
    }
}
