//! Sharing: the operators that several streams use, and when a new stream may use one that runs.
//!
//! An operator that runs stands for one of a new stream if it does the same with the same inputs, and
//! is where a new one would be: after the same past. That holds
//! - where nothing has come to it since it was made, and a new one would begin with the same;
//! - where it follows the content of its inputs, which a new one would begin with (over tables and
//!   updating streams without event times);
//! - where it keeps nothing, and a new one would begin with nothing: whoever reads it from now on
//!   gets what came from now on.
//!
//! Invariants:
//! - Who uses an operator uses those of its plan that it is made of. So an operator goes with the last
//!   of its users, after all that reads it.
//! - The result of a stream is the result of no other. Another stream may read it as a part of its own
//!   plan (`Usage::of_relations` tells that apart from reading the stream).

use std::collections::HashSet;

use laminar_dataflow::{Changes, NodeId};
use laminar_sql::definition::Definition;
use laminar_sql::outline::{ExplainForm, Outline};
use laminar_sql::parser::statement::OnError;
use laminar_sql::plan::{InputRef, PlanNode, StreamPlan};
use laminar_types::{Delta, Epoch, Error, Result, mutant};

use super::{Backfill, Core, StreamId, whole};
use crate::stream::Stream;

/// How an operator came to be, and who uses it.
pub(crate) struct Usage {
    /// The streams that use it, in the order in which they began to; one stands here as often as
    /// its plan has the operator.
    pub(crate) streams: Vec<StreamId>,
    /// What it does, if it can be used by others.
    definition: Option<Definition>,
    /// Of each port, whether it reads a relation of the catalogue rather than an operator of the
    /// same plan.
    pub(crate) of_relations: Vec<bool>,
    terms: Terms,
    /// The epoch in which it was made.
    begun: Epoch,
    /// Whether what it holds follows from what the relations behind it hold now.
    follows_content: bool,
    /// Whether it has left out a row on which an expression failed: a new one would tell of those
    /// that are there still.
    pub(super) left_out_rows: bool,
    /// Whether a relation behind it was replaced.
    is_redirected: bool,
}

/// Under which terms a plan is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) on_error: OnError,
    pub(crate) backfill: Backfill,
    /// Whether it is held back until the start.
    pub(crate) is_held: bool,
}

/// An operator that stands for one of a new plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    past: Past,
}

/// What an operator has given that a new one would give at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    Nothing,
    /// Its content.
    Content,
    /// Rows that are not kept: what reads it cannot begin now.
    Gone,
}

impl Usage {
    /// An operator that no other stream can use.
    pub(crate) fn alone(stream: StreamId, terms: Terms, begun: Epoch) -> Self {
        Self {
            streams: vec![stream],
            definition: None,
            of_relations: Vec::new(),
            terms,
            begun,
            follows_content: false,
            left_out_rows: false,
            is_redirected: false,
        }
    }

    /// The streams that use it, each once.
    pub(crate) fn each_stream(&self) -> Vec<StreamId> {
        let mut seen = HashSet::new();
        self.streams.iter().copied().filter(|stream| seen.insert(*stream)).collect()
    }
}

impl Core {
    /// For each operator of a plan the one that stands for it, if there is one.
    ///
    /// The result is never shared: a plan whose last operator is needs
    /// [one behind it](StreamPlan::separate_result).
    pub(crate) fn shared_nodes(&mut self, plan: &StreamPlan, terms: Terms) -> Vec<Option<Shared>> {
        let mut found: Vec<Option<Shared>> = Vec::with_capacity(plan.nodes.len());
        for (index, node) in plan.nodes.iter().enumerate() {
            // A last one that keeps nothing is as good a result as one behind it.
            let is_result = index + 1 == plan.nodes.len() && node.operator.derives_content();
            let shared = match is_result {
                true => None,
                false => self.running(plan, index, &found, terms),
            };
            found.push(shared);
        }
        while let Some(index) = unreadable(plan, &found) {
            found[index] = None;
            for (index, node) in plan.nodes.iter().enumerate().skip(index) {
                let is_new = |input: &InputRef| match input {
                    InputRef::Node(input) => found[*input].is_none(),
                    InputRef::Relation(_) => false,
                };
                if node.inputs.iter().any(is_new) {
                    found[index] = None;
                }
            }
        }
        found
    }

