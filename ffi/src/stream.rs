//! Streams of batches, out of the library and into it.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use laminar_db::{Epoch, Query};
use laminar_types::{Code, Error, ErrorKind, Result, outside};

use crate::args;
use crate::arrow_c::{
    ArrowArray, ArrowArrayStream, ArrowSchema, CheckedSchema, Owner, clear_array, clear_schema,
    malformed, write_schema,
};
use crate::export::Exporter;
use crate::guard;
use crate::import::Importer;
use crate::source::may_retry;
use crate::status::Outcome;

/// Batches for C to read as a stream.
pub(crate) struct Rows {
    exporter: Exporter,
    next: Box<dyn FnMut() -> Result<Option<RecordBatch>> + Send>,
    last_error: CString,
    generation: u32,
}

impl Rows {
    fn new(
        schema: SchemaRef,
        next: impl FnMut() -> Result<Option<RecordBatch>> + Send + 'static,
    ) -> Self {
        Self {
            exporter: Exporter::new(schema),
            next: Box::new(next),
            last_error: CString::default(),
            generation: guard::generation(),
        }
    }

    /// The rows of a query, as they are asked for.
    pub(crate) fn of_query(mut query: Query) -> Self {
        Self::new(query.schema(), move || query.next_blocking())
    }

    /// Batches that are there already.
    pub(crate) fn of_batches(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        let mut batches = batches.into_iter();
        Self::new(schema, move || Ok(batches.next()))
    }

    /// What a statement without rows answers.
    pub(crate) fn of_statement(statement: &str, object: Option<&str>, rows: u64) -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("statement", DataType::Utf8, false),
            Field::new("object", DataType::Utf8, true),
            Field::new("rows_affected", DataType::Int64, false),
        ]));
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![statement])),
            Arc::new(StringArray::from(vec![object])),
            Arc::new(Int64Array::from(vec![rows])),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self::of_batches(schema, vec![batch]))
    }

    fn into_stream(self) -> ArrowArrayStream {
        ArrowArrayStream {
            get_schema: Some(get_schema),
            get_next: Some(get_next),
            get_last_error: Some(get_last_error),
            release: Some(release),
            private_data: Box::into_raw(Box::new(self)).cast(),
        }
    }

    /// Runs a callback and keeps its error for `get_last_error`.
    fn run(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> c_int {
        let result = if self.generation == guard::generation() {
            guard::caught(|| work(self))
        } else {
            Err(guard::forked())
        };
        let Err(error) = result else { return 0 };
        self.last_error = args::c_string(&error.to_string());
        match error.kind() {
            ErrorKind::QueryCancelled => libc::ECANCELED,
            ErrorKind::Unsupported => libc::ENOSYS,
            _ => libc::EIO,
        }
    }
}

/// Marks a stream of C as released before anything is written there.
///
/// # Safety
/// `out` is NULL or may be written.
pub(crate) unsafe fn clear(out: *mut ArrowArrayStream) {
    if !out.is_null() {
        // SAFETY: not NULL, and the caller vouches for the rest.
        unsafe { ptr::write(out, RELEASED) };
    }
}

const RELEASED: ArrowArrayStream = ArrowArrayStream {
    get_schema: None,
    get_next: None,
    get_last_error: None,
    release: None,
    private_data: ptr::null_mut(),
};

/// Hands a stream over.
///
/// # Safety
/// `out` may be written.
pub(crate) unsafe fn write(rows: Rows, out: *mut ArrowArrayStream) {
    // SAFETY: handed through.
    unsafe { ptr::write(out, rows.into_stream()) };
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: by the stream interface `stream` is live and used by one thread, and `out` may be
    // written.
    unsafe {
        clear_schema(out);
        let rows = &mut *(*stream).private_data.cast::<Rows>();
        rows.run(|rows| write_schema(rows.exporter.schema(), out))
    }
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: as in `get_schema`. The array stays released at the end of the stream.
    unsafe {
        clear_array(out);
        let rows = &mut *(*stream).private_data.cast::<Rows>();
        rows.run(|rows| match (rows.next)()? {
            Some(batch) => rows.exporter.write(batch, out, ptr::null_mut()),
            None => Ok(()),
        })
    }
}

unsafe extern "C" fn get_last_error(stream: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: as in `get_schema`.
    let rows = unsafe { &*(*stream).private_data.cast::<Rows>() };
    if rows.last_error.is_empty() { ptr::null() } else { rows.last_error.as_ptr() }
}

unsafe extern "C" fn release(stream: *mut ArrowArrayStream) {
    // SAFETY: a consumer releases a live stream of ours once.
    unsafe {
        let rows = (*stream).private_data.cast::<Rows>();
        ptr::write(stream, RELEASED);
        // In a forked child locks may be held for ever: leak.
        if (*rows).generation == guard::generation() {
            guard::value((), || drop(Box::from_raw(rows)));
        }
    }
}

