//! [`PushDown`]: filters rows before they are kept rather than after.
//!
//! A rule of the optimiser. A condition above a join, an aggregate, a window function or a union that
//! speaks of the rows of one input alone moves below it, so that what it leaves out is never stored,
//! and a change of it costs nothing. Only conditions that no row can make fail are moved: a condition
//! that fails must not meet a row that the operators above would have left out. That rows which are
//! left out earlier fail in fewer expressions on their way is as it should be.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Filter, Join, JoinType, LogicalPlan, Projection, SubqueryAlias,
    Union, Window,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::equalities::{condition_never_fails, is_over};
use crate::time_joins::time_join;

/// See the module.
#[derive(Debug)]
pub(crate) struct PushDown;

impl OptimizerRule for PushDown {
    fn name(&self) -> &str {
        "push_down"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Filter(filter) => of_filter(filter),
            LogicalPlan::Join(join) => of_join(join),
            plan => Ok(Transformed::no(plan)),
        }
    }
}

/// Moves the conditions of a filter below what is under it.
fn of_filter(filter: Filter) -> Result<Transformed<LogicalPlan>> {
    let mut input = Arc::clone(&filter.input);
    let mut stay = Vec::new();
    for condition in split_conjunction(&filter.predicate) {
        match below(condition, &input)? {
            Some(moved) => input = moved,
            None => stay.push(condition.clone()),
        }
    }
    if Arc::ptr_eq(&input, &filter.input) {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    Ok(Transformed::yes(match conjunction(stay) {
        Some(stay) => LogicalPlan::Filter(Filter::try_new(stay, input)?),
        None => Arc::unwrap_or_clone(input),
    }))
}

/// Moves the conditions of a join that keep rows of one input from matching anything, and so from
/// coming out, to that input.
fn of_join(join: Join) -> Result<Transformed<LogicalPlan>> {
    let Some(filter) = join.filter.as_ref().filter(|_| !is_time_join(&join)) else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let [mut left, mut right] = [&join.left, &join.right].map(Arc::clone);
    let (of_left, of_right) = match join.join_type {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => (true, true),
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => (false, !join.null_aware),
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => (true, false),
        JoinType::Full => (false, false),
    };
    let mut stay = Vec::new();
    for condition in split_conjunction(filter) {
        match side_of(condition, &join) {
            Some(Side::Left) if of_left => left = filtered(condition.clone(), left)?,
            Some(Side::Right) if of_right => right = filtered(condition.clone(), right)?,
            _ => stay.push(condition.clone()),
        }
    }
    if Arc::ptr_eq(&left, &join.left) && Arc::ptr_eq(&right, &join.right) {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let filter = conjunction(stay);
    Ok(Transformed::yes(LogicalPlan::Join(Join { left, right, filter, ..join })))
}

/// A plan whose rows are filtered as early as may be.
fn filtered(condition: Expr, plan: Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    if let Some(moved) = below(&condition, &plan)? {
        return Ok(moved);
    }
    Ok(Arc::new(LogicalPlan::Filter(Filter::try_new(condition, plan)?)))
}

/// The plan with a condition below an operator that keeps rows, or `None` where there is none below
/// which it means the same.
fn below(condition: &Expr, plan: &Arc<LogicalPlan>) -> Result<Option<Arc<LogicalPlan>>> {
    if !condition_never_fails(condition, plan.schema()) || condition.column_refs().is_empty() {
        return Ok(None);
    }
    let moved = match plan.as_ref() {
        LogicalPlan::Filter(filter) => {
            below(condition, &filter.input)?.map(|input| with_input(plan, input))
        }
        LogicalPlan::Projection(projection) => {
            let expr = |index: usize| Some(projection.expr[index].clone().unalias());
            match renamed(condition, &projection.schema, expr)? {
                Some(condition) => {
                    below(&condition, &projection.input)?.map(|input| with_input(plan, input))
                }
                None => None,
            }
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let condition = by_position(condition, &alias.schema, alias.input.schema())?;
            below(&condition, &alias.input)?.map(|input| with_input(plan, input))
        }
        LogicalPlan::Join(join) => match (side_of(condition, join), join.join_type) {
            (
                Some(Side::Left),
                JoinType::Inner
                | JoinType::Left
                | JoinType::LeftSemi
                | JoinType::LeftAnti
                | JoinType::LeftMark,
            ) => {
                let left = filtered(condition.clone(), Arc::clone(&join.left))?;
                Some(LogicalPlan::Join(Join { left, ..join.clone() }))
            }
            (
                Some(Side::Right),
                JoinType::Inner
                | JoinType::Right
                | JoinType::RightSemi
                | JoinType::RightAnti
                | JoinType::RightMark,
            ) if !is_time_join(join) => {
                let right = filtered(condition.clone(), Arc::clone(&join.right))?;
                Some(LogicalPlan::Join(Join { right, ..join.clone() }))
            }
            _ => None,
        },
        LogicalPlan::Aggregate(aggregate) => {
            let has_sets = matches!(aggregate.group_expr[..], [Expr::GroupingSet(_)]);
            let key = |index: usize| {
                let key = aggregate.group_expr.get(index).filter(|_| !has_sets)?;
                Some(key.clone().unalias())
            };
            match renamed(condition, &aggregate.schema, key)? {
                Some(condition) if condition_never_fails(&condition, aggregate.input.schema()) => {
                    let input = filtered(condition, Arc::clone(&aggregate.input))?;
                    Some(with_input(plan, input))
                }
                _ => None,
            }
        }
        LogicalPlan::Window(window) if splits_by(window, condition) => {
            let input = filtered(condition.clone(), Arc::clone(&window.input))?;
            Some(with_input(plan, input))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let input = filtered(condition.clone(), Arc::clone(input))?;
            Some(with_input(plan, input))
        }
        LogicalPlan::Union(union) => {
            let branch = |input: &Arc<LogicalPlan>| {
                let condition = by_position(condition, &union.schema, input.schema())?;
                filtered(condition, Arc::clone(input))
            };
            let inputs = union.inputs.iter().map(branch).collect::<Result<_>>()?;
            Some(LogicalPlan::Union(Union { inputs, ..union.clone() }))
        }
        _ => None,
    };
    Ok(moved.map(Arc::new))
}

/// The plan over another input of the same columns.
fn with_input(plan: &LogicalPlan, other: Arc<LogicalPlan>) -> LogicalPlan {
    let mut plan = plan.clone();
    match &mut plan {
        LogicalPlan::Filter(Filter { input, .. })
        | LogicalPlan::Projection(Projection { input, .. })
        | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
        | LogicalPlan::Aggregate(Aggregate { input, .. })
        | LogicalPlan::Window(Window { input, .. })
        | LogicalPlan::Distinct(Distinct::All(input)) => *input = other,
        _ => unreachable!("only the operators above are passed"),
    }
    plan
}

/// An input of a join.
enum Side {
    Left,
    Right,
}

/// The input of a join that a condition speaks of, if it is one.
fn side_of(condition: &Expr, join: &Join) -> Option<Side> {
    if condition.column_refs().is_empty() || !condition_never_fails(condition, &join_columns(join))
    {
        return None;
    }
    match [&join.left, &join.right].map(|side| is_over(condition, side.schema())) {
        [true, false] => Some(Side::Left),
        [false, true] => Some(Side::Right),
        _ => None,
    }
}

/// The columns that the condition of a join reads.
fn join_columns(join: &Join) -> DFSchema {
    let mut columns = join.left.schema().as_ref().clone();
    columns.merge(join.right.schema());
    columns
}

/// Whether the match of a left row depends on what else the right side has.
fn is_time_join(join: &Join) -> bool {
    let conditions = join.filter.iter().flat_map(|filter| split_conjunction(filter));
    conditions.into_iter().any(|condition| time_join(condition).is_some())
}

/// Whether a condition speaks of whole partitions of every window function.
fn splits_by(window: &Window, condition: &Expr) -> bool {
    let columns = condition.column_refs();
    window.window_expr.iter().all(|expr| match expr.clone().unalias() {
        Expr::WindowFunction(function) => {
            let by = &function.params.partition_by;
            columns.iter().all(|column| by.contains(&Expr::Column((*column).clone())))
        }
        _ => false,
    })
}

/// A condition over other columns: `of` says what a column is there, by its place; `None` where one
/// is nothing that no row can make fail.
fn renamed(
    condition: &Expr,
    columns: &DFSchema,
    of: impl Fn(usize) -> Option<Expr>,
) -> Result<Option<Expr>> {
    let mut known = true;
    let condition = condition.clone().transform(|expr| {
        let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
        match columns.maybe_index_of_column(column).and_then(&of) {
            Some(other) if is_plain(&other) => Ok(Transformed::yes(other)),
            _ => {
                known = false;
                Ok(Transformed::no(expr))
            }
        }
    })?;
    Ok(known.then_some(condition.data))
}

/// Whether an expression is a column, a constant or a cast of one.
fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) | Expr::Literal(..) => true,
        Expr::Cast(cast) => is_plain(&cast.expr),
        _ => false,
    }
}

/// A condition over the columns at the same places of another relation.
fn by_position(condition: &Expr, columns: &DFSchema, other: &DFSchema) -> Result<Expr> {
    let at = |index| Some(Expr::Column(Column::from(other.qualified_field(index))));
    let moved = renamed(condition, columns, at)?;
    moved.ok_or_else(|| {
        let message = format!("{condition} reads a column that its input does not have");
        datafusion::error::DataFusionError::Internal(message)
    })
}
