//! [`RecordBinding`]: how the fields of a record go to the columns of a source.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use laminar_types::{Error, Result, RowBlock, code};

use super::column_builder::ColumnBuilder;
use super::record::{Record, RowSink, RowWriter};
use super::target::Target;

/// The columns of a source, and which field of a record fills which.
#[derive(Debug)]
pub(crate) struct RecordBinding {
    /// What is written, for errors.
    record: &'static str,
    schema: SchemaRef,
    /// The names of the fields.
    fields: Vec<String>,
    /// The column of each field.
    columns: Vec<usize>,
    /// Each column; those that no field fills included.
    targets: Vec<Arc<Target>>,
    /// The columns that no field fills: they are NULL.
    unfilled: Vec<usize>,
}

impl RecordBinding {
    /// Finds the column of each field of a record, by its name.
    ///
    /// # Errors
    /// `SCHEMA_MISMATCH` that names the field without a column, of a type that its column cannot
    /// hold, or the column that is NOT NULL and has no field.
    pub(crate) fn of<T: Record + ?Sized>(schema: &SchemaRef) -> Result<Self> {
        let record = std::any::type_name::<T>();
        let fields = T::fields();
        let fields: Vec<_> = fields.iter().map(|field| (field.name, &field.data_type)).collect();
        Self::bind(record, &fields, schema).map_err(|problem| {
            let message = format!("{}: {problem}", short(record));
            Error::new(code::SCHEMA_MISMATCH, message)
        })
    }

    /// The same for a record in a record, whose problem the caller words.
    pub(super) fn of_struct(own: &Fields, columns: &Fields) -> Option<Self> {
        let schema = Arc::new(Schema::new(columns.clone()));
        let null_fits = |field: &FieldRef| {
            let column = schema.field_with_name(field.name());
            !field.is_nullable() || column.is_ok_and(Field::is_nullable)
        };
        if !own.iter().all(null_fits) {
            return None;
        }
        let fields = own.iter().map(|field| (field.name().as_str(), field.data_type()));
        Self::bind("a record in the record", &fields.collect::<Vec<_>>(), &schema).ok()
    }

    fn bind(
        record: &'static str,
        fields: &[(&str, &DataType)],
        schema: &SchemaRef,
    ) -> Result<Self, String> {
        let mut targets: Vec<Option<Target>> = schema.fields().iter().map(|_| None).collect();
        let mut columns = Vec::with_capacity(fields.len());
        for &(name, data_type) in fields {
            let Ok(index) = schema.index_of(name) else {
                let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                return Err(format!(
                    "there is no column for the field `{name}`; the columns are {}",
                    known.join(", ")
                ));
            };
            let column = schema.field(index);
            let target = Target::new(data_type, column.data_type()).ok_or_else(|| {
                format!(
                    "the field `{name}` is a {data_type}, which does not fit the column `{} {}`",
                    column.name(),
                    column.data_type()
                )
            })?;
            if targets[index].replace(target).is_some() {
                return Err(format!("two fields are called `{name}`"));
            }
            columns.push(index);
        }
        let mut unfilled = Vec::new();
        let mut all = Vec::with_capacity(targets.len());
        for (index, target) in targets.into_iter().enumerate() {
            let column = schema.field(index);
            let target = match target {
                Some(target) => target,
                None if !column.is_nullable() => {
                    return Err(format!(
                        "no field fills the column `{}`, which is NOT NULL",
                        column.name()
                    ));
                }
                None => {
                    unfilled.push(index);
                    Target::exact(column.data_type()).ok_or_else(|| {
                        format!(
                            "no field fills the column `{}`, and a {} cannot be left out",
                            column.name(),
                            column.data_type()
                        )
                    })?
                }
            };
            all.push(Arc::new(target));
        }
        Ok(Self {
            record,
            schema: Arc::clone(schema),
            fields: fields.iter().map(|(name, _)| name.to_string()).collect(),
            columns,
            targets: all,
            unfilled,
        })
    }

    /// The columns of the source.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The column of each field.
    #[inline]
    pub(super) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Each column.
    #[inline]
    pub(super) fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// Appends a record to a block of rows with the columns of the source.
    pub(crate) fn append<T: Record + ?Sized>(
        &self,
        record: &T,
        block: &mut RowBlock,
    ) -> Result<()> {
        block.begin_row(1);
        let mut row = RowWriter { binding: self, next: 0, row: RowSink::Block(block) };
        record.write(&mut row)?;
        self.check_written(row.next)
    }

    /// Records as a batch with the columns of the source.
    pub(crate) fn batch<T: Record>(&self, records: &[T]) -> Result<RecordBatch> {
        let mut builders = self.builders(records.len());
        for (index, record) in records.iter().enumerate() {
            let mut row =
                RowWriter { binding: self, next: 0, row: RowSink::Columns(&mut builders) };
            let written = record.write(&mut row).map(|()| row.next);
            written
                .and_then(|written| self.end_row(written, &mut builders))
                .map_err(|error| error.context(format!("record {index}")))?;
        }
        let columns =
            builders.into_iter().map(ColumnBuilder::finish).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(records.len()));
        // A NULL in a column that must have none is named by the source, with its row.
        let nullable = self.schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        let schema = match columns
            .iter()
            .zip(self.schema.fields())
            .all(|(column, field)| field.is_nullable() || column.null_count() == 0)
        {
            true => Arc::clone(&self.schema),
            false => schema,
        };
        RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|error| Error::internal(format!("records do not make a batch: {error}")))
    }

    /// Ends a row whose fields have been written to the columns: the others are NULL.
    pub(super) fn end_row(&self, written: usize, builders: &mut [ColumnBuilder]) -> Result<()> {
        self.check_written(written)?;
        self.unfilled.iter().for_each(|column| builders[*column].push_null());
        Ok(())
    }

    /// Empty columns, to which so many rows are expected to come.
    pub(super) fn builders(&self, rows: usize) -> Vec<ColumnBuilder> {
        self.targets.iter().map(|target| ColumnBuilder::new(target, rows)).collect()
    }

    fn check_written(&self, written: usize) -> Result<()> {
        match written == self.columns.len() {
            true => Ok(()),
            false => Err(Error::new(
                code::VALUE,
                format!(
                    "{} wrote {written} values for {} fields: `Record::write` must write each \
                     field once",
                    short(self.record),
                    self.columns.len()
                ),
            )),
        }
    }

    #[cold]
    pub(super) fn too_many_values(&self) -> Error {
        let (record, fields) = (short(self.record), self.columns.len());
        Error::new(code::VALUE, format!("{record} writes more values than its {fields} fields"))
    }

    #[cold]
    pub(super) fn in_field(&self, field: usize, error: Error) -> Error {
        match self.fields.get(field) {
            Some(name) => error.context(format!("the field `{name}` of {}", short(self.record))),
            None => error,
        }
    }
}

/// A type's name without the path before it.
pub(super) fn short(type_name: &'static str) -> &'static str {
    let generics = type_name.find('<').unwrap_or(type_name.len());
    match type_name[..generics].rfind("::") {
        Some(colons) => &type_name[colons + 2..],
        None => type_name,
    }
}
