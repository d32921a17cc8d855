//! `FROM t, UNNEST(t.list)`: a list of a row beside the row, without a join.
//!
//! DataFusion binds it as a join of `t` with a subquery that unnests a column of `t` out of
//! nothing, and has no rule for that. Here the steps of the subquery are put on top of `t`, each
//! keeping the columns of `t`: what the join would pair up was never apart.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, TableFactor, VisitMut, VisitorMut,
};

/// `LATERAL UNNEST(...)` as `UNNEST(...)`, which may read the relations before it anyway.
pub(crate) fn spell(query: &mut ast::Query) {
    let _ = VisitMut::visit(query, &mut Lateral);
}

struct Lateral;

impl VisitorMut for Lateral {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Function { lateral: true, name, args, alias, .. } = factor else {
            return ControlFlow::Continue(());
        };
        if !name.to_string().eq_ignore_ascii_case("unnest") {
            return ControlFlow::Continue(());
        }
        let array_exprs = args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            })
            .collect::<Option<Vec<ast::Expr>>>();
        if let Some(array_exprs) = array_exprs {
            *factor = TableFactor::UNNEST {
                alias: alias.take(),
                array_exprs,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: false,
            };
        }
        ControlFlow::Continue(())
    }
}

/// The same plan with every such join as steps over its left side.
pub(crate) fn as_steps(plan: LogicalPlan) -> Result<LogicalPlan> {
    let steps = plan.transform_up_with_subqueries(|plan| match &plan {
        LogicalPlan::Join(join) if is_cross(join) => match graft(&join.right, &join.left)? {
            Some(steps) => Ok(Transformed::yes(steps)),
            None => Ok(Transformed::no(plan)),
        },
        _ => Ok(Transformed::no(plan)),
    })?;
    Ok(steps.data)
}

fn is_cross(join: &Join) -> bool {
    join.join_type == JoinType::Inner && join.on.is_empty() && join.filter.is_none()
}

/// The steps of `plan` on top of `base`, whose columns come first; `None` when `plan` does not
/// begin with one row without columns.
fn graft(plan: &LogicalPlan, base: &Arc<LogicalPlan>) -> Result<Option<LogicalPlan>> {
    let kept = || base.schema().columns().into_iter().map(Expr::Column);
    let grafted = match plan {
        LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => {
            return Ok(Some(base.as_ref().clone()));
        }
        LogicalPlan::Subquery(subquery) => return graft(&subquery.subquery, base),
        LogicalPlan::SubqueryAlias(alias) => {
            let Some(input) = graft(&alias.input, base)? else { return Ok(None) };
            let columns = alias.input.schema().columns().into_iter();
            let renamed = columns.zip(alias.schema.columns()).map(|(from, to)| {
                Expr::Column(from).alias_qualified(to.relation.clone(), to.name.clone())
            });
            LogicalPlanBuilder::from(input).project(kept().chain(renamed))?
        }
        LogicalPlan::Projection(projection) => {
            let Some(input) = graft(&projection.input, base)? else { return Ok(None) };
            let exprs = projection.expr.iter().map(|expr| of_row(expr.clone()));
            let exprs = exprs.collect::<Result<Vec<Expr>>>()?;
            LogicalPlanBuilder::from(input).project(kept().chain(exprs))?
        }
        LogicalPlan::Unnest(unnest) => {
            let Some(input) = graft(&unnest.input, base)? else { return Ok(None) };
            LogicalPlanBuilder::from(input)
                .unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?
        }
        _ => return Ok(None),
    };
    grafted.build().map(Some)
}

/// The expression with columns of the query around it as columns of the row.
fn of_row(expr: Expr) -> Result<Expr> {
    let expr = expr.transform_up(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(expr.data)
}
