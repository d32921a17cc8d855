//! Producers of sources.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use laminar_client::{Batch, Encoding, Error, Result, Rows, Source};

use crate::batch;
use crate::bytes::bytes;
use crate::database::{batches, nothing};
use crate::failure::Fallible;
use crate::js::{ARGUMENTS, Env, Js};
use crate::work::promise;

type Arguments<'s> = [Js<'s>; ARGUMENTS];

/// `None` once closed. JavaScript makes one call at a time.
type Producer = Arc<Mutex<Option<Source>>>;

pub fn source_handle(env: Env<'_>, source: Source) -> Fallible<Js<'_>> {
    let schema = batch::schema_handle(env, source.schema())?;
    let producer: Producer = Arc::new(Mutex::new(Some(source)));
    env.record([("handle", env.native(producer)?), ("schema", schema)])
}

fn producer(handle: Js<'_>) -> Fallible<Producer> {
    Ok(Arc::clone(handle.to_native::<Producer>()?))
}

fn with<T>(producer: &Producer, call: impl FnOnce(&mut Source) -> Result<T>) -> Result<T> {
    let mut source = producer.lock().unwrap_or_else(PoisonError::into_inner);
    call(source.as_mut().ok_or_else(closed)?)
}

fn closed() -> Error {
    let status = laminar_client::sys::LAMINAR_WRITER_CLOSED;
    Error::new(status, 3101, "this producer is closed; make another")
}

/// `sourceClone(source)`: `{ handle, schema }`.
pub fn clone<'s>(env: Env<'s>, [handle, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let producer = producer(handle)?;
    promise(env, move || with(&producer, |source| source.try_clone()), source_handle)
}

/// `sourcePush(source, batches)`: the rows of the batches, as one epoch.
pub fn push<'s>(env: Env<'s>, [handle, packs, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (producer, batches) = (producer(handle)?, batches(packs)?);
    let push = move || {
        with(&producer, |source| match batches.as_slice() {
            [] => Ok(0),
            [batch] if Arc::ptr_eq(batch.schema(), source.schema()) => {
                source.push(batch.export(), None)
            }
            [batch] => source.push(batch.export(), Some(&batch.schema().export())),
            [batch, ..] => source.push_stream(Rows::of(batch.schema(), batches.clone()).export()),
        })
    };
    promise(env, push, |env, rows| env.number(rows as f64))
}

/// `sourceTryPush(source, batch)`: whether it was pushed, without waiting for anything.
pub fn try_push<'s>(env: Env<'s>, [handle, pack, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (producer, batch) = (producer(handle)?, pack.to_native::<Batch>()?);
    let mut source: MutexGuard<'_, Option<Source>> = match producer.try_lock() {
        Ok(source) => source,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return env.boolean(false),
    };
    let source = source.as_mut().ok_or_else(closed)?;
    let pushed = if Arc::ptr_eq(batch.schema(), source.schema()) {
        source.try_push(batch.export(), None)?
    } else {
        source.try_push(batch.export(), Some(&batch.schema().export()))?
    };
    env.boolean(pushed.is_some())
}

/// `sourcePushIpc(source, bytes)`: the rows of an Arrow IPC stream or file, as one epoch.
pub fn push_ipc<'s>(env: Env<'s>, [handle, data, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let (producer, data) = (producer(handle)?, bytes(data)?.to_vec());
    let push = move || with(&producer, |source| source.push_encoded(Encoding::Ipc, &data));
    promise(env, push, |env, rows| env.number(rows as f64))
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
    promise(env, queue, |env, (pending, capacity)| {
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
