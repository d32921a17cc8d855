//! Tables: changes by SQL and by handles against a model of a few lines, and streams over tables
//! against DataFusion over the same content.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use laminar_db::{LaminarDB, SubscribeOptions};

use crate::row;
use crate::support::database::{
    affected, batch, batches, content, created, execute, query, refused, started, subscribe, texts,
};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, assert_same, rows};

const KEYED: &str = "CREATE TABLE t (k BIGINT PRIMARY KEY, g VARCHAR, x BIGINT)";
const BAG: &str = "CREATE TABLE t (k BIGINT, g VARCHAR, x BIGINT)";

/// Queries over the table: filters and projections, which hold nothing of their own, and
/// aggregates, one on top of another.
const STREAMS: [(&str, &str); 6] = [
    ("every", "SELECT * FROM t"),
    ("some", "SELECT k, x * 2 AS twice FROM t WHERE x > 20"),
    ("groups", "SELECT g, count(*) AS n, sum(x) AS total, max(x) AS most FROM t GROUP BY g"),
    ("overall", "SELECT count(*) AS n, min(k) AS least FROM t"),
    ("large", "SELECT g, count(*) AS n FROM t GROUP BY g HAVING count(*) > 2"),
    ("both", "SELECT k FROM t WHERE x > 30 UNION ALL SELECT k FROM t WHERE g = 'a'"),
];

/// A random statement, and what it makes of the rows of a naive table.
fn random_change(random: &mut Random, model: &mut Vec<Row>, keyed: bool) -> (String, u64) {
    let group = |random: &mut Random| *random.pick(&["a", "b", "c", "d"]);
    match random.range(0, 10) {
        0..5 => {
            let mut values = Vec::new();
            for _ in 0..random.range(1, 6) {
                let (k, g, x) = (random.range(0, 25), group(random), random.range(0, 50));
                values.push(format!("({k}, '{g}', {x})"));
                if keyed {
                    model.retain(|row| row[0].int() != k);
                }
                model.push(row![k, g, x]);
            }
            (format!("INSERT INTO t VALUES {}", values.join(", ")), values.len() as u64)
        }
        5..7 => {
            let (low, add) = (random.range(0, 25), random.range(-3, 4));
            let mut count = 0;
            for row in model.iter_mut().filter(|row| row[0].int() >= low) {
                row[2] = (row[2].int() + add).into();
                count += 1;
            }
            (format!("UPDATE t SET x = x + {add} WHERE k >= {low}"), count)
        }
        7 => {
            let (g, to) = (group(random), group(random));
            let mut count = 0;
            for row in model.iter_mut().filter(|row| row[1].text() == g) {
                (row[1], row[2]) = (to.into(), row[0].clone());
                count += 1;
            }
            (format!("UPDATE t AS target SET g = '{to}', x = target.k WHERE g = '{g}'"), count)
        }
        8 => {
            // Every key at once: no row collides with one that moves too.
            for row in model.iter_mut() {
                row[0] = (24 - row[0].int()).into();
            }
            ("UPDATE t SET k = 24 - k".to_string(), model.len() as u64)
        }
        _ => {
            let (k, g) = (random.range(0, 25), group(random));
            let before = model.len();
            model.retain(|row| !(row[0].int() < k && row[1].text() == g));
            let gone = (before - model.len()) as u64;
            (format!("DELETE FROM t WHERE k < {k} AND g = '{g}'"), gone)
        }
    }
}

fn oracle_of(db: &LaminarDB, model: &[Row]) -> Oracle {
    let schema = db.source_schema("t").unwrap();
    let ints = |column: usize| -> Arc<Int64Array> {
        Arc::new(model.iter().map(|row| Some(row[column].int())).collect())
    };
    let groups = texts(model.iter().map(|row| Some(row[1].text())));
    let content = batch(Arc::clone(&schema), vec![ints(0), groups, ints(2)]);
    let oracle = Oracle::new();
    oracle.table("t", schema, vec![content]);
    oracle
}

