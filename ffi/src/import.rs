//! Arrays of C to arrays of arrow-rs, without copying buffers.
//!
//! Structure (counts, tables, the ends of offsets) is always checked, because the memory that is
//! read depends on it. Content (UTF-8, every offset, dictionary keys, decimals) is checked unless
//! the configuration trusts its producers. Only the part of a child that the imported rows reach
//! is looked at, so a small slice of a large array costs what the slice costs.

use std::sync::Arc;

use arrow::array::types::{
    BinaryViewType, ByteArrayType, ByteViewType, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, GenericBinaryType, GenericStringType, RunEndIndexType,
    StringViewType,
};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
    FixedSizeListArray, GenericByteArray, GenericByteViewArray, GenericListArray,
    GenericListViewArray, MapArray, NullArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
    RecordBatchOptions, RunArray, StructArray, downcast_integer, downcast_primitive,
    downcast_run_end_index,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowDictionaryKeyType, DataType, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use laminar_types::error::code;
use laminar_types::{Error, Result};

use crate::adapt::Plan;
use crate::arrow_c::{CheckedSchema, Node, Owner, malformed};

/// Imports batches for one source.
pub(crate) struct Importer {
    schema: SchemaRef,
    validate: bool,
}

impl Importer {
    /// For a source with the columns `schema`; `validate` asks for checks of the content.
    pub(crate) fn new(schema: SchemaRef, validate: bool) -> Self {
        Self { schema, validate }
    }

    /// The columns of the source.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn validates(&self) -> bool {
        self.validate
    }

    /// Imports one batch; `given` is its schema unless it is the source's own.
    pub(crate) fn batch(
        &self,
        owner: &Arc<Owner>,
        given: Option<&CheckedSchema<'_>>,
    ) -> Result<RecordBatch> {
        self.planned_batch(owner, &self.plan(given)?)
    }

    /// How batches of a schema become rows of the source.
    pub(crate) fn plan(&self, given: Option<&CheckedSchema<'_>>) -> Result<Plan> {
        given.map_or(Ok(Plan::Same), |given| Plan::new(given, &self.schema))
    }

    /// Imports one batch of a stream.
    pub(crate) fn planned_batch(&self, owner: &Arc<Owner>, plan: &Plan) -> Result<RecordBatch> {
        let given = plan.given().unwrap_or(&self.schema);
        let (rows, columns) = import_rows(owner, given, self.validate)?;
        self.fit(columns, rows, plan)
    }

    /// A batch with columns of other types or in another order, as rows of the source.
    pub(crate) fn adapt(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let plan = Plan::between(batch.schema(), &self.schema)?;
        self.fit(batch.columns().to_vec(), batch.num_rows(), &plan)
    }

    /// Columns as a plan knows them, as rows of the source.
    fn fit(&self, columns: Vec<ArrayRef>, rows: usize, plan: &Plan) -> Result<RecordBatch> {
        let columns = plan.apply(columns, &self.schema, rows)?;
        for (field, column) in self.schema.fields().iter().zip(&columns) {
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::new(
                    code::NULL_VALUE,
                    format!(
                        "the column `{}` is NOT NULL, and {} of its values are NULL",
                        field.name(),
                        column.null_count()
                    ),
                ));
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| refused(&error))
    }
}

/// The columns of a struct array with the columns `schema`, and how many rows there are.
pub(crate) fn import_rows(
    owner: &Arc<Owner>,
    schema: &Schema,
    validate: bool,
) -> Result<(usize, Vec<ArrayRef>)> {
    let root = owner.node()?;
    let fields = schema.fields();
    if root.n_children != fields.len() {
        return Err(malformed(format!(
            "the batch has {} columns, and its schema has {}",
            root.n_children,
            fields.len()
        )));
    }
    root.expect(1, fields.len())?;
    let window = Window { offset: 0, length: root.length };
    if validity(&root, window, validate)?.is_some() {
        return Err(malformed("the struct array has rows that are NULL as a whole"));
    }
    let columns = import_fields(&root, window, fields, validate)?;
    Ok((root.length, columns))
}

