//! [`Datum`] and rows of them: few different values, so that keys meet, with NULLs, and times that
//! go up with disorder and ties.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int16Array, Int64Array,
    RecordBatch, StringArray, TimestampMillisecondArray,
};

use super::schema::{Column, Input, Type};
use crate::support::random::Random;

/// One value. What is counted (integers, hundredths, days, milliseconds) is an `Int`.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    Null,
    Int(i64),
    Float(f64),
    Text(&'static str),
}

pub type Row = Vec<Datum>;

const TEXTS: [&str; 6] = ["", "a", "b", "7", "12", "longer than an inline key"];

impl Datum {
    pub fn random(data_type: Type, random: &mut Random) -> Self {
        if random.chance(12) {
            return Self::Null;
        }
        match data_type {
            Type::Boolean => Self::Int(random.range(0, 2)),
            Type::SmallInt => Self::Int(random.range(-2, 4)),
            Type::BigInt if random.chance(3) => Self::Int((1 << 55) + random.range(0, 3)),
            Type::BigInt => Self::Int(random.range(-3, 6)),
            Type::Double if random.chance(3) => Self::Float(f64::NAN),
            // Quarters add up without rounding, in any order.
            Type::Double => Self::Float(random.range(-8, 20) as f64 / 4.0),
            Type::Decimal => Self::Int(random.range(-150, 400)),
            Type::Text => Self::Text(random.pick::<&str>(&TEXTS)),
            Type::Date => Self::Int(random.range(20_000, 20_004)),
            Type::Timestamp => Self::Int(random.range(0, 40)),
        }
    }

    /// As a literal of SQL.
    pub fn sql(&self, data_type: Type) -> String {
        match (self, data_type) {
            (Self::Null, _) => format!("CAST(NULL AS {})", data_type.sql()),
            (Self::Int(value), Type::Boolean) => (*value == 1).to_string(),
            (Self::Int(value), Type::Decimal) => {
                let sign = if *value < 0 { "-" } else { "" };
                let (whole, cents) = (value.abs() / 100, value.abs() % 100);
                format!("CAST('{sign}{whole}.{cents:02}' AS DECIMAL(10, 2))")
            }
            (Self::Int(value), Type::Date) => format!("arrow_cast({value}::INT, 'Date32')"),
            (Self::Int(value), Type::Timestamp) => {
                format!("arrow_cast({value}, 'Timestamp(Millisecond, None)')")
            }
            (Self::Int(value), _) => value.to_string(),
            (Self::Float(value), _) if value.is_nan() => "CAST('NaN' AS DOUBLE)".to_string(),
            (Self::Float(value), _) => format!("{value:?}"),
            (Self::Text(value), _) => format!("'{value}'"),
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }
}

/// A row of an input, at about a time, as producers push it.
pub fn row(input: &Input, about: i64, random: &mut Random) -> Row {
    let mut row: Row =
        input.pushed().iter().map(|column| Datum::random(column.data_type, random)).collect();
    if let Some(time) = input.time().filter(|_| !input.is_of_the_clock()) {
        // Behind now and then, often the same as another.
        let behind = if random.chance(25) { random.range(0, 12) } else { 0 };
        let has_none = input.delay().is_none() && random.chance(6);
        row[time] = match has_none {
            true => Datum::Null,
            false => Datum::Int(about + random.range(0, 3) - behind),
        };
    }
    if input.has_key() && row[0] == Datum::Null {
        row[0] = match input.columns[0].data_type {
            Type::Text => Datum::Text("a"),
            _ => Datum::Int(1),
        };
    }
    row
}

/// Rows as a batch of these columns.
pub fn batch(columns: &[Column], rows: &[Row]) -> RecordBatch {
    let arrays = columns.iter().enumerate().map(|(index, column)| {
        let values = rows.iter().map(|row| &row[index]);
        (column.name.clone(), array(column.data_type, values), true)
    });
    RecordBatch::try_from_iter_with_nullable(arrays).expect("columns of one length")
}

fn array<'a>(data_type: Type, values: impl Iterator<Item = &'a Datum>) -> ArrayRef {
    let ints = |values: &mut dyn Iterator<Item = &'a Datum>| -> Vec<Option<i64>> {
        values.map(Datum::int).collect()
    };
    let mut values = values;
    match data_type {
        Type::Boolean => {
            let values = ints(&mut values).into_iter().map(|value| value.map(|value| value == 1));
            Arc::new(BooleanArray::from_iter(values))
        }
        Type::SmallInt => {
            let values = ints(&mut values).into_iter().map(|value| value.map(|value| value as i16));
            Arc::new(Int16Array::from_iter(values))
        }
        Type::BigInt => Arc::new(Int64Array::from(ints(&mut values))),
        Type::Date => {
            let values = ints(&mut values).into_iter().map(|value| value.map(|value| value as i32));
            Arc::new(Date32Array::from_iter(values))
        }
        Type::Timestamp => Arc::new(TimestampMillisecondArray::from(ints(&mut values))),
        Type::Decimal => {
            let values = ints(&mut values).into_iter().map(|value| value.map(i128::from));
            let array = Decimal128Array::from_iter(values).with_precision_and_scale(10, 2);
            Arc::new(array.expect("hundredths fit"))
        }
        Type::Double => Arc::new(Float64Array::from_iter(values.map(|value| match value {
            Datum::Float(value) => Some(*value),
            _ => None,
        }))),
        Type::Text => Arc::new(StringArray::from_iter(values.map(|value| match value {
            Datum::Text(value) => Some(*value),
            _ => None,
        }))),
    }
}
