//! Reads the cells of Arrow's columns as values.
//!
//! The layouts are those of Arrow's columnar format
//! (<https://arrow.apache.org/docs/format/Columnar.html>). The columns come from the library, which
//! validates what it takes in, so structure and offsets are relied on; text is checked all the
//! same, because a database may be told to trust its input.

use std::borrow::Cow;

use laminar_sys::ArrowArray;

use crate::decimal::digits;
use crate::schema::IntervalUnit;
use crate::{DataType, Error, Field, Result, Value};

/// A column of a batch, or a part of a nested one.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    pub(crate) data_type: &'a DataType,
    array: &'a ArrowArray,
    /// Where the first row lies in the buffers: offsets of the parents and its own.
    start: usize,
    pub(crate) rows: usize,
}

impl<'a> Column<'a> {
    /// # Safety
    /// `array` is a valid array of type `data_type` with at least `skip + rows` rows.
    pub(crate) unsafe fn new(
        data_type: &'a DataType,
        array: &'a ArrowArray,
        skip: usize,
        rows: usize,
    ) -> Self {
        Self { data_type, array, start: array.offset.max(0) as usize + skip, rows }
    }

    /// The type of the values.
    pub fn data_type(&self) -> &'a DataType {
        self.data_type
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.rows
    }

    /// The value in a row.
    ///
    /// # Errors
    /// UNSUPPORTED for a dictionary whose keys are out of its range.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn value(&self, row: usize) -> Result<Value<'a>> {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let at = self.start + row;
        if self.is_null(at) {
            return Ok(Value::Null);
        }
        // SAFETY: the row is within the array, so each buffer of its type's layout holds a value
        // for it; the contract of `new` says that the type is right.
        unsafe { self.read(at) }
    }

    /// Whether the value in a row is NULL. The row is within the column.
    pub(crate) fn is_null_in(&self, row: usize) -> bool {
        self.is_null(self.start + row)
    }

    /// Whether no value can be NULL, because the validity is left out.
    pub(crate) fn is_all_valid(&self) -> bool {
        // SAFETY: all types but NULL have a validity buffer in the first place; it may be absent.
        !matches!(self.data_type, DataType::Null) && unsafe { (*self.array.buffers).is_null() }
    }

    /// The values of all rows as they lie in memory.
    ///
    /// # Safety
    /// The type keeps its values in one buffer of `width` bytes each.
    pub(crate) unsafe fn fixed_values(&self, width: usize) -> &'a [u8] {
        if self.rows == 0 || width == 0 {
            return &[];
        }
        // SAFETY: by the contract; the rows are within the array.
        unsafe {
            let first = self.buffer::<u8>(1).add(self.start * width);
            std::slice::from_raw_parts(first, self.rows * width)
        }
    }

    /// The bytes of all rows one behind the other, and where each ends in them.
    ///
    /// # Safety
    /// The array is one of texts or bytes with offsets, `large` ones or not.
    pub(crate) unsafe fn joined_values(&self, large: bool) -> (&'a [u8], Vec<usize>) {
        if self.rows == 0 {
            return (&[], Vec::new());
        }
        // SAFETY: by the contract; there is one offset more than there are rows, and all lead into
        // the third buffer, which may be absent when it would be empty.
        unsafe {
            let offset = |row: usize| match large {
                true => *self.buffer::<i64>(1).add(self.start + row) as usize,
                false => *self.buffer::<i32>(1).add(self.start + row) as usize,
            };
            let first = offset(0);
            let ends: Vec<usize> = (1..=self.rows).map(|row| offset(row) - first).collect();
            let bytes = match ends.last() {
                Some(&length @ 1..) => {
                    std::slice::from_raw_parts(self.buffer::<u8>(2).add(first), length)
                }
                _ => &[],
            };
            (bytes, ends)
        }
    }

    fn is_null(&self, at: usize) -> bool {
        if matches!(self.data_type, DataType::Null) {
            return true;
        }
        // SAFETY: all types but NULL have a validity buffer in the first place; it may be absent.
        unsafe {
            let validity = (*self.array.buffers).cast::<u8>();
            !validity.is_null() && *validity.add(at / 8) & (1 << (at % 8)) == 0
        }
    }

    /// # Safety
    /// `at` is within the buffers, and the value is not null.
    unsafe fn read(&self, at: usize) -> Result<Value<'a>> {
        // SAFETY: in each arm the buffer is the one that Arrow's layout of the type has there.
        unsafe {
            Ok(match self.data_type {
                DataType::Null => Value::Null,
                DataType::Bool => {
                    Value::Bool(*self.buffer::<u8>(1).add(at / 8) & (1 << (at % 8)) != 0)
                }
                DataType::Int { bits, signed } => self.integer(*bits, *signed, at),
                DataType::Float { bits: 16 } => Value::Float(half(self.cell::<u16>(at))),
                DataType::Float { bits: 32 } => Value::Float(self.cell::<f32>(at).into()),
                DataType::Float { .. } => Value::Float(self.cell(at)),
                DataType::Utf8 { large, view } => {
                    Value::Str(String::from_utf8_lossy(self.bytes(*large, *view, at)))
                }
                DataType::Binary { large, view } => {
                    Value::Bytes(Cow::Borrowed(self.bytes(*large, *view, at)))
                }
                DataType::FixedBinary { width } => {
                    Value::Bytes(Cow::Borrowed(self.fixed(*width, at)))
                }
                DataType::Decimal { bits, scale, .. } => {
                    let bytes = self.fixed(usize::from(*bits) / 8, at);
                    Value::Decimal(digits(bytes, *scale).into())
                }
                DataType::Date { bits: 32 } => Value::Date(self.cell::<i32>(at).into()),
                DataType::Date { .. } => Value::Date(self.cell::<i64>(at).div_euclid(86_400_000)),
                DataType::Time { unit } => {
                    let per_second = unit.per_second();
                    let count = match per_second {
                        1 | 1_000 => self.cell::<i32>(at).into(),
                        _ => self.cell::<i64>(at),
                    };
                    Value::Time(count.saturating_mul(1_000_000_000 / per_second))
                }
                DataType::Timestamp { unit, zone } => Value::Timestamp {
                    value: self.cell(at),
                    unit: *unit,
                    zone: zone.as_deref().map(Cow::Borrowed),
                },
                DataType::Duration { unit } => {
                    Value::Duration { value: self.cell(at), unit: *unit }
                }
                DataType::Interval(unit) => self.interval(*unit, at),
                DataType::List { large, item } => {
                    let (from, to) = if *large {
                        let offsets = self.buffer::<i64>(1).add(at);
                        (*offsets as usize, *offsets.add(1) as usize)
                    } else {
                        let offsets = self.buffer::<i32>(1).add(at);
                        (*offsets as usize, *offsets.add(1) as usize)
                    };
                    Value::List(self.items(item, from, to - from)?)
                }
                DataType::FixedList { length, item } => {
                    Value::List(self.items(item, at * length, *length)?)
                }
                DataType::Struct(fields) => Value::Struct(self.fields(fields, at)?),
                DataType::Map { key, value } => {
                    let offsets = self.buffer::<i32>(1).add(at);
                    let (from, to) = (*offsets as usize, *offsets.add(1) as usize);
                    Value::Map(self.entries(key, value, from, to - from)?)
                }
                DataType::Dictionary { key, value } => {
                    let keys = Column { data_type: key, ..*self };
                    let key = match keys.read(at)? {
                        Value::Int(key) => usize::try_from(key).ok(),
                        Value::UInt(key) => usize::try_from(key).ok(),
                        _ => None,
                    };
                    let values = &*self.array.dictionary;
                    let rows = values.length.max(0) as usize;
                    let key = key.filter(|key| *key < rows).ok_or_else(|| {
                        Error::unsupported("a dictionary's key is out of its range")
                    })?;
                    Column::new(value, values, 0, rows).value(key)?
                }
            })
        }
    }

    /// # Safety
    /// The layout has such a buffer, of such elements, and it is not absent.
    unsafe fn buffer<T>(&self, index: usize) -> *const T {
        // SAFETY: by the contract.
        unsafe { (*self.array.buffers.add(index)).cast::<T>() }
    }

    /// # Safety
    /// The second buffer holds values of `T`, and `at` is within it.
    unsafe fn cell<T: Copy>(&self, at: usize) -> T {
        // SAFETY: by the contract.
        unsafe { self.buffer::<T>(1).add(at).read_unaligned() }
    }

    /// # Safety
    /// As for `cell`, of values of `width` bytes.
    unsafe fn fixed(&self, width: usize, at: usize) -> &'a [u8] {
        if width == 0 {
            return &[];
        }
        // SAFETY: by the contract.
        unsafe { std::slice::from_raw_parts(self.buffer::<u8>(1).add(at * width), width) }
    }

    /// # Safety
    /// As for `cell`.
    unsafe fn integer(&self, bits: u8, signed: bool, at: usize) -> Value<'a> {
        // SAFETY: by the contract.
        unsafe {
            Value::Int(match (bits, signed) {
                (8, true) => self.cell::<i8>(at).into(),
                (8, false) => self.cell::<u8>(at).into(),
                (16, true) => self.cell::<i16>(at).into(),
                (16, false) => self.cell::<u16>(at).into(),
                (32, true) => self.cell::<i32>(at).into(),
                (32, false) => self.cell::<u32>(at).into(),
                (_, true) => self.cell::<i64>(at),
                (_, false) => {
                    let value = self.cell::<u64>(at);
                    match i64::try_from(value) {
                        Ok(value) => value,
                        Err(_) => return Value::UInt(value),
                    }
                }
            })
        }
    }

    /// # Safety
    /// The array is one of texts or bytes in this layout, and `at` is within it.
    unsafe fn bytes(&self, large: bool, view: bool, at: usize) -> &'a [u8] {
        // SAFETY: by the contract; offsets and views of a valid array lead into its data buffers.
        unsafe {
            if view {
                let place = self.buffer::<u8>(1).add(at * 16);
                let number =
                    |at: usize| place.add(at).cast::<i32>().read_unaligned().max(0) as usize;
                return match number(0) {
                    length @ 0..=12 => std::slice::from_raw_parts(place.add(4), length),
                    length => {
                        let data = self.buffer::<u8>(2 + number(8));
                        std::slice::from_raw_parts(data.add(number(12)), length)
                    }
                };
            }
            let (from, to) = if large {
                let offsets = self.buffer::<i64>(1).add(at);
                (*offsets as usize, *offsets.add(1) as usize)
            } else {
                let offsets = self.buffer::<i32>(1).add(at);
                (*offsets as usize, *offsets.add(1) as usize)
            };
            if from == to {
                return &[];
            }
            std::slice::from_raw_parts(self.buffer::<u8>(2).add(from), to - from)
        }
    }

    /// # Safety
    /// The array is one of intervals of this unit, and `at` is within it.
    unsafe fn interval(&self, unit: IntervalUnit, at: usize) -> Value<'a> {
        // SAFETY: by the contract.
        unsafe {
            let (months, days, nanoseconds) = match unit {
                IntervalUnit::Months => (self.cell::<i32>(at), 0, 0),
                IntervalUnit::DaysMilliseconds => {
                    let [days, milliseconds] = self.cell::<[i32; 2]>(at);
                    (0, days, i64::from(milliseconds) * 1_000_000)
                }
                IntervalUnit::MonthsDaysNanoseconds => {
                    let place = self.buffer::<u8>(1).add(at * 16);
                    (
                        place.cast::<i32>().read_unaligned(),
                        place.add(4).cast::<i32>().read_unaligned(),
                        place.add(8).cast::<i64>().read_unaligned(),
                    )
                }
            };
            Value::Interval { months, days, nanoseconds }
        }
    }

    /// # Safety
    /// The array has one child of this field, with rows `from .. from + count`.
    unsafe fn items(&self, item: &'a Field, from: usize, count: usize) -> Result<Vec<Value<'a>>> {
        // SAFETY: by the contract.
        let column = unsafe { Column::new(item.data_type(), &**self.array.children, from, count) };
        (0..count).map(|row| column.value(row)).collect()
    }

    /// # Safety
    /// The array has a child for each field, with a row `at`.
    unsafe fn fields(
        &self,
        fields: &'a [Field],
        at: usize,
    ) -> Result<Vec<(Cow<'a, str>, Value<'a>)>> {
        let field = |(index, field): (usize, &'a Field)| {
            // SAFETY: by the contract.
            let column =
                unsafe { Column::new(field.data_type(), &**self.array.children.add(index), at, 1) };
            Ok((Cow::Borrowed(field.name()), column.value(0)?))
        };
        fields.iter().enumerate().map(field).collect()
    }

    /// # Safety
    /// The array is one of maps, whose entries have rows `from .. from + count`.
    unsafe fn entries(
        &self,
        key: &'a Field,
        value: &'a Field,
        from: usize,
        count: usize,
    ) -> Result<Vec<(Value<'a>, Value<'a>)>> {
        // SAFETY: by the contract; the entries are a struct of two.
        let (keys, values) = unsafe {
            let entries = &**self.array.children;
            let from = entries.offset.max(0) as usize + from;
            (
                Column::new(key.data_type(), &**entries.children, from, count),
                Column::new(value.data_type(), &**entries.children.add(1), from, count),
            )
        };
        (0..count).map(|row| Ok((keys.value(row)?, values.value(row)?))).collect()
    }
}

/// An IEEE 754 number of 16 bits.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves() {
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x0001), 2f64.powi(-24));
        assert!(half(0x7e00).is_nan());
    }
}
