//! `laminar_writer`: batches that are gathered and pushed together.

use std::ffi::c_char;

use laminar_db as facade;
use laminar_types::Result;
use laminar_types::error::code::INGESTION_ARGUMENT;

use crate::args::{self, Out};
use crate::arrow_c::{ArrowArray, ArrowSchema, CheckedSchema, Offered};
use crate::db::Db;
use crate::error::ErrorHandle;
use crate::guard;
use crate::handle::{self, Noun};
use crate::import::Importer;
use crate::source::may_retry;
use crate::status::{Outcome, Status};

/// Gathers batches for a source, to be pushed as one epoch. It is a producer of its own, with a
/// watermark of its own.
pub struct Writer;

impl Noun for Writer {
    type Shared = Importer;
    type Exclusive = facade::Writer;
    const NAME: &'static str = "writer";
}

/// Makes a writer for a source or table that exists.
///
/// @param db the database
/// @param name the name of the source or table
/// @param[out] out the writer, to be freed with `laminar_writer_free`
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_CONNECTION_CLOSED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_writer_open(
    db: *const Db,
    name: *const c_char,
    out: *mut *mut Writer,
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
        let source = db.source_untyped(name)?;
        let importer = Importer::new(source.schema(), db.config().validate_input);
        out.write(handle::new::<Writer>(importer, facade::Writer::new(source)));
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Adds a batch. It is checked and converted as by `laminar_push`; one that does not fit is
/// refused, and what was added before stays.
///
/// @param writer the writer; exclusive
/// @param array moved (its `release` becomes NULL) unless the answer is `LAMINAR_BUSY`
/// @param schema borrowed, of struct type; NULL when it is the source's own
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or an error as for `laminar_push`;
///   `LAMINAR_WRITER_CLOSED` after `laminar_writer_close`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_writer_append(
    writer: *mut Writer,
    array: *mut ArrowArray,
    schema: *const ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // SAFETY: the caller keeps the conventions of the header.
        let mut offered = unsafe { Offered::take(array, INGESTION_ARGUMENT) }?;
        let added = (|| {
            // SAFETY: as above.
            let mut writer = unsafe { handle::exclusive(writer, INGESTION_ARGUMENT) }?;
            let (importer, batches) = writer.parts();
            // SAFETY: as above.
            let schema = unsafe { CheckedSchema::borrow(schema) }?;
            batches.append(importer.batch(offered.owner(), schema.as_ref())?)
        })();
        if let Err(error) = added {
            if may_retry(&error) {
                offered.give_back()?;
            }
            return Err(error);
        }
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Pushes what was added as one epoch: all of it is taken, or none.
///
/// @param writer the writer; exclusive
/// @param[out] rows NULL, or where to put how many rows were pushed
/// @param[out] error optional
/// @return `LAMINAR_OK`, without rows as well; `LAMINAR_AGAIN` and `LAMINAR_BUSY` keep the rows; any
///   error forgets them
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_writer_flush(
    writer: *mut Writer,
    rows: *mut u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { args::write_count(rows, 0) };
    let work = || {
        // SAFETY: as above.
        let mut writer = unsafe { handle::exclusive(writer, INGESTION_ARGUMENT) }?;
        let (_, batches) = writer.parts();
        let count = batches.num_rows() as u64;
        batches.flush()?;
        // SAFETY: as above.
        unsafe { args::write_count(rows, count) };
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Flushes, then promises as `laminar_watermark` does.
///
/// @param writer the writer; exclusive
/// @param ts_ms milliseconds since 1970-01-01 00:00:00 UTC
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_AGAIN` (nothing was pushed or promised), `LAMINAR_BUSY`, or an
///   error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_writer_watermark(
    writer: *mut Writer,
    ts_ms: i64,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { alone(writer, error, |writer| writer.watermark(ts_ms).map(|_| ())) }
}

/// Flushes and gives the producer up: its watermark no longer holds the source's back. Every later
/// call but this one answers `LAMINAR_WRITER_CLOSED`. The handle is still to be freed.
///
/// @param writer the writer; exclusive
/// @param[out] error optional
/// @return `LAMINAR_OK`; `LAMINAR_AGAIN` and `LAMINAR_BUSY` leave it open; or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_writer_close(
    writer: *mut Writer,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { alone(writer, error, facade::Writer::close) }
}

/// Frees a writer. Rows that were not flushed are forgotten. Never waits.
///
/// @param writer may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_writer_free(writer: *mut Writer) {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { handle::free(writer) };
}

/// Works with a writer, in which no other call is meanwhile.
///
/// # Safety
/// The caller keeps the conventions of the header.
unsafe fn alone(
    writer: *mut Writer,
    error: *mut *mut ErrorHandle,
    work: impl FnOnce(&mut facade::Writer) -> Result<()>,
) -> Status {
    let work = || {
        // SAFETY: handed through.
        let mut writer = unsafe { handle::exclusive(writer, INGESTION_ARGUMENT) }?;
        work(writer.parts().1)?;
        Ok(Outcome::Ok)
    };
    // SAFETY: handed through.
    unsafe { guard::call(error, work) }
}
