//! Values as Python's objects.

use laminar_client::{TimeUnit, Value};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDate, PyDateTime, PyDelta, PyDict, PyList, PyTime, PyTzInfo};

use crate::civil::civil_from_days;

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The object that Python has for a value. Nanoseconds are cut to the microseconds that Python
/// knows.
///
/// Raises `OverflowError` for dates outside of the years 1 to 9999.
pub fn object<'py>(py: Python<'py>, value: Value<'_>) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Int(value) => value.into_bound_py_any(py),
        Value::UInt(value) => value.into_bound_py_any(py),
        Value::Float(value) => value.into_bound_py_any(py),
        Value::Decimal(digits) => {
            static DECIMAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            DECIMAL.import(py, "decimal", "Decimal")?.call1((digits.as_ref(),))
        }
        Value::Str(text) => text.into_bound_py_any(py),
        Value::Bytes(bytes) => Ok(PyBytes::new(py, &bytes).into_any()),
        Value::Date(days) => {
            let (year, month, day) = date(days)?;
            Ok(PyDate::new(py, year, month, day)?.into_any())
        }
        Value::Time(nanoseconds) => {
            let (hour, minute, second, micro) = clock(nanoseconds.div_euclid(1_000));
            Ok(PyTime::new(py, hour, minute, second, micro, None)?.into_any())
        }
        Value::Timestamp { value, unit, zone } => timestamp(py, value, unit, zone.as_deref()),
        Value::Duration { value, unit } => {
            let (seconds, micros) = split(value, unit);
            let days = seconds.div_euclid(SECONDS_PER_DAY);
            let days = i32::try_from(days).map_err(|_| out_of_range("a duration"))?;
            let seconds = seconds.rem_euclid(SECONDS_PER_DAY) as i32;
            Ok(PyDelta::new(py, days, seconds, micros as i32, false)?.into_any())
        }
        Value::Interval { months, days, nanoseconds } => {
            (months, days, nanoseconds).into_bound_py_any(py)
        }
        Value::List(items) => {
            let items = items.into_iter().map(|item| object(py, item));
            Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any())
        }
        Value::Struct(fields) => {
            let dict = PyDict::new(py);
            for (name, value) in fields {
                dict.set_item(name.as_ref(), object(py, value)?)?;
            }
            Ok(dict.into_any())
        }
        Value::Map(entries) => {
            let dict = PyDict::new(py);
            for (key, value) in entries {
                dict.set_item(object(py, key)?, object(py, value)?)?;
            }
            Ok(dict.into_any())
        }
    }
}

fn timestamp<'py>(
    py: Python<'py>,
    value: i64,
    unit: TimeUnit,
    zone: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let (seconds, micros) = split(value, unit);
    let (year, month, day) = date(seconds.div_euclid(SECONDS_PER_DAY))?;
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second, micro) = clock(second_of_day * MICROS_PER_SECOND + micros);
    let utc = PyTzInfo::utc(py)?;
    let in_zone = zone.is_some().then_some(&*utc);
    let time = PyDateTime::new(py, year, month, day, hour, minute, second, micro, in_zone)?;
    match zone {
        None | Some("UTC" | "Z" | "+00:00") => Ok(time.into_any()),
        Some(name) => {
            let zone = match fixed_offset(name) {
                Some(seconds) => {
                    let days = if seconds < 0 { -1 } else { 0 };
                    let seconds = seconds.rem_euclid(SECONDS_PER_DAY as i32);
                    PyTzInfo::fixed_offset(py, PyDelta::new(py, days, seconds, 0, false)?)?
                }
                None => PyTzInfo::timezone(py, name)?,
            };
            time.call_method1("astimezone", (zone,))
        }
    }
}

/// Whole seconds, downwards, and the microseconds above them.
fn split(value: i64, unit: TimeUnit) -> (i64, i64) {
    let per_second = unit.per_second();
    let part = value.rem_euclid(per_second);
    let micros = i128::from(part) * i128::from(MICROS_PER_SECOND) / i128::from(per_second);
    (value.div_euclid(per_second), micros as i64)
}

fn date(days: i64) -> PyResult<(i32, u8, u8)> {
    let (year, month, day) = civil_from_days(days.clamp(-1 << 40, 1 << 40));
    match i32::try_from(year) {
        Ok(year @ 1..=9999) => Ok((year, month, day)),
        _ => Err(out_of_range("a date")),
    }
}

/// Hour, minute, second and microsecond of the microseconds since midnight.
fn clock(micros: i64) -> (u8, u8, u8, u32) {
    let seconds = micros.div_euclid(MICROS_PER_SECOND).rem_euclid(SECONDS_PER_DAY);
    let micro = micros.rem_euclid(MICROS_PER_SECOND) as u32;
    ((seconds / 3600) as u8, (seconds / 60 % 60) as u8, (seconds % 60) as u8, micro)
}

/// `+05:30` and `-0800` in seconds.
fn fixed_offset(name: &str) -> Option<i32> {
    let sign = match name.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = name[1..].replace(':', "");
    let (hours, minutes) = (digits.get(..2)?, digits.get(2..4)?);
    Some(sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60))
}

fn out_of_range(what: &str) -> PyErr {
    PyOverflowError::new_err(format!(
        "{what} of the result is outside of what Python's datetime can hold; read it through arrow()"
    ))
}
