//! [`AggregateCall`]: one aggregate of a query, and what the calls of a query read from a batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int8Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use laminar_types::Result;

use crate::aggregate::{Accumulator, AggregateArgs, AggregateFunction, AggregateTable, create};

/// An aggregate over columns of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateCall {
    /// The function.
    pub function: AggregateFunction,
    /// The columns of its arguments.
    pub args: Vec<usize>,
    /// The boolean column of its `FILTER`.
    pub filter: Option<usize>,
}

impl AggregateCall {
    /// The same call after column `i` of its input has become `columns[i]`.
    pub fn over(mut self, columns: &[usize]) -> Self {
        self.args.iter_mut().for_each(|arg| *arg = columns[*arg]);
        self.filter = self.filter.map(|filter| columns[filter]);
        self
    }
}

/// The keys and calls of a grouping, resolved against batches of one schema.
pub(super) struct Grouping {
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
    append_only: bool,
    /// Whether one constant stands as key where there is none, so that a group without rows is
    /// no group.
    constant_key: bool,
}

impl Grouping {
    /// A grouping in which no keys mean the one group that always is.
    pub(super) fn new(keys: Vec<usize>, calls: Vec<AggregateCall>, append_only: bool) -> Self {
        Self { keys, calls, append_only, constant_key: false }
    }

    /// A grouping of the rows of a window, which is there only when it has rows.
    pub(super) fn of_window(
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
        append_only: bool,
    ) -> Self {
        Self { constant_key: keys.is_empty(), ..Self::new(keys, calls, append_only) }
    }

    /// How many key columns its tables have.
    pub(super) fn key_columns(&self) -> usize {
        self.keys.len() + usize::from(self.constant_key)
    }

    /// An empty table for rows of this schema.
    pub(super) fn table(&self, schema: &SchemaRef) -> Result<AggregateTable> {
        let data_type = |column: &usize| schema.field(*column).data_type().clone();
        let mut keys: Vec<DataType> = self.keys.iter().map(data_type).collect();
        if self.constant_key {
            keys.push(DataType::Int8);
        }
        let accumulators = self
            .calls
            .iter()
            .map(|call| {
                let args: Vec<DataType> = call.args.iter().map(data_type).collect();
                create(call.function, &args, self.append_only)
            })
            .collect::<Result<Vec<Box<dyn Accumulator>>>>()?;
        AggregateTable::new(&keys, accumulators, self.append_only)
    }

    pub(super) fn keys(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        let mut keys: Vec<ArrayRef> =
            self.keys.iter().map(|column| batch.column(*column).clone()).collect();
        if self.constant_key {
            keys.push(Arc::new(Int8Array::from_value(0, batch.num_rows())));
        }
        keys
    }

    /// The arguments of the calls, to be borrowed by [`Arguments::args`].
    pub(super) fn arguments(&self, batch: &RecordBatch) -> Arguments {
        let calls = self.calls.iter().map(|call| {
            let args = call.args.iter().map(|column| batch.column(*column).clone()).collect();
            (args, call.filter.map(|column| batch.column(column).as_boolean().clone()))
        });
        Arguments(calls.collect())
    }
}

/// The arguments and filter of each call.
pub(super) struct Arguments(Vec<(Vec<ArrayRef>, Option<BooleanArray>)>);

impl Arguments {
    pub(super) fn args(&self) -> Vec<AggregateArgs<'_>> {
        let calls = self.0.iter();
        calls.map(|(args, filter)| AggregateArgs { args, filter: filter.as_ref() }).collect()
    }
}
