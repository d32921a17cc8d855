//! [`ByteKeys`]: keys of one string or binary column.

use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, GenericByteArray, GenericByteViewArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ByteArrayType, ByteViewType, DataType};
use arrow::row::Rows;
use laminar_types::{Result, RowBlock};

use super::byte_array::{byte_array, each_byte_array};
use super::bytes::Cell;
use super::fixed_keys::nulls_at;
use super::group_index::{KeyColumn, NULL_HASH, Search};
use super::hash::KeyHasher;
use super::{ByteColumn, Container, Parts};

/// String or binary keys by slot.
pub(super) struct ByteKeys {
    data_type: DataType,
    keys: ByteColumn,
    cells: Vec<Cell>,
}

impl ByteKeys {
    pub(super) fn new(data_type: DataType) -> Self {
        Self { data_type, keys: ByteColumn::default(), cells: Vec::new() }
    }

    pub(super) fn intern(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let Self { keys, cells, .. } = self;
        let nulls = columns[0].nulls().filter(|nulls| nulls.null_count() > 0);
        each_byte_array!(columns[0], array => intern_bytes(
            search, keys, cells, rows, nulls, array, out
        ))
    }

    pub(super) fn intern_row(
        &mut self,
        search: &mut Search,
        rows: &RowBlock,
        row: usize,
        columns: &[usize],
    ) -> Result<(u32, bool)> {
        let value = rows.bytes(row, columns[0]);
        let is_null = rows.is_null(row, columns[0]);
        search.intern_one(&mut self.keys, (Cell::of(value), value), is_null)
    }

    pub(super) fn lookup(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let Self { keys, cells, .. } = self;
        let nulls = columns[0].nulls().filter(|nulls| nulls.null_count() > 0);
        each_byte_array!(columns[0], array => {
            lookup_bytes(search, keys, cells, rows, nulls, array, out);
        });
        Ok(())
    }

    pub(super) fn hash_all(
        &mut self,
        search: &mut Search,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<()> {
        let Self { keys, cells, .. } = self;
        let nulls = columns[0].nulls().filter(|nulls| nulls.null_count() > 0);
        each_byte_array!(columns[0], array => {
            hash_all_bytes(search, keys, cells, rows, nulls, array);
        });
        Ok(())
    }

    pub(super) fn hash_row(
        &self,
        hasher: &KeyHasher,
        rows: &RowBlock,
        row: usize,
        columns: &[usize],
    ) -> u32 {
        let value = rows.bytes(row, columns[0]);
        match rows.is_null(row, columns[0]) {
            true => NULL_HASH,
            false => self.keys.hash(hasher, (Cell::of(value), value)),
        }
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
        let values = Stored { column: &other.keys, slots: theirs };
        let Self { keys, cells, .. } = self;
        intern_bytes(search, keys, cells, theirs.len(), nulls.as_ref(), &values, out)
    }

    pub(super) fn hash(&self, hasher: &KeyHasher, slot: u32) -> u32 {
        hash_bytes(&self.keys, hasher, slot)
    }

    pub(super) fn forget(&mut self, slot: u32) {
        self.keys.set(slot as usize, &[]);
    }

    pub(super) fn decode(&self, slots: &[u32], null_slot: Option<u32>) -> Result<Vec<ArrayRef>> {
        let values = slots.iter().map(|&slot| self.keys.value(slot as usize));
        Ok(vec![byte_array(&self.data_type, values, nulls_at(slots, null_slot))?])
    }

    pub(super) fn snapshot(&mut self) -> Self {
        let data_type = self.data_type.clone();
        Self { data_type, keys: self.keys.snapshot(), cells: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.keys.parts(parts)
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.keys.state_bytes() + self.cells.capacity() * size_of::<Cell>()
    }
}

/// The byte strings of a batch, by row.
pub(super) trait ByteRows {
    fn bytes(&self, row: usize) -> &[u8];
}

impl<R: ByteRows + ?Sized> ByteRows for &R {
    #[inline(always)]
    fn bytes(&self, row: usize) -> &[u8] {
        R::bytes(self, row)
    }
}

impl<T: ByteArrayType> ByteRows for GenericByteArray<T> {
    #[inline(always)]
    fn bytes(&self, row: usize) -> &[u8] {
        self.value(row).as_ref()
    }
}

impl<T: ByteViewType + ?Sized> ByteRows for GenericByteViewArray<T> {
    #[inline(always)]
    fn bytes(&self, row: usize) -> &[u8] {
        self.value(row).as_ref()
    }
}

impl ByteRows for FixedSizeBinaryArray {
    #[inline(always)]
    fn bytes(&self, row: usize) -> &[u8] {
        self.value(row)
    }
}

impl ByteRows for Rows {
    #[inline(always)]
    fn bytes(&self, row: usize) -> &[u8] {
        self.row(row).data()
    }
}

/// Strings that another column holds, picked by slot.
pub(super) struct Stored<'a> {
    pub(super) column: &'a ByteColumn,
    pub(super) slots: &'a [u32],
}

impl ByteRows for Stored<'_> {
    fn bytes(&self, row: usize) -> &[u8] {
        self.column.value(self.slots[row] as usize)
    }
}

