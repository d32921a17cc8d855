//! Subscriptions.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use jni::objects::JLongArray;
use jni::sys::jlong;
use laminar_client::{Canceller, Polled, Schema, Subscription};

use crate::batch::Held;
use crate::cursor::in_use;
use crate::failure::Fallible;
use crate::handle::{give, lend, take};
use crate::native;
use crate::ready::Ready;

/// A subscription. Java lets one thread poll at a time.
pub struct Subscribed {
    schema: Arc<Schema>,
    canceller: Canceller,
    subscription: Mutex<Subscription>,
}

impl Subscribed {
    pub fn new(subscription: Subscription) -> Self {
        Self {
            schema: Arc::clone(subscription.schema()),
            canceller: subscription.canceller(),
            subscription: Mutex::new(subscription),
        }
    }

    fn enter(&self) -> Fallible<MutexGuard<'_, Subscription>> {
        match self.subscription.try_lock() {
            Ok(subscription) => Ok(subscription),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(in_use("the subscription").into()),
        }
    }
}

const BATCH: jlong = 0;
const NOTHING: jlong = 1;
const END: jlong = 2;
const LAGGED: jlong = 3;
const RESET: jlong = 4;

native! {
    fn Java_io_laminardb_Native_subscriptionSchema<'local>(_env, subscription: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(give(Arc::clone(&unsafe { lend::<Subscribed>(subscription) }.schema)))
    }

    /// Waits for a batch; answers it or 0. `out` gets the outcome and the epoch, or how many rows
    /// were missed.
    fn Java_io_laminardb_Native_poll<'local>(
        env,
        subscription: jlong,
        timeout_ms: jlong,
        out: JLongArray<'local>,
    ) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        let polled = unsafe { lend::<Subscribed>(subscription) }.enter()?.poll(timeout_ms)?;
        let (outcome, held) = match polled {
            Polled::Batch { rows, epoch, weights } => {
                ([BATCH, epoch as jlong], Some(Held { batch: rows, weights }))
            }
            Polled::Nothing => ([NOTHING, 0], None),
            Polled::End => ([END, 0], None),
            Polled::Lagged(rows) => ([LAGGED, rows as jlong], None),
            Polled::Reset => ([RESET, 0], None),
        };
        out.set_region(env, 0, &outcome)?;
        Ok(held.map_or(0, give))
    }

    /// Ends it from any thread: whoever waits wakes.
    fn Java_io_laminardb_Native_cancel<'local>(_env, subscription: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        unsafe { lend::<Subscribed>(subscription) }.canceller.cancel();
        Ok(())
    }

    /// Rows that were missed since it was made.
    fn Java_io_laminardb_Native_lagged<'local>(_env, subscription: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Subscribed>(subscription) }.canceller.lagged() as jlong)
    }

    /// Notes `key` in `ready` whenever there is something to poll after a poll found nothing.
    fn Java_io_laminardb_Native_onReady<'local>(
        _env,
        subscription: jlong,
        ready: jlong,
        key: jlong,
    ) -> () {
        // SAFETY: Java keeps the handles alive through the call.
        let (subscription, ready) =
            unsafe { (lend::<Subscribed>(subscription), lend::<Arc<Ready>>(ready)) };
        let ready = Arc::clone(ready);
        Ok(subscription.enter()?.on_ready(move || ready.note(key))?)
    }

    fn Java_io_laminardb_Native_freeSubscription<'local>(_env, subscription: jlong) -> () {
        // SAFETY: Java frees a handle once, when nobody is in it.
        drop(unsafe { take::<Subscribed>(subscription) });
        Ok(())
    }
}
