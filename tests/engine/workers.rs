//! `workers`: operators by keys, divided. What comes out is the same for every number of them, to the
//! last bit and row for row; what they did can be seen.

mod failures;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use laminar_db::{
    Config, Epoch, LaminarDB, Polled, SubscribeOptions, UntypedSource, UntypedSubscription, Weights,
};

use crate::support::database::{execute, query, refused, started};
use crate::support::random::{Random, for_seeds};
use crate::support::value::Value;

const SOURCE: &str = "CREATE SOURCE t (id BIGINT NOT NULL, k BIGINT, x DOUBLE, s VARCHAR, v BIGINT,
     ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - INTERVAL '0.020' SECOND)";

const OTHER: &str = "CREATE SOURCE u (id BIGINT NOT NULL, k BIGINT, x DOUBLE, s VARCHAR, v BIGINT,
     ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - INTERVAL '0.020' SECOND)";

/// A relation whose rows replace each other, with times.
const VERSIONS: &str =
    "CREATE TABLE w (id BIGINT NOT NULL, k BIGINT, x DOUBLE, s VARCHAR, v BIGINT,
     ts BIGINT NOT NULL, PRIMARY KEY (id), WATERMARK FOR ts AS ts - INTERVAL '0.020' SECOND)";

/// The newest row of each id: its rows change and move from group to group.
const LATEST: &str = "CREATE STREAM latest AS SELECT id, last_value(k) AS k, last_value(x) AS x,
     last_value(s) AS s, last_value(v) AS v FROM t GROUP BY id";

