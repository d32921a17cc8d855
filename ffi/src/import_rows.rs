//! A few rows of a C array read straight into a block, without an allocation.
//!
//! Only what is plain and well-formed is read. For everything else the answer is no, and the full
//! import ([`crate::import`]) either takes the array or says what is wrong with it. The producer
//! vouches for the memory behind its pointers, as there; counts, NULLs, offsets and text are
//! checked here.

use std::ffi::c_void;
use std::ptr;

use arrow::datatypes::DataType;
use laminar_types::RowBlock;
use laminar_types::rows::{ColumnKind, TINY_ROWS, Word};

use crate::arrow_c::ArrowArray;

/// Appends the rows of a struct array whose columns are those of the block, and answers whether it
/// did; if not, the block holds nothing of use.
pub(crate) fn read(array: &ArrowArray, rows: &mut RowBlock) -> bool {
    read_rows(array, rows).is_some()
}

/// A column of the array, within which only some rows are read.
struct Child<'a> {
    array: &'a ArrowArray,
    /// Where the rows begin in the buffers.
    start: usize,
    validity: *const u8,
}

fn read_rows(array: &ArrowArray, rows: &mut RowBlock) -> Option<()> {
    let layout = rows.layout().clone();
    let (offset, length) = (count(array.offset)?, count(array.length)?);
    let is_plain = (1..=TINY_ROWS).contains(&length)
        && matches!(array.null_count, -1 | 0)
        && array.n_buffers == 1
        && !array.buffers.is_null()
        && count(array.n_children)? == layout.kinds().len()
        && !array.children.is_null()
        && array.dictionary.is_null();
    // SAFETY: there is one buffer, and the table of buffers is not NULL.
    if !is_plain || !unsafe { *array.buffers }.is_null() {
        return None;
    }
    for _ in 0..length {
        rows.begin_row(1);
    }
    for (column, kind) in layout.kinds().iter().enumerate() {
        // SAFETY: the table has as many children as the block columns; the producer vouches for
        // pointers in it that are not NULL.
        let child = unsafe { (*array.children.add(column)).as_ref() }?;
        let n_buffers = if kind.is_bytes() { 3 } else { 2 };
        let child = Child::new(child, offset, length, n_buffers)?;
        match kind {
            ColumnKind::Text | ColumnKind::Bytes => {
                let data_type = layout.schema().field(column).data_type();
                let is_large = match data_type {
                    DataType::Utf8 | DataType::Binary => false,
                    DataType::LargeUtf8 | DataType::LargeBinary => true,
                    _ => return None,
                };
                let bytes = Strings::new(&child, is_large, *kind == ColumnKind::Text)?;
                for row in (0..length).filter(|&row| child.is_valid(row)) {
                    let value = bytes.value(row)?;
                    if !rows.has_room(value.len()) {
                        return None;
                    }
                    rows.set_bytes_at(row, column, value);
                }
            }
            kind => {
                let values = child.buffer(1)?;
                for row in (0..length).filter(|&row| child.is_valid(row)) {
                    rows.set_at(row, column, word(values, child.start + row, *kind));
                }
            }
        }
    }
    Some(())
}

impl<'a> Child<'a> {
    /// A column of so many buffers in which `length` rows from `offset` on are read, if its counts
    /// are in order.
    fn new(array: &'a ArrowArray, offset: usize, length: usize, n_buffers: i64) -> Option<Self> {
        let own_length = count(array.length)?;
        let is_plain = array.release.is_some()
            && array.n_buffers == n_buffers
            && !array.buffers.is_null()
            && array.n_children == 0
            && array.dictionary.is_null()
            && offset.checked_add(length)? <= own_length;
        if !is_plain {
            return None;
        }
        let start = count(array.offset)?.checked_add(offset)?;
        // The last byte of what is read is in memory, so the places of all others can be counted.
        start
            .checked_add(own_length)?
            .checked_mul(8)
            .filter(|&end| isize::try_from(end).is_ok())?;
        let mut child = Self { array, start, validity: ptr::null() };
        // SAFETY: there are buffers, and the table of buffers is not NULL.
        child.validity = unsafe { *array.buffers }.cast();
        let nulls = (0..length).filter(|&row| !child.is_valid(row)).count();
        let is_counted = match array.null_count {
            -1 => true,
            declared if length == own_length => declared == i64::try_from(nulls).ok()?,
            // Of a part it is known only that a whole without NULLs has no part with some.
            0 => nulls == 0,
            declared => count(declared)? <= own_length && !child.validity.is_null(),
        };
        is_counted.then_some(child)
    }

