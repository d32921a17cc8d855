//! [`OpenWindows`]: the state of windows that are given at every step that changes them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Result, mutant};

use super::Windows;
use crate::operator::Context;
use crate::operators::aggregate::delta as changed_delta;
use crate::operators::group_changes::{Changed, GroupChanges};
use crate::operators::partitioned::Place;
use crate::operators::timed_rows::join;
use crate::state::{Container, Parts};

/// One table per open window, dropped when the window closes.
pub(super) struct OpenWindows {
    /// By window end.
    windows: BTreeMap<i64, GroupChanges>,
    /// The windows touched in this step.
    touched: BTreeSet<i64>,
}

impl OpenWindows {
    pub(super) fn new() -> Self {
        Self { windows: BTreeMap::new(), touched: BTreeSet::new() }
    }

    /// Adds rows of one pane to its windows that end after `limit`.
    pub(super) fn add(
        &mut self,
        windows: &Windows,
        pane: i64,
        rows: &Delta,
        limit: i64,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let last = windows.spec.last_end(pane);
        let mut end = windows.spec.first_end(pane).max(windows.spec.first_end(limit));
        loop {
            self.add_to_window(windows, (end, pane), rows, cx)?;
            if end >= last {
                return Ok(());
            }
            end = windows.spec.next_end(end);
        }
    }

    fn add_to_window(
        &mut self,
        windows: &Windows,
        (end, pane): (i64, i64),
        rows: &Delta,
        cx: &mut Context<'_>,
    ) -> Result<()> {
        let is_first = !self.windows.contains_key(&end);
        let window = match self.windows.entry(end) {
            Entry::Occupied(window) => window.into_mut(),
            Entry::Vacant(place) => place.insert(windows.open()?),
        };
        if !is_first || !mutant!(FirstChangeOfWindowUntold) {
            self.touched.insert(end);
        }
        for (row, error) in window.add(&windows.grouping, rows, pane)? {
            let batch = windows.grouping.original(&rows.batch);
            cx.dead_letter_of(&batch, row, error.message().to_string());
        }
        Ok(())
    }

    /// The net changes of the windows that the step touched, in the order of their ends. Forgets
    /// those that end at or before `limit`: what they gave stands. A partition puts the places of the
    /// rows into `places`.
    pub(super) fn changes(
        &mut self,
        windows: &Windows,
        schema: &SchemaRef,
        limit: i64,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        let mut pieces = Vec::new();
        for end in std::mem::take(&mut self.touched) {
            let Some(window) = self.windows.get_mut(&end) else { continue };
            if let Some(changed) = window.changes()? {
                changed.places(end, places);
                let old = windows.with_bounds(changed.old, end, changed.old_rows)?;
                let new = windows.with_bounds(changed.new, end, changed.new_rows)?;
                pieces.push(changed_delta(schema, Changed { old, new, ..changed })?);
            }
        }
        while let Some(entry) = self.windows.first_entry()
            && *entry.key() <= limit
        {
            entry.remove();
        }
        join(schema, pieces)
    }

    /// What outlives an epoch.
    pub(super) fn parts(&mut self, windows: &Windows, parts: &mut Parts<'_>) -> Result<()> {
        let Self { windows: open, touched: _ } = self;
        parts.list(open, || windows.open(), |window, parts| window.parts(parts))
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.windows.values().map(GroupChanges::state_bytes).sum()
    }
}
