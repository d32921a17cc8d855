//! [`Distinct`]: any aggregate over distinct arguments.
//!
//! A set per group counts how often each combination of arguments is there. The aggregate behind
//! it hears of one when it comes to be there and when it ceases, so it needs to know nothing of
//! the others. Sets of all groups share one hash index, keyed by the slot and the arguments.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, UInt32Type};
use laminar_types::{Result, mutant};

use super::{Accumulator, Input, same};
use crate::state::{Container, GroupIndex, Paged, Parts, SlotSet, arrow_error};

/// An aggregate that takes each combination of arguments once.
pub(super) struct Distinct {
    /// How many columns the arguments are; what the call orders by is among them.
    args: usize,
    append_only: bool,
    index: GroupIndex,
    /// How often each combination is there.
    counts: Paged<i64>,
    /// How many combinations each slot has.
    sizes: Paged<u32>,
    inner: Box<dyn Accumulator>,
    /// The entry of each row of the batch in work, and which entries it has met.
    entries: Vec<u32>,
    met: SlotSet,
}

/// Which rows stand for combinations that come to be there (1) or cease (-1).
#[derive(Default)]
struct Crossings {
    rows: Vec<u32>,
    weights: Vec<i64>,
}

impl Distinct {
    pub(super) fn over(
        args: &[DataType],
        append_only: bool,
        inner: Box<dyn Accumulator>,
    ) -> Result<Self> {
        let key: Vec<DataType> = [DataType::UInt32].iter().chain(args).cloned().collect();
        Ok(Self {
            args: args.len(),
            append_only,
            index: GroupIndex::new(&key)?,
            counts: Paged::new(0),
            sizes: Paged::new(0),
            inner,
            entries: Vec::new(),
            met: SlotSet::default(),
        })
    }

    /// Counts rows in, or out if `sign` is -1, and tells which combinations crossed zero.
    fn count(&mut self, input: &Input<'_>, sign: i64) -> Result<Crossings> {
        let mut rows = Vec::with_capacity(input.slots.len());
        input.each(input.filtered().as_ref(), |row, slot, weight| {
            rows.push((row as u32, slot, weight * sign));
        });
        let indices = UInt32Array::from_iter_values(rows.iter().map(|row| row.0));
        let mut key: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1)))];
        for column in &input.args[..self.args] {
            key.push(match indices.len() == column.len() {
                true => column.clone(),
                false => take(column, &indices, None).map_err(arrow_error)?,
            });
        }
        let mut entries = std::mem::take(&mut self.entries);
        self.index.intern(&key, rows.len(), &mut entries)?;
        self.counts.resize(self.index.slots());
        let mut before = Vec::new();
        let mut counts = self.counts.writer();
        for (&entry, &(row, slot, weight)) in entries.iter().zip(&rows) {
            let count = counts.at(entry as usize);
            if self.met.insert(entry) {
                before.push((entry, row, slot, *count));
            }
            *count += weight;
        }
        self.entries = entries;
        let mut crossings = Crossings::default();
        for (entry, row, slot, before) in before {
            self.met.remove(entry);
            let after = *self.counts.at(entry as usize);
            let is_crossing = (before > 0) != (after > 0) || mutant!(DistinctCountsRepeats);
            if is_crossing && !(after <= 0 && mutant!(DistinctNeverCeases)) {
                crossings.rows.push(row);
                crossings.weights.push(if after > 0 { 1 } else { -1 });
            }
            // An entry is in the index while its count is not zero.
            let size = self.sizes.at_mut(slot as usize);
            match (before == 0, after == 0) {
                (true, false) => *size += 1,
                (false, true) => *size -= 1,
                _ => {}
            }
            if after == 0 {
                self.index.remove(entry);
            }
        }
        Ok(crossings)
    }

    /// Hands the rows that crossed to the aggregate.
    fn tell<R>(
        &mut self,
        input: &Input<'_>,
        crossings: &Crossings,
        tell: impl FnOnce(&mut dyn Accumulator, &Input<'_>) -> R,
    ) -> Result<R> {
        let rows = UInt32Array::from(crossings.rows.clone());
        let args = input.args.iter().map(|column| take(column, &rows, None));
        let args = args.collect::<Result<Vec<_>, _>>().map_err(arrow_error)?;
        let slots: Vec<u32> = crossings.rows.iter().map(|row| input.slots[*row as usize]).collect();
        let weights = (!self.append_only).then_some(crossings.weights.as_slice());
        let input = Input { slots: &slots, args: &args, filter: None, weights };
        Ok(tell(self.inner.as_mut(), &input))
    }
}

