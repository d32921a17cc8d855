//! `CREATE OR REPLACE`: what dependants and subscribers receive, and what is refused.
//!
//! Expected content is that of the same queries made anew under other names, or arithmetic by
//! hand; changes are replayed.

use std::time::Duration;

use laminar_db::{LaminarDB, Polled};

use crate::row;
use crate::support::database::{
    content, created, drain_rows, execute, query, refused, started, subscribe,
};
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::Row;

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT)";
const ROWS: &str = "INSERT INTO t VALUES (1, 'a', 10), (2, 'a', 20), (3, 'b', 5), (4, 'c', 7)";

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

#[test]
fn dependants_and_subscribers_receive_the_difference() {
    let db = started(&[
        TABLE,
        ROWS,
        "CREATE STREAM v AS SELECT k, sum(x) AS n FROM t GROUP BY k EMIT CHANGES",
        "CREATE STREAM above AS SELECT sum(n) AS total, count(*) AS groups FROM v",
        "CREATE MATERIALIZED VIEW top AS SELECT k, n FROM v ORDER BY n DESC LIMIT 1",
        "CREATE STREAM joined AS SELECT t.id, v.n FROM t JOIN v ON t.k = v.k",
        "CREATE STREAM last AS SELECT max(total) AS most FROM above",
    ]);
    let mut changes = subscribe(&db, "v");
    let mut above = subscribe(&db, "SELECT * FROM above EMIT CHANGES");
    let mut last = Replay::default();
    last.drain(&mut above);
    assert_eq!(last.content(), [row![42, 3]]);
    let before = last.epoch;

    execute(
        &db,
        "CREATE OR REPLACE STREAM v AS SELECT k, max(x) AS n FROM t WHERE k <> 'c' GROUP BY k EMIT CHANGES",
    );
    // b is 5 either way, and says nothing.
    let mut told = drain_rows(&mut changes);
    told.sort();
    assert_eq!(told, [row!["a", 20, 1], row!["a", 30, -1], row!["c", 7, -1]]);
    assert_eq!(content(&db, "v"), [row!["a", 20], row!["b", 5]]);
    assert_eq!(content(&db, "above"), [row![25, 2]]);
    assert_eq!(content(&db, "top"), [row!["a", 20]]);
    assert_eq!(content(&db, "joined"), [row![1, 20], row![2, 20], row![3, 5]]);
    assert_eq!(content(&db, "last"), [row![25]]);
    last.drain(&mut above);
    assert_eq!(last.content(), [row![25, 2]]);
    // Everything at one epoch.
    assert_eq!(last.epoch, before + 1);

    execute(&db, "INSERT INTO t VALUES (5, 'b', 50), (6, 'c', 1000)");
    assert_eq!(content(&db, "above"), [row![70, 2]]);
    assert_eq!(content(&db, "top"), [row!["b", 50]]);
    assert_eq!(drain_rows(&mut changes), [row!["b", 5, -1], row!["b", 50, 1]]);
    execute(&db, "DELETE FROM t");
    assert_eq!(content(&db, "above"), [row![None::<i64>, 0]]);
    assert_eq!(content(&db, "joined"), Vec::<Row>::new());
    last.drain(&mut above);
    assert_eq!(last.content(), [row![None::<i64>, 0]]);
    execute(&db, "DROP STREAM v CASCADE");
    assert_eq!(query(&db, "SHOW STREAMS").len(), 0);
}

