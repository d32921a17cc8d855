//! Python's objects as values for a column.

use std::borrow::Cow;

use laminar_client::{DataType, Error, TimeUnit, Value};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDate, PyDateAccess, PyDateTime, PyDelta, PyDeltaAccess, PyDict,
    PyFloat, PyInt, PyList, PyString, PyTime, PyTimeAccess, PyTuple, PyTzInfoAccess,
};

use crate::civil::days_from_civil;
use crate::failure::Fallible;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The value of an object, for a column of this type. The types that pandas and numpy have for a
/// single value are read as the plain ones they stand for; their marks for "missing" are NULL.
pub fn value<'a>(object: &'a Bound<'_, PyAny>, data_type: &DataType) -> Fallible<Value<'a>> {
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(value) = object.cast::<PyBool>() {
        return Ok(Value::Bool(value.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        return integer(object);
    }
    if let Ok(value) = object.cast::<PyFloat>() {
        return Ok(Value::Float(value.value()));
    }
    if let Ok(text) = object.cast::<PyString>() {
        let text = text.to_cow().map_err(|_| Error::value("the text has half of a surrogate pair"));
        return Ok(Value::Str(text?));
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Value::Bytes(Cow::Borrowed(bytes.as_bytes())));
    }
    if let Ok(bytes) = object.cast::<PyByteArray>() {
        return Ok(Value::Bytes(Cow::Owned(bytes.to_vec())));
    }
    if let Ok(time) = object.cast::<PyDateTime>() {
        return timestamp(time);
    }
    if let Ok(date) = object.cast::<PyDate>() {
        let days = days_from_civil(date.get_year(), date.get_month(), date.get_day());
        return Ok(Value::Date(days));
    }
    if let Ok(time) = object.cast::<PyTime>() {
        if time.get_tzinfo().is_some() {
            return Err(Error::value("a time of the day with a time zone cannot be stored").into());
        }
        return Ok(Value::Time(clock_micros(time) * 1_000));
    }
    if let Ok(delta) = object.cast::<PyDelta>() {
        let micros = delta_micros(delta).ok_or_else(|| Error::value("the duration is too long"))?;
        return Ok(Value::Duration { value: micros, unit: TimeUnit::Microsecond });
    }
    if let Ok(items) = object.cast::<PyList>() {
        return list(items.iter(), data_type);
    }
    if let Ok(items) = object.cast::<PyTuple>() {
        return list(items.iter(), data_type);
    }
    if let Ok(fields) = object.cast::<PyDict>() {
        return dict(fields, data_type);
    }
    by_name(object, data_type)
}

fn integer<'a>(object: &Bound<'_, PyAny>) -> Fallible<Value<'a>> {
    if let Ok(value) = object.extract::<i64>() {
        return Ok(Value::Int(value));
    }
    if let Ok(value) = object.extract::<u64>() {
        return Ok(Value::UInt(value));
    }
    Ok(Value::Decimal(object.str()?.to_string().into()))
}

/// Classes that are known by name, so that their modules need not be imported.
fn by_name<'a>(object: &Bound<'_, PyAny>, data_type: &DataType) -> Fallible<Value<'a>> {
    let class = object.get_type();
    let (module, name) = (class.module()?.to_string(), class.name()?.to_string());
    match (module.split('.').next().unwrap_or_default(), name.as_str()) {
        ("decimal", "Decimal") => {
            let digits = object.call_method1("__format__", ("f",))?.extract::<String>()?;
            Ok(Value::Decimal(digits.into()))
        }
        ("uuid", "UUID") => match data_type {
            DataType::FixedBinary { .. } | DataType::Binary { .. } => {
                let bytes = object.getattr("bytes")?.extract::<Vec<u8>>()?;
                Ok(Value::Bytes(bytes.into()))
            }
            _ => Ok(Value::Str(object.str()?.to_string().into())),
        },
        ("builtins", "memoryview") => {
            let bytes = object.call_method0("tobytes")?.extract::<Vec<u8>>()?;
            Ok(Value::Bytes(bytes.into()))
        }
        ("pandas", "NAType") => Ok(Value::Null),
        ("numpy", "datetime64" | "timedelta64") => {
            let unit = format!("{name}[us]");
            let plain = object.call_method1("astype", (unit,))?.call_method0("item")?;
            detached(&plain, data_type)
        }
        ("numpy", _) if object.hasattr("item")? => {
            detached(&object.call_method0("item")?, data_type)
        }
        _ => Err(Error::value(format!("an object of {module}.{name} cannot be stored")).into()),
    }
}

