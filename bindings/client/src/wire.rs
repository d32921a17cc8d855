//! Values in one piece of bytes, for languages into which every single crossing is dear.
//!
//! A value is a tag and what the tag says; numbers are little-endian, a text or bytes are their
//! length (`u32`) and themselves. Rows are their number (`u32`) and then, row after row, a value for
//! each column of their schema.
//!
//! | tag | value | followed by |
//! |---|---|---|
//! | 0 | NULL | |
//! | 1, 2 | false, true | |
//! | 3, 4 | integer | `i64`, `u64` |
//! | 5 | floating point number | `f64` |
//! | 6, 7, 8 | digits of a decimal, text, bytes | length, bytes |
//! | 9, 10 | date, time | `i64` days, `i64` nanoseconds |
//! | 11 | timestamp | digits of its unit (`u8`: 0, 3, 6, 9), `i64`, zone as a text, empty for none |
//! | 12 | duration | digits of its unit, `i64` |
//! | 13 | interval | `i32` months, `i32` days, `i64` nanoseconds |
//! | 14 | list | number of items (`u32`), items |
//! | 15 | struct | number of fields, for each its name as a text and its value |
//! | 16 | map | number of entries, for each key and value |

use std::borrow::Cow;

use crate::schema::TimeUnit;
use crate::{Error, Result, RowBuffer, Value};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const UINT: u8 = 4;
const FLOAT: u8 = 5;
const DECIMAL: u8 = 6;
const STR: u8 = 7;
const BYTES: u8 = 8;
const DATE: u8 = 9;
const TIME: u8 = 10;
const TIMESTAMP: u8 = 11;
const DURATION: u8 = 12;
const INTERVAL: u8 = 13;
const LIST: u8 = 14;
const STRUCT: u8 = 15;
const MAP: u8 = 16;

/// Lists within lists go no deeper than this.
const DEPTH: usize = 64;

/// Appends a value.
pub fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(value) => out.push(if *value { TRUE } else { FALSE }),
        Value::Int(value) => write_i64(INT, *value, out),
        Value::UInt(value) => write_i64(UINT, value.cast_signed(), out),
        Value::Float(value) => write_i64(FLOAT, value.to_bits().cast_signed(), out),
        Value::Decimal(digits) => write_tagged(DECIMAL, digits.as_bytes(), out),
        Value::Str(text) => write_tagged(STR, text.as_bytes(), out),
        Value::Bytes(bytes) => write_tagged(BYTES, bytes, out),
        Value::Date(days) => write_i64(DATE, *days, out),
        Value::Time(nanoseconds) => write_i64(TIME, *nanoseconds, out),
        Value::Timestamp { value, unit, zone } => {
            out.extend([TIMESTAMP, unit.digits() as u8]);
            out.extend(value.to_le_bytes());
            write_bytes(zone.as_deref().unwrap_or("").as_bytes(), out);
        }
        Value::Duration { value, unit } => {
            out.extend([DURATION, unit.digits() as u8]);
            out.extend(value.to_le_bytes());
        }
        Value::Interval { months, days, nanoseconds } => {
            out.push(INTERVAL);
            out.extend(months.to_le_bytes());
            out.extend(days.to_le_bytes());
            out.extend(nanoseconds.to_le_bytes());
        }
        Value::List(items) => {
            write_count(LIST, items.len(), out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Struct(fields) => {
            write_count(STRUCT, fields.len(), out);
            for (name, value) in fields {
                write_bytes(name.as_bytes(), out);
                write(value, out);
            }
        }
        Value::Map(entries) => {
            write_count(MAP, entries.len(), out);
            for (key, value) in entries {
                write(key, out);
                write(value, out);
            }
        }
    }
}

/// Appends all rows to a buffer for the same columns; answers how many. After an error the rows
/// before the one that does not fit have been added.
pub fn read_rows(bytes: &[u8], rows: &mut RowBuffer) -> Result<usize> {
    let mut reader = Reader { rest: bytes };
    let count = reader.count()?;
    let columns = rows.schema().fields().len();
    for _ in 0..count {
        for column in 0..columns {
            match reader.value(0)? {
                Value::Null => {}
                value => rows.set(column, &value)?,
            }
        }
        rows.end_row()?;
    }
    if reader.rest.is_empty() { Ok(count) } else { Err(malformed()) }
}

/// Reads one value that takes up all of the bytes.
pub fn read(bytes: &[u8]) -> Result<Value<'_>> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(malformed()) }
}

