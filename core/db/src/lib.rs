//! The database: what a program opens, feeds and polls.
//!
//! | module | what it holds |
//! |---|---|
//! | `database` | [`LaminarDB`], the handle, and the statements it runs |
//! | `engine` | what the token guards: catalogue, graph, epochs |
//! | `source`, `producers` | [`UntypedSource`], watermarks, the cutting of late rows |
//! | `stream` | a continuous query that runs |
//! | `subscription`, `ring`, `consolidate` | [`Subscription`] and its bounded queue |
//! | `query`, `adhoc` | [`Query`], ad-hoc SQL over one consistent epoch |
//! | `insert` | `INSERT INTO` |
//! | `introspection` | `SHOW`, `DESCRIBE`, dead letters |
//! | `history`, `page` | the recent rows that append-only relations keep |
//! | `token`, `wait` | the executor's token and how callers wait |
//!
//! No operator logic stands here.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod adhoc;
mod consolidate;
mod database;
mod engine;
mod history;
mod insert;
mod introspection;
mod page;
mod producers;
mod query;
mod ring;
mod source;
mod stream;
mod subscription;
#[allow(unsafe_code)]
mod token;
mod wait;

pub use database::{ExecuteResult, LaminarDB};
pub use laminar_types::{
    Code, Config, Epoch, Error, ErrorKind, Position, Result, WaitStrategy, Weights,
};
pub use query::{Query, QueryCanceller};
pub use source::UntypedSource;
pub use subscription::{ChangeBatch, Polled, SubscribeOptions, Subscription, SubscriptionHandle};