/// Interns a batch of byte strings; `cells` is scratch.
pub(super) fn intern_bytes(
    search: &mut Search,
    keys: &mut ByteColumn,
    cells: &mut Vec<Cell>,
    rows: usize,
    nulls: Option<&NullBuffer>,
    values: &impl ByteRows,
    out: &mut Vec<u32>,
) -> Result<()> {
    cells.clear();
    cells.extend((0..rows).map(|row| Cell::of(values.bytes(row))));
    search.intern(keys, rows, nulls, |row| (cells[row], values.bytes(row)), out)
}

/// Looks a batch of byte strings up; `cells` is scratch.
pub(super) fn lookup_bytes(
    search: &mut Search,
    keys: &ByteColumn,
    cells: &mut Vec<Cell>,
    rows: usize,
    nulls: Option<&NullBuffer>,
    values: &impl ByteRows,
    out: &mut Vec<u32>,
) {
    cells.clear();
    cells.extend((0..rows).map(|row| Cell::of(values.bytes(row))));
    search.lookup(keys, rows, nulls, |row| (cells[row], values.bytes(row)), out);
}

/// Hashes a batch of byte strings; `cells` is scratch.
pub(super) fn hash_all_bytes(
    search: &mut Search,
    keys: &ByteColumn,
    cells: &mut Vec<Cell>,
    rows: usize,
    nulls: Option<&NullBuffer>,
    values: &impl ByteRows,
) {
    cells.clear();
    cells.extend((0..rows).map(|row| Cell::of(values.bytes(row))));
    search.hash_all(keys, rows, nulls, |row| (cells[row], values.bytes(row)));
}

/// The hash of the key stored at a slot.
pub(super) fn hash_bytes(keys: &ByteColumn, hasher: &KeyHasher, slot: u32) -> u32 {
    let value = keys.value(slot as usize);
    keys.hash(hasher, (Cell::of(value), value))
}

impl KeyColumn for ByteColumn {
    type Probe<'a> = (Cell, &'a [u8]);

    #[inline(always)]
    fn hash(&self, hasher: &KeyHasher, (cell, value): Self::Probe<'_>) -> u32 {
        if cell.is_long() {
            hasher.bytes(value)
        } else {
            hasher.words(&[cell.0 as u64, (cell.0 >> 64) as u64])
        }
    }

    #[inline(always)]
    fn matches(&self, slot: u32, (cell, value): Self::Probe<'_>) -> bool {
        self.holds(slot as usize, cell, value)
    }

    fn store(&mut self, slot: u32, (cell, value): Self::Probe<'_>) {
        self.resize(slot as usize + 1);
        ByteColumn::store(self, slot as usize, cell, value);
    }

    #[inline(always)]
    fn prefetch(&self, slot: u32) {
        ByteColumn::prefetch(self, slot as usize);
    }
}
