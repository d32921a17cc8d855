//! Columns on their way from JavaScript into a batch of a source.

use std::sync::Arc;

use laminar_client::{ColumnSet, Error, Schema};

use crate::batch;
use crate::bytes::bytes;
use crate::failure::Fallible;
use crate::from_js;
use crate::js::{Env, Js};

/// `pack(schema, rows, columns)`: the batch of so many rows. For each column of the source there
/// is, in the order of the schema:
///
/// - nothing, for NULL in each row;
/// - `{ plain, valid? }`, a typed array that has the column's own type (booleans a byte each);
/// - `{ text, lengths, valid? }`, its texts joined, and how long each is in UTF-16 units;
/// - an array of values, to be fitted one by one.
///
/// `valid` is 0 where a value is NULL.
pub fn pack<'s>(env: Env<'s>, [schema, rows, columns, ..]: Arguments<'s>) -> Fallible<Js<'s>> {
    let schema = schema.to_native::<Arc<Schema>>()?;
    let rows = rows.to_index()?;
    let mut set = ColumnSet::new(schema, rows);
    for column in 0..schema.fields().len() {
        env.scoped(|env| {
            // SAFETY: the array lives in the scope around this one.
            let columns = unsafe { env.value(columns.raw()) };
            read(&mut set, column, columns.item(column)?)
        })?;
    }
    batch::handle(env, set.batch()?)
}

type Arguments<'s> = [Js<'s>; crate::js::ARGUMENTS];

fn read(set: &mut ColumnSet, column: usize, given: Js<'_>) -> Fallible<()> {
    if given.is_missing()? {
        return Ok(());
    }
    if given.array_length()?.is_some() {
        return values(set, column, given);
    }
    let valid = given.named("valid")?;
    let valid = if valid.is_missing()? { None } else { Some(bytes(valid)?) };
    let plain = given.named("plain")?;
    if !plain.is_missing()? {
        return Ok(set.set_plain(column, bytes(plain)?, valid)?);
    }
    let text = given.named("text")?.to_text()?;
    let lengths = bytes(given.named("lengths")?)?;
    let ends = ends(&text, lengths).map_err(|error| {
        error.context_after(format!("column `{}`", set.schema().fields()[column].name()))
    })?;
    Ok(set.set_texts(column, &text, &ends, valid)?)
}

fn values(set: &mut ColumnSet, column: usize, given: Js<'_>) -> Fallible<()> {
    let schema = Arc::clone(set.schema());
    let field = &schema.fields()[column];
    set.set_values(column, |row| {
        given
            .env()
            .scoped(|env| {
                // SAFETY: the array lives in a scope around this one.
                let given = unsafe { env.value(given.raw()) };
                from_js::value(given.item(row)?, field.data_type())
            })
            .map_err(|failure| match failure {
                crate::failure::Failure::Library(error) => {
                    let (name, row) = (field.name(), row + 1);
                    error
                        .context_after(format!("column `{name}`, row {row} of what was given"))
                        .into()
                }
                thrown => thrown,
            })
    })
}

/// Where each text ends in bytes, from how long each is in UTF-16 units (as 32-bit numbers).
fn ends(text: &str, lengths: &[u8]) -> laminar_client::Result<Vec<usize>> {
    let lengths = lengths
        .chunks_exact(4)
        .map(|length| u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize);
    let mut end = 0;
    if text.is_ascii() {
        return Ok(lengths
            .map(|length| {
                end += length;
                end
            })
            .collect());
    }
    let mut characters = text.chars();
    lengths
        .map(|mut length| {
            while length > 0 {
                let units = characters.next().map_or(usize::MAX, char::len_utf16);
                length = length
                    .checked_sub(units)
                    .ok_or_else(|| Error::value("the text has half of a surrogate pair"))?;
            }
            Ok(text.len() - characters.as_str().len())
        })
        .collect()
}
