//! `laminar_appender`: events that come one at a time.

use std::ffi::c_char;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use laminar_types::Result;
use laminar_types::error::code::INGESTION_ARGUMENT;

use crate::args::{self, Out};
use crate::error::ErrorHandle;
use crate::guard;
use crate::handle::{self, Noun};
use crate::rows::Rows;
use crate::source::{Producer, PushForms, Source, TRY, WAIT, may_retry};
use crate::status::{Outcome, Status};

/// Builds rows value by value and pushes them through the producer that it was opened on. Setting
/// a value allocates nothing in the steady state. All calls but the count of rows are exclusive.
pub struct Appender;

impl Noun for Appender {
    type Shared = AppenderShared;
    type Exclusive = Rows;
    const NAME: &'static str = "appender";
}

pub(crate) struct AppenderShared {
    producer: Arc<Producer>,
    /// Rows ended and not flushed, for whoever looks from outside.
    rows: AtomicUsize,
}

/// Makes a row appender. Its rows go through the given producer and count for its watermark.
///
/// A row is built by setting its columns in any order, the last value set counting, and ended by
/// `laminar_append_row`. When setting a value or ending a row fails, the values of that row are
/// forgotten and the next value begins a new row; rows that were ended before stay.
///
/// @param source the producer; the appender holds what it needs of it
/// @param[out] out the appender, to be freed with `laminar_appender_free`
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_appender_open(
    source: *const Source,
    out: *mut *mut Appender,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { Out::new(out) };
    let work = || {
        let out = out.required("out", INGESTION_ARGUMENT)?;
        // SAFETY: as above.
        let source = unsafe { handle::shared(source, INGESTION_ARGUMENT) }?;
        let producer = Arc::clone(&source);
        let rows = Rows::new(Arc::clone(producer.importer.schema()));
        let shared = AppenderShared { producer, rows: AtomicUsize::new(0) };
        out.write(handle::new::<Appender>(shared, rows));
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Sets a column of the current row to NULL.
///
/// @param appender the appender; exclusive
/// @param column index of the column in the source's schema, from 0
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
///   column, when there is no such column or it is NOT NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_append_null(
    appender: *mut Appender,
    column: usize,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { set(appender, error, |rows| rows.set_null(column)) }
}

/// Sets a column of type boolean.
///
/// @param appender the appender; exclusive
/// @param column index of the column in the source's schema, from 0
/// @param value the value
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
///   column, when there is no such column or it has another type
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_append_bool(
    appender: *mut Appender,
    column: usize,
    value: bool,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { set(appender, error, |rows| rows.set_bool(column, value)) }
}

/// Sets a column of any integer, date, time, timestamp or duration type, in the column's own unit
/// (a date32 counts days, a timestamp in milliseconds counts milliseconds since 1970 UTC); also of
/// a floating-point or decimal type that holds the value exactly.
///
/// @param appender the appender; exclusive
/// @param column index of the column in the source's schema, from 0
/// @param value the value
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
///   column, when there is no such column, it has another type, or the value does not fit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_append_int64(
    appender: *mut Appender,
    column: usize,
    value: i64,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { set(appender, error, |rows| rows.set_integer(column, value.into())) }
}

/// Sets a column as `laminar_append_int64` does, from a value without sign.
///
/// @param appender the appender; exclusive
/// @param column index of the column in the source's schema, from 0
/// @param value the value
/// @param[out] error optional
/// @return as for `laminar_append_int64`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_append_uint64(
    appender: *mut Appender,
    column: usize,
    value: u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { set(appender, error, |rows| rows.set_integer(column, value.into())) }
}

/// Sets a column of a floating-point type; for a narrower one than double the value is rounded.
///
/// @param appender the appender; exclusive
/// @param column index of the column in the source's schema, from 0
/// @param value the value
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
///   column, when there is no such column, it has another type, or a finite value would become
///   infinite
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_append_double(
    appender: *mut Appender,
    column: usize,
    value: f64,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { set(appender, error, |rows| rows.set_double(column, value)) }
}

/// Sets a column of a text type, or of a decimal type from its digits (for example `"-12.50"`).
///
/// @param appender the appender; exclusive
/// @param column index of the column in the source's schema, from 0
/// @param value UTF-8, copied; it needs no NUL at its end and may contain some; may be NULL when
///   `length` is 0
/// @param length bytes of the value
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
///   column, when there is no such column, it has another type, the text is not UTF-8, or the
///   decimal does not fit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_append_string(
    appender: *mut Appender,
    column: usize,
    value: *const c_char,
    length: usize,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let value = unsafe { args::bytes(value.cast(), length, "value", INGESTION_ARGUMENT) };
    // SAFETY: as above.
    unsafe {
        set(appender, error, |rows| rows.abandon_on_error(|rows| rows.set_string(column, value?)))
    }
}

