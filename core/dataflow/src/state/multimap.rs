//! [`Multimap`]: from the values of key columns to rows with weights, the state of a join's side.
//!
//! The rows of a key are a list in the order in which they came, so a probe finds them without a
//! search, and its result does not depend on hashing. A row's columns hold exactly what came. How
//! a row is found again, to be added to or taken back, follows from what the input promises:
//!
//! | [`Search`] | for | finding a row costs |
//! |---|---|---|
//! | `Never` | append-only input: each row is its own, of weight one, and stays | nothing |
//! | `Chain` | few different rows per key: a unique key, or no columns beside the key | a comparison |
//! | `Hash` | any other input | a second hash table over whole rows |
//!
//! Invariants: a slot in use is in the list of its key; a row of weight zero stays in use until
//! [`Multimap::settle`], so that what it was can still be read; a key without rows is forgotten
//! with its last one.

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use laminar_types::Result;

use super::group_index::NO_SLOT;
use super::hash::KeyHasher;
use super::row_columns::{RowColumns, View};
use super::slot_set::SlotSet;
use super::slots::Slots;
use super::table::Table;
use super::{Container, GroupIndex, GroupKeys, Paged, Parts, arrow_error};

/// The end of a list.
const NONE: u32 = u32::MAX;
/// How many rows ahead a batch prefetches.
const AHEAD: usize = 16;
/// Rows that are hashed at a time when the table over them is made anew.
const REBUILT_ROWS: usize = 8_192;

/// How a row is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Never: every row is a new one.
    Never,
    /// By going through the rows of its key.
    Chain,
    /// By a hash of all its values.
    Hash,
}

/// Rows with weights, by key.
pub struct Multimap {
    search: Search,
    keys: GroupIndex,
    /// By key: its first row and its last.
    ends: Paged<[u32; 2]>,
    /// By row: the next row of its key and the one before.
    links: Paged<[u32; 2]>,
    key_of: Paged<u32>,
    /// Absent where every weight is one.
    weights: Option<Paged<i64>>,
    columns: RowColumns,
    slots: Slots,
    rows: RowTable,
    /// Rows whose weight came to zero since the last `settle`.
    spent: Vec<u32>,
    /// Scratch: the slots of the keys of a batch.
    key_slots: Vec<u32>,
    /// Scratch: the slots that a batch changed; empty between batches.
    changed: SlotSet,
}

/// The hash table over whole rows, used by [`Search::Hash`] alone.
#[derive(Default)]
struct RowTable {
    hasher: KeyHasher,
    table: Table,
    /// By row, what it was entered with.
    hashes: Option<Paged<u32>>,
    batch: Vec<u64>,
}

/// What a batch did to one stored row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowChange {
    /// The first row of the batch that is this row.
    pub row: u32,
    /// Where the row is stored.
    pub slot: u32,
    /// Its weight before the batch. Zero for a row that is new.
    pub before: i64,
    /// What the batch added to it in all; never zero.
    pub change: i64,
}

/// A walk over the rows that match a batch of keys.
#[derive(Debug, Default)]
pub struct Probe {
    keys: Vec<u32>,
    row: usize,
    next: u32,
}

/// Rows read from a snapshot.
#[derive(Debug, PartialEq)]
pub struct StoredRows {
    /// The key columns.
    pub keys: Vec<ArrayRef>,
    /// The other columns.
    pub columns: Vec<ArrayRef>,
    /// The weight of each row.
    pub weights: Vec<i64>,
    /// Where each row is stored.
    pub slots: Vec<u32>,
}

impl Multimap {
    /// A map from keys of these types to rows with columns of these types, without rows.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a type cannot be kept.
    pub fn new(key_types: &[DataType], column_types: &[DataType], search: Search) -> Result<Self> {
        let mut map = Self {
            search,
            keys: GroupIndex::new(key_types)?,
            ends: Paged::new([NONE; 2]),
            links: Paged::new([NONE; 2]),
            key_of: Paged::new(NONE),
            weights: (search != Search::Never).then(|| Paged::new(0)),
            columns: RowColumns::new(column_types)?,
            slots: Slots::default(),
            rows: RowTable::default(),
            spent: Vec::new(),
            key_slots: Vec::new(),
            changed: SlotSet::default(),
        };
        map.rows.hashes = (search == Search::Hash).then(|| Paged::new(0));
        Ok(map)
    }

