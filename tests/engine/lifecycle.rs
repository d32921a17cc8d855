//! Before the start, drops, names, histories, subscriptions, threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use laminar_db::{
    Config, ErrorKind, LaminarDB, Polled, SubscribeOptions, UntypedSource, UntypedSubscription,
};

use crate::row;
use crate::support::database::{
    affected, batch, content, created, drain, drain_rows, execute, listed, query, refused, started,
    subscribe, texts,
};
use crate::support::replay::Replay;
use crate::support::value::{Row, Value, rows};

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT)";
const COUNTS: &str = "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k";
const BIG: &str = "CREATE STREAM big AS SELECT k, v FROM t WHERE v > 10";
const NOW: Option<Duration> = Some(Duration::ZERO);

fn source(db: &LaminarDB) -> UntypedSource {
    db.source_untyped("t").unwrap()
}

fn pairs(source: &UntypedSource, rows: &[(&str, i64)]) -> RecordBatch {
    let keys = texts(rows.iter().map(|row| Some(row.0)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    batch(source.schema(), vec![keys, values])
}

fn push(db: &LaminarDB, rows: &[(&str, i64)]) -> u64 {
    let source = source(db);
    source.push_arrow(pairs(&source, rows)).unwrap()
}

fn with_snapshot(db: &LaminarDB, target: &str, capacity: usize) -> UntypedSubscription {
    let options = SubscribeOptions {
        snapshot: Some(true),
        capacity: Some(capacity),
        ..SubscribeOptions::default()
    };
    db.subscribe_with(target, options).unwrap()
}

// --- before the start ---------------------------------------------------------------------------

#[test]
fn rows_pushed_before_the_start_wait_are_visible_and_run_in_their_order() {
    let db =
        created(&[SOURCE, BIG, "CREATE STREAM last AS SELECT count(*) AS n, sum(v) AS s FROM t"]);
    let mut told = subscribe(&db, "big");
    let source = source(&db);
    source.push_arrow(pairs(&source, &[("a", 11), ("b", 2)])).unwrap();
    source.push_arrow(pairs(&source, &[("c", 13)])).unwrap();
    source.push_arrow(pairs(&source, &[("d", 14)])).unwrap();
    assert_eq!(source.pending(), 4);
    assert_eq!(query(&db, "SELECT k FROM t"), vec![row!["a"], row!["b"], row!["c"], row!["d"]]);
    assert_eq!(content(&db, "big"), Vec::<Row>::new());
    assert_eq!(listed(&db, "SHOW STREAMS", "big", "state"), "created".into());
    assert!(matches!(told.poll(NOW), Ok(Polled::Empty)));
    db.start_blocking().unwrap();
    db.start_blocking().unwrap();
    assert_eq!(source.pending(), 0);
    assert_eq!(listed(&db, "SHOW STREAMS", "big", "state"), "running".into());
    let changes = drain(&mut told);
    let batches: Vec<RecordBatch> = changes.iter().map(|change| change.batch.clone()).collect();
    assert_eq!(rows(&batches), vec![row!["a", 11], row!["c", 13], row!["d", 14]]);
    assert!(changes.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
    assert_eq!(content(&db, "last"), vec![row![4, 40]]);
    push(&db, &[("e", 15)]);
    assert_eq!(drain_rows(&mut told), vec![row!["e", 15]]);
    assert_eq!(query(&db, "SELECT count(*) FROM t"), vec![row![5]]);
}

#[test]
fn too_much_before_the_start_is_refused_and_nothing_is_lost() {
    let config = Config { max_queued_bytes: 64 * 1024, ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    [SOURCE, COUNTS].iter().for_each(|sql| execute(&db, sql));
    let source = source(&db);
    let rows: Vec<(&str, i64)> = (0..500).map(|value| ("a", value)).collect();
    let (mut taken, error) = loop {
        match source.push_arrow(pairs(&source, &rows)) {
            Ok(_) => {}
            Err(error) => break (source.pending() as i64, error),
        }
        assert!(source.pending() < 100_000, "the queue never fills");
    };
    assert_eq!(error.kind(), ErrorKind::Backpressure);
    assert!(error.message().contains("call start()"), "{error}");
    assert!(taken >= 500 && taken % 500 == 0);
    assert_eq!(query(&db, "SELECT count(*) FROM t"), vec![row![taken]]);
    db.start_blocking().unwrap();
    assert_eq!(content(&db, "counts"), vec![row!["a", taken]]);
    source.push_arrow(pairs(&source, &rows)).unwrap();
    taken += 500;
    assert_eq!(content(&db, "counts"), vec![row!["a", taken]]);
}

#[test]
fn a_source_that_nothing_reads_never_fills() {
    let config = Config { max_queued_bytes: 1_024, retain_history: 10.into(), ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    execute(&db, SOURCE);
    let source = source(&db);
    for value in 0..1_000 {
        source.push_arrow(pairs(&source, &[("a", value), ("b", value)])).unwrap();
    }
    assert_eq!(source.pending(), 0);
    assert_eq!(query(&db, "SELECT min(v), count(*) FROM t"), vec![row![995, 10]]);
}

#[test]
fn a_stream_does_not_see_what_was_queued_before_it() {
    let db = created(&[SOURCE, COUNTS]);
    push(&db, &[("a", 1), ("b", 1)]);
    execute(&db, "CREATE STREAM later AS SELECT k, count(*) AS n FROM t GROUP BY k");
    execute(&db, "CREATE STREAM of_counts AS SELECT sum(n) AS n FROM counts");
    push(&db, &[("a", 1)]);
    db.start_blocking().unwrap();
    assert_eq!(content(&db, "counts"), vec![row!["a", 2], row!["b", 1]]);
    assert_eq!(content(&db, "later"), vec![row!["a", 1]]);
    assert_eq!(content(&db, "of_counts"), vec![row![3]]);
}

#[test]
fn watermarks_before_the_start_take_effect_in_their_order() {
    let db = created(&[
        "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT NOT NULL, WATERMARK FOR v AS v - 5)",
        "CREATE STREAM w AS SELECT window_start, count(*) AS n FROM t GROUP BY tumble(v, 10)",
    ]);
    let source = source(&db);
    source.push_arrow(pairs(&source, &[("a", 3), ("a", 14), ("a", 9)])).unwrap();
    source.watermark(30).unwrap();
    source.push_arrow(pairs(&source, &[("a", 28), ("a", 30)])).unwrap();
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "watermark_ms"), Value::Int(30));
    db.start_blocking().unwrap();
    // 9 came after 14, which closed [0, 10); 28 came after 30 was promised.
    assert_eq!(content(&db, "w"), vec![row![0, 1], row![10, 1]]);
    assert_eq!(listed(&db, "SHOW STREAMS", "w", "late_rows"), Value::Int(2));
}

#[test]
fn a_query_subscribed_to_is_served_before_the_start() {
    let db = created(&[SOURCE, COUNTS]);
    push(&db, &[("a", 1)]);
    let mut rows = subscribe(&db, "SELECT k, v FROM t WHERE v > 0");
    let mut sums = subscribe(&db, "SELECT k, sum(v) AS s FROM t GROUP BY k EMIT CHANGES");
    assert_eq!(drain_rows(&mut rows), vec![row!["a", 1]]);
    assert_eq!(drain_rows(&mut sums), vec![row!["a", 1, 1]]);
    push(&db, &[("a", 2), ("b", -1)]);
    assert_eq!(drain_rows(&mut rows), vec![row!["a", 2]]);
    assert_eq!(drain_rows(&mut sums), vec![row!["a", 1, -1], row!["a", 3, 1], row!["b", -1, 1]]);
    db.start_blocking().unwrap();
    assert_eq!(drain_rows(&mut rows), Vec::<Row>::new());
    assert_eq!(drain_rows(&mut sums), Vec::<Row>::new());
    assert_eq!(content(&db, "counts"), vec![row!["a", 2], row!["b", 1]]);
    push(&db, &[("b", 4)]);
    assert_eq!(drain_rows(&mut rows), vec![row!["b", 4]]);
    assert_eq!(drain_rows(&mut sums), vec![row!["b", -1, -1], row!["b", 3, 1]]);
}

// --- names, drops, the end ----------------------------------------------------------------------

#[test]
fn names_ignore_case_unless_quoted() {
    let db = started(&[
        "CREATE SOURCE Trades (K VARCHAR NOT NULL, \"V\" BIGINT)",
        "CREATE STREAM \"Mixed Case\" AS SELECT k, \"V\" FROM TRADES",
        "CREATE STREAM plain AS SELECT count(*) AS N FROM \"Mixed Case\"",
    ]);
    assert_eq!(db.source_untyped("TRADES").unwrap().name(), "trades");
    assert!(db.source_untyped("\"TRADES\"").is_err());
    let mut told = subscribe(&db, "\"Mixed Case\"");
    assert_eq!(affected(&db, "INSERT INTO tRaDeS VALUES ('a', 1)"), 1);
    assert_eq!(drain_rows(&mut told), vec![row!["a", 1]]);
    assert_eq!(content(&db, "\"Mixed Case\""), vec![row!["a", 1]]);
    assert_eq!(query(&db, "SELECT n FROM Plain"), vec![row![1]]);
    assert_eq!(refused(&db, "SELECT * FROM \"Plain\"").kind(), ErrorKind::TableNotFound);
    execute(&db, "DROP STREAM PLAIN");
    assert_eq!(refused(&db, "DROP STREAM \"MIXED CASE\"").kind(), ErrorKind::TableNotFound);
    execute(&db, "DROP STREAM \"Mixed Case\"");
}

#[test]
fn what_exists_is_not_created_again() {
    let db = started(&[SOURCE, COUNTS, "CREATE SINK out FROM counts"]);
    push(&db, &[("a", 1)]);
    for (kind, name) in [("SOURCE", "t"), ("STREAM", "counts"), ("SINK", "out")] {
        let rest = match kind {
            "SOURCE" => "(x INT)",
            "STREAM" => "AS SELECT k FROM t",
            _ => "FROM t",
        };
        let error = refused(&db, &format!("CREATE {kind} {name} {rest}"));
        assert_eq!(error.kind(), ErrorKind::TableExists);
        assert!(error.message().contains(&format!("`{name}`")), "{error}");
        assert_eq!(error.position().unwrap().column, 9 + kind.len() as u64);
        execute(&db, &format!("CREATE {kind} IF NOT EXISTS {name} {rest}"));
    }
    assert_eq!(refused(&db, "CREATE STREAM t AS SELECT 1").kind(), ErrorKind::TableExists);
    assert_eq!(content(&db, "counts"), vec![row!["a", 1]]);
    execute(&db, "DROP STREAM IF EXISTS nothing");
    let error = refused(&db, "DROP STREAM nothing");
    assert_eq!(error.kind(), ErrorKind::TableNotFound);
    assert!(error.message().contains("nothing") && error.message().contains("counts"), "{error}");
    let error = refused(&db, "DROP STREAM t");
    assert!(error.message().contains("DROP SOURCE t"), "{error}");
}

#[test]
fn what_others_read_is_not_dropped() {
    let db = started(&[
        SOURCE,
        COUNTS,
        "CREATE STREAM total AS SELECT sum(n) AS n FROM counts",
        "CREATE SINK out FROM total",
    ]);
    for (sql, readers) in [
        ("DROP SOURCE t", vec!["`counts`"]),
        ("DROP STREAM counts", vec!["`total`"]),
        ("DROP STREAM total", vec!["`out`"]),
    ] {
        let error = refused(&db, sql);
        assert_eq!(error.kind(), ErrorKind::InvalidSchema);
        assert!(readers.iter().all(|reader| error.message().contains(reader)), "{error}");
    }
    let subscription = subscribe(&db, "SELECT k FROM t");
    execute(&db, "DROP SINK out");
    execute(&db, "DROP STREAM total");
    execute(&db, "DROP STREAM counts");
    let error = refused(&db, "DROP SOURCE t");
    assert!(error.message().contains("the subscription to `SELECT k FROM t`"), "{error}");
    drop(subscription);
    execute(&db, "DROP SOURCE t");
    assert_eq!(refused(&db, "SELECT * FROM t").kind(), ErrorKind::TableNotFound);
}

#[test]
fn a_dropped_stream_ends_its_subscriptions_after_what_is_queued() {
    let db = started(&[SOURCE, BIG, COUNTS, "CREATE SINK out FROM big"]);
    let mut told = subscribe(&db, "big");
    let mut through_sink = subscribe(&db, "out");
    push(&db, &[("a", 11)]);
    execute(&db, "DROP SINK out");
    execute(&db, "DROP STREAM big");
    for subscription in [&mut told, &mut through_sink] {
        assert!(matches!(subscription.poll(None), Ok(Polled::Batch(_))));
        assert!(matches!(subscription.poll(None), Ok(Polled::End)));
        assert!(matches!(subscription.poll(NOW), Ok(Polled::End)));
    }
    push(&db, &[("a", 12)]);
    assert_eq!(content(&db, "counts"), vec![row!["a", 2]]);
    // The name is free again, for another query.
    execute(&db, "CREATE STREAM big AS SELECT v * 100 AS x FROM t");
    push(&db, &[("a", 13)]);
    assert_eq!(content(&db, "big"), vec![row![1_300]]);
}

#[test]
fn a_dropped_source_ends_the_subscriptions_to_it_and_not_to_queries() {
    let db = started(&["CREATE SOURCE t (v BIGINT)", "CREATE STREAM s AS SELECT v FROM t"]);
    let under = |predicate: &str| SubscribeOptions {
        predicate: Some(predicate.to_string()),
        ..SubscribeOptions::default()
    };
    let mut of_query = subscribe(&db, "SELECT v + 1 AS w FROM t");
    let mut of_stream = db.subscribe_with("s", under("v > 1")).unwrap();
    let mut of_source = [subscribe(&db, "t"), db.subscribe_with("t", under("v > 1")).unwrap()];
    execute(&db, "INSERT INTO t VALUES (1), (2)");
    execute(&db, "DROP STREAM s");
    assert_eq!(drain_rows(&mut of_stream), vec![row![2]]);
    assert!(matches!(of_stream.poll(Some(Duration::ZERO)).unwrap(), Polled::End));
    let error = refused(&db, "DROP SOURCE t");
    assert!(error.message().contains("the subscription to `SELECT v + 1 AS w FROM t`"), "{error}");
    assert_eq!(drain_rows(&mut of_query), vec![row![2], row![3]]);
    of_query.handle().cancel();
    execute(&db, "DROP SOURCE t");
    for (subscription, rows) in of_source.iter_mut().zip([vec![row![1], row![2]], vec![row![2]]]) {
        assert_eq!(drain_rows(subscription), rows);
        assert!(matches!(subscription.poll(Some(Duration::ZERO)).unwrap(), Polled::End));
    }
}

#[test]
fn a_dropped_sink_ends_its_own_subscriptions() {
    let db = started(&[SOURCE, BIG, "CREATE SINK out FROM big", "CREATE SINK other FROM big"]);
    let mut ended = subscribe(&db, "out");
    let mut going_on = [subscribe(&db, "big"), subscribe(&db, "other")];
    push(&db, &[("a", 11)]);
    execute(&db, "DROP SINK out");
    push(&db, &[("a", 12)]);
    assert!(matches!(ended.poll(None), Ok(Polled::Batch(_))));
    assert!(matches!(ended.poll(None), Ok(Polled::End)));
    for subscription in &mut going_on {
        assert_eq!(drain(subscription).len(), 2);
    }
}

#[test]
fn a_handle_of_a_dropped_source_says_so() {
    let db = started(&[SOURCE]);
    let source = source(&db);
    execute(&db, "DROP SOURCE t");
    execute(&db, "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT)");
    let error = source.push_arrow(pairs(&source, &[("a", 1)])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriterClosed);
    assert!(source.watermark(3).is_err());
    assert_eq!(content(&db, "t"), Vec::<Row>::new());
}

#[test]
fn after_shutdown_every_call_is_refused_and_subscriptions_end() {
    let db = started(&[SOURCE, BIG]);
    let source = source(&db);
    let mut told = subscribe(&db, "big");
    let mut waits = subscribe(&db, "SELECT k FROM t");
    push(&db, &[("a", 11)]);
    drain(&mut waits);
    let waiter = std::thread::spawn(move || matches!(waits.poll(None), Ok(Polled::End)));
    db.shutdown_blocking().unwrap();
    db.shutdown_blocking().unwrap();
    assert!(waiter.join().unwrap(), "a poll that waits sees the end");
    assert!(matches!(told.poll(NOW), Ok(Polled::Batch(_))));
    assert!(matches!(told.poll(NOW), Ok(Polled::End)));
    let batch = pairs(&source, &[("a", 1)]);
    let errors = [
        source.push_arrow(batch).unwrap_err(),
        source.watermark(1).unwrap_err(),
        refused(&db, "SELECT * FROM t"),
        refused(&db, "CREATE SOURCE u (x INT)"),
        refused(&db, "SHOW STREAMS"),
        db.subscribe_with("big", SubscribeOptions::default()).map(|_| ()).unwrap_err(),
        db.start_blocking().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::ConnectionClosed, "{error}");
    }
}

// --- history and listings -----------------------------------------------------------------------

#[test]
fn a_history_keeps_exactly_its_last_rows() {
    let db = started(&[
        "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT) WITH (retain_history = 5)",
        "CREATE SOURCE none (x BIGINT) WITH (retain_history = 0)",
        "CREATE STREAM big AS SELECT k, v FROM t WHERE v > 10 WITH (retain_history = 2)",
        "CREATE STREAM total AS SELECT count(*) AS n, sum(v) AS s FROM t",
        "CREATE STREAM of_none AS SELECT sum(x) AS s FROM none",
    ]);
    let mut pushed: Vec<i64> = Vec::new();
    for count in [1, 3, 1, 2, 9, 5, 1, 6] {
        let new: Vec<i64> = (0..count).map(|index| (pushed.len() + index) as i64).collect();
        push(&db, &new.iter().map(|value| ("a", *value)).collect::<Vec<_>>());
        pushed.extend(new);
        let last = |values: &[i64], count: usize| {
            let kept = &values[values.len().saturating_sub(count)..];
            kept.iter().map(|value| row!["a", *value]).collect::<Vec<Row>>()
        };
        assert_eq!(query(&db, "SELECT * FROM t"), last(&pushed, 5));
        let big: Vec<i64> = pushed.iter().copied().filter(|value| *value > 10).collect();
        assert_eq!(query(&db, "SELECT * FROM big"), last(&big, 2));
    }
    // Dropped history never touches what is downstream.
    assert_eq!(content(&db, "total"), vec![row![28, 27 * 28 / 2]]);
    assert_eq!(affected(&db, "INSERT INTO none VALUES (4), (5)"), 2);
    assert_eq!(content(&db, "none"), Vec::<Row>::new());
    assert_eq!(content(&db, "of_none"), vec![row![9]]);
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "retained_rows"), Value::Int(5));
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "dropped_rows"), Value::Int(23));
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "total_rows"), Value::Int(28));
    let extended = query(&db, "DESCRIBE EXTENDED t");
    let property =
        |name: &str| extended.iter().find(|line| line[0] == name.into()).unwrap()[1].clone();
    assert_eq!(property("retained rows"), "5".into());
    assert!(property("queries see").text().contains("retained rows only"));
    assert_eq!(property("column k"), "Utf8 NOT NULL".into());
}

