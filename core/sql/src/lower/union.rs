//! `UNION ALL`.

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
}
