//! Window functions, over rows that come and rows that change, against the batch answer.

use std::collections::BTreeMap;

use crate::row;
use crate::support::changing::run;
use crate::support::database::{content, execute, query, refused, started};
use crate::support::random::{Random, for_seeds};
use crate::support::value::assert_same;

#[test]
fn rankings() {
    run(
        &[
            "SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY o, id) AS n,
                rank() OVER (PARTITION BY k ORDER BY o) AS r,
                dense_rank() OVER (PARTITION BY k ORDER BY o) AS d FROM r",
            "SELECT id, percent_rank() OVER (PARTITION BY k ORDER BY o DESC) AS p,
                cume_dist() OVER (PARTITION BY k ORDER BY o DESC) AS c,
                ntile(3) OVER (PARTITION BY k ORDER BY o, id) AS t FROM r",
            "SELECT id, rank() OVER (ORDER BY v DESC NULLS LAST) AS r,
                row_number() OVER (ORDER BY v, id) AS n FROM r",
            "SELECT k, o, row_number() OVER (PARTITION BY k, o) AS n FROM (SELECT k, o FROM r) AS q",
            "SELECT k, o, rank() OVER w AS a, dense_rank() OVER w AS b FROM (SELECT k, o FROM r) AS
             q WINDOW w AS (PARTITION BY k ORDER BY o)",
        ],
        4,
        12,
        20,
    );
}

#[test]
fn neighbours() {
    run(
        &[
            "SELECT id, lag(v) OVER w AS a, lead(v) OVER w AS b, lag(v, 2, -1) OVER w AS c,
                lead(x, 3) OVER w AS d FROM r WINDOW w AS (PARTITION BY k ORDER BY o, id)",
            "SELECT id, lag(v) IGNORE NULLS OVER w AS a, lag(v, 2) IGNORE NULLS OVER w AS b
                FROM r WINDOW w AS (PARTITION BY k ORDER BY o, id)",
            "SELECT id, v - lag(v) OVER (ORDER BY id) AS step FROM r",
            "SELECT id, first_value(v) OVER w AS a, last_value(v) OVER w AS b,
                nth_value(v, 2) OVER w AS c FROM r WINDOW w AS (PARTITION BY k ORDER BY o, id)",
            "SELECT id, first_value(v) OVER w AS a, last_value(v) OVER w AS b FROM r
                WINDOW w AS (PARTITION BY k ORDER BY o, id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)",
            "SELECT k, v, lead(v) OVER (PARTITION BY k ORDER BY v) AS next
                FROM (SELECT k, v / 20 AS v FROM r) AS q",
        ],
        4,
        12,
        20,
    );
}

/// By hand: the oracle's own evaluator of this function counts nulls between rows wrongly.
#[test]
fn lead_ignores_nulls() {
    let db = started(&[
        "CREATE SOURCE t (k VARCHAR, at BIGINT, v BIGINT)",
        "CREATE STREAM s AS SELECT at, lead(v, 2) IGNORE NULLS OVER (PARTITION BY k ORDER BY at) AS n
             FROM t",
    ]);
    execute(&db, "INSERT INTO t VALUES ('a', 1, 10), ('a', 2, NULL), ('a', 3, 30), ('a', 5, NULL)");
    let none = None::<i64>;
    assert_eq!(content(&db, "s"), vec![row![1, none], row![2, none], row![3, none], row![5, none]]);
    execute(&db, "INSERT INTO t VALUES ('a', 6, 60), ('b', 7, 70)");
    let early = vec![row![1, 60], row![2, 60], row![3, none], row![5, none]];
    let late = vec![row![6, none], row![7, none]];
    assert_eq!(content(&db, "s"), [early, late].concat());
    execute(&db, "INSERT INTO t VALUES ('a', 4, 40)");
    let early = vec![row![1, 40], row![2, 40], row![3, 60], row![4, none]];
    let late = vec![row![5, none], row![6, none], row![7, none]];
    assert_eq!(content(&db, "s"), [early, late].concat());
}

