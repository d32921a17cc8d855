//! `laminardb.QueryResult`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use laminar_client::{Batch, Column, Rows, Schema};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCapsule, PyDict, PyList, PyTuple};

use crate::capsule::{schema_capsule, stream_capsule};
use crate::failure::Fallible;
use crate::to_python::object;

/// Rows: of a query, or of one change of a subscription. They never change, and other libraries
/// share them without a copy through Arrow's capsules.
#[pyclass(frozen, module = "laminardb")]
pub struct QueryResult {
    rows: Rows,
    change: Option<Change>,
    /// The row that fetchone() gives next.
    cursor: AtomicUsize,
}

/// What a batch of a subscription says besides its rows.
struct Change {
    epoch: u64,
    weights: Option<Vec<i64>>,
    is_reset: bool,
}

impl QueryResult {
    pub fn new(rows: Rows) -> Self {
        Self { rows, change: None, cursor: AtomicUsize::new(0) }
    }

    pub fn change(batch: Batch, epoch: u64, weights: Option<Vec<i64>>, is_reset: bool) -> Self {
        let change = Some(Change { epoch, weights, is_reset });
        Self { change, ..Self::new(batch.into()) }
    }
}

#[pymethods]
impl QueryResult {
    /// How many rows there are.
    #[getter]
    fn num_rows(&self) -> usize {
        self.rows.num_rows()
    }

    /// How many columns there are.
    #[getter]
    fn num_columns(&self) -> usize {
        self.rows.schema().fields().len()
    }

    /// How many Arrow batches the rows lie in.
    #[getter]
    fn num_batches(&self) -> usize {
        self.rows.batches().len()
    }

    /// The names of the columns.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        self.rows.schema().fields().iter().map(|field| field.name()).collect()
    }

    /// The columns, as a pyarrow.Schema.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        pyarrow_schema(py, self.rows.schema())
    }

    /// The epoch of a change of a subscription; None for a query.
    #[getter]
    fn epoch(&self) -> Option<u64> {
        self.change.as_ref().map(|change| change.epoch)
    }

    /// For each row +1 if it came and -1 if it went; None when every row came.
    #[getter]
    fn weights(&self) -> Option<Vec<i64>> {
        self.change.as_ref().and_then(|change| change.weights.clone())
    }

    /// Whether changes were missed and these rows are the whole content from which to go on.
    #[getter]
    fn is_reset(&self) -> bool {
        self.change.as_ref().is_some_and(|change| change.is_reset)
    }

    /// All rows, as tuples. Does not move fetchone().
    fn fetchall<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.tuples(py, 0, usize::MAX)
    }

    /// The next row as a tuple, from the first one on; None after the last.
    fn fetchone<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let rows = self.fetchmany(py, 1)?;
        if rows.is_empty() { Ok(None) } else { rows.get_item(0).map(Some) }
    }

    /// The next rows as tuples, at most so many.
    #[pyo3(signature = (size=1))]
    fn fetchmany<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyList>> {
        let end = |at: usize| at.saturating_add(size).min(self.rows.num_rows());
        let at = self
            .cursor
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |at| Some(end(at)))
            .unwrap_or_else(|at| at);
        self.tuples(py, at, end(at) - at)
    }

    /// The columns by name, each a list of its values.
    fn to_dicts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for (index, field) in self.rows.schema().fields().iter().enumerate() {
            let values = PyList::empty(py);
            for batch in self.rows.batches() {
                let column = batch.column(index);
                for row in 0..batch.num_rows() {
                    values.append(cell(py, &column, row)?)?;
                }
            }
            columns.set_item(field.name(), values)?;
        }
        Ok(columns)
    }

    /// A pyarrow.Table that shares the rows.
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        frames(slf.py(), "to_arrow")?.call1((slf,))
    }

    /// A pyarrow.Table that shares the rows.
    fn arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::to_arrow(slf)
    }

    /// A pandas.DataFrame.
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        frames(slf.py(), "to_pandas")?.call1((slf,))
    }

    /// A pandas.DataFrame.
    fn df<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::to_pandas(slf)
    }

    /// A polars.DataFrame, or with `lazy` a polars.LazyFrame.
    #[pyo3(signature = (lazy=false))]
    fn to_polars<'py>(slf: &Bound<'py, Self>, lazy: bool) -> PyResult<Bound<'py, PyAny>> {
        frames(slf.py(), "to_polars")?.call1((slf, lazy))
    }

    /// A polars.DataFrame, or with `lazy` a polars.LazyFrame.
    #[pyo3(signature = (lazy=false))]
    fn pl<'py>(slf: &Bound<'py, Self>, lazy: bool) -> PyResult<Bound<'py, PyAny>> {
        Self::to_polars(slf, lazy)
    }

    /// A data frame of the first library that is there: polars, pandas, pyarrow.
    fn to_df<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        frames(slf.py(), "to_df")?.call1((slf,))
    }

    /// Prints the first rows as a table.
    #[pyo3(signature = (max_rows=20))]
    fn show(slf: &Bound<'_, Self>, max_rows: usize) -> PyResult<()> {
        slf.py().import("laminardb._display")?.call_method1("show", (slf, max_rows))?;
        Ok(())
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("laminardb._display")?.call_method1("html", (slf,))
    }

    /// The rows as a stream in a capsule, shared without a copy. A requested schema is not
    /// followed.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        stream_capsule(py, self.rows.export())
    }

    /// The columns as a schema in a capsule.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema_capsule(py, self.rows.schema().export())
    }

    fn __len__(&self) -> usize {
        self.rows.num_rows()
    }

    fn __iter__(&self) -> RowIterator {
        RowIterator { rows: self.rows.clone(), next: AtomicUsize::new(0) }
    }

    fn __repr__(&self) -> String {
        let columns = self.columns().join(", ");
        format!("<laminardb.QueryResult {} rows: {columns}>", self.rows.num_rows())
    }
}

