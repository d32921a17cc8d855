//! `laminar_subscription`: a consumer of a stream.

use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laminar_db as facade;
use laminar_db::{OnFull, Polled, PolledChange, SubscribeOptions, SubscriptionHandle};
use laminar_types::error::code::SUBSCRIPTION_ARGUMENT;
use laminar_types::{Epoch, Error, ErrorKind, Result};
use serde::Deserialize;

use crate::args::{self, Out, OutBytes};
use crate::arrow_c::{ArrowArray, ArrowSchema, clear_array, clear_schema, write_schema};
use crate::db::Db;
use crate::error::ErrorHandle;
use crate::export::Exporter;
use crate::guard;
use crate::handle::{self, Noun};
use crate::ipc;
use crate::status::{Outcome, Status};
use crate::waker::{Waker, WakerSlot, Wakes};

/// A consumer of the changes of a stream, sink, source or query. Polling is exclusive; cancelling,
/// the accessors and `laminar_on_ready` are not.
pub struct Subscription;

impl Noun for Subscription {
    type Shared = SubscriptionShared;
    type Exclusive = facade::UntypedSubscription;
    const NAME: &'static str = "subscription";

    fn released(shared: &SubscriptionShared) {
        shared.waker.remove(&shared.handle);
        shared.handle.cancel();
    }
}

pub(crate) struct SubscriptionShared {
    handle: SubscriptionHandle,
    exporter: Exporter,
    /// Of the last batch polled.
    epoch: AtomicU64,
    /// Of the last batch polled. `weighted` says without a lock that there are none.
    weights: Mutex<Vec<i64>>,
    weighted: AtomicBool,
    /// What `laminar_on_ready` installed.
    waker: WakerSlot,
}

impl SubscriptionShared {
    fn new(subscription: &facade::UntypedSubscription) -> Self {
        Self {
            handle: subscription.handle(),
            exporter: Exporter::new(subscription.schema()),
            epoch: AtomicU64::new(0),
            weights: Mutex::new(Vec::new()),
            weighted: AtomicBool::new(false),
            waker: WakerSlot::default(),
        }
    }

    /// Keeps what the accessors tell of a batch. Only the exclusive call does so.
    fn remember(&self, epoch: Epoch, weights: Option<&[i64]>) {
        self.epoch.store(epoch, Ordering::Release);
        self.weighted.store(weights.is_some(), Ordering::Release);
        if let Some(weights) = weights {
            let mut kept = lock(&self.weights);
            kept.clear();
            kept.extend_from_slice(weights);
        }
    }
}

impl Wakes for SubscriptionHandle {
    const NAME: &'static str = Subscription::NAME;

    fn call(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.on_ready(wake);
    }

    fn call_nothing(&self) {
        self.clear_on_ready();
    }
}

