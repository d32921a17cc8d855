//! The log: which lines are said, at which level, and never under the token.

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{LaminarDB, LogLevel, OnFull, SubscribeOptions, UntypedSource};

use crate::support::database::{batch, execute, query, texts};

fn listening(db: &LaminarDB, level: LogLevel) -> Arc<Mutex<Vec<String>>> {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = Arc::clone(&heard);
    // A listener may call the database: it is not locked.
    let inside = db.clone();
    db.set_log(
        level,
        Some(Box::new(move |level, line| {
            inside.source_schema("t").ok();
            lines.lock().unwrap().push(format!("{level:?}: {line}"));
        })),
    );
    heard
}

fn rows(source: &UntypedSource, values: &[(i64, i64)]) -> RecordBatch {
    let keys = texts(values.iter().map(|_| Some("a")));
    let of = |read: fn(&(i64, i64)) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(values.iter().map(read)))
    };
    batch(source.schema(), vec![keys, of(|row| row.0), of(|row| row.1)])
}

#[test]
fn definitions_losses_and_failures_are_told_once() {
    let db = LaminarDB::open().unwrap();
    let heard = listening(&db, LogLevel::Info);
    let told = || std::mem::take(&mut *heard.lock().unwrap());
    execute(&db, "CREATE SOURCE t (k VARCHAR, v BIGINT, ts BIGINT, WATERMARK FOR ts AS ts)");
    execute(&db, "CREATE STREAM shares AS SELECT 100 / v AS share FROM t");
    execute(&db, "CREATE STREAM strict AS SELECT 100 / v AS share FROM t ON ERROR FAIL");
    execute(
        &db,
        "CREATE STREAM tens AS SELECT count(*) AS n FROM t GROUP BY tumble(ts, INTERVAL '10' SECOND)",
    );
    db.start_blocking().unwrap();
    execute(&db, "CREATE SOURCE plain (ts BIGINT)");
    execute(
        &db,
        "CREATE STREAM by_hand AS SELECT count(*) AS n FROM plain GROUP BY tumble(ts, 10)",
    );
    let mut made = told();
    let warning = made.pop().unwrap();
    assert!(
        warning.starts_with("Warn: CREATE STREAM by_hand: no watermark is declared"),
        "{warning}"
    );
    execute(&db, "DROP STREAM by_hand");
    execute(&db, "DROP SOURCE plain");
    told();
    assert_eq!(
        made,
        [
            "Info: CREATE SOURCE t",
            "Info: CREATE STREAM shares",
            "Info: CREATE STREAM strict",
            "Info: CREATE STREAM tens",
            "Info: the streams run",
            "Info: CREATE SOURCE plain",
            "Info: CREATE STREAM by_hand"
        ]
    );
    let source = db.source_untyped("t").unwrap();
    source.push_arrow(rows(&source, &[(1, 20_000)])).unwrap();
    assert!(told().is_empty());
    // A row that no expression fails on, but late; then one that fails; each only once.
    for _ in 0..2 {
        source.push_arrow(rows(&source, &[(1, 5)])).unwrap();
    }
    let late = told();
    assert_eq!(late.len(), 1, "{late:?}");
    assert!(late[0].starts_with("Warn: `tens`: a row came too late"), "{late:?}");
    for _ in 0..2 {
        source.push_arrow(rows(&source, &[(0, 20_001)])).unwrap();
    }
    let mut lost = told();
    lost.sort_by(|a, b| b.cmp(a));
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost[0].starts_with("Warn: `shares`: an expression failed on a row"), "{lost:?}");
    assert!(lost[1].starts_with("Error: `strict` failed: "), "{lost:?}");
    let options =
        SubscribeOptions { capacity: Some(2), on_full: OnFull::DropOldest, ..Default::default() };
    let following = db.subscribe_with("SELECT v FROM t", options).unwrap();
    for ts in 0..6 {
        source.push_arrow(rows(&source, &[(1, 30_000 + ts)])).unwrap();
    }
    let missed = told();
    assert_eq!(missed.len(), 1, "{missed:?}");
    assert!(missed[0].contains("does not keep up: it missed 1 rows"), "{missed:?}");
    drop(following);
    query(&db, "SELECT 1");
    assert!(told().is_empty(), "queries are told at Debug");
    execute(&db, "DROP STREAM tens");
    db.shutdown_blocking().unwrap();
    assert_eq!(told(), ["Info: DROP STREAM tens", "Info: the database was shut down"]);
}

#[test]
fn levels_are_heard_and_listeners_replaced() {
    let db = LaminarDB::open().unwrap();
    let errors = listening(&db, LogLevel::Error);
    execute(&db, "CREATE SOURCE t (v BIGINT)");
    let all = listening(&db, LogLevel::Debug);
    query(&db, "SELECT count(*) FROM t");
    assert!(errors.lock().unwrap().is_empty());
    assert_eq!(*all.lock().unwrap(), ["Debug: query: SELECT count(*) FROM t"]);
    db.set_log(LogLevel::Debug, None);
    execute(&db, "DROP SOURCE t");
    assert_eq!(all.lock().unwrap().len(), 1);
    // The database holds no listener any more.
    assert_eq!((Arc::strong_count(&errors), Arc::strong_count(&all)), (1, 1));
}