impl QueryResult {
    /// The columns and their types.
    pub fn column_types(&self) -> &Arc<Schema> {
        self.rows.schema()
    }

    /// So many rows from `start` on, as tuples.
    fn tuples<'py>(
        &self,
        py: Python<'py>,
        mut start: usize,
        mut count: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let tuples = PyList::empty(py);
        for batch in self.rows.batches() {
            let rows = batch.num_rows();
            if start >= rows {
                start -= rows;
                continue;
            }
            let end = rows.min(start.saturating_add(count));
            let columns = columns_of(batch);
            for row in start..end {
                tuples.append(tuple(py, &columns, row)?)?;
            }
            count -= end - start;
            start = 0;
            if count == 0 {
                break;
            }
        }
        Ok(tuples)
    }
}

/// The rows of a result, one after another.
#[pyclass(frozen, module = "laminardb")]
pub struct RowIterator {
    rows: Rows,
    next: AtomicUsize,
}

#[pymethods]
impl RowIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let next = self.next.fetch_add(1, Ordering::AcqRel);
        match self.rows.locate(next) {
            Some((batch, row)) => tuple(py, &columns_of(batch), row).map(Some),
            None => Ok(None),
        }
    }
}

fn columns_of(batch: &Batch) -> Vec<Column<'_>> {
    (0..batch.schema().fields().len()).map(|index| batch.column(index)).collect()
}

fn tuple<'py>(
    py: Python<'py>,
    columns: &[Column<'_>],
    row: usize,
) -> PyResult<Bound<'py, PyTuple>> {
    let cells = columns.iter().map(|column| cell(py, column, row));
    PyTuple::new(py, cells.collect::<PyResult<Vec<_>>>()?)
}

fn cell<'py>(py: Python<'py>, column: &Column<'_>, row: usize) -> PyResult<Bound<'py, PyAny>> {
    let value: Fallible<_> = column.value(row).map_err(Into::into);
    object(py, value?)
}

/// A function of `laminardb._frames`.
fn frames<'py>(py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("laminardb._frames")?.getattr(function)
}

/// The schema as pyarrow has it; ImportError when pyarrow is not there.
pub fn pyarrow_schema<'py>(py: Python<'py>, schema: &Arc<Schema>) -> PyResult<Bound<'py, PyAny>> {
    static CONVERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let convert = CONVERT.import(py, "laminardb._frames", "to_schema")?;
    convert.call1((schema_capsule(py, schema.export())?,))
}
