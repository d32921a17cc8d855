//! Joins in time in ad-hoc queries: spelled out as ordinary joins and `ROW_NUMBER`, which
//! DataFusion's batch engine runs.
//!
//! An ASOF join is one by the ranks of its right rows ([`AsofRanks`]). Where that cannot be, for a
//! condition on both sides or a key of floats, it is the join of each left row, numbered, with every
//! right row that its condition allows, of which the best one by distance and order stays, and costs
//! the number of pairs of a key. Either answers what a stream over the same rows holds when all of them are final: of right rows at
//! one time those that never change stand in the order in which they came, others in the order of
//! all their columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit as ArrowTimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as DataFusionResult, not_impl_err, plan_err};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Window, cast, lit, when,
};
use laminar_dataflow::Changes;
use laminar_dataflow::operators::AsofMatch;
use laminar_types::{Error, Result, code};

use crate::asof_ranks::AsofRanks;
use crate::catalog::Catalog;
use crate::lateral_unnest;
use crate::planner::sentence;
use crate::time_joins::{TimeJoin, resolve_joins, time_join};

/// Names that no column of a user's can have.
const LEFT_ROW: &str = "__left_row";
const RIGHT_ROW: &str = "__right_row";
const PLACE: &str = "__place";

/// The bound plan of a query that [`prepare_joins`](crate::time_joins::prepare_joins) has been
/// over, with its joins in time as ordinary ones.
///
/// # Errors
/// `UNSUPPORTED` for `FOR SYSTEM_TIME AS OF` a time over a relation that keeps its present rows
/// alone.
pub fn spell_out(plan: LogicalPlan, catalog: &dyn Catalog) -> Result<LogicalPlan> {
    let plan = resolve_joins(plan, catalog)?;
    let spelled = lateral_unnest::as_steps(plan).and_then(|plan| {
        plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) => spell_join(join, catalog),
            other => Ok(Transformed::no(other)),
        })
    });
    match spelled {
        Ok(spelled) => Ok(spelled.data),
        Err(error) => {
            let unsupported =
                matches!(error.find_root(), datafusion::error::DataFusionError::NotImplemented(_));
            let code = if unsupported { code::UNSUPPORTED } else { code::PLAN };
            Err(Error::new(code, sentence(&error)))
        }
    }
}

fn spell_join(mut join: Join, catalog: &dyn Catalog) -> DataFusionResult<Transformed<LogicalPlan>> {
    let mut marker = None;
    let mut conditions = Vec::new();
    for condition in join.filter.iter().cloned().flat_map(split_conjunction_owned) {
        match time_join(&condition) {
            Some(found) => marker = Some(found),
            None => conditions.push(condition),
        }
    }
    let Some(marker) = marker else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
    join.filter = conjunction(conditions);
    let is_append_only = is_append_only(&join.right, catalog)?;
    let spelled = match marker {
        TimeJoin::VersionNow => LogicalPlan::Join(join),
        TimeJoin::VersionAt(..) if !is_append_only => {
            return not_impl_err!(
                "an ad-hoc query sees the present rows of an updated relation and not the versions \
                 before them: create a stream, or join FOR SYSTEM_TIME AS OF proctime()"
            );
        }
        TimeJoin::VersionAt(at, from) => {
            let matching = AsofMatch::Backward { inclusive: true };
            asof(&join, matching, [at, from], is_append_only)?
        }
        TimeJoin::Asof(matching, a, b) => {
            let is_of = |expr: &Expr, plan: &LogicalPlan| {
                let refs = expr.column_refs();
                !refs.is_empty() && refs.iter().all(|column| plan.schema().has_column(column))
            };
            if is_of(&a, &join.left) && is_of(&b, &join.right) {
                asof(&join, matching, [a, b], is_append_only)?
            } else if is_of(&b, &join.left) && is_of(&a, &join.right) {
                asof(&join, matching.turned(), [b, a], is_append_only)?
            } else {
                return plan_err!("an ASOF JOIN needs a time of each side, one of which is {a}");
            }
        }
    };
    Ok(Transformed::yes(spelled))
}