/// Sets a column of a binary type.
///
/// @param appender the appender; exclusive
/// @param column index of the column in the source's schema, from 0
/// @param value copied; may be NULL when `length` is 0
/// @param length bytes of the value
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
///   column, when there is no such column, it has another type, or the length is not its width
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_append_binary(
    appender: *mut Appender,
    column: usize,
    value: *const u8,
    length: usize,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let value = unsafe { args::bytes(value, length, "value", INGESTION_ARGUMENT) };
    // SAFETY: as above.
    unsafe {
        set(appender, error, |rows| rows.abandon_on_error(|rows| rows.set_binary(column, value?)))
    }
}

/// Ends the current row. Columns that were not set are NULL.
///
/// @param appender the appender; exclusive
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED` when a NOT NULL column was
///   not set: its message names the column, and the row is forgotten
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_append_row(
    appender: *mut Appender,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { set(appender, error, Rows::end_row) }
}

/// Rows that were ended and not flushed yet.
///
/// @param appender may be NULL
/// @return rows; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_appender_rows(appender: *const Appender) -> usize {
    // SAFETY: the caller keeps the conventions of the header.
    let appender = unsafe { handle::shared(appender, INGESTION_ARGUMENT) };
    appender.map_or(0, |appender| appender.rows.load(Ordering::Relaxed))
}

/// Pushes the rows that were ended as one epoch, as `laminar_push` does. A row that was begun
/// stays. Without rows it does nothing.
///
/// @param appender the appender; exclusive
/// @param[out] error optional
/// @return `LAMINAR_OK`; `LAMINAR_AGAIN` (no room in time) and `LAMINAR_BUSY`, which keep the rows
///   for another flush; or an error as for `laminar_push`, which drops them
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_appender_flush(
    appender: *mut Appender,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { guard::call(error, || flush(appender, WAIT)) }
}

/// Like `laminar_appender_flush`, but answers `LAMINAR_AGAIN` at once where that would wait.
///
/// @param appender the appender; exclusive
/// @param[out] error optional
/// @return as for `laminar_appender_flush`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_appender_try_flush(
    appender: *mut Appender,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { guard::call(error, || flush(appender, TRY)) }
}

/// Forgets the rows that were not flushed, and the row that was begun.
///
/// @param appender exclusive; may be NULL, which does nothing, as does a call while another
///   thread is in an exclusive one
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_appender_reset(appender: *mut Appender) {
    guard::value((), || {
        // SAFETY: the caller keeps the conventions of the header.
        if let Ok(mut appender) = unsafe { handle::exclusive(appender, INGESTION_ARGUMENT) } {
            let (shared, rows) = appender.parts();
            rows.reset();
            shared.rows.store(0, Ordering::Relaxed);
        }
    });
}

/// Frees an appender. Rows that were not flushed are forgotten.
///
/// @param appender may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_appender_free(appender: *mut Appender) {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { handle::free(appender) };
}

/// The flushes.
///
/// # Safety
/// The pointer is as the conventions of the header say.
unsafe fn flush(appender: *mut Appender, send: PushForms) -> Result<Outcome> {
    // SAFETY: handed through.
    let mut appender = unsafe { handle::exclusive(appender, INGESTION_ARGUMENT) }?;
    let (shared, rows) = appender.parts();
    let _pushing = shared.producer.enter()?;
    let pushed = shared.producer.push_rows(|block| rows.write_to(block), send.rows);
    let result = match pushed {
        Some(pushed) => {
            let keep = pushed.as_ref().is_err_and(may_retry);
            if !keep {
                rows.reset();
            }
            pushed.map(|_| ())
        }
        None => rows.flush(|batch| (send.batch)(&shared.producer.source, batch), may_retry),
    };
    shared.rows.store(rows.len(), Ordering::Relaxed);
    result.map(|()| Outcome::Ok)
}

/// The calls that work on the rows alone.
///
/// # Safety
/// The pointers are as the conventions of the header say.
unsafe fn set(
    appender: *mut Appender,
    error: *mut *mut ErrorHandle,
    work: impl FnOnce(&mut Rows) -> Result<()>,
) -> Status {
    let work = || {
        // SAFETY: handed through.
        let mut appender = unsafe { handle::exclusive(appender, INGESTION_ARGUMENT) }?;
        let (shared, rows) = appender.parts();
        let result = work(rows);
        shared.rows.store(rows.len(), Ordering::Relaxed);
        result.map(|()| Outcome::Ok)
    };
    // SAFETY: handed through.
    unsafe { guard::call(error, work) }
}
