//! [`GroupIndex`]: gives each row the slot of its group, and slots back their keys.
//!
//! Keys are equal as in GROUP BY: null equals null, NaN equals NaN, and -0.0 equals 0.0 (the
//! group's key reads 0.0, as DataFusion's hash aggregation has it). How they are held follows
//! from their types:
//!
//! | key columns | representation |
//! |---|---|
//! | none | one group, slot 0, always there |
//! | fixed width, at most 32 bytes with null bits | one to four words ([`FixedKeys`]) |
//! | one string or binary column | 16 bytes, long strings in an arena ([`ByteKeys`]) |
//! | anything else | the columns' row encoding, held like a string ([`RowKeys`]) |
//!
//! Dictionary and run-end encoded columns are held as their values.

use std::borrow::Cow;

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use laminar_types::rows::ColumnKind;
use laminar_types::{Error, Result, RowBlock};

use super::byte_keys::ByteKeys;
use super::fixed_keys::FixedKeys;
use super::hash::KeyHasher;
use super::layout::Layout;
use super::row_keys::RowKeys;
use super::slots::{LiveSlots, Slots};
use super::table::Table;
use super::{ByteColumn, Container, Parts, arrow_error};

/// What [`GroupIndex::lookup`] gives for a key without a group.
pub const NO_SLOT: u32 = u32::MAX;

/// The hash of the null that is kept apart.
pub(super) const NULL_HASH: u32 = 0x5851_f42d;

/// How many rows ahead of the search a batch prefetches.
const AHEAD: usize = 16;

/// An index from the values of key columns to slots.
pub struct GroupIndex {
    types: Vec<DataType>,
    plain_types: Vec<DataType>,
    keys: Keys,
    search: Search,
}

enum Keys {
    None,
    Fixed1(FixedKeys<1>),
    Fixed2(FixedKeys<2>),
    Fixed3(FixedKeys<3>),
    Fixed4(FixedKeys<4>),
    Bytes(ByteKeys),
    Rows(RowKeys),
}

/// Evaluates an expression for the representation in use; `$none` is for no key columns.
macro_rules! each_keys {
    ($keys:expr, $name:ident => $body:expr, $none:expr) => {
        match $keys {
            Keys::None => $none,
            Keys::Fixed1($name) => $body,
            Keys::Fixed2($name) => $body,
            Keys::Fixed3($name) => $body,
            Keys::Fixed4($name) => $body,
            Keys::Bytes($name) => $body,
            Keys::Rows($name) => $body,
        }
    };
}

impl GroupIndex {
    /// An index over key columns of these types.
    ///
    /// # Errors
    /// `UNSUPPORTED` when Arrow's row format has no encoding of a type.
    pub fn new(types: &[DataType]) -> Result<Self> {
        let plain_types: Vec<DataType> = types.iter().map(plain_type).collect();
        let keys = if types.is_empty() {
            Keys::None
        } else if let Some(layout) = Layout::new(&plain_types) {
            match layout.words() {
                1 => Keys::Fixed1(FixedKeys::new(layout)),
                2 => Keys::Fixed2(FixedKeys::new(layout)),
                3 => Keys::Fixed3(FixedKeys::new(layout)),
                _ => Keys::Fixed4(FixedKeys::new(layout)),
            }
        } else if let [data_type] = plain_types.as_slice()
            && ByteColumn::supports(data_type)
        {
            Keys::Bytes(ByteKeys::new(data_type.clone()))
        } else {
            Keys::Rows(RowKeys::new(&plain_types)?)
        };
        let mut search = Search::default();
        if types.is_empty() {
            search.slots.allocate()?;
        }
        Ok(Self { types: types.to_vec(), plain_types, keys, search })
    }

    /// Puts into `slots` the slot of each row's group, making groups for keys that have none, in
    /// the order of their first rows.
    ///
    /// # Errors
    /// When there would be more than 2^31 groups; groups in [`GroupIndex::created`] exist then.
    pub fn intern(&mut self, keys: &[ArrayRef], rows: usize, slots: &mut Vec<u32>) -> Result<()> {
        slots.clear();
        self.search.created.clear();
        let keys = &*self.plain(keys)?;
        each_keys!(&mut self.keys, stored => stored.intern(&mut self.search, keys, rows, slots), {
            slots.resize(rows, 0);
            Ok(())
        })
    }

