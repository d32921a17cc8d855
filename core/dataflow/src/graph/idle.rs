//! Inputs from which nothing is expected for now.

use std::collections::BTreeSet;

use laminar_types::{Frontier, mutant};

use super::node::Input;
use super::{Graph, NodeId};

impl Graph {
    /// Says of sources whether anything is expected from them for now, of all at one moment. An
    /// operator with several inputs leaves the idle ones out of the minimum that is its frontier,
    /// unless all are idle: then its frontier stays.
    ///
    /// To an operator an idle input looks as if it kept up with the others: no operator needs to
    /// know of it, and when the input comes back, what it sends is late against the frontier that
    /// the operator has reached.
    pub fn set_idle(&mut self, changes: &[(NodeId, bool)]) {
        let mut changes = changes.to_vec();
        let mut readers = BTreeSet::new();
        // Nobody keeps up with anyone before it is known of all who is idle.
        while let Some((id, idle)) = changes.pop() {
            if self.node(id).idle == idle {
                continue;
            }
            self.node_mut(id).idle = idle;
            self.for_consumers(id, |graph, consumer, _| {
                changes.push((consumer, graph.are_inputs_idle(consumer)));
                readers.insert(consumer);
            });
        }
        readers.into_iter().for_each(|reader| self.settle_idle(reader));
    }

    /// Whether nothing is expected from any input of an operator that has an event time.
    pub(super) fn are_inputs_idle(&self, id: NodeId) -> bool {
        let mut inputs = self.node(id).inputs.iter().map(|input| self.node(input.node));
        inputs.all(|input| input.traits.times.is_empty() || input.idle)
    }

    /// Whether nothing is expected from a node for now.
    pub fn is_idle(&self, id: NodeId) -> bool {
        self.node(id).idle
    }

    /// Lets the idle inputs of an operator keep up with the others.
    pub(super) fn settle_idle(&mut self, consumer: NodeId) {
        let inputs = &self.node(consumer).inputs;
        let is_idle = |input: &Input| self.node(input.node).idle && !mutant!(IdleSourceHoldsBack);
        if inputs.len() < 2 || inputs.iter().all(|input| !is_idle(input)) {
            return;
        }
        let active = inputs.iter().filter(|input| {
            let input = self.node(input.node);
            !input.idle && !input.traits.times.is_empty()
        });
        // What was never told is the beginning of time.
        let least = |input: &Input| input.frontiers.iter().min().copied();
        let Some(reached) = active.map(|input| least(input).unwrap_or(Frontier::MIN)).min() else {
            return;
        };
        for port in 0..self.node(consumer).inputs.len() {
            let input = self.node(self.node(consumer).inputs[port].node);
            if input.idle && !input.traits.times.is_empty() {
                let raised: Vec<Frontier> =
                    input.frontiers.iter().map(|frontier| (*frontier).max(reached)).collect();
                self.deliver_raised(consumer, port, &raised);
            }
        }
    }
}
