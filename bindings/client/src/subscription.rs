//! What changes in a stream, batch by batch.

use std::sync::Arc;

use laminar_sys as sys;

use crate::arrow::{Array, ArraySchema};
use crate::encoded;
use crate::error::{check, status};
use crate::handle::Handle;
use crate::waker::Waker;
use crate::{Batch, Error, Result, Schema};

/// A subscription. Polling is for one thread at a time; its [`Canceller`] is for all.
#[derive(Debug)]
pub struct Subscription {
    handle: Arc<Handle<sys::laminar_subscription>>,
    schema: Arc<Schema>,
}

/// What a poll found.
#[derive(Debug)]
pub enum Polled<T = Batch> {
    /// The changes of one epoch.
    Batch {
        /// The rows.
        rows: T,
        /// The number of the epoch.
        epoch: u64,
        /// For each row how often it came (positive) or went (negative); `None` means once each.
        weights: Option<Vec<i64>>,
    },
    /// Nothing within the time allowed.
    Nothing,
    /// Nothing will come any more.
    End,
    /// Rows were missed, so many since the subscription was made; the next poll goes on after them.
    Lagged(u64),
    /// Rows were missed, and the next batch is the whole content from which to go on.
    Reset,
}

/// Ends a subscription from any thread.
#[derive(Debug, Clone)]
pub struct Canceller(Arc<Handle<sys::laminar_subscription>>);

impl Subscription {
    pub(crate) fn new(handle: Handle<sys::laminar_subscription>) -> Result<Self> {
        let mut schema = ArraySchema::empty();
        // SAFETY: the handle is alive; `schema` is a struct to write into.
        unsafe {
            check(|error| {
                sys::laminar_subscription_schema(handle.shared(), schema.as_mut_ptr(), error)
            })?;
        }
        Ok(Self { handle: Arc::new(handle), schema: Arc::new(Schema::new(schema)?) })
    }

    /// The columns of the batches.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Waits up to `timeout_ms` milliseconds (-1: as long as it takes, 0: not at all) for the next
    /// batch.
    pub fn poll(&mut self, timeout_ms: i64) -> Result<Polled> {
        let mut array = Array::empty();
        // SAFETY: `&mut self` makes this the only poll; the array is a struct to write into, the
        // schema may be left out.
        let outcome = unsafe {
            status(|error| {
                let subscription = self.handle.exclusive();
                let schema = std::ptr::null_mut();
                sys::laminar_poll(subscription, timeout_ms, array.as_mut_ptr(), schema, error)
            })?
        };
        self.polled(outcome, || Batch::new(Arc::clone(&self.schema), array))
    }

    /// As [`Subscription::poll`], with the rows as an Arrow IPC stream of their own.
    pub fn poll_ipc(&mut self, timeout_ms: i64) -> Result<Polled<Vec<u8>>> {
        let mut outcome = sys::LAMINAR_OK;
        // SAFETY: `&mut self` makes this the only poll; the places can be written.
        let bytes = unsafe {
            encoded::bytes(|data, length, error| {
                let subscription = self.handle.exclusive();
                outcome = sys::laminar_poll_ipc(subscription, timeout_ms, data, length, error);
                // An outcome has no bytes, and is no error.
                if outcome < sys::LAMINAR_CONNECTION_FAILED { sys::LAMINAR_OK } else { outcome }
            })?
        };
        self.polled(outcome, || Ok(bytes))
    }

    /// What an outcome of a poll means.
    fn polled<T>(
        &self,
        outcome: sys::laminar_status,
        rows: impl FnOnce() -> Result<T>,
    ) -> Result<Polled<T>> {
        match outcome {
            sys::LAMINAR_OK => Ok(Polled::Batch {
                rows: rows()?,
                // SAFETY: the handle is alive.
                epoch: unsafe { sys::laminar_subscription_epoch(self.handle.shared()) },
                weights: self.weights(),
            }),
            sys::LAMINAR_AGAIN => Ok(Polled::Nothing),
            sys::LAMINAR_END => Ok(Polled::End),
            // SAFETY: the handle is alive.
            sys::LAMINAR_LAGGED => Ok(Polled::Lagged(unsafe {
                sys::laminar_subscription_lagged(self.handle.shared())
            })),
            sys::LAMINAR_RESET => Ok(Polled::Reset),
            // SAFETY: null is allowed.
            other => Err(unsafe { Error::from_raw(other, std::ptr::null_mut()) }),
        }
    }

    /// Calls `wake` from now on whenever there is something to poll after a poll found nothing. It
    /// runs on a thread of the library's choice and must only make a note of it.
    pub fn on_ready(&self, wake: impl Fn() + Send + Sync + 'static) -> Result<()> {
        let waker = Waker::new(wake);
        let userdata = waker.into_raw();
        // SAFETY: the library owns `userdata` from here on, on failure too, and gives it to `drop`
        // after the last callback.
        unsafe {
            check(|error| {
                let (callback, drop) = (Some(Waker::call as _), Some(Waker::drop as _));
                sys::laminar_on_ready(self.handle.shared(), callback, userdata, drop, error)
            })
        }
    }

    /// The means to end it from elsewhere.
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.handle))
    }

    fn weights(&self) -> Option<Vec<i64>> {
        let mut weights = std::ptr::null();
        // SAFETY: the weights stay where they are until the next poll, which `&mut self` of the
        // caller rules out.
        unsafe {
            let count = sys::laminar_subscription_weights(self.handle.shared(), &mut weights);
            (!weights.is_null()).then(|| std::slice::from_raw_parts(weights, count).to_vec())
        }
    }
}

impl Canceller {
    /// Ends the subscription and wakes whoever waits in a poll. The second time it does nothing.
    pub fn cancel(&self) {
        // SAFETY: the handle is alive.
        unsafe { sys::laminar_subscription_cancel(self.0.shared()) }
    }

    /// Rows that the subscription missed.
    pub fn lagged(&self) -> u64 {
        // SAFETY: the handle is alive.
        unsafe { sys::laminar_subscription_lagged(self.0.shared()) }
    }
}
