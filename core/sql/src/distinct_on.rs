//! `DISTINCT ON`: the first row of each group of rows, as a rank and a filter on it.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, Filter, LogicalPlan, Projection, Window, lit,
};

/// The name of the rank: no column of a user's can have it.
const RANK: &str = "__distinct_on_rank";

/// The same plan with `DISTINCT ON (a) ... ORDER BY a, b` as
/// `row_number() OVER (PARTITION BY a ORDER BY a, b) = 1`.
pub(crate) fn as_rank(plan: LogicalPlan) -> Result<LogicalPlan> {
    let ranked = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Distinct(Distinct::On(distinct)) => first_rows(distinct).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(ranked.data)
}

fn first_rows(distinct: DistinctOn) -> Result<LogicalPlan> {
    let DistinctOn { on_expr, select_expr, sort_expr, input, schema } = distinct;
    let mut rank = WindowFunction::new(row_number_udwf(), Vec::new());
    rank.params.partition_by = on_expr;
    rank.params.order_by = sort_expr.unwrap_or_default();
    let rank = Expr::WindowFunction(Box::new(rank)).alias(RANK);
    let window = LogicalPlan::Window(Window::try_new(vec![rank], input)?);
    let is_first =
        Expr::Column(Column::new_unqualified(RANK)).eq(lit(ScalarValue::UInt64(Some(1))));
    let filter = LogicalPlan::Filter(Filter::try_new(is_first, Arc::new(window))?);
    let projection = Projection::try_new_with_schema(select_expr, Arc::new(filter), schema)?;
    Ok(LogicalPlan::Projection(projection))
}
