//! Rows written as bytes: JSON, CSV and Arrow IPC.

use std::ffi::c_char;

use arrow::array::RecordBatch;
use laminar_format::csv::CsvOptions;
use laminar_format::json::JsonOptions;
use laminar_format::{csv, json};
use laminar_types::error::code::{INGESTION_ARGUMENT, MALFORMED_TEXT};
use laminar_types::{Error, Result};

use crate::args;
use crate::db::{Db, importer};
use crate::error::ErrorHandle;
use crate::guard;
use crate::handle;
use crate::import::Importer;
use crate::ipc;
use crate::source::Source;
use crate::status::{Outcome, Status};

/// Pushes rows that are written as JSON as one epoch: all of them are taken, or none.
///
/// The text is one object, an array of objects, or objects one after the other (NDJSON). Members
/// are found by name; one that is missing is NULL, and one that the source does not have is
/// refused. TIMESTAMP columns take ISO 8601 texts, or integers since 1970; integers and decimals
/// may stand in quotes; binary values are hexadecimal digits; lists are arrays, structs and maps
/// objects.
///
/// @param source the producer; exclusive
/// @param text UTF-8; no NUL is needed at its end; borrowed for the call
/// @param length its bytes
/// @param options_json NULL, or `{"epoch": "ms"}`: the unit of times that are integers (`s`, `ms`, `us`, `ns`)
/// @param[out] rows NULL, or where to put how many rows were taken
/// @param[out] error optional
/// @return as for `laminar_push`; a value that does not fit its column is
///   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_push_json(
    source: *mut Source,
    text: *const c_char,
    length: usize,
    options_json: *const c_char,
    rows: *mut u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    let encoded = Encoded { data: text.cast(), length, name: "text", rows };
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { push(source, &encoded, || json_form(options_json), error) }
}

/// Like `laminar_push_json`, into a source or table by its name, through the database's own
/// producer of it. May be called by any number of threads.
///
/// @param db the database
/// @param source the name of the source or table
/// @param text UTF-8; no NUL is needed at its end; borrowed for the call
/// @param length its bytes
/// @param options_json NULL, or `{"epoch": "ms"}`: the unit of times that are integers (`s`, `ms`, `us`, `ns`)
/// @param[out] rows NULL, or where to put how many rows were taken
/// @param[out] error optional
/// @return as for `laminar_push_json`, and `LAMINAR_TABLE_NOT_FOUND`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_insert_json(
    db: *const Db,
    source: *const c_char,
    text: *const c_char,
    length: usize,
    options_json: *const c_char,
    rows: *mut u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    let encoded = Encoded { data: text.cast(), length, name: "text", rows };
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { insert(db, source, &encoded, || json_form(options_json), error) }
}

/// Pushes rows that are written as CSV as one epoch: all of them are taken, or none.
///
/// Columns that are not in the header are NULL. Values are read as the texts of
/// `laminar_push_json` are. Columns of nested types cannot be read from CSV.
///
/// @param source the producer; exclusive
/// @param text UTF-8; no NUL is needed at its end; borrowed for the call
/// @param length its bytes
/// @param options_json NULL, or an object with `header` (true: the first line names
///   the columns, in any order; false: they are the source's), `delimiter` (`","`), `quote`
///   (`"\""`), `null` (`""`: the text that is NULL) and `epoch` (`"ms"`, as for JSON)
/// @param[out] rows NULL, or where to put how many rows were taken
/// @param[out] error optional
/// @return as for `laminar_push`; a value that does not fit its column is
///   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_push_csv(
    source: *mut Source,
    text: *const c_char,
    length: usize,
    options_json: *const c_char,
    rows: *mut u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    let encoded = Encoded { data: text.cast(), length, name: "text", rows };
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { push(source, &encoded, || csv_form(options_json), error) }
}

/// Like `laminar_push_csv`, into a source or table by its name, through the database's own
/// producer of it. May be called by any number of threads.
///
/// @param db the database
/// @param source the name of the source or table
/// @param text UTF-8; no NUL is needed at its end; borrowed for the call
/// @param length its bytes
/// @param options_json NULL, or an object with `header` (true: the first line names
///   the columns, in any order; false: they are the source's), `delimiter` (`","`), `quote`
///   (`"\""`), `null` (`""`: the text that is NULL) and `epoch` (`"ms"`, as for JSON)
/// @param[out] rows NULL, or where to put how many rows were taken
/// @param[out] error optional
/// @return as for `laminar_push_csv`, and `LAMINAR_TABLE_NOT_FOUND`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_insert_csv(
    db: *const Db,
    source: *const c_char,
    text: *const c_char,
    length: usize,
    options_json: *const c_char,
    rows: *mut u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    let encoded = Encoded { data: text.cast(), length, name: "text", rows };
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { insert(db, source, &encoded, || csv_form(options_json), error) }
}

/// Pushes rows that are written as an Arrow IPC stream or file as one epoch: all of them are taken, or none.
///
/// Its columns are matched to the source's by name, as `laminar_push` does.
///
/// @param source the producer; exclusive
/// @param data a stream, or a file; borrowed for the call
/// @param length its bytes
/// @param[out] rows NULL, or where to put how many rows were taken
/// @param[out] error optional
/// @return as for `laminar_push`; a value that does not fit its column is
///   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_push_ipc(
    source: *mut Source,
    data: *const u8,
    length: usize,
    rows: *mut u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    let encoded = Encoded { data, length, name: "data", rows };
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { push(source, &encoded, || Ok(Form::Ipc), error) }
}