/// Two definitions that take turns, with dependants of many kinds, against the dependants of fresh
/// streams.
#[test]
fn dependants_are_as_if_made_anew() {
    let definitions = [
        "SELECT k, sum(x) AS n FROM t GROUP BY k",
        "SELECT k, min(x) AS n FROM t WHERE x > 5 GROUP BY k",
        "SELECT k, count(*) + id AS n FROM t GROUP BY k, id HAVING k <> 'b'",
        "SELECT k, x AS n FROM t UNION ALL SELECT k, x AS n FROM t WHERE id % 2 = 0",
        "SELECT k, n FROM (SELECT k, x AS n FROM t ORDER BY x DESC, id LIMIT 3) AS u",
        "SELECT DISTINCT k, x % 3 AS n FROM t",
    ];
    let dependants = [
        "SELECT k, n FROM @",
        "SELECT k, sum(n) AS s, count(*) AS c FROM @ GROUP BY k",
        "SELECT a.k, a.n, b.n AS m FROM @ AS a JOIN @ AS b ON a.k = b.k AND a.n < b.n",
        "SELECT t.id, @.n FROM t LEFT JOIN @ ON t.k = @.k",
        "SELECT k FROM t EXCEPT SELECT k FROM @",
        "SELECT k, n, row_number() OVER (PARTITION BY k ORDER BY n) AS r FROM @",
        "SELECT count(*) AS c FROM t WHERE x IN (SELECT n FROM @)",
        "SELECT k, n FROM @ ORDER BY n, k LIMIT 2",
    ];
    for_seeds(3, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[TABLE, ROWS]);
        let kind = if seed % 2 == 0 { "STREAM" } else { "MATERIALIZED VIEW" };
        execute(&db, &format!("CREATE {kind} v AS {} EMIT CHANGES", definitions[3]));
        let mut subscriptions = Vec::new();
        for (index, query) in dependants.iter().enumerate() {
            execute(
                &db,
                &format!("CREATE STREAM d{index} AS {} EMIT CHANGES", query.replace('@', "v")),
            );
            execute(&db, &format!("CREATE STREAM e{index} AS SELECT * FROM d{index} EMIT CHANGES"));
            subscriptions.push((
                Replay::default(),
                subscribe(&db, &format!("SELECT * FROM e{index} EMIT CHANGES")),
            ));
        }
        for round in 0..8 {
            let definition = random.pick(&definitions);
            execute(&db, &format!("CREATE OR REPLACE {kind} v AS {definition} EMIT CHANGES"));
            for step in 0..3 {
                execute(&db, &format!("CREATE STREAM fresh AS {definition}"));
                assert_eq!(content(&db, "v"), content(&db, "fresh"), "{definition}");
                for (index, query) in dependants.iter().enumerate() {
                    let name = format!("d{index}");
                    execute(
                        &db,
                        &format!("CREATE STREAM compared AS {}", query.replace('@', "fresh")),
                    );
                    let what = format!("{query} over {definition}, round {round}, step {step}");
                    assert_eq!(content(&db, &name), content(&db, "compared"), "{what}");
                    execute(&db, "DROP STREAM compared");
                    let (replay, subscription) = &mut subscriptions[index];
                    replay.drain(subscription);
                    assert_eq!(sorted(replay.content()), content(&db, &name), "changes of {what}");
                }
                execute(&db, "DROP STREAM fresh");
                let (id, x) = (random.range(1, 8), random.range(0, 12));
                let k = random.pick(&["'a'", "'b'", "'c'", "NULL"]);
                execute(
                    &db,
                    &match random.range(0, 3) {
                        0 => format!("DELETE FROM t WHERE id = {id}"),
                        _ => format!("INSERT INTO t VALUES ({id}, {k}, {x})"),
                    },
                );
            }
        }
    });
}

