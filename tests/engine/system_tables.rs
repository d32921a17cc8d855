//! What the database tells of itself: listings, metrics, topology, queries. Every expected number
//! is counted by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{Config, ErrorKind, LaminarDB, OnFull, SubscribeOptions, UntypedSource};

use crate::row;
use crate::support::database::{
    batch, created, drain, execute, listed, query, refused, started, subscribe, texts,
};
use crate::support::value::{Row, Value};

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT, ts BIGINT, \
     WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)";
const BIG: &str = "CREATE STREAM big AS SELECT k, 100 / v AS share FROM t";
const COUNTS: &str = "CREATE MATERIALIZED VIEW counts AS SELECT k, count(*) AS n FROM t GROUP BY k";
const TENS: &str = "CREATE STREAM tens AS SELECT count(*) AS n FROM t \
     GROUP BY tumble(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE";

fn rows(source: &UntypedSource, rows: &[(&str, i64, i64)]) -> RecordBatch {
    let keys = texts(rows.iter().map(|row| Some(row.0)));
    let of = |column: fn(&(&str, i64, i64)) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(column)))
    };
    batch(source.schema(), vec![keys, of(|row| row.1), of(|row| row.2)])
}

fn push(source: &UntypedSource, values: &[(&str, i64, i64)]) {
    source.push_arrow(rows(source, values)).unwrap();
}

fn metric(db: &LaminarDB, column: &str) -> Value {
    query(db, &format!("SELECT {column} FROM laminar_metrics")).remove(0).remove(0)
}

#[test]
fn counters_are_exact_and_gauges_are_of_now() {
    let db = created(&[SOURCE, BIG, COUNTS, TENS, "CREATE SINK out FROM big"]);
    let source = db.source_untyped("t").unwrap();
    assert_eq!(metric(&db, "state"), "created".into());
    push(&source, &[("a", 1, 1_000)]);
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "pending_rows"), Value::Int(1));
    assert!(metric(&db, "queued_bytes").int() > 0);
    db.start_blocking().unwrap();
    assert_eq!(metric(&db, "queued_bytes"), Value::Int(0));
    // Of v = 0 there is no share. 12,000 closes [0, 10,000); 9,000 is late then.
    push(&source, &[("a", 0, 2_000), ("b", 10, 12_000)]);
    push(&source, &[("b", 20, 9_000)]);

    let sources = query(
        &db,
        "SELECT name, watermark_column, watermark_ms, total_rows, batches, retained_rows, \
         dropped_rows, pending_rows, capacity_rows, is_backpressured, producers, channel \
         FROM laminar_sources",
    );
    let expected: Row = vec![
        "t".into(),
        "ts".into(),
        11_000.into(),
        4.into(),
        3.into(),
        4.into(),
        0.into(),
        0.into(),
        65_536.into(),
        false.into(),
        1.into(),
        "SPSC".into(),
    ];
    assert_eq!(sources, [expected]);
    let streams = query(
        &db,
        "SELECT name, state, total_rows, batches, late_rows, dead_letters, subscribers, \
         watermark_ms FROM laminar_streams ORDER BY name",
    );
    // `big` has 3 shares of 3 pushes; `tens` one window of a and a.
    let big = row!["big", "running", 3, 3, 0, 1, 0, Value::Null];
    let tens = row!["tens", "running", 1, 1, 1, 0, 0, Value::Null];
    assert_eq!(
        streams.iter().map(|row| row[..7].to_vec()).collect::<Vec<_>>(),
        [big[..7].to_vec(), tens[..7].to_vec()]
    );
    // a: 1, then 2; b: 1, then 2. The change of a count is two rows.
    let views = query(&db, "SELECT name, total_rows, batches FROM laminar_views");
    assert_eq!(views, [row!["counts", 1 + 3 + 2, 3]]);
    let all = query(
        &db,
        "SELECT state, total_rows_ingested, total_rows_emitted, total_rows_dropped, total_batches, \
         late_rows, dead_letters, watermark_ms, sources, tables, streams, views, sinks, \
         subscriptions FROM laminar_metrics",
    );
    assert_eq!(all, [row!["running", 4, 3 + 1 + 6, 2, 3, 1, 1, 11_000, 1, 0, 2, 1, 1, 0]]);
    assert!(metric(&db, "state_bytes").int() > 0);
    assert_eq!(query(&db, "SELECT name, input FROM laminar_sinks"), [row!["out", "big"]]);
}

