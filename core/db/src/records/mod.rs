//! Rust structs as rows: what is pushed, and what is read.
//!
//! | module | what it holds |
//! |---|---|
//! | `record` | [`Record`]: a struct that rows are made of |
//! | `to_column`, `cell` | [`ToColumn`]: a type that a field of a record may have; [`Cell`], where it goes |
//! | `target` | which field fits which column |
//! | `binding`, `column_builder` | records as blocks of rows and as Arrow arrays |
//! | `from_row` | [`FromRow`]: a struct that is made of a row |
//! | `from_column`, `value` | [`FromColumn`]: a type that a column is read as; [`Value`] |
//! | `column` | columns of arrays and of blocks, read value by value |
//! | `from_record_batch` | [`FromRecordBatch`]: rows, batches or changes, as the reader likes |
//! | `decimal`, `times` | decimals of a fixed scale; points in time |
//! | `definition` | the `CREATE SOURCE` of a record |
//!
//! Nothing here knows sources, subscriptions or the token.

mod binding;
mod cell;
mod column;
mod column_builder;
mod decimal;
mod definition;
mod from_column;
mod from_record_batch;
mod from_row;
mod record;
mod target;
mod times;
mod to_column;
mod value;

pub(crate) use binding::RecordBinding;
pub use cell::Cell;
pub use decimal::Decimal;
pub(crate) use definition::create_source;
pub use from_column::FromColumn;
pub use from_record_batch::{ChangeRow, FromRecordBatch, Op};
pub use from_record_batch::{Reader, Rows};
pub use from_row::{FromRow, Row, RowColumn, accepts_struct, read_struct};
pub use record::{Record, RecordField, RowWriter};
pub use to_column::ToColumn;
pub use value::{Unfit, Value};
