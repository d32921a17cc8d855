//! `state_ttl`: what unbounded joins and aggregates forget, and that they do.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{Config, LaminarDB};

use crate::row;
use crate::support::database::{
    content, drain_rows, execute, listed, query, refused, started, subscribe,
};
use crate::support::random::{Random, for_seeds};
use crate::support::value::Row;

fn explain(db: &LaminarDB, name: &str) -> String {
    let rows = query(db, &format!("EXPLAIN {name}"));
    rows.iter().map(|row| row[0].text().to_string() + "\n").collect()
}

/// A row is kept until the watermark of its side is so far past its time.
#[test]
fn a_join_forgets_by_event_time() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE r (k BIGINT, w BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE STREAM j WITH (state_ttl = '10 ms') AS
         SELECT l.v, r.w FROM l JOIN r ON l.k = r.k",
        "CREATE STREAM exact AS SELECT l.v, r.w FROM l JOIN r ON l.k = r.k",
    ]);
    let plan = explain(&db, "j");
    assert!(plan.contains("keeps for 10 ms: left"), "{plan}");
    assert!(plan.contains("note: not exact"), "{plan}");
    assert!(!explain(&db, "exact").contains("not exact"));
    execute(&db, "INSERT INTO l VALUES (1, 1, 100)");
    execute(&db, "INSERT INTO r VALUES (1, 10, 500)");
    // The left watermark goes to 109, and the row of 100 is still there.
    execute(&db, "INSERT INTO l VALUES (2, 2, 109)");
    execute(&db, "INSERT INTO r VALUES (1, 11, 505)");
    // At 110 it is forgotten; the right row of 500 is, when the right watermark reaches 510.
    execute(&db, "INSERT INTO l VALUES (2, 3, 110)");
    execute(&db, "INSERT INTO r VALUES (1, 12, 509), (2, 20, 509)");
    execute(&db, "INSERT INTO r VALUES (3, 30, 510)");
    execute(&db, "INSERT INTO l VALUES (1, 4, 111)");
    let told = vec![row![1, 10], row![1, 11], row![2, 20], row![3, 20], row![4, 11], row![4, 12]];
    assert_eq!(content(&db, "j"), told);
    let mut exact = told;
    exact.extend([row![1, 12], row![4, 10]]);
    exact.sort();
    assert_eq!(content(&db, "exact"), exact);
}

/// Columns that nothing reads are not kept where rows only come and age by event time, which is kept: what
/// is forgotten is the same as with all of them.
#[test]
fn what_is_not_read_is_not_kept_and_forgets_alike() {
    let reads = [
        ("SELECT l.v FROM l JOIN r ON l.k = r.k", "SELECT v FROM"),
        ("SELECT l.v, r.w FROM l JOIN r ON l.k = r.k WHERE l.v > 3", "SELECT v, w FROM"),
        ("SELECT l.v, r.w FROM l LEFT JOIN r ON l.k = r.k", "SELECT v, w FROM"),
        ("SELECT l.k, count(*) AS n FROM l JOIN r ON l.k = r.k GROUP BY l.k", "SELECT k, n FROM"),
        ("SELECT k, count(*) AS n FROM l GROUP BY k", "SELECT k, n FROM"),
    ];
    // The same with every column read: of groups in a `HAVING` that is always true.
    let all = [
        "SELECT l.*, r.w, r.ts AS other, r.wide AS wider FROM l JOIN r ON l.k = r.k",
        "SELECT l.*, r.w, r.ts AS other, r.wide AS wider FROM l JOIN r ON l.k = r.k WHERE l.v > 3",
        "SELECT l.*, r.w, r.ts AS other, r.wide AS wider FROM l LEFT JOIN r ON l.k = r.k",
        "SELECT l.k, count(*) AS n FROM l JOIN r ON l.k = r.k GROUP BY l.k
         HAVING count(l.v) + count(l.wide) + count(r.w) + count(r.wide) + count(r.ts) >= 0",
        "SELECT k, count(*) AS n FROM l GROUP BY k HAVING count(v) + count(wide) >= 0",
    ];
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, wide VARCHAR, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE r (wide VARCHAR, k BIGINT, ts BIGINT NOT NULL, w BIGINT, WATERMARK FOR ts)",
    ]);
    for (index, ((read, _), all)) in reads.iter().zip(all).enumerate() {
        let with = "WITH (state_ttl = '20 ms') AS";
        execute(&db, &format!("CREATE STREAM read{index} {with} {read}"));
        execute(&db, &format!("CREATE STREAM all{index} {with} {all}"));
    }
    let wide = "a text that nothing reads".repeat(20);
    let mut times = [0, 0];
    for turn in 0..120 {
        times[0] += turn % 7;
        times[1] += (turn * 5) % 11;
        let (k, v) = (turn % 5, turn % 13);
        let (l, r) = (times[0], times[1]);
        execute(&db, &format!("INSERT INTO l VALUES ({k}, '{wide}{turn}', {v}, {l})"));
        execute(&db, &format!("INSERT INTO r VALUES ('{wide}{turn}', {k}, {r}, {v})"));
        for (index, (_, columns)) in reads.iter().enumerate() {
            let mut expected = query(&db, &format!("{columns} all{index}"));
            expected.sort();
            assert_eq!(
                content(&db, &format!("read{index}")),
                expected,
                "{turn}: {}",
                reads[index].0
            );
        }
    }
    for index in 0..reads.len() {
        let [read, all] =
            ["read", "all"].map(|name| explain(&db, &format!("VERBOSE {name}{index}")));
        assert!(!read.contains("wide Utf8"), "{read}");
        assert!(index == 4 || all.contains("wide Utf8"), "{all}");
    }
}