#[test]
fn listings_and_descriptions() {
    let db = created(&[
        "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT, ts TIMESTAMP(3) NOT NULL,
         WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)",
        "CREATE STREAM w AS SELECT k, window_start, count(*) AS n FROM t
         GROUP BY k, tumble(ts, INTERVAL '1' MINUTE)",
        COUNTS,
        "CREATE SINK out FROM w",
    ]);
    assert_eq!(
        query(&db, "DESCRIBE t"),
        vec![
            row!["k", "Utf8", "false"],
            row!["v", "Int64", "true"],
            row!["ts", "Timestamp(ms)", "false"],
        ]
    );
    assert_eq!(query(&db, "SHOW SINKS"), vec![row!["out", "w"]]);
    assert_eq!(query(&db, "SHOW TABLES"), Vec::<Row>::new());
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "watermark_column"), "ts".into());
    assert_eq!(listed(&db, "SHOW STREAMS", "w", "emit"), "EMIT ON WINDOW CLOSE".into());
    assert_eq!(listed(&db, "SHOW STREAMS", "counts", "emit"), "EMIT ON UPDATE".into());
    assert_eq!(listed(&db, "SHOW STREAMS", "w", "subscribers"), Value::Int(0));
    let first = subscribe(&db, "w");
    let second = subscribe(&db, "out");
    assert_eq!(listed(&db, "SHOW STREAMS", "w", "subscribers"), Value::Int(2));
    drop((first, second));
    assert_eq!(listed(&db, "SHOW STREAMS", "w", "subscribers"), Value::Int(0));
    let sql = listed(&db, "SHOW STREAMS", "counts", "sql");
    assert_eq!(sql, "SELECT k, count(*) AS n FROM t GROUP BY k".into());

    let text = db.explain("w").unwrap();
    assert!(text.starts_with("EMIT ON WINDOW CLOSE (by default)\n"), "{text}");
    assert!(text.contains("Window aggregate by (") && text.contains("Read t"), "{text}");
    let text = db.explain("SELECT k, count(*) FROM t GROUP BY k").unwrap();
    assert!(text.contains("As a continuous query:\n  EMIT ON UPDATE (by default)"), "{text}");
    assert!(text.contains("As an ad-hoc query:"), "{text}");
    let lines = query(&db, "EXPLAIN CREATE STREAM x AS SELECT k FROM counts EMIT CHANGES");
    assert_eq!(lines[0], row!["EMIT CHANGES"]);
    assert!(db.explain("t").unwrap_err().message().contains("runs no query"));
}

