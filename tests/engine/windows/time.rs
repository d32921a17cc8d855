//! What time does: idle producers and sources, the end of input, `proctime()`, times ahead of the
//! clock, watermarks by key, late rows, `EMIT EVERY`. The clock is moved by the test.

use std::time::Duration;

use laminar_db::{Config, LaminarDB, Polled};

use super::{SOURCE, late_rows, push, push_times};
use crate::row;
use crate::support::database::{
    content, drain, drain_rows, execute, listed, query, refused, started, subscribe,
};
use crate::support::value::{Row, Value};

const START_MS: i64 = 1_000_000;

fn started_at(statements: &[&str]) -> LaminarDB {
    let db = LaminarDB::open_with_clock_at(Config::default(), START_MS).unwrap();
    statements.iter().for_each(|sql| execute(&db, sql));
    db.start_blocking().unwrap();
    db
}

fn pass(db: &LaminarDB, ms: u64) {
    db.advance_clock(Duration::from_millis(ms)).unwrap();
}

const TENS: &str =
    "CREATE STREAM w AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)";

#[test]
fn a_silent_producer_is_left_out_after_its_timeout() {
    let db = started_at(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts)
         WITH (idle_timeout = '5 seconds')",
        TENS,
    ]);
    let (fast, slow) = (db.source_untyped("t").unwrap(), db.source_untyped("t").unwrap());
    push_times(&slow, &[3]);
    pass(&db, 4_999);
    push_times(&fast, &[50]);
    let watermark = || listed(&db, "SHOW SOURCES", "t", "watermark_ms");
    assert_eq!(watermark(), Value::Int(3));
    pass(&db, 1);
    assert_eq!(watermark(), Value::Int(50));
    assert_eq!(content(&db, "w"), vec![row![0, 1]]);
    // Back again, it is late against what was reached, and counts once more.
    push_times(&slow, &[20, 51]);
    assert_eq!(late_rows(&db, "w"), 1);
    push_times(&fast, &[90]);
    assert_eq!(watermark(), Value::Int(51));
    // All are silent: the watermark stays.
    pass(&db, 60_000);
    assert_eq!(watermark(), Value::Int(51));
}

#[test]
fn an_idle_source_does_not_hold_back_what_it_is_joined_with() {
    let db = started_at(&[
        "CREATE SOURCE a (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts)",
        "CREATE SOURCE b (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts)
         WITH (idle_timeout = 1000)",
        "CREATE STREAM both AS SELECT * FROM a UNION ALL SELECT * FROM b",
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM both GROUP BY tumble(ts, 10)",
    ]);
    let (a, b) = (db.source_untyped("a").unwrap(), db.source_untyped("b").unwrap());
    push_times(&a, &[5, 25]);
    assert_eq!(content(&db, "w"), Vec::<Row>::new());
    pass(&db, 1_000);
    // b has never sent anything and is left out: [0, 10) closes by a alone.
    assert_eq!(content(&db, "w"), vec![row![0, 1]]);
    push_times(&a, &[31]);
    assert_eq!(content(&db, "w"), vec![row![0, 1], row![20, 1]]);
    // Back: 28 is late against the 31 that was reached; 35 is not, and holds a back again.
    push_times(&b, &[28, 35]);
    assert_eq!(late_rows(&db, "w"), 1);
    push_times(&a, &[90]);
    assert_eq!(content(&db, "w"), vec![row![0, 1], row![20, 1]]);
    pass(&db, 1_000);
    assert_eq!(content(&db, "w"), vec![row![0, 1], row![20, 1], row![30, 2]]);
}

#[test]
fn at_the_end_of_input_every_window_closes() {
    let db = started(&[
        SOURCE,
        "CREATE SOURCE u (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts)",
        TENS,
        "CREATE STREAM s AS SELECT k, window_start, count(*) n FROM t GROUP BY k, session(ts, 10)",
        "CREATE STREAM both AS SELECT ts FROM t UNION ALL SELECT ts FROM u",
        "CREATE STREAM x AS SELECT window_start, count(*) n FROM both GROUP BY tumble(ts, 10)",
    ]);
    execute(&db, "INSERT INTO t VALUES (1, 1, 2)");
    let (one, other) = (db.source_untyped("t").unwrap(), db.source_untyped("t").unwrap());
    let u = db.source_untyped("u").unwrap();
    push_times(&one, &[4]);
    push_times(&other, &[12]);
    one.end_of_input().unwrap();
    let error = one.push_arrow(super::rows_of(&one, &[(1, 1, 1)])).unwrap_err();
    assert!(error.message().contains("input ended"), "{error}");
    assert_eq!(content(&db, "w"), Vec::<Row>::new());
    other.end_of_input().unwrap();
    assert_eq!(content(&db, "w"), vec![row![0, 2], row![10, 1]]);
    assert_eq!(content(&db, "s"), vec![row![1, 2, 3]]);
    // What has ended counts as being at the end of time: u alone decides now.
    assert_eq!(content(&db, "x"), Vec::<Row>::new());
    push_times(&u, &[11]);
    assert_eq!(content(&db, "x"), vec![row![0, 2]]);
}

