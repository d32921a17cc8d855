//! [`as_columns`]: subqueries in expressions that no rule of DataFusion looks into, each computed
//! in a column of its own below.
//!
//! They stand in the arguments, filters and keys of aggregates and window functions, in `ORDER BY`
//! and in the conditions of joins. What contains one becomes a column of the operator's input; the
//! operator's own result stays what it was, by its names too.
//!
//! `x = ANY (q)` is `x IN (q)` and `x <> ALL (q)` is `x NOT IN (q)`, which is said here as well.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, not_impl_err};
use datafusion::logical_expr::expr::{InSubquery, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, JoinType, Limit, LogicalPlan, LogicalPlanBuilder, Operator,
    Sort, SortExpr, Window,
};

/// See the module. To be asked before the plan is analysed.
pub(crate) fn as_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut some = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            some |=
                has_subquery(expr) || expr.exists(|expr| Ok(matches!(expr, Expr::Unnest(_))))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if !some {
        return Ok(plan);
    }
    let plan = plan.transform_up_with_subqueries(with_memberships)?.data;
    Ok(plan.transform_down_with_subqueries(of_node)?.data)
}

fn with_memberships(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    node.map_expressions(|expr| {
        expr.transform_up(|expr| {
            let Expr::SetComparison(comparison) = &expr else { return Ok(Transformed::no(expr)) };
            let negated = match (comparison.op, &comparison.quantifier) {
                (Operator::Eq, SetQuantifier::Any) => false,
                (Operator::NotEq, SetQuantifier::All) => true,
                _ => return Ok(Transformed::no(expr)),
            };
            let (x, subquery) = (comparison.expr.clone(), comparison.subquery.clone());
            Ok(Transformed::yes(Expr::InSubquery(InSubquery::new(x, subquery, negated))))
        })
    })
}

fn of_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let computed = match &node {
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate)?,
        LogicalPlan::Window(window) => of_window(window)?,
        LogicalPlan::Sort(sort) => of_sort(sort, None)?,
        LogicalPlan::Limit(limit) => match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => of_sort(sort, Some(limit))?,
            _ => None,
        },
        LogicalPlan::Join(join) => of_join(join)?,
        _ => None,
    };
    Ok(match computed {
        Some(plan) => Transformed::yes(plan),
        None => Transformed::no(node),
    })
}

fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
        ))
    };
    expr.exists(is_subquery).unwrap_or(false)
}

/// Expressions that become columns.
#[derive(Default)]
struct Computed(Vec<Expr>);

impl Computed {
    /// The expression, as a column if there is a subquery in it.
    fn column(&mut self, expr: Expr) -> Expr {
        if !has_subquery(&expr) {
            return expr;
        }
        let known = self.0.iter().position(|known| *known == expr);
        let index = known.unwrap_or_else(|| {
            self.0.push(expr);
            self.0.len() - 1
        });
        Expr::Column(Column::new_unqualified(format!("__subquery_{index}")))
    }

    fn columns(&mut self, exprs: Vec<Expr>) -> Vec<Expr> {
        exprs.into_iter().map(|expr| self.column(expr)).collect()
    }

    fn orders(&mut self, order: Vec<SortExpr>) -> Vec<SortExpr> {
        let of = |sort: SortExpr| SortExpr { expr: self.column(sort.expr), ..sort };
        order.into_iter().map(of).collect()
    }

    fn filter(&mut self, filter: Option<Box<Expr>>) -> Option<Box<Expr>> {
        filter.map(|filter| Box::new(self.column(*filter)))
    }

    /// What a call reads, with columns; the call has its own name.
    fn call(&mut self, call: &Expr) -> Result<Expr> {
        let name = NamePreserver::new_for_projection().save(call);
        let call = call.clone().transform_down(|expr| {
            Ok(match expr {
                Expr::AggregateFunction(mut call) => {
                    call.params.args = self.columns(call.params.args);
                    call.params.filter = self.filter(call.params.filter);
                    call.params.order_by = self.orders(call.params.order_by);
                    Transformed::new(Expr::AggregateFunction(call), true, TreeNodeRecursion::Jump)
                }
                Expr::WindowFunction(mut call) => {
                    let params = &mut call.params;
                    params.args = self.columns(std::mem::take(&mut params.args));
                    params.partition_by = self.columns(std::mem::take(&mut params.partition_by));
                    params.order_by = self.orders(std::mem::take(&mut params.order_by));
                    params.filter = self.filter(params.filter.take());
                    Transformed::new(Expr::WindowFunction(call), true, TreeNodeRecursion::Jump)
                }
                expr => Transformed::no(expr),
            })
        })?;
        Ok(name.restore(call.data))
    }

    /// The input with these columns behind its own; `None` if there are none.
    fn below(self, input: &Arc<LogicalPlan>) -> Result<Option<LogicalPlan>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let own = input.schema().columns().into_iter().map(Expr::Column);
        let exprs = self.0.into_iter().enumerate();
        let exprs = exprs.map(|(index, expr)| expr.alias(format!("__subquery_{index}")));
        let plan = LogicalPlanBuilder::from(Arc::clone(input));
        plan.project(own.chain(exprs))?.build().map(Some)
    }
}

