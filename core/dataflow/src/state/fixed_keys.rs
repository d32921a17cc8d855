//! [`FixedKeys`]: keys of fixed width, packed into `N` words each.

use arrow::array::ArrayRef;
use arrow::buffer::{BooleanBuffer, NullBuffer};
use laminar_types::{Result, RowBlock, mutant};

use super::group_index::{KeyColumn, NULL_HASH, Search};
use super::hash::KeyHasher;
use super::layout::Layout;
use super::{Container, Paged, Parts};

/// Packed keys by slot.
pub(super) struct FixedKeys<const N: usize> {
    layout: Layout,
    keys: Paged<[u64; N]>,
    packed: Vec<[u64; N]>,
}

impl<const N: usize> FixedKeys<N> {
    /// No keys, of this layout, which takes `N` words.
    pub(super) fn new(layout: Layout) -> Self {
        debug_assert_eq!(layout.words(), N);
        Self { layout, keys: Paged::new([0; N]), packed: Vec::new() }
    }

    pub(super) fn intern(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let nulls = self.layout.nulls_apart(columns).filter(|_| !mutant!(NullKeyIsAnother));
        let packed = self.layout.pack(columns, rows, &mut self.packed)?;
        search.intern(&mut self.keys, rows, nulls, |row| packed[row], out)
    }

    pub(super) fn intern_row(
        &mut self,
        search: &mut Search,
        rows: &RowBlock,
        row: usize,
        columns: &[usize],
    ) -> Result<(u32, bool)> {
        let (key, is_null) = self.layout.pack_row(rows, row, columns);
        search.intern_one(&mut self.keys, key, is_null && !mutant!(NullKeyIsAnother))
    }

    pub(super) fn lookup(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let nulls = self.layout.nulls_apart(columns);
        let packed = self.layout.pack(columns, rows, &mut self.packed)?;
        search.lookup(&self.keys, rows, nulls, |row| packed[row], out);
        Ok(())
    }

    pub(super) fn hash_all(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<()> {
        let nulls = self.layout.nulls_apart(columns);
        let packed = self.layout.pack(columns, rows, &mut self.packed)?;
        search.hash_all(&self.keys, rows, nulls, |row| packed[row]);
        Ok(())
    }

    pub(super) fn hash_row(
        &self,
        hasher: &KeyHasher,
        rows: &RowBlock,
        row: usize,
        columns: &[usize],
    ) -> u32 {
        let (key, is_null) = self.layout.pack_row::<N>(rows, row, columns);
        if is_null { NULL_HASH } else { hasher.words(&key) }
    }

    pub(super) fn intern_all(
        &mut self,
        search: &mut Search,
        other: &Self,
        theirs: &[u32],
        null_slot: Option<u32>,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let nulls = nulls_at(theirs, null_slot);
        let key = |row: usize| *other.keys.at(theirs[row] as usize);
        search.intern(&mut self.keys, theirs.len(), nulls.as_ref(), key, out)
    }

    pub(super) fn hash(&self, hasher: &KeyHasher, slot: u32) -> u32 {
        hasher.words(self.keys.at(slot as usize))
    }

    /// Nothing to give back: a key takes no memory of its own.
    pub(super) fn forget(&mut self, _slot: u32) {}

    pub(super) fn decode(&self, slots: &[u32], null_slot: Option<u32>) -> Result<Vec<ArrayRef>> {
        let keys: Vec<_> = slots.iter().map(|&slot| *self.keys.at(slot as usize)).collect();
        self.layout.unpack(&keys, nulls_at(slots, null_slot))
    }

    pub(super) fn snapshot(&mut self) -> Self {
        Self { layout: self.layout.clone(), keys: self.keys.snapshot(), packed: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.keys.parts(parts)
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.keys.state_bytes() + self.packed.capacity() * size_of::<[u64; N]>()
    }
}

/// Which of these slots is the null group's, if there is one among them.
pub(super) fn nulls_at(slots: &[u32], null_slot: Option<u32>) -> Option<NullBuffer> {
    let null_slot = null_slot?;
    slots.contains(&null_slot).then(|| {
        let is_valid = |row: usize| slots[row] != null_slot;
        NullBuffer::new(BooleanBuffer::collect_bool(slots.len(), is_valid))
    })
}

impl<const N: usize> KeyColumn for Paged<[u64; N]> {
    type Probe<'a> = [u64; N];

    #[inline(always)]
    fn hash(&self, hasher: &KeyHasher, probe: [u64; N]) -> u32 {
        hasher.words(&probe)
    }

    #[inline(always)]
    fn matches(&self, slot: u32, probe: [u64; N]) -> bool {
        *self.at(slot as usize) == probe
    }

    fn store(&mut self, slot: u32, probe: [u64; N]) {
        self.resize(slot as usize + 1);
        *self.at_mut(slot as usize) = probe;
    }

    #[inline(always)]
    fn prefetch(&self, slot: u32) {
        Paged::prefetch(self, slot as usize);
    }
}
