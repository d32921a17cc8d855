//! [`Ends`]: the ends of a block, from each start of a window on, merged.
//!
//! All go by the numbers that the groups have in the block. Groups of the next block that are not
//! in this one are numbered behind them, in the order in which they come.
//!
//! Numbers depend on panes that a window may not have, and that may be gone when ends are merged
//! anew. So the rows of a window are in the order of [`MergedPanes`]: groups of the end come first, by
//! the last pane that they are in, then those of the beginning alone.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use laminar_types::Result;

use super::Windows;
use super::blocks::{Beginning, PaneTables};
use super::merged::{MergedPanes, PartOf};
use crate::aggregate::{AggregateColumns, AggregateTable};
use crate::operators::aggregate::batch;
use crate::operators::partitioned::{Origin, Place};
use crate::state::group_index::NO_SLOT;
use crate::state::{Container, arrow_error};

/// The ends of a block.
pub(super) struct Ends {
    whole: Beginning,
    /// The numbers of its groups in their order, with the last pane that each is in.
    sequence: Vec<(u32, i64)>,
    /// What these come from, where the panes know which rows made their groups.
    origins: Vec<Origin>,
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
        let groups = whole.merged.table.len();
        let all: Vec<u32> = (0..groups as u32).collect();
        let step = spec.step();
        let mut start = first + (block_end - 1 - first) / step * step;
        let mut until = block_end;
        let mut merged: BTreeMap<i64, Merged> = BTreeMap::new();
        while start >= first {
            let mut end = match spare.pop() {
                Some(spare) => spare,
                None => {
                    Merged { columns: whole.merged.table.columns().fresh(), weights: Vec::new() }
                }
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
        let (sequence, origins) = sequence(windows, &whole, panes.range(first..block_end));
        whole.numbers.clear();
        Ok(Self { whole, sequence, origins, merged, of_next: Vec::new(), beyond: 0, spare })
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
    /// to there `next` holds. A partition puts their places into `places`.
    pub(super) fn window(
        &mut self,
        windows: &Windows,
        next: &mut MergedPanes,
        (start, end): (i64, i64),
        places: &mut Vec<Place>,
    ) -> Result<RecordBatch> {
        self.number(&mut next.table)?;
        let groups = self.whole.merged.table.len();
        let mut window = match self.merged.remove(&start) {
            Some(merged) => merged,
            None => Merged { columns: next.table.columns().fresh(), weights: Vec::new() },
        };
        window.resize(groups + self.beyond);
        let in_end = |at: &usize| self.sequence[*at].1 >= start;
        let mut of_end: Vec<usize> = (0..self.sequence.len()).filter(in_end).collect();
        let mut is_in_end = vec![false; groups + self.beyond];
        of_end.iter().for_each(|at| is_in_end[self.sequence[*at].0 as usize] = true);
        let of_next = |slot: &u32| self.of_next[*slot as usize] as usize;
        let in_next = (0..self.of_next.len() as u32).filter(|slot| !is_in_end[of_next(slot)]);
        let mut slots: Vec<u32> = in_next.collect();
        window.add(&self.of_next, &next.table)?;

        of_end.retain(|at| window.weights[self.sequence[*at].0 as usize] > 0);
        slots.retain(|slot| window.weights[of_next(slot)] > 0);
        if !windows.is_read_once {
            slots.sort_unstable_by_key(|slot| next.origins[*slot as usize]);
        }
        let mut numbers: Vec<u32> = of_end.iter().map(|at| self.sequence[*at].0).collect();
        let mut columns = self.whole.merged.table.keys(&numbers)?;
        if !slots.is_empty() {
            let others = next.table.keys(&slots)?;
            let both = columns.iter().zip(&others).map(|(a, b)| concat(&[a as &dyn Array, b]));
            columns = both.collect::<Result<Vec<ArrayRef>, _>>().map_err(arrow_error)?;
        }
        numbers.extend(slots.iter().map(|slot| of_next(slot) as u32));
        columns.extend(window.columns.evaluate(&numbers)?);
        self.give_back(window);
        let rows = batch(&windows.schema, windows.with_bounds(columns, end, numbers.len())?)?;
        if windows.is_partition {
            places.extend(of_end.iter().map(|at| Place::came(end, self.origins[*at])));
            places.extend(slots.iter().map(|slot| next.place(*slot, end)));
        }
        Ok(rows)
    }

    /// Numbers the groups that the next block's beginning has got.
    fn number(&mut self, next: &mut AggregateTable) -> Result<()> {
        let groups = self.whole.merged.table.len();
        let new: Vec<u32> = (self.of_next.len() as u32..next.len() as u32).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut numbers = Vec::new();
        self.whole.merged.table.slots_of(&next.keys(&new)?, new.len(), &mut numbers)?;
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
        let sequence = self.sequence.capacity() * size_of::<(u32, i64)>()
            + self.origins.capacity() * size_of::<Origin>();
        let numbers = self.of_next.capacity() * size_of::<u32>();
        self.whole.merged.state_bytes() + merged.sum::<usize>() + sequence + numbers
    }
}

/// The numbers of the groups of these panes of a block, in their order, with the last pane that each is
/// in; and what they come from.
fn sequence<'a>(
    windows: &Windows,
    whole: &Beginning,
    panes: impl DoubleEndedIterator<Item = (&'a i64, &'a AggregateTable)>,
) -> (Vec<(u32, i64)>, Vec<Origin>) {
    let groups = whole.merged.table.len();
    let (mut sequence, mut origins) = (Vec::with_capacity(groups), Vec::new());
    let mut is_in = vec![false; groups];
    for (pane, table) in panes.rev() {
        let Some(numbers) = whole.numbers.get(pane) else { continue };
        let mut of_pane: Vec<(u64, u32)> = Vec::new();
        for (number, slot) in numbers.iter().zip(table.all_slots()) {
            if !std::mem::replace(&mut is_in[*number as usize], true) {
                of_pane.push((table.birth(slot), *number));
            }
        }
        if !windows.is_read_once {
            of_pane.sort_unstable();
        }
        sequence.extend(of_pane.iter().map(|(_, number)| (*number, *pane)));
        if windows.is_partition {
            origins.extend(of_pane.iter().map(|(birth, _)| PartOf::End.origin(*pane, *birth)));
        }
    }
    (sequence, origins)
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
