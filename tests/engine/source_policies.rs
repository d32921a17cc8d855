//! What a source does with a push that finds no room: `WITH (backpressure, buffer_size, ...)`, and
//! who waits for room without a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use laminar_db::{
    Config, ErrorKind, LaminarDB, OnFull, Polled, Result, ScalarFunction, SubscribeOptions,
    UntypedSource, Volatility,
};
use laminar_types::code;

use crate::row;
use crate::support::database::{content, created, execute, listed, query, refused};
use crate::support::value::Value;

fn ints(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    RecordBatch::try_from_iter_with_nullable([("v", values, true)]).unwrap()
}

/// A database before its start, with a source of these options that a stream reads.
fn queueing(options: &str) -> (LaminarDB, UntypedSource) {
    let db = created(&[
        &format!("CREATE SOURCE t (v BIGINT) WITH ({options})"),
        "CREATE STREAM copy AS SELECT v FROM t",
    ]);
    let source = db.source_untyped("t").unwrap();
    (db, source)
}

/// How often a source has told of room.
fn count_room(source: &UntypedSource) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    source.on_room(Box::new(move || {
        counted.fetch_add(1, SeqCst);
    }));
    calls
}

fn property(db: &LaminarDB, name: &str, property: &str) -> Value {
    let lines = query(db, &format!("DESCRIBE EXTENDED {name}"));
    lines.iter().find(|line| line[0] == property.into()).unwrap()[1].clone()
}

fn code_of(pushed: Result<u64>) -> u16 {
    pushed.unwrap_err().code().number()
}

#[test]
fn a_source_that_rejects_refuses_at_once() {
    let (db, source) = queueing("backpressure = 'reject', buffer_size = 4");
    source.push_arrow(ints(0..3)).unwrap();
    // One push may overshoot.
    source.push_arrow(ints(3..6)).unwrap();
    let begun = Instant::now();
    let error = source.push_arrow(ints(6..7)).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited as if it blocked");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Backpressure, code::NOT_STARTED));
    assert!(
        error.message().contains("6 rows of `t` wait") && error.message().contains("and 4 may")
    );
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "is_backpressured"), true.into());
    // By name it is the same queue.
    assert_eq!(refused(&db, "INSERT INTO t VALUES (6)").code(), code::NOT_STARTED);
    db.start_blocking().unwrap();
    source.push_arrow(ints(6..7)).unwrap();
    let all: Vec<_> = (0..7).map(|v| row![v]).collect();
    assert_eq!((content(&db, "copy"), content(&db, "t")), (all.clone(), all));
}

#[test]
fn a_source_that_blocks_waits_for_the_start_and_no_longer_than_its_timeout() {
    let (_db, source) = queueing("backpressure = 'block', buffer_size = 2, push_timeout_ms = 30");
    source.push_arrow(ints(0..2)).unwrap();
    let begun = Instant::now();
    assert_eq!(code_of(source.push_arrow(ints(2..3))), code::NOT_STARTED.number());
    assert!(begun.elapsed() >= Duration::from_millis(30));

    let (db, source) = queueing("buffer_size = 2, push_timeout_ms = 60000, wait_strategy = 'park'");
    source.push_arrow(ints(0..2)).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| source.push_arrow(ints(2..3)));
        // Whether it waits already or not, it goes on with the start.
        db.start_blocking().unwrap();
        waiter.join().unwrap().unwrap();
    });
    assert_eq!(content(&db, "copy"), vec![row![0], row![1], row![2]]);
}

