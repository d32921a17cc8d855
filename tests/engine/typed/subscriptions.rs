//! Rows as they come.

use std::thread;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use laminar_db::{
    ChangeRow, FromRow, LaminarDB, Op, Record, Source, SubscribeOptions, Subscription, code,
};

use crate::support::database::{created, execute};

#[derive(Record, Clone, Debug)]
struct Trade {
    symbol: String,
    price: i64,
}

#[derive(FromRow, Clone, Debug, PartialEq)]
struct Count {
    symbol: String,
    n: i64,
}

fn trade(symbol: &str, price: i64) -> Trade {
    Trade { symbol: symbol.to_string(), price }
}

/// A started database with trades, and a stream of the dear ones.
fn market(more: &[&str]) -> (LaminarDB, Source<Trade>) {
    let mut statements = vec![
        "CREATE SOURCE trades (symbol VARCHAR, price BIGINT)",
        "CREATE STREAM dear AS SELECT * FROM trades WHERE price > 100",
        "CREATE SINK dear_sink FROM dear",
    ];
    statements.extend(more);
    let db = created(&statements);
    db.start_blocking().unwrap();
    let trades = db.source("trades").unwrap();
    (db, trades)
}

fn symbols(subscription: &mut Subscription<(String, i64)>) -> Vec<String> {
    subscription.drain().unwrap().into_iter().map(|(symbol, _)| symbol).collect()
}

#[test]
fn every_name_and_query_can_be_followed() {
    let (db, trades) = market(&["CREATE MATERIALIZED VIEW all_dear AS SELECT * FROM dear"]);
    trades.push(trade("early", 200)).unwrap();
    let mut by_name = db.subscribe("dear").unwrap();
    let mut by_source = db.subscribe("trades").unwrap();
    let mut by_sink = db.sink("dear_sink").unwrap().subscribe().unwrap();
    let mut by_query = db.subscribe("SELECT * FROM trades WHERE price > 100").unwrap();
    let snapshot = SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
    let sink = db.sink("dear").unwrap();
    assert_eq!((sink.name(), sink.schema().fields().len()), ("dear", 2));
    let mut with_snapshot = sink.subscribe_with(snapshot).unwrap();
    let predicate = Some("price > 300".to_string());
    let options = SubscribeOptions { predicate, ..SubscribeOptions::default() };
    let mut dearer = sink.subscribe_with(options).unwrap();
    trades.push_batch(&[trade("a", 101), trade("b", 100), trade("c", 400)]).unwrap();
    assert_eq!(symbols(&mut by_name), ["a", "c"]);
    assert_eq!(symbols(&mut by_source), ["a", "b", "c"]);
    assert_eq!(symbols(&mut by_sink), ["a", "c"]);
    assert_eq!(symbols(&mut by_query), ["early", "a", "c"]);
    assert_eq!(symbols(&mut with_snapshot), ["early", "a", "c"]);
    assert_eq!(symbols(&mut dearer), ["c"]);
    let views: Vec<ChangeRow<(String, i64)>> = {
        let snapshot = SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
        let mut view = db.subscribe_as("all_dear", snapshot).unwrap_or_else(|error| {
            panic!("the view tells {error}");
        });
        view.drain().unwrap()
    };
    assert_eq!(views.len(), 3);
}

#[test]
fn changes_tell_what_happened_in_which_epoch() {
    let (db, trades) = market(&[
        "CREATE STREAM counts AS SELECT symbol, count(*) AS n FROM trades GROUP BY symbol EMIT CHANGES",
    ]);
    #[derive(FromRow, Debug, PartialEq)]
    struct Weighted {
        n: i64,
        _weight: i64,
    }
    let mut changes = db.subscribe::<ChangeRow<Count>>("counts").unwrap();
    let mut weighted = db.subscribe::<Weighted>("counts").unwrap();
    let count = |n| Count { symbol: "a".to_string(), n };
    let mut epochs = Vec::new();
    // One row travels as a block, fifty do not.
    for (rows, before, after) in [(1, None, 1), (50, Some(1), 51), (1, Some(51), 52)] {
        let epoch = trades.push_batch(&vec![trade("a", 1); rows]).unwrap();
        epochs.push(epoch);
        let mut expected = Vec::new();
        if let Some(n) = before {
            expected.push(ChangeRow { op: Op::Delete, row: count(n), epoch });
        }
        expected.push(ChangeRow { op: Op::Insert, row: count(after), epoch });
        let told = changes.drain().unwrap();
        assert_eq!(told, expected);
        assert_eq!(changes.epoch(), epoch);
        let weights: Vec<Weighted> =
            told.iter().map(|c| Weighted { n: c.row.n, _weight: c.weight() }).collect();
        assert_eq!(weighted.drain().unwrap(), weights);
    }
    assert!(epochs.is_sorted());
}

#[test]
fn batches_come_whole() {
    let (db, trades) = market(&[]);
    let mut dear = db.subscribe::<RecordBatch>("dear").unwrap();
    trades.push(trade("a", 101)).unwrap();
    trades.push_batch(&vec![trade("b", 102); 40]).unwrap();
    let rows: Vec<usize> = dear.drain().unwrap().iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [1, 40]);
}