/// An array by itself, of a type and with so many values; everything about it is checked.
pub(crate) fn import_array(
    owner: &Arc<Owner>,
    data_type: &DataType,
    rows: usize,
) -> Result<ArrayRef> {
    let root = owner.node()?;
    if root.length != rows {
        return Err(malformed(format!("{rows} values were to come, and {} did", root.length)));
    }
    import(&root, Window { offset: 0, length: rows }, data_type, true)
}

/// Rows of an array, counted from its logical start.
#[derive(Clone, Copy)]
struct Window {
    offset: usize,
    length: usize,
}

impl Window {
    /// Where the rows begin in the array's buffers.
    fn start(self, node: &Node<'_>) -> usize {
        // The sum of offset and length of the array fits, and the window lies within the length.
        node.offset + self.offset
    }
}

fn import(
    node: &Node<'_>,
    window: Window,
    data_type: &DataType,
    validate: bool,
) -> Result<ArrayRef> {
    match window.offset.checked_add(window.length) {
        Some(end) if end <= node.length => {}
        _ => {
            return Err(malformed(format!(
                "{} values are needed from {}, and there are {}",
                window.length, window.offset, node.length
            )));
        }
    }
    let import = Import { node, window, start: window.start(node), data_type, validate };
    macro_rules! primitive {
        ($t:ty) => {
            import.primitive::<$t>()
        };
    }
    macro_rules! dictionary {
        ($t:ty) => {
            import.dictionary::<$t>()
        };
    }
    macro_rules! run_end {
        ($t:ty) => {
            import.run_end::<$t>()
        };
    }
    downcast_primitive! {
        data_type => (primitive),
        DataType::Null => import.null(),
        DataType::Boolean => import.boolean(),
        DataType::Utf8 => import.byte_array::<GenericStringType<i32>>(),
        DataType::LargeUtf8 => import.byte_array::<GenericStringType<i64>>(),
        DataType::Binary => import.byte_array::<GenericBinaryType<i32>>(),
        DataType::LargeBinary => import.byte_array::<GenericBinaryType<i64>>(),
        DataType::Utf8View => import.view::<StringViewType>(),
        DataType::BinaryView => import.view::<BinaryViewType>(),
        DataType::FixedSizeBinary(width) => import.fixed_size_binary(*width),
        DataType::Struct(fields) => import.structure(fields),
        DataType::List(field) => import.list::<i32>(field),
        DataType::LargeList(field) => import.list::<i64>(field),
        DataType::ListView(field) => import.list_view::<i32>(field),
        DataType::LargeListView(field) => import.list_view::<i64>(field),
        DataType::FixedSizeList(field, size) => import.fixed_size_list(field, *size),
        DataType::Map(field, sorted) => import.map(field, *sorted),
        DataType::Dictionary(key, _) => downcast_integer! {
            key.as_ref() => (dictionary),
            other => Err(malformed(format!("a dictionary cannot have keys of type {other}")))
        },
        DataType::RunEndEncoded(ends, _) => downcast_run_end_index! {
            ends.data_type() => (run_end),
            other => Err(malformed(format!("run ends cannot have the type {other}")))
        },
        other => Err(Error::new(
            code::BATCH_SCHEMA,
            format!("arrays of type {other} cannot be pushed"),
        ))
    }
}

/// The children of a struct array, each told by its name in errors.
fn import_fields(
    node: &Node<'_>,
    window: Window,
    fields: &Fields,
    validate: bool,
) -> Result<Vec<ArrayRef>> {
    let window = Window { offset: window.start(node), length: window.length };
    let child = |(index, field): (usize, &FieldRef)| {
        node.child(index)
            .and_then(|child| import(&child, window, field.data_type(), validate))
            .map_err(|error| error.context(format_args!("column `{}`", field.name())))
    };
    fields.iter().enumerate().map(child).collect()
}

fn validity(node: &Node<'_>, window: Window, validate: bool) -> Result<Option<NullBuffer>> {
    if !node.has_buffer(0) {
        return match node.null_count {
            Some(nulls) if nulls > 0 => Err(malformed(format!(
                "there is no validity buffer (NULL), and the null count is {nulls}"
            ))),
            _ => Ok(None),
        };
    }
    if window.length == 0 || (node.null_count == Some(0) && !validate) {
        return Ok(None);
    }
    let nulls = NullBuffer::new(bits(node, 0, window)?);
    let whole = window.length == node.length;
    match node.null_count {
        Some(declared) if validate && whole && declared != nulls.null_count() => {
            Err(malformed(format!(
                "the null count is {declared}, and the validity buffer says {}",
                nulls.null_count()
            )))
        }
        _ => Ok((nulls.null_count() > 0).then_some(nulls)),
    }
}

