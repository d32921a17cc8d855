// Written from include/laminar.h by `cargo run -p laminar-bindings-generate`.

use core::ffi::{c_char, c_void};

use crate::arrow::{ArrowArray, ArrowArrayStream, ArrowSchema};

/// An outcome (0 to 5) or the number of an error.
pub type laminar_status = i32;

pub const LAMINAR_VERSION: &str = "0.1.0";

/// Major version.
pub const LAMINAR_VERSION_MAJOR: u32 = 0;

/// Minor version.
pub const LAMINAR_VERSION_MINOR: u32 = 1;

/// Patch version.
pub const LAMINAR_VERSION_PATCH: u32 = 0;

/// The version of the binary interface. A library whose `laminar_abi_version()` differs from the
/// header that a program was compiled with must not be used by it.
pub const LAMINAR_ABI_VERSION: u32 = 1;

/// Something stopped: a stream failed.
pub const LAMINAR_LOG_ERROR: u32 = 1;

/// Rows are lost: the first dead letter and the first late row of a stream, the first miss of a
/// subscription.
pub const LAMINAR_LOG_WARN: u32 = 2;

/// The database changed: definitions, the start, the shutdown.
pub const LAMINAR_LOG_INFO: u32 = 3;

/// Every query that begins.
pub const LAMINAR_LOG_DEBUG: u32 = 4;

/// Done.
pub const LAMINAR_OK: laminar_status = 0;

/// Not now: nothing came within the time allowed, or there was no room for a push. Nothing was
/// moved; try again.
pub const LAMINAR_AGAIN: laminar_status = 1;

/// There will be no more: the query or the subscription is at its end.
pub const LAMINAR_END: laminar_status = 2;

/// The subscription missed rows (see `laminar_subscription_lagged`) and goes on with the oldest
/// one kept. Nothing was moved; poll again.
pub const LAMINAR_LAGGED: laminar_status = 3;

/// Forget what this subscription has delivered: its next batch is the whole content. Nothing was
/// moved; poll again.
pub const LAMINAR_RESET: laminar_status = 4;

/// The handle is in an exclusive call of another thread, or the call came from inside a function
/// that the engine is calling. Nothing was moved; try again.
pub const LAMINAR_BUSY: laminar_status = 5;

/// The database could not be opened.
pub const LAMINAR_CONNECTION_FAILED: laminar_status = 100;

/// The database was closed.
pub const LAMINAR_CONNECTION_CLOSED: laminar_status = 101;

/// The handle is in use by another thread. The library answers `LAMINAR_BUSY` instead.
pub const LAMINAR_CONNECTION_IN_USE: laminar_status = 102;

/// No source, table, stream or sink has this name.
pub const LAMINAR_TABLE_NOT_FOUND: laminar_status = 200;

/// The name is taken.
pub const LAMINAR_TABLE_EXISTS: laminar_status = 201;

/// A schema differs from the one expected.
pub const LAMINAR_SCHEMA_MISMATCH: laminar_status = 202;

/// A schema cannot be used, or an object that others read was to be dropped.
pub const LAMINAR_INVALID_SCHEMA: laminar_status = 203;

/// Rows were refused.
pub const LAMINAR_INGESTION_FAILED: laminar_status = 300;

/// The source handle was closed, or its source was dropped.
pub const LAMINAR_WRITER_CLOSED: laminar_status = 301;

/// A batch does not fit the schema of its source.
pub const LAMINAR_BATCH_SCHEMA_MISMATCH: laminar_status = 302;

/// There was no room in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this.
pub const LAMINAR_BACKPRESSURE: laminar_status = 303;

/// A query failed.
pub const LAMINAR_QUERY_FAILED: laminar_status = 400;

/// The SQL text could not be read.
pub const LAMINAR_SQL_PARSE_ERROR: laminar_status = 401;

/// The query was cancelled.
pub const LAMINAR_QUERY_CANCELLED: laminar_status = 402;

/// A construct that this version does not have.
pub const LAMINAR_UNSUPPORTED: laminar_status = 403;

/// A subscription could not be made or read.
pub const LAMINAR_SUBSCRIPTION_FAILED: laminar_status = 500;

/// The subscription ended. The library answers `LAMINAR_END` instead; bindings raise this.
pub const LAMINAR_SUBSCRIPTION_CLOSED: laminar_status = 501;

/// Nothing came in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this.
pub const LAMINAR_SUBSCRIPTION_TIMEOUT: laminar_status = 502;

/// Changes were missed. The library answers `LAMINAR_LAGGED` instead; bindings raise this.
pub const LAMINAR_SUBSCRIPTION_LAGGED: laminar_status = 503;

/// A stream failed.
pub const LAMINAR_STREAM_FAILED: laminar_status = 600;

/// A checkpoint failed.
pub const LAMINAR_CHECKPOINT_FAILED: laminar_status = 700;

/// Recovery failed.
pub const LAMINAR_RECOVERY_FAILED: laminar_status = 701;

/// A connector failed.
pub const LAMINAR_CONNECTOR_FAILED: laminar_status = 800;

/// A defect of the library, for example a panic that was caught.
pub const LAMINAR_INTERNAL_ERROR: laminar_status = 900;

/// The database is shutting down.
pub const LAMINAR_SHUTDOWN: laminar_status = 901;

