//! Subqueries in expressions. DataFusion's rules make joins of them; here stand what those rules
//! get wrong or leave open, and the join that `NOT IN` becomes.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, Join as LogicalJoin, JoinConstraint, LogicalPlan,
    Operator, Projection, Subquery, lit,
};
use laminar_types::{Error, Result, mutant};

use super::{Lowered, Lowering};
use crate::planner::sentence;

/// The name of the column that stands for "there is a row".
const PRESENT: &str = "__present";

/// Refuses subqueries that the rules would make wrong joins of.
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarSubquery(subquery) = expr
                    && subquery.outer_ref_columns.is_empty()
                    && !has_at_most_one_row(&subquery.subquery)
                {
                    refused = Some(
                        "a subquery that stands for a value must have one row whatever comes: \
                         aggregate its rows, as in (SELECT max(x) FROM t), or add LIMIT 1",
                    );
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(|error| Error::internal(sentence(&error)))?;
    match refused {
        Some(message) => Err(Error::unsupported(message)),
        None => Ok(()),
    }
}

/// Whether the rules make the right join of what a condition says of subqueries.
pub(crate) fn is_condition(part: &Expr) -> bool {
    is_negated_in(part) || counts_unknown_as_false(part)
}

/// Whether the predicate is one `[NOT] IN (SELECT ...)`; where it is negated, of a subquery that
/// does not refer to the query around it.
fn is_negated_in(expr: &Expr) -> bool {
    let is_alone = |subquery: &Subquery| subquery.outer_ref_columns.is_empty();
    match expr {
        Expr::InSubquery(InSubquery { negated, subquery, .. }) => !negated || is_alone(subquery),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::InSubquery(InSubquery { negated, subquery, .. }) => {
                *negated || is_alone(subquery)
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether a plan has one row, or none, whatever comes.
fn has_at_most_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Projection(projection) => has_at_most_one_row(&projection.input),
        other => other.max_rows() == Some(1),
    }
}

/// Whether nothing but AND and OR stands above each `IN (SELECT ...)`: there a NULL and a false
/// come to the same.
fn counts_unknown_as_false(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            counts_unknown_as_false(left) && counts_unknown_as_false(right)
        }
        Expr::InSubquery(subquery) => !subquery.negated,
        other => {
            let is_value =
                |expr: &Expr| Ok(matches!(expr, Expr::InSubquery(_) | Expr::SetComparison(_)));
            !other.exists(is_value).unwrap_or(true)
        }
    }
}

impl Lowering<'_> {
    /// `x NOT IN (SELECT y ...)`: no row has y = x, none has a NULL in y, and if x is NULL there is
    /// no row at all. Three anti joins, the last two only where there can be NULLs.
    pub(super) fn null_aware_anti_join(&mut self, join: &LogicalJoin) -> Result<Lowered> {
        let filter = join.filter.iter().flat_map(|filter| split_conjunction(filter));
        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let conditions: Vec<Expr> = on.chain(filter.cloned()).collect();
        let [Expr::BinaryExpr(BinaryExpr { left: x, op: Operator::Eq, right: y })] =
            conditions.as_slice()
        else {
            return Err(Error::internal("NOT IN of a subquery for each row was made a join"));
        };
        let is_left = |expr: &Expr| {
            expr.column_refs().iter().all(|column| join.left.schema().has_column(column))
        };
        let (x, y) = if is_left(x) { (x, y) } else { (y, x) };
        let planned = |error: datafusion::error::DataFusionError| {
            Error::internal(format!("NOT IN cannot be planned: {}", sentence(&error)))
        };
        let mut result = LogicalPlan::Join(LogicalJoin { null_aware: false, ..join.clone() });
        if y.nullable(join.right.schema()).map_err(planned)? && !mutant!(NotInIgnoresNulls) {
            let nulls = Filter::try_new(y.as_ref().clone().is_null(), Arc::clone(&join.right));
            let nulls = LogicalPlan::Filter(nulls.map_err(planned)?);
            result = anti_join(result, nulls, None).map_err(planned)?;
        }
        if x.nullable(join.left.schema()).map_err(planned)? && !mutant!(NullIsNotIn) {
            let present = vec![lit(true).alias(PRESENT)];
            let present = Projection::try_new(present, Arc::clone(&join.right)).map_err(planned)?;
            let present = LogicalPlan::Projection(present);
            let key = Expr::Column(present.schema().columns().swap_remove(0));
            let key = (x.as_ref().clone().is_null(), key);
            result = anti_join(result, present, Some(key)).map_err(planned)?;
        }
        self.plan(&result)
    }
}

fn anti_join(
    left: LogicalPlan,
    right: LogicalPlan,
    key: Option<(Expr, Expr)>,
) -> datafusion::error::Result<LogicalPlan> {
    Ok(LogicalPlan::Join(LogicalJoin::try_new(
        Arc::new(left),
        Arc::new(right),
        key.into_iter().collect(),
        None,
        JoinType::LeftAnti,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?))
}
