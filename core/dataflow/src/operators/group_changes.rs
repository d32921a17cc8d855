//! [`GroupChanges`]: a table of groups that tells, once per step, how its rows changed.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, concat, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use laminar_types::{Delta, Error, Result, RowBlock, mutant};

use super::aggregate_call::Grouping;
use super::partitioned::{Origin, Place, ordinals};
use super::row_changes::RowChanges;
use crate::aggregate::{AggregateSnapshot, AggregateTable};
use crate::state::{Container, Parts};

/// A table of groups, with the rows it had before the step for every group touched in it.
pub(super) struct GroupChanges {
    table: AggregateTable,
    /// How many key columns there are: they never differ between a group's rows.
    keys: usize,
    /// Whether every group is taken as new: nothing has been told yet.
    untold: bool,
    /// For each touched group what it comes from, the row that touched it first, if that is asked for.
    origins: Option<Vec<Origin>>,
    /// The rows before the step, with the slot of each, in the order of first touch.
    before: Vec<(Vec<u32>, Vec<ArrayRef>)>,
    scratch: Vec<u32>,
    /// The same by rows, if the table has that form.
    by_row: Option<RowChanges>,
}

/// The rows that ceased and those that came to be, as columns of equal types.
pub(super) struct Changed {
    pub(super) old: Vec<ArrayRef>,
    pub(super) new: Vec<ArrayRef>,
    pub(super) old_rows: usize,
    pub(super) new_rows: usize,
    /// By row of both, what its group comes from, if that is asked for.
    pub(super) old_origins: Vec<Origin>,
    pub(super) new_origins: Vec<Origin>,
}

impl Changed {
    /// Puts the places of the rows behind others: first those that ceased.
    pub(super) fn places(&self, section: i64, places: &mut Vec<Place>) {
        places.extend(self.old_origins.iter().map(|origin| Place::ceased(section, *origin)));
        places.extend(self.new_origins.iter().map(|origin| Place::came(section, *origin)));
    }
}

impl GroupChanges {
    pub(super) fn new(table: AggregateTable, keys: usize) -> Self {
        let (before, scratch) = (Vec::new(), Vec::new());
        Self { table, keys, untold: true, origins: None, before, scratch, by_row: None }
    }

    /// The same for the groups of a partition, which tells the origins of rows.
    pub(super) fn with_origins(self) -> Self {
        Self { origins: Some(Vec::new()), ..self }
    }

    /// Takes blocks of rows from now on, if keys, calls, input and output all have that form; the
    /// rows of groups are `schema`.
    pub(super) fn by_row(mut self, input: &SchemaRef, schema: &SchemaRef) -> Self {
        self.by_row = RowChanges::new(&mut self.table, input, schema, self.keys);
        self
    }

    /// Whether blocks of rows are taken as such.
    pub(super) fn takes_rows(&self) -> bool {
        self.by_row.is_some()
    }

    /// Adds the rows of a block, and tells of those that failed, which are left out. Answers false,
    /// and does nothing, where they must be given as a batch.
    pub(super) fn add_rows(
        &mut self,
        grouping: &Grouping,
        rows: &RowBlock,
        failed: impl FnMut(usize, Error),
    ) -> bool {
        let is_fresh = !self.untold && self.table.touched().is_empty();
        let Some(by_row) = self.by_row.as_mut().filter(|_| is_fresh) else { return false };
        by_row.add(&mut self.table, grouping, rows, failed);
        true
    }

    /// Ends a step whose rows came by [`add_rows`](Self::add_rows): puts how the rows of the touched
    /// groups changed into `out`. Answers false where it was another step.
    pub(super) fn changed_rows(&mut self, out: &mut RowBlock) -> bool {
        let Some(by_row) = self.by_row.as_mut().filter(|by_row| by_row.is_touched()) else {
            return false;
        };
        by_row.finish(&mut self.table, out);
        true
    }