#[test]
fn frames_of_rows() {
    run(
        &[
            "SELECT id, sum(v) OVER w AS s, count(v) OVER w AS n, min(v) OVER w AS l,
                max(x) OVER w AS h, avg(v) OVER w AS a FROM r
                WINDOW w AS (PARTITION BY k ORDER BY o, id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
            "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY id ROWS UNBOUNDED PRECEDING) AS s,
                sum(v) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED
                    FOLLOWING) AS t,
                count(*) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING)
                    AS n,
                max(v) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING)
                    AS m FROM r",
            "SELECT id, sum(v) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s
                FROM r",
            "SELECT id, k, sum(v) OVER (PARTITION BY k) AS s, count(*) OVER (PARTITION BY k) AS n,
                v * 100 / count(*) OVER (PARTITION BY k) AS share FROM r",
            "SELECT id, sum(v) FILTER (WHERE v > 0) OVER (PARTITION BY k ORDER BY id) AS s FROM r",
        ],
        4,
        12,
        20,
    );
}

#[test]
fn frames_of_values_and_groups() {
    run(
        &[
            "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY o) AS a,
                count(*) OVER (PARTITION BY k ORDER BY o RANGE BETWEEN 2 PRECEDING AND CURRENT ROW)
                    AS b,
                sum(v) OVER (PARTITION BY k ORDER BY o RANGE BETWEEN 1 PRECEDING AND 3 FOLLOWING)
                    AS c,
                count(*) OVER (PARTITION BY k ORDER BY o RANGE BETWEEN CURRENT ROW AND UNBOUNDED
                    FOLLOWING) AS d FROM r",
            "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY o DESC RANGE BETWEEN 2 PRECEDING AND
                1 FOLLOWING) AS a,
                min(v) OVER (PARTITION BY k ORDER BY o DESC NULLS LAST RANGE BETWEEN 1 PRECEDING
                AND 1 FOLLOWING) AS b FROM r",
            "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY o GROUPS BETWEEN 1 PRECEDING AND
                1 FOLLOWING) AS a,
                count(*) OVER (PARTITION BY k ORDER BY o GROUPS BETWEEN 2 PRECEDING AND CURRENT ROW)
                AS b FROM r",
            "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY x RANGE BETWEEN 1.5 PRECEDING AND
                CURRENT ROW) AS a FROM r",
            "SELECT id, count(*) OVER (ORDER BY o RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) AS n
                FROM r",
        ],
        4,
        12,
        20,
    );
}

#[test]
fn running_aggregates() {
    run(
        &[
            "SELECT id, sum(v) OVER w AS s, count(x) OVER w AS n, avg(x) OVER w AS a,
                min(v) OVER w AS l, max(x) OVER w AS h, sum(x) OVER w AS t FROM r
                WINDOW w AS (PARTITION BY k ORDER BY o)",
            "SELECT id, sum(v) OVER w AS s, count(*) OVER w AS n, avg(v) OVER w AS a,
                bool_or(v > 3) OVER w AS b, bit_xor(v) OVER w AS e, max(id) OVER w AS h FROM r
                WINDOW w AS (PARTITION BY k ORDER BY o DESC, id ROWS UNBOUNDED PRECEDING)",
            "SELECT id, sum(v) FILTER (WHERE v % 2 = 0) OVER (PARTITION BY k ORDER BY o) AS s,
                lag(v) OVER (PARTITION BY k ORDER BY o, id) AS b,
                count(v) OVER (PARTITION BY k ORDER BY o, id ROWS UNBOUNDED PRECEDING) AS c,
                sum(v) OVER (PARTITION BY k ORDER BY o, id) AS d,
                max(v) OVER (PARTITION BY k ORDER BY o, id ROWS BETWEEN 1 PRECEDING AND
                    CURRENT ROW) AS m FROM r",
            "SELECT k, v, count(*) OVER (PARTITION BY k ORDER BY v) AS n
                FROM (SELECT k, v / 20 AS v FROM r) AS q",
        ],
        4,
        12,
        30,
    );
}

