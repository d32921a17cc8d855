//! [`ColumnBuilder`]: the values of a column, on their way to an Arrow array.
//!
//! Values stand as words, as in a block of rows; a column of eight bytes takes them as they lie in
//! memory.

use std::sync::Arc;

use arrow::array::{
    ArrayData, ArrayRef, BinaryArray, BooleanArray, ListArray, StructArray, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use laminar_types::{Error, Result, code};

use super::target::{Target, fields_of, item_of};

/// A column that is being filled.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    pub(super) target: Arc<Target>,
    /// Whether each value is there.
    pub(super) valid: Vec<bool>,
    pub(super) values: Values,
}

/// The values of a column, those that are not there included.
#[derive(Debug)]
pub(super) enum Values {
    Words(Vec<u64>),
    /// Bytes one after the other, and where each value ends.
    Bytes {
        ends: Vec<i32>,
        data: Vec<u8>,
    },
    Wide(Vec<i128>),
    /// Where each list ends among the items.
    List {
        ends: Vec<i32>,
        items: Box<ColumnBuilder>,
    },
    Struct(Vec<ColumnBuilder>),
}

impl ColumnBuilder {
    /// An empty column, to which so many values are expected to come.
    pub(super) fn new(target: &Arc<Target>, rows: usize) -> Self {
        let values = match &target.data_type {
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView => {
                Values::Bytes { ends: Vec::with_capacity(rows), data: Vec::new() }
            }
            DataType::Decimal128(..) => Values::Wide(Vec::with_capacity(rows)),
            DataType::List(_) => {
                let items = target.items.as_ref().expect("the target of a list has one of items");
                Values::List {
                    ends: Vec::with_capacity(rows),
                    items: Box::new(Self::new(items, rows)),
                }
            }
            DataType::Struct(_) => {
                let record = target.record.as_ref().expect("the target of a struct has its fields");
                Values::Struct(record.builders(rows))
            }
            _ => Values::Words(Vec::with_capacity(rows)),
        };
        Self { target: Arc::clone(target), valid: Vec::with_capacity(rows), values }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.valid.len()
    }

    #[inline]
    pub(super) fn push_word(&mut self, word: u64) {
        if let Values::Words(words) = &mut self.values {
            words.push(word);
            self.valid.push(true);
        }
    }

    pub(super) fn push_bytes(&mut self, value: &[u8]) -> Result<()> {
        if let Values::Bytes { ends, data } = &mut self.values {
            let end = i32::try_from(data.len() + value.len()).map_err(|_| {
                Error::new(code::VALUE, "the texts of one push are longer than 2 GiB together")
            })?;
            data.extend_from_slice(value);
            ends.push(end);
            self.valid.push(true);
        }
        Ok(())
    }

    pub(super) fn push_wide(&mut self, value: i128) {
        if let Values::Wide(values) = &mut self.values {
            values.push(value);
            self.valid.push(true);
        }
    }

    /// Ends a list whose items were pushed to [`items`](Self::items).
    pub(super) fn end_list(&mut self) -> Result<()> {
        if let Values::List { ends, items } = &mut self.values {
            let end = i32::try_from(items.len()).map_err(|_| {
                Error::new(code::VALUE, "the lists of one push have too many items together")
            })?;
            ends.push(end);
            self.valid.push(true);
        }
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        match &mut self.values {
            Values::Words(words) => words.push(0),
            Values::Bytes { ends, .. } | Values::List { ends, .. } => {
                ends.push(ends.last().copied().unwrap_or(0));
            }
            Values::Wide(values) => values.push(0),
            Values::Struct(columns) => columns.iter_mut().for_each(Self::push_null),
        }
        self.valid.push(false);
    }

    /// The values as an array of the column's type.
    ///
    /// # Errors
    /// `INTERNAL` where they do not make one, which only a defect can cause.
    pub(super) fn finish(self) -> Result<ArrayRef> {
        let data_type = self.target.data_type.clone();
        let fail = |error: ArrowError| {
            Error::internal(format!("values do not make an array of {data_type}: {error}"))
        };
        let length = self.valid.len();
        let nulls = match self.valid.iter().all(|valid| *valid) {
            true => None,
            false => Some(NullBuffer::from(self.valid)),
        };
        let array: ArrayRef = match self.values {
            Values::Words(words) if data_type == DataType::Boolean => {
                let bits = BooleanBuffer::collect_bool(length, |row| words[row] != 0);
                Arc::new(BooleanArray::new(bits, nulls))
            }
            Values::Words(words) => {
                let values = match data_type.primitive_width() {
                    Some(1) => Buffer::from_iter(words.iter().map(|word| *word as u8)),
                    Some(2) => Buffer::from_iter(words.iter().map(|word| *word as u16)),
                    Some(4) => Buffer::from_iter(words.iter().map(|word| *word as u32)),
                    _ => Buffer::from_vec(words),
                };
                let data = ArrayData::builder(data_type.clone()).len(length).add_buffer(values);
                make_array(data.nulls(nulls).build().map_err(fail)?)
            }
            Values::Wide(values) => {
                let values = Buffer::from_vec(values);
                let data = ArrayData::builder(data_type.clone()).len(length).add_buffer(values);
                make_array(data.nulls(nulls).build().map_err(fail)?)
            }
            Values::Bytes { ends, data } => {
                let array = BinaryArray::try_new(offsets(ends), Buffer::from_vec(data), nulls);
                let array: ArrayRef = Arc::new(array.map_err(fail)?);
                match data_type {
                    DataType::Binary => array,
                    ref other => cast(&array, other).map_err(fail)?,
                }
            }
            Values::List { ends, items } => {
                let item = item_of(&data_type).expect("lists have the type of a list");
                let items = items.finish()?;
                let lists = ListArray::try_new(Arc::clone(item), offsets(ends), items, nulls);
                Arc::new(lists.map_err(fail)?)
            }
            Values::Struct(columns) => {
                let fields = fields_of(&data_type).expect("structs have the type of a struct");
                let columns = columns.into_iter().map(Self::finish).collect::<Result<Vec<_>>>()?;
                let array =
                    StructArray::try_new_with_length(fields.clone(), columns, nulls, length);
                Arc::new(array.map_err(fail)?)
            }
        };
        Ok(array)
    }
}

/// The offsets of values that lie one after the other.
fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}
