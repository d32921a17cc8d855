//! [`Blocks`]: merges of panes that several windows share.
//!
//! Time is cut into blocks as long as a window. A window that does not fill one is the end of a
//! block and the beginning of the next: of a block, all ends that a window can have are merged at
//! once, from the last pane to the first, and its beginning grows by a pane with each window (van
//! Herk, "A fast algorithm for local minimum and maximum filters", 1992; Gil and Werman, 1993). So
//! a window costs a constant number of merges, needs no inverse, and what is merged with what
//! follows from the window alone: floats come out the same however the input was cut.
//!
//! The groups of a block have one numbering, which its beginning gives them as it grows: a pane's
//! groups are looked up once, and all that is merged later goes by numbers.
//!
//! Merged ends hold a group once for each window. They are made where the panes hold it nearly as
//! often; elsewhere the panes of an end are merged for each window, in the same order, which then
//! costs about as much as the rows that come out.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use laminar_types::Result;

use super::Windows;
use super::ends::Ends;
use super::merged::{MergedPanes, PartOf};
use crate::aggregate::AggregateTable;
use crate::operators::partitioned::Place;
use crate::state::Parts;

/// The panes of all windows, by their start.
pub(super) type PaneTables = BTreeMap<i64, AggregateTable>;

/// Ends of a block are worth merging when a group of a full window is in this many of its panes.
const DENSE_PANES: usize = 8;

/// What is merged beyond single panes.
#[derive(Default)]
pub(super) struct Blocks {
    /// The ends of a block that windows still need.
    ends: Option<Ends>,
    /// The beginning of a block.
    beginning: Option<Beginning>,
    /// The block whose ends are to be merged, and whether that is worth it.
    dense: Option<(i64, bool)>,
    /// Panes before this are merged into something.
    merged_to: i64,
    /// A table without groups, to be used again.
    spare: Option<MergedPanes>,
}

/// The panes from the start of a block on, merged.
pub(super) struct Beginning {
    pub(super) block: i64,
    /// Panes before this are in.
    to: i64,
    pub(super) merged: MergedPanes,
    /// By pane, the slots in `merged` of its groups.
    pub(super) numbers: BTreeMap<i64, Vec<u32>>,
}

impl Blocks {
    /// Notes that rows were added to a pane. Those that come when windows over the pane have been
    /// given already are rare: what was merged is forgotten.
    pub(super) fn changed(&mut self, pane: i64) {
        if pane < self.merged_to {
            self.ends = None;
            if let Some(beginning) = self.beginning.take() {
                self.give_back(beginning.merged);
            }
            self.merged_to = i64::MIN;
        }
    }

    /// The rows of the window that ends at a time. A partition puts their places into `places`.
    pub(super) fn window(
        &mut self,
        windows: &Windows,
        panes: &PaneTables,
        end: i64,
        places: &mut Vec<Place>,
    ) -> Result<RecordBatch> {
        let spec = &windows.spec;
        let start = spec.start(end);
        let block = spec.block(start);
        let next = spec.block_end(block);
        if start == block {
            let beginning = self.take_beginning(windows, panes, block, end)?;
            let rows = beginning.merged.rows(windows, end, places)?;
            if end == next {
                let groups: usize = panes.range(block..next).map(|(_, pane)| pane.len()).sum();
                let is_dense = groups >= beginning.merged.table.len() * DENSE_PANES;
                self.dense = Some((block, is_dense));
            }
            self.beginning = Some(beginning);
            return Ok(rows);
        }
        if panes.range(start..next).next().is_none() {
            // All of the window lies in the next block.
            let beginning = self.take_beginning(windows, panes, next, end)?;
            let rows = beginning.merged.rows(windows, end, places)?;
            self.beginning = Some(beginning);
            return Ok(rows);
        }
        if self.dense != Some((block, true)) {
            let mut merged = self.table(windows)?;
            for (pane, table) in panes.range(start..next).rev() {
                merged.add(windows, PartOf::End, (*pane, table))?;
            }
            let beginning = self.take_beginning(windows, panes, next, end)?;
            merged.add_merged(&beginning.merged)?;
            self.beginning = Some(beginning);
            let rows = merged.rows(windows, end, places);
            self.give_back(merged);
            return rows;
        }
        let mut ends = match self.ends.take() {
            Some(ends) if ends.block() == block => ends,
            other => {
                let whole = self.take_beginning(windows, panes, block, next)?;
                let spare = other.map(Ends::into_spare).unwrap_or_default();
                Ends::of(windows, panes, whole, start, spare)?
            }
        };
        let mut beginning = self.take_beginning(windows, panes, next, end)?;
        let rows = ends.window(windows, &mut beginning.merged, (start, end), places);
        (self.ends, self.beginning) = (Some(ends), Some(beginning));
        rows
    }

    /// The beginning of a block, with its panes up to a time.
    fn take_beginning(
        &mut self,
        windows: &Windows,
        panes: &PaneTables,
        block: i64,
        to: i64,
    ) -> Result<Beginning> {
        let mut beginning = match self.beginning.take() {
            Some(beginning) if beginning.block == block && beginning.to <= to => beginning,
            other => {
                if let Some(other) = other {
                    self.give_back(other.merged);
                }
                let merged = self.table(windows)?;
                Beginning { block, to: block, merged, numbers: BTreeMap::new() }
            }
        };
        for (start, pane) in panes.range(beginning.to..to) {
            let part = PartOf::Beginning;
            let numbers = beginning.merged.add(windows, part, (*start, pane))?.to_vec();
            beginning.numbers.insert(*start, numbers);
        }
        beginning.to = to;
        self.merged_to = self.merged_to.max(to);
        Ok(beginning)
    }

    fn table(&mut self, windows: &Windows) -> Result<MergedPanes> {
        match self.spare.take() {
            Some(table) => Ok(table),
            None => MergedPanes::new(windows),
        }
    }

    fn give_back(&mut self, mut table: MergedPanes) {
        table.clear();
        self.spare = Some(table);
    }

    /// What outlives an epoch. All but a decision is made anew out of the panes.
    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { ends: _, beginning: _, dense, merged_to: _, spare: _ } = self;
        let mut is_known = dense.is_some();
        let (mut block, mut is_dense) = dense.unwrap_or((0, false));
        parts.number(&mut is_known)?;
        parts.number(&mut block)?;
        parts.number(&mut is_dense)?;
        if parts.are_put_back() {
            *self = Self { dense: is_known.then_some((block, is_dense)), ..Self::default() };
        }
        Ok(())
    }

    pub(super) fn state_bytes(&self) -> usize {
        let tables = self.beginning.iter().map(|beginning| &beginning.merged).chain(&self.spare);
        tables.map(MergedPanes::state_bytes).sum::<usize>()
            + self.ends.as_ref().map_or(0, Ends::state_bytes)
    }
}
