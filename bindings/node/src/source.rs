//! Producers of sources. What waits for another call of the same producer, which may be one that
//! waits for room, does so on a thread apart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use laminar_client::{Appender, Batch, DataType, Encoding, Error, Result, Rows, Schema, Source};

use crate::batch;
use crate::bytes::bytes;
use crate::database::{batches, nothing};
use crate::failure::Fallible;
use crate::js::{ARGUMENTS, Env, Js, Kind};
use crate::work::{promise, promise_apart};

type Arguments<'s> = [Js<'s>; ARGUMENTS];

/// `None` once closed. JavaScript makes one call at a time.
type Producer = Arc<Mutex<Option<Open>>>;

struct Open {
    source: Source,
    /// For rows that come one at a time, from the first of them on.
    appender: Option<Appender>,
}

pub fn source_handle(env: Env<'_>, source: Source) -> Fallible<Js<'_>> {
    let schema = batch::schema_handle(env, source.schema())?;
    let push_timeout = match source.push_timeout_ms() {
        Some(timeout_ms) => env.number(timeout_ms as f64)?,
        None => env.undefined()?,
    };
    let producer: Producer = Arc::new(Mutex::new(Some(Open { source, appender: None })));
    let handle = env.native(producer)?;
    env.record([("handle", handle), ("schema", schema), ("pushTimeoutMs", push_timeout)])
}

fn producer(handle: Js<'_>) -> Fallible<Producer> {
    Ok(Arc::clone(handle.to_native::<Producer>()?))
}

fn with<T>(producer: &Producer, call: impl FnOnce(&mut Source) -> Result<T>) -> Result<T> {
    let mut open = producer.lock().unwrap_or_else(PoisonError::into_inner);
    call(&mut open.as_mut().ok_or_else(closed)?.source)
}

fn closed() -> Error {
    let status = laminar_client::sys::LAMINAR_WRITER_CLOSED;
    Error::new(status, 3101, "this producer is closed; make another")
}

/// `sourceClone(source)`: `{ handle, schema }`.
pub fn clone<'s>(env: Env<'s>, [handle, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let producer = producer(handle)?;
    promise_apart(env, move || with(&producer, |source| source.try_clone()), source_handle)
}

/// `sourcePush(source, batches)`: the rows of the batches, as one epoch.
pub fn push<'s>(env: Env<'s>, [handle, packs, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (producer, mut batches) = (producer(handle)?, batches(packs)?);
    if batches.len() > 1 {
        // As one epoch they have no form that never waits.
        let push = move || {
            let rows = Rows::of(batches[0].schema(), batches.clone());
            with(&producer, |source| source.push_stream(rows.export()))
        };
        return promise_apart(env, push, |env, rows| env.number(rows as f64));
    }
    let batch = batches.pop();
    let push = move || {
        let Some(batch) = batch else { return Ok(0) };
        // JavaScript waits for room, so that no thread does.
        with(&producer, |source| {
            let is_own = Arc::ptr_eq(batch.schema(), source.schema());
            let schema = (!is_own).then(|| batch.schema().export());
            source.push_at_once(batch.export(), schema.as_ref())
        })
    };
    promise(env, push, |env, rows| env.number(rows as f64))
}

/// `sourceTryPush(source, batch)`: whether it was pushed, without waiting for anything.
pub fn try_push<'s>(env: Env<'s>, [handle, pack, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let calls = env.instance()?.calls();
    calls.refuse_inside()?;
    let (producer, batch) = (producer(handle)?, pack.to_native::<Batch>()?.clone());
    let push = move || -> Result<bool> {
        let Some(mut open) = try_lock(&producer) else { return Ok(false) };
        let source = &mut open.as_mut().ok_or_else(closed)?.source;
        let is_own = Arc::ptr_eq(batch.schema(), source.schema());
        let schema = (!is_own).then(|| batch.schema().export());
        Ok(source.try_push(batch.export(), schema.as_ref())?.is_some())
    };
    env.boolean(calls.apart(env, push)??)
}

/// `sourceTryPushRow(source, cells)`: as `sourceTryPush` with one row, whose cells have the own types
/// of their columns: booleans, texts, and numbers in the unit of the column.
pub fn try_push_row<'s>(env: Env<'s>, [handle, cells, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let calls = env.instance()?.calls();
    calls.refuse_inside()?;
    let producer = handle.to_native::<Producer>()?;
    {
        let Some(mut open) = try_lock(producer) else { return env.boolean(false) };
        let Open { source, appender } = open.as_mut().ok_or_else(closed)?;
        let appender = match appender {
            Some(appender) => appender,
            none => none.insert(source.appender()?),
        };
        if let Err(failure) = append(appender, source.schema(), cells) {
            appender.reset();
            return Err(failure);
        }
    }
    let producer = Arc::clone(producer);
    env.boolean(calls.apart(env, move || flush(&producer))??)
}

/// Pushes the row that was appended, or forgets it.
fn flush(producer: &Producer) -> Result<bool> {
    // JavaScript, which has appended it, makes no other call meanwhile.
    let mut open = producer.lock().unwrap_or_else(PoisonError::into_inner);
    let appender = open.as_mut().and_then(|open| open.appender.as_mut()).ok_or_else(closed)?;
    let pushed = appender.try_flush();
    if !matches!(pushed, Ok(true)) {
        appender.reset();
    }
    pushed
}

/// Ends a row of these cells.
fn append(appender: &mut Appender, schema: &Schema, cells: Js<'_>) -> Fallible<()> {
    for (column, field) in schema.fields().iter().enumerate() {
        let cell = cells.item(column)?;
        match cell.kind()? {
            Kind::Undefined | Kind::Null => {}
            Kind::Boolean => appender.bool(column, cell.to_bool()?)?,
            Kind::String => appender.string(column, &cell.to_text()?)?,
            Kind::Number => {
                let number = cell.to_number()?;
                match field.data_type() {
                    DataType::Float { .. } => appender.double(column, number)?,
                    // JavaScript looked whether it is an integer that fits.
                    _ => appender.int64(column, number as i64)?,
                }
            }
            Kind::BigInt => {
                let integer = cell.to_i64()?;
                let integer = integer.ok_or_else(|| Error::value("an integer is past 64 bits"))?;
                appender.int64(column, integer)?;
            }
            Kind::Object | Kind::Other => {
                return Err(Error::value("an object is no value of a plain row").into());
            }
        }
    }
    Ok(appender.end_row()?)
}

/// The producer, unless another thread is in it.
fn try_lock(producer: &Producer) -> Option<MutexGuard<'_, Option<Open>>> {
    match producer.try_lock() {
        Ok(open) => Some(open),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// `sourceOnRoom(source, id)`: the number `id` is woken when there is room again after a push that
/// found none.
pub fn on_room<'s>(env: Env<'s>, [handle, id, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (producer, id) = (producer(handle)?, id.to_index()? as u32);
    let waker = Arc::clone(env.instance()?.waker());
    let watch = move || with(&producer, |source| source.on_room(move || waker.wake(id)));
    promise(env, watch, nothing)
}

/// `sourcePushIpc(source, bytes)`: the rows of an Arrow IPC stream or file, as one epoch.
pub fn push_ipc<'s>(env: Env<'s>, [handle, data, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (producer, data) = (producer(handle)?, bytes(data)?.to_vec());
    let push = move || with(&producer, |source| source.push_encoded(Encoding::Ipc, &data));
    promise_apart(env, push, |env, rows| env.number(rows as f64))
}

/// `sourceWatermark(source, milliseconds)`.
pub fn watermark<'s>(env: Env<'s>, [handle, ts_ms, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (producer, ts_ms) = (producer(handle)?, ts_ms.to_number()? as i64);
    promise(env, move || with(&producer, |source| source.watermark(ts_ms)), nothing)
}

/// `sourceEnd(source)`: nothing more comes from it.
pub fn end_of_input<'s>(env: Env<'s>, [handle, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let producer = producer(handle)?;
    promise(env, move || with(&producer, Source::end_of_input), nothing)
}

/// `sourceQueue(source)`: `[pending, capacity]`.
pub fn queue<'s>(env: Env<'s>, [handle, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let producer = producer(handle)?;
    let queue = move || with(&producer, |source| Ok((source.pending(), source.capacity())));
    promise_apart(env, queue, |env, (pending, capacity)| {
        let queue = env.array(2)?;
        queue.set_item(0, env.number(pending as f64)?)?;
        queue.set_item(1, env.number(capacity as f64)?)?;
        Ok(queue)
    })
}

/// `sourceClose(source)`: gives it up. Called when no other call is in it.
pub fn close<'s>(env: Env<'s>, [handle, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let producer = producer(handle)?;
    let close = move || {
        producer.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    };
    promise(env, close, nothing)
}
