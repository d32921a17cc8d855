//! Into how many partitions operators are divided, and why one is not.

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::Expr as LogicalExpr;
use laminar_dataflow::Operator;
use laminar_dataflow::aggregate::AggregateFunction;
use laminar_dataflow::expr::Expr;
use laminar_dataflow::operators::{AggregateCall, Partitioned};
use laminar_types::Result;

use super::Lowering;
use crate::host_functions::host_function;
use crate::plan::PlanNode;

/// Operators without state: they run where their rows are.
const STATELESS: [&str; 4] = ["Map", "Union", "Unnest", "Constant"];

/// Functions of DataFusion whose result depends on how the rows of a group were cut into batches. Where
/// a row fails all of its batch are added one by one, and a partition has batches of its own.
const APPROXIMATE_BY_BATCH: [&str; 1] = ["approx_percentile_cont_with_weight"];

const NO_KEYS: &str = "there are no keys";

impl Lowering<'_> {
    /// An operator by keys, divided among the workers of the query unless something keeps it from
    /// that. `inputs` are, by port, the columns and what of them is the key; `make` makes the operator, alone
    /// or as a partition. The label then says which it is.
    pub(super) fn divided<O: Operator + 'static>(
        &self,
        inputs: Vec<(SchemaRef, Vec<Expr>)>,
        hindrance: Option<String>,
        label: &mut String,
        make: impl Fn() -> Result<O>,
        as_partition: impl Fn(O) -> O,
    ) -> Result<Box<dyn Operator>> {
        if self.workers == 1 {
            return Ok(Box::new(make()?));
        }
        if let Some(reason) = hindrance {
            label.push_str(&format!("; workers: 1, because {reason}"));
            return Ok(Box::new(make()?));
        }
        label.push_str(&format!("; workers: {}, by its keys", self.workers));
        let partition = |_| Ok(Box::new(as_partition(make()?)) as Box<dyn Operator>);
        let partitions = (0..self.workers).map(partition).collect::<Result<_>>()?;
        Ok(Box::new(Partitioned::new(partitions, inputs)?))
    }

    /// Says of operators with state that they are not divided, where nothing says it yet.
    pub(super) fn tell_undivided(&mut self) {
        if self.workers == 1 {
            return;
        }
        let is_silent = |node: &PlanNode| {
            !STATELESS.contains(&node.operator.name()) && !node.label.contains("; workers: ")
        };
        for node in self.nodes.iter_mut().filter(|node| is_silent(node)) {
            node.label.push_str("; workers: 1, because it is of a kind that is not divided");
        }
    }
}

/// The key that is some columns.
pub(super) fn column_keys(schema: &SchemaRef, columns: &[usize]) -> Vec<Expr> {
    let column = |column: &usize| Expr::column(schema.field(*column).name(), *column);
    columns.iter().map(column).collect()
}

/// What keeps an operator from being divided that has keys or none and computes some expressions.
pub(super) fn undivided<'a>(
    keys: usize,
    exprs: impl IntoIterator<Item = &'a LogicalExpr>,
) -> Option<String> {
    if keys == 0 {
        return Some(NO_KEYS.to_string());
    }
    let of_host = host_function(exprs);
    of_host.map(|name| format!("{name}(...) is a function of the host"))
}

/// What keeps groups from being divided, of their keys and calls.
pub(super) fn undivided_groups(keys: usize, calls: &[AggregateCall]) -> Option<String> {
    if keys == 0 {
        return Some(NO_KEYS.to_string());
    }
    calls.iter().find_map(|call| match &call.function {
        AggregateFunction::Batch(function) if function.can_fail => {
            Some(format!("{}(...) is a function of the host", call.function.name()))
        }
        AggregateFunction::Batch(_) if APPROXIMATE_BY_BATCH.contains(&call.function.name()) => {
            let name = call.function.name();
            Some(format!("the approximation of {name}(...) goes by what is added together"))
        }
        _ => None,
    })
}
