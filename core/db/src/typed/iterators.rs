//! Subscriptions as iterators, which wait on the thread, and as `Stream`s, which do not.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::FusedStream;
use laminar_types::Result;

use super::subscription::Subscription;
use crate::records::FromRecordBatch;

/// The rows of a [`Subscription`] as an iterator, which waits for each on this thread and ends with
/// the subscription. In asynchronous code the subscription itself is a `Stream`.
#[derive(Debug)]
pub struct Iter<S>(S);

impl<T: FromRecordBatch> Iterator for Iter<Subscription<T>> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        self.0.recv_blocking().transpose()
    }
}

impl<T: FromRecordBatch> Iterator for Iter<&mut Subscription<T>> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        self.0.recv_blocking().transpose()
    }
}

impl<T: FromRecordBatch> IntoIterator for Subscription<T> {
    type Item = Result<T>;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        Iter(self)
    }
}

impl<'a, T: FromRecordBatch> IntoIterator for &'a mut Subscription<T> {
    type Item = Result<T>;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<&'a mut Subscription<T>> {
        Iter(self)
    }
}

/// Nothing of it is pinned: rows are moved out.
impl<T> Unpin for Subscription<T> {}

impl<T: FromRecordBatch> Stream for Subscription<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.poll_row(context).map(Result::transpose)
    }
}

impl<T: FromRecordBatch> FusedStream for Subscription<T> {
    fn is_terminated(&self) -> bool {
        self.has_ended()
    }
}
