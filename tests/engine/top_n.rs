//! Top-N: the first rows in an order, over rows that come and rows that change.

use laminar_db::LaminarDB;

use crate::row;
use crate::support::changing::run;
use crate::support::database::{
    batches, content, drain_rows, execute, query, refused, started, subscribe,
};
use crate::support::value::{Row, rows};

#[test]
fn order_by_limit_is_the_first_rows() {
    run(
        &[
            "SELECT id, v FROM r ORDER BY v DESC NULLS LAST, id LIMIT 5",
            "SELECT k, v, id FROM r ORDER BY o, id LIMIT 4 OFFSET 3",
            "SELECT v FROM r ORDER BY x + v, id DESC LIMIT 7",
            "SELECT id FROM r ORDER BY id OFFSET 10",
            "SELECT count(*) AS n, sum(v) AS s FROM (SELECT v FROM r ORDER BY v, id LIMIT 6) AS q",
            "SELECT k, count(*) AS n FROM r GROUP BY k ORDER BY n DESC, k LIMIT 2",
            "SELECT id FROM r ORDER BY id LIMIT 0",
        ],
        4,
        15,
        20,
    );
}

#[test]
fn a_filter_on_a_rank_is_top_n_in_every_spelling() {
    let by_row = "SELECT id, k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC, id) AS rn
                  FROM r";
    let of = |select: &str, filter: &str| format!("SELECT {select} FROM ({by_row}) AS q {filter}");
    let queries = [
        of("*", "WHERE rn <= 3"),
        of("*", "WHERE rn = 1"),
        of("id, v", "WHERE rn < 4"),
        of("k, id", "WHERE rn BETWEEN 2 AND 4"),
        of("*", "WHERE rn BETWEEN 2 AND 4"),
        of("id, rn", "WHERE 3 >= rn AND v > 0"),
        of("id", "WHERE rn <= 3 AND rn > 1 AND k IS NOT NULL"),
        of("k, count(*) AS n, sum(v) AS s", "WHERE rn <= 2 GROUP BY k"),
        of("id", "WHERE rn = 0"),
        of("id, rn", "WHERE rn > 2"),
        of("id, rn", "WHERE rn = 1 OR rn = 3"),
        of("id", "WHERE rn <= id"),
        "SELECT id, v FROM r QUALIFY row_number() OVER (PARTITION BY k ORDER BY o, id) <= 2"
            .to_string(),
    ];
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    run(&queries, 3, 12, 20);
}

#[test]
fn ranks_with_ties_keep_all_peers() {
    run(
        &[
            "SELECT * FROM (SELECT id, k, o, rank() OVER (PARTITION BY k ORDER BY o) AS p FROM r)
             AS q WHERE p <= 3",
            "SELECT id FROM (SELECT id, rank() OVER (PARTITION BY k ORDER BY o) AS p FROM r)
             AS q WHERE p = 1",
            "SELECT id, p FROM (SELECT id, rank() OVER (PARTITION BY k ORDER BY o) AS p FROM r)
             AS q WHERE p BETWEEN 2 AND 4",
            "SELECT * FROM (SELECT id, k, o, dense_rank() OVER (PARTITION BY k ORDER BY o DESC) AS
             p FROM r) AS q WHERE p <= 2",
            "SELECT id, o FROM (SELECT id, o, dense_rank() OVER (ORDER BY o) AS p FROM r) AS q
             WHERE p < 4",
        ],
        4,
        15,
        20,
    );
}

#[test]
fn distinct_on_is_the_first_row_of_each_group() {
    run(
        &[
            "SELECT DISTINCT ON (k) k, v, id FROM r ORDER BY k, v DESC, id",
            "SELECT DISTINCT ON (o, k) id, v + 1 AS w FROM r ORDER BY o, k, id DESC",
            "SELECT count(*) AS n, sum(v) AS s FROM
             (SELECT DISTINCT ON (k) k, v FROM r ORDER BY k, id) AS q",
        ],
        3,
        12,
        20,
    );
}

const PAIRS: &str = "CREATE SOURCE t (k VARCHAR, v BIGINT, n BIGINT)";

fn insert(db: &LaminarDB, values: &str) {
    execute(db, &format!("INSERT INTO t VALUES {values}"));
}

