//! Functions of the host in continuous and ad-hoc queries; expected values by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type};
use laminar_db::{
    AggregateCalls, AggregateFunction, Error, ErrorKind, LaminarDB, Result, ScalarFunction,
    UntypedSource, Volatility,
};

use crate::row;
use crate::support::database::{
    batch, content, drain_rows, execute, listed, query, refused, started, subscribe, texts,
};
use crate::support::value::Value;

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT)";

fn failed(message: &str) -> Error {
    Error::new(laminar_types::code::EXECUTION, message)
}

/// `twice(v)`: fails on 13, panics on 14.
fn twice(db: LaminarDB) -> ScalarFunction {
    let call = move |arguments: &[ArrayRef], rows: usize| -> Result<ArrayRef> {
        // Whatever needs the token cannot end from here.
        let busy = db.execute_blocking("SELECT 1").err().map(|error| error.kind());
        assert_eq!(busy, Some(ErrorKind::ConnectionInUse));
        assert!(db.source_untyped("t").is_err());
        let values = arguments[0].as_primitive::<Int64Type>();
        assert_eq!(values.len(), rows);
        if values.iter().any(|value| value == Some(13)) {
            return Err(failed("thirteen"));
        }
        assert!(values.iter().all(|value| value != Some(14)), "fourteen");
        Ok(Arc::new(values.unary::<_, Int64Type>(|value| value * 2)))
    };
    ScalarFunction {
        name: "Twice".to_string(),
        arguments: vec![DataType::Int64],
        result: DataType::Int64,
        volatility: Volatility::Immutable,
        call: Arc::new(call),
    }
}

/// `product(v)` of what is not NULL; NULL of nothing.
struct Product;

impl AggregateCalls for Product {
    fn update(&self, state: Option<&[ArrayRef]>, arguments: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let mut product = state.map_or(1, |state| state[0].as_primitive::<Int64Type>().value(0));
        for value in arguments[0].as_primitive::<Int64Type>().iter().flatten() {
            product = product.checked_mul(value).ok_or_else(|| failed("too large"))?;
        }
        Ok(vec![Arc::new(Int64Array::from(vec![product]))])
    }

    fn merge(&self, state: &[ArrayRef], other: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        self.update(Some(state), other)
    }

    fn evaluate(&self, state: Option<&[ArrayRef]>) -> Result<ArrayRef> {
        Ok(match state {
            Some(state) => Arc::clone(&state[0]),
            None => Arc::new(Int64Array::from(vec![None])),
        })
    }
}

fn product(retractable: bool) -> AggregateFunction {
    AggregateFunction {
        name: "product".to_string(),
        arguments: vec![DataType::Int64],
        state: vec![Field::new("product", DataType::Int64, true)].into(),
        result: DataType::Int64,
        retractable,
        calls: Arc::new(Product),
    }
}