/// Like `laminar_push_ipc`, into a source or table by its name, through the database's own
/// producer of it. May be called by any number of threads.
///
/// @param db the database
/// @param source the name of the source or table
/// @param data a stream, or a file; borrowed for the call
/// @param length its bytes
/// @param[out] rows NULL, or where to put how many rows were taken
/// @param[out] error optional
/// @return as for `laminar_push_ipc`, and `LAMINAR_TABLE_NOT_FOUND`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_insert_ipc(
    db: *const Db,
    source: *const c_char,
    data: *const u8,
    length: usize,
    rows: *mut u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    let encoded = Encoded { data, length, name: "data", rows };
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { insert(db, source, &encoded, || Ok(Form::Ipc), error) }
}

/// Frees bytes that the library handed over.
///
/// @param data may be NULL, which does nothing
/// @param length as it came with them
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_bytes_free(data: *mut u8, length: usize) {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { args::free_bytes(data, length) };
}

/// Bytes of the caller, what he calls them, and where he wants the number of rows.
struct Encoded {
    data: *const u8,
    length: usize,
    name: &'static str,
    rows: *mut u64,
}

impl Encoded {
    /// The bytes, and how rows are written in them.
    ///
    /// # Safety
    /// The caller keeps the conventions of the header.
    unsafe fn read<'a>(&self, form: impl FnOnce() -> Result<Form>) -> Result<(&'a [u8], Form)> {
        // SAFETY: as of this function.
        let bytes = unsafe { args::bytes(self.data, self.length, self.name, INGESTION_ARGUMENT) }?;
        Ok((bytes, form()?))
    }
}

/// Takes rows in through a producer.
///
/// # Safety
/// The caller keeps the conventions of the header.
unsafe fn push(
    source: *mut Source,
    encoded: &Encoded,
    form: impl FnOnce() -> Result<Form>,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: as of this function, here and below.
    unsafe { args::write_count(encoded.rows, 0) };
    let work = || {
        // SAFETY: as above.
        let producer = unsafe { handle::shared(source.cast_const(), INGESTION_ARGUMENT) }?;
        // SAFETY: as above.
        let (bytes, form) = unsafe { encoded.read(form) }?;
        let batches = form.decode(bytes, &producer.importer)?;
        let count = num_rows(&batches);
        if count > 0 {
            let _pushing = producer.enter()?;
            producer.source.push_batches(batches)?;
        }
        // SAFETY: as above.
        unsafe { args::write_count(encoded.rows, count) };
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Takes rows in by the name of their source or table.
///
/// # Safety
/// The caller keeps the conventions of the header.
unsafe fn insert(
    db: *const Db,
    source: *const c_char,
    encoded: &Encoded,
    form: impl FnOnce() -> Result<Form>,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: as of this function, here and below.
    unsafe { args::write_count(encoded.rows, 0) };
    let work = || {
        // SAFETY: as above.
        let db = unsafe { handle::shared(db, INGESTION_ARGUMENT) }?;
        // SAFETY: as above.
        let source = unsafe { args::text(source, "source", INGESTION_ARGUMENT) }?;
        // SAFETY: as above.
        let (bytes, form) = unsafe { encoded.read(form) }?;
        let batches = form.decode(bytes, &importer(&db, source)?)?;
        let count = num_rows(&batches);
        if count > 0 {
            db.insert(source, batches)?;
        }
        // SAFETY: as above.
        unsafe { args::write_count(encoded.rows, count) };
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// # Safety
/// The caller keeps the conventions of the header.
unsafe fn json_form(options_json: *const c_char) -> Result<Form> {
    // SAFETY: as of this function.
    let options = unsafe { args::optional_text(options_json, "options_json", INGESTION_ARGUMENT) }?;
    Ok(Form::Json(JsonOptions::from_json(options)?))
}

/// # Safety
/// The caller keeps the conventions of the header.
unsafe fn csv_form(options_json: *const c_char) -> Result<Form> {
    // SAFETY: as of this function.
    let options = unsafe { args::optional_text(options_json, "options_json", INGESTION_ARGUMENT) }?;
    Ok(Form::Csv(CsvOptions::from_json(options)?))
}

/// How rows are written.
enum Form {
    Json(JsonOptions),
    Csv(CsvOptions),
    Ipc,
}

impl Form {
    /// The rows as those of the importer's source.
    fn decode(&self, bytes: &[u8], importer: &Importer) -> Result<Vec<RecordBatch>> {
        match self {
            Self::Json(options) => {
                Ok(vec![json::decode(utf8(bytes)?, importer.schema(), *options)?])
            }
            Self::Csv(options) => Ok(vec![csv::decode(utf8(bytes)?, importer.schema(), options)?]),
            Self::Ipc => ipc::decode(bytes)?.iter().map(|batch| importer.adapt(batch)).collect(),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let message = format!("the text is not UTF-8: byte {} is wrong", error.valid_up_to());
        Error::new(MALFORMED_TEXT, message)
    })
}

fn num_rows(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}
