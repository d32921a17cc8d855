//! [`QueryRows`], the rows of an ad-hoc query.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use laminar_types::{Error, Result, code};

use crate::database::LaminarDB;
use crate::query::Query;
use crate::records::{FromRecordBatch, Reader, Rows};

/// The rows of a query, each given as a `T`; an iterator that waits on the thread, and a `Stream`.
pub struct QueryRows<T> {
    query: Query,
    reader: Reader,
    ready: VecDeque<Result<T>>,
    has_failed: bool,
}

impl Query {
    /// Its rows, each given as a `T`.
    ///
    /// # Errors
    /// `SCHEMA_MISMATCH` for a column that is not there or of a type that is not read.
    pub fn rows<T: FromRecordBatch>(self) -> Result<QueryRows<T>> {
        let reader = T::reader(&self.schema())?;
        Ok(QueryRows { query: self, reader, ready: VecDeque::new(), has_failed: false })
    }
}

impl<T: FromRecordBatch> QueryRows<T> {
    fn take(&mut self, batch: Option<Result<arrow::array::RecordBatch>>) -> Option<Result<()>> {
        let read = batch?.and_then(|batch| {
            T::read_rows(&self.reader, Rows::Batch(batch, None), 0, &mut self.ready)
        });
        self.has_failed |= read.is_err();
        Some(read)
    }
}

/// Not `Iterator` and `Stream` on one type: both have a `next`.
impl<T: FromRecordBatch> IntoIterator for QueryRows<T> {
    type Item = Result<T>;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

/// The rows of a query as an iterator, which waits for them on this thread.
#[derive(Debug)]
pub struct IntoIter<T>(QueryRows<T>);

impl<T: FromRecordBatch> Iterator for IntoIter<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(row) = self.0.ready.pop_front() {
                return Some(row);
            }
            if self.0.has_failed {
                return None;
            }
            let batch = self.0.query.next_blocking().transpose();
            if let Err(error) = self.0.take(batch)? {
                return Some(Err(error));
            }
        }
    }
}

impl<T> fmt::Debug for QueryRows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryRows").field("query", &self.query).finish_non_exhaustive()
    }
}

impl<T> Unpin for QueryRows<T> {}

impl<T: FromRecordBatch> Stream for QueryRows<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Poll::Ready(Some(row));
            }
            if self.has_failed {
                return Poll::Ready(None);
            }
            let batch = ready!(Pin::new(&mut self.query).poll_next(context));
            match self.take(batch) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(())) => {}
            }
        }
    }
}

impl LaminarDB {
    /// All rows of a query, each given as a `T`.
    ///
    /// # Errors
    /// Those of the query; `SCHEMA_MISMATCH` that names the column that is not there or not read.
    pub fn query_as_blocking<T: FromRecordBatch>(&self, sql: &str) -> Result<Vec<T>> {
        self.query_blocking(sql)?.rows()?.into_iter().collect()
    }

    /// The one row of a query.
    ///
    /// # Errors
    /// As [`query_as_blocking`](Self::query_as_blocking), and `QUERY_ARGUMENT` where there is none or
    /// more than one.
    pub fn query_one_blocking<T: FromRecordBatch>(&self, sql: &str) -> Result<T> {
        one(self.query_as_blocking(sql)?)
    }
}

/// The only one.
pub(crate) fn one<T>(mut rows: Vec<T>) -> Result<T> {
    match (rows.len(), rows.pop()) {
        (1, Some(row)) => Ok(row),
        (count, _) => {
            let message = format!("the query answers {count} rows where one is asked for");
            Err(Error::new(code::QUERY_ARGUMENT, message))
        }
    }
}
