//! Rows without Arrow arrays: what a handful of rows travel as.
//!
//! A vectorised kernel costs some hundred nanoseconds however few rows it gets, most of it for
//! arrays that are made to be thrown away. So batches of at most [`TINY_ROWS`] rows whose columns
//! are all plain values go through the engine as a [`RowBlock`]: words in vectors that are used
//! again, so that a row costs no allocation. Whoever does not know blocks gets
//! [`RowBlock::to_delta`].
//!
//! | module | what it holds |
//! |---|---|
//! | `block` | [`RowBlock`], [`RowLayout`] |
//! | `arrow` | blocks from Arrow batches, and back |
//! | `word` | [`Word`]: values as 64 bits |

mod arrow;
mod block;
mod word;

pub use block::{ColumnKind, RowBlock, RowLayout};
pub use word::Word;

use crate::Delta;

/// The most rows that travel as a block.
pub const TINY_ROWS: usize = 32;

/// The change of a relation in either form.
#[derive(Debug, Clone)]
pub enum Change {
    /// As Arrow arrays.
    Batch(Delta),
    /// As a block of rows.
    Rows(RowBlock),
}

impl Change {
    /// How many rows there are, whatever their weights.
    pub fn num_rows(&self) -> usize {
        match self {
            Self::Batch(delta) => delta.num_rows(),
            Self::Rows(rows) => rows.num_rows(),
        }
    }

    /// As Arrow arrays.
    ///
    /// # Errors
    /// `INTERNAL` when a value does not fit its column, which only a defect can cause.
    pub fn into_delta(self) -> crate::Result<Delta> {
        match self {
            Self::Batch(delta) => Ok(delta),
            Self::Rows(rows) => rows.to_delta(),
        }
    }
}
