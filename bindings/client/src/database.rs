//! A database: open, statements, queries, and the handles that come from it.

use std::sync::{Arc, RwLock};

use laminar_sys as sys;

use crate::arrow::{Array, ArraySchema, Stream};
use crate::error::{check, text};
use crate::functions;
use crate::handle::{Handle, c_text};
use crate::{
    AggregateFunction, Encoding, Error, LogListener, Query, Result, Rows, ScalarFunction, Source,
    Subscription, Writer,
};

/// An open database. All calls may run concurrently; after [`Database::close`] each answers the
/// error CONNECTION_CLOSED.
#[derive(Debug)]
pub struct Database {
    /// `None` once closed. A call holds a count of its own, so closing never frees under it.
    handle: RwLock<Option<Arc<Handle<sys::laminar_db>>>>,
}

/// What a statement did.
#[derive(Debug)]
pub enum Executed {
    /// It answered rows.
    Rows(Rows),
    /// It changed something.
    Statement {
        /// The statement's words, such as `CREATE SOURCE`.
        statement: String,
        /// What it was about; empty when it names nothing.
        object: String,
        /// Rows that were inserted, updated or deleted.
        rows_affected: u64,
    },
}

impl Database {
    /// Opens a database. `config_json` is the JSON form of the configuration; `None` is an
    /// in-memory database with the defaults.
    pub fn open(config_json: Option<&str>) -> Result<Self> {
        crate::check_abi()?;
        let config = config_json.map(|json| c_text(json, "the configuration", 100, 1001));
        let config = config.transpose()?;
        let config = config.as_ref().map_or(std::ptr::null(), |config| config.as_ptr());
        let mut db = std::ptr::null_mut();
        // SAFETY: the text lives through the call; `db` is an out parameter.
        let handle = unsafe {
            check(|error| sys::laminar_open(config, &mut db, error))?;
            Handle::new(db, sys::laminar_close)?
        };
        Ok(Self { handle: RwLock::new(Some(Arc::new(handle))) })
    }

