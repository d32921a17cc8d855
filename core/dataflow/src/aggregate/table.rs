//! [`AggregateTable`]: the groups of a query and the state of its aggregate calls.
//!
//! A batch goes in in two steps, so that an operator can read what a group was before: `locate`
//! finds the groups of the rows and tells which are touched for the first time since the last
//! `settle`, `apply` adds the rows. A failed `apply` takes both back. `settle` ends an epoch:
//! groups without rows vanish.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use laminar_types::{Error, Result, RowBlock, mutant};

use super::{Accumulator, AggregateArgs, AggregateColumns, Input};
use crate::state::{Container, GroupIndex, GroupKeys, Paged, Parts};

/// Groups with accumulators.
///
/// Over append-only input a group lives until it is removed. Over updating input a group has the
/// sum of its rows' weights, is in the result while that is positive, and vanishes at `settle`
/// when it is zero. *Permanent* groups are always in the result, whatever the rows, and have the
/// first slots: without key columns the only group, otherwise those that
/// [`AggregateTable::with_permanent`] names.
pub struct AggregateTable {
    index: GroupIndex,
    /// How many groups are permanent.
    permanent: u32,
    /// Their keys, if there are key columns.
    permanent_keys: Vec<ArrayRef>,
    columns: AggregateColumns,
    /// The weight of each group, over updating input.
    weights: Option<Paged<i64>>,
    /// A number of the row that made each group, where somebody asks for it.
    births: Option<Paged<u64>>,
    /// The slot of each row of the batch in work.
    slots: Vec<u32>,
    touched: Touched,
    /// Whether nobody asks for `touched`.
    untracked: bool,
    /// How many slots were touched before the batch in work.
    touched_before: usize,
    other_slots: Vec<u32>,
}

/// The slots touched since the last `settle`, each once, in the order of first touch.
#[derive(Default)]
struct Touched {
    slots: Vec<u32>,
    is_new: Vec<bool>,
    bits: Vec<u64>,
}

impl AggregateTable {
    /// A table of groups over key columns of these types, without groups.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a type cannot be grouped by.
    pub fn new(
        key_types: &[DataType],
        accumulators: Vec<Box<dyn Accumulator>>,
        append_only: bool,
    ) -> Result<Self> {
        let mut table = Self {
            index: GroupIndex::new(key_types)?,
            permanent: u32::from(key_types.is_empty()),
            permanent_keys: Vec::new(),
            columns: AggregateColumns::new(accumulators),
            weights: (!append_only).then(|| Paged::new(0)),
            births: None,
            slots: Vec::new(),
            touched: Touched::default(),
            untracked: false,
            touched_before: 0,
            other_slots: Vec::new(),
        };
        table.resize();
        Ok(table)
    }

    /// The table, which has no groups yet, with permanent groups of these keys: columns of equal
    /// length with a different key in every row.
    ///
    /// # Errors
    /// When there are too many groups.
    pub fn with_permanent(mut self, keys: Vec<ArrayRef>) -> Result<Self> {
        debug_assert!(self.index.is_empty(), "permanent groups are the first ones");
        let groups = keys.first().map_or(0, |column| column.len());
        self.index.intern(&keys, groups, &mut self.slots)?;
        debug_assert_eq!(self.index.len(), groups, "every permanent group has a key of its own");
        self.permanent = groups as u32;
        self.permanent_keys = keys;
        self.resize();
        Ok(self)
    }

    /// How many groups are permanent; their slots are the first ones.
    pub fn permanent(&self) -> u32 {
        self.permanent
    }

    /// The table with [`AggregateTable::touched`] left empty, which saves a part of the cost of
    /// every row: for a pane that is read once, when it closes. Groups whose weight comes to zero
    /// are not in the result, but `settle` does not find them.
    pub fn untracked(mut self) -> Self {
        self.untracked = true;
        self
    }

    /// The table with a number for each group, of the row that made it: see
    /// [`note_births`](Self::note_births).
    pub fn with_births(mut self) -> Self {
        self.births = Some(Paged::new(0));
        self
    }

    /// Notes the numbers of the rows that made groups in the last [`update`](Self::update);
    /// `numbers` are those of all its rows.
    pub fn note_births(&mut self, numbers: &[u64]) {
        let Some(births) = &mut self.births else { return };
        births.resize(self.index.slots());
        let mut created = self.index.created().iter().peekable();
        for (slot, number) in self.slots.iter().zip(numbers) {
            if created.peek().is_none() {
                break;
            }
            if created.next_if_eq(&slot).is_some() {
                *births.at_mut(*slot as usize) = *number;
            }
        }
    }

