//! [`Page`], a batch that grows by copying, and how much memory arrays hold on to.

use std::sync::Arc;

use arrow::array::builder::{BooleanBuilder, GenericByteBuilder, PrimitiveBuilder};
use arrow::array::{
    Array, ArrayData, ArrayRef, ArrowPrimitiveType, AsArray, MutableArrayData, OffsetSizeTrait,
    RecordBatch, RecordBatchOptions, downcast_primitive, make_array, new_null_array,
};
use arrow::compute::concat;
use arrow::datatypes::{
    ArrowNativeType, BinaryType, ByteArrayType, DataType, LargeBinaryType, LargeUtf8Type,
    SchemaRef, Utf8Type,
};
use arrow::error::ArrowError;
use laminar_types::rows::Word;
use laminar_types::{Error, Result, RowBlock};

/// Bytes of strings for which a page allocates at first, per row.
const BYTES_PER_STRING: usize = 16;
/// Bytes that a string takes besides its own.
const BYTES_PER_OFFSET: usize = 4;

/// A batch under construction, whose builders are allocated when the first row comes.
pub(crate) struct Page {
    schema: SchemaRef,
    capacity: usize,
    columns: Vec<Box<dyn Column>>,
    /// The columns whose values have no fixed width.
    variable: Vec<usize>,
    /// Bytes of a row in the columns of fixed width.
    fixed_row_bytes: usize,
    variable_bytes: usize,
    rows: usize,
}

impl Page {
    /// A page for `capacity` rows.
    pub(crate) fn new(schema: &SchemaRef, capacity: usize) -> Self {
        let types = || schema.fields().iter().map(|field| field.data_type());
        let is_variable = |data_type: &DataType| data_type.primitive_width().is_none();
        Self {
            schema: SchemaRef::clone(schema),
            capacity,
            columns: Vec::new(),
            variable: types().enumerate().filter(|(_, t)| is_variable(t)).map(|(i, _)| i).collect(),
            fixed_row_bytes: types().map(|t| t.primitive_width().unwrap_or(0)).sum(),
            variable_bytes: 0,
            rows: 0,
        }
    }

    /// Bytes for which a page of a schema allocates, per row.
    pub(crate) fn row_bytes(schema: &SchemaRef) -> usize {
        let types = schema.fields().iter().map(|field| field.data_type());
        types.map(|t| t.primitive_width().unwrap_or(BYTES_PER_STRING + BYTES_PER_OFFSET)).sum()
    }

    /// The rows copied so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows that may still be copied.
    pub(crate) fn room(&self) -> usize {
        self.capacity - self.rows
    }

    /// Bytes of the values without a fixed width.
    pub(crate) fn variable_bytes(&self) -> usize {
        self.variable_bytes
    }

    /// Bytes of the values without a fixed width in arrays that have the types of the schema.
    pub(crate) fn variable_bytes_of(&self, arrays: &[ArrayRef]) -> usize {
        self.variable.iter().map(|&index| growth(&arrays[index])).sum()
    }

    /// Bytes of memory that the page holds.
    pub(crate) fn bytes(&self) -> usize {
        let allocated_rows = if self.columns.is_empty() { 0 } else { self.capacity };
        allocated_rows * self.fixed_row_bytes + self.variable_bytes
    }

    /// Copies `rows` rows, at most `room()`, from arrays that have the types of the schema.
    pub(crate) fn append(&mut self, arrays: &[ArrayRef], rows: usize) -> Result<(), ArrowError> {
        self.allocate();
        for (column, array) in self.columns.iter_mut().zip(arrays) {
            column.append(array)?;
        }
        self.variable_bytes += self.variable_bytes_of(arrays);
        self.rows += rows;
        Ok(())
    }

