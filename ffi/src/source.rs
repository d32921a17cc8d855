//! `laminar_source`: a producer of a source.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use laminar_db::{Epoch, UntypedSource};
use laminar_types::error::code::INGESTION_ARGUMENT;
use laminar_types::{Error, Result, RowBlock};

use crate::args::{self, Out};
use crate::arrow_c::{
    ArrowArray, ArrowArrayStream, ArrowSchema, CheckedSchema, Offered, clear_schema, write_schema,
};
use crate::db::{Db, importer};
use crate::error::ErrorHandle;
use crate::guard;
use crate::handle::{self, Noun};
use crate::import::Importer;
use crate::import_rows;
use crate::status::{Outcome, Status};
use crate::stream::OfferedStream;
use crate::waker::{Waker, WakerSlot, Wakes};

/// A producer of a source: rows are pushed through it, and it has a watermark of its own. Clone
/// it for every further producer. Its exclusive calls are the pushes and the watermark.
pub struct Source;

impl Noun for Source {
    type Shared = Arc<Producer>;
    type Exclusive = ();
    const NAME: &'static str = "source";

    fn released(producer: &Arc<Producer>) {
        producer.waker.remove(&producer.source);
    }
}

/// What a source handle and its appenders share.
pub(crate) struct Producer {
    pub(crate) source: UntypedSource,
    pub(crate) importer: Importer,
    name: CString,
    /// Whether an exclusive call is in it, through whichever handle.
    in_call: AtomicBool,
    /// The block that few rows go through. Only the exclusive call takes the lock.
    rows: Mutex<Option<RowBlock>>,
    /// What `laminar_source_on_room` installed.
    waker: WakerSlot,
}

impl Wakes for UntypedSource {
    const NAME: &'static str = Source::NAME;

    fn call(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.on_room(wake);
    }

    fn call_nothing(&self) {
        self.clear_on_room();
    }
}

/// The exclusive use of a producer, until dropped.
pub(crate) struct Pushing<'a>(&'a Producer);

impl Producer {
    pub(crate) fn new(source: UntypedSource, validate: bool) -> Arc<Self> {
        Arc::new(Self {
            importer: Importer::new(source.schema(), validate),
            name: args::c_string(source.name()),
            source,
            in_call: AtomicBool::new(false),
            rows: Mutex::new(None),
            waker: WakerSlot::default(),
        })
    }

    /// Enters the producer; fails with `IN_USE` when another call is in it.
    pub(crate) fn enter(&self) -> Result<Pushing<'_>> {
        if self.in_call.swap(true, Ordering::Acquire) {
            return Err(handle::in_use(Source::NAME));
        }
        Ok(Pushing(self))
    }

    /// Pushes a few rows as a block, if that is how the engine likes them and `fill` can put them
    /// into one; else answers `None`.
    pub(crate) fn push_rows(
        &self,
        fill: impl FnOnce(&mut RowBlock) -> bool,
        send: impl FnOnce(&UntypedSource, &RowBlock) -> Result<Epoch>,
    ) -> Option<Result<Epoch>> {
        let layout = self.source.row_layout()?;
        let mut rows = self.rows.try_lock().ok()?;
        let rows = rows.get_or_insert_with(|| RowBlock::new(layout));
        rows.reset(layout);
        fill(rows).then(|| send(&self.source, rows))
    }
}

impl Drop for Pushing<'_> {
    fn drop(&mut self) {
        self.0.in_call.store(false, Ordering::Release);
    }
}

