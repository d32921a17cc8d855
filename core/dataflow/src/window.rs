//! The arithmetic of windows and panes, in whole units of the event-time column.
//!
//! A hopping window is `[start, start + size)`; starts are the multiples of `slide`, moved by
//! `offset`. A tumbling window is one whose slide is its size. Cumulating windows share a start,
//! one every `size`, and end after each `step`. No two windows of one shape have the same end, so
//! a window is known by its end. Panes cut time into pieces (`gcd(size, slide)`, or the step), so
//! that every window is a whole number of panes and every event belongs to exactly one pane,
//! however many windows overlap (Li et al., "No Pane, No Gain", 2005).

use std::ops::RangeInclusive;

use laminar_types::{Error, Result, TimeUnit, code, mutant};

/// Windows at regular places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSpec {
    unit: TimeUnit,
    shape: Shape,
    /// The longest window.
    size: i64,
    /// From one window's end to the next one's.
    step: i64,
    offset: i64,
    pane: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Windows of one size.
    Hop,
    /// Windows that begin together and grow by a step up to the size, then begin anew.
    Cumulate,
}

impl WindowSpec {
    /// Windows of one size over a column that counts in `unit`; lengths in nanoseconds.
    ///
    /// Refuses lengths that are not positive or not whole units of the column.
    pub fn new(unit: TimeUnit, size_ns: i64, slide_ns: i64, offset_ns: i64) -> Result<Self> {
        let (size, step) = (whole(unit, "size", size_ns)?, whole(unit, "slide", slide_ns)?);
        if size <= 0 || step <= 0 {
            return Err(Error::new(code::PLAN, "a window's size and slide must be positive"));
        }
        let offset = whole(unit, "offset", offset_ns)?.rem_euclid(step);
        let offset = if mutant!(OffsetIgnored) { 0 } else { offset };
        Ok(Self { unit, shape: Shape::Hop, size, step, offset, pane: gcd(size, step) })
    }

    /// Windows that begin every `size_ns` and end after each `step_ns` up to there.
    ///
    /// Refuses lengths that are not positive or not whole units of the column, and a size that is
    /// not a whole number of steps.
    pub fn cumulating(unit: TimeUnit, step_ns: i64, size_ns: i64, offset_ns: i64) -> Result<Self> {
        let (size, step) = (whole(unit, "size", size_ns)?, whole(unit, "step", step_ns)?);
        if size <= 0 || step <= 0 || size % step != 0 {
            return Err(Error::new(
                code::PLAN,
                "the largest size of a cumulating window must be a positive multiple of its step",
            ));
        }
        let offset = whole(unit, "offset", offset_ns)?.rem_euclid(size);
        Ok(Self { unit, shape: Shape::Cumulate, size, step, offset, pane: step })
    }

    /// The unit of the event-time column.
    pub fn unit(&self) -> TimeUnit {
        self.unit
    }

    /// The times whose windows, and those next to them, have bounds that an event-time column can
    /// hold. Others are in no window.
    pub fn times(&self) -> RangeInclusive<i64> {
        bounded(self.size.max(self.step))
    }

    /// Whether windows do not overlap and leave no gap.
    pub fn is_tumbling(&self) -> bool {
        self.size == self.step
    }

    /// The start of the pane that an event belongs to, whether or not a window covers it.
    pub fn pane_of(&self, time: i64) -> i64 {
        floor(time, self.pane, self.offset)
    }

    /// The end of a pane, exclusive.
    pub fn pane_end(&self, pane: i64) -> i64 {
        pane.saturating_add(self.pane)
    }

    /// The least end of a window that is after a time: of the first window that holds it, when
    /// any does.
    pub fn first_end(&self, time: i64) -> i64 {
        let last_closed = match self.shape {
            Shape::Hop => floor(time.saturating_sub(self.size), self.step, self.offset)
                .saturating_add(self.size),
            Shape::Cumulate => floor(time, self.step, self.offset),
        };
        last_closed.saturating_add(self.step)
    }

    /// The end of the last window that begins at or before a time.
    pub fn last_end(&self, time: i64) -> i64 {
        let step = match self.shape {
            Shape::Hop => self.step,
            Shape::Cumulate => self.size,
        };
        floor(time, step, self.offset).saturating_add(self.size)
    }

    /// The end of the window after the one that ends at a time.
    pub fn next_end(&self, end: i64) -> i64 {
        end.saturating_add(self.step)
    }

    /// The start of the window that ends at a time.
    pub fn start(&self, end: i64) -> i64 {
        match self.shape {
            Shape::Hop => end.saturating_sub(self.size),
            Shape::Cumulate if mutant!(CumulateStartsAnew) => end.saturating_sub(self.step),
            Shape::Cumulate => floor(end.saturating_sub(1), self.size, self.offset),
        }
    }

    /// The start of the block that a time lies in. Blocks are as long as the longest window and
    /// lie side by side, so a window lies in one block or two; cumulating windows begin with theirs.
    pub fn block(&self, time: i64) -> i64 {
        floor(time, self.size, self.offset)
    }

