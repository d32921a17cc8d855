//! `laminardb.Source`.

use std::sync::Arc;

use laminar_client::Schema;
use pyo3::prelude::*;

use crate::data::Data;
use crate::failure::Fallible;
use crate::producer::Producer;
use crate::result::pyarrow_schema;

/// A producer of one source: what is pushed is processed when the call returns. It has a watermark
/// of its own, and the watermark of the source is the smallest of its open producers. Give each
/// producing thread its own by `clone()`.
#[pyclass(frozen, module = "laminardb")]
pub struct Source {
    producer: Producer,
}

impl Source {
    pub fn new(producer: Producer) -> Self {
        Self { producer }
    }
}

#[pymethods]
impl Source {
    /// The name of the source.
    #[getter]
    fn name(&self) -> &str {
        self.producer.name()
    }

    /// The columns, as a pyarrow.Schema.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        pyarrow_schema(py, self.producer.schema())
    }

    /// Rows that are held back until start(); 0 afterwards.
    #[getter]
    fn pending(&self, py: Python<'_>) -> Fallible<u64> {
        Ok(py.detach(|| self.producer.queue())?.0)
    }

    /// Rows that may be held back until start().
    #[getter]
    fn capacity(&self, py: Python<'_>) -> Fallible<u64> {
        Ok(py.detach(|| self.producer.queue())?.1)
    }

    /// The largest watermark set here, in milliseconds, or None.
    #[getter]
    fn current_watermark(&self, py: Python<'_>) -> Option<i64> {
        py.detach(|| self.producer.watermark())
    }

    /// Pushes what `Connection.insert` takes, all of it as one epoch; returns the rows.
    fn push(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> Fallible<u64> {
        let schema: &Arc<Schema> = self.producer.schema();
        let data = Data::read(data, || Ok(Arc::clone(schema)))?;
        Ok(py.detach(|| self.producer.push(data))?)
    }

    /// As push(), for rows and single Arrow batches, but never waits for room: None when there is
    /// none, and nothing was taken.
    fn try_push(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> Fallible<Option<u64>> {
        let schema: &Arc<Schema> = self.producer.schema();
        let data = Data::read(data, || Ok(Arc::clone(schema)))?;
        Ok(py.detach(|| self.producer.try_push(data))?)
    }

    /// As try_push(), in an event loop: waits for room without a thread, as long as it takes. Limit it
    /// with asyncio.timeout().
    fn push_async<'py>(
        slf: Bound<'py, Self>,
        data: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("laminardb._async")?.getattr("push")?.call1((slf, data))
    }

    /// A descriptor that can be read when there may be room again.
    fn room_descriptor(&self, py: Python<'_>) -> Fallible<i32> {
        py.detach(|| self.producer.room_descriptor())
    }

    /// Takes back what was told of room, before another try.
    fn clear_room(&self, py: Python<'_>) {
        py.detach(|| self.producer.clear_room());
    }

    /// Says that every row of this producer up to this event time (milliseconds) has been pushed.
    fn watermark(&self, py: Python<'_>, ts_ms: i64) -> Fallible<()> {
        Ok(py.detach(|| self.producer.set_watermark(ts_ms))?)
    }

    /// Says that this producer sends nothing any more; a later push through it is refused. When
    /// every producer of the source has said so or is closed, all windows close.
    fn end_of_input(&self, py: Python<'_>) -> Fallible<()> {
        Ok(py.detach(|| self.producer.end_of_input())?)
    }

    /// One more producer of the same source, for another thread.
    fn clone(&self, py: Python<'_>) -> Fallible<Self> {
        Ok(Self::new(py.detach(|| self.producer.try_clone())?))
    }

    /// Gives the producer up, so that its watermark holds the source back no longer.
    fn close(&self, py: Python<'_>) -> Fallible<()> {
        Ok(py.detach(|| self.producer.close())?)
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
    ) -> Fallible<()> {
        self.close(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let state = if py.detach(|| self.producer.is_closed()) { "closed" } else { "open" };
        format!("<laminardb.Source {:?} {state}>", self.producer.name())
    }
}
