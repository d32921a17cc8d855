//! Subscriptions. Polling never waits here: JavaScript is woken when it is worth while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

use laminar_client::sys::LAMINAR_SUBSCRIPTION_LAGGED;
use laminar_client::{Canceller, Error, Polled, Result, Subscription};

use crate::batch;
use crate::bytes::{Elements, typed_array};
use crate::failure::Fallible;
use crate::js::{ARGUMENTS, Env, Js};

struct Following {
    /// JavaScript makes one poll at a time.
    subscription: Arc<Mutex<Subscription>>,
    canceller: Canceller,
    /// The next poll fetches the content from the engine, for which it waits.
    is_owed: AtomicBool,
}

/// What `poll` answers when there is no batch.
const NOTHING: f64 = 0.0;
const END: f64 = 1.0;
const RESET: f64 = 2.0;

pub fn subscription_handle(env: Env<'_>, subscription: Subscription) -> Fallible<Js<'_>> {
    let schema = batch::schema_handle(env, subscription.schema())?;
    let canceller = subscription.canceller();
    let subscription = Arc::new(Mutex::new(subscription));
    let is_owed = AtomicBool::new(false);
    let handle = env.native(Following { subscription, canceller, is_owed })?;
    env.record([("handle", handle), ("schema", schema)])
}

/// `poll(subscription)`: `{ rows, epoch, weights }` with a batch and an Int8Array or undefined; or 0
/// when nothing has come, 1 at the end, 2 when the next batch is the whole content.
pub fn poll<'s>(env: Env<'s>, [handle, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    polled(env, handle, Subscription::poll, batch::handle)
}

/// `pollIpc(subscription)`: as `poll`, with an Arrow IPC stream as the rows.
pub fn poll_ipc<'s>(env: Env<'s>, [handle, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    polled(env, handle, Subscription::poll_ipc, |env, bytes| {
        typed_array(env, Elements::Uint8, &bytes)
    })
}

fn polled<'s, T: Send + 'static>(
    env: Env<'s>,
    handle: Js<'s>,
    poll: fn(&mut Subscription, i64) -> Result<Polled<T>>,
    make: impl FnOnce(Env<'s>, T) -> Fallible<Js<'s>>,
) -> Fallible<Js<'s>> {
    let following = handle.to_native::<Following>()?;
    let subscription = Arc::clone(&following.subscription);
    let poll = move || match subscription.try_lock() {
        Ok(mut subscription) => poll(&mut subscription, 0),
        Err(TryLockError::Poisoned(poisoned)) => poll(&mut poisoned.into_inner(), 0),
        // A condition of its own polls it.
        Err(TryLockError::WouldBlock) => Err(Error::in_use()),
    };
    let answer = if following.is_owed.load(Ordering::Relaxed) {
        let calls = env.instance()?.calls();
        calls.refuse_inside()?;
        calls.apart(env, poll)?
    } else {
        poll()
    }?;
    following.is_owed.store(matches!(answer, Polled::Reset), Ordering::Relaxed);
    match answer {
        Polled::Batch { rows, epoch, weights } => {
            let weights = match weights {
                Some(weights) => {
                    let signs: Vec<u8> =
                        weights.iter().map(|weight| weight.signum() as i8 as u8).collect();
                    typed_array(env, Elements::Int8, &signs)?
                }
                None => env.undefined()?,
            };
            let epoch = env.number(epoch as f64)?;
            env.record([("rows", make(env, rows)?), ("epoch", epoch), ("weights", weights)])
        }
        Polled::Nothing => env.number(NOTHING),
        Polled::End => env.number(END),
        Polled::Reset => env.number(RESET),
        Polled::Lagged(rows) => Err(Error::new(
            LAMINAR_SUBSCRIPTION_LAGGED,
            5301,
            format!(
                "the subscription has missed {rows} rows, because it was polled too seldom; the \
                 next call goes on with the oldest kept"
            ),
        )
        .into()),
    }
}

/// `cancel(subscription)`.
pub fn cancel<'s>(env: Env<'s>, [handle, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    handle.to_native::<Following>()?.canceller.cancel();
    env.undefined()
}

/// `lagged(subscription)`: rows that it has missed.
pub fn lagged<'s>(env: Env<'s>, [handle, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    env.number(handle.to_native::<Following>()?.canceller.lagged() as f64)
}

/// `hold()`: keeps the process alive until `release()` was called as often.
pub fn hold<'s>(env: Env<'s>, _: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    env.instance()?.hold(env)?;
    env.undefined()
}

/// `release()`.
pub fn release<'s>(env: Env<'s>, _: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    env.instance()?.release(env)?;
    env.undefined()
}