/// Queries that are divided.
const DIVIDED: &[&str] = &[
    "SELECT k, count(*) AS n, sum(v) AS s, max(v) AS m, avg(x) AS a FROM t GROUP BY k",
    "SELECT x, count(*) AS n, min(s) AS m FROM t GROUP BY x",
    "SELECT s, k, sum(x) AS sx, first_value(v) AS f, array_agg(v) AS aa FROM t GROUP BY s, k",
    "SELECT DISTINCT s, x FROM t",
    "SELECT k, count(*) AS n, sum(x) AS s, min(v) AS m FROM latest GROUP BY k",
    "SELECT s, x, count(DISTINCT v) AS d, median(v) AS m FROM latest GROUP BY s, x",
    "SELECT n, count(*) AS ks FROM (SELECT k, s, count(*) AS n FROM t GROUP BY k, s) GROUP BY n",
    "SELECT k, s, sum(v) AS t FROM t GROUP BY GROUPING SETS ((k), (s), (k, s))",
    "SELECT k, window_end, count(*) AS n, sum(x) AS sx, last_value(s) AS l FROM t
     GROUP BY k, tumble(ts, INTERVAL '0.010' SECOND)",
    "SELECT s, x, tumble(ts, INTERVAL '0.010' SECOND) AS w, sum(v) AS n FROM t
     GROUP BY s, x, tumble(ts, INTERVAL '0.010' SECOND) EMIT CHANGES",
    "SELECT k, tumble(ts, INTERVAL '0.020' SECOND) AS w, sum(x) AS n, count(DISTINCT s) AS d FROM t
     GROUP BY k, tumble(ts, INTERVAL '0.020' SECOND)
     EMIT CHANGES ALLOW LATENESS INTERVAL '0.010' SECOND",
    // Windows that overlap, sessions, and windows over rows that are replaced.
    "SELECT k, hop(ts, INTERVAL '0.005' SECOND, INTERVAL '0.020' SECOND) AS w, sum(x) AS n,
     first_value(s) AS f FROM t
     GROUP BY k, hop(ts, INTERVAL '0.005' SECOND, INTERVAL '0.020' SECOND) EMIT CHANGES",
    "SELECT s, x, cumulate(ts, INTERVAL '0.010' SECOND, INTERVAL '0.040' SECOND) AS w, count(*) AS n
     FROM t GROUP BY s, x, cumulate(ts, INTERVAL '0.010' SECOND, INTERVAL '0.040' SECOND)
     EMIT CHANGES",
    // The same, put together from panes when they close: of few panes, of many that most keys are in
    // and of many that few are in, with ends where windows begin and elsewhere, and over rows that are
    // replaced.
    "SELECT k, window_end, count(*) AS n, sum(x) AS sx, avg(x) AS a, first_value(s) AS f,
     array_agg(v) AS aa FROM t GROUP BY k, hop(ts, INTERVAL '0.010' SECOND, INTERVAL '0.020' SECOND)",
    "SELECT k % 2 AS p, window_end, count(*) AS n, sum(x) AS sx, sum(v * 0.1) AS sv FROM t
     GROUP BY k % 2, hop(ts, INTERVAL '0.002' SECOND, INTERVAL '0.030' SECOND)",
    "SELECT s, k, x, window_end, sum(v / 7.0) AS n, sum(x) AS sx FROM t
     GROUP BY s, k, x, hop(ts, INTERVAL '0.002' SECOND, INTERVAL '0.030' SECOND)",
    "SELECT k, window_start, count(*) AS n, stddev(v) AS d FROM t
     GROUP BY k, hop(ts, INTERVAL '0.009' SECOND, INTERVAL '0.006' SECOND, INTERVAL '0.001' SECOND)",
    "SELECT k, s, window_end, sum(v / 7.0) AS n, min(v) AS m FROM w
     GROUP BY k, s, hop(ts, INTERVAL '0.003' SECOND, INTERVAL '0.012' SECOND) EMIT ON WINDOW CLOSE",
    "SELECT k % 2 AS p, window_end, sum(v / 7.0) AS n, max(v) AS m FROM w
     GROUP BY k % 2, hop(ts, INTERVAL '0.002' SECOND, INTERVAL '0.030' SECOND)
     EMIT ON WINDOW CLOSE",
    "SELECT k, window_end, sum(v / 7.0) AS n, last_value(s) AS l FROM t
     GROUP BY k, cumulate(ts, INTERVAL '0.010' SECOND, INTERVAL '0.040' SECOND)",
    "SELECT s, window_end, sum(v / 7.0) AS n, count(DISTINCT k) AS d FROM w
     GROUP BY s, cumulate(ts, INTERVAL '0.005' SECOND, INTERVAL '0.040' SECOND)
     EMIT ON WINDOW CLOSE",
    // What DataFusion alone computes.
    "SELECT k, approx_distinct(v) AS n, sum(v) AS s FROM t GROUP BY k",
    "SELECT s, window_end, approx_distinct(v) AS n FROM t
     GROUP BY s, hop(ts, INTERVAL '0.002' SECOND, INTERVAL '0.030' SECOND)",
    "SELECT k, window_end, approx_distinct(s) AS n FROM t
     GROUP BY k, session(ts, INTERVAL '0.004' SECOND)",
    "SELECT k, window_end, count(*) AS n, sum(x) AS sx, last_value(s) AS l FROM t
     GROUP BY k, session(ts, INTERVAL '0.004' SECOND)",
    "SELECT k, s, session(ts, INTERVAL '0.006' SECOND) AS w, count(*) AS n, sum(v) AS sv FROM t
     GROUP BY k, s, session(ts, INTERVAL '0.006' SECOND) EMIT CHANGES",
    "SELECT k, window_end, count(*) AS n, sum(v) AS sv FROM w
     GROUP BY k, session(ts, INTERVAL '0.004' SECOND) EMIT ON WINDOW CLOSE",
    "SELECT k, window_end, count(*) AS n, sum(x) AS sx, max(v) AS m FROM w
     GROUP BY k, tumble(ts, INTERVAL '0.010' SECOND) EMIT ON WINDOW CLOSE",
    "SELECT k, session(ts, INTERVAL '0.004' SECOND) AS w, count(*) AS n FROM w
     GROUP BY k, session(ts, INTERVAL '0.004' SECOND) EMIT CHANGES",
    // Joins.
    "SELECT t.id, u.id AS other, t.x, u.s FROM t JOIN u ON t.k = u.k AND t.s = u.s",
    "SELECT t.id, u.id AS other, u.v FROM t LEFT JOIN u ON t.s = u.s AND t.k = u.k AND t.v < u.v",
    "SELECT l.id, w.id AS other, l.x, w.v FROM latest l JOIN w ON l.x = w.x",
    "SELECT l.id, w.id AS other, l.s, w.v FROM latest l FULL JOIN w ON l.k = w.k",
    "SELECT l.k, w.s FROM latest l RIGHT JOIN w ON l.k + 1 = w.k",
    "SELECT w.k, w.v FROM w LEFT JOIN latest l ON w.id = l.id AND l.v > w.v",
    "SELECT id, s FROM latest WHERE k IN (SELECT k FROM w WHERE v > 0)",
    "SELECT id, s FROM latest WHERE k NOT IN (SELECT k FROM w WHERE v > 25 AND k IS NOT NULL)",
    "SELECT id, s FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.s = t.s)",
    "SELECT id, k IN (SELECT k FROM u WHERE v > 40) AS m FROM latest",
    "SELECT k, s FROM latest INTERSECT ALL SELECT k, s FROM w",
    "SELECT k, s FROM latest EXCEPT ALL SELECT k, s FROM w",
    "SELECT k, s FROM t INTERSECT SELECT k, s FROM u",
    "SELECT count(*) AS n FROM t JOIN u ON t.k = u.k AND t.s = u.s",
    // Joins in time.
    "SELECT t.id, u.id AS other, t.ts FROM t JOIN u ON t.k = u.k
     AND u.ts BETWEEN t.ts - INTERVAL '0.005' SECOND AND t.ts + INTERVAL '0.005' SECOND",
    "SELECT t.id, u.id AS other, t.x, u.x AS y FROM t FULL JOIN u ON t.s = u.s AND t.k = u.k
     AND u.ts BETWEEN t.ts - INTERVAL '0.005' SECOND AND t.ts + INTERVAL '0.005' SECOND
     AND t.v < u.v",
    "SELECT t.id, t.ts FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE t.k = u.k
     AND u.ts BETWEEN t.ts - INTERVAL '0.005' SECOND AND t.ts + INTERVAL '0.005' SECOND)",
    "SELECT t.id, t.ts FROM t WHERE EXISTS (SELECT 1 FROM u WHERE t.k = u.k
     AND u.ts BETWEEN t.ts - INTERVAL '0.005' SECOND AND t.ts + INTERVAL '0.005' SECOND)",
    "SELECT t.id, w.id AS other FROM t LEFT JOIN w ON t.k = w.k
     AND w.ts BETWEEN t.ts - INTERVAL '0.005' SECOND AND t.ts",
    "SELECT t.id, u.id AS other, u.ts FROM t ASOF JOIN u MATCH_CONDITION (t.ts >= u.ts) ON t.k = u.k",
    "SELECT t.id, u.id AS other, u.ts FROM t ASOF LEFT JOIN u MATCH_CONDITION (t.ts <= u.ts)
     ON t.k = u.k AND t.s = u.s",
    "SELECT t.id, u.id AS other, u.ts FROM t ASOF LEFT JOIN u
     MATCH_CONDITION (NEAREST(t.ts, u.ts)) ON t.s = u.s",
    "SELECT t.id, u.id AS other, u.v FROM t ASOF LEFT JOIN u MATCH_CONDITION (t.ts >= u.ts)
     ON t.k = u.k EMIT CHANGES",
    "SELECT w.id, u.id AS other, u.v FROM w ASOF LEFT JOIN u MATCH_CONDITION (w.ts > u.ts)
     ON w.s = u.s EMIT CHANGES",
    "SELECT t.id, t.k, w.v FROM t LEFT JOIN w FOR SYSTEM_TIME AS OF t.ts ON t.id = w.id",
    "SELECT t.id, t.k, w.v FROM t JOIN w FOR SYSTEM_TIME AS OF t.ts ON t.id = w.id EMIT CHANGES",
    // Rows in an order.
    "SELECT id, k, v FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY v) AS r FROM t)
     WHERE r <= 2",
    "SELECT id, s, r FROM (SELECT *, rank() OVER (PARTITION BY s, k ORDER BY v DESC) AS r FROM latest)
     WHERE r <= 3",
    "SELECT s FROM (SELECT *, row_number() OVER (PARTITION BY k % 3 ORDER BY v) AS r FROM latest)
     WHERE r <= 4",
    "SELECT id, lag(v) OVER (PARTITION BY k ORDER BY ts) AS b, sum(v) OVER (PARTITION BY k ORDER BY ts)
     AS s FROM t",
    "SELECT s, row_number() OVER (PARTITION BY x ORDER BY id) AS n,
     avg(v) OVER (PARTITION BY x ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS a FROM latest",
];

