//! `laminardb.Connection`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use laminar_client::{Database, Executed, Schema};
use pyo3::prelude::*;

use crate::data::Data;
use crate::execute::ExecuteResult;
use crate::exit;
use crate::failure::Fallible;
use crate::producer::Producer;
use crate::result::QueryResult;
use crate::source::Source;
use crate::subscription::Subscription;
use crate::writer::Writer;

/// A database that is open; made by `laminardb.open`. Threads may share it. It closes itself at the
/// end of a `with`; after `close()` every call raises ConnectionError.
#[pyclass(frozen, module = "laminardb")]
pub struct Connection {
    database: Arc<Database>,
    /// Shared with what was made from this connection.
    closed: Arc<AtomicBool>,
    /// The columns of sources into which rows were inserted, until the next definition.
    columns: Mutex<HashMap<String, Arc<Schema>>>,
}

#[pymethods]
impl Connection {
    /// Opens a database; `laminardb.open` makes the configuration. None is one in memory.
    #[new]
    #[pyo3(signature = (config_json=None))]
    fn new(py: Python<'_>, config_json: Option<String>) -> Fallible<Self> {
        let database = py.detach(|| Database::open(config_json.as_deref()))?;
        let database = Arc::new(database);
        exit::note(&database);
        Ok(Self { database, closed: Arc::default(), columns: Mutex::default() })
    }

    /// Whether close() was called.
    #[getter]
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Shuts the database down. Whoever waits in a subscription wakes. The second time it does
    /// nothing.
    fn close(&self, py: Python<'_>) -> Fallible<()> {
        self.closed.store(true, Ordering::Release);
        Ok(py.detach(|| self.database.close())?)
    }

    /// Lets the streams run: what was inserted before is processed now.
    fn start(&self, py: Python<'_>) -> Fallible<()> {
        Ok(py.detach(|| self.database.start())?)
    }

    /// Runs one SQL statement of any kind.
    fn execute(&self, py: Python<'_>, sql: &str) -> Fallible<ExecuteResult> {
        let executed = py.detach(|| self.database.execute(sql))?;
        if matches!(executed, Executed::Statement { .. }) {
            self.columns.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(ExecuteResult::new(executed))
    }

    /// Runs a query and reads all of its rows.
    fn sql(&self, py: Python<'_>, sql: &str) -> Fallible<QueryResult> {
        let rows = py.detach(|| self.database.query(sql)?.collect())?;
        Ok(QueryResult::new(rows))
    }

    /// Runs a query and reads all of its rows.
    fn query(&self, py: Python<'_>, sql: &str) -> Fallible<QueryResult> {
        self.sql(py, sql)
    }

    /// The plan of a statement, or of a stream by its name, for people to read.
    fn explain(&self, py: Python<'_>, sql: &str) -> Fallible<String> {
        Ok(py.detach(|| self.database.explain(sql))?)
    }

    /// Puts rows into a source and returns how many. Takes one row (a dict), rows (an iterable of
    /// dicts), columns (a dict of sequences), a data frame of pandas or polars, and anything that
    /// hands out Arrow data. All of it lands as one epoch, or, when something does not fit,
    /// nothing: IngestionError names the column.
    fn insert(&self, py: Python<'_>, source: &str, data: &Bound<'_, PyAny>) -> Fallible<u64> {
        let data = Data::read(data, || Ok(py.detach(|| self.columns(source))?))?;
        Ok(py.detach(|| match data {
            // By name, in case that the source is another one by now.
            Data::Rows(rows) => {
                self.database.insert(source, rows.batch()?, Some(&rows.schema().export()))
            }
            Data::Array(array, schema) => self.database.insert(source, array, Some(&schema)),
            Data::Stream(stream) => self.database.insert_stream(source, stream),
        })?)
    }

    /// A writer that gathers rows for a source; use it in a `with`.
    fn writer(&self, py: Python<'_>, source: &str) -> Fallible<Writer> {
        Ok(Writer::new(py.detach(|| self.producer(source))?))
    }

    /// A producer of a source, whose pushes are processed when they return.
    fn source(&self, py: Python<'_>, name: &str) -> Fallible<Source> {
        Ok(Source::new(py.detach(|| self.producer(name))?))
    }

    /// Follows a query: its rows now, then every change of them.
    fn subscribe(&self, py: Python<'_>, sql: &str) -> Fallible<Subscription> {
        self.follow(py, sql, None)
    }

    /// Follows a stream by its name: every change from now on.
    fn subscribe_stream(&self, py: Python<'_>, name: &str) -> Fallible<Subscription> {
        self.follow(py, name, None)
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

    fn __repr__(&self) -> String {
        let state = if self.is_closed() { "closed" } else { "open" };
        format!("<laminardb.Connection {state}>")
    }
}

impl Connection {
    fn producer(&self, source: &str) -> laminar_client::Result<Producer> {
        let source = self.database.source(source)?;
        Ok(Producer::new(source, Arc::clone(&self.closed)))
    }

    /// The columns of a source. The producer that tells them is closed again at once.
    fn columns(&self, source: &str) -> laminar_client::Result<Arc<Schema>> {
        let known = || self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(columns) = known().get(source) {
            return Ok(Arc::clone(columns));
        }
        let columns = Arc::clone(self.database.source(source)?.schema());
        known().insert(source.to_string(), Arc::clone(&columns));
        Ok(columns)
    }

    fn follow(
        &self,
        py: Python<'_>,
        name_or_query: &str,
        options_json: Option<&str>,
    ) -> Fallible<Subscription> {
        let made = py.detach(|| self.database.subscribe(name_or_query, options_json))?;
        Ok(Subscription::new(name_or_query.to_string(), made, Arc::clone(&self.closed)))
    }
}
