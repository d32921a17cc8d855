//! [`as_values`]: `IN (SELECT ...)`, `EXISTS`, `ANY` and `ALL` where their value matters, not only
//! whether it is true: in select lists, and in conditions in which a NULL and a false differ.
//!
//! The rules of DataFusion make joins of what stands as a condition. Everywhere else these become
//! counts, which are scalar subqueries: `EXISTS (q)` is `(SELECT count(*) FROM q) > 0`, and `x IN (q)`
//! is true where a row of q equals x, else NULL where x or a row of q is NULL, else false. Likewise
//! `x > ALL (q)` is false where x is not greater than a row of q, else NULL where that is unknown of
//! one, else true.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Subquery, binary_expr, lit, when,
};

use crate::dependent::is_in_steps;
use crate::lower::is_condition;

/// Whether some membership, or a subquery that refers to the query around it, stands in a plan.
pub(crate) fn is_asked(plan: &LogicalPlan) -> Result<bool> {
    let mut some = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Subquery(lateral) = node {
            some |= !lateral.outer_ref_columns.is_empty();
        }
        node.apply_expressions(|expr| {
            some |= expr.exists(|expr| {
                Ok(match expr {
                    Expr::ScalarSubquery(subquery) => !subquery.outer_ref_columns.is_empty(),
                    expr => is_membership(expr),
                })
            })?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(some)
}

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
    let named = node.map_expressions(|expr| {
        expr.transform_up(|expr| match expr {
            Expr::InSubquery(mut membership) => {
                membership.subquery = with_names(membership.subquery)?;
                Ok(Transformed::yes(Expr::InSubquery(membership)))
            }
            Expr::SetComparison(mut comparison) => {
                comparison.subquery = with_names(comparison.subquery)?;
                Ok(Transformed::yes(Expr::SetComparison(comparison)))
            }
            expr => Ok(Transformed::no(expr)),
        })
    })?;
    match named.data {
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
                match is_condition(part) && !is_of_steps(part)? {
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

/// A subquery whose columns have names of their own where their types were changed. By DataFusion a
/// `CAST(k)` is called `k`, which is then not to be told from the `k` that the subquery refers to the
/// query around it by.
fn with_names(subquery: Subquery) -> Result<Subquery> {
    let LogicalPlan::Projection(projection) = subquery.subquery.as_ref() else {
        return Ok(subquery);
    };
    let exprs = projection.expr.iter().enumerate().map(|(index, expr)| match expr {
        Expr::Cast(_) | Expr::TryCast(_) => expr.clone().alias(format!("__value{index}")),
        expr => expr.clone(),
    });
    let rows =
        LogicalPlanBuilder::from(projection.input.as_ref().clone()).project(exprs)?.build()?;
    Ok(subquery.with_plan(Arc::new(rows)))
}

/// Whether a condition asks for rows of a subquery that must be computed for each row around it.
fn is_of_steps(condition: &Expr) -> Result<bool> {
    condition.exists(|expr| {
        let subquery = match expr {
            Expr::Exists(exists) => &exists.subquery,
            Expr::InSubquery(membership) => &membership.subquery,
            _ => return Ok(false),
        };
        Ok(!subquery.outer_ref_columns.is_empty() && is_in_steps(&subquery.subquery)?)
    })
}

/// A column that was computed otherwise may be NULL now.
fn recomputed(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    node.recompute_schema().map(Transformed::yes)
}

fn is_membership(expr: &Expr) -> bool {
    matches!(expr, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))
}

/// The expression with counts in the place of memberships.
fn as_value(expr: Expr, columns: &DFSchema) -> Result<Expr> {
    let value = expr.transform_up(|expr| match expr {
        Expr::Exists(Exists { subquery, negated }) => {
            let any = Rows::of(&subquery).any(None, Vec::new())?;
            Ok(Transformed::yes(if negated { !any } else { any }))
        }
        Expr::InSubquery(membership) => is_in(membership, columns).map(Transformed::yes),
        Expr::SetComparison(comparison) => compared(comparison, columns).map(Transformed::yes),
        expr => Ok(Transformed::no(expr)),
    })?;
    Ok(value.data)
}

fn is_in(membership: InSubquery, columns: &DFSchema) -> Result<Expr> {
    let InSubquery { expr: x, subquery, negated } = membership;
    let rows = Rows::of(&subquery);
    let y = rows.column();
    let (outer_x, outer_columns) = outer(&x, columns)?;
    let found = rows.any(Some(y.clone().eq(outer_x)), outer_columns)?;
    let mut unknown = Vec::new();
    if y.nullable(rows.plan.schema())? {
        unknown.push(rows.any(Some(y.is_null()), Vec::new())?);
    }
    if x.nullable(columns)? {
        unknown.push(x.is_null().and(rows.any(None, Vec::new())?));
    }
    let mut cases = when(found, lit(!negated));
    if let Some(unknown) = unknown.into_iter().reduce(Expr::or) {
        cases = cases.when(unknown, lit(ScalarValue::Boolean(None)));
    }
    cases.otherwise(lit(negated))
}

/// `x > ANY (q)` and its like.
fn compared(comparison: SetComparison, columns: &DFSchema) -> Result<Expr> {
    let SetComparison { expr: x, subquery, op, quantifier } = comparison;
    let rows = Rows::of(&subquery);
    let (outer_x, outer_columns) = outer(&x, columns)?;
    let holds = binary_expr(outer_x, op, rows.column());
    // One row decides: that it holds of, or that it does not.
    let (decides, value) = match quantifier {
        SetQuantifier::Any => (holds.clone(), true),
        SetQuantifier::All => (!holds.clone(), false),
    };
    let decided = rows.any(Some(decides), outer_columns.clone())?;
    let unknown = rows.any(Some(holds.is_null()), outer_columns)?;
    when(decided, lit(value)).when(unknown, lit(ScalarValue::Boolean(None))).otherwise(lit(!value))
}

/// An expression over these columns as a subquery refers to it, and the columns in it.
fn outer(expr: &Expr, columns: &DFSchema) -> Result<(Expr, Vec<Expr>)> {
    let mut refs = Vec::new();
    let outer = expr.clone().transform(|expr| match expr {
        Expr::Column(column) => {
            let field = Arc::clone(columns.field_from_column(&column)?);
            let outer = Expr::OuterReferenceColumn(field, column);
            refs.push(outer.clone());
            Ok(Transformed::yes(outer))
        }
        expr => Ok(Transformed::no(expr)),
    })?;
    Ok((outer.data, refs))
}

/// The name of a count: no column of a user's can have it.
const COUNT: &str = "__count";

/// The rows of a subquery.
struct Rows<'a> {
    plan: &'a LogicalPlan,
    /// What they refer to of the query around them.
    refs: &'a [Expr],
}

impl<'a> Rows<'a> {
    fn of(subquery: &'a Subquery) -> Self {
        Self { plan: &subquery.subquery, refs: &subquery.outer_ref_columns }
    }

    fn column(&self) -> Expr {
        Expr::Column(Column::from(self.plan.schema().qualified_field(0)))
    }

    /// Whether there are rows, on which a condition, which has these columns of the query around,
    /// holds.
    fn any(&self, condition: Option<Expr>, refs: Vec<Expr>) -> Result<Expr> {
        let count = count_udaf().call(vec![lit(1_i64)]);
        let mut rows = LogicalPlanBuilder::from(self.plan.clone());
        if let Some(condition) = condition {
            rows = rows.filter(condition)?;
        }
        let counted = rows.aggregate(Vec::<Expr>::new(), vec![count])?;
        let column = Expr::Column(Column::from(counted.schema().qualified_field(0)));
        let counted = counted.project([column.alias(COUNT)])?.build()?;
        let subquery = Subquery {
            subquery: Arc::new(counted),
            outer_ref_columns: self.refs.iter().cloned().chain(refs).collect(),
            spans: Default::default(),
        };
        Ok(Expr::ScalarSubquery(subquery).gt(lit(0_i64)))
    }
}
