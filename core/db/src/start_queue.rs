//! [`StartQueue`]: what happened before the start, for the streams that are held back.
//!
//! Invariants:
//! - What a source queued comes out in the order in which it came in, and so does what different
//!   sources queued.
//! - Of rows that were dropped the last promise about time stays: what they made late is late.

use std::collections::{BTreeMap, VecDeque};

use laminar_types::{Delta, Epoch, Frontier};

use crate::engine::SourceId;
use crate::page;

/// The changes of inputs since the database was opened, until it starts.
#[derive(Default)]
pub(crate) struct StartQueue {
    sources: BTreeMap<SourceId, VecDeque<Queued>>,
    /// What came in so far.
    arrivals: u64,
    bytes: usize,
}

/// One piece of an epoch of an input.
pub(crate) struct Queued {
    arrival: u64,
    pub(crate) epoch: Epoch,
    pub(crate) source: SourceId,
    pub(crate) change: Option<Delta>,
    /// The frontiers after it.
    pub(crate) frontiers: Vec<Frontier>,
    bytes: usize,
}

impl Queued {
    fn num_rows(&self) -> usize {
        self.change.as_ref().map_or(0, Delta::num_rows)
    }
}

impl StartQueue {
    /// Bytes of the changes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(
        &mut self,
        source: SourceId,
        epoch: Epoch,
        change: Option<Delta>,
        frontiers: Vec<Frontier>,
    ) {
        let bytes = change.as_ref().map_or(0, |change| page::batch_bytes(&change.batch));
        self.bytes += bytes;
        self.arrivals += 1;
        let arrival = self.arrivals;
        let queued = Queued { arrival, epoch, source, change, frontiers, bytes };
        self.sources.entry(source).or_default().push_back(queued);
    }

    /// Drops the oldest rows of an input, at most so many and none of the epoch `newest`; answers
    /// how many it dropped.
    pub(crate) fn drop_rows(&mut self, source: SourceId, most: u64, newest: Epoch) -> u64 {
        let Some(queue) = self.sources.get_mut(&source) else { return 0 };
        let mut left = usize::try_from(most).unwrap_or(usize::MAX);
        let wanted = left;
        let mut promise = None;
        while left > 0
            && let Some(oldest) = queue.front_mut().filter(|oldest| oldest.epoch != newest)
        {
            let rows = oldest.num_rows();
            if let Some(change) = oldest.change.as_mut().filter(|_| rows > left) {
                *change = change.slice(left, rows - left);
                left = 0;
                break;
            }
            left -= rows;
            self.bytes -= oldest.bytes;
            promise = queue.pop_front();
        }
        if let Some(promise) = promise {
            queue.push_front(Queued { change: None, bytes: 0, ..promise });
        }
        (wanted - left) as u64
    }

    /// Drops the oldest changes of an input, none of them of the epoch `newest`, until all that
    /// waits takes less than `limit` bytes; answers how many rows it dropped.
    pub(crate) fn drop_bytes(&mut self, source: SourceId, limit: usize, newest: Epoch) -> u64 {
        let mut dropped = 0;
        while self.bytes >= limit {
            let Some(queue) = self.sources.get(&source) else { break };
            let rows = queue.iter().find(|queued| queued.change.is_some()).map(Queued::num_rows);
            match self.drop_rows(source, rows.unwrap_or(0) as u64, newest) {
                0 => break,
                rows => dropped += rows,
            }
        }
        dropped
    }

    /// Whether an input queued something after an epoch.
    pub(crate) fn holds_since(&self, source: SourceId, epoch: Epoch) -> bool {
        let newest = self.sources.get(&source).and_then(VecDeque::back);
        newest.is_some_and(|newest| newest.epoch > epoch)
    }

    /// Forgets what an input queued.
    pub(crate) fn forget(&mut self, source: SourceId) {
        let forgotten = self.sources.remove(&source).unwrap_or_default();
        self.bytes -= forgotten.iter().map(|queued| queued.bytes).sum::<usize>();
    }

    /// The changes of an input.
    pub(crate) fn changes_mut(&mut self, source: SourceId) -> impl Iterator<Item = &mut Delta> {
        let queued = self.sources.get_mut(&source).into_iter().flatten();
        queued.filter_map(|queued| queued.change.as_mut())
    }

    /// Takes all out, in the order in which it came in.
    pub(crate) fn take(&mut self) -> Vec<Queued> {
        let mut all: Vec<Queued> =
            std::mem::take(&mut self.sources).into_values().flatten().collect();
        all.sort_by_key(|queued| queued.arrival);
        self.bytes = 0;
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;

    use super::*;

    const A: SourceId = SourceId(0);
    const B: SourceId = SourceId(1);

    fn rows(values: std::ops::Range<i64>) -> Option<Delta> {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        Some(Delta::insert(RecordBatch::try_from_iter([("v", values)]).unwrap()))
    }

    fn told(queue: &mut StartQueue) -> Vec<(u32, Epoch, Vec<i64>)> {
        let values =
            |change: Delta| change.batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        let taken = queue.take().into_iter();
        let told = taken.map(|queued| {
            (queued.source.0, queued.epoch, queued.change.map_or_else(Vec::new, values))
        });
        told.collect()
    }

    #[test]
    fn the_oldest_rows_go_one_by_one_and_their_promise_stays() {
        let mut queue = StartQueue::default();
        queue.push(A, 1, rows(0..3), vec![]);
        queue.push(B, 2, rows(10..12), vec![]);
        queue.push(A, 3, None, vec![]);
        queue.push(A, 4, rows(3..7), vec![]);
        assert_eq!(queue.drop_rows(A, 2, 5), 2);
        assert_eq!(queue.drop_rows(A, 3, 5), 3);
        assert_eq!(told(&mut queue), [(1, 2, vec![10, 11]), (0, 3, vec![]), (0, 4, vec![5, 6])]);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn the_newest_epoch_is_never_dropped() {
        let mut queue = StartQueue::default();
        queue.push(A, 1, rows(0..3), vec![]);
        queue.push(A, 2, rows(3..5), vec![]);
        assert_eq!(queue.drop_rows(A, 100, 2), 3);
        assert_eq!(queue.drop_bytes(A, 1, 2), 0);
        assert_eq!(told(&mut queue), [(0, 1, vec![]), (0, 2, vec![3, 4])]);
    }

    #[test]
    fn bytes_are_freed_by_whole_changes() {
        let mut queue = StartQueue::default();
        for epoch in 1..=4 {
            queue.push(A, epoch, rows(0..8), vec![]);
        }
        let each = queue.bytes() / 4;
        assert_eq!(queue.drop_bytes(A, 2 * each + 1, 5), 16);
        assert_eq!(queue.bytes(), 2 * each);
        queue.push(B, 5, rows(0..8), vec![]);
        queue.forget(A);
        assert_eq!(queue.bytes(), each);
    }
}
