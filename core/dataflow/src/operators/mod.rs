//! The operators, one per file.

mod aggregate;
mod aggregate_call;
mod constant;
mod emission;
mod group_changes;
mod join;
mod late_rows;
mod lifetime;
mod map;
mod materialize;
mod over;
mod over_reach;
mod over_running;
mod partition_rows;
mod partition_times;
mod partitioned;
mod row_changes;
mod row_codec;
mod row_program;
mod session_aggregate;
mod set_operation;
mod time_join;
mod time_map;
pub(crate) mod timed_rows;
mod top_n;
mod union;
mod unnest;
mod until_final;
mod window_aggregate;

pub use aggregate::Aggregate;
pub use aggregate_call::AggregateCall;
pub use constant::Constant;
pub use join::{
    Arranged, Join, JoinFilter, JoinInput, JoinKind, JoinSpec, Keeping, KeyedRows, SharedRows, Side,
};
pub use late_rows::{OfSet, WEIGHT_COLUMN, weight_field};
pub use lifetime::{Lifetime, Until};
pub use map::{Map, Stage};
pub use materialize::Materialize;
pub use over::{Over, OverCall, OverFunction};
pub use over_reach::{Reach, ValueDistance};
pub use over_running::RunningAggregate;
pub use partition_rows::{OverColumn, Partitioning};
pub use partition_times::PartitionTime;
pub(crate) use partitioned::ordinals;
pub use partitioned::{Partitioned, Place};
pub use row_codec::OrderColumn;
pub use session_aggregate::SessionAggregate;
pub use set_operation::{SetOperation, SetQuantity};
pub use time_join::{
    AsofJoin, AsofMatch, AsofPlan, CurrentJoin, CurrentPlan, IntervalJoin, IntervalPlan,
    SideOutput, TimedSide,
};
pub use time_map::{Monotone, TimeMap, TimeStep};
pub use top_n::{Ranking, TopN, TopNSpec};
pub use union::Union;
pub use unnest::{OnTime, Unnest, UnnestColumn};
pub use until_final::UntilFinal;
pub use window_aggregate::{WindowAggregate, WindowColumns, WindowEmit, WindowOptions};

#[cfg(test)]
mod window_state_tests;
