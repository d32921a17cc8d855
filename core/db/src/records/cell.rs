//! [`Cell`], the place of one value in a row that is being written.

use arrow::datatypes::DataType;
use laminar_types::{Error, Result, RowBlock, code};

use super::column_builder::{ColumnBuilder, Values};
use super::record::{Record, RowSink, RowWriter};
use super::target::{Kind, Target};
use super::to_column::ToColumn;

/// The place of one value in a row; each method takes one kind of value and brings it into the
/// type of the column. A cell that is dropped without a value of an Arrow column is a defect of the
/// [`ToColumn`] that got it.
pub struct Cell<'a> {
    place: Place<'a>,
}

enum Place<'a> {
    Block { block: &'a mut RowBlock, column: usize, target: &'a Target },
    Builder(&'a mut ColumnBuilder),
}

impl<'a> Cell<'a> {
    pub(super) fn of_block(block: &'a mut RowBlock, column: usize, target: &'a Target) -> Self {
        Self { place: Place::Block { block, column, target } }
    }

    pub(super) fn of_builder(builder: &'a mut ColumnBuilder) -> Self {
        Self { place: Place::Builder(builder) }
    }

    /// No value.
    #[inline]
    pub fn null(self) -> Result<()> {
        match self.place {
            // A row of a block begins with NULLs.
            Place::Block { .. } => {}
            Place::Builder(builder) => builder.push_null(),
        }
        Ok(())
    }

    /// A boolean.
    #[inline]
    pub fn boolean(self, value: bool) -> Result<()> {
        match self.kind() {
            Kind::Boolean => self.word(u64::from(value)),
            _ => self.unfit("a boolean"),
        }
    }

    /// A signed integer, or what is counted as one: a time in the unit of its column.
    #[inline]
    pub fn signed(self, value: i64) -> Result<()> {
        match self.kind() {
            Kind::Signed | Kind::Date | Kind::Time(_) => self.word(value as u64),
            Kind::Float64 => self.word((value as f64).to_bits()),
            Kind::Float32 => self.word(u64::from((value as f32).to_bits())),
            _ => self.unfit("an integer"),
        }
    }

    /// An unsigned integer.
    #[inline]
    pub fn unsigned(self, value: u64) -> Result<()> {
        match self.kind() {
            // A wider signed column holds it as it is.
            Kind::Unsigned | Kind::Signed => self.word(value),
            Kind::Float64 => self.word((value as f64).to_bits()),
            Kind::Float32 => self.word(u64::from((value as f32).to_bits())),
            _ => self.unfit("an integer"),
        }
    }

    /// A float of four bytes.
    #[inline]
    pub fn float32(self, value: f32) -> Result<()> {
        match self.kind() {
            Kind::Float32 => self.word(u64::from(value.to_bits())),
            Kind::Float64 => self.word(f64::from(value).to_bits()),
            _ => self.unfit("a float"),
        }
    }

    /// A float of eight bytes.
    #[inline]
    pub fn float64(self, value: f64) -> Result<()> {
        match self.kind() {
            Kind::Float64 => self.word(value.to_bits()),
            _ => self.unfit("a float"),
        }
    }

    /// A text.
    #[inline]
    pub fn text(self, value: &str) -> Result<()> {
        match self.kind() {
            Kind::Text => self.put_bytes(value.as_bytes()),
            _ => self.unfit("a text"),
        }
    }

    /// Bytes.
    #[inline]
    pub fn bytes(self, value: &[u8]) -> Result<()> {
        match self.kind() {
            Kind::Bytes => self.put_bytes(value),
            _ => self.unfit("bytes"),
        }
    }

    /// A count of nanoseconds, as a point in time since 1970 or as a duration: counted in the unit of
    /// the column and rounded down, in milliseconds where the column is a `BIGINT`.
    pub fn nanoseconds(self, value: i128) -> Result<()> {
        let per_unit = match self.kind() {
            Kind::Time(unit) => i128::from(unit.nanos()),
            Kind::Signed => 1_000_000,
            _ => return self.unfit("a time"),
        };
        match i64::try_from(value.div_euclid(per_unit)) {
            Ok(count) => self.word(count as u64),
            Err(_) => self.unfit("a time so far away"),
        }
    }

    /// A date as days since 1970.
    pub fn days(self, value: i32) -> Result<()> {
        match self.kind() {
            Kind::Date => self.word(i64::from(value) as u64),
            _ => self.unfit("a date"),
        }
    }

    /// A decimal: `unscaled * 10^-scale`.
    pub fn decimal(self, unscaled: i128, scale: i8) -> Result<()> {
        let Kind::Decimal { precision, scale: own } = self.kind() else {
            return self.unfit("a decimal");
        };
        match super::decimal::rescale(unscaled, scale, precision, own) {
            Some(unscaled) => match self.place {
                Place::Builder(builder) => {
                    builder.push_wide(unscaled);
                    Ok(())
                }
                Place::Block { .. } => self.unfit("a decimal"),
            },
            None => self.unfit("a decimal of so many digits"),
        }
    }

    /// A list.
    pub fn list<T: ToColumn>(self, items: &[T]) -> Result<()> {
        let Place::Builder(builder) = self.place else {
            return self.unfit("a list");
        };
        let Values::List { items: column, .. } = &mut builder.values else {
            return Self::of_builder(builder).unfit("a list");
        };
        for item in items {
            item.write(Cell::of_builder(column))?;
        }
        builder.end_list()
    }

    /// A record in the record.
    pub fn record<R: Record + ?Sized>(self, record: &R) -> Result<()> {
        let Place::Builder(builder) = self.place else {
            return self.unfit("a record");
        };
        let (Values::Struct(columns), Some(binding)) =
            (&mut builder.values, &builder.target.record)
        else {
            return Self::of_builder(builder).unfit("a record");
        };
        let mut row = RowWriter { binding, next: 0, row: RowSink::Columns(columns) };
        record.write(&mut row)?;
        let written = row.next;
        binding.end_row(written, columns)?;
        builder.valid.push(true);
        Ok(())
    }

    #[inline]
    fn kind(&self) -> Kind {
        self.target().kind
    }

    fn target(&self) -> &Target {
        match &self.place {
            Place::Block { target, .. } => target,
            Place::Builder(builder) => &builder.target,
        }
    }

    #[inline]
    fn word(self, word: u64) -> Result<()> {
        match self.place {
            Place::Block { block, column, .. } => block.set(column, word),
            Place::Builder(builder) => builder.push_word(word),
        }
        Ok(())
    }

    #[inline]
    fn put_bytes(self, value: &[u8]) -> Result<()> {
        match self.place {
            Place::Block { block, column, .. } => {
                block.set_bytes(column, value);
                Ok(())
            }
            Place::Builder(builder) => builder.push_bytes(value),
        }
    }

    #[cold]
    fn unfit(self, what: &str) -> Result<()> {
        let data_type: &DataType = &self.target().data_type;
        Err(Error::new(code::VALUE, format!("{what} does not fit {data_type}")))
    }
}
