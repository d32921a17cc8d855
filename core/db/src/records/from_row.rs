//! [`FromRow`], a struct that is made of a row, and [`Row`], what it is made of.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use laminar_types::{Error, Result, RowBlock, code};

use super::binding::short;
use super::column::{Column, decoded};
use super::from_column::{FromColumn, read_or_null, reads};
use super::value::{Unfit, Value};

/// A struct that is made of a row of a result, its fields by the names of the columns.
///
/// `#[derive(FromRow)]` implements it; [the derive](derive@crate::FromRow) tells the attributes.
/// Columns that no field names are left out. Tuples of up to twelve values are made of rows with as
/// many columns, in their order.
///
/// ```
/// use laminar_db::{FromRow, LaminarDB};
///
/// #[derive(FromRow, Debug, PartialEq)]
/// struct Bar {
///     symbol: String,
///     high: Option<f64>,
/// }
///
/// let db = LaminarDB::open()?;
/// let bars: Vec<Bar> = db.query_as_blocking("SELECT 'AAPL' AS symbol, 187.5 AS high")?;
/// assert_eq!(bars, [Bar { symbol: "AAPL".into(), high: Some(187.5) }]);
/// let pairs: Vec<(i64, bool)> = db.query_as_blocking("SELECT 1, true")?;
/// assert_eq!(pairs, [(1, true)]);
/// # Ok::<(), laminar_db::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of a row",
    note = "derive it: #[derive(laminar_db::FromRow)]"
)]
pub trait FromRow: Sized {
    /// What is read, in the order of [`Row::read`]: it is looked for once, before the first row. An
    /// implementation by hand that asks by name, with [`Row::get`], may leave it empty.
    fn columns() -> Vec<RowColumn> {
        Vec::new()
    }

    /// Reads a row.
    ///
    /// # Errors
    /// `SCHEMA_MISMATCH` for a value that a field cannot be, with its column and row.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

/// A column that a [`FromRow`] reads.
#[derive(Debug, Clone)]
pub struct RowColumn {
    place: Place,
    accepts: fn(&DataType) -> bool,
    type_name: &'static str,
    is_optional: bool,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Named(&'static str),
    /// Of so many columns, which are all that there may be.
    At(usize, usize),
}

impl RowColumn {
    /// The column of a name, read as a `T`.
    pub fn of<T: FromColumn>(name: &'static str) -> Self {
        Self::new::<T>(Place::Named(name))
    }

    /// The same; rows without the column are read too.
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    fn new<T: FromColumn>(place: Place) -> Self {
        let type_name = std::any::type_name::<T>();
        Self { place, accepts: reads::<T>, type_name, is_optional: false }
    }
}

/// Which columns of a result a type reads.
#[derive(Debug)]
pub(super) struct RowBinding {
    /// What is made, for errors.
    type_name: &'static str,
    schema: SchemaRef,
    /// The columns of [`FromRow::columns`]; `None` for an optional one that is not there.
    columns: Vec<Option<usize>>,
}

impl RowBinding {
    /// Finds the columns that a type reads.
    ///
    /// # Errors
    /// `SCHEMA_MISMATCH` that names the column that is not there or of a type that is not read.
    pub(super) fn of<T: FromRow>(schema: &SchemaRef) -> Result<Self> {
        let type_name = std::any::type_name::<T>();
        let refuse = |message: String| Error::new(code::SCHEMA_MISMATCH, message);
        let find = |wanted: &RowColumn| {
            let found = match wanted.place {
                Place::Named(name) => schema.index_of(name).ok(),
                Place::At(index, all) if all == schema.fields().len() => Some(index),
                Place::At(_, all) => {
                    return Err(refuse(format!(
                        "a tuple of {all} values is not made of rows with {} columns: {}",
                        schema.fields().len(),
                        listed(schema)
                    )));
                }
            };
            let Some(index) = found else {
                if wanted.is_optional {
                    return Ok(None);
                }
                let Place::Named(name) = wanted.place else { return Ok(None) };
                return Err(refuse(format!(
                    "{} reads the column `{name}`, and there is none: the columns are {}",
                    short(type_name),
                    listed(schema)
                )));
            };
            let field = schema.field(index);
            match (wanted.accepts)(field.data_type()) {
                true => Ok(Some(index)),
                false => Err(refuse(format!(
                    "the column `{}` is a {}, which is not read as {} of {}",
                    field.name(),
                    field.data_type(),
                    plain(wanted.type_name),
                    short(type_name)
                ))),
            }
        };
        let columns = T::columns().iter().map(find).collect::<Result<_>>()?;
        Ok(Self { type_name, schema: Arc::clone(schema), columns })
    }

    /// Whether a column of this name is read.
    pub(super) fn reads(&self, name: &str) -> bool {
        let index = self.schema.index_of(name).ok();
        // An implementation by hand may ask for any.
        self.columns.is_empty() || index.is_some_and(|index| self.columns.contains(&Some(index)))
    }

    /// Reads each row of a batch that has the columns found. A row that fails keeps none of the
    /// others from being read.
    pub(super) fn read_batch<T: FromRow>(
        &self,
        batch: &RecordBatch,
        mut take: impl FnMut(usize, Result<T>),
    ) {
        let arrays: Vec<ArrayRef> = batch.columns().iter().map(decoded).collect();
        let columns: Vec<Column<'_>> = arrays.iter().map(Column::of_array).collect();
        for row in 0..batch.num_rows() {
            let source = Source::Columns(&columns);
            take(row, T::from_row(&Row { binding: self, source, row }));
        }
    }

