//! [`Definition`]: what an operator does, so that two operators can be told to be one.
//!
//! Lowering is a function of the logical plan, of the options of the query and of what the relations
//! promise. So an operator is defined by the part of the plan that it was made for, by its place among
//! the operators made for it, and by the options; a chain of filters and projections, which gathers
//! from several parts, by itself. Equal operators over equal inputs do the same from then on; whether
//! they are where they would be after the same past is not said here.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use laminar_dataflow::operators::{Stage, TimeMap};

/// What an operator does with its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Filters and projections, over rows of a schema.
    Chain { input: SchemaRef, stages: Vec<Stage>, times: Vec<TimeMap> },
    /// An operator that a part of a plan is lowered to.
    Part { plan: Arc<LogicalPlan>, place: Place, options: Options },
}

/// Which of the operators of a part of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number among those of the part.
    pub(crate) number: usize,
    /// Whether it is one of those behind the plan, which make a result of it.
    pub(crate) is_behind: bool,
}

/// The options of a query that decide what its operators do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) final_windows: bool,
    pub(crate) final_given: bool,
    pub(crate) lateness_ns: i64,
    pub(crate) state_ttl_ns: Option<i64>,
    pub(crate) workers: usize,
}

impl Definition {
    /// A chain of filters and projections, unless equal rows can give different ones.
    pub(crate) fn chain(input: &SchemaRef, stages: &[Stage], times: &[TimeMap]) -> Option<Self> {
        let mut exprs = stages.iter().flat_map(Stage::exprs);
        let is_volatile = exprs.any(|expr| expr.is_volatile());
        let (input, stages, times) = (Arc::clone(input), stages.to_vec(), times.to_vec());
        (!is_volatile).then_some(Self(Kind::Chain { input, stages, times }))
    }

    /// An operator that a part of a plan is lowered to, unless equal rows can give different ones.
    pub(crate) fn part(plan: &Arc<LogicalPlan>, place: Place, options: Options) -> Option<Self> {
        let plan = Arc::clone(plan);
        (!is_volatile(&plan)).then_some(Self(Kind::Part { plan, place, options }))
    }
}

fn is_volatile(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let walked = plan.apply(|part| {
        found |= part.expressions().iter().any(|expr| expr.is_volatile());
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || walked.is_err()
}
