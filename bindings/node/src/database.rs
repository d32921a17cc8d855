//! Databases: the calls of `laminar_client::Database`, each a promise. What may wait for a query or
//! for room does so on a thread apart.

use std::sync::Arc;

use laminar_client::{Batch, Database, Encoding, Executed, LogListener, Rows, Schema};

use crate::batch;
use crate::bytes::bytes;
use crate::failure::Fallible;
use crate::js::{ARGUMENTS, Env, Js, defect};
use crate::query::query_handle;
use crate::source::source_handle;
use crate::subscription::subscription_handle;
use crate::threads::Threads;
use crate::work::{promise, promise_apart};

type Arguments<'s> = [Js<'s>; ARGUMENTS];

/// A database that JavaScript holds. When it is collected while the engine runs a function, closing
/// waits for that: so it is closed on another thread.
struct Held {
    database: Option<Arc<Database>>,
    threads: Arc<Threads>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(database) = self.database.take() else { return };
        if !database.is_closed() {
            // Without a thread it is dropped here with the job.
            let _ = self.threads.run_first(Box::new(move || drop(database)));
        }
    }
}

/// The database behind a handle.
pub fn database(handle: Js<'_>) -> Fallible<Arc<Database>> {
    let held = &handle.to_native::<Held>()?.database;
    held.clone().ok_or_else(|| defect("a database was given up and is used"))
}

/// `open(configJson)`: a handle.
pub fn open<'s>(env: Env<'s>, [config, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let config = config.to_text()?;
    promise(
        env,
        move || Database::open(Some(&config)),
        |env, database| {
            let (database, instance) = (Arc::new(database), env.instance()?);
            instance.note(&database);
            let threads = Arc::clone(instance.threads());
            env.native(Held { database: Some(database), threads })
        },
    )
}

/// `close(database)`.
pub fn close<'s>(env: Env<'s>, [handle, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let database = database(handle)?;
    promise(env, move || database.close(), nothing)
}

/// `closeAll()`: closes what this thread opened; for its end, as it does not come back before.
pub fn close_all<'s>(env: Env<'s>, _: Arguments<'s>) -> Fallible<Js<'s>> {
    env.instance()?.close_all(env);
    env.undefined()
}

/// `start(database)`.
pub fn start<'s>(env: Env<'s>, [handle, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let database = database(handle)?;
    promise(env, move || database.start(), nothing)
}

/// `execute(database, sql)`: `{ statement, object, rowsAffected }`, or `{ schema, batches }`.
pub fn execute<'s>(env: Env<'s>, [handle, sql, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (database, sql) = (database(handle)?, sql.to_text()?);
    promise_apart(
        env,
        move || database.execute(&sql),
        |env, executed| match executed {
            Executed::Rows(rows) => {
                let batches = env.array(rows.batches().len())?;
                for (index, batch) in rows.batches().iter().enumerate() {
                    batches.set_item(index, batch::handle(env, batch.clone())?)?;
                }
                env.record([
                    ("schema", batch::schema_handle(env, rows.schema())?),
                    ("batches", batches),
                ])
            }
            Executed::Statement { statement, object, rows_affected } => env.record([
                ("statement", env.text(&statement)?),
                ("object", env.text(&object)?),
                ("rowsAffected", env.number(rows_affected as f64)?),
            ]),
        },
    )
}

/// `checkpoint(database)`: its number.
pub fn checkpoint<'s>(env: Env<'s>, [handle, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let database = database(handle)?;
    promise_apart(env, move || database.checkpoint(), |env, id| env.number(id as f64))
}

/// `setLog(database, level, id)`: lines of the log of this level and above come with the number `id`;
/// without one no more come.
pub fn set_log<'s>(env: Env<'s>, [handle, level, id, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (database, level) = (database(handle)?, level.to_index()? as i32);
    let id = if id.is_missing()? { None } else { Some(id.to_index()? as u32) };
    let waker = Arc::clone(env.instance()?.waker());
    let set = move || {
        let listener = id.map(|id| {
            Box::new(move |level: i32, line: &str| waker.log(id, level, line)) as LogListener
        });
        database.set_log(level, listener)
    };
    promise(env, set, nothing)
}