#[test]
fn rows_that_only_come_stay_with_whoever_received_them() {
    let db = started(&[
        "CREATE SOURCE s (x BIGINT)",
        "CREATE STREAM f AS SELECT x FROM s WHERE x > 0",
        "CREATE STREAM total AS SELECT sum(x) AS n FROM f",
        "CREATE SINK k FROM f",
    ]);
    let mut followed = subscribe(&db, "k");
    execute(&db, "INSERT INTO s VALUES (1), (-2), (3)");
    assert_eq!(drain_rows(&mut followed), [row![1], row![3]]);
    execute(&db, "CREATE OR REPLACE STREAM f AS SELECT x FROM s WHERE x < 0");
    assert_eq!(content(&db, "total"), [row![4]]);
    // A stream begins with what comes after it.
    assert_eq!(content(&db, "f"), Vec::<Row>::new());
    execute(&db, "INSERT INTO s VALUES (10), (-20)");
    assert_eq!(content(&db, "total"), [row![-16]]);
    assert_eq!(content(&db, "f"), [row![-20]]);
    assert_eq!(drain_rows(&mut followed), [row![-20]]);
    let message = refused(
        &db,
        "CREATE OR REPLACE STREAM f AS SELECT x FROM s GROUP BY x HAVING count(*) < 2",
    );
    assert!(message.to_string().contains("subscribers"), "{message}");
    drop(followed);
    let message = refused(
        &db,
        "CREATE OR REPLACE STREAM f AS SELECT x FROM s GROUP BY x HAVING count(*) < 2",
    );
    assert!(message.to_string().contains("`total`"), "{message}");
    assert_eq!(content(&db, "total"), [row![-16]]);
    execute(&db, "INSERT INTO s VALUES (-1)");
    assert_eq!(content(&db, "total"), [row![-17]]);
}

#[test]
fn a_view_of_rows_that_only_come_can_grow_but_not_shrink_below_readers() {
    let db = started(&[
        "CREATE SOURCE s (x BIGINT)",
        "INSERT INTO s VALUES (1), (2), (2), (3)",
        "CREATE MATERIALIZED VIEW v AS SELECT x FROM s WHERE x = 2",
        "CREATE STREAM total AS SELECT count(*) AS n, sum(x) AS s FROM v",
    ]);
    // A stream begins with later rows of what only grows.
    assert_eq!(content(&db, "total"), [row![0, None::<i64>]]);
    execute(&db, "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT x FROM s WHERE x >= 2");
    assert_eq!(content(&db, "v"), [row![2], row![2], row![3]]);
    assert_eq!(content(&db, "total"), [row![1, 3]]);
    let message =
        refused(&db, "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT x FROM s WHERE x < 3");
    assert!(message.to_string().contains("1 of them would cease"), "{message}");
    assert_eq!(content(&db, "v"), [row![2], row![2], row![3]]);
    execute(&db, "INSERT INTO s VALUES (1), (9)");
    assert_eq!(content(&db, "v"), [row![2], row![2], row![3], row![9]]);
    assert_eq!(content(&db, "total"), [row![2, 12]]);
    execute(&db, "DROP STREAM total");
    execute(&db, "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT x FROM s WHERE x < 3");
    assert_eq!(content(&db, "v"), [row![1], row![1], row![2], row![2]]);
}

