//! The columns of a batch, read from an `ArrowSchema`.

use std::ffi::CStr;
use std::fmt;

use laminar_sys::{ARROW_FLAG_NULLABLE, ArrowSchema};

use crate::arrow::ArraySchema;
use crate::share::{empty_schema, share_schema};
use crate::{Error, Result};

/// The unit of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

impl TimeUnit {
    /// How many there are in a second.
    pub const fn per_second(self) -> i64 {
        match self {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        }
    }

    pub(crate) fn digits(self) -> u32 {
        self.per_second().ilog10()
    }
}

/// The type of a column: Arrow's, without the layouts that differ in nothing but size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataType {
    Null,
    Bool,
    Int {
        bits: u8,
        signed: bool,
    },
    Float {
        bits: u8,
    },
    /// `large`: offsets of 64 bits. `view`: the layout of string views.
    Utf8 {
        large: bool,
        view: bool,
    },
    Binary {
        large: bool,
        view: bool,
    },
    FixedBinary {
        width: usize,
    },
    Decimal {
        bits: u16,
        precision: u8,
        scale: i32,
    },
    /// `bits` 32: days; 64: milliseconds.
    Date {
        bits: u8,
    },
    Time {
        unit: TimeUnit,
    },
    Timestamp {
        unit: TimeUnit,
        zone: Option<String>,
    },
    Duration {
        unit: TimeUnit,
    },
    Interval(IntervalUnit),
    List {
        large: bool,
        item: Box<Field>,
    },
    FixedList {
        length: usize,
        item: Box<Field>,
    },
    Struct(Vec<Field>),
    Map {
        key: Box<Field>,
        value: Box<Field>,
    },
    Dictionary {
        key: Box<DataType>,
        value: Box<DataType>,
    },
}

/// What an interval counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalUnit {
    Months,
    DaysMilliseconds,
    MonthsDaysNanoseconds,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: String,
    data_type: DataType,
    nullable: bool,
}

impl Field {
    /// The column's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The column's type.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Whether it may hold NULL.
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// # Safety
    /// `raw` is a valid schema that is not released.
    unsafe fn read(raw: *const ArrowSchema) -> Result<Self> {
        // SAFETY: the schema is valid, and its strings are NUL-terminated.
        let (schema, name) = unsafe {
            let schema = &*raw;
            (schema, crate::error::text(schema.name))
        };
        // SAFETY: passed on.
        let data_type = unsafe { DataType::read(schema) }
            .map_err(|error| Error::unsupported(format!("column `{name}`: {}", error.message())))?;
        Ok(Self { name, data_type, nullable: schema.flags & ARROW_FLAG_NULLABLE != 0 })
    }
}

/// The columns of a batch, with the struct of Arrow that they were read from.
#[derive(Debug)]
pub struct Schema {
    fields: Vec<Field>,
    raw: ArraySchema,
}

impl Schema {
    /// Reads the schema of a batch: a struct, as Arrow has it.
    pub fn new(raw: ArraySchema) -> Result<Self> {
        if raw.is_released() {
            return Err(Error::new(900, 9001, "the library answered OK and no schema"));
        }
        // SAFETY: the schema is not released; whoever gave it out keeps to the specification.
        match unsafe { DataType::read(raw.raw()) }? {
            DataType::Struct(fields) => Ok(Self { fields, raw }),
            other => {
                Err(Error::unsupported(format!("a batch is a struct of columns, not {other}")))
            }
        }
    }

    /// That of rows without columns: the arguments of a function that has none.
    pub fn empty() -> Self {
        Self { fields: Vec::new(), raw: empty_schema() }
    }

    /// The columns.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The place of a column.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The same schema for someone else to own.
    pub fn export(&self) -> ArraySchema {
        share_schema(&self.raw)
    }
}

