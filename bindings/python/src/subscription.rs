//! `laminardb.Subscription`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use laminar_client::{Canceller, Error, Polled, Schema};
use pyo3::prelude::*;

use crate::failure::{Failure, Fallible};
use crate::ready::Ready;
use crate::result::{QueryResult, pyarrow_schema};
use crate::unlocked::Unlocked;

/// How long a wait goes on before Python may handle a signal.
const SLICE: Duration = Duration::from_millis(50);

/// The changes of a stream or a query, batch by batch. Waiting lets other threads run; Ctrl-C
/// interrupts it. Any thread may cancel.
///
/// Batches of results that can be taken back carry `weights`. After `cancel()` there is nothing
/// more to come; after the connection was closed a call raises ConnectionError. Changes that were
/// missed raise SubscriptionError with code SUBSCRIPTION_LAGGED, after which the subscription goes
/// on.
#[pyclass(frozen, module = "laminardb")]
pub struct Subscription {
    name: String,
    schema: Arc<Schema>,
    canceller: Unlocked<Canceller>,
    /// Set when the database was closed.
    closed: Arc<AtomicBool>,
    ended: AtomicBool,
    epoch: AtomicU64,
    polling: Mutex<Polling>,
    ready: OnceLock<Ready>,
}

struct Polling {
    subscription: Unlocked<laminar_client::Subscription>,
    /// The next batch is the whole content.
    is_reset: bool,
}

/// What one slice of waiting brought.
enum Slice {
    Batch(QueryResult),
    Nothing,
    End,
}

impl Subscription {
    pub fn new(
        name: String,
        subscription: laminar_client::Subscription,
        closed: Arc<AtomicBool>,
    ) -> Self {
        Self {
            name,
            schema: Arc::clone(subscription.schema()),
            canceller: Unlocked::new(subscription.canceller()),
            closed,
            ended: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            polling: Mutex::new(Polling {
                subscription: Unlocked::new(subscription),
                is_reset: false,
            }),
            ready: OnceLock::new(),
        }
    }

    /// Waits in slices until there is a batch, the end, or no time left.
    fn wait(&self, py: Python<'_>, deadline: Option<Instant>) -> Fallible<Option<QueryResult>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed().into());
        }
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            let polled = py.detach(|| {
                let mut polling =
                    self.polling.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                self.poll(&mut polling, slice)
            })?;
            match polled {
                Slice::Batch(batch) => return Ok(Some(batch)),
                Slice::End => return Ok(None),
                Slice::Nothing if left.is_some_and(|left| left <= slice) => return Ok(None),
                Slice::Nothing => py.check_signals()?,
            }
        }
    }

    fn poll(&self, polling: &mut MutexGuard<'_, Polling>, wait: Duration) -> Fallible<Slice> {
        if self.ended.load(Ordering::Acquire) {
            return Ok(Slice::End);
        }
        // Rounded up, so that a wait is never cut to a spin.
        let wait_ms = wait.as_nanos().div_ceil(1_000_000) as i64;
        match polling.subscription.poll(wait_ms) {
            Ok(Polled::Batch { rows, epoch, weights }) => {
                self.epoch.store(epoch, Ordering::Release);
                let is_reset = std::mem::take(&mut polling.is_reset);
                let result = QueryResult::change(rows, epoch, weights, is_reset);
                Ok(Slice::Batch(result))
            }
            Ok(Polled::Nothing) => Ok(Slice::Nothing),
            Ok(Polled::End) => {
                self.ended.store(true, Ordering::Release);
                Ok(Slice::End)
            }
            Ok(Polled::Reset) => {
                polling.is_reset = true;
                self.poll(polling, wait)
            }
            Ok(Polled::Lagged(rows)) => Err(Error::new(
                laminar_client::sys::LAMINAR_SUBSCRIPTION_LAGGED,
                5301,
                format!(
                    "the subscription to `{}` has missed {rows} rows, because it was polled too \
                     seldom; the next call goes on with the oldest kept",
                    self.name
                ),
            )
            .into()),
            // The database was closed under the call.
            Err(error) if error.status() == laminar_client::sys::LAMINAR_CONNECTION_CLOSED => {
                self.ended.store(true, Ordering::Release);
                Ok(Slice::End)
            }
            Err(error) => {
                // A stream that failed sends no more; other errors leave the subscription as it was.
                if (500..700).contains(&error.status()) {
                    self.ended.store(true, Ordering::Release);
                }
                Err(Failure::Library(error))
            }
        }
    }
}

#[pymethods]
impl Subscription {
    /// The columns of the batches, as a pyarrow.Schema.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        pyarrow_schema(py, &self.schema)
    }

    /// Whether more can come: False after cancel(), after the end, and when the connection was
    /// closed.
    #[getter]
    fn is_active(&self) -> bool {
        !self.ended.load(Ordering::Acquire) && !self.closed.load(Ordering::Acquire)
    }

    /// The epoch of the last batch; 0 before the first.
    #[getter]
    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Rows that were missed since the subscription was made.
    #[getter]
    fn lagged(&self) -> u64 {
        self.canceller.lagged()
    }

    /// A descriptor that can be read when try_next() may have something, after it answered None.
    fn ready_descriptor(&self, py: Python<'_>) -> Fallible<i32> {
        py.detach(|| {
            let polling = self.polling.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if let Some(ready) = self.ready.get() {
                return Ok(ready.descriptor());
            }
            let ready = Ready::watch(&polling.subscription)?;
            Ok(self.ready.get_or_init(|| ready).descriptor())
        })
    }

    /// Takes out what made the descriptor readable; call it before try_next().
    fn clear_ready(&self) {
        if let Some(ready) = self.ready.get() {
            ready.clear();
        }
    }

    /// The next batch, waiting at most so many milliseconds; None when nothing came or will come.
    fn next_timeout(&self, py: Python<'_>, timeout_ms: u64) -> Fallible<Option<QueryResult>> {
        self.wait(py, Instant::now().checked_add(Duration::from_millis(timeout_ms)))
    }

    /// The next batch if there is one; None otherwise.
    fn try_next(&self, py: Python<'_>) -> Fallible<Option<QueryResult>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed().into());
        }
        py.detach(|| {
            let mut polling = match self.polling.try_lock() {
                Ok(polling) => polling,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Another thread waits for the next batch, and it is that thread's.
                Err(TryLockError::WouldBlock) => return Ok(None),
            };
            match self.poll(&mut polling, Duration::ZERO)? {
                Slice::Batch(batch) => Ok(Some(batch)),
                Slice::Nothing | Slice::End => Ok(None),
            }
        })
    }

    /// The next batch, waiting as long as it takes; None when nothing will come any more.
    fn next(&self, py: Python<'_>) -> Fallible<Option<QueryResult>> {
        self.wait(py, None)
    }

    /// Ends the subscription and wakes whoever waits. The second time it does nothing.
    fn cancel(&self, py: Python<'_>) {
        self.ended.store(true, Ordering::Release);
        py.detach(|| self.canceller.cancel());
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Fallible<Option<QueryResult>> {
        self.next(py)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _class: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        self.cancel(py);
    }

    fn __repr__(&self) -> String {
        let state = if self.is_active() { "active" } else { "ended" };
        format!("<laminardb.Subscription {:?} {state}>", self.name)
    }
}
