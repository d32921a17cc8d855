//! Builds one of Arrow's columns from cells that fit it.
//!
//! The layouts are those of Arrow's columnar format; all supported machines are little-endian.

use std::ffi::c_void;

use laminar_sys::ArrowArray;

use crate::{DataType, Error, Field, Result};

/// A value in the form in which a column of its type keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    /// Integers, dates and times: the low bytes are kept.
    Int(i64),
    UInt(u64),
    Double(f64),
    /// A decimal or fixed binary, as long as its column is wide.
    Fixed(Box<[u8]>),
    /// Text and bytes.
    Bytes(Box<[u8]>),
    /// The items of a list, or the fields of a struct in the order of their type.
    Cells(Vec<Cell>),
    /// The entries of a map.
    Entries(Vec<(Cell, Cell)>),
}

/// A column that grows.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    rows: usize,
    nulls: usize,
    validity: Vec<u8>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Null,
    Bool(Vec<u8>),
    Fixed { width: usize, float: bool, bytes: Vec<u8> },
    Bytes { offsets: Offsets, bytes: Vec<u8> },
    List { offsets: Offsets, item: Box<ColumnBuilder> },
    FixedList { length: usize, item: Box<ColumnBuilder> },
    Struct(Vec<ColumnBuilder>),
    Map { offsets: Offsets, entries: Box<ColumnBuilder> },
}

#[derive(Debug)]
struct Offsets {
    large: bool,
    ends: Vec<i64>,
}

impl ColumnBuilder {
    /// An empty column. An error for the few types that rows cannot carry.
    pub(crate) fn new(field: &Field) -> Result<Self> {
        let values = Values::new(field)?;
        Ok(Self { rows: 0, nulls: 0, validity: Vec::new(), values })
    }

    /// A column of so many NULLs.
    pub(crate) fn nulls(field: &Field, rows: usize) -> Result<Self> {
        let mut builder = Self::new(field)?;
        (0..rows).for_each(|_| builder.push(&Cell::Null));
        Ok(builder)
    }

    /// A column of values of one width, or of booleans of a byte each, as they are. `valid` has a
    /// byte for each row, 0 for NULL. `None` when the type or the number of bytes is not right.
    pub(crate) fn plain(
        field: &Field,
        rows: usize,
        bytes: &[u8],
        valid: Option<&[u8]>,
    ) -> Option<Self> {
        let values = match (Values::new(field).ok()?, field.data_type()) {
            (Values::Bool(_), _) if bytes.len() == rows => Values::Bool(bits(bytes)),
            // Decimals and bytes of one width would have to be looked at.
            (_, DataType::Decimal { .. } | DataType::FixedBinary { .. }) => return None,
            (Values::Fixed { width, float, .. }, _) if bytes.len() == rows * width => {
                Values::Fixed { width, float, bytes: bytes.to_vec() }
            }
            _ => return None,
        };
        Some(Self::of(values).with_validity(rows, valid))
    }

    /// A column of texts that lie one behind the other and end where `ends` says. `None` when the
    /// column is of another type.
    pub(crate) fn texts(
        field: &Field,
        bytes: &[u8],
        ends: &[usize],
        valid: Option<&[u8]>,
    ) -> Option<Self> {
        let DataType::Utf8 { large, view: false } = field.data_type() else {
            return None;
        };
        let mut offsets = Offsets::new(*large);
        offsets.ends.extend(ends.iter().map(|end| *end as i64));
        let bytes = bytes[..ends.last().copied().unwrap_or(0)].to_vec();
        let column = Self::of(Values::Bytes { offsets, bytes });
        Some(column.with_validity(ends.len(), valid))
    }

    fn with_validity(mut self, rows: usize, valid: Option<&[u8]>) -> Self {
        self.rows = rows;
        if let Some(valid) = valid {
            self.nulls = valid.iter().filter(|valid| **valid == 0).count();
            self.validity = bits(valid);
        }
        self
    }

    /// The first row that is NULL.
    pub(crate) fn first_null(&self) -> Option<usize> {
        let is_null = |row: &usize| self.validity[row / 8] & (1 << (row % 8)) == 0;
        if self.nulls == 0 { None } else { (0..self.rows).find(is_null) }
    }

    fn of(values: Values) -> Self {
        Self { rows: 0, nulls: 0, validity: Vec::new(), values }
    }