fn bits(node: &Node<'_>, buffer: usize, window: Window) -> Result<BooleanBuffer> {
    let start = window.start(node);
    let shift = start % 8;
    let bytes = (shift + window.length).div_ceil(8);
    Ok(BooleanBuffer::new(node.bytes(buffer, start / 8, bytes)?, shift, window.length))
}

/// What arrow-rs says of content that it refuses.
fn refused(error: &ArrowError) -> Error {
    malformed(error.to_string())
}

/// The import of one array.
struct Import<'a, 'b> {
    node: &'a Node<'b>,
    window: Window,
    /// The window's begin in the array's buffers.
    start: usize,
    data_type: &'a DataType,
    validate: bool,
}

impl Import<'_, '_> {
    fn length(&self) -> usize {
        self.window.length
    }

    fn validity(&self) -> Result<Option<NullBuffer>> {
        validity(self.node, self.window, self.validate)
    }

    fn null(&self) -> Result<ArrayRef> {
        // Older producers give the null type a validity buffer, which says nothing.
        self.node.expect(self.node.n_buffers.min(1), 0)?;
        Ok(Arc::new(NullArray::new(self.length())))
    }

    fn boolean(&self) -> Result<ArrayRef> {
        self.node.expect(2, 0)?;
        let nulls = self.validity()?;
        Ok(Arc::new(BooleanArray::new(bits(self.node, 1, self.window)?, nulls)))
    }

    fn primitive_array<T: ArrowPrimitiveType>(&self) -> Result<PrimitiveArray<T>> {
        self.node.expect(2, 0)?;
        let values = self.node.primitives::<T>(self.start, self.length())?;
        PrimitiveArray::try_new(values, self.validity()?).map_err(|error| refused(&error))
    }

    fn primitive<T: ArrowPrimitiveType>(&self) -> Result<ArrayRef> {
        let array = self.primitive_array::<T>()?.with_data_type(self.data_type.clone());
        let array: ArrayRef = Arc::new(array);
        if self.validate {
            match self.data_type {
                DataType::Decimal32(precision, _) => {
                    check_decimals::<Decimal32Type>(&array, *precision)?;
                }
                DataType::Decimal64(precision, _) => {
                    check_decimals::<Decimal64Type>(&array, *precision)?;
                }
                DataType::Decimal128(precision, _) => {
                    check_decimals::<Decimal128Type>(&array, *precision)?;
                }
                DataType::Decimal256(precision, _) => {
                    check_decimals::<Decimal256Type>(&array, *precision)?;
                }
                _ => {}
            }
        }
        Ok(array)
    }

    /// The offsets of the window, of which the first and last are checked, and with validation
    /// the order of all. They count from the first, which is returned beside the last.
    fn offsets<O: OffsetSizeTrait>(&self) -> Result<(OffsetBuffer<O>, usize, usize)> {
        if self.length() == 0 {
            return Ok((OffsetBuffer::new_empty(), 0, 0));
        }
        let offsets: ScalarBuffer<O> = self.node.values(1, self.start, self.length() + 1)?;
        let (first, last) = (offsets[0], offsets[self.length()]);
        let (Some(from), Some(to)) = (first.to_usize(), last.to_usize()) else {
            return Err(malformed(format!("the offsets begin at {first:?} and end at {last:?}")));
        };
        if from > to {
            return Err(malformed(format!("the offsets begin at {from} and end before, at {to}")));
        }
        if self.validate
            && let Some(row) = offsets.windows(2).position(|pair| pair[0] > pair[1])
        {
            return Err(malformed(format!("the offsets decrease at value {row}")));
        }
        let offsets = match from {
            0 => offsets,
            // Without validation some may be below the first; they are as wrong afterwards.
            _ => offsets
                .iter()
                .map(|offset| O::usize_as(offset.as_usize().wrapping_sub(from)))
                .collect(),
        };
        // SAFETY: there is at least one; their order was checked, or is the trusted producer's word.
        Ok((unsafe { OffsetBuffer::new_unchecked(offsets) }, from, to))
    }

