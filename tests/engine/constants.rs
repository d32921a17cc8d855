//! Continuous queries over `VALUES` and without `FROM`: rows that are there from the beginning. The
//! expected rows are those of the same query asked once of DataFusion, or by hand.

use laminar_db::{Polled, SubscribeOptions};

use crate::row;
use crate::support::database::{content, created, drain, execute, refused, started, subscribe};
use crate::support::value::{Value, rows};

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)";

#[test]
fn a_query_that_reads_nothing_has_its_rows() {
    for query in [
        "SELECT 1 AS a",
        "SELECT 1 + 1 AS a, 'x' AS b, NULL AS c, DATE '2024-02-29' AS d",
        "SELECT a, b FROM (VALUES (1, 'x'), (2, NULL), (2, NULL)) AS t (a, b)",
        "VALUES (1, 2.5), (-3, 4)",
        "SELECT b, count(*) AS n, sum(a) AS s FROM (VALUES (1, 'x'), (2, 'y'), (5, 'x')) AS t (a, b)
         GROUP BY b",
        "SELECT 1 AS a WHERE 1 > 2",
        "SELECT 1 AS a UNION ALL SELECT 2",
        "SELECT DISTINCT a FROM (VALUES (1), (1), (2)) AS t (a)",
        "SELECT a FROM (VALUES (1), (3), (2)) AS t (a) ORDER BY a DESC LIMIT 2",
        "SELECT x.a, y.a AS b FROM (VALUES (1), (2)) AS x (a) JOIN (VALUES (2), (3)) AS y (a)
         ON x.a < y.a",
        "SELECT unnest([1, 2]) AS a",
        "SELECT count(*) AS n",
    ] {
        let db = created(&[]);
        execute(&db, &format!("CREATE STREAM before AS {query}"));
        db.start_blocking().unwrap();
        execute(&db, &format!("CREATE STREAM after AS {query}"));
        execute(&db, &format!("CREATE MATERIALIZED VIEW held AS {query}"));
        let expected = content(&db, &format!("({query}) AS q"));
        for name in ["before", "after", "held"] {
            assert_eq!(content(&db, name), expected, "{name}: {query}");
        }
        let mut following = subscribe(&db, query);
        let begin: Vec<_> = drain(&mut following).into_iter().map(|c| c.batch).collect();
        assert_eq!(rows(&begin).len(), expected.len(), "{query}");
        assert!(matches!(
            following.poll(Some(std::time::Duration::ZERO)).unwrap(),
            Polled::Empty
        ));
    }
}

#[test]
fn constants_stand_beside_sources() {
    const NAMES: &str = "(VALUES ('a', 'ann'), ('b', 'bob'), ('b', 'bill')) AS n (k, name)";
    let queries = [
        format!("SELECT t.v, n.name FROM t JOIN {NAMES} ON t.k = n.k"),
        format!("SELECT n.name, t.v FROM {NAMES} LEFT JOIN t ON t.k = n.k"),
        format!("SELECT t.k, t.v FROM t WHERE t.k NOT IN (SELECT n.k FROM {NAMES})"),
        format!("SELECT n.name, count(t.v) AS c FROM {NAMES} LEFT JOIN t ON t.k = n.k GROUP BY n.name"),
        format!("SELECT k, v FROM t UNION ALL SELECT k, 0 FROM {NAMES}"),
        "SELECT t.k, r.size FROM t JOIN (VALUES (0, 2, 'small'), (2, 9, 'large')) AS r (lo, hi, size)
         ON t.v >= r.lo AND t.v < r.hi"
            .to_string(),
        "SELECT k, v, (SELECT 10) AS ten FROM t WHERE v > (SELECT 1)".to_string(),
    ];
    for is_started in [false, true] {
        let db = created(&[SOURCE]);
        if is_started {
            db.start_blocking().unwrap();
        }
        for (index, query) in queries.iter().enumerate() {
            execute(&db, &format!("CREATE STREAM q{index} AS {query}"));
        }
        execute(&db, "INSERT INTO t VALUES ('a', 1, 1), ('b', 2, 2), ('c', 3, 3)");
        execute(&db, "INSERT INTO t VALUES ('a', 4, 4)");
        db.start_blocking().unwrap();
        execute(&db, "INSERT INTO t VALUES ('b', NULL, 100), (NULL, 6, 2)");
        for (index, query) in queries.iter().enumerate() {
            let expected = content(&db, &format!("({query}) AS q"));
            assert!(!expected.is_empty());
            assert_eq!(content(&db, &format!("q{index}")), expected, "{query}");
        }
    }
}

