//! Materialized views, cascades, drops, names of columns, failing streams, variables.

use std::time::Duration;

use laminar_db::{Config, LaminarDB, Polled};

use crate::row;
use crate::support::database::{
    affected, batches, content, created, execute, listed, query, refused, started, subscribe,
};
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, rows};

#[test]
fn a_view_begins_with_what_its_inputs_retain() {
    let db = started(&[
        "CREATE SOURCE clicks (page VARCHAR, n BIGINT) WITH (retain_history = 3)",
        "INSERT INTO clicks VALUES ('a', 1), ('a', 2), ('b', 3), ('c', 4)",
        "CREATE MATERIALIZED VIEW late AS SELECT page, sum(n) AS n FROM clicks GROUP BY page",
        "CREATE STREAM later AS SELECT page, sum(n) AS n FROM clicks GROUP BY page",
        "CREATE MATERIALIZED VIEW every AS SELECT n FROM clicks",
        "INSERT INTO clicks VALUES ('a', 10), ('d', 5), ('d', 6), ('d', 7), ('d', 8)",
    ]);
    // The first row had been dropped from the history when the views were made.
    let late = [row!["a", 12], row!["b", 3], row!["c", 4], row!["d", 26]];
    assert_eq!(content(&db, "late"), late);
    assert_eq!(content(&db, "later"), [row!["a", 10], row!["d", 26]]);
    // Kept whole, longer than the history of the source.
    assert_eq!(content(&db, "every"), [2, 3, 4, 5, 6, 7, 8, 10].map(|n| row![n]));
    assert_eq!(content(&db, "clicks").len(), 3);
}

#[test]
fn a_view_before_the_start_counts_each_row_once() {
    let db = created(&[
        "CREATE SOURCE s (x BIGINT)",
        "INSERT INTO s VALUES (1), (2)",
        "CREATE MATERIALIZED VIEW v AS SELECT sum(x) AS total FROM s",
        "CREATE STREAM t AS SELECT sum(x) AS total FROM s",
        "INSERT INTO s VALUES (10)",
    ]);
    assert_eq!(content(&db, "v"), [row![3]]);
    db.start_blocking().unwrap();
    execute(&db, "INSERT INTO s VALUES (100)");
    assert_eq!(content(&db, "v"), [row![113]]);
    assert_eq!(content(&db, "t"), [row![110]]);
}

#[test]
fn the_subscription_of_a_view_shows_operations() {
    let db = started(&[
        "CREATE TABLE t (k BIGINT PRIMARY KEY, x BIGINT)",
        "CREATE MATERIALIZED VIEW sums AS SELECT k % 2 AS odd, sum(x) AS total FROM t GROUP BY k % 2",
        "CREATE SOURCE s (x BIGINT)",
        "CREATE MATERIALIZED VIEW counts AS SELECT x, count(*) AS n FROM s GROUP BY x",
        "CREATE MATERIALIZED VIEW rows AS SELECT x FROM s",
    ]);
    let mut counts = subscribe(&db, "counts");
    execute(&db, "INSERT INTO s VALUES (5)");
    execute(&db, "INSERT INTO s VALUES (5)");
    let mut seen = Vec::new();
    while let Polled::Batch(change) = counts.poll(Some(Duration::ZERO)).unwrap() {
        seen.extend(rows(&[change.batch]));
    }
    assert_eq!(seen, [row![5, 1, 1], row![5, 1, -1], row![5, 2, 1]]);
    // Rows that never change have no operations.
    assert_eq!(subscribe(&db, "rows").schema().fields().len(), 1);
    let mut sums = subscribe(&db, "sums");
    let mut replay = Replay::default();
    for sql in [
        "INSERT INTO t VALUES (1, 10), (2, 20), (3, 30)",
        "UPDATE t SET x = x + 1",
        "DELETE FROM t WHERE k = 2",
    ] {
        execute(&db, sql);
        replay.drain(&mut sums);
        assert_eq!(replay.content(), content(&db, "sums"), "{sql}");
    }
    assert_eq!(replay.content(), [row![1, 42]]);
}

#[test]
fn cascades_of_any_depth_follow() {
    for_seeds(5, |seed| {
        let mut random = Random::new(seed);
        let db = created(&["CREATE TABLE t (k BIGINT PRIMARY KEY, x BIGINT)"]);
        if random.chance(50) {
            db.start_blocking().unwrap();
        }
        let mut below = "t".to_string();
        for depth in 0..12 {
            let kind = *random.pick(&["STREAM", "MATERIALIZED VIEW"]);
            let select = match depth % 3 {
                0 => "SELECT k, x + 1 AS x",
                1 => "SELECT k, sum(x) AS x",
                _ => "SELECT k, max(x) AS x",
            };
            let group = if depth % 3 == 0 { "" } else { "GROUP BY k" };
            let name = format!("level{depth}");
            execute(&db, &format!("CREATE {kind} {name} AS {select} FROM {below} {group}"));
            below = name;
            execute(&db, &format!("INSERT INTO t VALUES ({}, {depth})", random.range(0, 6)));
        }
        db.start_blocking().unwrap();
        for _ in 0..20 {
            let k = random.range(0, 6);
            match random.chance(70) {
                true => {
                    execute(&db, &format!("INSERT INTO t VALUES ({k}, {})", random.range(0, 9)))
                }
                false => execute(&db, &format!("DELETE FROM t WHERE k = {k}")),
            }
            // Four of the levels add one.
            let expected: Vec<Row> = content(&db, "t")
                .into_iter()
                .map(|row| vec![row[0].clone(), (row[1].int() + 4).into()])
                .collect();
            assert_eq!(content(&db, &below), expected);
        }
    });
}

