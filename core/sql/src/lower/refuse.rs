//! What cannot be kept up to date, each refused by its name.

use datafusion::logical_expr::LogicalPlan;
use laminar_types::{Error, code};

use crate::parser::statement::Name;

/// `ALLOW LATENESS` of a query for whose operators no row is late.
pub(super) fn lateness() -> Error {
    let message = "ALLOW LATENESS needs a window or a join in time, as no row is late for anything \
                   else: leave it out, or group by tumble(ts, size)";
    Error::new(code::PLAN, message)
}

/// `LATE DATA TO` of a query for whose operators no row is late.
pub(super) fn late_data(sink: &Name) -> Error {
    let message = "LATE DATA TO needs a window, or a join in time whose left side has a watermark: \
                   no other row is handed on when it is late; leave it out";
    Error::new(code::PLAN, message).at(sink.position)
}

pub(super) fn plan(plan: &LogicalPlan) -> Error {
    let (what, instead) = match plan {
        LogicalPlan::Sort(_) => (
            "ORDER BY without LIMIT",
            "a stream's content has no order: order the rows of an ad-hoc SELECT, or add a LIMIT",
        ),
        LogicalPlan::Subquery(_) => ("a subquery in an expression", "create a stream for it"),
        LogicalPlan::RecursiveQuery(_) => ("WITH RECURSIVE", "create a stream for each step"),
        other => {
            return Error::unsupported(format!(
                "this version cannot run {} continuously: use an ad-hoc query",
                other.display()
            ));
        }
    };
    Error::unsupported(format!(
        "this version cannot keep {what} up to date in a continuous query: {instead}"
    ))
}