    /// The number of the row that made a group.
    pub fn birth(&self, slot: u32) -> u64 {
        self.births.as_ref().map_or(0, |births| *births.at(slot as usize))
    }

    /// The table, which has no groups yet, with weights over append-only input too: for groups that
    /// are merged into it alone, each of which then counts once. So a group is in the result while
    /// it was merged from somewhere.
    pub fn weighted(mut self) -> Self {
        self.weights.get_or_insert_with(|| Paged::new(0));
        self.resize();
        self
    }

    /// A table of the same shape without rows.
    ///
    /// # Errors
    /// None for a table that exists.
    pub fn fresh(&self) -> Result<Self> {
        let append_only = self.weights.is_none();
        let table = Self::new(self.index.types(), self.columns.fresh().calls, append_only)?;
        let table = match self.permanent_keys.is_empty() {
            true => table,
            false => table.with_permanent(self.permanent_keys.clone())?,
        };
        let births = self.births.is_some().then(|| Paged::new(0));
        Ok(Self { untracked: self.untracked, births, ..table })
    }

    /// The types of the columns of [`AggregateTable::emit`].
    pub fn column_types(&self) -> Vec<DataType> {
        let keys = self.index.types().iter().cloned();
        keys.chain(self.columns.types()).collect()
    }

    /// Adds rows: [`AggregateTable::locate`] and [`AggregateTable::apply`] in one. There is one
    /// element of `args` for each accumulator, and every column has `rows` rows.
    ///
    /// # Errors
    /// As those; the table is then as if this call had not been.
    pub fn update(
        &mut self,
        keys: &[ArrayRef],
        args: &[AggregateArgs<'_>],
        weights: Option<&[i64]>,
        rows: usize,
    ) -> Result<()> {
        self.locate(keys, rows)?;
        self.apply(args, weights)
    }

    /// Finds or makes the group of each row of a batch, and puts those touched for the first time
    /// since the last `settle` at the end of [`AggregateTable::touched`]. Returns how many were
    /// touched before: what lies behind is new to the list, and still in the state before the
    /// batch.
    ///
    /// # Errors
    /// When there are too many groups; the table is then as before.
    pub fn locate(&mut self, keys: &[ArrayRef], rows: usize) -> Result<usize> {
        self.touched_before = self.touched.slots.len();
        if let Err(error) = self.index.intern(keys, rows, &mut self.slots) {
            self.slots.clear();
            self.take_back();
            return Err(error);
        }
        self.resize();
        if !self.untracked {
            self.touched.touch(&self.slots, self.index.created(), self.index.slots());
        }
        Ok(self.touched_before)
    }

    /// Adds the rows of the batch just located.
    ///
    /// # Errors
    /// `EXECUTION` when a sum overflows. The table is then as before `locate`, and the caller
    /// finds the failing row by adding the rows one by one.
    pub fn apply(&mut self, args: &[AggregateArgs<'_>], weights: Option<&[i64]>) -> Result<()> {
        debug_assert!(weights.is_none() || self.weights.is_some(), "append-only means no weights");
        let slots = &self.slots;
        if let Err(error) = self.columns.apply(slots, args, weights) {
            self.take_back();
            return Err(error);
        }
        if let Some(group_weights) = &mut self.weights {
            let mut group_weights = group_weights.writer();
            input_weights(slots, weights, |slot, weight| {
                *group_weights.at(slot as usize) += weight;
            });
        }
        Ok(())
    }

    /// Whether the methods for single rows work: keys and calls all have a form as words. The
    /// columns of their input must be such that a block can hold them, too.
    pub fn takes_rows(&mut self) -> bool {
        self.index.takes_rows()
            && self.columns.calls.iter_mut().all(|call| call.by_word().is_some())
    }

    /// Finds or makes the group of one row of a block, and tells whether it was made. It does not
    /// count as touched: whoever goes by rows keeps that in mind.
    ///
    /// # Errors
    /// When there are too many groups; the table is then as before.
    pub fn locate_row(
        &mut self,
        rows: &RowBlock,
        row: usize,
        keys: &[usize],
    ) -> Result<(u32, bool)> {
        let (slot, is_new) = self.index.intern_row(rows, row, keys)?;
        if is_new {
            self.resize();
        }
        Ok((slot, is_new))
    }

    /// Adds one row to a group: `arguments[i]` is what call `i` takes, or `None` where a filter or
    /// a null keeps the row from it.
    ///
    /// # Errors
    /// `EXECUTION` when a sum overflows; the group is then as before.
    pub fn apply_row(&mut self, slot: u32, arguments: &[Option<u64>], weight: i64) -> Result<()> {
        let accumulators = &mut self.columns.calls;
        debug_assert_eq!(arguments.len(), accumulators.len());
        let added = if mutant!(RetractionsAdded) { 1 } else { weight };
        let calls = || arguments.iter().enumerate().filter_map(|(i, word)| Some((i, (*word)?)));
        for (call, word) in calls() {
            if accumulators[call].can_fail()
                && let Some(call) = accumulators[call].by_word()
            {
                call.check(slot, word, added)?;
            }
        }
        for (call, word) in calls() {
            if let Some(call) = accumulators[call].by_word() {
                call.add(slot, word, added);
            }
        }
        if let Some(weights) = &mut self.weights {
            *weights.at_mut(slot as usize) += weight;
        }
        Ok(())
    }

    /// Sets the columns from `first` on of the last row of a block to the results of a group.
    pub fn emit_row(&mut self, slot: u32, first: usize, out: &mut RowBlock) {
        for (call, accumulator) in self.columns.calls.iter_mut().enumerate() {
            if let Some(word) = accumulator.by_word().and_then(|call| call.value(slot)) {
                out.set(first + call, word);
            }
        }
    }

    /// Ends a step by rows, in which these groups were changed: removes those whose weight came to
    /// zero.
    pub fn settle_rows(&mut self, slots: impl Iterator<Item = u32>) {
        for slot in slots {
            let is_zero = |weights: &Paged<i64>| *weights.at(slot as usize) == 0;
            if self.weights.as_ref().is_some_and(is_zero) && !mutant!(GroupStays) {
                self.remove(slot);
            }
        }
    }

    /// The slots touched since the last `settle`, each once, in the order of first touch.
    pub fn touched(&self) -> &[u32] {
        &self.touched.slots
    }

    /// For each touched slot from `first` on, all of which the last [`locate`](Self::locate) touched,
    /// its first row there.
    pub fn first_rows(&self, first: usize) -> impl Iterator<Item = usize> + '_ {
        let mut touched = self.touched.slots[first..].iter().peekable();
        let rows = self.slots.iter().enumerate();
        rows.filter_map(move |(row, slot)| touched.next_if_eq(&slot).map(|_| row))
    }

    /// For each touched slot whether its group did not exist at the last `settle`.
    pub fn touched_is_new(&self) -> &[bool] {
        &self.touched.is_new
    }

    /// Whether the group of a live slot is in the result: it is permanent, or its weight is positive.
    pub fn is_present(&self, slot: u32) -> bool {
        let least = i64::from(mutant!(GroupVanishesOneRowEarly)) - i64::from(mutant!(GroupStays));
        let is_present = |weights: &Paged<i64>| *weights.at(slot as usize) > least;
        slot < self.permanent || self.weights.as_ref().is_none_or(is_present)
    }

    /// Ends an epoch: removes the touched groups whose weight came to zero, and forgets what was
    /// touched.
    pub fn settle(&mut self) {
        let touched = std::mem::take(&mut self.touched.slots);
        if let Some(weights) = &self.weights {
            let is_zero = |slot: &&u32| *weights.at(**slot as usize) == 0 && !mutant!(GroupStays);
            let gone: Vec<u32> = touched.iter().filter(is_zero).copied().collect();
            gone.into_iter().for_each(|slot| self.remove(slot));
        }
        self.touched.forget(&touched, 0);
        self.touched.slots = touched;
        self.touched.slots.clear();
    }

    /// Removes the group of a live slot, whatever its rows; a permanent one is emptied instead. Not
    /// between `locate` and `apply`.
    pub fn remove(&mut self, slot: u32) {
        self.columns.reset(slot);
        if let Some(weights) = &mut self.weights {
            *weights.at_mut(slot as usize) = 0;
        }
        if slot >= self.permanent {
            self.index.remove(slot);
        }
    }

    /// The rows of these live slots: key columns, then one column per aggregate call.
    ///
    /// # Errors
    /// As [`Accumulator::evaluate`].
    pub fn emit(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = self.index.keys(slots)?;
        columns.extend(self.columns.evaluate(slots)?);
        Ok(columns)
    }

    /// The slot of each of `rows` keys' groups; `NO_SLOT` for those that have none.
    ///
    /// # Errors
    /// When the keys are not of the table's types.
    pub fn slots_of(&mut self, keys: &[ArrayRef], rows: usize, slots: &mut Vec<u32>) -> Result<()> {
        self.index.lookup(keys, rows, slots)
    }

    /// The slots of the groups in the result, ascending.
    pub fn live_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.index.live_slots().filter(|&slot| self.is_present(slot))
    }