/// Rows that differ in their time alone go one by one, also where nothing else of them is read.
#[test]
fn what_only_has_to_be_there_is_forgotten_row_by_row() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE r (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE STREAM semi WITH (state_ttl = '10 ms') AS
         SELECT l.ts FROM l LEFT SEMI JOIN r ON l.k = r.k",
        "CREATE STREAM anti WITH (state_ttl = '10 ms') AS
         SELECT l.ts FROM l LEFT ANTI JOIN r ON l.k = r.k",
    ]);
    execute(&db, "INSERT INTO r VALUES (1, 100), (1, 107)");
    // The right watermark goes to 110: the row of 100 is forgotten, that of 107 is not.
    execute(&db, "INSERT INTO r VALUES (2, 110)");
    execute(&db, "INSERT INTO l VALUES (1, 500)");
    // At 117 that of 107 is forgotten, too.
    execute(&db, "INSERT INTO r VALUES (2, 117)");
    execute(&db, "INSERT INTO l VALUES (1, 501)");
    assert_eq!(content(&db, "semi"), [row![500]]);
    assert_eq!(content(&db, "anti"), [row![501]]);
}

/// What a row of a batch makes forgotten is so for the next row of it, also behind windows and where a
/// silent source keeps up with another.
#[test]
fn what_is_forgotten_does_not_depend_on_pushes() {
    let rows = [(1, 0), (1, 8), (2, 30), (1, 31), (2, 39), (3, 41), (2, 42), (1, 43), (2, 52)];
    let run = |size: usize| {
        let db = LaminarDB::open_with_clock_at(Config::default(), 0).unwrap();
        for sql in [
            "CREATE SOURCE s (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
            "CREATE SOURCE silent (k BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)
             WITH (idle_timeout = 5)",
            "CREATE STREAM counts WITH (state_ttl = 10) AS
             SELECT k, count(*) AS n, min(ts) AS since FROM s GROUP BY k",
            "CREATE STREAM pairs WITH (state_ttl = 10) AS
             SELECT l.ts AS a, r.ts AS b FROM s AS l JOIN s AS r ON l.k = r.k AND l.ts < r.ts",
            "CREATE STREAM beside WITH (state_ttl = 10) AS
             SELECT l.ts AS a, r.ts AS b FROM silent AS l JOIN s AS r ON l.k = r.k",
            "CREATE STREAM tens AS SELECT k, window_start, count(*) AS n
             FROM TUMBLE(s, ts, 10) GROUP BY k, window_start, window_end",
            "CREATE STREAM windows WITH (state_ttl = 10) AS
             SELECT k, sum(n) AS n FROM tens GROUP BY k",
        ] {
            execute(&db, sql);
        }
        db.start_blocking().unwrap();
        execute(&db, "INSERT INTO silent VALUES (1, 25)");
        db.advance_clock(Duration::from_millis(5)).unwrap();
        for rows in rows.chunks(size) {
            let values: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
            execute(&db, &format!("INSERT INTO s VALUES {}", values.join(", ")));
        }
        ["counts", "pairs", "beside", "windows"].map(|name| content(&db, name))
    };
    // By hand. 1 is forgotten by 30 and by 41, 3 by 52; 2 never falls silent for ten.
    let counts = vec![row![1, 1, 43], row![2, 4, 30]];
    // 30 makes 0 and 8 forgotten, 41 makes 30 and 31.
    let pairs = vec![row![0, 8], row![30, 39], row![39, 42], row![39, 52], row![42, 52]];
    // The silent side keeps up: 25 is forgotten by 39.
    let beside = vec![row![25, 0], row![25, 8], row![25, 31]];
    // 30 closes the window of 0, which is forgotten at once; 41 closes those of 30, 52 those of 40.
    let windows = vec![row![1, 2], row![2, 3], row![3, 1]];
    for size in [1, 2, 4, 9] {
        let contents = run(size);
        assert_eq!(contents[0], counts, "{size} at a time");
        assert_eq!(contents[1], pairs, "{size} at a time");
        assert_eq!(contents[2], beside, "{size} at a time");
        assert_eq!(contents[3], windows, "{size} at a time");
    }
}