/// Every status with its name, by number.
pub const STATUSES: &[(laminar_status, &str)] = &[
    (0, "OK"),
    (1, "AGAIN"),
    (2, "END"),
    (3, "LAGGED"),
    (4, "RESET"),
    (5, "BUSY"),
    (100, "CONNECTION_FAILED"),
    (101, "CONNECTION_CLOSED"),
    (102, "CONNECTION_IN_USE"),
    (200, "TABLE_NOT_FOUND"),
    (201, "TABLE_EXISTS"),
    (202, "SCHEMA_MISMATCH"),
    (203, "INVALID_SCHEMA"),
    (300, "INGESTION_FAILED"),
    (301, "WRITER_CLOSED"),
    (302, "BATCH_SCHEMA_MISMATCH"),
    (303, "BACKPRESSURE"),
    (400, "QUERY_FAILED"),
    (401, "SQL_PARSE_ERROR"),
    (402, "QUERY_CANCELLED"),
    (403, "UNSUPPORTED"),
    (500, "SUBSCRIPTION_FAILED"),
    (501, "SUBSCRIPTION_CLOSED"),
    (502, "SUBSCRIPTION_TIMEOUT"),
    (503, "SUBSCRIPTION_LAGGED"),
    (600, "STREAM_FAILED"),
    (700, "CHECKPOINT_FAILED"),
    (701, "RECOVERY_FAILED"),
    (800, "CONNECTOR_FAILED"),
    (900, "INTERNAL_ERROR"),
    (901, "SHUTDOWN"),
];

