//! The run of a step: which nodes are visited, and where what they give goes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use laminar_types::{Change, Epoch, Error, Frontier, code, mutant};

use super::{Graph, NodeId, StepOutput};
use crate::operator::Context;
use crate::operators::timed_rows::join;

impl Graph {
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
        self.steps += 1;
        while let Some(id) = self.ready.pop_first() {
            self.visit(id, epoch, out);
        }
    }

    fn visit(&mut self, id: NodeId, epoch: Epoch, out: &mut StepOutput) {
        let mut dead_letters = std::mem::take(&mut self.dead_letters);
        let mut frontiers = std::mem::take(&mut self.frontiers);
        let mut late = std::mem::take(&mut self.late);
        let mut blocks = std::mem::take(&mut self.spare_blocks);
        let (step, now_ms) = (self.steps, self.now_ms);
        let node = self.node_mut(id);
        let late_output = node.late_output;
        let timing = node.begin_work();
        // An operator may be left half done only when it fails, and then it never runs again.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut cx =
                Context { epoch, step, now_ms, dead_letters: &mut dead_letters, late: &mut late };
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

    pub(super) fn deliver(&mut self, consumer: NodeId, port: usize, change: Change) {
        let node = self.node_mut(consumer);
        if node.failed.is_none() {
            node.pending.push((port, change));
            self.ready.insert(consumer);
        }
    }

    pub(super) fn deliver_frontiers(
        &mut self,
        consumer: NodeId,
        port: usize,
        frontiers: &[Frontier],
    ) {
        if self.is_before(consumer) {
            return;
        }
        self.deliver_raised(consumer, port, frontiers);
        self.settle_idle(consumer);
    }

    /// Tells a port its frontiers; one that was told more while its input was idle keeps that.
    pub(super) fn deliver_raised(&mut self, consumer: NodeId, port: usize, frontiers: &[Frontier]) {
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
}