fn write_i64(tag: u8, value: i64, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(value.to_le_bytes());
}

fn write_count(tag: u8, count: usize, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend((count as u32).to_le_bytes());
}

fn write_tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    write_bytes(bytes, out);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>> {
        if depth > DEPTH {
            return Err(Error::value(format!("a value is nested deeper than {DEPTH} levels")));
        }
        let [tag] = self.array()?;
        Ok(match tag {
            NULL => Value::Null,
            FALSE | TRUE => Value::Bool(tag == TRUE),
            INT => Value::Int(self.i64()?),
            UINT => Value::UInt(self.i64()?.cast_unsigned()),
            FLOAT => Value::Float(f64::from_bits(self.i64()?.cast_unsigned())),
            DECIMAL => Value::Decimal(self.text()?),
            STR => Value::Str(self.text()?),
            BYTES => Value::Bytes(Cow::Borrowed(self.bytes()?)),
            DATE => Value::Date(self.i64()?),
            TIME => Value::Time(self.i64()?),
            TIMESTAMP => {
                let (unit, value) = (self.unit()?, self.i64()?);
                let zone = Some(self.text()?).filter(|zone| !zone.is_empty());
                Value::Timestamp { value, unit, zone }
            }
            DURATION => {
                let unit = self.unit()?;
                Value::Duration { value: self.i64()?, unit }
            }
            INTERVAL => Value::Interval {
                months: i32::from_le_bytes(self.array()?),
                days: i32::from_le_bytes(self.array()?),
                nanoseconds: self.i64()?,
            },
            LIST => {
                let items = (0..self.count()?).map(|_| self.value(depth + 1));
                Value::List(items.collect::<Result<_>>()?)
            }
            STRUCT => {
                let fields = (0..self.count()?).map(|_| Ok((self.text()?, self.value(depth + 1)?)));
                Value::Struct(fields.collect::<Result<_>>()?)
            }
            MAP => {
                let count = self.count()?;
                let entry = |_| Ok((self.value(depth + 1)?, self.value(depth + 1)?));
                Value::Map((0..count).map(entry).collect::<Result<_>>()?)
            }
            _ => return Err(malformed()),
        })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn count(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<Cow<'a, str>> {
        std::str::from_utf8(self.bytes()?)
            .map(Cow::Borrowed)
            .map_err(|_| Error::value("a text is not UTF-8"))
    }

    fn unit(&mut self) -> Result<TimeUnit> {
        match self.array()? {
            [0] => Ok(TimeUnit::Second),
            [3] => Ok(TimeUnit::Millisecond),
            [6] => Ok(TimeUnit::Microsecond),
            [9] => Ok(TimeUnit::Nanosecond),
            _ => Err(malformed()),
        }
    }
}

fn malformed() -> Error {
    Error::new(900, 9001, "a binding handed over rows that are not in their form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(-5),
            Value::UInt(u64::MAX),
            Value::Float(-0.5),
            Value::Decimal("-12.50".into()),
            Value::Str("grüße".into()),
            Value::Bytes(vec![0, 255].into()),
            Value::Date(-1),
            Value::Time(1),
            Value::Timestamp { value: -7, unit: TimeUnit::Microsecond, zone: None },
            Value::Timestamp { value: 7, unit: TimeUnit::Second, zone: Some("UTC".into()) },
            Value::Duration { value: 3, unit: TimeUnit::Nanosecond },
            Value::Interval { months: 1, days: -2, nanoseconds: 3 },
            Value::List(vec![Value::Int(1), Value::Null]),
            Value::Struct(vec![("a".into(), Value::Bool(false))]),
            Value::Map(vec![(Value::Str("k".into()), Value::List(vec![]))]),
        ];
        for value in values {
            let mut bytes = Vec::new();
            write(&value, &mut bytes);
            assert_eq!(read(&bytes).unwrap(), value);
            // Every beginning of it, and something after it, is refused.
            for end in 0..bytes.len() {
                assert!(read(&bytes[..end]).is_err(), "{value:?} cut to {end}");
            }
            bytes.push(0);
            assert!(read(&bytes).is_err(), "{value:?}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let mut bytes = Vec::new();
        for _ in 0..1_000_000 {
            bytes.extend([LIST, 1, 0, 0, 0]);
        }
        assert!(read(&bytes).unwrap_err().message().contains("nested"));
    }
}