fn random_changes(seed: u64, keyed: bool) {
    let mut random = Random::new(seed);
    let db = created(&[if keyed { KEYED } else { BAG }]);
    let mut model: Vec<Row> = Vec::new();
    // A part of the streams is there from the beginning, a part comes before the start, the last
    // ones come late.
    let first = random.range(0, 3) as usize;
    let create = |(name, query): &(&str, &str)| {
        execute(&db, &format!("CREATE STREAM {name} AS {query} EMIT CHANGES"));
    };
    STREAMS[..first].iter().for_each(create);
    let start = random.range(0, 8);
    let late = start + random.range(0, 8);
    let mut replays = Vec::new();
    for step in 0..30 {
        if step == start {
            STREAMS[first..4].iter().for_each(create);
            db.start_blocking().unwrap();
        }
        if step == late {
            STREAMS[4..].iter().for_each(create);
            for (name, _) in STREAMS {
                let options =
                    SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
                replays.push((name, db.subscribe_with(name, options).unwrap(), Replay::default()));
            }
        }
        let (sql, count) = random_change(&mut random, &mut model, keyed);
        assert_eq!(affected(&db, &sql), count, "{sql}");
        assert_same(&sql, &content(&db, "t"), &model, 0.0);
        if step < start {
            continue;
        }
        let oracle = oracle_of(&db, &model);
        let made = if step < late { &STREAMS[..4] } else { &STREAMS[..] };
        for (name, query) in made {
            let what = format!("{name} after {sql}");
            assert_same(&what, &content(&db, name), &oracle.rows(query), 0.0);
        }
        for (name, subscription, replay) in &mut replays {
            replay.drain(subscription);
            assert_same(name, &replay.content(), &content(&db, name), 0.0);
        }
    }
}

#[test]
fn random_changes_by_key() {
    for_seeds(6, |seed| random_changes(seed, true));
}

#[test]
fn random_changes_without_a_key() {
    for_seeds(6, |seed| random_changes(seed, false));
}