/// What else goes on from a state: moments, and rows found by their place.
// What is added to some is for their rounding error, which is relative to what they are made from.
#[test]
fn running_moments_and_places() {
    run(
        &[
            "SELECT id, stddev(v) OVER w AS s, var_pop(x) OVER w AS p, corr(v, x) OVER w + 10 AS c,
                regr_slope(v, o) OVER w + 100 AS r, covar_samp(x, v) OVER w + 1000 AS q, regr_count(v, x) OVER w AS n
                FROM r WINDOW w AS (PARTITION BY k ORDER BY o, id)",
            "SELECT id, stddev_pop(v) OVER w AS s, var(v) FILTER (WHERE v > 0) OVER w AS p,
                first_value(v) OVER w AS f, nth_value(v, 2) OVER w AS n
                FROM (SELECT id, k, o, v FROM r) AS q WINDOW w AS (PARTITION BY k ORDER BY o DESC
                NULLS LAST, v DESC NULLS LAST, id ROWS UNBOUNDED PRECEDING)",
            "SELECT id, first_value(v) IGNORE NULLS OVER w AS f, last_value(x) IGNORE NULLS OVER w AS l,
                nth_value(v, 3) IGNORE NULLS OVER w AS n, nth_value(x, 3) OVER w AS m,
                first_value(k) OVER w AS k, last_value(v) OVER w AS v
                FROM r WINDOW w AS (PARTITION BY k ORDER BY o, id)",
            // By peers: each of these columns is the same for all rows that are peers.
            "SELECT id, first_value(o) OVER w AS f, last_value(o) OVER w AS l, nth_value(o, 4) OVER w
                AS n, var(o) OVER w AS v FROM r WINDOW w AS (PARTITION BY k ORDER BY o)",
            "SELECT id, first_value(v) OVER w AS f, nth_value(v, 7) OVER w AS n, stddev(x) OVER w AS s,
                sum(2) OVER w AS two, max('a') OVER w AS a, count(1) OVER w AS one
                FROM r WINDOW w AS (ORDER BY o DESC, id)",
        ],
        4,
        12,
        30,
    );
}

/// What has left a frame is not in its value, however the rows were pushed: by hand, as the batch
/// engine's own frames keep NaN for ever and digits lost to large values.
#[test]
fn values_that_left_a_frame_leave_no_trace() {
    let frame = "OVER (ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)";
    let select = format!(
        "SELECT at, sum(x) {frame} AS s, avg(x) {frame} AS a, var_pop(x) {frame} AS v,
            covar_pop(x, x) {frame} AS c, max(x) {frame} AS h FROM t"
    );
    let values = ["1", "NaN", "2", "4", "1e18", "3", "5", "Infinity", "6", "8"];
    let nan = f64::NAN;
    let (large, one) = (1e18, f64::INFINITY);
    let half = large / 2.0;
    let expected = vec![
        row![0, 1.0, 1.0, 0.0, 0.0, 1.0],
        row![1, nan, nan, nan, nan, nan],
        row![2, nan, nan, nan, nan, nan],
        row![3, 6.0, 3.0, 1.0, 1.0, 4.0],
        row![4, large + 4.0, half + 2.0, half * half, half * half, large],
        row![5, large + 3.0, half + 1.5, half * half, half * half, large],
        row![6, 8.0, 4.0, 1.0, 1.0, 5.0],
        row![7, one, one, nan, nan, one],
        row![8, one, one, nan, nan, one],
        row![9, 14.0, 7.0, 1.0, 1.0, 8.0],
    ];
    for at_once in [1, 3, values.len()] {
        let stream = format!("CREATE STREAM s AS {select}");
        let db = started(&["CREATE SOURCE t (at BIGINT, x DOUBLE)", &stream]);
        for (chunk, values) in values.chunks(at_once).enumerate() {
            let rows = values.iter().enumerate();
            let rows =
                rows.map(|(at, x)| format!("({}, CAST('{x}' AS DOUBLE))", chunk * at_once + at));
            let rows = rows.collect::<Vec<String>>().join(", ");
            execute(&db, &format!("INSERT INTO t VALUES {rows}"));
        }
        assert_same(&format!("{at_once} at once"), &content(&db, "s"), &expected, 1e-12);
        assert_same("asked once", &query(&db, &select), &expected, 1e-12);
    }
}

