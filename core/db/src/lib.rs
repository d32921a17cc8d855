#![doc = include_str!("../README.md")]
//!
//! # Inside
//!
//! | module | what it holds |
//! |---|---|
//! | `database`, `statements` | [`LaminarDB`], the handle, and the statements it runs |
//! | `offload` | the asynchronous calls, and who does their work |
//! | `builder` | [`Builder`], a database opened setting by setting |
//! | `records` | [`Record`], [`FromRow`]: structs as rows |
//! | `typed` | [`Source`], [`Sink`], [`Subscription`] over structs |
//! | `catalog` | what names stand for |
//! | `board`, `system_tables` | what is known without the token: counters, gauges, listings |
//! | `engine` | what the token guards: catalogue, graph, epochs |
//! | `drop` | what reads an object, and how objects go |
//! | `writer` | [`Writer`], batches gathered for one epoch |
//! | `source`, `producers` | [`UntypedSource`], watermarks, the cutting of late rows |
//! | `stream` | a continuous query that runs |
//! | `subscribe`, `subscription`, `ring` | [`UntypedSubscription`] and its bounded queue |
//! | `cancellable` | queries that end when they are cancelled, and keep no other waiting |
//! | `source_policy` | what a source does with a push that finds no room |
//! | `start_queue` | what happened before the start |
//! | `admission` | what holds a push back before its epoch |
//! | `query`, `adhoc` | [`Query`], ad-hoc SQL over one consistent epoch |
//! | `insert`, `change` | `INSERT INTO`; `UPDATE`, `DELETE`, and how they take effect |
//! | `table` | `CREATE TABLE` |
//! | `added_column` | `ALTER SOURCE ... ADD COLUMN` |
//! | `introspection` | `DESCRIBE`, `SHOW CREATE`, dead letters |
//! | `clock` | what time it is, and when something is due |
//! | `keyed_times` | the largest event time of each key of a source |
//! | `settings` | what `SET` changes |
//! | `source_timing` | the options of a source about time |
//! | `history`, `epoch_marks`, `page` | the recent rows that append-only relations keep |
//! | `affinity` | the core of the database's own threads |
//! | `log` | what the host is told line by line |
//! | `token`, `wait` | the executor's token and how callers wait |
//! | `workers` | the threads that run partitions of operators |
//!
//! No operator logic stands here.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod added_column;
mod adhoc;
mod admission;
mod affinity;
mod analyze;
mod board;
mod builder;
mod cancellable;
mod catalog;
mod change;
mod clock;
mod database;
mod derives;
mod drop;
mod engine;
mod epoch_marks;
mod failing_row;
mod history;
mod insert;
mod introspection;
mod key_lookup;
mod keyed_times;
mod log;
mod offload;
mod page;
mod producers;
mod query;
mod records;
mod replace;
mod replaced;
mod ring;
mod settings;
mod source;
mod source_policy;
mod source_timing;
mod start_queue;
mod statements;
mod stream;
mod subscribe;
mod subscription;
mod system_tables;
mod table;
#[allow(unsafe_code)]
mod token;
mod typed;
mod wait;
mod workers;
mod writer;

/// The Arrow of this version, for batches that go in and come out.
pub use arrow;
pub use builder::{Builder, CheckpointConfig, WalMode};
pub use database::{ExecuteResult, LaminarDB};
pub use derives::{ConnectorConfig, FromRecordBatch, FromRow, Record};
pub use laminar_sql::host_functions::{
    AggregateCalls, AggregateFunction, ScalarCall, ScalarFunction, Volatility,
};
pub use laminar_types::{
    Code, Config, ConnectorConfig, Epoch, Error, ErrorKind, OptionForm, OptionReader, OptionSpec,
    OptionValue, Position, Result, Retention, WaitStrategy, Weights, code,
};
pub use log::{LogLevel, LogListener};
pub use query::{Query, QueryCanceller};
pub use records::{
    Cell, ChangeRow, Decimal, FromColumn, FromRecordBatch, FromRow, Op, Record, RecordField, Row,
    RowColumn, RowWriter, ToColumn, Unfit, Value,
};
pub use source::UntypedSource;
pub use subscription::{
    ChangeBatch, OnFull, Polled, PolledChange, SubscribeOptions, SubscriptionHandle,
    UntypedSubscription,
};
pub use typed::{Iter, QueryRows, Sink, Source, Subscription, TryPushError};
pub use writer::Writer;

/// What the derives call; not for programs.
#[doc(hidden)]
pub mod derived {
    pub use laminar_types::connector_config::{ByFromStr, ByValue, Milliseconds, Seconds, put};

    pub use crate::records::{accepts_struct, read_struct};
}

#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../docs/RUST.md")]
    struct Guide;

    #[doc = include_str!("../../../README.md")]
    struct Readme;
}