#[test]
fn tables_and_sources() {
    let db = started(&[
        TABLE,
        ROWS,
        "CREATE STREAM sums AS SELECT k, sum(x) AS n FROM t GROUP BY k EMIT CHANGES",
        "CREATE SOURCE s (x BIGINT, ts BIGINT, WATERMARK FOR ts)",
        "CREATE STREAM windows AS SELECT window_start, sum(x) AS n FROM s GROUP BY tumble(ts, 10)",
        "CREATE STREAM every AS SELECT sum(x) AS n FROM s",
    ]);
    let mut changes = subscribe(&db, "sums");
    let handle = db.source_untyped("t").unwrap();
    execute(&db, "CREATE OR REPLACE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT)");
    assert_eq!(content(&db, "t"), Vec::<Row>::new());
    assert_eq!(content(&db, "sums"), Vec::<Row>::new());
    assert_eq!(
        sorted(drain_rows(&mut changes)),
        [row!["a", 30, -1], row!["b", 5, -1], row!["c", 7, -1]]
    );
    execute(&db, ROWS);
    drain_rows(&mut changes);
    // From its own rows; of two rows with one key the last stays, as in any new table.
    execute(
        &db,
        "CREATE OR REPLACE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT) AS
         SELECT id, k, x + 1 FROM t WHERE k = 'a' UNION ALL SELECT 3, 'b', 5 UNION ALL SELECT 2, 'z', 0
         ORDER BY 2",
    );
    assert_eq!(content(&db, "t"), [row![1, "a", 11], row![2, "z", 0], row![3, "b", 5]]);
    assert_eq!(
        sorted(drain_rows(&mut changes)),
        [row!["a", 11, 1], row!["a", 30, -1], row!["c", 7, -1], row!["z", 0, 1]]
    );
    // Its handles go on.
    let batch = crate::support::database::batches(&db, "SELECT 7 AS id, 'q' AS k, 70 AS x");
    let columns = batch[0].columns().to_vec();
    handle.push_arrow(crate::support::database::batch(handle.schema(), columns)).unwrap();
    assert_eq!(drain_rows(&mut changes), [row!["q", 70, 1]]);

    execute(&db, "INSERT INTO s VALUES (1, 5), (2, 15)");
    execute(
        &db,
        "CREATE OR REPLACE SOURCE s (x BIGINT, ts BIGINT, WATERMARK FOR ts) WITH (retain_history = 1)",
    );
    assert_eq!(content(&db, "s"), Vec::<Row>::new());
    assert_eq!(content(&db, "every"), [row![3]]);
    // The watermark is where it was: 4 is late.
    execute(&db, "INSERT INTO s VALUES (4, 4), (8, 25)");
    assert_eq!(content(&db, "windows"), [row![0, 1], row![10, 2]]);
    assert_eq!(content(&db, "every"), [row![15]]);
    assert_eq!(content(&db, "s"), [row![8, 25]]);
}

