//! [`Graph`]: the operators of all streams, run in topological order.
//!
//! A node only ever reads nodes that were added before it, so the order of ids is a topological
//! order. One *step* delivers rows to sources, moves their frontiers, and visits every node that
//! got something, once, in that order: diamonds and self-joins have no glitches, and nodes with
//! nothing to do are not visited. An epoch is one step, or several where a batch holds rows that
//! are behind the frontier of the rows before them (ARCHITECTURE.md, "Lateness").

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use laminar_types::{Change, Delta, Epoch, Error, Frontier, Result, RowBlock, code, mutant};

use crate::operator::{Content, Context, DeadLetter, Marks, Metrics, Operator, Traits};
use crate::operators::timed_rows::join;
use crate::state::{Container, Parts, Snapshot, TableRows, TableSnapshot};
use crate::work::{Timing, Work};

/// Blocks that are kept to be used again.
const MOST_SPARE_BLOCKS: usize = 16;

/// Identifies a node for the life of its graph; never used again after removal.
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
#[derive(Default)]
pub struct Graph {
    nodes: Vec<Option<Node>>,
    ready: ReadySet,
    /// Scratch: the frontiers of the node that is visited.
    frontiers: Vec<Frontier>,
    /// Scratch: the dead letters of the node that is visited.
    dead_letters: Vec<DeadLetter>,
    /// Scratch: the late rows of the node that is visited.
    late: Vec<Delta>,
    /// Blocks to be used again.
    spare_blocks: Vec<RowBlock>,
    /// In the replay of what queued before the start: the sequence number of what is replayed.
    replayed: Option<u64>,
    /// Whether an operator asks for the time, the epoch whose time was told last, and that time.
    reads_clock: bool,
    now_of: Epoch,
    now_ms: i64,
}

struct Node {
    body: Body,
    traits: Traits,
    inputs: Vec<Input>,
    consumers: Vec<(NodeId, usize)>,
    /// Rows delivered in this step, by port.
    pending: Vec<(usize, Change)>,
    /// Ports whose frontiers moved in this step.
    moved: Vec<usize>,
    /// The frontiers of the output.
    frontiers: Vec<Frontier>,
    tap: Option<u32>,
    /// The node that hands on the rows that are late for this one.
    late_output: Option<NodeId>,
    /// Whether nothing is expected from here for now.
    idle: bool,
    /// Held back until the database starts; then `Some(sequence number of its creation)`.
    held_since: Option<u64>,
    failed: Option<Error>,
    /// Whether a row that is left out fails the node.
    fails_on_dead_letter: bool,
    work: Work,
}

/// Where the rows of a node come from.
enum Body {
    /// From outside, and they are not kept here.
    Source,
    /// From outside, and they are kept.
    Table(Box<TableRows>),
    /// From other nodes.
    Operator(Box<dyn Operator>),
}

struct Input {
    node: NodeId,
    /// The frontiers last delivered to this port.
    frontiers: Vec<Frontier>,
    /// What the table that is read held when this node was made, while the node is held back: its
    /// changes since then wait for the start.
    begin: Option<Arc<TableSnapshot>>,
    /// While the node is held back: what arrived before this sequence number is not for it.
    since: Option<u64>,
    /// The columns that the node knows, the first ones of its input's, where others came later.
    columns: Option<usize>,
}

/// Who receives what is delivered to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The consumers that run.
    Running,
    /// The consumers that are held back and were created at or before a sequence number: the
    /// replay of what queued before the start.
    HeldSince(u64),
}

