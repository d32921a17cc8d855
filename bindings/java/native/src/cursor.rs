//! Results that are read batch by batch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use jni::objects::JByteArray;
use jni::sys::jlong;
use laminar_client::sys::LAMINAR_CONNECTION_IN_USE;
use laminar_client::{Error, Query, QueryCanceller, Rows, Schema};

use crate::batch::Held;
use crate::bytes::array;
use crate::failure::Fallible;
use crate::handle::{give, lend, take};
use crate::native;

/// A result: of a query that runs, or rows that are there.
pub struct Cursor {
    schema: Arc<Schema>,
    batches: Batches,
}

enum Batches {
    Running { query: Mutex<Query>, canceller: QueryCanceller, id: u64 },
    There { rows: Rows, next: AtomicUsize },
}

impl Cursor {
    pub fn query(query: Query) -> Self {
        let (canceller, id) = (query.canceller(), query.id());
        let schema = Arc::clone(query.schema());
        Self { schema, batches: Batches::Running { query: Mutex::new(query), canceller, id } }
    }

    pub fn rows(rows: Rows) -> Self {
        let schema = Arc::clone(rows.schema());
        Self { schema, batches: Batches::There { rows, next: AtomicUsize::new(0) } }
    }

    fn next(&self) -> Fallible<Option<Held>> {
        let batch = match &self.batches {
            Batches::Running { query, .. } => enter(query)?.next_batch()?,
            Batches::There { rows, next } => {
                rows.batches().get(next.fetch_add(1, Ordering::Relaxed)).cloned()
            }
        };
        Ok(batch.map(|batch| Held { batch, weights: None }))
    }
}

fn enter(query: &Mutex<Query>) -> Fallible<MutexGuard<'_, Query>> {
    match query.try_lock() {
        Ok(query) => Ok(query),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(in_use("the result").into()),
    }
}

/// A handle that another thread is in, or this one from inside of a call.
pub fn in_use(what: &str) -> Error {
    Error::new(
        LAMINAR_CONNECTION_IN_USE,
        1201,
        format!("{what} is in use by another call; give each thread its own"),
    )
}

native! {
    fn Java_io_laminardb_Native_cursorSchema<'local>(_env, cursor: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(give(Arc::clone(&unsafe { lend::<Cursor>(cursor) }.schema)))
    }

    /// The next batch; 0 at the end.
    fn Java_io_laminardb_Native_cursorNext<'local>(_env, cursor: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(unsafe { lend::<Cursor>(cursor) }.next()?.map_or(0, give))
    }

    /// All that is left of a running query as an Arrow IPC stream.
    fn Java_io_laminardb_Native_cursorIpc<'local>(env, cursor: jlong) -> JByteArray<'local> {
        // SAFETY: Java keeps the handle alive through the call.
        let ipc = match &unsafe { lend::<Cursor>(cursor) }.batches {
            Batches::Running { query, .. } => enter(query)?.ipc()?,
            Batches::There { .. } => {
                let words = "the rows of a statement have no IPC form; use query()";
                return Err(Error::unsupported(words).into());
            }
        };
        array(env, &ipc)
    }

    /// The number of a running query; 0 when it is not listed.
    fn Java_io_laminardb_Native_cursorId<'local>(_env, cursor: jlong) -> jlong {
        // SAFETY: Java keeps the handle alive through the call.
        Ok(match &unsafe { lend::<Cursor>(cursor) }.batches {
            Batches::Running { id, .. } => id.cast_signed(),
            Batches::There { .. } => 0,
        })
    }

    /// Makes the current and later calls for a batch of a running query fail.
    fn Java_io_laminardb_Native_cancelCursor<'local>(_env, cursor: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        if let Batches::Running { canceller, .. } = &unsafe { lend::<Cursor>(cursor) }.batches {
            canceller.cancel();
        }
        Ok(())
    }

    fn Java_io_laminardb_Native_freeCursor<'local>(_env, cursor: jlong) -> () {
        // SAFETY: Java frees a handle once, when nobody is in it.
        drop(unsafe { take::<Cursor>(cursor) });
        Ok(())
    }
}