/// Makes a producer of a source that exists.
///
/// @param db the database
/// @param name the source's name
/// @param[out] out the producer, to be freed with `laminar_source_free`
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_CONNECTION_CLOSED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_open(
    db: *const Db,
    name: *const c_char,
    out: *mut *mut Source,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { Out::new(out) };
    let work = || {
        let out = out.required("out", INGESTION_ARGUMENT)?;
        // SAFETY: as above.
        let db = unsafe { handle::shared(db, INGESTION_ARGUMENT) }?;
        // SAFETY: as above.
        let name = unsafe { args::text(name, "name", INGESTION_ARGUMENT) }?;
        let producer = Producer::new(db.source_untyped(name)?, db.config().validate_input);
        out.write(handle::new::<Source>(producer, ()));
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Makes one more producer of the same source, with a watermark of its own, for use by another
/// thread.
///
/// @param source a producer
/// @param[out] out the new producer, to be freed with `laminar_source_free`
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_clone(
    source: *const Source,
    out: *mut *mut Source,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { Out::new(out) };
    let work = || {
        let out = out.required("out", INGESTION_ARGUMENT)?;
        // SAFETY: as above.
        let producer = unsafe { handle::shared(source, INGESTION_ARGUMENT) }?;
        let clone = Producer::new(producer.source.try_clone()?, producer.importer.validates());
        out.write(handle::new::<Source>(clone, ()));
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// The name of the source.
///
/// @param source may be NULL
/// @return UTF-8, valid until the handle is freed; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_name(source: *const Source) -> *const c_char {
    // SAFETY: the caller keeps the conventions of the header.
    let producer = unsafe { handle::shared(source, INGESTION_ARGUMENT) };
    // The text lives in the handle, which the caller keeps.
    producer.map_or(ptr::null(), |producer| producer.name.as_ptr())
}

/// The columns of the source, as an Arrow schema of struct type.
///
/// @param source the producer
/// @param[out] schema owned by the caller: release it
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_schema(
    source: *const Source,
    schema: *mut ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { clear_schema(schema) };
    let work = || {
        if schema.is_null() {
            return Err(args::null("schema", INGESTION_ARGUMENT));
        }
        // SAFETY: as above.
        let producer = unsafe { handle::shared(source, INGESTION_ARGUMENT) }?;
        // SAFETY: not NULL, otherwise as above.
        unsafe { write_schema(producer.importer.schema(), schema) }?;
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Rows that this source holds back until `laminar_start`.
///
/// @param source may be NULL
/// @return rows; 0 once the database is started, and for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_pending(source: *const Source) -> u64 {
    // SAFETY: the caller keeps the conventions of the header.
    guard::value(0, || match unsafe { handle::shared(source, INGESTION_ARGUMENT) } {
        Ok(producer) => producer.source.pending(),
        Err(_) => 0,
    })
}

/// Rows that this source may hold back until `laminar_start`.
///
/// @param source may be NULL
/// @return rows; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_capacity(source: *const Source) -> u64 {
    // SAFETY: the caller keeps the conventions of the header.
    guard::value(0, || match unsafe { handle::shared(source, INGESTION_ARGUMENT) } {
        Ok(producer) => producer.source.capacity(),
        Err(_) => 0,
    })
}

/// How long a push through this producer waits for room, where its source says so: `WITH
/// (push_timeout_ms = ...)`, or `backpressure = 'reject'`, which never waits.
///
/// @param source may be NULL
/// @return milliseconds; -1 where it waits as the database is set, and for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_push_timeout_ms(source: *const Source) -> i64 {
    // SAFETY: the caller keeps the conventions of the header.
    guard::value(-1, || match unsafe { handle::shared(source, INGESTION_ARGUMENT) } {
        Ok(producer) => producer
            .source
            .push_timeout()
            .map_or(-1, |timeout| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)),
        Err(_) => -1,
    })
}

/// Installs the one callback that tells when pushing is worth while; it replaces an earlier one.
///
/// It is called at once if there is room; after that once, as soon as there is room after a push
/// through this handle or its appenders that answered `LAMINAR_AGAIN`; and when the source is
/// dropped or the database shut down, where the next push answers why. So: on `LAMINAR_AGAIN`, wait
/// for the call and push again. A `laminar_try_push` that met another push is told when that has
/// ended. It runs on the thread that made the room (one that polls, pushes or starts), never while
/// the engine is locked: it may push, poll and free, and should be short. Best is to set a flag and
/// wake an event loop.
///
/// `drop(userdata)` is called exactly once, whatever this function answers: when the callback was
/// replaced or removed, when the producer was freed, or at once on an error; but never before a
/// call of the callback that has begun has returned.
///
/// @param source the producer; need not be exclusive
/// @param callback NULL removes the one installed (and `userdata` is dropped at once)
/// @param userdata handed to both functions, not looked at
/// @param drop NULL when `userdata` needs none
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY` while another call installs one, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_on_room(
    source: *const Source,
    callback: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    userdata: *mut c_void,
    drop: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // First, so that `drop(userdata)` is called on every way out.
        let waker = Waker::new(callback, userdata, drop);
        // SAFETY: the caller keeps the conventions of the header.
        let producer = unsafe { handle::shared(source, INGESTION_ARGUMENT) }?;
        match callback {
            Some(_) => producer.waker.install(&producer.source, waker)?,
            None => producer.waker.remove(&producer.source),
        }
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Frees a producer. Its watermark no longer holds the source's back. Never waits.
///
/// @param source may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_source_free(source: *mut Source) {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { handle::free(source) };
}

/// Pushes one batch of rows as one epoch, and returns when everything downstream has it: a
/// `laminar_poll` on the same thread finds what it brought about.
///
/// The batch is a struct array with one child per column. Without a schema its columns are those
/// of the source, in order. With a schema they are found by name, in any order: a missing column
/// that may be NULL is NULL; types that hold the same values are converted (integers to wider
/// ones, kinds of text and of binary into each other, dictionaries to their values, units of time
/// when no digit is lost); anything else is refused and the message names the column.
///
/// Waits for room up to the `push_timeout_ms` of the source or of the configuration.
/// `laminar_source_on_room` tells when there is room again.
///
/// @param source the producer; exclusive
/// @param array moved (its `release` becomes NULL) unless the answer is `LAMINAR_AGAIN` or
///   `LAMINAR_BUSY`
/// @param schema borrowed, of struct type; NULL when it is the source's own
/// @param[out] error optional
/// @return `LAMINAR_OK`; `LAMINAR_AGAIN` when there was no room in time; `LAMINAR_BUSY`; or an
///   error: `LAMINAR_INGESTION_FAILED` (malformed data, a NULL that may not be),
///   `LAMINAR_BATCH_SCHEMA_MISMATCH`, `LAMINAR_WRITER_CLOSED`, `LAMINAR_CONNECTION_CLOSED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_push(
    source: *mut Source,
    array: *mut ArrowArray,
    schema: *const ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { guard::call(error, || push(source, array, schema, WAIT)) }
}

/// Like `laminar_push`, but answers `LAMINAR_AGAIN` at once where that would wait.
///
/// @param source the producer; exclusive
/// @param array moved unless the answer is `LAMINAR_AGAIN` or `LAMINAR_BUSY`
/// @param schema borrowed; NULL when it is the source's own
/// @param[out] error optional
/// @return as for `laminar_push`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_try_push(
    source: *mut Source,
    array: *mut ArrowArray,
    schema: *const ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { guard::call(error, || push(source, array, schema, TRY)) }
}

