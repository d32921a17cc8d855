//! A query that is being read.

use std::sync::Arc;

use laminar_sys as sys;

use crate::arrow::{Array, ArraySchema};
use crate::encoded;
use crate::error::{check, status};
use crate::handle::Handle;
use crate::{Batch, Result, Rows, Schema};

/// The batches of a query, read one after another.
#[derive(Debug)]
pub struct Query {
    handle: Arc<Handle<sys::laminar_query>>,
    schema: Arc<Schema>,
}

/// Cancels a query from any thread.
#[derive(Debug, Clone)]
pub struct QueryCanceller(Arc<Handle<sys::laminar_query>>);

impl QueryCanceller {
    /// Makes the current and every later [`Query::next_batch`] answer QUERY_CANCELLED.
    pub fn cancel(&self) {
        // SAFETY: the handle is alive.
        unsafe { sys::laminar_query_cancel(self.0.shared()) }
    }
}

impl Query {
    pub(crate) fn new(handle: Handle<sys::laminar_query>) -> Result<Self> {
        let mut schema = ArraySchema::empty();
        // SAFETY: the handle is alive; `schema` is a struct to write into.
        unsafe {
            check(|error| sys::laminar_query_schema(handle.shared(), schema.as_mut_ptr(), error))?;
        }
        Ok(Self { handle: Arc::new(handle), schema: Arc::new(Schema::new(schema)?) })
    }

    /// Its number in `laminar_queries`; 0 when it is not listed.
    pub fn id(&self) -> u64 {
        // SAFETY: the handle is alive.
        unsafe { sys::laminar_query_id(self.handle.shared()) }
    }

    /// The columns of the result.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The next batch; `None` at the end.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        let mut array = Array::empty();
        // SAFETY: the handle is ours alone; the array is a struct to write into, the schema may be
        // left out.
        let outcome = unsafe {
            status(|error| {
                let query = self.handle.exclusive();
                sys::laminar_query_next(query, array.as_mut_ptr(), std::ptr::null_mut(), error)
            })?
        };
        match outcome {
            sys::LAMINAR_OK => Batch::new(Arc::clone(&self.schema), array).map(Some),
            sys::LAMINAR_END => Ok(None),
            // SAFETY: null is allowed.
            other => Err(unsafe { crate::Error::from_raw(other, std::ptr::null_mut()) }),
        }
    }

    /// All that is left of the result, as one Arrow IPC stream.
    pub fn ipc(&mut self) -> Result<Vec<u8>> {
        let query = self.handle.exclusive();
        // SAFETY: the handle is ours alone.
        unsafe {
            encoded::bytes(|data, length, error| sys::laminar_query_ipc(query, data, length, error))
        }
    }

    /// The means to cancel it from elsewhere.
    pub fn canceller(&self) -> QueryCanceller {
        QueryCanceller(Arc::clone(&self.handle))
    }

    /// All that is left of the result.
    pub fn collect(mut self) -> Result<Rows> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next_batch()? {
            batches.push(batch);
        }
        Ok(Rows::new(self.schema, batches))
    }
}
