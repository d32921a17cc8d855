//! Ordinals: the numbers of the rows that came to a partitioned operator, in the order in which they
//! came, from its beginning on.
//!
//! They travel as one more column, the last one, of what a partition is given. An operator that is a
//! partition knows by them how its rows stand to those of the other partitions.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, UInt64Type};
use laminar_types::{Error, Result};

/// The field of the column. It is known by where it lies in memory, so that no column of a user's can
/// be taken for it, whatever its name.
static FIELD: LazyLock<FieldRef> =
    LazyLock::new(|| Arc::new(Field::new("__ordinal", DataType::UInt64, false)));

/// A schema with the column of ordinals.
pub(super) fn schema_with(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().cloned().chain([Arc::clone(&FIELD)]);
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// The rows of a batch with their ordinals; `schema` has the column for them.
pub(super) fn with(
    batch: &RecordBatch,
    schema: &SchemaRef,
    ordinals: UInt64Array,
) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(batch.num_columns() + 1);
    columns.extend_from_slice(batch.columns());
    columns.push(Arc::new(ordinals) as _);
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Error::internal(format!("rows cannot be numbered: {error}")))
}

/// The ordinals of the rows of a batch, if it has them.
pub(crate) fn of(batch: &RecordBatch) -> Option<&[u64]> {
    let is_last = batch.schema_ref().fields().last().is_some_and(|last| Arc::ptr_eq(last, &FIELD));
    let last = batch.columns().last().filter(|_| is_last)?;
    last.as_primitive_opt::<UInt64Type>().map(|ordinals| &**ordinals.values())
}

/// The rows as they came to the operator.
pub(crate) fn without(batch: &RecordBatch) -> Cow<'_, RecordBatch> {
    if of(batch).is_none() {
        return Cow::Borrowed(batch);
    }
    let columns = batch.num_columns() - 1;
    let fields = batch.schema_ref().fields()[..columns].to_vec();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::new(Schema::new(fields));
    let first = batch.columns()[..columns].to_vec();
    RecordBatch::try_new_with_options(schema, first, &options)
        .map_or(Cow::Borrowed(batch), Cow::Owned)
}