#[test]
fn inserts() {
    let db = started(&[SOURCE, BIG, "CREATE SOURCE u (a INT, b DOUBLE, c TIMESTAMP(3))"]);
    assert_eq!(affected(&db, "INSERT INTO t VALUES ('a', 11), ('b', NULL)"), 2);
    assert_eq!(affected(&db, "INSERT INTO t (v, k) VALUES (12, 'c')"), 1);
    assert_eq!(affected(&db, "INSERT INTO t (k) SELECT k || '!' FROM big"), 2);
    let none = None::<i64>;
    let expected =
        vec![row!["a", 11], row!["a!", none], row!["b", none], row!["c", 12], row!["c!", none]];
    assert_eq!(content(&db, "t"), expected);
    assert_eq!(content(&db, "big"), vec![row!["a", 11], row!["c", 12]]);
    assert_eq!(affected(&db, "INSERT INTO u VALUES (1, 2, '2024-01-01T00:00:01')"), 1);
    assert_eq!(content(&db, "u"), vec![row![1, 2.0, 1_704_067_201_000]]);

    for (sql, kind, words) in [
        ("INSERT INTO t (v) VALUES (1)", ErrorKind::IngestionFailed, "`k`"),
        ("INSERT INTO t VALUES ('a', 1), (NULL, 2)", ErrorKind::IngestionFailed, "row 1"),
        ("INSERT INTO t VALUES ('a')", ErrorKind::BatchSchemaMismatch, "1 columns"),
        ("INSERT INTO t (nope) VALUES (1)", ErrorKind::BatchSchemaMismatch, "`nope`"),
        ("INSERT INTO u (a) VALUES (3000000000)", ErrorKind::IngestionFailed, "`a`"),
        ("INSERT INTO u (a) VALUES ('x')", ErrorKind::IngestionFailed, "`a`"),
        ("INSERT INTO big VALUES ('a', 1)", ErrorKind::IngestionFailed, "STREAM"),
        ("INSERT INTO nothing VALUES (1)", ErrorKind::TableNotFound, "nothing"),
    ] {
        let error = refused(&db, sql);
        assert_eq!(error.kind(), kind, "{sql}\n{error}");
        assert!(error.message().contains(words), "{sql}\n{error}");
    }
    assert_eq!(content(&db, "t"), expected);
    assert_eq!(content(&db, "u").len(), 1);
}

