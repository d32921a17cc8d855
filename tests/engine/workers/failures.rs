//! What goes wrong in partitions: expressions that fail, streams that stop, and streams and subscriptions
//! that go while workers are at work. It is the same for every number of workers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use laminar_db::{ErrorKind, Polled, SubscribeOptions};

use super::{DIVIDED, open, open_with, rows, told_by};
use crate::row;
use crate::support::database::{content, execute, query, refused};
use crate::support::random::{Random, for_seeds};
use crate::support::value::Row;

/// Queries that are divided and fail on some rows: sums that overflow, keys and conditions on pairs
/// that divide by zero, both in one step.
const FAILING: &[&str] = &[
    "SELECT k, sum(v * 180000000000000000) AS s FROM t GROUP BY k",
    "SELECT k, sum(v * 180000000000000000) AS s FROM latest GROUP BY k",
    "SELECT k, window_end, sum(v * 180000000000000000) AS s FROM t
     GROUP BY k, tumble(ts, INTERVAL '0.020' SECOND)",
    "SELECT k, window_end, sum(v * 180000000000000000) AS s FROM w
     GROUP BY k, tumble(ts, INTERVAL '0.020' SECOND) EMIT ON WINDOW CLOSE",
    "SELECT k, hop(ts, INTERVAL '0.005' SECOND, INTERVAL '0.020' SECOND) AS h,
     sum(v * 180000000000000000) AS s FROM t
     GROUP BY k, hop(ts, INTERVAL '0.005' SECOND, INTERVAL '0.020' SECOND) EMIT CHANGES",
    "SELECT k, cumulate(ts, INTERVAL '0.010' SECOND, INTERVAL '0.040' SECOND) AS c,
     sum(v * 180000000000000000) AS s FROM t
     GROUP BY k, cumulate(ts, INTERVAL '0.010' SECOND, INTERVAL '0.040' SECOND) EMIT CHANGES",
    // Sums of panes that do not add up: of few panes and of many, most keys being in most of them or
    // not, and over rows that are replaced.
    "SELECT k, window_end, sum(v * 180000000000000000) AS s, sum(v / 7.0) AS f FROM t
     GROUP BY k, hop(ts, INTERVAL '0.010' SECOND, INTERVAL '0.030' SECOND)",
    "SELECT k % 2 AS p, window_end, sum(v * 90000000000000000) AS s, sum(v / 7.0) AS f FROM t
     GROUP BY k % 2, hop(ts, INTERVAL '0.002' SECOND, INTERVAL '0.030' SECOND)",
    "SELECT k, s, window_end, sum(v * 180000000000000000) AS s2, sum(v / 7.0) AS f FROM w
     GROUP BY k, s, hop(ts, INTERVAL '0.010' SECOND, INTERVAL '0.030' SECOND) EMIT ON WINDOW CLOSE",
    "SELECT k, window_end, sum(v * 180000000000000000) AS s, sum(v / 7.0) AS f FROM t
     GROUP BY k, cumulate(ts, INTERVAL '0.010' SECOND, INTERVAL '0.040' SECOND)",
    "SELECT k, window_end, sum(v * 180000000000000000) AS s FROM t
     GROUP BY k, session(ts, INTERVAL '0.006' SECOND)",
    "SELECT t.id, u.id AS o FROM t JOIN u ON 10 / (t.v % 5) = u.k AND 10 / (t.v - u.v) > 0",
    "SELECT l.id, w.id AS o FROM latest l LEFT JOIN w ON l.k = w.k AND 10 / (l.v - w.v) > 0",
    "SELECT l.id, w.id AS o FROM latest l FULL JOIN w ON l.k = 10 / (w.v % 5)",
    "SELECT id, s FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND 10 / (t.v - u.v) > 0)",
    "SELECT t.id, u.id AS o FROM t FULL JOIN u ON 10 / (t.v % 5) = u.k
     AND u.ts BETWEEN t.ts - INTERVAL '0.020' SECOND AND t.ts + INTERVAL '0.020' SECOND
     AND 10 / (t.v - u.v) > 0",
    "SELECT t.id, u.id AS o, u.ts FROM t ASOF LEFT JOIN u MATCH_CONDITION (t.ts >= u.ts)
     ON 10 / (t.v % 5) = u.k",
    "SELECT t.id, w.v FROM t LEFT JOIN w FOR SYSTEM_TIME AS OF t.ts ON t.v / (t.k % 3) = w.id",
];