/// Without a declared watermark the clock counts.
#[test]
fn a_join_forgets_by_the_clock() {
    let db = LaminarDB::open_with_clock_at(Config::default(), 1_000_000).unwrap();
    for sql in [
        "CREATE SOURCE l (k BIGINT, v BIGINT)",
        "CREATE SOURCE r (k BIGINT, w BIGINT)",
        "CREATE STREAM c AS SELECT k, sum(w) AS w FROM r GROUP BY k",
        "CREATE STREAM j WITH (state_ttl = INTERVAL '10' SECOND) AS
         SELECT l.v, c.w FROM l LEFT JOIN c ON l.k = c.k",
    ] {
        execute(&db, sql);
    }
    db.start_blocking().unwrap();
    let mut subscription = subscribe(&db, "j");
    let pass = |seconds| db.advance_clock(Duration::from_secs(seconds)).unwrap();
    let none = None::<i64>;
    execute(&db, "INSERT INTO l VALUES (1, 1)");
    execute(&db, "INSERT INTO r VALUES (1, 10)");
    let told = drain_rows(&mut subscription);
    assert_eq!(told, [row![1, none, 1], row![1, none, -1], row![1, 10, 1]]);
    pass(9);
    execute(&db, "INSERT INTO r VALUES (1, 5)");
    assert_eq!(drain_rows(&mut subscription), [row![1, 10, -1], row![1, 15, 1]]);
    // The left row is 10 s old and goes after this epoch, in which it is still there.
    pass(1);
    execute(&db, "INSERT INTO l VALUES (1, 2)");
    assert_eq!(drain_rows(&mut subscription), [row![2, 15, 1]]);
    execute(&db, "INSERT INTO r VALUES (1, 1)");
    assert_eq!(drain_rows(&mut subscription), [row![2, 15, -1], row![2, 16, 1]]);
    // Both rows are forgotten; what takes back the right one takes back nothing.
    pass(10);
    execute(&db, "INSERT INTO l VALUES (9, 9)");
    assert_eq!(drain_rows(&mut subscription), [row![9, none, 1]]);
    execute(&db, "INSERT INTO r VALUES (1, 4)");
    assert_eq!(drain_rows(&mut subscription), Vec::<Row>::new());
    execute(&db, "INSERT INTO l VALUES (1, 3)");
    assert_eq!(drain_rows(&mut subscription), [row![3, 20, 1]]);
    // Nothing that was given is taken back.
    let rows = [row![1, 15], row![2, 16], row![3, 20], row![9, none]];
    assert_eq!(content(&db, "j"), rows);
}