    /// Copies one row of a block that has the columns of the schema, if there is room.
    pub(crate) fn append_row(&mut self, rows: &RowBlock, row: usize) -> Result<(), ArrowError> {
        self.allocate();
        for (index, column) in self.columns.iter_mut().enumerate() {
            column.append_row(rows, row, index)?;
        }
        for &index in &self.variable {
            if rows.layout().kinds()[index].is_bytes() {
                self.variable_bytes += rows.bytes(row, index).len() + BYTES_PER_OFFSET;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Makes the builders, unless they are there.
    fn allocate(&mut self) {
        if self.columns.is_empty() {
            let fields = self.schema.fields();
            self.columns = fields.iter().map(|f| column(f.data_type(), self.capacity)).collect();
        }
    }

    /// The rows copied so far; the page is empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.rows = 0;
        self.variable_bytes = 0;
        // The buffers leave with the arrays: new ones are allocated when the next row comes.
        std::mem::take(&mut self.columns).iter_mut().map(|column| column.finish()).collect()
    }

    /// A copy of the rows copied so far.
    pub(crate) fn copy(&self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.columns.iter().map(|column| column.copy()).collect()
    }
}

/// One column of a page.
trait Column: Send + Sync {
    fn append(&mut self, array: &ArrayRef) -> Result<(), ArrowError>;
    fn append_row(&mut self, rows: &RowBlock, row: usize, column: usize) -> Result<(), ArrowError>;
    fn finish(&mut self) -> Result<ArrayRef, ArrowError>;
    fn copy(&self) -> Result<ArrayRef, ArrowError>;
}

fn column(data_type: &DataType, capacity: usize) -> Box<dyn Column> {
    fn bytes<T: ByteArrayType>(capacity: usize) -> Box<dyn Column>
    where
        T::Native: OfBytes,
    {
        Box::new(GenericByteBuilder::<T>::with_capacity(capacity, capacity * BYTES_PER_STRING))
    }
    macro_rules! primitive {
        ($type:ty) => {
            Box::new(
                PrimitiveBuilder::<$type>::with_capacity(capacity)
                    .with_data_type(data_type.clone()),
            )
        };
    }
    downcast_primitive! {
        data_type => (primitive),
        DataType::Boolean => Box::new(BooleanBuilder::with_capacity(capacity)),
        DataType::Utf8 => bytes::<Utf8Type>(capacity),
        DataType::LargeUtf8 => bytes::<LargeUtf8Type>(capacity),
        DataType::Binary => bytes::<BinaryType>(capacity),
        DataType::LargeBinary => bytes::<LargeBinaryType>(capacity),
        _ => Box::new(Pieces(Vec::new())),
    }
}

impl<T: ArrowPrimitiveType> Column for PrimitiveBuilder<T>
where
    T::Native: Word,
{
    fn append_row(&mut self, rows: &RowBlock, row: usize, column: usize) -> Result<(), ArrowError> {
        match rows.is_null(row, column) {
            true => self.append_null(),
            false => self.append_value(T::Native::of_word(rows.word(row, column))),
        }
        Ok(())
    }

    fn append(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        self.append_array(array.as_primitive());
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish()))
    }

    fn copy(&self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish_cloned()))
    }
}

impl Column for BooleanBuilder {
    fn append_row(&mut self, rows: &RowBlock, row: usize, column: usize) -> Result<(), ArrowError> {
        match rows.is_null(row, column) {
            true => self.append_null(),
            false => self.append_value(bool::of_word(rows.word(row, column))),
        }
        Ok(())
    }

    fn append(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        self.append_array(array.as_boolean());
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish()))
    }

    fn copy(&self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish_cloned()))
    }
}

impl<T: ByteArrayType> Column for GenericByteBuilder<T>
where
    T::Native: OfBytes,
{
    fn append_row(&mut self, rows: &RowBlock, row: usize, column: usize) -> Result<(), ArrowError> {
        match rows.is_null(row, column) {
            true => self.append_null(),
            false => self.append_value(T::Native::of_bytes(rows.bytes(row, column))?),
        }
        Ok(())
    }

    fn append(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        self.append_array(array.as_bytes())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish()))
    }

    fn copy(&self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.finish_cloned()))
    }
}

/// The value of a string or binary column that bytes stand for.
trait OfBytes {
    fn of_bytes(bytes: &[u8]) -> Result<&Self, ArrowError>;
}

impl OfBytes for str {
    fn of_bytes(bytes: &[u8]) -> Result<&Self, ArrowError> {
        std::str::from_utf8(bytes).map_err(|error| ArrowError::ComputeError(error.to_string()))
    }
}

impl OfBytes for [u8] {
    fn of_bytes(bytes: &[u8]) -> Result<&Self, ArrowError> {
        Ok(bytes)
    }
}

/// A column of any other type: the arrays as they came, joined when they are asked for.
struct Pieces(Vec<ArrayRef>);

impl Column for Pieces {
    fn append_row(&mut self, rows: &RowBlock, row: usize, column: usize) -> Result<(), ArrowError> {
        let batch = rows.to_batch().map_err(|error| ArrowError::ComputeError(error.to_string()))?;
        self.0.push(batch.column(column).slice(row, 1));
        Ok(())
    }

    fn append(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        self.0.push(compact(array)?);
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.copy()
    }

    fn copy(&self) -> Result<ArrayRef, ArrowError> {
        concat(&self.0.iter().map(|array| &**array).collect::<Vec<_>>())
    }
}

/// Bytes by which a page without fixed width grows. Arrays of one column share their dictionary.
fn growth(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Dictionary(key, _) => array.len() * key.primitive_width().unwrap_or(0),
        _ => slice_bytes(array),
    }
}

/// Bytes of overhead, per column, for which nothing is copied.
const SLACK_BYTES: usize = 256;