    /// The operator that stands for one of a plan, where those before it are `found`.
    fn running(
        &mut self,
        plan: &StreamPlan,
        index: usize,
        found: &[Option<Shared>],
        terms: Terms,
    ) -> Option<Shared> {
        let node = &plan.nodes[index];
        node.definition.as_ref()?;
        if node.operator.reads_clock() {
            return None;
        }
        let mut inputs = Vec::with_capacity(node.inputs.len());
        // Whether a new one would begin with nothing, whatever came before.
        let mut begins_empty = !terms.is_held;
        for input in &node.inputs {
            let (input, is_empty) = match input {
                InputRef::Relation(name) => {
                    let (input, traits) = self.relation(name)?;
                    let is_append_only = traits.changes == Changes::AppendOnly;
                    (input, is_append_only && self.begins_empty(name, terms.backfill))
                }
                InputRef::Node(input) => {
                    let shared = found[*input]?;
                    let is_empty = plan.nodes[*input].traits.changes == Changes::AppendOnly;
                    (shared.node, is_empty && shared.past == Past::Nothing)
                }
            };
            inputs.push(input);
            begins_empty &= is_empty;
        }
        let readers: Vec<NodeId> = self.graph.consumers(*inputs.first()?).collect();
        for reader in readers {
            let is_taken = found.iter().flatten().any(|shared| shared.node == reader);
            if is_taken || !self.is_alike(reader, node, &inputs, terms) {
                continue;
            }
            let keeps_nothing =
                node.operator.derives_content() && self.graph.metrics(reader).late_rows == 0;
            if begins_empty && keeps_nothing {
                return Some(Shared { node: reader, past: Past::Nothing });
            }
            if self.is_where_new(reader, plan, index, terms) {
                let past = match self.graph.work(reader).rows_out {
                    0 => Past::Nothing,
                    _ if node.traits.changes == Changes::AppendOnly => Past::Gone,
                    _ if self.graph.content(reader).is_some() => Past::Content,
                    _ => Past::Gone,
                };
                return Some(Shared { node: reader, past });
            }
        }
        None
    }

    /// Whether an operator does with these inputs what one of a plan is to do, and runs.
    fn is_alike(&self, id: NodeId, node: &PlanNode, inputs: &[NodeId], terms: Terms) -> bool {
        let of_relations = node.inputs.iter().map(reads_relation);
        self.usage.get(&id).is_some_and(|usage| {
            usage.terms.on_error == terms.on_error
                && self.graph.inputs(id).eq(inputs.iter().copied())
                && of_relations.eq(usage.of_relations.iter().copied())
                && self.graph.is_held(id) == terms.is_held
                && self.graph.failure(id).is_none()
                && usage.definition == node.definition
                && *self.graph.traits(id) == node.traits
        })
    }

    /// Whether an operator is where a new one in its place in a plan would begin.
    fn is_where_new(&self, id: NodeId, plan: &StreamPlan, index: usize, terms: Terms) -> bool {
        if mutant!(SharedWhateverItSaw) {
            return true;
        }
        let Some(usage) = self.usage.get(&id).filter(|usage| !usage.left_out_rows) else {
            return false;
        };
        if usage.follows_content && !terms.is_held {
            return true;
        }
        self.graph.visits(id) == 1
            && self.nothing_came_since(usage, &relations_under(plan, index), terms)
    }

