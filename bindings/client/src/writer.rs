//! Rows of values, as the columns of a source want them.

use std::sync::Arc;

use crate::arrow::Array;
use crate::builder::{Cell, ColumnBuilder, finish_batch};
use crate::schema::{Field, Schema, TimeUnit};
use crate::{DataType, Error, Result, Value, decimal};

/// Rows that fit the columns of a source.
///
/// What fits without loss is taken: integers widen, a date is a date, a time is counted in the unit
/// of its column, an integer is a time already counted. All else is an error that names the column
/// and the row; that row is forgotten then and those before it stay.
#[derive(Debug)]
pub struct RowBuffer {
    schema: Arc<Schema>,
    /// Row after row a cell for each column, the row that is being written last.
    cells: Vec<Cell>,
    rows: usize,
}

impl RowBuffer {
    /// An empty buffer for these columns.
    pub fn new(schema: &Arc<Schema>) -> Self {
        let cells = vec![Cell::Null; schema.fields().len()];
        Self { schema: Arc::clone(schema), cells, rows: 0 }
    }

    /// The columns.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Rows that were ended.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Sets a column of the row that is being written.
    pub fn set(&mut self, column: usize, value: &Value<'_>) -> Result<()> {
        let Some(field) = self.schema.fields().get(column) else {
            return Err(Error::ingestion_argument(format!("there is no column {column}")));
        };
        let cell = fit(field, value).map_err(|error| self.refuse(error))?;
        let row = self.rows * self.schema.fields().len();
        self.cells[row + column] = cell;
        Ok(())
    }

    /// Ends the row; columns that were not set are NULL, and refused where they must not be.
    pub fn end_row(&mut self) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let columns = schema.fields().len();
        let mut row = schema.fields().iter().zip(&self.cells[self.rows * columns..]);
        if let Some((field, _)) =
            row.find(|(field, cell)| **cell == Cell::Null && !field.is_nullable())
        {
            return Err(self.refuse(null_error(field)));
        }
        self.rows += 1;
        self.forget_row();
        Ok(())
    }

    /// Adds the rows of another buffer for the same columns.
    pub fn append(&mut self, other: RowBuffer) {
        let columns = self.schema.fields().len();
        self.cells.truncate(self.rows * columns);
        self.cells.extend(other.cells);
        self.rows += other.rows;
        self.forget_row();
    }

    /// The rows as a batch of the schema. An error for the few types that rows cannot carry.
    pub fn batch(&self) -> Result<Array> {
        let mut builders = Vec::with_capacity(self.schema.fields().len());
        for (column, field) in self.schema.fields().iter().enumerate() {
            let mut builder = ColumnBuilder::new(field)?;
            for row in 0..self.rows {
                builder.push(&self.cells[row * self.schema.fields().len() + column]);
            }
            builders.push(builder);
        }
        let mut batch = finish_batch(self.rows, builders)?;
        // SAFETY: the struct was made above; moving it is allowed.
        Ok(unsafe { Array::take(&mut batch) })
    }

    fn refuse(&mut self, error: Error) -> Error {
        self.forget_row();
        error.context_after(format!("in row {} of what was given", self.rows + 1))
    }

    /// Makes the row that is being written one of NULLs.
    fn forget_row(&mut self) {
        let columns = self.schema.fields().len();
        self.cells.truncate(self.rows * columns);
        self.cells.resize((self.rows + 1) * columns, Cell::Null);
    }
}

