//! [`SlotSet`]: which slots were met since the set was last emptied. Scratch, not state.

/// A set of slots that is emptied by taking out what was put in.
#[derive(Default)]
pub struct SlotSet {
    words: Vec<u64>,
}

impl SlotSet {
    /// Puts a slot in; tells whether it was not there.
    #[inline]
    pub fn insert(&mut self, slot: u32) -> bool {
        let word = slot as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bit = 1 << (slot % 64);
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    /// Takes a slot out that was put in.
    #[inline]
    pub fn remove(&mut self, slot: u32) {
        self.words[slot as usize / 64] &= !(1 << (slot % 64));
    }

    /// Bytes allocated.
    pub fn state_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}
