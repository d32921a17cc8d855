//! Subscriptions that hold pushes back, and those that forget instead.

use std::thread;
use std::time::Duration;

use laminar_db::{
    Config, ErrorKind, LaminarDB, OnFull, Polled, SubscribeOptions, UntypedSubscription,
};

use crate::support::database::{content, execute, query};

const NOW: Option<Duration> = Some(Duration::ZERO);

/// A started database whose pushes wait for so long, with a source and a filter over it.
fn open(push_timeout: Duration) -> LaminarDB {
    let config = Config { push_timeout, ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    execute(&db, "CREATE SOURCE t (v BIGINT)");
    execute(&db, "CREATE STREAM copy AS SELECT v FROM t WHERE v >= 0");
    db.start_blocking().unwrap();
    db
}

fn follow(db: &LaminarDB, on_full: OnFull) -> UntypedSubscription {
    let options = SubscribeOptions { capacity: Some(2), on_full, ..SubscribeOptions::default() };
    db.subscribe_with("copy", options).unwrap()
}

fn insert(db: &LaminarDB, value: i64) -> Result<(), ErrorKind> {
    let sql = format!("INSERT INTO t VALUES ({value})");
    db.execute_blocking(&sql).map(drop).map_err(|error| error.kind())
}

#[test]
fn a_full_subscription_that_blocks_refuses_pushes_and_loses_nothing() {
    let db = open(Duration::from_millis(20));
    let mut copy = follow(&db, OnFull::Block);
    insert(&db, 1).unwrap();
    insert(&db, 2).unwrap();
    assert_eq!(insert(&db, 3), Err(ErrorKind::Backpressure));
    // What was refused is nowhere, and a source that does not feed the subscription goes on.
    assert_eq!(query(&db, "SELECT * FROM t").len(), 2);
    execute(&db, "CREATE SOURCE other (v BIGINT)");
    execute(&db, "INSERT INTO other VALUES (1)");
    assert!(matches!(copy.poll(NOW).unwrap(), Polled::Batch(_)));
    insert(&db, 3).unwrap();
    // Cancelled, it holds nothing back.
    copy.handle().cancel();
    insert(&db, 4).unwrap();
    assert_eq!(content(&db, "copy").len(), 4);
}

#[test]
fn a_push_that_waits_goes_on_when_there_is_room() {
    let db = open(Duration::from_secs(30));
    let mut copy = follow(&db, OnFull::Block);
    let producer = {
        let db = db.clone();
        thread::spawn(move || (0..50).try_for_each(|value| insert(&db, value)))
    };
    let mut rows = 0;
    while rows < 50 {
        match copy.poll(Some(Duration::from_secs(30))).unwrap() {
            Polled::Batch(change) => rows += change.batch.num_rows(),
            other => panic!("{other:?} after {rows} rows"),
        }
    }
    producer.join().unwrap().unwrap();
    assert!(matches!(copy.poll(NOW).unwrap(), Polled::Empty));
}

#[test]
fn a_subscription_that_drops_the_oldest_keeps_the_newest() {
    let db = open(Duration::ZERO);
    let mut copy = follow(&db, OnFull::DropOldest);
    (0..5).for_each(|value| insert(&db, value).unwrap());
    let mut rows = 0;
    loop {
        match copy.poll(NOW).unwrap() {
            Polled::Batch(change) => rows += change.batch.num_rows(),
            Polled::Empty => break,
            other => panic!("{other:?} is not told on request"),
        }
    }
    assert_eq!((rows, copy.handle().missed_rows()), (2, 3));
}
