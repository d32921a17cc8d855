//! `laminar_query`: the rows of an ad-hoc query, batch by batch.

use std::ffi::c_char;

use laminar_db as facade;
use laminar_db::QueryCanceller;
use laminar_types::error::code::QUERY_ARGUMENT;

use crate::args::{self, Out, OutBytes};
use crate::arrow_c::{ArrowArray, ArrowSchema, clear_array, clear_schema, write_schema};
use crate::db::Db;
use crate::error::ErrorHandle;
use crate::export::Exporter;
use crate::guard;
use crate::handle::{self, Noun};
use crate::ipc;
use crate::status::{Outcome, Status};

/// The rows of one query over one consistent epoch: later pushes do not change them. Reading is
/// exclusive; cancelling is not.
pub struct Query;

impl Noun for Query {
    type Shared = QueryShared;
    type Exclusive = facade::Query;
    const NAME: &'static str = "query";

    fn released(shared: &QueryShared) {
        shared.canceller.cancel();
    }
}

pub(crate) struct QueryShared {
    exporter: Exporter,
    canceller: QueryCanceller,
    id: u64,
}

/// Runs a query and reads its rows batch by batch.
///
/// @param db the database
/// @param sql a statement that answers rows
/// @param[out] out the query, to be freed with `laminar_query_free`
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_SQL_PARSE_ERROR`, `LAMINAR_QUERY_FAILED`,
///   `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_UNSUPPORTED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_query_open(
    db: *const Db,
    sql: *const c_char,
    out: *mut *mut Query,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { Out::new(out) };
    let work = || {
        let out = out.required("out", QUERY_ARGUMENT)?;
        // SAFETY: as above.
        let db = unsafe { handle::shared(db, QUERY_ARGUMENT) }?;
        // SAFETY: as above.
        let sql = unsafe { args::text(sql, "sql", QUERY_ARGUMENT) }?;
        let query = db.query_blocking(sql)?;
        let shared = QueryShared {
            exporter: Exporter::new(query.schema()),
            canceller: query.canceller(),
            id: query.id().unwrap_or(0),
        };
        out.write(handle::new::<Query>(shared, query));
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// The columns of the query's rows, as an Arrow schema of struct type.
///
/// @param query the query
/// @param[out] schema owned by the caller: release it
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_query_schema(
    query: *const Query,
    schema: *mut ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { clear_schema(schema) };
    let work = || {
        if schema.is_null() {
            return Err(args::null("schema", QUERY_ARGUMENT));
        }
        // SAFETY: as above.
        let query = unsafe { handle::shared(query, QUERY_ARGUMENT) }?;
        // SAFETY: not NULL, otherwise as above.
        unsafe { write_schema(query.exporter.schema(), schema) }?;
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// The next batch of rows. Waits for it.
///
/// @param query the query; exclusive
/// @param[out] array a struct array with one child per column, owned by the caller: release it
/// @param[out] schema NULL, or its schema, owned by the caller: release it
/// @param[out] error optional
/// @return `LAMINAR_OK` with a batch, `LAMINAR_END` without one, `LAMINAR_BUSY`, or an error:
///   `LAMINAR_QUERY_CANCELLED`, `LAMINAR_QUERY_FAILED`, `LAMINAR_CONNECTION_CLOSED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_query_next(
    query: *mut Query,
    array: *mut ArrowArray,
    schema: *mut ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { clear_array(array) };
    // SAFETY: as above.
    unsafe { clear_schema(schema) };
    let work = || {
        if array.is_null() {
            return Err(args::null("array", QUERY_ARGUMENT));
        }
        // SAFETY: as above.
        let mut query = unsafe { handle::exclusive(query, QUERY_ARGUMENT) }?;
        let (shared, rows) = query.parts();
        let Some(batch) = rows.next_blocking()? else {
            return Ok(Outcome::End);
        };
        // SAFETY: `array` is not NULL, otherwise as above.
        unsafe { shared.exporter.write(batch, array, schema) }?;
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// The rest of the rows as one Arrow IPC stream. Waits for all of them.
///
/// @param query the query; exclusive
/// @param[out] data the bytes, owned by the caller: free them with `laminar_bytes_free`
/// @param[out] length how many there are
/// @param[out] error optional
/// @return `LAMINAR_OK`, without rows as well; `LAMINAR_BUSY`, or an error as for
///   `laminar_query_next`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_query_ipc(
    query: *mut Query,
    data: *mut *mut u8,
    length: *mut usize,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { OutBytes::new(data, length) };
    let work = || {
        let out = out.required(QUERY_ARGUMENT)?;
        // SAFETY: as above.
        let mut query = unsafe { handle::exclusive(query, QUERY_ARGUMENT) }?;
        let (shared, rows) = query.parts();
        let mut batches = Vec::new();
        while let Some(batch) = rows.next_blocking()? {
            batches.push(batch);
        }
        out.write(ipc::encode(shared.exporter.schema(), &batches)?);
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Cancels a query from any thread: the current and every later `laminar_query_next` answer
/// `LAMINAR_QUERY_CANCELLED`. Never waits.
///
/// @param query may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_query_cancel(query: *const Query) {
    guard::value((), || {
        // SAFETY: the caller keeps the conventions of the header.
        if let Ok(query) = unsafe { handle::shared(query, QUERY_ARGUMENT) } {
            query.canceller.cancel();
        }
    });
}

/// The number of a query, by which `laminar_cancel_query` and the SQL `CANCEL QUERY` find it, and
/// under which `laminar_queries` lists it.
///
/// @param query may be NULL
/// @return the number; 0 for NULL and for rows that are not listed (those of `SHOW` and its like)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_query_id(query: *const Query) -> u64 {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { handle::shared(query, QUERY_ARGUMENT) }.map_or(0, |query| query.id)
}

/// Cancels the query of a number, whoever reads it, or ends the subscription of one: as
/// `laminar_queries` and `laminar_subscriptions` number them. Never waits.
///
/// @param db the database
/// @param id the number
/// @param[out] found NULL, or where to put whether there was one
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_CLOSED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_cancel_query(
    db: *const Db,
    id: u64,
    found: *mut bool,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // SAFETY: the caller keeps the conventions of the header.
        let cancelled = unsafe { handle::shared(db, QUERY_ARGUMENT) }?.cancel_query(id)?;
        if !found.is_null() {
            // SAFETY: not NULL, otherwise as above.
            unsafe { std::ptr::write(found, cancelled) };
        }
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Frees a query, read to its end or not. A call that is in it on another thread is cancelled.
/// Never waits.
///
/// @param query may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_query_free(query: *mut Query) {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { handle::free(query) };
}
