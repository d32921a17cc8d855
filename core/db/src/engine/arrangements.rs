//! Rows by key that several joins read: when an operator that is about to be made reads those that
//! another one keeps.
//!
//! It does where both keep the same of the same input, and both know the same rows of it: those that are
//! there now, because that is what they begin with, or all that came since the other one was made,
//! because nothing did. The first of several joins keeps the columns that it needs. The second that
//! needs others keeps all, so that it serves every further one.

use laminar_dataflow::operators::Arranged;
use laminar_dataflow::{NodeId, Operator};
use laminar_sql::plan::{InputRef, StreamPlan};
use laminar_types::{Delta, Result};

use super::sharing::{Shared, Usage, reads_relation, relations_under};
use super::{Core, Terms};

/// A plan in the course of its installation.
pub(super) struct Installing<'a> {
    pub(super) terms: Terms,
    /// By operator and port.
    pub(super) origins: &'a [Vec<Origin>],
    /// By operator, what was there before.
    pub(super) shared: &'a [Option<Shared>],
    /// The operators that are there by now.
    pub(super) nodes: Vec<NodeId>,
}

/// What is known of the rows that come to a port.
pub(super) struct Origin {
    /// Whether they come from a relation rather than from an operator of the plan.
    is_relation: bool,
    /// Whether all that came is what the relations behind it hold now.
    follows_content: bool,
    /// The relations that they are made of.
    relations: Vec<String>,
}

/// An operator to be and what it reads.
pub(super) struct NewReader<'a> {
    pub(super) inputs: &'a [NodeId],
    pub(super) origins: &'a [Origin],
    /// What ports begin with, where that is rows that came before.
    pub(super) begins: &'a [(usize, Option<Delta>)],
}

/// Whose rows an operator to be can read.
struct Lender {
    node: NodeId,
    port: usize,
    arranged: Arranged,
}

impl Installing<'_> {
    /// The origin of the rows that come to an operator of this plan, if it was made for it.
    fn origin_of(&self, node: NodeId, port: usize) -> Option<&Origin> {
        let at = self.nodes.iter().position(|of_plan| *of_plan == node)?;
        self.shared[at].is_none().then(|| &self.origins[at][port])
    }
}

impl Core {
    /// Where the rows that come to each operator of a plan are from, by port.
    pub(super) fn origins(&self, plan: &StreamPlan, usages: &[Usage]) -> Vec<Vec<Origin>> {
        let origin = |input: &InputRef| Origin {
            is_relation: reads_relation(input),
            follows_content: self.follows_content(input, usages),
            relations: match input {
                InputRef::Node(index) => relations_under(plan, *index),
                InputRef::Relation(name) => vec![name.clone()],
            },
        };
        plan.nodes.iter().map(|node| node.inputs.iter().map(origin).collect()).collect()
    }

    /// Has an operator that is about to be added read rows that others keep, and both of its ports the
    /// same rows where it joins an input with itself.
    pub(super) fn share_rows(
        &mut self,
        operator: &mut dyn Operator,
        new: &NewReader<'_>,
        plan: &Installing<'_>,
    ) -> Result<()> {
        let Some(rows) = operator.keyed_rows_mut() else { return Ok(()) };
        for (port, input) in new.inputs.iter().enumerate() {
            let wanted = rows.arranged(port).clone();
            let (lender, is_like_another) = self.lender(*input, port, &wanted, new, plan);
            if let Some(Lender { node, port: of, arranged }) = lender {
                rows.borrow(port, self.graph.lend_rows(node, of)?, arranged)?;
                continue;
            }
            if is_like_another {
                rows.keep_all(port)?;
            }
            let is_read_alike = |other: &usize| {
                new.inputs[*other] == *input
                    && new.origins[*other].is_relation == new.origins[port].is_relation
                    && rows.arranged(*other).is_like(&wanted)
            };
            let Some(other) = (0..port).find(is_read_alike) else { continue };
            if !rows.arranged(other).covers(&wanted) && rows.shared(other).is_none() {
                rows.keep_all(other)?;
            }
            let arranged = rows.arranged(other).clone();
            if arranged.covers(&wanted) {
                let lent = rows.lend(other)?;
                rows.borrow(port, lent, arranged)?;
            }
        }
        Ok(())
    }

    /// Whose rows a port can read; and whether it could some, if they had all columns.
    fn lender(
        &self,
        input: NodeId,
        port: usize,
        wanted: &Arranged,
        new: &NewReader<'_>,
        plan: &Installing<'_>,
    ) -> (Option<Lender>, bool) {
        let mut is_like_another = false;
        for (node, of, kept) in self.graph.arrangements(input) {
            if kept.is_like(wanted) && self.knows_the_same(node, of, port, new, plan) {
                if kept.covers(wanted) {
                    return (Some(Lender { node, port: of, arranged: kept.clone() }), true);
                }
                is_like_another = true;
            }
        }
        (None, is_like_another)
    }

    /// Whether an operator knows, of the input of a port, the rows that a new one is to know there, and
    /// will be given what that one is.
    fn knows_the_same(
        &self,
        node: NodeId,
        of: usize,
        port: usize,
        new: &NewReader<'_>,
        plan: &Installing<'_>,
    ) -> bool {
        let origin = &new.origins[port];
        if let Some(other) = plan.origin_of(node, of) {
            return other.is_relation == origin.is_relation;
        }
        let Some(usage) = self.usage.get(&node) else { return false };
        let is_given_alike = usage.of_relations.get(of) == Some(&origin.is_relation)
            && self.graph.is_held(node) == plan.terms.is_held
            && self.graph.failure(node).is_none();
        if !is_given_alike {
            return false;
        }
        let begin = new.begins.iter().find(|(of, _)| *of == port);
        let begins_empty = begin.is_none_or(|(_, rows)| rows.as_ref().is_none_or(Delta::is_empty));
        if begins_empty != self.graph.keeps_nothing(node, of) {
            return false;
        }
        (origin.follows_content && !plan.terms.is_held)
            || self.nothing_came_since(usage, &origin.relations, plan.terms)
    }
}