#[test]
fn what_differs_is_named_and_changes_nothing() {
    let db = started(&[
        TABLE,
        ROWS,
        "CREATE SOURCE s (x BIGINT, ts BIGINT, WATERMARK FOR ts)",
        "CREATE STREAM v AS SELECT k, sum(x) AS n FROM t GROUP BY k",
        "CREATE STREAM above AS SELECT sum(n) AS total FROM v",
        "CREATE STREAM windows AS SELECT tumble(ts, 10) AS w, count(*) AS n FROM s GROUP BY 1",
        "CREATE STREAM over AS SELECT w, n FROM windows",
        "CREATE SINK k FROM v",
        "CREATE STREAM through AS SELECT count(*) AS n FROM k",
        "CREATE STREAM late AS SELECT tumble(ts, 10) AS w, count(*) AS n FROM s GROUP BY 1
           LATE DATA TO too_late",
        "CREATE STREAM of_late AS SELECT * FROM too_late",
    ]);
    let before = |db: &LaminarDB| {
        ["t", "v", "above", "windows", "over", "through", "late"].map(|name| content(db, name))
    };
    let held = before(&db);
    for (statement, words) in [
        ("STREAM v AS SELECT k FROM t", "it has 1 columns and had 2"),
        ("STREAM v AS SELECT k, x AS m FROM t", "column 2 is `m Int64` and was `n Int64`"),
        ("STREAM v AS SELECT k, x * 1.5 AS n FROM t", "column 2 is `n Float64`"),
        ("STREAM v AS SELECT k, nothing AS n FROM t", "nothing"),
        ("STREAM v AS SELECT k, sum(x) AS n FROM nowhere GROUP BY k", "nowhere"),
        ("STREAM v AS SELEKT", ""),
        (
            "STREAM v AS SELECT k, x AS n FROM t",
            "`v` is read by `above`, `through`, and its rows would not have the same key",
        ),
        ("STREAM v AS SELECT k, sum(n) AS n FROM v GROUP BY k", "`v` would read itself"),
        (
            "STREAM v AS SELECT 'a' AS k, sum(total) AS n FROM above GROUP BY 1",
            "`v` would read itself through `above`",
        ),
        ("STREAM v AS SELECT 'a' AS k, sum(n) AS n FROM through GROUP BY 1", "through `through`"),
        ("MATERIALIZED VIEW v AS SELECT k, sum(x) AS n FROM t GROUP BY k", "`v` is a STREAM"),
        ("TABLE v (a INT)", "`v` is a STREAM"),
        ("SINK v FROM t", "`v` is a STREAM"),
        ("STREAM t AS SELECT 1 AS a FROM s", "`t` is a TABLE"),
        ("SOURCE t (a INT)", "`t` is a TABLE"),
        ("STREAM k AS SELECT k, n FROM v", "`k` is a SINK"),
        ("STREAM too_late AS SELECT * FROM s", "late rows of `late`"),
        (
            "STREAM late AS SELECT tumble(ts, 10) AS w, count(*) AS n FROM s GROUP BY 1",
            "`too_late`",
        ),
        ("STREAM windows AS SELECT x AS w, count(*) AS n FROM s GROUP BY 1", "could cease"),
        (
            "TABLE t (id BIGINT NOT NULL, k VARCHAR, x BIGINT)",
            "no PRIMARY KEY and had PRIMARY KEY (id)",
        ),
        ("TABLE t (id BIGINT PRIMARY KEY, k VARCHAR)", "2 columns and had 3"),
        ("TABLE t (id BIGINT PRIMARY KEY, k VARCHAR NOT NULL, x INT)", "column 3"),
        (
            "TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT) AS SELECT id, k, 1 / 0 FROM t",
            "ivide",
        ),
        (
            "TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT) AS SELECT id, k, 'x' FROM t",
            "column `x`",
        ),
        ("SOURCE s (x BIGINT, ts BIGINT)", "it has no WATERMARK FOR and had WATERMARK FOR ts"),
        (
            "SOURCE s (x BIGINT, ts BIGINT, WATERMARK FOR x)",
            "it has WATERMARK FOR x and had WATERMARK FOR ts",
        ),
        (
            "SOURCE s (x BIGINT, ts BIGINT, WATERMARK FOR ts) WITH (backpressure = 'reject')",
            "backpressure is 'reject' and was 'block': state it as it was, or drop it first",
        ),
        (
            "TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT) WITH (buffer_size = 1024)",
            "buffer_size is 1024 and was as the database has it",
        ),
        (
            "SOURCE s (x BIGINT, ts BIGINT, WATERMARK FOR ts) WITH (max_future_ms = 5)",
            "max_future_ms",
        ),
        ("SOURCE s (x BIGINT)", "1 columns and had 2"),
        ("SINK k FROM above", "it has 1 columns and had 2"),
        ("SINK k FROM t", "it has 3 columns and had 2"),
    ] {
        let error = refused(&db, &format!("CREATE OR REPLACE {statement}")).to_string();
        assert!(error.contains(words), "{statement}\n{error}");
        assert_eq!(before(&db), held, "{statement}");
    }
    let message = refused(&db, "CREATE OR REPLACE STREAM IF NOT EXISTS v AS SELECT k FROM t");
    assert!(message.to_string().contains("exclude each other"), "{message}");
    // All of it still follows.
    execute(&db, "INSERT INTO t VALUES (9, 'd', 100)");
    execute(&db, "INSERT INTO s VALUES (1, 5), (1, 15)");
    assert_eq!(content(&db, "above"), [row![142]]);
    assert_eq!(content(&db, "over"), [row![0, 1]]);
    assert_eq!(content(&db, "through"), [row![4]]);
}

#[test]
fn what_does_not_exist_is_created() {
    let db = started(&[
        "CREATE OR REPLACE TABLE t (id BIGINT PRIMARY KEY, x BIGINT)",
        "CREATE OR REPLACE SOURCE s (x BIGINT)",
        "CREATE OR REPLACE STREAM a AS SELECT sum(x) AS n FROM t",
        "CREATE OR REPLACE MATERIALIZED VIEW b AS SELECT sum(x) AS n FROM s",
        "CREATE OR REPLACE SINK k FROM a",
        "CREATE OR REPLACE TABLE c AS SELECT 1 AS one",
        "INSERT INTO t VALUES (1, 2)",
        "CREATE OR REPLACE SINK k FROM b",
    ]);
    assert_eq!(content(&db, "a"), [row![2]]);
    assert_eq!(content(&db, "k"), [row![None::<i64>]]);
    assert_eq!(content(&db, "c"), [row![1]]);
    let text = query(&db, "SHOW CREATE SINK k");
    assert!(format!("{text:?}").contains("CREATE OR REPLACE SINK k FROM b"), "{text:?}");
}

