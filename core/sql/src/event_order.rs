//! `first_value` and `last_value` without an order of their own: by event time where there is one.
//!
//! Done before columns are pruned, as the event time may serve nothing else.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use laminar_types::mutant;

use crate::catalog::Catalog;
use crate::functions::window_call;

/// Gives each `first_value` and `last_value` without `ORDER BY` the order of its input's first
/// event-time column. Rows without a time come last.
pub fn order_by_event_time(plan: LogicalPlan, catalog: &dyn Catalog) -> Result<LogicalPlan> {
    let ordered = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Aggregate(aggregate) = node else { return Ok(Transformed::no(node)) };
        let Some(time) = event_time(&aggregate.input, catalog) else {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        };
        let (qualifier, field) = aggregate.input.schema().qualified_field(time);
        let time = Expr::Column(Column::from((qualifier, field)));
        let calls: Vec<Expr> =
            aggregate.aggr_expr.iter().map(|call| ordered(call, &time)).collect();
        let Aggregate { input, group_expr, schema, .. } = aggregate;
        let aggregate = Aggregate::try_new_with_schema(input, group_expr, calls, schema)?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
    });
    ordered.map(|ordered| ordered.data)
}

/// The call in the order of a time, under the name that it has without.
fn ordered(call: &Expr, time: &Expr) -> Expr {
    let mut unnamed = call.clone().unalias();
    let Expr::AggregateFunction(aggregate) = &mut unnamed else { return call.clone() };
    let by_time =
        matches!(aggregate.func.name(), "first_value" | "last_value") && !mutant!(FirstByArrival);
    if !by_time || !aggregate.params.order_by.is_empty() {
        return call.clone();
    }
    aggregate.params.order_by = vec![Sort::new(time.clone(), true, false)];
    unnamed.alias(call.schema_name().to_string())
}

/// The first column of a plan that carries event time unchanged.
fn event_time(plan: &LogicalPlan, catalog: &dyn Catalog) -> Option<usize> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let traits = catalog.relation(scan.table_name.table())?;
            // Without a declared watermark any time could be the one that the producer means.
            let time = traits.times.first().filter(|_| traits.declared_watermark)?.column;
            match &scan.projection {
                None => Some(time),
                Some(columns) => columns.iter().position(|column| *column == time),
            }
        }
        LogicalPlan::SubqueryAlias(alias) => event_time(&alias.input, catalog),
        LogicalPlan::Filter(filter) => event_time(&filter.input, catalog),
        LogicalPlan::Projection(projection) => {
            let time = event_time(&projection.input, catalog)?;
            let (qualifier, field) = projection.input.schema().qualified_field(time);
            let column = Expr::Column(Column::from((qualifier, field)));
            projection.expr.iter().position(|expr| expr.clone().unalias() == column)
        }
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.group_expr.iter().position(|expr| window_call(expr).is_some())
        }
        LogicalPlan::Union(union) => {
            let mut times = union.inputs.iter().map(|input| event_time(input, catalog));
            let first = times.next()??;
            times.all(|time| time == Some(first)).then_some(first)
        }
        _ => None,
    }
}
