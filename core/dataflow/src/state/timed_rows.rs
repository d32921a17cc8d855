//! [`TimedRows`]: rows by key, ordered by time, with weights: the state of one side of a join in
//! time.
//!
//! Over append-only input rows of one time stand in the order of arrival, and a row that comes
//! twice is there twice. Over updating input they stand in the order of all their columns, equal
//! rows are one with their weight, and a retraction finds its row. The order is part of what an
//! operator answers, as the tie of an ASOF join.

use arrow::array::{ArrayRef, RecordBatch};
use laminar_types::{Error, Result};

use super::{Container, Parts, RowStore, TimeIndex};
use arrow::datatypes::SchemaRef;

/// Rows by key and time.
pub struct TimedRows {
    index: TimeIndex,
    rows: RowStore,
    /// Scratch of [`TimedRows::insert`].
    nodes: Vec<u32>,
}

/// What a weighted row did to the rows of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The row was not there and now is.
    Came(u32),
    /// The row is there and was before.
    Stayed(u32),
    /// The row was there and is to go: [`TimedRows::remove`] takes it out, when its content is no
    /// longer asked for.
    Went(u32),
}

impl TimedRows {
    /// No rows of this schema; `append_only` when no row ever ceases but by [`Self::remove`] and
    /// its like.
    pub fn new(schema: &SchemaRef, append_only: bool) -> Result<Self> {
        let rows = match append_only {
            true => RowStore::of_columns(schema)?,
            false => RowStore::of_ordered_rows(schema)?,
        };
        Ok(Self { index: TimeIndex::default(), rows, nodes: Vec::new() })
    }

    /// The rows as numbered nodes: times, weights, the nearest to a time.
    pub fn index(&self) -> &TimeIndex {
        &self.index
    }

    /// Attaches a number to a row.
    pub fn set_value(&mut self, node: u32, value: u32) {
        self.index.set_value(node, value);
    }

    /// Adds to the weight of a row.
    pub fn add_weight(&mut self, node: u32, weight: i64) {
        self.index.add_weight(node, weight);
    }

    /// Adds row `rows[i]` of a batch under `keys[i]` and `times[i]`, each of weight 1. Answers the
    /// nodes. Only for append-only rows.
    pub fn insert(
        &mut self,
        batch: &RecordBatch,
        rows: &[u32],
        keys: &[u32],
        times: &[i64],
    ) -> Result<&[u32]> {
        self.nodes.clear();
        for (key, time) in keys.iter().zip(times) {
            self.nodes.push(self.index.insert(*key, *time)?);
        }
        self.rows.store(batch, rows, &self.nodes)?;
        Ok(&self.nodes)
    }

    /// The form of a batch's rows that [`Self::change`] takes. Only for rows that can cease.
    pub fn encode(&self, batch: &RecordBatch) -> Result<arrow::row::Rows> {
        let encoded = self.rows.encode(batch)?;
        encoded.ok_or_else(|| Error::internal("append-only rows are not compared"))
    }

    /// Adds a weight to an encoded row. Only for rows that can cease.
    ///
    /// # Errors
    /// `INTERNAL` when more of a row ceases than is there.
    pub fn change(&mut self, row: &[u8], key: u32, time: i64, weight: i64) -> Result<Changed> {
        let Self { index, rows, .. } = self;
        let tie = |node: u32| row.cmp(rows.encoded(node));
        if let Some(node) = index.find(key, time, &tie) {
            return match index.add_weight(node, weight) {
                0 => Ok(Changed::Went(node)),
                left if left < 0 => Err(Error::internal("a row ceased that was not there")),
                _ => Ok(Changed::Stayed(node)),
            };
        }
        if weight < 0 {
            return Err(Error::internal("a row ceased that was not there"));
        }
        let node = index.insert_tied(key, time, &tie)?;
        index.add_weight(node, weight - 1);
        rows.store_encoded(node, row);
        Ok(Changed::Came(node))
    }

    /// Takes a row out, whatever its weight.
    pub fn remove(&mut self, node: u32) {
        let Self { index, rows, .. } = self;
        if rows.is_ordered() {
            let row = rows.encoded(node);
            index.remove_tied(node, &|other| row.cmp(rows.encoded(other)));
        } else {
            index.remove(node);
        }
        rows.forget(node);
    }

