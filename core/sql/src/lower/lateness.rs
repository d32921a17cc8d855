//! `ALLOW LATENESS` of joins in time and of what is over by an event time.
//!
//! An operator that allows lateness lives by the frontier less the lateness, and so does its
//! output. Windows do that themselves, so that batches are cut at their ends alone; before any
//! other operator the event times are held back, once on each way from a relation.

use std::sync::Arc;

use laminar_dataflow::operators::{Map, TimeMap, TimeStep};
use laminar_types::{Error, Result};

use super::time_join::duration;
use super::{Lowered, Lowering};
use crate::plan::InputRef;

impl Lowering<'_> {
    /// A relation for an operator for which rows can be late: with its event times held back by the
    /// lateness allowed, unless it is made of what allows it already.
    pub(super) fn lenient(&mut self, input: Lowered) -> Result<Lowered> {
        let asked = |node: &usize| self.reads(&input.input, &|read| read == *node);
        let asked: Vec<usize> = self.held_back.iter().copied().filter(asked).collect();
        if asked.is_empty() {
            let (lowered, node) = self.held_back(input)?;
            self.lenient_nodes.extend(node);
            return Ok(lowered);
        }
        self.lenient_nodes.extend(asked);
        Ok(input)
    }

    /// The same for what computes the windows of its rows, in case that somebody above asks for it.
    pub(super) fn lenient_windows(&mut self, input: Lowered) -> Result<Lowered> {
        let (lowered, node) = self.held_back(input)?;
        self.held_back.extend(node);
        Ok(lowered)
    }

    fn held_back(&mut self, mut input: Lowered) -> Result<(Lowered, Option<usize>)> {
        if self.lateness_ns == 0 || input.times.is_empty() || self.reads_lenient(&input.input) {
            return Ok((input, None));
        }
        let (columns, window, holds_content) =
            (input.columns.clone(), input.window, input.holds_content);
        let back = TimeStep::Shift(self.lateness_ns.saturating_neg());
        let computes =
            |map: &TimeMap| map.steps.iter().any(|step| matches!(step, TimeStep::Monotone(_)));
        if !input.stages.is_empty() && input.times.iter().any(computes) {
            // What is computed of a time that is held back, as the start of its window, is not held
            // back by as much itself.
            for map in &mut input.times {
                let held_back = TimeMap::identity(map.input).then(back.clone());
                *map = map.steps.drain(..).fold(held_back, TimeMap::then);
            }
            input.time_labels.push(format!("rows may be {} late", duration(self.lateness_ns)));
            let (port, _) = self.operator_input(input)?;
            let InputRef::Node(node) = port else {
                return Err(Error::internal("a chain of stages is a node"));
            };
            return Ok((self.lowered(node, columns, window, holds_content), Some(node)));
        }
        let (port, traits) = self.operator_input(input)?;
        let times = super::identity(&traits).into_iter().map(|map| map.then(back.clone()));
        let map = Map::new(Arc::clone(&traits.schema), Vec::new(), times.collect());
        let label = format!("Map: rows may be {} late", duration(self.lateness_ns));
        let node = self.add(Box::new(map), traits, vec![port], label);
        Ok((self.lowered(node, columns, window, holds_content), Some(node)))
    }

    /// Whether the lateness allowed makes a difference anywhere.
    pub(super) fn allows_lateness(&self) -> bool {
        !self.window_nodes.is_empty() || !self.lenient_nodes.is_empty()
    }

    /// Whether an input is made of what allows lateness already.
    pub(super) fn reads_lenient(&self, input: &InputRef) -> bool {
        self.reads(input, &|node| {
            self.window_nodes.contains(&node)
                || self.lenient_nodes.contains(&node)
                || self.held_back.contains(&node)
        })
    }
}