impl DataType {
    /// # Safety
    /// `schema` is valid and not released.
    unsafe fn read(schema: &ArrowSchema) -> Result<Self> {
        // SAFETY: a valid schema has a format, NUL-terminated.
        let format = unsafe { CStr::from_ptr(schema.format) }.to_string_lossy();
        // SAFETY: passed on; children and dictionary of a valid schema are valid.
        let child = |index: usize| unsafe { child(schema, index) };
        if !schema.dictionary.is_null() {
            // SAFETY: as above.
            let value = unsafe { DataType::read(&*schema.dictionary) }?;
            let key = plain(&format).ok_or_else(|| unknown(&format))?;
            return Ok(DataType::Dictionary { key: Box::new(key), value: Box::new(value) });
        }
        Ok(match format.as_ref() {
            "+l" | "+L" => DataType::List { large: format == "+L", item: Box::new(child(0)?) },
            "+s" => {
                let fields = (0..schema.n_children.max(0) as usize).map(child);
                DataType::Struct(fields.collect::<Result<_>>()?)
            }
            "+m" => match child(0)?.data_type {
                DataType::Struct(entries) => match <[Field; 2]>::try_from(entries) {
                    Ok([key, value]) => {
                        DataType::Map { key: Box::new(key), value: Box::new(value) }
                    }
                    Err(_) => return Err(unknown(&format)),
                },
                _ => return Err(unknown(&format)),
            },
            other => match other.strip_prefix("+w:").map(str::parse) {
                Some(Ok(length)) => DataType::FixedList { length, item: Box::new(child(0)?) },
                _ => plain(other).ok_or_else(|| unknown(other))?,
            },
        })
    }
}

/// # Safety
/// `schema` is valid and not released.
unsafe fn child(schema: &ArrowSchema, index: usize) -> Result<Field> {
    if index >= schema.n_children.max(0) as usize {
        return Err(Error::unsupported("an Arrow schema lacks a child"));
    }
    // SAFETY: the index is within the children, and they are valid.
    unsafe { Field::read(*schema.children.add(index)) }
}

fn unknown(format: &str) -> Error {
    Error::unsupported(format!("values of the Arrow format `{format}` cannot be read here"))
}

/// The types that have no children, by their format.
fn plain(format: &str) -> Option<DataType> {
    let int = |bits, signed| DataType::Int { bits, signed };
    Some(match format {
        "n" => DataType::Null,
        "b" => DataType::Bool,
        "c" => int(8, true),
        "C" => int(8, false),
        "s" => int(16, true),
        "S" => int(16, false),
        "i" => int(32, true),
        "I" => int(32, false),
        "l" => int(64, true),
        "L" => int(64, false),
        "e" => DataType::Float { bits: 16 },
        "f" => DataType::Float { bits: 32 },
        "g" => DataType::Float { bits: 64 },
        "u" => DataType::Utf8 { large: false, view: false },
        "U" => DataType::Utf8 { large: true, view: false },
        "vu" => DataType::Utf8 { large: false, view: true },
        "z" => DataType::Binary { large: false, view: false },
        "Z" => DataType::Binary { large: true, view: false },
        "vz" => DataType::Binary { large: false, view: true },
        "tdD" => DataType::Date { bits: 32 },
        "tdm" => DataType::Date { bits: 64 },
        "tts" | "ttm" | "ttu" | "ttn" => DataType::Time { unit: unit(format)? },
        "tDs" | "tDm" | "tDu" | "tDn" => DataType::Duration { unit: unit(format)? },
        "tiM" => DataType::Interval(IntervalUnit::Months),
        "tiD" => DataType::Interval(IntervalUnit::DaysMilliseconds),
        "tin" => DataType::Interval(IntervalUnit::MonthsDaysNanoseconds),
        other => {
            if let Some(width) = other.strip_prefix("w:") {
                DataType::FixedBinary { width: width.parse().ok()? }
            } else if let Some(parts) = other.strip_prefix("d:") {
                decimal(parts)?
            } else {
                let (head, zone) = other.strip_prefix("ts").and_then(|ts| ts.split_once(':'))?;
                let zone = Some(zone.to_string()).filter(|zone| !zone.is_empty());
                DataType::Timestamp { unit: unit(head)?, zone }
            }
        }
    })
}

