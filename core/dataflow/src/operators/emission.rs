//! [`Emission`]: what an operator gives in a step, put together piece by piece.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, interleave_record_batch, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use laminar_types::{Delta, Error, Result, Weights};

use super::partitioned::{Origin, Place};
use crate::consolidate::{Cancelled, cancel};

/// Rows with weights: stage by stage, and in each in the order in which they were put in. Those of a
/// partition have origins.
#[derive(Default)]
pub(super) struct Emission {
    pieces: Vec<Piece>,
}

struct Piece {
    stage: u8,
    batch: RecordBatch,
    weights: Option<Weights>,
    /// By row, where the operator is a partition.
    origins: Vec<Origin>,
}

/// Batches with weights, and the origins of their rows, if they have some.
type Taken = (Vec<(RecordBatch, Option<Weights>)>, Option<Vec<Vec<Origin>>>);

impl Emission {
    /// Adds rows to a stage, absent weights being one each. `origins` are empty, or one for each row.
    pub(super) fn push(
        &mut self,
        stage: u8,
        batch: RecordBatch,
        weights: Option<Weights>,
        mut origins: Vec<Origin>,
    ) {
        debug_assert!(origins.is_empty() || origins.len() == batch.num_rows());
        if batch.num_rows() > 0 {
            origins.iter_mut().for_each(|origin| origin.stage = stage);
            self.pieces.push(Piece { stage, batch, weights, origins });
        }
    }

    /// The rows as they came, each as often as its weight says, which is above zero: rows that never
    /// cease.
    pub(super) fn take_appended(
        &mut self,
        schema: &SchemaRef,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        let (pieces, origins) = self.take();
        if pieces.is_empty() {
            return Ok(None);
        }
        let weights: Vec<i64> = all_weights(&pieces).collect();
        debug_assert!(weights.iter().all(|weight| *weight > 0), "these rows never cease");
        let mut batch = joined(schema, &pieces)?;
        let rows = weights.iter().enumerate();
        let rows = || rows.clone().flat_map(|(row, times)| (0..*times).map(move |_| row as u32));
        if weights.iter().any(|weight| *weight != 1) {
            let rows = UInt32Array::from(rows().collect::<Vec<u32>>());
            let columns = batch.columns().iter().map(|column| take(column, &rows, None));
            let columns = columns.collect::<Result<Vec<ArrayRef>, _>>().map_err(internal)?;
            // Of rows without columns the number is all there is.
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
                .map_err(internal)?;
        }
        if let Some(origins) = origins {
            let origins: Vec<Origin> = origins.into_iter().flatten().collect();
            places.extend(rows().map(|row| Place::of(origins[row as usize], 1)));
        }
        Ok(Some(Delta::insert(batch)))
    }

    /// The rows as they came, those that cease first.
    pub(super) fn take_in_order(
        &mut self,
        schema: &SchemaRef,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        let (pieces, origins) = self.take();
        if pieces.is_empty() {
            return Ok(None);
        }
        let rows = pieces.iter().enumerate();
        let rows = rows.flat_map(|(piece, (batch, weights))| {
            let weight = |row| weights.as_ref().map_or(1, |weights: &Weights| weights[row]);
            (0..batch.num_rows()).map(move |row| ((piece, row), weight(row)))
        });
        let (mut rows, came): (Vec<_>, Vec<_>) = rows.partition(|(_, weight)| *weight < 0);
        let is_ordered = rows.is_empty() || came.is_empty();
        rows.extend(came);
        if let Some(origins) = origins {
            let of = |&((piece, row), weight): &((usize, usize), i64)| {
                Place::of(origins[piece][row], weight)
            };
            places.extend(rows.iter().map(of));
        }
        let (from, weights): (Vec<(usize, usize)>, Vec<i64>) = rows.into_iter().unzip();
        let batch = match is_ordered || schema.fields().is_empty() {
            // Rows without columns have no order.
            true => joined(schema, &pieces)?,
            false => {
                let batches: Vec<&RecordBatch> = pieces.iter().map(|(batch, _)| batch).collect();
                interleave_record_batch(&batches, &from).map_err(internal)?
            }
        };
        Ok(Some(Delta::weighted(batch, weights.into())))
    }

    /// The rows less those that cancel each other, those that cease first.
    pub(super) fn take_net(
        &mut self,
        schema: &SchemaRef,
        places: &mut Vec<Place>,
    ) -> Result<Option<Delta>> {
        let (pieces, origins) = self.take();
        let Some(Cancelled { batch, weights, from }) = cancel(schema, &pieces)? else {
            return Ok(None);
        };
        if let Some(origins) = origins {
            let left = from.iter().zip(weights.iter());
            places.extend(left.map(|((piece, row), w)| Place::of(origins[*piece][*row], *w)));
        }
        Ok(Some(Delta::weighted(batch, weights)))
    }

    fn take(&mut self) -> Taken {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.sort_by_key(|piece| piece.stage);
        let have_origins = pieces.iter().any(|piece| !piece.origins.is_empty());
        debug_assert!(!have_origins || pieces.iter().all(|piece| !piece.origins.is_empty()));
        let (pieces, origins): (Vec<_>, Vec<_>) =
            pieces.into_iter().map(|of| ((of.batch, of.weights), of.origins)).unzip();
        (pieces, have_origins.then_some(origins))
    }
}

fn all_weights(pieces: &[(RecordBatch, Option<Weights>)]) -> impl Iterator<Item = i64> + '_ {
    pieces.iter().flat_map(|(batch, weights)| {
        let weight = |row| weights.as_ref().map_or(1, |weights| weights[row]);
        (0..batch.num_rows()).map(weight)
    })
}

/// The pieces as one batch.
fn joined(schema: &SchemaRef, pieces: &[(RecordBatch, Option<Weights>)]) -> Result<RecordBatch> {
    match pieces {
        [(batch, _)] => Ok(batch.clone()),
        pieces => concat_batches(schema, pieces.iter().map(|(batch, _)| batch)).map_err(internal),
    }
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("the rows of a step cannot be put together: {error}"))
}
