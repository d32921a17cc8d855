//! Functions written in Python as the library calls them: on a thread that pushes or queries, which
//! takes the interpreter's lock for as long.

use std::sync::Arc;

use laminar_client::{
    AggregateFunction, Array, ArraySchema, Batch, Column, Refused, RowBuffer, ScalarFunction,
    Schema, Value,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::failure::{Failure, Fallible};
use crate::from_python::value;
use crate::to_python::object;

/// A function of the values of a row.
pub struct Scalar {
    function: Py<PyAny>,
    arguments: Arc<Schema>,
    result: Arc<Schema>,
}

impl Scalar {
    pub fn new(function: Py<PyAny>, arguments: &Arc<Schema>, result: &Arc<Schema>) -> Self {
        Self { function, arguments: Arc::clone(arguments), result: Arc::clone(result) }
    }

    /// As the library registers it.
    pub fn boxed(self) -> ScalarFunction {
        Box::new(move |arguments| attached(|py| self.call(py, arguments)))
    }

    fn call(&self, py: Python<'_>, arguments: Array) -> Fallible<Array> {
        let mut results = RowBuffer::new(&self.result);
        for row in rows(py, &self.arguments, arguments)? {
            let answer = self.function.bind(py).call1(row)?;
            push(&mut results, &answer)?;
        }
        Ok(results.batch()?.into_column(0))
    }
}

/// A class whose instances take the rows of a group in, which `laminardb._functions` turns into
/// bytes and back.
pub struct Aggregate {
    class: Py<PyAny>,
    arguments: Arc<Schema>,
    state: Arc<Schema>,
    result: Arc<Schema>,
}

impl Aggregate {
    /// `state` has one column, of bytes.
    pub fn new(
        class: Py<PyAny>,
        arguments: &Arc<Schema>,
        state: &Arc<Schema>,
        result: &Arc<Schema>,
    ) -> Self {
        let (arguments, state, result) = (arguments.clone(), state.clone(), result.clone());
        Self { class, arguments, state, result }
    }

    /// The bytes of a state; `None` for the state of no rows.
    fn bytes<'py>(
        &self,
        py: Python<'py>,
        state: Option<Array>,
    ) -> Fallible<Option<Bound<'py, PyAny>>> {
        let Some(state) = state else {
            return Ok(None);
        };
        let batch = Batch::new(Arc::clone(&self.state), state)?;
        let bytes = object(py, batch.column(0).value(0)?)?;
        Ok(Some(bytes).filter(|bytes| !bytes.is_none()))
    }

    /// The state that a function of `laminardb._functions` answers.
    fn next_state<'py>(
        &self,
        py: Python<'py>,
        function: &str,
        arguments: Bound<'py, PyTuple>,
    ) -> Fallible<Array> {
        let answer = py.import("laminardb._functions")?.getattr(function)?.call1(arguments)?;
        let mut state = RowBuffer::new(&self.state);
        let bytes = answer.cast::<PyBytes>().map_err(PyErr::from)?;
        state.set(0, &Value::Bytes(bytes.as_bytes().into()))?;
        state.end_row()?;
        Ok(state.batch()?)
    }
}

impl AggregateFunction for Aggregate {
    fn update(&self, state: Option<Array>, arguments: Array) -> Result<Array, Refused> {
        attached(|py| {
            let rows = PyList::new(py, rows(py, &self.arguments, arguments)?)?;
            let state = self.bytes(py, state)?;
            self.next_state(py, "update", (self.class.bind(py), state, rows).into_pyobject(py)?)
        })
    }

    fn merge(&self, state: Array, other: Array) -> Result<Array, Refused> {
        attached(|py| {
            let (state, other) = (self.bytes(py, Some(state))?, self.bytes(py, Some(other))?);
            self.next_state(py, "merge", (self.class.bind(py), state, other).into_pyobject(py)?)
        })
    }

    fn evaluate(&self, state: Option<Array>) -> Result<Array, Refused> {
        attached(|py| {
            let state = self.bytes(py, state)?;
            let evaluate = py.import("laminardb._functions")?.getattr("evaluate")?;
            let mut result = RowBuffer::new(&self.result);
            push(&mut result, &evaluate.call1((self.class.bind(py), state))?)?;
            Ok(result.batch()?.into_column(0))
        })
    }
}

/// The type of the only column.
pub fn only_type(schema: &Schema) -> ArraySchema {
    schema.export().into_column(0)
}

/// Runs a function of Python; what it raises refuses the rows.
fn attached(work: impl FnOnce(Python<'_>) -> Fallible<Array>) -> Result<Array, Refused> {
    let answer = Python::try_attach(|py| {
        work(py).map_err(|failure| match failure {
            Failure::Library(error) => error.to_string(),
            Failure::Python(error) => error.to_string(),
        })
    });
    answer.unwrap_or_else(|| Err("the interpreter has ended".to_string()))
}

/// The rows of arguments, as tuples.
fn rows<'py>(
    py: Python<'py>,
    schema: &Arc<Schema>,
    arguments: Array,
) -> Fallible<Vec<Bound<'py, PyTuple>>> {
    let batch = Batch::new(Arc::clone(schema), arguments)?;
    let columns: Vec<Column<'_>> =
        (0..schema.fields().len()).map(|index| batch.column(index)).collect();
    let tuple = |row| -> Fallible<_> {
        let cells = columns.iter().map(|column| Ok(object(py, column.value(row)?)?));
        Ok(PyTuple::new(py, cells.collect::<Fallible<Vec<_>>>()?)?)
    };
    (0..batch.num_rows()).map(tuple).collect()
}

/// Adds a row of one value.
fn push(results: &mut RowBuffer, answer: &Bound<'_, PyAny>) -> Fallible<()> {
    let schema = Arc::clone(results.schema());
    results.set(0, &value(answer, schema.fields()[0].data_type())?)?;
    Ok(results.end_row()?)
}
