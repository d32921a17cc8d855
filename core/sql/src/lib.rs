//! The SQL of Laminar: from text to a plan of dataflow operators.
//!
//! | module | what it holds |
//! |---|---|
//! | [`parser`] | the dialect: text to [`parser::statement::Statement`], errors with their place |
//! | [`catalog`] | what the planner asks of a catalogue |
//! | [`checked`] | integer arithmetic of ad-hoc queries that fails on overflow |
//! | [`host_functions`] | scalar and aggregate functions of the host |
//! | [`planner`] | binding, and the session for ad-hoc queries |
//! | [`window_query`] | the rewrite of windows that comes before binding |
//! | [`plan`] | [`plan::StreamPlan`], the operators to be, and `EXPLAIN` |
//!
//! Nothing here runs a query.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod aggregates;
pub mod catalog;
pub mod checked;
mod compile;
mod cross_joins;
mod distinct_on;
mod equalities;
mod event_order;
#[cfg(feature = "fault-injection")]
mod faults;
mod functions;
pub mod host_functions;
mod lateral_unnest;
mod lower;
mod milliseconds;
pub mod parser;
pub mod plan;
pub mod planner;
mod push_down;
mod time_joins;
pub mod window_query;
pub mod window_tables;