/// Sources that `told` pushes to.
const PUSHED: [&str; 3] = ["t", "u", "w"];

/// Whether the form of a query's changes is a matter of its windows or its final matches.
fn has_own_emit(query: &str) -> bool {
    ["EMIT", "window_end", "ASOF", "SYSTEM_TIME", "BETWEEN t.ts"]
        .iter()
        .any(|of| query.contains(of))
}

fn open(workers: usize, worker_min_rows: usize, queries: &[&str]) -> LaminarDB {
    open_with(workers, worker_min_rows, queries, "")
}

/// Streams q0, q1 and so on, with a clause at the end of each.
fn open_with(workers: usize, worker_min_rows: usize, queries: &[&str], clause: &str) -> LaminarDB {
    let config = Config { workers, worker_min_rows, ..Config::default() };
    let db = LaminarDB::open_with_clock_at(config, 0).unwrap();
    for sql in [SOURCE, OTHER, VERSIONS, LATEST] {
        execute(&db, sql);
    }
    for (index, query) in queries.iter().enumerate() {
        let emit = if has_own_emit(query) { "" } else { " EMIT CHANGES" };
        execute(&db, &format!("CREATE STREAM q{index} AS {query}{emit} {clause}"));
    }
    db.start_blocking().unwrap();
    db
}

