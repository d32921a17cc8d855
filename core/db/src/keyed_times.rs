//! [`KeyedTimes`]: the largest event time of each key of a source, for `watermark_per = 'key:...'`.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use laminar_dataflow::state::GroupIndex;
use laminar_types::{Result, mutant};

/// The largest time of each key that has been seen, and the least of them over the keys that are
/// not idle.
pub(crate) struct KeyedTimes {
    /// The key's column.
    column: usize,
    index: GroupIndex,
    of_key: Vec<OfKey>,
    /// How many keys that are not idle have a largest time.
    times: BTreeMap<i64, usize>,
    /// Scratch: the key of each row.
    keys: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct OfKey {
    largest: Option<i64>,
    seen_ms: i64,
    is_idle: bool,
}

impl KeyedTimes {
    /// No keys yet, of a column of this type.
    pub(crate) fn new(column: usize, data_type: &DataType) -> Result<Self> {
        let index = GroupIndex::new(std::slice::from_ref(data_type))?;
        Ok(Self { column, index, of_key: Vec::new(), times: BTreeMap::new(), keys: Vec::new() })
    }

    /// Finds the keys of the rows of a batch.
    pub(crate) fn read(&mut self, batch: &RecordBatch) -> Result<()> {
        let column: ArrayRef = batch.column(self.column).clone();
        self.index.intern(&[column], batch.num_rows(), &mut self.keys)?;
        let new = OfKey { largest: None, seen_ms: i64::MIN, is_idle: false };
        self.of_key.resize(self.index.slots(), new);
        Ok(())
    }

    /// The least of the largest times.
    pub(crate) fn least(&self) -> Option<i64> {
        match mutant!(WatermarkOfTheFastestKey) {
            true => self.times.last_key_value().map(|(time, _)| *time),
            false => self.times.first_key_value().map(|(time, _)| *time),
        }
    }

    /// Takes in the time of a row of the batch just read.
    pub(crate) fn see(&mut self, row: usize, time: i64, now_ms: i64) {
        let key = &mut self.of_key[self.keys[row] as usize];
        let (before, was_idle) = (key.largest, key.is_idle);
        key.largest = key.largest.max(Some(time));
        (key.seen_ms, key.is_idle) = (now_ms, false);
        let largest = key.largest.unwrap_or(time);
        if before == Some(largest) && !was_idle {
            return;
        }
        if let Some(before) = before.filter(|_| !was_idle) {
            self.leave(before);
        }
        *self.times.entry(largest).or_default() += 1;
    }

    fn leave(&mut self, time: i64) {
        if let Some(count) = self.times.get_mut(&time) {
            *count -= 1;
            if *count == 0 {
                self.times.remove(&time);
            }
        }
    }

    /// Notes that every key is alive.
    pub(crate) fn see_all(&mut self, now_ms: i64) {
        self.of_key.iter_mut().for_each(|key| key.seen_ms = now_ms);
    }

    /// Leaves out the keys that have sent nothing since a time.
    pub(crate) fn mark_idle(&mut self, since_ms: i64) {
        for key in 0..self.of_key.len() {
            let OfKey { largest, seen_ms, is_idle } = self.of_key[key];
            let Some(largest) = largest.filter(|_| !is_idle) else { continue };
            if seen_ms <= since_ms {
                self.of_key[key].is_idle = true;
                if !mutant!(IdleKeyHoldsBack) {
                    self.leave(largest);
                }
            }
        }
    }

    /// The earliest time at which a key that is not left out was last seen.
    pub(crate) fn earliest_seen_ms(&self) -> Option<i64> {
        let kept = self.of_key.iter().filter(|key| key.largest.is_some() && !key.is_idle);
        kept.map(|key| key.seen_ms).min()
    }
}
