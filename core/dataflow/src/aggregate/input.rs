//! [`Input`]: rows for an accumulator, and how it walks over them.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use laminar_types::mutant;

use super::CallSpec;

/// Rows whose memory is fetched together.
const BLOCK: usize = 64;

/// Rows to be added to groups. All parts have as many rows as `slots`.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The slot of each row's group.
    pub slots: &'a [u32],
    /// The arguments of the call; none for `count(*)`.
    pub args: &'a [ArrayRef],
    /// The `FILTER` clause: only rows where it is true are taken.
    pub filter: Option<&'a BooleanArray>,
    /// How many times each row comes (or, negative, goes); `None` is once each.
    pub weights: Option<&'a [i64]>,
}

impl Input<'_> {
    /// The rows that pass the filter and where no argument is null, as valid; `None` means all.
    pub(super) fn selection(&self) -> Option<NullBuffer> {
        let mut selection = self.filtered();
        for argument in self.args.iter().filter(|_| !mutant!(NullsCounted)) {
            debug_assert_eq!(argument.len(), self.slots.len());
            let logical = matches!(
                argument.data_type(),
                DataType::Null
                    | DataType::Dictionary(..)
                    | DataType::RunEndEncoded(..)
                    | DataType::Union(..)
            );
            let nulls = if logical { argument.logical_nulls() } else { argument.nulls().cloned() };
            if let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) {
                selection = NullBuffer::union(selection.as_ref(), Some(&nulls));
            }
        }
        selection
    }

    /// The rows that a call takes: those that pass the filter and, if it skips nulls, have a first
    /// argument. `None` means all.
    pub(super) fn selection_of(&self, call: &CallSpec) -> Option<NullBuffer> {
        match call.skip_nulls {
            true => Input { args: &self.args[..1], ..*self }.selection(),
            false => self.filtered(),
        }
    }

    /// The rows that pass the filter, as valid; `None` means all.
    pub(super) fn filtered(&self) -> Option<NullBuffer> {
        let filter = self.filter.filter(|_| !mutant!(FilterIgnored))?;
        debug_assert_eq!(filter.len(), self.slots.len());
        let passed = match filter.nulls() {
            Some(nulls) if nulls.null_count() > 0 => filter.values() & nulls.inner(),
            _ => filter.values().clone(),
        };
        Some(NullBuffer::new(passed)).filter(|passed| passed.null_count() > 0)
    }

    /// Calls `each` with row, slot and weight of every selected row, in order. The weight is the
    /// constant 1 where there are none, so that the loop compiles to the plain case.
    #[inline(always)]
    pub(super) fn each(&self, selection: Option<&NullBuffer>, each: impl FnMut(usize, u32, i64)) {
        self.each_ahead(selection, None::<fn(u32)>, each);
    }

    /// The same, with `ahead`, if there is one, called for some slots before they come: a loop
    /// over a large column is several times faster when the memory it needs is fetched together.
    #[inline(always)]
    pub(super) fn each_ahead(
        &self,
        selection: Option<&NullBuffer>,
        ahead: Option<impl Fn(u32)>,
        mut each: impl FnMut(usize, u32, i64),
    ) {
        let fetch = |slots: &[u32]| {
            if let Some(ahead) = &ahead {
                slots.iter().for_each(|&slot| ahead(slot));
            }
        };
        let blocks = self.slots.chunks(BLOCK).enumerate();
        match (selection, self.weights) {
            (None, None) => blocks.for_each(|(block, slots)| {
                fetch(slots);
                for (row, &slot) in slots.iter().enumerate() {
                    each(block * BLOCK + row, slot, 1);
                }
            }),
            (None, Some(weights)) => blocks.for_each(|(block, slots)| {
                fetch(slots);
                let weights = &weights[block * BLOCK..];
                for (row, (&slot, &weight)) in slots.iter().zip(weights).enumerate() {
                    each(block * BLOCK + row, slot, weight);
                }
            }),
            (Some(selection), None) => {
                for row in selection.valid_indices() {
                    each(row, self.slots[row], 1);
                }
            }
            (Some(selection), Some(weights)) => {
                for row in selection.valid_indices() {
                    each(row, self.slots[row], weights[row]);
                }
            }
        }
    }
}