/// `explain(database, sql)`: the plan as a text.
pub fn explain<'s>(env: Env<'s>, [handle, sql, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (database, sql) = (database(handle)?, sql.to_text()?);
    promise(env, move || database.explain(&sql), |env, plan| env.text(&plan))
}

/// `query(database, sql)`: `{ handle, schema, id }`.
pub fn query<'s>(env: Env<'s>, [handle, sql, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (database, sql) = (database(handle)?, sql.to_text()?);
    promise_apart(env, move || database.query(&sql), query_handle)
}

/// `cancelQuery(database, id)`: whether there was one. It never waits.
pub fn cancel_query<'s>(env: Env<'s>, [handle, id, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    env.boolean(database(handle)?.cancel_query(id.to_index()? as u64)?)
}

/// `columns(database, source)`: the schema of a source. The producer that tells it is closed again
/// at once.
pub fn columns<'s>(env: Env<'s>, [handle, source, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (database, source) = (database(handle)?, source.to_text()?);
    let columns = move || Ok(Arc::clone(database.source(&source)?.schema()));
    promise(env, columns, |env, schema: Arc<Schema>| batch::schema_handle(env, &schema))
}

/// `insert(database, source, batches)`: the rows of the batches, as one epoch.
pub fn insert<'s>(env: Env<'s>, [handle, source, packs, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (database, source, batches) = (database(handle)?, source.to_text()?, batches(packs)?);
    let insert = move || match batches.as_slice() {
        [] => Ok(0),
        // By name, in case that the source is another one by now.
        [batch] => database.insert(&source, batch.export(), Some(&batch.schema().export())),
        [batch, ..] => {
            let rows = Rows::of(batch.schema(), batches.clone());
            database.insert_stream(&source, rows.export())
        }
    };
    promise_apart(env, insert, |env, rows| env.number(rows as f64))
}

/// `insertEncoded(database, source, form, data, optionsJson)`: rows that are written as `"ipc"` (a
/// typed array), `"json"` or `"csv"` (texts), as one epoch.
pub fn insert_encoded<'s>(
    env: Env<'s>,
    [handle, source, form, data, options]: Arguments<'s>,
) -> Fallible<Js<'s>> {
    let (database, source, form) = (database(handle)?, source.to_text()?, form.to_text()?);
    let options = if options.is_missing()? { None } else { Some(options.to_text()?) };
    let data = match form.as_str() {
        "ipc" => bytes(data)?.to_vec(),
        _ => data.to_text()?.into_bytes(),
    };
    let insert = move || {
        let encoding = match form.as_str() {
            "ipc" => Encoding::Ipc,
            "json" => Encoding::Json(options.as_deref()),
            _ => Encoding::Csv(options.as_deref()),
        };
        database.insert_encoded(&source, encoding, &data)
    };
    promise_apart(env, insert, |env, rows| env.number(rows as f64))
}

/// `openSource(database, name)`: `{ handle, schema }`.
pub fn open_source<'s>(env: Env<'s>, [handle, name, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (database, name) = (database(handle)?, name.to_text()?);
    promise(env, move || database.source(&name), source_handle)
}

/// `subscribe(database, nameOrQuery, optionsJson, id)`: `{ handle, schema }`. The number `id` is
/// woken with.
pub fn subscribe<'s>(
    env: Env<'s>,
    [handle, name, options, id, ..]: Arguments<'s>,
) -> Fallible<Js<'s>> {
    let (database, name) = (database(handle)?, name.to_text()?);
    let (options, id) = (options.to_text()?, id.to_index()? as u32);
    let waker = Arc::clone(env.instance()?.waker());
    let subscribe = move || {
        let subscription = database.subscribe(&name, Some(&options))?;
        subscription.on_ready(move || waker.wake(id))?;
        Ok(subscription)
    };
    promise(env, subscribe, subscription_handle)
}

/// The batches behind an array of handles.
pub fn batches(handles: Js<'_>) -> Fallible<Vec<Batch>> {
    let length = handles.array_length()?.unwrap_or(0);
    (0..length).map(|index| Ok(handles.item(index)?.to_native::<Batch>()?.clone())).collect()
}

pub fn nothing(env: Env<'_>, (): ()) -> Fallible<Js<'_>> {
    env.undefined()
}
