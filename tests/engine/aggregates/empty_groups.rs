//! Groups that are there without rows, wherever they stand: the one of an aggregate without keys,
//! and those of grouping sets without keys, against DataFusion's batch answer.

use laminar_db::{LaminarDB, UntypedSubscription};

use crate::row;

use crate::support::database::{
    batches, content, created, drain_rows, execute, started, subscribe,
};
use crate::support::oracle::Oracle;
use crate::support::replay::Replay;
use crate::support::value::{Row, rows};

const TABLE: &str = "CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, v BIGINT)";

const QUERIES: [&str; 20] = [
    "SELECT count(*) AS n, sum(v) AS s, min(k) AS m, array_agg(v ORDER BY id) AS a FROM t",
    "SELECT count(*) AS n FROM t HAVING count(*) = 0",
    "SELECT count(*) AS n FROM t HAVING count(*) > 0",
    "SELECT 1 AS one FROM t HAVING sum(v) IS NULL",
    "SELECT k, count(*) AS n FROM t GROUP BY GROUPING SETS ((k), ())",
    "SELECT count(*) AS n, sum(v) AS s FROM t GROUP BY GROUPING SETS ((), ())",
    "SELECT count(*) AS n FROM t GROUP BY GROUPING SETS (())",
    "SELECT k, count(*) AS n FROM t GROUP BY k, GROUPING SETS (())",
    "SELECT k, v, grouping(k, v) AS g, count(*) AS n FROM t GROUP BY CUBE (k, v) HAVING grouping(k) = 1",
    "SELECT k, sum(v) AS s FROM t WHERE v > 1 GROUP BY ROLLUP (k)",
    "SELECT a.n, b.s FROM (SELECT count(*) AS n FROM t) AS a CROSS JOIN (SELECT sum(v) AS s FROM t) AS b",
    "SELECT t.id, a.n FROM (SELECT count(*) AS n FROM t) AS a LEFT JOIN t ON t.v < a.n",
    "SELECT t.id, a.n FROM t RIGHT JOIN (SELECT count(*) AS n FROM t WHERE k = 'a') AS a ON t.v = a.n",
    "SELECT max(n) AS n, count(*) AS c FROM (SELECT k, count(*) AS n FROM t GROUP BY ROLLUP (k)) AS a",
    "SELECT count(*) AS n FROM t UNION ALL SELECT sum(v) AS n FROM t WHERE k = 'b'",
    "SELECT id FROM t WHERE v >= (SELECT count(*) FROM t WHERE k = 'zzz')",
    "SELECT sum(c) AS s FROM (SELECT count(*) AS c FROM t WHERE k = 'a' UNION ALL SELECT count(*) FROM t) AS u",
    "SELECT n FROM (SELECT count(*) AS n FROM t) AS u WHERE n = 0 INTERSECT SELECT count(*) AS n FROM t",
    "SELECT count(DISTINCT k) AS d, count(*) FILTER (WHERE v > 5) AS f, median(v) AS m FROM t",
    "SELECT k, n FROM (SELECT k, count(*) AS n FROM t GROUP BY ROLLUP (k)) AS u ORDER BY n DESC, k LIMIT 1",
];

struct Compared {
    db: LaminarDB,
    oracle: Oracle,
    names: Vec<(String, &'static str)>,
    subscriptions: Vec<(String, Replay, UntypedSubscription)>,
}

impl Compared {
    fn new(db: LaminarDB) -> Self {
        let (names, subscriptions) = (Vec::new(), Vec::new());
        Self { db, oracle: Oracle::new(), names, subscriptions }
    }

