//! One value of a text as a value of a column.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Float16Array, Float32Array,
    Float64Array, Int64Array, NullArray, PrimitiveArray, StringArray,
};
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalUnit, TimeUnit, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type, i256,
};
use arrow_array::timezone::Tz;
use half::f16;

use crate::{EpochUnit, decimal};

/// A value as a text writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'a str),
}

/// Which value was refused, and why.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) index: usize,
    pub(crate) reason: String,
}

type Built = Result<ArrayRef, Refused>;

/// Whether a column can be made of scalars.
pub(crate) fn is_scalar(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_scalar(values),
        DataType::Interval(_) => true,
        other => !other.is_nested(),
    }
}

/// Values as an array of a type.
pub(crate) fn build(data_type: &DataType, values: &[Scalar<'_>], epoch: EpochUnit) -> Built {
    let column = Column { data_type, values, epoch };
    match data_type {
        DataType::Null => {
            column.each(|_| None::<()>)?;
            Ok(Arc::new(NullArray::new(values.len())))
        }
        DataType::Boolean => Ok(Arc::new(BooleanArray::from(column.each(boolean)?))),
        DataType::Int8 => column.integers::<Int8Type>(),
        DataType::Int16 => column.integers::<Int16Type>(),
        DataType::Int32 => column.integers::<Int32Type>(),
        DataType::Int64 => column.integers::<Int64Type>(),
        DataType::UInt8 => column.integers::<UInt8Type>(),
        DataType::UInt16 => column.integers::<UInt16Type>(),
        DataType::UInt32 => column.integers::<UInt32Type>(),
        DataType::UInt64 => column.integers::<UInt64Type>(),
        DataType::Float64 => Ok(Arc::new(Float64Array::from(column.each(float)?))),
        DataType::Float32 => {
            let narrow = |value| {
                let value = float(value)?;
                let narrow = value as f32;
                (narrow.is_finite() || !value.is_finite()).then_some(narrow)
            };
            Ok(Arc::new(Float32Array::from(column.each(narrow)?)))
        }
        DataType::Float16 => {
            let narrow = |value| {
                let value = float(value)?;
                let narrow = f16::from_f64(value);
                (narrow.is_finite() || !value.is_finite()).then_some(narrow)
            };
            Ok(Arc::new(Float16Array::from(column.each(narrow)?)))
        }
        DataType::Decimal32(..) => {
            column.decimals::<Decimal32Type>(|value| i32::try_from(value.to_i128()?).ok())
        }
        DataType::Decimal64(..) => {
            column.decimals::<Decimal64Type>(|value| i64::try_from(value.to_i128()?).ok())
        }
        DataType::Decimal128(..) => column.decimals::<Decimal128Type>(i256::to_i128),
        DataType::Decimal256(..) => column.decimals::<Decimal256Type>(Some),
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_deref().and_then(|zone| zone.parse().ok());
            let zone = zone.or_else(|| "+00:00".parse::<Tz>().ok());
            column.through_integers(|value| {
                let nanos = match value {
                    Scalar::Int(count) => count.checked_mul(epoch.nanos())?,
                    Scalar::Text(text) => match integer_of(text) {
                        Some(count) => count.checked_mul(epoch.nanos())?,
                        None => instant_nanos(text, zone.as_ref()?)?,
                    },
                    _ => return None,
                };
                exactly(nanos, unit_nanos(*unit))
            })
        }
        DataType::Duration(_) => column.through_integers(|value| i64::try_from(int(value)?).ok()),
        DataType::Date32 | DataType::Date64 => column.through_texts(&DataType::Date32),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let nanos = column.through_texts(&DataType::Time64(TimeUnit::Nanosecond))?;
            let per_unit = unit_nanos(*unit);
            let nanos = cast_to(&nanos, &DataType::Int64).map_err(|_| column.refuse(0))?;
            let nanos = nanos.as_any().downcast_ref::<Int64Array>();
            let nanos = nanos.ok_or_else(|| column.refuse(0))?;
            let inexact = nanos.iter().position(|nanos| {
                nanos.is_some_and(|nanos| exactly(i128::from(nanos), per_unit).is_none())
            });
            if let Some(index) = inexact {
                return Err(column.refuse(index));
            }
            let times = nanos.iter().map(|nanos| exactly(i128::from(nanos?), per_unit));
            let times: ArrayRef = Arc::new(times.collect::<Int64Array>());
            let width = match data_type {
                DataType::Time32(_) => DataType::Int32,
                _ => DataType::Int64,
            };
            let times = cast_to(&times, &width).map_err(|_| column.refuse(0))?;
            cast_to(&times, data_type).map_err(|_| column.refuse(0))
        }
        DataType::Interval(_) => {
            let wide = column.through_texts(&DataType::Interval(IntervalUnit::MonthDayNano))?;
            cast_to(&wide, data_type).map_err(|_| column.refuse(0))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts: ArrayRef = Arc::new(StringArray::from(column.each(text)?));
            cast_to(&texts, data_type).map_err(|_| column.refuse(0))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = column.each(|value| bytes_of_hex(text(value)?))?;
            let bytes: ArrayRef =
                Arc::new(bytes.iter().map(Option::as_deref).collect::<BinaryArray>());
            cast_to(&bytes, data_type).map_err(|_| column.refuse(0))
        }
        DataType::FixedSizeBinary(width) => {
            let width = usize::try_from(*width).unwrap_or(0);
            let bytes = column
                .each(|value| bytes_of_hex(text(value)?).filter(|bytes| bytes.len() == width))?;
            let bytes: ArrayRef =
                Arc::new(bytes.iter().map(Option::as_deref).collect::<BinaryArray>());
            cast_to(&bytes, data_type).map_err(|_| column.refuse(0))
        }
        DataType::Dictionary(_, inner) => {
            let inner = build(inner, values, epoch)?;
            cast_to(&inner, data_type).map_err(|_| column.refuse(0))
        }
        _ => Err(column.refuse(0)),
    }
}