/// Locks; what a panicked holder left is whole, for every value here is replaced at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Subscribes to the changes of a stream, sink or source by its name, or of a query.
///
/// @param db the database
/// @param name_or_query a name, a SELECT, or the statement `SUBSCRIBE name [WITH SNAPSHOT] [WHERE
///   condition] [AS OF EPOCH n]`
/// @param options_json NULL, or a JSON object: `snapshot` (boolean) begins with the current
///   content, which a query does unless told otherwise and a name does not; `capacity` (number of
///   rows) is the size of the ring that holds changes not yet polled; `on_full` is `"tell"` (the
///   default: `LAMINAR_LAGGED` or `LAMINAR_RESET`), `"block"` (pushes into the sources behind it wait
///   for room, then answer `LAMINAR_AGAIN`) or `"drop_oldest"`; `predicate` (a condition in SQL, for a
///   name) follows only the rows for which it is true; `as_of_epoch` (an epoch) begins with what
///   changed after it, as far back as `retain_history` reaches
/// @param[out] out the subscription, to be freed with `laminar_subscription_free`
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_SUBSCRIPTION_FAILED`,
///   `LAMINAR_SQL_PARSE_ERROR`, ...
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_subscribe(
    db: *const Db,
    name_or_query: *const c_char,
    options_json: *const c_char,
    out: *mut *mut Subscription,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { Out::new(out) };
    let work = || {
        let out = out.required("out", SUBSCRIPTION_ARGUMENT)?;
        // SAFETY: as above.
        let db = unsafe { handle::shared(db, SUBSCRIPTION_ARGUMENT) }?;
        // SAFETY: as above.
        let target = unsafe { args::text(name_or_query, "name_or_query", SUBSCRIPTION_ARGUMENT) }?;
        // SAFETY: as above.
        let options =
            unsafe { args::optional_text(options_json, "options_json", SUBSCRIPTION_ARGUMENT) }?;
        let options = options.map_or_else(|| Ok(SubscribeOptions::default()), parse_options)?;
        let subscription = db.subscribe_with(target, options)?;
        let shared = SubscriptionShared::new(&subscription);
        out.write(handle::new::<Subscription>(shared, subscription));
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// The next change: the rows that one epoch brought.
///
/// @param subscription the subscription; exclusive
/// @param timeout_ms how long to wait for a change: -1 for ever, 0 not at all
/// @param[out] array a struct array with one child per column, owned by the caller: release it
/// @param[out] schema NULL, or its schema, owned by the caller: release it. It is the same for
///   every batch: ask once with `laminar_subscription_schema` and leave this NULL.
/// @param[out] error optional
/// @return `LAMINAR_OK` with a batch. Without one: `LAMINAR_AGAIN` (nothing came in time),
///   `LAMINAR_LAGGED` (rows were missed: see `laminar_subscription_lagged`), `LAMINAR_RESET` (the
///   next batch is the whole content), `LAMINAR_END` (cancelled, dropped or closed),
///   `LAMINAR_BUSY`, or an error: `LAMINAR_STREAM_FAILED`, `LAMINAR_SUBSCRIPTION_FAILED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_poll(
    subscription: *mut Subscription,
    timeout_ms: i64,
    array: *mut ArrowArray,
    schema: *mut ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { clear_array(array) };
    // SAFETY: as above.
    unsafe { clear_schema(schema) };
    let work = || {
        if array.is_null() {
            return Err(args::null("array", SUBSCRIPTION_ARGUMENT));
        }
        // SAFETY: as above.
        let mut subscription = unsafe { handle::exclusive(subscription, SUBSCRIPTION_ARGUMENT) }?;
        let timeout = timeout(timeout_ms)?;
        let (shared, consumer) = subscription.parts();
        let change = match next(consumer, timeout)? {
            Ok(change) => change,
            Err(outcome) => return Ok(outcome),
        };
        match change {
            PolledChange::Batch(change) => {
                shared.remember(change.epoch, change.weights.as_deref());
                // SAFETY: `array` is not NULL, otherwise as above.
                unsafe { shared.exporter.write(change.batch, array, schema) }?;
            }
            PolledChange::Rows(rows, epoch) => {
                shared.remember(epoch, rows.weights());
                // SAFETY: as above.
                unsafe { shared.exporter.write_rows(rows, array, schema) }?;
            }
        }
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Like `laminar_poll`, with the batch as an Arrow IPC stream of its own: its schema, then the one
/// batch.
///
/// @param subscription the subscription; exclusive
/// @param timeout_ms how long to wait for a change: -1 for ever, 0 not at all
/// @param[out] data the bytes, owned by the caller: free them with `laminar_bytes_free`
/// @param[out] length how many there are
/// @param[out] error optional
/// @return as for `laminar_poll`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_poll_ipc(
    subscription: *mut Subscription,
    timeout_ms: i64,
    data: *mut *mut u8,
    length: *mut usize,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    let out = unsafe { OutBytes::new(data, length) };
    let work = || {
        let out = out.required(SUBSCRIPTION_ARGUMENT)?;
        // SAFETY: as above.
        let mut subscription = unsafe { handle::exclusive(subscription, SUBSCRIPTION_ARGUMENT) }?;
        let timeout = timeout(timeout_ms)?;
        let (shared, consumer) = subscription.parts();
        let change = match next(consumer, timeout)? {
            Ok(PolledChange::Batch(change)) => change,
            Ok(PolledChange::Rows(rows, epoch)) => facade::ChangeBatch {
                batch: rows.to_batch()?,
                weights: rows.weights().map(|weights| weights.to_vec().into()),
                epoch,
            },
            Err(outcome) => return Ok(outcome),
        };
        shared.remember(change.epoch, change.weights.as_deref());
        out.write(ipc::encode(shared.exporter.schema(), &[change.batch])?);
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// What comes next of a subscription: a change, or the outcome that tells why there is none.
fn next(
    consumer: &mut facade::UntypedSubscription,
    timeout: Option<Duration>,
) -> Result<std::result::Result<PolledChange<'_>, Outcome>> {
    match consumer.poll_change(timeout) {
        Ok(Polled::Batch(change)) => Ok(Ok(change)),
        Ok(Polled::Empty) => Ok(Err(Outcome::Again)),
        Ok(Polled::Reset) => Ok(Err(Outcome::Reset)),
        Ok(Polled::End) => Ok(Err(Outcome::End)),
        Ok(Polled::Lagged(_)) => Ok(Err(Outcome::Lagged)),
        Err(error) if error.kind() == ErrorKind::SubscriptionClosed => Ok(Err(Outcome::End)),
        Err(error) => Err(error),
    }
}

/// The columns of the subscription's batches, as an Arrow schema of struct type.
///
/// @param subscription the subscription
/// @param[out] schema owned by the caller: release it
/// @param[out] error optional
/// @return `LAMINAR_OK`, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_subscription_schema(
    subscription: *const Subscription,
    schema: *mut ArrowSchema,
    error: *mut *mut ErrorHandle,
) -> Status {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { clear_schema(schema) };
    let work = || {
        if schema.is_null() {
            return Err(args::null("schema", SUBSCRIPTION_ARGUMENT));
        }
        // SAFETY: as above.
        let subscription = unsafe { handle::shared(subscription, SUBSCRIPTION_ARGUMENT) }?;
        // SAFETY: not NULL, otherwise as above.
        unsafe { write_schema(subscription.exporter.schema(), schema) }?;
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// The epoch that made the batch polled last.
///
/// @param subscription may be NULL
/// @return the epoch; 0 before the first batch, and for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_subscription_epoch(subscription: *const Subscription) -> u64 {
    // SAFETY: the caller keeps the conventions of the header.
    let subscription = unsafe { handle::shared(subscription, SUBSCRIPTION_ARGUMENT) };
    subscription.map_or(0, |subscription| subscription.epoch.load(Ordering::Acquire))
}

/// The weights of the batch polled last, one per row: +1 for a row that came to be, -1 for one
/// that ceased to be.
///
/// @param subscription may be NULL
/// @param[out] weights the first weight, valid until the next poll or free; NULL when there are
///   none. The argument itself may be NULL.
/// @return how many there are; 0 when every row of the batch has the weight +1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_subscription_weights(
    subscription: *const Subscription,
    weights: *mut *const i64,
) -> usize {
    // SAFETY: the caller keeps the conventions of the header.
    let (first, length) = match unsafe { handle::shared(subscription, SUBSCRIPTION_ARGUMENT) } {
        Ok(subscription) if subscription.weighted.load(Ordering::Acquire) => {
            let weights = lock(&subscription.weights);
            (weights.as_ptr(), weights.len())
        }
        _ => (std::ptr::null(), 0),
    };
    if !weights.is_null() {
        // SAFETY: as above.
        unsafe { std::ptr::write(weights, first) };
    }
    length
}

/// Rows that this subscription has missed since it was made.
///
/// @param subscription may be NULL
/// @return rows; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_subscription_lagged(subscription: *const Subscription) -> u64 {
    // SAFETY: the caller keeps the conventions of the header.
    guard::value(0, || match unsafe { handle::shared(subscription, SUBSCRIPTION_ARGUMENT) } {
        Ok(subscription) => subscription.handle.missed_rows(),
        Err(_) => 0,
    })
}

