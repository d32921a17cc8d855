//! [`Lifetime`] and [`Ages`]: until when rows and groups are kept that nothing takes back.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use laminar_types::{Delta, Frontier, Result, TimeUnit, mutant};

use super::timed_rows::select;
use crate::state::group_index::NO_SLOT;
use crate::state::{Container, Paged, Parts, TimeIndex, arrow_error};

/// The one key of an index that orders by time alone.
const ALL: u32 = 0;

/// Until when what comes by a port is kept.
#[derive(Debug, Clone)]
pub enum Lifetime {
    /// By an event time of its own.
    EventTime {
        /// The column of the input. Where it is NULL the frontier at its coming counts.
        column: usize,
        /// Its unit.
        unit: TimeUnit,
        /// The position of its own frontier among those of the input.
        frontier: usize,
        /// It is kept until all of these are past its time.
        until: Vec<Until>,
        /// Whether what comes behind its own frontier is late: it is left out.
        drops_late: bool,
    },
    /// By the clock: so many milliseconds since it came or last changed.
    Clock {
        /// The milliseconds.
        span_ms: i64,
    },
}

/// A frontier that has to be past a time by a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    /// The port.
    pub port: usize,
    /// Its position among the port's frontiers.
    pub frontier: usize,
    /// The span in nanoseconds.
    pub span_ns: i64,
}

impl Lifetime {
    /// The column of the event time that it goes by.
    pub(super) fn column(&self) -> Option<usize> {
        match self {
            Self::EventTime { column, .. } => Some(*column),
            Self::Clock { .. } => None,
        }
    }

    /// Whether a frontier makes forgotten what rows to come would have met.
    pub(super) fn forgets_by_frontier(&self) -> bool {
        matches!(self, Self::EventTime { drops_late: false, .. })
    }

    /// What is of a time before this is to go. `frontiers` are those of each port.
    pub(super) fn limit(&self, frontiers: &[Vec<Frontier>], now_ms: i64) -> i64 {
        match self {
            Self::EventTime { unit, until, .. } => {
                let passed = |until: &Until| {
                    let port = until.port ^ usize::from(mutant!(ForgottenByTheOtherSide));
                    let frontier = frontiers[port].get(until.frontier).copied();
                    let frontier = frontier.unwrap_or(Frontier::MIN);
                    frontier.shift(-i128::from(until.span_ns)).in_unit(*unit)
                };
                let limit = until.iter().map(passed).min().unwrap_or(i64::MIN);
                limit.saturating_add(i64::from(mutant!(ForgottenOneUnitEarly)))
            }
            Self::Clock { span_ms } => now_ms.saturating_sub(*span_ms).saturating_add(1),
        }
    }

    /// The time of each row of a batch; `frontiers` are those of its port.
    pub(super) fn times(
        &self,
        batch: &RecordBatch,
        frontiers: &[Frontier],
        now_ms: i64,
    ) -> Result<Vec<i64>> {
        let Self::EventTime { column, unit, frontier, .. } = self else {
            return Ok(vec![now_ms; batch.num_rows()]);
        };
        let unknown = frontiers.get(*frontier).map_or(i64::MIN, |f| f.in_unit(*unit));
        let times = cast(batch.column(*column), &DataType::Int64).map_err(arrow_error)?;
        let times = times.as_primitive::<Int64Type>();
        Ok(times.iter().map(|time| time.unwrap_or(unknown)).collect())
    }

    /// The rows that are not late, and those that are, if any.
    pub(super) fn without_late(
        &self,
        delta: Delta,
        frontiers: &[Frontier],
    ) -> Result<(Delta, Option<Delta>)> {
        let Self::EventTime { unit, frontier, drops_late: true, .. } = self else {
            return Ok((delta, None));
        };
        let limit = frontiers.get(*frontier).map_or(i64::MIN, |f| f.in_unit(*unit));
        if limit == i64::MIN {
            return Ok((delta, None));
        }
        // A row without a time is not late: it is as of the frontier.
        let times = self.times(&delta.batch, frontiers, 0)?;
        let rows = 0..times.len() as u32;
        let (kept, late): (Vec<u32>, Vec<u32>) =
            rows.partition(|row| times[*row as usize] >= limit);
        match late.is_empty() {
            true => Ok((delta, None)),
            false => Ok((select(&delta, &kept)?, Some(select(&delta, &late)?))),
        }
    }
}

/// The slots of a container by the time that decides when they go.
pub(super) struct Ages {
    index: TimeIndex,
    /// By slot: its node in the index, if it has one.
    nodes: Paged<u32>,
}

impl Default for Ages {
    fn default() -> Self {
        Self { index: TimeIndex::default(), nodes: Paged::new(NO_SLOT) }
    }
}

impl Ages {
    /// The time of a slot, if it has one.
    pub(super) fn time(&self, slot: u32) -> Option<i64> {
        if slot as usize >= self.nodes.len() {
            return None;
        }
        let node = *self.nodes.at(slot as usize);
        (node != NO_SLOT).then(|| self.index.time(node))
    }

    /// Gives a slot a time, in place of the one it has.
    pub(super) fn set(&mut self, slot: u32, time: i64) -> Result<()> {
        if self.time(slot) == Some(time) {
            return Ok(());
        }
        self.forget(slot);
        self.nodes.resize(self.nodes.len().max(slot as usize + 1));
        let node = self.index.insert(ALL, time)?;
        self.index.set_value(node, slot);
        *self.nodes.at_mut(slot as usize) = node;
        Ok(())
    }

    /// Takes a slot out.
    pub(super) fn forget(&mut self, slot: u32) {
        if self.time(slot).is_some() {
            let node = std::mem::replace(self.nodes.at_mut(slot as usize), NO_SLOT);
            self.index.remove(node);
        }
    }

    /// Takes out the slots of times before a limit, in their order.
    pub(super) fn take_before(&mut self, limit: i64) -> Vec<u32> {
        let mut gone = Vec::new();
        if limit == i64::MIN {
            return gone;
        }
        self.index.for_range(ALL, i64::MIN, limit - 1, &mut |node| {
            gone.push(self.index.value(node));
        });
        if !gone.is_empty() {
            self.index.remove_before(ALL, limit, &mut |_| {});
            for slot in &gone {
                *self.nodes.at_mut(*slot as usize) = NO_SLOT;
            }
        }
        gone
    }
}

impl Container for Ages {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.index.parts(parts)?;
        self.nodes.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes() + self.nodes.state_bytes()
    }
}