/// The cell of a value; an error names the column.
pub(crate) fn fit(field: &Field, value: &Value<'_>) -> Result<Cell> {
    let unfit = |what: &str| {
        let (name, data_type) = (field.name(), field.data_type());
        Error::value(format!("column `{name}`: {what} does not fit {data_type}"))
    };
    let counted = |count: Option<i64>, what: &str| count.map(Cell::Int).ok_or_else(|| unfit(what));
    match (field.data_type(), value) {
        (_, Value::Null) => Ok(Cell::Null),
        (DataType::Bool, Value::Bool(value)) => Ok(Cell::Bool(*value)),
        (DataType::Int { bits, signed }, Value::Int(value)) => {
            let fitting = Some(*value).filter(|value| in_range(*value, *bits, *signed));
            counted(fitting, &value.to_string())
        }
        (DataType::Int { bits: 64, signed: false }, Value::UInt(value)) => Ok(Cell::UInt(*value)),
        (DataType::Int { .. }, Value::UInt(value)) => Err(unfit(&value.to_string())),
        (DataType::Int { .. }, Value::Decimal(digits)) => Err(unfit(digits)),
        (DataType::Float { .. }, Value::Float(value)) => Ok(Cell::Double(*value)),
        (DataType::Float { bits }, Value::Int(value)) => {
            exact((*value).into(), *bits).map(Cell::Double).ok_or_else(|| unfit(&value.to_string()))
        }
        (DataType::Float { bits }, Value::UInt(value)) => {
            exact((*value).into(), *bits).map(Cell::Double).ok_or_else(|| unfit(&value.to_string()))
        }
        (DataType::Decimal { bits, precision, scale }, number) => {
            let digits = match number {
                Value::Decimal(digits) => digits.to_string(),
                Value::Int(value) => value.to_string(),
                Value::UInt(value) => value.to_string(),
                other => return Err(unfit(other.kind())),
            };
            let fixed = decimal::parse(&digits, *precision, *scale, usize::from(*bits) / 8);
            fixed.map(Cell::Fixed).ok_or_else(|| unfit(&digits))
        }
        (DataType::Utf8 { .. }, Value::Str(value)) => Ok(Cell::Bytes(value.as_bytes().into())),
        (DataType::Binary { .. }, Value::Bytes(value)) => Ok(Cell::Bytes(value.as_ref().into())),
        (DataType::FixedBinary { width }, Value::Bytes(value)) if value.len() == *width => {
            Ok(Cell::Fixed(value.as_ref().into()))
        }
        (DataType::FixedBinary { .. }, Value::Bytes(value)) => {
            Err(unfit(&format!("a value of {} bytes", value.len())))
        }
        (DataType::Date { bits: 32 }, Value::Date(days) | Value::Int(days)) => {
            counted(i32::try_from(*days).ok().map(i64::from), "this date")
        }
        (DataType::Date { .. }, Value::Date(days)) => {
            counted(days.checked_mul(86_400_000), "this date")
        }
        (DataType::Time { unit }, Value::Int(count)) => {
            let day = 86_400 * unit.per_second();
            counted(Some(*count).filter(|count| (0..day).contains(count)), "this time of the day")
        }
        (
            DataType::Date { .. } | DataType::Timestamp { .. } | DataType::Duration { .. },
            Value::Int(count),
        ) => Ok(Cell::Int(*count)),
        (DataType::Time { unit }, Value::Time(nanoseconds)) => {
            counted(convert(*nanoseconds, TimeUnit::Nanosecond, *unit), "this time of the day")
        }
        (DataType::Timestamp { unit, .. }, Value::Timestamp { value, unit: from, .. }) => {
            counted(convert(*value, *from, *unit), "this timestamp")
        }
        (DataType::Duration { unit }, Value::Duration { value, unit: from }) => {
            counted(convert(*value, *from, *unit), "this duration")
        }
        (DataType::List { item, .. }, Value::List(items)) => cells(field, item, items),
        (DataType::FixedList { length, item }, Value::List(items)) if items.len() == *length => {
            cells(field, item, items)
        }
        (DataType::FixedList { .. }, Value::List(items)) => {
            Err(unfit(&format!("a list of {} items", items.len())))
        }
        (DataType::Struct(fields), Value::Struct(values)) => structure(field, fields, values),
        (DataType::Map { key, value }, Value::Map(entries)) => {
            let entry = |(k, v): &(Value<'_>, Value<'_>)| Ok((part(key, k)?, part(value, v)?));
            let entries = entries.iter().map(entry).collect::<Result<_>>();
            entries.map(Cell::Entries).map_err(|error| within(field, error))
        }
        (_, value) => Err(unfit(value.kind())),
    }
}

