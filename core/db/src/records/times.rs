//! Points in time and spans of it: those of the standard library, and those of `chrono`.

use std::time::{Duration, SystemTime};

use arrow::datatypes::{DataType, TimeUnit as ArrowUnit};
use laminar_types::Result;

use super::cell::Cell;
use super::from_column::FromColumn;
use super::to_column::ToColumn;
use super::value::{Unfit, Value};

impl ToColumn for SystemTime {
    fn data_type() -> DataType {
        DataType::Timestamp(ArrowUnit::Nanosecond, None)
    }

    fn write(&self, cell: Cell<'_>) -> Result<()> {
        cell.nanoseconds(match self.duration_since(Self::UNIX_EPOCH) {
            Ok(after) => nanoseconds(after),
            Err(before) => -nanoseconds(before.duration()),
        })
    }
}

impl FromColumn for SystemTime {
    fn accepts(data_type: &DataType) -> bool {
        is_point(data_type)
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        let since = point(&value)?;
        let span = span(since.unsigned_abs());
        let moved = match since < 0 {
            true => Self::UNIX_EPOCH.checked_sub(span),
            false => Self::UNIX_EPOCH.checked_add(span),
        };
        moved.ok_or_else(|| Unfit::new("a time that no SystemTime has"))
    }
}

impl ToColumn for Duration {
    fn data_type() -> DataType {
        DataType::Duration(ArrowUnit::Nanosecond)
    }

    fn write(&self, cell: Cell<'_>) -> Result<()> {
        cell.nanoseconds(nanoseconds(*self))
    }
}

impl FromColumn for Duration {
    fn accepts(data_type: &DataType) -> bool {
        matches!(data_type, DataType::Duration(_))
    }

    fn read(value: Value<'_>) -> Result<Self, Unfit> {
        match value {
            Value::Duration(count, unit) => match u64::try_from(count) {
                Ok(count) => Ok(span(u128::from(count) * u128::from(unit.nanos().unsigned_abs()))),
                Err(_) => Err(Unfit::new("a negative duration")),
            },
            other => Err(Unfit::of(&other)),
        }
    }
}

fn nanoseconds(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).expect("2^64 seconds are less than 2^127 nanoseconds")
}

fn span(nanoseconds: u128) -> Duration {
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, (nanoseconds % 1_000_000_000) as u32)
}

fn is_point(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Timestamp(..) | DataType::Date64)
}

/// A point in time as nanoseconds since 1970; integers are milliseconds.
fn point(value: &Value<'_>) -> Result<i128, Unfit> {
    Ok(match value {
        Value::Timestamp(count, unit) => i128::from(*count) * i128::from(unit.nanos()),
        Value::Int(millis) => i128::from(*millis) * 1_000_000,
        Value::UInt(millis) => i128::from(*millis) * 1_000_000,
        other => return Err(Unfit::of(other)),
    })
}

#[cfg(feature = "chrono")]
mod of_chrono {
    use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

    use super::*;

    impl ToColumn for DateTime<Utc> {
        fn data_type() -> DataType {
            DataType::Timestamp(ArrowUnit::Nanosecond, Some("UTC".into()))
        }

        fn write(&self, cell: Cell<'_>) -> Result<()> {
            let seconds = i128::from(self.timestamp()) * 1_000_000_000;
            cell.nanoseconds(seconds + i128::from(self.timestamp_subsec_nanos()))
        }
    }

    impl FromColumn for DateTime<Utc> {
        fn accepts(data_type: &DataType) -> bool {
            is_point(data_type)
        }

        fn read(value: Value<'_>) -> Result<Self, Unfit> {
            let since = point(&value)?;
            let (seconds, nanos) =
                (since.div_euclid(1_000_000_000), since.rem_euclid(1_000_000_000));
            let seconds = i64::try_from(seconds).ok();
            seconds
                .and_then(|seconds| Self::from_timestamp(seconds, nanos as u32))
                .ok_or_else(|| Unfit::new("a time that no DateTime has"))
        }
    }

    impl ToColumn for NaiveDateTime {
        fn data_type() -> DataType {
            DataType::Timestamp(ArrowUnit::Nanosecond, None)
        }

        fn write(&self, cell: Cell<'_>) -> Result<()> {
            self.and_utc().write(cell)
        }
    }

    impl FromColumn for NaiveDateTime {
        fn accepts(data_type: &DataType) -> bool {
            is_point(data_type)
        }

        fn read(value: Value<'_>) -> Result<Self, Unfit> {
            DateTime::<Utc>::read(value).map(|time| time.naive_utc())
        }
    }

    impl ToColumn for NaiveDate {
        fn data_type() -> DataType {
            DataType::Date32
        }

        fn write(&self, cell: Cell<'_>) -> Result<()> {
            let days = self.signed_duration_since(NaiveDate::default()).num_days();
            cell.days(i32::try_from(days).expect("chrono's dates are within 2^31 days of 1970"))
        }
    }

    impl FromColumn for NaiveDate {
        fn accepts(data_type: &DataType) -> bool {
            *data_type == DataType::Date32
        }

        fn read(value: Value<'_>) -> Result<Self, Unfit> {
            match value {
                Value::Date(days) => NaiveDate::default()
                    .checked_add_signed(TimeDelta::days(days.into()))
                    .ok_or_else(|| Unfit::new("a date that no NaiveDate has")),
                other => Err(Unfit::of(&other)),
            }
        }
    }

    impl ToColumn for NaiveTime {
        fn data_type() -> DataType {
            DataType::Time64(ArrowUnit::Nanosecond)
        }

        fn write(&self, cell: Cell<'_>) -> Result<()> {
            let seconds = i128::from(self.num_seconds_from_midnight());
            cell.nanoseconds(seconds * 1_000_000_000 + i128::from(self.nanosecond()))
        }
    }

    impl FromColumn for NaiveTime {
        fn accepts(data_type: &DataType) -> bool {
            matches!(data_type, DataType::Time32(_) | DataType::Time64(_))
        }

        fn read(value: Value<'_>) -> Result<Self, Unfit> {
            let Value::Time(count, unit) = value else {
                return Err(Unfit::of(&value));
            };
            let since = i128::from(count) * i128::from(unit.nanos());
            let seconds = u32::try_from(since.div_euclid(1_000_000_000)).ok();
            let nanos = since.rem_euclid(1_000_000_000) as u32;
            seconds
                .and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos))
                .ok_or_else(|| Unfit::new("a time that is of no day"))
        }
    }
}