    /// A stream and a view of each query, and what is subscribed to them with their content.
    fn create(&mut self, suffix: &str) {
        for (index, query) in QUERIES.iter().enumerate() {
            for kind in ["STREAM", "MATERIALIZED VIEW"] {
                let name = format!("{}{index}_{suffix}", &kind[..1].to_lowercase());
                // As it can be spelt here, and not by the oracle.
                let query = &query.replace("GROUPING SETS (())", "()");
                execute(&self.db, &format!("CREATE {kind} {name} AS {query} EMIT CHANGES"));
                let over = format!("SELECT * FROM {name} EMIT CHANGES");
                self.subscriptions.push((
                    name.clone(),
                    Replay::default(),
                    subscribe(&self.db, &over),
                ));
                self.names.push((name, QUERIES[index]));
            }
        }
    }

    #[track_caller]
    fn check(&mut self, what: &str) {
        let table = batches(&self.db, "SELECT * FROM t");
        let schema = self.db.source_untyped("t").unwrap().schema();
        self.oracle.table("t", schema, table);
        for (name, query) in &self.names {
            let mut expected: Vec<Row> = rows(&self.oracle.batches(query));
            expected.sort();
            assert_eq!(content(&self.db, name), expected, "{name}, {query}, {what}");
        }
        for (name, replay, subscription) in &mut self.subscriptions {
            replay.drain(subscription);
            let mut told = replay.content();
            told.sort();
            assert_eq!(told, content(&self.db, name), "changes of {name}, {what}");
        }
    }
}

#[test]
fn with_rows_without_and_again() {
    let mut compared = Compared::new(started(&[TABLE]));
    compared.create("empty");
    compared.check("over an empty table");
    for (round, statement) in [
        "INSERT INTO t VALUES (1, 'a', 1)",
        "INSERT INTO t VALUES (2, 'b', 7), (3, 'a', 2), (4, NULL, NULL)",
        "DELETE FROM t WHERE k = 'a'",
        "DELETE FROM t",
        "DELETE FROM t",
        "INSERT INTO t VALUES (2, 'b', 0)",
        "UPDATE t SET v = v + 2, k = NULL",
        "TRUNCATE TABLE t",
    ]
    .into_iter()
    .enumerate()
    {
        execute(&compared.db, statement);
        compared.check(statement);
        if round == 1 || round == 3 {
            // Created over rows, and over rows that are gone.
            compared.create(&format!("late{round}"));
            compared.check("late");
        }
    }
}

#[test]
fn before_the_start() {
    let mut compared = Compared::new(created(&[TABLE]));
    compared.create("before");
    compared.check("before the start");
    compared.db.start_blocking().unwrap();
    compared.check("started");
    execute(&compared.db, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 0)");
    compared.check("with rows");
    execute(&compared.db, "DELETE FROM t");
    compared.check("without rows");
}

#[test]
fn every_form_of_emit_tells_of_the_empty_set() {
    let db = started(&["CREATE SOURCE s (k VARCHAR, v BIGINT)"]);
    let query = "SELECT k, count(*) AS n, sum(v) AS s FROM s GROUP BY ROLLUP (k)";
    execute(&db, &format!("CREATE STREAM updates AS {query} EMIT ON UPDATE"));
    execute(&db, "CREATE STREAM over AS SELECT count(*) AS rows, sum(n) AS n FROM updates");
    let none = None::<i64>;
    let mut updates = subscribe(&db, "updates");
    let mut changes = subscribe(&db, &format!("{query} EMIT CHANGES"));
    assert_eq!(drain_rows(&mut changes), [row![none, 0, none, 1]]);
    assert_eq!(content(&db, "over"), [row![1, 0]]);
    execute(&db, "INSERT INTO s VALUES ('a', 3)");
    assert_eq!(drain_rows(&mut updates), [row![none, 1, 3], row!["a", 1, 3]]);
    assert_eq!(
        drain_rows(&mut changes),
        [row![none, 0, none, -1], row![none, 1, 3, 1], row!["a", 1, 3, 1]]
    );
    // A key that is NULL is another group than the set without keys.
    execute(&db, "INSERT INTO s VALUES (NULL, 4)");
    assert_eq!(content(&db, "updates"), [row![none, 1, 4], row![none, 2, 7], row!["a", 1, 3]]);
    assert_eq!(content(&db, "over"), [row![3, 4]]);
}
