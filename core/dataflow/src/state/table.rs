//! [`Table`]: an open-addressing hash table from 32-bit hashes to slots.
//!
//! An entry is eight bytes: the hash above, the slot plus one below, zero when empty. An entry's
//! home is given by the top bits of its hash, and entries stand behind their home without a gap
//! (linear probing), so the table is sorted by hash but for local disorder: doubling it is one
//! pass that reads and writes in order, and needs no key. A removal shifts entries back, so
//! there are no tombstones. Keys live elsewhere; whoever searches compares them.
#![allow(unsafe_code)]

use super::{advise_huge_pages, prefetch};

const FIRST_BITS: u32 = 4;
/// Entries of a table that is kept rather empty.
const SMALL_TABLE: usize = 8 * 1024;
/// Tables larger than this are worth prefetching.
const NEAR_BYTES: usize = 256 * 1024;

/// A hash table of slots.
#[derive(Default)]
pub(super) struct Table {
    /// Empty, or a power of two of them.
    entries: Vec<u64>,
    /// 32 less the logarithm of the table's size.
    shift: u32,
    len: usize,
}

impl Table {
    /// Looks for an entry of `hash` for whose slot `matches` holds; `Err` is where it belongs.
    #[inline(always)]
    pub(super) fn find(&self, hash: u32, matches: impl Fn(u32) -> bool) -> Result<u32, usize> {
        if self.entries.is_empty() {
            return Err(0);
        }
        let mask = self.entries.len() - 1;
        let mut at = (hash >> self.shift) as usize;
        loop {
            // SAFETY: `shift` leaves as many bits as the table's size has, and `mask` keeps the
            // position below it.
            let entry = unsafe { *self.entries.get_unchecked(at) };
            if entry == 0 {
                return Err(at);
            }
            if (entry >> 32) as u32 == hash && matches(entry as u32 - 1) {
                return Ok(entry as u32 - 1);
            }
            at = (at + 1) & mask;
        }
    }

    /// Enters a slot where `find` with this hash said it belongs.
    pub(super) fn insert(&mut self, at: usize, hash: u32, slot: u32) {
        let mut at = at;
        if self.len >= limit(self.entries.len()) {
            self.grow();
            at = vacancy(&self.entries, self.shift, hash);
        }
        debug_assert_eq!(self.entries[at], 0);
        self.entries[at] = entry(hash, slot);
        self.len += 1;
    }

    /// Enters a slot that is not there.
    pub(super) fn enter(&mut self, hash: u32, slot: u32) {
        let at = match self.entries.is_empty() {
            true => 0,
            false => vacancy(&self.entries, self.shift, hash),
        };
        self.insert(at, hash, slot);
    }

    /// Takes out the entry of a slot; it must be there.
    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let mask = self.entries.len() - 1;
        let mut hole = (hash >> self.shift) as usize;
        while self.entries[hole] != entry(hash, slot) {
            debug_assert_ne!(self.entries[hole], 0, "a slot that is in the table");
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let next = self.entries[at];
            if next == 0 {
                break;
            }
            // An entry may move back unless its home lies behind the hole.
            let home = ((next >> 32) as u32 >> self.shift) as usize;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.entries[hole] = next;
                hole = at;
            }
        }
        self.entries[hole] = 0;
        self.len -= 1;
    }

    /// Whether the table is too large to be near, so that a batch should prefetch.
    pub(super) fn is_far(&self) -> bool {
        self.entries.len() * size_of::<u64>() > NEAR_BYTES
    }

    /// Asks the processor to bring the home of `hash` near.
    #[inline(always)]
    pub(super) fn prefetch(&self, hash: u32) {
        prefetch(self.entries.as_ptr().wrapping_add((hash >> self.shift) as usize));
    }

    /// The slot at the home of `hash`: a guess, most often right; past any slot if there is none.
    #[inline(always)]
    pub(super) fn guess(&self, hash: u32) -> u32 {
        let entry = self.entries.get((hash >> self.shift) as usize);
        (entry.copied().unwrap_or(0) as u32).wrapping_sub(1)
    }

    /// Empties the table and keeps its memory.
    pub(super) fn clear(&mut self) {
        if self.len > 0 {
            self.entries.fill(0);
            self.len = 0;
        }
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<u64>()
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let bits = match self.entries.len() {
            0 => FIRST_BITS,
            len => len.ilog2() + 1,
        };
        // Invariant: slots stay below 2^31, so three quarters of 2^32 entries are never needed.
        assert!(bits <= 32);
        let mut entries = vec![0u64; 1 << bits];
        // Every probe of a large table is a page walk otherwise.
        advise_huge_pages(entries.as_mut_ptr().cast(), size_of_val(entries.as_slice()));
        let shift = 32 - bits;
        for &old in self.entries.iter().filter(|&&old| old != 0) {
            let at = vacancy(&entries, shift, (old >> 32) as u32);
            entries[at] = old;
        }
        (self.entries, self.shift) = (entries, shift);
    }
}

#[inline(always)]
fn entry(hash: u32, slot: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(slot + 1)
}

/// How many entries a table of this size takes: three eighths of a small one, which is worth its
/// memory in collisions spared, three quarters of a large one.
fn limit(size: usize) -> usize {
    if size <= SMALL_TABLE { size / 8 * 3 } else { size / 4 * 3 }
}

/// The first empty place at or behind the home of `hash`.
fn vacancy(entries: &[u64], shift: u32, hash: u32) -> usize {
    let mask = entries.len() - 1;
    let mut at = (hash >> shift) as usize;
    while entries[at] != 0 {
        at = (at + 1) & mask;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_map_under_insertions_and_removals() {
        let mut table = Table::default();
        let mut model = std::collections::HashMap::new();
        let mut state = 1u64;
        for step in 0..200_000u32 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // Few distinct hashes, crowded at both ends, so that runs collide and wrap around.
            let hash = ((state >> 40) as u32 % 4096).wrapping_mul(0x0010_0001) ^ 0xFFFF_0000;
            if state >> 33 & 3 != 0 {
                if let Err(at) = table.find(hash, |_| true) {
                    table.insert(at, hash, step);
                    assert_eq!(model.insert(hash, step), None);
                }
            } else if let Some(slot) = model.remove(&hash) {
                table.remove(hash, slot);
            }
            assert_eq!(table.find(hash, |_| true).ok(), model.get(&hash).copied());
        }
        assert_eq!(table.len, model.len());
        for (&hash, &slot) in &model {
            assert_eq!(table.find(hash, |found| found == slot), Ok(slot));
        }
    }
}
