//! `INSERT INTO source|table [(columns)] VALUES ... | SELECT ...`.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::ast::{self, Spanned};
use datafusion::sql::sqlparser::tokenizer::Location;
use laminar_types::{Error, Position, Result, code};

use crate::failing_row::FailingRow;
use crate::source::Rules;

/// An insert, read from the parser's tree.
pub(crate) struct Insert {
    pub(crate) target: String,
    /// The columns that the rows fill, in their order; empty for all columns.
    columns: Vec<String>,
    /// Where those stand.
    places: Vec<Location>,
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
            return Err(Error::unsupported(
                "ON CONFLICT in INSERT is not built yet: leave it out, and a row replaces the one \
                 of its primary key; to keep that one, insert a SELECT ... WHERE NOT EXISTS",
            ));
        }
        if insert.returning.is_some() {
            return Err(unsupported("RETURNING"));
        }
        let target = match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(name)] => normal(name),
            _ => return Err(unsupported("a name with several parts")),
        };
        let mut rows = insert.source.ok_or_else(|| unsupported("DEFAULT VALUES"))?;
        name_repeated(&mut rows.body);
        let columns = insert
            .columns
            .iter()
            .map(|column| match column.0.last() {
                Some(ast::ObjectNamePart::Identifier(name)) => Ok(normal(name)),
                _ => Err(unsupported("this kind of column")),
            })
            .collect::<Result<_>>()?;
        let places = insert.columns.iter().map(|column| column.span().start).collect();
        Ok(Self { target, columns, places, rows })
    }

    /// Refuses columns that are not there, and values that are too few or too many, at their place.
    pub(crate) fn check(&self, rules: &Rules) -> Result<()> {
        for (column, place) in self.columns.iter().zip(&self.places) {
            if rules.schema.index_of(column).is_err() {
                return Err(at(rules.no_column(column), *place));
            }
        }
        let ast::SetExpr::Values(values) = self.rows.body.as_ref() else { return Ok(()) };
        let (least, most) = self.filled(rules);
        for row in &values.rows {
            if row.len() < least || row.len() > most {
                let error = other_width(rules, row.len(), most);
                return Err(row
                    .first()
                    .map_or(error.clone(), |value| at(error, value.span().start)));
            }
        }
        Ok(())
    }

    /// How many columns the rows have at least and at most.
    fn filled(&self, rules: &Rules) -> (usize, usize) {
        match self.columns.len() {
            0 => (rules.least_columns, rules.schema.fields().len()),
            named => (named, named),
        }
    }

    /// Gives texts among the `VALUES` for a column of times the column's type where other rows have
    /// something else there: `VALUES ('2024-01-31'), (DATE '2024-02-29')`. Texts alone are cast when
    /// they go in.
    pub(crate) fn type_texts(&mut self, rules: &Rules) {
        let ast::SetExpr::Values(values) = self.rows.body.as_mut() else { return };
        let width = values.rows.first().map_or(0, |row| row.len());
        for at in 0..width {
            let name = match self.columns.get(at) {
                Some(name) => rules.schema.field_with_name(name).ok(),
                None => rules.schema.fields().get(at).map(AsRef::as_ref),
            };
            let Some(data_type) = name.and_then(|field| type_of_times(field.data_type())) else {
                continue;
            };
            let cells = values.rows.iter().filter_map(|row| row.get(at));
            if cells.clone().all(|cell| is_text(cell) || is_null(cell)) {
                continue;
            }
            for cell in values.rows.iter_mut().filter_map(|row| row.get_mut(at)) {
                if is_text(cell) {
                    let expr = Box::new(cell.clone());
                    *cell = ast::Expr::Cast {
                        kind: ast::CastKind::Cast,
                        expr,
                        data_type: data_type.clone(),
                        array: false,
                        format: None,
                    };
                }
            }
        }
    }

    /// Where the query failed: the column that is filled, and the row, by its key if there is one.
    pub(crate) fn place(&self, rules: &Rules, failing: &FailingRow) -> String {
        let filled = |column: usize| match self.columns.get(column) {
            Some(name) => Some(name.as_str()),
            None => rules.schema.fields().get(column).map(|field| field.name().as_str()),
        };
        let key = rules.key.iter().map(|key| {
            let name = rules.schema.field(*key).name();
            let at = (0..failing.values.len()).find(|at| filled(*at) == Some(name))?;
            Some(format!("{name} = {}", failing.values[at].1.as_ref()?))
        });
        let key = key.collect::<Option<Vec<_>>>().filter(|key| !key.is_empty());
        let row = match (key, failing.column) {
            (Some(key), Some(_)) => format!("the row with {}", key.join(", ")),
            _ => format!("row {}", failing.number),
        };
        match failing.column.and_then(filled) {
            Some(column) => format!("column `{column}` of {row}"),
            None => format!("the condition for {row}"),
        }
    }

    /// Rows of the query as rows of the source or table.
    pub(crate) fn fit(&self, rules: &Rules, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
        let mut first = 0;
        let mut fit = |batch: &RecordBatch| {
            let rows =
                fit_rows(rules, &self.columns, batch, first).map_err(|NoFit { error, cell }| {
                    match cell {
                        Some((row, column)) => self.at_cell(error, row, column),
                        None => error,
                    }
                })?;
            if let Some((row, column)) = rules.missing(&rows) {
                let name = rules.schema.field(column).name();
                let from = match self.columns.is_empty() {
                    true => Some(column),
                    false => self.columns.iter().position(|column| column == name),
                };
                let checked = rules.check(&rows);
                return checked.map(|()| rows).map_err(|error| match from {
                    Some(from) => self.at_cell(error, first + row, from),
                    None => error,
                });
            }
            first += batch.num_rows();
            Ok(rows)
        };
        batches.iter().map(&mut fit).collect()
    }

    /// An error at the value of a row and a column of `VALUES`, which keep their order.
    pub(crate) fn at_cell(&self, error: Error, row: usize, column: usize) -> Error {
        let ast::SetExpr::Values(values) = self.rows.body.as_ref() else { return error };
        let is_all = self.rows.order_by.is_none() && self.rows.limit_clause.is_none();
        let cell = values.rows.get(row).and_then(|row| row.get(column)).filter(|_| is_all);
        cell.map_or(error.clone(), |cell| at(error, cell.span().start))
    }
}

