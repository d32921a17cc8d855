//! [`Value`], one value of a column as it is read.

use std::fmt;

use arrow::array::{ArrayRef, StructArray};
use laminar_types::TimeUnit;

/// One value of a column.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Value<'a> {
    /// No value.
    Null,
    /// A boolean.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    UInt(u64),
    /// A float of four bytes.
    Float32(f32),
    /// A float of eight bytes.
    Float64(f64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A point in time since 1970, counted in a unit.
    Timestamp(i64, TimeUnit),
    /// A time of the day.
    Time(i64, TimeUnit),
    /// A span of time.
    Duration(i64, TimeUnit),
    /// Days since 1970.
    Date(i32),
    /// `unscaled * 10^-scale`.
    Decimal {
        /// The digits without the point.
        unscaled: i128,
        /// How many of them stand behind the point.
        scale: i8,
    },
    /// A list: its items.
    List(ArrayRef),
    /// A struct: the array that it stands in, and its row there.
    Struct(&'a StructArray, usize),
}

impl Value<'_> {
    /// What it is, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) => "an integer",
            Self::Float32(_) | Self::Float64(_) => "a float",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(..) => "a timestamp",
            Self::Time(..) => "a time of the day",
            Self::Duration(..) => "a duration",
            Self::Date(_) => "a date",
            Self::Decimal { .. } => "a decimal",
            Self::List(_) => "a list",
            Self::Struct(..) => "a struct",
        }
    }
}

/// Why a value cannot be read as the type that was asked for; the row that it stands in makes an
/// error of it that names the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit(String);

impl Unfit {
    /// What the value is, as in "the column holds ...".
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// A value of another kind.
    pub fn of(value: &Value<'_>) -> Self {
        Self::new(value.kind())
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
