//! What comes in from outside: rows and frontiers of sources, and what a new node begins with.

use laminar_types::{Change, Delta, Frontier, Result, RowBlock, mutant};

use super::node::{Body, Node};
use super::{Graph, MOST_SPARE_BLOCKS, NodeId};
use crate::operator::Marks;

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
    pub(super) fn includes(self, node: &Node) -> bool {
        match (self, node.held_since) {
            (Self::Running, None) => true,
            (Self::HeldSince(_), Some(_)) if mutant!(HeldStreamSeesEarlierRows) => true,
            (Self::HeldSince(sequence), Some(since)) => since <= sequence,
            _ => false,
        }
    }
}

impl Graph {
    /// Keeps from a port of a node that is held back what its input gives for rows that queued
    /// before the node was made: an append-only input counts from then on.
    pub fn skip_earlier(&mut self, consumer: NodeId, port: usize) {
        let node = self.node_mut(consumer);
        node.inputs[port].since = node.held_since;
    }

    /// Whether rows that a node gives now are for a port of a consumer.
    pub(super) fn is_for(&self, consumer: NodeId, port: usize) -> bool {
        let since = self.node(consumer).inputs[port].since;
        let is_earlier = self.replayed.zip(since).is_some_and(|(now, since)| now < since);
        !is_earlier || mutant!(HeldStreamSeesEarlierRows)
    }

    /// Begins the replay of what queued with a sequence number, or, with none, ends it. The nodes that
    /// were made meanwhile are told how far their inputs came before them, as part of the next
    /// [`run`](Self::run). Tells whether there are some.
    pub fn replay(&mut self, sequence: Option<u64>) -> bool {
        let mut is_told = false;
        let before = std::mem::replace(&mut self.replayed, sequence);
        for index in 0..self.nodes.len() {
            let Some(since) = self.nodes[index].as_ref().and_then(|node| node.held_since) else {
                continue;
            };
            let was_told = before.is_none_or(|before| before >= since);
            if was_told || sequence.is_some_and(|sequence| sequence < since) {
                continue;
            }
            let id = NodeId(index as u32);
            for port in 0..self.node(id).inputs.len() {
                let input = self.node(self.node(id).inputs[port].node);
                if matches!(input.body, Body::Operator(_)) && !input.frontiers.is_empty() {
                    let frontiers = input.frontiers.clone();
                    self.deliver_frontiers(id, port, &frontiers);
                    is_told = true;
                }
            }
        }
        is_told
    }

    /// Whether what is replayed came before a node was made. Then its rows are what the node begins
    /// with, of which none is late.
    pub(super) fn is_before(&self, id: NodeId) -> bool {
        let since = self.node(id).held_since;
        self.replayed.zip(since).is_some_and(|(now, since)| now < since)
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

    /// Which moves of a source's frontiers matter to anyone for rows behind them, or for all: batches
    /// need not be cut at others.
    pub fn marks(&self, source: NodeId) -> Marks {
        let consumers = self.node(source).consumers.iter();
        consumers.fold(Marks::AsReaders, |marks, (consumer, _)| {
            let node = self.node(*consumer);
            let of_consumer = match &node.body {
                Body::Operator(operator) => match (operator.marks(), self.marks(*consumer)) {
                    (_, Marks::ForEveryRow) => Marks::ForEveryRow,
                    (Marks::AsReaders, of_readers) => of_readers,
                    (marks, _) => marks,
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
    pub(super) fn copy(&mut self, rows: &RowBlock) -> RowBlock {
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
