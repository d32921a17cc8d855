//! [`OrderedBags`]: for every slot a multiset of byte strings in their order.
//!
//! A multiset is a tree of [`OrderedPartitions`](super::OrderedPartitions) whose rows are the
//! different strings, each with how often it is there, which the tree adds up: the string of a rank
//! is found without walking over those before it.
//!
//! Invariants: no count is zero. A count below zero waits for the string that it was taken off, and
//! is in no rank meanwhile.

use laminar_types::Result;

use super::ordered_tree::{Entry, Forest};
use super::slots::Slots;
use super::{Container, Paged, Parts};

/// An ordered multiset of byte strings for every slot.
pub struct OrderedBags {
    forest: Forest<i64>,
    /// By row of the forest, how often it is there.
    counts: Paged<i64>,
    slots: Slots,
}

impl Default for OrderedBags {
    fn default() -> Self {
        Self { forest: Forest::new(), counts: Paged::new(0), slots: Slots::default() }
    }
}

impl OrderedBags {
    /// Adds a string `weight` times to the multiset of a slot.
    ///
    /// # Errors
    /// When there would be more than 2^31 different strings.
    pub fn add(&mut self, slot: u32, bytes: &[u8], weight: i64) -> Result<()> {
        if weight == 0 {
            return Ok(());
        }
        let Self { forest, counts, slots } = self;
        let position = forest.rank(slot, bytes, true);
        let known = position.checked_sub(1).map(|position| forest.row_at(slot, position));
        match known.filter(|row| forest.rows.value(*row as usize) == bytes) {
            None => {
                let row = slots.allocate()?;
                forest.rows.resize(slots.end());
                forest.rows.set(row as usize, bytes);
                counts.resize(slots.end());
                *counts.at_mut(row as usize) = weight;
                let present = |row: u32| (*counts.at(row as usize)).max(0);
                forest.insert(slot, Entry::new(row, bytes), &present);
            }
            Some(row) => {
                let count = counts.at_mut(row as usize);
                let before = std::mem::replace(count, *count + weight);
                let after = *count;
                forest.reweigh(slot, position - 1, after.max(0) - before.max(0));
                if after == 0 {
                    forest.remove(slot, position - 1);
                    forest.rows.set(row as usize, &[]);
                    slots.release(row);
                }
            }
        }
        Ok(())
    }

    /// The multiset of a slot.
    pub fn bag(&self, slot: u32) -> Bag<'_> {
        Bag { bags: self, slot }
    }

    /// Adds the multiset of each of `other_slots` to that of the slot beside it.
    ///
    /// # Errors
    /// As [`OrderedBags::add`].
    pub fn merge(&mut self, slots: &[u32], other: &Self, other_slots: &[u32]) -> Result<()> {
        for (&slot, &from) in slots.iter().zip(other_slots) {
            for (bytes, count) in other.bag(from).counts() {
                self.add(slot, bytes, count)?;
            }
        }
        Ok(())
    }

    /// Empties the multiset of a slot.
    pub fn reset(&mut self, slot: u32) {
        for row in self.bag(slot).rows() {
            self.forest.rows.set(row as usize, &[]);
            self.slots.release(row);
        }
        self.forest.forget(slot);
    }

    /// Empties all multisets and keeps memory for new ones.
    pub fn clear(&mut self) {
        self.forest.clear();
        self.counts.clear();
        self.slots.clear();
    }

    /// The same multisets, sharing memory; neither sees later changes of the other.
    pub fn snapshot(&mut self) -> Self {
        Self {
            forest: self.forest.snapshot(),
            counts: self.counts.snapshot(),
            slots: self.slots.copied(),
        }
    }

    fn count(&self, row: u32) -> i64 {
        *self.counts.at(row as usize)
    }
}

impl Container for OrderedBags {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.forest.parts(parts)?;
        self.counts.parts(parts)?;
        self.slots.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.forest.state_bytes() + self.counts.state_bytes() + self.slots.state_bytes()
    }
}

/// The multiset of one slot.
#[derive(Clone, Copy)]
pub struct Bag<'a> {
    bags: &'a OrderedBags,
    slot: u32,
}

impl<'a> Bag<'a> {
    /// How many strings there are, each as often as it is there.
    pub fn len(self) -> u64 {
        self.bags.forest.root(self.slot).sum as u64
    }