/// Rows with ties, NULLs, both zeros and several NaNs.
fn rows(random: &mut Random, source: &UntypedSource, count: usize, now: &mut i64) -> RecordBatch {
    let nan = f64::from_bits(f64::NAN.to_bits() ^ 1);
    let floats = [0.0, -0.0, f64::NAN, nan, 1.5, -7.25, 1e300];
    let texts = ["", "a", "b", "a text that is longer than a cell", "ö"];
    let there = |random: &mut Random| !random.chance(12);
    let mut ids = Vec::new();
    let (mut ks, mut xs, mut ss, mut vs, mut times) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..count {
        *now += random.range(0, 3);
        ids.push(random.range(0, 30));
        ks.push(there(random).then(|| random.range(-4, 12)));
        xs.push(there(random).then(|| *random.pick(&floats)));
        ss.push(there(random).then(|| *random.pick(&texts)));
        vs.push(there(random).then(|| random.range(-50, 50)));
        times.push(*now - random.range(0, 25));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids)),
        Arc::new(Int64Array::from(ks)),
        Arc::new(Float64Array::from(xs)),
        Arc::new(StringArray::from(ss)),
        Arc::new(Int64Array::from(vs)),
        Arc::new(Int64Array::from(times)),
    ];
    RecordBatch::try_new(source.schema().clone(), columns).unwrap()
}

type Told = Vec<(Epoch, RecordBatch, Option<Weights>)>;

fn drain(subscription: &mut UntypedSubscription, told: &mut Told) {
    loop {
        match subscription.poll(Some(Duration::ZERO)).unwrap() {
            Polled::Batch(change) => told.push((change.epoch, change.batch, change.weights)),
            Polled::Empty => return,
            other => panic!("a poll answered {other:?}"),
        }
    }
}

