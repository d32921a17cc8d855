//! [`CrossJoins`]: gives the relations of `FROM a, b, c WHERE a.x = b.x AND ...` their joins.
//!
//! A rule of the optimiser. Where inner joins have no condition of their own and the filter above
//! them has equalities, these become their keys; relations are joined in the order in which they
//! stand, except that one without a key to what is joined so far waits for one that has. Only
//! equalities that cannot fail are moved, and no other condition is: what else the filter says it
//! says of the same rows as before.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, NullEquality, Result};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Expr, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator, Projection,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use crate::equalities::{Equality, implied};

/// See the module.
#[derive(Debug)]
pub(crate) struct CrossJoins;

impl OptimizerRule for CrossJoins {
    fn name(&self) -> &str {
        "cross_joins"
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
        let LogicalPlan::Filter(filter) = &plan else { return Ok(Transformed::no(plan)) };
        let mut relations = Relations::default();
        relations.flatten(&filter.input);
        if !relations.has_cross {
            return Ok(Transformed::no(plan));
        }
        let schema = filter.input.schema();
        let given = relations.equalities.len();
        relations.equalities.extend(implied(&filter.predicate, schema));
        if relations.equalities.len() == given {
            return Ok(Transformed::no(plan));
        }
        let (mut joined, used) = relations.joined()?;
        if used.is_empty() {
            return Ok(Transformed::no(plan));
        }
        if joined.schema() != schema {
            let columns = schema.iter().map(|field| Expr::Column(Column::from(field))).collect();
            let projection =
                Projection::try_new_with_schema(columns, Arc::new(joined), Arc::clone(schema))?;
            joined = LogicalPlan::Projection(projection);
        }
        let rest = split_conjunction(&filter.predicate).into_iter().filter(|condition| {
            let equality = Equality::of(condition, Operator::Eq, schema);
            !equality.is_some_and(|equality| used.contains(&equality))
        });
        let plan = match conjunction(rest.cloned()) {
            Some(rest) => LogicalPlan::Filter(Filter::try_new(rest, Arc::new(joined))?),
            None => joined,
        };
        Ok(Transformed::yes(plan))
    }
}

/// The relations under inner joins, and the equalities that hold between them.
#[derive(Default)]
struct Relations {
    plans: Vec<Arc<LogicalPlan>>,
    equalities: Vec<Equality>,
    /// Whether a join has no condition.
    has_cross: bool,
}

impl Relations {
    /// Takes in what inner joins join that have no condition but equalities that cannot fail; any
    /// other plan is a relation.
    fn flatten(&mut self, plan: &Arc<LogicalPlan>) {
        if let LogicalPlan::Join(join) = plan.as_ref()
            && let Some(mut equalities) = pure_equalities(join)
        {
            self.has_cross |= equalities.is_empty();
            self.flatten(&join.left);
            self.flatten(&join.right);
            self.equalities.append(&mut equalities);
        } else {
            self.plans.push(Arc::clone(plan));
        }
    }

    /// The relations joined by the equalities between them, and those that were used.
    fn joined(self) -> Result<(LogicalPlan, Vec<Equality>)> {
        let mut waiting = self.plans;
        let mut joined = waiting.remove(0);
        let mut used: Vec<Equality> = Vec::new();
        while !waiting.is_empty() {
            let keys = |right: &Arc<LogicalPlan>| -> Vec<(Equality, Equality)> {
                let across = |e: &Equality| e.across(joined.schema(), right.schema());
                let of = |e: &Equality| Some((e.clone(), across(e)?));
                self.equalities.iter().filter_map(of).collect()
            };
            let next = waiting.iter().position(|right| !keys(right).is_empty()).unwrap_or(0);
            let right = waiting.remove(next);
            let mut on: Vec<(Expr, Expr)> = Vec::new();
            for (equality, Equality { left, right }) in keys(&right) {
                used.push(equality);
                if !on.contains(&(left.clone(), right.clone())) {
                    on.push((left, right));
                }
            }
            joined = Arc::new(LogicalPlan::Join(Join::try_new(
                joined,
                right,
                on,
                None,
                JoinType::Inner,
                JoinConstraint::On,
                NullEquality::NullEqualsNothing,
                false,
            )?));
        }
        Ok((Arc::unwrap_or_clone(joined), used))
    }
}

/// The condition of an inner join when it is nothing but equalities that cannot fail.
fn pure_equalities(join: &Join) -> Option<Vec<Equality>> {
    if join.join_type != JoinType::Inner || join.null_equality != NullEquality::NullEqualsNothing {
        return None;
    }
    let columns: &DFSchema = &join.schema;
    let on = join
        .on
        .iter()
        .map(|(left, right)| Some(Equality { left: left.clone(), right: right.clone() }));
    let filter = join.filter.iter().flat_map(|filter| split_conjunction(filter));
    let filter = filter.map(|condition| Equality::of(condition, Operator::Eq, columns));
    let all = on.chain(filter).collect::<Option<Vec<Equality>>>()?;
    all.iter().all(|equality| equality.never_fails(columns)).then_some(all)
}
