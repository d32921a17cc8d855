//! Tests of the engine through the API of `laminar-db`.
//!
//! | module | what it shows |
//! |---|---|
//! | `flights` | the demo's queries over a year of flights, against DataFusion's batch answer |
//! | `windows` | windows, watermarks and late rows, against a model of a few lines |
//! | `time_joins` | ASOF, temporal and interval joins, against their definitions |
//! | `aggregates` | keyed aggregates and streams over streams, against DataFusion |
//! | `nexmark` | the queries of Nexmark, against DataFusion |
//! | `tpch` | the queries of TPC-H over tables that change, against DataFusion |
//! | `json` | documents in text, by hand |
//! | `joins` | joins and set operations, against DataFusion |
//! | `top_n`, `over` | top-N and window functions, against DataFusion and a model of ties |
//! | `partition_ends` | partitions by an event time are forgotten when it is over, against DataFusion |
//! | `delays` | delay rankings over real flights, against DataFusion |
//! | `subqueries`, `unnest` | subqueries in expressions, lists into rows, against DataFusion |
//! | `rows` | a few rows at a time give what batches give |
//! | `restored` | an operator goes on from a snapshot of another as that one did |
//! | `lifecycle` | what happens before start, at a drop, in subscriptions |
//! | `added_column` | `ALTER SOURCE ... ADD COLUMN`, and what stays as it was |
//! | `tables` | tables and their changes, and streams over them, against a model and DataFusion |
//! | `host_functions` | scalar and aggregate functions of the host |
//! | `epoch_time` | `now()` and its like in continuous queries, by a clock that is moved |
//! | `query_sinks` | `CREATE SINK ... AS query` |
//! | `log` | what the host is told line by line |
//! | `subscribe` | subscriptions from an epoch and under a condition; writers |
//! | `analyze` | `EXPLAIN ANALYZE`: the work of each operator, counted by hand |
//! | `semantics` | docs/SEMANTICS.md names tests that exist |
//! | `settings` | `SET`, `SHOW`, `RESET`, and who reads what was set |
//! | `sharing` | operators that several streams use |
//! | `system_tables` | listings, metrics, topology; queries that are cancelled |
//! | `key_lookup` | `UPDATE` and `DELETE` by key, against the same without one |
//! | `replace` | `CREATE OR REPLACE`, against definitions made anew |
//! | `typed` | records in, rows out: the database through structs, by hand |
//! | `views` | materialized views, cascades, drops, streams that fail, variables |
//! | `dead_letters` | rows on which an expression fails, by hand and in every operator against DataFusion |
//! | `constants` | continuous queries over `VALUES` and without `FROM`, against DataFusion |
//! | `ad_hoc` | what ad-hoc queries answer where DataFusion alone would differ |
//! | `overflow` | checked arithmetic, and what is said of a statement that fails |
//! | `admission` | subscriptions that hold pushes back |
//! | `source_policies` | sources that block, refuse or drop, and who is told of room |
//! | `differential` | random cases against an independent oracle |
//! | `mutants` | every deliberate bug is noticed; with the feature of this name |
//! | `fuzz` | statements that nobody wrote |
//! | `scripts` | the sqllogictest scripts of `tests/sql` |
//! | `refusals` | every refusal of the planner: its code, its place, what to do instead |
//! | `sql_errors` | what is refused, with which words and at which place |
//!
//! Expected values come from an oracle, a model or arithmetic by hand, never from the engine.

mod ad_hoc;
mod added_column;
mod admission;
mod aggregates;
mod analyze;
mod arrival;
mod constants;
mod dead_letters;
mod delays;
mod differential;
mod epoch_time;
mod error_table;
mod flights;
mod fuzz;
mod host_functions;
mod joins;
mod json;
mod key_lookup;
mod lifecycle;
mod log;
#[cfg(feature = "mutants")]
mod mutants;
mod nexmark;
mod over;
mod overflow;
mod partition_ends;
mod query_sinks;
mod refusals;
mod replace;
mod restored;
mod rows;
mod scripts;
mod semantics;
mod settings;
mod sharing;
mod source_policies;
mod sql_errors;
mod sql_reference;
mod subqueries;
mod subscribe;
mod system_tables;
mod tables;
mod time_joins;
mod top_n;
mod tpch;
mod typed;
mod unnest;
mod views;
mod windows;
mod workers;

use laminar_tests::{row, support};