    /// Reads a row of a block that has the columns found.
    pub(super) fn read_block<T: FromRow>(&self, block: &RowBlock, row: usize) -> Result<T> {
        T::from_row(&Row { binding: self, source: Source::Block(block), row })
    }
}

/// A row that is being read.
pub struct Row<'a> {
    binding: &'a RowBinding,
    source: Source<'a>,
    row: usize,
}

enum Source<'a> {
    Columns(&'a [Column<'a>]),
    Block(&'a RowBlock),
}

impl Row<'_> {
    /// The value of the column that stands at a place of [`FromRow::columns`].
    ///
    /// # Errors
    /// `SCHEMA_MISMATCH` for a value that is no `T`, with its column and row.
    #[inline]
    pub fn read<T: FromColumn>(&self, place: usize) -> Result<T> {
        match self.binding.columns.get(place) {
            Some(Some(column)) => self.read_column(*column),
            _ => Err(self.no_column(place)),
        }
    }

    /// The same, and the default where the column is not there or its value is NULL.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_or_default<T: FromColumn + Default>(&self, place: usize) -> Result<T> {
        match self.binding.columns.get(place) {
            Some(Some(column)) => match self.value(*column) {
                Value::Null => Ok(T::null().unwrap_or_default()),
                value => T::read(value).map_err(|unfit| self.unfit::<T>(*column, &unfit)),
            },
            Some(None) => Ok(T::default()),
            None => Err(self.no_column(place)),
        }
    }

    /// The value of the column of a name, which is looked for among all of them.
    ///
    /// # Errors
    /// `SCHEMA_MISMATCH` where there is none, it is not read as a `T`, or its value is no `T`.
    pub fn get<T: FromColumn>(&self, name: &str) -> Result<T> {
        let schema = &self.binding.schema;
        let Ok(column) = schema.index_of(name) else {
            let message =
                format!("there is no column `{name}`: the columns are {}", listed(schema));
            return Err(Error::new(code::SCHEMA_MISMATCH, message));
        };
        match reads::<T>(schema.field(column).data_type()) {
            true => self.read_column(column),
            false => {
                let data_type = schema.field(column).data_type();
                Err(self.unfit::<T>(column, &Unfit::new(format!("a {data_type}"))))
            }
        }
    }

    #[inline]
    fn read_column<T: FromColumn>(&self, column: usize) -> Result<T> {
        read_or_null(self.value(column)).map_err(|unfit| self.unfit::<T>(column, &unfit))
    }

    #[inline]
    fn value(&self, column: usize) -> Value<'_> {
        match &self.source {
            Source::Columns(columns) => columns[column].value(self.row),
            Source::Block(block) => Column::of_block(block, column).value(self.row),
        }
    }

    #[cold]
    fn unfit<T>(&self, column: usize, unfit: &Unfit) -> Error {
        let remedy = match *unfit == Unfit::of(&Value::Null) {
            true => ": make the field an Option, or give it #[laminar(default)]",
            false => "",
        };
        let message = format!(
            "the column `{}` holds {unfit} in row {}, which is not read as {} of {}{remedy}",
            self.binding.schema.field(column).name(),
            self.row,
            plain(std::any::type_name::<T>()),
            short(self.binding.type_name)
        );
        Error::new(code::SCHEMA_MISMATCH, message)
    }

    #[cold]
    fn no_column(&self, place: usize) -> Error {
        let message = format!(
            "{} reads the column at place {place}, which its `FromRow::columns` does not have",
            short(self.binding.type_name)
        );
        Error::new(code::SCHEMA_MISMATCH, message)
    }
}

/// Whether a struct column has what a type reads of it.
#[doc(hidden)]
pub fn accepts_struct<T: FromRow>(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => {
            RowBinding::of::<T>(&Arc::new(Schema::new(fields.clone()))).is_ok()
        }
        _ => false,
    }
}

/// Reads a struct in a row.
#[doc(hidden)]
pub fn read_struct<T: FromRow>(value: Value<'_>) -> Result<T, Unfit> {
    let Value::Struct(structs, row) = value else {
        return Err(Unfit::of(&value));
    };
    read_struct_at(structs, row).map_err(|error| Unfit::new(format!("a struct: {error}")))
}

fn read_struct_at<T: FromRow>(structs: &StructArray, row: usize) -> Result<T> {
    let schema = Arc::new(Schema::new(structs.fields().clone()));
    let binding = RowBinding::of::<T>(&schema)?;
    let one = structs.slice(row, 1);
    let mut made = Err(Error::internal("a struct of one row has no row"));
    binding.read_batch(&RecordBatch::from(&one), |_, item| made = item);
    made
}

/// The columns with their types, for errors.
fn listed(schema: &Schema) -> String {
    let columns = schema.fields().iter();
    let columns = columns.map(|field| format!("`{} {}`", field.name(), field.data_type()));
    columns.collect::<Vec<_>>().join(", ")
}

/// A type's name without the paths of the standard library.
fn plain(type_name: &str) -> String {
    let mut plain = String::new();
    for part in type_name.split_inclusive(['<', '>', ',', ' ', '(', '[', '&']) {
        plain.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    plain
}

macro_rules! tuple {
    ($all:literal: $($t:ident $index:tt),*) => {
        impl<$($t: FromColumn),*> FromRow for ($($t,)*) {
            fn columns() -> Vec<RowColumn> {
                vec![$(RowColumn::new::<$t>(Place::At($index, $all))),*]
            }

            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.read::<$t>($index)?,)*))
            }
        }
    };
}
tuple!(1: A 0);
tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