/// What each query told of random rows, batch for batch.
fn told(seed: u64, workers: usize, worker_min_rows: usize) -> Vec<Told> {
    told_by(&open(workers, worker_min_rows, DIVIDED), seed, DIVIDED.len())
}

/// The same of the first streams of a database.
fn told_by(db: &LaminarDB, seed: u64, streams: usize) -> Vec<Told> {
    let sources = PUSHED.map(|name| db.source_untyped(name).unwrap());
    let mut subscriptions: Vec<UntypedSubscription> = (0..streams)
        .map(|index| db.subscribe_with(&format!("q{index}"), SubscribeOptions::default()).unwrap())
        .collect();
    let mut all = vec![Told::new(); streams];
    let (mut random, mut now) = (Random::new(seed), 0);
    for _ in 0..40 {
        let source = random.pick(&sources);
        let count = *random.pick(&[1, 1, 2, 5, 20, 60]);
        source.push_arrow(rows(&mut random, source, count, &mut now)).unwrap();
        for (subscription, told) in subscriptions.iter_mut().zip(&mut all) {
            drain(subscription, told);
        }
    }
    for source in &sources {
        source.watermark(now + 1_000).unwrap();
    }
    for (subscription, told) in subscriptions.iter_mut().zip(&mut all) {
        drain(subscription, told);
    }
    all
}

#[test]
fn results_and_their_order_are_the_same_for_every_number_of_workers() {
    for_seeds(2, |seed| {
        let one = told(seed, 1, 0);
        assert!(one.iter().all(|told| !told.is_empty()), "every query has something to say");
        // With threads for every step, and with none.
        for (workers, least) in [(2, 0), (3, usize::MAX), (8, 0)] {
            let some = told(seed, workers, least);
            for (index, (some, one)) in some.iter().zip(&one).enumerate() {
                for (some, one) in some.iter().zip(one) {
                    assert_eq!(some, one, "{workers} workers: {}", DIVIDED[index]);
                }
                assert_eq!(some.len(), one.len(), "{workers} workers: {}", DIVIDED[index]);
            }
        }
    });
}

/// Queries that hand on what is late for them, with the columns of their sink.
const HANDING_ON: &[&str] = &[
    "SELECT k, window_end, count(*) AS n FROM t GROUP BY k, tumble(ts, INTERVAL '0.002' SECOND)",
    "SELECT s, window_end, count(*) AS n FROM t
     GROUP BY s, hop(ts, INTERVAL '0.001' SECOND, INTERVAL '0.002' SECOND)",
    "SELECT k, s, window_end, count(*) AS n FROM t
     GROUP BY k, s, session(ts, INTERVAL '0.001' SECOND)",
    "SELECT k, window_end, count(*) AS n FROM w
     GROUP BY k, tumble(ts, INTERVAL '0.002' SECOND) EMIT ON WINDOW CLOSE",
    "SELECT k, s, tumble(ts, INTERVAL '0.002' SECOND) AS w, count(*) AS n FROM t
     GROUP BY GROUPING SETS ((k, tumble(ts, INTERVAL '0.002' SECOND)),
     (s, tumble(ts, INTERVAL '0.002' SECOND)))",
    "SELECT t.id, u.id AS other FROM t JOIN u ON t.k = u.k
     AND u.ts BETWEEN t.ts - INTERVAL '0.005' SECOND AND t.ts + INTERVAL '0.005' SECOND",
    "SELECT t.id, u.id AS other FROM t ASOF LEFT JOIN u MATCH_CONDITION (t.ts >= u.ts)
     ON t.k = u.k",
    "SELECT a.k, a.n, u.v FROM (SELECT k, ts, count(*) AS n FROM t GROUP BY k, ts) AS a
     JOIN u ON a.k = u.k AND u.ts BETWEEN a.ts - 9 AND a.ts EMIT CHANGES",
];