    /// Takes out the rows of a key before a time.
    pub fn remove_before(&mut self, key: u32, time: i64) {
        let Self { index, rows, .. } = self;
        index.remove_before(key, time, &mut |node| rows.forget(node));
    }

    /// The same, but leaves the last one of them.
    pub fn remove_before_but_last(&mut self, key: u32, time: i64) {
        let Self { index, rows, .. } = self;
        index.remove_before_but_last(key, time, &mut |node| rows.forget(node));
    }

    /// The columns of these rows; [`NO_SLOT`](super::group_index::NO_SLOT) gives NULLs.
    pub fn gather(&self, nodes: &[u32]) -> Result<Vec<ArrayRef>> {
        self.rows.gather(nodes)
    }
}

impl Container for TimedRows {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.index.parts(parts)?;
        self.rows.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes() + self.rows.state_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;
    use crate::state::Snapshot;

    /// The numbers of SplitMix64 (Steele et al., 2014).
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)) % limit
        }
    }

    /// By key, time and tie: the value of the row and its weight.
    type Model = BTreeMap<(u32, i64, i64), (i64, i64)>;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]))
    }

    fn batch(values: &[i64]) -> RecordBatch {
        let values: Int64Array = values.iter().copied().map(Some).collect();
        RecordBatch::try_new(schema(), vec![Arc::new(values)]).unwrap()
    }

    fn value(rows: &TimedRows, node: u32) -> i64 {
        rows.gather(&[node]).unwrap()[0].as_primitive::<Int64Type>().value(0)
    }

    fn compare(rows: &TimedRows, model: &Model, random: &mut Random) {
        assert_eq!(rows.index().len(), model.len());
        for key in 0..4 {
            let of_key = || model.iter().filter(move |((k, ..), _)| *k == key);
            let (from, to) = (random.below(40) as i64 - 4, random.below(40) as i64);
            let mut got = Vec::new();
            rows.index().for_range(key, from, to, &mut |node| {
                let index = rows.index();
                got.push((index.time(node), value(rows, node), index.weight(node)));
            });
            let expected: Vec<_> = of_key()
                .filter(|((_, time, _), _)| (from..=to).contains(time))
                .map(|((_, time, _), (value, weight))| (*time, *value, *weight))
                .collect();
            assert_eq!(got, expected, "key {key} in {from}..={to}");

            let at = random.below(40) as i64 - 4;
            let found = |node: Option<u32>| node.map(|node| value(rows, node));
            let last = |keep: &dyn Fn(i64) -> bool| {
                of_key().filter(|((_, time, _), _)| keep(*time)).last().map(|(_, row)| row.0)
            };
            let first = |keep: &dyn Fn(i64) -> bool| {
                of_key().find(|((_, time, _), _)| keep(*time)).map(|(_, row)| row.0)
            };
            let index = rows.index();
            assert_eq!(found(index.last_at_or_before(key, at)), last(&|time| time <= at));
            assert_eq!(found(index.last_before(key, at)), last(&|time| time < at));
            assert_eq!(found(index.first_at_or_after(key, at)), first(&|time| time >= at));
            assert_eq!(found(index.first_after(key, at)), first(&|time| time > at));
            assert_eq!(index.is_empty_key(key), of_key().next().is_none());
        }
    }

    fn evict(rows: &mut TimedRows, model: &mut Model, random: &mut Random) {
        let (key, time) = (random.below(4) as u32, random.below(40) as i64 - 4);
        let mut gone: Vec<_> =
            model.keys().filter(|(k, t, _)| *k == key && *t < time).copied().collect();
        if random.below(2) == 0 {
            rows.remove_before(key, time);
        } else {
            rows.remove_before_but_last(key, time);
            gone.pop();
        }
        for place in gone {
            model.remove(&place);
        }
    }

    #[test]
    fn append_only_rows_agree_with_a_map() {
        for seed in 0..30 {
            let mut random = Random(seed);
            let mut rows = TimedRows::new(&schema(), true).unwrap();
            let mut model = Model::new();
            let mut arrival = 0;
            let mut earlier = None;
            for step in 0..120 {
                let count = random.below(8) as usize;
                let mut next = |limit| (0..count).map(|_| random.below(limit)).collect::<Vec<_>>();
                let values: Vec<i64> = next(5).iter().map(|value| *value as i64).collect();
                let keys: Vec<u32> = next(4).iter().map(|key| *key as u32).collect();
                let times: Vec<i64> = next(32).iter().map(|time| *time as i64).collect();
                let numbers: Vec<u32> = (0..count as u32).collect();
                rows.insert(&batch(&values), &numbers, &keys, &times).unwrap();
                for row in 0..count {
                    model.insert((keys[row], times[row], arrival), (values[row], 1));
                    arrival += 1;
                }
                if random.below(3) == 0 {
                    evict(&mut rows, &mut model, &mut random);
                }
                if random.below(3) == 0
                    && let Some(((key, time, tie), _)) = model.first_key_value()
                {
                    let (key, time, tie) = (*key, *time, *tie);
                    rows.remove(rows.index().first(key).unwrap());
                    model.remove(&(key, time, tie));
                }
                compare(&rows, &model, &mut random);
                if step == 60 {
                    let parts = Snapshot::take(&mut rows).unwrap();
                    earlier = Some((parts, model.clone(), arrival));
                }
                if step == 90 {
                    // Back to an earlier time, and on from there.
                    let (parts, then, arrivals) = earlier.as_ref().unwrap();
                    parts.restore(&mut rows).unwrap();
                    (model, arrival) = (then.clone(), *arrivals);
                    compare(&rows, &model, &mut random);
                }
            }
            let (parts, mut model, arrival) = earlier.unwrap();
            let mut restored = TimedRows::new(&schema(), true).unwrap();
            parts.restore(&mut restored).unwrap();
            compare(&restored, &model, &mut random);
            // What was saved goes on by itself.
            evict(&mut restored, &mut model, &mut random);
            restored.insert(&batch(&[9]), &[0], &[1], &[16]).unwrap();
            model.insert((1, 16, arrival), (9, 1));
            compare(&restored, &model, &mut random);
        }
    }

    #[test]
    fn rows_that_cease_agree_with_a_map() {
        for seed in 0..30 {
            let mut random = Random(seed);
            let mut rows = TimedRows::new(&schema(), false).unwrap();
            let mut model = Model::new();
            let mut earlier = None;
            for step in 0..400 {
                let (key, time) = (random.below(4) as u32, random.below(16) as i64);
                let value = random.below(6) as i64 - 3;
                let there = model.get(&(key, time, value)).map_or(0, |row| row.1);
                let weight = match random.below(2) {
                    0 if there > 0 => -(random.below(there as u64) as i64 + 1),
                    _ => random.below(3) as i64 + 1,
                };
                let encoded = rows.encode(&batch(&[value])).unwrap();
                let changed = rows.change(encoded.row(0).data(), key, time, weight).unwrap();
                match changed {
                    Changed::Went(node) => {
                        assert_eq!(there + weight, 0);
                        rows.remove(node);
                        model.remove(&(key, time, value));
                    }
                    Changed::Came(_) => {
                        assert_eq!(there, 0);
                        model.insert((key, time, value), (value, weight));
                    }
                    Changed::Stayed(_) => {
                        model.insert((key, time, value), (value, there + weight));
                    }
                }
                if random.below(20) == 0 {
                    evict(&mut rows, &mut model, &mut random);
                }
                compare(&rows, &model, &mut random);
                if step == 150 {
                    earlier = Some((Snapshot::take(&mut rows).unwrap(), model.clone()));
                }
                if step == 300 {
                    // Back to an earlier time, in others of the same shape, and on from there.
                    let (parts, then) = earlier.take().unwrap();
                    rows = TimedRows::new(&schema(), false).unwrap();
                    parts.restore(&mut rows).unwrap();
                    model = then;
                    compare(&rows, &model, &mut random);
                }
            }
            let absent = rows.encode(&batch(&[77])).unwrap();
            assert!(rows.change(absent.row(0).data(), 0, 3, -1).is_err());
        }
    }

    #[test]
    fn bytes_do_not_grow_when_rows_come_and_go() {
        let mut rows = TimedRows::new(&schema(), true).unwrap();
        let mut largest = 0;
        for time in 0..100_000 {
            rows.insert(&batch(&[time]), &[0], &[0], &[time]).unwrap();
            rows.remove_before(0, time - 100);
            if time == 1_000 {
                largest = rows.state_bytes();
            }
        }
        assert_eq!(rows.state_bytes(), largest);
    }
}
