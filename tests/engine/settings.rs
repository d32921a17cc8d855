//! `SET`, `SHOW`, `RESET`: each setting is read by what comes after it, and by nothing before.

use std::time::{Duration, Instant};

use laminar_db::{Config, ErrorKind, LaminarDB, OnFull, SubscribeOptions};

use crate::row;
use crate::support::database::{content, execute, query, refused, started};
use crate::support::value::Value;

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR, ts BIGINT NOT NULL, WATERMARK FOR ts)";
const COUNTS: &str = "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k";

#[track_caller]
fn shown(db: &LaminarDB, name: &str) -> Value {
    query(db, &format!("SHOW {name}")).remove(0).remove(0)
}

#[test]
fn a_setting_goes_back_to_what_the_configuration_says() {
    let config = Config { retain_history: 7.into(), ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    assert_eq!(shown(&db, "retain_history"), "7".into());
    execute(&db, "SET retain_history = 9");
    execute(&db, "SET Push_Timeout_Ms TO 5");
    assert_eq!(shown(&db, "RETAIN_HISTORY"), "9".into());
    // One set for all handles.
    assert_eq!(shown(&db.clone(), "push_timeout_ms"), "5".into());
    execute(&db, "SET retain_history = DEFAULT");
    assert_eq!(shown(&db, "retain_history"), "7".into());
    execute(&db, "SET retain_history = 3");
    execute(&db, "RESET push_timeout_ms");
    assert_eq!(shown(&db, "push_timeout_ms"), "30000".into());
    assert_eq!(shown(&db, "retain_history"), "3".into());
    execute(&db, "RESET ALL");
    let all = query(&db, "SHOW ALL");
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|setting| setting[1] == setting[2]), "{all:?}");
}

#[test]
fn retained_rows_are_those_set_at_the_creation() {
    let db = started(&["SET retain_history = 2", SOURCE, "CREATE STREAM copy AS SELECT k FROM t"]);
    execute(&db, "SET retain_history = 3");
    execute(&db, "CREATE STREAM longer AS SELECT k FROM t");
    execute(&db, "CREATE STREAM own WITH (retain_history = 1) AS SELECT k FROM t");
    execute(&db, "INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4)");
    let counted = |name: &str| content(&db, name).len();
    assert_eq!(["t", "copy", "longer", "own"].map(counted), [2, 2, 3, 1]);
}

#[test]
fn history_is_bounded_in_bytes_where_that_is_asked_for() {
    let db = started(&[
        "CREATE SOURCE t (x BIGINT NOT NULL) WITH (retain_history = '64 KB')",
        "SET retain_history = '1 KiB'",
        "CREATE STREAM copy AS SELECT x FROM t",
        "CREATE STREAM sums WITH (retain_history = '8 KB') AS SELECT sum(x) AS x FROM t",
        "CREATE STREAM rows WITH (retain_history = 30) AS SELECT x FROM t",
    ]);
    assert_eq!(shown(&db, "retain_history"), "1 KiB".into());
    for push in 0..100 {
        let values: Vec<String> = (0..200).map(|row| format!("({})", push * 200 + row)).collect();
        execute(&db, &format!("INSERT INTO t VALUES {}", values.join(", ")));
        let bytes = query(&db, "SELECT state_bytes FROM laminar_sources").remove(0).remove(0);
        assert!(matches!(bytes, Value::Int(bytes) if bytes <= 64_000), "{bytes:?}");
    }
    // 8 bytes a row: at most 8,000 rows, of which whole pages of an eighth go.
    for (name, most) in [("t", 8_000), ("copy", 128)] {
        let kept = query(&db, &format!("SELECT x FROM {name} ORDER BY x"));
        assert!((most * 3 / 4..=most).contains(&kept.len()), "{name}: {}", kept.len());
        assert_eq!(kept[0], row![20_000 - kept.len() as i64]);
    }
    assert_eq!(content(&db, "rows").len(), 30);
    assert_eq!(content(&db, "sums"), [row![19_999 * 20_000 / 2]]);
    execute(&db, "SET retain_history = DEFAULT");
    assert_eq!(shown(&db, "retain_history"), "65536".into());
}

