//! [`ToColumn`], a type that a field of a record may have.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use laminar_types::Result;

use super::cell::Cell;

/// A type that a field of a [`Record`](super::Record) may have.
///
/// | field | makes a column | fits as well |
/// |---|---|---|
/// | `bool` | `BOOLEAN` | |
/// | `i8`, `i16`, `i32`, `i64` | `TINYINT`, `SMALLINT`, `INT`, `BIGINT` | wider integers; floats that hold each value |
/// | `u8`, `u16`, `u32`, `u64` | the same, `UNSIGNED` | wider integers, signed or not; floats |
/// | `f32`, `f64` | `REAL`, `DOUBLE` | `f32`: `DOUBLE` |
/// | `String`, `&str`, `Cow<str>`, `Box<str>`, `Arc<str>`, `char` | `VARCHAR` | |
/// | `Vec<u8>`, `&[u8]` | `BYTEA` | |
/// | `i64` as a time | | `TIMESTAMP(p)`, `TIME`: a count of the column's unit |
/// | `i32` as a date | | `DATE`: days since 1970 |
/// | `SystemTime`, `DateTime<Utc>`, `NaiveDateTime` | `TIMESTAMP` | `TIMESTAMP(p)`, rounded down; `BIGINT`: milliseconds |
/// | `NaiveDate`, `NaiveTime` | `DATE`, `TIME` | |
/// | [`Decimal<P, S>`](super::Decimal) | `DECIMAL(P, S)` | wider decimals |
/// | `Vec<T>`, `&[T]` | `T[]` | lists whose items `T` fits |
/// | a struct with `#[derive(Record)]` | `STRUCT<...>` | structs with its fields, by name |
/// | `Option<T>` | the same, without `NOT NULL` | |
///
/// The types of `chrono` come with the feature `chrono`, which is on by default.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a record",
    label = "no column takes values of this type",
    note = "fields are bool, integers, floats, texts, Vec<u8>, SystemTime, Decimal<P, S>, a struct \
            with #[derive(Record)], and Option and Vec of these; `#[laminar(skip)]` leaves a field out"
)]
pub trait ToColumn {
    /// The type of a column that is made for the field.
    fn data_type() -> DataType;

    /// Whether the column may hold NULL.
    fn is_nullable() -> bool {
        false
    }

    /// Writes the value.
    ///
    /// # Errors
    /// `VALUE` when the column cannot hold it.
    fn write(&self, cell: Cell<'_>) -> Result<()>;

    /// The type of a column of lists of these.
    #[doc(hidden)]
    fn list_type() -> DataType
    where
        Self: Sized,
    {
        DataType::List(Arc::new(Field::new("item", Self::data_type(), true)))
    }

    /// Writes a list of these.
    #[doc(hidden)]
    fn write_list(items: &[Self], cell: Cell<'_>) -> Result<()>
    where
        Self: Sized,
    {
        cell.list(items)
    }
}

macro_rules! plain {
    ($($t:ty => $data_type:ident, $method:ident;)*) => {
        $(impl ToColumn for $t {
            fn data_type() -> DataType {
                DataType::$data_type
            }

            #[inline]
            fn write(&self, cell: Cell<'_>) -> Result<()> {
                cell.$method((*self).into())
            }
        })*
    };
}
plain! {
    bool => Boolean, boolean;
    i8 => Int8, signed;
    i16 => Int16, signed;
    i32 => Int32, signed;
    i64 => Int64, signed;
    u16 => UInt16, unsigned;
    u32 => UInt32, unsigned;
    u64 => UInt64, unsigned;
    f32 => Float32, float32;
    f64 => Float64, float64;
}

impl ToColumn for u8 {
    fn data_type() -> DataType {
        DataType::UInt8
    }

    #[inline]
    fn write(&self, cell: Cell<'_>) -> Result<()> {
        cell.unsigned((*self).into())
    }

    fn list_type() -> DataType {
        DataType::Binary
    }

    fn write_list(items: &[Self], cell: Cell<'_>) -> Result<()> {
        cell.bytes(items)
    }
}

impl ToColumn for str {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    #[inline]
    fn write(&self, cell: Cell<'_>) -> Result<()> {
        cell.text(self)
    }
}

impl ToColumn for String {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    #[inline]
    fn write(&self, cell: Cell<'_>) -> Result<()> {
        cell.text(self)
    }
}

impl ToColumn for char {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn write(&self, cell: Cell<'_>) -> Result<()> {
        cell.text(self.encode_utf8(&mut [0; 4]))
    }
}

/// What points to a value is written as the value.
macro_rules! pointer {
    ($($(#[$doc:meta])* [$($generics:tt)*] $t:ty;)*) => {
        $($(#[$doc])* impl<$($generics)*> ToColumn for $t {
            fn data_type() -> DataType {
                T::data_type()
            }

            fn is_nullable() -> bool {
                T::is_nullable()
            }

            #[inline]
            fn write(&self, cell: Cell<'_>) -> Result<()> {
                T::write(self, cell)
            }
        })*
    };
}
pointer! {
    [T: ToColumn + ?Sized] &T;
    [T: ToColumn + ?Sized] Box<T>;
    [T: ToColumn + ?Sized] Rc<T>;
    [T: ToColumn + ?Sized] Arc<T>;
    [T: ToColumn + ToOwned + ?Sized] Cow<'_, T>;
}

impl<T: ToColumn> ToColumn for Option<T> {
    fn data_type() -> DataType {
        T::data_type()
    }

    fn is_nullable() -> bool {
        true
    }

    #[inline]
    fn write(&self, cell: Cell<'_>) -> Result<()> {
        match self {
            Some(value) => value.write(cell),
            None => cell.null(),
        }
    }
}

impl<T: ToColumn> ToColumn for [T] {
    fn data_type() -> DataType {
        T::list_type()
    }

    fn write(&self, cell: Cell<'_>) -> Result<()> {
        T::write_list(self, cell)
    }
}

impl<T: ToColumn> ToColumn for Vec<T> {
    fn data_type() -> DataType {
        T::list_type()
    }

    fn write(&self, cell: Cell<'_>) -> Result<()> {
        T::write_list(self, cell)
    }
}

impl<T: ToColumn, const N: usize> ToColumn for [T; N] {
    fn data_type() -> DataType {
        T::list_type()
    }

    fn write(&self, cell: Cell<'_>) -> Result<()> {
        T::write_list(self, cell)
    }
}
