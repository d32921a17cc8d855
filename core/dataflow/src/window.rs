//! The arithmetic of windows and panes, in whole units of the event-time column.
//!
//! A window is `[start, start + size)`; starts are the multiples of `slide`, moved by `offset`.
//! A tumbling window is one whose slide is its size. Panes cut time into pieces of
//! `gcd(size, slide)`, so that every window is a whole number of panes and every event belongs to
//! exactly one pane, however many windows overlap (Li et al., "No Pane, No Gain", 2005).

use laminar_types::{Error, Frontier, Result, TimeUnit, code};

/// Windows of one size at regular starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSpec {
    unit: TimeUnit,
    size: i64,
    slide: i64,
    offset: i64,
    pane: i64,
}

impl WindowSpec {
    /// Windows over a column that counts in `unit`; lengths in nanoseconds.
    ///
    /// Refuses lengths that are not positive or not whole units of the column.
    pub fn new(unit: TimeUnit, size_ns: i64, slide_ns: i64, offset_ns: i64) -> Result<Self> {
        let whole = |what: &str, ns: i64| {
            if ns % unit.nanos() == 0 {
                return Ok(ns / unit.nanos());
            }
            Err(Error::new(
                code::PLAN,
                format!(
                    "the {what} of a window is not a whole number of {unit:?}s, the unit of its \
                     event-time column: use a multiple, or a column of a finer unit"
                ),
            ))
        };
        let (size, slide) = (whole("size", size_ns)?, whole("slide", slide_ns)?);
        if size <= 0 || slide <= 0 {
            return Err(Error::new(code::PLAN, "a window's size and slide must be positive"));
        }
        let offset = whole("offset", offset_ns)?.rem_euclid(slide);
        Ok(Self { unit, size, slide, offset, pane: gcd(size, slide) })
    }

    /// The unit of the event-time column.
    pub fn unit(&self) -> TimeUnit {
        self.unit
    }

    /// A window's length.
    pub fn size(&self) -> i64 {
        self.size
    }

    /// From one window's start to the next one's.
    pub fn slide(&self) -> i64 {
        self.slide
    }

    /// Whether windows do not overlap and leave no gap.
    pub fn is_tumbling(&self) -> bool {
        self.size == self.slide
    }

    /// The start of the pane that an event belongs to, whether or not a window covers it.
    pub fn pane_of(&self, time: i64) -> i64 {
        floor(time, self.pane, self.offset)
    }

    /// The end of a pane, exclusive.
    pub fn pane_end(&self, pane: i64) -> i64 {
        pane.saturating_add(self.pane)
    }

    /// The start of the last window that begins at or before a time.
    pub fn last_start(&self, time: i64) -> i64 {
        floor(time, self.slide, self.offset)
    }

    /// The start of the first window that ends after a time.
    pub fn first_start(&self, time: i64) -> i64 {
        floor(time.saturating_sub(self.size), self.slide, self.offset).saturating_add(self.slide)
    }

    /// Whether any window holds events of this time: not so in the gaps of a slide larger than
    /// the size.
    pub fn covers(&self, time: i64) -> bool {
        time < self.last_start(time).saturating_add(self.size)
    }

    /// The end of a window, exclusive.
    pub fn end(&self, start: i64) -> i64 {
        start.saturating_add(self.size)
    }

    /// The start of the first window that is still open: the smallest start whose end is after
    /// the frontier, all windows with `end <= F` being closed.
    pub fn first_open(&self, frontier: Frontier) -> i64 {
        match frontier.in_unit(self.unit) {
            i64::MIN => i64::MIN,
            i64::MAX => i64::MAX,
            limit => self.first_start(limit),
        }
    }
}

/// The largest `k * step + offset` at or below a time, saturating at the end of `i64`.
fn floor(time: i64, step: i64, offset: i64) -> i64 {
    let from_offset = i128::from(time) - i128::from(offset);
    let floored = from_offset.div_euclid(i128::from(step)) * i128::from(step) + i128::from(offset);
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

    #[test]
    fn starts_agree_with_the_definition() {
        for (size, slide, offset) in [(10, 10, 0), (10, 10, 3), (10, 4, 0), (5, 10, 1), (6, 4, -1)]
        {
            let windows = spec(size, slide, offset);
            for time in -40..40 {
                // By the definition: all starts, near enough, that begin the windows of this time.
                let starts: Vec<i64> = (-100..100)
                    .map(|k| k * slide + offset)
                    .filter(|start| *start <= time && time < start + size)
                    .collect();
                assert_eq!(windows.covers(time), !starts.is_empty(), "{windows:?} at {time}");
                if let (Some(first), Some(last)) = (starts.first(), starts.last()) {
                    assert_eq!(windows.first_start(time), *first);
                    assert_eq!(windows.last_start(time), *last);
                }
                let pane = windows.pane_of(time);
                for start in starts {
                    assert!(start <= pane && pane < start + size, "a pane lies inside its windows");
                }
            }
        }
    }

    #[test]
    fn the_first_open_window_ends_after_the_frontier() {
        let windows = spec(10, 4, 0);
        let before = |time| Frontier::before(time, TimeUnit::Millisecond);
        assert_eq!(windows.first_open(before(10)), 4);
        assert_eq!(windows.first_open(before(9)), 0);
        assert_eq!(windows.first_open(before(-1)), -8);
        assert_eq!(windows.first_open(Frontier::MIN), i64::MIN);
    }

    #[test]
    fn lengths_must_fit_the_column() {
        let error = WindowSpec::new(TimeUnit::Second, 1_500_000_000, 1_500_000_000, 0).unwrap_err();
        assert!(error.to_string().contains("whole number of Seconds"), "{error}");
        assert!(WindowSpec::new(TimeUnit::Second, 0, 0, 0).is_err());
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let windows = spec(10, 10, 0);
        assert_eq!(windows.pane_of(i64::MIN), i64::MIN);
        assert!(windows.end(windows.last_start(i64::MAX)) >= windows.last_start(i64::MAX));
    }
}
