//! Batches of arrow-rs to arrays of C, without copying buffers.
//!
//! One allocation holds what a whole batch needs (nodes, tables of pointers, owners) and counts the
//! arrays of it that were not released, because a consumer may move children out and release them
//! later than their parent.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use arrow::array::types::ByteArrayType;
use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanBufferBuilder, GenericByteArray, RecordBatch,
    downcast_primitive_array,
};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use laminar_types::{Error, Result, RowBlock};

use crate::arrow_c::{ArrowArray, ArrowSchema, write_schema};
use crate::export_rows::RowExporter;

/// Exports the batches of one schema.
pub(crate) struct Exporter {
    schema: SchemaRef,
    rows: RowExporter,
}

impl Exporter {
    /// For batches whose columns are `schema` before they are made plain.
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let fields = schema.fields();
        if fields.iter().all(|field| plain_type(field.data_type()).is_none()) {
            return Self { schema, rows: RowExporter::default() };
        }
        let fields = fields.iter().map(plain_field).collect::<Vec<_>>();
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        Self { schema, rows: RowExporter::default() }
    }

    /// The columns as C sees them.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes a batch and, unless the place is NULL, its schema.
    ///
    /// # Safety
    /// `array` may be written; `schema` is NULL or may be written.
    pub(crate) unsafe fn write(
        &self,
        batch: RecordBatch,
        array: *mut ArrowArray,
        schema: *mut ArrowSchema,
    ) -> Result<()> {
        // SAFETY: handed through.
        unsafe { self.put(self.export(batch)?, array, schema) }
    }

    /// Writes a few rows and, unless the place is NULL, their schema.
    ///
    /// # Safety
    /// As for [`write`](Self::write).
    pub(crate) unsafe fn write_rows(
        &self,
        rows: &RowBlock,
        array: *mut ArrowArray,
        schema: *mut ArrowSchema,
    ) -> Result<()> {
        if rows.layout().kinds().len() != self.schema.fields().len() {
            return Err(Error::internal("a block has other columns than its schema"));
        }
        // SAFETY: handed through.
        unsafe { self.put(self.rows.export(rows, &self.schema), array, schema) }
    }

    /// # Safety
    /// As for [`write`](Self::write).
    unsafe fn put(
        &self,
        exported: ArrowArray,
        array: *mut ArrowArray,
        schema: *mut ArrowSchema,
    ) -> Result<()> {
        if !schema.is_null() {
            // SAFETY: not NULL, otherwise handed through.
            if let Err(error) = unsafe { write_schema(&self.schema, schema) } {
                drop_exported(exported);
                return Err(error);
            }
        }
        // SAFETY: handed through.
        unsafe { ptr::write(array, exported) };
        Ok(())
    }

    /// A batch as a struct array.
    pub(crate) fn export(&self, batch: RecordBatch) -> Result<ArrowArray> {
        let rows = batch.num_rows();
        let (_, mut columns, _) = batch.into_parts();
        if columns.len() != self.schema.fields().len() {
            return Err(Error::internal("a batch has other columns than its schema"));
        }
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            if column.data_type() != field.data_type() {
                *column = cast(column, field.data_type()).map_err(|error| {
                    Error::internal(format!("column `{}` has no C form: {error}", field.name()))
                })?;
            }
        }
        Ok(Exported::of(columns, rows))
    }
}

/// The type without layouts that few consumers read, or `None` when it is free of them.
fn plain_type(data_type: &DataType) -> Option<DataType> {
    let plain = |field: &FieldRef| plain_type(field.data_type()).map(|_| plain_field(field));
    Some(match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::RunEndEncoded(_, values) => {
            plain_type(values.data_type()).unwrap_or_else(|| values.data_type().clone())
        }
        DataType::Dictionary(key, values) => {
            DataType::Dictionary(key.clone(), Box::new(plain_type(values)?))
        }
        DataType::ListView(field) => DataType::List(plain_field(field)),
        DataType::LargeListView(field) => DataType::LargeList(plain_field(field)),
        DataType::List(field) => DataType::List(plain(field)?),
        DataType::LargeList(field) => DataType::LargeList(plain(field)?),
        DataType::FixedSizeList(field, size) => DataType::FixedSizeList(plain(field)?, *size),
        DataType::Map(field, sorted) => DataType::Map(plain(field)?, *sorted),
        DataType::Struct(fields) if fields.iter().any(|field| plain(field).is_some()) => {
            DataType::Struct(fields.iter().map(plain_field).collect())
        }
        _ => return None,
    })
}

