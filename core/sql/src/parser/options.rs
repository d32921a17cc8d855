//! Options: the `key = value` lists of `WITH (...)` and of connectors.

use laminar_types::{
    Error, MOST_WORKERS, Position, Result, Retention, error::code, parse_size_bytes,
};

use super::duration::parse_duration_ns;

/// A list of options. Keys are lower case and unique.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    entries: Vec<OptionEntry>,
}

/// One option.
#[derive(Debug, Clone)]
pub struct OptionEntry {
    /// Lower case, dotted parts joined by points: `schema.registry.url`.
    pub key: String,
    /// Its value.
    pub value: OptionValue,
    /// Where the key stands in the text.
    pub position: Position,
}

impl PartialEq for OptionEntry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// `'text'`.
    String(String),
    /// A number as it was written, with its sign.
    Number(String),
    /// `TRUE` or `FALSE`.
    Boolean(bool),
    /// `INTERVAL ...`, in nanoseconds, never negative.
    Interval(i64),
}

impl Options {
    /// Adds an option.
    ///
    /// # Errors
    /// [`code::OPTION`] when the key is there already.
    pub fn push(&mut self, entry: OptionEntry) -> Result<()> {
        if self.entry(&entry.key).is_some() {
            return Err(entry.error("is given twice"));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The options in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &OptionEntry> {
        self.entries.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The option of a key, which is given in lower case.
    pub fn entry(&self, key: &str) -> Option<&OptionEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Takes the option of a key out of the list.
    pub fn take(&mut self, key: &str) -> Option<OptionEntry> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at))
    }
}

impl OptionEntry {
    /// An error about this option, `option key <what>`, at its place.
    pub fn error(&self, what: &str) -> Error {
        Error::new(code::OPTION, format!("option {} {what}", self.key)).at(self.position)
    }

    /// The value as text: what a string holds, or a number or boolean as it is written.
    ///
    /// # Errors
    /// [`code::OPTION`] for an `INTERVAL`.
    pub fn text(&self) -> Result<String> {
        match &self.value {
            OptionValue::String(text) | OptionValue::Number(text) => Ok(text.clone()),
            OptionValue::Boolean(value) => Ok(value.to_string()),
            OptionValue::Interval(_) => Err(self.error("takes a text, not an interval")),
        }
    }

    /// The value as a whole number, also when it is written in quotes.
    ///
    /// # Errors
    /// [`code::OPTION`] when it is not one or does not fit.
    pub fn integer(&self) -> Result<i64> {
        match &self.value {
            OptionValue::String(text) | OptionValue::Number(text) => text.trim().parse().ok(),
            OptionValue::Boolean(_) | OptionValue::Interval(_) => None,
        }
        .ok_or_else(|| self.error("takes a whole number"))
    }

    /// The value as a number of workers.
    ///
    /// # Errors
    /// [`code::OPTION`] when it is none.
    pub fn workers(&self) -> Result<usize> {
        let count = usize::try_from(self.integer()?).ok();
        count
            .filter(|count| (1..=MOST_WORKERS).contains(count))
            .ok_or_else(|| self.error(&format!("takes a number from 1 to {MOST_WORKERS}")))
    }

    /// The value as `TRUE` or `FALSE`, also when it is written in quotes.
    ///
    /// # Errors
    /// [`code::OPTION`] when it is neither.
    pub fn boolean(&self) -> Result<bool> {
        match &self.value {
            OptionValue::Boolean(value) => Some(*value),
            OptionValue::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            OptionValue::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
        .ok_or_else(|| self.error("takes TRUE or FALSE"))
    }

    /// The value as how much is kept: a whole number of rows, or a size such as `'64 MB'`.
    ///
    /// # Errors
    /// [`code::OPTION`] when it is neither.
    pub fn retention(&self) -> Result<Retention> {
        if let Ok(rows) = self.integer() {
            return usize::try_from(rows)
                .map(Retention::Rows)
                .map_err(|_| self.error("takes a number of rows, 0 or more, or a size"));
        }
        match &self.value {
            OptionValue::String(text) => parse_size_bytes(text).map(Retention::Bytes),
            _ => Err(Error::new(code::OPTION, "write '64 MB'")),
        }
        .map_err(|error| {
            let what = "takes a whole number of rows or a size in bytes";
            self.error(&format!("{what}: {}", error.message()))
        })
    }

    /// The value as a duration in nanoseconds: an `INTERVAL`, a text such as `'5 seconds'`, or a
    /// whole number of milliseconds. Never negative.
    ///
    /// # Errors
    /// [`code::OPTION`] when it is none of these.
    pub fn duration_ns(&self) -> Result<i64> {
        let duration_ns = match &self.value {
            OptionValue::Interval(duration_ns) => Ok(*duration_ns),
            OptionValue::String(text) | OptionValue::Number(text) => parse_duration_ns(text),
            OptionValue::Boolean(_) => Err(self.error("takes a duration, as INTERVAL '5' SECOND")),
        };
        match duration_ns {
            Ok(duration_ns) if duration_ns >= 0 => Ok(duration_ns),
            Ok(_) => Err(self.error("takes a duration that is not negative")),
            Err(error) => Err(self.error(&format!("takes a duration: {}", error.message()))),
        }
    }
}
