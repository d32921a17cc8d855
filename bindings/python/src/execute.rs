//! `laminardb.ExecuteResult`.

use laminar_client::{Error, Executed};
use pyo3::prelude::*;

use crate::failure::Fallible;
use crate::result::QueryResult;

/// What a statement did.
#[pyclass(frozen, module = "laminardb")]
pub struct ExecuteResult {
    executed: Executed,
}

impl ExecuteResult {
    pub fn new(executed: Executed) -> Self {
        Self { executed }
    }
}

#[pymethods]
impl ExecuteResult {
    /// "ddl" (CREATE, DROP, ALTER), "dml" (INSERT, UPDATE, DELETE), "query" (it answered rows), or
    /// "utility" (all else).
    #[getter]
    fn result_type(&self) -> &'static str {
        let Executed::Statement { statement, .. } = &self.executed else {
            return "query";
        };
        let verb = statement.split_whitespace().next().unwrap_or_default();
        match verb.to_ascii_uppercase().as_str() {
            "CREATE" | "DROP" | "ALTER" => "ddl",
            "INSERT" | "UPDATE" | "DELETE" => "dml",
            _ => "utility",
        }
    }

    /// Rows inserted, updated or deleted; the rows answered by a query.
    #[getter]
    fn rows_affected(&self) -> u64 {
        match &self.executed {
            Executed::Rows(rows) => rows.num_rows() as u64,
            Executed::Statement { rows_affected, .. } => *rows_affected,
        }
    }

    /// The words of a definition, such as "CREATE SOURCE"; None for other statements.
    #[getter]
    fn ddl_type(&self) -> Option<&str> {
        match &self.executed {
            Executed::Statement { statement, .. } if self.result_type() == "ddl" => Some(statement),
            _ => None,
        }
    }

    /// The name of what was defined; None for other statements.
    #[getter]
    fn ddl_object(&self) -> Option<&str> {
        match &self.executed {
            Executed::Statement { object, .. } if self.result_type() == "ddl" => {
                Some(object.as_str()).filter(|object| !object.is_empty())
            }
            _ => None,
        }
    }

    /// The rows of a query. Raises QueryError for other statements.
    fn to_query_result(&self) -> Fallible<QueryResult> {
        match &self.executed {
            Executed::Rows(rows) => Ok(QueryResult::new(rows.clone())),
            Executed::Statement { statement, .. } => Err(Error::new(
                laminar_client::sys::LAMINAR_QUERY_FAILED,
                4001,
                format!("{statement} has no rows"),
            )
            .into()),
        }
    }

    fn __int__(&self) -> u64 {
        self.rows_affected()
    }

    fn __repr__(&self) -> String {
        let kind = self.result_type();
        match (self.ddl_type(), self.ddl_object()) {
            (Some(ddl), Some(object)) => {
                format!("<laminardb.ExecuteResult {kind}: {ddl} {object}>")
            }
            _ => format!("<laminardb.ExecuteResult {kind}: {} rows>", self.rows_affected()),
        }
    }
}
