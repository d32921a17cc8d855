//! The vocabulary that every layer of Laminar shares: errors, configuration, time and the batch
//! type. Nothing here does I/O, owns a thread or knows DataFusion.
//!
//! | module | what it holds |
//! |---|---|
//! | [`error`] | [`Error`], its [`ErrorKind`] (the status of the C ABI) and the table of `LDB-NNNN` codes |
//! | [`delta`] | [`Delta`]: a `RecordBatch` with weights, the value that flows on every edge |
//! | [`rows`] | [`RowBlock`]: a handful of rows without Arrow arrays; [`Change`]: either form |
//! | [`time`] | event-time columns, [`Watermark`] and the exclusive [`Frontier`] |
//! | [`outside`] | host code put off until the token has been given back |
//! | [`retention`] | [`Retention`]: how much of its past a relation keeps |
//! | [`size`] | sizes in bytes as text |
//! | [`connector_config`] | options of connectors by key, and the structs that are made of them |
//! | [`config`] | [`Config`] of a database, its defaults and its JSON form |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod config;
pub mod connector_config;
pub mod delta;
pub mod error;
pub mod mutants;
pub mod outside;
pub mod retention;
pub mod rows;
pub mod size;
pub mod time;

pub use config::{Backpressure, Config, MOST_WORKERS, WaitStrategy};
pub use connector_config::{ConnectorConfig, OptionForm, OptionReader, OptionSpec, OptionValue};
pub use delta::{Delta, Weights};
pub use error::{Code, Error, ErrorKind, Position, Result, code};
pub use retention::Retention;
pub use rows::{Change, RowBlock, RowLayout};
pub use size::parse_size_bytes;
pub use time::{Frontier, TimeUnit, Watermark};

/// Counts the changes of a database: every push, watermark call, timer and DDL statement is one
/// epoch, and everything downstream of it changes at its end.
pub type Epoch = u64;