/// Ends a subscription from any thread: whoever waits in `laminar_poll` wakes, and polls answer
/// `LAMINAR_END`. Never waits.
///
/// @param subscription may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_subscription_cancel(subscription: *const Subscription) {
    guard::value((), || {
        // SAFETY: the caller keeps the conventions of the header.
        if let Ok(subscription) = unsafe { handle::shared(subscription, SUBSCRIPTION_ARGUMENT) } {
            subscription.handle.cancel();
        }
    });
}

/// Installs the one callback that tells when polling is worth while; it replaces an earlier one.
///
/// It is called at once if something waits; after that once, as soon as something comes after a
/// poll that answered `LAMINAR_AGAIN`; and at the end or failure of the subscription. So: on a
/// call, poll with `timeout_ms` 0 until `LAMINAR_AGAIN`. It runs on the thread that pushed, never
/// while the engine is locked: it may push, poll and free, and should be short. Best is to set a
/// flag and wake an event loop.
///
/// `drop(userdata)` is called exactly once, whatever this function answers: when the callback was
/// replaced or removed, when the subscription was freed, or at once on an error; but never before
/// a call of the callback that has begun has returned.
///
/// @param subscription the subscription
/// @param callback NULL removes the one installed (and `userdata` is dropped at once)
/// @param userdata handed to both functions, not looked at
/// @param drop NULL when `userdata` needs none
/// @param[out] error optional
/// @return `LAMINAR_OK`, `LAMINAR_BUSY` while another call installs one, or an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_on_ready(
    subscription: *const Subscription,
    callback: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    userdata: *mut c_void,
    drop: Option<unsafe extern "C" fn(userdata: *mut c_void)>,
    error: *mut *mut ErrorHandle,
) -> Status {
    let work = || {
        // First, so that `drop(userdata)` is called on every way out.
        let waker = Waker::new(callback, userdata, drop);
        // SAFETY: the caller keeps the conventions of the header.
        let subscription = unsafe { handle::shared(subscription, SUBSCRIPTION_ARGUMENT) }?;
        match callback {
            Some(_) => subscription.waker.install(&subscription.handle, waker)?,
            None => subscription.waker.remove(&subscription.handle),
        }
        Ok(Outcome::Ok)
    };
    // SAFETY: as above.
    unsafe { guard::call(error, work) }
}