#[test]
fn late_rows_are_handed_on_as_they_came_for_every_number_of_workers() {
    let handed_on = |seed: u64, workers: usize, least: usize| {
        let config = Config { workers, worker_min_rows: least, ..Config::default() };
        let db = LaminarDB::open_with_clock_at(config, 0).unwrap();
        [SOURCE, OTHER, VERSIONS].into_iter().for_each(|sql| execute(&db, sql));
        for (index, query) in HANDING_ON.iter().enumerate() {
            let sql = format!("CREATE STREAM q{index} AS {query} LATE DATA TO late{index}");
            execute(&db, &sql);
            let plan = db.explain(&format!("q{index}")).unwrap();
            assert!(workers == 1 || plan.contains(&format!("; workers: {workers}, by")), "{plan}");
        }
        db.start_blocking().unwrap();
        let sources = PUSHED.map(|name| db.source_untyped(name).unwrap());
        let (mut random, mut now) = (Random::new(seed), 0);
        let mut subscriptions: Vec<UntypedSubscription> = (0..HANDING_ON.len())
            .map(|index| {
                let options = SubscribeOptions::default();
                db.subscribe_with(&format!("late{index}"), options).unwrap()
            })
            .collect();
        let mut all = vec![Told::new(); HANDING_ON.len()];
        for _ in 0..40 {
            let source = random.pick(&sources);
            let count = *random.pick(&[1, 5, 20, 60]);
            source.push_arrow(rows(&mut random, source, count, &mut now)).unwrap();
            for (subscription, told) in subscriptions.iter_mut().zip(&mut all) {
                drain(subscription, told);
            }
        }
        all
    };
    for_seeds(2, |seed| {
        let one = handed_on(seed, 1, 0);
        for (told, query) in one.iter().zip(HANDING_ON) {
            assert!(!told.is_empty(), "something is late for {query}");
        }
        for (workers, least) in [(2, 0), (3, usize::MAX), (8, 0)] {
            let some = handed_on(seed, workers, least);
            for (index, query) in HANDING_ON.iter().enumerate() {
                assert_eq!(some[index], one[index], "{workers} workers: {query}");
            }
        }
    });
}

#[test]
fn explain_tells_what_is_divided_and_why_not() {
    let db = open(4, 0, DIVIDED);
    for index in 0..DIVIDED.len() {
        let plan = db.explain(&format!("q{index}")).unwrap();
        assert!(plan.contains("; workers: 4, by its keys"), "{plan}");
    }
    for (query, reason) in [
        ("SELECT count(*) AS n FROM t", "there are no keys"),
        (
            "SELECT k, approx_percentile_cont_with_weight(x, 0.5) WITHIN GROUP (ORDER BY x) AS n
             FROM t GROUP BY k",
            "the approximation of approx_percentile_cont_with_weight(...)",
        ),
        (
            "SELECT k, s, count(*) AS n FROM t GROUP BY ROLLUP (k, s)",
            "some groups are there without",
        ),
        ("SELECT t.id FROM t JOIN u ON t.v < u.v", "there are no keys"),
        ("SELECT id FROM t ORDER BY v LIMIT 3", "there are no keys"),
    ] {
        let plan = db.explain(&format!("CREATE STREAM r AS {query}")).unwrap();
        assert!(plan.contains(&format!("; workers: 1, because {reason}")), "{plan}");
    }
    // Nothing is said where nobody asked for workers.
    let plan = db
        .explain("CREATE STREAM r WITH (workers = 1) AS SELECT k, count(*) AS n FROM t GROUP BY k");
    assert!(!plan.unwrap().contains("workers"));
}