    /// Whether [`GroupIndex::intern_row`] works: keys are held as the values that a block has.
    pub fn takes_rows(&self) -> bool {
        let is_held = |data_type: &DataType| {
            // Floats are held with one zero and one NaN.
            ColumnKind::of(data_type).is_some() && !data_type.is_floating()
        };
        !matches!(self.keys, Keys::Rows(_)) && self.types.iter().all(is_held)
    }

    /// The slot of the group of one row of a block, whose keys stand in these columns, and whether
    /// the group was made for it.
    ///
    /// # Errors
    /// As [`GroupIndex::intern`].
    pub fn intern_row(
        &mut self,
        rows: &RowBlock,
        row: usize,
        columns: &[usize],
    ) -> Result<(u32, bool)> {
        let search = &mut self.search;
        match &mut self.keys {
            Keys::None => Ok((0, false)),
            Keys::Fixed1(stored) => stored.intern_row(search, rows, row, columns),
            Keys::Fixed2(stored) => stored.intern_row(search, rows, row, columns),
            Keys::Fixed3(stored) => stored.intern_row(search, rows, row, columns),
            Keys::Fixed4(stored) => stored.intern_row(search, rows, row, columns),
            Keys::Bytes(stored) => stored.intern_row(search, rows, row, columns),
            Keys::Rows(_) => Err(Error::internal("keys of this type have no form as a row")),
        }
    }

    /// Puts into `slots` the slot of each row's group, or [`NO_SLOT`] where there is none.
    pub fn lookup(&mut self, keys: &[ArrayRef], rows: usize, slots: &mut Vec<u32>) -> Result<()> {
        slots.clear();
        let keys = &*self.plain(keys)?;
        each_keys!(&mut self.keys, stored => stored.lookup(&mut self.search, keys, rows, slots), {
            slots.resize(rows, 0);
            Ok(())
        })
    }

    /// An index whose [`hash`](Self::hash) is the same in every process.
    pub(super) fn unseeded(types: &[DataType]) -> Result<Self> {
        let mut index = Self::new(types)?;
        index.search.hasher = KeyHasher::unseeded();
        Ok(index)
    }

    /// Puts the hash of each row's key into `hashes`.
    pub(super) fn hash(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        hashes: &mut Vec<u32>,
    ) -> Result<()> {
        let keys = &*self.plain(keys)?;
        let search = &mut self.search;
        search.hashes.clear();
        each_keys!(&mut self.keys, stored => stored.hash_all(search, keys, rows)?, {
            search.hashes.resize(rows, 0);
        });
        std::mem::swap(&mut search.hashes, hashes);
        Ok(())
    }

    /// The hash of the key of one row of a block, if keys have that form.
    pub(super) fn hash_row(&self, rows: &RowBlock, row: usize, columns: &[usize]) -> Option<u32> {
        let hasher = &self.search.hasher;
        match &self.keys {
            Keys::None => Some(0),
            Keys::Fixed1(stored) => Some(stored.hash_row(hasher, rows, row, columns)),
            Keys::Fixed2(stored) => Some(stored.hash_row(hasher, rows, row, columns)),
            Keys::Fixed3(stored) => Some(stored.hash_row(hasher, rows, row, columns)),
            Keys::Fixed4(stored) => Some(stored.hash_row(hasher, rows, row, columns)),
            Keys::Bytes(stored) => Some(stored.hash_row(hasher, rows, row, columns)),
            Keys::Rows(_) => None,
        }
    }