    /// Adds a batch of `rows` rows, absent weights being one each, and puts into `changes` what
    /// that did to each row, in the order in which the batch first names them. Rows of the batch
    /// that cancel each other are no change.
    ///
    /// # Errors
    /// When there would be more than 2^31 rows; the map is then to be given up.
    pub fn add(
        &mut self,
        keys: &[ArrayRef],
        columns: &[ArrayRef],
        weights: Option<&[i64]>,
        rows: usize,
        changes: &mut Vec<RowChange>,
    ) -> Result<()> {
        changes.clear();
        let mut key_slots = std::mem::take(&mut self.key_slots);
        self.keys.intern(keys, rows, &mut key_slots)?;
        self.ends.resize(self.keys.slots());
        self.reserve(self.slots.end() + rows);
        let view = self.columns.view(columns)?;
        if self.search == Search::Hash {
            self.rows.hash(&key_slots, &view);
        }
        for (row, &key) in key_slots.iter().enumerate() {
            self.prefetch(row, &key_slots);
            let weight = weights.map_or(1, |weights| weights[row]);
            match self.find(key, &view, row) {
                Ok(slot) => self.reweigh(slot, row, weight, changes),
                Err(place) => {
                    let slot = self.create(key, row, weight, place)?;
                    self.columns.write(slot, &view, row);
                    changes.push(RowChange { row: row as u32, slot, before: 0, change: weight });
                }
            }
        }
        self.key_slots = key_slots;
        self.sum_up(changes);
        Ok(())
    }

    /// Removes the rows whose weight is zero.
    pub fn settle(&mut self) {
        let mut spent = std::mem::take(&mut self.spent);
        for slot in spent.drain(..) {
            if self.slots.is_live(slot) && self.weight(slot) == 0 {
                self.remove(slot);
            }
        }
        self.spent = spent;
    }

    /// Makes the weight of a row zero: the next `settle` removes it.
    pub fn cancel(&mut self, slot: u32) {
        if let Some(weights) = &mut self.weights {
            *weights.at_mut(slot as usize) = 0;
            self.spent.push(slot);
        }
    }

    /// Forgets a row, whatever its weight.
    pub fn remove(&mut self, slot: u32) {
        debug_assert!(self.slots.is_live(slot));
        let [next, previous] = *self.links.at(slot as usize);
        let key = *self.key_of.at(slot as usize);
        match next {
            NONE => self.ends.at_mut(key as usize)[1] = previous,
            next => self.links.at_mut(next as usize)[1] = previous,
        }
        match previous {
            NONE => self.ends.at_mut(key as usize)[0] = next,
            previous => self.links.at_mut(previous as usize)[0] = next,
        }
        if let Some(hashes) = &self.rows.hashes {
            self.rows.table.remove(*hashes.at(slot as usize), slot);
        }
        self.columns.forget(slot);
        self.slots.release(slot);
        if next == NONE && previous == NONE {
            self.keys.remove(key);
        }
    }

    /// Begins a walk over the rows that match each of `rows` keys.
    pub fn probe(&mut self, keys: &[ArrayRef], rows: usize, probe: &mut Probe) -> Result<()> {
        self.keys.lookup(keys, rows, &mut probe.keys)?;
        probe.row = 0;
        probe.next = probe.keys.first().map_or(NONE, |&key| self.first(key));
        Ok(())
    }

    /// Goes on with a walk: puts up to `limit` pairs of a key's number in its batch and a matching
    /// row into `rows` and `slots`, by key and then in the order in which the rows came. Rows whose
    /// `weight` is zero match nothing. No pair means that the walk is over.
    pub fn matches(
        &self,
        probe: &mut Probe,
        limit: usize,
        (rows, slots): (&mut Vec<u32>, &mut Vec<u32>),
        weight: impl Fn(u32) -> i64,
    ) {
        rows.clear();
        slots.clear();
        while rows.len() < limit {
            let slot = probe.next;
            if slot == NONE {
                probe.row += 1;
                let Some(&key) = probe.keys.get(probe.row) else { return };
                if let Some(&ahead) = probe.keys.get(probe.row + 2 * AHEAD) {
                    self.ends.prefetch(ahead as usize);
                }
                if let Some(&ahead) = probe.keys.get(probe.row + AHEAD)
                    && ahead != NO_SLOT
                {
                    self.prefetch_row(self.first(ahead));
                }
                probe.next = self.first(key);
                continue;
            }
            probe.next = self.links.at(slot as usize)[0];
            if weight(slot) != 0 {
                rows.push(probe.row as u32);
                slots.push(slot);
            }
        }
    }