impl Accumulator for Distinct {
    fn result_type(&self) -> DataType {
        self.inner.result_type()
    }

    fn resize(&mut self, slots: usize) {
        self.sizes.resize(slots);
        self.inner.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let crossings = self.count(input, 1)?;
        let told = self.tell(input, &crossings, |inner, input| inner.update(input))?;
        if told.is_err() {
            self.count(input, -1)?;
        }
        told
    }

    fn can_fail(&self) -> bool {
        self.inner.can_fail()
    }

    fn undo(&mut self, input: &Input<'_>) {
        // The same rows were just counted in, so they have the right types and room.
        if let Ok(mut crossings) = self.count(input, -1) {
            crossings.weights.iter_mut().for_each(|weight| *weight = -*weight);
            let undone = self.tell(input, &crossings, |inner, input| inner.undo(input));
            debug_assert!(undone.is_ok());
        }
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        let ends = other_slots.iter().max().map_or(0, |last| *last as usize + 1);
        let mut ours = vec![None; ends];
        for (&slot, &from) in slots.iter().zip(other_slots) {
            ours[from as usize] = Some(slot);
        }
        let entries: Vec<u32> = other.index.live_slots().collect();
        let mut columns = other.index.keys(&entries)?;
        let args = columns.split_off(1);
        let theirs = columns[0].as_primitive::<UInt32Type>();
        let mapped: Vec<Option<u32>> = theirs
            .values()
            .iter()
            .map(|from| ours.get(*from as usize).copied().flatten())
            .collect();
        let rows: Vec<u32> =
            (0..entries.len() as u32).filter(|row| mapped[*row as usize].is_some()).collect();
        let slots: Vec<u32> = mapped.into_iter().flatten().collect();
        let weights: Vec<i64> =
            rows.iter().map(|row| *other.counts.at(entries[*row as usize] as usize)).collect();
        let rows = UInt32Array::from(rows);
        let args = args.iter().map(|column| take(column, &rows, None));
        let args = args.collect::<Result<Vec<_>, _>>().map_err(arrow_error)?;
        let weights = (!self.append_only).then_some(weights.as_slice());
        self.update(&Input { slots: &slots, args: &args, filter: None, weights })
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        self.inner.evaluate(slots)
    }

    fn reset(&mut self, slot: u32) {
        self.inner.reset(slot);
        if *self.sizes.at(slot as usize) == 0 {
            return;
        }
        // Rare: a group is dropped together with rows that it still has.
        let entries: Vec<u32> = self.index.live_slots().collect();
        if let Ok(keys) = self.index.keys(&entries) {
            let slots = keys[0].as_primitive::<UInt32Type>().values().clone();
            for (entry, of) in entries.into_iter().zip(slots.iter()) {
                if *of == slot {
                    *self.counts.at_mut(entry as usize) = 0;
                    self.index.remove(entry);
                }
            }
        }
        *self.sizes.at_mut(slot as usize) = 0;
    }

    fn clear(&mut self) {
        self.index.clear();
        self.counts.clear();
        self.sizes.clear();
        self.inner.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        // A reader needs the results alone.
        self.inner.snapshot()
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.index.parts(parts)?;
        self.counts.parts(parts)?;
        self.sizes.parts(parts)?;
        self.inner.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        // Invariant: an index over these types was made before.
        let index = GroupIndex::new(self.index.types()).expect("the types have an index");
        Box::new(Self {
            args: self.args,
            append_only: self.append_only,
            index,
            counts: Paged::new(0),
            sizes: Paged::new(0),
            inner: self.inner.fresh(),
            entries: Vec::new(),
            met: SlotSet::default(),
        })
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes()
            + self.counts.state_bytes()
            + self.sizes.state_bytes()
            + self.met.state_bytes()
            + self.inner.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