#[test]
fn a_state_ttl_bounds_what_it_can() {
    let db = started(&[SOURCE, COUNTS, "SET state_ttl = '10 seconds'"]);
    execute(&db, "CREATE STREAM bounded AS SELECT k, count(*) AS n FROM t GROUP BY k");
    // Nothing to bound; a longer one of its own; updating input, which it would be refused for.
    execute(&db, "CREATE STREAM plain AS SELECT k FROM t");
    execute(
        &db,
        "CREATE STREAM longer WITH (state_ttl = '1 hour') AS SELECT k, count(*) AS n FROM t GROUP BY k",
    );
    execute(&db, "CREATE STREAM totals AS SELECT sum(n) AS n FROM counts");
    for (name, note) in
        [("counts", None), ("bounded", Some("10 s")), ("plain", None), ("longer", Some("1 h"))]
    {
        let text = db.explain(name).unwrap();
        match note {
            Some(ttl) => assert!(text.contains(&format!("older than {ttl} (state_ttl)")), "{text}"),
            None => assert!(!text.contains("state_ttl"), "{text}"),
        }
    }
    assert!(!db.explain("totals").unwrap().contains("state_ttl"));
    execute(&db, "INSERT INTO t VALUES ('a', 0), ('b', 5000)");
    execute(&db, "INSERT INTO t VALUES ('b', 10000)");
    // The watermark stands at 10 s: only what is of 0 s has aged 10 s.
    assert_eq!(content(&db, "counts"), [row!["a", 1], row!["b", 2]]);
    assert_eq!(content(&db, "bounded"), [row!["b", 2]]);
    assert_eq!(content(&db, "longer"), [row!["a", 1], row!["b", 2]]);
    assert_eq!(content(&db, "totals"), [row![3]]);
    execute(&db, "SET state_ttl = off");
    assert_eq!(shown(&db, "state_ttl"), "off".into());
    let text = db.explain("CREATE STREAM x AS SELECT k, count(*) FROM t GROUP BY k").unwrap();
    assert!(!text.contains("state_ttl"), "{text}");
}

#[test]
fn pushes_wait_as_long_as_is_set() {
    let db = started(&[SOURCE, "CREATE STREAM copy AS SELECT k FROM t", "SET buffer_size = 2"]);
    let options = SubscribeOptions { on_full: OnFull::Block, ..SubscribeOptions::default() };
    let _following = db.subscribe_with("copy", options).unwrap();
    assert_eq!(query(&db, "SELECT capacity_rows FROM laminar_subscriptions"), [row![2]]);
    execute(&db, "INSERT INTO t VALUES ('a', 1), ('b', 2)");
    // The default of 30 s, or of the thread that owns the ring, would be another answer.
    execute(&db, "SET push_timeout_ms = 20");
    let begun = Instant::now();
    let other = db.clone();
    let push = move || refused(&other, "INSERT INTO t VALUES ('c', 3)");
    let error = std::thread::spawn(push).join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Backpressure);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn mistakes_are_named_at_their_place_and_change_nothing() {
    let db = started(&[]);
    for (sql, column, words) in [
        ("SET retain_histroy = 1", 5, "did you mean retain_history?"),
        ("RESET pushtimeout_ms", 7, "did you mean push_timeout_ms?"),
        ("SHOW colours_of_it", 6, "there are buffer_size, "),
        ("SET buffer_size = 100", 5, "a power of two"),
        ("SET retain_history = -1", 5, "0 or more"),
        ("SET retain_history = 'many'", 5, "a whole number"),
        ("SET state_ttl = INTERVAL '1' NANOSECOND", 5, "whole milliseconds"),
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains(words), "{sql}\n{error}");
        assert_eq!(error.position().map(|at| at.column), Some(column), "{sql}\n{error}");
    }
    assert!(query(&db, "SHOW ALL").iter().all(|setting| setting[1] == setting[2]));
}
