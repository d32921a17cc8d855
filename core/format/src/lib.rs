//! Codecs: rows written as text, to Arrow arrays of a given schema.
//!
//! | module | what it holds |
//! |---|---|
//! | [`json`] | an object, an array of objects, objects one after the other |
//! | [`csv`] | delimited text, with or without a header |
//! | [`decimal`] | decimals from their digits |
//! | `scalar` | one value of a text as a value of a column |
//!
//! Rules of all of them: every value keeps its value or is refused, with its row (counted from 0)
//! and its column; a refusal refuses the whole text. Nothing here does I/O.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod csv;
pub mod decimal;
pub mod json;
mod scalar;

use laminar_types::{Error, Result, code};
use serde::Deserialize;

/// The unit of times that are written as integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpochUnit {
    /// Seconds since 1970.
    S,
    /// Milliseconds since 1970.
    #[default]
    Ms,
    /// Microseconds since 1970.
    Us,
    /// Nanoseconds since 1970.
    Ns,
}

impl EpochUnit {
    /// Nanoseconds of one unit.
    fn nanos(self) -> i128 {
        match self {
            Self::S => 1_000_000_000,
            Self::Ms => 1_000_000,
            Self::Us => 1_000,
            Self::Ns => 1,
        }
    }
}

/// Reads the JSON form of a codec's options; `None` is the defaults.
fn options<'a, T: Deserialize<'a> + Default>(json: Option<&'a str>) -> Result<T> {
    let Some(json) = json else { return Ok(T::default()) };
    serde_json::from_str(json).map_err(|error| {
        Error::new(
            code::INGESTION_ARGUMENT,
            format!("the options of the text cannot be read: {error}"),
        )
    })
}

/// The error of a value that its column cannot hold.
fn refuse_value(row: usize, column: &str, reason: &str) -> Error {
    Error::new(
        code::VALUE,
        format!("row {row}, column `{column}`: {reason}; nothing of the text was taken"),
    )
}

#[cfg(test)]
mod tests;
