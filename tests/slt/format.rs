//! How values are printed: as PostgreSQL prints them, with `NULL` and `(empty)` for the two that
//! could not be seen.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sqllogictest::DefaultColumnType;

/// The letter of a column in the line of a `query`.
pub fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            DefaultColumnType::FloatingPoint
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

/// The rows of a batch, printed.
pub fn rows(batch: &RecordBatch) -> Result<Vec<Vec<String>>, ArrowError> {
    let columns =
        batch.columns().iter().map(column).collect::<Result<Vec<Vec<String>>, ArrowError>>()?;
    Ok((0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column[row].clone()).collect())
        .collect())
}

fn column(array: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    let print = |value: &dyn Fn(usize) -> String| {
        let value = |row| if array.is_null(row) { "NULL".to_string() } else { value(row) };
        (0..array.len()).map(value).collect()
    };
    Ok(match array.data_type() {
        DataType::Null => vec!["NULL".to_string(); array.len()],
        DataType::Boolean => {
            let values = array.as_boolean();
            print(&|row| if values.value(row) { "t" } else { "f" }.to_string())
        }
        DataType::Float32 | DataType::Float16 => {
            // The shortest text that reads as the same number of 32 bits, not of 64.
            let values = cast(array, &DataType::Float32)?;
            let values = values.as_primitive::<arrow::datatypes::Float32Type>().clone();
            print(&|row| float(&values.value(row).to_string(), values.value(row).into()))
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            print(&|row| float(&values.value(row).to_string(), values.value(row)))
        }
        _ => {
            let options = FormatOptions::default()
                .with_null("NULL")
                .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
                .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f%:z"));
            let formatter = ArrayFormatter::try_new(array, &options)?;
            print(&|row| match formatter.value(row).to_string() {
                text if text.is_empty() => "(empty)".to_string(),
                // A line of the script is a row.
                text => text.replace('\n', "\\n"),
            })
        }
    })
}

fn float(text: &str, value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_string(),
        value if value.is_infinite() => if value > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        0.0 => "0".to_string(),
        _ => text.to_string(),
    }
}
