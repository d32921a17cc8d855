//! Errors on their way to Python.

use laminar_client::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// What can go wrong in a method: in the library, or in Python.
#[derive(Debug)]
pub enum Failure {
    Library(Error),
    Python(PyErr),
}

pub type Fallible<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Library(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure::Python(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Library(error) => {
                Python::attach(|py| exception(py, &error).unwrap_or_else(|failed| failed))
            }
            Failure::Python(error) => error,
        }
    }
}

/// The instance of the class that `laminardb._errors` has for the error's number.
fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.import(py, "laminardb._errors", "make_error")?;
    let (line, column) = error.position().unzip();
    let arguments = (error.message(), error.status(), error.code(), line, column);
    Ok(PyErr::from_value(make.call1(arguments)?))
}
