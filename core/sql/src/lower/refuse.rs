//! What cannot be kept up to date, each refused by its name.

use datafusion::logical_expr::LogicalPlan;
use laminar_types::{Error, Result};

use crate::parser::statement::{EmitTiming, StreamQuery};

pub(super) fn clauses(query: &StreamQuery) -> Result<()> {
    if let Some(emit) = &query.emit
        && matches!(emit.timing, EmitTiming::Every { .. })
    {
        return Err(Error::unsupported(
            "EMIT EVERY is not built yet: use EMIT ON UPDATE or EMIT CHANGES",
        )
        .at(emit.position));
    }
    if query.allow_lateness_ns.is_some_and(|lateness| lateness > 0) {
        return Err(Error::unsupported(
            "ALLOW LATENESS on a query is not built yet: give the source a larger watermark delay",
        ));
    }
    if let Some(sink) = &query.late_data_to {
        return Err(Error::unsupported(
            "LATE DATA TO is not built yet: late rows are counted in SHOW STREAMS",
        )
        .at(sink.position));
    }
    Ok(())
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