#[test]
fn channels_follow_producers_and_subscribers() {
    let db = started(&[SOURCE, BIG]);
    let of_source = || listed(&db, "SHOW SOURCES", "t", "channel");
    let of_stream = || listed(&db, "SHOW STREAMS", "big", "channel");
    assert_eq!(of_source(), "SPSC".into());
    let first = db.source_untyped("t").unwrap();
    assert_eq!(of_source(), "SPSC".into());
    let second = first.clone();
    assert_eq!(of_source(), "MPSC".into());
    drop(second);
    assert_eq!(of_source(), "SPSC".into());
    assert_eq!(of_stream(), Value::Null);
    let one = subscribe(&db, "big");
    assert_eq!(of_stream(), "SPSC".into());
    let two = subscribe(&db, "big");
    assert_eq!(of_stream(), "BROADCAST".into());
    assert_eq!(listed(&db, "SHOW STREAMS", "big", "subscribers"), Value::Int(2));
    drop((one, two));
    assert_eq!(of_stream(), Value::Null);
}

#[test]
fn subscriptions_tell_what_waits_for_them() {
    let config = Config { push_timeout: Duration::from_millis(1), ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    execute(&db, SOURCE);
    execute(&db, "CREATE STREAM all_rows AS SELECT k, v FROM t");
    db.start_blocking().unwrap();
    let source = db.source_untyped("t").unwrap();
    let options =
        |on_full| SubscribeOptions { capacity: Some(2), on_full, ..SubscribeOptions::default() };
    let mut blocking = db.subscribe_with("all_rows", options(OnFull::Block)).unwrap();
    let lossy = db.subscribe_with("SELECT v FROM t", options(OnFull::DropOldest)).unwrap();
    let listing = || {
        query(
            &db,
            "SELECT stream, on_full, pending_rows, capacity_rows, is_full, missed_rows \
             FROM laminar_subscriptions ORDER BY id",
        )
    };
    push(&source, &[("a", 1, 1), ("a", 2, 2)]);
    assert_eq!(
        listing(),
        [row!["all_rows", "block", 2, 2, true, 0], row![Value::Null, "drop_oldest", 2, 2, true, 0]]
    );
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "is_backpressured"), true.into());
    assert_eq!(listed(&db, "SHOW STREAMS", "all_rows", "is_backpressured"), true.into());
    assert_eq!(listed(&db, "SHOW STREAMS", "all_rows", "pending_rows"), Value::Int(2));
    drain(&mut blocking);
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "is_backpressured"), false.into());
    push(&source, &[("a", 3, 3)]);
    assert_eq!(listing()[1], row![Value::Null, "drop_oldest", 1, 2, false, 2]);
    assert_eq!(metric(&db, "total_rows_dropped"), Value::Int(2));
    drop((blocking, lossy));
    assert_eq!(listing(), Vec::<Row>::new());
}

#[test]
fn topology_has_nodes_and_edges() {
    let db = started(&[
        SOURCE,
        "CREATE TABLE names (k VARCHAR PRIMARY KEY, name VARCHAR)",
        "CREATE STREAM named AS SELECT n.name, t.v FROM t JOIN names n ON t.k = n.k",
        COUNTS,
        "CREATE STREAM many AS SELECT k FROM counts WHERE n > 5",
        "CREATE SINK out FROM many",
    ]);
    let _following = db.subscribe_with("SELECT k FROM t", SubscribeOptions::default()).unwrap();
    let nodes = "SELECT name, node_type FROM laminar_topology WHERE kind = 'node' ORDER BY name";
    assert_eq!(
        query(&db, nodes),
        [
            row!["counts", "materialized_view"],
            row!["many", "stream"],
            row!["named", "stream"],
            row!["names", "table"],
            row!["out", "sink"],
            row!["subscription 1", "subscription"],
            row!["t", "source"],
        ]
    );
    let edges = "SELECT from_node, to_node FROM laminar_topology WHERE kind = 'edge' \
         ORDER BY to_node, from_node";
    assert_eq!(
        query(&db, edges),
        [
            row!["t", "counts"],
            row!["counts", "many"],
            row!["names", "named"],
            row!["t", "named"],
            row!["many", "out"],
            row!["t", "subscription 1"],
        ]
    );
    let sql = "SELECT sql FROM laminar_topology WHERE name = 'many'";
    assert_eq!(query(&db, sql), [row!["SELECT k FROM counts WHERE n > 5"]]);
    execute(&db, "DROP STREAM named");
    assert_eq!(query(&db, edges).len(), 4);
}

