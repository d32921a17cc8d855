//! Rows that are given column by column.

use std::sync::Arc;

use crate::arrow::Array;
use crate::builder::{ColumnBuilder, finish_batch};
use crate::writer::{fit, null_error};
use crate::{Batch, Error, Result, Schema, Value};

/// Columns of one length that fit those of a source. A column that is not set is NULL in each row.
///
/// [`ColumnSet::set_values`] fits values by the rules of [`crate::RowBuffer`]; the others take over
/// whole columns that have the type already. An error names the column and, where one is to blame,
/// the row.
#[derive(Debug)]
pub struct ColumnSet {
    schema: Arc<Schema>,
    rows: usize,
    columns: Vec<Option<ColumnBuilder>>,
}

impl ColumnSet {
    /// So many rows of NULLs for these columns.
    pub fn new(schema: &Arc<Schema>, rows: usize) -> Self {
        let columns = schema.fields().iter().map(|_| None).collect();
        Self { schema: Arc::clone(schema), rows, columns }
    }

    /// The columns of the source.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Sets a column from values; `value` is asked for each row in order.
    ///
    /// # Errors
    /// Those of `value`, which may be of any kind, and what does not fit.
    pub fn set_values<'a, E: From<Error>>(
        &mut self,
        column: usize,
        mut value: impl FnMut(usize) -> Result<Value<'a>, E>,
    ) -> Result<(), E> {
        let field = self.field(column)?;
        let mut builder = ColumnBuilder::new(field)?;
        for row in 0..self.rows {
            let cell = fit(field, &value(row)?).map_err(|error| in_row(error, row))?;
            builder.push(&cell);
        }
        self.columns[column] = Some(builder);
        Ok(())
    }

    /// Sets a column of values of one width: integers, floats, dates, times, timestamps and
    /// durations, as Arrow lays them out, and booleans of a byte each. `valid` is 0 in the rows
    /// that are NULL; without it none is.
    pub fn set_plain(&mut self, column: usize, bytes: &[u8], valid: Option<&[u8]>) -> Result<()> {
        let field = self.field(column)?;
        self.check_length(column, valid.map_or(self.rows, <[u8]>::len))?;
        let builder = ColumnBuilder::plain(field, self.rows, bytes, valid).ok_or_else(|| {
            let (name, data_type) = (field.name(), field.data_type());
            let (length, rows) = (bytes.len(), self.rows);
            let message = format!("{length} bytes are not {rows} values of {data_type}");
            Error::ingestion_argument(format!("column `{name}`: {message}"))
        })?;
        self.columns[column] = Some(builder);
        Ok(())
    }

    /// Sets a column of texts: all of them one behind the other, and where each of them ends, in
    /// bytes. `valid` is as for [`ColumnSet::set_plain`].
    pub fn set_texts(
        &mut self,
        column: usize,
        texts: &str,
        ends: &[usize],
        valid: Option<&[u8]>,
    ) -> Result<()> {
        let field = self.field(column)?;
        self.check_length(column, ends.len())?;
        self.check_length(column, valid.map_or(self.rows, <[u8]>::len))?;
        let whole = ends.is_sorted() && ends.iter().all(|end| texts.is_char_boundary(*end));
        let builder = Some(())
            .filter(|()| whole)
            .and_then(|()| ColumnBuilder::texts(field, texts.as_bytes(), ends, valid));
        let builder = builder.ok_or_else(|| {
            let (name, data_type) = (field.name(), field.data_type());
            Error::value(format!("column `{name}`: texts do not fit {data_type}"))
        })?;
        self.columns[column] = Some(builder);
        Ok(())
    }

    /// The rows. An error where a column that must not be NULL is, and for the few types that rows
    /// cannot carry.
    pub fn batch(self) -> Result<Batch> {
        let mut builders = Vec::with_capacity(self.columns.len());
        for (field, builder) in self.schema.fields().iter().zip(self.columns) {
            let builder = match builder {
                Some(builder) => builder,
                None => ColumnBuilder::nulls(field, self.rows)?,
            };
            if let Some(row) = builder.first_null().filter(|_| !field.is_nullable()) {
                return Err(in_row(null_error(field), row));
            }
            builders.push(builder);
        }
        let mut batch = finish_batch(self.rows, builders)?;
        // SAFETY: the struct was made above; moving it is allowed.
        Batch::new(self.schema, unsafe { Array::take(&mut batch) })
    }

    fn field(&self, column: usize) -> Result<&crate::Field> {
        let field = self.schema.fields().get(column);
        field.ok_or_else(|| Error::ingestion_argument(format!("there is no column {column}")))
    }

    fn check_length(&self, column: usize, length: usize) -> Result<()> {
        if length == self.rows {
            return Ok(());
        }
        let (name, rows) = (self.field(column)?.name(), self.rows);
        Err(Error::ingestion_argument(format!("column `{name}` has {length} values, not {rows}")))
    }
}

fn in_row(error: Error, row: usize) -> Error {
    error.context_after(format!("in row {} of what was given", row + 1))
}
