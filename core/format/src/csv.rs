//! CSV: delimited text, with the names of its columns in the first line or without.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::concat_batches;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Decoder;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use laminar_types::{Error, Result, code};
use serde::Deserialize;

use crate::scalar::{self, Scalar};
use crate::{EpochUnit, refuse_value};

/// Lines that are read before their values are copied out.
const ROWS_AT_ONCE: usize = 8_192;

/// How CSV is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// Whether the first line names the columns; without it they are the source's, in order.
    pub header: bool,
    /// What stands between values: one byte.
    pub delimiter: char,
    /// What stands around values that hold the delimiter: one byte.
    pub quote: char,
    /// The text that means NULL.
    pub null: String,
    /// The unit of integers in TIMESTAMP columns.
    pub epoch: EpochUnit,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            header: true,
            delimiter: ',',
            quote: '"',
            null: String::new(),
            epoch: EpochUnit::default(),
        }
    }
}

impl CsvOptions {
    /// Reads the JSON form, every key optional: `header` (true), `delimiter` (`","`), `quote`
    /// (`"\""`), `null` (`""`), `epoch` (`"ms"`).
    ///
    /// # Errors
    /// `INGESTION_ARGUMENT` that names what is wrong.
    pub fn from_json(json: Option<&str>) -> Result<Self> {
        let options: Self = crate::options(json)?;
        options.bytes()?;
        Ok(options)
    }

    /// Delimiter and quote.
    fn bytes(&self) -> Result<(u8, u8)> {
        let byte = |name: &str, value: char| {
            u8::try_from(value).ok().filter(u8::is_ascii).ok_or_else(|| {
                let message = format!("the option `{name}` must be one ASCII character");
                Error::new(code::INGESTION_ARGUMENT, message)
            })
        };
        Ok((byte("delimiter", self.delimiter)?, byte("quote", self.quote)?))
    }
}

/// The rows of a text, as columns of a schema. A column that the header does not name is NULL.
///
/// # Errors
/// `MALFORMED_TEXT` where lines do not have as many values as there are columns, `BATCH_SCHEMA`
/// for a name that is no column, `VALUE` for a value that its column cannot hold. NULLs are not
/// judged here.
pub fn decode(text: &str, schema: &SchemaRef, options: &CsvOptions) -> Result<RecordBatch> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (names, body) = match options.header {
        true => header(text, options)?,
        false => (schema.fields().iter().map(|field| field.name().clone()).collect(), text),
    };
    for (index, name) in names.iter().enumerate() {
        if schema.fields().find(name).is_none() {
            return Err(mismatch(format!("the source has no column `{name}`")));
        }
        if names[..index].contains(name) {
            return Err(mismatch(format!("the column `{name}` is named twice")));
        }
    }
    let texts = read(body, names.len(), options, usize::from(options.header))?;
    let rows = texts.num_rows();
    let column = |field: &FieldRef| match names.iter().position(|name| name == field.name()) {
        None => Ok(new_null_array(field.data_type(), rows)),
        Some(from) => values(field, texts.column(from), options),
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<ArrayRef>>>()?;
    let fields: Vec<Field> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let count = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &count)
        .map_err(|error| Error::internal(format!("the columns of a text differ: {error}")))
}

fn mismatch(message: String) -> Error {
    Error::new(code::BATCH_SCHEMA, message)
}

/// The names in the first line, and what follows it. A name may hold what it likes in quotes, but
/// no end of line.
fn header<'a>(text: &'a str, options: &CsvOptions) -> Result<(Vec<String>, &'a str)> {
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim_end_matches('\r');
    if line.is_empty() {
        let message = "the text has no first line with the names of the columns";
        return Err(Error::new(code::MALFORMED_TEXT, message));
    }
    let (delimiter, quote) = options.bytes()?;
    let mut quoted = false;
    let mut columns = 1;
    for byte in line.bytes() {
        quoted ^= byte == quote;
        columns += usize::from(byte == delimiter && !quoted);
    }
    let names = read(line, columns, options, 0)?;
    if names.num_rows() != 1 {
        let message = "the first line does not name the columns";
        return Err(Error::new(code::MALFORMED_TEXT, message));
    }
    let name = |column: &ArrayRef| column.as_string::<i32>().value(0).to_string();
    Ok((names.columns().iter().map(name).collect(), body))
}

/// The values of a text as texts; `lines_before` are counted in messages.
fn read(
    text: &str,
    columns: usize,
    options: &CsvOptions,
    lines_before: usize,
) -> Result<RecordBatch> {
    let (delimiter, quote) = options.bytes()?;
    let fields = (0..columns).map(|index| Field::new(index.to_string(), DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let malformed = |error: ArrowError| {
        let message = match &error {
            ArrowError::CsvError(message) => message.clone(),
            other => other.to_string(),
        };
        let after = if lines_before > 0 { ", not counting the header" } else { "" };
        Error::new(code::MALFORMED_TEXT, format!("the CSV cannot be read: {message}{after}"))
    };
    let builder = ReaderBuilder::new(Arc::clone(&schema))
        .with_header(false)
        .with_delimiter(delimiter)
        .with_quote(quote)
        .with_batch_size(ROWS_AT_ONCE);
    let mut decoder: Decoder = builder.build_decoder();
    let mut batches = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        // An empty rest closes a last line without an end.
        let taken = decoder.decode(rest).map_err(malformed)?;
        let is_end = rest.is_empty();
        rest = &rest[taken..];
        if is_end || decoder.capacity() == 0 {
            batches.extend(decoder.flush().map_err(malformed)?);
        }
        if is_end {
            break;
        }
    }
    concat_batches(&schema, &batches).map_err(malformed)
}

/// The values of a column.
fn values(field: &FieldRef, texts: &ArrayRef, options: &CsvOptions) -> Result<ArrayRef> {
    if !scalar::is_scalar(field.data_type()) {
        return Err(Error::unsupported(format!(
            "CSV cannot be read into the column `{}` of type {}: push JSON or Arrow arrays",
            field.name(),
            field.data_type()
        )));
    }
    let texts = texts.as_string::<i32>();
    let values: Vec<Scalar<'_>> = (0..texts.len())
        .map(|row| match if texts.is_valid(row) { texts.value(row) } else { "" } {
            // The reader has made NULLs of the empty texts.
            text if text == options.null => Scalar::Null,
            text => Scalar::Text(text),
        })
        .collect();
    scalar::build(field.data_type(), &values, options.epoch)
        .map_err(|refused| refuse_value(refused.index, field.name(), &refused.reason))
}