    /// The end of a block.
    pub fn block_end(&self, block: i64) -> i64 {
        block.saturating_add(self.size)
    }

    /// From one window's end to the next one's.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// Whether any window holds events of this time: not so in the gaps of a slide larger than
    /// the size.
    pub fn covers(&self, time: i64) -> bool {
        time < self.last_end(time)
    }
}

fn whole(unit: TimeUnit, what: &str, ns: i64) -> Result<i64> {
    if ns % unit.nanos() == 0 {
        return Ok(ns / unit.nanos());
    }
    Err(Error::new(
        code::PLAN,
        format!(
            "the {what} of a window is not a whole number of {unit:?}s, the unit of its event-time \
             column: use a multiple, or a column of a finer unit"
        ),
    ))
}

/// The length of a session's gap in whole units of its event-time column.
///
/// # Errors
/// When it is not positive or not a whole number of units.
pub fn session_gap(unit: TimeUnit, gap_ns: i64) -> Result<i64> {
    match whole(unit, "gap", gap_ns)? {
        gap if gap > 0 => Ok(gap),
        _ => Err(Error::new(code::PLAN, "a session's gap must be positive")),
    }
}

/// The times that are twice a length away from the ends of `i64`.
pub(crate) fn bounded(length: i64) -> RangeInclusive<i64> {
    let length = length.saturating_mul(2);
    i64::MIN.saturating_add(length)..=i64::MAX.saturating_sub(length)
}

/// The largest `k * step + offset` at or below a time, saturating at the end of `i64`.
fn floor(time: i64, step: i64, offset: i64) -> i64 {
    let from_offset = i128::from(time) - i128::from(offset);
    let steps = match mutant!(TimesBelowZeroRoundUp) {
        true => from_offset / i128::from(step),
        false => from_offset.div_euclid(i128::from(step)),
    };
    let floored = steps * i128::from(step) + i128::from(offset);
    i64::try_from(floored).unwrap_or(i64::MIN)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(size: i64, slide: i64, offset: i64) -> WindowSpec {
        let ns = 1_000_000;
        WindowSpec::new(TimeUnit::Millisecond, size * ns, slide * ns, offset * ns).unwrap()
    }

    /// The windows of a time near zero, by the definitions.
    fn agrees(windows: &WindowSpec, all: &[(i64, i64)]) {
        for time in -40..40 {
            let mut of: Vec<(i64, i64)> =
                all.iter().copied().filter(|(start, end)| (*start..*end).contains(&time)).collect();
            of.sort_by_key(|window| window.1);
            assert_eq!(windows.covers(time), !of.is_empty(), "{windows:?} at {time}");
            let least = all.iter().map(|window| window.1).filter(|end| *end > time).min();
            assert_eq!(Some(windows.first_end(time)), least, "{windows:?} at {time}");
            let mut end = windows.first_end(time);
            for window in &of {
                assert_eq!((windows.start(end), end), *window, "{windows:?} at {time}");
                let pane = windows.pane_of(time);
                assert!(window.0 <= pane && windows.pane_end(pane) <= window.1);
                end = windows.next_end(end);
            }
            if let Some(last) = of.last() {
                assert_eq!(windows.last_end(time), last.1, "{windows:?} at {time}");
            }
        }
    }

    #[test]
    fn windows_agree_with_their_definitions() {
        for (size, slide, offset) in [(10, 10, 0), (10, 10, 3), (10, 4, 0), (5, 10, 1), (6, 4, -1)]
        {
            let starts = (-100..100).map(|k| k * slide + offset);
            let all: Vec<(i64, i64)> = starts.map(|start| (start, start + size)).collect();
            agrees(&spec(size, slide, offset), &all);
        }
        for (step, size, offset) in [(2, 10, 0), (5, 5, 0), (3, 12, 7), (1, 4, -3)] {
            let ns = 1_000_000;
            let windows =
                WindowSpec::cumulating(TimeUnit::Millisecond, step * ns, size * ns, offset * ns)
                    .unwrap();
            let all: Vec<(i64, i64)> = (-100..100)
                .map(|k| k * size + offset)
                .flat_map(|start| (1..=size / step).map(move |steps| (start, start + steps * step)))
                .collect();
            agrees(&windows, &all);
        }
    }

    #[test]
    fn lengths_must_fit_the_column() {
        let error = WindowSpec::new(TimeUnit::Second, 1_500_000_000, 1_500_000_000, 0).unwrap_err();
        assert!(error.to_string().contains("whole number of Seconds"), "{error}");
        assert!(WindowSpec::new(TimeUnit::Second, 0, 0, 0).is_err());
        let error = WindowSpec::cumulating(TimeUnit::Second, 2_000_000_000, 5_000_000_000, 0);
        assert!(error.unwrap_err().to_string().contains("multiple of its step"));
        assert!(session_gap(TimeUnit::Second, 0).is_err());
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let windows = spec(10, 10, 0);
        assert_eq!(windows.pane_of(i64::MIN), i64::MIN);
        assert_eq!(windows.last_end(i64::MAX), i64::MAX);
        assert_eq!(windows.first_end(i64::MAX), i64::MAX);
    }
}