/// Without anybody who reads it a stream may change what it promises, its columns excepted.
#[test]
fn a_stream_that_nobody_reads_may_promise_less() {
    let db = started(&["CREATE SOURCE s (x BIGINT NOT NULL)", "INSERT INTO s VALUES (7)"]);
    execute(&db, "CREATE MATERIALIZED VIEW v AS SELECT x AS n FROM s");
    execute(&db, "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT sum(x) AS n FROM s");
    execute(&db, "INSERT INTO s VALUES (8)");
    assert_eq!(content(&db, "v"), [row![15]]);
}

#[test]
fn a_stopped_stream_is_replaced_and_a_stopping_one_is_not_taken() {
    let db = started(&[
        TABLE,
        ROWS,
        "CREATE STREAM v AS SELECT id, 10 / x AS n FROM t ON ERROR FAIL",
        "CREATE STREAM above AS SELECT sum(n) AS n FROM v",
    ]);
    execute(&db, "INSERT INTO t VALUES (8, 'z', 10)");
    // A definition that fails on what is there.
    let error = refused(
        &db,
        "CREATE OR REPLACE STREAM v AS SELECT id, 10 / (x - 10) AS n FROM t ON ERROR FAIL",
    );
    assert!(error.to_string().contains("stays as it was"), "{error}");
    // 10 / 10, 10 / 20, 10 / 5, 10 / 7 and 10 / 10.
    assert_eq!(content(&db, "above"), [row![5]]);
    execute(&db, "INSERT INTO t VALUES (9, 'z', 5)");
    assert_eq!(content(&db, "above"), [row![7]]);
    execute(&db, "INSERT INTO t VALUES (10, 'z', 0)");
    refused(&db, "SELECT * FROM v");
    let error = refused(&db, "CREATE OR REPLACE STREAM v AS SELECT id, x AS n FROM t");
    assert!(error.to_string().contains("`v` is read by `above`, which stopped with it"), "{error}");
    execute(&db, "DROP STREAM above");
    execute(&db, "CREATE OR REPLACE STREAM v AS SELECT id, x AS n FROM t WHERE id > 8");
    assert_eq!(content(&db, "v"), [row![9, 5], row![10, 0]]);
}

#[test]
fn before_the_start() {
    let db = created(&[
        TABLE,
        ROWS,
        "CREATE SOURCE s (x BIGINT)",
        "CREATE STREAM v AS SELECT k, sum(x) AS n FROM t GROUP BY k",
        "CREATE STREAM above AS SELECT sum(n) AS total FROM v",
        "CREATE STREAM ones AS SELECT sum(x) AS n FROM s",
        "CREATE STREAM ones_above AS SELECT n AS n FROM ones",
    ]);
    execute(&db, "INSERT INTO t VALUES (5, 'e', 100)");
    execute(&db, "INSERT INTO s VALUES (1), (2)");
    execute(&db, "CREATE OR REPLACE STREAM v AS SELECT k, max(x) AS n FROM t GROUP BY k");
    execute(&db, "CREATE OR REPLACE STREAM ones AS SELECT sum(x) * 10 AS n FROM s");
    execute(&db, "INSERT INTO t VALUES (6, 'e', 1000)");
    execute(&db, "INSERT INTO s VALUES (5)");
    db.start_blocking().unwrap();
    assert_eq!(content(&db, "v"), [row!["a", 20], row!["b", 5], row!["c", 7], row!["e", 1000]]);
    assert_eq!(content(&db, "above"), [row![1032]]);
    assert_eq!(content(&db, "ones_above"), [row![50]]);
    execute(&db, "CREATE OR REPLACE STREAM ones AS SELECT sum(x) AS n FROM s WHERE x > 5");
    execute(&db, "INSERT INTO s VALUES (5), (6)");
    assert_eq!(content(&db, "ones_above"), [row![6]]);
}

