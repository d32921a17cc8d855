//! `CREATE SINK ... AS query`: a sink with a query of its own is to its subscribers and readers what a
//! stream of that query is.

use std::time::Duration;

use laminar_db::{ErrorKind, LaminarDB, Polled};

use crate::row;
use crate::support::database::{
    content, drain_rows, execute, listed, query, refused, started, subscribe,
};
use crate::support::value::Value;

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT)";
const SUMS: &str = "CREATE SINK sums AS SELECT k, sum(v) AS v FROM t GROUP BY k EMIT CHANGES";

fn insert(db: &LaminarDB, rows: &str) {
    execute(db, &format!("INSERT INTO t VALUES {rows}"));
}

#[test]
fn a_sink_with_a_query_is_followed_and_read() {
    let db = started(&[SOURCE, SUMS, "CREATE STREAM big AS SELECT k FROM sums WHERE v > 10"]);
    let mut changes = subscribe(&db, "sums");
    insert(&db, "('a', 5), ('b', 20)");
    insert(&db, "('a', 7)");
    assert_eq!(
        drain_rows(&mut changes),
        [row!["a", 5, 1], row!["b", 20, 1], row!["a", 5, -1], row!["a", 12, 1]]
    );
    assert_eq!(content(&db, "sums"), [row!["a", 12], row!["b", 20]]);
    assert_eq!(content(&db, "big"), [row!["a"], row!["b"]]);
}

#[test]
fn its_options_are_those_of_a_query() {
    let db = started(&[
        SOURCE,
        "CREATE SINK tail WITH (retain_history = 2) AS SELECT v FROM t ON ERROR FAIL",
    ]);
    insert(&db, "('a', 1), ('a', 2), ('a', 3)");
    assert_eq!(content(&db, "tail"), [row![2], row![3]]);
    let error = refused(&db, "CREATE SINK x WITH (colour = 1) AS SELECT v FROM t");
    assert!(error.message().contains("no option `colour`"), "{error}");
    let error = refused(&db, "CREATE SINK x AS SELECT v FROM nothing");
    assert_eq!(error.position().map(|at| at.column), Some(32), "{error}");
}

#[test]
fn it_is_listed_as_a_sink() {
    let db = started(&[SOURCE, SUMS, "CREATE SINK again FROM sums"]);
    assert_eq!(query(&db, "SHOW SINKS"), [row!["again", "sums"], row!["sums", "t"]]);
    assert_eq!(query(&db, "SHOW STREAMS").len(), 0);
    assert_eq!(query(&db, "SELECT streams, sinks FROM laminar_metrics"), [row![0, 2]]);
    assert_eq!(query(&db, "SHOW CREATE SINK sums"), [row!["sums", SUMS]]);
    let edges =
        "SELECT from_node, to_node FROM laminar_topology WHERE kind = 'edge' ORDER BY to_node";
    assert_eq!(query(&db, edges), [row!["sums", "again"], row!["t", "sums"]]);
    let kind = "SELECT node_type FROM laminar_topology WHERE name = 'sums'";
    assert_eq!(query(&db, kind), [row!["sink"]]);
    assert!(db.explain("sums").unwrap().contains("Aggregate by (t.k)"));
    let described = query(&db, "DESCRIBE EXTENDED sums");
    assert_eq!(described[1], row!["kind", "sink"]);
    insert(&db, "('a', 5)");
    let analyzed = query(&db, "EXPLAIN ANALYZE sums");
    assert!(analyzed.iter().any(|line| line[0].text().contains("rows 1 in, 1 out")));
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "total_rows"), Value::Int(1));
}

#[test]
fn what_it_reads_stays_and_its_end_ends_its_subscriptions() {
    let db = started(&[SOURCE, SUMS, "CREATE SINK again FROM sums"]);
    let error = refused(&db, "DROP SOURCE t");
    assert_eq!(error.kind(), refused(&db, "DROP SINK sums").kind());
    assert!(error.message().contains("`sums`"), "{error}");
    assert!(refused(&db, "DROP STREAM sums").message().contains("write DROP SINK sums"));
    let mut changes = subscribe(&db, "sums");
    execute(&db, "DROP SINK sums CASCADE");
    assert!(matches!(changes.poll(Some(Duration::ZERO)), Ok(Polled::End)));
    assert_eq!(refused(&db, "SELECT * FROM again").kind(), ErrorKind::TableNotFound);
    execute(&db, "DROP SOURCE t");
}

#[test]
fn a_sink_is_replaced_by_one_of_its_form() {
    let db = started(&[SOURCE, SUMS, "CREATE SINK of_t FROM t"]);
    insert(&db, "('a', 5), ('a', 7)");
    let mut changes = subscribe(&db, "sums");
    execute(&db, &SUMS.replace("CREATE", "CREATE OR REPLACE").replace("sum(v)", "2 * sum(v)"));
    // A new definition counts what comes after it.
    assert_eq!(drain_rows(&mut changes), [row!["a", 12, -1]]);
    insert(&db, "('a', 3)");
    assert_eq!(content(&db, "sums"), [row!["a", 6]]);
    execute(&db, "CREATE SINK IF NOT EXISTS sums AS SELECT 1");
    for (sql, words) in [
        ("CREATE OR REPLACE SINK sums FROM t", "`sums` is a sink AS a query"),
        ("CREATE OR REPLACE SINK of_t AS SELECT k, v FROM t", "a sink FROM another relation"),
        ("CREATE SINK of_t AS SELECT k FROM t", "a SINK called `of_t` exists"),
        ("CREATE OR REPLACE SINK sums AS SELECT k, v FROM sums", "would read itself"),
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains(words), "{sql}\n{error}");
        assert!(error.position().is_some(), "{sql}");
    }
    assert_eq!(content(&db, "sums"), [row!["a", 6]]);
}