#[test]
fn a_source_that_drops_the_oldest_keeps_the_newest_rows_and_counts() {
    let (db, source) = queueing("backpressure = 'drop_oldest', buffer_size = 4");
    for start in [0, 3, 6] {
        source.push_arrow(ints(start..start + 3)).unwrap();
    }
    assert_eq!(source.pending(), 4);
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "missed_rows"), 5.into());
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "is_backpressured"), false.into());
    assert_eq!(property(&db, "t", "missed rows"), "5".into());
    // Queries see what was pushed, whatever streams miss.
    assert_eq!(query(&db, "SELECT count(*) FROM t"), vec![row![9]]);
    // The newest push stays whole, however large.
    source.push_arrow(ints(9..19)).unwrap();
    assert_eq!((source.pending(), source.capacity()), (10, 4));
    db.start_blocking().unwrap();
    assert_eq!(content(&db, "copy"), (9..19).map(|v| row![v]).collect::<Vec<_>>());
    let missed = query(&db, "SELECT missed_rows, total_rows_dropped FROM laminar_metrics");
    assert_eq!(missed, vec![row![9, 9]]);
    // From the start on nothing waits, so nothing is dropped.
    source.push_arrow(ints(19..29)).unwrap();
    assert_eq!(query(&db, "SELECT count(*) FROM copy"), vec![row![20]]);
}

#[test]
fn dropped_rows_still_make_later_ones_late() {
    let db = created(&[
        "CREATE SOURCE t (v BIGINT, ts BIGINT, WATERMARK FOR ts)
         WITH (backpressure = 'drop_oldest', buffer_size = 1)",
        "CREATE STREAM w AS SELECT window_start AS start, count(*) AS n FROM t
         GROUP BY tumble(ts, 10)",
    ]);
    for (v, ts) in [(1, 5), (2, 95), (3, 7), (4, 97), (5, 200)] {
        execute(&db, &format!("INSERT INTO t VALUES ({v}, {ts})"));
    }
    db.start_blocking().unwrap();
    // All but the last one were dropped. What comes at 8 is behind the 95 that was dropped.
    execute(&db, "INSERT INTO t VALUES (6, 8), (7, 300)");
    assert_eq!(content(&db, "w"), vec![row![200, 1]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "w", "late_rows"), 1.into());
}