/// Workers, and from how many rows on they are threads.
const KINDS: [(usize, usize); 3] = [(2, 0), (3, usize::MAX), (8, 0)];

fn letters(db: &laminar_db::LaminarDB) -> Vec<Row> {
    query(db, "SELECT epoch, stream, row, error FROM laminar_dead_letters")
}

#[test]
fn dead_letters_and_their_order_are_the_same_for_every_number_of_workers() {
    let differences = Mutex::new(Vec::new());
    for index in 0..FAILING.len() {
        let queries = &FAILING[index..=index];
        for_seeds(2, |seed| {
            let run = |workers, least| {
                let db = open(workers, least, queries);
                let told = told_by(&db, seed, 1);
                (told, letters(&db), db.explain("q0").unwrap())
            };
            let (told, failed, _) = run(1, 0);
            assert!(!failed.is_empty(), "some rows fail: {}", queries[0]);
            for (workers, least) in KINDS {
                let (other, letters, plan) = run(workers, least);
                assert!(plan.contains(&format!("; workers: {workers}, by its keys")), "{plan}");
                if letters != failed || other != told {
                    let first = letters.iter().zip(&failed).find(|(other, one)| other != one);
                    let difference = format!("{workers} workers: {}: {first:?}", queries[0]);
                    differences.lock().unwrap().push(difference);
                }
            }
        });
    }
    let differences = differences.into_inner().unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_stream_that_is_to_fail_stops_alike_for_every_number_of_workers() {
    let stopped = |workers, least| {
        let db = open_with(workers, least, FAILING, "ON ERROR FAIL");
        let sources = super::PUSHED.map(|name| db.source_untyped(name).unwrap());
        let (mut random, mut now) = (Random::new(11), 0);
        for _ in 0..60 {
            let source = random.pick(&sources);
            source.push_arrow(rows(&mut random, source, 20, &mut now)).unwrap();
        }
        let streams = query(&db, "SELECT name, state, error FROM laminar_streams ORDER BY name");
        // Whoever follows one is told, and the others go on.
        let mut follower = db.subscribe_with("q0", SubscribeOptions::default());
        if let Ok(follower) = &mut follower {
            let told = follower.poll(Some(Duration::ZERO)).map(|_| ()).unwrap_err();
            assert_eq!(told.kind(), ErrorKind::StreamFailed, "{told}");
        }
        assert!(!content(&db, "latest").is_empty());
        streams
    };
    let one = stopped(1, 0);
    let failed = one.iter().filter(|row| row[1] == "failed".into()).count();
    assert_eq!(failed, FAILING.len(), "{one:?}");
    for (workers, least) in KINDS {
        assert_eq!(stopped(workers, least), one, "{workers} workers");
    }
}

/// Streams are dropped and subscriptions end in the middle of what workers do for them; those that
/// are left say what they would have said alone.
#[test]
fn streams_and_subscriptions_go_while_workers_are_at_work() {
    let db = open(3, 0, DIVIDED);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (number, name) in super::PUSHED.into_iter().enumerate() {
            let source = db.source_untyped(name).unwrap();
            let done = &done;
            scope.spawn(move || {
                let (mut random, mut now) = (Random::new(number as u64), 0);
                while !done.load(Ordering::Relaxed) {
                    source.push_arrow(rows(&mut random, &source, 20, &mut now)).unwrap();
                }
            });
        }
        let mut random = Random::new(5);
        let mut left: Vec<usize> = (0..DIVIDED.len()).collect();
        while !left.is_empty() {
            let index = left.swap_remove(random.range(0, left.len() as i64) as usize);
            let name = format!("q{index}");
            let mut subscription = db.subscribe_with(&name, SubscribeOptions::default()).unwrap();
            let _ = subscription.poll(Some(Duration::from_millis(1))).unwrap();
            if random.chance(30) {
                subscription.handle().cancel();
            }
            if random.chance(30) {
                drop(subscription);
                execute(&db, &format!("DROP STREAM {name}"));
                continue;
            }
            execute(&db, &format!("DROP STREAM {name}"));
            // What was told is read to its end.
            for polls in 0.. {
                match subscription.poll(Some(Duration::from_secs(60))).unwrap() {
                    Polled::End => break,
                    Polled::Empty => panic!("{name} was dropped and does not end"),
                    _ => assert!(polls < 1_000_000),
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(query(&db, "SELECT name FROM laminar_streams"), [row!["latest"]]);
    let missing = refused(&db, "SELECT * FROM q0");
    assert_eq!(missing.kind(), ErrorKind::TableNotFound);
    // The workers are there for what comes after.
    let again = "SELECT id, count(*) AS n FROM latest GROUP BY id";
    execute(&db, &format!("CREATE MATERIALIZED VIEW again AS {again}"));
    let mut expected = query(&db, again);
    expected.sort();
    assert_eq!(content(&db, "again"), expected);
}

/// A panic on a worker's thread ends its stream alone: whoever follows it is told, the database, other
/// streams and the worker go on. It is a function of the tests that panics.
#[cfg(feature = "mutants")]
#[test]
fn a_panic_on_a_worker_is_contained() {
    use std::sync::Arc;

    static ON_WORKERS: AtomicBool = AtomicBool::new(false);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match panic.payload_as_str() {
        Some(text) if text.contains("laminar_panic(-77") => {
            let thread = std::thread::current();
            if thread.name().is_some_and(|name| name.starts_with("laminar-worker")) {
                ON_WORKERS.store(true, Ordering::Relaxed);
            }
        }
        _ => before(panic),
    }));
    let config = laminar_db::Config { workers: 4, worker_min_rows: 0, ..Default::default() };
    let db = laminar_db::LaminarDB::open_with_clock_at(config, 0).unwrap();
    execute(&db, "CREATE SOURCE l (k BIGINT, v BIGINT)");
    execute(&db, "CREATE SOURCE r (k BIGINT, v BIGINT)");
    let good =
        "SELECT l.k, count(*) AS n, sum(l.v + r.v) AS s FROM l JOIN r ON l.k = r.k GROUP BY l.k";
    execute(&db, &format!("CREATE MATERIALIZED VIEW good AS {good}"));
    db.start_blocking().unwrap();
    let sources = ["l", "r"].map(|name| db.source_untyped(name).unwrap());
    let push = |source: &laminar_db::UntypedSource, values: std::ops::Range<i64>| {
        use arrow::array::{ArrayRef, Int64Array, RecordBatch};
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(values.clone().map(|v| v % 40)));
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        let rows = RecordBatch::try_new(source.schema().clone(), vec![keys, values]).unwrap();
        source.push_arrow(rows).unwrap();
    };
    // Every partition panics. The thread that pushes takes the first one, and others may find a
    // worker slow; so this is done until it was a worker.
    let mut rounds: i64 = 0;
    while !ON_WORKERS.load(Ordering::Relaxed) {
        assert!(rounds < 300, "no partition was ever run by a worker");
        let name = format!("fragile{rounds}");
        execute(
            &db,
            &format!(
                "CREATE STREAM {name} AS SELECT l.k, l.v, r.v AS w FROM l JOIN r
                 ON l.k = r.k AND laminar_panic(l.v - r.v) IS NOT NULL"
            ),
        );
        assert!(db.explain(&name).unwrap().contains("; workers: 4, by its keys"));
        let mut follower = db.subscribe_with(&name, SubscribeOptions::default()).unwrap();
        // Of equal keys, l.v - r.v is -7,740,000 give or take 40.
        push(&sources[0], 0..80);
        push(&sources[1], 7_740_000..7_740_080);
        let told = follower.poll(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(told.kind(), ErrorKind::StreamFailed, "{told}");
        assert!(told.message().contains("laminar_panic(-77"), "{told}");
        let sql = format!("SELECT state FROM laminar_streams WHERE name = '{name}'");
        assert_eq!(query(&db, &sql), [row!["failed"]]);
        execute(&db, &format!("DROP STREAM {name}"));
        rounds += 1;
    }
    // All rows of every round are in the other stream, and in those that come after.
    let mut expected = query(&db, good);
    expected.sort();
    let count = rounds * 2;
    assert_eq!(expected.len(), 40);
    assert!(expected.iter().all(|row| row[1] == (count * count).into()), "{expected:?}");
    assert_eq!(content(&db, "good"), expected);
    execute(&db, "CREATE STREAM after AS SELECT k, count(*) AS n FROM l GROUP BY k");
    push(&sources[0], 0..80);
    let each: Vec<Row> = (0..40).map(|k: i64| row![k, 2]).collect();
    assert_eq!(content(&db, "after"), each);
    db.shutdown_blocking().unwrap();
}
