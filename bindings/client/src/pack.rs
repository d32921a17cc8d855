//! Columns in one piece of bytes, for languages that keep their own memory.
//!
//! A piece begins with 24 bytes for each column, six `i32`: the layout, the width of a value in
//! bytes, how many values are NULL, and where in the piece the validity (0 when none is NULL), the
//! values and the data begin; each begins at a multiple of 8. All numbers are little-endian.
//!
//! | layout | values | data |
//! |---|---|---|
//! | 0 nothing | all are NULL | |
//! | 1 fixed | `width` bytes each: integers, floating point numbers, dates and times as Arrow counts them, decimals in two's complement, bytes; a boolean is 0 or 1 | |
//! | 2 bytes | rows + 1 offsets (`i32`) into the data | texts and bytes, one after another |
//! | 3 wire | rows + 1 offsets (`i32`) into the data | values as in [`crate::wire`] |
//!
//! The validity has a bit for each row, the lowest first; 0 is NULL. Rows are counted from the first
//! of the batch, whatever the offsets of the Arrow arrays are.

use std::ops::Range;

use crate::{Batch, Column, DataType, Result, Value, wire};

const NOTHING: i32 = 0;
const FIXED: i32 = 1;
const BYTES: i32 = 2;
const WIRE: i32 = 3;

/// Bytes for each column at the beginning.
const HEADER: usize = 24;

/// Some columns of a batch in one piece; `None` when they take up 2 GiB or more.
///
/// # Panics
/// When there are no such columns.
pub fn pack(batch: &Batch, columns: Range<usize>) -> Result<Option<Vec<u8>>> {
    let mut piece = Piece { bytes: vec![0; columns.len() * HEADER] };
    for (index, column) in columns.enumerate() {
        piece.column(index, &batch.column(column))?;
        if piece.at().is_none() {
            return Ok(None);
        }
    }
    Ok(Some(piece.bytes))
}

/// The values of all rows of a column as they lie in memory, whatever NULLs have there; `None` for a
/// column whose values do not lie in one buffer, a whole number of bytes each.
///
/// # Panics
/// When there is no such column.
pub fn fixed_values(batch: &Batch, column: usize) -> Option<&[u8]> {
    let column = batch.column(column);
    let width = fixed_width(column.data_type)?;
    // SAFETY: these types keep their values in one buffer of that width.
    Some(unsafe { column.fixed_values(width) })
}

struct Piece {
    bytes: Vec<u8>,
}

impl Piece {
    fn column(&mut self, index: usize, column: &Column<'_>) -> Result<()> {
        if matches!(column.data_type, DataType::Null) {
            self.header(index, [NOTHING, 0, column.rows as i32, 0, 0, 0]);
            return Ok(());
        }
        let (nulls, validity) = self.validity(column);
        self.align();
        let values = self.bytes.len() as i32;
        let (layout, width, data) = match column.data_type {
            DataType::Bool => {
                self.each(column, |value, bytes| {
                    bytes.push(u8::from(matches!(value, Value::Bool(true))));
                })?;
                (FIXED, 1, 0)
            }
            DataType::Float { bits: 16 } => {
                self.each(column, |value, bytes| {
                    let value = if let Value::Float(value) = value { *value as f32 } else { 0.0 };
                    bytes.extend(value.to_le_bytes());
                })?;
                (FIXED, 4, 0)
            }
            DataType::Utf8 { .. } | DataType::Binary { .. } => (
                BYTES,
                0,
                self.strings(column, |value, bytes| match value {
                    Value::Str(text) => bytes.extend_from_slice(text.as_bytes()),
                    Value::Bytes(value) => bytes.extend_from_slice(value),
                    _ => {}
                })?,
            ),
            other => match fixed_width(other) {
                Some(width) => {
                    // SAFETY: these types keep their values in one buffer of that width.
                    self.bytes.extend_from_slice(unsafe { column.fixed_values(width) });
                    (FIXED, width as i32, 0)
                }
                None => (WIRE, 0, self.strings(column, wire::write)?),
            },
        };
        self.header(index, [layout, width, nulls, validity, values, data]);
        Ok(())
    }

    fn header(&mut self, index: usize, numbers: [i32; 6]) {
        let header = &mut self.bytes[index * HEADER..][..HEADER];
        for (place, number) in header.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
    }

    /// How many are NULL, and where the validity is.
    fn validity(&mut self, column: &Column<'_>) -> (i32, i32) {
        if column.is_all_valid() {
            return (0, 0);
        }
        self.align();
        let at = self.bytes.len();
        self.bytes.resize(at + column.rows.div_ceil(8), 0);
        let mut nulls = 0;
        for row in 0..column.rows {
            if column.is_null_in(row) {
                nulls += 1;
            } else {
                self.bytes[at + row / 8] |= 1 << (row % 8);
            }
        }
        if nulls == 0 {
            self.bytes.truncate(at);
            return (0, 0);
        }
        (nulls, at as i32)
    }

    fn each(
        &mut self,
        column: &Column<'_>,
        write: impl Fn(&Value<'_>, &mut Vec<u8>),
    ) -> Result<()> {
        for row in 0..column.rows {
            write(&column.value(row)?, &mut self.bytes);
        }
        Ok(())
    }

    /// Offsets, then what `write` makes of each value; answers where that begins.
    fn strings(
        &mut self,
        column: &Column<'_>,
        write: impl Fn(&Value<'_>, &mut Vec<u8>),
    ) -> Result<i32> {
        let offsets = self.bytes.len();
        self.bytes.resize(offsets + (column.rows + 1) * 4, 0);
        self.align();
        let data = self.bytes.len();
        for row in 0..column.rows {
            write(&column.value(row)?, &mut self.bytes);
            let end = (self.bytes.len() - data) as u32;
            self.bytes[offsets + (row + 1) * 4..][..4].copy_from_slice(&end.to_le_bytes());
        }
        Ok(data as i32)
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// The end of the piece, while it can be addressed.
    fn at(&self) -> Option<i32> {
        i32::try_from(self.bytes.len()).ok()
    }
}

/// The width of the values that are kept as they lie in memory.
fn fixed_width(data_type: &DataType) -> Option<usize> {
    Some(match data_type {
        DataType::Int { bits, .. } | DataType::Float { bits } | DataType::Date { bits } => {
            usize::from(*bits) / 8
        }
        DataType::Decimal { bits, .. } => usize::from(*bits) / 8,
        DataType::FixedBinary { width } => *width,
        DataType::Time { unit } if unit.per_second() <= 1_000 => 4,
        DataType::Time { .. } | DataType::Timestamp { .. } | DataType::Duration { .. } => 8,
        _ => return None,
    })
}