fn unit(format: &str) -> Option<TimeUnit> {
    match format.chars().last()? {
        's' => Some(TimeUnit::Second),
        'm' => Some(TimeUnit::Millisecond),
        'u' => Some(TimeUnit::Microsecond),
        'n' => Some(TimeUnit::Nanosecond),
        _ => None,
    }
}

/// `precision,scale` or `precision,scale,bits`.
fn decimal(parts: &str) -> Option<DataType> {
    let mut parts = parts.split(',');
    let precision = parts.next()?.parse().ok()?;
    let scale = parts.next()?.parse().ok()?;
    let bits = parts.next().map_or(Some(128), |bits| bits.parse().ok())?;
    Some(DataType::Decimal { bits, precision, scale })
}

/// The type as SQL writes it.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Null => f.write_str("NULL"),
            DataType::Bool => f.write_str("BOOLEAN"),
            DataType::Int { bits, signed } => {
                let name = match bits {
                    8 => "TINYINT",
                    16 => "SMALLINT",
                    32 => "INTEGER",
                    _ => "BIGINT",
                };
                write!(f, "{name}{}", if *signed { "" } else { " UNSIGNED" })
            }
            DataType::Float { bits: 64 } => f.write_str("DOUBLE"),
            DataType::Float { bits: 32 } => f.write_str("REAL"),
            DataType::Float { bits } => write!(f, "FLOAT{bits}"),
            DataType::Utf8 { .. } => f.write_str("VARCHAR"),
            DataType::Binary { .. } => f.write_str("BYTEA"),
            DataType::FixedBinary { width } => write!(f, "BINARY({width})"),
            DataType::Decimal { precision, scale, .. } => {
                write!(f, "DECIMAL({precision}, {scale})")
            }
            DataType::Date { .. } => f.write_str("DATE"),
            DataType::Time { unit } => write!(f, "TIME({})", unit.digits()),
            DataType::Timestamp { unit, zone: None } => write!(f, "TIMESTAMP({})", unit.digits()),
            DataType::Timestamp { unit, zone: Some(zone) } => {
                write!(f, "TIMESTAMP({}) WITH TIME ZONE '{zone}'", unit.digits())
            }
            DataType::Duration { unit } => write!(f, "DURATION({})", unit.digits()),
            DataType::Interval(_) => f.write_str("INTERVAL"),
            DataType::List { item, .. } => write!(f, "{}[]", item.data_type),
            DataType::FixedList { length, item } => write!(f, "{}[{length}]", item.data_type),
            DataType::Struct(fields) => {
                f.write_str("STRUCT(")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{} {}", field.name, field.data_type)?;
                }
                f.write_str(")")
            }
            DataType::Map { key, value } => {
                write!(f, "MAP({}, {})", key.data_type, value.data_type)
            }
            DataType::Dictionary { value, .. } => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_formats_of_the_specification() {
        for (format, sql) in [
            ("l", "BIGINT"),
            ("I", "INTEGER UNSIGNED"),
            ("u", "VARCHAR"),
            ("d:10,2", "DECIMAL(10, 2)"),
            ("d:40,2,256", "DECIMAL(40, 2)"),
            ("w:16", "BINARY(16)"),
            ("tsu:", "TIMESTAMP(6)"),
            ("tsn:Europe/Vienna", "TIMESTAMP(9) WITH TIME ZONE 'Europe/Vienna'"),
            ("ttm", "TIME(3)"),
        ] {
            assert_eq!(plain(format).map(|ty| ty.to_string()).as_deref(), Some(sql), "{format}");
        }
        for format in ["", "x", "d:10", "w:", "ts", "tsx:"] {
            assert_eq!(plain(format), None, "{format}");
        }
    }
}
