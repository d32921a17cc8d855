//! `UNION ALL`.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::LogicalPlan;
use laminar_dataflow::operators::Union;
use laminar_dataflow::{Changes, EventTime, Traits};
use laminar_types::Result;

use super::{Lowered, Lowering};
use crate::plan::InputRef;

impl Lowering<'_> {
    pub(super) fn union(
        &mut self,
        inputs: &[Arc<LogicalPlan>],
        schema: &DFSchemaRef,
    ) -> Result<Lowered> {
        let arrow_schema: SchemaRef = Arc::new(schema.as_arrow().clone());
        let mut ports = Vec::with_capacity(inputs.len());
        for input in inputs {
            let lowered = self.plan(input)?;
            let node = self.finish(lowered, input.schema())?;
            ports.push(node);
        }
        let of = |node: &usize| &self.nodes[*node].traits;
        // A column carries event time when it does in every branch.
        let in_all = |time: &EventTime| {
            let found = ports.iter().map(|port| {
                let mut times = of(port).times.iter();
                times.find(|other| (other.column, other.unit) == (time.column, time.unit))
            });
            let found = found.collect::<Option<Vec<&EventTime>>>()?;
            let settled = found.iter().all(|time| time.settled);
            let closed = found.iter().all(|time| time.closed);
            Some(EventTime { settled, closed, ..*time })
        };
        let times: Vec<EventTime> = of(&ports[0]).times.iter().filter_map(in_all).collect();
        let positions = ports
            .iter()
            .map(|port| times.iter().filter_map(|time| of(port).time_of(time.column)).collect())
            .collect();
        let append_only = ports.iter().all(|port| of(port).changes == Changes::AppendOnly);
        let traits = Traits {
            schema: Arc::clone(&arrow_schema),
            changes: if append_only { Changes::AppendOnly } else { Changes::Retract },
            unique_key: None,
            declared_watermark: ports
                .iter()
                .all(|port| of(port).times.is_empty() || of(port).declared_watermark),
            times,
        };
        let operator = Union::new(Arc::clone(&arrow_schema), positions);
        let inputs = ports.into_iter().map(InputRef::Node).collect();
        let node = self.add(Box::new(operator), traits, inputs, "Union all".to_string());
        Ok(self.lowered(node, schema.as_ref().clone(), None, false))
    }

    /// Whether rows arrive in an order that is the same however those of the inputs are cut into
    /// pushes. Those of a union, or a join, do not where one push gives rows to several of its
    /// inputs: these stand input by input, for each push. Nor do those that a frontier brings about
    /// where others come between its moves: sessions of several keys, and rows of a join in time that
    /// have no match. Where they do not, ties break by all columns.
    pub(super) fn arrives_in_order(&self, input: &InputRef) -> bool {
        match input {
            InputRef::Relation(name) => self.catalog.arrives_in_order(name),
            InputRef::Node(node) => {
                !self.mixed_nodes.contains(node)
                    && self.nodes[*node].inputs.iter().all(|input| self.arrives_in_order(input))
            }
        }
    }

    /// Whether one push can give rows to several of these inputs.
    pub(super) fn are_mixed(&self, inputs: &[InputRef]) -> bool {
        let mut behind: BTreeSet<String> = BTreeSet::new();
        inputs.len() > 1
            && inputs.iter().any(|input| {
                let of_input = self.inputs_behind(input);
                let is_shared = of_input.iter().any(|input| behind.contains(input));
                behind.extend(of_input);
                is_shared
            })
    }

    /// The sources and tables whose rows can come by an input.
    fn inputs_behind(&self, input: &InputRef) -> BTreeSet<String> {
        match input {
            InputRef::Relation(name) => self.catalog.inputs_behind(name).into_iter().collect(),
            InputRef::Node(node) => {
                let inputs = self.nodes[*node].inputs.iter();
                inputs.flat_map(|input| self.inputs_behind(input)).collect()
            }
        }
    }
}