    fn buffer(&self, index: usize) -> Option<*const c_void> {
        debug_assert!(index < 3);
        // SAFETY: the number of buffers was checked.
        let buffer = unsafe { *self.array.buffers.add(index) };
        (!buffer.is_null()).then_some(buffer)
    }

    fn is_valid(&self, row: usize) -> bool {
        // SAFETY: a validity buffer has a bit for each row up to offset and length.
        self.validity.is_null() || unsafe { bit(self.validity, self.start + row) }
    }
}

/// The values of a column of strings.
struct Strings<'a> {
    child: &'a Child<'a>,
    offsets: *const c_void,
    values: Option<*const c_void>,
    is_large: bool,
    is_text: bool,
}

impl<'a> Strings<'a> {
    fn new(child: &'a Child<'a>, is_large: bool, is_text: bool) -> Option<Self> {
        let (offsets, values) = (child.buffer(1)?, child.buffer(2));
        Some(Self { child, offsets, values, is_large, is_text })
    }

    /// The value of a row, if its offsets are in order and it is a text where it must be one.
    fn value(&self, row: usize) -> Option<&'a [u8]> {
        let at = |row: usize| {
            // SAFETY: the buffer of offsets has one more of them than offset and length.
            let offset = unsafe {
                match self.is_large {
                    true => self.offsets.cast::<i64>().add(row).read_unaligned(),
                    false => i64::from(self.offsets.cast::<i32>().add(row).read_unaligned()),
                }
            };
            count(offset)
        };
        let (from, to) = (at(self.child.start + row)?, at(self.child.start + row + 1)?);
        let length = to.checked_sub(from)?;
        if length == 0 {
            return Some(&[]);
        }
        isize::try_from(to).ok()?;
        // SAFETY: the producer vouches for the bytes up to the last offset.
        let value =
            unsafe { std::slice::from_raw_parts(self.values?.cast::<u8>().add(from), length) };
        (!self.is_text || std::str::from_utf8(value).is_ok()).then_some(value)
    }
}

/// A value of fixed width as a word.
fn word(values: *const c_void, at: usize, kind: ColumnKind) -> u64 {
    // SAFETY: the producer vouches for a buffer of values up to offset and length, which need not be
    // aligned.
    unsafe {
        match kind {
            ColumnKind::Boolean => bit(values.cast(), at).to_word(),
            ColumnKind::Signed(1) => values.cast::<i8>().add(at).read_unaligned().to_word(),
            ColumnKind::Signed(2) => values.cast::<i16>().add(at).read_unaligned().to_word(),
            ColumnKind::Signed(4) => values.cast::<i32>().add(at).read_unaligned().to_word(),
            ColumnKind::Unsigned(1) => values.cast::<u8>().add(at).read_unaligned().to_word(),
            ColumnKind::Unsigned(2) => values.cast::<u16>().add(at).read_unaligned().to_word(),
            ColumnKind::Unsigned(4) | ColumnKind::Float32 => {
                values.cast::<u32>().add(at).read_unaligned().to_word()
            }
            _ => values.cast::<u64>().add(at).read_unaligned(),
        }
    }
}

/// # Safety
/// The buffer has so many bits.
unsafe fn bit(bits: *const u8, at: usize) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { *bits.add(at / 8) >> (at % 8) & 1 == 1 }
}

fn count(value: i64) -> Option<usize> {
    usize::try_from(value).ok()
}