fn cells(field: &Field, item: &Field, items: &[Value<'_>]) -> Result<Cell> {
    let cells = items.iter().map(|value| part(item, value)).collect::<Result<_>>();
    cells.map(Cell::Cells).map_err(|error| within(field, error))
}

fn structure(
    field: &Field,
    fields: &[Field],
    values: &[(std::borrow::Cow<'_, str>, Value<'_>)],
) -> Result<Cell> {
    let known = |name: &str| fields.iter().any(|field| field.name() == name);
    if let Some((name, _)) = values.iter().find(|(name, _)| !known(name)) {
        let (column, data_type) = (field.name(), field.data_type());
        return Err(Error::value(format!("column `{column}`: {data_type} has no field `{name}`")));
    }
    let cell = |field: &Field| {
        let value = values.iter().find(|(name, _)| name == field.name());
        part(field, value.map_or(&Value::Null, |(_, value)| value))
    };
    let cells = fields.iter().map(cell).collect::<Result<_>>();
    cells.map(Cell::Cells).map_err(|error| within(field, error))
}

/// A value inside of another one, where NULL is refused at once.
fn part(field: &Field, value: &Value<'_>) -> Result<Cell> {
    match fit(field, value)? {
        Cell::Null if !field.is_nullable() => Err(null_error(field)),
        cell => Ok(cell),
    }
}

pub(crate) fn null_error(field: &Field) -> Error {
    Error::new(300, 3004, format!("column `{}`: it must not be NULL", field.name()))
}

fn within(field: &Field, error: Error) -> Error {
    error.context_after(format!("in column `{}`", field.name()))
}

fn in_range(value: i64, bits: u8, signed: bool) -> bool {
    match (bits, signed) {
        (64, true) => true,
        (bits, true) => (-(1 << (bits - 1))..1 << (bits - 1)).contains(&value),
        (64, false) => value >= 0,
        (bits, false) => (0..1 << bits).contains(&value),
    }
}

/// An integer as a floating point number of so many bits, when it is one.
fn exact(value: i128, bits: u8) -> Option<f64> {
    let float = if bits == 64 { value as f64 } else { f64::from(value as f32) };
    (float as i128 == value).then_some(float)
}

/// A count in another unit, when nothing is lost.
fn convert(value: i64, from: TimeUnit, to: TimeUnit) -> Option<i64> {
    let (from, to) = (from.per_second(), to.per_second());
    if to >= from {
        return value.checked_mul(to / from);
    }
    let factor = from / to;
    (value % factor == 0).then_some(value / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_convert_without_loss_or_not_at_all() {
        use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
        assert_eq!(convert(5, Second, Nanosecond), Some(5_000_000_000));
        assert_eq!(convert(-1_500, Millisecond, Microsecond), Some(-1_500_000));
        assert_eq!(convert(2_000, Microsecond, Millisecond), Some(2));
        assert_eq!(convert(2_001, Microsecond, Millisecond), None);
        assert_eq!(convert(i64::MAX, Second, Millisecond), None);
    }

    #[test]
    fn integers_have_their_ranges() {
        assert!(in_range(-128, 8, true) && !in_range(-129, 8, true) && !in_range(128, 8, true));
        assert!(in_range(255, 8, false) && !in_range(256, 8, false) && !in_range(-1, 64, false));
        assert!(in_range(i64::MIN, 64, true));
        assert_eq!(exact(1 << 53, 64), Some(9_007_199_254_740_992.0));
        assert_eq!(exact((1 << 53) + 1, 64), None);
        assert_eq!(exact((1 << 24) + 1, 32), None);
    }
}
