//! [`Subscription`], the rows of a stream as they come.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use futures::task::AtomicWaker;
use laminar_types::{Epoch, Error, Result, code};

use crate::database::{LaminarDB, Shared};
use crate::records::{FromRecordBatch, Reader, Rows};
use crate::stream::WEIGHT_COLUMN;
use crate::subscription::{
    ChangeBatch, Polled, PolledChange, SubscribeOptions, SubscriptionHandle, UntypedSubscription,
};

/// The rows of a stream as they come, each given as a `T`: a struct with `#[derive(FromRow)]`, a
/// tuple, a [`ChangeRow`](crate::ChangeRow) of either where rows can cease, or whole batches of
/// Arrow's (`RecordBatch`).
///
/// | to wait | call |
/// |---|---|
/// | never | [`poll`](Self::poll) |
/// | in asynchronous code | [`recv`](Self::recv), [`recv_timeout`](Self::recv_timeout), or its `Stream` |
/// | on this thread | [`recv_blocking`](Self::recv_blocking), [`recv_timeout_blocking`](Self::recv_timeout_blocking), or `for row in &mut subscription` |
///
/// No call needs a runtime, and none starts one on the caller's thread.
///
/// Nothing is lost silently. A subscriber that does not keep up is told by an error,
/// `SUBSCRIPTION_LAGGED` with how many rows it missed, and goes on with the oldest kept; or, where
/// rows are updated, `SUBSCRIPTION_RESET`: it is to forget what it received, and the whole content
/// comes next. Both leave the subscription as it is. A row that cannot be read as `T` is an error of
/// its own, and the next call goes on behind it.
pub struct Subscription<T> {
    inner: UntypedSubscription,
    reader: Reader,
    /// Whether its rows have weights of -1 and 1; others are given as often as their weight says.
    has_weights: bool,
    /// Rows that were read and not given yet.
    ready: VecDeque<Result<T>>,
    epoch: Epoch,
    has_ended: bool,
    /// What wakes the task that waits, once one did.
    waker: Option<Arc<AtomicWaker>>,
    shared: Weak<Shared>,
}

/// What a look found.
enum Look {
    /// Rows are ready.
    Rows,
    /// Nothing came in the time allowed.
    Empty,
}

impl<T: FromRecordBatch> Subscription<T> {
    fn new(inner: UntypedSubscription, shared: Weak<Shared>) -> Result<Self> {
        let reader = T::reader(&inner.schema())?;
        if !T::TELLS_CHANGES {
            reader.refuse_hidden_changes()?;
        }
        let has_weights = inner.schema().index_of(WEIGHT_COLUMN).is_ok();
        Ok(Self {
            inner,
            reader,
            has_weights,
            ready: VecDeque::new(),
            epoch: 0,
            has_ended: false,
            waker: None,
            shared,
        })
    }

    /// The next row if there is one now. `None` says that nothing waits, or that
    /// [nothing will come](Self::has_ended).
    ///
    /// # Errors
    /// `STREAM_FAILED`, once, when the stream stopped; what the type's documentation names.
    pub fn poll(&mut self) -> Result<Option<T>> {
        self.next_within(Some(Duration::ZERO))
    }

