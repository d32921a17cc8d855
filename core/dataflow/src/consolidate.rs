//! [`consolidate`]: what several changes come to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use laminar_types::{Error, Result, Weights};

/// The net change of `changes`: one row for each different row whose weights do not sum to zero,
/// or `None` when nothing remains. Absent weights are +1.
///
/// Retractions come first; within both halves rows stand in the order in which they first came.
/// Rows are equal when all columns are: NULL equals NULL, every NaN itself, and -0.0 differs from
/// 0.0. Fails with `INTERNAL` when a batch does not have the schema or a column's type has no
/// equality.
pub fn consolidate(
    schema: &SchemaRef,
    changes: &[(RecordBatch, Option<Weights>)],
) -> Result<Option<(RecordBatch, Weights)>> {
    let net = if schema.fields().is_empty() {
        net_of_equal_rows(changes)
    } else {
        net_weights(schema, changes).map_err(internal)?
    };
    let retractions = net.iter().filter(|row| row.weight < 0);
    let kept: Vec<&NetRow> = retractions.chain(net.iter().filter(|row| row.weight > 0)).collect();
    if kept.is_empty() {
        return Ok(None);
    }
    let weights: Weights = kept.iter().map(|row| row.weight).collect();
    let batch = if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(kept.len()));
        RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options)
    } else {
        let batches: Vec<&RecordBatch> = changes.iter().map(|(batch, _)| batch).collect();
        let places: Vec<(usize, usize)> = kept.iter().map(|row| row.place).collect();
        interleave_record_batch(&batches, &places)
    };
    Ok(Some((batch.map_err(internal)?, weights)))
}

struct NetRow {
    weight: i64,
    /// The first such row: its batch, and its row there.
    place: (usize, usize),
}

fn net_weights(
    schema: &SchemaRef,
    changes: &[(RecordBatch, Option<Weights>)],
) -> Result<Vec<NetRow>, ArrowError> {
    let fields = schema.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let row_count = changes.iter().map(|(batch, _)| batch.num_rows()).sum();
    let mut rows = converter.empty_rows(row_count, 0);
    for (batch, _) in changes {
        let columns: &[ArrayRef] = batch.columns();
        if columns.len() != schema.fields().len() {
            return Err(ArrowError::SchemaError("a change has another schema".into()));
        }
        converter.append(&mut rows, columns)?;
    }

    let mut net: Vec<NetRow> = Vec::with_capacity(row_count);
    let mut index_of = HashMap::with_capacity(row_count);
    let mut encoded = rows.iter();
    for (at, (batch, weights)) in changes.iter().enumerate() {
        for (row, bytes) in (0..batch.num_rows()).zip(encoded.by_ref()) {
            let weight = weights.as_ref().map_or(1, |weights| weights[row]);
            match index_of.entry(bytes) {
                Entry::Occupied(index) => {
                    let known: &mut NetRow = &mut net[*index.get()];
                    known.weight += weight;
                }
                Entry::Vacant(slot) => {
                    slot.insert(net.len());
                    net.push(NetRow { weight, place: (at, row) });
                }
            }
        }
    }
    Ok(net)
}

/// Rows without columns are all equal.
fn net_of_equal_rows(changes: &[(RecordBatch, Option<Weights>)]) -> Vec<NetRow> {
    let weight = changes
        .iter()
        .map(|(batch, weights)| match weights {
            Some(weights) => weights.iter().sum(),
            None => batch.num_rows() as i64,
        })
        .sum();
    vec![NetRow { weight, place: (0, 0) }]
}

fn internal(error: ArrowError) -> Error {
    Error::internal(format!("changes cannot be merged: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn batch(rows: &[(Option<i64>, &str)]) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![
            Field::new("k", DataType::Int64, true),
            Field::new("v", DataType::Utf8, true),
        ]));
        let keys: Int64Array = rows.iter().map(|row| row.0).collect();
        let values: StringArray = rows.iter().map(|row| Some(row.1)).collect();
        RecordBatch::try_new(schema, vec![Arc::new(keys), Arc::new(values)]).unwrap()
    }

    #[test]
    fn what_cancels_is_gone_and_retractions_come_first() {
        let changes = [
            (batch(&[(Some(1), "a"), (None, "n"), (Some(2), "b")]), None),
            (batch(&[(Some(1), "a"), (Some(3), "c")]), Some(vec![-1, -2].into())),
            (batch(&[(None, "n"), (Some(4), "d")]), None),
        ];
        let (net, weights) = consolidate(&changes[0].0.schema(), &changes).unwrap().unwrap();
        assert_eq!(net, batch(&[(Some(3), "c"), (None, "n"), (Some(2), "b"), (Some(4), "d")]));
        assert_eq!(&*weights, [-2, 2, 1, 1]);
    }

    #[test]
    fn a_change_and_its_undoing_are_nothing() {
        let rows = batch(&[(Some(1), "a"), (Some(1), "a")]);
        let changes = [(rows.clone(), None), (rows.clone(), Some(vec![-1, -1].into()))];
        assert!(consolidate(&rows.schema(), &changes).unwrap().is_none());
        assert!(consolidate(&rows.schema(), &[]).unwrap().is_none());
    }

    #[test]
    fn floats_are_equal_by_their_bits() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]));
        let floats = |values: Vec<f64>| {
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Float64Array::from(values))])
        };
        let changes = [
            (floats(vec![f64::NAN, 0.0]).unwrap(), None),
            (floats(vec![f64::NAN, -0.0]).unwrap(), Some(vec![-1, -1].into())),
        ];
        let (net, weights) = consolidate(&schema, &changes).unwrap().unwrap();
        assert_eq!(&*weights, [-1, 1]);
        assert_eq!(net, floats(vec![-0.0, 0.0]).unwrap());
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let schema = Arc::new(Schema::empty());
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let rows =
            RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).unwrap();
        let (net, weights) = consolidate(&schema, &[(rows.clone(), None)]).unwrap().unwrap();
        assert_eq!((net.num_rows(), &*weights), (1, [3].as_slice()));
        let undone = [(rows.clone(), None), (rows, Some(vec![-1, -1, -1].into()))];
        assert!(consolidate(&schema, &undone).unwrap().is_none());
    }
}