    /// Whether nothing came to relations since an operator was made that reads them, and a new one
    /// would begin as that one did.
    pub(super) fn nothing_came_since(
        &self,
        usage: &Usage,
        relations: &[String],
        terms: Terms,
    ) -> bool {
        let is_unchanged = |input| {
            let source = self.source(input).ok();
            source.is_some_and(|source| source.changed <= usage.begun)
                && !self.queue.holds_since(input, usage.begun)
        };
        let begins_alike = |name: &String| {
            let changes = self.relation(name).map(|(_, traits)| traits.changes);
            changes != Some(Changes::AppendOnly)
                || usage.terms.backfill == terms.backfill
                || self.begins_empty(name, Backfill::All)
        };
        !usage.is_redirected
            && relations.iter().all(begins_alike)
            && self.inputs_behind(relations.to_vec()).into_iter().all(is_unchanged)
    }

    /// Whether all that an input gave is what it holds now, which whoever begins to read it gets; where
    /// it is one of a plan, `usages` are those of the operators before its reader.
    pub(super) fn follows_content(&self, input: &InputRef, usages: &[Usage]) -> bool {
        match input {
            InputRef::Node(index) => usages[*index].follows_content,
            InputRef::Relation(name) => self.relation(name).is_some_and(|(_, traits)| {
                traits.changes != Changes::AppendOnly && traits.times.is_empty()
            }),
        }
    }

    /// Whether what begins to read an append-only relation now begins with nothing.
    fn begins_empty(&self, name: &str, backfill: Backfill) -> bool {
        backfill == Backfill::Updating
            || self.history(name).is_ok_and(|history| history.num_rows() == 0)
    }

    /// What whoever begins to read a shared operator is to be given of what it gave so far.
    pub(super) fn past_of(&mut self, shared: Shared) -> Result<Option<Delta>> {
        match shared.past {
            Past::Nothing => Ok(None),
            Past::Content if mutant!(SharedContentNotHandedOn) => Ok(None),
            Past::Content => {
                let traits = self.graph.traits(shared.node).clone();
                let content = self.graph.content(shared.node);
                let content = content.ok_or_else(|| gone("is not held"))?;
                whole("an operator of several streams", &traits, content.as_ref()).map(Some)
            }
            Past::Gone => Err(gone("is gone")),
        }
    }

    /// How the operators of a plan, which are about to be made, will be used by a stream.
    pub(super) fn usages(
        &self,
        plan: &StreamPlan,
        found: &[Option<Shared>],
        stream: StreamId,
        terms: Terms,
    ) -> Vec<Usage> {
        let mut usages: Vec<Usage> = Vec::with_capacity(plan.nodes.len());
        for (node, shared) in plan.nodes.iter().zip(found) {
            let follows_content = match shared.and_then(|shared| self.usage.get(&shared.node)) {
                Some(usage) => usage.follows_content,
                None => {
                    node.operator.follows_content()
                        && !node.inputs.is_empty()
                        && node.inputs.iter().all(|input| self.follows_content(input, &usages))
                }
            };
            usages.push(Usage {
                definition: node.definition.clone(),
                of_relations: node.inputs.iter().map(reads_relation).collect(),
                follows_content,
                ..Usage::alone(stream, terms, self.epoch)
            });
        }
        usages
    }

    /// Takes a stream from the users of operators, and away those that nobody uses any more. The
    /// last one is its result.
    pub(crate) fn disuse(&mut self, stream: StreamId, nodes: &[NodeId]) {
        for node in nodes.iter().rev() {
            let Some(usage) = self.usage.get_mut(node) else { continue };
            if let Some(at) = usage.streams.iter().position(|user| *user == stream) {
                usage.streams.remove(at);
            }
            if usage.streams.is_empty() || mutant!(SharedOperatorGoesWithAUser) {
                self.usage.remove(node);
                self.graph.remove(*node);
            }
        }
        if let Some(result) = nodes.last().filter(|result| self.usage.contains_key(result)) {
            self.graph.untap(*result);
        }
    }

