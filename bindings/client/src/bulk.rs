//! Whole columns at once, for languages in which a call for each cell is dear.

use crate::reader::Column;
use crate::{DataType, TimeUnit};

impl<'a> Column<'a> {
    /// Which rows are not NULL, 1 or 0 each; `None` when all are.
    pub fn validity(&self) -> Option<Vec<u8>> {
        if self.is_all_valid() {
            return None;
        }
        let valid: Vec<u8> =
            (0..self.num_rows()).map(|row| u8::from(!self.is_null_in(row))).collect();
        valid.contains(&0).then_some(valid)
    }

    /// The values of a column of numbers, dates, times, timestamps or durations, as they lie one
    /// behind the other in their own width. What lies there for a NULL says nothing. `None` for
    /// other types.
    pub fn plain(&self) -> Option<&'a [u8]> {
        let width = plain_width(self.data_type())?;
        // SAFETY: the second buffer of these types holds values of this width.
        Some(unsafe { self.fixed_values(width) })
    }

    /// The values of a column of booleans, 1 or 0 each; 0 for NULL. `None` for other types.
    pub fn booleans(&self) -> Option<Vec<u8>> {
        let truth = |row| match self.value(row) {
            Ok(crate::Value::Bool(value)) => u8::from(value),
            _ => 0,
        };
        matches!(self.data_type(), DataType::Bool)
            .then(|| (0..self.num_rows()).map(truth).collect())
    }

    /// The values of a column of texts one behind the other, and where each ends, in bytes. What
    /// stands there for a NULL says nothing. `None` for other types, other layouts than offsets, and
    /// where the bytes are not UTF-8, which only a database that trusts its input can hold.
    pub fn texts(&self) -> Option<(&'a str, Vec<usize>)> {
        let DataType::Utf8 { large, view: false } = self.data_type() else {
            return None;
        };
        // SAFETY: the layout is that of the type.
        let (bytes, ends) = unsafe { self.joined_values(*large) };
        let texts = std::str::from_utf8(bytes).ok()?;
        ends.iter().all(|end| texts.is_char_boundary(*end)).then_some((texts, ends))
    }
}

/// Bytes of a value of a type whose values are plain numbers.
fn plain_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Int { bits, .. } | DataType::Float { bits } | DataType::Date { bits } => {
            Some(usize::from(*bits) / 8)
        }
        DataType::Time { unit: TimeUnit::Second | TimeUnit::Millisecond } => Some(4),
        DataType::Time { .. } | DataType::Timestamp { .. } | DataType::Duration { .. } => Some(8),
        _ => None,
    }
}
