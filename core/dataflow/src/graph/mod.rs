//! [`Graph`]: the operators of all streams, run in topological order.
//!
//! A node only ever reads nodes with smaller ids, so the order of ids is a topological order. One *step* delivers rows to sources, moves their frontiers, and visits every node that
//! got something, once, in that order: diamonds and self-joins have no glitches, and nodes with
//! nothing to do are not visited. An epoch is one step, or several where a batch holds rows that
//! are behind the frontier of the rows before them (ARCHITECTURE.md, "Lateness").
//!
//! | module | what it holds |
//! |---|---|
//! | `node` | a node: its operator, its inputs, what waits for it |
//! | `input` | rows and frontiers from outside, and what a new node begins with |
//! | `run` | the run of a step |
//! | `idle` | inputs from which nothing is expected |
//! | `arrangements` | rows by key that several operators read |
//! | `reading` | what can be asked of a node |
//! | `redirect` | a node in the place of another |
//! | `ready` | the nodes to visit |

mod arrangements;
mod idle;
mod input;
mod node;
mod reading;
mod ready;
mod redirect;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use laminar_types::{Change, Delta, Epoch, Error, Frontier, RowBlock};

pub use input::Audience;
use node::{Body, Input, Node};
use ready::ReadySet;

use crate::operator::{DeadLetter, Operator, Traits};
use crate::state::TableRows;
use crate::work::Work;
use crate::workers::{Inline, Workers};

/// Blocks that are kept to be used again.
const MOST_SPARE_BLOCKS: usize = 16;

/// Identifies a node as long as it is in its graph. After its removal another one may get the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What one step gave to the outside.
#[derive(Debug, Default)]
pub struct StepOutput {
    /// The deltas of the nodes that are [tapped](Graph::tap), by tag, in topological order.
    pub deltas: Vec<(u32, Change)>,
    /// Rows left out, with the node that left them out.
    pub dead_letters: Vec<(NodeId, DeadLetter)>,
    /// Nodes that failed in this step, before the nodes that failed with them.
    pub failures: Vec<(NodeId, Error)>,
}

impl StepOutput {
    /// Forgets everything, keeping the allocations.
    pub fn clear(&mut self) {
        self.deltas.clear();
        self.dead_letters.clear();
        self.failures.clear();
    }
}