/// Whether the rows of a relation only ever come, so that they stand in the order of arrival.
fn is_append_only(plan: &LogicalPlan, catalog: &dyn Catalog) -> DataFusionResult<bool> {
    let mut append_only = true;
    plan.apply(|node| {
        append_only &= match node {
            LogicalPlan::TableScan(scan) => catalog
                .relation(scan.table_name.table())
                .is_some_and(|traits| traits.changes == Changes::AppendOnly),
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Unnest(_) => true,
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(append_only)
}

/// Each left row with its one right row.
fn asof(
    join: &Join,
    matching: AsofMatch,
    [left_time, right_time]: [Expr; 2],
    right_append_only: bool,
) -> DataFusionResult<LogicalPlan> {
    let order = match right_append_only {
        true => Vec::new(),
        false => join.right.schema().columns().into_iter().map(ascending).collect(),
    };
    let right = numbered(&join.right, RIGHT_ROW, order)?;
    if let Some(ranks) = AsofRanks::of(join, matching, &[left_time.clone(), right_time.clone()])? {
        return ranks.plan(right, RIGHT_ROW);
    }
    let left = numbered(&join.left, LEFT_ROW, Vec::new())?;
    let (l, r) = (left_time.clone(), right_time.clone());
    let allowed = match matching {
        AsofMatch::Backward { inclusive: true } => l.gt_eq(r),
        AsofMatch::Backward { inclusive: false } => l.gt(r),
        AsofMatch::Forward { inclusive: true } => l.lt_eq(r),
        AsofMatch::Forward { inclusive: false } => l.lt(r),
        AsofMatch::Nearest => l.is_not_null().and(r.is_not_null()),
    };
    let row = cast(Expr::Column(Column::new_unqualified(RIGHT_ROW)), DataType::Int64);
    let by = match matching {
        AsofMatch::Backward { .. } => {
            vec![right_time.sort(false, false), row.sort(false, false)]
        }
        AsofMatch::Forward { .. } => vec![right_time.sort(true, false), row.sort(true, false)],
        AsofMatch::Nearest => {
            let types = [
                left_time.get_type(&join.left.schema())?,
                right_time.get_type(&join.right.schema())?,
            ];
            let in_ms = types.iter().all(DataType::is_integer);
            let [left_time, right_time] = [left_time, right_time].map(|time| count(time, in_ms));
            let is_before = right_time.clone().lt_eq(left_time.clone());
            let distance = when(is_before.clone(), left_time.clone() - right_time.clone())
                .otherwise(right_time - left_time)?;
            // Of those before the last, of those after the first.
            let place = when(is_before.clone(), lit(-1_i64) * row.clone()).otherwise(row)?;
            vec![distance.sort(true, false), is_before.sort(false, false), place.sort(true, false)]
        }
    };
    let filter = join.filter.clone().into_iter().chain([allowed]);
    let pairs = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        join.on.clone(),
        conjunction(filter),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let mut place = WindowFunction::new(row_number_udwf(), Vec::new());
    place.params.partition_by = vec![Expr::Column(Column::new_unqualified(LEFT_ROW))];
    place.params.order_by = by;
    let place = Expr::WindowFunction(Box::new(place)).alias(PLACE);
    let placed = Window::try_new(vec![place], Arc::new(LogicalPlan::Join(pairs)))?;
    LogicalPlanBuilder::from(LogicalPlan::Window(placed))
        .filter(Expr::Column(Column::new_unqualified(PLACE)).eq(lit(1_u64)))?
        .project(join.schema.columns().into_iter().map(Expr::Column))?
        .build()
}

/// A relation with the number of each row behind its columns.
fn numbered(plan: &LogicalPlan, name: &str, order: Vec<Sort>) -> DataFusionResult<LogicalPlan> {
    let mut number = WindowFunction::new(row_number_udwf(), Vec::new());
    number.params.order_by = order;
    let number = Expr::WindowFunction(Box::new(number)).alias(name);
    Ok(LogicalPlan::Window(Window::try_new(vec![number], Arc::new(plan.clone()))?))
}

fn ascending(column: Column) -> Sort {
    Expr::Column(column).sort(true, true)
}

/// A time as a number, to be subtracted: of milliseconds as it is, else of nanoseconds.
fn count(time: Expr, in_ms: bool) -> Expr {
    let timestamp = |unit| DataType::Timestamp(unit, None);
    match in_ms {
        true => time,
        false => cast(cast(time, timestamp(ArrowTimeUnit::Nanosecond)), DataType::Int64),
    }
}
