//! [`RowChanges`]: the change of a few groups by a few rows, without Arrow arrays.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use laminar_types::{Error, RowBlock, RowLayout, mutant};

use super::aggregate_call::Grouping;
use crate::aggregate::AggregateTable;

/// What [`GroupChanges`](super::group_changes::GroupChanges) does for the rows of a block, with the
/// same result: the rows that the touched groups had before the step, and how they came to differ.
pub(super) struct RowChanges {
    layout: Arc<RowLayout>,
    /// How many key columns there are.
    keys: usize,
    /// The groups touched in this step, in the order of first touch.
    touched: Vec<Touch>,
    /// The rows that they had before, and after.
    old: RowBlock,
    new: RowBlock,
    /// Their keys, a row for each of `touched`, without results.
    key_rows: RowBlock,
    arguments: Vec<Option<u64>>,
}

struct Touch {
    slot: u32,
    /// Its row before the step.
    old: Option<usize>,
    is_unchanged: bool,
}

impl RowChanges {
    /// For groups of a table whose rows are `schema`: the keys, then the calls. `None` where the
    /// table, its input or its output has no form as rows.
    pub(super) fn new(
        table: &mut AggregateTable,
        input: &SchemaRef,
        schema: &SchemaRef,
        keys: usize,
    ) -> Option<Self> {
        RowLayout::new(input)?;
        let layout = RowLayout::new(schema)?;
        table.takes_rows().then(|| Self {
            keys,
            touched: Vec::new(),
            old: RowBlock::new(&layout),
            new: RowBlock::new(&layout),
            key_rows: RowBlock::new(&layout),
            arguments: Vec::new(),
            layout,
        })
    }

    /// Whether rows were added in this step.
    pub(super) fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Adds rows, and tells of those that failed, which are left out.
    pub(super) fn add(
        &mut self,
        table: &mut AggregateTable,
        grouping: &Grouping,
        rows: &RowBlock,
        mut failed: impl FnMut(usize, Error),
    ) {
        for row in 0..rows.num_rows() {
            let (slot, is_new) = match table.locate_row(rows, row, grouping.key_indices()) {
                Ok(located) => located,
                Err(error) => {
                    failed(row, error);
                    continue;
                }
            };
            let is_first = self.touched.iter().all(|touch| touch.slot != slot);
            if is_first {
                let has_old = !is_new && table.is_present(slot);
                self.touch(table, grouping, rows, row, slot, has_old);
            }
            self.arguments.clear();
            self.arguments.extend(grouping.row_arguments(rows, row));
            if let Err(error) = table.apply_row(slot, &self.arguments, rows.weight(row)) {
                if is_first {
                    self.take_back_touch();
                }
                if is_new {
                    table.remove(slot);
                }
                failed(row, error);
            }
        }
    }

    /// Notes a group that is touched for the first time in the step.
    fn touch(
        &mut self,
        table: &mut AggregateTable,
        grouping: &Grouping,
        rows: &RowBlock,
        row: usize,
        slot: u32,
        has_old: bool,
    ) {
        self.key_rows.begin_row(1);
        for (to, &from) in grouping.key_indices().iter().enumerate() {
            if rows.is_null(row, from) {
                continue;
            }
            match self.layout.kinds()[to].is_bytes() {
                true => self.key_rows.set_bytes(to, rows.bytes(row, from)),
                false => self.key_rows.set(to, rows.word(row, from)),
            }
        }
        let old = has_old.then(|| {
            self.old.append_row(&self.key_rows, self.touched.len(), -1);
            table.emit_row(slot, self.keys, &mut self.old);
            self.old.num_rows() - 1
        });
        self.touched.push(Touch { slot, old, is_unchanged: false });
    }

    fn take_back_touch(&mut self) {
        self.key_rows.take_back_row();
        if self.touched.pop().is_some_and(|touch| touch.old.is_some()) {
            self.old.take_back_row();
        }
    }

    /// Ends the step: puts into `out` the rows that ceased, then those that came to be, both in the
    /// order in which their groups were first touched.
    pub(super) fn finish(&mut self, table: &mut AggregateTable, out: &mut RowBlock) {
        for (index, touch) in self.touched.iter_mut().enumerate() {
            if !table.is_present(touch.slot) {
                continue;
            }
            self.new.append_row(&self.key_rows, index, 1);
            table.emit_row(touch.slot, self.keys, &mut self.new);
            let last = self.new.num_rows() - 1;
            if mutant!(UpdateWithoutRetraction) {
                touch.old = None;
            }
            if let Some(old) = touch.old
                && !mutant!(NetZeroSent)
                && self.old.nulls(old) == self.new.nulls(last)
                && self.old.row(old)[self.keys..] == self.new.row(last)[self.keys..]
            {
                touch.is_unchanged = true;
                self.new.take_back_row();
            }
        }
        out.reset(&self.layout);
        for touch in self.touched.iter().filter(|touch| !touch.is_unchanged) {
            if let Some(old) = touch.old {
                out.append_row(&self.old, old, -1);
            }
        }
        for row in 0..self.new.num_rows() {
            out.append_row(&self.new, row, 1);
        }
        out.set_weighted();
        table.settle_rows(self.touched.iter().map(|touch| touch.slot));
        self.touched.clear();
        self.old.clear();
        self.new.clear();
        self.key_rows.clear();
    }
}