#[test]
fn an_insert_of_a_known_key_replaces_its_row() {
    let db = started(&[KEYED]);
    let mut changes = subscribe(&db, "SELECT * FROM t");
    assert_eq!(affected(&db, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (1, 'c', 3)"), 3);
    assert_eq!(content(&db, "t"), [row![1, "c", 3], row![2, "b", 2]]);
    execute(&db, "INSERT INTO t VALUES (2, 'b', 5), (1, 'c', 3)");
    let mut replay = Replay::default();
    replay.drain(&mut changes);
    // One net change for each insert; what is replaced by itself is no change.
    assert_eq!(replay.batches, 2);
    assert_eq!(replay.content(), [row![1, "c", 3], row![2, "b", 5]]);
}

#[test]
fn duplicates_are_kept_without_a_key() {
    let db = started(&[BAG, "CREATE STREAM n AS SELECT count(*) AS n FROM t"]);
    execute(&db, "INSERT INTO t VALUES (1, 'a', 1), (1, 'a', 1), (2, NULL, NULL)");
    execute(&db, "INSERT INTO t VALUES (1, 'a', 1)");
    assert_eq!(content(&db, "n"), [row![4]]);
    assert_eq!(affected(&db, "DELETE FROM t WHERE k = 1"), 3);
    assert_eq!(content(&db, "t"), [row![2, None::<&str>, None::<i64>]]);
}

#[test]
fn values_come_back_bit_by_bit() {
    let db = started(&[
        "CREATE TABLE f (x DOUBLE, l INT[], s STRUCT<a INT, b VARCHAR>, d DECIMAL(9, 2))",
    ]);
    execute(&db, "INSERT INTO f SELECT -0.0, [1, NULL], {a: 1, b: 'x'}, 1.25");
    execute(&db, "INSERT INTO f (x) SELECT 0.0");
    execute(&db, "INSERT INTO f SELECT 'NaN', [], NULL, -1");
    let got = batches(&db, "SELECT arrow_typeof(x) AS t, 1 / x AS inverse, l, s, d FROM f");
    let inverse: Vec<Row> = rows(&got).into_iter().map(|row| row[1..2].to_vec()).collect();
    assert_eq!(inverse, [row![f64::NEG_INFINITY], row![f64::INFINITY], row![f64::NAN]]);
    let rest: Vec<Row> = rows(&got).into_iter().map(|row| row[2..].to_vec()).collect();
    assert_eq!(rest[0], row!["[1, ]", "{a: 1, b: x}", "1.25"]);
    assert_eq!(rest[2], row!["[]", None::<&str>, "-1.00"]);
}

#[test]
fn handles_upsert() {
    let db = started(&[KEYED, "CREATE STREAM s AS SELECT g, sum(x) AS total FROM t GROUP BY g"]);
    let handle = db.source_untyped("t").unwrap();
    let rows = |keys: Vec<i64>, x: i64| -> RecordBatch {
        let groups = texts(keys.iter().map(|_| Some("a")));
        let xs: Int64Array = keys.iter().map(|_| Some(x)).collect();
        batch(handle.schema(), vec![Arc::new(Int64Array::from(keys)), groups, Arc::new(xs)])
    };
    handle.push_batches(vec![rows(vec![1, 2, 1], 5), rows(vec![2, 3], 7)]).unwrap();
    db.insert("t", vec![rows(vec![3], 1)]).unwrap();
    assert_eq!(content(&db, "s"), [row!["a", 5 + 7 + 1]]);
    let t = [row![1, "a", 5], row![2, "a", 7], row![3, "a", 1]];
    assert_eq!(content(&db, "t"), t);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let db = started(&[
        "CREATE TABLE t (k BIGINT PRIMARY KEY, small TINYINT, name VARCHAR NOT NULL)",
        "CREATE SOURCE s (a BIGINT)",
        "CREATE STREAM c AS SELECT count(*) AS n FROM t",
        "INSERT INTO t VALUES (1, 100, 'a'), (2, 120, 'b'), (3, NULL, 'c')",
    ]);
    let before = content(&db, "t");
    for (sql, parts) in [
        ("INSERT INTO t VALUES (NULL, 1, 'x')", "row 0|`k`|primary key"),
        ("INSERT INTO t VALUES (9, 1, 'x'), (10, 1, NULL)", "row 1|`name`|NOT NULL"),
        ("INSERT INTO t VALUES (9, 1, 'x'), (10, 1000, 'y')", "row 1|`small`|Int8"),
        ("UPDATE t SET small = small * 2", "`small`|Int8"),
        ("UPDATE t SET name = NULL WHERE k = 2", "row 0|`name`|NOT NULL"),
        ("UPDATE t SET k = 3 WHERE k = 2", "two rows would have the key k = 3"),
        ("UPDATE t SET k = 7", "two rows would have the key k = 7"),
        ("UPDATE t SET k = NULL WHERE k = 1", "`k`|primary key"),
        ("UPDATE t SET small = 1 / (k - 2)", "ivide by zero"),
        ("UPDATE t SET k = 9223372036854775807 + k", "verflow"),
        ("DELETE FROM t WHERE 1 / (k - 2) = 1", "ivide by zero"),
        ("UPDATE t SET nothing = 1", "no column `nothing`|line 1, column 14"),
        ("UPDATE t SET k = 8, k = 9", "assigned to twice"),
        ("UPDATE missing SET k = 8", "missing|line 1, column 8"),
        ("UPDATE s SET a = 1", "SOURCE|never change|UPDATE needs a table"),
        ("DELETE FROM s", "SOURCE|never change|DELETE needs a table"),
        ("DELETE FROM c", "STREAM|DELETE needs a table"),
        ("UPDATE t SET small = 1 FROM (VALUES (1), (1)) v (k) WHERE t.k = v.k", "several rows"),
        ("UPDATE t SET small = 1 RETURNING k", "RETURNING"),
    ] {
        let error = refused(&db, sql).to_string();
        for part in parts.split('|') {
            assert!(error.contains(part), "{sql}\n{error}\nlacks {part}");
        }
        assert_eq!(content(&db, "t"), before, "{sql}");
        assert_eq!(content(&db, "c"), [row![3]], "{sql}");
    }
}

#[test]
fn changes_with_subqueries_and_other_relations() {
    let db = started(&[
        KEYED,
        "CREATE TABLE prices (k BIGINT PRIMARY KEY, price BIGINT)",
        "INSERT INTO t VALUES (1, 'a', 10), (2, 'a', 20), (3, 'b', 30)",
        "INSERT INTO prices VALUES (1, 7), (3, 9), (4, 1)",
    ]);
    // Values before the change, everywhere: 60 is the sum of the old ones.
    assert_eq!(affected(&db, "UPDATE t SET x = x + (SELECT sum(x) FROM t)"), 3);
    assert_eq!(content(&db, "t"), [row![1, "a", 70], row![2, "a", 80], row![3, "b", 90]]);
    let from = "UPDATE t AS u SET x = u.x * p.price, g = upper(u.g) FROM prices p WHERE p.k = u.k";
    assert_eq!(affected(&db, from), 2);
    assert_eq!(content(&db, "t"), [row![1, "A", 490], row![2, "a", 80], row![3, "B", 810]]);
    let correlated =
        "UPDATE t SET x = (SELECT max(p.price) FROM prices p WHERE p.k = t.k) WHERE g <> 'a'";
    assert_eq!(affected(&db, correlated), 2);
    assert_eq!(content(&db, "t"), [row![1, "A", 7], row![2, "a", 80], row![3, "B", 9]]);
    assert_eq!(affected(&db, "DELETE FROM t WHERE k NOT IN (SELECT k FROM prices)"), 1);
    assert_eq!(affected(&db, "DELETE FROM t USING prices p WHERE p.k >= t.k AND p.price = 9"), 2);
    assert_eq!(content(&db, "t"), Vec::<Row>::new());
    execute(&db, "INSERT INTO t SELECT k, 'p', price FROM prices");
    assert_eq!(affected(&db, "DELETE FROM t WHERE x = 100"), 0);
    assert_eq!(affected(&db, "TRUNCATE TABLE t"), 3);
    assert_eq!(content(&db, "t"), Vec::<Row>::new());
}

#[test]
fn concurrent_changes_lose_nothing() {
    const THREADS: i64 = 4;
    const ROUNDS: i64 = 30;
    let db = started(&[
        KEYED,
        "CREATE STREAM s AS SELECT sum(x) AS total FROM t",
        "INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0)",
    ]);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let db = db.clone();
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    assert_eq!(affected(&db, "UPDATE t SET x = x + 1 WHERE k <= 2"), 2);
                    let k = 10 + thread * ROUNDS + round;
                    execute(&db, &format!("INSERT INTO t VALUES ({k}, 'c', 0)"));
                }
            });
        }
    });
    let each = THREADS * ROUNDS;
    let low = query(&db, "SELECT k, x FROM t WHERE k <= 2 ORDER BY k");
    assert_eq!(low, [row![1, each], row![2, each]]);
    assert_eq!(content(&db, "s"), [row![2 * each]]);
    assert_eq!(query(&db, "SELECT count(*) FROM t"), [row![2 + each]]);
}

