//! Producers of records.

use std::thread;

use laminar_db::{Config, LaminarDB, OnFull, Record, SubscribeOptions, code};

use crate::support::database::{created, started};

#[derive(Record, Clone, Debug)]
struct Event {
    #[event_time(delay = "2s")]
    ts: i64,
    kind: String,
}

fn event(ts: i64) -> Event {
    Event { ts, kind: format!("kind {}", ts % 3) }
}

fn one<T: laminar_db::FromColumn>(db: &LaminarDB, sql: &str) -> T {
    db.query_one_blocking::<(T,)>(sql).unwrap().0
}

#[test]
fn a_source_is_made_of_a_record() {
    let db = LaminarDB::open().unwrap();
    let source = db.create_source_blocking::<Event>("My events").unwrap();
    assert_eq!(source.schema(), Event::schema());
    let mut all = db.sink::<(i64, String)>("My events").unwrap().subscribe().unwrap();
    db.start_blocking().unwrap();
    source.push(event(10_000)).unwrap();
    assert_eq!(all.drain().unwrap(), [(10_000, "kind 1".to_string())]);
    let (column, watermark): (String, i64) = db
        .query_one_blocking("SELECT watermark_column, watermark_ms FROM laminar_sources")
        .unwrap();
    // Two seconds behind the largest, as the attribute says.
    assert_eq!((column.as_str(), watermark), ("ts", 8_000));
    let again = db.create_source_blocking::<Event>("My events").unwrap_err();
    assert_eq!(again.code(), code::EXISTS);
}

/// The channel and the producers are seen in the metrics; the watermark is that of the slowest.
#[test]
fn a_clone_is_one_more_producer() {
    let db = started(&["CREATE SOURCE events (ts BIGINT, kind VARCHAR, WATERMARK FOR ts)"]);
    let channel = || one::<String>(&db, "SELECT channel FROM laminar_sources");
    let watermark = || one::<Option<i64>>(&db, "SELECT watermark_ms FROM laminar_sources");
    let first = db.source::<Event>("events").unwrap();
    assert_eq!(channel(), "SPSC");
    let second = first.clone();
    assert_eq!(channel(), "MPSC");
    first.push(event(100)).unwrap();
    assert_eq!(watermark(), None, "the second one has said nothing");
    second.push(event(50)).unwrap();
    assert_eq!(watermark(), Some(50));
    second.watermark(80).unwrap();
    assert_eq!(watermark(), Some(80));
    second.end_of_input().unwrap();
    assert_eq!(watermark(), Some(100));
    drop(second);
    assert_eq!(channel(), "SPSC");
}

