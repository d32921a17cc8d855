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
    /// The first one of a source is its event time, and the second one of a table with a watermark.
    pub columns: Vec<Column>,
    pub kind: InputKind,
    /// After how long a silent producer is left out of the watermark.
    pub idle_timeout_ms: Option<i64>,
    /// The column each of whose values has a largest time of its own.
    pub watermark_key: Option<usize>,
    /// Whether it is in an alignment group, which changes nothing for pushes by hand.
    pub has_group: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// With the delay of its declared watermark, in units of its event time.
    Source { delay: Option<i64> },
    /// A source whose event time is filled by the clock.
    Clock,
    /// With the first column as its primary key, or without one, and with a watermark's delay.
    Table { has_key: bool, delay: Option<i64> },
    /// A lookup table: the first column is its primary key.
    Lookup,
}

impl Input {
    pub fn random(index: usize, random: &mut Random) -> Self {
        let is_table = index > 0 && random.chance(35);
        let kind = match is_table {
            true => InputKind::Table { has_key: random.chance(60), delay: None },
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
        Self { name, columns, kind, idle_timeout_ms: None, watermark_key: None, has_group: false }
    }

    /// A table with a watermark, whose event time is of the type of another input's.
    pub fn timed_table(index: usize, of: &Self, random: &mut Random) -> Self {
        let id = match random.chance(60) {
            true => of.columns[1].data_type,
            false => *random.pick(&[Type::BigInt, Type::Text, Type::SmallInt]),
        };
        let mut columns = vec![Column::new("id", id), Column::new("ts", of.columns[0].data_type)];
        columns.push(Column::new("k", *random.pick(&[Type::Text, Type::BigInt, Type::SmallInt])));
        columns.push(Column::new("v", *random.pick(&[Type::BigInt, Type::Double, Type::Decimal])));
        let delay = Some(random.range(0, 5));
        let kind = InputKind::Table { has_key: random.chance(75), delay };
        let name = format!("t{index}");
        Self { name, columns, kind, idle_timeout_ms: None, watermark_key: None, has_group: false }
    }

    /// A lookup table.
    pub fn lookup(index: usize, random: &mut Random) -> Self {
        let mut input = Self::random(0, random);
        let id = *random.pick(&[Type::BigInt, Type::Text, Type::SmallInt]);
        input.columns[0] = Column::new("id", id);
        Self { name: format!("t{index}"), kind: InputKind::Lookup, ..input }
    }

    /// A source whose event time is that of the clock.
    pub fn of_the_clock(index: usize, random: &mut Random) -> Self {
        let mut input = Self::random(0, random);
        input.columns[0] = Column::new("at", Type::Timestamp);
        Self { name: format!("s{index}"), kind: InputKind::Clock, ..input }
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
        matches!(self.kind, InputKind::Table { .. } | InputKind::Lookup)
    }

    pub fn has_key(&self) -> bool {
        matches!(self.kind, InputKind::Table { has_key: true, .. } | InputKind::Lookup)
    }

    pub fn is_of_the_clock(&self) -> bool {
        self.kind == InputKind::Clock
    }

    pub fn delay(&self) -> Option<i64> {
        match self.kind {
            InputKind::Source { delay } | InputKind::Table { delay, .. } => delay,
            InputKind::Clock | InputKind::Lookup => None,
        }
    }

    /// The column of its event time.
    pub fn time(&self) -> Option<usize> {
        match self.kind {
            InputKind::Source { .. } | InputKind::Clock => Some(0),
            InputKind::Table { delay, .. } => delay.map(|_| 1),
            InputKind::Lookup => None,
        }
    }

    /// The columns that producers fill.
    pub fn pushed(&self) -> &[Column] {
        if self.is_of_the_clock() { &self.columns[1..] } else { &self.columns }
    }

    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|c| Field::new(&c.name, c.data_type.arrow(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The statement that creates it.
    pub fn create(&self) -> String {
        let columns = self.columns.iter().map(|c| format!("{} {}", c.name, c.data_type.sql()));
        let mut parts: Vec<String> = columns.collect();
        if let Some(delay) = self.delay() {
            parts.push(format!("WATERMARK FOR ts AS ts - INTERVAL '{delay} milliseconds'"));
        }
        if self.has_key() {
            parts[0].push_str(" PRIMARY KEY");
        }
        if self.is_of_the_clock() {
            parts[0].push_str(" AS proctime()");
        }
        let word = match self.kind {
            InputKind::Source { .. } | InputKind::Clock => "SOURCE",
            InputKind::Table { .. } => "TABLE",
            InputKind::Lookup => "LOOKUP TABLE",
        };
        let mut options = Vec::new();
        options.extend(self.idle_timeout_ms.map(|ms| format!("idle_timeout = {ms}")));
        let key = self.watermark_key.map(|key| &self.columns[key].name);
        options.extend(key.map(|key| format!("watermark_per = 'key:{key}'")));
        if self.has_group {
            options.extend(["watermark_group = 'g'".to_string(), "max_drift = 5".to_string()]);
        }
        let options = match options.as_slice() {
            [] => String::new(),
            options => format!(" WITH ({})", options.join(", ")),
        };
        format!("CREATE {word} {} ({}){options}", self.name, parts.join(", "))
    }
}
