//! [`Ends`]: the ends of a block, from each start of a window on, merged.
//!
//! All go by the numbers that the groups have in the block. Groups of the next block that are not
//! in this one are numbered behind them, in the order in which they come.
//!
//! Numbers depend on panes that a window may not have, and that may be gone when ends are merged
//! anew. So the rows of a window are in another order, which follows from its own panes: groups of
//! the end come first, by the last pane that they are in, then those of the beginning alone.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use laminar_types::Result;

use super::Windows;
use super::blocks::{Beginning, PaneTables};
use crate::aggregate::{AggregateColumns, AggregateTable};
use crate::operators::aggregate::batch;
use crate::state::group_index::NO_SLOT;
use crate::state::{Container, arrow_error};

/// The ends of a block.
pub(super) struct Ends {
    whole: Beginning,
    /// The numbers of its groups as they first are in a pane, from the last pane on.
    sequence: Vec<u32>,
    /// By the start of the window that needs it.
    merged: BTreeMap<i64, Merged>,
    /// By slot of the next block's beginning, the number of the group.
    of_next: Vec<u32>,
    /// How many groups are numbered behind those of the block.
    beyond: usize,
    spare: Vec<Merged>,
}

/// Groups by number.
pub(super) struct Merged {
    columns: AggregateColumns,
    /// The sum of what groups weigh in the panes, each counting once where they have no weight: a
    /// group is in the result while it is positive.
    weights: Vec<i64>,
}

impl Ends {
    /// The ends of a block that is merged as a whole, from the start of a window in it on. `spare`
    /// is memory to be used again.
    pub(super) fn of(
        windows: &Windows,
        panes: &PaneTables,
        mut whole: Beginning,
        first: i64,
        mut spare: Vec<Merged>,
    ) -> Result<Self> {
        let spec = &windows.spec;
        let block_end = spec.block_end(whole.block);
        let groups = whole.table.len();
        let all: Vec<u32> = (0..groups as u32).collect();
        let step = spec.step();
        let mut start = first + (block_end - 1 - first) / step * step;
        let mut until = block_end;
        let mut merged: BTreeMap<i64, Merged> = BTreeMap::new();
        while start >= first {
            let mut end = match spare.pop() {
                Some(spare) => spare,
                None => Merged { columns: whole.table.columns().fresh(), weights: Vec::new() },
            };
            end.resize(groups);
            if let Some(later) = merged.get(&until) {
                end.columns.merge(&all, &later.columns, &all)?;
                end.weights.copy_from_slice(&later.weights);
            }
            for (pane, table) in panes.range(start..until) {
                let Some(numbers) = whole.numbers.get(pane) else { continue };
                end.add(numbers, table)?;
            }
            merged.insert(start, end);
            (start, until) = (start - step, start);
        }
        let sequence = sequence(groups, whole.numbers.values().rev());
        whole.numbers.clear();
        Ok(Self { whole, sequence, merged, of_next: Vec::new(), beyond: 0, spare })
    }

    pub(super) fn block(&self) -> i64 {
        self.whole.block
    }

    /// The memory of the ends.
    pub(super) fn into_spare(mut self) -> Vec<Merged> {
        for (_, merged) in std::mem::take(&mut self.merged) {
            self.give_back(merged);
        }
        self.spare
    }

    /// The rows of the window from a start in the block to a time in the next block, whose panes up
    /// to there `next` holds.
    pub(super) fn window(
        &mut self,
        windows: &Windows,
        next: &mut AggregateTable,
        start: i64,
        end: i64,
    ) -> Result<RecordBatch> {
        self.number(next)?;
        let groups = self.whole.table.len();
        let mut window = match self.merged.remove(&start) {
            Some(merged) => merged,
            None => Merged { columns: next.columns().fresh(), weights: Vec::new() },
        };
        window.resize(groups + self.beyond);
        let in_end = |number: &u32| window.weights[*number as usize] > 0;
        let mut numbers: Vec<u32> = self.sequence.iter().copied().filter(in_end).collect();
        let of_next = |slot: &u32| self.of_next[*slot as usize];
        let in_next = (0..self.of_next.len() as u32).filter(|slot| !in_end(&of_next(slot)));
        let mut slots: Vec<u32> = in_next.collect();
        window.add(&self.of_next, next)?;

        let is_present = |number: &u32| window.weights[*number as usize] > 0;
        numbers.retain(is_present);
        slots.retain(|slot| is_present(&of_next(slot)));
        let mut columns = self.whole.table.keys(&numbers)?;
        if !slots.is_empty() {
            let others = next.keys(&slots)?;
            let both = columns.iter().zip(&others).map(|(a, b)| concat(&[a as &dyn Array, b]));
            columns = both.collect::<Result<Vec<ArrayRef>, _>>().map_err(arrow_error)?;
        }
        numbers.extend(slots.iter().map(of_next));
        columns.extend(window.columns.evaluate(&numbers)?);
        self.give_back(window);
        batch(&windows.schema, windows.with_bounds(columns, end, numbers.len())?)
    }

    /// Numbers the groups that the next block's beginning has got.
    fn number(&mut self, next: &mut AggregateTable) -> Result<()> {
        let groups = self.whole.table.len();
        let new: Vec<u32> = (self.of_next.len() as u32..next.len() as u32).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut numbers = Vec::new();
        self.whole.table.slots_of(&next.keys(&new)?, new.len(), &mut numbers)?;
        for number in numbers {
            if number == NO_SLOT {
                self.of_next.push((groups + self.beyond) as u32);
                self.beyond += 1;
            } else {
                self.of_next.push(number);
            }
        }
        Ok(())
    }

    fn give_back(&mut self, mut merged: Merged) {
        merged.columns.clear();
        merged.weights.clear();
        self.spare.push(merged);
    }

    pub(super) fn state_bytes(&self) -> usize {
        let merged = self.merged.values().chain(&self.spare).map(Merged::state_bytes);
        let numbers = self.sequence.capacity() + self.of_next.capacity();
        self.whole.table.state_bytes() + merged.sum::<usize>() + numbers * size_of::<u32>()
    }
}

/// The numbers below `groups` in the order in which these panes first have them.
fn sequence<'a>(groups: usize, panes: impl Iterator<Item = &'a Vec<u32>>) -> Vec<u32> {
    let mut sequence = Vec::with_capacity(groups);
    let mut is_in = vec![false; groups];
    for number in panes.flatten() {
        if !std::mem::replace(&mut is_in[*number as usize], true) {
            sequence.push(*number);
        }
    }
    sequence
}

impl Merged {
    fn resize(&mut self, groups: usize) {
        self.columns.resize(groups);
        self.weights.resize(groups, 0);
    }

    /// Adds the groups of a table, whose numbers these are, in the order of its slots.
    fn add(&mut self, numbers: &[u32], table: &AggregateTable) -> Result<()> {
        let slots: Vec<u32> = table.all_slots().collect();
        debug_assert_eq!(numbers.len(), slots.len());
        self.columns.merge(numbers, table.columns(), &slots)?;
        for (number, slot) in numbers.iter().zip(&slots) {
            self.weights[*number as usize] += table.weight(*slot);
        }
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        self.columns.state_bytes() + self.weights.capacity() * size_of::<i64>()
    }
}
