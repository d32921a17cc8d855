//! `laminardb.Connection`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use laminar_client::{Database, Error, Executed, Schema};
use pyo3::prelude::*;

use crate::data::{Data, Form, text};
use crate::execute::ExecuteResult;
use crate::exit;
use crate::failure::Fallible;
use crate::functions::{Aggregate, Scalar, only_type};
use crate::log;
use crate::producer::Producer;
use crate::query::BatchIterator;
use crate::result::QueryResult;
use crate::source::Source;
use crate::subscription::Subscription;
use crate::unlocked::Unlocked;
use crate::writer::Writer;

/// What `laminardb.Connection` extends: a database that is open. Made by `laminardb.open`. Threads
/// may share it. It closes itself at the end of a `with`; after `close()` every call raises
/// ConnectionError.
#[pyclass(frozen, subclass, module = "laminardb._laminardb")]
pub struct Connection {
    database: Unlocked<Arc<Database>>,
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
        let database = Unlocked::new(database);
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

    /// Stops the database and wakes whoever waits. Unlike after close(), subscriptions may be read
    /// to their end.
    fn shutdown(&self, py: Python<'_>) -> Fallible<()> {
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

    /// Runs a query whose rows are read batch by batch.
    fn stream(&self, py: Python<'_>, sql: &str) -> Fallible<BatchIterator> {
        Ok(BatchIterator::new(py.detach(|| self.database.query(sql))?))
    }

    /// Cancels the query, or ends the subscription, of a number that `queries()` tells; whether
    /// there was one.
    fn cancel_query(&self, py: Python<'_>, query_id: u64) -> Fallible<bool> {
        Ok(py.detach(|| self.database.cancel_query(query_id))?)
    }

    /// The plan of a statement, or of a stream by its name, for people to read.
    fn explain(&self, py: Python<'_>, sql: &str) -> Fallible<String> {
        Ok(py.detach(|| self.database.explain(sql))?)
    }

    /// Puts rows into a source and returns how many. Takes one row (a dict), rows (an iterable of
    /// dicts), columns (a dict of sequences), a data frame of pandas or polars, anything that hands
    /// out Arrow data, and text: JSON when it begins with a bracket or a brace, CSV otherwise. All
    /// of it lands as one epoch, or, when something does not fit, nothing: IngestionError names the
    /// column.
    fn insert(&self, py: Python<'_>, source: &str, data: &Bound<'_, PyAny>) -> Fallible<u64> {
        let data = Data::read(data, || Ok(py.detach(|| self.columns(source))?))?;
        Ok(py.detach(|| match data {
            // By name, in case that the source is another one by now.
            Data::Rows(rows) => {
                self.database.insert(source, rows.batch()?, Some(&rows.schema().export()))
            }
            Data::Array(array, schema) => self.database.insert(source, array, Some(&schema)),
            Data::Stream(stream) => self.database.insert_stream(source, stream),
            Data::Text(form, text) => {
                self.database.insert_encoded(source, form.encoding(None), &text)
            }
        })?)
    }

    /// Puts rows that are written as text into a source and returns how many. The form is "json" or
    /// "csv"; `laminardb.Connection` makes the options.
    #[pyo3(signature = (source, form, data, options_json=None))]
    fn insert_text(
        &self,
        py: Python<'_>,
        source: &str,
        form: &str,
        data: &Bound<'_, PyAny>,
        options_json: Option<&str>,
    ) -> Fallible<u64> {
        let form = if form == "json" { Form::Json } else { Form::Csv };
        let Some(text) = text(data)? else {
            let class = data.get_type().fully_qualified_name()?.to_string();
            let message = format!("{} is a str or bytes, not an object of {class}", form.name());
            return Err(Error::ingestion_argument(message).into());
        };
        let form = form.encoding(options_json);
        Ok(py.detach(|| self.database.insert_encoded(source, form, &text))?)
    }

    /// A writer that gathers rows for a source; use it in a `with`.
    fn writer(&self, py: Python<'_>, source: &str) -> Fallible<Writer> {
        Ok(Writer::new(py.detach(|| self.producer(source))?))
    }

    /// A producer of a source, whose pushes are processed when they return.
    fn source(&self, py: Python<'_>, name: &str) -> Fallible<Source> {
        Ok(Source::new(py.detach(|| self.producer(name))?))
    }

    /// Follows a query, a stream or a sink; `laminardb.Connection` makes the options.
    #[pyo3(signature = (name_or_query, options_json=None))]
    fn follow(
        &self,
        py: Python<'_>,
        name_or_query: &str,
        options_json: Option<&str>,
    ) -> Fallible<Subscription> {
        let made = py.detach(|| self.database.subscribe(name_or_query, options_json))?;
        Ok(Subscription::new(name_or_query.to_string(), made, Arc::clone(&self.closed)))
    }

    /// Takes a checkpoint; returns its number.
    fn take_checkpoint(&self, py: Python<'_>) -> Fallible<u64> {
        Ok(py.detach(|| self.database.checkpoint())?)
    }

    /// Tells `listener(level, line)` of the database's work, from a level (1: errors, 4: all) on;
    /// None tells nobody any more.
    fn set_log(&self, py: Python<'_>, level: i32, listener: Option<Py<PyAny>>) -> Fallible<()> {
        let listener = listener.map(log::listener);
        Ok(py.detach(|| self.database.set_log(level, listener))?)
    }

    /// Registers a scalar function; `laminardb.Connection` finds the types: those of the columns of
    /// `arguments`, and that of the one column of `result`.
    fn add_scalar(
        &self,
        py: Python<'_>,
        name: &str,
        function: Py<PyAny>,
        arguments: Option<&QueryResult>,
        result: &QueryResult,
        options_json: &str,
    ) -> Fallible<()> {
        let (arguments, result) = (argument_types(arguments), result.column_types());
        let function = Scalar::new(function, &arguments, result).boxed();
        let (arguments, result) = (arguments.export(), only_type(result));
        Ok(py.detach(|| {
            let options = Some(options_json);
            self.database.register_scalar(name, &arguments, &result, options, function)
        })?)
    }

    /// Registers an aggregate function; `laminardb.Connection` finds the types, among them that of
    /// a state, one column of bytes.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the function")]
    fn add_aggregate(
        &self,
        py: Python<'_>,
        name: &str,
        function_class: Py<PyAny>,
        arguments: Option<&QueryResult>,
        state: &QueryResult,
        result: &QueryResult,
        options_json: &str,
    ) -> Fallible<()> {
        let (arguments, state) = (argument_types(arguments), state.column_types());
        let result = result.column_types();
        let function = Box::new(Aggregate::new(function_class, &arguments, state, result));
        let (arguments, state) = (arguments.export(), state.export());
        let result = only_type(result);
        Ok(py.detach(|| {
            let options = Some(options_json);
            self.database.register_aggregate(name, &arguments, &state, &result, options, function)
        })?)
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

/// The types of the columns that stand for arguments, of which there may be none.
fn argument_types(arguments: Option<&QueryResult>) -> Arc<Schema> {
    arguments.map_or_else(|| Arc::new(Schema::empty()), |types| Arc::clone(types.column_types()))
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
}
