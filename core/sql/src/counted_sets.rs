//! `INTERSECT ALL` and `EXCEPT ALL` in ad-hoc queries: how often a row stands on each side counts.
//!
//! DataFusion's binder makes them semi and anti joins, which keep or drop every copy of a row. Here
//! the copies of a row are numbered on both sides, and join by their number too.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, NullEquality};
use datafusion::error::Result;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Projection, Window};

/// The names of the numbers: no column of a user's can have them.
const LEFT_COPY: &str = "__left_copy";
const RIGHT_COPY: &str = "__right_copy";

/// The same plan, not optimised yet, with the copies of rows numbered below these operators.
///
/// # Errors
/// None for a plan that DataFusion bound.
pub fn number_copies(plan: LogicalPlan) -> Result<LogicalPlan> {
    let numbered = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Join(join) if counts_copies(&join) => number(join).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(numbered.data)
}

/// Whether a join is one of the two: in a bound plan only set operations take NULL for equal to
/// NULL, and those without ALL have a left side without copies.
fn counts_copies(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull
        && matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
}

fn number(join: Join) -> Result<LogicalPlan> {
    let Join { left, right, mut on, join_type, join_constraint, null_equality, schema, .. } = join;
    let columns = left.schema().columns().into_iter().map(Expr::Column).collect();
    let (left, right) = (with_copies(left, LEFT_COPY)?, with_copies(right, RIGHT_COPY)?);
    let copy = |name: &str| Expr::Column(Column::new_unqualified(name));
    on.push((copy(LEFT_COPY), copy(RIGHT_COPY)));
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        None,
        join_type,
        join_constraint,
        null_equality,
        false,
    )?;
    let joined = Arc::new(LogicalPlan::Join(joined));
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(columns, joined, schema)?))
}

/// Rows with the number of each among its equals.
fn with_copies(rows: Arc<LogicalPlan>, name: &str) -> Result<LogicalPlan> {
    let mut number = WindowFunction::new(row_number_udwf(), Vec::new());
    number.params.partition_by = rows.schema().columns().into_iter().map(Expr::Column).collect();
    let number = Expr::WindowFunction(Box::new(number)).alias(name);
    Ok(LogicalPlan::Window(Window::try_new(vec![number], rows)?))
}