/// A group goes when its last row has, and begins anew.
#[test]
fn an_aggregate_forgets_groups() {
    let db = started(&[
        "CREATE SOURCE t (k VARCHAR, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 2)",
        "CREATE STREAM s WITH (state_ttl = 10) AS
         SELECT k, sum(v) AS v, max(v) AS m FROM t GROUP BY k",
    ]);
    let plan = explain(&db, "s");
    assert!(plan.contains("a group is forgotten 10 ms after its last row"), "{plan}");
    let mut subscription = subscribe(&db, "s");
    execute(&db, "INSERT INTO t VALUES ('a', 1, 100), ('b', 2, 100)");
    execute(&db, "INSERT INTO t VALUES ('a', 3, 105)");
    drain_rows(&mut subscription);
    // The watermark comes to 110: `b` of 100 goes, `a` of 105 stays.
    execute(&db, "INSERT INTO t VALUES ('c', 4, 112)");
    assert_eq!(content(&db, "s"), [row!["a", 4, 3], row!["c", 4, 4]]);
    assert_eq!(drain_rows(&mut subscription), [row!["c", 4, 4]]);
    // It is a new group, even if its row is late by now; an older row does not make a group older.
    execute(&db, "INSERT INTO t VALUES ('b', 5, 112), ('a', 1, 90)");
    assert_eq!(content(&db, "s"), [row!["a", 5, 3], row!["b", 5, 5], row!["c", 4, 4]]);
    execute(&db, "INSERT INTO t VALUES ('c', 1, 117)");
    assert_eq!(content(&db, "s"), [row!["b", 5, 5], row!["c", 5, 4]]);
}

/// A group over rows that change: what it has forgotten is not taken back from the group of the
/// same key that began after it.
#[test]
fn an_aggregate_of_what_changes_forgets_groups() {
    const TTL: i64 = 20;
    #[derive(Default)]
    struct Group {
        sum: i64,
        rows: i64,
        last: i64,
        since: i64,
    }
    for_seeds(6, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[
            "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 15)",
            "CREATE STREAM u AS SELECT k, ts, sum(v) AS v FROM t GROUP BY k, ts HAVING sum(v) <> 0",
            "CREATE STREAM s WITH (state_ttl = 20) AS
             SELECT k, sum(v) AS v, count(*) AS n FROM u GROUP BY k",
        ]);
        // What `u` and `s` hold by their definitions, row by row.
        let mut changing: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        let mut groups: BTreeMap<i64, Group> = BTreeMap::new();
        let (mut clock, mut largest) = (0, i64::MIN);
        let mut forgotten = 0;
        for _ in 0..500 {
            clock += random.range(0, 6);
            let (k, v) = (random.range(0, 4), random.range(-2, 3));
            let ts = clock - random.range(0, 60);
            execute(&db, &format!("INSERT INTO t VALUES ({k}, {v}, {ts})"));
            // Rows are forgotten that are behind this.
            let limit = largest.saturating_sub(15 + TTL).saturating_add(1);
            let old = changing.get(&(k, ts)).copied().unwrap_or(0);
            changing.insert((k, ts), old + v);
            for (value, weight) in [(old, -1), (old + v, 1)].into_iter().filter(|row| row.0 != 0) {
                if old == old + v {
                    continue;
                }
                let group = match groups.entry(k) {
                    Entry::Occupied(group) => group.into_mut(),
                    Entry::Vacant(_) if weight < 0 || ts < limit => continue,
                    Entry::Vacant(place) => {
                        place.insert(Group { since: limit, last: ts, ..Group::default() })
                    }
                };
                if ts >= group.since {
                    group.sum += value * weight;
                    group.rows += weight;
                    if weight > 0 {
                        group.last = group.last.max(ts);
                    }
                }
            }
            largest = largest.max(ts);
            let limit = largest - 15 - TTL + 1;
            let before = groups.len();
            groups.retain(|_, group| group.rows > 0 && group.last >= limit);
            forgotten += before - groups.len();
            let expected: Vec<Row> =
                groups.iter().map(|(k, group)| row![*k, group.sum, group.rows]).collect();
            assert_eq!(content(&db, "s"), expected, "{seed}");
        }
        assert!(forgotten > 0);
    });
}