    /// Notes that what reads a node, and so on, read another one before.
    pub(crate) fn note_redirected(&mut self, node: NodeId) {
        let mut readers: Vec<NodeId> = self.graph.consumers(node).collect();
        while let Some(reader) = readers.pop() {
            if let Some(usage) = self.usage.get_mut(&reader)
                && !std::mem::replace(&mut usage.is_redirected, true)
            {
                readers.extend(self.graph.consumers(reader));
            }
        }
    }

    /// A plan for people, with the streams whose operators it would use.
    pub(crate) fn explain_new(
        &mut self,
        mut plan: StreamPlan,
        terms: Terms,
        form: ExplainForm,
    ) -> String {
        let shared = self.shared_nodes(&plan, terms);
        if shared.last().is_some_and(Option::is_some) {
            plan.separate_result();
        }
        let mut outline = plan.outline();
        for (node, shared) in outline.nodes.iter_mut().zip(shared) {
            node.shared_with = shared.map_or(vec![], |shared| self.users(shared.node, None));
        }
        outline.told(form, |_| Vec::new())
    }

    /// The plan of a stream for people, with the streams that use the same operators by now.
    pub(crate) fn outline_of(&self, id: StreamId, stream: &Stream) -> Outline {
        let mut outline = stream.outline.clone();
        for (outline, node) in outline.nodes.iter_mut().zip(&stream.nodes) {
            outline.shared_with = self.users(*node, Some(id));
            let ports = 0..self.graph.inputs(*node).count();
            outline.rows_shared = ports.map(|port| self.readers_of_rows(*node, port)).collect();
        }
        outline
    }

    /// The streams that use an operator, but for one, as people call them.
    pub(super) fn users(&self, node: NodeId, but_for: Option<StreamId>) -> Vec<String> {
        let users = self.usage.get(&node).map_or(vec![], Usage::each_stream);
        let users = users.into_iter().filter(|user| Some(*user) != but_for);
        users
            .filter_map(|user| {
                let stream = self.streams[user.0 as usize].as_deref()?;
                Some(match stream.is_anonymous() {
                    true => "a subscription".to_string(),
                    false => stream.name.clone(),
                })
            })
            .collect()
    }

    /// The streams whose operators read the rows by key that one keeps of an input, as people call them.
    fn readers_of_rows(&self, node: NodeId, port: usize) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for reader in self.graph.readers_of_rows(node, port) {
            for name in self.users(reader, None) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Whether a stream is the one that the state of an operator is counted for: of its users the
    /// one that came first.
    pub(super) fn counts_for(&self, node: NodeId, id: StreamId) -> bool {
        self.usage.get(&node).is_none_or(|usage| usage.streams.first() == Some(&id))
    }
}

/// A shared operator of a plan that a new one would read, and which cannot be read from now on; or
/// none.
fn unreadable(plan: &StreamPlan, found: &[Option<Shared>]) -> Option<usize> {
    let is_read_anew = |index: usize| {
        let reads = |(reader, node): (usize, &PlanNode)| {
            found[reader].is_none() && node.inputs.contains(&InputRef::Node(index))
        };
        index + 1 == found.len() || plan.nodes.iter().enumerate().any(reads)
    };
    let gone = |index: &usize| found[*index].is_some_and(|shared| shared.past == Past::Gone);
    (0..found.len()).rev().filter(gone).find(|index| is_read_anew(*index))
}

/// The relations that an operator of a plan is made of.
pub(super) fn relations_under(plan: &StreamPlan, index: usize) -> Vec<String> {
    let (mut names, mut nodes) = (Vec::new(), vec![index]);
    while let Some(index) = nodes.pop() {
        for input in &plan.nodes[index].inputs {
            match input {
                InputRef::Node(input) => nodes.push(*input),
                InputRef::Relation(name) if !names.contains(name) => names.push(name.clone()),
                InputRef::Relation(_) => {}
            }
        }
    }
    names
}

pub(super) fn reads_relation(input: &InputRef) -> bool {
    matches!(input, InputRef::Relation(_))
}

fn gone(what: &str) -> Error {
    Error::internal(format!("what an operator of several streams gave {what}"))
}
