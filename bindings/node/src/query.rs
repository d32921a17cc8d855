//! Queries that are being read.

use std::sync::{Arc, Mutex, PoisonError};

use laminar_client::{Query, QueryCanceller};

use crate::batch;
use crate::bytes::{Elements, typed_array};
use crate::failure::Fallible;
use crate::js::{ARGUMENTS, Env, Js};
use crate::work::promise_apart;

struct Reading {
    /// JavaScript asks for one batch at a time.
    query: Arc<Mutex<Query>>,
    canceller: QueryCanceller,
}

pub fn query_handle(env: Env<'_>, query: Query) -> Fallible<Js<'_>> {
    let schema = batch::schema_handle(env, query.schema())?;
    let (id, canceller) = (env.number(query.id() as f64)?, query.canceller());
    let handle = env.native(Reading { query: Arc::new(Mutex::new(query)), canceller })?;
    env.record([("handle", handle), ("schema", schema), ("id", id)])
}

/// `queryNext(query)`: a batch, or null at the end.
pub fn next<'s>(env: Env<'s>, [handle, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    let query = Arc::clone(&handle.to_native::<Reading>()?.query);
    let next = move || query.lock().unwrap_or_else(PoisonError::into_inner).next_batch();
    promise_apart(env, next, |env, batch| match batch {
        Some(batch) => batch::handle(env, batch),
        None => env.null(),
    })
}

/// `queryIpc(query)`: all that is left, as an Arrow IPC stream.
pub fn ipc<'s>(env: Env<'s>, [handle, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    let query = Arc::clone(&handle.to_native::<Reading>()?.query);
    let ipc = move || query.lock().unwrap_or_else(PoisonError::into_inner).ipc();
    promise_apart(env, ipc, |env, bytes| typed_array(env, Elements::Uint8, &bytes))
}

/// `queryCancel(query)`.
pub fn cancel<'s>(env: Env<'s>, [handle, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    handle.to_native::<Reading>()?.canceller.cancel();
    env.undefined()
}