#[test]
fn proctime_is_the_time_of_the_push() {
    let db = started_at(&[
        "CREATE SOURCE t (v BIGINT, at TIMESTAMP(3) AS proctime())",
        "CREATE STREAM w AS SELECT window_start, sum(v) s FROM t
         GROUP BY tumble(at, INTERVAL '10' SECOND)",
    ]);
    execute(&db, "INSERT INTO t VALUES (1), (2)");
    pass(&db, 3_000);
    execute(&db, "INSERT INTO t VALUES (3)");
    assert_eq!(
        content(&db, "t"),
        vec![row![1, START_MS], row![2, START_MS], row![3, START_MS + 3_000]]
    );
    pass(&db, 6_999);
    assert_eq!(content(&db, "w"), Vec::<Row>::new());
    pass(&db, 1);
    assert_eq!(content(&db, "w"), vec![row![START_MS, 6]]);
    for (sql, part) in [
        ("CREATE SOURCE x (a INT, p VARCHAR AS proctime())", "must be TIMESTAMP"),
        ("CREATE SOURCE x (a INT, p AS proctime(), WATERMARK FOR p)", "goes with the clock"),
        ("CREATE SOURCE x (p AS proctime())", "a column besides"),
        ("CREATE SOURCE x (a INT, p AS proctime(), q AS proctime())", "second one"),
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains(part), "{sql}\n{error}");
    }
}

#[test]
fn a_row_of_a_table_is_stamped_when_it_comes_in() {
    let db = LaminarDB::open_with_clock_at(Config::default(), START_MS).unwrap();
    for sql in [
        "CREATE TABLE t (at TIMESTAMP(3) AS proctime(), k BIGINT PRIMARY KEY, v BIGINT)",
        "CREATE SOURCE o (k BIGINT, at TIMESTAMP(3) AS proctime())",
        "CREATE STREAM copy AS SELECT k, at, v FROM t",
        "CREATE STREAM w AS SELECT window_end, sum(v) AS s FROM t
         GROUP BY tumble(at, INTERVAL '10' SECOND)",
        "CREATE STREAM versions AS SELECT o.at, t.v FROM o
         JOIN t FOR SYSTEM_TIME AS OF o.at ON o.k = t.k",
    ] {
        execute(&db, sql);
    }
    // The stamp is that of the push, also of one that waits for the start.
    execute(&db, "INSERT INTO t VALUES (1, 10), (2, 20)");
    pass(&db, 1_000);
    db.start_blocking().unwrap();
    execute(&db, "INSERT INTO o VALUES (1), (2)");
    execute(&db, "INSERT INTO t (v, k) VALUES (11, 1)");
    pass(&db, 1_000);
    execute(&db, "UPDATE t SET v = v + 1 WHERE k = 2 AND at < TIMESTAMP '1970-01-01 00:16:41'");
    execute(&db, "INSERT INTO o VALUES (1), (2)");
    let expected = vec![row![1, START_MS + 1_000, 11], row![2, START_MS + 2_000, 21]];
    assert_eq!(content(&db, "copy"), expected);
    assert_eq!(query(&db, "SELECT k, at, v FROM t ORDER BY k"), expected);
    let handle = db.source_untyped("t").unwrap().schema();
    let given: Vec<&String> = handle.fields().iter().map(|field| field.name()).collect();
    assert_eq!(given, ["k", "v"]);
    // The stamps of a second and of one later are behind the clock now: the versions are final.
    pass(&db, 1_000);
    let (second, third) = (START_MS + 1_000, START_MS + 2_000);
    let versions = vec![row![second, 11], row![second, 20], row![third, 11], row![third, 21]];
    assert_eq!(content(&db, "versions"), versions);
    pass(&db, 7_000);
    assert_eq!(content(&db, "w"), vec![row![START_MS + 10_000, 32]]);
    // What was given stays so, whatever becomes of the rows.
    execute(&db, "DELETE FROM t WHERE k = 1");
    execute(
        &db,
        "CREATE OR REPLACE TABLE t (at AS proctime(), k BIGINT PRIMARY KEY, v BIGINT)
                  AS SELECT k, v + 1 AS v FROM t",
    );
    assert_eq!(content(&db, "copy"), vec![row![2, START_MS + 10_000, 22]]);
    execute(&db, "TRUNCATE TABLE t");
    assert_eq!(content(&db, "copy"), Vec::<Row>::new());
    assert_eq!(content(&db, "w"), vec![row![START_MS + 10_000, 32]]);
    for (sql, part) in [
        ("CREATE TABLE x (a INT, p VARCHAR AS proctime())", "must be TIMESTAMP"),
        ("CREATE TABLE x (a INT, p AS proctime(), WATERMARK FOR p)", "goes with the clock"),
        ("CREATE TABLE x (p AS proctime())", "a table needs a column besides"),
        ("CREATE TABLE x (a INT, p AS proctime(), q AS proctime())", "second one"),
        ("CREATE TABLE x (a INT, p AS proctime() PRIMARY KEY)", "leave it out of the PRIMARY KEY"),
        ("INSERT INTO t (k, at) VALUES (1, TIMESTAMP '2024-01-01')", "the clock fills"),
        ("UPDATE t SET at = TIMESTAMP '2024-01-01'", "the clock fills"),
        (
            "CREATE OR REPLACE TABLE t (at TIMESTAMP(3), k BIGINT PRIMARY KEY, v BIGINT)",
            "the proctime() column is another one",
        ),
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains(part), "{sql}\n{error}");
    }
}