/// Frees a subscription. A poll that is in it on another thread is cancelled; after this returns
/// no new callback of `laminar_on_ready` starts. May be called from inside that callback. Never
/// waits.
///
/// @param subscription may be NULL, which does nothing
#[unsafe(no_mangle)]
pub unsafe extern "C" fn laminar_subscription_free(subscription: *mut Subscription) {
    // SAFETY: the caller keeps the conventions of the header.
    unsafe { handle::free(subscription) };
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOptions {
    snapshot: Option<bool>,
    capacity: Option<usize>,
    on_full: Option<RawOnFull>,
    predicate: Option<String>,
    as_of_epoch: Option<Epoch>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawOnFull {
    Tell,
    Block,
    DropOldest,
}

fn parse_options(json: &str) -> Result<SubscribeOptions> {
    let raw: RawOptions = serde_json::from_str(json).map_err(|error| {
        Error::new(SUBSCRIPTION_ARGUMENT, format!("`options_json` cannot be read: {error}"))
    })?;
    let on_full = match raw.on_full {
        None | Some(RawOnFull::Tell) => OnFull::Tell,
        Some(RawOnFull::Block) => OnFull::Block,
        Some(RawOnFull::DropOldest) => OnFull::DropOldest,
    };
    let RawOptions { snapshot, capacity, predicate, as_of_epoch, .. } = raw;
    Ok(SubscribeOptions { snapshot, capacity, on_full, predicate, as_of_epoch })
}

/// The wait that `timeout_ms` asks for.
fn timeout(timeout_ms: i64) -> Result<Option<Duration>> {
    match u64::try_from(timeout_ms) {
        Ok(millis) => Ok(Some(Duration::from_millis(millis))),
        Err(_) if timeout_ms == -1 => Ok(None),
        Err(_) => Err(Error::new(
            SUBSCRIPTION_ARGUMENT,
            format!("the timeout {timeout_ms} is negative: use -1 to wait for ever, 0 not to wait"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = parse_options(r#"{"snapshot": true, "capacity": 8}"#).unwrap();
        assert_eq!((options.snapshot, options.capacity), (Some(true), Some(8)));
        assert_eq!(parse_options(r#"{"on_full": "block"}"#).unwrap().on_full, OnFull::Block);
        let error = parse_options(r#"{"snapshots": true}"#).unwrap_err();
        assert!(error.to_string().contains("snapshots"), "{error}");
        assert_eq!(error.kind().status(), 500);
    }

    #[test]
    fn timeouts_are_read() {
        assert_eq!(timeout(-1).unwrap(), None);
        assert_eq!(timeout(0).unwrap(), Some(Duration::ZERO));
        assert_eq!(timeout(i64::MAX).unwrap(), Some(Duration::from_millis(i64::MAX as u64)));
        assert!(timeout(-2).is_err());
    }
}