/// Pushes all batches of a stream as one epoch: all of them are taken, or none.
///
/// The stream is read to its end before the engine is entered; its callbacks may call the library.
/// Its columns are matched to the source's as `laminar_push` does.
///
/// @param source the producer; exclusive
/// @param stream moved (its `release` becomes NULL). After `LAMINAR_AGAIN` and `LAMINAR_BUSY` the
///   struct holds a stream of the same rows, to be pushed again or released.
/// @param[out] error optional
/// @return as for `laminar_push`; an error of the stream itself is `LAMINAR_INGESTION_FAILED` with
///   the stream's own message
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_push_stream(
    source: *mut Source,
    stream: *mut ArrowArrayStream,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // SAFETY: the caller keeps the conventions of the header.
        let offered = unsafe { OfferedStream::take(stream, INGESTION_ARGUMENT) }?;
        // SAFETY: as above.
        let producer = unsafe { handle::shared(source.cast_const(), INGESTION_ARGUMENT) }?;
        offered.push(&producer.importer, |batches| {
            let _pushing = producer.enter()?;
            producer.source.push_batches(batches)
        })
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Pushes one batch into a source by its name, as one epoch, through the database's own producer
/// of that source. May be called by any number of threads.
///
/// @param db the database
/// @param source the source's name
/// @param array moved unless the answer is `LAMINAR_AGAIN` or `LAMINAR_BUSY`
/// @param schema borrowed; NULL when it is the source's own
/// @param[out] error optional
/// @return as for `laminar_push`, and `LAMINAR_TABLE_NOT_FOUND`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_insert(
    db: *const Db,
    source: *const c_char,
    array: *mut ArrowArray,
    schema: *const ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // SAFETY: the caller keeps the conventions of the header.
        let mut offered = unsafe { Offered::take(array, INGESTION_ARGUMENT) }?;
        let result = (|| {
            // SAFETY: as above.
            let db = unsafe { handle::shared(db, INGESTION_ARGUMENT) }?;
            // SAFETY: as above.
            let source = unsafe { args::text(source, "source", INGESTION_ARGUMENT) }?;
            // SAFETY: as above.
            let schema = unsafe { CheckedSchema::borrow(schema) }?;
            let batch = importer(&db, source)?.batch(offered.owner(), schema.as_ref())?;
            db.insert(source, vec![batch])
        })();
        finish(offered, result)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Pushes all batches of a stream into a source by its name, as one epoch: all of them are taken,
/// or none. May be called by any number of threads.
///
/// @param db the database
/// @param source the source's name
/// @param stream moved, as for `laminar_push_stream`
/// @param[out] error optional
/// @return as for `laminar_push_stream`, and `LAMINAR_TABLE_NOT_FOUND`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_insert_stream(
    db: *const Db,
    source: *const c_char,
    stream: *mut ArrowArrayStream,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // SAFETY: the caller keeps the conventions of the header.
        let offered = unsafe { OfferedStream::take(stream, INGESTION_ARGUMENT) }?;
        // SAFETY: as above.
        let db = unsafe { handle::shared(db, INGESTION_ARGUMENT) }?;
        // SAFETY: as above.
        let source = unsafe { args::text(source, "source", INGESTION_ARGUMENT) }?;
        let importer = importer(&db, source)?;
        offered.push(&importer, |batches| db.insert(source, batches))
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Promises that this producer sends no event with a time of at most `ts_ms` any more. The
/// source's watermark is the least of its producers'. A promise behind an earlier one does
/// nothing. Returns when everything that the promise completes, windows above all, was delivered.
///
/// @param source the producer; exclusive
/// @param ts_ms milliseconds since 1970-01-01 00:00:00 UTC
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_AGAIN`, `LAMINAR_BUSY`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_watermark(
    source: *mut Source,
    ts_ms: i64,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { alone(source, error, |source| source.watermark(ts_ms).map(|_| ())) }
}

/// Says that this producer sends nothing any more; a later push through it is refused. When every
/// producer of the source has said so or was freed, the source's watermark is at the end of time:
/// all windows close, and results that wait for nothing else are final. Returns when everything
/// that this completes was delivered.
///
/// @param source the producer; exclusive. It is still to be freed
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_AGAIN`, `LAMINAR_BUSY`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_end_of_input(
    source: *mut Source,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { alone(source, error, |source| source.end_of_input().map(|_| ())) }
}

/// Works with a producer, in which no other exclusive call is meanwhile.
///
/// # Safety
/// The caller keeps the conventions of the header.
unsafe fn alone(
    source: *mut Source,
    error: *mut *mut ErrorHandle,
    work: impl FnOnce(&UntypedSource) -> Result<()>,
) -> Status {
    let work = || {
        // SAFETY: handed through.
        let producer = unsafe { handle::shared(source.cast_const(), INGESTION_ARGUMENT) }?;
        let _pushing = producer.enter()?;
        work(&producer.source)?;
        Ok(Outcome::Ok)
    };
    // SAFETY: handed through.
    unsafe { guard::call(error, work) }
}

/// The two forms of a push.
#[derive(Clone, Copy)]
pub(crate) struct PushForms {
    pub(crate) batch: fn(&UntypedSource, RecordBatch) -> Result<Epoch>,
    pub(crate) rows: fn(&UntypedSource, &RowBlock) -> Result<Epoch>,
}

/// Waits for the token.
pub(crate) const WAIT: PushForms =
    PushForms { batch: UntypedSource::push_arrow, rows: UntypedSource::push_rows };
/// Does not.
pub(crate) const TRY: PushForms =
    PushForms { batch: UntypedSource::try_push_arrow, rows: UntypedSource::try_push_rows };

/// The pushes of one batch.
///
/// # Safety
/// The pointers are as the conventions of the header say.
unsafe fn push(
    source: *mut Source,
    array: *mut ArrowArray,
    schema: *const ArrowSchema,
    send: PushForms,
) -> Result<Outcome> {
    // SAFETY: handed through.
    let mut offered = unsafe { Offered::take(array, INGESTION_ARGUMENT) }?;
    let result = (|| {
        // SAFETY: handed through.
        let producer = unsafe { handle::shared(source.cast_const(), INGESTION_ARGUMENT) }?;
        let _pushing = producer.enter()?;
        if schema.is_null() {
            let fill = |rows: &mut RowBlock| import_rows::read(offered.array(), rows);
            if let Some(pushed) = producer.push_rows(fill, send.rows) {
                return pushed;
            }
        }
        // SAFETY: handed through.
        let schema = unsafe { CheckedSchema::borrow(schema) }?;
        let batch = producer.importer.batch(offered.owner(), schema.as_ref())?;
        (send.batch)(&producer.source, batch)
    })();
    finish(offered, result)
}

/// Ends a push: the array goes back to the caller when the call may be tried again.
fn finish(offered: Offered, result: Result<Epoch>) -> Result<Outcome> {
    match result {
        Ok(_) => Ok(Outcome::Ok),
        Err(error) if may_retry(&error) => {
            offered.give_back()?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Whether an error is told as an outcome that moves nothing.
pub(crate) fn may_retry(error: &Error) -> bool {
    Outcome::of_error(error.kind()).is_some()
}