/// The value of an object that does not live on.
fn detached(object: &Bound<'_, PyAny>, data_type: &DataType) -> Fallible<Value<'static>> {
    Ok(value(object, data_type)?.into_owned())
}

fn list<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    data_type: &DataType,
) -> Fallible<Value<'static>> {
    let item_type = match data_type {
        DataType::List { item, .. } | DataType::FixedList { item, .. } => item.data_type(),
        // It will not fit, whatever is in it.
        _ => return Ok(Value::List(Vec::new())),
    };
    let items = items.map(|item| detached(&item, item_type));
    Ok(Value::List(items.collect::<Fallible<_>>()?))
}

/// A dict is a struct whose keys are the names of its fields, or a map.
fn dict(fields: &Bound<'_, PyDict>, data_type: &DataType) -> Fallible<Value<'static>> {
    if let DataType::Map { key, value } = data_type {
        let entry = |(k, v): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            Ok((detached(&k, key.data_type())?, detached(&v, value.data_type())?))
        };
        return Ok(Value::Map(fields.iter().map(entry).collect::<Fallible<_>>()?));
    }
    let DataType::Struct(types) = data_type else {
        return Ok(Value::Struct(Vec::new()));
    };
    let field = |(name, object): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name = name
            .extract::<String>()
            .map_err(|_| Error::value("the names of the fields of a struct are texts"))?;
        let field_type = types.iter().find(|field| field.name() == name);
        let field_type = field_type.map_or(&DataType::Null, |field| field.data_type());
        Ok((name.into(), detached(&object, field_type)?))
    };
    Ok(Value::Struct(fields.iter().map(field).collect::<Fallible<_>>()?))
}

/// A time with a zone counts in UTC, one without as it stands. pandas' NaT is a datetime that is
/// not equal to itself.
fn timestamp<'a>(time: &Bound<'_, PyDateTime>) -> Fallible<Value<'a>> {
    if time.ne(time)? {
        return Ok(Value::Null);
    }
    let days = days_from_civil(time.get_year(), time.get_month(), time.get_day());
    let mut micros = days * MICROS_PER_DAY + clock_micros(time);
    if time.get_tzinfo().is_some() {
        let offset = time.call_method0("utcoffset")?;
        if let Ok(offset) = offset.cast::<PyDelta>() {
            micros -= delta_micros(offset).unwrap_or(0);
        }
    }
    // Only pandas' datetimes have nanoseconds.
    let class = time.get_type();
    if !class.is(time.py().get_type::<PyDateTime>())
        && let Ok(nanosecond) = time.getattr("nanosecond")
        && let nanosecond @ 1.. = nanosecond.extract::<i64>()?
    {
        let nanoseconds = micros.checked_mul(1_000).and_then(|value| value.checked_add(nanosecond));
        let value = nanoseconds.ok_or_else(|| Error::value("the timestamp is out of range"))?;
        return Ok(Value::Timestamp { value, unit: TimeUnit::Nanosecond, zone: None });
    }
    Ok(Value::Timestamp { value: micros, unit: TimeUnit::Microsecond, zone: None })
}

fn clock_micros(time: &impl PyTimeAccess) -> i64 {
    let seconds = i64::from(time.get_hour()) * 3600
        + i64::from(time.get_minute()) * 60
        + i64::from(time.get_second());
    seconds * MICROS_PER_SECOND + i64::from(time.get_microsecond())
}

fn delta_micros(delta: &Bound<'_, PyDelta>) -> Option<i64> {
    let seconds = i64::from(delta.get_days()) * 86_400 + i64::from(delta.get_seconds());
    seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(delta.get_microseconds().into())
}