/// A table that changes all the time does not keep a statement from ever taking effect.
#[test]
fn a_change_ends_while_a_producer_pushes() {
    let db = started(&[KEYED]);
    let handle = db.source_untyped("t").unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut k = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                k = (k + 1) % 1_000;
                let columns: Vec<arrow::array::ArrayRef> = vec![
                    Arc::new(Int64Array::from(vec![k + 100])),
                    texts([Some("p")]),
                    Arc::new(Int64Array::from(vec![k])),
                ];
                handle.push_arrow(batch(handle.schema(), columns)).unwrap();
            }
        });
        execute(&db, "INSERT INTO t VALUES (1, 'a', 0)");
        for _ in 0..20 {
            assert_eq!(affected(&db, "UPDATE t SET x = x + 1 WHERE k = 1"), 1);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(query(&db, "SELECT x FROM t WHERE k = 1"), [row![20]]);
}

#[test]
fn before_the_start_changes_queue_exactly_once() {
    let db = created(&[
        KEYED,
        "INSERT INTO t VALUES (1, 'a', 10)",
        "CREATE STREAM early AS SELECT k, x FROM t WHERE x > 5",
        "CREATE STREAM totals AS SELECT sum(x) AS total FROM t",
        "UPDATE t SET x = 20 WHERE k = 1",
        "INSERT INTO t VALUES (2, 'b', 1)",
        "CREATE STREAM later AS SELECT k, x FROM t",
        "CREATE STREAM over AS SELECT count(*) AS n FROM early",
        "DELETE FROM t WHERE k = 1",
        "INSERT INTO t VALUES (3, 'c', 30)",
    ]);
    let options = || SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
    let mut early = db.subscribe_with("early", options()).unwrap();
    // The table is what it is; the streams are what it was at their creation.
    assert_eq!(content(&db, "t"), [row![2, "b", 1], row![3, "c", 30]]);
    assert_eq!(content(&db, "early"), [row![1, 10]]);
    assert_eq!(content(&db, "totals"), [row![10]]);
    assert_eq!(content(&db, "later"), [row![1, 20], row![2, 1]]);
    assert_eq!(content(&db, "over"), [row![1]]);
    db.start_blocking().unwrap();
    assert_eq!(content(&db, "early"), [row![3, 30]]);
    assert_eq!(content(&db, "totals"), [row![31]]);
    assert_eq!(content(&db, "later"), [row![2, 1], row![3, 30]]);
    assert_eq!(content(&db, "over"), [row![1]]);
    let mut replay = Replay::default();
    replay.drain(&mut early);
    assert_eq!(replay.content(), [row![3, 30]]);
}

