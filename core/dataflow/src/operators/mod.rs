//! The operators, one per file.

mod aggregate;
mod aggregate_call;
mod group_changes;
mod map;
mod materialize;
mod union;
mod window_aggregate;

pub use aggregate::Aggregate;
pub use aggregate_call::AggregateCall;
pub use map::{Map, Stage, TimeMap};
pub use materialize::Materialize;
pub use union::Union;
pub use window_aggregate::{WindowAggregate, WindowColumns, WindowEmit};
