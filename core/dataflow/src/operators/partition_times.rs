//! [`PartitionTimes`]: partitions by an event time, which are over when its frontier passes it.
//!
//! All rows of a partition have one event time, a key. Once the frontier is past it a row that
//! would change the partition is late: it is counted and left out. So the partition can be
//! forgotten, which is no change: what it gave stays given. Rows without a time are never late and
//! their partition is never over.

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use laminar_types::{Delta, Frontier, Result, TimeUnit};

use super::late_rows::LateRows;
use super::lifetime::Ages;
use super::timed_rows::select;
use crate::operator::Context;
use crate::state::{Container, Parts, arrow_error};

/// The event time of partitions that are forgotten when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionTime {
    /// The column of the input, one of the keys.
    pub column: usize,
    /// Its unit.
    pub unit: TimeUnit,
    /// The position of its frontier among those of the input.
    pub frontier: usize,
}

/// The partitions by their event time.
pub(super) struct PartitionTimes {
    time: PartitionTime,
    ages: Ages,
    /// Partitions of a time before this are over.
    over_before: i64,
    late: LateRows,
}

impl PartitionTimes {
    pub(super) fn new(time: PartitionTime) -> Self {
        let late = LateRows::new(None, false, None);
        Self { time, ages: Ages::default(), over_before: i64::MIN, late }
    }

    /// The rows that are not late.
    pub(super) fn in_time(&mut self, delta: Delta, cx: &mut Context<'_>) -> Result<Delta> {
        if self.over_before == i64::MIN {
            return Ok(delta);
        }
        let times = self.times(&delta)?;
        let rows = 0..times.len() as u32;
        let (kept, late): (Vec<u32>, Vec<u32>) =
            rows.partition(|row| times[*row as usize] >= self.over_before);
        if late.is_empty() {
            return Ok(delta);
        }
        self.late.take(select(&delta, &late)?, cx)?;
        select(&delta, &kept)
    }

    /// Notes the partition of each row.
    pub(super) fn note(&mut self, delta: &Delta, partitions: &[u32]) -> Result<()> {
        let times = self.times(delta)?;
        partitions.iter().zip(times).try_for_each(|(slot, time)| self.ages.set(*slot, time))
    }

    /// Notes that a partition ceased.
    pub(super) fn forget(&mut self, partition: u32) {
        self.ages.forget(partition);
    }

    /// Takes the frontiers of the input, and out the partitions that are over, in the order of
    /// their times.
    pub(super) fn take_over(&mut self, frontiers: &[Frontier]) -> Vec<u32> {
        let frontier = frontiers.get(self.time.frontier).copied().unwrap_or(Frontier::MIN);
        self.over_before = self.over_before.max(frontier.in_unit(self.time.unit));
        self.ages.take_before(self.over_before)
    }

    /// How many rows were late.
    pub(super) fn late_rows(&self) -> u64 {
        self.late.count()
    }

    /// The time of each row; the end of time for rows without one.
    fn times(&self, delta: &Delta) -> Result<Vec<i64>> {
        let times = cast(delta.batch.column(self.time.column), &DataType::Int64);
        let times = times.map_err(arrow_error)?;
        let times = times.as_primitive::<Int64Type>();
        Ok(times.iter().map(|time| time.unwrap_or(i64::MAX)).collect())
    }
}

impl Container for PartitionTimes {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { time: _, ages, over_before, late } = self;
        ages.parts(parts)?;
        parts.number(over_before)?;
        late.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.ages.state_bytes()
    }
}
