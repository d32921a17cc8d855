//! Safe handles over the C ABI of liblaminar: what the Python, Node and Java bindings share.
//!
//! Handles: [`Database`], [`Source`] and [`Gatherer`], [`Appender`], [`Query`], [`Subscription`]. Data leaves as
//! [`Batch`]es, whose cells are read as [`Value`]s or which are shared with others through Arrow's
//! C structs; it comes in as Arrow's C structs, as rows of values through a [`RowBuffer`] or as columns
//! through a [`ColumnSet`].
//! Everything that can fail answers an [`Error`] with the number that all bindings show.
//!
//! This crate has no engine code and no Arrow library, and must not get any. All `unsafe` of the
//! bindings that is not a language's own lives here.

mod appender;
mod arrow;
mod batch;
mod batch_writer;
mod builder;
mod bulk;
mod columns;
mod database;
mod decimal;
mod encoded;
mod error;
mod functions;
mod gatherer;
mod handle;
mod pack;
mod query;
mod reader;
mod rows;
mod schema;
mod share;
mod source;
mod subscription;
mod value;
mod version;
mod waker;
pub mod wire;
mod writer;

pub use appender::Appender;
pub use arrow::{Array, ArraySchema, Stream};
pub use batch::Batch;
pub use batch_writer::Writer;
pub use columns::ColumnSet;
pub use database::{Database, Executed};
pub use encoded::Encoding;
pub use error::{Error, Result};
pub use functions::{AggregateFunction, LogListener, Refused, ScalarFunction};
pub use gatherer::Gatherer;
pub use pack::{fixed_values, pack};
pub use query::{Query, QueryCanceller};
pub use reader::Column;
pub use rows::Rows;
pub use schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
pub use source::Source;
pub use subscription::{Canceller, Polled, Subscription};
pub use value::Value;
pub use version::{check_abi, version};
pub use writer::RowBuffer;

/// The raw constants, for the numbers of errors.
pub use laminar_sys as sys;