    /// The weight of a row.
    #[inline]
    pub fn weight(&self, slot: u32) -> i64 {
        self.weights.as_ref().map_or(1, |weights| *weights.at(slot as usize))
    }

    /// One column of these rows.
    pub fn gather(&self, column: usize, slots: &[u32]) -> Result<ArrayRef> {
        self.columns.gather(column, slots)
    }

    /// How many different rows there are, those of weight zero since the last `settle` included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One past the largest slot in use.
    pub fn slots(&self) -> usize {
        self.slots.end()
    }

    /// The keys and the weights of all rows, and where each is stored, about in the order in which they
    /// came.
    pub fn all(&mut self) -> Result<(Vec<ArrayRef>, Vec<i64>, Vec<u32>)> {
        self.settle();
        let slots: Vec<u32> = self.slots.live().collect();
        let keys: Vec<u32> = slots.iter().map(|slot| *self.key_of.at(*slot as usize)).collect();
        let weights = slots.iter().map(|slot| self.weight(*slot)).collect();
        Ok((self.keys.snapshot().keys(&keys)?, weights, slots))
    }

    /// The rows as they are now, to be read while this map goes on.
    pub fn snapshot(&mut self) -> MultimapSnapshot {
        MultimapSnapshot {
            keys: self.keys.snapshot(),
            ends: self.ends.snapshot(),
            links: self.links.snapshot(),
            weights: self.weights.as_mut().map(Paged::snapshot),
            columns: self.columns.snapshot(),
        }
    }

    /// Makes the table over whole rows out of the rows.
    fn rebuild(&mut self) -> Result<()> {
        let Some(hashes) = &mut self.rows.hashes else { return Ok(()) };
        hashes.resize(self.slots.end());
        self.rows.table.clear();
        let live: Vec<u32> = self.slots.live().collect();
        for slots in live.chunks(REBUILT_ROWS) {
            let columns = self.columns.types().enumerate();
            let columns = columns.map(|(column, data_type)| {
                // The row format gives the values of dictionaries, not their codes.
                cast(&self.columns.gather(column, slots)?, data_type).map_err(arrow_error)
            });
            let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
            let keys: Vec<u32> = slots.iter().map(|slot| *self.key_of.at(*slot as usize)).collect();
            self.rows.hash(&keys, &self.columns.view(&columns)?);
            for (row, slot) in slots.iter().enumerate() {
                self.rows.enter(row, *slot);
            }
        }
        Ok(())
    }

    #[inline]
    fn first(&self, key: u32) -> u32 {
        match key {
            NO_SLOT => NONE,
            // The one key of a map without key columns is there before any row.
            key if key as usize >= self.ends.len() => NONE,
            key => self.ends.at(key as usize)[0],
        }
    }

    /// The slot of the row of a batch, or where in the table of rows it belongs.
    #[inline]
    fn find(&self, key: u32, view: &View<'_>, row: usize) -> Result<u32, usize> {
        match self.search {
            Search::Never => Err(0),
            Search::Chain => {
                let mut slot = self.first(key);
                while slot != NONE && !self.columns.holds(slot, view, row) {
                    slot = self.links.at(slot as usize)[0];
                }
                if slot == NONE { Err(0) } else { Ok(slot) }
            }
            Search::Hash => self.rows.table.find(self.rows.hash_of(row), |slot| {
                *self.key_of.at(slot as usize) == key && self.columns.holds(slot, view, row)
            }),
        }
    }

