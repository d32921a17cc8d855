//! [`Presence`]: which slots have seen a value, so that the others' result is null.
//!
//! Over append-only input that is a set which, as slots are given out in the order of first
//! touch, is nearly always "all slots below n": then marking a batch costs one pass for the
//! largest slot. Over updating input, and for averages, it is a count per slot.

use arrow::buffer::{BooleanBuffer, NullBuffer};
use laminar_types::Result;

use super::Input;
use laminar_types::mutant;

use crate::state::{Bits, Container, Paged, Parts};

/// The slots that have seen a value.
pub(super) enum Presence {
    /// Over append-only input.
    Seen(Seen),
    /// How many values each slot holds.
    Counts(Paged<i64>),
}

impl Presence {
    /// No slot has seen a value; `append_only` when no value ever goes again.
    pub(super) fn new(append_only: bool) -> Self {
        if append_only { Self::Seen(Seen::default()) } else { Self::counts() }
    }

    /// No slot has seen a value, and [`Presence::count`] will be asked.
    pub(super) fn counts() -> Self {
        Self::Counts(Paged::new(0))
    }

    pub(super) fn resize(&mut self, slots: usize) {
        if let Self::Counts(counts) = self {
            counts.resize(slots);
        }
    }

    /// Marks the slots of the selected rows.
    #[inline]
    pub(super) fn update(&mut self, input: &Input<'_>, selection: Option<&NullBuffer>) {
        match self {
            Self::Seen(seen) => seen.update(input, selection),
            Self::Counts(counts) => {
                let mut counts = counts.writer();
                input.each_ahead(selection, counts.ahead(), |_, slot, weight| {
                    *counts.at(slot as usize) += weight;
                });
            }
        }
    }

    /// Marks one slot, of which a row is selected.
    pub(super) fn add(&mut self, slot: u32, weight: i64) {
        match self {
            Self::Seen(seen) => {
                // What is noted for `undo` is of no use any more.
                seen.added.clear();
                seen.mark(slot);
            }
            Self::Counts(counts) => *counts.at_mut(slot as usize) += weight,
        }
    }

    /// Takes the last update back.
    pub(super) fn undo(&mut self, input: &Input<'_>, selection: Option<&NullBuffer>) {
        match self {
            Self::Seen(seen) => seen.undo(),
            Self::Counts(counts) => {
                let mut counts = counts.writer();
                input.each_ahead(selection, counts.ahead(), |_, slot, weight| {
                    *counts.at(slot as usize) -= weight;
                });
            }
        }
    }

    pub(super) fn merge(&mut self, slots: &[u32], other: &Self, other_slots: &[u32]) {
        let pairs = slots.iter().zip(other_slots);
        match (self, other) {
            (Self::Seen(seen), other) => {
                pairs.filter(|(_, o)| other.contains(**o)).for_each(|(&slot, _)| seen.mark(slot));
            }
            (Self::Counts(counts), other) => {
                let mut counts = counts.writer();
                pairs.for_each(|(&slot, &o)| *counts.at(slot as usize) += other.count(o));
            }
        }
    }

    /// Whether a slot has seen a value, or still holds one.
    #[inline]
    pub(super) fn contains(&self, slot: u32) -> bool {
        match self {
            Self::Seen(seen) => seen.contains(slot),
            Self::Counts(counts) => *counts.at(slot as usize) != 0,
        }
    }

    /// Whether the result of a slot is a value.
    #[inline]
    pub(super) fn has_value(&self, slot: u32) -> bool {
        self.contains(slot) || mutant!(NothingIsZero)
    }

    /// How many values a slot holds; 0 or 1 where only a set is kept.
    #[inline]
    pub(super) fn count(&self, slot: u32) -> i64 {
        match self {
            Self::Seen(seen) => i64::from(seen.contains(slot)),
            Self::Counts(counts) => *counts.at(slot as usize),
        }
    }

    /// The nulls of these slots' results.
    pub(super) fn nulls(&self, slots: &[u32]) -> Option<NullBuffer> {
        if let Self::Seen(seen) = self
            && slots.iter().all(|&slot| slot < seen.dense)
        {
            return None;
        }
        if mutant!(NothingIsZero) {
            return None;
        }
        let valid = BooleanBuffer::collect_bool(slots.len(), |row| self.contains(slots[row]));
        Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0)
    }

    pub(super) fn reset(&mut self, slot: u32) {
        match self {
            Self::Seen(seen) => seen.unmark(slot),
            Self::Counts(counts) => *counts.at_mut(slot as usize) = 0,
        }
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::Seen(seen) => seen.clear(),
            Self::Counts(counts) => counts.clear(),
        }
    }

    pub(super) fn snapshot(&mut self) -> Self {
        match self {
            Self::Seen(seen) => Self::Seen(seen.snapshot()),
            Self::Counts(counts) => Self::Counts(counts.snapshot()),
        }
    }

    /// The same kind of presence, with no slot marked.
    pub(super) fn fresh(&self) -> Self {
        Self::new(matches!(self, Self::Seen(_)))
    }
}

impl Container for Presence {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        match self {
            Self::Seen(seen) => {
                parts.number(&mut seen.dense)?;
                seen.others.parts(parts)
            }
            Self::Counts(counts) => counts.parts(parts),
        }
    }

    fn state_bytes(&self) -> usize {
        match self {
            Self::Seen(seen) => seen.others.state_bytes(),
            Self::Counts(counts) => counts.state_bytes(),
        }
    }
}

/// A set of slots: all below `dense`, and `others`, which may hold some of those too.
#[derive(Default)]
pub(super) struct Seen {
    dense: u32,
    others: Bits,
    /// What the last update added.
    dense_before: u32,
    added: Vec<u32>,
}

impl Seen {
    #[inline]
    fn update(&mut self, input: &Input<'_>, selection: Option<&NullBuffer>) {
        self.dense_before = self.dense;
        self.added.clear();
        let largest = input.slots.iter().fold(0, |largest, &slot| largest.max(slot));
        if largest >= self.dense {
            input.each(selection, |_, slot, _| self.mark(slot));
        }
    }

    fn mark(&mut self, slot: u32) {
        if slot == self.dense {
            self.dense += 1;
        } else if slot > self.dense && self.others.insert(slot) {
            self.added.push(slot);
        }
    }

    fn undo(&mut self) {
        self.dense = self.dense_before;
        self.added.drain(..).for_each(|slot| self.others.remove(slot));
    }

    #[inline]
    fn contains(&self, slot: u32) -> bool {
        slot < self.dense || self.others.contains(slot)
    }

    /// Takes a slot out; `dense` sinks to it, which the marks that raised it have paid for.
    fn unmark(&mut self, slot: u32) {
        if slot < self.dense {
            for other in slot + 1..self.dense {
                self.others.insert(other);
            }
            self.dense = slot;
        }
        self.others.remove(slot);
    }

    fn clear(&mut self) {
        self.dense = 0;
        self.others.clear();
    }

    fn snapshot(&mut self) -> Self {
        Self { dense: self.dense, others: self.others.snapshot(), ..Self::default() }
    }
}
