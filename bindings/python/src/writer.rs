//! `laminardb.Writer`.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::data::Data;
use crate::failure::Fallible;
use crate::producer::Producer;
use crate::result::pyarrow_schema;

/// Rows that a writer gathers before it pushes them.
const BATCH_ROWS: usize = 1_024;

/// A producer that gathers rows and pushes them 1,024 at a time, at a watermark, at `flush()` and
/// when it is closed. It closes itself at the end of a `with`.
#[pyclass(frozen, module = "laminardb")]
pub struct Writer {
    producer: Producer,
}

impl Writer {
    pub fn new(producer: Producer) -> Self {
        Self { producer }
    }
}

#[pymethods]
impl Writer {
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

    /// The largest watermark set here, in milliseconds, or None.
    #[getter]
    fn current_watermark(&self, py: Python<'_>) -> Option<i64> {
        py.detach(|| self.producer.watermark())
    }

    /// Whether the writer, or its database, was closed.
    #[getter]
    fn is_closed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.producer.is_closed())
    }

    /// Takes what `Connection.insert` takes and returns the rows. Wrong data raises IngestionError
    /// naming the column, and nothing of it is taken; what was taken before stays.
    fn insert(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> Fallible<u64> {
        let data = Data::read(data, || Ok(Arc::clone(self.producer.schema())))?;
        Ok(py.detach(|| self.producer.gather(data, BATCH_ROWS))?)
    }

    /// As insert(), for rows, which are gathered and not pushed, and single Arrow batches; never waits
    /// for room: None when there is none, and nothing was taken.
    fn try_insert(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> Fallible<Option<u64>> {
        let data = Data::read(data, || Ok(Arc::clone(self.producer.schema())))?;
        Ok(py.detach(|| self.producer.try_gather(data))?)
    }

    /// Rows that are gathered.
    #[getter]
    fn gathered(&self, py: Python<'_>) -> Fallible<usize> {
        Ok(py.detach(|| self.producer.gathered())?)
    }

    /// As flush(), but never waits for room: None when there is none.
    fn try_flush(&self, py: Python<'_>) -> Fallible<Option<u64>> {
        Ok(py.detach(|| self.producer.try_flush())?)
    }

    /// A descriptor that can be read when there may be room again.
    fn room_descriptor(&self, py: Python<'_>) -> Fallible<i32> {
        py.detach(|| self.producer.room_descriptor())
    }

    /// Takes back what was told of room, before another try.
    fn clear_room(&self, py: Python<'_>) {
        py.detach(|| self.producer.clear_room());
    }

    /// Pushes the rows gathered, then says that every row of this writer up to this event time
    /// (milliseconds) has been pushed.
    fn watermark(&self, py: Python<'_>, ts_ms: i64) -> Fallible<()> {
        Ok(py.detach(|| self.producer.set_watermark(ts_ms))?)
    }

    /// Pushes the rows gathered, then says that this writer sends nothing any more; a later insert
    /// through it is refused. When every producer of the source has said so or is closed, all
    /// windows close.
    fn end_of_input(&self, py: Python<'_>) -> Fallible<()> {
        Ok(py.detach(|| self.producer.end_of_input())?)
    }

    /// Pushes the rows gathered; returns how many.
    fn flush(&self, py: Python<'_>) -> Fallible<u64> {
        Ok(py.detach(|| self.producer.flush())?)
    }

    /// Pushes the rows gathered and gives the writer up; when there is no room for them it stays
    /// open. The second time it does nothing.
    fn close(&self, py: Python<'_>) -> Fallible<()> {
        Ok(py.detach(|| self.producer.close())?)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Closes the writer. An error of the block goes before one of the last push.
    fn __exit__(
        &self,
        py: Python<'_>,
        class: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> Fallible<()> {
        match self.close(py) {
            Err(_) if !class.is_none() => Ok(()),
            closed => closed,
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let state = if self.is_closed(py) { "closed" } else { "open" };
        format!("<laminardb.Writer {:?} {state}>", self.producer.name())
    }
}