    /// Makes `row` of a batch a new row at the end of its key's list, without its columns; it
    /// counts as changed. The table of rows takes it in at `place`, where `find` said.
    fn create(&mut self, key: u32, row: usize, weight: i64, place: usize) -> Result<u32> {
        let slot = self.slots.allocate()?;
        let index = slot as usize;
        let ends = self.ends.at_mut(key as usize);
        let last = ends[1];
        ends[1] = slot;
        match last {
            NONE => ends[0] = slot,
            last => self.links.at_mut(last as usize)[0] = slot,
        }
        *self.links.at_mut(index) = [NONE, last];
        *self.key_of.at_mut(index) = key;
        if let Some(weights) = &mut self.weights {
            *weights.at_mut(index) = weight;
            self.changed.insert(slot);
        }
        let hash = (self.search == Search::Hash).then(|| self.rows.hash_of(row));
        if let (Some(hash), Some(hashes)) = (hash, &mut self.rows.hashes) {
            *hashes.at_mut(index) = hash;
            self.rows.table.insert(place, hash, slot);
        }
        Ok(slot)
    }

    fn reweigh(&mut self, slot: u32, row: usize, weight: i64, changes: &mut Vec<RowChange>) {
        let Some(weights) = &mut self.weights else { return };
        let stored = weights.at_mut(slot as usize);
        if self.changed.insert(slot) {
            changes.push(RowChange { row: row as u32, slot, before: *stored, change: 0 });
        }
        *stored += weight;
    }

    /// Completes the changes of a batch by what each comes to.
    fn sum_up(&mut self, changes: &mut Vec<RowChange>) {
        let Some(weights) = &self.weights else { return };
        for change in changes.iter_mut() {
            self.changed.remove(change.slot);
            let weight = *weights.at(change.slot as usize);
            change.change = weight - change.before;
            if weight == 0 {
                self.spent.push(change.slot);
            }
        }
        changes.retain(|change| change.change != 0);
    }

    /// Gives every column beside the slots room for `len` rows.
    fn reserve(&mut self, len: usize) {
        self.links.resize(len);
        self.key_of.resize(len);
        if let Some(weights) = &mut self.weights {
            weights.resize(len);
        }
        if let Some(hashes) = &mut self.rows.hashes {
            hashes.resize(len);
        }
        self.columns.resize(len);
    }

    /// Fetches what rows ahead of `row` will need: first the ends of a list, then its rows.
    #[inline(always)]
    fn prefetch(&self, row: usize, keys: &[u32]) {
        if let Some(&key) = keys.get(row + 2 * AHEAD) {
            self.ends.prefetch(key as usize);
        }
        if let Some(&key) = keys.get(row + AHEAD) {
            if self.search == Search::Hash {
                self.rows.table.prefetch(self.rows.hash_of(row + AHEAD));
            }
            self.links.prefetch(self.ends.at(key as usize)[1] as usize);
        }
    }

    #[inline(always)]
    fn prefetch_row(&self, slot: u32) {
        self.links.prefetch(slot as usize);
        if let Some(weights) = &self.weights {
            weights.prefetch(slot as usize);
        }
    }
}

impl Container for Multimap {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        debug_assert!(self.spent.is_empty(), "rows are settled at the end of a step");
        self.keys.parts(parts)?;
        self.ends.parts(parts)?;
        self.links.parts(parts)?;
        self.key_of.parts(parts)?;
        if let Some(weights) = &mut self.weights {
            weights.parts(parts)?;
        }
        self.columns.parts(parts)?;
        self.slots.parts(parts)?;
        if parts.are_put_back() { self.rebuild() } else { Ok(()) }
    }

    fn state_bytes(&self) -> usize {
        self.keys.state_bytes()
            + self.ends.state_bytes()
            + self.links.state_bytes()
            + self.key_of.state_bytes()
            + self.weights.as_ref().map_or(0, Paged::state_bytes)
            + self.columns.state_bytes()
            + self.slots.state_bytes()
            + self.rows.state_bytes()
            + (self.key_slots.capacity() + self.spent.capacity()) * size_of::<u32>()
            + self.changed.state_bytes()
    }
}

impl RowTable {
    /// Enters a row of the batch last hashed.
    fn enter(&mut self, row: usize, slot: u32) {
        let hash = self.hash_of(row);
        if let Some(hashes) = &mut self.hashes {
            *hashes.at_mut(slot as usize) = hash;
        }
        self.table.enter(hash, slot);
    }

