//! What cannot be kept up to date, each refused by its name.

use datafusion::logical_expr::LogicalPlan;
use laminar_types::{Error, code};

use crate::parser::statement::StreamQuery;

/// The clause about late rows of a query, which has no window to be late for.
pub(super) fn lateness_clause(query: &StreamQuery) -> Option<Error> {
    let refuse = |clause: &str| {
        let message = format!("{clause} needs a window: without windows no row is ever late");
        Error::new(code::PLAN, message)
    };
    match &query.late_data_to {
        Some(sink) => Some(refuse("LATE DATA TO").at(sink.position)),
        None => query.allow_lateness_ns.map(|_| refuse("ALLOW LATENESS")),
    }
}

pub(super) fn plan(plan: &LogicalPlan) -> Error {
    let (what, instead) = match plan {
        LogicalPlan::Sort(_) => (
            "ORDER BY without LIMIT",
            "a stream's content has no order: order the rows of an ad-hoc SELECT, or add a LIMIT",
        ),
        LogicalPlan::Subquery(_) => ("a subquery in an expression", "create a stream for it"),
        LogicalPlan::Values(_) => ("VALUES", "insert the rows into a source"),
        LogicalPlan::EmptyRelation(_) => ("a query without FROM", "read a source or stream"),
        LogicalPlan::RecursiveQuery(_) => ("WITH RECURSIVE", "create a stream for each step"),
        other => {
            return Error::unsupported(format!(
                "this version cannot run {} continuously",
                other.display()
            ));
        }
    };
    Error::unsupported(format!(
        "this version cannot keep {what} up to date in a continuous query: {instead}"
    ))
}