    /// Makes a group here for each group of `other`, an index over the same types: group
    /// `theirs[i]` there is group `ours[i]` here.
    ///
    /// # Errors
    /// As [`GroupIndex::intern`].
    pub fn intern_all(
        &mut self,
        other: &Self,
        ours: &mut Vec<u32>,
        theirs: &mut Vec<u32>,
    ) -> Result<()> {
        debug_assert_eq!(self.types, other.types);
        ours.clear();
        theirs.clear();
        self.search.created.clear();
        theirs.extend(other.live_slots());
        let null = other.search.null_slot;
        let search = &mut self.search;
        match (&mut self.keys, &other.keys) {
            (Keys::Fixed1(a), Keys::Fixed1(b)) => a.intern_all(search, b, theirs, null, ours),
            (Keys::Fixed2(a), Keys::Fixed2(b)) => a.intern_all(search, b, theirs, null, ours),
            (Keys::Fixed3(a), Keys::Fixed3(b)) => a.intern_all(search, b, theirs, null, ours),
            (Keys::Fixed4(a), Keys::Fixed4(b)) => a.intern_all(search, b, theirs, null, ours),
            (Keys::Bytes(a), Keys::Bytes(b)) => a.intern_all(search, b, theirs, null, ours),
            (Keys::Rows(a), Keys::Rows(b)) => a.intern_all(search, b, theirs, null, ours),
            (Keys::None, Keys::None) => {
                ours.push(0);
                Ok(())
            }
            _ => Err(Error::internal("groups of one table were merged into another's")),
        }
    }

    /// Forgets the group of a live slot; the slot will be given to another. The one group of an
    /// index without key columns stays.
    pub fn remove(&mut self, slot: u32) {
        debug_assert!(self.is_live(slot));
        each_keys!(&mut self.keys, stored => {
            if self.search.null_slot == Some(slot) {
                self.search.null_slot = None;
            } else {
                self.search.table.remove(stored.hash(&self.search.hasher, slot), slot);
                stored.forget(slot);
            }
            self.search.slots.release(slot);
        }, {});
    }

    /// The types of the key columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The keys of these live slots, as columns of exactly the types of the index.
    pub fn keys(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        self.keys.decode(slots, self.search.null_slot, &self.types)
    }

    /// The slots whose groups the last `intern` or `intern_all` made, in the order of first touch.
    pub fn created(&self) -> &[u32] {
        &self.search.created
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.search.slots.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One past the largest slot in use, so the size that columns beside this index need.
    pub fn slots(&self) -> usize {
        self.search.slots.end()
    }

    /// Whether a slot belongs to a group.
    pub fn is_live(&self, slot: u32) -> bool {
        self.search.slots.is_live(slot)
    }

    /// The slots of all groups, ascending.
    pub fn live_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.search.slots.live()
    }

    /// Forgets all groups and keeps memory for new ones.
    pub fn clear(&mut self) {
        let Search { table, slots, null_slot, created, .. } = &mut self.search;
        each_keys!(&mut self.keys, stored => {
            stored.clear();
            table.clear();
            slots.clear();
        }, {});
        *null_slot = None;
        created.clear();
    }

    /// The keys of all groups as they are now, to be read while this index goes on.
    pub fn snapshot(&mut self) -> GroupKeys {
        GroupKeys {
            types: self.types.clone(),
            keys: self.keys.snapshot(),
            null_slot: self.search.null_slot,
            live: self.search.slots.snapshot(),
        }
    }

    /// The columns as plain values: as they are, unless one is encoded.
    fn plain<'a>(&self, keys: &'a [ArrayRef]) -> Result<Cow<'a, [ArrayRef]>> {
        debug_assert_eq!(keys.len(), self.types.len());
        if self.types == self.plain_types {
            return Ok(Cow::Borrowed(keys));
        }
        let columns = keys.iter().zip(&self.plain_types);
        let columns = columns.map(|(column, to)| cast(column, to).map_err(arrow_error));
        columns.collect::<Result<_>>().map(Cow::Owned)
    }
}

impl Container for GroupIndex {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Search { hasher, table, slots, null_slot, created, .. } = &mut self.search;
        slots.parts(parts)?;
        parts.number(null_slot)?;
        each_keys!(&mut self.keys, stored => {
            stored.parts(parts)?;
            if parts.are_put_back() {
                table.clear();
                for slot in slots.live().filter(|slot| Some(*slot) != *null_slot) {
                    table.enter(stored.hash(hasher, slot), slot);
                }
            }
        }, {});
        created.clear();
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let search = &self.search;
        let keys = each_keys!(&self.keys, stored => stored.state_bytes(), 0);
        keys + search.table.state_bytes() + search.slots.state_bytes()
    }
}

