//! [`Bits`]: a set of slots as a bitmap in copy-on-write pages.

use arrow::buffer::{BooleanBuffer, NullBuffer};

use laminar_types::Result;

use super::{Container, Paged, Parts};

/// A set of slots. What was never set is not in it; memory follows the largest slot ever set.
pub struct Bits {
    words: Paged<u64>,
}

impl Default for Bits {
    fn default() -> Self {
        Self { words: Paged::new(0) }
    }
}

impl Bits {
    /// Whether `slot` is in the set.
    #[inline]
    pub fn contains(&self, slot: u32) -> bool {
        let word = slot as usize / 64;
        word < self.words.len() && self.words.at(word) >> (slot % 64) & 1 == 1
    }

    /// Puts `slot` in the set; tells whether it was not there.
    #[inline]
    pub fn insert(&mut self, slot: u32) -> bool {
        let word = slot as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1);
        }
        let bit = 1 << (slot % 64);
        if self.words.at(word) & bit != 0 {
            return false;
        }
        *self.words.at_mut(word) |= bit;
        true
    }

    /// Takes `slot` out of the set.
    pub fn remove(&mut self, slot: u32) {
        if self.contains(slot) {
            *self.words.at_mut(slot as usize / 64) &= !(1 << (slot % 64));
        }
    }

    /// A mask over these slots: valid where the slot is in the set; `None` if all are.
    pub fn nulls(&self, slots: &[u32]) -> Option<NullBuffer> {
        let valid = BooleanBuffer::collect_bool(slots.len(), |row| self.contains(slots[row]));
        Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0)
    }

    /// Empties the set and keeps its memory.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// The same set, sharing pages; neither sees later changes of the other.
    pub fn snapshot(&mut self) -> Self {
        Self { words: self.words.snapshot() }
    }
}

impl Container for Bits {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.words.parts(parts)
    }

    fn state_bytes(&self) -> usize {
        self.words.state_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::state::Snapshot;

    #[test]
    fn agrees_with_a_set() {
        let mut state = 5u64;
        let mut next = |below: u32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u32 % below
        };
        let check = |bits: &Bits, model: &BTreeSet<u32>| {
            assert!((0..5_000).all(|slot| bits.contains(slot) == model.contains(&slot)));
        };
        let (mut bits, mut model) = (Bits::default(), BTreeSet::new());
        let mut snapshots = Vec::new();
        for step in 0..6_000 {
            let slot = next(1 + step / 2);
            if next(3) == 0 {
                bits.remove(slot);
                model.remove(&slot);
            } else {
                assert_eq!(bits.insert(slot), model.insert(slot));
            }
            if step % 500 == 250 {
                snapshots.push((Snapshot::take(&mut bits).unwrap(), model.clone()));
            }
            if step % 1_700 == 1_699 {
                let (snapshot, then) = &snapshots[next(snapshots.len() as u32) as usize];
                snapshot.restore(&mut bits).unwrap();
                model = then.clone();
            }
        }
        check(&bits, &model);
        for (snapshot, model) in snapshots {
            let mut restored = Bits::default();
            snapshot.restore(&mut restored).unwrap();
            check(&restored, &model);
        }
    }
}
