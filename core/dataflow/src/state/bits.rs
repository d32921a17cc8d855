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
