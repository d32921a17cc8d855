//! Values on their way from JavaScript, one at a time, before they are fitted to their column.

use std::borrow::Cow;

use laminar_client::{DataType, Error, TimeUnit, Value};

use crate::bytes;
use crate::failure::{Failure, Fallible};
use crate::form::MAX_SAFE_INTEGER;
use crate::js::{Js, Kind};

const MILLISECONDS_PER_DAY: f64 = 86_400_000.0;

/// The value of JavaScript's for a column of this type. `undefined` is NULL, as `null` is.
pub fn value(js: Js<'_>, data_type: &DataType) -> Fallible<Value<'static>> {
    Ok(match js.kind()? {
        Kind::Undefined | Kind::Null => Value::Null,
        Kind::Boolean => Value::Bool(js.to_bool()?),
        Kind::Number => number(js.to_number()?, data_type)?,
        Kind::BigInt => match (js.to_i64()?, js.to_u64()?) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::UInt(value),
            (None, None) => Value::Decimal(js.env().instance()?.text(js)?.into()),
        },
        Kind::String => {
            let text = text(js)?;
            match data_type {
                DataType::Decimal { .. } => Value::Decimal(text.into()),
                _ => Value::Str(text.into()),
            }
        }
        Kind::Object => object(js, data_type)?,
        Kind::Other => {
            return Err(Error::value("a symbol or function cannot be stored").into());
        }
    })
}

/// Numbers of JavaScript are floating point: where integers are wanted, those that are integers
/// count as such, and where decimals are, the digits that JavaScript shows.
fn number(number: f64, data_type: &DataType) -> Fallible<Value<'static>> {
    let float = matches!(data_type, DataType::Float { .. });
    if float || number.fract() != 0.0 || !number.is_finite() {
        let digits = matches!(data_type, DataType::Decimal { .. }) && number.is_finite();
        // Rust's shortest digits are JavaScript's, without an exponent.
        let decimal = || Value::Decimal(number.to_string().into());
        return Ok(if digits { decimal() } else { Value::Float(number) });
    }
    if number.abs() > MAX_SAFE_INTEGER as f64 {
        return Err(Error::value(format!(
            "the number {number} is past the integers that numbers hold exactly; give a bigint"
        ))
        .into());
    }
    Ok(Value::Int(number as i64))
}

/// A text; halves of surrogate pairs are refused.
fn text(js: Js<'_>) -> Fallible<String> {
    let text = js.to_text()?;
    if text.contains('\u{fffd}') && String::from_utf16(&js.to_utf16()?).is_err() {
        return Err(Error::value("the text has half of a surrogate pair").into());
    }
    Ok(text)
}

fn object(js: Js<'_>, data_type: &DataType) -> Fallible<Value<'static>> {
    if let Some(milliseconds) = js.to_date()? {
        return date(milliseconds, data_type);
    }
    if let Some(length) = js.array_length()? {
        return list(js, length, data_type);
    }
    if let Some((kind, bytes)) = bytes::read(js)? {
        if bytes::is_bytes(kind) && !matches!(data_type, DataType::List { .. }) {
            return Ok(Value::Bytes(Cow::Owned(bytes.to_vec())));
        }
        let length = js.named("length")?.to_index()?;
        return list(js, length, data_type);
    }
    if let Some(bytes) = bytes::array_buffer(js)? {
        return Ok(Value::Bytes(Cow::Owned(bytes.to_vec())));
    }
    match data_type {
        DataType::Map { key, value: item } => {
            // Of a Map or of an object with its own properties.
            let pairs = js.env().instance()?.pairs(js)?;
            let length = pairs.array_length()?.unwrap_or(0);
            let entry = |index| {
                let pair = pairs.item(index)?;
                Ok((
                    value(pair.item(0)?, key.data_type())?,
                    value(pair.item(1)?, item.data_type())?,
                ))
            };
            Ok(Value::Map((0..length).map(entry).collect::<Fallible<_>>()?))
        }
        DataType::Struct(fields) => {
            let names = js.keys()?;
            let length = names.array_length()?.unwrap_or(0);
            let field = |index| {
                let key = names.item(index)?;
                let name = key.to_text()?;
                let field = fields.iter().find(|field| field.name() == name);
                let field_type = field.map_or(&DataType::Null, |field| field.data_type());
                Ok((name.into(), value(js.property(key)?, field_type)?))
            };
            Ok(Value::Struct((0..length).map(field).collect::<Fallible<_>>()?))
        }
        _ => Ok(Value::Struct(Vec::new())),
    }
}

fn list(js: Js<'_>, length: usize, data_type: &DataType) -> Fallible<Value<'static>> {
    let item_type = match data_type {
        DataType::List { item, .. } | DataType::FixedList { item, .. } => item.data_type(),
        // It will not fit, whatever is in it.
        _ => return Ok(Value::List(Vec::new())),
    };
    let items = (0..length).map(|index| value(js.item(index)?, item_type));
    Ok(Value::List(items.collect::<Fallible<_>>()?))
}

/// A date is a point in time, and a day where it is one without a time of the day in UTC.
fn date(milliseconds: f64, data_type: &DataType) -> Fallible<Value<'static>> {
    if milliseconds.is_nan() {
        return Err(Failure::Library(Error::value("an invalid Date cannot be stored")));
    }
    if matches!(data_type, DataType::Date { .. }) && milliseconds % MILLISECONDS_PER_DAY == 0.0 {
        return Ok(Value::Date((milliseconds / MILLISECONDS_PER_DAY) as i64));
    }
    // Dates reach 8.64e15 milliseconds: the cast is exact.
    let (value, unit) = (milliseconds as i64, TimeUnit::Millisecond);
    Ok(Value::Timestamp { value, unit, zone: None })
}
