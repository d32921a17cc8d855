//! [`Node`]: an operator, source or table with its place in the graph.

use std::sync::Arc;

use laminar_types::{Change, Error, Frontier, Result, RowBlock, code, mutant};

use super::NodeId;
use crate::operator::{Context, Operator, Traits};
use crate::state::{Container, Parts, TableRows, TableSnapshot};
use crate::work::{Timing, Work};

pub(super) struct Node {
    pub(super) body: Body,
    pub(super) traits: Traits,
    pub(super) inputs: Vec<Input>,
    pub(super) consumers: Vec<(NodeId, usize)>,
    /// Rows delivered in this step, by port.
    pub(super) pending: Vec<(usize, Change)>,
    /// Ports whose frontiers moved in this step.
    pub(super) moved: Vec<usize>,
    /// The frontiers of the output.
    pub(super) frontiers: Vec<Frontier>,
    pub(super) tap: Option<u32>,
    /// The node that hands on the rows that are late for this one.
    pub(super) late_output: Option<NodeId>,
    /// Whether nothing is expected from here for now.
    pub(super) idle: bool,
    /// Held back until the database starts; then `Some(sequence number of its creation)`.
    pub(super) held_since: Option<u64>,
    pub(super) failed: Option<Error>,
    /// Whether a row that is left out fails the node.
    pub(super) fails_on_dead_letter: bool,
    pub(super) work: Work,
    /// How often it was visited.
    pub(super) visits: u64,
}

/// Where the rows of a node come from.
pub(super) enum Body {
    /// From outside, and they are not kept here.
    Source,
    /// From outside, and they are kept.
    Table(Box<TableRows>),
    /// From other nodes.
    Operator(Box<dyn Operator>),
}

pub(super) struct Input {
    pub(super) node: NodeId,
    /// The frontiers last delivered to this port.
    pub(super) frontiers: Vec<Frontier>,
    /// What the table that is read held when this node was made, while the node is held back: its
    /// changes since then wait for the start.
    pub(super) begin: Option<Arc<TableSnapshot>>,
    /// While the node is held back: what arrived before this sequence number is not for it.
    pub(super) since: Option<u64>,
    /// The columns that the node knows, the first ones of its input's, where others came later.
    pub(super) columns: Option<usize>,
}
impl Node {
    /// The nodes that get what it gives, late rows among it.
    pub(super) fn readers(&self) -> impl Iterator<Item = NodeId> {
        self.consumers.iter().map(|(reader, _)| *reader).chain(self.late_output)
    }

    /// What outlives an epoch.
    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        match &mut self.body {
            Body::Source => {}
            Body::Table(rows) => rows.parts(parts)?,
            Body::Operator(operator) => {
                refuse_other_partitions(operator.partitions().len().max(1), parts)?;
                operator.parts(parts)?;
            }
        }
        for input in &mut self.inputs {
            parts.numbers(&mut input.frontiers)?;
        }
        parts.numbers(&mut self.frontiers)?;
        parts.number(&mut self.idle)
    }

    /// Notes the rows of a visit that begins.
    pub(super) fn begin_work(&mut self) -> Option<Timing> {
        self.visits += 1;
        let rows = self.pending.iter().map(|(_, change)| change.num_rows()).sum();
        self.work.begin(rows)
    }

    /// One visit: rows, then frontiers, then the net change. Tells whether the frontiers of the
    /// output moved, which `frontiers` then holds.
    pub(super) fn step(
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
        // In which order they came is not the operator's business, but a matter of what else reads them.
        self.pending.sort_by_key(|(port, _)| *port);
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
/// Notes how many partitions an operator has, and puts nothing back into one that has another number:
/// each holds the keys that are its own among so many.
fn refuse_other_partitions(partitions: usize, parts: &mut Parts<'_>) -> Result<()> {
    let mut of_snapshot = partitions;
    parts.number(&mut of_snapshot)?;
    if of_snapshot == partitions {
        return Ok(());
    }
    let message = format!(
        "the snapshot is of an operator with {of_snapshot} workers, and this one has {partitions}: \
         restore it WITH (workers = {of_snapshot}), and give the stream another number by CREATE OR \
         REPLACE STREAM afterwards"
    );
    Err(Error::new(code::RECOVERY, message))
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