    /// Adds rows, all of one time where several additions of a step are ordered by that. Answers the
    /// rows that failed, which are left out, with what failed.
    pub(super) fn add(
        &mut self,
        grouping: &Grouping,
        delta: &Delta,
        time: i64,
    ) -> Result<Vec<(usize, Error)>> {
        if self.add_batch(grouping, &delta.batch, delta.weights.as_deref(), time).is_ok() {
            return Ok(Vec::new());
        }
        let mut failed = Vec::new();
        for row in 0..delta.num_rows() {
            let one = delta.slice(row, 1);
            let weights = one.weights.as_deref();
            if let Err(error) = self.add_batch(grouping, &one.batch, weights, time) {
                failed.push((row, error));
            }
        }
        Ok(failed)
    }

    fn add_batch(
        &mut self,
        grouping: &Grouping,
        batch: &RecordBatch,
        weights: Option<&[i64]>,
        time: i64,
    ) -> Result<()> {
        let first = self.table.locate(&grouping.keys(batch), batch.num_rows())?;
        self.scratch.clear();
        if !self.untold {
            let touched = self.table.touched()[first..].iter();
            let is_new = &self.table.touched_is_new()[first..];
            let known = touched
                .zip(is_new)
                .filter(|(slot, is_new)| !**is_new && self.table.is_present(**slot));
            self.scratch.extend(known.map(|(slot, _)| *slot));
        }
        let before =
            if self.scratch.is_empty() { None } else { Some(self.table.emit(&self.scratch)?) };
        self.table.apply(&grouping.arguments(batch).args(), weights)?;
        if let Some(before) = before {
            self.before.push((self.scratch.clone(), before));
        }
        if let Some(known) = &mut self.origins {
            let of_rows = ordinals::of(batch);
            let of_row = |row: usize| {
                let ordinal = of_rows.map_or(0, |ordinals| ordinals[row]);
                Origin { time, ..Origin::from(ordinal) }
            };
            known.extend(self.table.first_rows(first).map(of_row));
        }
        Ok(())
    }

    /// Ends the step: how the rows of the touched groups changed, or `None` when no row did.
    ///
    /// Both halves are in the order in which the groups were first touched.
    pub(super) fn changes(&mut self) -> Result<Option<Changed>> {
        let is_first = std::mem::take(&mut self.untold);
        let mut slots = std::mem::take(&mut self.scratch);
        slots.clear();
        // Permanent groups are told of at first, with rows or without.
        let is_untold = is_first && !mutant!(EmptyGlobalGroupUntold);
        let permanent = if is_untold { self.table.permanent() } else { 0 };
        slots.extend(0..permanent);
        let touched = self.table.touched().iter();
        slots.extend(touched.filter(|slot| **slot >= permanent && self.table.is_present(**slot)));
        let mut before = std::mem::take(&mut self.before);
        if mutant!(UpdateWithoutRetraction) {
            before.clear();
        }
        let changed = match slots.is_empty() && before.is_empty() {
            true => None,
            false => Some(self.compare(before, &slots)?),
        };
        self.table.settle();
        self.origins.iter_mut().for_each(Vec::clear);
        self.scratch = slots;
        Ok(changed.filter(|changed| changed.old_rows + changed.new_rows > 0))
    }