/// The keys of an index at one moment.
pub struct GroupKeys {
    types: Vec<DataType>,
    keys: Keys,
    null_slot: Option<u32>,
    live: LiveSlots,
}

impl GroupKeys {
    /// The keys of these slots, as columns of exactly the types of the index.
    pub fn keys(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        self.keys.decode(slots, self.null_slot, &self.types)
    }

    /// The types of the key columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// How many groups there were.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether there was no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots of all groups, ascending.
    pub fn live_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.live.iter()
    }
}

impl Keys {
    fn decode(
        &self,
        slots: &[u32],
        null_slot: Option<u32>,
        types: &[DataType],
    ) -> Result<Vec<ArrayRef>> {
        let mut columns = each_keys!(self, stored => stored.decode(slots, null_slot)?, Vec::new());
        for (column, data_type) in columns.iter_mut().zip(types) {
            if column.data_type() != data_type {
                *column = cast(column, data_type).map_err(arrow_error)?;
            }
        }
        Ok(columns)
    }

    fn snapshot(&mut self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Fixed1(stored) => Self::Fixed1(stored.snapshot()),
            Self::Fixed2(stored) => Self::Fixed2(stored.snapshot()),
            Self::Fixed3(stored) => Self::Fixed3(stored.snapshot()),
            Self::Fixed4(stored) => Self::Fixed4(stored.snapshot()),
            Self::Bytes(stored) => Self::Bytes(stored.snapshot()),
            Self::Rows(stored) => Self::Rows(stored.snapshot()),
        }
    }
}

/// Keys by slot, in one representation.
pub(super) trait KeyColumn {
    /// A key to be looked for or stored.
    type Probe<'a>: Copy;

    fn hash(&self, hasher: &KeyHasher, probe: Self::Probe<'_>) -> u32;
    fn matches(&self, slot: u32, probe: Self::Probe<'_>) -> bool;
    /// Stores the key of a slot, which may be past the end.
    fn store(&mut self, slot: u32, probe: Self::Probe<'_>);
    fn prefetch(&self, slot: u32);
}

/// What all representations share: the table, the slots in use, the null group, scratch.
#[derive(Default)]
pub(super) struct Search {
    pub(super) hasher: KeyHasher,
    table: Table,
    slots: Slots,
    null_slot: Option<u32>,
    created: Vec<u32>,
    hashes: Vec<u32>,
}

impl Search {
    /// Appends to `out` the slots of a batch, making groups. `nulls` are rows of the null group.
    pub(super) fn intern<'a, C: KeyColumn>(
        &mut self,
        keys: &mut C,
        rows: usize,
        nulls: Option<&NullBuffer>,
        probe: impl Fn(usize) -> C::Probe<'a>,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        self.hash_batch(keys, rows, &probe);
        let first = out.len();
        out.resize(first + rows, NO_SLOT);
        let out = &mut out[first..];
        let mut row = 0;
        while let Some((missing, at)) = self.find_run(keys, row, nulls, &probe, out) {
            out[missing] = match at {
                Some(at) => self.create(keys, at, self.hashes[missing], probe(missing))?,
                None => self.create_null(keys, probe(missing))?,
            };
            row = missing + 1;
        }
        Ok(())
    }

    /// The slot of one key, and whether its group was made.
    pub(super) fn intern_one<C: KeyColumn>(
        &mut self,
        keys: &mut C,
        key: C::Probe<'_>,
        is_null: bool,
    ) -> Result<(u32, bool)> {
        self.created.clear();
        if is_null {
            return match self.null_slot {
                Some(slot) => Ok((slot, false)),
                None => Ok((self.create_null(keys, key)?, true)),
            };
        }
        let hash = keys.hash(&self.hasher, key);
        match self.table.find(hash, |slot| keys.matches(slot, key)) {
            Ok(slot) => Ok((slot, false)),
            Err(at) => Ok((self.create(keys, at, hash, key)?, true)),
        }
    }

    /// Appends to `out` the slots of a batch, [`NO_SLOT`] for keys without a group.
    pub(super) fn lookup<'a, C: KeyColumn>(
        &mut self,
        keys: &C,
        rows: usize,
        nulls: Option<&NullBuffer>,
        probe: impl Fn(usize) -> C::Probe<'a>,
        out: &mut Vec<u32>,
    ) {
        self.hash_batch(keys, rows, &probe);
        let first = out.len();
        out.resize(first + rows, NO_SLOT);
        let out = &mut out[first..];
        let mut row = 0;
        while let Some((missing, _)) = self.find_run(keys, row, nulls, &probe, out) {
            row = missing + 1;
        }
    }

    /// Leaves the hashes of a batch's keys in [`Search::hashes`], one for all `nulls`.
    pub(super) fn hash_all<'a, C: KeyColumn>(
        &mut self,
        keys: &C,
        rows: usize,
        nulls: Option<&NullBuffer>,
        probe: impl Fn(usize) -> C::Probe<'a>,
    ) {
        self.hash_batch(keys, rows, &probe);
        if let Some(nulls) = nulls {
            for (hash, is_valid) in self.hashes.iter_mut().zip(nulls) {
                *hash = if is_valid { *hash } else { NULL_HASH };
            }
        }
    }