#[test]
fn a_table_out_of_a_query() {
    let db = started(&[
        KEYED,
        "INSERT INTO t VALUES (1, 'a', 10), (2, 'b', 20), (3, 'b', 5)",
        "CREATE TABLE sums AS SELECT g, sum(x) AS total FROM t GROUP BY g",
        "CREATE TABLE keyed (g VARCHAR PRIMARY KEY, total SMALLINT) AS SELECT g, x FROM t ORDER BY k",
        "CREATE TABLE IF NOT EXISTS sums AS SELECT 1 / 0 AS never",
    ]);
    assert_eq!(content(&db, "sums"), [row!["a", 10], row!["b", 25]]);
    // The last row of a key stays.
    assert_eq!(content(&db, "keyed"), [row!["a", 10], row!["b", 5]]);
    assert_eq!(affected(&db, "UPDATE sums SET total = 0 WHERE g = 'a'"), 1);
    assert_eq!(content(&db, "t").len(), 3);
    for (sql, part) in [
        ("CREATE TABLE u AS SELECT a.k, b.k FROM t a CROSS JOIN t b", "two columns called `k`"),
        ("CREATE TABLE u AS SELECT NULL AS n", "CAST it"),
        ("CREATE TABLE u (a BIGINT) AS SELECT k, x FROM t", "2 columns"),
        ("CREATE TABLE u (a BIGINT PRIMARY KEY) AS SELECT NULL", "primary key"),
        ("CREATE TABLE u AS SELECT x / 0 AS q FROM t", "ivide by zero"),
    ] {
        let error = refused(&db, sql).to_string();
        assert!(error.contains(part), "{sql}\n{error}");
        assert!(refused(&db, "SELECT * FROM u").to_string().contains("`u`"));
    }
}

#[test]
fn lookup_tables_without_a_connector_are_tables() {
    let db = started(&["CREATE LOOKUP TABLE names (id INT PRIMARY KEY, name VARCHAR)"]);
    execute(&db, "INSERT INTO names VALUES (1, 'one'), (2, 'two'), (1, 'uno')");
    assert_eq!(content(&db, "names"), [row![1, "uno"], row![2, "two"]]);
    assert_eq!(affected(&db, "UPDATE names SET name = 'due' WHERE id = 2"), 1);
    let listed = rows(&batches(&db, "SHOW LOOKUP TABLES"));
    assert_eq!(listed[0][..3], row!["names", "id", 2]);
    assert!(rows(&batches(&db, "SHOW TABLES")).is_empty());
    let error = refused(&db, "DROP TABLE names").to_string();
    assert!(error.contains("DROP LOOKUP TABLE names"), "{error}");
    execute(&db, "DROP LOOKUP TABLE names");
    let external =
        refused(&db, "CREATE LOOKUP TABLE x (a INT) FROM POSTGRES (url = '')").to_string();
    assert!(external.contains("POSTGRES"), "{external}");
}

#[test]
fn a_table_with_a_watermark_moves_time() {
    let db = started(&[
        "CREATE TABLE v (k INT PRIMARY KEY, ts BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)",
        "INSERT INTO v VALUES (1, 20000), (2, 10000)",
    ]);
    let listed = rows(&batches(&db, "SHOW TABLES"));
    assert_eq!(listed[0][..5], row!["v", "k", 2, "ts", 15_000]);
    execute(&db, "UPDATE v SET ts = 40000 WHERE k = 2");
    assert_eq!(rows(&batches(&db, "SHOW TABLES"))[0][4], 35_000.into());
    assert!(refused(&db, "INSERT INTO v VALUES (3, NULL)").to_string().contains("watermark"));
}

#[test]
fn a_query_reads_a_snapshot() {
    let db = started(&[KEYED]);
    let values: Vec<String> = (0..20_000).map(|k| format!("({k}, 'g', {k})")).collect();
    execute(&db, &format!("INSERT INTO t VALUES {}", values.join(", ")));
    let mut reader = db.query_blocking("SELECT x FROM t").unwrap();
    let first = reader.next_blocking().unwrap().unwrap();
    execute(&db, "UPDATE t SET x = -1");
    execute(&db, "DELETE FROM t WHERE k % 2 = 0");
    let mut seen: BTreeMap<i64, i64> = BTreeMap::new();
    let mut count = |batch: RecordBatch| {
        for row in rows(&[batch]) {
            *seen.entry(row[0].int()).or_default() += 1;
        }
    };
    count(first);
    while let Some(batch) = reader.next_blocking().unwrap() {
        count(batch);
    }
    assert!(seen.iter().map(|(x, n)| (*x, *n)).eq((0..20_000).map(|x| (x, 1))));
    assert_eq!(query(&db, "SELECT count(*), max(x) FROM t"), [row![10_000, -1]]);
}