    /// The hashes of a batch: of each row's key and columns.
    fn hash(&mut self, keys: &[u32], view: &View<'_>) {
        self.batch.clear();
        self.batch.extend(keys.iter().map(|&key| u64::from(key)));
        view.hash(&self.hasher, &mut self.batch);
    }

    #[inline(always)]
    fn hash_of(&self, row: usize) -> u32 {
        (self.batch[row] >> 32) as u32
    }

    fn state_bytes(&self) -> usize {
        let Some(hashes) = &self.hashes else { return 0 };
        let batch = self.batch.capacity() * size_of::<u64>();
        self.table.state_bytes() + hashes.state_bytes() + batch
    }
}

/// The rows of a map at one moment.
pub struct MultimapSnapshot {
    keys: GroupKeys,
    ends: Paged<[u32; 2]>,
    links: Paged<[u32; 2]>,
    weights: Option<Paged<i64>>,
    columns: RowColumns,
}

impl MultimapSnapshot {
    /// All rows, at most `rows` of them at a time, each key's together and in the order in which
    /// they came. No piece is empty.
    pub fn chunks(&self, rows: usize) -> impl Iterator<Item = Result<StoredRows>> + '_ {
        let mut all =
            self.keys.live_slots().flat_map(|key| self.rows_of(key).map(move |s| (key, s)));
        std::iter::from_fn(move || {
            let (keys, slots): (Vec<u32>, Vec<u32>) = all.by_ref().take(rows.max(1)).unzip();
            (!slots.is_empty()).then(|| self.read(&keys, &slots))
        })
    }

    /// Finds keys in the snapshot. Costs a pass over all of them.
    pub fn key_lookup(&self) -> Result<KeyLookup<'_>> {
        let slots: Vec<u32> = self.keys.live_slots().collect();
        let keys = self.keys.keys(&slots)?;
        let types: Vec<DataType> = self.keys.types().to_vec();
        let mut index = GroupIndex::new(&types)?;
        let mut found = Vec::new();
        index.intern(&keys, slots.len(), &mut found)?;
        Ok(KeyLookup { snapshot: self, index, slots, found })
    }

    /// One column of these rows.
    pub fn gather(&self, column: usize, slots: &[u32]) -> Result<ArrayRef> {
        self.columns.gather(column, slots)
    }

    /// The rows of a key that [`KeyLookup::find`] found, in the order in which they came.
    pub fn rows_of(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let first =
            if (key as usize) < self.ends.len() { self.ends.at(key as usize)[0] } else { NONE };
        let listed = |slot: u32| (slot != NONE).then_some(slot);
        let next = move |&slot: &u32| listed(self.links.at(slot as usize)[0]);
        std::iter::successors(listed(first), next).filter(|&slot| self.weight(slot) != 0)
    }

    /// The weight of a row.
    pub fn weight(&self, slot: u32) -> i64 {
        self.weights.as_ref().map_or(1, |weights| *weights.at(slot as usize))
    }

    fn read(&self, keys: &[u32], slots: &[u32]) -> Result<StoredRows> {
        let columns = 0..self.columns.types().count();
        Ok(StoredRows {
            keys: self.keys.keys(keys)?,
            columns: columns.map(|c| self.columns.gather(c, slots)).collect::<Result<_>>()?,
            weights: slots.iter().map(|&slot| self.weight(slot)).collect(),
            slots: slots.to_vec(),
        })
    }
}

/// An index over the keys of a snapshot, which itself has none.
pub struct KeyLookup<'a> {
    snapshot: &'a MultimapSnapshot,
    index: GroupIndex,
    /// By slot of the index, the key's slot in the snapshot.
    slots: Vec<u32>,
    found: Vec<u32>,
}

impl KeyLookup<'_> {
    /// Each of `rows` keys as a key of the snapshot, if it has rows there.
    pub fn find(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>> {
        let Self { snapshot, index, slots, found } = self;
        index.lookup(keys, rows, found)?;
        let known = |slot: &u32| slots.get(*slot as usize).copied();
        let has_rows = |key: &u32| snapshot.rows_of(*key).next().is_some();
        Ok(found.iter().map(|slot| known(slot).filter(has_rows)).collect())
    }
}

#[cfg(test)]
#[path = "multimap_tests.rs"]
mod tests;
