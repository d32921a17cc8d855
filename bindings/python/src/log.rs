//! The database's log on its way to Python.

use laminar_client::LogListener;
use pyo3::prelude::*;

/// A listener that calls `listener(level, line)`. What that raises is reported as unraisable: the
/// work that the line is about goes on.
pub fn listener(listener: Py<PyAny>) -> LogListener {
    Box::new(move |level, line| {
        // None while the interpreter ends, when there is nobody to tell.
        Python::try_attach(|py| {
            if let Err(error) = listener.call1(py, (level, line)) {
                error.write_unraisable(py, Some(listener.bind(py)));
            }
        });
    })
}
