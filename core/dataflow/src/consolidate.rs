//! [`consolidate`]: what several changes come to.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use laminar_types::{Error, Result, Weights};

use crate::state::{KeyHasher, RowColumns, View};

/// The net change of `changes`: one row for each different row whose weights do not sum to zero,
/// or `None` when nothing remains. Absent weights are +1.
///
/// Retractions come first; within both halves rows stand in the order in which they first came.
/// Rows are equal when all columns are: NULL equals NULL, every NaN itself, and -0.0 differs from
/// 0.0.
///
/// # Errors
/// `INTERNAL` when a batch does not have the schema, `UNSUPPORTED` when a column's type has no
/// equality.
pub fn consolidate(
    schema: &SchemaRef,
    changes: &[(RecordBatch, Option<Weights>)],
) -> Result<Option<(RecordBatch, Weights)>> {
    let net = if schema.fields().is_empty() {
        net_of_equal_rows(changes)
    } else {
        net_weights(schema, changes, None)?
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

/// What is left of changes when those that cancel each other are gone.
pub(crate) struct Cancelled {
    /// Retractions first, otherwise in the order in which the rows came.
    pub(crate) batch: RecordBatch,
    /// Of its rows.
    pub(crate) weights: Weights,
    /// Which rows they were: their batches, and their rows there.
    pub(crate) from: Vec<(usize, usize)>,
}

/// The changes without those that cancel each other, or `None` when nothing remains. A row that both
/// came and ceased stands once, with its net weight, where it first was; all others stay as they are.
/// So what is left of a row follows from its own changes alone, whatever others there are.
///
/// # Errors
/// As [`consolidate`].
pub(crate) fn cancel(
    schema: &SchemaRef,
    changes: &[(RecordBatch, Option<Weights>)],
) -> Result<Option<Cancelled>> {
    if schema.fields().is_empty() {
        let net = consolidate(schema, changes)?;
        return Ok(net.map(|(batch, weights)| Cancelled { batch, weights, from: vec![(0, 0)] }));
    }
    let weight = |(batch, row): (usize, usize)| {
        let weights: Option<&Weights> = changes[batch].1.as_ref();
        weights.map_or(1, |weights| weights[row])
    };
    let places = || {
        let batches = changes.iter().enumerate();
        batches.flat_map(|(at, (batch, _))| (0..batch.num_rows()).map(move |row| (at, row)))
    };
    let signs = places().fold([false; 2], |[ceased, came], place| {
        [ceased || weight(place) < 0, came || weight(place) > 0]
    });
    let left: Vec<((usize, usize), i64)> = if signs == [true; 2] {
        let mut known = Vec::new();
        let net = net_weights(schema, changes, Some(&mut known))?;
        let of_row = places().zip(known);
        let left = of_row.filter_map(|(place, row)| {
            let row = &net[row as usize];
            match row.is_mixed {
                false => Some((place, weight(place))),
                true => (row.place == place).then_some((place, row.weight)),
            }
        });
        left.filter(|(_, weight)| *weight != 0).collect()
    } else {
        places().map(|place| (place, weight(place))).filter(|(_, weight)| *weight != 0).collect()
    };
    if left.is_empty() {
        return Ok(None);
    }
    let (mut ordered, came): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, w)| *w < 0);
    ordered.extend(came);
    let (from, weights): (Vec<(usize, usize)>, Vec<i64>) = ordered.into_iter().unzip();
    let batches: Vec<&RecordBatch> = changes.iter().map(|(batch, _)| batch).collect();
    let is_whole = batches.len() == 1
        && from.len() == batches[0].num_rows()
        && from.iter().enumerate().all(|(at, (_, row))| at == *row);
    let batch = match is_whole {
        true => batches[0].clone(),
        false => interleave_record_batch(&batches, &from).map_err(internal)?,
    };
    Ok(Some(Cancelled { batch, weights: weights.into(), from }))
}

struct NetRow {
    weight: i64,
    /// Whether it both came and ceased.
    is_mixed: bool,
    /// The first such row: its batch, and its row there.
    place: (usize, usize),
}

/// The different rows; `known` gets, row by row, which of them it is.
fn net_weights(
    schema: &SchemaRef,
    changes: &[(RecordBatch, Option<Weights>)],
    mut known: Option<&mut Vec<u32>>,
) -> Result<Vec<NetRow>> {
    let types: Vec<DataType> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
    let columns = RowColumns::new(&types)?;
    let views = changes.iter().map(|(batch, _)| match batch.num_columns() == types.len() {
        true => columns.view(batch.columns()),
        false => Err(Error::internal("a change has another schema")),
    });
    let views = views.collect::<Result<Vec<View<'_>>>>()?;
    let row_count = changes.iter().map(|(batch, _)| batch.num_rows()).sum();
    let mut net = NetRows::with_capacity(row_count);
    let hasher = KeyHasher::default();
    let mut hashes = Vec::new();
    for (at, (batch, weights)) in changes.iter().enumerate() {
        hashes.clear();
        hashes.resize(batch.num_rows(), 0);
        views[at].hash(&hasher, &mut hashes);
        for (row, hash) in hashes.iter().enumerate() {
            let weight = weights.as_ref().map_or(1, |weights| weights[row]);
            let of = net.add(*hash, weight, (at, row), &views);
            if let Some(known) = &mut known {
                known.push(of);
            }
        }
    }
    Ok(net.rows)
}

/// Different rows with their net weights, by open addressing.
struct NetRows {
    rows: Vec<NetRow>,
    hashes: Vec<u64>,
    /// For each place of the table one more than the number of the row there; zero where none is.
    table: Vec<u32>,
    /// 64 less the logarithm of the table's size.
    shift: u32,
}

impl NetRows {
    /// Room for as many rows.
    fn with_capacity(rows: usize) -> Self {
        let size = (2 * rows.max(1)).next_power_of_two();
        Self {
            rows: Vec::with_capacity(rows),
            hashes: Vec::with_capacity(rows),
            table: vec![0; size],
            shift: u64::BITS - size.ilog2(),
        }
    }

    /// Adds a row, and tells which of the different ones it is.
    fn add(&mut self, hash: u64, weight: i64, place: (usize, usize), views: &[View<'_>]) -> u32 {
        // More than half of the table is empty, so there is an end.
        let mut at = (hash >> self.shift) as usize;
        while let Some(known) = (self.table[at] as usize).checked_sub(1) {
            let row = &mut self.rows[known];
            let is_same =
                |(batch, row): (usize, usize)| views[batch].equals(row, &views[place.0], place.1);
            if self.hashes[known] == hash && is_same(row.place) {
                row.is_mixed |= (row.weight < 0) != (weight < 0);
                row.weight += weight;
                return known as u32;
            }
            at = (at + 1) % self.table.len();
        }
        self.rows.push(NetRow { weight, is_mixed: false, place });
        self.hashes.push(hash);
        self.table[at] = self.rows.len() as u32;
        self.rows.len() as u32 - 1
    }
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
    vec![NetRow { weight, is_mixed: false, place: (0, 0) }]
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
