//! [`AggregateCall`]: one aggregate of a query, and what the calls of a query read from a batch.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int8Array, RecordBatch, UInt64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use laminar_types::{Delta, Error, Result, RowBlock, mutant};

use super::ordinals;
use crate::aggregate::{
    Accumulator, AggregateArgs, AggregateFunction, AggregateTable, CallSpec, create_call,
};
use crate::state::Parts;

/// An aggregate over columns of the input.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// The function.
    pub function: AggregateFunction,
    /// The columns of its arguments.
    pub args: Vec<usize>,
    /// The boolean column of its `FILTER`.
    pub filter: Option<usize>,
    /// Whether equal arguments count once.
    pub distinct: bool,
    /// The columns that the rows of a group are ordered by.
    pub order: Vec<(usize, SortOptions)>,
    /// Whether rows that are equal in those are in the order of arrival: over append-only input.
    pub by_arrival: bool,
    /// Whether rows are left out where the first argument is null.
    pub skip_nulls: bool,
}

impl AggregateCall {
    /// A call without clauses.
    pub fn new(function: AggregateFunction, args: Vec<usize>) -> Self {
        Self {
            function,
            args,
            filter: None,
            distinct: false,
            order: Vec::new(),
            by_arrival: false,
            skip_nulls: false,
        }
    }

    /// The same call after column `i` of its input has become `columns[i]`.
    pub fn over(mut self, columns: &[usize]) -> Self {
        self.args.iter_mut().for_each(|arg| *arg = columns[*arg]);
        self.filter = self.filter.map(|filter| columns[filter]);
        self.order.iter_mut().for_each(|(column, _)| *column = columns[*column]);
        self
    }

    /// The call over rows of a schema.
    pub fn spec(&self, input: &Schema) -> CallSpec {
        let data_type = |column: usize| input.field(column).data_type().clone();
        let order = self.order.iter().map(|(column, options)| (data_type(*column), *options));
        let arrival = self.by_arrival.then(|| (DataType::UInt64, SortOptions::default()));
        CallSpec {
            function: self.function.clone(),
            args: self.args.iter().map(|column| data_type(*column)).collect(),
            order: order.chain(arrival).collect(),
            distinct: self.distinct,
            skip_nulls: self.skip_nulls,
        }
    }
}

/// The column that holds the number of each row in the order of arrival.
const ARRIVAL: &str = "__arrival";

/// The keys and calls of a grouping, resolved against batches of one schema.
pub(super) struct Grouping {
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
    append_only: bool,
    /// Whether one constant stands as key where there is none, so that a group without rows is
    /// no group.
    constant_key: bool,
    /// How many rows came, where a call orders by that.
    arrived: Option<u64>,
}

impl Grouping {
    /// A grouping in which no keys mean the one group that always is.
    pub(super) fn new(keys: Vec<usize>, calls: Vec<AggregateCall>, append_only: bool) -> Self {
        let arrived = calls.iter().any(|call| call.by_arrival).then_some(0);
        Self { keys, calls, append_only, constant_key: false, arrived }
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
        AggregateTable::new(&self.key_types(schema), self.accumulators(schema)?, self.append_only)
    }

    /// The types of the key columns of its tables.
    pub(super) fn key_types(&self, schema: &SchemaRef) -> Vec<DataType> {
        let mut keys: Vec<DataType> =
            self.keys.iter().map(|column| schema.field(*column).data_type().clone()).collect();
        if self.constant_key {
            keys.push(DataType::Int8);
        }
        keys
    }

    /// The accumulators of the calls, without state.
    pub(super) fn accumulators(&self, schema: &SchemaRef) -> Result<Vec<Box<dyn Accumulator>>> {
        self.calls.iter().map(|call| create_call(&call.spec(schema), self.append_only)).collect()
    }

    /// The rows with the number of each behind their columns, in the order of arrival, if a call
    /// needs it. Every operator passes what comes in through here, once and before it cuts it.
    pub(super) fn arrive(&mut self, delta: Delta) -> Result<Delta> {
        let Some(arrived) = &mut self.arrived else { return Ok(delta) };
        if ordinals::of(&delta.batch).is_some() {
            // A partition's rows have numbers already, in the same place.
            return Ok(delta);
        }
        let first = *arrived;
        *arrived += delta.num_rows() as u64;
        let numbers = UInt64Array::from_iter_values(first..*arrived);
        let mut fields: Vec<_> = delta.batch.schema_ref().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(ARRIVAL, DataType::UInt64, false)));
        let mut columns = delta.batch.columns().to_vec();
        columns.push(Arc::new(numbers));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::internal(format!("rows cannot be numbered: {error}")))?;
        Ok(Delta { batch, weights: delta.weights })
    }

    /// What outlives an epoch.
    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Self { keys: _, calls: _, append_only: _, constant_key: _, arrived } = self;
        arrived.as_mut().map_or(Ok(()), |arrived| parts.number(arrived))
    }

    /// The rows as they came in, for people.
    pub(super) fn original<'a>(&self, batch: &'a RecordBatch) -> Cow<'a, RecordBatch> {
        let columns: Vec<usize> = (0..batch.num_columns().saturating_sub(1)).collect();
        match self.arrived {
            _ if ordinals::of(batch).is_some() => Cow::Borrowed(batch),
            Some(_) => batch.project(&columns).map_or(Cow::Borrowed(batch), Cow::Owned),
            None => Cow::Borrowed(batch),
        }
    }

    pub(super) fn keys(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        let mut keys: Vec<ArrayRef> =
            self.keys.iter().map(|column| batch.column(*column).clone()).collect();
        if self.constant_key {
            keys.push(Arc::new(Int8Array::from_value(0, batch.num_rows())));
        }
        keys
    }

    /// Whether every call takes its arguments alone, each as it comes.
    pub(super) fn is_plain(&self) -> bool {
        self.calls.iter().all(|call| {
            !call.distinct && call.order.is_empty() && !call.by_arrival && !call.skip_nulls
        })
    }

    /// The columns of the keys in the input, without the constant.
    pub(super) fn key_indices(&self) -> &[usize] {
        &self.keys
    }

    /// What each call takes of a row of a block; `None` where its filter or a null argument keeps
    /// the row from it.
    pub(super) fn row_arguments(
        &self,
        rows: &RowBlock,
        row: usize,
    ) -> impl Iterator<Item = Option<u64>> {
        self.calls.iter().map(move |call| {
            let passes = |column| !rows.is_null(row, column) && rows.word(row, column) == 1;
            let has_value = |&column: &usize| !rows.is_null(row, column) || mutant!(NullsCounted);
            let is_taken = (call.filter.is_none_or(passes) || mutant!(FilterIgnored))
                && call.args.iter().all(has_value);
            is_taken.then(|| call.args.first().map_or(0, |&column| rows.word(row, column)))
        })
    }

    /// The arguments of the calls, to be borrowed by [`Arguments::args`].
    pub(super) fn arguments(&self, batch: &RecordBatch) -> Arguments {
        let calls = self.calls.iter().map(|call| {
            let order = call.order.iter().map(|(column, _)| *column);
            let arrival = call.by_arrival.then(|| batch.num_columns() - 1);
            let columns = call.args.iter().copied().chain(order).chain(arrival);
            let args = columns.map(|column| batch.column(column).clone()).collect();
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