#[test]
fn bytes_of_all_sources_are_a_limit_too() {
    let config = Config { max_queued_bytes: 4_000, ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    execute(&db, "CREATE SOURCE lossy (v BIGINT) WITH (backpressure = 'drop_oldest')");
    execute(&db, "CREATE SOURCE strict (v BIGINT)");
    execute(&db, "CREATE STREAM a AS SELECT v FROM lossy");
    execute(&db, "CREATE STREAM b AS SELECT v FROM strict");
    let lossy = db.source_untyped("lossy").unwrap();
    let strict = db.source_untyped("strict").unwrap();
    strict.push_arrow(ints(0..100)).unwrap();
    for push in 0..50 {
        lossy.push_arrow(ints(push * 100..push * 100 + 100)).unwrap();
    }
    // One of them stays full: each has only its own rows to give up.
    assert_eq!(code_of(strict.push_arrow(ints(0..1))), code::NOT_STARTED.number());
    let queued = query(&db, "SELECT queued_bytes FROM laminar_metrics")[0][0].clone();
    assert!(matches!(queued, Value::Int(bytes) if bytes < 6_000), "{queued:?}");
    let (pending, missed) = (lossy.pending(), listed(&db, "SHOW SOURCES", "lossy", "missed_rows"));
    assert_eq!(missed, Value::Int(5_000 - i64::try_from(pending).unwrap()));
    db.start_blocking().unwrap();
    let newest: Vec<_> = (5_000 - pending as i64..5_000).map(|v| row![v]).collect();
    assert_eq!((content(&db, "a"), content(&db, "b").len()), (newest, 100));
}

#[test]
fn options_are_read_shown_and_refused_by_name() {
    let statement = "CREATE SOURCE t (v BIGINT) WITH (backpressure = 'reject', buffer_size = 8, \
                     wait_strategy = 'spin_yield(7)', push_timeout_ms = 5)";
    let db = created(&[statement, "CREATE SOURCE plain (v BIGINT)"]);
    assert_eq!(query(&db, "SHOW CREATE SOURCE t"), vec![row!["t", statement]]);
    for (name, backpressure, buffer, timeout, strategy) in [
        ("t", "reject", "8 rows before the start", "0 ms", "spin_yield(7)"),
        (
            "plain",
            "block",
            "65536 rows, as the database has it",
            "as the database is set (SHOW push_timeout_ms)",
            "spin_yield(100)",
        ),
    ] {
        assert_eq!(property(&db, name, "backpressure"), backpressure.into());
        assert_eq!(property(&db, name, "buffer size"), buffer.into());
        assert_eq!(property(&db, name, "push timeout"), timeout.into());
        assert_eq!(property(&db, name, "wait strategy"), strategy.into());
        assert_eq!(property(&db, name, "channel"), "SPSC".into());
        assert_eq!(listed(&db, "SHOW SOURCES", name, "backpressure"), backpressure.into());
    }
    let producers = [db.source_untyped("t").unwrap(), db.source_untyped("t").unwrap()];
    assert_eq!(property(&db, "t", "channel"), "MPSC".into());
    drop(producers);
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "capacity_rows"), 8.into());
    for (options, part) in [
        ("buffer_size = 1000", "option buffer_size takes a number of rows, a power of two"),
        ("buffer_size = 0", "a power of two"),
        ("backpressure = 'wait'", "takes 'block', 'drop_oldest' or 'reject'"),
        ("wait_strategy = 'nap'", "takes 'spin', 'spin_yield', 'spin_yield(N)' or 'park'"),
        ("push_timeout_ms = -1", "takes a number of milliseconds"),
        ("bufer_size = 8", "there is no option `bufer_size` here"),
    ] {
        let error = refused(&db, &format!("CREATE SOURCE bad (v BIGINT) WITH ({options})"));
        assert_eq!(error.code(), code::OPTION);
        assert!(error.message().contains(part), "{error}");
    }
    let error = refused(&db, "CREATE TABLE k (v BIGINT) WITH (backpressure = 'drop_oldest')");
    assert!(error.message().contains("changes of a table cannot be dropped"), "{error}");
    execute(&db, "CREATE TABLE k (v BIGINT) WITH (backpressure = 'reject', buffer_size = 2)");
    execute(&db, "CREATE STREAM of_k AS SELECT v FROM k");
    execute(&db, "INSERT INTO k VALUES (1), (2)");
    assert_eq!(refused(&db, "DELETE FROM k").code(), code::NOT_STARTED);
    let error = refused(&db, "CREATE OR REPLACE SOURCE t (v BIGINT)");
    assert!(error.message().contains("backpressure"), "{error}");
}

#[test]
fn room_is_told_once_when_there_is_some_again() {
    let db = created(&["CREATE SOURCE t (v BIGINT)", "CREATE STREAM copy AS SELECT v FROM t"]);
    db.start_blocking().unwrap();
    let options = SubscribeOptions {
        capacity: Some(2),
        on_full: OnFull::Block,
        ..SubscribeOptions::default()
    };
    let mut copy = db.subscribe_with("copy", options).unwrap();
    let source = db.source_untyped("t").unwrap();
    let room = count_room(&source);
    // At once, as there is room.
    assert_eq!(room.load(SeqCst), 1);
    source.try_push_arrow(ints(0..2)).unwrap();
    assert!(matches!(copy.poll(Some(Duration::ZERO)).unwrap(), Polled::Batch(_)));
    assert_eq!(room.load(SeqCst), 1, "nobody was refused");
    source.try_push_arrow(ints(0..2)).unwrap();
    assert_eq!(code_of(source.try_push_arrow(ints(2..3))), code::FULL.number());
    assert_eq!(room.load(SeqCst), 1);
    assert!(matches!(copy.poll(Some(Duration::ZERO)).unwrap(), Polled::Batch(_)));
    assert_eq!(room.load(SeqCst), 2);
    source.try_push_arrow(ints(2..5)).unwrap();
    assert_eq!(code_of(source.try_push_arrow(ints(5..6))), code::FULL.number());
    // A subscription that ends holds nothing back.
    copy.handle().cancel();
    assert_eq!(room.load(SeqCst), 3);
    // Every end is told, refused or not.
    let other = db.source_untyped("t").unwrap();
    let of_other = count_room(&other);
    other.clear_on_room();
    execute(&db, "DROP SOURCE t CASCADE");
    assert_eq!((room.load(SeqCst), of_other.load(SeqCst)), (4, 1));
    assert_eq!(code_of(source.try_push_arrow(ints(5..6))), code::SOURCE_CLOSED.number());
}