/// Constants are complete at every time: their timestamps are event times that are over at once.
#[test]
fn timestamps_of_constants_are_event_times() {
    const CALENDAR: &str = "(VALUES (TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', 'new year'),
         (TIMESTAMP '2026-05-01', TIMESTAMP '2026-05-02', 'may day')) AS c (since, until, name)";
    for is_started in [false, true] {
        let db =
            created(&["CREATE SOURCE s (v BIGINT, at TIMESTAMP(3) NOT NULL, WATERMARK FOR at)"]);
        if is_started {
            db.start_blocking().unwrap();
        }
        let window = "SELECT CAST(tumble(since, INTERVAL '10' DAY) AS VARCHAR) AS w, count(*) AS n";
        let union =
            "SELECT CAST(tumble(at, INTERVAL '1' DAY) AS VARCHAR) AS day, sum(v) AS v FROM (
                 SELECT at, v FROM s UNION ALL SELECT TIMESTAMP '2026-01-01 12:00:00', 100) AS u
             GROUP BY tumble(at, INTERVAL '1' DAY)";
        for (name, sql) in [
            (
                "windows",
                format!("{window} FROM {CALENDAR} GROUP BY tumble(since, INTERVAL '10' DAY)"),
            ),
            ("days", union.to_string()),
            (
                "named",
                format!("SELECT v, name FROM s LEFT JOIN {CALENDAR} ON at >= since AND at < until"),
            ),
            (
                "last",
                format!(
                    "SELECT v, name FROM s ASOF LEFT JOIN {CALENDAR} MATCH_CONDITION (at >= since)"
                ),
            ),
        ] {
            execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
        }
        db.start_blocking().unwrap();
        let expected = content(&db, &format!("({window} FROM {CALENDAR} GROUP BY 1) AS q"));
        assert_eq!(content(&db, "windows"), expected, "{is_started}");
        assert_eq!(expected.len(), 2);
        let mut told = subscribe(&db, "named");
        execute(&db, "INSERT INTO s VALUES (1, '2026-01-01 10:00:00'), (2, '2026-01-02')");
        // Nobody waits for what can never come, and nothing is taken back.
        let none = None::<&str>;
        assert_eq!(content(&db, "named"), vec![row![1, "new year"], row![2, none]]);
        assert!(drain(&mut told).iter().all(|batch| batch.weights.is_none()));
        assert_eq!(content(&db, "last"), vec![row![1, "new year"], row![2, "new year"]]);
        let days = content(&db, "days");
        assert_eq!(days.len(), 1);
        assert_eq!(days[0][1], Value::Int(101));
    }
}

#[test]
fn a_state_ttl_does_not_forget_what_was_there_from_the_beginning() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM named WITH (state_ttl = '5 seconds') AS
         SELECT t.v, n.name FROM t JOIN (VALUES ('a', 'ann')) AS n (k, name) ON t.k = n.k",
        "SET state_ttl = '5 seconds'",
        "CREATE STREAM counts AS SELECT a, count(*) AS n FROM (VALUES (1), (1)) AS t (a) GROUP BY a",
    ]);
    execute(&db, "INSERT INTO t VALUES ('a', 1, 0)");
    execute(&db, "INSERT INTO t VALUES ('a', 2, 100000)");
    execute(&db, "INSERT INTO t VALUES ('a', 3, 200000)");
    assert!(content(&db, "named").contains(&row![3, "ann"]));
    assert_eq!(content(&db, "counts"), [row![1, 2]]);
}

#[test]
fn a_subscription_begins_with_them_where_it_is_to() {
    let db = started(&["CREATE STREAM one AS SELECT 1 AS a, CAST(NULL AS BIGINT) AS b"]);
    let begin = |snapshot| {
        let options = SubscribeOptions { snapshot: Some(snapshot), ..SubscribeOptions::default() };
        let mut following = db.subscribe_with("one", options).unwrap();
        let batches: Vec<_> = drain(&mut following).into_iter().map(|c| c.batch).collect();
        rows(&batches)
    };
    assert_eq!(begin(true), [row![1, Value::Null]]);
    assert!(begin(false).is_empty());
}

#[test]
fn an_expression_that_fails_is_refused() {
    let db = started(&[]);
    let error = refused(&db, "CREATE STREAM s AS VALUES (1), (1 / 0)");
    assert!(error.message().to_lowercase().contains("divide by zero"), "{error}");
    let error = refused(&db, "CREATE STREAM s AS VALUES (now())");
    assert!(error.message().contains("now()"), "{error}");
    assert!(content(&db, "laminar_streams").is_empty());
}