#[test]
fn system_names_cannot_be_taken() {
    let db = started(&[]);
    for name in ["laminar_metrics", "laminar_dead_letters", "laminar_queries"] {
        let error = refused(&db, &format!("CREATE SOURCE {name} (v BIGINT)"));
        assert_eq!(error.kind(), ErrorKind::TableExists);
        assert!(error.message().contains("is a system table"), "{error}");
    }
}

/// A push that does not end until it is told to, with metrics read meanwhile.
#[test]
fn metrics_do_not_wait_for_a_push() {
    let db = started(&[SOURCE, COUNTS]);
    let done = Arc::new(AtomicBool::new(false));
    let pushing = {
        let (db, done) = (db.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            let source = db.source_untyped("t").unwrap();
            let mut pushed = 0_i64;
            while !done.load(Ordering::Relaxed) {
                push(&source, &[("a", 1, 0); 500]);
                pushed += 500;
            }
            pushed
        })
    };
    let mut last = 0;
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        let total = metric(&db, "total_rows_ingested").int();
        assert!(total >= last && total % 500 == 0, "{last} then {total}");
        last = total;
    }
    done.store(true, Ordering::Relaxed);
    let pushed = pushing.join().unwrap();
    assert_eq!(metric(&db, "total_rows_ingested"), Value::Int(pushed));
    assert_eq!(listed(&db, "SHOW MATERIALIZED VIEWS", "counts", "batches"), (pushed / 500).into());
}

#[test]
fn a_query_is_listed_until_it_is_dropped_and_cancelled_by_its_number() {
    let db = started(&[SOURCE]);
    let source = db.source_untyped("t").unwrap();
    let many: Vec<(&str, i64, i64)> = (0..30_000).map(|v| ("a", v, 0)).collect();
    push(&source, &many);
    let mut open = db.query_blocking("SELECT a.v FROM t a CROSS JOIN t b").unwrap();
    let id = open.id().unwrap();
    let list = "SELECT id, kind, sql, is_active, rows > 0 FROM laminar_queries WHERE kind = 'query' \
         AND sql LIKE '%CROSS%'";
    let text = "SELECT a.v FROM t a CROSS JOIN t b";
    assert_eq!(query(&db, list), [row![id as i64, "query", text, true, false]]);
    assert!(open.next_blocking().unwrap().is_some());
    assert_eq!(query(&db, list), [row![id as i64, "query", text, true, true]]);
    let other = db.clone();
    std::thread::spawn(move || execute(&other, &format!("CANCEL QUERY {id}"))).join().unwrap();
    let error = open.next_blocking().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueryCancelled);
    assert_eq!(query(&db, list), [row![id as i64, "query", text, false, true]]);
    drop(open);
    assert_eq!(query(&db, list), Vec::<Row>::new());
    let error = refused(&db, &format!("CANCEL QUERY {id}"));
    assert_eq!(error.kind(), ErrorKind::QueryFailed);
    assert!(error.message().contains("SHOW QUERIES"), "{error}");
    assert!(!db.cancel_query(id).unwrap());
}

#[test]
fn a_subscription_is_cancelled_by_its_number() {
    let db = started(&[SOURCE]);
    let mut following = subscribe(&db, "SELECT k FROM t");
    let subscribed = query(&db, "SELECT id FROM laminar_queries WHERE kind = 'subscription'");
    let id = subscribed[0][0].int();
    execute(&db, &format!("CANCEL QUERY {id}"));
    assert!(matches!(following.poll(None).unwrap(), laminar_db::Polled::End));
    let left = query(&db, "SELECT id FROM laminar_queries WHERE kind = 'subscription'");
    assert_eq!(left, Vec::<Row>::new());
}
