//! Producers of sources.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use jni::Env;
use jni::objects::{JByteArray, JByteBuffer};
use jni::sys::{jboolean, jint, jlong};
use laminar_client::{Array, ArraySchema, Gatherer, Schema, Source, Stream};

use crate::bytes::{batch, direct, encoding, optional_text, rows};
use crate::cursor::in_use;
use crate::failure::Fallible;
use crate::handle::{give, lend, pointer, take};
use crate::native;

/// A producer. Java lets one thread in at a time; whoever comes in all the same, from inside of a
/// push, is told so.
pub struct Producer {
    schema: Arc<Schema>,
    open: Mutex<Gatherer>,
}

impl Producer {
    pub fn new(source: Source) -> Self {
        Self { schema: Arc::clone(source.schema()), open: Mutex::new(Gatherer::new(source)) }
    }

    fn enter(&self) -> Fallible<MutexGuard<'_, Gatherer>> {
        match self.open.try_lock() {
            Ok(open) => Ok(open),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(in_use("the source").into()),
        }
    }
}

/// What `pushRows` answers when there is no room and it may not wait.
const NO_ROOM: jlong = -1;

native! {
    fn Java_io_laminardb_Native_sourceSchema<'local>(_env, source: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(give(Arc::clone(&unsafe { lend::<Producer>(source) }.schema)))
    }

    /// One more producer of the same source.
    fn Java_io_laminardb_Native_cloneSource<'local>(_env, source: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        let source = unsafe { lend::<Producer>(source) }.enter()?.source().try_clone()?;
        Ok(give(Producer::new(source)))
    }

    /// Pushes rows; answers how many, or -1 when there is no room and it may not wait.
    fn Java_io_laminardb_Native_pushRows<'local>(
        env,
        source: jlong,
        piece: JByteArray<'local>,
        length: jint,
        wait: jboolean,
    ) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        let producer = unsafe { lend::<Producer>(source) };
        let batch = batch(env, &piece, length as usize, &producer.schema)?;
        let mut open = producer.enter()?;
        if wait {
            return Ok(open.source().push(batch, None)? as jlong);
        }
        Ok(open.source().try_push(batch, None)?.map_or(NO_ROOM, |rows| rows as jlong))
    }

    /// Pushes rows that are written as JSON, CSV or Arrow IPC; answers how many.
    fn Java_io_laminardb_Native_pushEncoded<'local>(
        env,
        source: jlong,
        form: jint,
        options: JByteArray<'local>,
        rows: JByteArray<'local>,
    ) -> jlong {
        let rows = env.convert_byte_array(&rows)?;
        // SAFETY: Java keeps the handle alive through the call.
        push_encoded(env, unsafe { lend(source) }, (form, &options), &rows)
    }

    /// The same out of a direct buffer, where they lie.
    fn Java_io_laminardb_Native_pushDirect<'local>(
        env,
        source: jlong,
        form: jint,
        options: JByteArray<'local>,
        buffer: JByteBuffer<'local>,
        from: jint,
        length: jint,
    ) -> jlong {
        // SAFETY: Java tells a part of the buffer, and that it must not be changed meanwhile.
        let rows = unsafe { direct(env, &buffer, from, length) }?;
        // SAFETY: Java keeps the handle alive through the call.
        push_encoded(env, unsafe { lend(source) }, (form, &options), rows)
    }

    /// Takes rows and pushes all that wait as soon as they are `batch_rows`; answers those taken.
    fn Java_io_laminardb_Native_gatherRows<'local>(
        env,
        source: jlong,
        piece: JByteArray<'local>,
        length: jint,
        batch_rows: jint,
    ) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        let producer = unsafe { lend::<Producer>(source) };
        let rows = rows(env, &piece, length as usize, &producer.schema)?;
        Ok(producer.enter()?.gather(rows, batch_rows as usize)? as jlong)
    }

    /// Rows that wait.
    fn Java_io_laminardb_Native_gathered<'local>(_env, source: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Producer>(source) }.enter()?.rows() as jlong)
    }

    /// Pushes the rows that wait; answers how many.
    fn Java_io_laminardb_Native_flush<'local>(_env, source: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Producer>(source) }.enter()?.flush()? as jlong)
    }

    /// Pushes a batch of Arrow's, which is moved; answers its rows.
    fn Java_io_laminardb_Native_pushArray<'local>(
        _env,
        source: jlong,
        array: jlong,
        schema: jlong,
    ) -> jlong {
        // SAFETY: Java gives the addresses of two structs that are filled, and has no other use for
        // what is in them.
        let (array, schema) =
            unsafe { (Array::take(pointer(array)), ArraySchema::take(pointer(schema))) };
        // SAFETY: Java keeps the handle alive through the call.
        let mut open = unsafe { lend::<Producer>(source) }.enter()?;
        Ok(open.source().push(array, Some(&schema))? as jlong)
    }

    /// Pushes all batches of a stream of Arrow's, which is moved, as one epoch.
    fn Java_io_laminardb_Native_pushStream<'local>(_env, source: jlong, stream: jlong) -> jlong {
        // SAFETY: as for an array.
        let stream = unsafe { Stream::take(pointer(stream)) };
        // SAFETY: Java keeps the handle alive through the call.
        let mut open = unsafe { lend::<Producer>(source) }.enter()?;
        Ok(open.source().push_stream(stream)? as jlong)
    }

    /// Pushes the rows that wait, then promises the watermark.
    fn Java_io_laminardb_Native_watermark<'local>(_env, source: jlong, ts_ms: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Producer>(source) }.enter()?.watermark(ts_ms)?)
    }

    /// Pushes the rows that wait, then says that nothing follows.
    fn Java_io_laminardb_Native_endOfInput<'local>(_env, source: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Producer>(source) }.enter()?.end_of_input()?)
    }

    /// Rows that wait for the start.
    fn Java_io_laminardb_Native_pending<'local>(_env, source: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Producer>(source) }.enter()?.source().pending() as jlong)
    }

    /// Rows that may wait for the start.
    fn Java_io_laminardb_Native_capacity<'local>(_env, source: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Producer>(source) }.enter()?.source().capacity() as jlong)
    }

    fn Java_io_laminardb_Native_freeSource<'local>(_env, source: jlong) -> () {
        // SAFETY: Java frees a handle once, when nobody is in it.
        drop(unsafe { take::<Producer>(source) });
        Ok(())
    }
}

/// Pushes rows that are written in a form, wherever the bytes lie.
fn push_encoded(
    env: &Env<'_>,
    producer: &Producer,
    (form, options): (jint, &JByteArray<'_>),
    rows: &[u8],
) -> Fallible<jlong> {
    let options = optional_text(env, options)?;
    let form = encoding(form, options.as_deref())?;
    Ok(producer.enter()?.source().push_encoded(form, rows)? as jlong)
}