fn plain_field(field: &FieldRef) -> FieldRef {
    match plain_type(field.data_type()) {
        Some(plain) => Arc::new(Field::clone(field).with_data_type(plain)),
        None => Arc::clone(field),
    }
}

/// What the arrays of one exported batch share.
struct Exported {
    /// Arrays that were not released: the nodes and the root.
    live: AtomicUsize,
    /// Every array below the root. Their pointers are places in `nodes` and `slots` until `of`
    /// has put both where they stay.
    nodes: Vec<ArrowArray>,
    /// The tables of buffers and of children.
    slots: Vec<*mut c_void>,
    /// With `owners`, what keeps the buffers.
    columns: Vec<ArrayRef>,
    owners: Vec<Buffer>,
}

impl Exported {
    fn of(columns: Vec<ArrayRef>, rows: usize) -> ArrowArray {
        let mut export = Box::new(Self {
            live: AtomicUsize::new(0),
            nodes: Vec::with_capacity(columns.len()),
            slots: Vec::with_capacity(1 + 4 * columns.len()),
            columns: Vec::new(),
            owners: Vec::new(),
        });
        // The root has one buffer, its validity, which is not there.
        export.slots.push(ptr::null_mut());
        let children = export.reserve(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let node = export.add_array(column);
            export.slots[children + index] = place(node);
        }
        export.columns = columns;
        *export.live.get_mut() = export.nodes.len() + 1;
        let mut root = node(rows, 0, 0);
        (root.n_buffers, root.buffers) = (1, place(0).cast());
        (root.n_children, root.children) = (signed(export.columns.len()), place(children).cast());
        export.settle(root)
    }

    /// Turns places into pointers, now that nothing moves any more.
    fn settle(mut self: Box<Self>, mut root: ArrowArray) -> ArrowArray {
        let (nodes, slots) = (self.nodes.as_mut_ptr(), self.slots.as_mut_ptr());
        let n_nodes = self.nodes.len();
        let shared = Box::into_raw(self).cast::<c_void>();
        let settle = |node: &mut ArrowArray| {
            // SAFETY: places are indices into the two tables, whose elements stay where they are.
            unsafe {
                node.buffers = slots.add(node.buffers.addr()).cast();
                let children = slots.add(node.children.addr());
                for index in 0..usize::try_from(node.n_children).unwrap_or(0) {
                    let child = children.add(index);
                    *child = nodes.add((*child).addr()).cast();
                }
                node.children = children.cast();
                // A place here counts from one, so that NULL stays NULL.
                if !node.dictionary.is_null() {
                    node.dictionary = nodes.add(node.dictionary.addr() - 1);
                }
            }
            node.release = Some(release);
            node.private_data = shared;
        };
        for index in 0..n_nodes {
            // SAFETY: there are so many nodes, and nobody else has a reference to them yet.
            settle(unsafe { &mut *nodes.add(index) });
        }
        settle(&mut root);
        root
    }

    /// Makes room for a table of children.
    fn reserve(&mut self, count: usize) -> usize {
        let first = self.slots.len();
        self.slots.resize(first + count, ptr::null_mut());
        first
    }

    fn add_array(&mut self, array: &ArrayRef) -> usize {
        let nulls = array.nulls();
        downcast_primitive_array!(
            array => self.add_flat(array.len(), nulls, &[array.values().inner().as_ptr()]),
            DataType::Utf8 => self.add_bytes(array.as_string::<i32>()),
            DataType::Binary => self.add_bytes(array.as_binary::<i32>()),
            _ => self.add_data(&array.to_data())
        )
    }

    fn add_bytes<T: ByteArrayType<Offset = i32>>(&mut self, array: &GenericByteArray<T>) -> usize {
        // Some consumers take it that the offsets of an empty array begin at zero.
        const ZERO: i32 = 0;
        let offsets = match array.len() {
            0 => ptr::from_ref(&ZERO).cast(),
            _ => array.offsets().inner().inner().as_ptr(),
        };
        self.add_flat(array.len(), array.nulls(), &[offsets, array.values().as_ptr()])
    }