#[test]
fn times_too_far_ahead_of_the_clock_are_refused() {
    let db = started_at(&["CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts)
         WITH (max_future_ms = 500)"]);
    let source = db.source_untyped("t").unwrap();
    push_times(&source, &[START_MS + 500]);
    let rows = super::rows_of(&source, &[(1, 1, START_MS), (1, 1, START_MS + 501)]);
    let error = source.push_arrow(rows).unwrap_err();
    assert!(error.message().contains("row 1") && error.message().contains("`ts`"), "{error}");
    assert_eq!(content(&db, "t"), vec![row![1, 1, START_MS + 500]]);
    pass(&db, 1);
    push_times(&source, &[START_MS + 501]);
}

#[test]
fn the_slowest_key_holds_the_watermark_where_keys_have_their_own() {
    let db = started_at(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts AS ts - 5)
         WITH (watermark_per = 'key:k', idle_timeout = '1 s')",
        TENS,
    ]);
    let source = db.source_untyped("t").unwrap();
    let watermark = || listed(&db, "SHOW SOURCES", "t", "watermark_ms");
    push(&source, &[(1, 0, 100), (2, 0, 12), (1, 0, 200)]);
    // Key 1 alone made it 95 before key 2 came; it never goes back.
    assert_eq!((watermark(), late_rows(&db, "w")), (Value::Int(95), 1));
    push(&source, &[(2, 0, 130), (1, 0, 119), (2, 0, 150)]);
    assert_eq!((watermark(), late_rows(&db, "w")), (Value::Int(145), 2));
    // Key 2 is silent for a second and is left out.
    pass(&db, 600);
    push(&source, &[(1, 0, 300)]);
    pass(&db, 400);
    assert_eq!(watermark(), Value::Int(295));
    // The larger of the keys' and the producer's promise.
    source.watermark(400).unwrap();
    assert_eq!(watermark(), Value::Int(400));
}

#[test]
fn a_new_key_is_late_against_what_was_reached_however_rows_are_cut() {
    for rows_at_once in [1, 3] {
        let db = started_at(&[
            "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts AS ts - 5)
             WITH (watermark_per = 'key:k')",
            TENS,
        ]);
        let source = db.source_untyped("t").unwrap();
        // Key 1 makes it 100, which closes [90, 100); key 2 would be at 97, but it never goes back.
        for rows in [(1, 0, 105), (2, 0, 102), (3, 0, 99)].chunks(rows_at_once) {
            push(&source, rows);
        }
        let watermark = listed(&db, "SHOW SOURCES", "t", "watermark_ms");
        assert_eq!((watermark, late_rows(&db, "w")), (Value::Int(100), 1), "{rows_at_once}");
    }
}