    /// How many groups there are, those without rows since the last `settle` included.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the groups of a table of the same shape to this one, which thereby touches them. Answers
    /// the slot here of each of its groups, in the order of their slots there.
    ///
    /// # Errors
    /// As [`Accumulator::merge`]; the table is then to be cleared.
    pub fn merge_from(&mut self, other: &Self) -> Result<&[u32]> {
        let Self { index, slots, other_slots, touched, .. } = self;
        index.intern_all(&other.index, slots, other_slots)?;
        if !self.untracked {
            touched.touch(slots, index.created(), index.slots());
        }
        self.resize();
        let (slots, other_slots) = (&self.slots, &self.other_slots);
        self.columns.merge(slots, &other.columns, other_slots)?;
        if let Some(weights) = &mut self.weights {
            let mut weights = weights.writer();
            for (&slot, &from) in slots.iter().zip(other_slots) {
                *weights.at(slot as usize) += other.weight(from);
            }
        }
        Ok(&self.slots)
    }

    /// The same group by group, where one may fail by itself: those that failed, by slot, with what
    /// failed, are put into `failed`.
    ///
    /// # Errors
    /// As [`Accumulator::merge`], but for sums that overflow.
    pub fn merge_apart(
        &mut self,
        other: &Self,
        failed: &mut BTreeMap<u32, Error>,
    ) -> Result<&[u32]> {
        let Self { index, slots, other_slots, .. } = self;
        index.intern_all(&other.index, slots, other_slots)?;
        self.resize();
        for (&slot, &from) in self.slots.iter().zip(&self.other_slots) {
            self.columns.merge_apart(slot, &other.columns, from, failed)?;
            if let Some(weights) = &mut self.weights {
                *weights.at_mut(slot as usize) += other.weight(from);
            }
        }
        Ok(&self.slots)
    }

