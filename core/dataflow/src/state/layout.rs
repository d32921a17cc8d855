//! [`Layout`]: how the fixed-width columns of a key are packed into 64-bit words.
//!
//! Fields stand in descending width, each aligned to its width, so none crosses a word; behind
//! them one bit per column says null. A key of one column has no such bit: its null group is
//! kept apart, and a 64-bit column is its own packed form. Floats are packed with one zero and
//! one NaN, so equal keys have equal words.
#![allow(unsafe_code)]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, FixedSizeBinaryArray,
    PrimitiveArray, downcast_primitive,
};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, ToByteSlice};
use laminar_types::{Error, Result, RowBlock};

/// The widest packed key.
pub(super) const MAX_WORDS: usize = 4;

/// Where each column of a key lies in its words.
#[derive(Clone)]
pub(super) struct Layout {
    fields: Vec<Field>,
    words: usize,
}

#[derive(Clone)]
struct Field {
    data_type: DataType,
    /// The position of its lowest bit in the key.
    bit: usize,
    /// The position of its null bit, unless nulls are kept apart.
    null_bit: Option<usize>,
}

impl Layout {
    /// The layout for these columns, or `None` if one is not of fixed width or all of them need
    /// more than [`MAX_WORDS`].
    pub(super) fn new(types: &[DataType]) -> Option<Self> {
        let widths = types.iter().map(width_bits).collect::<Option<Vec<_>>>()?;
        let mut order: Vec<usize> = (0..types.len()).collect();
        order.sort_by_key(|&column| std::cmp::Reverse(widths[column]));
        let mut bits = vec![0; types.len()];
        let mut end = 0;
        for column in order {
            bits[column] = end;
            end += widths[column];
        }
        let nulls_apart = types.len() == 1;
        let fields = types.iter().zip(bits).enumerate().map(|(column, (data_type, bit))| Field {
            data_type: data_type.clone(),
            bit,
            null_bit: (!nulls_apart).then_some(end + column),
        });
        let fields = fields.collect();
        let end = if nulls_apart { end } else { end + types.len() };
        let words = end.div_ceil(64).max(1);
        (words <= MAX_WORDS).then_some(Self { fields, words })
    }

    /// How many words a key takes.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// The nulls of the only column, when they are kept apart.
    pub(super) fn nulls_apart<'a>(&self, columns: &'a [ArrayRef]) -> Option<&'a NullBuffer> {
        match self.fields.as_slice() {
            [Field { null_bit: None, .. }] => columns[0].nulls().filter(|n| n.null_count() > 0),
            _ => None,
        }
    }

    /// The packed keys of a batch, in `scratch` unless the column itself is their packed form.
    pub(super) fn pack<'a, const N: usize>(
        &self,
        columns: &'a [ArrayRef],
        rows: usize,
        scratch: &'a mut Vec<[u64; N]>,
    ) -> Result<&'a [[u64; N]]> {
        debug_assert!(N == self.words && columns.len() == self.fields.len());
        if let [field] = self.fields.as_slice()
            && columns[0].data_type() == &field.data_type
            && let Some(keys) = as_words(&columns[0])
        {
            return Ok(keys);
        }
        scratch.clear();
        scratch.resize(rows, [0; N]);
        for (field, column) in self.fields.iter().zip(columns) {
            field.pack(column, scratch)?;
        }
        Ok(scratch)
    }

    /// The packed key of one row, and whether it is the null that is kept apart.
    pub(super) fn pack_row<const N: usize>(
        &self,
        rows: &RowBlock,
        row: usize,
        columns: &[usize],
    ) -> ([u64; N], bool) {
        debug_assert!(N == self.words && columns.len() == self.fields.len());
        let mut key = [0; N];
        let mut is_null = false;
        for (field, &column) in self.fields.iter().zip(columns) {
            match field.null_bit {
                _ if !rows.is_null(row, column) => {
                    let width = width_bits(&field.data_type).unwrap_or(64);
                    let value = rows.word(row, column) & (u64::MAX >> (64 - width));
                    key[field.bit / 64] |= value << (field.bit % 64);
                }
                Some(bit) => key[bit / 64] |= 1 << (bit % 64),
                None => is_null = true,
            }
        }
        (key, is_null)
    }

    /// The columns that these packed keys were made of; `apart` are the nulls kept apart.
    pub(super) fn unpack<const N: usize>(
        &self,
        keys: &[[u64; N]],
        apart: Option<NullBuffer>,
    ) -> Result<Vec<ArrayRef>> {
        let unpacked = self.fields.iter().map(|field| field.unpack(keys, apart.clone()));
        unpacked.collect()
    }
}

