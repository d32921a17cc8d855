//! [`Work`]: what an operator was given, gave and took.
//!
//! Counting is a few additions for each visit. A look at the clock costs as much as a visit with a
//! handful of rows, so of those only some are timed, and one of them stands for its neighbours.

use std::time::Instant;

/// From so many rows on a visit is always timed.
const MANY_ROWS: usize = 256;

/// Visits with fewer rows that are timed at first, each for itself.
const TIMED_AT_FIRST: u64 = 64;

/// Of later ones, one in so many is timed, and stands for all of them.
const TIMED_ONE_IN: u64 = 64;

/// Counters of one node since it was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows and retractions that came, at all ports.
    pub rows_in: u64,
    /// Rows and retractions that went.
    pub rows_out: u64,
    /// Visits that brought rows.
    pub batches: u64,
    /// Time in the operator, in nanoseconds: measured where a visit brings 256 rows or more, and
    /// for every 64th of the smaller ones after their first 64.
    pub time_ns: u64,
    /// Visits with less than that.
    small_visits: u64,
}

/// The measurement of a visit that is timed.
#[derive(Debug)]
pub(crate) struct Timing {
    begun: Instant,
    /// How many visits it stands for.
    stands_for: u64,
}

impl Work {
    /// Notes a visit that brings some rows, and begins to time it if it is its turn.
    pub(crate) fn begin(&mut self, rows: usize) -> Option<Timing> {
        let stands_for = self.turn(rows)?;
        Some(Timing { begun: Instant::now(), stands_for })
    }

    /// Notes a visit that brings some rows. If it is its turn to be timed, tells for how many visits
    /// it stands.
    pub(crate) fn turn(&mut self, rows: usize) -> Option<u64> {
        self.rows_in += rows as u64;
        self.batches += u64::from(rows > 0);
        if rows >= MANY_ROWS {
            return Some(1);
        }
        let before = self.small_visits;
        self.small_visits += 1;
        match before {
            ..TIMED_AT_FIRST => Some(1),
            _ if before.is_multiple_of(TIMED_ONE_IN) => Some(TIMED_ONE_IN),
            _ => None,
        }
    }

    /// Notes the end of the visit.
    pub(crate) fn end(&mut self, timing: Option<Timing>) {
        if let Some(Timing { begun, stands_for }) = timing {
            self.took(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX), stands_for);
        }
    }

    /// Notes the time of a visit that stands for some.
    pub(crate) fn took(&mut self, time_ns: u64, stands_for: u64) {
        self.time_ns = self.time_ns.saturating_add(time_ns.saturating_mul(stands_for));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many visits those that were timed stand for.
    fn visits_stood_for(sizes: impl IntoIterator<Item = usize>) -> (Work, u64, u64) {
        let (mut work, mut timed, mut stood_for) = (Work::default(), 0, 0);
        for rows in sizes {
            if let Some(timing) = work.begin(rows) {
                timed += 1;
                stood_for += timing.stands_for;
            }
        }
        (work, timed, stood_for)
    }

    #[test]
    fn large_visits_are_all_timed() {
        let (work, timed, stood_for) = visits_stood_for([256; 1_000]);
        assert_eq!((work.rows_in, work.batches, timed, stood_for), (256_000, 1_000, 1_000, 1_000));
    }

    #[test]
    fn few_small_visits_stand_for_all() {
        let (work, timed, stood_for) = visits_stood_for([1; 64 + 640]);
        assert_eq!((work.rows_in, work.batches), (704, 704));
        assert_eq!((timed, stood_for), (64 + 10, 64 + 640));
        // A visit that only moves frontiers brings no rows.
        let (work, _, stood_for) = visits_stood_for([0; 10]);
        assert_eq!((work.batches, stood_for), (0, 10));
    }
}
