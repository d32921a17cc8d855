//! [`MergedPanes`]: panes as one table, and the order of its groups.
//!
//! In which order panes are merged decides the last bits of sums of floats, and whether a sum of integers
//! overflows on its way. So it is a rule, whoever merges: a window that crosses the start of a block is
//! what lies before, from its last pane to its first, and then the panes from there on, merged by
//! themselves in the order of time. Rows stand in the order in which that meets their groups. Both
//! follow for each group from its own rows alone.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use laminar_types::{Error, Result};

use super::Windows;
use super::blocks::PaneTables;
use crate::aggregate::AggregateTable;
use crate::operators::partitioned::{Origin, Place};
use crate::state::Container;

/// Which part of a window a pane is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartOf {
    /// The end of a block, which is merged from its last pane on.
    End,
    /// The beginning of a block, which is merged in the order of time.
    Beginning,
}

impl PartOf {
    /// What a group comes from that was first met in a pane of this part, where a row with this
    /// number made it.
    pub(super) fn origin(self, pane: i64, birth: u64) -> Origin {
        match self {
            Self::End => Origin { stage: 0, time: pane.saturating_neg(), ordinal: birth },
            Self::Beginning => Origin { stage: 1, time: pane, ordinal: birth },
        }
    }
}

/// Panes that were merged into a table. None of its groups ever goes, so slots ascend as they came.
pub(super) struct MergedPanes {
    pub(super) table: AggregateTable,
    /// By slot, where the panes know which rows made their groups.
    pub(super) origins: Vec<Origin>,
}

/// The groups of a window that do not add up, by slot.
pub(super) type Failed = BTreeMap<u32, Error>;

impl MergedPanes {
    pub(super) fn new(windows: &Windows) -> Result<Self> {
        Ok(Self { table: windows.merged_table()?, origins: Vec::new() })
    }

    /// Adds a pane, and answers the slots of its groups.
    pub(super) fn add(
        &mut self,
        windows: &Windows,
        part: PartOf,
        (start, pane): (i64, &AggregateTable),
    ) -> Result<&[u32]> {
        let slots = self.table.merge_from(pane)?;
        if windows.has_births() {
            note_origins(&mut self.origins, slots, pane, |slot| {
                part.origin(start, pane.birth(slot))
            });
        }
        Ok(slots)
    }

    /// Adds what other panes were merged into.
    pub(super) fn add_merged(&mut self, other: &Self) -> Result<()> {
        let slots = self.table.merge_from(&other.table)?;
        if !other.origins.is_empty() {
            let origin = |slot: u32| other.origins[slot as usize];
            note_origins(&mut self.origins, slots, &other.table, origin);
        }
        Ok(())
    }

    /// The panes of a window, where some groups do not add up: those are in `failed`.
    pub(super) fn apart(
        windows: &Windows,
        panes: &PaneTables,
        end: i64,
        failed: &mut Failed,
    ) -> Result<Self> {
        let start = windows.spec.start(end);
        let begins = match windows.spec.block(start) {
            block if block == start => block,
            block => windows.spec.block_end(block),
        };
        let mut merged = Self::new(windows)?;
        for (pane, table) in panes.range(start..begins).rev() {
            merged.add_apart(windows, PartOf::End, (*pane, table), failed)?;
        }
        let (mut beginning, mut failed_there) = (Self::new(windows)?, Failed::new());
        for (pane, table) in panes.range(begins..end) {
            beginning.add_apart(windows, PartOf::Beginning, (*pane, table), &mut failed_there)?;
        }
        let slots = merged.table.merge_apart(&beginning.table, failed)?;
        if !beginning.origins.is_empty() {
            let origin = |slot: u32| beginning.origins[slot as usize];
            note_origins(&mut merged.origins, slots, &beginning.table, origin);
        }
        for (slot, error) in failed_there {
            failed.entry(slots[slot as usize]).or_insert(error);
        }
        Ok(merged)
    }

    fn add_apart(
        &mut self,
        windows: &Windows,
        part: PartOf,
        (start, pane): (i64, &AggregateTable),
        failed: &mut Failed,
    ) -> Result<()> {
        let slots = self.table.merge_apart(pane, failed)?;
        if windows.has_births() {
            note_origins(&mut self.origins, slots, pane, |slot| {
                part.origin(start, pane.birth(slot))
            });
        }
        Ok(())
    }

    /// The slots of the groups in the result, in their order.
    pub(super) fn slots(&self, windows: &Windows) -> Vec<u32> {
        let mut slots: Vec<u32> = self.table.live_slots().collect();
        if !windows.is_read_once {
            // Panes give the slot of a group that vanished to another one.
            slots.sort_unstable_by_key(|slot| self.origins[*slot as usize]);
        }
        slots
    }

    /// The rows of the window that ends at a time. A partition puts their places into `places`.
    pub(super) fn rows(
        &self,
        windows: &Windows,
        end: i64,
        places: &mut Vec<Place>,
    ) -> Result<RecordBatch> {
        let slots = self.slots(windows);
        let rows = windows.rows_of(&self.table, &slots, end)?;
        if windows.is_partition {
            places.extend(slots.iter().map(|slot| self.place(*slot, end)));
        }
        Ok(rows)
    }

    /// The place of a group in the window that ends at a time.
    pub(super) fn place(&self, slot: u32, end: i64) -> Place {
        Place::came(end, self.origins.get(slot as usize).copied().unwrap_or_default())
    }

    /// Forgets all panes, and keeps memory for others.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.origins.clear();
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.table.state_bytes() + self.origins.capacity() * size_of::<Origin>()
    }
}

/// Notes where the groups come from that a merge made; `slots` are those of the groups of `merged`.
fn note_origins(
    origins: &mut Vec<Origin>,
    slots: &[u32],
    merged: &AggregateTable,
    origin: impl Fn(u32) -> Origin,
) {
    for (slot, from) in slots.iter().zip(merged.all_slots()) {
        if *slot as usize == origins.len() {
            origins.push(origin(from));
        }
    }
}