impl Field {
    fn pack<const N: usize>(&self, column: &ArrayRef, keys: &mut [[u64; N]]) -> Result<()> {
        let mismatch = || {
            let (got, want) = (column.data_type(), &self.data_type);
            Error::internal(format!("a key column of type {got} where {want} was planned"))
        };
        if column.data_type() != &self.data_type || column.len() != keys.len() {
            return Err(mismatch());
        }
        let (word, shift) = (self.bit / 64, self.bit % 64);
        macro_rules! pack_primitive {
            ($t:ty) => {
                pack_values(column.as_primitive::<$t>(), word, shift, keys)
            };
        }
        downcast_primitive! {
            &self.data_type => (pack_primitive),
            DataType::Boolean => {
                let values = column.as_boolean().values();
                for (key, value) in keys.iter_mut().zip(values) {
                    key[word] |= u64::from(value) << shift;
                }
            }
            DataType::FixedSizeBinary(_) => {
                let column = column.as_fixed_size_binary();
                for (row, key) in keys.iter_mut().enumerate() {
                    let mut bytes = [0; MAX_WORDS * 8];
                    let value = column.value(row);
                    bytes[..value.len()].copy_from_slice(value);
                    put(words_of(&bytes), value.len(), word, shift, key);
                }
            }
            _ => return Err(mismatch()),
        }
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        if let (Some(bit), Some(nulls)) = (self.null_bit, nulls) {
            let width = width_bits(&self.data_type).unwrap_or(0);
            for row in (0..keys.len()).filter(|&row| nulls.is_null(row)) {
                erase(&mut keys[row], self.bit, width);
                keys[row][bit / 64] |= 1 << (bit % 64);
            }
        }
        Ok(())
    }

    fn unpack<const N: usize>(
        &self,
        keys: &[[u64; N]],
        apart: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let nulls = match self.null_bit {
            None => apart,
            Some(bit) => {
                let is_valid = |row: usize| keys[row][bit / 64] >> (bit % 64) & 1 == 0;
                let nulls = NullBuffer::new(BooleanBuffer::collect_bool(keys.len(), is_valid));
                Some(nulls).filter(|nulls| nulls.null_count() > 0)
            }
        };
        let (word, shift) = (self.bit / 64, self.bit % 64);
        macro_rules! unpack_primitive {
            ($t:ty) => {
                Arc::new(
                    PrimitiveArray::<$t>::new(unpack_values::<$t, N>(keys, word, shift), nulls)
                        .with_data_type(self.data_type.clone()),
                )
            };
        }
        let array: ArrayRef = downcast_primitive! {
            &self.data_type => (unpack_primitive),
            DataType::Boolean => {
                let value = |row: usize| keys[row][word] >> shift & 1 == 1;
                Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(keys.len(), value), nulls))
            }
            DataType::FixedSizeBinary(size) => {
                let mut values = Vec::with_capacity(keys.len() * *size as usize);
                for key in keys {
                    let words = take(key, *size as usize, word, shift);
                    let bytes = words.map(u64::to_le_bytes);
                    values.extend_from_slice(&bytes.as_flattened()[..*size as usize]);
                }
                Arc::new(
                    FixedSizeBinaryArray::try_new(*size, Buffer::from_vec(values), nulls)
                        .map_err(super::arrow_error)?,
                )
            }
            other => return Err(Error::internal(format!("keys of type {other} are not packed"))),
        };
        Ok(array)
    }
}

/// The width of a type in a key, or `None` if it is not of fixed width.
fn width_bits(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(1),
        DataType::FixedSizeBinary(size @ 1..=32) => Some((*size as usize).next_power_of_two() * 8),
        other => other.primitive_width().map(|bytes| bytes * 8),
    }
}

