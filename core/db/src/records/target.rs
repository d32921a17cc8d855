//! [`Target`]: how the values of a field get into their column, if they fit.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Fields, TimeUnit as ArrowUnit};
use laminar_types::TimeUnit;

use super::binding::RecordBinding;

/// A column that a field fits.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) data_type: DataType,
    pub(super) kind: Kind,
    /// The column of the items, of a list.
    pub(super) items: Option<Arc<Target>>,
    /// How the fields of a record in the record go to those of a struct.
    pub(super) record: Option<Arc<RecordBinding>>,
}

/// What the values of a column are, however wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Signed,
    Unsigned,
    Float32,
    Float64,
    /// Points in time, times of the day, durations, and dates in milliseconds, as counts.
    Time(TimeUnit),
    Date,
    Text,
    Bytes,
    Decimal {
        precision: u8,
        scale: i8,
    },
    List,
    Struct,
}

impl Target {
    /// The column of a type for fields whose own one would have another type, or `None` where some
    /// value of the field would not fit it. Precision of times is the exception: it is lost.
    pub(super) fn new(own: &DataType, column: &DataType) -> Option<Self> {
        use DataType as T;
        let kind = Kind::of(column)?;
        let mut target = Self { data_type: column.clone(), kind, items: None, record: None };
        let fits = match (own, column) {
            (T::List(own), T::List(item)) => {
                target.items = Some(Arc::new(Self::new(own.data_type(), item.data_type())?));
                !own.is_nullable() || item.is_nullable()
            }
            (T::Struct(own), T::Struct(fields)) => {
                target.record = Some(Arc::new(RecordBinding::of_struct(own, fields)?));
                true
            }
            (T::Decimal128(p, s), T::Decimal128(precision, scale)) => {
                let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
                s <= scale && whole(*p, *s) <= whole(*precision, *scale)
            }
            (own, column) => is_text(own) && is_text(column) || fits_plain(own, column, kind),
        };
        fits.then_some(target)
    }

    /// The column for values of its own type.
    pub(super) fn exact(data_type: &DataType) -> Option<Self> {
        Self::new(data_type, data_type)
    }
}

impl Kind {
    fn of(data_type: &DataType) -> Option<Self> {
        use DataType as T;
        Some(match data_type {
            T::Boolean => Self::Boolean,
            T::Int8 | T::Int16 | T::Int32 | T::Int64 => Self::Signed,
            T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => Self::Unsigned,
            T::Float32 => Self::Float32,
            T::Float64 => Self::Float64,
            T::Date32 => Self::Date,
            T::Date64 => Self::Time(TimeUnit::Millisecond),
            T::Timestamp(unit, _) | T::Time32(unit) | T::Time64(unit) | T::Duration(unit) => {
                Self::Time(unit_of(*unit))
            }
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Self::Text,
            T::Binary | T::LargeBinary | T::BinaryView => Self::Bytes,
            T::Decimal128(precision, scale) => {
                Self::Decimal { precision: *precision, scale: *scale }
            }
            T::List(_) => Self::List,
            T::Struct(_) => Self::Struct,
            _ => return None,
        })
    }
}

pub(super) fn unit_of(unit: ArrowUnit) -> TimeUnit {
    match unit {
        ArrowUnit::Second => TimeUnit::Second,
        ArrowUnit::Millisecond => TimeUnit::Millisecond,
        ArrowUnit::Microsecond => TimeUnit::Microsecond,
        ArrowUnit::Nanosecond => TimeUnit::Nanosecond,
    }
}

/// Whether every value of a plain type has its place in a column.
fn fits_plain(own: &DataType, column: &DataType, kind: Kind) -> bool {
    use DataType as T;
    let signed = |data_type: &T| data_type.is_signed_integer();
    let unsigned = |data_type: &T| data_type.is_unsigned_integer();
    let width = |data_type: &T| data_type.primitive_width().unwrap_or(0);
    match (own, column) {
        (own, column) if own == column => true,
        (own, column) if signed(own) && signed(column) => width(own) <= width(column),
        (own, column) if unsigned(own) && unsigned(column) => width(own) <= width(column),
        (own, column) if unsigned(own) && signed(column) => width(own) < width(column),
        // Counts of the column's unit.
        (T::Int64, T::Timestamp(..) | T::Date64 | T::Time64(_) | T::Duration(_)) => true,
        (T::Int32, T::Date32 | T::Time32(_)) => true,
        // Whole numbers that every float of the width has.
        (own, T::Float64) if own.is_integer() => width(own) <= 4,
        (own, T::Float32) if own.is_integer() => width(own) <= 2,
        (T::Float32, T::Float64) => true,
        // Points in time, in the unit of the column; milliseconds where it is a number.
        (T::Timestamp(..), T::Timestamp(..) | T::Int64) => true,
        (T::Duration(_), T::Duration(_) | T::Int64) => true,
        (T::Time64(_), T::Time64(_) | T::Time32(_)) => true,
        (own, _) if is_bytes(own) => kind == Kind::Bytes,
        _ => false,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// The columns of a struct.
pub(super) fn fields_of(data_type: &DataType) -> Option<&Fields> {
    match data_type {
        DataType::Struct(fields) => Some(fields),
        _ => None,
    }
}

/// The column of the items of a list.
pub(super) fn item_of(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(item) => Some(item),
        _ => None,
    }
}
