//! Which columns a `state_ttl` goes by, so that others that nothing reads can be left out.
//!
//! A row of a join, and a group, is forgotten by an event time of what the join or the grouping reads,
//! whether the query reads that or not. [`marked`] puts a filter over each such input that reads its
//! event times; with it there, columns can be left out as elsewhere, and [`unmarked`] takes it away.
//!
//! Rows that can cease keep all of their columns: a change of a column that nothing reads is a row that
//! goes and one that comes, which is looked at anew, and without the column it is nothing. So do rows that
//! age by the clock: those that only keys are read of are counted by key, and one would keep the others.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Filter, JoinType, LogicalPlan, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use laminar_dataflow::Changes;

use crate::catalog::Catalog;
use crate::time_joins::time_join;

const AGED: &str = "__aged";

/// Whether no row that the joins and groupings of a plan read ever ceases, and all age by event time.
pub(crate) fn is_by_event_time(plan: &LogicalPlan, catalog: &dyn Catalog) -> bool {
    let mut all = true;
    let walked = plan.apply(|node| {
        let ages = |input: &&LogicalPlan| {
            times(input, catalog).is_some_and(|times| times.iter().any(|time| time.is_plain))
        };
        all &= !forgets(node) || node.inputs().iter().all(ages);
        Ok(if all { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    all && walked.is_ok()
}

/// The plan with its event times read where rows are forgotten by them.
pub(crate) fn marked(plan: LogicalPlan, catalog: &dyn Catalog) -> Result<LogicalPlan> {
    let function = Arc::new(ScalarUDF::from(Aged {
        signature: Signature::variadic_any(Volatility::Immutable),
    }));
    let plan = plan.transform_up(|node| {
        if !forgets(&node) {
            return Ok(Transformed::no(node));
        }
        let inputs = node.inputs().into_iter().map(|input| {
            let column = |time: &Time| {
                Expr::Column(Column::from(input.schema().qualified_field(time.column)))
            };
            let read = times(input, catalog).unwrap_or_default().iter().map(column).collect();
            let aged = ScalarFunction::new_udf(Arc::clone(&function), read);
            let filter = Filter::try_new(Expr::ScalarFunction(aged), Arc::new(input.clone()))?;
            Ok(LogicalPlan::Filter(filter))
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        Ok(Transformed::yes(node.with_new_exprs(node.expressions(), inputs)?))
    })?;
    Ok(plan.data)
}

/// The plan without what [`marked`] put there. What joins and groupings read has its event times now,
/// which a projection above the filter has left out.
pub(crate) fn unmarked(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up(|node| {
        if !forgets(&node) {
            return node.recompute_schema().map(Transformed::yes);
        }
        let inputs = node.inputs().into_iter().map(|input| match input {
            LogicalPlan::Projection(projection) => {
                unmarked_input(&projection.input).unwrap_or(input).clone()
            }
            input => unmarked_input(input).unwrap_or(input).clone(),
        });
        let inputs = inputs.collect();
        node.with_new_exprs(node.expressions(), inputs).map(Transformed::yes)
    })?;
    Ok(plan.data)
}

fn unmarked_input(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    match plan {
        LogicalPlan::Filter(Filter { predicate: Expr::ScalarFunction(call), input, .. }) => {
            (call.func.name() == AGED).then_some(input)
        }
        _ => None,
    }
}

fn forgets(node: &LogicalPlan) -> bool {
    matches!(node, LogicalPlan::Join(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_))
}

/// A column that event time may pass through.
#[derive(Clone, Copy)]
struct Time {
    column: usize,
    /// Whether it is a declared event time itself, not something computed of it.
    is_plain: bool,
}

/// Those of a plan whose rows only come, from inputs that all declare a watermark; `None` of others.
fn times(plan: &LogicalPlan, catalog: &dyn Catalog) -> Option<Vec<Time>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let traits = catalog.relation(scan.table_name.table())?;
            if traits.changes != Changes::AppendOnly || !traits.declared_watermark {
                return None;
            }
            let times = traits.times.iter().map(|time| time.column);
            let time = |column: usize| match &scan.projection {
                None => Some(column),
                Some(columns) => columns.iter().position(|of| *of == column),
            };
            let times = times.filter_map(time);
            Some(times.map(|column| Time { column, is_plain: true }).collect())
        }
        LogicalPlan::SubqueryAlias(alias) => times(&alias.input, catalog),
        LogicalPlan::Filter(filter) => times(&filter.input, catalog),
        LogicalPlan::Projection(projection) => {
            let below = times(&projection.input, catalog)?;
            let schema = projection.input.schema();
            let of = |column: &Column| {
                let column = schema.maybe_index_of_column(column)?;
                below.iter().find(|time| time.column == column)
            };
            let exprs = projection.expr.iter().enumerate().filter_map(|(column, expr)| {
                let expr = expr.clone().unalias();
                match &expr {
                    Expr::Column(own) => of(own).map(|time| Time { column, ..*time }),
                    expr => {
                        let reads = expr.column_refs().into_iter().any(|read| of(read).is_some());
                        reads.then_some(Time { column, is_plain: false })
                    }
                }
            });
            Some(exprs.collect())
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            let mut conditions = join.filter.iter().flat_map(|filter| split_conjunction(filter));
            if conditions.any(|condition| time_join(condition).is_some()) {
                return None;
            }
            let mut both = times(&join.left, catalog)?;
            let width = join.left.schema().fields().len();
            let right = times(&join.right, catalog)?.into_iter();
            both.extend(right.map(|time| Time { column: time.column + width, ..time }));
            Some(both)
        }
        _ => None,
    }
}

/// Reads event times. Nobody asks it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Aged {
    signature: Signature,
}

impl ScalarUDFImpl for Aged {
    fn name(&self) -> &str {
        AGED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{AGED} is gone before anything runs")
    }
}
