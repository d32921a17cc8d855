//! [`ByWord`]: rows one at a time, as words of a [`RowBlock`](laminar_types::RowBlock).

use laminar_types::Result;

/// What an [`Accumulator`](super::Accumulator) does with a single row, to the last bit, without
/// Arrow arrays: its argument and its result fit a [word](laminar_types::rows::Word).
///
/// The caller leaves out rows that the filter or a null argument keeps from the call. Where there
/// is no argument the word says nothing.
pub trait ByWord {
    /// Whether [`ByWord::add`] would fail; nothing changes.
    ///
    /// # Errors
    /// As [`Accumulator::update`](super::Accumulator::update).
    fn check(&self, _slot: u32, _word: u64, _weight: i64) -> Result<()> {
        Ok(())
    }

    /// Adds a row for which [`ByWord::check`] has just not failed.
    fn add(&mut self, slot: u32, word: u64, weight: i64);

    /// The result of a slot; `None` is null.
    fn value(&self, slot: u32) -> Option<u64>;
}
