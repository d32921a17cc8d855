//! `laminardb.BatchIterator`.

use std::sync::{Mutex, PoisonError};

use laminar_client::{Query, QueryCanceller};
use pyo3::prelude::*;

use crate::failure::Fallible;
use crate::result::QueryResult;
use crate::unlocked::Unlocked;

/// The batches of a query, one after another, each as a QueryResult. They are computed as they are
/// read.
#[pyclass(frozen, module = "laminardb")]
pub struct BatchIterator {
    id: u64,
    canceller: Unlocked<QueryCanceller>,
    /// `None` after the end.
    query: Mutex<Option<Unlocked<Query>>>,
}

impl BatchIterator {
    pub fn new(query: Query) -> Self {
        let canceller = Unlocked::new(query.canceller());
        Self { id: query.id(), canceller, query: Mutex::new(Some(Unlocked::new(query))) }
    }
}

#[pymethods]
impl BatchIterator {
    /// The number of the query, for `Connection.cancel_query`; 0 when it is not listed.
    #[getter]
    fn query_id(&self) -> u64 {
        self.id
    }

    /// Cancels the query: reading on raises QueryError with code QUERY_CANCELLED.
    fn cancel(&self, py: Python<'_>) {
        py.detach(|| self.canceller.cancel());
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Fallible<Option<QueryResult>> {
        py.detach(|| {
            let mut query = self.query.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(open) = query.as_mut() else {
                return Ok(None);
            };
            match open.next_batch()? {
                Some(batch) => Ok(Some(QueryResult::new(batch.into()))),
                None => {
                    query.take();
                    Ok(None)
                }
            }
        })
    }
}