    /// Whether [`Database::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.handle().is_err()
    }

    /// Shuts the database down and gives it up. Calls that wait are woken; handles that came from
    /// it stay valid and answer CONNECTION_CLOSED. The second time it does nothing.
    pub fn close(&self) -> Result<()> {
        // The lock is given back before the library waits for the engine: others only look here.
        let taken = self.handle.write().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let Some(handle) = taken else {
            return Ok(());
        };
        // SAFETY: the handle is alive.
        unsafe { check(|error| sys::laminar_shutdown(handle.shared(), error)) }
    }

    /// Lets the streams run; until then their input queues.
    pub fn start(&self) -> Result<()> {
        let db = self.handle()?;
        // SAFETY: the handle is alive.
        unsafe { check(|error| sys::laminar_start(db.shared(), error)) }
    }

    /// Runs one statement of any kind.
    pub fn execute(&self, sql: &str) -> Result<Executed> {
        let db = self.handle()?;
        let sql = sql_text(sql)?;
        let mut out = Stream::empty();
        // SAFETY: the text lives through the call; `out` is an empty struct to write into.
        unsafe {
            check(|error| {
                sys::laminar_execute(db.shared(), sql.as_ptr(), out.as_mut_ptr(), error)
            })?;
        }
        Executed::from_rows(Rows::collect(out)?)
    }

    /// Begins a query.
    pub fn query(&self, sql: &str) -> Result<Query> {
        let db = self.handle()?;
        let sql = sql_text(sql)?;
        let mut query = std::ptr::null_mut();
        // SAFETY: the text lives through the call; `query` is an out parameter.
        unsafe {
            check(|error| sys::laminar_query_open(db.shared(), sql.as_ptr(), &mut query, error))?;
            Query::new(Handle::new(query, sys::laminar_query_free)?)
        }
    }

    /// Cancels the query of a number, or ends the subscription of one, as `laminar_queries` and
    /// `laminar_subscriptions` tell them; whether there was one.
    pub fn cancel_query(&self, id: u64) -> Result<bool> {
        let db = self.handle()?;
        let mut found = false;
        // SAFETY: the handle is alive; `found` is an out parameter.
        unsafe {
            check(|error| sys::laminar_cancel_query(db.shared(), id, &mut found, error))?;
        }
        Ok(found)
    }

    /// Registers a scalar function. `arguments` has a child for each argument, `result` is the type
    /// of the result; `options_json` may hold `volatility`. It runs on the threads that push and
    /// query, where calls that would need the engine answer CONNECTION_IN_USE.
    pub fn register_scalar(
        &self,
        name: &str,
        arguments: &ArraySchema,
        result: &ArraySchema,
        options_json: Option<&str>,
        function: ScalarFunction,
    ) -> Result<()> {
        let db = self.handle()?;
        let name = c_text(name, "the name of the function", 400, 4001)?;
        let options =
            options_json.map(|json| c_text(json, "the options", 400, 4001)).transpose()?;
        let options = options.as_ref().map_or(std::ptr::null(), |options| options.as_ptr());
        let userdata = functions::into_raw(function);
        // SAFETY: the texts and schemas live through the call; the library owns `userdata` from here
        // on, on failure too, and gives it to `drop` after the last call.
        unsafe {
            check(|error| {
                sys::laminar_register_scalar_udf(
                    db.shared(),
                    name.as_ptr(),
                    arguments.raw(),
                    result.raw(),
                    options,
                    Some(functions::call_scalar),
                    userdata,
                    Some(functions::drop_raw::<ScalarFunction>),
                    error,
                )
            })
        }
    }

    /// Registers an aggregate function, as [`Database::register_scalar`] does; `state` has a child
    /// for each column of its state, `options_json` may hold `retractable`.
    pub fn register_aggregate(
        &self,
        name: &str,
        arguments: &ArraySchema,
        state: &ArraySchema,
        result: &ArraySchema,
        options_json: Option<&str>,
        function: Box<dyn AggregateFunction>,
    ) -> Result<()> {
        let db = self.handle()?;
        let name = c_text(name, "the name of the function", 400, 4001)?;
        let options =
            options_json.map(|json| c_text(json, "the options", 400, 4001)).transpose()?;
        let options = options.as_ref().map_or(std::ptr::null(), |options| options.as_ptr());
        let userdata = functions::into_raw(function);
        // SAFETY: as in `register_scalar`.
        unsafe {
            check(|error| {
                sys::laminar_register_aggregate_udf(
                    db.shared(),
                    name.as_ptr(),
                    arguments.raw(),
                    state.raw(),
                    result.raw(),
                    options,
                    Some(functions::call_update),
                    Some(functions::call_merge),
                    Some(functions::call_evaluate),
                    userdata,
                    Some(functions::drop_raw::<functions::Boxed>),
                    error,
                )
            })
        }
    }

    /// Tells a listener of the database's work, line by line, from a level on (1: errors, 4:
    /// everything); `None` tells nobody any more.
    pub fn set_log(&self, level: i32, listener: Option<LogListener>) -> Result<()> {
        let db = self.handle()?;
        let Some(listener) = listener else {
            let nothing = std::ptr::null_mut();
            // SAFETY: without a callback there is nothing to own.
            return unsafe {
                check(|error| {
                    sys::laminar_log_callback(db.shared(), level, None, nothing, None, error)
                })
            };
        };
        let userdata = functions::into_raw(listener);
        // SAFETY: as in `register_scalar`.
        unsafe {
            check(|error| {
                let (call, drop) =
                    (Some(functions::call_log as _), functions::drop_raw::<LogListener>);
                sys::laminar_log_callback(db.shared(), level, call, userdata, Some(drop), error)
            })
        }
    }

    /// Takes a checkpoint and answers its number.
    pub fn checkpoint(&self) -> Result<u64> {
        let db = self.handle()?;
        let mut id = 0;
        // SAFETY: the handle is alive; `id` is an out parameter.
        unsafe { check(|error| sys::laminar_checkpoint(db.shared(), &mut id, error))? };
        Ok(id)
    }

    /// The plan of a statement, as text.
    pub fn explain(&self, sql: &str) -> Result<String> {
        let db = self.handle()?;
        let sql = sql_text(sql)?;
        let mut out = std::ptr::null_mut();
        // SAFETY: the text lives through the call; what comes out is copied and freed.
        unsafe {
            check(|error| sys::laminar_explain(db.shared(), sql.as_ptr(), &mut out, error))?;
            let plan = text(out);
            sys::laminar_string_free(out);
            Ok(plan)
        }
    }

    /// A new producer for a source.
    pub fn source(&self, name: &str) -> Result<Source> {
        let db = self.handle()?;
        let name = c_text(name, "the name of the source", 300, 3001)?;
        let mut source = std::ptr::null_mut();
        // SAFETY: the text lives through the call; `source` is an out parameter.
        unsafe {
            check(|error| {
                sys::laminar_source_open(db.shared(), name.as_ptr(), &mut source, error)
            })?;
            Source::new(Handle::new(source, sys::laminar_source_free)?)
        }
    }

    /// A new writer for a source or table.
    pub fn writer(&self, name: &str) -> Result<Writer> {
        let db = self.handle()?;
        let name = c_text(name, "the name of the source", 300, 3001)?;
        let mut writer = std::ptr::null_mut();
        // SAFETY: the text lives through the call; `writer` is an out parameter.
        unsafe {
            check(|error| {
                sys::laminar_writer_open(db.shared(), name.as_ptr(), &mut writer, error)
            })?;
            Ok(Writer::new(Handle::new(writer, sys::laminar_writer_free)?))
        }
    }

    /// Pushes one batch by the name of its source; answers its rows. All of it lands or nothing.
    /// Without a schema its columns are those of the source.
    pub fn insert(
        &self,
        source: &str,
        mut array: Array,
        schema: Option<&ArraySchema>,
    ) -> Result<u64> {
        let db = self.handle()?;
        let name = c_text(source, "the name of the source", 300, 3001)?;
        let rows = array.raw().length.max(0) as u64;
        let schema = schema.map_or(std::ptr::null(), |schema| schema.raw() as *const _);
        // SAFETY: the array is moved, or left alone and dropped here; the schema is only read.
        unsafe {
            check(|error| {
                let array = array.as_mut_ptr();
                sys::laminar_insert(db.shared(), name.as_ptr(), array, schema, error)
            })?;
        }
        Ok(rows)
    }

    /// Pushes all batches of a stream as one epoch; answers their rows. All of it lands or nothing.
    pub fn insert_stream(&self, source: &str, stream: Stream) -> Result<u64> {
        let db = self.handle()?;
        let name = c_text(source, "the name of the source", 300, 3001)?;
        let (mut stream, rows) = stream.counted();
        // SAFETY: the stream is moved, or left alone and dropped here.
        unsafe {
            check(|error| {
                let stream = stream.as_mut_ptr();
                sys::laminar_insert_stream(db.shared(), name.as_ptr(), stream, error)
            })?;
        }
        Ok(rows.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// Pushes rows that are written as bytes by the name of their source; answers how many. All of
    /// it lands or nothing.
    pub fn insert_encoded(&self, source: &str, form: Encoding<'_>, bytes: &[u8]) -> Result<u64> {
        let db = self.handle()?;
        let name = c_text(source, "the name of the source", 300, 3001)?;
        let options = form.options()?;
        let options = options.as_ref().map_or(std::ptr::null(), |options| options.as_ptr());
        let (shared, name) = (db.shared(), name.as_ptr());
        let (text, length) = (bytes.as_ptr(), bytes.len());
        let mut rows = 0;
        // SAFETY: the bytes and the texts live through the call.
        unsafe {
            check(|error| match form {
                Encoding::Json(_) => {
                    let text = text.cast();
                    sys::laminar_insert_json(shared, name, text, length, options, &mut rows, error)
                }
                Encoding::Csv(_) => {
                    let text = text.cast();
                    sys::laminar_insert_csv(shared, name, text, length, options, &mut rows, error)
                }
                Encoding::Ipc => {
                    sys::laminar_insert_ipc(shared, name, text, length, &mut rows, error)
                }
            })?;
        }
        Ok(rows)
    }

    /// Follows a stream, a sink or the result of a query. `options_json` may hold `snapshot` (bool),
    /// `capacity` (rows), `on_full`, `predicate` (SQL) and `as_of_epoch`.
    pub fn subscribe(
        &self,
        name_or_query: &str,
        options_json: Option<&str>,
    ) -> Result<Subscription> {
        let db = self.handle()?;
        let name = c_text(name_or_query, "the name or query", 500, 5001)?;
        let options =
            options_json.map(|json| c_text(json, "the options", 500, 5001)).transpose()?;
        let options = options.as_ref().map_or(std::ptr::null(), |options| options.as_ptr());
        let mut subscription = std::ptr::null_mut();
        // SAFETY: the texts live through the call; `subscription` is an out parameter.
        unsafe {
            check(|error| {
                let out = &mut subscription;
                sys::laminar_subscribe(db.shared(), name.as_ptr(), options, out, error)
            })?;
            Subscription::new(Handle::new(subscription, sys::laminar_subscription_free)?)
        }
    }

    fn handle(&self) -> Result<Arc<Handle<sys::laminar_db>>> {
        let handle = self.handle.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        handle.clone().ok_or_else(Error::closed)
    }
}

fn sql_text(sql: &str) -> Result<std::ffi::CString> {
    c_text(sql, "the SQL text", 401, 4101)
}

impl Executed {
    /// Tells the one row that the library makes up for a statement from the rows of a query.
    fn from_rows(rows: Rows) -> Result<Self> {
        const COLUMNS: [&str; 3] = ["statement", "object", "rows_affected"];
        let names = rows.schema().fields().iter().map(|field| field.name());
        if !names.eq(COLUMNS) || rows.num_rows() != 1 {
            return Ok(Self::Rows(rows));
        }
        let Some(batch) = rows.batches().iter().find(|batch| batch.num_rows() == 1) else {
            return Ok(Self::Rows(rows));
        };
        let text = |column: usize| Ok(batch.column(column).value(0)?.to_text());
        let rows_affected = match batch.column(2).value(0)? {
            crate::Value::Int(count) => u64::try_from(count).unwrap_or(0),
            _ => 0,
        };
        Ok(Self::Statement { statement: text(0)?, object: text(1)?, rows_affected })
    }
}