#[test]
fn polls_never_wait_and_waits_end_in_time() {
    let (db, trades) = market(&[]);
    let mut dear = db.subscribe::<(String, i64)>("dear").unwrap();
    assert_eq!(dear.poll().unwrap(), None);
    assert!(!dear.has_ended());
    let begun = Instant::now();
    let wait = Duration::from_millis(30);
    let error = dear.recv_timeout_blocking(wait).unwrap_err();
    assert_eq!((error.code(), error.kind().status()), (code::SUBSCRIPTION_TIMEOUT, 502));
    assert!(begun.elapsed() >= wait);
    let pushes = thread::spawn(move || trades.push(trade("a", 101)).unwrap());
    let row = dear.recv_timeout_blocking(Duration::from_secs(60)).unwrap();
    assert_eq!(row, Some(("a".to_string(), 101)));
    pushes.join().unwrap();
}

#[test]
fn an_iterator_ends_with_the_subscription() {
    let (db, trades) = market(&[]);
    let mut dear = db.subscribe::<(String, i64)>("dear").unwrap();
    trades.push_batch(&[trade("a", 101), trade("b", 102), trade("c", 103)]).unwrap();
    let first = (&mut dear).into_iter().next().unwrap().unwrap();
    assert_eq!(first.0, "a");
    let handle = dear.handle();
    let reader =
        thread::spawn(move || dear.into_iter().map(|row| row.unwrap().1).collect::<Vec<_>>());
    handle.cancel();
    assert_eq!(reader.join().unwrap(), [102, 103]);
}

#[test]
fn the_end_is_told_after_what_is_queued() {
    let (db, trades) = market(&[]);
    let mut dear = db.subscribe::<(String, i64)>("dear").unwrap();
    trades.push(trade("a", 101)).unwrap();
    db.shutdown_blocking().unwrap();
    assert!(!dear.has_ended());
    assert_eq!(dear.recv_blocking().unwrap().unwrap().0, "a");
    assert_eq!(dear.recv_blocking().unwrap(), None);
    assert_eq!(dear.recv_timeout_blocking(Duration::from_secs(60)).unwrap(), None);
    assert!(dear.has_ended());
    assert_eq!(dear.poll().unwrap(), None);
}

/// Rows that never change are missed and counted; the subscription goes on.
#[test]
fn who_is_too_slow_for_rows_is_told_how_many_were_missed() {
    let (db, trades) = market(&[]);
    let small = SubscribeOptions { capacity: Some(2), ..SubscribeOptions::default() };
    let mut dear = db.subscribe_as::<(String, i64)>("dear", small).unwrap();
    for price in 101..=105 {
        trades.push(trade("a", price)).unwrap();
    }
    let error = dear.poll().unwrap_err();
    assert_eq!((error.code(), error.kind().status()), (code::SUBSCRIPTION_LAGGED, 503));
    assert!(error.message().starts_with("3 rows were missed"), "{error}");
    let rest: Vec<i64> = dear.drain().unwrap().into_iter().map(|(_, price)| price).collect();
    assert_eq!((rest, dear.missed_rows()), (vec![104, 105], 3));
}

/// Results that change are told anew.
#[test]
fn who_is_too_slow_for_changes_begins_again() {
    let (db, trades) = market(&[
        "CREATE STREAM counts AS SELECT symbol, count(*) AS n FROM trades GROUP BY symbol EMIT CHANGES",
    ]);
    let small = SubscribeOptions { capacity: Some(2), ..SubscribeOptions::default() };
    let mut counts = db.subscribe_as::<ChangeRow<Count>>("counts", small).unwrap();
    for symbol in ["a", "b", "c", "d", "e", "a"] {
        trades.push(trade(symbol, 1)).unwrap();
    }
    assert_eq!(counts.poll().unwrap_err().code(), code::SUBSCRIPTION_RESET);
    let mut content: Vec<(String, i64)> = counts
        .drain()
        .unwrap()
        .into_iter()
        .map(|change| {
            assert_eq!(change.op, Op::Insert);
            (change.row.symbol, change.row.n)
        })
        .collect();
    content.sort();
    let expected = [("a", 2), ("b", 1), ("c", 1), ("d", 1), ("e", 1)];
    assert_eq!(content, expected.map(|(symbol, n)| (symbol.to_string(), n)));
}

/// A row that cannot be read takes no other with it, in a block or in a batch.
#[test]
fn a_row_that_cannot_be_read_is_one_error() {
    let (db, trades) = market(&[]);
    for rows in [3, 40] {
        let mut small = db.subscribe::<(String, i8)>("trades").unwrap();
        let mut batch = vec![trade("a", 1); rows];
        batch[1].price = 1_000;
        trades.push_batch(&batch).unwrap();
        let read: Vec<bool> =
            std::iter::from_fn(|| small.poll().transpose()).map(|row| row.is_ok()).collect();
        let expected: Vec<bool> = (0..rows).map(|row| row != 1).collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn a_stream_that_fails_says_so_once() {
    let (db, trades) =
        market(&["CREATE STREAM halves AS SELECT 100 / price AS half FROM trades ON ERROR FAIL"]);
    let mut halves = db.subscribe::<(i64,)>("halves").unwrap();
    trades.push(trade("a", 50)).unwrap();
    trades.push(trade("a", 0)).unwrap();
    let told: Vec<Result<i64, _>> = (&mut halves)
        .into_iter()
        .map(|row| row.map(|(half,)| half).map_err(|e| e.code()))
        .collect();
    assert_eq!(told, [Ok(2), Err(code::STREAM_FAILED)]);
    assert!(halves.has_ended());
}

#[test]
fn a_dropped_stream_ends_its_subscriptions() {
    let (db, _trades) = market(&[]);
    let mut dear = db.sink::<(String, i64)>("dear_sink").unwrap().subscribe().unwrap();
    execute(&db, "DROP SINK dear_sink");
    assert_eq!(dear.recv_blocking().unwrap(), None);
}