#[test]
fn a_group_of_sources_shows_its_drift_and_holds_no_push() {
    let db = started_at(&[
        "CREATE SOURCE a (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts)
         WITH (watermark_group = 'g', max_drift = '10 ms')",
        "CREATE SOURCE b (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts)
         WITH (watermark_group = 'g')",
    ]);
    let (a, b) = (db.source_untyped("a").unwrap(), db.source_untyped("b").unwrap());
    push_times(&b, &[100]);
    push_times(&a, &[130]);
    let properties = query(&db, "DESCRIBE EXTENDED a");
    assert!(properties.contains(&row!["drift", "30 of 10 ms"]), "{properties:?}");
    push_times(&a, &[500]);
    assert_eq!(content(&db, "a").len(), 2);
}

#[test]
fn emit_every_tells_the_net_change_of_an_interval() {
    let db = started_at(&[
        SOURCE,
        "CREATE STREAM u AS SELECT k, sum(v) s FROM t GROUP BY k EMIT EVERY INTERVAL '1' SECOND",
        "CREATE STREAM c AS SELECT k, sum(v) s FROM t GROUP BY k EMIT EVERY '2 s' CHANGES",
        "CREATE STREAM f AS SELECT v FROM t EMIT PERIODICALLY 1000",
    ]);
    assert_eq!(
        listed(&db, "SHOW STREAMS", "c", "emit"),
        Value::from("EMIT EVERY INTERVAL '2000' MILLISECOND CHANGES")
    );
    let source = db.source_untyped("t").unwrap();
    let (mut u, mut c, mut f) = (subscribe(&db, "u"), subscribe(&db, "c"), subscribe(&db, "f"));
    push(&source, &[(1, 1, 1), (2, 5, 1)]);
    push(&source, &[(1, 2, 1)]);
    // The content is exact at once; only the subscribers wait.
    assert_eq!(content(&db, "u"), vec![row![1, 3], row![2, 5]]);
    pass(&db, 999);
    assert_eq!(drain(&mut u).len() + drain(&mut c).len() + drain(&mut f).len(), 0);
    pass(&db, 1);
    assert_eq!(drain_rows(&mut u), vec![row![2, 5], row![1, 3]]);
    assert_eq!(drain_rows(&mut f), vec![row![1], row![5], row![2]]);
    assert_eq!(drain(&mut c).len(), 0);
    push(&source, &[(1, -3, 1)]);
    push(&source, &[(1, 3, 1)]);
    pass(&db, 1_000);
    // Nothing net happened to u; c tells both seconds as one.
    assert_eq!(drain(&mut u).len(), 0);
    assert_eq!(drain_rows(&mut c), vec![row![2, 5, 1], row![1, 3, 1]]);
    // Who comes in the middle begins with the content; what the others wait for is told.
    push(&source, &[(2, 1, 1)]);
    let options = laminar_db::SubscribeOptions { snapshot: Some(true), ..Default::default() };
    let mut late = db.subscribe_with("u", options).unwrap();
    assert_eq!(drain_rows(&mut late), vec![row![1, 3], row![2, 6]]);
    assert_eq!(drain_rows(&mut u), vec![row![2, 6]]);
    pass(&db, 5_000);
    assert_eq!(drain(&mut late).len() + drain(&mut u).len(), 0);
    // What waits when the database closes is told before the end.
    push(&source, &[(7, 7, 1)]);
    db.shutdown_blocking().unwrap();
    assert_eq!(drain_rows(&mut u), vec![row![7, 7]]);
}

#[test]
fn the_systems_clock_does_the_same_by_itself() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM u AS SELECT k, sum(v) s FROM t GROUP BY k EMIT EVERY 20",
        "CREATE SOURCE p (v BIGINT, at AS proctime())",
        "CREATE STREAM w AS SELECT sum(v) s FROM p GROUP BY tumble(at, 50)",
    ]);
    let mut told = [subscribe(&db, "u"), subscribe(&db, "w")];
    push(&db.source_untyped("t").unwrap(), &[(1, 1, 1)]);
    execute(&db, "INSERT INTO p VALUES (1)");
    for subscription in &mut told {
        let polled = subscription.poll(Some(Duration::from_secs(60))).unwrap();
        assert!(matches!(polled, Polled::Batch(_)), "{polled:?}");
    }
}