/// The columns of a batch without the memory that they keep from being freed and do not need: if
/// they hold on to more than twice what they show, those that do are copied.
pub(crate) fn compact_all(columns: &[ArrayRef]) -> Result<Vec<ArrayRef>, ArrowError> {
    let needed: usize = columns.iter().map(slice_bytes).sum();
    // Shared buffers count several times here, so most batches are done with this.
    let most: usize = columns.iter().map(|column| column.get_buffer_memory_size()).sum();
    if most <= 2 * needed + SLACK_BYTES * columns.len() {
        return Ok(columns.to_vec());
    }
    if memory_of(columns) <= 2 * needed + SLACK_BYTES * columns.len() {
        return Ok(columns.to_vec());
    }
    columns.iter().map(compact).collect()
}

/// The batch without memory that is not its own: columns whose buffers are more than twice their
/// content are copied.
pub(crate) fn compact_batch(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let compacted = compact_all(batch.columns()).and_then(|columns| {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(batch.schema(), columns, &options)
    });
    compacted.map_err(|error| Error::internal(format!("rows cannot be copied: {error}")))
}

/// Bytes of the content of a batch, whatever else its buffers hold.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(slice_bytes).sum()
}

/// The array itself, or a copy if it holds on to more than twice the bytes that it shows.
fn compact(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match memory_of(std::slice::from_ref(array)) <= 2 * slice_bytes(array) + SLACK_BYTES {
        true => Ok(Arc::clone(array)),
        false => copied(array),
    }
}

/// A copy of an array that shares no memory with it.
pub(crate) fn copied(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        _ => {
            let data = array.to_data();
            let mut copy = MutableArrayData::new(vec![&data], false, data.len());
            copy.try_extend(0, 0, data.len())?;
            make_array(copy.freeze())
        }
    })
}

/// A batch with NULLs in the columns that a schema has behind its own.
pub(crate) fn widened(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let added = schema.fields().iter().skip(batch.num_columns());
    let added = added.map(|field| new_null_array(field.data_type(), rows));
    let columns = batch.columns().iter().cloned().chain(added).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::internal(format!("a batch does not widen: {error}")))
}

/// Bytes of the allocations behind arrays, each counted once.
pub(crate) fn memory_of(columns: &[ArrayRef]) -> usize {
    fn collect(data: &ArrayData, buffers: &mut Vec<(usize, usize)>) {
        let nulls = data.nulls().map(|nulls| nulls.buffer());
        let all = data.buffers().iter().chain(nulls);
        buffers.extend(all.map(|buffer| (buffer.data_ptr().as_ptr().addr(), buffer.capacity())));
        data.child_data().iter().for_each(|child| collect(child, buffers));
    }
    let mut buffers = Vec::with_capacity(3 * columns.len());
    columns.iter().for_each(|column| collect(&column.to_data(), &mut buffers));
    buffers.sort_unstable();
    buffers.dedup();
    buffers.iter().map(|(_, bytes)| bytes).sum()
}

/// Bytes that the rows of an array need, whatever lies before and after them in its buffers.
fn slice_bytes(array: &ArrayRef) -> usize {
    fn list<O: OffsetSizeTrait>(array: &ArrayRef) -> usize {
        let list = array.as_list::<O>();
        let offsets = list.value_offsets();
        let (first, last) = (offsets[0].as_usize(), offsets[list.len()].as_usize());
        size_of_val(offsets) + slice_bytes(&list.values().slice(first, last - first))
    }
    fn bytes<T: ByteArrayType>(array: &ArrayRef) -> usize {
        let offsets = array.as_bytes::<T>().value_offsets();
        let used = offsets[array.len()].as_usize() - offsets[0].as_usize();
        size_of_val(offsets) + used
    }
    let len = array.len();
    let values = match array.data_type() {
        DataType::Null => 0,
        DataType::Boolean => len.div_ceil(8),
        DataType::Utf8 => bytes::<Utf8Type>(array),
        DataType::LargeUtf8 => bytes::<LargeUtf8Type>(array),
        DataType::Binary => bytes::<BinaryType>(array),
        DataType::LargeBinary => bytes::<LargeBinaryType>(array),
        DataType::Utf8View => 16 * len + array.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => 16 * len + array.as_binary_view().total_buffer_bytes_used(),
        DataType::List(_) => list::<i32>(array),
        DataType::LargeList(_) => list::<i64>(array),
        DataType::Map(_, _) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            let (first, last) = (offsets[0].as_usize(), offsets[len].as_usize());
            let entries = map.entries().slice(first, last - first);
            size_of_val(offsets) + entries.columns().iter().map(slice_bytes).sum::<usize>()
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(slice_bytes).sum(),
        DataType::FixedSizeBinary(width) => len * usize::try_from(*width).unwrap_or(0),
        data_type => match data_type.primitive_width() {
            Some(width) => len * width,
            // What has no measure of its own counts as used, and so is never copied.
            None => memory_of(std::slice::from_ref(array)),
        },
    };
    values + if array.nulls().is_some() { len.div_ceil(8) } else { 0 }
}