/// Builds rows value by value and pushes them through the producer that it was opened on. Setting
/// a value allocates nothing in the steady state. All calls but the count of rows are exclusive.
#[repr(C)]
#[derive(Debug)]
pub struct laminar_appender {
    _opaque: [u8; 0],
    _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// A database. All its calls may be used by several threads at once.
#[repr(C)]
#[derive(Debug)]
pub struct laminar_db {
    _opaque: [u8; 0],
    _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// An error, owned by whoever received it: free it with `laminar_error_free`. It belongs to no
/// other handle and may be read by several threads.
#[repr(C)]
#[derive(Debug)]
pub struct laminar_error {
    _opaque: [u8; 0],
    _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// The rows of one query over one consistent epoch: later pushes do not change them. Reading is
/// exclusive; cancelling is not.
#[repr(C)]
#[derive(Debug)]
pub struct laminar_query {
    _opaque: [u8; 0],
    _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// A producer of a source: rows are pushed through it, and it has a watermark of its own. Clone
/// it for every further producer. Its exclusive calls are the pushes and the watermark.
#[repr(C)]
#[derive(Debug)]
pub struct laminar_source {
    _opaque: [u8; 0],
    _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// A consumer of the changes of a stream, sink, source or query. Polling is exclusive; cancelling,
/// the accessors and `laminar_on_ready` are not.
#[repr(C)]
#[derive(Debug)]
pub struct laminar_subscription {
    _opaque: [u8; 0],
    _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// Gathers batches for a source, to be pushed as one epoch. It is a producer of its own, with a
/// watermark of its own.
#[repr(C)]
#[derive(Debug)]
pub struct laminar_writer {
    _opaque: [u8; 0],
    _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

unsafe extern "C" {
    /// The version of the library that runs, for example `"0.1.0"`; compare with `LAMINAR_VERSION`.
    ///
    /// @return a static string, never NULL
    pub fn laminar_version() -> *const c_char;

    /// The version of the library that runs as one number: `major * 10000 + minor * 100 + patch`.
    pub fn laminar_version_number() -> u32;

    /// The version of the library's binary interface; compare with `LAMINAR_ABI_VERSION` after loading
    /// the library at run time.
    pub fn laminar_abi_version() -> u32;

    /// Version, profile, compiler and main dependencies, for example
    /// `"laminar 0.1.0 (profile release, rustc 1.95.0, datafusion 55.2.0, arrow 59.3.2)"`. For people
    /// and bug reports: its form may change.
    ///
    /// @return a static string, never NULL
    pub fn laminar_build_info() -> *const c_char;

    /// The name of a status without its `LAMINAR_` prefix, for example `"AGAIN"` or
    /// `"SCHEMA_MISMATCH"`.
    ///
    /// @param status any number
    /// @return a static string; `"UNKNOWN"` for a number that is no status. Never NULL.
    pub fn laminar_status_name(status: laminar_status) -> *const c_char;

    /// The status of an error: the same number that the failed call returned.
    ///
    /// @param error may be NULL
    /// @return the status; `LAMINAR_OK` for NULL
    pub fn laminar_error_status(error: *const laminar_error) -> laminar_status;

    /// The full text: code, what was wrong, what to do, and the position in the SQL text, for example
    /// `"LDB-2001: no source, table or stream is named `trades` (line 1, column 15)"`.
    ///
    /// @param error may be NULL
    /// @return UTF-8, valid until the error is freed; `""` for NULL, never NULL
    pub fn laminar_error_message(error: *const laminar_error) -> *const c_char;

    /// The stable code of the error, for example `"LDB-2001"`. It is finer than the status and never
    /// changes its meaning.
    ///
    /// @param error may be NULL
    /// @return ASCII, valid until the error is freed; `""` for NULL, never NULL
    pub fn laminar_error_code(error: *const laminar_error) -> *const c_char;

    /// The line of the SQL text that the error is about, counted from 1.
    ///
    /// @param error may be NULL
    /// @return the line; 0 when the error has no place in SQL text, and for NULL
    pub fn laminar_error_line(error: *const laminar_error) -> u64;

    /// The column in that line, in characters counted from 1.
    ///
    /// @param error may be NULL
    /// @return the column; 0 when the error has no place in SQL text, and for NULL
    pub fn laminar_error_column(error: *const laminar_error) -> u64;

    /// Frees an error and the texts that it handed out.
    ///
    /// @param error may be NULL, which does nothing
    pub fn laminar_error_free(error: *mut laminar_error);

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
    /// @param (out) db the database, to be closed with `laminar_close`
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_FAILED`
    pub fn laminar_open(
        config_json: *const c_char,
        db: *mut *mut laminar_db,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Starts the streams: what was pushed before is processed now. Idempotent.
    ///
    /// @param db the database
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error
    pub fn laminar_start(db: *const laminar_db, error: *mut *mut laminar_error) -> laminar_status;

    /// Shuts the database down and leaves the handle: whoever waits in a call wakes, subscriptions
    /// end, and later calls answer `LAMINAR_CONNECTION_CLOSED`. Idempotent.
    ///
    /// @param db the database
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error
    pub fn laminar_shutdown(
        db: *const laminar_db,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Shuts the database down and frees its handle. The handles made from it stay valid and answer
    /// `LAMINAR_CONNECTION_CLOSED` or `LAMINAR_END` until they are freed, in any order.
    ///
    /// @param db may be NULL, which does nothing
    pub fn laminar_close(db: *mut laminar_db);

    /// Runs one SQL statement of any kind.
    ///
    /// @param db the database
    /// @param sql one statement
    /// @param (out) out NULL, or where to put the result as a stream that the caller releases: the rows
    ///   of a query, or for any other statement one row with the columns `statement` (utf8, for
    ///   example `CREATE SOURCE`), `object` (utf8, the object's name or NULL) and `rows_affected`
    ///   (int64). The stream belongs to the caller, and errors in it carry the message with its code.
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_AGAIN` (an INSERT that found no room), `LAMINAR_BUSY`, or an
    ///   error: `LAMINAR_SQL_PARSE_ERROR`, `LAMINAR_QUERY_FAILED`, `LAMINAR_TABLE_NOT_FOUND`,
    ///   `LAMINAR_TABLE_EXISTS`, `LAMINAR_UNSUPPORTED`, ...
    pub fn laminar_execute(
        db: *const laminar_db,
        sql: *const c_char,
        out: *mut ArrowArrayStream,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Takes a checkpoint now and waits for it.
    ///
    /// @param db the database
    /// @param (out) id NULL, or where to put its number
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_UNSUPPORTED` for a database in memory, which has
    ///   none, `LAMINAR_CHECKPOINT_FAILED`, `LAMINAR_CONNECTION_CLOSED`
    pub fn laminar_checkpoint(
        db: *const laminar_db,
        id: *mut u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// The plan of a statement, or of a stream by its name, for people to read.
    ///
    /// @param db the database
    /// @param sql a statement or a name
    /// @param (out) text UTF-8, owned by the caller: free it with `laminar_string_free`
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error
    pub fn laminar_explain(
        db: *const laminar_db,
        sql: *const c_char,
        text: *mut *mut c_char,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Frees a text that the library handed over.
    ///
    /// @param text may be NULL, which does nothing
    pub fn laminar_string_free(text: *mut c_char);

    /// Runs a query and reads its rows batch by batch.
    ///
    /// @param db the database
    /// @param sql a statement that answers rows
    /// @param (out) out the query, to be freed with `laminar_query_free`
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_SQL_PARSE_ERROR`, `LAMINAR_QUERY_FAILED`,
    ///   `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_UNSUPPORTED`
    pub fn laminar_query_open(
        db: *const laminar_db,
        sql: *const c_char,
        out: *mut *mut laminar_query,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// The columns of the query's rows, as an Arrow schema of struct type.
    ///
    /// @param query the query
    /// @param (out) schema owned by the caller: release it
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error
    pub fn laminar_query_schema(
        query: *const laminar_query,
        schema: *mut ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// The next batch of rows. Waits for it.
    ///
    /// @param query the query; exclusive
    /// @param (out) array a struct array with one child per column, owned by the caller: release it
    /// @param (out) schema NULL, or its schema, owned by the caller: release it
    /// @param (out) error optional
    /// @return `LAMINAR_OK` with a batch, `LAMINAR_END` without one, `LAMINAR_BUSY`, or an error:
    ///   `LAMINAR_QUERY_CANCELLED`, `LAMINAR_QUERY_FAILED`, `LAMINAR_CONNECTION_CLOSED`
    pub fn laminar_query_next(
        query: *mut laminar_query,
        array: *mut ArrowArray,
        schema: *mut ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// The rest of the rows as one Arrow IPC stream. Waits for all of them.
    ///
    /// @param query the query; exclusive
    /// @param (out) data the bytes, owned by the caller: free them with `laminar_bytes_free`
    /// @param (out) length how many there are
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, without rows as well; `LAMINAR_BUSY`, or an error as for
    ///   `laminar_query_next`
    pub fn laminar_query_ipc(
        query: *mut laminar_query,
        data: *mut *mut u8,
        length: *mut usize,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Cancels a query from any thread: the current and every later `laminar_query_next` answer
    /// `LAMINAR_QUERY_CANCELLED`. Never waits.
    ///
    /// @param query may be NULL, which does nothing
    pub fn laminar_query_cancel(query: *const laminar_query);

    /// The number of a query, by which `laminar_cancel_query` and the SQL `CANCEL QUERY` find it, and
    /// under which `laminar_queries` lists it.
    ///
    /// @param query may be NULL
    /// @return the number; 0 for NULL and for rows that are not listed (those of `SHOW` and its like)
    pub fn laminar_query_id(query: *const laminar_query) -> u64;

    /// Cancels the query of a number, whoever reads it, or ends the subscription of one: as
    /// `laminar_queries` and `laminar_subscriptions` number them. Never waits.
    ///
    /// @param db the database
    /// @param id the number
    /// @param (out) found NULL, or where to put whether there was one
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_CLOSED`
    pub fn laminar_cancel_query(
        db: *const laminar_db,
        id: u64,
        found: *mut bool,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Frees a query, read to its end or not. A call that is in it on another thread is cancelled.
    /// Never waits.
    ///
    /// @param query may be NULL, which does nothing
    pub fn laminar_query_free(query: *mut laminar_query);

    /// Makes a producer of a source that exists.
    ///
    /// @param db the database
    /// @param name the source's name
    /// @param (out) out the producer, to be freed with `laminar_source_free`
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_CONNECTION_CLOSED`
    pub fn laminar_source_open(
        db: *const laminar_db,
        name: *const c_char,
        out: *mut *mut laminar_source,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Makes one more producer of the same source, with a watermark of its own, for use by another
    /// thread.
    ///
    /// @param source a producer
    /// @param (out) out the new producer, to be freed with `laminar_source_free`
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error
    pub fn laminar_source_clone(
        source: *const laminar_source,
        out: *mut *mut laminar_source,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// The name of the source.
    ///
    /// @param source may be NULL
    /// @return UTF-8, valid until the handle is freed; NULL for NULL
    pub fn laminar_source_name(source: *const laminar_source) -> *const c_char;

    /// The columns of the source, as an Arrow schema of struct type.
    ///
    /// @param source the producer
    /// @param (out) schema owned by the caller: release it
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error
    pub fn laminar_source_schema(
        source: *const laminar_source,
        schema: *mut ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Rows that this source holds back until `laminar_start`.
    ///
    /// @param source may be NULL
    /// @return rows; 0 once the database is started, and for NULL
    pub fn laminar_source_pending(source: *const laminar_source) -> u64;

    /// Rows that this source may hold back until `laminar_start`.
    ///
    /// @param source may be NULL
    /// @return rows; 0 for NULL
    pub fn laminar_source_capacity(source: *const laminar_source) -> u64;

    /// How long a push through this producer waits for room, where its source says so: `WITH
    /// (push_timeout_ms = ...)`, or `backpressure = 'reject'`, which never waits.
    ///
    /// @param source may be NULL
    /// @return milliseconds; -1 where it waits as the database is set, and for NULL
    pub fn laminar_source_push_timeout_ms(source: *const laminar_source) -> i64;

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
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY` while another call installs one, or an error
    pub fn laminar_source_on_room(
        source: *const laminar_source,
        callback: Option<unsafe extern "C" fn(*mut c_void)>,
        userdata: *mut c_void,
        drop: Option<unsafe extern "C" fn(*mut c_void)>,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Frees a producer. Its watermark no longer holds the source's back. Never waits.
    ///
    /// @param source may be NULL, which does nothing
    pub fn laminar_source_free(source: *mut laminar_source);

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
    /// @param (out) error optional
    /// @return `LAMINAR_OK`; `LAMINAR_AGAIN` when there was no room in time; `LAMINAR_BUSY`; or an
    ///   error: `LAMINAR_INGESTION_FAILED` (malformed data, a NULL that may not be),
    ///   `LAMINAR_BATCH_SCHEMA_MISMATCH`, `LAMINAR_WRITER_CLOSED`, `LAMINAR_CONNECTION_CLOSED`
    pub fn laminar_push(
        source: *mut laminar_source,
        array: *mut ArrowArray,
        schema: *const ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Like `laminar_push`, but answers `LAMINAR_AGAIN` at once where that would wait.
    ///
    /// @param source the producer; exclusive
    /// @param array moved unless the answer is `LAMINAR_AGAIN` or `LAMINAR_BUSY`
    /// @param schema borrowed; NULL when it is the source's own
    /// @param (out) error optional
    /// @return as for `laminar_push`
    pub fn laminar_try_push(
        source: *mut laminar_source,
        array: *mut ArrowArray,
        schema: *const ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Pushes all batches of a stream as one epoch: all of them are taken, or none.
    ///
    /// The stream is read to its end before the engine is entered; its callbacks may call the library.
    /// Its columns are matched to the source's as `laminar_push` does.
    ///
    /// @param source the producer; exclusive
    /// @param stream moved (its `release` becomes NULL). After `LAMINAR_AGAIN` and `LAMINAR_BUSY` the
    ///   struct holds a stream of the same rows, to be pushed again or released.
    /// @param (out) error optional
    /// @return as for `laminar_push`; an error of the stream itself is `LAMINAR_INGESTION_FAILED` with
    ///   the stream's own message
    pub fn laminar_push_stream(
        source: *mut laminar_source,
        stream: *mut ArrowArrayStream,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Pushes one batch into a source by its name, as one epoch, through the database's own producer
    /// of that source. May be called by any number of threads.
    ///
    /// @param db the database
    /// @param source the source's name
    /// @param array moved unless the answer is `LAMINAR_AGAIN` or `LAMINAR_BUSY`
    /// @param schema borrowed; NULL when it is the source's own
    /// @param (out) error optional
    /// @return as for `laminar_push`, and `LAMINAR_TABLE_NOT_FOUND`
    pub fn laminar_insert(
        db: *const laminar_db,
        source: *const c_char,
        array: *mut ArrowArray,
        schema: *const ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Pushes all batches of a stream into a source by its name, as one epoch: all of them are taken,
    /// or none. May be called by any number of threads.
    ///
    /// @param db the database
    /// @param source the source's name
    /// @param stream moved, as for `laminar_push_stream`
    /// @param (out) error optional
    /// @return as for `laminar_push_stream`, and `LAMINAR_TABLE_NOT_FOUND`
    pub fn laminar_insert_stream(
        db: *const laminar_db,
        source: *const c_char,
        stream: *mut ArrowArrayStream,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Promises that this producer sends no event with a time of at most `ts_ms` any more. The
    /// source's watermark is the least of its producers'. A promise behind an earlier one does
    /// nothing. Returns when everything that the promise completes, windows above all, was delivered.
    ///
    /// @param source the producer; exclusive
    /// @param ts_ms milliseconds since 1970-01-01 00:00:00 UTC
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_AGAIN`, `LAMINAR_BUSY`, or an error
    pub fn laminar_watermark(
        source: *mut laminar_source,
        ts_ms: i64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Says that this producer sends nothing any more; a later push through it is refused. When every
    /// producer of the source has said so or was freed, the source's watermark is at the end of time:
    /// all windows close, and results that wait for nothing else are final. Returns when everything
    /// that this completes was delivered.
    ///
    /// @param source the producer; exclusive. It is still to be freed
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_AGAIN`, `LAMINAR_BUSY`, or an error
    pub fn laminar_end_of_input(
        source: *mut laminar_source,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Makes a row appender. Its rows go through the given producer and count for its watermark.
    ///
    /// A row is built by setting its columns in any order, the last value set counting, and ended by
    /// `laminar_append_row`. When setting a value or ending a row fails, the values of that row are
    /// forgotten and the next value begins a new row; rows that were ended before stay.
    ///
    /// @param source the producer; the appender holds what it needs of it
    /// @param (out) out the appender, to be freed with `laminar_appender_free`
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error
    pub fn laminar_appender_open(
        source: *const laminar_source,
        out: *mut *mut laminar_appender,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Sets a column of the current row to NULL.
    ///
    /// @param appender the appender; exclusive
    /// @param column index of the column in the source's schema, from 0
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
    ///   column, when there is no such column or it is NOT NULL
    pub fn laminar_append_null(
        appender: *mut laminar_appender,
        column: usize,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Sets a column of type boolean.
    ///
    /// @param appender the appender; exclusive
    /// @param column index of the column in the source's schema, from 0
    /// @param value the value
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
    ///   column, when there is no such column or it has another type
    pub fn laminar_append_bool(
        appender: *mut laminar_appender,
        column: usize,
        value: bool,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Sets a column of any integer, date, time, timestamp or duration type, in the column's own unit
    /// (a date32 counts days, a timestamp in milliseconds counts milliseconds since 1970 UTC); also of
    /// a floating-point or decimal type that holds the value exactly.
    ///
    /// @param appender the appender; exclusive
    /// @param column index of the column in the source's schema, from 0
    /// @param value the value
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
    ///   column, when there is no such column, it has another type, or the value does not fit
    pub fn laminar_append_int64(
        appender: *mut laminar_appender,
        column: usize,
        value: i64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Sets a column as `laminar_append_int64` does, from a value without sign.
    ///
    /// @param appender the appender; exclusive
    /// @param column index of the column in the source's schema, from 0
    /// @param value the value
    /// @param (out) error optional
    /// @return as for `laminar_append_int64`
    pub fn laminar_append_uint64(
        appender: *mut laminar_appender,
        column: usize,
        value: u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Sets a column of a floating-point type; for a narrower one than double the value is rounded.
    ///
    /// @param appender the appender; exclusive
    /// @param column index of the column in the source's schema, from 0
    /// @param value the value
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
    ///   column, when there is no such column, it has another type, or a finite value would become
    ///   infinite
    pub fn laminar_append_double(
        appender: *mut laminar_appender,
        column: usize,
        value: f64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Sets a column of a text type, or of a decimal type from its digits (for example `"-12.50"`).
    ///
    /// @param appender the appender; exclusive
    /// @param column index of the column in the source's schema, from 0
    /// @param value UTF-8, copied; it needs no NUL at its end and may contain some; may be NULL when
    ///   `length` is 0
    /// @param length bytes of the value
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
    ///   column, when there is no such column, it has another type, the text is not UTF-8, or the
    ///   decimal does not fit
    pub fn laminar_append_string(
        appender: *mut laminar_appender,
        column: usize,
        value: *const c_char,
        length: usize,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Sets a column of a binary type.
    ///
    /// @param appender the appender; exclusive
    /// @param column index of the column in the source's schema, from 0
    /// @param value copied; may be NULL when `length` is 0
    /// @param length bytes of the value
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
    ///   column, when there is no such column, it has another type, or the length is not its width
    pub fn laminar_append_binary(
        appender: *mut laminar_appender,
        column: usize,
        value: *const u8,
        length: usize,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Ends the current row. Columns that were not set are NULL.
    ///
    /// @param appender the appender; exclusive
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED` when a NOT NULL column was
    ///   not set: its message names the column, and the row is forgotten
    pub fn laminar_append_row(
        appender: *mut laminar_appender,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Rows that were ended and not flushed yet.
    ///
    /// @param appender may be NULL
    /// @return rows; 0 for NULL
    pub fn laminar_appender_rows(appender: *const laminar_appender) -> usize;

    /// Pushes the rows that were ended as one epoch, as `laminar_push` does. A row that was begun
    /// stays. Without rows it does nothing.
    ///
    /// @param appender the appender; exclusive
    /// @param (out) error optional
    /// @return `LAMINAR_OK`; `LAMINAR_AGAIN` (no room in time) and `LAMINAR_BUSY`, which keep the rows
    ///   for another flush; or an error as for `laminar_push`, which drops them
    pub fn laminar_appender_flush(
        appender: *mut laminar_appender,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Like `laminar_appender_flush`, but answers `LAMINAR_AGAIN` at once where that would wait.
    ///
    /// @param appender the appender; exclusive
    /// @param (out) error optional
    /// @return as for `laminar_appender_flush`
    pub fn laminar_appender_try_flush(
        appender: *mut laminar_appender,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Forgets the rows that were not flushed, and the row that was begun.
    ///
    /// @param appender exclusive; may be NULL, which does nothing, as does a call while another
    ///   thread is in an exclusive one
    pub fn laminar_appender_reset(appender: *mut laminar_appender);

    /// Frees an appender. Rows that were not flushed are forgotten.
    ///
    /// @param appender may be NULL, which does nothing
    pub fn laminar_appender_free(appender: *mut laminar_appender);

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
    /// @param (out) rows NULL, or where to put how many rows were taken
    /// @param (out) error optional
    /// @return as for `laminar_push`; a value that does not fit its column is
    ///   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
    pub fn laminar_push_json(
        source: *mut laminar_source,
        text: *const c_char,
        length: usize,
        options_json: *const c_char,
        rows: *mut u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Like `laminar_push_json`, into a source or table by its name, through the database's own
    /// producer of it. May be called by any number of threads.
    ///
    /// @param db the database
    /// @param source the name of the source or table
    /// @param text UTF-8; no NUL is needed at its end; borrowed for the call
    /// @param length its bytes
    /// @param options_json NULL, or `{"epoch": "ms"}`: the unit of times that are integers (`s`, `ms`, `us`, `ns`)
    /// @param (out) rows NULL, or where to put how many rows were taken
    /// @param (out) error optional
    /// @return as for `laminar_push_json`, and `LAMINAR_TABLE_NOT_FOUND`
    pub fn laminar_insert_json(
        db: *const laminar_db,
        source: *const c_char,
        text: *const c_char,
        length: usize,
        options_json: *const c_char,
        rows: *mut u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

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
    /// @param (out) rows NULL, or where to put how many rows were taken
    /// @param (out) error optional
    /// @return as for `laminar_push`; a value that does not fit its column is
    ///   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
    pub fn laminar_push_csv(
        source: *mut laminar_source,
        text: *const c_char,
        length: usize,
        options_json: *const c_char,
        rows: *mut u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

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
    /// @param (out) rows NULL, or where to put how many rows were taken
    /// @param (out) error optional
    /// @return as for `laminar_push_csv`, and `LAMINAR_TABLE_NOT_FOUND`
    pub fn laminar_insert_csv(
        db: *const laminar_db,
        source: *const c_char,
        text: *const c_char,
        length: usize,
        options_json: *const c_char,
        rows: *mut u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Pushes rows that are written as an Arrow IPC stream or file as one epoch: all of them are taken, or none.
    ///
    /// Its columns are matched to the source's by name, as `laminar_push` does.
    ///
    /// @param source the producer; exclusive
    /// @param data a stream, or a file; borrowed for the call
    /// @param length its bytes
    /// @param (out) rows NULL, or where to put how many rows were taken
    /// @param (out) error optional
    /// @return as for `laminar_push`; a value that does not fit its column is
    ///   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
    pub fn laminar_push_ipc(
        source: *mut laminar_source,
        data: *const u8,
        length: usize,
        rows: *mut u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Like `laminar_push_ipc`, into a source or table by its name, through the database's own
    /// producer of it. May be called by any number of threads.
    ///
    /// @param db the database
    /// @param source the name of the source or table
    /// @param data a stream, or a file; borrowed for the call
    /// @param length its bytes
    /// @param (out) rows NULL, or where to put how many rows were taken
    /// @param (out) error optional
    /// @return as for `laminar_push_ipc`, and `LAMINAR_TABLE_NOT_FOUND`
    pub fn laminar_insert_ipc(
        db: *const laminar_db,
        source: *const c_char,
        data: *const u8,
        length: usize,
        rows: *mut u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Frees bytes that the library handed over.
    ///
    /// @param data may be NULL, which does nothing
    /// @param length as it came with them
    pub fn laminar_bytes_free(data: *mut u8, length: usize);

    /// Makes a writer for a source or table that exists.
    ///
    /// @param db the database
    /// @param name the name of the source or table
    /// @param (out) out the writer, to be freed with `laminar_writer_free`
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_CONNECTION_CLOSED`
    pub fn laminar_writer_open(
        db: *const laminar_db,
        name: *const c_char,
        out: *mut *mut laminar_writer,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Adds a batch. It is checked and converted as by `laminar_push`; one that does not fit is
    /// refused, and what was added before stays.
    ///
    /// @param writer the writer; exclusive
    /// @param array moved (its `release` becomes NULL) unless the answer is `LAMINAR_BUSY`
    /// @param schema borrowed, of struct type; NULL when it is the source's own
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY`, or an error as for `laminar_push`;
    ///   `LAMINAR_WRITER_CLOSED` after `laminar_writer_close`
    pub fn laminar_writer_append(
        writer: *mut laminar_writer,
        array: *mut ArrowArray,
        schema: *const ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Pushes what was added as one epoch: all of it is taken, or none.
    ///
    /// @param writer the writer; exclusive
    /// @param (out) rows NULL, or where to put how many rows were pushed
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, without rows as well; `LAMINAR_AGAIN` and `LAMINAR_BUSY` keep the rows; any
    ///   error forgets them
    pub fn laminar_writer_flush(
        writer: *mut laminar_writer,
        rows: *mut u64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Flushes, then promises as `laminar_watermark` does.
    ///
    /// @param writer the writer; exclusive
    /// @param ts_ms milliseconds since 1970-01-01 00:00:00 UTC
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_AGAIN` (nothing was pushed or promised), `LAMINAR_BUSY`, or an
    ///   error
    pub fn laminar_writer_watermark(
        writer: *mut laminar_writer,
        ts_ms: i64,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Flushes and gives the producer up: its watermark no longer holds the source's back. Every later
    /// call but this one answers `LAMINAR_WRITER_CLOSED`. The handle is still to be freed.
    ///
    /// @param writer the writer; exclusive
    /// @param (out) error optional
    /// @return `LAMINAR_OK`; `LAMINAR_AGAIN` and `LAMINAR_BUSY` leave it open; or an error
    pub fn laminar_writer_close(
        writer: *mut laminar_writer,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Frees a writer. Rows that were not flushed are forgotten. Never waits.
    ///
    /// @param writer may be NULL, which does nothing
    pub fn laminar_writer_free(writer: *mut laminar_writer);

    /// Subscribes to the changes of a stream, sink or source by its name, or of a query.
    ///
    /// @param db the database
    /// @param name_or_query a name, a SELECT, or the statement `SUBSCRIBE name [WITH SNAPSHOT] [WHERE
    ///   condition] [AS OF EPOCH n]`
    /// @param options_json NULL, or a JSON object: `snapshot` (boolean) begins with the current
    ///   content, which a query does unless told otherwise and a name does not; `capacity` (number of
    ///   rows) is the size of the ring that holds changes not yet polled; `on_full` is `"tell"` (the
    ///   default: `LAMINAR_LAGGED` or `LAMINAR_RESET`), `"block"` (pushes into the sources behind it wait
    ///   for room, then answer `LAMINAR_AGAIN`) or `"drop_oldest"`; `predicate` (a condition in SQL, for a
    ///   name) follows only the rows for which it is true; `as_of_epoch` (an epoch) begins with what
    ///   changed after it, as far back as `retain_history` reaches
    /// @param (out) out the subscription, to be freed with `laminar_subscription_free`
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_SUBSCRIPTION_FAILED`,
    ///   `LAMINAR_SQL_PARSE_ERROR`, ...
    pub fn laminar_subscribe(
        db: *const laminar_db,
        name_or_query: *const c_char,
        options_json: *const c_char,
        out: *mut *mut laminar_subscription,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// The next change: the rows that one epoch brought.
    ///
    /// @param subscription the subscription; exclusive
    /// @param timeout_ms how long to wait for a change: -1 for ever, 0 not at all
    /// @param (out) array a struct array with one child per column, owned by the caller: release it
    /// @param (out) schema NULL, or its schema, owned by the caller: release it. It is the same for
    ///   every batch: ask once with `laminar_subscription_schema` and leave this NULL.
    /// @param (out) error optional
    /// @return `LAMINAR_OK` with a batch. Without one: `LAMINAR_AGAIN` (nothing came in time),
    ///   `LAMINAR_LAGGED` (rows were missed: see `laminar_subscription_lagged`), `LAMINAR_RESET` (the
    ///   next batch is the whole content), `LAMINAR_END` (cancelled, dropped or closed),
    ///   `LAMINAR_BUSY`, or an error: `LAMINAR_STREAM_FAILED`, `LAMINAR_SUBSCRIPTION_FAILED`
    pub fn laminar_poll(
        subscription: *mut laminar_subscription,
        timeout_ms: i64,
        array: *mut ArrowArray,
        schema: *mut ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Like `laminar_poll`, with the batch as an Arrow IPC stream of its own: its schema, then the one
    /// batch.
    ///
    /// @param subscription the subscription; exclusive
    /// @param timeout_ms how long to wait for a change: -1 for ever, 0 not at all
    /// @param (out) data the bytes, owned by the caller: free them with `laminar_bytes_free`
    /// @param (out) length how many there are
    /// @param (out) error optional
    /// @return as for `laminar_poll`
    pub fn laminar_poll_ipc(
        subscription: *mut laminar_subscription,
        timeout_ms: i64,
        data: *mut *mut u8,
        length: *mut usize,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// The columns of the subscription's batches, as an Arrow schema of struct type.
    ///
    /// @param subscription the subscription
    /// @param (out) schema owned by the caller: release it
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error
    pub fn laminar_subscription_schema(
        subscription: *const laminar_subscription,
        schema: *mut ArrowSchema,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// The epoch that made the batch polled last.
    ///
    /// @param subscription may be NULL
    /// @return the epoch; 0 before the first batch, and for NULL
    pub fn laminar_subscription_epoch(subscription: *const laminar_subscription) -> u64;

    /// The weights of the batch polled last, one per row: +1 for a row that came to be, -1 for one
    /// that ceased to be.
    ///
    /// @param subscription may be NULL
    /// @param (out) weights the first weight, valid until the next poll or free; NULL when there are
    ///   none. The argument itself may be NULL.
    /// @return how many there are; 0 when every row of the batch has the weight +1
    pub fn laminar_subscription_weights(
        subscription: *const laminar_subscription,
        weights: *mut *const i64,
    ) -> usize;

    /// Rows that this subscription has missed since it was made.
    ///
    /// @param subscription may be NULL
    /// @return rows; 0 for NULL
    pub fn laminar_subscription_lagged(subscription: *const laminar_subscription) -> u64;

    /// Ends a subscription from any thread: whoever waits in `laminar_poll` wakes, and polls answer
    /// `LAMINAR_END`. Never waits.
    ///
    /// @param subscription may be NULL, which does nothing
    pub fn laminar_subscription_cancel(subscription: *const laminar_subscription);

    /// Installs the one callback that tells when polling is worth while; it replaces an earlier one.
    ///
    /// It is called at once if something waits; after that once, as soon as something comes after a
    /// poll that answered `LAMINAR_AGAIN`; and at the end or failure of the subscription. So: on a
    /// call, poll with `timeout_ms` 0 until `LAMINAR_AGAIN`. It runs on the thread that pushed, never
    /// while the engine is locked: it may push, poll and free, and should be short. Best is to set a
    /// flag and wake an event loop.
    ///
    /// `drop(userdata)` is called exactly once, whatever this function answers: when the callback was
    /// replaced or removed, when the subscription was freed, or at once on an error; but never before
    /// a call of the callback that has begun has returned.
    ///
    /// @param subscription the subscription
    /// @param callback NULL removes the one installed (and `userdata` is dropped at once)
    /// @param userdata handed to both functions, not looked at
    /// @param drop NULL when `userdata` needs none
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, `LAMINAR_BUSY` while another call installs one, or an error
    pub fn laminar_on_ready(
        subscription: *const laminar_subscription,
        callback: Option<unsafe extern "C" fn(*mut c_void)>,
        userdata: *mut c_void,
        drop: Option<unsafe extern "C" fn(*mut c_void)>,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Frees a subscription. A poll that is in it on another thread is cancelled; after this returns
    /// no new callback of `laminar_on_ready` starts. May be called from inside that callback. Never
    /// waits.
    ///
    /// @param subscription may be NULL, which does nothing
    pub fn laminar_subscription_free(subscription: *mut laminar_subscription);

    /// Installs the one callback of a database that is told of its work, line by line; it replaces an
    /// earlier one.
    ///
    /// It runs on the threads that call the library, and on those of the database's timer and queries;
    /// several may be in it at once. It never runs while the engine is locked, so it may call the
    /// library. The message is UTF-8 and valid during the call.
    ///
    /// `drop(userdata)` is called exactly once, whatever this function answers: when the callback was
    /// replaced or removed, when the database went, or at once on an error; but never before a call of
    /// the callback that has begun has returned. After a replacement no new call of the old one starts.
    ///
    /// @param db the database
    /// @param level the least important level to hear, `LAMINAR_LOG_ERROR` to `LAMINAR_LOG_DEBUG`
    /// @param callback NULL removes the one installed (and `userdata` is dropped at once)
    /// @param userdata handed to both functions, not looked at
    /// @param drop NULL when `userdata` needs none
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_FAILED`
    pub fn laminar_log_callback(
        db: *const laminar_db,
        level: i32,
        callback: Option<unsafe extern "C" fn(*mut c_void, i32, *const c_char)>,
        userdata: *mut c_void,
        drop: Option<unsafe extern "C" fn(*mut c_void)>,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Registers a scalar function, for continuous and ad-hoc SQL.
    ///
    /// The callback gets `arguments`, a struct array with one child per argument, and puts the results
    /// into `result`: an array of the type of `result`'s schema with as many values as `arguments` is
    /// long. It owns both: it releases `arguments`, and the library releases `result`. It returns 0;
    /// anything else refuses the rows, for a reason that it may write as a text into `message`, of at
    /// most `message_size` bytes with its NUL. The library then calls it again for each row by itself:
    /// those that it refuses are left out and become dead letters.
    ///
    /// It runs on the threads that push and query, several at once, while the engine is locked: a call
    /// of the library that would have to wait for the engine answers `LAMINAR_BUSY` there. It must not
    /// throw or unwind.
    ///
    /// `drop(userdata)` is called exactly once, whatever this function answers: when the database and
    /// everything that uses the function are gone, or at once on an error.
    ///
    /// @param db the database
    /// @param name what SQL calls it by, in lower case; letters, digits and `_`
    /// @param arguments the types of the arguments: the children of a schema of struct type; borrowed
    /// @param result the type of the result; borrowed
    /// @param options_json NULL, or `{"volatility": "immutable"}`: `"immutable"` (equal arguments give
    ///   equal results), `"stable"` (within a statement) or `"volatile"` (not even then: refused over
    ///   rows that can change)
    /// @param callback the function
    /// @param userdata handed to it and to `drop`, not looked at
    /// @param drop NULL when `userdata` needs none
    /// @param (out) error optional
    /// @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_EXISTS` when a function has this name,
    ///   `LAMINAR_QUERY_FAILED` for arguments that cannot be used
    pub fn laminar_register_scalar_udf(
        db: *const laminar_db,
        name: *const c_char,
        arguments: *const ArrowSchema,
        result: *const ArrowSchema,
        options_json: *const c_char,
        callback: Option<
            unsafe extern "C" fn(
                *mut c_void,
                *mut ArrowArray,
                *mut ArrowArray,
                *mut c_char,
                usize,
            ) -> i32,
        >,
        userdata: *mut c_void,
        drop: Option<unsafe extern "C" fn(*mut c_void)>,
        error: *mut *mut laminar_error,
    ) -> laminar_status;

    /// Registers an aggregate function, for continuous and ad-hoc SQL.
    ///
    /// The state of a group is a struct array of one row with the columns of `state`; the library keeps
    /// it. A state whose columns are all NULL stands for no rows.
    ///
    /// | callback | gets | puts into its result |
    /// |---|---|---|
    /// | `update` | a state, or a released array (`release` is NULL) before the first row; the arguments of some rows, a struct array | the state after them |
    /// | `merge` | two states | that of the rows of both |
    /// | `evaluate` | a state, or a released array when there were no rows | an array of one value of the result's type |
    ///
    /// What they get is theirs to release, what they put out is the library's. They return 0; anything
    /// else refuses, for a reason that may be written into `message`. An update that is refused is
    /// tried again row by row, and the rows at fault become dead letters; otherwise the stream stops
    /// with the error. Threads, `message` and `drop` are as for `laminar_register_scalar_udf`.
    ///
    /// @param db the database
    /// @param name what SQL calls it by, in lower case; letters, digits and `_`
    /// @param arguments the types of the arguments: the children of a schema of struct type; borrowed
    /// @param state the columns of the state: the children of a schema of struct type; borrowed
    /// @param result the type of the result; borrowed
    /// @param options_json NULL, or `{"retractable": true}`: the result depends on nothing but which
    ///   rows there are, so that it may stand over rows that change, where it is computed anew for a
    ///   group of which a row ceased. Without it such a query is refused.
    /// @param update the function that adds rows
    /// @param merge the function that joins two states
    /// @param evaluate the function that gives the result
    /// @param userdata handed to them and to `drop`, not looked at
    /// @param drop NULL when `userdata` needs none
    /// @param (out) error optional
    /// @return as for `laminar_register_scalar_udf`
    pub fn laminar_register_aggregate_udf(
        db: *const laminar_db,
        name: *const c_char,
        arguments: *const ArrowSchema,
        state: *const ArrowSchema,
        result: *const ArrowSchema,
        options_json: *const c_char,
        update: Option<
            unsafe extern "C" fn(
                *mut c_void,
                *mut ArrowArray,
                *mut ArrowArray,
                *mut ArrowArray,
                *mut c_char,
                usize,
            ) -> i32,
        >,
        merge: Option<
            unsafe extern "C" fn(
                *mut c_void,
                *mut ArrowArray,
                *mut ArrowArray,
                *mut ArrowArray,
                *mut c_char,
                usize,
            ) -> i32,
        >,
        evaluate: Option<
            unsafe extern "C" fn(
                *mut c_void,
                *mut ArrowArray,
                *mut ArrowArray,
                *mut c_char,
                usize,
            ) -> i32,
        >,
        userdata: *mut c_void,
        drop: Option<unsafe extern "C" fn(*mut c_void)>,
        error: *mut *mut laminar_error,
    ) -> laminar_status;
}
