//! [`Query`], the rows of an ad-hoc query.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, Thread};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use laminar_types::{Error, Result, code};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::board::ListedQuery;

/// The rows of one query over one consistent epoch.
///
/// Dropping it ends the work behind it.
pub struct Query {
    /// Its place in the list of queries, if it has one.
    listed: Option<ListedQuery>,
    schema: SchemaRef,
    rows: Rows,
    canceller: QueryCanceller,
    /// What wakes a task that waits for rows when the query is cancelled.
    cancelled: Option<BoxFuture<'static, ()>>,
}

enum Rows {
    /// They lie ready.
    Ready(VecDeque<RecordBatch>),
    /// They come from a task of the background runtime.
    Running { batches: mpsc::Receiver<Result<RecordBatch>>, task: AbortHandle },
}

impl Query {
    /// Rows that lie ready.
    pub(crate) fn ready(schema: SchemaRef, batches: impl IntoIterator<Item = RecordBatch>) -> Self {
        let rows = Rows::Ready(batches.into_iter().collect());
        let canceller = QueryCanceller::default();
        Self { listed: None, schema, rows, canceller, cancelled: None }
    }

    /// Rows that a task sends.
    pub(crate) fn running(
        schema: SchemaRef,
        batches: mpsc::Receiver<Result<RecordBatch>>,
        task: AbortHandle,
        listed: Option<ListedQuery>,
        canceller: QueryCanceller,
    ) -> Self {
        let rows = Rows::Running { batches, task };
        Self { listed, schema, rows, canceller, cancelled: None }
    }

    /// The columns of the rows.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next batch, or `None` at the end. Waits for it. May be called on any thread, that of
    /// an asynchronous runtime included, which it then blocks.
    pub fn next_blocking(&mut self) -> Result<Option<RecordBatch>> {
        let next = self.next_of_rows();
        self.count(&next);
        next
    }

    /// The next batch, or `None` at the end. Waits for it without holding a thread.
    pub async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        poll_fn(|context| self.poll_batch(context)).await
    }

    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        let canceller = &self.canceller;
        let ended = self.cancelled.get_or_insert_with(|| {
            let canceller = canceller.clone();
            Box::pin(async move { canceller.cancelled().await })
        });
        let next = match (ended.poll_unpin(context), &mut self.rows) {
            (Poll::Ready(()), _) => {
                self.cancelled = None;
                Err(cancelled())
            }
            (Poll::Pending, Rows::Ready(batches)) => Ok(batches.pop_front()),
            (Poll::Pending, Rows::Running { batches, .. }) => {
                ready!(batches.poll_recv(context)).transpose()
            }
        };
        self.count(&next);
        Poll::Ready(next)
    }

    /// Brings the list of queries up to date.
    fn count(&self, next: &Result<Option<RecordBatch>>) {
        let Some(listed) = &self.listed else { return };
        match next {
            Ok(Some(batch)) => {
                listed.entry.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            }
            _ => listed.entry.is_finished.store(true, Ordering::Relaxed),
        }
    }

    fn next_of_rows(&mut self) -> Result<Option<RecordBatch>> {
        if self.canceller.is_cancelled() {
            return Err(cancelled());
        }
        match &mut self.rows {
            Rows::Ready(batches) => Ok(batches.pop_front()),
            Rows::Running { batches, .. } => {
                let canceller = &self.canceller;
                block_on(async {
                    tokio::select! {
                        biased;
                        () = canceller.cancelled() => Err(cancelled()),
                        batch = batches.recv() => batch.transpose(),
                    }
                })
            }
        }
    }

    /// Its number in `laminar_queries`, by which `CANCEL QUERY` finds it; `None` for rows that lay
    /// ready and those of system tables.
    pub fn id(&self) -> Option<u64> {
        self.listed.as_ref().map(|listed| listed.entry.id)
    }

    /// A handle by which another thread cancels the query.
    pub fn canceller(&self) -> QueryCanceller {
        self.canceller.clone()
    }
}

/// Its batches, which wait without holding a thread; [`Query::rows`] gives structs.
impl Stream for Query {
    type Item = Result<RecordBatch>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch>>> {
        self.poll_batch(context).map(Result::transpose)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("id", &self.id())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        if let Rows::Running { task, .. } = &self.rows {
            // A task can be aborted only where it waits; this ends it between two batches too.
            self.canceller.cancel();
            task.abort();
        }
    }
}

/// Cancels a query from any thread.
#[derive(Debug, Clone, Default)]
pub struct QueryCanceller(Arc<Cancel>);

#[derive(Debug, Default)]
struct Cancel {
    is_set: AtomicBool,
    changed: Notify,
}

impl QueryCanceller {
    /// Makes the current and every later `next_blocking` answer `CANCELLED`. Never waits.
    pub fn cancel(&self) {
        self.0.is_set.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.is_set.load(Ordering::Acquire)
    }

    pub(crate) async fn cancelled(&self) {
        let changed = self.0.changed.notified();
        let mut changed = pin!(changed);
        // Registered before the flag is read, so that no call between the two is missed.
        changed.as_mut().enable();
        if !self.is_cancelled() {
            changed.await;
        }
    }
}

pub(crate) fn cancelled() -> Error {
    Error::new(code::CANCELLED, "the query was cancelled")
}

/// Runs a future on this thread, which sleeps while there is nothing to do.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
