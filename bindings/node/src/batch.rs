//! Batches and schemas, and the columns of a batch on their way to JavaScript.

use std::sync::Arc;

use laminar_client::{Batch, Column, DataType, Schema, TimeUnit};

use crate::bytes::{Elements, typed_array};
use crate::failure::Fallible;
use crate::form::Form;
use crate::js::{ARGUMENTS, Env, Js};
use crate::to_js::to_js;

/// JavaScript's handle of a batch.
pub fn handle<'s>(env: Env<'s>, batch: Batch) -> Fallible<Js<'s>> {
    let bytes = batch.num_rows() * batch.schema().fields().iter().map(bytes_per_row).sum::<usize>();
    env.native_of_size(batch, bytes)
}

/// JavaScript's handle of a schema.
pub fn schema_handle<'s>(env: Env<'s>, schema: &Arc<Schema>) -> Fallible<Js<'s>> {
    env.native(Arc::clone(schema))
}

/// A guess, for the collector.
fn bytes_per_row(field: &laminar_client::Field) -> usize {
    match Elements::of(field.data_type()) {
        Some(elements) => elements.width(),
        None => 32,
    }
}

/// `fields(schema)`: for each column its name, its type in SQL, whether it may be NULL, how values
/// of it cross (`kind`), and how many units of it there are in a second when it counts time.
pub fn fields<'s>(env: Env<'s>, [schema, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    let schema = schema.to_native::<Arc<Schema>>()?;
    let fields = env.array(schema.fields().len())?;
    for (index, field) in schema.fields().iter().enumerate() {
        let per_second = match field.data_type() {
            DataType::Time { unit }
            | DataType::Timestamp { unit, .. }
            | DataType::Duration { unit } => env.number(unit.per_second() as f64)?,
            _ => env.undefined()?,
        };
        let record = env.record([
            ("name", env.text(field.name())?),
            ("type", env.text(&field.data_type().to_string())?),
            ("nullable", env.boolean(field.is_nullable())?),
            ("kind", env.text(kind(field.data_type()))?),
            ("perSecond", per_second),
        ])?;
        fields.set_item(index, record)?;
    }
    Ok(fields)
}

/// How values of a type cross: by a typed array, as joined texts, or one by one (`value`).
fn kind(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Bool => "bool",
        DataType::Utf8 { view: false, .. } => "text",
        DataType::Date { bits: 32 } => "days",
        DataType::Date { .. } => "date",
        DataType::Time { .. } => "time",
        DataType::Timestamp { .. } => "timestamp",
        DataType::Duration { .. } => "duration",
        _ => match Elements::of(data_type) {
            Some(Elements::Int8) => "int8",
            Some(Elements::Uint8) => "uint8",
            Some(Elements::Int16) => "int16",
            Some(Elements::Uint16) => "uint16",
            Some(Elements::Int32) => "int32",
            Some(Elements::Uint32) => "uint32",
            Some(Elements::Int64) => "int64",
            Some(Elements::Uint64) => "uint64",
            Some(Elements::Float32) => "float32",
            Some(Elements::Float64) => "float64",
            None => "value",
        },
    }
}

impl Elements {
    /// The typed array of a type whose values are plain numbers.
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Int { bits: 8, signed: true } => Elements::Int8,
            DataType::Int { bits: 8, signed: false } => Elements::Uint8,
            DataType::Int { bits: 16, signed: true } => Elements::Int16,
            DataType::Int { bits: 16, signed: false } => Elements::Uint16,
            DataType::Int { bits: 32, signed: true } => Elements::Int32,
            DataType::Int { bits: 32, signed: false } => Elements::Uint32,
            DataType::Int { signed: true, .. } => Elements::Int64,
            DataType::Int { signed: false, .. } => Elements::Uint64,
            DataType::Float { bits: 32 } => Elements::Float32,
            DataType::Float { bits: 64 } => Elements::Float64,
            DataType::Date { bits: 32 } => Elements::Int32,
            DataType::Time { unit: TimeUnit::Second | TimeUnit::Millisecond } => Elements::Int32,
            DataType::Date { .. }
            | DataType::Time { .. }
            | DataType::Timestamp { .. }
            | DataType::Duration { .. } => Elements::Int64,
            _ => return None,
        })
    }
}

/// `rows(batch)`: how many there are.
pub fn rows<'s>(env: Env<'s>, [batch, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    env.number(batch.to_native::<Batch>()?.num_rows() as f64)
}

/// `column(batch, index, form)`: `{ valid }`, with a byte for each row or undefined, and one of
/// `plain` (a typed array), `text` and `ends` (texts joined, and where each ends in UTF-16 units)
/// and `values` (an array, in the form asked for).
pub fn column<'s>(env: Env<'s>, [batch, index, form, ..]: [Js<'s>; ARGUMENTS]) -> Fallible<Js<'s>> {
    let batch = batch.to_native::<Batch>()?;
    let column = batch.column(index.to_index()?);
    let valid = match column.validity() {
        Some(valid) => typed_array(env, Elements::Uint8, &valid)?,
        None => env.undefined()?,
    };
    if let Some(booleans) = column.booleans() {
        let plain = typed_array(env, Elements::Uint8, &booleans)?;
        return env.record([("valid", valid), ("plain", plain)]);
    }
    if let (Some(elements), Some(bytes)) = (Elements::of(column.data_type()), column.plain()) {
        return env.record([("valid", valid), ("plain", typed_array(env, elements, bytes)?)]);
    }
    if let Some((text, ends)) = column.texts() {
        let ends = typed_array(env, Elements::Uint32, &utf16_ends(text, &ends))?;
        return env.record([("valid", valid), ("text", env.text(text)?), ("ends", ends)]);
    }
    env.record([("valid", valid), ("values", values(env, &column, Form::read(form)?)?)])
}

fn values<'s>(env: Env<'s>, column: &Column<'_>, form: Form) -> Fallible<Js<'s>> {
    let values = env.array(column.num_rows())?;
    for row in 0..column.num_rows() {
        env.scoped(|env| {
            let value = to_js(env, &column.value(row)?, column.data_type(), form)?;
            values.set_item(row, value)
        })?;
    }
    Ok(values)
}

/// Where texts end in UTF-16 units, as 32-bit numbers.
fn utf16_ends(text: &str, ends: &[usize]) -> Vec<u8> {
    if text.is_ascii() {
        return ends.iter().flat_map(|end| (*end as u32).to_le_bytes()).collect();
    }
    let (mut from, mut units) = (0, 0);
    ends.iter()
        .flat_map(|end| {
            units += text[from..*end].chars().map(char::len_utf16).sum::<usize>();
            from = *end;
            (units as u32).to_le_bytes()
        })
        .collect()
}
