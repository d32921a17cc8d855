//! The `CREATE SOURCE` of a record.

use std::fmt::Write;

use arrow::datatypes::{DataType, TimeUnit};
use laminar_types::{Error, Result, code};

use super::record::{Record, RecordField};
use crate::catalog::quoted;

/// The statement that creates a source with a column for each field.
///
/// # Errors
/// `INVALID_SCHEMA` for a field whose type has no name in SQL.
pub(crate) fn create_source<T: Record>(name: &str) -> Result<String> {
    let mut sql = format!("CREATE SOURCE {} (", quoted(name));
    let fields = T::fields();
    for (index, field) in fields.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let not_null = if field.nullable { "" } else { " NOT NULL" };
        let data_type = in_field(field, sql_type(&field.data_type))?;
        let _ = write!(sql, "{comma}{} {data_type}{not_null}", quoted(field.name));
    }
    for field in &fields {
        let Some(delay_ms) = field.event_time else { continue };
        let name = quoted(field.name);
        let _ = write!(sql, ", WATERMARK FOR {name}");
        if delay_ms > 0 {
            let _ = write!(sql, " AS {name} - INTERVAL '{delay_ms}' MILLISECOND");
        }
    }
    sql.push(')');
    Ok(sql)
}

fn in_field(field: &RecordField, data_type: Option<String>) -> Result<String> {
    data_type.ok_or_else(|| {
        let message = format!(
            "the field `{}` is a {}, for which SQL has no column: create the source by a statement",
            field.name, field.data_type
        );
        Error::new(code::INVALID_SCHEMA, message)
    })
}

/// A type as a statement names it.
fn sql_type(data_type: &DataType) -> Option<String> {
    use DataType as T;
    let precision = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let name = match data_type {
        T::Boolean => "BOOLEAN",
        T::Int8 => "TINYINT",
        T::Int16 => "SMALLINT",
        T::Int32 => "INT",
        T::Int64 => "BIGINT",
        T::UInt8 => "TINYINT UNSIGNED",
        T::UInt16 => "SMALLINT UNSIGNED",
        T::UInt32 => "INT UNSIGNED",
        T::UInt64 => "BIGINT UNSIGNED",
        T::Float32 => "REAL",
        T::Float64 => "DOUBLE",
        T::Utf8 => "VARCHAR",
        T::Binary => "BYTEA",
        T::Date32 => "DATE",
        T::Time64(TimeUnit::Nanosecond) => "TIME",
        T::Decimal128(precision, scale) => return Some(format!("DECIMAL({precision}, {scale})")),
        T::Timestamp(unit, None) => return Some(format!("TIMESTAMP({})", precision(unit))),
        T::Timestamp(unit, Some(zone)) if &**zone == "UTC" => {
            return Some(format!("TIMESTAMP({}) WITH TIME ZONE", precision(unit)));
        }
        T::List(item) => return Some(format!("{}[]", sql_type(item.data_type())?)),
        T::Struct(fields) => {
            let field = |field: &arrow::datatypes::FieldRef| {
                Some(format!("{} {}", quoted(field.name()), sql_type(field.data_type())?))
            };
            let fields = fields.iter().map(field).collect::<Option<Vec<_>>>()?;
            return Some(format!("STRUCT<{}>", fields.join(", ")));
        }
        _ => return None,
    };
    Some(name.to_string())
}