    /// Whether no string is there.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The string of this rank, counted from zero and from the least one.
    pub fn nth(self, rank: u64) -> Option<&'a [u8]> {
        let OrderedBags { forest, counts, .. } = self.bags;
        let present = |row: u32| (*counts.at(row as usize)).max(0);
        let row = forest.row_of_sum(self.slot, i64::try_from(rank).ok()?, present)?;
        Some(forest.rows.value(row as usize))
    }

    /// The strings that are there, ascending, with how often each is.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], u64)> {
        self.counts().filter(|(_, count)| *count > 0).map(|(row, count)| (row, count as u64))
    }

    /// All counts, ascending by string.
    pub fn counts(self) -> impl Iterator<Item = (&'a [u8], i64)> {
        let bags = self.bags;
        let of = move |row: u32| (bags.forest.rows.value(row as usize), bags.count(row));
        self.rows().into_iter().map(of)
    }

    fn rows(self) -> Vec<u32> {
        let mut rows = Vec::new();
        self.bags.forest.collect(self.slot, 0..usize::MAX, &mut rows);
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::state::Snapshot;

    type Model = Vec<BTreeMap<Vec<u8>, i64>>;

    fn check(bags: &OrderedBags, models: &Model) {
        for (slot, model) in models.iter().enumerate() {
            let bag = bags.bag(slot as u32);
            let counts: Vec<(&[u8], i64)> = model.iter().map(|(r, c)| (r.as_slice(), *c)).collect();
            assert_eq!(bag.counts().collect::<Vec<_>>(), counts);
            let present: Vec<(&[u8], u64)> =
                counts.iter().filter(|(_, c)| *c > 0).map(|(r, c)| (*r, *c as u64)).collect();
            assert_eq!(bag.iter().collect::<Vec<_>>(), present);
            let all: Vec<&[u8]> =
                present.iter().flat_map(|(row, count)| vec![*row; *count as usize]).collect();
            assert_eq!(bag.len() as usize, all.len());
            assert_eq!(bag.is_empty(), all.is_empty());
            let end = all.len();
            for rank in [0, 1, end / 3, end / 2, end * 5 / 6, end.saturating_sub(1), end] {
                assert_eq!(bag.nth(rank as u64), all.get(rank).copied(), "rank {rank}");
            }
        }
    }

    /// Random additions and removals against a map; snapshots taken on the way stay as they were
    /// and put it back.
    #[test]
    fn agrees_with_a_map() {
        let mut state = 7u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut bags = OrderedBags::default();
        let mut models: Model = vec![BTreeMap::new(); 4];
        let mut snapshots = Vec::new();
        for step in 0..30_000 {
            let slot = next(4) as usize;
            let row = match slot {
                0 => format!("{step:06}").into_bytes(),
                1 => format!("a beginning of more than sixteen bytes {}", next(40)).into_bytes(),
                _ => format!("{:x}", next(900) * next(900)).into_bytes(),
            };
            // The first half grows, the second shrinks; counts also pass below zero.
            let weight = if next(10) < if step < 15_000 { 8 } else { 3 } { 1 } else { -1 };
            let row = match (weight, models[slot].keys().nth(next(20) as usize)) {
                (-1, Some(known)) => known.clone(),
                _ => row,
            };
            bags.add(slot as u32, &row, weight).unwrap();
            let count = models[slot].entry(row.clone()).or_default();
            *count += weight;
            if *count == 0 {
                models[slot].remove(&row);
            }
            if step % 5_000 == 4_000 {
                bags.reset(slot as u32);
                models[slot].clear();
            }
            if step % 3_000 == 0 {
                let snapshot = (Snapshot::take(&mut bags).unwrap(), bags.snapshot());
                snapshots.push((snapshot, models.clone()));
            }
            if step % 397 == 0 {
                check(&bags, &models);
            }
            if step == 24_000 {
                // Back to an earlier time, and on from there.
                let ((snapshot, _), then) = &snapshots[6];
                snapshot.restore(&mut bags).unwrap();
                models = then.clone();
                check(&bags, &models);
            }
        }
        for ((parts, copy), models) in &snapshots {
            check(copy, models);
            let mut restored = OrderedBags::default();
            parts.restore(&mut restored).unwrap();
            check(&restored, models);
            restored.add(9, b"new", 2).unwrap();
        }
        let mut merged = OrderedBags::default();
        merged.merge(&[0, 0], &bags, &[1, 2]).unwrap();
        let mut model = models[1].clone();
        for (row, count) in &models[2] {
            *model.entry(row.clone()).or_default() += count;
        }
        model.retain(|_, count| *count != 0);
        check(&merged, &vec![model]);
        for (slot, model) in models.iter().enumerate() {
            for (row, count) in model {
                bags.add(slot as u32, row, -count).unwrap();
            }
        }
        check(&bags, &vec![BTreeMap::new(); 4]);
        assert_eq!(bags.slots.len(), 0);
    }
}