/// A stream that a call was handed: taken from its C struct at once. When the call may be tried
/// again, the struct gets a stream of the same rows.
pub(crate) struct OfferedStream {
    slot: NonNull<ArrowArrayStream>,
    stream: Reader,
}

/// A stream of C that is ours. Dropping it calls its release callback, never under the token.
struct Reader(ArrowArrayStream);

impl OfferedStream {
    /// Moves the stream out of its struct, whose `release` becomes NULL.
    ///
    /// # Safety
    /// `slot` is NULL or points to an initialised struct that may be written and lives as long as
    /// the value.
    pub(crate) unsafe fn take(slot: *mut ArrowArrayStream, code: Code) -> Result<Self> {
        let slot = NonNull::new(slot).ok_or_else(|| args::null("stream", code))?;
        // SAFETY: not NULL, and the caller vouches for the rest.
        let stream = unsafe { ptr::read(slot.as_ptr()) };
        if stream.release.is_none() {
            return Err(Error::new(code, "the stream was released or moved before"));
        }
        // SAFETY: as above.
        unsafe { (*slot.as_ptr()).release = None };
        Ok(Self { slot, stream: Reader(stream) })
    }

    /// Reads the stream to its end and pushes all of it.
    pub(crate) fn push(
        self,
        importer: &Importer,
        send: impl FnOnce(Vec<RecordBatch>) -> Result<Epoch>,
    ) -> Result<Outcome> {
        let batches = self.stream.read(importer)?;
        if batches.is_empty() {
            return Ok(Outcome::Ok);
        }
        match send(batches.clone()) {
            Ok(_) => Ok(Outcome::Ok),
            Err(error) => {
                if may_retry(&error) {
                    let rows = Rows::of_batches(Arc::clone(importer.schema()), batches);
                    // SAFETY: `take`'s caller vouches for the struct.
                    unsafe { write(rows, self.slot.as_ptr()) };
                }
                Err(error)
            }
        }
    }
}

impl Reader {
    /// All batches, as rows of the importer's source. The stream is released.
    fn read(mut self, importer: &Importer) -> Result<Vec<RecordBatch>> {
        let mut schema = SchemaGuard(ArrowSchema {
            format: ptr::null(),
            name: ptr::null(),
            metadata: ptr::null(),
            flags: 0,
            n_children: 0,
            children: ptr::null_mut(),
            dictionary: ptr::null_mut(),
            release: None,
            private_data: ptr::null_mut(),
        });
        let get_schema = self.0.get_schema.ok_or_else(|| malformed("`get_schema` is NULL"))?;
        let get_next = self.0.get_next.ok_or_else(|| malformed("`get_next` is NULL"))?;
        // SAFETY: the stream is live and ours, and the schema may be written.
        let status = unsafe { get_schema(&raw mut self.0, &raw mut schema.0) };
        self.check(status)?;
        // SAFETY: the producer has filled the schema, which lives until the end of this function.
        let plan =
            importer.plan(unsafe { CheckedSchema::borrow(&raw const schema.0) }?.as_ref())?;
        let mut batches = Vec::new();
        loop {
            let mut array = ArrowArray::released();
            // SAFETY: as for the schema.
            let status = unsafe { get_next(&raw mut self.0, &raw mut array) };
            self.check(status)?;
            if array.release.is_none() {
                return Ok(batches);
            }
            let batch = importer.planned_batch(&Owner::new(array), &plan)?;
            if batch.num_rows() > 0 {
                batches.push(batch);
            }
        }
    }

    fn check(&mut self, status: c_int) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the stream is live and ours; the text lives until its next call.
        let text = self.0.get_last_error.and_then(|last_error| unsafe {
            let text = last_error(&raw mut self.0);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        });
        let text = text.unwrap_or_else(|| "no message".to_owned());
        Err(malformed(format!("the stream failed with error {status}: {text}")))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(release) = self.0.release else {
            return;
        };
        let stream = Moved(std::mem::replace(&mut self.0, RELEASED));
        outside::run(move || stream.release(release));
    }
}

/// A stream on its way to its release callback.
struct Moved(ArrowArrayStream);

// SAFETY: the C stream interface lets a consumer move a stream between threads.
unsafe impl Send for Moved {}

impl Moved {
    fn release(mut self, release: unsafe extern "C" fn(*mut ArrowArrayStream)) {
        // SAFETY: the stream is live and ours, and is released once.
        unsafe { release(&raw mut self.0) }
    }
}

/// A schema that is released with the value.
struct SchemaGuard(ArrowSchema);

impl Drop for SchemaGuard {
    fn drop(&mut self) {
        if let Some(release) = self.0.release {
            // SAFETY: the schema is live and ours, and is released once.
            unsafe { release(&raw mut self.0) };
        }
    }
}