#[test]
fn a_stream_has_the_workers_of_its_options_or_of_the_setting_at_its_creation() {
    let db = started(&[SOURCE]);
    let workers = |sql: &str| {
        let plan = db.explain(sql).unwrap();
        let at = plan.find("; workers: ")?;
        Some(plan[at + 11..].split([',', ' ']).next().unwrap().to_string())
    };
    let counts = "SELECT k, count(*) AS n FROM t GROUP BY k";
    assert_eq!(workers(&format!("CREATE STREAM a AS {counts}")), None);
    execute(&db, "SET workers = 3");
    execute(&db, &format!("CREATE STREAM a AS {counts}"));
    execute(&db, &format!("CREATE STREAM b WITH (workers = 2) AS {counts}"));
    execute(&db, "RESET workers");
    execute(&db, &format!("CREATE STREAM c AS {counts}"));
    assert_eq!(workers("a").as_deref(), Some("3"));
    assert_eq!(workers("b").as_deref(), Some("2"));
    assert_eq!(workers("c"), None);
    for (sql, part) in [
        ("SET workers = 0", "takes a number from 1 to 64"),
        ("SET workers = 'many'", "takes a whole number"),
        ("CREATE STREAM d WITH (workers = 65) AS SELECT k FROM t", "takes a number from 1 to 64"),
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains(part), "{error}");
        assert!(error.position().is_some(), "{error}");
    }
}

#[test]
fn rows_time_and_state_of_each_partition_are_told() {
    let db = open(3, 0, &[DIVIDED[0]]);
    let source = db.source_untyped("t").unwrap();
    let (mut random, mut now) = (Random::new(7), 0);
    for _ in 0..20 {
        source.push_arrow(rows(&mut random, &source, 300, &mut now)).unwrap();
    }
    let text = db.explain("EXPLAIN ANALYZE q0").unwrap();
    for partition in 0..3 {
        assert!(text.contains(&format!("(partition {partition}: rows ")), "{text}");
    }
    let of = |what: &str| {
        let sql = format!(
            "SELECT partition, rows_in, rows_out, batches, time_us, state_bytes FROM laminar_operators
             WHERE stream = 'q0' AND label LIKE 'Aggregate%' AND partition {what} ORDER BY partition"
        );
        query(&db, &sql)
    };
    let (whole, parts) = (of("IS NULL"), of("IS NOT NULL"));
    assert_eq!((whole.len(), parts.len()), (1, 3));
    let number = |value: &Value| value.int();
    for column in [1, 2, 5] {
        let sum: i64 = parts.iter().map(|row| number(&row[column])).sum();
        assert_eq!(sum, number(&whole[0][column]), "column {column}");
    }
    assert_eq!(number(&whole[0][1]), 6_000);
    for part in &parts {
        // 17 keys and NULL in three partitions: none is without rows.
        assert!(number(&part[1]) > 0 && number(&part[3]) > 0 && number(&part[4]) > 0, "{parts:?}");
    }
}

#[test]
fn databases_with_workers_come_and_go_without_leaving_threads() {
    for round in 0..60 {
        let db = open(4, 0, &DIVIDED[..2]);
        let source = db.source_untyped("t").unwrap();
        let mut random = Random::new(round);
        source.push_arrow(rows(&mut random, &source, 40, &mut 0)).unwrap();
        if round % 2 == 0 {
            db.shutdown_blocking().unwrap();
        }
    }
    #[cfg(target_os = "linux")]
    {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        let workers = names.filter(|name| name.starts_with("laminar-worker")).count();
        // 180 were started here; those of other tests may be there now.
        assert!(workers < 100, "{workers} threads are left");
    }
}

#[test]
fn a_database_is_closed_while_workers_are_at_work() {
    for seed in 0..10 {
        let db = open(3, 0, DIVIDED);
        let pushing: Vec<_> = (0..2)
            .map(|producer| {
                let source = db.source_untyped("t").unwrap();
                std::thread::spawn(move || {
                    let (mut random, mut now) = (Random::new(seed * 2 + producer), 0);
                    let mut pushed = 0;
                    // Until the database refuses.
                    while source.push_arrow(rows(&mut random, &source, 50, &mut now)).is_ok() {
                        pushed += 1;
                        assert!(pushed < 1_000_000, "nobody closed the database");
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(5));
        db.shutdown_blocking().unwrap();
        pushing.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