#[test]
fn columns_are_named_in_a_list() {
    let db = started(&[
        "CREATE TABLE t (k BIGINT PRIMARY KEY, x BIGINT)",
        "CREATE STREAM s (a, \"B\") AS SELECT k, x * 2 FROM t",
        "CREATE MATERIALIZED VIEW v (x, n) AS SELECT x, count(*) FROM t GROUP BY x",
        "CREATE SOURCE e (ts BIGINT, WATERMARK FOR ts)",
        "CREATE STREAM w (start, n) AS SELECT tumble(ts, 10), count(*) FROM e GROUP BY tumble(ts, 10)",
        "INSERT INTO t VALUES (1, 5), (2, 5)",
        "INSERT INTO e VALUES (1), (2), (11)",
    ]);
    assert_eq!(query(&db, "SELECT a, \"B\" FROM s ORDER BY a"), [row![1, 10], row![2, 10]]);
    assert_eq!(query(&db, "SELECT n, x FROM v"), [row![2, 5]]);
    assert_eq!(query(&db, "SELECT start, n FROM w"), [row![0, 2]]);
    let error = refused(&db, "CREATE STREAM x (a, b, c) AS SELECT k, x FROM t").to_string();
    assert!(error.contains("3 columns are named, and the query has 2"), "{error}");
    assert!(error.contains("line 1, column 18"), "{error}");
}

#[test]
fn what_others_read_is_dropped_with_them() {
    let db = started(&[
        "CREATE TABLE t (k BIGINT PRIMARY KEY)",
        "CREATE STREAM a AS SELECT k FROM t",
        "CREATE MATERIALIZED VIEW b AS SELECT count(*) AS n FROM a",
        "CREATE STREAM both AS SELECT k FROM a UNION ALL SELECT n FROM b",
        "CREATE SINK out FROM b",
        "CREATE TABLE other (k BIGINT)",
    ]);
    let error = refused(&db, "DROP TABLE t").to_string();
    assert!(error.contains("`t` is read by `a`"), "{error}");
    let error = refused(&db, "DROP MATERIALIZED VIEW b").to_string();
    assert!(error.contains("`both`, `out`"), "{error}");
    let error = refused(&db, "DROP STREAM b CASCADE").to_string();
    assert!(error.contains("DROP MATERIALIZED VIEW b"), "{error}");
    let mut named = subscribe(&db, "both");
    let mut anonymous = subscribe(&db, "SELECT k + 1 AS k FROM t");
    execute(&db, "INSERT INTO t VALUES (1)");
    execute(&db, "DROP TABLE t CASCADE");
    for subscription in [&mut named, &mut anonymous] {
        let ended = loop {
            match subscription.poll(Some(Duration::ZERO)).unwrap() {
                Polled::Batch(_) => {}
                other => break other,
            }
        };
        assert!(matches!(ended, Polled::End), "{ended:?}");
    }
    for gone in ["t", "a", "b", "both", "out"] {
        assert!(refused(&db, &format!("SELECT * FROM {gone}")).to_string().contains(gone));
    }
    execute(&db, "INSERT INTO other VALUES (1)");
    execute(&db, "DROP TABLE IF EXISTS t");
    execute(&db, "CREATE TABLE t (x VARCHAR)");
}

#[test]
fn show_create_gives_back_the_statement() {
    let statements = [
        ("SOURCE", "s", "CREATE SOURCE s (a INT)"),
        ("TABLE", "t", "CREATE TABLE t (a INT,\n  PRIMARY KEY (a))"),
        ("LOOKUP TABLE", "l", "CREATE LOOKUP TABLE l (a INT PRIMARY KEY)"),
        ("STREAM", "r", "CREATE STREAM r AS SELECT a FROM t -- all"),
        ("MATERIALIZED VIEW", "v", "CREATE MATERIALIZED VIEW v (b) AS SELECT a FROM s"),
        ("SINK", "k", "CREATE SINK k FROM v"),
    ];
    let db = started(&[]);
    for (kind, name, sql) in statements {
        execute(&db, sql);
        assert_eq!(query(&db, &format!("SHOW CREATE {kind} {name}")), [row![name, sql]]);
    }
    let error = refused(&db, "SHOW CREATE STREAM v").to_string();
    assert!(error.contains("SHOW CREATE MATERIALIZED VIEW v"), "{error}");
    let views = rows(&batches(&db, "SHOW MATERIALIZED VIEWS"));
    assert_eq!((views.len(), views[0][0].text()), (1, "v"));
    assert_eq!(rows(&batches(&db, "SHOW STREAMS")).len(), 1);
}