#[test]
fn room_before_the_start_and_the_shutdown_are_told() {
    let (db, source) = queueing("buffer_size = 2, backpressure = 'reject'");
    let room = count_room(&source);
    source.push_arrow(ints(0..2)).unwrap();
    assert_eq!(code_of(source.push_arrow(ints(2..3))), code::NOT_STARTED.number());
    assert_eq!(room.load(SeqCst), 1);
    db.start_blocking().unwrap();
    assert_eq!(room.load(SeqCst), 2);
    db.shutdown_blocking().unwrap();
    assert_eq!(room.load(SeqCst), 3);

    // The limit is one of bytes: what another source queued is given up with it.
    let config = Config { max_queued_bytes: 100, ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    for name in ["a", "b"] {
        execute(&db, &format!("CREATE SOURCE {name} (v BIGINT)"));
        execute(&db, &format!("CREATE STREAM of_{name} AS SELECT v FROM {name}"));
    }
    execute(&db, "INSERT INTO a SELECT v FROM unnest(range(0, 1000)) AS r(v)");
    let source = db.source_untyped("b").unwrap();
    let room = count_room(&source);
    assert_eq!(code_of(source.try_push_arrow(ints(0..1))), code::NOT_STARTED.number());
    assert_eq!(room.load(SeqCst), 1);
    execute(&db, "DROP SOURCE a CASCADE");
    assert_eq!(room.load(SeqCst), 2);
    source.try_push_arrow(ints(0..1)).unwrap();
}

/// Two producers that never wait: whoever is refused because the other one pushes is told when to
/// try again, so that both come to an end without asking again and again.
#[test]
fn a_push_that_met_another_one_is_told_when_it_has_ended() {
    let db = LaminarDB::open().unwrap();
    let call = |arguments: &[ArrayRef], _: usize| -> Result<ArrayRef> {
        thread::sleep(Duration::from_micros(50));
        Ok(Arc::clone(&arguments[0]))
    };
    let slow = ScalarFunction {
        name: "slow".to_string(),
        arguments: vec![DataType::Int64],
        result: DataType::Int64,
        volatility: Volatility::Volatile,
        call: Arc::new(call),
    };
    db.register_udf(slow).unwrap();
    execute(&db, "CREATE SOURCE t (v BIGINT)");
    execute(&db, "CREATE STREAM copy AS SELECT slow(v) AS v FROM t");
    db.start_blocking().unwrap();
    let met = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (source, met) = (db.source_untyped("t").unwrap(), &met);
            scope.spawn(move || {
                let (sender, room) = std::sync::mpsc::channel();
                source.on_room(Box::new(move || sender.send(()).unwrap_or(())));
                for value in 0..300 {
                    while source.try_push_arrow(ints(value..value + 1)).is_err() {
                        met.fetch_add(1, SeqCst);
                        room.recv_timeout(Duration::from_secs(60)).expect("room is told");
                    }
                }
            });
        }
    });
    assert!(met.load(SeqCst) > 0, "the two never met");
    assert_eq!(query(&db, "SELECT count(*) FROM copy"), vec![row![600]]);
}
