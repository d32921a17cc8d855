//! The rows of an appender: one growing column per column of the source.
//!
//! Invariants: every column holds a value for each ended row, and at most one more, of the row that
//! was begun. Setting a value writes to buffers that grow rarely and that are taken back after a
//! flush when the engine has not kept them.

use std::sync::Arc;

use arrow::array::types::{ByteArrayType, GenericBinaryType, GenericStringType};
use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, BooleanBufferBuilder, FixedSizeBinaryArray,
    GenericByteArray, PrimitiveArray, RecordBatch, RecordBatchOptions, downcast_primitive,
    new_null_array,
};
use arrow::buffer::{Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, IntervalUnit, SchemaRef};
use laminar_types::error::code;
use laminar_types::rows::{ColumnKind, TINY_ROWS};
use laminar_types::{Error, Result, RowBlock};

use laminar_format::decimal;

/// Rows under construction.
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Ended rows in the columns.
    ended: usize,
    /// Rows that a flush could not place.
    refused: Option<RecordBatch>,
}

impl Rows {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let columns = schema.fields().iter().map(|field| Column::new(field)).collect();
        Self { schema, columns, ended: 0, refused: None }
    }

    /// Ended rows that were not pushed.
    pub(crate) fn len(&self) -> usize {
        self.ended + self.refused.as_ref().map_or(0, RecordBatch::num_rows)
    }

    pub(crate) fn set_null(&mut self, column: usize) -> Result<()> {
        self.set(column, Column::push_null)
    }

    pub(crate) fn set_bool(&mut self, column: usize, value: bool) -> Result<()> {
        self.set(column, |column| column.push_bool(value))
    }

    pub(crate) fn set_integer(&mut self, column: usize, value: i128) -> Result<()> {
        self.set(column, |column| column.push_integer(value))
    }

    pub(crate) fn set_double(&mut self, column: usize, value: f64) -> Result<()> {
        self.set(column, |column| column.push_double(value))
    }

    /// The bytes have yet to be found to be UTF-8.
    pub(crate) fn set_string(&mut self, column: usize, value: impl AsRef<[u8]>) -> Result<()> {
        self.set(column, |column| {
            let text = std::str::from_utf8(value.as_ref()).map_err(|error| {
                let (name, byte) = (&column.name, error.valid_up_to());
                let message =
                    format!("the text for column `{name}` is not UTF-8: byte {byte} is wrong");
                Error::new(code::VALUE, message)
            })?;
            column.push_string(text)
        })
    }

    pub(crate) fn set_binary(&mut self, column: usize, value: &[u8]) -> Result<()> {
        self.set(column, |column| column.push_binary(value))
    }

    fn set(&mut self, index: usize, push: impl FnOnce(&mut Column) -> Result<()>) -> Result<()> {
        self.abandon_on_error(|rows| {
            let (count, ended) = (rows.columns.len(), rows.ended);
            let column = rows.columns.get_mut(index).ok_or_else(|| {
                Error::new(
                    code::INGESTION_ARGUMENT,
                    format!("there is no column {index}: the source has {count} of them"),
                )
            })?;
            column.truncate(ended);
            push(column)
        })
    }

    /// Ends the row; columns that were not set are NULL.
    pub(crate) fn end_row(&mut self) -> Result<()> {
        self.abandon_on_error(|rows| {
            for column in &mut rows.columns {
                if column.length == rows.ended {
                    column.push_null()?;
                }
            }
            rows.ended += 1;
            Ok(())
        })
    }

    /// Does something with the row that was begun, which is forgotten when that fails.
    pub(crate) fn abandon_on_error(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        work(self).inspect_err(|_| {
            for column in &mut self.columns {
                column.truncate(self.ended);
            }
        })
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        (self.ended, self.refused) = (0, None);
        for column in &mut self.columns {
            column.truncate(0);
        }
    }

    /// Appends the ended rows to a block with the columns of the source, if they are few and no
    /// further one was begun. Answers whether it did; if not, the block holds nothing of use.
    pub(crate) fn write_to(&self, block: &mut RowBlock) -> bool {
        let is_plain = (1..=TINY_ROWS).contains(&self.ended)
            && self.refused.is_none()
            && self.columns.iter().all(|column| column.length == self.ended);
        if !is_plain {
            return false;
        }
        for _ in 0..self.ended {
            block.begin_row(1);
        }
        let kinds = block.layout().clone();
        let columns = self.columns.iter().zip(kinds.kinds()).enumerate();
        columns.into_iter().all(|(index, (column, kind))| column.write_to(index, *kind, block))
    }

    /// Sends the ended rows as one batch. On an error the rows are kept if `keep` says so, and
    /// otherwise forgotten.
    pub(crate) fn flush<T>(
        &mut self,
        send: impl FnOnce(RecordBatch) -> Result<T>,
        keep: impl FnOnce(&Error) -> bool,
    ) -> Result<()> {
        let batch = match (self.refused.take(), self.ended) {
            (None, 0) => return Ok(()),
            (Some(refused), 0) => refused,
            (None, _) => self.finish()?,
            (Some(refused), _) => {
                let more = self.finish()?;
                concat_batches(&self.schema, [&refused, &more])
                    .map_err(|error| Error::internal(error.to_string()))?
            }
        };
        let result = send(batch.clone());
        match result {
            Err(error) if keep(&error) => {
                self.refused = Some(batch);
                Err(error)
            }
            result => {
                drop(batch);
                self.columns.iter_mut().for_each(Column::reclaim);
                result.map(|_| ())
            }
        }
    }

    /// The ended rows as a batch; a row that was begun stays.
    fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.ended);
        let columns = self
            .columns
            .iter_mut()
            .map(|column| column.finish(rows))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal(error.to_string()))
    }
}

