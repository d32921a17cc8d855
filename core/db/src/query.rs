//! [`Query`], the rows of an ad-hoc query.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use laminar_types::{Error, Result, code};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

/// The rows of one query over one consistent epoch.
///
/// Dropping it ends the work behind it.
pub struct Query {
    schema: SchemaRef,
    rows: Rows,
    canceller: QueryCanceller,
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
        Self { schema, rows, canceller: QueryCanceller::default() }
    }

    /// Rows that a task sends.
    pub(crate) fn running(
        schema: SchemaRef,
        batches: mpsc::Receiver<Result<RecordBatch>>,
        task: AbortHandle,
    ) -> Self {
        let rows = Rows::Running { batches, task };
        Self { schema, rows, canceller: QueryCanceller::default() }
    }

    /// The columns of the rows.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next batch, or `None` at the end. Waits for it. May be called on any thread, that of
    /// an asynchronous runtime included, which it then blocks.
    pub fn next_blocking(&mut self) -> Result<Option<RecordBatch>> {
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

    /// A handle by which another thread cancels the query.
    pub fn canceller(&self) -> QueryCanceller {
        self.canceller.clone()
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        if let Rows::Running { task, .. } = &self.rows {
            task.abort();
        }
    }
}

/// Cancels a query from any thread.
#[derive(Clone, Default)]
pub struct QueryCanceller(Arc<Cancel>);

#[derive(Default)]
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

    fn is_cancelled(&self) -> bool {
        self.0.is_set.load(Ordering::Acquire)
    }

    async fn cancelled(&self) {
        let changed = self.0.changed.notified();
        let mut changed = pin!(changed);
        // Registered before the flag is read, so that no call between the two is missed.
        changed.as_mut().enable();
        if !self.is_cancelled() {
            changed.await;
        }
    }
}

fn cancelled() -> Error {
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