/// The values of a 64-bit column whose bits are its packed form.
fn as_words<const N: usize>(column: &ArrayRef) -> Option<&[[u64; N]]> {
    macro_rules! values {
        ($t:ty) => {{
            type Native = <$t as ArrowPrimitiveType>::Native;
            let values: &[Native] = column.as_primitive::<$t>().values();
            let is_float = matches!(<$t>::DATA_TYPE, DataType::Float64);
            if N != 1 || size_of::<Native>() != 8 || is_float {
                return None;
            }
            // SAFETY: N is one, and values of eight bytes without padding are valid words; the
            // buffer is aligned for its values and so for a word.
            Some(unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) })
        }};
    }
    downcast_primitive! {
        column.data_type() => (values),
        _ => None,
    }
}

fn pack_values<T: ArrowPrimitiveType, const N: usize>(
    column: &PrimitiveArray<T>,
    word: usize,
    shift: usize,
    keys: &mut [[u64; N]],
) {
    for (key, &value) in keys.iter_mut().zip(column.values()) {
        put(to_words::<T>(value), size_of::<T::Native>(), word, shift, key);
    }
}

fn unpack_values<T: ArrowPrimitiveType, const N: usize>(
    keys: &[[u64; N]],
    word: usize,
    shift: usize,
) -> ScalarBuffer<T::Native> {
    let bytes = size_of::<T::Native>();
    let mut buffer = MutableBuffer::new(keys.len() * bytes);
    for key in keys {
        push_value(&take(key, bytes, word, shift), bytes, &mut buffer);
    }
    ScalarBuffer::new(buffer.into(), 0, keys.len())
}

#[inline(always)]
fn put<const N: usize>(
    value: [u64; MAX_WORDS],
    bytes: usize,
    word: usize,
    shift: usize,
    key: &mut [u64; N],
) {
    key[word] |= value[0] << shift;
    let words = bytes.div_ceil(8);
    key[word + 1..word + words].copy_from_slice(&value[1..words]);
}

#[inline(always)]
fn take<const N: usize>(
    key: &[u64; N],
    bytes: usize,
    word: usize,
    shift: usize,
) -> [u64; MAX_WORDS] {
    let mut value = [0; MAX_WORDS];
    value[0] = key[word] >> shift;
    let words = bytes.div_ceil(8);
    value[1..words].copy_from_slice(&key[word + 1..word + words]);
    value
}

fn erase<const N: usize>(key: &mut [u64; N], bit: usize, width: usize) {
    let word = bit / 64;
    if width < 64 {
        key[word] &= !(((1 << width) - 1) << (bit % 64));
    } else {
        key[word..word + width / 64].fill(0);
    }
}

fn words_of(bytes: &[u8; MAX_WORDS * 8]) -> [u64; MAX_WORDS] {
    let mut words = [0; MAX_WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*chunk);
    }
    words
}

/// The words of a value: its memory, with one zero and one NaN for floats.
#[inline(always)]
fn to_words<T: ArrowPrimitiveType>(value: T::Native) -> [u64; MAX_WORDS] {
    let bytes: &[u8] = value.to_byte_slice();
    let mut words = [0; MAX_WORDS];
    match *bytes {
        [byte] => words[0] = u64::from(byte),
        [a, b] => words[0] = u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c, d] => words[0] = u64::from(u32::from_ne_bytes([a, b, c, d])),
        _ => {
            for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_ne_bytes(*chunk);
            }
        }
    }
    match T::DATA_TYPE {
        DataType::Float16 => words[0] = canonical(words[0], 16, 0x7C00),
        DataType::Float32 => words[0] = canonical(words[0], 32, 0x7F80_0000),
        DataType::Float64 => words[0] = canonical(words[0], 64, 0x7FF0_0000_0000_0000),
        _ => {}
    }
    words
}

/// The bits of a float of this width with one zero and one NaN.
#[inline(always)]
fn canonical(bits: u64, width: u32, infinity: u64) -> u64 {
    let magnitude = bits & (u64::MAX >> (65 - width));
    match magnitude {
        0 => 0,
        nan if nan > infinity => infinity | (infinity & infinity.wrapping_neg()) >> 1,
        _ => bits,
    }
}

/// Appends the memory of a value to a buffer.
#[inline(always)]
fn push_value(words: &[u64; MAX_WORDS], bytes: usize, buffer: &mut MutableBuffer) {
    match bytes {
        1 => buffer.push(words[0] as u8),
        2 => buffer.push(words[0] as u16),
        4 => buffer.push(words[0] as u32),
        _ => buffer.extend_from_slice(&words[..bytes / 8]),
    }
}
