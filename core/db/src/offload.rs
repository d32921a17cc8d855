//! The asynchronous calls of the database, which are what a program finds first; each has a twin
//! `*_blocking` that does the work on the caller's thread.
//!
//! A statement takes its turn for the token and may plan for a while. That is done by a thread of the
//! database's own pool, so that no executor of the caller's is held up, whichever it is: the futures
//! need no runtime around them, and nothing here starts one inside of another.
//!
//! *Invariant:* what was begun is finished. A future that is dropped gives up the answer, not the
//! statement.

use std::time::Duration;

use laminar_types::{Epoch, Error, Result, code, outside};
use tokio::task::JoinHandle;

use crate::adhoc::Background;
use crate::database::{ExecuteResult, LaminarDB, Shared};
use crate::query::Query;
use crate::records::{FromRecordBatch, Record};
use crate::typed::Source;

impl LaminarDB {
    /// Runs one statement of any kind.
    ///
    /// # Errors
    /// Those of the statement, with the place in the text.
    pub async fn execute(&self, sql: &str) -> Result<ExecuteResult> {
        let (db, sql) = (self.clone(), sql.to_string());
        self.shared.offload(move || db.execute_blocking(&sql)).await?
    }

    /// Runs a query over one consistent epoch; its batches come as they are computed.
    ///
    /// # Errors
    /// Those of the query, and `QUERY_ARGUMENT` for a statement that answers no rows.
    pub async fn query(&self, sql: &str) -> Result<Query> {
        let (db, sql) = (self.clone(), sql.to_string());
        self.shared.offload(move || db.query_blocking(&sql)).await?
    }

    /// All rows of a query, each given as a `T`. [`Query::rows`] gives them one by one.
    ///
    /// # Errors
    /// Those of the query; `SCHEMA_MISMATCH` that names the column that is not there or not read.
    pub async fn query_as<T: FromRecordBatch + Send + 'static>(&self, sql: &str) -> Result<Vec<T>> {
        let (db, sql) = (self.clone(), sql.to_string());
        self.shared.offload(move || db.query_as_blocking(&sql)).await?
    }

    /// The one row of a query.
    ///
    /// # Errors
    /// As [`query_as`](Self::query_as), and `QUERY_ARGUMENT` where there is none or more than one.
    pub async fn query_one<T: FromRecordBatch + Send + 'static>(&self, sql: &str) -> Result<T> {
        let (db, sql) = (self.clone(), sql.to_string());
        self.shared.offload(move || db.query_one_blocking(&sql)).await?
    }

    /// Creates a source with a column for each field of a record, its event time with a watermark,
    /// and opens a producer.
    ///
    /// # Errors
    /// `EXISTS`; `INVALID_SCHEMA` for a field of a type that no column has.
    pub async fn create_source<T: Record + 'static>(&self, name: &str) -> Result<Source<T>> {
        let (db, name) = (self.clone(), name.to_string());
        self.shared.offload(move || db.create_source_blocking(&name)).await?
    }

    /// Starts the streams: what was pushed before is run now, in its order. Idempotent.
    ///
    /// # Errors
    /// `CLOSED`.
    pub async fn start(&self) -> Result<()> {
        let db = self.clone();
        self.shared.offload(move || db.start_blocking()).await?
    }

    /// Ends the database, as [`shutdown`](Self::shutdown) does.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    pub async fn stop(&self) -> Result<()> {
        self.shutdown().await
    }

    /// Ends every subscription, once it is drained, and refuses every later call. Idempotent.
    ///
    /// # Errors
    /// `IN_USE` from inside a function that the engine calls.
    pub async fn shutdown(&self) -> Result<()> {
        let db = self.clone();
        self.shared.offload(move || db.shutdown_blocking()).await?
    }

    /// Takes a checkpoint and answers its number.
    ///
    /// # Errors
    /// `UNSUPPORTED` for a database in memory, which all are at present.
    pub async fn checkpoint(&self) -> Result<Epoch> {
        let db = self.clone();
        self.shared.offload(move || db.checkpoint_blocking()).await?
    }
}

impl Shared {
    /// Runs a job on a thread of the pool.
    ///
    /// # Errors
    /// `IN_USE` from inside a function that the engine calls: the job could need the token, and
    /// whoever waits here holds it. `PANIC` for a job that panicked.
    pub(crate) async fn offload<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R> {
        if outside::is_inside() {
            let message = "a function that the engine calls cannot wait for the database";
            return Err(Error::new(code::IN_USE, message));
        }
        let done = self.background.runtime()?.spawn_blocking(job).await;
        done.map_err(|ended| match ended.try_into_panic() {
            Ok(payload) => Error::from_panic("the call", &*payload),
            Err(ended) => Error::internal(format!("the call's thread ended: {ended}")),
        })
    }
}

impl Background {
    /// Waits so long; less when the database ends.
    pub(crate) fn sleep(&self, time: Duration) -> Result<impl Future<Output = ()> + use<>> {
        // The clock of a sleep is that of the runtime in which it is made.
        let sleep = async move { tokio::time::sleep(time).await };
        let timer = AbortOnDrop(self.runtime()?.spawn(sleep));
        Ok(async move {
            let mut timer = timer;
            let _ = (&mut timer.0).await;
        })
    }
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
