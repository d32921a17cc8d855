//! [`Value`] and [`Row`]: results in a form that can be sorted, compared and printed.

use std::cmp::Ordering;
use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// One value. Integers and times are `Int` (times in the unit of their column), everything that is
/// not a number is text.
#[derive(Clone)]
pub enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
}

/// The values of a row, in the order of its columns.
pub type Row = Vec<Value>;

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Int(_) => 1,
            Self::Float(_) => 2,
            Self::Text(_) => 3,
        }
    }

    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            other => panic!("{other:?} is no integer"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Text(value) => value,
            other => panic!("{other:?} is no text"),
        }
    }
}

/// A total order in which every NaN is one value, and so is every zero.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => match (a.is_nan(), b.is_nan()) {
                (false, false) => a.partial_cmp(b).expect("neither is NaN"),
                (a, b) => a.cmp(&b),
            },
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_string())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row out of anything that makes values.
#[macro_export]
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$($crate::support::value::Value::from($value)),*] };
}

/// The rows of batches, in their order.
pub fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<Value>> = batch.columns().iter().map(column).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column[row].clone()).collect::<Row>()),
        );
    }
    rows
}

/// The rows of batches, sorted: as a multiset.
pub fn sorted(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = rows(batches);
    rows.sort();
    rows
}

fn column(array: &ArrayRef) -> Vec<Value> {
    let of = |value: &dyn Fn(usize) -> Value| {
        (0..array.len())
            .map(|row| if array.is_null(row) { Value::Null } else { value(row) })
            .collect()
    };
    match array.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let floats = cast(array, &DataType::Float64).expect("floats widen");
            of(&|row| Value::Float(floats.as_primitive::<Float64Type>().value(row)))
        }
        DataType::UInt64 | DataType::Int64 | DataType::Timestamp(..) => {
            let integers = cast(array, &DataType::Int64).expect("an integer of 64 bits");
            of(&|row| Value::Int(integers.as_primitive::<Int64Type>().value(row)))
        }
        other if other.is_integer() => {
            let integers = cast(array, &DataType::Int64).expect("integers widen");
            of(&|row| Value::Int(integers.as_primitive::<Int64Type>().value(row)))
        }
        _ => {
            let options = FormatOptions::default();
            let text = ArrayFormatter::try_new(array, &options).expect("every type has a form");
            of(&|row| Value::Text(text.value(row).to_string()))
        }
    }
}

/// Fails unless both hold the same rows, whatever their order. Floats may differ by `tolerance`
/// of their magnitude; rows with floats must differ in another column.
#[track_caller]
pub fn assert_same(what: &str, got: &[Row], expected: &[Row], tolerance: f64) {
    assert_near(what, got, expected, tolerance, 0.0);
}

/// The same, with floats that may also differ by `slack`: what summing up large values that
/// cancel leaves.
#[track_caller]
pub fn assert_near(what: &str, got: &[Row], expected: &[Row], tolerance: f64, slack: f64) {
    let order = |rows: &[Row]| {
        let mut rows: Vec<(Row, &Row)> = rows.iter().map(|row| (keys(row), row)).collect();
        rows.sort();
        rows.into_iter().map(|(_, row)| row.clone()).collect::<Vec<Row>>()
    };
    let (got, expected) = (order(got), order(expected));
    for (index, pair) in got.iter().zip(&expected).enumerate() {
        let close = pair.0.len() == pair.1.len()
            && pair.0.iter().zip(pair.1).all(|(a, b)| is_close(a, b, tolerance, slack));
        if !close {
            panic!(
                "{what}: of {} rows, expected {}, row {index} is\n  {:?}\nand should be\n  {:?}",
                got.len(),
                expected.len(),
                pair.0,
                pair.1
            );
        }
    }
    if got.len() != expected.len() {
        let (more, word) = match got.len() > expected.len() {
            true => (&got[expected.len()], "should not be"),
            false => (&expected[got.len()], "is missing"),
        };
        panic!("{what}: {} rows, expected {}: {more:?} {word}", got.len(), expected.len());
    }
}

/// The values without the floats.
fn keys(row: &Row) -> Row {
    row.iter().filter(|value| !matches!(value, Value::Float(_))).cloned().collect()
}

fn is_close(a: &Value, b: &Value, tolerance: f64, slack: f64) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) if a.is_finite() && b.is_finite() => {
            (a - b).abs() <= slack + tolerance * a.abs().max(b.abs())
        }
        (a, b) => a == b,
    }
}
