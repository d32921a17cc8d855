//! `GROUPING SETS`, `ROLLUP`, `CUBE` and `grouping()`, also by windows.

use super::relation::compare_all;
use crate::row;
use crate::support::database::{affected, content, started};
use crate::support::random::for_seeds;

/// Sets without keys have their row over no rows, too, unless `HAVING` leaves it out.
#[test]
fn sets_of_keys() {
    let queries = [
        "SELECT k, k2, count(*) AS n, sum(i64) AS s FROM u GROUP BY ROLLUP (k, k2)",
        "SELECT k, k2, flag, count(*) AS n, max(s) AS m FROM u GROUP BY CUBE (k, k2, flag)
         HAVING count(*) > 0",
        "SELECT k, k2, count(DISTINCT i8) AS n, array_agg(id ORDER BY id) AS a FROM u
         GROUP BY GROUPING SETS ((k), (k2), (k, k2))",
        "SELECT k, k2, grouping(k) AS a, grouping(k2) AS b, grouping(k, k2) AS c, count(*) AS n
         FROM u GROUP BY CUBE (k, k2)",
        "SELECT k, flag, k2, median(i32) AS m FROM u GROUP BY k, ROLLUP (flag, k2)",
        "SELECT k, count(*) AS n FROM u GROUP BY GROUPING SETS ((k), (k))",
        "SELECT upper(k) AS u, k2 % 2 AS p, count(k) AS n FROM u GROUP BY ROLLUP (upper(k), k2 % 2)
         HAVING count(*) > 0",
        "SELECT k, sum(k2) AS s, count(k) AS n FROM u GROUP BY ROLLUP (k) HAVING count(*) > 3",
        "SELECT k, sum(i32) FILTER (WHERE flag) AS s FROM u WHERE k2 > 0
         GROUP BY GROUPING SETS ((k), (), (k2), ())",
        "SELECT g, count(*) AS groups, sum(n) AS n FROM
           (SELECT k, k2, grouping(k, k2) AS g, count(*) AS n FROM u GROUP BY CUBE (k, k2)) AS x
         GROUP BY g",
        "SELECT count(*) AS n, array_agg(id ORDER BY id) AS a, median(i32) AS m, sum(DISTINCT i8) AS d
         FROM u GROUP BY GROUPING SETS (())",
        "SELECT a.k, a.n, b.n AS all FROM (SELECT k, count(*) AS n FROM u GROUP BY ROLLUP (k)) AS a
         JOIN (SELECT count(*) AS n FROM u) AS b ON a.n = b.n",
    ];
    let queries: Vec<String> = queries.iter().map(ToString::to_string).collect();
    for_seeds(3, |seed| compare_all(seed, &queries, 90));
}

#[test]
fn sets_within_a_window() {
    let db = started(&[
        "CREATE SOURCE t (k VARCHAR, l VARCHAR, v BIGINT, ts BIGINT, WATERMARK FOR ts)",
        "CREATE STREAM s AS SELECT window_start, k, l, grouping(k, l) AS g, sum(v) AS s
           FROM t GROUP BY tumble(ts, 1000), ROLLUP (k, l)",
    ]);
    affected(&db, "INSERT INTO t VALUES ('a', 'x', 1, 0), ('a', 'y', 2, 10), ('b', 'x', 4, 20)");
    affected(&db, "INSERT INTO t VALUES ('a', 'x', 8, 1500), ('a', 'x', 16, 2500)");
    let none = None::<i64>;
    let mut expected = vec![
        row![0, "a", "x", 0, 1],
        row![0, "a", "y", 0, 2],
        row![0, "b", "x", 0, 4],
        row![0, "a", none, 1, 3],
        row![0, "b", none, 1, 4],
        row![0, none, none, 3, 7],
        row![1000, "a", "x", 0, 8],
        row![1000, "a", none, 1, 8],
        row![1000, none, none, 3, 8],
    ];
    expected.sort();
    assert_eq!(content(&db, "s"), expected);
}
