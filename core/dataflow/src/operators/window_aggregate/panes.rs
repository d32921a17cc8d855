//! [`Panes`]: the state of windows that are given once, when they close.
//!
//! A window is the merge of its panes. Where most groups have rows in most panes, that would merge
//! every group once for each pane at each close; [`Blocks`] does it a few times however many panes
//! a window has.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Error, Result, code, mutant};

use super::Windows;
use super::blocks::{Blocks, PaneTables};
use super::merged::{Failed, MergedPanes};
use crate::aggregate::AggregateTable;
use crate::operator::Context;
use crate::operators::partitioned::{Place, ordinals};
use crate::operators::timed_rows::join;
use crate::state::{Container, Parts};

/// One table per pane: an event is added to one, however many windows overlap, and a window is
/// the merge of its panes. A pane is dropped with the last window that needs it.
pub(super) struct Panes {
    /// By pane start.
    panes: BTreeMap<i64, AggregateTable>,
    /// Tables without groups, to be used again.
    spare: Vec<AggregateTable>,
    /// Every window that ends before this has been given.
    next_end: i64,
    /// Merges of panes that more than one window needs.
    blocks: Blocks,
    /// How many rows have numbers, where groups have births and rows no ordinals.
    numbered: u64,
}

impl Panes {
    pub(super) fn new() -> Self {
        Self {
            panes: BTreeMap::new(),
            spare: Vec::new(),
            next_end: i64::MIN,
            blocks: Blocks::default(),
            numbered: 0,
        }
    }

    /// Adds rows of one pane.
    pub(super) fn add(
        &mut self,
        windows: &Windows,
        pane: i64,
        rows: &Delta,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        self.blocks.changed(pane);
        if !self.panes.contains_key(&pane) {
            let table = self.table(windows)?;
            self.panes.insert(pane, table);
        }
        let Some(table) = self.panes.get_mut(&pane) else { return Ok(()) };
        let of_rows = ordinals::of(&rows.batch);
        let numbers: Vec<u64> = match of_rows {
            None if windows.has_births() => {
                let first = self.numbered;
                self.numbered += rows.num_rows() as u64;
                (first..self.numbered).collect()
            }
            _ => Vec::new(),
        };
        let numbers = of_rows.unwrap_or(&numbers);
        let mut add = |rows: &Delta, numbers: &[u64]| {
            let keys = windows.grouping.keys(&rows.batch);
            let arguments = windows.grouping.arguments(&rows.batch);
            let weights = rows.weights.as_deref();
            table.update(&keys, &arguments.args(), weights, rows.num_rows())?;
            table.note_births(numbers);
            Ok::<_, Error>(())
        };
        if add(rows, numbers).is_err() {
            for row in 0..rows.num_rows() {
                let number = numbers.get(row..row + 1).unwrap_or_default();
                if let Err(error) = add(&rows.slice(row, 1), number) {
                    let batch = windows.grouping.original(&rows.batch);
                    cx.dead_letter_of(&batch, row, error.message().to_string());
                }
            }
        }
        table.settle();
        Ok(())
    }

    /// How many groups the panes have whose first window ends at or before a time, if a window does
    /// that was not given yet.
    pub(super) fn due_rows(&self, windows: &Windows, limit: i64) -> usize {
        let Some((first, _)) = self.panes.first_key_value() else { return 0 };
        if windows.spec.first_end(*first).max(self.next_end) > limit {
            return 0;
        }
        let panes = self.panes.iter();
        let due = panes.take_while(|(pane, _)| windows.spec.first_end(**pane) <= limit);
        due.map(|(_, table)| table.len()).sum()
    }

