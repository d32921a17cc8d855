//! Answers of ad-hoc queries that DataFusion alone would give otherwise. Expected values by hand.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use laminar_db::{Result, ScalarFunction, Volatility};
use laminar_types::code;

use crate::row;
use crate::support::database::{created, query, refused, started};
use crate::support::value::Value;

#[test]
fn copies_count_in_intersect_all_and_except_all() {
    let db = started(&[
        "CREATE TABLE l (a BIGINT, b VARCHAR)",
        "CREATE TABLE r (a INT, b VARCHAR)",
        "INSERT INTO l VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, NULL), (2, NULL), (3, 'z')",
        "INSERT INTO r VALUES (1, 'x'), (2, NULL), (2, NULL), (2, NULL), (4, 'w')",
    ]);
    let sorted = |sql: &str| {
        let mut rows = query(&db, sql);
        rows.sort();
        rows
    };
    let null = None::<&str>;
    for (sql, expected) in [
        (
            "SELECT * FROM l EXCEPT ALL SELECT * FROM r",
            vec![row![1, "x"], row![1, "x"], row![3, "z"]],
        ),
        (
            "SELECT * FROM l INTERSECT ALL SELECT * FROM r",
            vec![row![1, "x"], row![2, null], row![2, null]],
        ),
        ("SELECT * FROM r EXCEPT ALL SELECT * FROM l", vec![row![2, null], row![4, "w"]]),
        ("SELECT * FROM l EXCEPT SELECT * FROM r", vec![row![3, "z"]]),
        ("SELECT * FROM l INTERSECT SELECT * FROM r", vec![row![1, "x"], row![2, null]]),
        ("SELECT a FROM l EXCEPT ALL SELECT a FROM r EXCEPT ALL SELECT 1", vec![row![1], row![3]]),
        ("SELECT count(*) FROM (SELECT a FROM l EXCEPT ALL (SELECT a FROM r)) AS u", vec![row![3]]),
        (
            "SELECT a FROM l WHERE a IN (SELECT a FROM l EXCEPT ALL SELECT a FROM r) AND b <> 'x'",
            vec![row![3]],
        ),
        (
            "SELECT a + 1 AS c FROM l EXCEPT ALL SELECT 2 ORDER BY c",
            vec![row![2], row![2], row![3], row![3], row![4]],
        ),
    ] {
        assert_eq!(sorted(sql), expected, "{sql}");
    }
}

#[test]
fn extremes_of_floats() {
    let db = started(&[
        "CREATE TABLE t (k VARCHAR, f DOUBLE, g REAL)",
        "INSERT INTO t VALUES ('inf', 'Infinity', '-Infinity'), ('nan', 'NaN', 'NaN'), ('nan', 0.5, 'NaN'),
           ('one', 1, 2.5), ('one', -1, NULL), ('none', NULL, NULL)",
    ]);
    let (inf, nan, none) = (f64::INFINITY, f64::NAN, None::<f64>);
    assert_eq!(
        query(&db, "SELECT k, min(f), max(f), min(g), max(g) FROM t GROUP BY k ORDER BY k"),
        [
            row!["inf", inf, inf, -inf, -inf],
            row!["nan", 0.5, nan, nan, nan],
            row!["none", none, none, none, none],
            row!["one", -1.0, 1.0, 2.5, 2.5],
        ]
    );
    assert_eq!(query(&db, "SELECT min(f), max(f) FROM t"), [row![-1.0, nan]]);
    assert_eq!(
        query(&db, "SELECT max(f) FILTER (WHERE k <> 'nan'), min(DISTINCT g) FROM t"),
        [row![inf, -inf]]
    );
    assert_eq!(query(&db, "SELECT min(k), max(k) FROM t WHERE f IS NULL"), [row!["none", "none"]]);
}

#[test]
fn words_of_sql_are_no_relations() {
    let db = started(&["CREATE TABLE t (a INT)", "CREATE TABLE \"where\" (a INT)"]);
    for (sql, column) in [
        ("SELECT * FROM WHERE x = 1", 15),
        ("SELECT 1 FROM where", 15),
        ("CREATE STREAM s AS SELECT * FROM GROUP BY a", 34),
        ("DELETE FROM WHERE a = 1", 13),
        ("SELECT * FROM t JOIN ON t.a = 1", 22),
        ("SELECT (SELECT 1 FROM ORDER BY 1)", 23),
    ] {
        let error = refused(&db, sql);
        let position = error.position().map(|position| position.column);
        assert_eq!(position, Some(column), "{sql}\n{error}");
        assert!(error.message().contains("expected"), "{sql}\n{error}");
    }
    assert_eq!(query(&db, "SELECT count(*) FROM \"where\""), [row![0]]);
    assert_eq!(query(&db, "SELECT count(*) FROM t AS left_one")[0][0], Value::Int(0));
}

/// A function of one BIGINT.
fn on_integers(
    name: &str,
    call: impl Fn(&[ArrayRef], usize) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarFunction {
    ScalarFunction {
        name: name.to_string(),
        arguments: vec![DataType::Int64],
        result: DataType::Int64,
        volatility: Volatility::Volatile,
        call: Arc::new(call),
    }
}

#[test]
fn a_query_that_computes_for_long_keeps_no_other_waiting() {
    let db = created(&["CREATE TABLE t (v BIGINT)", "INSERT INTO t VALUES (1), (2)"]);
    let (begun_by, begun) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel::<()>();
    let go_on = Mutex::new(go_on);
    let stuck = move |arguments: &[ArrayRef], _: usize| {
        begun_by.send(()).unwrap();
        // Until the test is over.
        let _ = go_on.lock().unwrap().recv();
        Ok(Arc::clone(&arguments[0]))
    };
    db.register_udf(on_integers("stuck", stuck)).unwrap();
    let mut long = db.query_blocking("SELECT stuck(v) AS v FROM t").unwrap();
    let canceller = long.canceller();
    let reader = thread::spawn(move || long.next_blocking().unwrap_err().code());
    begun.recv().unwrap();
    assert_eq!(query(&db, "SELECT sum(v) FROM t"), vec![row![3]]);
    canceller.cancel();
    assert_eq!(reader.join().unwrap(), code::CANCELLED);
    assert_eq!(query(&db, "SELECT count(*) FROM t"), vec![row![2]]);
    drop(let_go);
}

#[test]
fn a_cancelled_query_ends_also_where_it_gives_no_row_for_long() {
    let db = created(&[]);
    let (alive, gone) = mpsc::channel::<()>();
    let (begun_by, begun) = mpsc::sync_channel(1);
    let alive = Mutex::new(alive);
    let seen = move |arguments: &[ArrayRef], _: usize| {
        let _alive = alive.lock();
        let _ = begun_by.try_send(());
        Ok(Arc::clone(&arguments[0]))
    };
    db.register_udf(on_integers("seen", seen)).unwrap();
    // Years of work, with one row at the end.
    let endless = "SELECT sum(seen(value) % 2) FROM generate_series(1, 1000000000000000)";
    let mut long = db.query_blocking(endless).unwrap();
    let canceller = long.canceller();
    let reader = thread::spawn(move || long.next_blocking().unwrap_err().code());
    begun.recv().unwrap();
    canceller.cancel();
    assert_eq!(reader.join().unwrap(), code::CANCELLED);
    drop(db);
    // The function goes with the last that could call it: the query's task.
    assert_eq!(gone.recv_timeout(Duration::from_secs(120)), Err(RecvTimeoutError::Disconnected));
}
