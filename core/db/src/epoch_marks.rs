//! [`EpochMarks`]: where the rows of each epoch end in a history.

use std::collections::VecDeque;

use laminar_types::Epoch;

/// How many rows had ever come by the end of each epoch that brought some, from the last epoch of
/// which nothing is kept.
///
/// Invariants: epochs and numbers grow; the first mark lies at or before what is kept, or nothing
/// was dropped.
#[derive(Debug, Default)]
pub(crate) struct EpochMarks(VecDeque<(Epoch, u64)>);

impl EpochMarks {
    /// Notes that `total` rows have come by now, in `epoch`, of which the first `dropped` are
    /// forgotten.
    pub(crate) fn note(&mut self, epoch: Epoch, total: u64, dropped: u64) {
        match self.0.back_mut() {
            Some(last) if last.0 == epoch => last.1 = total,
            _ => self.0.push_back((epoch, total)),
        }
        while self.0.get(1).is_some_and(|second| second.1 <= dropped) {
            self.0.pop_front();
        }
    }

    /// The epochs after one, each with the number of its first row and that behind its last one.
    /// Where rows of them were forgotten: the oldest epoch that can be asked for.
    pub(crate) fn after(
        &self,
        epoch: Epoch,
        dropped: u64,
    ) -> Result<impl Iterator<Item = (Epoch, u64, u64)>, Epoch> {
        let next = self.0.partition_point(|mark| mark.0 <= epoch);
        let mut from = next.checked_sub(1).map_or(0, |before| self.0[before].1);
        if from < dropped {
            let oldest = self.0.iter().find(|mark| mark.1 >= dropped);
            return Err(oldest.map_or(epoch, |mark| mark.0));
        }
        Ok(self
            .0
            .range(next..)
            .map(move |&(epoch, to)| (epoch, std::mem::replace(&mut from, to), to)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(marks: &EpochMarks, epoch: Epoch, dropped: u64) -> Result<Vec<(u64, u64, u64)>, u64> {
        marks.after(epoch, dropped).map(Iterator::collect)
    }

    #[test]
    fn epochs_after_one_are_found_as_long_as_their_rows_are_kept() {
        let mut marks = EpochMarks::default();
        assert_eq!(after(&marks, 3, 0), Ok(vec![]));
        for (epoch, total) in [(2, 1), (2, 3), (5, 4), (9, 10)] {
            marks.note(epoch, total, 0);
        }
        assert_eq!(after(&marks, 0, 0), Ok(vec![(2, 0, 3), (5, 3, 4), (9, 4, 10)]));
        assert_eq!(after(&marks, 2, 0), Ok(vec![(5, 3, 4), (9, 4, 10)]));
        assert_eq!(after(&marks, 4, 0), Ok(vec![(5, 3, 4), (9, 4, 10)]));
        assert_eq!(after(&marks, 9, 0), Ok(vec![]));
        // Three rows are forgotten: all of epoch 2.
        marks.note(11, 12, 3);
        assert_eq!(after(&marks, 1, 3), Err(2));
        assert_eq!(after(&marks, 2, 3), Ok(vec![(5, 3, 4), (9, 4, 10), (11, 10, 12)]));
        // A part of epoch 9 as well: what follows it is whole.
        marks.note(12, 13, 6);
        assert_eq!(after(&marks, 5, 6), Err(9));
        assert_eq!(after(&marks, 9, 6), Ok(vec![(11, 10, 12), (12, 12, 13)]));
        assert_eq!(after(&marks, 10, 6), Ok(vec![(11, 10, 12), (12, 12, 13)]));
        // Everything.
        marks.note(13, 14, 14);
        assert_eq!(after(&marks, 12, 14), Err(13));
        assert_eq!(after(&marks, 13, 14), Ok(vec![]));
    }
}