    /// The weight of a group; one where groups have none.
    #[inline]
    pub fn weight(&self, slot: u32) -> i64 {
        self.weights.as_ref().map_or(1, |weights| *weights.at(slot as usize))
    }

    /// The slots of all groups, in the result or not, ascending.
    pub fn all_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.index.live_slots()
    }

    /// The keys of live slots.
    ///
    /// # Errors
    /// None for a table that exists.
    pub fn keys(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        self.index.keys(slots)
    }

    /// The state of the calls, by slot.
    pub fn columns(&self) -> &AggregateColumns {
        &self.columns
    }

    /// The groups in the result as they are now, to be read while this table goes on.
    pub fn snapshot(&mut self) -> AggregateSnapshot {
        AggregateSnapshot {
            keys: self.index.snapshot(),
            permanent: self.permanent,
            columns: self.columns.snapshot(),
            weights: self.weights.as_mut().map(Paged::snapshot),
        }
    }

    /// Forgets all rows, and all groups but the permanent ones, and keeps memory for new ones.
    pub fn clear(&mut self) {
        if !self.permanent_keys.is_empty() {
            let slots: Vec<u32> = self.index.live_slots().collect();
            slots.into_iter().for_each(|slot| self.remove(slot));
            self.touched.clear();
            return;
        }
        self.index.clear();
        self.columns.clear();
        if let Some(weights) = &mut self.weights {
            weights.clear();
        }
        self.touched.clear();
        self.resize();
    }

    /// Gives every column room for all slots of the index.
    fn resize(&mut self) {
        let slots = self.index.slots();
        self.columns.resize(slots);
        if let Some(weights) = &mut self.weights {
            weights.resize(slots);
        }
    }

    /// Takes back `locate`: the groups it made, and its touches.
    fn take_back(&mut self) {
        self.resize();
        let created = self.index.created().to_vec();
        // Last made first, so that the same slots are given out in the same order again.
        for &slot in created.iter().rev() {
            self.remove(slot);
        }
        let undone = self.touched.slots.split_off(self.touched_before);
        self.touched.forget(&undone, self.touched_before);
    }
}

