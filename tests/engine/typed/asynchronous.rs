//! Calls that hold no thread: on tokio's executors, on one of a few lines, and without any.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use laminar_db::{Config, ExecuteResult, LaminarDB, OnFull, Record, SubscribeOptions, code};
use tokio::runtime::{Builder, Runtime};

#[derive(Record)]
struct Number {
    n: i64,
}

/// A runtime of one thread: a call that held it would hold everything.
fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn opened() -> (LaminarDB, laminar_db::Source<Number>) {
    let db = LaminarDB::builder().buffer_size(1_024).build().await.unwrap();
    let numbers = db.create_source::<Number>("numbers").await.unwrap();
    db.execute("CREATE STREAM odd AS SELECT n FROM numbers WHERE n % 2 = 1").await.unwrap();
    db.start().await.unwrap();
    (db, numbers)
}

#[test]
fn a_program_runs_on_one_thread() {
    one_thread().block_on(async {
        let (db, numbers) = opened().await;
        let mut odd = db.subscribe::<(i64,)>("odd").unwrap();
        let producer = tokio::spawn(async move {
            for n in 0..100 {
                numbers.push_async(Number { n }).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut sum = 0;
        while sum < 2_500 {
            // 1 + 3 + ... + 99
            sum += odd.recv().await.unwrap().unwrap().0;
        }
        producer.await.unwrap();
        let rows: Vec<(i64,)> = db.query_as("SELECT n FROM odd ORDER BY n LIMIT 2").await.unwrap();
        assert_eq!(rows, [(1,), (3,)]);
        assert_eq!(db.query_one::<(i64,)>("SELECT count(*) FROM numbers").await.unwrap(), (100,));
        let affected = db.execute("INSERT INTO numbers VALUES (7)").await.unwrap();
        assert!(matches!(affected, ExecuteResult::Affected { rows: 1, .. }));
        db.stop().await.unwrap();
        assert_eq!(db.execute("SHOW STREAMS").await.err().unwrap().code(), code::CLOSED);
        assert_eq!(odd.recv().await.unwrap(), Some((7,)));
        assert_eq!(odd.recv().await.unwrap(), None);
    });
}

/// No call needs a runtime around it.
#[test]
fn futures_run_on_any_executor() {
    block_on(async {
        let (db, numbers) = opened().await;
        let mut odd = db.subscribe::<(i64,)>("odd").unwrap();
        let soon = Duration::from_millis(20);
        let error = odd.recv_timeout(soon).await.unwrap_err();
        assert_eq!(error.code(), code::SUBSCRIPTION_TIMEOUT);
        numbers.push(Number { n: 3 }).unwrap();
        assert_eq!(odd.recv_timeout(soon).await.unwrap(), Some((3,)));
        let query = db.query("SELECT n FROM numbers").await.unwrap();
        let rows: Vec<(i64,)> = query.rows::<(i64,)>().unwrap().try_collect().await.unwrap();
        assert_eq!(rows, [(3,)]);
        let mut query = db.query("SELECT n FROM numbers").await.unwrap();
        assert_eq!(query.next_batch().await.unwrap().unwrap().num_rows(), 1);
        assert!(query.next_batch().await.unwrap().is_none());
        drop(numbers);
        db.shutdown().await.unwrap();
        assert_eq!(odd.recv_timeout(soon).await.unwrap(), None);
    });
}

/// The twins work on the threads of a runtime too: nothing is nested.
#[test]
fn blocking_calls_work_inside_of_a_runtime() {
    one_thread().block_on(async {
        let db = LaminarDB::open().unwrap();
        let numbers = db.create_source_blocking::<Number>("numbers").unwrap();
        db.start_blocking().unwrap();
        let mut all = db.subscribe::<(i64,)>("SELECT n FROM numbers").unwrap();
        numbers.push(Number { n: 1 }).unwrap();
        assert_eq!(all.recv_blocking().unwrap(), Some((1,)));
        assert_eq!(db.query_one_blocking::<(i64,)>("SELECT n FROM numbers").unwrap(), (1,));
        db.shutdown_blocking().unwrap();
    });
}

#[test]
fn a_stream_of_rows_ends_with_the_subscription() {
    one_thread().block_on(async {
        let (db, numbers) = opened().await;
        let odd = db.subscribe::<(i64,)>("odd").unwrap();
        numbers.push_batch(&(0..6).map(|n| Number { n }).collect::<Vec<_>>()).unwrap();
        let handle = odd.handle();
        let rows = tokio::spawn(odd.map(|row| row.unwrap().0).collect::<Vec<_>>());
        tokio::task::yield_now().await;
        handle.cancel();
        assert_eq!(rows.await.unwrap(), [1, 3, 5]);
    });
}

/// A wait that is given up loses nothing.
#[test]
fn a_dropped_recv_loses_no_row() {
    block_on(async {
        let (db, numbers) = opened().await;
        let mut odd = db.subscribe::<(i64,)>("odd").unwrap();
        for n in [1, 3, 5] {
            {
                let mut waits = pin!(odd.recv());
                poll_fn(|context| {
                    assert!(waits.as_mut().poll(context).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
            numbers.push(Number { n }).unwrap();
            assert_eq!(odd.recv().await.unwrap(), Some((n,)));
        }
    });
}

/// Who waits for room waits on another thread.
#[test]
fn a_push_that_waits_holds_no_executor() {
    one_thread().block_on(async {
        let (db, numbers) = opened().await;
        let options = SubscribeOptions {
            capacity: Some(1),
            on_full: OnFull::Block,
            ..SubscribeOptions::default()
        };
        let mut all = db.subscribe_as::<(i64,)>("numbers", options).unwrap();
        let producer = tokio::spawn(async move {
            for n in 0..20 {
                numbers.push_async(Number { n }).await.unwrap();
            }
        });
        for n in 0..20 {
            assert_eq!(all.recv().await.unwrap(), Some((n,)));
        }
        producer.await.unwrap();
    });
}

/// A function that the engine calls holds the token: it is told so instead of waiting for itself.
#[test]
fn a_function_of_the_host_cannot_wait_for_the_database() {
    use arrow::datatypes::DataType;
    use laminar_db::{ScalarFunction, Volatility};
    let db = LaminarDB::open().unwrap();
    let was_refused = Arc::new(AtomicBool::new(false));
    let (inner, refused) = (db.clone(), Arc::clone(&was_refused));
    let call = move |arguments: &[arrow::array::ArrayRef], _rows: usize| {
        let answer = block_on(inner.execute("SHOW STREAMS"));
        refused.store(answer.is_err_and(|error| error.code() == code::IN_USE), Ordering::SeqCst);
        Ok(Arc::clone(&arguments[0]))
    };
    let function = ScalarFunction {
        name: "waits".to_string(),
        arguments: vec![DataType::Int64],
        result: DataType::Int64,
        volatility: Volatility::Volatile,
        call: Arc::new(call),
    };
    db.register_udf(function).unwrap();
    db.execute_blocking("CREATE SOURCE numbers (n BIGINT)").unwrap();
    db.execute_blocking("CREATE STREAM same AS SELECT waits(n) AS n FROM numbers").unwrap();
    db.start_blocking().unwrap();
    db.source::<Number>("numbers").unwrap().push(Number { n: 1 }).unwrap();
    assert!(was_refused.load(Ordering::SeqCst));
}

#[test]
fn a_builder_refuses_what_cannot_be() {
    use laminar_db::{CheckpointConfig, WalMode};
    let refused = |builder: laminar_db::Builder| builder.build_blocking().err().unwrap().code();
    let checkpoint = || LaminarDB::builder().checkpoint(CheckpointConfig::default());
    assert_eq!(refused(LaminarDB::builder().buffer_size(1_000)), code::CONFIG);
    assert_eq!(refused(checkpoint()), code::CONFIG);
    assert_eq!(refused(LaminarDB::builder().wal_mode(WalMode::Sync)), code::CONFIG);
    let at_a_path = checkpoint().storage_dir("data");
    assert_eq!(refused(at_a_path), code::UNSUPPORTED);
    let without_a_pause = checkpoint().data_dir("data").checkpoint_interval(Duration::ZERO);
    assert_eq!(refused(without_a_pause), code::CONFIG);
    let config = Config { retain_history: 7.into(), ..Config::default() };
    let db = LaminarDB::builder().config(config).core_affinity(0).build_blocking().unwrap();
    assert_eq!((db.config().retain_history, db.config().core_affinity), (7.into(), Some(0)));
}
