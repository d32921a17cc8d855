//! [`RowBlock`] and [`RowLayout`].

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};

/// Columns of a block: one bit of a word says which values of a row are NULL.
const MOST_COLUMNS: usize = 64;

/// Bytes of strings that are put into a block.
const MOST_BYTES: usize = 1 << 16;

/// How the values of a column stand in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A boolean, 0 or 1.
    Boolean,
    /// A signed integer of so many bytes, or what Arrow keeps as one: dates, times, timestamps
    /// and durations.
    Signed(u8),
    /// An unsigned integer of so many bytes.
    Unsigned(u8),
    /// A float of four bytes.
    Float32,
    /// A float of eight bytes.
    Float64,
    /// A string, whose word is a place in the bytes of the block.
    Text,
    /// The same for binary values.
    Bytes,
}

impl ColumnKind {
    /// The kind of an Arrow type, if blocks can hold it.
    pub fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Signed(1),
            DataType::Int16 => Self::Signed(2),
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) => Self::Signed(4),
            DataType::Int64
            | DataType::Date64
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Duration(_) => Self::Signed(8),
            DataType::UInt8 => Self::Unsigned(1),
            DataType::UInt16 => Self::Unsigned(2),
            DataType::UInt32 => Self::Unsigned(4),
            DataType::UInt64 => Self::Unsigned(8),
            DataType::Float32 => Self::Float32,
            DataType::Float64 => Self::Float64,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Self::Bytes,
            _ => return None,
        })
    }

    /// Whether the word is a place in the bytes of the block.
    pub fn is_bytes(self) -> bool {
        matches!(self, Self::Text | Self::Bytes)
    }

    /// The bytes of a value, where that is fixed; a boolean takes one.
    pub fn width(self) -> Option<usize> {
        match self {
            Self::Boolean => Some(1),
            Self::Signed(bytes) | Self::Unsigned(bytes) => Some(usize::from(bytes)),
            Self::Float32 => Some(4),
            Self::Float64 => Some(8),
            Self::Text | Self::Bytes => None,
        }
    }
}

/// The columns of blocks.
#[derive(Debug)]
pub struct RowLayout {
    schema: SchemaRef,
    kinds: Vec<ColumnKind>,
}

impl RowLayout {
    /// The layout of rows with these columns, or `None` where blocks cannot hold them.
    pub fn new(schema: &SchemaRef) -> Option<Arc<Self>> {
        let kinds = schema.fields().iter().map(|field| ColumnKind::of(field.data_type()));
        let kinds = kinds.collect::<Option<Vec<_>>>()?;
        let fits = !kinds.is_empty() && kinds.len() <= MOST_COLUMNS;
        fits.then(|| Arc::new(Self { schema: SchemaRef::clone(schema), kinds }))
    }

    /// The columns as Arrow has them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The kind of each column.
    pub fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }
}

/// A few rows with their weights, as words.
///
/// Invariants: `words` holds one word for each column of each row, row by row, zero where the
/// value is NULL; `nulls` and `weights` hold one word for each row. A weight is never zero.
/// Clearing keeps the memory.
#[derive(Debug, Clone)]
pub struct RowBlock {
    layout: Arc<RowLayout>,
    words: Vec<u64>,
    nulls: Vec<u64>,
    weights: Vec<i64>,
    /// Whether some weight may be other than one: then a [`Delta`](crate::Delta) has weights.
    weighted: bool,
    /// The strings, one after the other; a word is `length << 32 | offset`.
    bytes: Vec<u8>,
}

impl RowBlock {
    /// No rows.
    pub fn new(layout: &Arc<RowLayout>) -> Self {
        Self {
            layout: Arc::clone(layout),
            words: Vec::new(),
            nulls: Vec::new(),
            weights: Vec::new(),
            weighted: false,
            bytes: Vec::new(),
        }
    }

    /// Forgets the rows, keeping the memory; the next ones have this layout.
    pub fn reset(&mut self, layout: &Arc<RowLayout>) {
        if !Arc::ptr_eq(&self.layout, layout) {
            self.layout = Arc::clone(layout);
        }
        self.clear();
    }

