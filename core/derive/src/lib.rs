//! The derives of `laminar-db`. The crate `laminar-db` passes them on beside the traits of the same
//! names, so that most programs never name this one.
//!
//! | file | what it holds |
//! |---|---|
//! | `record` | `Record` |
//! | `from_row` | `FromRow`, also as `FromRecordBatch` |
//! | `connector_config` | `ConnectorConfig` |
//! | `columns` | the attributes of records and rows |
//! | `options` | the attributes of configurations |
//! | `input` | what all read: the fields of a struct, its bounds |
//!
//! A mistake is told at the field or the attribute where it stands, and all of them at once.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod columns;
mod connector_config;
mod from_row;
mod input;
mod options;
mod record;

use proc_macro::TokenStream;
use syn::{DeriveInput, Result, parse_macro_input};

/// Makes a struct a record that can be pushed: a column for each field, of the field's name.
///
/// Documented in `laminar-db`, with its attributes.
#[proc_macro_derive(Record, attributes(laminar, event_time))]
pub fn record(input: TokenStream) -> TokenStream {
    expand(input, record::expand)
}

/// Makes a struct of the rows of results: each field is read from the column of its name.
///
/// Documented in `laminar-db`, with its attributes.
#[proc_macro_derive(FromRow, attributes(laminar, event_time))]
pub fn from_row(input: TokenStream) -> TokenStream {
    expand(input, |input| from_row::expand(input, "FromRow"))
}

/// The same derive as [`FromRow`], by the name of what a type gets with it.
///
/// Documented in `laminar-db`, with its attributes.
#[proc_macro_derive(FromRecordBatch, attributes(laminar, event_time))]
pub fn from_record_batch(input: TokenStream) -> TokenStream {
    expand(input, |input| from_row::expand(input, "FromRecordBatch"))
}

/// Makes a struct of the options of a connector, and options of the struct.
///
/// Documented in `laminar-db`, with its attributes.
#[proc_macro_derive(ConnectorConfig, attributes(config))]
pub fn connector_config(input: TokenStream) -> TokenStream {
    expand(input, connector_config::expand)
}

fn expand(
    input: TokenStream,
    expand: fn(&DeriveInput) -> Result<proc_macro2::TokenStream>,
) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