#[test]
fn a_push_that_does_not_fit_is_refused_whole() {
    let db = started(&[SOURCE, COUNTS]);
    let source = source(&db);
    let good = pairs(&source, &[("a", 1)]);
    let keys = |last| texts([Some("a"), Some("b"), last]);
    let values = || -> ArrayRef { Arc::new(Int64Array::from(vec![1, 2, 3])) };
    let of = |fields: Vec<(&str, ArrayRef)>| {
        let schema = Schema::new(
            fields
                .iter()
                .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
                .collect::<Vec<_>>(),
        );
        let columns = fields.into_iter().map(|(_, column)| column).collect();
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    };
    let narrow: ArrayRef = arrow::compute::cast(&values(), &DataType::Int32).unwrap();
    for (bad, kind, words) in [
        (of(vec![("k", keys(None)), ("v", values())]), ErrorKind::IngestionFailed, "row 2"),
        (of(vec![("k", keys(Some("c")))]), ErrorKind::BatchSchemaMismatch, "1 columns"),
        (
            of(vec![("k", keys(Some("c"))), ("w", values())]),
            ErrorKind::BatchSchemaMismatch,
            "`w Int64`",
        ),
        (
            of(vec![("k", keys(Some("c"))), ("v", narrow)]),
            ErrorKind::BatchSchemaMismatch,
            "`v Int32`",
        ),
        (
            of(vec![("v", values()), ("k", keys(Some("c")))]),
            ErrorKind::BatchSchemaMismatch,
            "column 1",
        ),
    ] {
        for error in [
            source.push_arrow(bad.clone()).unwrap_err(),
            source.push_batches(vec![good.clone(), bad.clone()]).unwrap_err(),
            db.insert("t", vec![good.clone(), bad.clone()]).unwrap_err(),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains(words), "{error}");
        }
    }
    assert_eq!(content(&db, "t"), Vec::<Row>::new());
    source.push_batches(vec![good.clone(), good]).unwrap();
    assert_eq!(content(&db, "counts"), vec![row!["a", 2]]);
}