#[test]
fn ties_break_by_arrival_where_rows_only_come() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM first AS SELECT k, v, n FROM (SELECT k, v, n, row_number() OVER
             (PARTITION BY k ORDER BY v) AS rn FROM t) AS q WHERE rn = 1",
        "CREATE STREAM two AS SELECT n FROM t ORDER BY v DESC LIMIT 2",
        "CREATE STREAM any AS SELECT n FROM t LIMIT 3",
    ]);
    insert(&db, "('a', 1, 9), ('a', 1, 3), ('b', 5, 5)");
    insert(&db, "('a', 1, 1), ('b', 5, 4), ('b', 5, 6)");
    assert_eq!(content(&db, "first"), vec![row!["a", 1, 9], row!["b", 5, 5]]);
    assert_eq!(content(&db, "two"), vec![row![4], row![5]]);
    assert_eq!(content(&db, "any"), vec![row![3], row![5], row![9]]);
}

#[test]
fn ties_break_by_all_columns_where_rows_change() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM u AS SELECT n, max(k) AS k, max(v) AS v FROM t GROUP BY n",
        "CREATE STREAM first AS SELECT k, v, n FROM (SELECT k, v, n, row_number() OVER
             (PARTITION BY k ORDER BY v) AS rn FROM u) AS q WHERE rn = 1",
        "CREATE STREAM two AS SELECT v, n FROM u ORDER BY v DESC LIMIT 2",
    ]);
    insert(&db, "('a', 1, 9), ('a', 1, 3), ('b', 5, 5)");
    insert(&db, "('a', 1, 4), ('b', 5, 4), ('b', 5, 6)");
    // n = 4 has become ('b', 5).
    assert_eq!(content(&db, "first"), vec![row!["a", 1, 3], row!["b", 5, 4]]);
    assert_eq!(content(&db, "two"), vec![row![5, 4], row![5, 5]]);
}

#[test]
fn only_what_changes_is_told() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM top AS SELECT k, v FROM (SELECT k, v, row_number() OVER (PARTITION BY k
             ORDER BY v DESC) AS rn FROM t) AS q WHERE rn <= 3 EMIT CHANGES",
        "CREATE STREAM numbered AS SELECT k, v, rn FROM (SELECT k, v, row_number() OVER (PARTITION
             BY k ORDER BY v DESC) AS rn FROM t) AS q WHERE rn <= 3 EMIT CHANGES",
        "CREATE STREAM latest AS SELECT k, v FROM (SELECT k, v, n, row_number() OVER (PARTITION BY
             k ORDER BY n DESC) AS rn FROM t) AS q WHERE rn = 1",
    ]);
    let (mut top, mut numbered) = (subscribe(&db, "top"), subscribe(&db, "numbered"));
    insert(&db, "('a', 10, 1), ('a', 20, 2), ('a', 30, 3), ('a', 5, 4), ('b', 1, 5)");
    drain_rows(&mut top);
    drain_rows(&mut numbered);
    // Below the third: nothing.
    insert(&db, "('a', 7, 6)");
    assert_eq!(drain_rows(&mut top), Vec::<Row>::new());
    assert_eq!(drain_rows(&mut numbered), Vec::<Row>::new());
    // In the middle: without the rank one row gives way, with it the rows behind move.
    insert(&db, "('a', 25, 7)");
    assert_eq!(drain_rows(&mut top), vec![row!["a", 10, -1], row!["a", 25, 1]]);
    assert_eq!(
        drain_rows(&mut numbered),
        vec![row!["a", 20, 2, -1], row!["a", 10, 3, -1], row!["a", 25, 2, 1], row!["a", 20, 3, 1]]
    );
    // The last row of each key replaces the one before, and no key ever ceases.
    let plan = rows(&batches(
        &db,
        "EXPLAIN SELECT k, v FROM (SELECT k, v, n, row_number() OVER
        (PARTITION BY k ORDER BY n DESC) AS rn FROM t) AS q WHERE rn = 1",
    ));
    let plan: Vec<&str> = plan.iter().map(|row| row.last().unwrap().text()).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("EMIT ON UPDATE") && plan.contains("key (k)"), "{plan}");
    assert!(plan.contains("keeps the rows up to the last rank"), "{plan}");
}

#[test]
fn an_order_without_a_limit_is_refused() {
    let db = started(&[PAIRS]);
    let error = refused(&db, "CREATE STREAM s AS SELECT k, v FROM t ORDER BY v");
    assert!(error.message().contains("ORDER BY without LIMIT"), "{error}");
    assert_eq!(query(&db, "SELECT k FROM t ORDER BY v"), Vec::<Row>::new());
}