    fn compare(
        &self,
        mut before: Vec<(Vec<u32>, Vec<ArrayRef>)>,
        slots: &[u32],
    ) -> Result<Changed> {
        let new = self.table.emit(slots)?;
        let (old_slots, old) = match before.len() {
            0 => (Vec::new(), new.iter().map(|column| column.slice(0, 0)).collect()),
            1 => before.swap_remove(0),
            _ => join(&before).map_err(unequal)?,
        };
        let same = self.same_rows(&old_slots, &old, slots, &new).map_err(unequal)?;
        if same.is_empty() {
            let (old_rows, new_rows) = (old_slots.len(), slots.len());
            let old_origins = self.origins_of(old_slots.iter());
            let new_origins = self.origins_of(slots.iter());
            return Ok(Changed { old, new, old_rows, new_rows, old_origins, new_origins });
        }
        // Leave out the rows that are in both halves.
        let others = |rows: usize, same: Vec<u32>| {
            let mut is_same = vec![false; rows];
            same.into_iter().for_each(|row| is_same[row as usize] = true);
            let others = (0..rows as u32).filter(|row| !is_same[*row as usize]);
            UInt32Array::from_iter_values(others)
        };
        let old_kept = others(old_slots.len(), same.iter().map(|pair| pair.0).collect());
        let new_kept = others(slots.len(), same.iter().map(|pair| pair.1).collect());
        let keep = |columns: &[ArrayRef], rows: &UInt32Array| {
            columns.iter().map(|column| take(column, rows, None)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Changed {
            old: keep(&old, &old_kept).map_err(unequal)?,
            new: keep(&new, &new_kept).map_err(unequal)?,
            old_rows: old_kept.len(),
            new_rows: new_kept.len(),
            old_origins: self.origins_of(picked(&old_slots, &old_kept)),
            new_origins: self.origins_of(picked(slots, &new_kept)),
        })
    }

    /// The origins of some of the touched groups, in their order.
    fn origins_of<'a>(&self, slots: impl Iterator<Item = &'a u32>) -> Vec<Origin> {
        let Some(origins) = &self.origins else { return Vec::new() };
        let mut touched = self.table.touched().iter().zip(origins);
        let of = |slot: &u32| {
            let found = touched.find(|(other, _)| *other == slot);
            found.map_or_else(Origin::default, |of| *of.1)
        };
        slots.map(of).collect()
    }

    /// The pairs of an old and a new row of one group that are equal.
    fn same_rows(
        &self,
        old_slots: &[u32],
        old: &[ArrayRef],
        new_slots: &[u32],
        new: &[ArrayRef],
    ) -> Result<Vec<(u32, u32)>, ArrowError> {
        if old_slots.is_empty() || mutant!(NetZeroSent) {
            return Ok(Vec::new());
        }
        let comparators = old[self.keys..]
            .iter()
            .zip(&new[self.keys..])
            .map(|(old, new)| make_comparator(old, new, SortOptions::default()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut same = Vec::new();
        // Both are in the order of first touch, so one walk meets all common slots.
        let mut new_row = 0;
        for (old_row, slot) in old_slots.iter().enumerate() {
            let Some(ahead) = new_slots[new_row..].iter().position(|other| other == slot) else {
                continue;
            };
            new_row += ahead;
            if comparators.iter().all(|compare| compare(old_row, new_row) == Ordering::Equal) {
                same.push((old_row as u32, new_row as u32));
            }
            new_row += 1;
        }
        Ok(same)
    }

    /// The groups as they are now, for readers.
    /// The table, between steps or after the rows of one have been added.
    pub(super) fn table(&mut self) -> &mut AggregateTable {
        &mut self.table
    }

    pub(super) fn snapshot(&mut self) -> AggregateSnapshot {
        self.table.snapshot()
    }
}

impl Container for GroupChanges {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { table, keys: _, untold, origins: _, before: _, scratch: _, by_row: _ } = self;
        table.parts(parts)?;
        parts.number(untold)
    }

    fn state_bytes(&self) -> usize {
        self.table.state_bytes()
    }
}

/// Some of the slots.
fn picked<'a>(slots: &'a [u32], kept: &'a UInt32Array) -> impl Iterator<Item = &'a u32> {
    kept.values().iter().map(|row| &slots[*row as usize])
}

fn join(parts: &[(Vec<u32>, Vec<ArrayRef>)]) -> Result<(Vec<u32>, Vec<ArrayRef>), ArrowError> {
    let slots = parts.iter().flat_map(|(slots, _)| slots.iter().copied()).collect();
    let columns = (0..parts[0].1.len())
        .map(|column| {
            let arrays: Vec<_> = parts.iter().map(|(_, part)| part[column].as_ref()).collect();
            concat(&arrays)
        })
        .collect::<Result<_, _>>()?;
    Ok((slots, columns))
}

fn unequal(error: ArrowError) -> Error {
    Error::internal(format!("the rows of a group cannot be compared: {error}"))
}