    /// Appends a cell of the column's type.
    pub(crate) fn push(&mut self, cell: &Cell) {
        let valid = *cell != Cell::Null;
        push_bit(&mut self.validity, self.rows, valid);
        self.nulls += usize::from(!valid);
        match &mut self.values {
            Values::Null => {}
            Values::Bool(bits) => push_bit(bits, self.rows, *cell == Cell::Bool(true)),
            Values::Fixed { width, float, bytes } => push_fixed(bytes, *width, *float, cell),
            Values::Bytes { offsets, bytes } => {
                if let Cell::Bytes(value) = cell {
                    bytes.extend_from_slice(value);
                }
                offsets.ends.push(bytes.len() as i64);
            }
            Values::List { offsets, item } => {
                if let Cell::Cells(items) = cell {
                    items.iter().for_each(|cell| item.push(cell));
                }
                offsets.ends.push(item.rows as i64);
            }
            Values::FixedList { length, item } => match cell {
                Cell::Cells(items) => items.iter().for_each(|cell| item.push(cell)),
                _ => (0..*length).for_each(|_| item.push(&Cell::Null)),
            },
            Values::Struct(fields) => match cell {
                Cell::Cells(cells) => {
                    fields.iter_mut().zip(cells).for_each(|(field, cell)| field.push(cell));
                }
                _ => fields.iter_mut().for_each(|field| field.push(&Cell::Null)),
            },
            Values::Map { offsets, entries } => {
                if let Cell::Entries(pairs) = cell {
                    for (key, value) in pairs {
                        entries.push(&Cell::Cells(vec![key.clone(), value.clone()]));
                    }
                }
                offsets.ends.push(entries.rows as i64);
            }
        }
        self.rows += 1;
    }

    /// The column as an Arrow array. An error when text or lists are too long for their offsets.
    pub(crate) fn finish(self) -> Result<ArrowArray> {
        let mut buffers = Vec::new();
        let mut children = Vec::new();
        let has_validity = !matches!(self.values, Values::Null);
        if has_validity {
            buffers.push(Some(self.validity).filter(|_| self.nulls > 0));
        }
        match self.values {
            Values::Null => {}
            Values::Bool(bits) => buffers.push(Some(bits)),
            Values::Fixed { bytes, .. } => buffers.push(Some(bytes)),
            Values::Bytes { offsets, bytes } => {
                buffers.push(Some(offsets.finish()?));
                buffers.push(Some(bytes));
            }
            Values::List { offsets, item } => {
                buffers.push(Some(offsets.finish()?));
                children.push(item.finish()?);
            }
            Values::FixedList { item, .. } => children.push(item.finish()?),
            Values::Struct(fields) => {
                for field in fields {
                    children.push(field.finish()?);
                }
            }
            Values::Map { offsets, entries } => {
                buffers.push(Some(offsets.finish()?));
                children.push(entries.finish()?);
            }
        }
        let nulls = if has_validity { self.nulls } else { self.rows };
        Ok(own(self.rows, nulls, buffers, children))
    }
}

/// A batch of finished columns: a struct without nulls.
pub(crate) fn finish_batch(rows: usize, columns: Vec<ColumnBuilder>) -> Result<ArrowArray> {
    let columns = columns.into_iter().map(ColumnBuilder::finish).collect::<Result<Vec<_>>>()?;
    Ok(own(rows, 0, vec![None], columns))
}

impl Values {
    fn new(field: &Field) -> Result<Self> {
        let fixed =
            |bits: usize| Values::Fixed { width: bits / 8, float: false, bytes: Vec::new() };
        let bytes = |large| Values::Bytes { offsets: Offsets::new(large), bytes: Vec::new() };
        Ok(match field.data_type() {
            DataType::Null => Values::Null,
            DataType::Bool => Values::Bool(Vec::new()),
            DataType::Int { bits, .. } | DataType::Date { bits } => fixed((*bits).into()),
            DataType::Float { bits: bits @ (32 | 64) } => {
                Values::Fixed { width: usize::from(*bits) / 8, float: true, bytes: Vec::new() }
            }
            DataType::Decimal { bits, .. } => fixed((*bits).into()),
            DataType::FixedBinary { width } => fixed(width * 8),
            DataType::Time { unit } if unit.per_second() <= 1_000 => fixed(32),
            DataType::Time { .. } | DataType::Timestamp { .. } | DataType::Duration { .. } => {
                fixed(64)
            }
            DataType::Utf8 { large, view: false } | DataType::Binary { large, view: false } => {
                bytes(*large)
            }
            DataType::List { large, item } => {
                let item = Box::new(ColumnBuilder::new(item)?);
                Values::List { offsets: Offsets::new(*large), item }
            }
            DataType::FixedList { length, item } => {
                Values::FixedList { length: *length, item: Box::new(ColumnBuilder::new(item)?) }
            }
            DataType::Struct(fields) => {
                let fields = fields.iter().map(ColumnBuilder::new);
                Values::Struct(fields.collect::<Result<_>>()?)
            }
            DataType::Map { key, value } => {
                let entries = vec![ColumnBuilder::new(key)?, ColumnBuilder::new(value)?];
                let entries = Box::new(ColumnBuilder::of(Values::Struct(entries)));
                Values::Map { offsets: Offsets::new(false), entries }
            }
            other => {
                return Err(Error::unsupported(format!(
                    "column `{}`: rows cannot carry {other}; hand over Arrow data",
                    field.name()
                )));
            }
        })
    }
}