#[test]
fn records_of_several_threads_all_arrive() {
    let db = started(&["CREATE SOURCE events (ts BIGINT, kind VARCHAR)"]);
    let source = db.source::<Event>("events").unwrap();
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let source = source.clone();
            thread::spawn(move || {
                for ts in 0..250 {
                    source.push(event(number * 250 + ts)).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(one::<i64>(&db, "SELECT count(DISTINCT ts) FROM events"), 1_000);
}

#[test]
fn a_clone_of_what_was_dropped_says_so_when_it_pushes() {
    let db = started(&["CREATE SOURCE events (ts BIGINT, kind VARCHAR)"]);
    let source = db.source::<Event>("events").unwrap();
    db.shutdown_blocking().unwrap();
    let clone = source.clone();
    assert_eq!(clone.push(event(1)).unwrap_err().code(), code::CLOSED);
    assert_eq!(source.try_clone().unwrap_err().code(), code::CLOSED);
    assert!(!clone.has_capacity());
}

#[test]
fn a_push_that_finds_no_room_gives_the_record_back() {
    let db = started(&["CREATE SOURCE events (ts BIGINT, kind VARCHAR)"]);
    let source = db.source::<Event>("events").unwrap();
    let options = SubscribeOptions {
        capacity: Some(2),
        on_full: OnFull::Block,
        ..SubscribeOptions::default()
    };
    let mut slow = db.subscribe_as::<(i64, String)>("events", options).unwrap();
    assert!(source.has_capacity());
    source.push_batch(&[event(1), event(2)]).unwrap();
    assert!(!source.has_capacity());
    let refused = source.try_push(event(3)).unwrap_err();
    assert!(refused.is_full(), "{refused}");
    assert_eq!(refused.into_record().ts, 3);
    assert_eq!(slow.poll().unwrap().unwrap().0, 1);
    assert_eq!(slow.drain().unwrap().len(), 1);
    source.try_push(event(3)).unwrap();
    assert_eq!(slow.drain().unwrap(), [(3, "kind 0".to_string())]);
}

#[test]
fn what_waits_for_the_start_is_counted() {
    let config = Config { max_queued_bytes: 1_000, ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    let source = db.create_source_blocking::<Event>("events").unwrap();
    db.execute_blocking("CREATE STREAM kinds AS SELECT kind FROM events").unwrap();
    assert_eq!((source.pending(), source.has_capacity()), (0, true));
    source.push_batch(&(0..100).map(event).collect::<Vec<_>>()).unwrap();
    assert_eq!((source.pending(), source.has_capacity()), (100, false));
    let refused = source.try_push(event(100)).unwrap_err();
    assert!(refused.is_full(), "{refused}");
    db.start_blocking().unwrap();
    assert_eq!((source.pending(), source.has_capacity()), (0, true));
    assert_eq!(one::<i64>(&db, "SELECT count(*) FROM kinds"), 100);
}

/// Texts longer than a block keeps go another way, and come out the same.
#[test]
fn long_texts_arrive() {
    let db = created(&[
        "CREATE SOURCE events (ts BIGINT, kind VARCHAR)",
        "CREATE STREAM kinds AS SELECT kind FROM events",
    ]);
    let mut kinds = db.subscribe::<(String,)>("kinds").unwrap();
    db.start_blocking().unwrap();
    let source = db.source::<Event>("events").unwrap();
    for length in [1, 100_000, 2] {
        source.push(Event { ts: 0, kind: "x".repeat(length) }).unwrap();
        assert_eq!(kinds.recv_blocking().unwrap().unwrap().0.len(), length);
    }
}

#[test]
fn tables_take_records_by_their_key() {
    #[derive(Record)]
    struct Price {
        symbol: &'static str,
        price: f64,
    }
    let db = started(&["CREATE TABLE prices (symbol VARCHAR PRIMARY KEY, price DOUBLE)"]);
    let prices = [("a", 1.0), ("b", 2.0), ("a", 3.0)];
    let records: Vec<Price> = prices.map(|(symbol, price)| Price { symbol, price }).into();
    db.insert_records("prices", &records).unwrap();
    let rows: Vec<(String, f64)> =
        db.query_as_blocking("SELECT * FROM prices ORDER BY symbol").unwrap();
    assert_eq!(rows, [("a".to_string(), 3.0), ("b".to_string(), 2.0)]);
}

#[test]
fn a_column_that_came_later_is_left_out_or_filled() {
    #[derive(Record)]
    struct Wide {
        ts: i64,
        kind: String,
        note: String,
    }
    let db = started(&["CREATE SOURCE events (ts BIGINT, kind VARCHAR)"]);
    let before = db.source::<Event>("events").unwrap();
    db.execute_blocking("ALTER SOURCE events ADD COLUMN note VARCHAR").unwrap();
    let after = db.source::<Event>("events").unwrap();
    let wide = db.source::<Wide>("events").unwrap();
    before.push(event(1)).unwrap();
    after.push(event(2)).unwrap();
    wide.push(Wide { ts: 3, kind: String::new(), note: "n".into() }).unwrap();
    let notes: Vec<(i64, Option<String>)> =
        db.query_as_blocking("SELECT ts, note FROM events ORDER BY ts").unwrap();
    assert_eq!(notes, [(1, None), (2, None), (3, Some("n".to_string()))]);
}
