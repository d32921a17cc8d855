//! Another node in the place of one that others read.

use std::collections::BTreeMap;

use laminar_types::{Change, Delta};

use super::node::Node;
use super::{Graph, NodeId};

impl Graph {
    /// Gives the readers of a node that `moves` is true for, at this port, another one of the same
    /// promises to read, and what the change is for them, if there is any, as part of the next
    /// [`run`](Self::run).
    ///
    /// Where the other node does not stand before them, the readers, and what reads them, get new ids
    /// behind it: each old id with the new one is answered.
    pub fn redirect(
        &mut self,
        from: NodeId,
        to: NodeId,
        change: Option<&Delta>,
        moves: impl Fn(NodeId, usize) -> bool,
    ) -> Vec<(NodeId, NodeId)> {
        let consumers = std::mem::take(&mut self.node_mut(from).consumers);
        let (mut readers, stay): (Vec<_>, Vec<_>) =
            consumers.into_iter().partition(|(reader, port)| moves(*reader, *port));
        self.node_mut(from).consumers = stay;
        let moved = self.move_behind(to, readers.iter().map(|(reader, _)| *reader).collect());
        let now = |id: &mut NodeId| *id = moved.get(id).copied().unwrap_or(*id);
        for node in self.nodes.iter_mut().flatten() {
            node.inputs.iter_mut().for_each(|input| now(&mut input.node));
            node.consumers.iter_mut().for_each(|(reader, _)| now(reader));
            node.late_output.iter_mut().for_each(now);
        }
        readers.iter_mut().for_each(|(reader, _)| now(reader));
        for (reader, port) in &readers {
            self.node_mut(*reader).inputs[*port].node = to;
        }
        self.node_mut(to).consumers.extend(&readers);
        let frontiers = self.node(to).frontiers.clone();
        for (reader, port) in readers {
            if let Some(change) = change.filter(|change| !change.is_empty()) {
                self.deliver(reader, port, Change::Batch(change.clone()));
            }
            if !frontiers.is_empty() {
                self.deliver_frontiers(reader, port, &frontiers);
            }
            self.settle_idle(reader);
            self.set_idle(&[(reader, self.are_inputs_idle(reader))]);
        }
        moved.into_iter().collect()
    }

    /// Gives nodes, and those that read them, ids behind that of another node where theirs are not.
    /// Answers the new ids; what has the old ones must be told.
    fn move_behind(&mut self, other: NodeId, nodes: Vec<NodeId>) -> BTreeMap<NodeId, NodeId> {
        // What each node must stand behind. One is looked at after all that it reads.
        let mut behind: BTreeMap<NodeId, NodeId> =
            nodes.into_iter().map(|node| (node, other)).collect();
        let mut moved = BTreeMap::new();
        while let Some((id, bound)) = behind.pop_first() {
            assert!(id != other, "a node would read itself");
            if id > bound {
                continue;
            }
            let now = self.free_id(Some(bound));
            let node = self.nodes[id.index()].take();
            for reader in node.iter().flat_map(Node::readers) {
                let bound = behind.entry(reader).or_insert(now);
                *bound = now.max(*bound);
            }
            self.nodes[now.index()] = node;
            if self.ready.remove(id) {
                self.ready.insert(now);
            }
            moved.insert(id, now);
        }
        // Not before, so that none of the new ids is one of the old ones.
        self.free.extend(moved.keys());
        moved
    }
}
