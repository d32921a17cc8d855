//! Driving a database: statements, pushes and what queries answer, without ceremony.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use laminar_db::{
    ChangeBatch, Error, ExecuteResult, LaminarDB, Polled, SubscribeOptions, UntypedSubscription,
};

use super::value::{Row, rows, sorted};

/// A started database with these objects.
#[track_caller]
pub fn started(statements: &[&str]) -> LaminarDB {
    let db = created(statements);
    db.start_blocking().unwrap();
    db
}

/// A database with these objects that has not started.
#[track_caller]
pub fn created(statements: &[&str]) -> LaminarDB {
    let db = LaminarDB::open().unwrap();
    statements.iter().for_each(|sql| execute(&db, sql));
    db
}

/// Runs a statement that must succeed.
#[track_caller]
pub fn execute(db: &LaminarDB, sql: &str) {
    if let Err(error) = db.execute_blocking(sql) {
        panic!("{sql}\n{error}");
    }
}

/// How many rows a statement took in.
#[track_caller]
pub fn affected(db: &LaminarDB, sql: &str) -> u64 {
    match db.execute_blocking(sql) {
        Ok(ExecuteResult::Affected { rows, .. }) => rows,
        Ok(_) => panic!("{sql} takes in no rows"),
        Err(error) => panic!("{sql}\n{error}"),
    }
}

/// The error of a statement that must fail.
#[track_caller]
pub fn refused(db: &LaminarDB, sql: &str) -> Error {
    match db.execute_blocking(sql) {
        Err(error) => error,
        Ok(ExecuteResult::Rows(mut query)) => loop {
            match query.next_blocking() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("was not refused: {sql}"),
                Err(error) => return error,
            }
        },
        Ok(_) => panic!("was not refused: {sql}"),
    }
}

/// The batches that a query answers.
#[track_caller]
pub fn batches(db: &LaminarDB, sql: &str) -> Vec<RecordBatch> {
    let mut query = db.query_blocking(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let mut batches = Vec::new();
    while let Some(batch) = query.next_blocking().unwrap_or_else(|e| panic!("{sql}\n{e}")) {
        batches.push(batch);
    }
    batches
}

/// The rows that a query answers, in their order.
#[track_caller]
pub fn query(db: &LaminarDB, sql: &str) -> Vec<Row> {
    rows(&batches(db, sql))
}

/// The content of a relation, sorted.
#[track_caller]
pub fn content(db: &LaminarDB, name: &str) -> Vec<Row> {
    sorted(&batches(db, &format!("SELECT * FROM {name}")))
}

/// A column of the row of `SHOW STREAMS` (or another listing) that has this name.
#[track_caller]
pub fn listed(db: &LaminarDB, listing: &str, name: &str, column: &str) -> super::value::Value {
    let batches = batches(db, listing);
    let column = batches[0].schema().index_of(column).unwrap();
    let rows = rows(&batches);
    let row = rows.iter().find(|row| row[0] == name.into());
    row.unwrap_or_else(|| panic!("{listing} does not list {name}"))[column].clone()
}

/// A batch of a schema, out of columns.
pub fn batch(schema: SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema, columns).unwrap()
}

/// A column of text.
pub fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}

/// Subscribes with the defaults.
#[track_caller]
pub fn subscribe(db: &LaminarDB, target: &str) -> UntypedSubscription {
    db.subscribe_with(target, SubscribeOptions::default())
        .unwrap_or_else(|error| panic!("{target}\n{error}"))
}

/// What a subscription has now; fails when that is not batches alone.
#[track_caller]
pub fn drain(subscription: &mut UntypedSubscription) -> Vec<ChangeBatch> {
    let mut changes = Vec::new();
    loop {
        match subscription.poll(Some(Duration::ZERO)).unwrap() {
            Polled::Batch(change) => changes.push(change),
            Polled::Empty | Polled::End => return changes,
            other => panic!("polled {other:?}"),
        }
    }
}

/// The rows that a subscription has now, in their order.
#[track_caller]
pub fn drain_rows(subscription: &mut UntypedSubscription) -> Vec<Row> {
    let batches: Vec<RecordBatch> =
        drain(subscription).into_iter().map(|change| change.batch).collect();
    rows(&batches)
}