    /// An array whose buffers live in the batch's columns and begin at its first value.
    fn add_flat(
        &mut self,
        length: usize,
        nulls: Option<&NullBuffer>,
        buffers: &[*const u8],
    ) -> usize {
        let first = self.slots.len();
        let validity = nulls.map_or(ptr::null(), |nulls| self.bits(nulls, 0));
        self.slots.push(validity.cast_mut().cast());
        self.slots.extend(buffers.iter().map(|buffer| buffer.cast_mut().cast::<c_void>()));
        let mut node = node(length, nulls.map_or(0, NullBuffer::null_count), 0);
        (node.n_buffers, node.buffers) = (signed(1 + buffers.len()), place(first).cast());
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Any array, with its buffers kept one by one.
    fn add_data(&mut self, data: &ArrayData) -> usize {
        if data.is_empty() && (data.offset() > 0 || !data.buffers().is_empty()) {
            // The same, for every kind of offsets.
            return self.add_full_data(&ArrayData::new_empty(data.data_type()));
        }
        self.add_full_data(data)
    }

    fn add_full_data(&mut self, data: &ArrayData) -> usize {
        let mut this = node(data.len(), data.null_count(), data.offset());
        let first = self.slots.len();
        if !matches!(data.data_type(), DataType::Null | DataType::Union(..)) {
            let validity =
                data.nulls().map_or(ptr::null(), |nulls| self.bits(nulls, data.offset()));
            self.slots.push(validity.cast_mut().cast());
        } else if matches!(data.data_type(), DataType::Null) {
            this.null_count = signed(data.len());
        }
        for buffer in data.buffers() {
            self.slots.push(buffer.as_ptr().cast_mut().cast());
            self.owners.push(buffer.clone());
        }
        (this.n_buffers, this.buffers) = (signed(self.slots.len() - first), place(first).cast());
        let index = self.nodes.len();
        self.nodes.push(this);
        if matches!(data.data_type(), DataType::Dictionary(..)) {
            let dictionary = self.add_data(&data.child_data()[0]);
            self.nodes[index].dictionary = place(dictionary + 1).cast();
        } else {
            let children = self.reserve(data.child_data().len());
            for (number, child) in data.child_data().iter().enumerate() {
                let child = self.add_data(child);
                self.slots[children + number] = place(child);
            }
            self.nodes[index].n_children = signed(data.child_data().len());
            self.nodes[index].children = place(children).cast();
        }
        index
    }

    /// A validity buffer in which the first value is bit `offset`.
    fn bits(&mut self, nulls: &NullBuffer, offset: usize) -> *const u8 {
        if nulls.offset() == offset {
            self.owners.push(nulls.buffer().clone());
        } else if offset == 0 && nulls.offset().is_multiple_of(8) {
            self.owners.push(nulls.buffer().slice(nulls.offset() / 8));
        } else {
            let mut bits = BooleanBufferBuilder::new(offset + nulls.len());
            bits.append_n(offset, false);
            bits.append_buffer(nulls.inner());
            self.owners.push(bits.finish().into_inner());
        }
        self.owners.last().map_or(ptr::null(), Buffer::as_ptr)
    }
}

fn node(length: usize, null_count: usize, offset: usize) -> ArrowArray {
    let mut node = ArrowArray::released();
    (node.length, node.null_count, node.offset) =
        (signed(length), signed(null_count), signed(offset));
    node
}

/// An index that stands where a pointer will.
fn place(index: usize) -> *mut c_void {
    ptr::without_provenance_mut(index)
}

/// A length as C has it. No object in memory is longer than `i64::MAX`.
fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The release callback of every exported array.
unsafe extern "C" fn release(array: *mut ArrowArray) {
    // SAFETY: a consumer releases a live array of ours once; children that it did not move out are
    // released with it, and the last one to go takes what they share along.
    unsafe {
        for index in 0..usize::try_from((*array).n_children).unwrap_or(0) {
            release_part(*(*array).children.add(index));
        }
        release_part((*array).dictionary);
        (*array).release = None;
        let shared = (*array).private_data.cast::<Exported>();
        if (*shared).live.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            drop(Box::from_raw(shared));
        }
    }
}

/// # Safety
/// `part` is NULL or a child or dictionary of an exported array that was not released.
unsafe fn release_part(part: *mut ArrowArray) {
    // SAFETY: as the caller vouches; a part that was moved out has no callback any more.
    unsafe {
        if let Some(part) = part.as_mut()
            && let Some(release) = part.release
        {
            release(part);
        }
    }
}

/// Releases an array that does not reach C.
fn drop_exported(mut array: ArrowArray) {
    if let Some(release) = array.release {
        // SAFETY: `array` was exported here and was not released.
        unsafe { release(&raw mut array) };
    }
}
