//! `laminar_db`: a database.

use std::ffi::{CString, c_char};

use laminar_db::{Config, ExecuteResult, LaminarDB};
use laminar_types::Result;
use laminar_types::error::code::{CHECKPOINT, CONNECTION_ARGUMENT, QUERY_ARGUMENT};

use crate::args::{self, Out};
use crate::arrow_c::ArrowArrayStream;
use crate::error::ErrorHandle;
use crate::guard;
use crate::handle::{self, Noun};
use crate::import::Importer;
use crate::status::{Outcome, Status};
use crate::stream;

/// A database. All its calls may be used by several threads at once.
pub struct Db;

impl Noun for Db {
    type Shared = LaminarDB;
    type Exclusive = ();
    const NAME: &'static str = "db";
}

/// Opens a database.
///
/// @param config_json settings as a JSON object, or NULL for a database in memory with the
///   defaults. Every key is optional, and unknown keys are refused:
///
///   | key | value |
///   |---|---|
///   | `path` | directory of a durable database; absent or `":memory:"` keeps all in memory |
///   | `buffer_size` | rows that a subscription's ring holds, a power of two (65536) |
///   | `max_queued_bytes` | bytes that wait before `laminar_start` (268435456) |
///   | `retain_history` | rows of its past that a source keeps for queries, or a size as `"64 MB"` (65536) |
///   | `push_timeout_ms` | how long a push waits for room (30000) |
///   | `variables` | an object of strings: the values of `${NAME}` in the strings of definitions |
///   | `wait_strategy` | `"spin"`, `"spin_yield"`, `"spin_yield(N)"` or `"park"` |
///   | `core_affinity` | the processor core on which the threads of queries and of the timer stay |
///   | `workers` | partitions of operators by keys, 1 to 64 (1) |
///   | `worker_min_rows` | rows of a step from which on partitions have threads (512) |
///   | `validate_input` | `"full"`, or `"trusted"` to skip checks of imported buffers' content |
/// @param[out] db the database, to be closed with `laminar_close`
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_FAILED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_open(
    config_json: *const c_char,
    db: *mut *mut Db,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { Out::new(db) };
    let work = || {
        let out = out.required("db", CONNECTION_ARGUMENT)?;
        // SAFETY: as above.
        let json = unsafe { args::optional_text(config_json, "config_json", CONNECTION_ARGUMENT) }?;
        let config = json.map_or_else(|| Ok(Config::default()), Config::from_json)?;
        guard::watch_forks();
        out.write(handle::new::<Db>(LaminarDB::open_with_config(config)?, ()));
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Starts the streams: what was pushed before is processed now. Idempotent.
///
/// @param db the database
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_start(db: *const Db, error: *mut *mut ErrorHandle) -> Status {
    let work = || {
        // SAFETY: the caller keeps the conventions of the header.
        unsafe { handle::shared(db, CONNECTION_ARGUMENT) }?.start_blocking()?;
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Shuts the database down and leaves the handle: whoever waits in a call wakes, subscriptions
/// end, and later calls answer `LAMINAR_CONNECTION_CLOSED`. Idempotent.
///
/// @param db the database
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_shutdown(db: *const Db, error: *mut *mut ErrorHandle) -> Status {
    let work = || {
        // SAFETY: the caller keeps the conventions of the header.
        unsafe { handle::shared(db, CONNECTION_ARGUMENT) }?.shutdown_blocking()?;
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Shuts the database down and frees its handle. The handles made from it stay valid and answer
/// `LAMINAR_CONNECTION_CLOSED` or `LAMINAR_END` until they are freed, in any order.
///
/// @param db may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_close(db: *mut Db) {
    guard::value((), || {
        // SAFETY: the caller keeps the conventions of the header.
        if let Ok(db) = unsafe { handle::shared(db.cast_const(), CONNECTION_ARGUMENT) } {
            // Nobody is there to hear of a failure, and the database is closed either way.
            let _ = db.shutdown_blocking();
        }
    });
    // SAFETY: as above.
    unsafe { handle::free(db) };
}

/// Runs one SQL statement of any kind.
///
/// @param db the database
/// @param sql one statement
/// @param[out] out NULL, or where to put the result as a stream that the caller releases: the rows
///   of a query, or for any other statement one row with the columns `statement` (utf8, for
///   example `CREATE SOURCE`), `object` (utf8, the object's name or NULL) and `rows_affected`
///   (int64). The stream belongs to the caller, and errors in it carry the message with its code.
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_AGAIN` (an INSERT that found no room), `LAMINAR_BUSY`, or an
///   error: `LAMINAR_SQL_PARSE_ERROR`, `LAMINAR_QUERY_FAILED`, `LAMINAR_TABLE_NOT_FOUND`,
///   `LAMINAR_TABLE_EXISTS`, `LAMINAR_UNSUPPORTED`, ...
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_execute(
    db: *const Db,
    sql: *const c_char,
    out: *mut ArrowArrayStream,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { stream::clear(out) };
    let work = || {
        // SAFETY: as above.
        let db = unsafe { handle::shared(db, QUERY_ARGUMENT) }?;
        // SAFETY: as above.
        let sql = unsafe { args::text(sql, "sql", QUERY_ARGUMENT) }?;
        let result = db.execute_blocking(sql)?;
        if !out.is_null() {
            let rows = match result {
                ExecuteResult::Rows(query) => stream::Rows::of_query(query),
                ExecuteResult::Ddl { statement, object, .. } => {
                    stream::Rows::of_statement(&statement, Some(&object), 0)?
                }
                ExecuteResult::Affected { statement, rows } => {
                    stream::Rows::of_statement(statement, None, rows)?
                }
            };
            // SAFETY: not NULL, otherwise as above.
            unsafe { stream::write(rows, out) };
        }
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Takes a checkpoint now and waits for it.
///
/// @param db the database
/// @param[out] id NULL, or where to put its number
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_UNSUPPORTED` for a database in memory, which has
///   none, `LAMINAR_CHECKPOINT_FAILED`, `LAMINAR_CONNECTION_CLOSED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_checkpoint(
    db: *const Db,
    id: *mut u64,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { args::write_count(id, 0) };
    let work = || {
        // SAFETY: as above.
        let checkpoint = unsafe { handle::shared(db, CHECKPOINT) }?.checkpoint_blocking()?;
        // SAFETY: as above.
        unsafe { args::write_count(id, checkpoint) };
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// The plan of a statement, or of a stream by its name, for people to read.
///
/// @param db the database
/// @param sql a statement or a name
/// @param[out] text UTF-8, owned by the caller: free it with `laminar_string_free`
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_explain(
    db: *const Db,
    sql: *const c_char,
    text: *mut *mut c_char,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { Out::new(text) };
    let work = || {
        let out = out.required("text", QUERY_ARGUMENT)?;
        // SAFETY: as above.
        let db = unsafe { handle::shared(db, QUERY_ARGUMENT) }?;
        // SAFETY: as above.
        let sql = unsafe { args::text(sql, "sql", QUERY_ARGUMENT) }?;
        out.write(args::c_string(&db.explain(sql)?).into_raw());
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Frees a text that the library handed over.
///
/// @param text may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_string_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: owned texts come from `CString::into_raw`, and the caller gives this one up.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// How batches for a source named by the caller are imported.
pub(crate) fn importer(db: &LaminarDB, source: &str) -> Result<Importer> {
    Ok(Importer::new(db.source_schema(source)?, db.config().validate_input))
}
