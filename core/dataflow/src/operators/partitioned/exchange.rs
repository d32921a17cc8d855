//! [`Exchange`]: which partition the rows of an input belong to.

use arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, SchemaRef};
use laminar_types::{Delta, Result, RowBlock, mutant};

use super::ordinals;
use crate::expr::Expr;
use crate::operators::timed_rows::select;
use crate::state::{KeyHash, arrow_error};

/// Shares the rows of one input out among partitions, by a hash of their keys: rows of one key are
/// always of one partition.
pub(super) struct Exchange {
    keys: Vec<Expr>,
    types: Vec<DataType>,
    /// The columns that the keys are, if they are nothing more.
    columns: Option<Vec<usize>>,
    hash: KeyHash,
    partitions: usize,
    hashes: Vec<u32>,
    /// The schema that came last, and the same with ordinals.
    schemas: Option<(SchemaRef, SchemaRef)>,
}

impl Exchange {
    /// # Errors
    /// `UNSUPPORTED` when a column has a type that cannot be a key.
    pub(super) fn new(schema: &SchemaRef, keys: Vec<Expr>, partitions: usize) -> Result<Self> {
        let types = keys.iter().map(|key| key.data_type(schema)).collect::<Result<Vec<_>>>()?;
        let columns = keys.iter().map(Expr::as_column).collect();
        let hash = KeyHash::new(&types)?;
        Ok(Self { keys, types, columns, hash, partitions, hashes: Vec::new(), schemas: None })
    }

    /// Whether [`partition_of`](Self::partition_of) works.
    pub(super) fn takes_rows(&self) -> bool {
        self.columns.is_some() && self.hash.takes_rows()
    }

    /// Shares out the rows of a port, the first of which has the ordinal `first`.
    pub(super) fn share(&mut self, port: usize, delta: Delta, first: u64) -> Result<Shared> {
        let keys = self.keys(&delta.batch)?;
        self.hash.rows(&keys, delta.num_rows(), &mut self.hashes)?;
        let owner = |hash: u32| owner(hash, self.partitions);
        let one = self.hashes.first().map_or(0, |hash| owner(*hash));
        let is_one = self.hashes.iter().all(|hash| owner(*hash) == one);
        let rows = if mutant!(RowsDealtInTurn) {
            let (rows, count) = (delta.num_rows() as u32, self.partitions as u32);
            Rows::Each(
                (0..count).map(|first| (first..rows).step_by(count as usize).collect()).collect(),
            )
        } else if is_one {
            Rows::AllOf(one)
        } else {
            let room = delta.num_rows() / self.partitions * 9 / 8;
            let mut rows: Vec<Vec<u32>> =
                (0..self.partitions).map(|_| Vec::with_capacity(room)).collect();
            for (row, hash) in self.hashes.iter().enumerate() {
                rows[owner(*hash)].push(row as u32);
            }
            Rows::Each(rows)
        };
        let schema = self.schema_with_ordinals(delta.batch.schema_ref());
        Ok(Shared { port, delta, first, schema, rows })
    }

    /// The keys of rows. Where one fails they are NULL, for this purpose: what becomes of such a row
    /// is for the operator to say.
    fn keys(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let evaluate = |rows: &RecordBatch| -> Result<Vec<ArrayRef>, _> {
            self.keys.iter().map(|key| key.evaluate(rows)).collect()
        };
        if let Ok(keys) = evaluate(batch) {
            return Ok(keys);
        }
        let none = self.types.iter().map(|data_type| new_null_array(data_type, 1));
        let none: Vec<ArrayRef> = none.collect();
        let by_row = (0..batch.num_rows())
            .map(|row| evaluate(&batch.slice(row, 1)).unwrap_or_else(|_| none.clone()));
        let by_row: Vec<Vec<ArrayRef>> = by_row.collect();
        let column = |key: usize| {
            let values: Vec<&dyn Array> = by_row.iter().map(|keys| &*keys[key]).collect();
            concat(&values).map_err(arrow_error)
        };
        (0..self.keys.len()).map(column).collect()
    }

    /// The partition of all rows of a block; `None` where they are of several.
    pub(super) fn partition_of(&mut self, rows: &RowBlock) -> Option<usize> {
        let columns = self.columns.as_deref()?;
        let mut partition = None;
        for row in 0..rows.num_rows() {
            let owner = owner(self.hash.row(rows, row, columns)?, self.partitions);
            if *partition.get_or_insert(owner) != owner {
                return None;
            }
        }
        partition
    }

    fn schema_with_ordinals(&mut self, schema: &SchemaRef) -> SchemaRef {
        match &self.schemas {
            Some((known, with)) if std::sync::Arc::ptr_eq(known, schema) => with.clone(),
            _ => {
                let with = ordinals::schema_with(schema);
                self.schemas = Some((schema.clone(), with.clone()));
                with
            }
        }
    }
}

/// The partition of a hash: its place among equal parts of all hashes.
fn owner(hash: u32, partitions: usize) -> usize {
    ((u64::from(hash) * partitions as u64) >> 32) as usize
}

/// The rows that came to a port, and whose they are.
pub(super) struct Shared {
    pub(super) port: usize,
    delta: Delta,
    /// The ordinal of the first row.
    pub(super) first: u64,
    schema: SchemaRef,
    rows: Rows,
}

enum Rows {
    AllOf(usize),
    /// By partition.
    Each(Vec<Vec<u32>>),
}

impl Shared {
    /// How many rows there are.
    pub(super) fn num_rows(&self) -> usize {
        self.delta.num_rows()
    }

    /// How many of them a partition has.
    pub(super) fn rows_of(&self, partition: usize) -> usize {
        match &self.rows {
            Rows::AllOf(owner) if *owner == partition => self.num_rows(),
            Rows::AllOf(_) => 0,
            Rows::Each(rows) => rows[partition].len(),
        }
    }

    /// The rows of a partition, with their ordinals.
    pub(super) fn take(&self, partition: usize) -> Result<Delta> {
        let ordinal = |row: u32| self.first + u64::from(row);
        let (part, ordinals) = match &self.rows {
            Rows::AllOf(_) => {
                let rows = 0..self.num_rows() as u32;
                (self.delta.clone(), UInt64Array::from_iter_values(rows.map(ordinal)))
            }
            Rows::Each(rows) => {
                let rows = &rows[partition];
                let ordinals = UInt64Array::from_iter_values(rows.iter().copied().map(ordinal));
                (select(&self.delta, rows)?, ordinals)
            }
        };
        let batch = ordinals::with(&part.batch, &self.schema, ordinals)?;
        Ok(Delta { batch, weights: part.weights })
    }
}
