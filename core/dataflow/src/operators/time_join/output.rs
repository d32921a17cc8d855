//! [`TimedOutput`]: the rows that a join emits in a step, in pieces.

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Result, Weights};

use super::side::batch_of;
use crate::operators::emission::Emission;
use crate::operators::partitioned::{Origin, Place};

/// The rows of a step so far.
pub(super) struct TimedOutput {
    schema: SchemaRef,
    /// Whether rows can cease.
    updating: bool,
    emission: Emission,
}

/// The columns of rows that come out.
pub(super) struct TimedPiece {
    /// Of the left side.
    pub(super) left: Vec<ArrayRef>,
    /// Of the right side, behind them.
    pub(super) right: Vec<ArrayRef>,
    /// How many rows there are.
    pub(super) rows: usize,
}

impl TimedOutput {
    /// No rows of this schema yet.
    pub(super) fn new(schema: SchemaRef, updating: bool) -> Self {
        Self { schema, updating, emission: Emission::default() }
    }

    /// Whether rows can cease, so that weights are due.
    pub(super) fn is_updating(&self) -> bool {
        self.updating
    }

    /// Adds rows to a stage. `weights` has one for each row, and is `None` when every one is +1;
    /// `origins` are empty or one for each row.
    pub(super) fn push(
        &mut self,
        stage: u8,
        piece: TimedPiece,
        weights: Option<Vec<i64>>,
        origins: Vec<Origin>,
    ) -> Result<()> {
        let TimedPiece { left, right, rows } = piece;
        if rows == 0 {
            return Ok(());
        }
        let batch = batch_of(&self.schema, left.into_iter().chain(right).collect(), rows)?;
        self.emission.push(stage, batch, weights.map(Weights::from), origins);
        Ok(())
    }

    /// The net change of the step; the output is empty then.
    pub(super) fn take(&mut self, places: &mut Vec<Place>) -> Result<Option<Delta>> {
        match self.updating {
            true => self.emission.take_net(&self.schema, places),
            false => self.emission.take_appended(&self.schema, places),
        }
    }
}