impl Audience {
    fn includes(self, node: &Node) -> bool {
        match (self, node.held_since) {
            (Self::Running, None) => true,
            (Self::HeldSince(_), Some(_)) if mutant!(HeldStreamSeesEarlierRows) => true,
            (Self::HeldSince(sequence), Some(since)) => since <= sequence,
            _ => false,
        }
    }
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
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
        operator: Box<dyn Operator>,
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
        let id = self.add(Body::Operator(operator), traits, ports, frontiers);
        let mut timed = inputs.iter().map(|input| self.node(*input));
        let idle =
            !inputs.is_empty() && timed.all(|input| input.traits.times.is_empty() || input.idle);
        self.node_mut(id).idle = idle;
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
        let id = self.add(Body::Source, traits, Vec::new(), frontiers);
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
        let id = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        self.nodes.push(Some(Node {
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
        }));
        id
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
        for input in node.inputs {
            self.node_mut(input.node).consumers.retain(|(consumer, _)| *consumer != id);
        }
    }

    /// Gives the readers of a node another one of the same promises to read, and what the change is
    /// for them, if there is any, as part of the next [`run`](Self::run).
    ///
    /// The other node was added after the readers, so they, and what reads them, get new ids behind
    /// it: each old id with the new one is answered.
    pub fn redirect(
        &mut self,
        from: NodeId,
        to: NodeId,
        change: Option<&Delta>,
    ) -> Vec<(NodeId, NodeId)> {
        let mut readers = std::mem::take(&mut self.node_mut(from).consumers);
        let mut ahead: BTreeSet<NodeId> = readers.iter().map(|(reader, _)| *reader).collect();
        let mut moved = BTreeMap::new();
        while let Some(id) = ahead.pop_first() {
            assert!(id != to, "a node would read itself");
            let node = self.node(id);
            ahead.extend(node.consumers.iter().map(|(reader, _)| *reader));
            ahead.extend(node.late_output);
            let now = NodeId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
            let node = self.nodes[id.index()].take();
            self.nodes.push(node);
            if self.ready.remove(id) {
                self.ready.insert(now);
            }
            moved.insert(id, now);
        }
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
            let mut inputs = self.node(reader).inputs.iter().map(|input| self.node(input.node));
            let is_idle = inputs.all(|input| input.traits.times.is_empty() || input.idle);
            self.settle_idle(reader);
            self.set_idle(reader, is_idle);
        }
        moved.into_iter().collect()
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
        self.replayed = None;
    }

    /// What is known of a node's output.
    pub fn traits(&self, id: NodeId) -> &Traits {
        &self.node(id).traits
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

    /// Keeps from a port of a node that is held back what its input gives for rows that queued
    /// before the node was made: an append-only input counts from then on.
    pub fn skip_earlier(&mut self, consumer: NodeId, port: usize) {
        let node = self.node_mut(consumer);
        node.inputs[port].since = node.held_since;
    }

    /// Whether rows that a node gives now are for a port of a consumer.
    fn is_for(&self, consumer: NodeId, port: usize) -> bool {
        let since = self.node(consumer).inputs[port].since;
        let is_earlier = self.replayed.zip(since).is_some_and(|(now, since)| now < since);
        !is_earlier || mutant!(HeldStreamSeesEarlierRows)
    }

    /// Begins the replay of what queued with a sequence number.
    pub fn replay(&mut self, sequence: u64) {
        self.replayed = Some(sequence);
    }

    /// Delivers a change to the consumers of a source or table, as part of the next
    /// [`run`](Self::run).
    pub fn push(&mut self, source: NodeId, change: &Delta, audience: Audience) {
        if change.is_empty() {
            return;
        }
        self.for_consumers(source, |graph, consumer, port| {
            if audience.includes(graph.node(consumer)) {
                let columns = graph.node(consumer).inputs[port].columns;
                graph.deliver(consumer, port, Change::Batch(narrowed(change, columns)));
            }
        });
    }

    /// Whether some consumer of a source is better given a handful of rows as a block.
    pub fn takes_rows(&self, source: NodeId) -> bool {
        self.node(source).consumers.iter().any(|(consumer, port)| {
            let node = self.node(*consumer);
            let knows_all = node.inputs[*port].columns.is_none();
            matches!(&node.body, Body::Operator(operator) if knows_all && operator.takes_rows())
        })
    }

    /// Which moves of a source's frontiers matter to anyone for rows behind them: batches need not
    /// be cut at others.
    pub fn marks(&self, source: NodeId) -> Marks {
        let consumers = self.node(source).consumers.iter();
        consumers.fold(Marks::AsReaders, |marks, (consumer, _)| {
            let node = self.node(*consumer);
            let of_consumer = match &node.body {
                Body::Operator(operator) => match operator.marks() {
                    Marks::AsReaders => self.marks(*consumer),
                    marks => marks,
                },
                Body::Source | Body::Table(_) => Marks::Every,
            };
            marks.and(of_consumer)
        })
    }

    /// As [`push`](Self::push), of rows that came as a block.
    ///
    /// # Errors
    /// `INTERNAL` when a text of the block is not one, which only a defect can cause.
    pub fn push_rows(&mut self, source: NodeId, rows: &RowBlock, audience: Audience) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for index in 0..self.node(source).consumers.len() {
            let (consumer, port) = self.node(source).consumers[index];
            if audience.includes(self.node(consumer)) {
                let change = match self.node(consumer).inputs[port].columns {
                    None => Change::Rows(self.copy(rows)),
                    columns => Change::Batch(narrowed(&rows.to_delta()?, columns)),
                };
                self.deliver(consumer, port, change);
            }
        }
        Ok(())
    }

    /// A copy of a block, in a block that was used before if there is one.
    fn copy(&mut self, rows: &RowBlock) -> RowBlock {
        match self.spare_blocks.pop() {
            None => rows.clone(),
            Some(mut copy) => {
                copy.copy_from(rows);
                copy
            }
        }
    }

    /// Takes back the block of a change that was looked at, for further ones.
    pub fn recycle(&mut self, change: Change) {
        if let Change::Rows(rows) = change
            && self.spare_blocks.len() < MOST_SPARE_BLOCKS
        {
            self.spare_blocks.push(rows);
        }
    }

    /// Gives a new node what its input has at its creation, as part of the next
    /// [`run`](Self::run): rows, if it is to have them, then the frontiers.
    pub fn backfill(&mut self, consumer: NodeId, port: usize, rows: Option<Delta>) {
        if let Some(rows) = rows.filter(|rows| !rows.is_empty() && !mutant!(BackfillForgotten)) {
            self.deliver(consumer, port, Change::Batch(rows));
        }
        let input = self.node(consumer).inputs[port].node;
        let frontiers = self.node(input).frontiers.clone();
        if !frontiers.is_empty() && !mutant!(FrontierNotBackfilled) {
            self.deliver_frontiers(consumer, port, &frontiers);
        }
    }

    /// Moves the frontiers of a source, one for each of its event-time columns, as part of the
    /// next [`run`](Self::run). Within a step they take effect after the rows.
    ///
    /// In a replay the source itself is ahead: only the audience is told.
    pub fn advance(&mut self, source: NodeId, frontiers: &[Frontier], audience: Audience) {
        if audience == Audience::Running {
            let node = self.node_mut(source);
            if node.frontiers == frontiers {
                return;
            }
            node.frontiers.copy_from_slice(frontiers);
        }
        self.for_consumers(source, |graph, consumer, port| {
            if audience.includes(graph.node(consumer)) {
                graph.deliver_frontiers(consumer, port, frontiers);
            }
        });
    }

    /// Says whether anything is expected from a source for now. An operator with several inputs
    /// leaves the idle ones out of the minimum that is its frontier, unless all are idle: then
    /// its frontier stays.
    ///
    /// To an operator an idle input looks as if it kept up with the others: no operator needs to
    /// know of it, and when the input comes back, what it sends is late against the frontier that
    /// the operator has reached.
    pub fn set_idle(&mut self, id: NodeId, idle: bool) {
        if self.node(id).idle == idle {
            return;
        }
        self.node_mut(id).idle = idle;
        self.for_consumers(id, |graph, consumer, _| {
            let mut timed = graph.node(consumer).inputs.iter().map(|input| graph.node(input.node));
            let all_idle = timed.all(|input| input.traits.times.is_empty() || input.idle);
            graph.settle_idle(consumer);
            graph.set_idle(consumer, all_idle);
        });
    }

    /// Whether nothing is expected from a node for now.
    pub fn is_idle(&self, id: NodeId) -> bool {
        self.node(id).idle
    }

    /// Lets the idle inputs of an operator keep up with the others.
    fn settle_idle(&mut self, consumer: NodeId) {
        let inputs = &self.node(consumer).inputs;
        if inputs.len() < 2 || inputs.iter().all(|input| !self.node(input.node).idle) {
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

    /// Whether an operator asks for the time of an epoch that was not told yet.
    pub fn awaits_time(&self, epoch: Epoch) -> bool {
        self.reads_clock && self.now_of < epoch
    }

    /// Tells the time of an epoch, in milliseconds since 1970. It never goes back.
    pub fn set_time(&mut self, epoch: Epoch, now_ms: i64) {
        self.now_of = epoch;
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Runs one step: visits, in topological order, every node that got something.
    pub fn run(&mut self, epoch: Epoch, out: &mut StepOutput) {
        while let Some(id) = self.ready.pop_first() {
            self.visit(id, epoch, out);
        }
    }

    fn visit(&mut self, id: NodeId, epoch: Epoch, out: &mut StepOutput) {
        let mut dead_letters = std::mem::take(&mut self.dead_letters);
        let mut frontiers = std::mem::take(&mut self.frontiers);
        let mut late = std::mem::take(&mut self.late);
        let mut blocks = std::mem::take(&mut self.spare_blocks);
        let now_ms = self.now_ms;
        let node = self.node_mut(id);
        let late_output = node.late_output;
        let timing = node.begin_work();
        // An operator may be left half done only when it fails, and then it never runs again.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut cx =
                Context { epoch, now_ms, dead_letters: &mut dead_letters, late: &mut late };
            node.step(&mut cx, &mut frontiers, &mut blocks)
        }));
        self.node_mut(id).work.end(timing);
        self.spare_blocks = blocks;
        let mut result =
            result.unwrap_or_else(|panic| Err(Error::from_panic("an operator", &*panic)));
        if let (Some(letter), true) = (dead_letters.first(), self.node(id).fails_on_dead_letter) {
            let message = format!("{} on the row {}", letter.error, letter.row);
            result = Err(Error::new(code::EXECUTION, message));
            dead_letters.clear();
        }
        match result {
            Ok((change, frontiers_moved)) => {
                if frontiers_moved {
                    self.for_consumers(id, |graph, consumer, port| {
                        graph.deliver_frontiers(consumer, port, &frontiers);
                    });
                }
                if let Some(change) = change.filter(|change| change.num_rows() > 0) {
                    self.hand_on(id, change, out);
                }
                if let Some(output) = late_output.filter(|_| !late.is_empty()) {
                    let schema = self.node(output).traits.schema.clone();
                    match join(&schema, std::mem::take(&mut late)) {
                        Ok(Some(rows)) => self.hand_on(output, Change::Batch(rows), out),
                        Ok(None) => {}
                        Err(error) => self.fail(id, &error, out),
                    }
                }
            }
            Err(error) => self.fail(id, &error, out),
        }
        late.clear();
        self.late = late;
        out.dead_letters.extend(dead_letters.drain(..).map(|letter| (id, letter)));
        self.dead_letters = dead_letters;
        self.frontiers = frontiers;
    }

    /// Gives a node's output to everyone who is to have it, to the last one without a copy.
    fn hand_on(&mut self, id: NodeId, change: Change, out: &mut StepOutput) {
        let node = self.node_mut(id);
        node.work.rows_out += change.num_rows() as u64;
        let (tap, consumers) = (node.tap, node.consumers.len());
        let copies = consumers - usize::from(tap.is_none() && consumers > 0);
        for index in 0..copies {
            let (consumer, port) = self.node(id).consumers[index];
            if (index > 0 && mutant!(ReaderSkipped)) || !self.is_for(consumer, port) {
                continue;
            }
            let copy = match &change {
                Change::Batch(delta) => Change::Batch(delta.clone()),
                Change::Rows(rows) => Change::Rows(self.copy(rows)),
            };
            self.deliver(consumer, port, copy);
        }
        match tap {
            Some(tag) => out.deltas.push((tag, change)),
            None if consumers > 0 => {
                let (consumer, port) = self.node(id).consumers[copies];
                if self.is_for(consumer, port) {
                    self.deliver(consumer, port, change);
                }
            }
            None => {}
        }
    }

    /// Stops a node and everything that reads it: what they hold can no longer be right.
    fn fail(&mut self, id: NodeId, error: &Error, out: &mut StepOutput) {
        let node = self.node_mut(id);
        if node.failed.is_some() {
            return;
        }
        node.failed = Some(error.clone());
        node.pending.clear();
        node.moved.clear();
        let node_late_output = node.late_output;
        self.ready.remove(id);
        out.failures.push((id, error.clone()));
        if let Some(output) = node_late_output {
            self.fail(output, error, out);
        }
        self.for_consumers(id, |graph, consumer, _| graph.fail(consumer, error, out));
    }

    fn deliver(&mut self, consumer: NodeId, port: usize, change: Change) {
        let node = self.node_mut(consumer);
        if node.failed.is_none() {
            node.pending.push((port, change));
            self.ready.insert(consumer);
        }
    }

    fn deliver_frontiers(&mut self, consumer: NodeId, port: usize, frontiers: &[Frontier]) {
        self.deliver_raised(consumer, port, frontiers);
        self.settle_idle(consumer);
    }

    /// Tells a port its frontiers; one that was told more while its input was idle keeps that.
    fn deliver_raised(&mut self, consumer: NodeId, port: usize, frontiers: &[Frontier]) {
        let node = self.node_mut(consumer);
        if node.failed.is_some() {
            return;
        }
        let told = &mut node.inputs[port].frontiers;
        let mut moved = told.is_empty() && !frontiers.is_empty();
        told.resize(frontiers.len(), Frontier::MIN);
        for (told, frontier) in told.iter_mut().zip(frontiers) {
            moved |= *frontier > *told;
            *told = (*told).max(*frontier);
        }
        if moved {
            if !node.moved.contains(&port) {
                node.moved.push(port);
            }
            self.ready.insert(consumer);
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

impl Node {
    /// What outlives an epoch.
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        match &mut self.body {
            Body::Source => {}
            Body::Table(rows) => rows.parts(parts)?,
            Body::Operator(operator) => operator.parts(parts)?,
        }
        for input in &mut self.inputs {
            parts.numbers(&mut input.frontiers)?;
        }
        parts.numbers(&mut self.frontiers)?;
        parts.number(&mut self.idle)
    }

    /// Notes the rows of a visit that begins.
    fn begin_work(&mut self) -> Option<Timing> {
        let rows = self.pending.iter().map(|(_, change)| change.num_rows()).sum();
        self.work.begin(rows)
    }

    /// One visit: rows, then frontiers, then the net change. Tells whether the frontiers of the
    /// output moved, which `frontiers` then holds.
    fn step(
        &mut self,
        cx: &mut Context<'_>,
        frontiers: &mut Vec<Frontier>,
        blocks: &mut Vec<RowBlock>,
    ) -> Result<(Option<Change>, bool)> {
        let Body::Operator(operator) = &mut self.body else { return Ok((None, false)) };
        // What reads nothing moves by itself.
        let moved = !self.moved.is_empty() || self.inputs.is_empty();
        if mutant!(WatermarkBeforeRows) {
            for port in self.moved.drain(..) {
                operator.advance(port, &self.inputs[port].frontiers, cx)?;
            }
        }
        let mut block = None;
        for (port, change) in self.pending.drain(..) {
            match change {
                Change::Batch(delta) => operator.input(port, delta, cx)?,
                Change::Rows(rows) => {
                    operator.input_rows(port, &rows, cx)?;
                    if let Some(another) = block.replace(rows) {
                        blocks.push(another);
                    }
                }
            }
        }
        for port in self.moved.drain(..) {
            operator.advance(port, &self.inputs[port].frontiers, cx)?;
        }
        let change = match block {
            None => operator.finish(cx)?.map(Change::Batch),
            Some(block) => finish_with_block(operator.as_mut(), block, cx, blocks)?,
        };
        if !moved {
            return Ok((change, false));
        }
        operator.frontiers(frontiers);
        if *frontiers == self.frontiers {
            return Ok((change, false));
        }
        self.frontiers.copy_from_slice(frontiers);
        Ok((change, true))
    }
}

/// A change with its first columns only, if some are told.
fn narrowed(change: &Delta, columns: Option<usize>) -> Delta {
    let Some(columns) = columns.filter(|columns| *columns < change.batch.num_columns()) else {
        return change.clone();
    };
    let batch = change.batch.project(&(0..columns).collect::<Vec<_>>());
    let batch = batch.expect("the first columns of a batch are columns of it");
    Delta { batch, weights: change.weights.clone() }
}

/// The net change of a step that was given blocks, one of which is there to be used again.
fn finish_with_block(
    operator: &mut dyn Operator,
    mut block: RowBlock,
    cx: &mut Context<'_>,
    blocks: &mut Vec<RowBlock>,
) -> Result<Option<Change>> {
    block.clear();
    if operator.finish_rows(&mut block)? {
        if !block.is_empty() {
            return Ok(Some(Change::Rows(block)));
        }
        blocks.push(block);
        return Ok(None);
    }
    blocks.push(block);
    Ok(operator.finish(cx)?.map(Change::Batch))
}

/// The nodes to visit, as a bit for each id.
#[derive(Default)]
struct ReadySet {
    words: Vec<u64>,
    /// No word before this one has a bit.
    first: usize,
}

impl ReadySet {
    fn insert(&mut self, id: NodeId) {
        let word = id.index() / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (id.index() % 64);
        self.first = self.first.min(word);
    }

    /// Takes a node out, and tells whether it was there.
    fn remove(&mut self, id: NodeId) -> bool {
        let Some(word) = self.words.get_mut(id.index() / 64) else { return false };
        let bit = 1 << (id.index() % 64);
        let was_there = *word & bit != 0;
        *word &= !bit;
        was_there
    }

    fn pop_first(&mut self) -> Option<NodeId> {
        while let Some(word) = self.words.get_mut(self.first) {
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                return Some(NodeId((self.first * 64) as u32 + bit));
            }
            self.first += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_nodes_come_in_order_and_once() {
        let mut ready = ReadySet::default();
        for index in [70, 3, 3, 200, 64] {
            ready.insert(NodeId(index));
        }
        ready.remove(NodeId(200));
        assert_eq!(ready.pop_first(), Some(NodeId(3)));
        ready.insert(NodeId(65));
        let rest: Vec<_> = std::iter::from_fn(|| ready.pop_first()).collect();
        assert_eq!(rest, [NodeId(64), NodeId(65), NodeId(70)]);
        ready.insert(NodeId(0));
        assert_eq!(ready.pop_first(), Some(NodeId(0)));
    }
}