    /// Forgets the rows, keeping the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.nulls.clear();
        self.weights.clear();
        self.weighted = false;
        self.bytes.clear();
    }

    /// The columns.
    pub fn layout(&self) -> &Arc<RowLayout> {
        &self.layout
    }

    /// How many rows there are, whatever their weights.
    #[inline]
    pub fn num_rows(&self) -> usize {
        self.nulls.len()
    }

    /// Whether there is no row.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.nulls.is_empty()
    }

    /// Whether a value is NULL.
    #[inline]
    pub fn is_null(&self, row: usize, column: usize) -> bool {
        self.nulls[row] >> column & 1 == 1
    }

    /// Which values of a row are NULL, a bit for each column.
    #[inline]
    pub fn nulls(&self, row: usize) -> u64 {
        self.nulls[row]
    }

    /// Which columns hold a NULL in some row, a bit for each.
    pub fn null_columns(&self) -> u64 {
        self.nulls.iter().fold(0, |all, nulls| all | nulls)
    }

    /// The word of a value; zero for NULL.
    #[inline]
    pub fn word(&self, row: usize, column: usize) -> u64 {
        self.words[row * self.layout.kinds.len() + column]
    }

    /// The words of a row.
    #[inline]
    pub fn row(&self, row: usize) -> &[u64] {
        let width = self.layout.kinds.len();
        &self.words[row * width..][..width]
    }

    /// The bytes behind the word of a string of this block.
    #[inline]
    pub fn bytes_of(&self, word: u64) -> &[u8] {
        let (offset, length) = (word as u32 as usize, (word >> 32) as usize);
        &self.bytes[offset..][..length]
    }

    /// The bytes of a string; none for NULL.
    #[inline]
    pub fn bytes(&self, row: usize, column: usize) -> &[u8] {
        self.bytes_of(self.word(row, column))
    }

    /// The weight of a row.
    #[inline]
    pub fn weight(&self, row: usize) -> i64 {
        self.weights[row]
    }

    /// The weights, if some may be other than one.
    pub fn weights(&self) -> Option<&[i64]> {
        self.weighted.then_some(self.weights.as_slice())
    }

    /// Whether some weight may be other than one.
    pub fn is_weighted(&self) -> bool {
        self.weighted
    }

    /// Whether the rows are their own net change, in its order: no two are equal, or none ceases
    /// while others come, and what ceases stands first.
    pub fn is_net(&self) -> bool {
        let ceasing = self.weights.iter().filter(|weight| **weight < 0).count();
        if ceasing == 0 || ceasing == self.num_rows() {
            return true;
        }
        self.weights[..ceasing].iter().all(|weight| *weight < 0)
            && (1..self.num_rows()).all(|row| (0..row).all(|other| !self.are_equal(row, other)))
    }

    /// Whether two rows are equal in every column, floats by their bits.
    fn are_equal(&self, row: usize, other: usize) -> bool {
        let is_equal = |(column, kind): (usize, &ColumnKind)| match kind.is_bytes() {
            true => self.bytes(row, column) == self.bytes(other, column),
            false => self.word(row, column) == self.word(other, column),
        };
        self.nulls[row] == self.nulls[other] && self.layout.kinds.iter().enumerate().all(is_equal)
    }

    /// Says that weights count, for rows of an edge where rows can cease.
    pub fn set_weighted(&mut self) {
        self.weighted = true;
    }

    /// Begins a row of NULLs; [`set`](Self::set) and [`set_bytes`](Self::set_bytes) fill it.
    #[inline]
    pub fn begin_row(&mut self, weight: i64) {
        debug_assert_ne!(weight, 0);
        let width = self.layout.kinds.len();
        self.words.resize(self.words.len() + width, 0);
        self.nulls.push(u64::MAX >> (64 - width));
        self.weights.push(weight);
        self.weighted |= weight != 1;
    }

    /// Sets a value of the last row that is no string. Each column is set at most once.
    #[inline]
    pub fn set(&mut self, column: usize, word: u64) {
        debug_assert!(!self.layout.kinds[column].is_bytes());
        self.put_at(self.nulls.len() - 1, column, word);
    }

    /// Sets a string of the last row. Each column is set at most once.
    #[inline]
    pub fn set_bytes(&mut self, column: usize, value: &[u8]) {
        self.set_bytes_at(self.nulls.len() - 1, column, value);
    }

    /// As [`set`](Self::set), of any row.
    #[inline]
    pub fn set_at(&mut self, row: usize, column: usize, word: u64) {
        debug_assert!(!self.layout.kinds[column].is_bytes());
        self.put_at(row, column, word);
    }

    /// As [`set_bytes`](Self::set_bytes), of any row.
    #[inline]
    pub fn set_bytes_at(&mut self, row: usize, column: usize, value: &[u8]) {
        debug_assert!(self.layout.kinds[column].is_bytes());
        let word = (value.len() as u64) << 32 | self.bytes.len() as u64;
        self.bytes.extend_from_slice(value);
        self.put_at(row, column, word);
    }

    #[inline]
    fn put_at(&mut self, row: usize, column: usize, word: u64) {
        self.nulls[row] &= !(1 << column);
        let at = row * self.layout.kinds.len() + column;
        self.words[at] = word;
    }

    /// Takes the last row back. Its strings stay where they are until the next
    /// [`clear`](Self::clear).
    pub fn take_back_row(&mut self) {
        let rows = self.nulls.len() - 1;
        self.words.truncate(rows * self.layout.kinds.len());
        self.nulls.truncate(rows);
        self.weights.truncate(rows);
    }

    /// Whether another string may be put in. Long ones, which a block would copy from step to step
    /// and keep the memory of, are better off in Arrow arrays, which share theirs.
    #[inline]
    pub fn has_room(&self, bytes: usize) -> bool {
        bytes <= MOST_BYTES && self.bytes.len() <= MOST_BYTES - bytes
    }

    /// Becomes a copy of another block, of any layout.
    pub fn copy_from(&mut self, other: &Self) {
        self.reset(&other.layout);
        self.words.extend_from_slice(&other.words);
        self.nulls.extend_from_slice(&other.nulls);
        self.weights.extend_from_slice(&other.weights);
        self.weighted = other.weighted;
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// Appends a row of another block whose columns are the first ones of this one.
    pub fn append_row(&mut self, other: &Self, row: usize, weight: i64) {
        self.begin_row(weight);
        let at = self.nulls.len() - 1;
        let (width, given) = (self.layout.kinds.len(), other.layout.kinds.len());
        debug_assert!(given <= width);
        let missing = u64::MAX >> (64 - width) & !(u64::MAX >> (64 - given));
        self.nulls[at] = other.nulls[row] | missing;
        self.words[at * width..][..given].copy_from_slice(other.row(row));
        if other.bytes.is_empty() {
            return;
        }
        for column in 0..given {
            if other.layout.kinds[column].is_bytes() && !other.is_null(row, column) {
                self.set_bytes(column, other.bytes(row, column));
            }
        }
    }
}
