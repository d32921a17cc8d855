//! The plan of an ad-hoc query, told: as DataFusion's text, or as a tree in JSON of the same form as
//! that of a continuous query, an `operator` with its `inputs` inside.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::metrics::Metric;
use serde_json::{Map, Value, json};

use crate::outline::ExplainForm;

/// What is to be done.
pub fn logical(plan: &LogicalPlan, form: ExplainForm) -> datafusion::error::Result<String> {
    match form.json {
        true => Ok(format!("{:#}\n", logical_tree(plan)?)),
        false => Ok(plan.display_indent().to_string()),
    }
}

/// What was done, with what each operator counted.
pub fn physical(plan: &Arc<dyn ExecutionPlan>, form: ExplainForm) -> String {
    match form.json {
        true => format!("{:#}\n", physical_tree(plan)),
        false => DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(false).to_string(),
    }
}

fn logical_tree(plan: &LogicalPlan) -> datafusion::error::Result<Value> {
    let mut inputs = Vec::new();
    // Those inside of expressions, which are no inputs, are read as well.
    plan.apply_subqueries(|subquery| {
        inputs.push(logical_tree(subquery)?);
        Ok::<_, DataFusionError>(TreeNodeRecursion::Continue)
    })?;
    for input in plan.inputs() {
        inputs.push(logical_tree(input)?);
    }
    Ok(json!({ "operator": plan.display().to_string(), "inputs": inputs }))
}

fn physical_tree(plan: &Arc<dyn ExecutionPlan>) -> Value {
    let line = DisplayableExecutionPlan::new(plan.as_ref()).one_line().to_string();
    let inputs: Vec<Value> = plan.children().into_iter().map(physical_tree).collect();
    let mut told = json!({ "operator": line.trim(), "inputs": inputs });
    if let Some(metrics) = plan.metrics() {
        let metrics = metrics.aggregate_by_name().timestamps_removed();
        let value = |metric: &Arc<Metric>| {
            let value = metric.value();
            (value.name().to_string(), value.as_usize().into())
        };
        told["metrics"] = Value::Object(metrics.iter().map(value).collect::<Map<_, _>>());
    }
    told
}