// --- subscriptions ------------------------------------------------------------------------------

#[test]
fn a_slow_subscriber_is_told_what_it_missed_and_holds_nobody() {
    let db = started(&[SOURCE, BIG]);
    let options = || SubscribeOptions { capacity: Some(4), ..SubscribeOptions::default() };
    let mut slow = db.subscribe_with("big", options()).unwrap();
    for value in [20, 30, 40] {
        push(&db, &[("a", value), ("b", value + 1), ("c", value + 2)]);
    }
    // Two epochs of three rows went, whole.
    assert!(matches!(slow.poll(NOW), Ok(Polled::Lagged(6))));
    assert_eq!(drain_rows(&mut slow), vec![row!["a", 40], row!["b", 41], row!["c", 42]]);
    push(&db, &[("a", 50)]);
    assert_eq!(drain_rows(&mut slow), vec![row!["a", 50]]);
    assert_eq!(slow.handle().missed_rows(), 6);
}

#[test]
fn a_slow_subscriber_of_an_updating_stream_starts_again_from_its_content() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM sums AS SELECT k, sum(v) AS s FROM t GROUP BY k EMIT CHANGES",
    ]);
    let options = SubscribeOptions { capacity: Some(3), ..SubscribeOptions::default() };
    let mut slow = db.subscribe_with("sums", options).unwrap();
    let mut replay = Replay::default();
    push(&db, &[("a", 1)]);
    replay.drain(&mut slow);
    // One key many times: merged into its net change, without a new start.
    for value in 0..20 {
        push(&db, &[("a", value)]);
    }
    replay.drain(&mut slow);
    assert_eq!((replay.content(), replay.resets), (vec![row!["a", 191]], 0));
    // More keys than the ring holds rows.
    for key in ["b", "c", "d", "e", "f", "g"] {
        push(&db, &[(key, 7)]);
    }
    replay.drain(&mut slow);
    assert_eq!(replay.resets, 1);
    assert_eq!(replay.content(), content(&db, "sums"));
    push(&db, &[("a", 9), ("h", 1)]);
    replay.drain(&mut slow);
    assert_eq!(replay.content(), content(&db, "sums"));
    assert_eq!(replay.content().len(), 8);
}