impl Container for AggregateTable {
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        debug_assert!(self.touched.slots.is_empty(), "groups are settled at the end of a step");
        self.index.parts(parts)?;
        self.columns.parts(parts)?;
        self.births.as_mut().map_or(Ok(()), |births| births.parts(parts))?;
        self.weights.as_mut().map_or(Ok(()), |weights| weights.parts(parts))
    }

    fn state_bytes(&self) -> usize {
        self.index.state_bytes()
            + self.columns.state_bytes()
            + self.weights.as_ref().map_or(0, Paged::state_bytes)
            + self.births.as_ref().map_or(0, Paged::state_bytes)
            + self.touched.bits.capacity() * size_of::<u64>()
    }
}

impl Touched {
    /// Appends those of `slots` that are not in the list. `created` are those of them whose group
    /// is new, in the same order; all are below `end`.
    fn touch(&mut self, slots: &[u32], created: &[u32], end: usize) {
        let words = end.div_ceil(64);
        if self.bits.len() < words {
            self.bits.resize(words, 0);
        }
        let before = self.slots.len();
        // Whether a slot is in the list already is a coin toss, so the loop does not branch on
        // it: each slot is written behind the list, which then grows by it or does not.
        self.slots.resize(before + slots.len(), 0);
        let mut len = before;
        for &slot in slots {
            let word = &mut self.bits[slot as usize / 64];
            let is_first = *word >> (slot % 64) & 1 == 0;
            *word |= 1 << (slot % 64);
            self.slots[len] = slot;
            len += usize::from(is_first);
        }
        self.slots.truncate(len);
        self.is_new.resize(len, false);
        let mut created = created.iter().peekable();
        let mut touched = self.slots[before..].iter().zip(&mut self.is_new[before..]);
        while created.peek().is_some()
            && let Some((slot, is_new)) = touched.next()
        {
            *is_new = created.next_if_eq(&slot).is_some();
        }
    }

    /// Takes these slots out; `len` stay in the list.
    fn forget(&mut self, slots: &[u32], len: usize) {
        for &slot in slots {
            self.bits[slot as usize / 64] = 0;
        }
        self.is_new.truncate(len);
        if len > 0 {
            // Those that stay may have shared a word with those taken out.
            for &slot in &self.slots {
                self.bits[slot as usize / 64] |= 1 << (slot % 64);
            }
        }
    }

    fn clear(&mut self) {
        let slots = std::mem::take(&mut self.slots);
        self.forget(&slots, 0);
    }
}

#[inline(always)]
fn input_weights(slots: &[u32], weights: Option<&[i64]>, mut each: impl FnMut(u32, i64)) {
    Input { slots, args: &[], filter: None, weights }.each(None, |_, slot, weight| {
        each(slot, weight);
    });
}

/// The groups of a table at one moment.
pub struct AggregateSnapshot {
    keys: GroupKeys,
    permanent: u32,
    columns: AggregateColumns,
    weights: Option<Paged<i64>>,
}

impl AggregateSnapshot {
    /// At least how many groups there are; some may turn out to have no rows.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots of all groups in the result, ascending.
    pub fn live_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.keys.live_slots().filter(|&slot| {
            let has_rows = |weights: &Paged<i64>| *weights.at(slot as usize) > 0;
            slot < self.permanent || self.weights.as_ref().is_none_or(has_rows)
        })
    }

    /// All groups in the result as columns (keys, then aggregates), at most `rows` of them at a
    /// time. No chunk is empty.
    pub fn chunks(&self, rows: usize) -> impl Iterator<Item = Result<Vec<ArrayRef>>> + '_ {
        let mut slots = self.live_slots();
        std::iter::from_fn(move || {
            let chunk: Vec<u32> = slots.by_ref().take(rows.max(1)).collect();
            (!chunk.is_empty()).then(|| self.emit(&chunk))
        })
    }

    /// The rows of these slots: key columns, then one column per aggregate call.
    ///
    /// # Errors
    /// As [`Accumulator::evaluate`].
    pub fn emit(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = self.keys.keys(slots)?;
        columns.extend(self.columns.evaluate(slots)?);
        Ok(columns)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