    fn byte_array<T: ByteArrayType>(&self) -> Result<ArrayRef>
    where
        T::Offset: OffsetSizeTrait,
        T::Native: CheckedBytes,
    {
        self.node.expect(3, 0)?;
        let (offsets, from, to) = self.offsets::<T::Offset>()?;
        let values = self.node.bytes(2, from, to - from)?;
        if self.validate {
            T::Native::check(&values, &offsets)?;
        }
        // SAFETY: offsets end at the length of the values, and order and content were checked or
        // are the trusted producer's word.
        Ok(Arc::new(unsafe {
            GenericByteArray::<T>::new_unchecked(offsets, values, self.validity()?)
        }))
    }

    fn view<T: ByteViewType>(&self) -> Result<ArrayRef> {
        let n_buffers = self.node.n_buffers;
        self.node.expect(n_buffers.max(3), 0)?;
        let n_data = n_buffers - 3;
        let views: ScalarBuffer<u128> = self.node.values(1, self.start, self.length())?;
        let lengths: ScalarBuffer<i64> = self.node.values(n_buffers - 1, 0, n_data)?;
        let mut data = Vec::with_capacity(n_data);
        for (index, &length) in lengths.iter().enumerate() {
            let length = usize::try_from(length)
                .map_err(|_| malformed(format!("data buffer {index} has the length {length}")))?;
            data.push(self.node.bytes(index + 2, 0, length)?);
        }
        let nulls = self.validity()?;
        Ok(Arc::new(if self.validate {
            GenericByteViewArray::<T>::try_new(views, data, nulls)
                .map_err(|error| refused(&error))?
        } else {
            // SAFETY: views and their content are the trusted producer's word.
            unsafe { GenericByteViewArray::<T>::new_unchecked(views, data, nulls) }
        }))
    }

    fn fixed_size_binary(&self, width: i32) -> Result<ArrayRef> {
        self.node.expect(2, 0)?;
        let bytes = self.product(width)?;
        let start = self.start.checked_mul(bytes.width).ok_or_else(too_large)?;
        let values = self.node.bytes(1, start, bytes.total)?;
        let array =
            FixedSizeBinaryArray::try_new_with_len(width, values, self.validity()?, self.length());
        Ok(Arc::new(array.map_err(|error| refused(&error))?))
    }

    fn structure(&self, fields: &Fields) -> Result<ArrayRef> {
        self.node.expect(1, fields.len())?;
        let columns = import_fields(self.node, self.window, fields, self.validate)?;
        let nulls = self.validity()?;
        StructArray::try_new_with_length(fields.clone(), columns, nulls, self.length())
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(|error| refused(&error))
    }

    /// Part of a child.
    fn part(
        &self,
        index: usize,
        field: &FieldRef,
        offset: usize,
        length: usize,
    ) -> Result<ArrayRef> {
        let child = self.node.child(index)?;
        import(&child, Window { offset, length }, field.data_type(), self.validate)
    }

    fn list<O: OffsetSizeTrait>(&self, field: &FieldRef) -> Result<ArrayRef> {
        self.node.expect(2, 1)?;
        let (offsets, from, to) = self.offsets::<O>()?;
        let values = self.part(0, field, from, to - from)?;
        let nulls = self.validity()?;
        GenericListArray::try_new(Arc::clone(field), offsets, values, nulls)
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(|error| refused(&error))
    }

    fn list_view<O: OffsetSizeTrait>(&self, field: &FieldRef) -> Result<ArrayRef> {
        self.node.expect(3, 1)?;
        let offsets: ScalarBuffer<O> = self.node.values(1, self.start, self.length())?;
        let sizes: ScalarBuffer<O> = self.node.values(2, self.start, self.length())?;
        let values = self.part(0, field, 0, self.node.child(0)?.length)?;
        let nulls = self.validity()?;
        GenericListViewArray::try_new(Arc::clone(field), offsets, sizes, values, nulls)
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(|error| refused(&error))
    }

    fn fixed_size_list(&self, field: &FieldRef, size: i32) -> Result<ArrayRef> {
        self.node.expect(1, 1)?;
        let items = self.product(size)?;
        let start = self.start.checked_mul(items.width).ok_or_else(too_large)?;
        let values = self.part(0, field, start, items.total)?;
        let (nulls, length) = (self.validity()?, self.length());
        FixedSizeListArray::try_new_with_length(Arc::clone(field), size, values, nulls, length)
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(|error| refused(&error))
    }