#[test]
fn a_subscription_by_name_begins_now_and_with_snapshot_at_the_content() {
    let db = started(&[SOURCE, BIG, COUNTS]);
    push(&db, &[("a", 11), ("a", 12)]);
    let mut now = subscribe(&db, "big");
    let mut whole = with_snapshot(&db, "big", 100);
    let mut counts = with_snapshot(&db, "counts", 100);
    let mut source_rows = subscribe(&db, "t");
    push(&db, &[("a", 13)]);
    assert_eq!(drain_rows(&mut now), vec![row!["a", 13]]);
    assert_eq!(drain_rows(&mut whole), vec![row!["a", 11], row!["a", 12], row!["a", 13]]);
    assert_eq!(drain_rows(&mut counts), vec![row!["a", 2], row!["a", 3]]);
    assert_eq!(drain_rows(&mut source_rows), vec![row!["a", 13]]);
}

#[test]
fn snapshot_then_changes_have_no_gap_and_no_overlap_while_others_push() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM sums AS SELECT k, sum(v) AS s, count(*) AS n FROM t GROUP BY k EMIT CHANGES",
        "CREATE STREAM every AS SELECT k, v FROM t",
    ]);
    const THREADS: i64 = 3;
    const PUSHES: i64 = 400;
    let keys = ["a", "b", "c", "d", "e"];
    let mut subscriptions: Vec<(&str, UntypedSubscription, Replay)> = Vec::new();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let source = source(&db);
            scope.spawn(move || {
                for push in 0..PUSHES {
                    let value = thread * PUSHES + push;
                    let key = keys[(value % 5) as usize];
                    source.push_arrow(pairs(&source, &[(key, value), ("z", -1)])).unwrap();
                }
            });
        }
        for round in 0..12 {
            for target in [
                "sums",
                "every",
                "SELECT k, v FROM t",
                "SELECT v % 7 AS r, count(*) AS n FROM t GROUP BY v % 7 EMIT CHANGES",
            ] {
                let subscription = with_snapshot(&db, target, 1 << 16);
                subscriptions.push((target, subscription, Replay::default()));
            }
            for (_, subscription, replay) in subscriptions.iter_mut().skip(round * 2) {
                replay.poll(subscription, Duration::ZERO);
            }
        }
    });
    for (target, subscription, replay) in &mut subscriptions {
        replay.drain(subscription);
        let expected = match *target {
            "sums" | "every" => content(&db, target),
            query => content(&db, &format!("({})", query.replace(" EMIT CHANGES", ""))),
        };
        assert_eq!(replay.content(), expected, "{target}");
    }
    assert_eq!(content(&db, "every").len() as i64, 2 * THREADS * PUSHES);
}

