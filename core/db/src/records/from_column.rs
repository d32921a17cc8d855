//! [`FromColumn`], a type that a column is read as.

use std::rc::Rc;
use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::DataType;

use super::column::{Column, decoded, is_readable};
use super::value::{Unfit, Value};

/// A type that the values of a column are read as: what `#[derive(FromRow)]` asks of each field.
///
/// | type | reads |
/// |---|---|
/// | `bool` | booleans |
/// | integers | integers of any width; one that is too large is an error that names its row |
/// | `i64`, `i32` | besides, times and dates as counts of the column's unit |
/// | `f64` | floats, and integers that it holds exactly |
/// | `f32` | floats of four bytes |
/// | `String`, `Box<str>`, `Rc<str>`, `Arc<str>` | texts |
/// | `Vec<u8>` | binary values |
/// | `SystemTime`, `DateTime<Utc>`, `NaiveDateTime` | timestamps; integers as milliseconds since 1970 |
/// | `Duration` | durations that are not negative |
/// | `NaiveDate`, `NaiveTime` | dates, times of the day |
/// | [`Decimal<P, S>`](super::Decimal) | decimals and integers that fit it exactly |
/// | `Vec<T>` | lists |
/// | a struct with `#[derive(FromRow)]` | structs, by the names of their fields |
/// | `Option<T>` | the same, and NULL as `None` |
#[diagnostic::on_unimplemented(
    message = "no column is read as `{Self}`",
    label = "values of this type cannot be read",
    note = "fields are bool, integers, floats, String, Vec<u8>, SystemTime, Decimal<P, S>, a struct \
            with #[derive(FromRow)], and Option and Vec of these; `#[laminar(skip)]` leaves a field at \
            its default"
)]
pub trait FromColumn: Sized {
    /// Whether columns of this type are read.
    fn accepts(data_type: &DataType) -> bool;

    /// Reads a value that is there.
    ///
    /// # Errors
    /// What the value is instead.
    fn read(value: Value<'_>) -> Result<Self, Unfit>;

    /// What NULL is read as, if that is not an error.
    fn null() -> Option<Self> {
        None
    }

    /// Whether lists of these are read from columns of this type.
    #[doc(hidden)]
    fn accepts_list(data_type: &DataType) -> bool {
        match data_type {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                reads::<Self>(item.data_type())
            }
            _ => false,
        }
    }

    /// Reads a list of these.
    #[doc(hidden)]
    fn read_list(value: Value<'_>) -> Result<Vec<Self>, Unfit> {
        let Value::List(items) = value else {
            return Err(Unfit::of(&value));
        };
        let items = decoded(&items);
        let column = Column::of_array(&items);
        (0..items.len()).map(|item| read_or_null(column.value(item))).collect()
    }
}

/// Whether columns of this type are read as `T`.
pub(super) fn reads<T: FromColumn>(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => T::null().is_some(),
        DataType::Dictionary(_, value) => T::accepts(value),
        other => is_readable(other) && T::accepts(other),
    }
}

/// Reads a value that may be NULL.
pub(super) fn read_or_null<T: FromColumn>(value: Value<'_>) -> Result<T, Unfit> {
    match value {
        Value::Null => T::null().ok_or_else(|| Unfit::of(&Value::Null)),
        value => T::read(value),
    }
}

macro_rules! integer {
    ($($t:ident)*) => {
        $(impl FromColumn for $t {
            fn accepts(data_type: &DataType) -> bool {
                data_type.is_integer()
            }

            fn read(value: Value<'_>) -> Result<Self, Unfit> {
                let fits = match value {
                    Value::Int(value) => Self::try_from(value).ok(),
                    Value::UInt(value) => Self::try_from(value).ok(),
                    ref other => return Err(Unfit::of(other)),
                };
                fits.ok_or_else(|| too_large(&value, stringify!($t)))
            }
        })*
    };
}
integer!(i8 i16 u16 u32 u64);

#[cold]
fn too_large(value: &Value<'_>, name: &str) -> Unfit {
    let (Value::Int(_) | Value::UInt(_)) = value else { return Unfit::of(value) };
    let value = match value {
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        other => other.kind().to_string(),
    };
    Unfit::new(format!("the value {value}, which no {name} has"))
}

impl FromColumn for u8 {
    fn accepts(data_type: &DataType) -> bool {
        data_type.is_integer()
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        let wide = u64::read(value)?;
        Self::try_from(wide).map_err(|_| too_large(&Value::UInt(wide), "u8"))
    }

    fn accepts_list(data_type: &DataType) -> bool {
        matches!(
            data_type,
            DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_)
        )
    }

    fn read_list(value: Value<'_>) -> Result<Vec<Self>, Unfit> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.to_vec()),
            other => Err(Unfit::of(&other)),
        }
    }
}

impl FromColumn for i64 {
    fn accepts(data_type: &DataType) -> bool {
        data_type.is_integer() || data_type.is_temporal()
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        match value {
            Value::Int(value)
            | Value::Timestamp(value, _)
            | Value::Time(value, _)
            | Value::Duration(value, _) => Ok(value),
            Value::Date(days) => Ok(days.into()),
            Value::UInt(wide) => Self::try_from(wide).map_err(|_| too_large(&value, "i64")),
            other => Err(Unfit::of(&other)),
        }
    }
}

impl FromColumn for i32 {
    fn accepts(data_type: &DataType) -> bool {
        data_type.is_integer() || matches!(data_type, DataType::Date32 | DataType::Time32(_))
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        let wide = i64::read(value)?;
        Self::try_from(wide).map_err(|_| too_large(&Value::Int(wide), "i32"))
    }
}

impl FromColumn for bool {
    fn accepts(data_type: &DataType) -> bool {
        *data_type == DataType::Boolean
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        match value {
            Value::Bool(value) => Ok(value),
            other => Err(Unfit::of(&other)),
        }
    }
}

impl FromColumn for f32 {
    fn accepts(data_type: &DataType) -> bool {
        *data_type == DataType::Float32
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        match value {
            Value::Float32(value) => Ok(value),
            other => Err(Unfit::of(&other)),
        }
    }
}

impl FromColumn for f64 {
    fn accepts(data_type: &DataType) -> bool {
        data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64)
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        let whole = |value: i128| {
            let float = value as f64;
            let is_exact = float as i128 == value;
            is_exact
                .then_some(float)
                .ok_or_else(|| Unfit::new(format!("the value {value}, which no f64 has exactly")))
        };
        match value {
            Value::Float64(value) => Ok(value),
            Value::Float32(value) => Ok(value.into()),
            Value::Int(value) => whole(value.into()),
            Value::UInt(value) => whole(value.into()),
            other => Err(Unfit::of(&other)),
        }
    }
}

macro_rules! text {
    ($($t:ty)*) => {
        $(impl FromColumn for $t {
            fn accepts(data_type: &DataType) -> bool {
                matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            }

            fn read(value: Value<'_>) -> Result<Self, Unfit> {
                match value {
                    Value::Text(value) => Ok(value.into()),
                    other => Err(Unfit::of(&other)),
                }
            }
        })*
    };
}
text!(String Box<str> Rc<str> Arc<str>);

impl<T: FromColumn> FromColumn for Option<T> {
    fn accepts(data_type: &DataType) -> bool {
        T::accepts(data_type)
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        T::read(value).map(Some)
    }

    fn null() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromColumn> FromColumn for Vec<T> {
    fn accepts(data_type: &DataType) -> bool {
        T::accepts_list(data_type)
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        T::read_list(value)
    }
}
