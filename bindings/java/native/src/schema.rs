//! The columns of a batch.

use std::sync::Arc;

use jni::objects::JByteArray;
use jni::sys::jlong;
use laminar_client::{DataType, Field, IntervalUnit, Schema, TimeUnit, Value, wire};

use crate::bytes::array;
use crate::handle::{give, lend, pointer, take};
use crate::native;

native! {
    /// The schema of arguments that there are none of.
    fn Java_io_laminardb_Native_noColumns<'local>(_env) -> jlong {
        Ok(give(Arc::new(Schema::empty())))
    }

    /// The columns as a list in the form of `wire`; see [`describe`].
    fn Java_io_laminardb_Native_describeSchema<'local>(env, schema: jlong) -> JByteArray<'local> {
        // SAFETY: Java keeps the handle alive through the call.
        let schema = unsafe { lend::<Arc<Schema>>(schema) };
        let mut bytes = Vec::new();
        let fields = schema.fields().iter().map(describe).collect();
        wire::write(&Value::List(fields), &mut bytes);
        array(env, &bytes)
    }

    /// Writes the columns into an empty `ArrowSchema`.
    fn Java_io_laminardb_Native_exportSchema<'local>(_env, schema: jlong, address: jlong) -> () {
        // SAFETY: Java keeps the handle alive through the call.
        let schema = unsafe { lend::<Arc<Schema>>(schema) }.export().into_raw();
        // SAFETY: Java gives the address of a struct that is empty.
        unsafe { pointer::<laminar_client::sys::ArrowSchema>(address).write(schema) };
        Ok(())
    }

    fn Java_io_laminardb_Native_freeSchema<'local>(_env, schema: jlong) -> () {
        // SAFETY: Java frees a handle once, when nobody is in it.
        drop(unsafe { take::<Arc<Schema>>(schema) });
        Ok(())
    }
}

/// A column as a list: name, nullable, kind, its type as SQL writes it, then what the kind has:
/// bits, precision, scale, digits of the unit, zone, and the parts of a nested type.
fn describe(field: &Field) -> Value<'_> {
    let mut column = vec![Value::Str(field.name().into()), Value::Bool(field.is_nullable())];
    describe_type(field.data_type(), &mut column);
    Value::List(column)
}

fn describe_type<'a>(data_type: &'a DataType, column: &mut Vec<Value<'a>>) {
    if let DataType::Dictionary { value, .. } = data_type {
        // Cells are read as their values.
        return describe_type(value, column);
    }
    let mut numbers = Numbers::default();
    let mut parts = Vec::new();
    let kind = match data_type {
        DataType::Null | DataType::Dictionary { .. } => "NULL",
        DataType::Bool => "BOOLEAN",
        DataType::Int { bits, signed } => {
            numbers.bits = (*bits).into();
            if *signed { "INTEGER" } else { "UNSIGNED" }
        }
        DataType::Float { bits } => {
            numbers.bits = i64::from(*bits).max(32);
            "FLOAT"
        }
        DataType::Utf8 { .. } => "TEXT",
        DataType::Binary { .. } => "BINARY",
        DataType::FixedBinary { width } => {
            numbers.bits = *width as i64 * 8;
            "BINARY"
        }
        DataType::Decimal { bits, precision, scale } => {
            numbers.bits = (*bits).into();
            numbers.precision = (*precision).into();
            numbers.scale = (*scale).into();
            "DECIMAL"
        }
        DataType::Date { bits } => {
            numbers.bits = (*bits).into();
            "DATE"
        }
        DataType::Time { unit } => {
            numbers.unit(*unit);
            "TIME"
        }
        DataType::Timestamp { unit, .. } => {
            numbers.unit(*unit);
            "TIMESTAMP"
        }
        DataType::Duration { unit } => {
            numbers.unit(*unit);
            "DURATION"
        }
        DataType::Interval(
            IntervalUnit::Months
            | IntervalUnit::DaysMilliseconds
            | IntervalUnit::MonthsDaysNanoseconds,
        ) => "INTERVAL",
        DataType::List { item, .. } | DataType::FixedList { item, .. } => {
            parts.push(describe(item));
            "LIST"
        }
        DataType::Struct(fields) => {
            parts.extend(fields.iter().map(describe));
            "STRUCT"
        }
        DataType::Map { key, value } => {
            parts.extend([describe(key), describe(value)]);
            "MAP"
        }
    };
    let zone = match data_type {
        DataType::Timestamp { zone: Some(zone), .. } => Value::Str(zone.as_str().into()),
        _ => Value::Null,
    };
    column.extend([
        Value::Str(kind.into()),
        Value::Str(data_type.to_string().into()),
        Value::Int(numbers.bits),
        Value::Int(numbers.precision),
        Value::Int(numbers.scale),
        Value::Int(numbers.unit_digits),
        zone,
        Value::List(parts),
    ]);
}

#[derive(Default)]
struct Numbers {
    bits: i64,
    precision: i64,
    scale: i64,
    unit_digits: i64,
}

impl Numbers {
    fn unit(&mut self, unit: TimeUnit) {
        self.unit_digits = unit.per_second().ilog10().into();
    }
}