/// A column under construction.
struct Column {
    name: String,
    nullable: bool,
    /// The type of the source's column.
    data_type: DataType,
    /// The type it is built in: without views and dictionaries.
    built_type: DataType,
    length: usize,
    values: Values,
    /// Validity bits, once there was a NULL.
    validity: Option<BooleanBufferBuilder>,
    /// Buffers of the last flush, to be taken back.
    spare: Vec<Buffer>,
}

enum Values {
    Bits(BooleanBufferBuilder),
    Fixed {
        width: usize,
        bytes: MutableBuffer,
    },
    Variable {
        large: bool,
        offsets: MutableBuffer,
        bytes: MutableBuffer,
    },
    /// A type that the appender can only set to NULL.
    Nulls,
}

impl Values {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Values::Bits(BooleanBufferBuilder::new(0)),
            DataType::Utf8 | DataType::Binary => Self::variable(false),
            DataType::LargeUtf8 | DataType::LargeBinary => Self::variable(true),
            DataType::FixedSizeBinary(width) => Values::Fixed {
                width: usize::try_from(*width).unwrap_or(0),
                bytes: MutableBuffer::new(0),
            },
            other => match other.primitive_width() {
                Some(width) => Values::Fixed { width, bytes: MutableBuffer::new(0) },
                None => Values::Nulls,
            },
        }
    }

    fn variable(large: bool) -> Self {
        let mut offsets = MutableBuffer::new(0);
        if large {
            offsets.push(0_i64)
        } else {
            offsets.push(0_i32)
        }
        Values::Variable { large, offsets, bytes: MutableBuffer::new(0) }
    }
}

/// The type a column is built in before it is cast to that of the source.
fn built_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => built_type(values),
        other => other.clone(),
    }
}

impl Column {
    fn new(field: &Field) -> Self {
        let built_type = built_type(field.data_type());
        Self {
            name: field.name().clone(),
            nullable: field.is_nullable(),
            data_type: field.data_type().clone(),
            values: Values::new(&built_type),
            built_type,
            length: 0,
            validity: None,
            spare: Vec::new(),
        }
    }

