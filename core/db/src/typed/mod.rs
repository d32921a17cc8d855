//! The database for programs that have structs: sources that take them, sinks, subscriptions and
//! queries that give them. All of it stands on the untyped handles.
//!
//! | module | what it holds |
//! |---|---|
//! | `source` | [`Source`], a producer of records; [`TryPushError`] |
//! | `sink` | [`Sink`], what can be subscribed to by name |
//! | `subscription` | [`Subscription`]: rows as they come, waiting or not |
//! | `iterators` | the same as an iterator and as a `Stream` |
//! | `query` | [`QueryRows`], the rows of an ad-hoc query |

mod iterators;
mod query;
mod sink;
mod source;
mod subscription;

pub use iterators::Iter;
pub use query::QueryRows;
pub use sink::Sink;
pub use source::{Source, TryPushError};
pub use subscription::Subscription;
