//! The SQL of Laminar: from text to a plan of dataflow operators.
//!
//! | module | what it holds |
//! |---|---|
//! | [`parser`] | the dialect: text to [`parser::statement::Statement`], errors with their place |
//! | [`batch_joins`] | joins in time of ad-hoc queries |
//! | [`catalog`] | what the planner asks of a catalogue |
//! | [`checked`] | integer arithmetic of ad-hoc queries that fails on overflow |
//! | [`host_functions`] | scalar and aggregate functions of the host |
//! | [`counted_sets`] | `INTERSECT ALL` and `EXCEPT ALL` of ad-hoc queries |
//! | [`event_order`] | `FIRST` and `LAST` by event time |
//! | [`planner`] | binding, and the session for ad-hoc queries |
//! | [`window_query`] | the rewrite of windows that comes before binding |
//! | [`time_joins`] | the rewrite of joins in time, before and after binding |
//! | [`plan`] | [`plan::StreamPlan`], the operators to be |
//! | [`definition`] | what an operator does, to find one that does it already |
//! | [`outline`], [`batch_outline`] | a plan for people, `EXPLAIN` |
//!
//! Nothing here runs a query.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod aggregates;
mod aging;
mod asof_ranks;
pub mod batch_joins;
pub mod batch_outline;
mod batch_sessions;
pub mod catalog;
pub mod checked;
mod checked_sum;
mod checked_trunc;
mod clock;
mod compile;
pub mod counted_sets;
mod cross_joins;
pub mod definition;
mod dependent;
mod distinct_casts;
mod distinct_on;
mod equalities;
pub mod event_order;
#[cfg(feature = "fault-injection")]
mod faults;
mod float_extremes;
mod functions;
pub mod host_functions;
mod json;
pub mod lateral_unnest;
mod lower;
mod membership;
pub mod message;
mod milliseconds;
pub mod outline;
pub mod parser;
mod place;
pub mod plan;
pub mod planner;
mod probe_times;
mod push_down;
mod sliding_sums;
mod subquery_columns;
pub mod time_joins;
mod type_names;
pub mod using_columns;
mod wide_sums;
pub mod window_query;
pub mod window_tables;