fn rows(source: &UntypedSource, values: &[(&str, i64)]) -> RecordBatch {
    let keys = texts(values.iter().map(|row| Some(row.0)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(values.iter().map(|row| row.1)));
    batch(source.schema(), vec![keys, numbers])
}

#[test]
fn a_scalar_function_runs_row_by_row_and_by_the_batch() {
    let db = started(&[SOURCE]);
    db.register_udf(twice(db.clone())).unwrap();
    execute(&db, "CREATE STREAM doubled AS SELECT k, twice(v) AS d FROM t WHERE twice(v) > 2");
    let source = db.source_untyped("t").unwrap();
    let mut following = subscribe(&db, "doubled");
    source
        .push_arrow(rows(&source, &[("a", 1), ("b", 2), ("c", 13), ("d", 14), ("e", 5)]))
        .unwrap();
    assert_eq!(drain_rows(&mut following), [row!["b", 4], row!["e", 10]]);
    let many: Vec<(&str, i64)> = (0..1_000).map(|n| ("m", 100 + n)).collect();
    source.push_arrow(rows(&source, &many)).unwrap();
    assert_eq!(drain_rows(&mut following).len(), 1_000);
    // What it failed on, and what it panicked on, are dead letters; the stream goes on.
    assert_eq!(listed(&db, "SHOW STREAMS", "doubled", "state"), "running".into());
    let letters = query(&db, "SELECT row, error FROM laminar_dead_letters");
    assert_eq!(letters.len(), 2, "{letters:?}");
    assert_eq!(letters[0][1], "twice: thirteen".into());
    assert!(format!("{:?}", letters[1][1]).contains("the function twice panicked: fourteen"));
    // Ad hoc, with casts, over several rows.
    assert_eq!(query(&db, "SELECT twice(CAST(4 AS INT)), twice(NULL)"), [row![8, Value::Null]]);
    assert_eq!(
        query(&db, "SELECT sum(twice(v)) FROM t WHERE k = 'm'"),
        [row![2 * (100 + 1_099) * 500]]
    );
    let error = db.query_blocking("SELECT twice(v) FROM t").and_then(|mut rows| {
        while rows.next_blocking()?.is_some() {}
        Ok(())
    });
    assert!(error.unwrap_err().message().contains("twice: "));
}

#[test]
fn functions_are_catalogued_and_their_names_are_their_own() {
    let db = started(&[SOURCE]);
    db.register_udf(twice(db.clone())).unwrap();
    db.register_udaf(product(true)).unwrap();
    assert_eq!(
        query(&db, "SELECT * FROM laminar_functions"),
        [
            row!["product", "aggregate", "Int64", "Int64", Value::Null, true],
            row!["twice", "scalar", "Int64", "Int64", "immutable", Value::Null],
        ]
    );
    let again = db.register_udf(twice(db.clone())).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::TableExists);
    for (name, kind) in [
        ("abs", ErrorKind::TableExists),
        ("SUM", ErrorKind::TableExists),
        ("tumble", ErrorKind::TableExists),
        ("", ErrorKind::QueryFailed),
        ("two words", ErrorKind::QueryFailed),
        ("2x", ErrorKind::QueryFailed),
    ] {
        let error = db.register_udf(ScalarFunction { name: name.to_string(), ..twice(db.clone()) });
        assert_eq!(error.unwrap_err().kind(), kind, "{name}");
    }
    let error = refused(&db, "SELECT twice('x', 2)");
    assert_eq!(error.kind(), ErrorKind::QueryFailed);
}

#[test]
fn a_volatile_function_is_refused_over_changing_rows() {
    let db =
        started(&[SOURCE, "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k"]);
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let call = move |_: &[ArrayRef], rows: usize| -> Result<ArrayRef> {
        let first = counted.fetch_add(rows as u64, Ordering::Relaxed) as i64;
        Ok(Arc::new(Int64Array::from_iter_values(first..first + rows as i64)))
    };
    db.register_udf(ScalarFunction {
        name: "ticket".to_string(),
        arguments: vec![DataType::Int64],
        result: DataType::Int64,
        volatility: Volatility::Volatile,
        call: Arc::new(call),
    })
    .unwrap();
    execute(&db, "CREATE STREAM numbered AS SELECT k, ticket(v) AS n FROM t");
    let error = refused(&db, "CREATE STREAM wrong AS SELECT ticket(n) AS n FROM counts");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("ticket() cannot stand over updating input"), "{error}");
    let source = db.source_untyped("t").unwrap();
    source.push_arrow(rows(&source, &[("a", 7), ("b", 7)])).unwrap();
    assert_eq!(content(&db, "numbered"), [row!["a", 0], row!["b", 1]]);
}