/// Rows that do not fit.
pub(crate) struct NoFit {
    pub(crate) error: Error,
    /// The row and the column of the value that does not, if it is one.
    cell: Option<(usize, usize)>,
}

impl From<Error> for NoFit {
    fn from(error: Error) -> Self {
        Self { error, cell: None }
    }
}

fn other_width(rules: &Rules, columns: usize, expected: usize) -> Error {
    let name = &rules.name;
    let message =
        format!("the rows have {columns} columns, and {expected} of `{name}` are to be filled");
    Error::new(code::BATCH_SCHEMA, message)
}

fn at(error: Error, place: Location) -> Error {
    match place.line > 0 {
        true => error.at(Position { line: place.line, column: place.column }),
        false => error,
    }
}

/// Rows that fill some columns, or all if none is named, as rows of a source or table: cast to its
/// types, columns not named as NULL. `first` is the number of the first one.
pub(crate) fn fit_rows(
    rules: &Rules,
    named: &[String],
    batch: &RecordBatch,
    first: usize,
) -> Result<RecordBatch, NoFit> {
    let fields = rules.schema.fields();
    let expected = if named.is_empty() { fields.len() } else { named.len() };
    let least = if named.is_empty() { rules.least_columns } else { named.len() };
    if batch.num_columns() < least || batch.num_columns() > expected {
        return Err(other_width(rules, batch.num_columns(), expected).into());
    }
    for column in named {
        if rules.schema.index_of(column).is_err() {
            return Err(rules.no_column(column).into());
        }
    }
    let columns = fields.iter().enumerate().map(|(index, field)| {
        let from = match named.is_empty() {
            true => (index < batch.num_columns()).then_some(index),
            false => named.iter().position(|column| column == field.name()),
        };
        match from {
            Some(from) => {
                let failing = Cell::new(first);
                let name = |row: usize| {
                    failing.set(first + row);
                    format!("row {}", first + row)
                };
                let fitted = fit_column(rules, field, batch.column(from), name);
                fitted.map_err(|error| NoFit { error, cell: Some((failing.get(), from)) })
            }
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        }
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, NoFit>>()?;
    let nullable = fields.iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Schema::new(nullable.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns)
        .map_err(|error| Error::internal(format!("rows to insert do not line up: {error}")).into())
}

/// Values cast to the type of a column; `row_name` says which row one of them stands in.
///
/// # Errors
/// `VALUE` that names the column and the first row whose value does not fit.
pub(crate) fn fit_column(
    rules: &Rules,
    field: &Field,
    values: &ArrayRef,
    row_name: impl Fn(usize) -> String,
) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let fit = |values: &ArrayRef| cast_with_options(values, field.data_type(), &options);
    fit(values).map_err(|error| {
        let row = (0..values.len()).find(|row| fit(&values.slice(*row, 1)).is_err());
        Error::new(
            code::VALUE,
            format!(
                "{}, column `{}` of `{}`, which is a {}: {error}; nothing was changed",
                row_name(row.unwrap_or(0)),
                field.name(),
                rules.name,
                field.data_type()
            ),
        )
    })
}

/// Gives an expression that stands in a select list before a name of its own, as DataFusion wants
/// it: `INSERT INTO t SELECT x, x FROM u`. Where the values go is told by their order alone.
fn name_repeated(body: &mut ast::SetExpr) {
    match body {
        ast::SetExpr::Select(select) => {
            let mut seen = HashSet::new();
            for (index, item) in select.projection.iter_mut().enumerate() {
                let ast::SelectItem::UnnamedExpr(expr) = item else { continue };
                if !seen.insert(expr.to_string()) {
                    let alias = ast::Ident::new(format!("_laminar_value_{index}"));
                    *item = ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        ast::SetExpr::SetOperation { left, right, .. } => {
            name_repeated(left);
            name_repeated(right);
        }
        ast::SetExpr::Query(query) => name_repeated(&mut query.body),
        _ => {}
    }
}

/// A type of times as SQL calls it.
fn type_of_times(data_type: &DataType) -> Option<ast::DataType> {
    Some(match data_type {
        DataType::Date32 => ast::DataType::Date,
        DataType::Time64(_) => ast::DataType::Time(None, ast::TimezoneInfo::None),
        DataType::Timestamp(_, None) => ast::DataType::Timestamp(None, ast::TimezoneInfo::None),
        DataType::Timestamp(_, Some(_)) => {
            ast::DataType::Timestamp(None, ast::TimezoneInfo::WithTimeZone)
        }
        _ => return None,
    })
}

fn is_text(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(value) if matches!(value.value, ast::Value::SingleQuotedString(_)))
}

fn is_null(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(value) if value.value == ast::Value::Null)
}

/// A name as the catalogue has it.
pub(crate) fn normal(name: &ast::Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}
