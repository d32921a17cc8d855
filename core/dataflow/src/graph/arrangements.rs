//! Rows by key that several operators read: who keeps what of an input, and who reads it with them.

use laminar_types::{Error, Result};

use super::node::Body;
use super::{Graph, NodeId};
use crate::operators::{Arranged, KeyedRows, SharedRows};

impl Graph {
    /// Who keeps rows of a node by key, and how, once for each port.
    pub fn arrangements(&self, of: NodeId) -> impl Iterator<Item = (NodeId, usize, &Arranged)> {
        self.node(of).consumers.iter().filter_map(|(reader, port)| {
            Some((*reader, *port, self.keyed_rows(*reader)?.arranged(*port)))
        })
    }

    /// Whether the rows of an input that an operator keeps by key are none.
    pub fn keeps_nothing(&self, id: NodeId, port: usize) -> bool {
        self.keyed_rows(id).is_none_or(|rows| rows.is_empty(port))
    }

    /// The rows of an input that an operator keeps by key, for another one.
    ///
    /// # Errors
    /// `INTERNAL` for an operator that keeps none.
    pub fn lend_rows(&mut self, id: NodeId, port: usize) -> Result<SharedRows> {
        let rows = match &mut self.node_mut(id).body {
            Body::Operator(operator) => operator.keyed_rows_mut(),
            _ => None,
        };
        rows.ok_or_else(|| Error::internal("rows are lent that are not there"))?.lend(port)
    }

    /// The operators that read the rows of an input together with one, ports of its own included.
    pub fn readers_of_rows(&self, id: NodeId, port: usize) -> Vec<NodeId> {
        let Some(rows) = self.shared_rows(id, port) else { return Vec::new() };
        let input = self.node(id).inputs[port].node;
        let readers = self.node(input).consumers.iter();
        let readers = readers.filter(|(reader, at)| {
            (*reader, *at) != (id, port)
                && self.shared_rows(*reader, *at).is_some_and(|others| others.is_same(&rows))
        });
        readers.map(|(reader, _)| *reader).collect()
    }

    fn shared_rows(&self, id: NodeId, port: usize) -> Option<SharedRows> {
        self.keyed_rows(id)?.shared(port)
    }

    fn keyed_rows(&self, id: NodeId) -> Option<&dyn KeyedRows> {
        match &self.node(id).body {
            Body::Operator(operator) => operator.keyed_rows(),
            _ => None,
        }
    }
}
