//! One cell of a batch, or one value for a row.

use std::borrow::Cow;

use crate::schema::TimeUnit;

/// A value in the terms that every language has. Reading gives these and writing takes them.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer past the range of `Int`.
    UInt(u64),
    /// A floating point number.
    Float(f64),
    /// A decimal number, as its digits: `-12.50`.
    Decimal(Cow<'a, str>),
    /// A text.
    Str(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// Days since 1970-01-01.
    Date(i64),
    /// A time of the day, in nanoseconds since midnight.
    Time(i64),
    /// A point in time since 1970-01-01T00:00:00: in UTC when there is a zone, else as the clock on
    /// the wall shows it.
    Timestamp {
        /// How many units.
        value: i64,
        /// Of what.
        unit: TimeUnit,
        /// The zone in which it is shown.
        zone: Option<Cow<'a, str>>,
    },
    /// A length of time.
    Duration {
        /// How many units.
        value: i64,
        /// Of what.
        unit: TimeUnit,
    },
    /// A calendar interval.
    Interval {
        /// Months.
        months: i32,
        /// Days.
        days: i32,
        /// Nanoseconds.
        nanoseconds: i64,
    },
    /// A list.
    List(Vec<Value<'a>>),
    /// Named fields.
    Struct(Vec<(Cow<'a, str>, Value<'a>)>),
    /// Keys and their values.
    Map(Vec<(Value<'a>, Value<'a>)>),
}

impl Value<'_> {
    /// The text of a `Str`; of anything else nothing.
    pub fn to_text(&self) -> String {
        match self {
            Value::Str(text) => text.to_string(),
            _ => String::new(),
        }
    }

    /// The same value with nothing borrowed.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Int(value) => Value::Int(value),
            Value::UInt(value) => Value::UInt(value),
            Value::Float(value) => Value::Float(value),
            Value::Decimal(digits) => Value::Decimal(digits.into_owned().into()),
            Value::Str(text) => Value::Str(text.into_owned().into()),
            Value::Bytes(bytes) => Value::Bytes(bytes.into_owned().into()),
            Value::Date(days) => Value::Date(days),
            Value::Time(nanoseconds) => Value::Time(nanoseconds),
            Value::Timestamp { value, unit, zone } => {
                let zone = zone.map(|zone| zone.into_owned().into());
                Value::Timestamp { value, unit, zone }
            }
            Value::Duration { value, unit } => Value::Duration { value, unit },
            Value::Interval { months, days, nanoseconds } => {
                Value::Interval { months, days, nanoseconds }
            }
            Value::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Value::Struct(fields) => {
                let field = |(name, value): (Cow<'_, str>, Value<'_>)| {
                    (name.into_owned().into(), value.into_owned())
                };
                Value::Struct(fields.into_iter().map(field).collect())
            }
            Value::Map(entries) => {
                let entry =
                    |(key, value): (Value<'_>, Value<'_>)| (key.into_owned(), value.into_owned());
                Value::Map(entries.into_iter().map(entry).collect())
            }
        }
    }

    /// The value's kind, as messages name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "NULL",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::UInt(_) => "an integer",
            Value::Float(_) => "a floating point number",
            Value::Decimal(_) => "a decimal number",
            Value::Str(_) => "a text",
            Value::Bytes(_) => "bytes",
            Value::Date(_) => "a date",
            Value::Time(_) => "a time",
            Value::Timestamp { .. } => "a timestamp",
            Value::Duration { .. } => "a duration",
            Value::Interval { .. } => "an interval",
            Value::List(_) => "a list",
            Value::Struct(_) => "a struct",
            Value::Map(_) => "a map",
        }
    }
}
