//! [`Type`] and [`Input`]: the columns and relations that rows enter by.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::support::random::Random;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Boolean,
    SmallInt,
    BigInt,
    Double,
    Decimal,
    Text,
    Date,
    Timestamp,
}

impl Type {
    const ALL: [Self; 8] = [
        Self::Boolean,
        Self::SmallInt,
        Self::BigInt,
        Self::Double,
        Self::Decimal,
        Self::Text,
        Self::Date,
        Self::Timestamp,
    ];

    pub fn sql(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::SmallInt => "SMALLINT",
            Self::BigInt => "BIGINT",
            Self::Double => "DOUBLE",
            Self::Decimal => "DECIMAL(10, 2)",
            Self::Text => "VARCHAR",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP(3)",
        }
    }

    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::SmallInt => DataType::Int16,
            Self::BigInt => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Decimal => DataType::Decimal128(10, 2),
            Self::Text => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self, Self::SmallInt | Self::BigInt | Self::Double | Self::Decimal)
    }

    pub fn is_integer(self) -> bool {
        matches!(self, Self::SmallInt | Self::BigInt)
    }
}

/// A named, typed column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub data_type: Type,
}

impl Column {
    pub fn new(name: impl Into<String>, data_type: Type) -> Self {
        Self { name: name.into(), data_type }
    }
}

/// A source or table.
#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    /// The first one of a source is its event time.
    pub columns: Vec<Column>,
    pub kind: InputKind,
    /// After how long a silent producer is left out of the watermark.
    pub idle_timeout_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// With the delay of its declared watermark, in units of its event time.
    Source { delay: Option<i64> },
    /// With the first column as its primary key, or without one.
    Table { has_key: bool },
}

impl Input {
    pub fn random(index: usize, random: &mut Random) -> Self {
        let is_table = index > 0 && random.chance(35);
        let kind = match is_table {
            true => InputKind::Table { has_key: random.chance(60) },
            false => InputKind::Source { delay: random.chance(70).then(|| random.range(0, 4)) },
        };
        let first = match is_table {
            true => *random.pick(&[Type::BigInt, Type::Text, Type::SmallInt]),
            false => *random.pick(&[Type::BigInt, Type::Timestamp]),
        };
        let mut columns = vec![Column::new(if is_table { "id" } else { "ts" }, first)];
        // A key and a number, for groups and sums; then others.
        columns.push(Column::new("k", *random.pick(&[Type::Text, Type::BigInt, Type::SmallInt])));
        columns.push(Column::new("v", *random.pick(&[Type::BigInt, Type::Double, Type::Decimal])));
        for other in 0..random.range(0, 3) {
            columns.push(Column::new(format!("c{other}"), *random.pick(&Type::ALL)));
        }
        let name = format!("{}{index}", if is_table { "t" } else { "s" });
        Self { name, columns, kind, idle_timeout_ms: None }
    }

    /// Another source with the same columns and mostly the same promises.
    pub fn alike(&self, index: usize, random: &mut Random) -> Self {
        let kind = match self.kind {
            InputKind::Source { delay: Some(_) } if random.chance(85) => {
                InputKind::Source { delay: Some(random.range(0, 4)) }
            }
            InputKind::Source { .. } => InputKind::Source { delay: None },
            kind => kind,
        };
        Self { name: format!("s{index}"), kind, ..self.clone() }
    }

    pub fn is_table(&self) -> bool {
        matches!(self.kind, InputKind::Table { .. })
    }

    pub fn has_key(&self) -> bool {
        self.kind == InputKind::Table { has_key: true }
    }

    pub fn delay(&self) -> Option<i64> {
        match self.kind {
            InputKind::Source { delay } => delay,
            InputKind::Table { .. } => None,
        }
    }

    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|c| Field::new(&c.name, c.data_type.arrow(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The statement that creates it.
    pub fn create(&self) -> String {
        let columns = self.columns.iter().map(|c| format!("{} {}", c.name, c.data_type.sql()));
        let mut parts: Vec<String> = columns.collect();
        let word = match self.kind {
            InputKind::Source { delay } => {
                if let Some(delay) = delay {
                    parts.push(format!("WATERMARK FOR ts AS ts - INTERVAL '{delay} milliseconds'"));
                }
                "SOURCE"
            }
            InputKind::Table { has_key } => {
                if has_key {
                    parts[0].push_str(" PRIMARY KEY");
                }
                "TABLE"
            }
        };
        let options = match self.idle_timeout_ms {
            Some(ms) => format!(" WITH (idle_timeout = {ms})"),
            None => String::new(),
        };
        format!("CREATE {word} {} ({}){options}", self.name, parts.join(", "))
    }
}
