//! What can be asked of a node: what it promises, holds, counted, and why it stopped.

use std::sync::Arc;

use laminar_types::{Error, Frontier, Result};

use super::node::{Body, Input};
use super::{Graph, NodeId};
use crate::operator::{Content, Metrics, PartitionMetrics, Traits};
use crate::state::{Container, Snapshot};
use crate::work::Work;

impl Graph {
    /// What is known of a node's output.
    pub fn traits(&self, id: NodeId) -> &Traits {
        &self.node(id).traits
    }

    /// What a node reads, by port.
    pub fn inputs(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.node(id).inputs.iter().map(|input| input.node)
    }

    /// Who reads a node, once for each port.
    pub fn consumers(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.node(id).consumers.iter().map(|(consumer, _)| *consumer)
    }

    /// Whether a node is held back until the database starts.
    pub fn is_held(&self, id: NodeId) -> bool {
        self.node(id).held_since.is_some()
    }

    /// How often a node was visited. After the first visit, that of its creation, it is where
    /// another one would begin, until it is told something.
    pub fn visits(&self, id: NodeId) -> u64 {
        self.node(id).visits
    }

    /// The frontiers of a node's event-time columns.
    pub fn frontiers(&self, id: NodeId) -> &[Frontier] {
        &self.node(id).frontiers
    }

    /// The counters of a node.
    pub fn metrics(&self, id: NodeId) -> Metrics {
        match &self.node(id).body {
            Body::Source => Metrics::default(),
            Body::Table(rows) => Metrics { state_bytes: rows.state_bytes(), ..Metrics::default() },
            Body::Operator(operator) => operator.metrics(),
        }
    }

    /// What each partition of a node's operator did and holds; none where it is one.
    pub fn partitions(&self, id: NodeId) -> Vec<PartitionMetrics> {
        match &self.node(id).body {
            Body::Operator(operator) => operator.partitions(),
            _ => Vec::new(),
        }
    }

    /// What a node was given, gave and took since it was added.
    pub fn work(&self, id: NodeId) -> Work {
        self.node(id).work
    }

    /// A consistent read of a node's current output, or `None` when nothing upstream holds it.
    pub fn content(&mut self, id: NodeId) -> Option<Box<dyn Content>> {
        let node = self.node_mut(id);
        let operator = match &mut node.body {
            Body::Source => return None,
            Body::Table(rows) => return Some(Box::new(rows.snapshot())),
            Body::Operator(operator) => operator,
        };
        let input = match node.inputs.as_slice() {
            [Input { begin: Some(begin), .. }] if operator.derives_content() => {
                Some(Box::new(Arc::clone(begin)) as Box<dyn Content>)
            }
            [input] if operator.derives_content() => {
                let input = input.node;
                Some(self.content(input)?)
            }
            _ => None,
        };
        match &mut self.node_mut(id).body {
            Body::Operator(operator) => operator.content(input),
            _ => None,
        }
    }

    /// What a node holds between two steps: the parts of its operator or table, and the frontiers
    /// that it was told and gave.
    ///
    /// # Errors
    /// As [`Operator::snapshot`].
    pub fn snapshot(&mut self, id: NodeId) -> Result<Snapshot> {
        let node = self.node_mut(id);
        Snapshot::of(|parts| node.parts(parts))
    }

    /// Puts a node of the same plan where another was at a snapshot.
    ///
    /// # Errors
    /// As [`Operator::restore`].
    pub fn restore(&mut self, id: NodeId, snapshot: &Snapshot) -> Result<()> {
        let node = self.node_mut(id);
        // It is no longer where it would begin.
        node.visits += 1;
        snapshot.put_back(|parts| node.parts(parts))
    }

    /// The [name](Operator::name) of a node's operator, if it has one.
    pub fn operator_name(&self, id: NodeId) -> Option<&'static str> {
        match &self.node(id).body {
            Body::Operator(operator) => Some(operator.name()),
            _ => None,
        }
    }

    /// Why a node stopped, if it did.
    pub fn failure(&self, id: NodeId) -> Option<&Error> {
        self.node(id).failed.as_ref()
    }
}