#[test]
fn an_aggregate_function_is_kept_up_to_date() {
    for cut in [1, 3, 100] {
        let db = started(&[
            SOURCE,
            "CREATE TABLE w (id BIGINT PRIMARY KEY, k VARCHAR, v BIGINT)",
            "CREATE SOURCE timed (v BIGINT, ts BIGINT, WATERMARK FOR ts AS ts)",
        ]);
        db.register_udaf(product(true)).unwrap();
        execute(&db, "CREATE STREAM p AS SELECT k, product(v) AS p FROM t GROUP BY k");
        execute(
            &db,
            "CREATE STREAM all_rows AS SELECT product(v) FILTER (WHERE v > 2) AS p FROM t",
        );
        execute(&db, "CREATE MATERIALIZED VIEW pw AS SELECT k, product(v) AS p FROM w GROUP BY k");
        // Panes are merged: a window of 20 in steps of 10.
        execute(
            &db,
            "CREATE STREAM hops AS SELECT window_start, product(v) AS p FROM timed \
             GROUP BY hop(ts, INTERVAL '10' SECOND, INTERVAL '20' SECOND) EMIT ON WINDOW CLOSE",
        );
        let source = db.source_untyped("t").unwrap();
        let all = [("a", 2), ("b", 3), ("a", 5), ("a", -1), ("b", 7)];
        for part in all.chunks(cut) {
            source.push_arrow(rows(&source, part)).unwrap();
        }
        assert_eq!(content(&db, "p"), [row!["a", -10], row!["b", 21]]);
        assert_eq!(content(&db, "all_rows"), [row![5 * 3 * 7]]);
        let ad_hoc = "SELECT k, product(v) AS p FROM t GROUP BY k ORDER BY k";
        assert_eq!(query(&db, ad_hoc), [row!["a", -10], row!["b", 21]]);
        assert_eq!(query(&db, "SELECT product(v) FROM t WHERE v > 99"), [row![Value::Null]]);

        execute(&db, "INSERT INTO w VALUES (1, 'x', 2), (2, 'x', 3), (3, 'y', 5)");
        assert_eq!(content(&db, "pw"), [row!["x", 6], row!["y", 5]]);
        execute(&db, "UPDATE w SET v = 10 WHERE id = 1");
        execute(&db, "DELETE FROM w WHERE id = 3");
        assert_eq!(content(&db, "pw"), [row!["x", 30]]);

        execute(
            &db,
            "INSERT INTO timed VALUES (2, 1000), (3, 11000), (5, 12000), (7, 21000), (1, 90000)",
        );
        let mut windows = content(&db, "hops");
        windows.sort_by_key(|row| row[0].int());
        assert_eq!(
            windows,
            [row![-10_000, 2], row![0, 2 * 15], row![10_000, 15 * 7], row![20_000, 7]]
        );
    }
}

#[test]
fn an_aggregate_function_that_takes_nothing_back_is_refused_over_changing_rows() {
    let db =
        started(&[SOURCE, "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k"]);
    db.register_udaf(product(false)).unwrap();
    execute(&db, "CREATE STREAM fine AS SELECT product(v) AS p FROM t");
    let error = refused(&db, "CREATE STREAM wrong AS SELECT product(n) AS p FROM counts");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("product(...) cannot stand over updating input"), "{error}");
}

#[test]
fn rows_that_an_aggregate_function_refuses_are_dead_letters() {
    let db = started(&[SOURCE]);
    db.register_udaf(product(false)).unwrap();
    // The sum, which cannot fail here, and the product see the same rows.
    execute(&db, "CREATE STREAM p AS SELECT k, product(v) AS p, sum(v) AS s FROM t GROUP BY k");
    let source = db.source_untyped("t").unwrap();
    let large = i64::MAX / 2;
    source.push_arrow(rows(&source, &[("a", 3), ("b", 2)])).unwrap();
    source.push_arrow(rows(&source, &[("b", 5), ("a", large), ("a", 4), ("b", large)])).unwrap();
    assert_eq!(content(&db, "p"), [row!["a", 12, 7], row!["b", 10, 7]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "p", "state"), "running".into());
    let letters = query(&db, "SELECT row, error FROM laminar_dead_letters");
    let text = |key: &str| format!("k: {key}, v: {large}");
    assert_eq!(
        letters,
        [row![&*text("a"), "product: too large"], row![&*text("b"), "product: too large"]]
    );
}

