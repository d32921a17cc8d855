//! Values on their way to JavaScript, one at a time: those for which there is no typed array.

use laminar_client::{DataType, Value};

use crate::bytes::{Elements, typed_array};
use crate::failure::Fallible;
use crate::form::Form;
use crate::js::{Env, Js};

/// The value of JavaScript for a value of this type.
pub fn to_js<'s>(
    env: Env<'s>,
    value: &Value<'_>,
    data_type: &DataType,
    form: Form,
) -> Fallible<Js<'s>> {
    match value {
        Value::Null => env.null(),
        Value::Bool(value) => env.boolean(*value),
        Value::Int(value) => match data_type {
            DataType::Int { bits: 64, signed: false } => form.unsigned(env, *value as u64),
            DataType::Int { bits: 64, .. } => form.integer(env, *value),
            DataType::Dictionary { value: data_type, .. } => {
                to_js(env, &Value::Int(*value), data_type, form)
            }
            _ => env.number(*value as f64),
        },
        Value::UInt(value) => form.unsigned(env, *value),
        Value::Float(value) => env.number(*value),
        Value::Decimal(digits) if form.decimal_numbers => {
            env.number(digits.parse().unwrap_or(f64::NAN))
        }
        Value::Decimal(text) | Value::Str(text) => env.text(text),
        Value::Bytes(bytes) => typed_array(env, Elements::Uint8, bytes),
        Value::Date(days) => form.point_in_time(env, days.saturating_mul(86_400), 1),
        Value::Time(nanoseconds) => {
            let per_second = match data_type {
                DataType::Time { unit } => unit.per_second(),
                _ => 1_000_000_000,
            };
            let count = nanoseconds / (1_000_000_000 / per_second);
            if per_second <= 1_000 { env.number(count as f64) } else { form.integer(env, count) }
        }
        Value::Timestamp { value, unit, .. } => form.point_in_time(env, *value, unit.per_second()),
        Value::Duration { value, .. } => form.integer(env, *value),
        Value::Interval { months, days, nanoseconds } => env.record([
            ("months", env.number((*months).into())?),
            ("days", env.number((*days).into())?),
            ("nanoseconds", form.integer(env, *nanoseconds)?),
        ]),
        Value::List(items) => {
            let item_type = match data_type {
                DataType::List { item, .. } | DataType::FixedList { item, .. } => item.data_type(),
                _ => &DataType::Null,
            };
            let array = env.array(items.len())?;
            for (index, item) in items.iter().enumerate() {
                array.set_item(index, to_js(env, item, item_type, form)?)?;
            }
            Ok(array)
        }
        Value::Struct(values) => {
            let object = env.object()?;
            for (index, (name, value)) in values.iter().enumerate() {
                let field_type = match data_type {
                    DataType::Struct(fields) => fields[index].data_type(),
                    _ => &DataType::Null,
                };
                object.set(env.text(name)?, to_js(env, value, field_type, form)?)?;
            }
            Ok(object)
        }
        // As pairs: `new Map(pairs)` is made of them.
        Value::Map(entries) => {
            let (key_type, value_type) = match data_type {
                DataType::Map { key, value } => (key.data_type(), value.data_type()),
                _ => (&DataType::Null, &DataType::Null),
            };
            let pairs = env.array(entries.len())?;
            for (index, (key, value)) in entries.iter().enumerate() {
                let pair = env.array(2)?;
                pair.set_item(0, to_js(env, key, key_type, form)?)?;
                pair.set_item(1, to_js(env, value, value_type, form)?)?;
                pairs.set_item(index, pair)?;
            }
            env.instance()?.map(env, pairs)
        }
    }
}