/// Windows downstream close by the new definition's event time; what waits is not lost.
#[test]
fn event_time_goes_on() {
    let db = started(&[
        "CREATE SOURCE s (x BIGINT, ts BIGINT, WATERMARK FOR ts)",
        "CREATE STREAM f AS SELECT x, ts FROM s WHERE x > 0",
        "CREATE STREAM windows AS SELECT tumble(ts, 10) AS w, sum(x) AS n FROM f GROUP BY 1",
        "CREATE STREAM days AS SELECT tumble(w, 20) AS d, sum(n) AS n FROM windows GROUP BY 1",
    ]);
    let mut followed = subscribe(&db, "days");
    execute(&db, "INSERT INTO s VALUES (1, 5), (2, 12)");
    execute(&db, "CREATE OR REPLACE STREAM f AS SELECT x * 100 AS x, ts FROM s");
    execute(&db, "INSERT INTO s VALUES (3, 13), (4, 3), (5, 45)");
    assert_eq!(content(&db, "windows"), [row![0, 1], row![10, 302]]);
    let polled = followed.poll(Some(Duration::ZERO)).unwrap();
    assert!(matches!(polled, Polled::Batch(_)), "{polled:?}");
    assert_eq!(content(&db, "days"), [row![0, 303]]);
}

/// Another delay of the watermark counts from the replacement on, and takes nothing back.
#[test]
fn a_delay_is_replaced() {
    let source = |delay: &str| {
        format!(
            "CREATE OR REPLACE SOURCE s (x BIGINT, ts BIGINT, WATERMARK FOR ts AS ts - {delay})"
        )
    };
    let db = started(&[
        &source("10"),
        "CREATE STREAM windows AS SELECT tumble(ts, 10) AS w, sum(x) AS n FROM s GROUP BY 1",
        "INSERT INTO s VALUES (1, 5), (2, 15)",
    ]);
    // The watermark is 5.
    assert_eq!(content(&db, "windows"), Vec::<Row>::new());
    let mut followed = subscribe(&db, "windows");
    // 13: the first window closes with the statement.
    execute(&db, &source("2"));
    assert_eq!(drain_rows(&mut followed), [row![0, 1]]);
    execute(&db, "INSERT INTO s VALUES (4, 7), (8, 20)");
    // 18, and 7 was late.
    assert_eq!(content(&db, "windows"), [row![0, 1]]);
    // 18 stays, where it would be 0: 9 is late. It goes on with a time that is 20 past it.
    execute(&db, &source("20"));
    execute(&db, "INSERT INTO s VALUES (16, 9), (32, 19), (64, 38)");
    assert_eq!(content(&db, "windows"), [row![0, 1]]);
    execute(&db, "INSERT INTO s VALUES (128, 39)");
    assert_eq!(content(&db, "windows"), [row![0, 1], row![10, 34]]);
}

#[test]
fn the_delay_of_a_table_is_replaced() {
    let table = |delay: &str| {
        format!(
            "CREATE OR REPLACE TABLE v (id BIGINT PRIMARY KEY, x BIGINT, ts BIGINT,
             WATERMARK FOR ts AS ts - {delay})"
        )
    };
    let db = started(&[
        &table("100"),
        "CREATE STREAM windows AS SELECT tumble(ts, 10) AS w, sum(x) AS n FROM v GROUP BY 1
         EMIT ON WINDOW CLOSE",
    ]);
    execute(&db, &table("0"));
    execute(&db, "INSERT INTO v VALUES (1, 1, 5), (2, 2, 15)");
    assert_eq!(content(&db, "windows"), [row![0, 1]]);
}