    fn push_null(&mut self) -> Result<()> {
        if !self.nullable {
            return Err(Error::new(
                code::NULL_VALUE,
                format!("the column `{}` is NOT NULL and has no value", self.name),
            ));
        }
        match &mut self.values {
            Values::Bits(bits) => bits.append(false),
            Values::Fixed { width, bytes } => bytes.extend_zeros(*width),
            Values::Variable { large, offsets, bytes } => push_offset(*large, offsets, bytes.len()),
            Values::Nulls => {}
        }
        let length = self.length;
        let validity = self.validity.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(length + 1);
            bits.append_n(length, true);
            bits
        });
        validity.append(false);
        self.length += 1;
        Ok(())
    }

    fn push_bool(&mut self, value: bool) -> Result<()> {
        let Values::Bits(bits) = &mut self.values else {
            return Err(self.mistyped("a boolean"));
        };
        bits.append(value);
        self.valid();
        Ok(())
    }

    fn push_integer(&mut self, value: i128) -> Result<()> {
        macro_rules! fixed {
            ($t:ty) => {
                match <$t>::try_from(value) {
                    Ok(value) => self.push_fixed(&value.to_ne_bytes()),
                    Err(_) => return Err(self.misfit(value)),
                }
            };
        }
        match &self.built_type {
            DataType::Int8 => fixed!(i8),
            DataType::Int16 => fixed!(i16),
            DataType::Int32
            | DataType::Date32
            | DataType::Time32(_)
            | DataType::Interval(IntervalUnit::YearMonth) => fixed!(i32),
            DataType::Int64
            | DataType::Date64
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Duration(_) => fixed!(i64),
            DataType::UInt8 => fixed!(u8),
            DataType::UInt16 => fixed!(u16),
            DataType::UInt32 => fixed!(u32),
            DataType::UInt64 => fixed!(u64),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                return self.push_integer_as_float(value);
            }
            _ if decimal::parts(&self.built_type).is_some() => {
                return self.push_decimal(&value.to_string());
            }
            _ => return Err(self.mistyped("an integer")),
        }
        self.valid();
        Ok(())
    }

    fn push_integer_as_float(&mut self, value: i128) -> Result<()> {
        // Every integer up to these is a value of the type.
        let bits = match self.built_type {
            DataType::Float16 => 11,
            DataType::Float32 => 24,
            _ => 53,
        };
        if value.unsigned_abs() > 1 << bits {
            return Err(self.misfit(value));
        }
        // Exact, as just checked.
        #[allow(clippy::cast_precision_loss)]
        self.push_double(value as f64)
    }

    fn push_double(&mut self, value: f64) -> Result<()> {
        match self.built_type {
            DataType::Float64 => self.push_fixed(&value.to_ne_bytes()),
            DataType::Float32 => {
                // Rounds, as documented.
                #[allow(clippy::cast_possible_truncation)]
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return Err(self.misfit(value));
                }
                self.push_fixed(&narrow.to_ne_bytes());
            }
            DataType::Float16 => {
                type Half = <arrow::datatypes::Float16Type as ArrowPrimitiveType>::Native;
                let narrow = Half::from_f64(value);
                if narrow.is_infinite() && value.is_finite() {
                    return Err(self.misfit(value));
                }
                self.push_fixed(&narrow.to_ne_bytes());
            }
            _ => return Err(self.mistyped("a floating-point number")),
        }
        self.valid();
        Ok(())
    }

    fn push_string(&mut self, value: &str) -> Result<()> {
        match self.built_type {
            DataType::Utf8 | DataType::LargeUtf8 => self.push_variable(value.as_bytes()),
            _ if decimal::parts(&self.built_type).is_some() => self.push_decimal(value),
            _ => Err(self.mistyped("a text")),
        }
    }

    fn push_binary(&mut self, value: &[u8]) -> Result<()> {
        match (&self.built_type, &self.values) {
            (DataType::Binary | DataType::LargeBinary, _) => self.push_variable(value),
            (DataType::FixedSizeBinary(_), Values::Fixed { width, .. }) => {
                if *width != value.len() {
                    return Err(self.misfit(format_args!("{} bytes", value.len())));
                }
                self.push_fixed(value);
                self.valid();
                Ok(())
            }
            _ => Err(self.mistyped("binary data")),
        }
    }

    fn push_decimal(&mut self, digits: &str) -> Result<()> {
        let value = decimal::parse(digits, &self.built_type);
        match (value, &mut self.values) {
            (Some(value), Values::Fixed { width, bytes }) => {
                decimal::push(value, *width, bytes);
            }
            _ => return Err(self.misfit(digits)),
        }
        self.valid();
        Ok(())
    }

    fn push_fixed(&mut self, value: &[u8]) {
        if let Values::Fixed { bytes, .. } = &mut self.values {
            bytes.extend_from_slice(value);
        }
    }

    fn push_variable(&mut self, value: &[u8]) -> Result<()> {
        if let Values::Variable { large, offsets, bytes } = &mut self.values {
            if !*large && i32::try_from(bytes.len() + value.len()).is_err() {
                return Err(Error::new(
                    code::VALUE,
                    format!("the column `{}` holds 2 GiB: flush before appending more", self.name),
                ));
            }
            bytes.extend_from_slice(value);
            push_offset(*large, offsets, bytes.len());
        }
        self.valid();
        Ok(())
    }

    /// Counts a value that was pushed.
    fn valid(&mut self) {
        self.length += 1;
        if let Some(validity) = &mut self.validity {
            validity.append(true);
        }
    }

    fn mistyped(&self, given: &str) -> Error {
        Error::new(
            code::VALUE,
            format!(
                "the column `{}` has the type {}, and {given} was given",
                self.name, self.data_type
            ),
        )
    }

    fn misfit(&self, value: impl std::fmt::Display) -> Error {
        Error::new(
            code::VALUE,
            format!("the column `{}` of type {} cannot hold {value}", self.name, self.data_type),
        )
    }

    /// Sets the values in the rows of a block.
    fn write_to(&self, index: usize, kind: ColumnKind, block: &mut RowBlock) -> bool {
        for row in 0..self.length {
            if self.validity.as_ref().is_some_and(|validity| !validity.get_bit(row)) {
                continue;
            }
            match &self.values {
                Values::Bits(bits) => block.set_at(row, index, u64::from(bits.get_bit(row))),
                Values::Fixed { width, bytes } => {
                    let mut word = [0; 8];
                    if *width > word.len() {
                        return false;
                    }
                    word[..*width].copy_from_slice(&bytes[row * width..][..*width]);
                    let mut word = u64::from_le_bytes(word);
                    if let ColumnKind::Signed(_) = kind {
                        let shift = 64 - 8 * *width;
                        word = ((word << shift) as i64 >> shift) as u64;
                    }
                    block.set_at(row, index, word);
                }
                Values::Variable { large, offsets, bytes } => {
                    let end = |values: usize| {
                        last_offset(*large, &offsets[..(values + 1) * offset_width(*large)])
                    };
                    let (from, to) = (end(row), end(row + 1));
                    if !block.has_room(to - from) {
                        return false;
                    }
                    block.set_bytes_at(row, index, &bytes[from..to]);
                }
                Values::Nulls => return false,
            }
        }
        true
    }

    fn truncate(&mut self, length: usize) {
        if self.length <= length {
            return;
        }
        match &mut self.values {
            Values::Bits(bits) => bits.truncate(length),
            Values::Fixed { width, bytes } => bytes.truncate(*width * length),
            Values::Variable { large, offsets, bytes } => {
                offsets.truncate((length + 1) * offset_width(*large));
                bytes.truncate(last_offset(*large, offsets));
            }
            Values::Nulls => {}
        }
        match &mut self.validity {
            Some(_) if length == 0 => self.validity = None,
            Some(validity) => validity.truncate(length),
            None => {}
        }
        self.length = length;
    }

    /// The first `rows` values as an array; a further one stays.
    fn finish(&mut self, rows: usize) -> Result<ArrayRef> {
        let begun = (self.length > rows).then(|| self.split_last());
        let nulls = self
            .validity
            .take()
            .map(|mut validity| NullBuffer::new(validity.finish()))
            .filter(|nulls| nulls.null_count() > 0);
        self.length = 0;
        let values = std::mem::replace(&mut self.values, Values::new(&self.built_type));
        let array = self.build(values, rows, nulls)?;
        if let Some((values, valid)) = begun {
            self.values = values;
            if valid {
                self.valid();
            } else {
                self.validity.insert(BooleanBufferBuilder::new(1)).append(false);
                self.length = 1;
            }
        }
        if array.data_type() == &self.data_type {
            return Ok(array);
        }
        cast(&array, &self.data_type).map_err(|error| Error::internal(error.to_string()))
    }

    /// Takes the last value off, as values of its own and whether it is valid.
    fn split_last(&mut self) -> (Values, bool) {
        let last = self.length - 1;
        let valid = self.validity.as_ref().is_none_or(|validity| validity.get_bit(last));
        let mut taken = Values::new(&self.built_type);
        match (&mut taken, &self.values) {
            (Values::Bits(to), Values::Bits(from)) => to.append(from.get_bit(last)),
            (Values::Fixed { bytes: to, .. }, Values::Fixed { width, bytes }) => {
                to.extend_from_slice(&bytes.as_slice()[last * *width..]);
            }
            (
                Values::Variable { offsets: to_offsets, bytes: to, .. },
                Values::Variable { large, offsets, bytes },
            ) => {
                let before = &offsets.as_slice()[..(last + 1) * offset_width(*large)];
                let start = last_offset(*large, before);
                to.extend_from_slice(&bytes.as_slice()[start..]);
                push_offset(*large, to_offsets, to.len());
            }
            _ => {}
        }
        self.truncate(last);
        (taken, valid)
    }

    fn build(
        &mut self,
        values: Values,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        macro_rules! primitive {
            ($t:ty, $bytes:ident, $nulls:ident) => {{
                let buffer = self.keep($bytes);
                let values: ScalarBuffer<<$t as ArrowPrimitiveType>::Native> =
                    ScalarBuffer::new(buffer, 0, rows);
                let array = PrimitiveArray::<$t>::try_new(values, $nulls)
                    .map_err(|error| Error::internal(error.to_string()))?;
                Ok(Arc::new(array.with_data_type(self.built_type.clone())))
            }};
        }
        match values {
            Values::Bits(mut bits) => Ok(Arc::new(BooleanArray::new(bits.finish(), nulls))),
            Values::Nulls => Ok(new_null_array(&self.built_type, rows)),
            Values::Variable { offsets, bytes, .. } => Ok(match &self.built_type {
                DataType::Utf8 => self.build_bytes::<GenericStringType<i32>>(offsets, bytes, nulls),
                DataType::LargeUtf8 => {
                    self.build_bytes::<GenericStringType<i64>>(offsets, bytes, nulls)
                }
                DataType::Binary => {
                    self.build_bytes::<GenericBinaryType<i32>>(offsets, bytes, nulls)
                }
                _ => self.build_bytes::<GenericBinaryType<i64>>(offsets, bytes, nulls),
            }),
            Values::Fixed { bytes, .. } => {
                let data_type = self.built_type.clone();
                downcast_primitive! {
                    data_type => (primitive, bytes, nulls),
                    DataType::FixedSizeBinary(width) => {
                        let bytes = self.keep(bytes);
                        FixedSizeBinaryArray::try_new_with_len(width, bytes, nulls, rows)
                            .map(|array| Arc::new(array) as ArrayRef)
                            .map_err(|error| Error::internal(error.to_string()))
                    }
                    other => Err(Error::internal(format!("a column of fixed width is {other}")))
                }
            }
        }
    }

    fn build_bytes<T: ByteArrayType>(
        &mut self,
        offsets: MutableBuffer,
        bytes: MutableBuffer,
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        let (offsets, bytes) = (self.keep(offsets), self.keep(bytes));
        // SAFETY: offsets begin at 0, grow with every value and end at the length of the bytes.
        let offsets =
            unsafe { OffsetBuffer::new_unchecked(ScalarBuffer::<T::Offset>::from(offsets)) };
        // SAFETY: as above; every text was checked on its way in.
        Arc::new(unsafe { GenericByteArray::<T>::new_unchecked(offsets, bytes, nulls) })
    }

    /// Makes a buffer of what was written, and remembers it for `reclaim`.
    fn keep(&mut self, bytes: MutableBuffer) -> Buffer {
        let buffer = Buffer::from(bytes);
        self.spare.push(buffer.clone());
        buffer
    }

    /// Takes the memory of the last flush back, if nobody else holds it and no row was begun.
    fn reclaim(&mut self) {
        let mut spare =
            self.spare.drain(..).map(|buffer| buffer.into_mutable().unwrap_or_default());
        let mut take = |bytes: &mut MutableBuffer| {
            if let Some(mut memory) = spare.next() {
                memory.clear();
                memory.extend_from_slice(bytes.as_slice());
                *bytes = memory;
            }
        };
        match &mut self.values {
            Values::Fixed { bytes, .. } => take(bytes),
            Values::Variable { offsets, bytes, .. } => {
                take(offsets);
                take(bytes);
            }
            Values::Bits(_) | Values::Nulls => {}
        }
    }
}

fn offset_width(large: bool) -> usize {
    if large { size_of::<i64>() } else { size_of::<i32>() }
}

/// Appends an offset, which was found to fit.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn push_offset(large: bool, offsets: &mut MutableBuffer, offset: usize) {
    if large { offsets.push(offset as i64) } else { offsets.push(offset as i32) }
}

fn last_offset(large: bool, offsets: &[u8]) -> usize {
    let bytes = &offsets[offsets.len() - offset_width(large)..];
    let offset = match (<[u8; 8]>::try_from(bytes), <[u8; 4]>::try_from(bytes)) {
        (Ok(wide), _) => i64::from_ne_bytes(wide),
        (_, Ok(narrow)) => i64::from(i32::from_ne_bytes(narrow)),
        _ => 0,
    };
    usize::try_from(offset).unwrap_or(0)
}