impl Offsets {
    fn new(large: bool) -> Self {
        Self { large, ends: vec![0] }
    }

    fn finish(self) -> Result<Vec<u8>> {
        if self.large {
            return Ok(self.ends.iter().flat_map(|end| end.to_le_bytes()).collect());
        }
        if self.ends.last().is_some_and(|end| i32::try_from(*end).is_err()) {
            return Err(Error::value(
                "the rows are too long for one batch; insert fewer at a time",
            ));
        }
        Ok(self.ends.iter().flat_map(|end| (*end as i32).to_le_bytes()).collect())
    }
}

/// Bytes that are 0 or not as bits.
fn bits(bytes: &[u8]) -> Vec<u8> {
    let byte = |eight: &[u8]| {
        let bit = |(at, byte): (usize, &u8)| u8::from(*byte != 0) << at;
        eight.iter().enumerate().map(bit).sum()
    };
    bytes.chunks(8).map(byte).collect()
}

fn push_bit(bits: &mut Vec<u8>, at: usize, bit: bool) {
    if at.is_multiple_of(8) {
        bits.push(0);
    }
    if let Some(byte) = bits.last_mut() {
        *byte |= u8::from(bit) << (at % 8);
    }
}

fn push_fixed(bytes: &mut Vec<u8>, width: usize, float: bool, cell: &Cell) {
    match cell {
        Cell::Double(value) if float && width == 4 => {
            bytes.extend_from_slice(&(*value as f32).to_le_bytes());
        }
        Cell::Double(value) => bytes.extend_from_slice(&value.to_le_bytes()),
        Cell::Int(value) => bytes.extend_from_slice(&value.to_le_bytes()[..width]),
        Cell::UInt(value) => bytes.extend_from_slice(&value.to_le_bytes()[..width]),
        Cell::Fixed(value) => bytes.extend_from_slice(value),
        _ => bytes.resize(bytes.len() + width, 0),
    }
}

/// What an array that was built here owns.
struct Owned {
    _buffers: Vec<Option<Vec<u8>>>,
    pointers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
}

fn own(
    rows: usize,
    nulls: usize,
    buffers: Vec<Option<Vec<u8>>>,
    children: Vec<ArrowArray>,
) -> ArrowArray {
    let pointer = |buffer: &Option<Vec<u8>>| {
        buffer.as_ref().map_or(std::ptr::null(), |bytes| bytes.as_ptr().cast::<c_void>())
    };
    let mut owned = Box::new(Owned {
        pointers: buffers.iter().map(pointer).collect(),
        _buffers: buffers,
        children: children.into_iter().map(|child| Box::into_raw(Box::new(child))).collect(),
    });
    ArrowArray {
        length: rows as i64,
        null_count: nulls as i64,
        offset: 0,
        n_buffers: owned.pointers.len() as i64,
        n_children: owned.children.len() as i64,
        buffers: owned.pointers.as_mut_ptr(),
        children: owned.children.as_mut_ptr(),
        dictionary: std::ptr::null_mut(),
        release: Some(release),
        private_data: Box::into_raw(owned).cast(),
    }
}

unsafe extern "C" fn release(array: *mut ArrowArray) {
    // SAFETY: `array` is one that `own` made, or a move of it; each child is a box that is released
    // here unless somebody moved it out.
    unsafe {
        let owned = Box::from_raw((*array).private_data.cast::<Owned>());
        for child in &owned.children {
            let mut child = Box::from_raw(*child);
            if let Some(release) = child.release {
                release(&mut *child);
            }
        }
        (*array).private_data = std::ptr::null_mut();
        (*array).release = None;
    }
}
