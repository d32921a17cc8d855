//! Inputs from which nothing is expected for now.

use std::collections::BTreeSet;

use laminar_types::{Frontier, mutant};

use super::node::{Body, Input};
use super::{Graph, NodeId};
use crate::operator::Ahead;

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
        let timed = (0..inputs.len()).filter(|port| {
            let input = self.node(inputs[*port].node);
            !input.traits.times.is_empty()
        });
        let (idle, active): (Vec<usize>, Vec<usize>) =
            timed.partition(|port| self.node(inputs[*port].node).idle);
        let Some(reached) = active.iter().map(|port| self.reached(consumer, *port)).min() else {
            return;
        };
        for port in idle {
            let Judge { node, port, ahead } = self.judge(consumer, port);
            let times = self.node(self.node(node).inputs[port].node).traits.times.len();
            let raised: Vec<Frontier> =
                (0..times).map(|position| Ahead::from_row(ahead, position, reached)).collect();
            self.deliver_raised(node, port, &raised);
        }
    }

    /// How far an input of an operator has come. What was never told is the beginning of time.
    fn reached(&self, consumer: NodeId, port: usize) -> Frontier {
        let Judge { node, port, ahead } = self.judge(consumer, port);
        let told = self.node(node).inputs[port].frontiers.iter().enumerate();
        let told = told.map(|(position, frontier)| Ahead::to_row(ahead, position, *frontier));
        told.min().unwrap_or(Frontier::MIN)
    }

    /// Where it is judged which rows are late for a port of an operator.
    fn judge(&self, consumer: NodeId, port: usize) -> Judge {
        let mut below = self.node(consumer).inputs[port].node;
        loop {
            match (&self.node(below).body, self.node(below).inputs.as_slice()) {
                (Body::Operator(operator), [input]) => match operator.judges() {
                    Some(ahead) => return Judge { node: below, port: 0, ahead: Some(ahead) },
                    None => below = input.node,
                },
                _ => return Judge { node: consumer, port, ahead: None },
            }
        }
    }
}

/// The port at which rows that are late for an operator are left out, and which of its event times is
/// ahead of the row's own.
struct Judge {
    node: NodeId,
    port: usize,
    ahead: Option<Ahead>,
}
