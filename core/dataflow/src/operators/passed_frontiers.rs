//! [`PassedFrontiers`]: frontiers that an operator with one input hands on.

use laminar_types::{Frontier, Result};

use super::map::TimeMap;
use crate::state::Parts;

/// The frontiers of an input, and how those of the output follow from them.
pub(super) struct PassedFrontiers {
    /// One for each event-time column of the output.
    times: Vec<TimeMap>,
    input: Vec<Frontier>,
}

impl PassedFrontiers {
    /// Nothing has arrived yet.
    pub(super) fn new(times: Vec<TimeMap>) -> Self {
        Self { times, input: Vec::new() }
    }

    /// Takes the frontiers of the input.
    pub(super) fn advance(&mut self, frontiers: &[Frontier]) {
        self.input.clear();
        self.input.extend_from_slice(frontiers);
    }

    /// Those of the output.
    pub(super) fn write(&self, out: &mut Vec<Frontier>) {
        out.clear();
        out.extend(self.times.iter().map(|time| {
            let input = self.input.get(time.input);
            input.map_or(Frontier::MIN, |frontier| frontier.shift(i128::from(time.shift_ns)))
        }));
    }

    /// What outlives an epoch.
    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        parts.numbers(&mut self.input)
    }
}
