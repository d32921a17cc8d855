//! [`TimedOutput`]: the rows that a join emits in a step, in pieces.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use laminar_types::{Delta, Error, Result, Weights};

use super::side::batch_of;
use crate::consolidate;

/// The rows of a step so far.
pub(super) struct TimedOutput {
    schema: SchemaRef,
    /// Whether rows can cease.
    updating: bool,
    pieces: Vec<(RecordBatch, Option<Weights>)>,
}

impl TimedOutput {
    /// No rows of this schema yet.
    pub(super) fn new(schema: SchemaRef, updating: bool) -> Self {
        Self { schema, updating, pieces: Vec::new() }
    }

    /// Whether rows can cease, so that weights are due.
    pub(super) fn is_updating(&self) -> bool {
        self.updating
    }

    /// Adds rows: the columns of the left side, then those of the right. `weights` has one for
    /// each row, and is `None` when every one is +1.
    pub(super) fn push(
        &mut self,
        left: Vec<ArrayRef>,
        right: Vec<ArrayRef>,
        rows: usize,
        weights: Option<Vec<i64>>,
    ) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let batch = batch_of(&self.schema, left.into_iter().chain(right).collect(), rows)?;
        self.pieces.push((batch, weights.map(Weights::from)));
        Ok(())
    }

    /// The net change of the step; the output is empty then.
    pub(super) fn take(&mut self) -> Result<Option<Delta>> {
        let pieces = std::mem::take(&mut self.pieces);
        if pieces.is_empty() {
            return Ok(None);
        }
        if self.updating {
            let net = consolidate(&self.schema, &pieces)?;
            return Ok(net.map(|(batch, weights)| Delta::weighted(batch, weights)));
        }
        let batch = match pieces.as_slice() {
            [(batch, _)] => batch.clone(),
            pieces => concat_batches(&self.schema, pieces.iter().map(|(batch, _)| batch))
                .map_err(|error| Error::internal(format!("the rows of a join differ: {error}")))?,
        };
        Ok(Some(Delta::insert(batch)))
    }
}
