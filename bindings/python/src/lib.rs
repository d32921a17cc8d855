//! The extension module `laminardb._laminardb`: Python's objects over the safe handles of
//! `laminar-client`.
//!
//! What blocks lets go of the interpreter's lock, and what waits looks for signals in between. What
//! is convenience and not speed (configuration, display, data frames) is written in Python beside
//! it.

mod capsule;
mod civil;
mod connection;
mod data;
mod execute;
mod exit;
mod failure;
mod from_python;
mod functions;
mod log;
mod producer;
mod query;
mod ready;
mod result;
mod source;
mod subscription;
mod to_python;
mod unlocked;
mod writer;

use pyo3::prelude::*;

/// The native part of laminardb. Import `laminardb` instead.
#[pymodule]
mod _laminardb {
    #[pymodule_export]
    use crate::connection::Connection;
    #[pymodule_export]
    use crate::execute::ExecuteResult;
    #[pymodule_export]
    use crate::exit::close_all;
    #[pymodule_export]
    use crate::query::BatchIterator;
    #[pymodule_export]
    use crate::result::{QueryResult, RowIterator};
    #[pymodule_export]
    use crate::source::Source;
    #[pymodule_export]
    use crate::subscription::Subscription;
    #[pymodule_export]
    use crate::writer::Writer;

    use super::*;
    use crate::failure::Fallible;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("__library_version__", laminar_client::version())?;
        check().map_err(PyErr::from)
    }

    fn check() -> Fallible<()> {
        Ok(laminar_client::check_abi()?)
    }
}
