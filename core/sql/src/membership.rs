//! [`as_values`]: `IN (SELECT ...)` and `EXISTS` where their value matters, not only whether it is
//! true: in select lists, and in conditions in which a NULL and a false differ.
//!
//! The rules of DataFusion make joins of what stands as a condition. Everywhere else these become
//! counts, which are scalar subqueries: `EXISTS (q)` is `(SELECT count(*) FROM q) > 0`, and `x IN (q)`
//! is true where a row of q equals x, else NULL where x or a row of q is NULL, else false.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Subquery, lit, when,
};

use crate::lower::is_condition;

/// See the module.
pub(crate) fn as_values(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut some = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            some |= expr.exists(|expr| Ok(is_membership(expr)))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if !some {
        return Ok(plan);
    }
    plan.transform_up_with_subqueries(of_node)?.data.transform_up(recomputed).map(|plan| plan.data)
}

fn of_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Projection(projection) => {
            let names = NamePreserver::new_for_projection();
            let columns = Arc::clone(projection.input.schema());
            let exprs = projection.expr.into_iter().map(|expr| {
                let name = names.save(&expr);
                Ok(name.restore(as_value(expr, &columns)?))
            });
            let exprs = exprs.collect::<Result<Vec<Expr>>>()?;
            let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(projection.input));
            plan.project(exprs)?.build().map(Transformed::yes)
        }
        LogicalPlan::Filter(filter) => {
            let parts = split_conjunction(&filter.predicate).into_iter().map(|part| {
                match is_condition(part) {
                    true => Ok(part.clone()),
                    false => as_value(part.clone(), filter.input.schema()),
                }
            });
            let parts = parts.collect::<Result<Vec<Expr>>>()?;
            let predicate = conjunction(parts).unwrap_or_else(|| lit(true));
            Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?)))
        }
        node => Ok(Transformed::no(node)),
    }
}

/// A column that was computed otherwise may be NULL now.
fn recomputed(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    node.recompute_schema().map(Transformed::yes)
}

fn is_membership(expr: &Expr) -> bool {
    matches!(expr, Expr::InSubquery(_) | Expr::Exists(_))
}

/// The expression with counts in the place of memberships.
fn as_value(expr: Expr, columns: &DFSchema) -> Result<Expr> {
    let value = expr.transform_up(|expr| match expr {
        Expr::Exists(Exists { subquery, negated }) => {
            let any = any(subquery.subquery.as_ref().clone(), subquery.outer_ref_columns)?;
            Ok(Transformed::yes(if negated { !any } else { any }))
        }
        Expr::InSubquery(membership) => is_in(membership, columns).map(Transformed::yes),
        expr => Ok(Transformed::no(expr)),
    })?;
    Ok(value.data)
}

fn is_in(membership: InSubquery, columns: &DFSchema) -> Result<Expr> {
    let InSubquery { expr: x, subquery, negated } = membership;
    let (rows, refs) = (subquery.subquery.as_ref().clone(), subquery.outer_ref_columns);
    let y = Expr::Column(Column::from(rows.schema().qualified_field(0)));
    let filtered =
        |condition: Expr| LogicalPlanBuilder::from(rows.clone()).filter(condition)?.build();
    let mut refs_of_x = refs.clone();
    let outer_x = x.as_ref().clone().transform(|expr| match expr {
        Expr::Column(column) => {
            let field = Arc::clone(columns.field_from_column(&column)?);
            let outer = Expr::OuterReferenceColumn(field, column);
            refs_of_x.push(outer.clone());
            Ok(Transformed::yes(outer))
        }
        expr => Ok(Transformed::no(expr)),
    })?;
    let found = any(filtered(y.clone().eq(outer_x.data))?, refs_of_x)?;
    let mut unknown = Vec::new();
    if y.nullable(rows.schema())? {
        unknown.push(any(filtered(y.is_null())?, refs.clone())?);
    }
    if x.nullable(columns)? {
        unknown.push(x.is_null().and(any(rows, refs)?));
    }
    let mut cases = when(found, lit(!negated));
    if let Some(unknown) = unknown.into_iter().reduce(Expr::or) {
        cases = cases.when(unknown, lit(ScalarValue::Boolean(None)));
    }
    cases.otherwise(lit(negated))
}

/// Whether a plan, which refers to the query around it by `refs`, has rows.
fn any(plan: LogicalPlan, refs: Vec<Expr>) -> Result<Expr> {
    let count = count_udaf().call(vec![lit(1_i64)]);
    let counted = LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), vec![count])?;
    let subquery = Subquery {
        subquery: Arc::new(counted.build()?),
        outer_ref_columns: refs,
        spans: Default::default(),
    };
    Ok(Expr::ScalarSubquery(subquery).gt(lit(0_i64)))
}