    fn map(&self, field: &FieldRef, sorted: bool) -> Result<ArrayRef> {
        self.node.expect(2, 1)?;
        let (offsets, from, to) = self.offsets::<i32>()?;
        let entries = self.part(0, field, from, to - from)?;
        let entries = entries
            .as_any()
            .downcast_ref::<StructArray>()
            .ok_or_else(|| malformed("the entries of a map are not a struct"))?;
        let nulls = self.validity()?;
        MapArray::try_new(Arc::clone(field), offsets, entries.clone(), nulls, sorted)
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(|error| refused(&error))
    }

    fn dictionary<K: ArrowDictionaryKeyType>(&self) -> Result<ArrayRef> {
        let DataType::Dictionary(_, value_type) = self.data_type else {
            return Err(Error::internal("a dictionary has the type of a dictionary"));
        };
        let keys = self.primitive_array::<K>()?;
        let dictionary = self.node.dictionary()?;
        let window = Window { offset: 0, length: dictionary.length };
        let values = import(&dictionary, window, value_type, self.validate)?;
        // Keys are always checked: kernels look values up without checking again.
        DictionaryArray::try_new(keys, values)
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(|error| refused(&error))
    }

    fn run_end<R: RunEndIndexType>(&self) -> Result<ArrayRef> {
        let DataType::RunEndEncoded(_, values) = self.data_type else {
            return Err(Error::internal("a run-end encoded array has that type"));
        };
        self.node.expect(0, 2)?;
        let (ends, values_node) = (self.node.child(0)?, self.node.child(1)?);
        let window = Window { offset: 0, length: ends.length };
        let ends = Import {
            node: &ends,
            window,
            start: window.start(&ends),
            data_type: &R::DATA_TYPE,
            validate: self.validate,
        }
        .primitive_array::<R>()?;
        let values = import(&values_node, window, values.data_type(), self.validate)?;
        let array = RunArray::<R>::try_new(&ends, &values).map_err(|error| refused(&error))?;
        if self.start + self.length() > array.len() {
            return Err(malformed("the last run ends before the array does"));
        }
        // The field names of the type are the producer's; the values are what counts.
        Ok(Arc::new(array.slice(self.start, self.length())))
    }

    /// `width` things for every row of the window.
    fn product(&self, width: i32) -> Result<Product> {
        let width = usize::try_from(width)
            .map_err(|_| malformed(format!("the type has the width {width}")))?;
        let total = width.checked_mul(self.length()).ok_or_else(too_large)?;
        Ok(Product { width, total })
    }
}

struct Product {
    width: usize,
    total: usize,
}

fn too_large() -> Error {
    malformed("offset and length are larger than memory")
}

fn check_decimals<T: DecimalType + ArrowPrimitiveType>(
    array: &ArrayRef,
    precision: u8,
) -> Result<()> {
    match array.as_any().downcast_ref::<PrimitiveArray<T>>() {
        Some(array) => array
            .validate_decimal_precision(precision)
            .map_err(|error| Error::new(code::VALUE, error.to_string())),
        None => Ok(()),
    }
}

/// Content of a variable-size array: text is checked, binary is not.
trait CheckedBytes {
    fn check<O: OffsetSizeTrait>(values: &[u8], offsets: &[O]) -> Result<()>;
}

impl CheckedBytes for [u8] {
    fn check<O: OffsetSizeTrait>(_values: &[u8], _offsets: &[O]) -> Result<()> {
        Ok(())
    }
}

impl CheckedBytes for str {
    fn check<O: OffsetSizeTrait>(values: &[u8], offsets: &[O]) -> Result<()> {
        if values.is_ascii() {
            return Ok(());
        }
        let text = std::str::from_utf8(values).map_err(|error| {
            malformed(format!("the text is not UTF-8: byte {} is wrong", error.valid_up_to()))
        })?;
        match offsets.iter().position(|offset| !text.is_char_boundary(offset.as_usize())) {
            Some(row) => {
                Err(malformed(format!("the text of value {row} begins inside a character")))
            }
            None => Ok(()),
        }
    }
}