    /// The next row, for which it waits without holding a thread; `None` when there will be no more.
    /// A call that is given up loses nothing.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub async fn recv(&mut self) -> Result<Option<T>> {
        poll_fn(|context| self.poll_row(context)).await
    }

    /// The next row, for which it waits at most so long, without holding a thread; `None` when there
    /// will be no more.
    ///
    /// # Errors
    /// `SUBSCRIPTION_TIMEOUT` when nothing came; as [`poll`](Self::poll).
    pub async fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<T>> {
        if let Some(row) = self.poll()? {
            return Ok(Some(row));
        }
        // Without the database there will be no more, which the poll below tells.
        let Some(shared) = self.shared.upgrade() else { return self.recv().await };
        let mut timer = pin!(shared.background.sleep(timeout)?);
        drop(shared);
        poll_fn(|context| match self.poll_row(context) {
            Poll::Pending => timer.as_mut().poll(context).map(|()| Err(timed_out(timeout))),
            ready => ready,
        })
        .await
    }

    /// The next row, for which the thread waits; `None` when there will be no more.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn recv_blocking(&mut self) -> Result<Option<T>> {
        self.next_within(None)
    }

    /// The next row, for which the thread waits at most so long; `None` when there will be no more.
    ///
    /// # Errors
    /// `SUBSCRIPTION_TIMEOUT` when nothing came; as [`poll`](Self::poll).
    pub fn recv_timeout_blocking(&mut self, timeout: Duration) -> Result<Option<T>> {
        match self.next_within(Some(timeout))? {
            None if !self.has_ended => Err(timed_out(timeout)),
            row => Ok(row),
        }
    }

    /// All rows that wait now.
    ///
    /// # Errors
    /// As [`poll`](Self::poll); the rows before the error are lost to the caller, so that where rows
    /// can be missed a loop over `poll` is better.
    pub fn drain(&mut self) -> Result<Vec<T>> {
        std::iter::from_fn(|| self.poll().transpose()).collect()
    }

    /// Whether there will be no more: the stream was dropped, the database closed, or the
    /// subscription cancelled; all that was queued has been given.
    pub fn has_ended(&self) -> bool {
        self.has_ended && self.ready.is_empty()
    }

    /// The epoch that made the row given last; 0 before the first.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Polls for a row as `Stream` does, and tells the context's waker when one comes.
    pub(super) fn poll_row(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        // Registered before the look, so that what comes between the two is not missed.
        self.waker().register(context.waker());
        match self.poll() {
            Ok(None) if !self.has_ended => Poll::Pending,
            ready => Poll::Ready(ready),
        }
    }

    /// The next row within the time allowed; `None` if there is none, or will be none.
    fn next_within(&mut self, timeout: Option<Duration>) -> Result<Option<T>> {
        // The clock is looked at only when there is something to wait for.
        let mut deadline = None;
        loop {
            if let Some(row) = self.ready.pop_front() {
                return row.map(Some);
            }
            if self.has_ended {
                return Ok(None);
            }
            let left = match (timeout, deadline) {
                (Some(Duration::ZERO), _) | (None, _) => timeout,
                (Some(timeout), None) => {
                    deadline = Instant::now().checked_add(timeout);
                    Some(timeout)
                }
                (Some(_), Some(deadline)) => {
                    Some(deadline.saturating_duration_since(Instant::now()))
                }
            };
            match self.look(left)? {
                Look::Rows => {}
                Look::Empty => return Ok(None),
            }
        }
    }

    /// Reads the rows of the next change.
    fn look(&mut self, timeout: Option<Duration>) -> Result<Look> {
        let polled = self.inner.poll_change(timeout).inspect_err(|error| {
            // A stream that stopped says so once, and then there is no more.
            self.has_ended |= error.code() == code::STREAM_FAILED;
        })?;
        let rows = match polled {
            Polled::Batch(PolledChange::Rows(block, epoch)) => {
                self.epoch = epoch;
                match block.is_weighted() && !self.has_weights {
                    true => Rows::Batch(ChangeBatch::of_rows(block, epoch)?.repeated()?, None),
                    false => Rows::Block(block),
                }
            }
            Polled::Batch(PolledChange::Batch(change)) => {
                self.epoch = change.epoch;
                match self.has_weights {
                    true => Rows::Batch(change.batch, change.weights),
                    false => Rows::Batch(change.repeated()?, None),
                }
            }
            Polled::Empty => return Ok(Look::Empty),
            Polled::Lagged(rows) => return Err(lagged(rows)),
            Polled::Reset => return Err(reset()),
            Polled::End => {
                self.has_ended = true;
                return Ok(Look::Empty);
            }
        };
        T::read_rows(&self.reader, rows, self.epoch, &mut self.ready)?;
        Ok(Look::Rows)
    }

    /// The waker of the task that waits, which the engine is told of by the first one.
    fn waker(&mut self) -> &AtomicWaker {
        let inner = &self.inner;
        self.waker.get_or_insert_with(|| {
            let waker = Arc::new(AtomicWaker::new());
            let woken = Arc::clone(&waker);
            inner.handle().on_ready(Box::new(move || woken.wake()));
            waker
        })
    }
}

impl<T> Subscription<T> {
    /// The columns of its rows.
    pub fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    /// Ends it. What is queued can still be received.
    pub fn cancel(&self) {
        self.inner.handle().cancel();
    }

    /// A handle by which another thread ends it, and asks what it missed.
    pub fn handle(&self) -> SubscriptionHandle {
        self.inner.handle()
    }

    /// Rows that were missed because it did not keep up, in all.
    pub fn missed_rows(&self) -> u64 {
        self.inner.handle().missed_rows()
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("epoch", &self.epoch)
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}

impl LaminarDB {
    /// Follows a stream, view, sink or source by its name, from now on; or a query, beginning with its
    /// content.
    ///
    /// # Errors
    /// `NOT_FOUND`; those of the query; `SCHEMA_MISMATCH` where the rows cannot be given as `T`, with
    /// the column.
    pub fn subscribe<T: FromRecordBatch>(&self, target: &str) -> Result<Subscription<T>> {
        self.subscribe_as(target, SubscribeOptions::default())
    }

    /// The same, as the options say: from a snapshot, from an epoch, under a condition.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe), and for options that do not go together.
    pub fn subscribe_as<T: FromRecordBatch>(
        &self,
        target: &str,
        options: SubscribeOptions,
    ) -> Result<Subscription<T>> {
        let inner = self.subscribe_with(target, options)?;
        Subscription::new(inner, Arc::downgrade(&self.shared))
    }
}

fn timed_out(timeout: Duration) -> Error {
    let message = format!("nothing came within {timeout:?}");
    Error::new(code::SUBSCRIPTION_TIMEOUT, message)
}

fn lagged(rows: u64) -> Error {
    let message = format!(
        "{rows} rows were missed, as the subscription did not keep up: the oldest kept come next"
    );
    Error::new(code::SUBSCRIPTION_LAGGED, message)
}

fn reset() -> Error {
    Error::new(
        code::SUBSCRIPTION_RESET,
        "the subscription did not keep up: forget what was received, the whole content comes next",
    )
}
