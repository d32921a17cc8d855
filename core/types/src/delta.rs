//! [`Delta`]: the change of a relation, as the value that flows on every edge.

use arrow::array::RecordBatch;
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::SchemaRef;

/// One weight per row: +n for a row that n times came to be, -n for one that n times ceased.
pub type Weights = ScalarBuffer<i64>;

/// A change of a relation: rows with weights (a Z-set).
///
/// Absent weights mean +1 for every row, the only form on an append-only edge. A weight is never
/// zero.
#[derive(Debug, Clone)]
pub struct Delta {
    /// The rows.
    pub batch: RecordBatch,
    /// Their weights, or `None` when every one is +1.
    pub weights: Option<Weights>,
}

impl Delta {
    /// Rows that came to be, once each.
    pub fn insert(batch: RecordBatch) -> Self {
        Self { batch, weights: None }
    }

    /// Rows with weights; there are as many weights as rows.
    pub fn weighted(batch: RecordBatch, weights: Weights) -> Self {
        debug_assert_eq!(batch.num_rows(), weights.len());
        debug_assert!(weights.iter().all(|&w| w != 0));
        Self { batch, weights: Some(weights) }
    }

    /// A change of nothing.
    pub fn empty(schema: SchemaRef) -> Self {
        Self::insert(RecordBatch::new_empty(schema))
    }

    /// How many rows the batch holds, whatever their weights.
    pub fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.batch.num_rows() == 0
    }

    /// The weight of one row.
    pub fn weight(&self, row: usize) -> i64 {
        self.weights.as_ref().map_or(1, |weights| weights[row])
    }

    /// Whether rows came to be and others ceased.
    pub fn is_mixed(&self) -> bool {
        let Some(weights) = &self.weights else { return false };
        weights.iter().any(|weight| *weight < 0) && weights.iter().any(|weight| *weight > 0)
    }

    /// The rows `[offset, offset + length)`, sharing the buffers.
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        Self {
            batch: self.batch.slice(offset, length),
            weights: self.weights.as_ref().map(|weights| weights.slice(offset, length)),
        }
    }
}