#[test]
fn a_stream_that_is_to_fail_stops_alone() {
    let db = started(&[
        "CREATE TABLE t (k BIGINT PRIMARY KEY, x BIGINT)",
        "CREATE STREAM strict AS SELECT k, 100 / x AS q FROM t ON ERROR FAIL",
        "CREATE STREAM above AS SELECT count(*) AS n FROM strict",
        "CREATE STREAM lax AS SELECT k, 100 / x AS q FROM t ON ERROR DEAD LETTER",
        "CREATE STREAM n AS SELECT count(*) AS n FROM t",
    ]);
    let mut strict = subscribe(&db, "strict");
    execute(&db, "INSERT INTO t VALUES (1, 10)");
    assert!(matches!(strict.poll(Some(Duration::ZERO)).unwrap(), Polled::Batch(_)));
    assert_eq!(affected(&db, "INSERT INTO t VALUES (2, 0), (3, 5)"), 2);
    let error = strict.poll(Some(Duration::ZERO)).unwrap_err().to_string();
    assert!(error.contains("ivide by zero") && error.contains("k: 2"), "{error}");
    assert!(error.contains("the stream `strict` stopped"), "{error}");
    for failed in ["strict", "above"] {
        assert_eq!(listed(&db, "SHOW STREAMS", failed, "state"), "failed".into());
        let told = listed(&db, "SHOW STREAMS", failed, "error");
        assert!(told.text().contains("ivide by zero"), "{told:?}");
        let error = refused(&db, &format!("SELECT * FROM {failed}")).to_string();
        assert!(error.contains("stopped"), "{error}");
        assert!(subscribe(&db, failed).poll(Some(Duration::ZERO)).is_err());
    }
    execute(&db, "DELETE FROM t WHERE k = 1");
    assert_eq!(content(&db, "lax"), [row![3, 20]]);
    assert_eq!(content(&db, "n"), [row![2]]);
    assert_eq!(query(&db, "SELECT DISTINCT stream FROM laminar_dead_letters"), [row!["lax"]]);
    execute(&db, "DROP STREAM strict CASCADE");
}

#[test]
fn variables_stand_in_strings_of_definitions() {
    let variables = [("CITY".to_string(), "Oslo".to_string())];
    let config = Config { variables: variables.into(), ..Config::default() };
    let db = LaminarDB::open_with_config(config).unwrap();
    for sql in [
        "CREATE TABLE t (city VARCHAR)",
        "CREATE STREAM s AS SELECT '${CITY}' AS here, '${NOWHERE:-none}' AS there, '$${CITY}' AS raw \
         FROM t WHERE city = '${CITY}'",
        "INSERT INTO t VALUES ('Oslo'), ('${CITY}')",
    ] {
        execute(&db, sql);
    }
    db.start_blocking().unwrap();
    assert_eq!(content(&db, "s"), [row!["Oslo", "none", "${CITY}"]]);
    // Values are not definitions.
    assert_eq!(content(&db, "t"), [row!["${CITY}"], row!["Oslo"]]);
    let error = refused(&db, "CREATE SOURCE x (a INT)\n WITH (retain_history = '${LAMINAR_NONE}')");
    let error = error.to_string();
    assert!(error.contains("`LAMINAR_NONE`") && error.contains("line 2, column 25"), "{error}");
    let created = query(&db, "SHOW CREATE STREAM s");
    assert!(created[0][1].text().contains("'${CITY}'"), "{created:?}");
}

#[test]
fn ad_hoc_integers_do_not_wrap() {
    let db = started(&[
        "CREATE TABLE t (x BIGINT, y INT)",
        "INSERT INTO t VALUES (9223372036854775807, 7)",
    ]);
    for expr in ["x + 1", "x * y", "-2 - x", "x + y", "abs(x + 1)"] {
        let error = refused(&db, &format!("SELECT {expr} FROM t")).to_string();
        assert!(error.contains("verflow"), "{expr}: {error}");
    }
    for filter in ["x + 1 > 0", "(SELECT max(u.x) + 1 FROM t u) > 0"] {
        let error = refused(&db, &format!("SELECT 1 FROM t WHERE {filter}")).to_string();
        assert!(error.contains("verflow"), "{filter}: {error}");
    }
    let fine = "SELECT x - 1, y * 2 AS twice, sum(y + 1) FROM t GROUP BY x - 1, y * 2 HAVING sum(y + 1) < 9";
    assert_eq!(query(&db, fine), [row![i64::MAX - 1, 14, 8]]);
    assert_eq!(query(&db, "SELECT x FROM t WHERE y - 7 = 0 ORDER BY y + 1"), [row![i64::MAX]]);
    let schema = batches(&db, "SELECT y + 1 FROM t")[0].schema();
    assert_eq!(schema.field(0).name(), "t.y + Int64(1)");
}
