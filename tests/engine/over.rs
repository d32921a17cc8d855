//! Window functions, over rows that come and rows that change, against the batch answer.

use crate::row;
use crate::support::changing::run;
use crate::support::database::{content, execute, refused, started};

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
        "SELECT sum(v) OVER (ORDER BY v) AS s FROM t",
        "SELECT lag(v) IGNORE NULLS OVER (ORDER BY v) AS s FROM t",
    ] {
        let error = refused(&db, &format!("CREATE STREAM s AS {query}"));
        assert!(error.message().contains("PARTITION BY"), "{query}: {error}");
    }
}