#[test]
fn what_forgets_nothing_is_refused() {
    let db = started(&[
        "CREATE SOURCE t (k VARCHAR, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE u (k VARCHAR, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE STREAM s AS SELECT k, sum(v) AS v FROM t GROUP BY k",
    ]);
    for (query, words) in [
        ("SELECT k FROM t", "bounds nothing here"),
        ("SELECT count(*) AS n FROM t", "bounds nothing here"),
        ("SELECT count(*) AS n FROM t GROUP BY tumble(ts, 10)", "bounds nothing here"),
        ("SELECT t.k FROM t JOIN u ON t.k = u.k AND t.ts = u.ts", "bounds nothing here"),
        ("SELECT v, count(*) AS n FROM s GROUP BY v", "needs their event time"),
    ] {
        let sql = format!("CREATE STREAM x WITH (state_ttl = '1 hour') AS {query}");
        let error = refused(&db, &sql).to_string();
        assert!(error.contains(words), "{query}\n{error}");
    }
    for (value, words) in
        [("0", "more than zero"), ("'x'", "takes a duration"), ("TRUE", "duration")]
    {
        let sql = format!("CREATE STREAM x WITH (state_ttl = {value}) AS SELECT k FROM t");
        let error = refused(&db, &sql).to_string();
        assert!(error.contains(words), "{value}\n{error}");
    }
    let error = refused(&db, "CREATE SOURCE x (a INT) WITH (state_ttl = 5)").to_string();
    assert!(error.contains("no option `state_ttl`"), "{error}");
}

#[test]
fn state_stays_bounded() {
    let db = LaminarDB::open_with_clock_at(Config::default(), 0).unwrap();
    let queries = [
        "l.v, r.v AS w FROM l JOIN r ON l.k = r.k",
        "l.v FROM l LEFT SEMI JOIN r ON l.k = r.k",
        "k, count(*) AS n, max(v) AS v FROM l GROUP BY k",
        "l.v, r.v AS w FROM lc AS l JOIN rc AS r ON l.k = r.k",
        "k, count(*) AS n, max(v) AS v FROM lc GROUP BY k",
        "l.v, c.n FROM lc AS l JOIN c ON l.k = c.k",
    ];
    for sql in [
        "CREATE SOURCE l (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 50)",
        "CREATE SOURCE r (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 50)",
        "CREATE SOURCE lc (k BIGINT, v BIGINT, ts BIGINT)",
        "CREATE SOURCE rc (k BIGINT, v BIGINT, ts BIGINT)",
        "CREATE STREAM c AS SELECT k, count(*) AS n FROM rc GROUP BY k",
    ] {
        execute(&db, sql);
    }
    for (index, query) in queries.iter().enumerate() {
        execute(
            &db,
            &format!(
                "CREATE STREAM s{index} WITH (state_ttl = 1000, retain_history = 10) AS SELECT {query}"
            ),
        );
    }
    db.start_blocking().unwrap();
    let sources = ["l", "r", "lc", "rc"].map(|name| db.source_untyped(name).unwrap());
    let mut after: Vec<Vec<i64>> = Vec::new();
    for step in 0..400 {
        // Keys come and go: 50 at a time, from a range that moves on.
        let column = |of: &dyn Fn(i64) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values((0..100).map(of)))
        };
        for source in &sources {
            let columns = vec![
                column(&|row| step * 10 + row % 50),
                column(&|row| row),
                column(&|row| step * 100 + row),
            ];
            source.push_arrow(RecordBatch::try_new(source.schema(), columns).unwrap()).unwrap();
        }
        db.advance_clock(Duration::from_millis(100)).unwrap();
        if step == 100 || step == 399 {
            let bytes = |index| listed(&db, "SHOW STREAMS", &format!("s{index}"), "state_bytes");
            after.push((0..queries.len()).map(|index| bytes(index).int()).collect());
        }
    }
    for (index, query) in queries.iter().enumerate() {
        let (early, late) = (after[0][index], after[1][index]);
        assert!(late <= early + early / 2, "{query}: {early} bytes, then {late}");
    }
}