#[test]
fn rows_within_the_lateness_allowed_correct_or_wait() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE STREAM f AS SELECT window_start, window_end, count(*) n FROM t
         GROUP BY tumble(ts, 10) ALLOW LATENESS INTERVAL '20' MILLISECOND",
        "CREATE STREAM c AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)
         EMIT CHANGES ALLOW LATENESS '20 ms'",
        "CREATE STREAM over AS SELECT tumble(window_end, 100) w, sum(n) n FROM f GROUP BY 1",
    ]);
    let source = db.source_untyped("t").unwrap();
    let mut changes = subscribe(&db, "c");
    push_times(&source, &[5, 28, 6]);
    let mut told = drain_rows(&mut changes);
    told.sort();
    assert_eq!(told, vec![row![0, 2, 1], row![20, 1, 1]]);
    assert_eq!(content(&db, "f"), Vec::<Row>::new());
    // F = 29: [0, 10) stays open up to 30.
    push_times(&source, &[7]);
    assert_eq!(drain_rows(&mut changes), vec![row![0, 2, -1], row![0, 3, 1]]);
    push_times(&source, &[29, 8]);
    assert_eq!(content(&db, "f"), vec![row![0, 10, 3]]);
    assert_eq!((late_rows(&db, "f"), late_rows(&db, "c")), (1, 1));
    // The windows over it have no late rows: they follow its frontier.
    source.watermark(1_000).unwrap();
    assert_eq!(content(&db, "over"), vec![row![0, 5]]);
    assert_eq!(late_rows(&db, "over"), 0);
    let error = refused(&db, "CREATE STREAM x AS SELECT k FROM t ALLOW LATENESS '1 s'");
    assert!(error.message().contains("needs a window"), "{error}");
}

#[test]
fn late_rows_go_to_their_sink_with_the_columns_of_the_input() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT k, window_start, sum(v * 2) s FROM t WHERE v > 0
         GROUP BY k, tumble(ts, 10) LATE DATA TO late_rows",
        "CREATE STREAM s AS SELECT window_start, count(*) n FROM t GROUP BY session(ts, 10)
         EMIT CHANGES LATE DATA TO late_sessions",
        "CREATE STREAM counted AS SELECT k, count(*) n FROM late_rows GROUP BY k",
    ]);
    let mut late = subscribe(&db, "late_rows");
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 7, 3), (1, 8, 40), (2, 9, 5), (3, -1, 5), (4, 1, 36)]);
    assert_eq!(drain_rows(&mut late), vec![row![2, 9, 5]]);
    assert_eq!(content(&db, "late_rows"), vec![row![2, 9, 5]]);
    assert_eq!(content(&db, "counted"), vec![row![2, 1]]);
    assert_eq!(content(&db, "late_sessions"), vec![row![2, 9, 5], row![3, -1, 5]]);
    assert_eq!(late_rows(&db, "w"), 1);
    assert_eq!(listed(&db, "SHOW SINKS", "late_rows", "input"), Value::from("w"));
    for (sql, part) in [
        ("DROP SINK late_rows", "late rows of `w`"),
        ("DROP STREAM w", "`counted`"),
        ("CREATE STREAM x AS SELECT k FROM t LATE DATA TO y", "needs a window"),
        (
            "CREATE STREAM x AS SELECT count(*) FROM t GROUP BY tumble(ts, 10) LATE DATA TO w",
            "exists",
        ),
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains(part), "{sql}\n{error}");
    }
    execute(&db, "DROP STREAM counted");
    execute(&db, "DROP STREAM w");
    assert_eq!(query(&db, "SHOW SINKS").len(), 1);
}

#[test]
fn cumulating_windows_grow_by_a_step() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM f AS SELECT window_start, window_end, count(*) n FROM t
         GROUP BY cumulate(ts, 10, 30)",
        "CREATE STREAM c AS SELECT window_start, window_end, count(*) n
         FROM CUMULATE(t, ts, INTERVAL '10' MILLISECOND, INTERVAL '30' MILLISECOND, 5)
         GROUP BY window_start, window_end EMIT CHANGES",
    ]);
    let source = db.source_untyped("t").unwrap();
    push_times(&source, &[-1, 3, 14, 15, 29, 30]);
    // W = 25, F = 26: what ends at 0, 10 and 20 is closed.
    assert_eq!(content(&db, "f"), vec![row![-30, 0, 1], row![0, 10, 1], row![0, 20, 3]]);
    source.watermark(100).unwrap();
    let expected = vec![
        row![-30, 0, 1],
        row![0, 10, 1],
        row![0, 20, 3],
        row![0, 30, 4],
        row![30, 40, 1],
        row![30, 50, 1],
        row![30, 60, 1],
    ];
    assert_eq!(content(&db, "f"), expected);
    // Aligned to 5: -1 and 3 in [-25, 5), 14 in [5, 35), and so on.
    let expected = vec![row![-25, 5, 2], row![5, 15, 1], row![5, 25, 2], row![5, 35, 4]];
    assert_eq!(content(&db, "c"), expected);
}