#[test]
fn a_cancelled_subscription_gives_what_it_has_and_ends() {
    let db = started(&[SOURCE, BIG]);
    let mut told = subscribe(&db, "big");
    push(&db, &[("a", 11)]);
    let handle = told.handle();
    handle.cancel();
    push(&db, &[("a", 12)]);
    assert!(matches!(told.poll(None), Ok(Polled::Batch(_))));
    assert!(matches!(told.poll(None), Ok(Polled::End)));
    assert_eq!(content(&db, "big").len(), 2);
}

// --- several threads ----------------------------------------------------------------------------

#[test]
fn queries_see_one_consistent_epoch_while_others_push() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM total AS SELECT count(*) AS n, sum(v) AS s FROM t",
        "CREATE STREAM keyed AS SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k",
        "CREATE STREAM every AS SELECT v FROM t",
    ]);
    let done = AtomicBool::new(false);
    let queries = std::thread::scope(|scope| {
        let pushers: Vec<_> = (0..2)
            .map(|thread| {
                let source = source(&db);
                scope.spawn(move || {
                    for value in 0..1_500 {
                        let key = ["a", "b", "c"][(value % 3) as usize];
                        let rows = [(key, value), ("z", thread), ("y", -value)];
                        source.push_arrow(pairs(&source, &rows)).unwrap();
                    }
                })
            })
            .collect();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (db, done) = (&db, &done);
                scope.spawn(move || {
                    let mut queries = 0;
                    while !done.load(Ordering::Acquire) || queries == 0 {
                        let seen = query(
                            db,
                            "SELECT a.*, b.*, c.*, d.* FROM (SELECT n, s FROM total) AS a
                             CROSS JOIN (SELECT sum(n), sum(s) FROM keyed) AS b
                             CROSS JOIN (SELECT count(*), sum(v) FROM every) AS c
                             CROSS JOIN (SELECT count(*), sum(v) FROM t) AS d",
                        );
                        let seen = &seen[0];
                        if seen[0] != Value::Int(0) {
                            assert_eq!(seen[0].int() % 3, 0, "whole pushes only");
                            for pair in [2, 4, 6] {
                                assert_eq!(seen[pair..pair + 2], seen[..2]);
                            }
                        }
                        queries += 1;
                    }
                    queries
                })
            })
            .collect();
        pushers.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Release);
        readers.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
    });
    assert!(queries >= 2);
    // Two threads push 0 + 1 and cancel the rest.
    assert_eq!(content(&db, "total"), vec![row![9_000, 1_500]]);
}

#[test]
fn statements_come_and_go_while_others_push() {
    let db = started(&[SOURCE, COUNTS]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let source = source(&db);
            scope.spawn(move || {
                for value in 0..500 {
                    source.push_arrow(pairs(&source, &[("a", value)])).unwrap();
                }
            });
        }
        for thread in 0..2 {
            let db = &db;
            scope.spawn(move || {
                for round in 0..15 {
                    let name = format!("s{thread}_{round}");
                    execute(db, &format!("CREATE STREAM {name} AS SELECT sum(n) AS n FROM counts"));
                    let seen = query(db, &format!("SELECT a.n, b.n FROM {name} a, counts b"));
                    for row in seen {
                        assert_eq!(row[0], row[1]);
                    }
                    let told = subscribe(db, &name);
                    execute(db, &format!("DROP STREAM {name}"));
                    drop(told);
                }
            });
        }
    });
    assert_eq!(content(&db, "counts"), vec![row!["a", 1_000]]);
}
