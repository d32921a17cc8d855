//! The operators, one per file.

mod aggregate;
mod aggregate_call;
mod group_changes;
mod join;
mod map;
mod materialize;
mod set_operation;
mod union;
mod window_aggregate;

pub use aggregate::Aggregate;
pub use aggregate_call::AggregateCall;
pub use join::{Join, JoinFilter, JoinInput, JoinKind, JoinSpec, Keeping, Side};
pub use map::{Map, Stage, TimeMap};
pub use materialize::Materialize;
pub use set_operation::{SetOperation, SetQuantity};
pub use union::Union;
pub use window_aggregate::{WindowAggregate, WindowColumns, WindowEmit};