/// As they come, without an order: the rows of a source are in the order of arrival.
#[test]
fn running_totals_by_arrival() {
    let db = started(&[
        "CREATE SOURCE t (k VARCHAR, v BIGINT)",
        "CREATE STREAM s AS SELECT k, v, sum(v) OVER w AS total, first_value(v) OVER w AS first,
             nth_value(v, 2) OVER w AS second FROM t WINDOW w AS (PARTITION BY k ROWS UNBOUNDED PRECEDING)",
    ]);
    let none = None::<i64>;
    execute(&db, "INSERT INTO t VALUES ('a', 7), ('b', 1), ('a', 3)");
    assert_eq!(
        content(&db, "s"),
        vec![row!["a", 3, 10, 7, 3], row!["a", 7, 7, 7, none], row!["b", 1, 1, 1, none]]
    );
    execute(&db, "INSERT INTO t VALUES ('a', 5), ('b', 2)");
    assert_eq!(
        content(&db, "s"),
        vec![
            row!["a", 3, 10, 7, 3],
            row!["a", 5, 15, 7, 3],
            row!["a", 7, 7, 7, none],
            row!["b", 1, 1, 1, none],
            row!["b", 2, 3, 1, 2]
        ]
    );
}

/// One long partition, whose rows come at its end, in between, change and go.
#[test]
fn running_totals_of_a_long_partition() {
    for_seeds(3, |seed| {
        let mut random = Random::new(seed + 900);
        let db = started(&[
            "CREATE TABLE t (id BIGINT PRIMARY KEY, o BIGINT, v BIGINT)",
            "CREATE MATERIALIZED VIEW s AS SELECT id,
                sum(v) OVER (PARTITION BY id * 0 ORDER BY o, id ROWS UNBOUNDED PRECEDING) AS a,
                max(v) OVER (PARTITION BY id * 0 ORDER BY o, id) AS h FROM t",
            "CREATE MATERIALIZED VIEW p AS SELECT id,
                sum(v) OVER (PARTITION BY id * 0 ORDER BY o) AS b FROM t",
        ]);
        let mut model: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for step in 0..120 {
            let from = model.len() as i64 / 2;
            match random.range(0, 8) {
                0..5 => {
                    let rows: Vec<String> = (0..random.range(1, 12))
                        .map(|_| {
                            let (id, v) =
                                (1_000 * step + random.range(0, 900), random.range(-9, 9));
                            let o = if random.chance(80) { step } else { random.range(0, 120) };
                            model.insert(id, (o, v));
                            format!("({id}, {o}, {v})")
                        })
                        .collect();
                    execute(&db, &format!("INSERT INTO t VALUES {}", rows.join(", ")));
                }
                5 => {
                    execute(&db, &format!("UPDATE t SET v = v + 1 WHERE o = {}", from));
                    model.values_mut().filter(|row| row.0 == from).for_each(|row| row.1 += 1);
                }
                6 => {
                    execute(&db, &format!("DELETE FROM t WHERE o = {}", from));
                    model.retain(|_, row| row.0 != from);
                }
                _ => {
                    // The last rows go.
                    let last = model.values().map(|row| row.0).max().unwrap_or(0);
                    execute(&db, &format!("DELETE FROM t WHERE o = {last}"));
                    model.retain(|_, row| row.0 != last);
                }
            }
            if step % 5 != 0 {
                continue;
            }
            let mut ordered: Vec<(i64, i64, i64)> =
                model.iter().map(|(id, (o, v))| (*o, *id, *v)).collect();
            ordered.sort();
            let (mut by_row, mut by_peers) = (Vec::new(), Vec::new());
            let (mut sum, mut highest) = (0, i64::MIN);
            for (o, id, v) in &ordered {
                sum += v;
                highest = highest.max(*v);
                by_row.push(row![*id, sum, highest]);
                let to_peers = ordered.iter().filter(|row| row.0 <= *o).map(|row| row.2);
                by_peers.push(row![*id, to_peers.sum::<i64>()]);
            }
            by_row.sort();
            by_peers.sort();
            assert_eq!((content(&db, "s"), content(&db, "p")), (by_row, by_peers), "step {step}");
        }
    });
}

