//! The incremental dataflow: operators over weighted Arrow batches, connected by a [`Graph`].
//!
//! This layer owns no thread, clock, socket or file. It is a deterministic function of its state
//! and its input, so it can be simulated, replayed and fuzzed. It knows neither SQL text nor names.
//!
//! | module | what it holds |
//! |---|---|
//! | [`operator`] | the [`Operator`] trait, what an edge promises ([`Traits`]), [`Context`] |
//! | [`graph`] | [`Graph`]: nodes in topological order, one run per step |
//! | [`operators`] | one operator per file |
//! | [`aggregate`] | aggregate functions and the table of groups |
//! | [`state`] | copy-on-write pages and the group index: all that outlives an epoch |
//! | [`expr`] | expressions over batches, built once |
//! | [`row_expr`] | the common ones, interpreted row by row |
//! | [`window`] | the arithmetic of windows and panes |
//! | `epoch_time` | the time of the epoch, where expressions read it |
//! | `consolidate` | what several changes come to |
//! | `work` | what each operator was given, gave and took |
//! | [`workers`] | [`Workers`]: who runs the partitions of an operator |
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod aggregate;
mod consolidate;
mod epoch_time;
pub mod expr;
pub mod graph;
pub mod operator;
pub mod operators;
pub mod row_expr;
pub mod state;
pub mod window;
mod work;
pub mod workers;

pub use consolidate::consolidate;
pub use epoch_time::EpochTime;
pub use graph::{Graph, NodeId, StepOutput};
pub use operator::{
    Changes, Content, Context, DeadLetter, EventTime, Marks, Metrics, Noticed, Operator,
    PartitionMetrics, Traits, WindowEnds,
};
pub use work::Work;
pub use workers::{Inline, Workers};
