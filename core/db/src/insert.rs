//! `INSERT INTO source|table [(columns)] VALUES ... | SELECT ...`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};
use datafusion::sql::sqlparser::ast;
use laminar_types::{Error, Result, code};

use crate::source::Rules;

/// An insert, read from the parser's tree.
pub(crate) struct Insert {
    pub(crate) target: String,
    /// The columns that the rows fill, in their order; empty for all columns.
    columns: Vec<String>,
    pub(crate) rows: Box<ast::Query>,
}

impl Insert {
    pub(crate) fn read(insert: ast::Insert) -> Result<Self> {
        let unsupported =
            |what: &str| Error::unsupported(format!("{what} in INSERT is not built yet"));
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(unsupported("a table function"));
        };
        if insert.on.is_some() {
            return Err(unsupported("ON CONFLICT"));
        }
        if insert.returning.is_some() {
            return Err(unsupported("RETURNING"));
        }
        let target = match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(name)] => normal(name),
            _ => return Err(unsupported("a name with several parts")),
        };
        let rows = insert.source.ok_or_else(|| unsupported("DEFAULT VALUES"))?;
        let columns = insert
            .columns
            .iter()
            .map(|column| match column.0.last() {
                Some(ast::ObjectNamePart::Identifier(name)) => Ok(normal(name)),
                _ => Err(unsupported("this kind of column")),
            })
            .collect::<Result<_>>()?;
        Ok(Self { target, columns, rows })
    }

    /// Rows of the query as rows of the source or table.
    pub(crate) fn fit(&self, rules: &Rules, batch: &RecordBatch) -> Result<RecordBatch> {
        fit_rows(rules, &self.columns, batch)
    }
}

/// Rows that fill some columns, or all if none is named, as rows of a source or table: cast to its
/// types, columns not named as NULL.
pub(crate) fn fit_rows(
    rules: &Rules,
    named: &[String],
    batch: &RecordBatch,
) -> Result<RecordBatch> {
    let fields = rules.schema.fields();
    let expected = if named.is_empty() { fields.len() } else { named.len() };
    if batch.num_columns() != expected {
        return Err(Error::new(
            code::BATCH_SCHEMA,
            format!(
                "the rows have {} columns, and {expected} of `{}` are to be filled",
                batch.num_columns(),
                rules.name
            ),
        ));
    }
    for column in named {
        if rules.schema.index_of(column).is_err() {
            return Err(Error::new(
                code::BATCH_SCHEMA,
                format!("`{}` has no column `{column}`", rules.name),
            ));
        }
    }
    let columns = fields.iter().enumerate().map(|(index, field)| {
        let from = match named.is_empty() {
            true => Some(index),
            false => named.iter().position(|column| column == field.name()),
        };
        match from {
            Some(from) => fit_column(rules, field, batch.column(from)),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        }
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let nullable = fields.iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Schema::new(nullable.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns)
        .map_err(|error| Error::internal(format!("rows to insert do not line up: {error}")))
}

/// Values cast to the type of a column.
///
/// # Errors
/// `VALUE` that names the column and the first row whose value does not fit.
pub(crate) fn fit_column(rules: &Rules, field: &Field, values: &ArrayRef) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let fit = |values: &ArrayRef| cast_with_options(values, field.data_type(), &options);
    fit(values).map_err(|error| {
        let row = (0..values.len()).find(|row| fit(&values.slice(*row, 1)).is_err());
        Error::new(
            code::VALUE,
            format!(
                "row {}, column `{}` of `{}`, which is a {}: {error}; nothing was changed",
                row.unwrap_or(0),
                field.name(),
                rules.name,
                field.data_type()
            ),
        )
    })
}

/// A name as the catalogue has it.
pub(crate) fn normal(name: &ast::Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}
