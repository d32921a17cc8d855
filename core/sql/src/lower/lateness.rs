//! `ALLOW LATENESS` of joins in time and of what is over by an event time.
//!
//! An operator that allows lateness lives by the frontier less the lateness, and so does its
//! output. Windows do that themselves, so that batches are cut at their ends alone; before any
//! other operator the event times are held back, once on each way from a relation.

use std::sync::Arc;

use laminar_dataflow::operators::{Map, TimeStep};
use laminar_types::Result;

use super::time_join::duration;
use super::{Lowered, Lowering};
use crate::plan::InputRef;

impl Lowering<'_> {
    /// A relation for an operator for which rows can be late: with its event times held back by the
    /// lateness allowed, unless it is made of what allows it already.
    pub(super) fn lenient(&mut self, input: Lowered) -> Result<Lowered> {
        if self.lateness_ns == 0 || input.times.is_empty() || self.reads_lenient(&input.input) {
            return Ok(input);
        }
        let (columns, window, holds_content) =
            (input.columns.clone(), input.window, input.holds_content);
        let (port, traits) = self.operator_input(input)?;
        let back = TimeStep::Shift(self.lateness_ns.saturating_neg());
        let times = super::identity(&traits).into_iter().map(|map| map.then(back.clone()));
        let map = Map::new(Arc::clone(&traits.schema), Vec::new(), times.collect());
        let label = format!("Map: rows may be {} late", duration(self.lateness_ns));
        let node = self.add(Box::new(map), traits, vec![port], label);
        self.lenient_nodes.push(node);
        Ok(self.lowered(node, columns, window, holds_content))
    }

    /// Whether the lateness allowed makes a difference anywhere.
    pub(super) fn allows_lateness(&self) -> bool {
        !self.window_nodes.is_empty() || !self.lenient_nodes.is_empty()
    }

    /// Whether an input is made of what allows lateness already.
    pub(super) fn reads_lenient(&self, input: &InputRef) -> bool {
        self.reads(input, &|node| {
            self.window_nodes.contains(&node) || self.lenient_nodes.contains(&node)
        })
    }
}