    /// The rows of every window that ends at or before `limit` and was not given yet, in the order
    /// of their ends and, in a window, of the rows that made their groups; where windows overlap, as
    /// [`MergedPanes`] has them. A partition puts their
    /// places into `places`.
    pub(super) fn close(
        &mut self,
        windows: &Windows,
        schema: &SchemaRef,
        limit: i64,
        places: &mut Vec<Place>,
        cx: &mut Context<'_>,
    ) -> Result<Option<Delta>> {
        let spec = &windows.spec;
        let mut closed = Vec::new();
        while let Some((pane, _)) = self.panes.first_key_value() {
            let end = spec.first_end(*pane).max(self.next_end);
            if end > limit {
                break;
            }
            if spec.is_tumbling() {
                let Some((_, table)) = self.panes.pop_first() else { break };
                let mut slots: Vec<u32> = table.live_slots().collect();
                if !windows.is_read_once {
                    slots.sort_unstable_by_key(|slot| table.birth(*slot));
                }
                closed.push(windows.rows_of(&table, &slots, end)?);
                if windows.is_partition {
                    let births = slots.iter().map(|slot| table.birth(*slot));
                    places.extend(births.map(|ordinal| Place::came(end, ordinal)));
                }
                self.give_back(table);
            } else {
                let Self { panes, blocks, .. } = self;
                let rows = match blocks.window(windows, panes, end, places) {
                    Err(error) if error.code() == code::EXECUTION => {
                        window_apart(windows, panes, end, places, cx)?
                    }
                    rows => rows?,
                };
                closed.push(rows);
                self.drop_panes(windows, end);
            }
            self.next_end = spec.next_end(end);
            if mutant!(WindowSkipped) {
                self.next_end = spec.next_end(self.next_end);
            }
        }
        self.next_end = self.next_end.max(spec.first_end(limit));
        self.drop_panes(windows, limit);
        closed.retain(|rows| rows.num_rows() > 0);
        join(schema, closed.into_iter().map(Delta::insert).collect())
    }

    /// Forgets the panes all of whose windows end at or before a time.
    fn drop_panes(&mut self, windows: &Windows, limit: i64) {
        while let Some(entry) = self.panes.first_entry()
            && (windows.spec.last_end(*entry.key()) <= limit || mutant!(PaneDroppedTooEarly))
        {
            let table = entry.remove();
            self.give_back(table);
        }
    }

    fn table(&mut self, windows: &Windows) -> Result<AggregateTable> {
        match self.spare.pop() {
            Some(table) => Ok(table),
            None => windows.table(),
        }
    }

    fn give_back(&mut self, mut table: AggregateTable) {
        if self.spare.len() < 2 {
            if !mutant!(PaneNotCleared) {
                table.clear();
            }
            self.spare.push(table);
        }
    }

    /// What outlives an epoch.
    pub(super) fn parts(&mut self, windows: &Windows, parts: &mut Parts<'_>) -> Result<()> {
        let Self { panes, spare: _, next_end, blocks, numbered } = self;
        let make = || windows.table();
        parts.list(panes, make, |table, parts| table.parts(parts))?;
        parts.number(next_end)?;
        parts.number(numbered)?;
        blocks.parts(parts)
    }

    pub(super) fn state_bytes(&self) -> usize {
        let panes = self.panes.values().chain(&self.spare).map(AggregateTable::state_bytes);
        panes.sum::<usize>() + self.blocks.state_bytes()
    }
}

/// The rows of a window whose panes do not add up in some groups, of which each has a sum that is past
/// the range of its type: those of the others. Of these the keys are told, with what failed.
fn window_apart(
    windows: &Windows,
    panes: &PaneTables,
    end: i64,
    places: &mut Vec<Place>,
    cx: &mut Context<'_>,
) -> Result<RecordBatch> {
    let mut failed = Failed::new();
    let merged = MergedPanes::apart(windows, panes, end, &mut failed)?;
    let slots = merged.slots(windows);
    let (failing, kept): (Vec<u32>, Vec<u32>) =
        slots.into_iter().partition(|slot| failed.contains_key(slot));
    let rows = windows.rows_of(&merged.table, &kept, end)?;
    if windows.is_partition {
        places.extend(kept.iter().map(|slot| merged.place(*slot, end)));
    }
    for slot in failing {
        let Some(error) = failed.remove(&slot) else { continue };
        let text = windows.text(&merged.table, slot, end)?;
        cx.dead_letter_at_place(merged.place(slot, end), text, error.message().to_string());
    }
    Ok(rows)
}
