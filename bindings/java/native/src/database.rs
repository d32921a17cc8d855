//! Databases.

use jni::Env;
use jni::objects::{JByteArray, JByteBuffer, JObject};
use jni::sys::{jboolean, jint, jlong};
use laminar_client::{Array, ArraySchema, Database, Executed, Schema, Stream, Value, wire};
use std::sync::Arc;

use crate::bytes::{array, batch, direct, encoding, optional_text, text};
use crate::cursor::Cursor;
use crate::failure::Fallible;
use crate::handle::{give, lend, pointer, take};
use crate::host;
use crate::native;
use crate::subscription::Subscribed;

native! {
    /// The version of the library that is loaded.
    fn Java_io_laminardb_Native_version<'local>(env) -> JByteArray<'local> {
        array(env, laminar_client::version().as_bytes())
    }

    /// Opens a database; without configuration one in memory.
    fn Java_io_laminardb_Native_open<'local>(env, config: JByteArray<'local>) -> jlong {
        let config = optional_text(env, &config)?;
        Ok(give(Database::open(config.as_deref())?))
    }

    /// Shuts a database down: whoever waits wakes.
    fn Java_io_laminardb_Native_shutdown<'local>(_env, db: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Database>(db) }.close()?)
    }

    fn Java_io_laminardb_Native_freeDatabase<'local>(_env, db: jlong) -> () {
        // SAFETY: Java frees a handle once, when nobody is in it.
        drop(unsafe { take::<Database>(db) });
        Ok(())
    }

    fn Java_io_laminardb_Native_start<'local>(_env, db: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Database>(db) }.start()?)
    }

    /// Runs a statement; answers a list of a cursor or NULL, statement, object, rows affected.
    fn Java_io_laminardb_Native_execute<'local>(
        env,
        db: jlong,
        sql: JByteArray<'local>,
    ) -> JByteArray<'local> {
        let sql = text(env, &sql)?;
        // SAFETY: Java keeps the handle alive through the call.
        let executed = unsafe { lend::<Database>(db) }.execute(&sql)?;
        let answer = match executed {
            Executed::Rows(rows) => {
                let count = Value::Int(rows.num_rows() as i64);
                vec![Value::Int(give(Cursor::rows(rows))), Value::Null, Value::Null, count]
            }
            Executed::Statement { statement, object, rows_affected } => vec![
                Value::Null,
                Value::Str(statement.into()),
                if object.is_empty() { Value::Null } else { Value::Str(object.into()) },
                Value::Int(rows_affected as i64),
            ],
        };
        let mut bytes = Vec::new();
        wire::write(&Value::List(answer), &mut bytes);
        array(env, &bytes)
    }

    /// Begins a query; answers a cursor.
    fn Java_io_laminardb_Native_query<'local>(env, db: jlong, sql: JByteArray<'local>) -> jlong {
        let sql = text(env, &sql)?;
        // SAFETY: Java keeps the handle alive through the call.
        Ok(give(Cursor::query(unsafe { lend::<Database>(db) }.query(&sql)?)))
    }

    fn Java_io_laminardb_Native_explain<'local>(
        env,
        db: jlong,
        sql: JByteArray<'local>,
    ) -> JByteArray<'local> {
        let sql = text(env, &sql)?;
        // SAFETY: Java keeps the handle alive through the call.
        let plan = unsafe { lend::<Database>(db) }.explain(&sql)?;
        array(env, plan.as_bytes())
    }

    /// A producer of a source.
    fn Java_io_laminardb_Native_source<'local>(env, db: jlong, name: JByteArray<'local>) -> jlong {
        let name = text(env, &name)?;
        // SAFETY: Java keeps the handle alive through the call.
        let source = unsafe { lend::<Database>(db) }.source(&name)?;
        Ok(give(crate::source::Producer::new(source)))
    }

    /// Follows a name or a query.
    fn Java_io_laminardb_Native_subscribe<'local>(
        env,
        db: jlong,
        name: JByteArray<'local>,
        options: JByteArray<'local>,
    ) -> jlong {
        let name = text(env, &name)?;
        let options = optional_text(env, &options)?;
        // SAFETY: Java keeps the handle alive through the call.
        let subscription = unsafe { lend::<Database>(db) }.subscribe(&name, options.as_deref())?;
        Ok(give(Subscribed::new(subscription)))
    }

    /// Inserts rows by the name of their source.
    fn Java_io_laminardb_Native_insertRows<'local>(
        env,
        db: jlong,
        name: JByteArray<'local>,
        schema: jlong,
        piece: JByteArray<'local>,
        length: jint,
    ) -> jlong {
        let name = text(env, &name)?;
        // SAFETY: Java keeps the handles alive through the call.
        let (db, schema) = unsafe { (lend::<Database>(db), lend::<Arc<Schema>>(schema)) };
        let batch = batch(env, &piece, length as usize, schema)?;
        // By name, in case that the source is another one by now.
        Ok(db.insert(&name, batch, Some(&schema.export()))? as jlong)
    }

    /// Inserts rows that are written as JSON, CSV or Arrow IPC.
    fn Java_io_laminardb_Native_insertEncoded<'local>(
        env,
        db: jlong,
        name: JByteArray<'local>,
        form: jint,
        options: JByteArray<'local>,
        rows: JByteArray<'local>,
    ) -> jlong {
        let rows = env.convert_byte_array(&rows)?;
        // SAFETY: Java keeps the handle alive through the call.
        insert_encoded(env, unsafe { lend(db) }, &name, (form, &options), &rows)
    }

    /// The same out of a direct buffer, where they lie.
    fn Java_io_laminardb_Native_insertDirect<'local>(
        env,
        db: jlong,
        name: JByteArray<'local>,
        form: jint,
        options: JByteArray<'local>,
        buffer: JByteBuffer<'local>,
        from: jint,
        length: jint,
    ) -> jlong {
        // SAFETY: Java tells a part of the buffer, and that it must not be changed meanwhile.
        let rows = unsafe { direct(env, &buffer, from, length) }?;
        // SAFETY: Java keeps the handle alive through the call.
        insert_encoded(env, unsafe { lend(db) }, &name, (form, &options), rows)
    }

    /// Cancels a query or a subscription by its number; answers whether there is one.
    fn Java_io_laminardb_Native_cancelQuery<'local>(_env, db: jlong, id: jlong) -> jboolean {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Database>(db) }.cancel_query(id.cast_unsigned())?)
    }

    /// Adds a scalar function to SQL: a `HostFunction`. The schema of the result has one column.
    fn Java_io_laminardb_Native_registerScalar<'local>(
        env,
        db: jlong,
        name: JByteArray<'local>,
        arguments: jlong,
        result: jlong,
        options: JByteArray<'local>,
        function: JObject<'local>,
    ) -> () {
        let name = text(env, &name)?;
        let options = optional_text(env, &options)?;
        // SAFETY: Java keeps the handles alive through the call.
        let (arguments, result) =
            unsafe { (lend::<Arc<Schema>>(arguments), lend::<Arc<Schema>>(result)) };
        let function = host::scalar(env, &function, arguments, result)?;
        let (arguments, result) = (arguments.export(), host::only_type(result));
        // SAFETY: as above.
        let db = unsafe { lend::<Database>(db) };
        Ok(db.register_scalar(&name, &arguments, &result, options.as_deref(), function)?)
    }

    /// Adds an aggregate function to SQL: a `HostFunction` with a state.
    fn Java_io_laminardb_Native_registerAggregate<'local>(
        env,
        db: jlong,
        name: JByteArray<'local>,
        arguments: jlong,
        state: jlong,
        result: jlong,
        options: JByteArray<'local>,
        function: JObject<'local>,
    ) -> () {
        let name = text(env, &name)?;
        let options = optional_text(env, &options)?;
        // SAFETY: Java keeps the handles alive through the call.
        let [arguments, state, result] =
            unsafe { [arguments, state, result].map(|schema| lend::<Arc<Schema>>(schema)) };
        let function = host::aggregate(env, &function, [arguments, result], state)?;
        let (arguments, state) = (arguments.export(), state.export());
        let (result, options) = (host::only_type(result), options.as_deref());
        // SAFETY: as above.
        let db = unsafe { lend::<Database>(db) };
        Ok(db.register_aggregate(&name, &arguments, &state, &result, options, function)?)
    }

    /// Tells a `LogHook` of the database's work, from a level on; null tells nobody any more.
    fn Java_io_laminardb_Native_setLog<'local>(
        env,
        db: jlong,
        level: jint,
        hook: JObject<'local>,
    ) -> () {
        let listener =
            if hook.is_null() { None } else { Some(host::listener(env, &hook)?) };
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Database>(db) }.set_log(level, listener)?)
    }

    /// Takes a checkpoint; answers its number.
    fn Java_io_laminardb_Native_checkpoint<'local>(_env, db: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Database>(db) }.checkpoint()?.cast_signed())
    }

    /// Inserts a batch of Arrow's, which is moved.
    fn Java_io_laminardb_Native_insertArray<'local>(
        env,
        db: jlong,
        name: JByteArray<'local>,
        array: jlong,
        schema: jlong,
    ) -> jlong {
        // SAFETY: Java gives the addresses of two structs that are filled, and has no other use for
        // what is in them.
        let (array, schema) =
            unsafe { (Array::take(pointer(array)), ArraySchema::take(pointer(schema))) };
        let name = text(env, &name)?;
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Database>(db) }.insert(&name, array, Some(&schema))? as jlong)
    }

    /// Inserts all batches of a stream of Arrow's, which is moved, as one epoch.
    fn Java_io_laminardb_Native_insertStream<'local>(
        env,
        db: jlong,
        name: JByteArray<'local>,
        stream: jlong,
    ) -> jlong {
        // SAFETY: as for an array.
        let stream = unsafe { Stream::take(pointer(stream)) };
        let name = text(env, &name)?;
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Database>(db) }.insert_stream(&name, stream)? as jlong)
    }
}

/// Inserts rows that are written in a form, wherever the bytes lie.
fn insert_encoded(
    env: &Env<'_>,
    db: &Database,
    name: &JByteArray<'_>,
    (form, options): (jint, &JByteArray<'_>),
    rows: &[u8],
) -> Fallible<jlong> {
    let (name, options) = (text(env, name)?, optional_text(env, options)?);
    Ok(db.insert_encoded(&name, encoding(form, options.as_deref())?, rows)? as jlong)
}