#[test]
fn what_cannot_be_computed_again_stops_its_stream_alone() {
    let db = started(&["CREATE TABLE w (id BIGINT PRIMARY KEY, v BIGINT)"]);
    db.register_udaf(product(true)).unwrap();
    execute(&db, "CREATE STREAM p AS SELECT product(v) AS p FROM w");
    execute(&db, "CREATE STREAM n AS SELECT count(*) AS n FROM w");
    execute(&db, &format!("INSERT INTO w VALUES (1, {}), (2, 2)", i64::MAX));
    assert_eq!(listed(&db, "SHOW STREAMS", "p", "state"), "failed".into());
    let error = listed(&db, "SHOW STREAMS", "p", "error");
    assert!(format!("{error:?}").contains("product: too large"), "{error:?}");
    assert_eq!(content(&db, "n"), [row![2]]);
}

#[test]
fn a_row_on_which_a_window_function_fails_is_absent_while_it_does() {
    let db = started(&["CREATE TABLE r (id BIGINT PRIMARY KEY, k VARCHAR, v BIGINT)"]);
    db.register_udaf(product(true)).unwrap();
    let large = i64::MAX / 2;
    execute(
        &db,
        "CREATE STREAM s AS SELECT id, product(v) OVER w AS p, row_number() OVER w AS n FROM r \
         WINDOW w AS (PARTITION BY k ORDER BY id)",
    );
    let mut following = subscribe(&db, "s");
    let told = |following: &mut laminar_db::UntypedSubscription| {
        let mut rows = drain_rows(following);
        rows.sort();
        rows
    };
    let letters = || listed(&db, "SHOW STREAMS", "s", "dead_letters");
    execute(
        &db,
        &format!("INSERT INTO r VALUES (1, 'a', 2), (2, 'a', {large}), (3, 'a', 4), (4, 'a', 5)"),
    );
    // 2 * large fits by one; four times that does not.
    assert_eq!(content(&db, "s"), [row![1, 2, 1], row![2, 2 * large, 2]]);
    assert_eq!(told(&mut following).len(), 2);
    let told_letters = query(&db, "SELECT stream, error FROM laminar_dead_letters");
    assert_eq!(told_letters, [row!["s", "product: too large"], row!["s", "product: too large"]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "s", "state"), "running".into());
    // Only the row that comes is told.
    execute(&db, "INSERT INTO r VALUES (5, 'a', 6), (6, 'b', 7)");
    assert_eq!(told(&mut following), [row![6, 7, 1, 1]]);
    assert_eq!(letters(), Value::Int(3));
    execute(&db, "UPDATE r SET v = 1 WHERE id = 2");
    assert_eq!(
        told(&mut following),
        [
            row![2, 2, 2, 1],
            row![2, 2 * large, 2, -1],
            row![3, 8, 3, 1],
            row![4, 40, 4, 1],
            row![5, 240, 5, 1]
        ]
    );
    execute(&db, &format!("UPDATE r SET v = {large} WHERE id = 2"));
    assert_eq!(
        told(&mut following),
        [
            row![2, 2, 2, -1],
            row![2, 2 * large, 2, 1],
            row![3, 8, 3, -1],
            row![4, 40, 4, -1],
            row![5, 240, 5, -1]
        ]
    );
    assert_eq!(letters(), Value::Int(6));
    // The rows behind it were absent under other numbers.
    execute(&db, "DELETE FROM r WHERE id = 2");
    assert_eq!(
        told(&mut following),
        [row![2, 2 * large, 2, -1], row![3, 8, 2, 1], row![4, 40, 3, 1], row![5, 240, 4, 1]]
    );
    assert_eq!(letters(), Value::Int(6));
    assert_eq!(content(&db, "s").len(), 5);
}