fn of_aggregate(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let has_unnest = |call: &Expr| call.exists(|expr| Ok(matches!(expr, Expr::Unnest(_))));
    for call in &aggregate.aggr_expr {
        if has_unnest(call)? {
            return not_impl_err!(
                "unnest(...) cannot stand inside of an aggregate: unnest in a subquery in FROM"
            );
        }
    }
    let mut computed = Computed::default();
    let keys = aggregate.group_expr.iter().map(|key| {
        let name = NamePreserver::new_for_projection().save(key);
        name.restore(computed.column(key.clone()))
    });
    let keys: Vec<Expr> = keys.collect();
    let calls = aggregate.aggr_expr.iter().map(|call| computed.call(call));
    let calls = calls.collect::<Result<Vec<Expr>>>()?;
    let Some(input) = computed.below(&aggregate.input)? else { return Ok(None) };
    let aggregate = Aggregate::try_new(Arc::new(input), keys, calls)?;
    Ok(Some(LogicalPlan::Aggregate(aggregate)))
}

fn of_window(window: &Window) -> Result<Option<LogicalPlan>> {
    let mut computed = Computed::default();
    let calls = window.window_expr.iter().map(|call| computed.call(call));
    let calls = calls.collect::<Result<Vec<Expr>>>()?;
    let Some(input) = computed.below(&window.input)? else { return Ok(None) };
    let over = LogicalPlan::Window(Window::try_new(calls, Arc::new(input))?);
    without_others(over, window.schema.columns()).map(Some)
}

fn of_sort(sort: &Sort, limit: Option<&Limit>) -> Result<Option<LogicalPlan>> {
    let mut computed = Computed::default();
    let expr = computed.orders(sort.expr.clone());
    for expr in &computed.0 {
        // What the select list leaves out is not there to be read.
        if !columns_of(expr)?.iter().all(|column| sort.input.schema().has_column(column)) {
            return Ok(None);
        }
    }
    let Some(input) = computed.below(&sort.input)? else { return Ok(None) };
    let mut plan = LogicalPlan::Sort(Sort { expr, input: Arc::new(input), fetch: sort.fetch });
    if let Some(limit) = limit {
        plan = LogicalPlan::Limit(Limit { input: Arc::new(plan), ..limit.clone() });
    }
    without_others(plan, sort.input.schema().columns()).map(Some)
}

/// Of an inner join such conditions are asked of the pairs; of others they are columns of the side
/// that they are about.
fn of_join(join: &Join) -> Result<Option<LogicalPlan>> {
    let conditions = join.filter.iter().flat_map(|filter| split_conjunction(filter));
    let (asked, rest): (Vec<&Expr>, Vec<&Expr>) =
        conditions.partition(|condition| has_subquery(condition));
    if asked.is_empty() {
        return Ok(None);
    }
    let with = |left: Arc<LogicalPlan>, right: Arc<LogicalPlan>, filter: Vec<Expr>| {
        Join::try_new(
            left,
            right,
            join.on.clone(),
            conjunction(filter),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )
        .map(LogicalPlan::Join)
    };
    let mut filter: Vec<Expr> = rest.into_iter().cloned().collect();
    if join.join_type == JoinType::Inner {
        let pairs = with(Arc::clone(&join.left), Arc::clone(&join.right), filter)?;
        let Some(condition) = conjunction(asked.into_iter().cloned()) else { return Ok(None) };
        return Ok(Some(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(pairs))?)));
    }
    let (mut left, mut right) = (Computed::default(), Computed::default());
    for condition in asked {
        let columns = columns_of(condition)?;
        let is_over = |side: &LogicalPlan| columns.iter().all(|c| side.schema().has_column(c));
        if is_over(&join.left) {
            filter.push(left.column(condition.clone()));
        } else if is_over(&join.right) && left.0.is_empty() {
            filter.push(right.column(condition.clone()));
        } else {
            return Ok(None);
        }
    }
    if !left.0.is_empty() && !right.0.is_empty() {
        return Ok(None);
    }
    let left = left.below(&join.left)?.map_or_else(|| Arc::clone(&join.left), Arc::new);
    let right = right.below(&join.right)?.map_or_else(|| Arc::clone(&join.right), Arc::new);
    without_others(with(left, right, filter)?, join.schema.columns()).map(Some)
}

/// The columns of the rows that an expression is over, its subqueries included.
fn columns_of(expr: &Expr) -> Result<HashSet<Column>> {
    let mut columns: HashSet<Column> = expr.column_refs().into_iter().cloned().collect();
    expr.apply(|expr| {
        let subquery = match expr {
            Expr::ScalarSubquery(subquery) => Some(subquery),
            Expr::Exists(exists) => Some(&exists.subquery),
            Expr::InSubquery(membership) => Some(&membership.subquery),
            Expr::SetComparison(comparison) => Some(&comparison.subquery),
            _ => None,
        };
        for outer in subquery.iter().flat_map(|subquery| &subquery.outer_ref_columns) {
            if let Expr::OuterReferenceColumn(_, column) = outer {
                columns.insert(column.clone());
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(columns)
}

fn without_others(plan: LogicalPlan, columns: Vec<Column>) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(plan).project(columns.into_iter().map(Expr::Column))?.build()
}