/// The operators of a database and their edges.
pub struct Graph {
    nodes: Vec<Option<Node>>,
    /// The ids that no node has, of those that some had.
    free: BTreeSet<NodeId>,
    ready: ReadySet,
    /// Scratch: the frontiers of the node that is visited.
    frontiers: Vec<Frontier>,
    /// Scratch: the dead letters of the node that is visited.
    dead_letters: Vec<DeadLetter>,
    /// Scratch: the late rows of the node that is visited.
    late: Vec<Delta>,
    /// Blocks to be used again.
    spare_blocks: Vec<RowBlock>,
    /// How many steps ran.
    steps: u64,
    /// In the replay of what queued before the start: the sequence number of what is replayed.
    replayed: Option<u64>,
    /// Whether an operator asks for the time, the epoch whose time was told last, and that time.
    reads_clock: bool,
    now_of: Epoch,
    now_ms: i64,
    /// Who runs the partitions of operators.
    workers: Arc<dyn Workers>,
}
impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl Graph {
    /// An empty graph that runs everything on the calling thread.
    pub fn new() -> Self {
        Self::with_workers(Arc::new(Inline))
    }

    /// An empty graph, in which these workers run the partitions of operators.
    pub fn with_workers(workers: Arc<dyn Workers>) -> Self {
        Self {
            nodes: Vec::new(),
            free: BTreeSet::new(),
            ready: ReadySet::default(),
            frontiers: Vec::new(),
            dead_letters: Vec::new(),
            late: Vec::new(),
            spare_blocks: Vec::new(),
            steps: 0,
            replayed: None,
            reads_clock: false,
            now_of: 0,
            now_ms: 0,
            workers,
        }
    }

    /// Adds a source: a node whose rows and frontiers come by [`push`](Self::push) and
    /// [`advance`](Self::advance).
    pub fn add_source(&mut self, traits: Traits) -> NodeId {
        let frontiers = vec![Frontier::MIN; traits.times.len()];
        self.add(Body::Source, traits, Vec::new(), frontiers)
    }

    /// Adds a table: a source whose rows are kept. The caller changes them through
    /// [`table_mut`](Self::table_mut) and [pushes](Self::push) each change.
    pub fn add_table(&mut self, traits: Traits, rows: TableRows) -> NodeId {
        let frontiers = vec![Frontier::MIN; traits.times.len()];
        self.add(Body::Table(Box::new(rows)), traits, Vec::new(), frontiers)
    }

    /// The rows of a node that is a table.
    pub fn table(&self, id: NodeId) -> Option<&TableRows> {
        match &self.node(id).body {
            Body::Table(rows) => Some(rows),
            _ => None,
        }
    }

    /// The rows of a node that is a table, to be changed.
    pub fn table_mut(&mut self, id: NodeId) -> Option<&mut TableRows> {
        match &mut self.node_mut(id).body {
            Body::Table(rows) => Some(rows),
            _ => None,
        }
    }

    /// Adds an operator that reads `inputs`, one for each port.
    ///
    /// It has seen nothing yet, frontiers included: [`backfill`](Self::backfill) gives it what an
    /// input has now. `held_since` holds it back from its sources until
    /// [`release`](Self::release). It is visited in the next [`run`](Self::run), so that an
    /// operator that has something to say of no rows (a global count) says it.
    pub fn add_operator(
        &mut self,
        mut operator: Box<dyn Operator>,
        traits: Traits,
        inputs: Vec<NodeId>,
        held_since: Option<u64>,
    ) -> NodeId {
        let mut ports = Vec::with_capacity(inputs.len());
        for node in &inputs {
            let table = self.table_mut(*node).filter(|_| held_since.is_some());
            let begin = table.map(|rows| Arc::new(rows.snapshot()));
            ports.push(Input {
                node: *node,
                frontiers: Vec::new(),
                begin,
                since: None,
                columns: None,
            });
        }
        let frontiers = vec![Frontier::MIN; traits.times.len()];
        self.reads_clock |= operator.reads_clock();
        operator.employ(&self.workers);
        let id = self.add(Body::Operator(operator), traits, ports, frontiers);
        self.node_mut(id).idle = !inputs.is_empty() && self.are_inputs_idle(id);
        for (port, node) in inputs.into_iter().enumerate() {
            self.node_mut(node).consumers.push((id, port));
        }
        self.node_mut(id).held_since = held_since;
        self.ready.insert(id);
        id
    }

    /// Adds the second output of an operator: the rows that come too late for it.
    pub fn add_late_output(&mut self, of: NodeId, traits: Traits) -> NodeId {
        let frontiers = vec![Frontier::MIN; traits.times.len()];
        let id = self.add_behind(Some(of), Body::Source, traits, Vec::new(), frontiers);
        self.node_mut(of).late_output = Some(id);
        id
    }

    fn add(
        &mut self,
        body: Body,
        traits: Traits,
        inputs: Vec<Input>,
        frontiers: Vec<Frontier>,
    ) -> NodeId {
        let last = inputs.iter().map(|input| input.node).max();
        self.add_behind(last, body, traits, inputs, frontiers)
    }

    /// Adds a node with an id behind another one.
    fn add_behind(
        &mut self,
        other: Option<NodeId>,
        body: Body,
        traits: Traits,
        inputs: Vec<Input>,
        frontiers: Vec<Frontier>,
    ) -> NodeId {
        let id = self.free_id(other);
        self.nodes[id.index()] = Some(Node {
            body,
            traits,
            inputs,
            consumers: Vec::new(),
            pending: Vec::new(),
            moved: Vec::new(),
            frontiers,
            tap: None,
            late_output: None,
            idle: false,
            held_since: None,
            failed: None,
            fails_on_dead_letter: false,
            work: Work::default(),
            visits: 0,
        });
        id
    }

    /// Takes the first id behind another one that no node has.
    fn free_id(&mut self, other: Option<NodeId>) -> NodeId {
        let first = NodeId(other.map_or(0, |other| other.0 + 1));
        if let Some(id) = self.free.range(first..).next().copied() {
            self.free.remove(&id);
            return id;
        }
        self.nodes.push(None);
        NodeId(u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 nodes"))
    }

    /// Adds columns behind those of a source. Who reads it by now goes on with the columns there
    /// were.
    pub fn widen(&mut self, source: NodeId, schema: SchemaRef) {
        let traits = &mut self.node_mut(source).traits;
        let known = traits.schema.fields().len();
        traits.schema = schema;
        self.for_consumers(source, |graph, consumer, port| {
            graph.node_mut(consumer).inputs[port].columns.get_or_insert(known);
        });
    }

    /// Removes a node that nobody reads.
    pub fn remove(&mut self, id: NodeId) {
        let Some(node) = self.nodes[id.index()].take() else { return };
        assert!(node.consumers.is_empty(), "a node that others read was removed");
        self.ready.remove(id);
        self.free.insert(id);
        for input in node.inputs {
            self.node_mut(input.node).consumers.retain(|(consumer, _)| *consumer != id);
        }
    }
    /// Whether other nodes read this one.
    pub fn has_consumers(&self, id: NodeId) -> bool {
        !self.node(id).consumers.is_empty()
    }

    /// Whether a consumer of this source is held back.
    pub fn has_held_consumers(&self, id: NodeId) -> bool {
        let mut consumers = self.node(id).consumers.iter();
        consumers.any(|(consumer, _)| self.node(*consumer).held_since.is_some())
    }

    /// Makes [`run`](Self::run) report the deltas of a node under a tag of the caller's.
    pub fn tap(&mut self, id: NodeId, tag: u32) {
        self.node_mut(id).tap = Some(tag);
    }

    /// Ends what [`tap`](Self::tap) began.
    pub fn untap(&mut self, id: NodeId) {
        self.node_mut(id).tap = None;
    }

    /// Makes a node fail when it would leave out a row on which an expression failed.
    pub fn fail_on_dead_letter(&mut self, id: NodeId) {
        self.node_mut(id).fails_on_dead_letter = true;
    }

    /// Lets every node run that was held back.
    pub fn release(&mut self) {
        for node in self.nodes.iter_mut().flatten() {
            node.held_since = None;
            for input in &mut node.inputs {
                (input.begin, input.since) = (None, None);
            }
        }
    }

    fn for_consumers(&mut self, id: NodeId, mut visit: impl FnMut(&mut Self, NodeId, usize)) {
        for index in 0..self.node(id).consumers.len() {
            let (consumer, port) = self.node(id).consumers[index];
            visit(self, consumer, port);
        }
    }

    fn node(&self, id: NodeId) -> &Node {
        self.nodes[id.index()].as_ref().expect("ids are not used after removal")
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id.index()].as_mut().expect("ids are not used after removal")
    }
}