/// Were every row to read those before it, this would be 10^8 rows, minutes.
#[test]
fn a_row_at_the_end_of_a_partition_does_not_read_the_others() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, at BIGINT, v BIGINT)",
        "CREATE STREAM s AS SELECT at, sum(v) OVER w AS total, first_value(v) OVER w AS first,
             nth_value(at, 3) OVER w AS third, stddev(v) OVER w AS spread,
             last_value(v) IGNORE NULLS OVER w AS last FROM t
             WINDOW w AS (PARTITION BY k ORDER BY at)",
        "CREATE STREAM last AS SELECT max(total) AS total, count(*) AS n, sum(first) AS first,
             sum(third) AS third, max(spread) AS spread, sum(last) AS last FROM s",
    ]);
    for chunk in 0..15_000 {
        execute(&db, &format!("INSERT INTO t VALUES (1, {chunk}, 2)"));
    }
    // The third row has a place from itself on.
    let expected = row![30_000, 15_000, 30_000, 2 * (15_000 - 2), 0.0, 30_000];
    assert_eq!(content(&db, "last"), vec![expected]);
}

#[test]
fn running_aggregates_without_a_partition() {
    run(
        &[
            "SELECT id, sum(v) OVER w AS s, count(v) OVER w AS n, min(v) OVER w AS l, max(v) OVER w AS h
                FROM r WINDOW w AS (ORDER BY o, id)",
            "SELECT id, sum(v) OVER (ORDER BY o) AS s, avg(v) OVER (ORDER BY o, id ROWS UNBOUNDED PRECEDING) AS a
                FROM (SELECT id, o * 100 + id AS o, v FROM r) AS q",
            "SELECT id, sum(v) FILTER (WHERE k = 'a') OVER (ORDER BY o DESC, id) AS s FROM r",
            "SELECT id, last_value(v) OVER (ORDER BY o, id) AS l,
                last_value(v) OVER (ORDER BY o, id ROWS UNBOUNDED PRECEDING) AS m FROM r",
        ],
        4,
        12,
        20,
    );
    // As in the test before, of all rows.
    let db = started(&[
        "CREATE SOURCE t (at BIGINT, v BIGINT)",
        "CREATE STREAM s AS SELECT at, sum(v) OVER (ORDER BY at) AS total, \
         last_value(v) OVER (ORDER BY at) AS last FROM t",
        "CREATE STREAM last AS SELECT max(total) AS total, sum(last) AS s, count(*) AS n FROM s",
    ]);
    for chunk in 0..15_000 {
        execute(&db, &format!("INSERT INTO t VALUES ({chunk}, 2)"));
    }
    assert_eq!(content(&db, "last"), vec![row![30_000, 30_000, 15_000]]);
}

#[test]
fn over_what_is_over_something() {
    run(
        &[
            "SELECT k, sum(v) AS s, rank() OVER (ORDER BY sum(v)) AS p FROM r GROUP BY k",
            "SELECT k, count(*) AS n, max(d) AS d FROM (SELECT k, v - lag(v) OVER (PARTITION BY k
                ORDER BY id) AS d FROM r) AS q GROUP BY k",
            "SELECT id, p, sum(p) OVER (PARTITION BY k ORDER BY id) AS s FROM (SELECT id, k,
                rank() OVER (PARTITION BY k ORDER BY o) AS p FROM r) AS q",
            "SELECT * FROM (SELECT id, k, a, row_number() OVER (PARTITION BY k ORDER BY a, id) AS n
                FROM (SELECT id, k, lag(v) OVER (PARTITION BY k ORDER BY id) AS a FROM r) AS p) AS q
                WHERE n <= 2",
        ],
        4,
        10,
        20,
    );
}

#[test]
fn what_no_partition_bounds_is_refused() {
    let db = started(&["CREATE SOURCE t (k VARCHAR, v BIGINT)"]);
    for query in [
        "SELECT sum(v) OVER () AS s FROM t",
        "SELECT sum(v) OVER (ORDER BY v ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS s FROM t",
        "SELECT nth_value(v, 40) OVER (ORDER BY v) AS s FROM t",
        "SELECT array_agg(v) OVER (ORDER BY v) AS s FROM t",
        "SELECT lag(v) IGNORE NULLS OVER (ORDER BY v) AS s FROM t",
    ] {
        let error = refused(&db, &format!("CREATE STREAM s AS {query}"));
        assert!(error.message().contains("PARTITION BY"), "{query}: {error}");
    }
}
