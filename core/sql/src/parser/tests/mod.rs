//! Tests of the parser, one file for each kind of statement.

mod corpus;
mod create;
mod durations;
mod errors;
mod fuzz;
mod joins;
mod others;
mod streams;
mod windows;

use super::{Statement, StreamQuery, parse_one};
use laminar_types::Error;

/// The one statement of a text that must be right.
fn one(sql: &str) -> Statement {
    match parse_one(sql) {
        Ok(statement) => statement,
        Err(error) => panic!("{sql}\n{error}"),
    }
}

/// The query of a text that is one.
fn query(sql: &str) -> StreamQuery {
    match one(sql) {
        Statement::Query(query) => query,
        other => panic!("{sql}\n{other:?}"),
    }
}

/// The error of a text that must be wrong.
fn error(sql: &str) -> Error {
    match parse_one(sql) {
        Ok(statement) => panic!("{sql}\n{statement:?}"),
        Err(error) => error,
    }
}
