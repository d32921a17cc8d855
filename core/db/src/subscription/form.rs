//! The form in which a subscriber gets a change: as it is, new rows alone, or with `_weight`.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use laminar_types::{Epoch, Error, Result, RowBlock, Weights};

use super::{ChangeBatch, UntypedSubscription};
use crate::ring::Form;

/// A change that was taken and rendered.
pub(super) enum Rendered {
    Batch(ChangeBatch),
    /// The block is `polled`.
    AsItCame(Epoch),
    /// The block is `rendered`.
    Anew(Epoch),
}

impl UntypedSubscription {
    /// The change in the form that the subscriber gets; `None` if nothing of it is seen.
    pub(super) fn render(&self, change: ChangeBatch) -> Result<Option<ChangeBatch>> {
        match self.ring.options().form {
            Form::Plain => Ok(Some(change)),
            Form::NewRows => new_rows(change).map_err(internal),
            Form::Changes => with_weight_column(change, self.schema()).map(Some).map_err(internal),
        }
    }

    /// The same for a block.
    pub(super) fn render_rows(&mut self, rows: RowBlock, epoch: Epoch) -> Result<Option<Rendered>> {
        let form = self.ring.options().form;
        let rendered = match (form, &mut self.rendered) {
            (Form::Plain, _) => {
                self.polled = Some(rows);
                return Ok(Some(Rendered::AsItCame(epoch)));
            }
            (_, Some(rendered)) => rendered,
            // One column more than a block can have.
            (_, None) => {
                let change = self.render(ChangeBatch::of_rows(&rows, epoch)?)?;
                return Ok(change.map(Rendered::Batch));
            }
        };
        rendered.clear();
        if form == Form::Changes {
            rows_with_weight_column(&rows, rendered);
        } else {
            new_rows_of(&rows, rendered);
        }
        let is_seen = !rendered.is_empty();
        self.polled = Some(rows);
        Ok(is_seen.then_some(Rendered::Anew(epoch)))
    }

    /// The content as one batch, which may be one without rows.
    pub(super) fn render_whole(
        &self,
        content: VecDeque<ChangeBatch>,
        epoch: Epoch,
    ) -> Result<ChangeBatch> {
        let nothing = || ChangeBatch {
            batch: RecordBatch::new_empty(self.schema()),
            weights: (self.ring.options().form == Form::Changes).then(Weights::default),
            epoch,
        };
        let Some(first) = content.front() else {
            return Ok(nothing());
        };
        let batches = content.iter().map(|change| &change.batch);
        let batch = concat_batches(&first.batch.schema(), batches).map_err(internal)?;
        let weights = content.iter().any(|change| change.weights.is_some()).then(|| {
            let weights = content.iter().flat_map(|change| {
                (0..change.batch.num_rows())
                    .map(|row| change.weights.as_ref().map_or(1, |weights| weights[row]))
            });
            weights.collect()
        });
        Ok(self.render(ChangeBatch { batch, weights, epoch })?.unwrap_or_else(nothing))
    }
}

/// Appends the rows with a weight of -1 or +1 as the last column, equal ones one by one.
fn rows_with_weight_column(rows: &RowBlock, out: &mut RowBlock) {
    let column = rows.layout().kinds().len();
    for row in 0..rows.num_rows() {
        let weight = rows.weight(row);
        for _ in 0..weight.unsigned_abs() {
            out.append_row(rows, row, weight.signum());
            out.set(column, weight.signum() as u64);
        }
    }
    out.set_weighted();
}

/// Appends each row with a positive weight, as often as its weight says.
fn new_rows_of(rows: &RowBlock, out: &mut RowBlock) {
    for row in 0..rows.num_rows() {
        for _ in 0..rows.weight(row) {
            out.append_row(rows, row, 1);
        }
    }
}

impl ChangeBatch {
    /// Each row with a positive weight, as often as its weight says.
    pub(crate) fn repeated(self) -> Result<RecordBatch> {
        let schema = self.batch.schema();
        let rows = new_rows(self).map_err(internal)?;
        Ok(rows.map_or_else(|| RecordBatch::new_empty(schema), |rows| rows.batch))
    }
}

/// Each row with a positive weight, as often as its weight says.
fn new_rows(change: ChangeBatch) -> Result<Option<ChangeBatch>, ArrowError> {
    let ChangeBatch { batch, weights, epoch } = change;
    let Some(weights) = weights.filter(|weights| weights.iter().any(|&weight| weight != 1)) else {
        return Ok(Some(ChangeBatch { batch, weights: None, epoch }));
    };
    let repeated = weights.iter().zip(0_u64..).flat_map(|(&weight, row)| {
        let times = usize::try_from(weight).unwrap_or(0);
        std::iter::repeat_n(row, times)
    });
    let rows: UInt64Array = repeated.collect::<Vec<u64>>().into();
    if rows.is_empty() {
        return Ok(None);
    }
    let batch = take_record_batch(&batch, &rows)?;
    Ok(Some(ChangeBatch { batch, weights: None, epoch }))
}

/// The rows with a weight of -1 or +1 as the last column of `schema`: equal rows that ceased or
/// came to be together are told one by one.
fn with_weight_column(change: ChangeBatch, schema: SchemaRef) -> Result<ChangeBatch, ArrowError> {
    let ChangeBatch { mut batch, weights, epoch } = change;
    let mut weights = weights.unwrap_or_else(|| vec![1; batch.num_rows()].into());
    if weights.iter().any(|weight| weight.unsigned_abs() != 1) {
        let times = |weight: i64| usize::try_from(weight.unsigned_abs()).unwrap_or(usize::MAX);
        let counted = || weights.iter().zip(0_u64..);
        let rows = counted().flat_map(|(&weight, row)| std::iter::repeat_n(row, times(weight)));
        batch = take_record_batch(&batch, &UInt64Array::from_iter_values(rows))?;
        let single = weights.iter().flat_map(|&w| std::iter::repeat_n(w.signum(), times(w)));
        weights = single.collect();
    }
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Int64Array::new(weights.clone(), None)));
    let batch = RecordBatch::try_new(schema, columns)?;
    Ok(ChangeBatch { batch, weights: Some(weights), epoch })
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("a change cannot be brought into the subscriber's form: {error}"))
}
