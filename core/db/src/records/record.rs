//! [`Record`], a struct that rows are made of, and [`RowWriter`], what it writes itself to.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use laminar_types::{Result, RowBlock};

use super::binding::RecordBinding;
use super::cell::Cell;
use super::column_builder::ColumnBuilder;
use super::to_column::ToColumn;

/// A struct whose fields are the columns of a row, by their names.
///
/// `#[derive(Record)]` implements it; [the derive](derive@crate::Record) tells the attributes.
///
/// ```
/// use laminar_db::Record;
///
/// #[derive(Record)]
/// struct Trade {
///     symbol: String,
///     price: f64,
///     size: Option<i64>,
///     #[event_time]
///     ts: i64,
/// }
///
/// let trade = Trade { symbol: "AAPL".into(), price: 187.5, size: None, ts: 1_000 };
/// let batch = Trade::to_record_batch(&[trade])?;
/// assert_eq!((batch.num_rows(), batch.num_columns()), (1, 4));
/// assert!(batch.schema().field(2).is_nullable());
/// # Ok::<(), laminar_db::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no record that can be pushed",
    note = "derive it: #[derive(laminar_db::Record)]"
)]
pub trait Record {
    /// The columns, in the order in which [`write`](Self::write) writes them.
    fn fields() -> Vec<RecordField>;

    /// Writes the value of each field, in the order of [`fields`](Self::fields).
    ///
    /// # Errors
    /// `VALUE` for a value that its column cannot hold; the row is then not taken.
    fn write(&self, row: &mut RowWriter<'_>) -> Result<()>;

    /// The columns as Arrow has them.
    fn schema() -> SchemaRef {
        let fields = Self::fields().into_iter().map(|field| field.to_arrow());
        Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
    }

    /// Records as a batch with the columns of [`schema`](Self::schema).
    ///
    /// # Errors
    /// `VALUE` for a value that its column cannot hold, with column and row.
    fn to_record_batch(records: &[Self]) -> Result<RecordBatch>
    where
        Self: Sized,
    {
        RecordBinding::of::<Self>(&Self::schema())?.batch(records)
    }
}

/// A column that a [`Record`] fills.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordField {
    /// The column's name.
    pub name: &'static str,
    /// The type of a column that is made for the field; others that it fits are taken too.
    pub data_type: DataType,
    /// Whether the column may hold NULL.
    pub nullable: bool,
    /// The time of the event: how far behind the largest one so far the watermark stays, in
    /// milliseconds.
    pub event_time: Option<u64>,
}

impl RecordField {
    /// The column of a field of type `T`.
    pub fn of<T: ToColumn + ?Sized>(name: &'static str) -> Self {
        Self { name, data_type: T::data_type(), nullable: T::is_nullable(), event_time: None }
    }

    /// The same, holding NULL in other rows than those of records.
    pub fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same as the time of the event, whose watermark stays `delay_ms` behind.
    pub fn event_time(mut self, delay_ms: u64) -> Self {
        self.event_time = Some(delay_ms);
        self
    }

    pub(crate) fn to_arrow(&self) -> Field {
        Field::new(self.name, self.data_type.clone(), self.nullable)
    }
}

/// Where a [`Record`] writes its fields, one after the other.
pub struct RowWriter<'a> {
    pub(super) binding: &'a RecordBinding,
    /// The field that comes next.
    pub(super) next: usize,
    pub(super) row: RowSink<'a>,
}

/// What the fields become.
pub(super) enum RowSink<'a> {
    /// The last row of a block.
    Block(&'a mut RowBlock),
    /// A further value of each column.
    Columns(&'a mut [ColumnBuilder]),
}

impl RowWriter<'_> {
    /// Writes the next field.
    ///
    /// # Errors
    /// `VALUE` when the column cannot hold the value, or when there are more values than fields.
    #[inline]
    pub fn write<T: ToColumn + ?Sized>(&mut self, value: &T) -> Result<()> {
        let field = self.next;
        self.next += 1;
        let Some(&column) = self.binding.columns().get(field) else {
            return Err(self.binding.too_many_values());
        };
        let cell = match &mut self.row {
            RowSink::Block(block) => Cell::of_block(block, column, &self.binding.targets()[column]),
            RowSink::Columns(builders) => Cell::of_builder(&mut builders[column]),
        };
        value.write(cell).map_err(|error| self.binding.in_field(field, error))
    }
}