    /// Finds the slots of the rows from `first` on, up to a row without a group, which it returns
    /// with its place in the table, or none for the null group. Nothing changes meanwhile, so that
    /// the compiler can keep everything but the rows in registers.
    #[inline(always)]
    fn find_run<'a, C: KeyColumn>(
        &self,
        keys: &C,
        first: usize,
        nulls: Option<&NullBuffer>,
        probe: &impl Fn(usize) -> C::Probe<'a>,
        out: &mut [u32],
    ) -> Option<(usize, Option<usize>)> {
        let hashes = &self.hashes[..out.len()];
        let is_far = self.table.is_far();
        for row in first..out.len() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                match self.null_slot {
                    Some(slot) => out[row] = slot,
                    None => return Some((row, None)),
                }
                continue;
            }
            if is_far {
                self.prefetch(keys, row);
            }
            let key = probe(row);
            match self.table.find(hashes[row], |slot| keys.matches(slot, key)) {
                Ok(slot) => out[row] = slot,
                Err(at) => return Some((row, Some(at))),
            }
        }
        None
    }

    fn hash_batch<'a, C: KeyColumn>(
        &mut self,
        keys: &C,
        rows: usize,
        probe: &impl Fn(usize) -> C::Probe<'a>,
    ) {
        let hasher = &self.hasher;
        self.hashes.clear();
        self.hashes.extend((0..rows).map(|row| keys.hash(hasher, probe(row))));
    }

    /// In a table that is not near, fetches what rows ahead will need: first the entry, and half
    /// way there the key that it most likely leads to.
    #[inline(always)]
    fn prefetch<C: KeyColumn>(&self, keys: &C, row: usize) {
        if let Some(&hash) = self.hashes.get(row + 2 * AHEAD) {
            self.table.prefetch(hash);
        }
        if let Some(&hash) = self.hashes.get(row + AHEAD) {
            keys.prefetch(self.table.guess(hash));
        }
    }

    #[cold]
    fn create<C: KeyColumn>(
        &mut self,
        keys: &mut C,
        at: usize,
        hash: u32,
        key: C::Probe<'_>,
    ) -> Result<u32> {
        let slot = self.slots.allocate()?;
        keys.store(slot, key);
        self.table.insert(at, hash, slot);
        self.created.push(slot);
        Ok(slot)
    }

    #[cold]
    fn create_null<C: KeyColumn>(&mut self, keys: &mut C, key: C::Probe<'_>) -> Result<u32> {
        let slot = self.slots.allocate()?;
        keys.store(slot, key);
        self.created.push(slot);
        self.null_slot = Some(slot);
        Ok(slot)
    }
}

/// The type that keys of `data_type` are held as.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "group_index_tests.rs"]
mod tests;
