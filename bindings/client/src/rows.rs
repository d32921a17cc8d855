//! A whole result: a schema and the batches that have it.

use std::ffi::{c_char, c_int};
use std::sync::Arc;

use laminar_sys::{ArrowArray, ArrowArrayStream, ArrowSchema};

use crate::arrow::Stream;
use crate::{Batch, Result, Schema};

/// A result that is complete. Cloning counts, nothing is copied.
#[derive(Debug, Clone)]
pub struct Rows {
    schema: Arc<Schema>,
    batches: Arc<[Batch]>,
    num_rows: usize,
}

impl Rows {
    pub(crate) fn new(schema: Arc<Schema>, batches: Vec<Batch>) -> Self {
        let num_rows = batches.iter().map(Batch::num_rows).sum();
        Self { schema, batches: batches.into(), num_rows }
    }

    /// Reads a stream to its end.
    pub(crate) fn collect(mut stream: Stream) -> Result<Self> {
        let schema = Arc::new(Schema::new(stream.schema()?)?);
        let mut batches = Vec::new();
        while let Some(array) = stream.next_array()? {
            batches.push(Batch::new(Arc::clone(&schema), array)?);
        }
        Ok(Self::new(schema, batches))
    }

    /// The columns.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The batches, in order.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// How many rows all batches have.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// The batch of a row, and its place there.
    pub fn locate(&self, mut row: usize) -> Option<(&Batch, usize)> {
        for batch in self.batches.iter() {
            if row < batch.num_rows() {
                return Some((batch, row));
            }
            row -= batch.num_rows();
        }
        None
    }

    /// The result as a stream for someone else to own; the buffers are shared.
    pub fn export(&self) -> Stream {
        let reader = Box::new(Reader { rows: self.clone(), next: 0 });
        let mut stream = Stream::empty();
        // SAFETY: the struct is empty, and ours.
        unsafe {
            *stream.as_mut_ptr() = ArrowArrayStream {
                get_schema: Some(reader_schema),
                get_next: Some(reader_next),
                get_last_error: Some(reader_last_error),
                release: Some(reader_release),
                private_data: Box::into_raw(reader).cast(),
            };
        }
        stream
    }
}

impl Rows {
    /// Batches with the columns of `schema`, as one result.
    ///
    /// # Panics
    /// When a batch has other columns.
    pub fn of(schema: &Arc<Schema>, batches: Vec<Batch>) -> Self {
        let fitting = |batch: &Batch| batch.schema().fields() == schema.fields();
        assert!(batches.iter().all(fitting), "batches of one result have the same columns");
        Self::new(Arc::clone(schema), batches)
    }
}

impl From<Batch> for Rows {
    fn from(batch: Batch) -> Self {
        Self::new(Arc::clone(batch.schema()), vec![batch])
    }
}

struct Reader {
    rows: Rows,
    next: usize,
}

unsafe extern "C" fn reader_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: called through the struct of `export`; `out` is the caller's to be written.
    unsafe {
        let reader = &*(*stream).private_data.cast::<Reader>();
        out.write(reader.rows.schema.export().into_raw());
    }
    0
}

unsafe extern "C" fn reader_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: called through the struct of `export`, by one thread at a time; `out` is the caller's
    // to be written. A released array means the end.
    unsafe {
        let reader = &mut *(*stream).private_data.cast::<Reader>();
        let batch = reader.rows.batches.get(reader.next);
        reader.next += 1;
        out.write(batch.map_or(ArrowArray::empty(), |batch| batch.export().into_raw()));
    }
    0
}

unsafe extern "C" fn reader_last_error(_stream: *mut ArrowArrayStream) -> *const c_char {
    std::ptr::null()
}

unsafe extern "C" fn reader_release(stream: *mut ArrowArrayStream) {
    // SAFETY: the box is the one of `export`; the struct is marked released and not used again.
    unsafe {
        drop(Box::from_raw((*stream).private_data.cast::<Reader>()));
        (*stream).private_data = std::ptr::null_mut();
        (*stream).release = None;
    }
}