struct Column<'a> {
    data_type: &'a DataType,
    values: &'a [Scalar<'a>],
    epoch: EpochUnit,
}

impl<'a> Column<'a> {
    /// The values, each as `read` has it; `None` from it refuses the value.
    fn each<T>(&self, read: impl Fn(Scalar<'a>) -> Option<T>) -> Result<Vec<Option<T>>, Refused> {
        let read = |(index, value): (usize, &Scalar<'a>)| match value {
            Scalar::Null => Ok(None),
            value => read(*value).map(Some).ok_or_else(|| self.refuse(index)),
        };
        self.values.iter().enumerate().map(read).collect()
    }

    fn refuse(&self, index: usize) -> Refused {
        let given = match self.values.get(index) {
            None | Some(Scalar::Null) => "NULL".to_string(),
            Some(Scalar::Bool(value)) => value.to_string(),
            Some(Scalar::Int(value)) => value.to_string(),
            Some(Scalar::Float(value)) => value.to_string(),
            Some(Scalar::Text(text)) => {
                let short: String = text.chars().take(60).collect();
                let rest = if short.len() < text.len() { "..." } else { "" };
                format!("'{short}{rest}'")
            }
        };
        let hint = match self.data_type {
            DataType::Timestamp(..) => format!(
                " (ISO 8601, or an integer in {:?} since 1970 without digits beyond its unit)",
                self.epoch
            )
            .to_lowercase()
            .replace("iso", "ISO"),
            DataType::Date32 | DataType::Date64 => " (YYYY-MM-DD)".to_string(),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => " (hexadecimal digits)".to_string(),
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => {
                " (its digits, in quotes where there are more than 15)".to_string()
            }
            _ => String::new(),
        };
        let reason = format!("{given} is no value of the type {}{hint}", self.data_type);
        Refused { index, reason }
    }

    fn integers<T: ArrowPrimitiveType>(&self) -> Built
    where
        T::Native: TryFrom<i128>,
    {
        let values = self.each(|value| T::Native::try_from(int(value)?).ok())?;
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(values)))
    }

    fn decimals<T: DecimalType>(&self, narrow: impl Fn(i256) -> Option<T::Native>) -> Built {
        let read = |value| {
            let digits = match value {
                Scalar::Text(text) => text.to_string(),
                Scalar::Int(value) => value.to_string(),
                // So many digits survive the way through a double.
                Scalar::Float(value) => {
                    let digits = value.to_string();
                    let given = digits.bytes().filter(u8::is_ascii_digit).count();
                    let leading = digits.bytes().take_while(|byte| b"-0.".contains(byte)).count();
                    (given <= 15 + leading).then_some(digits)?
                }
                _ => return None,
            };
            narrow(decimal::parse(&digits, self.data_type)?)
        };
        let array = PrimitiveArray::<T>::from_iter(self.each(read)?);
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }

    /// By way of 64-bit integers in the type's unit.
    fn through_integers(&self, read: impl Fn(Scalar<'a>) -> Option<i64>) -> Built {
        let integers: ArrayRef = Arc::new(Int64Array::from(self.each(read)?));
        cast_to(&integers, self.data_type).map_err(|_| self.refuse(0))
    }

    /// As Arrow reads texts of a type.
    fn through_texts(&self, as_type: &DataType) -> Built {
        let texts: ArrayRef = Arc::new(StringArray::from(self.each(text)?));
        let array = cast_to(&texts, as_type).map_err(|_| {
            let wrong =
                (0..texts.len()).find(|row| cast_to(&texts.slice(*row, 1), as_type).is_err());
            self.refuse(wrong.unwrap_or(0))
        })?;
        cast_to(
            &array,
            match as_type {
                DataType::Date32 => self.data_type,
                other => other,
            },
        )
        .map_err(|_| self.refuse(0))
    }
}

fn cast_to(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, arrow::error::ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })
}

fn boolean(value: Scalar<'_>) -> Option<bool> {
    match value {
        Scalar::Bool(value) => Some(value),
        Scalar::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Scalar::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn int(value: Scalar<'_>) -> Option<i128> {
    match value {
        Scalar::Int(value) => Some(value),
        Scalar::Text(text) => integer_of(text),
        _ => None,
    }
}

fn integer_of(text: &str) -> Option<i128> {
    text.parse().ok()
}

fn float(value: Scalar<'_>) -> Option<f64> {
    match value {
        Scalar::Int(value) => Some(value as f64),
        Scalar::Float(value) => Some(value),
        Scalar::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn text(value: Scalar<'_>) -> Option<&str> {
    match value {
        Scalar::Text(text) => Some(text),
        _ => None,
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| bytes.collect())?
}

/// An instant in nanoseconds since 1970.
fn instant_nanos(text: &str, zone: &Tz) -> Option<i128> {
    let instant = string_to_datetime(zone, text).ok()?;
    let seconds = i128::from(instant.timestamp()) * 1_000_000_000;
    Some(seconds + i128::from(instant.timestamp_subsec_nanos()))
}

fn unit_nanos(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Nanoseconds in a unit, if no digit is lost.
fn exactly(nanos: i128, per_unit: i128) -> Option<i64> {
    (nanos % per_unit == 0).then(|| i64::try_from(nanos / per_unit).ok())?
}
