//! Arithmetic that leaves its type fails, in ad-hoc queries and statements as in streams, and what
//! fails in a statement is named. Expected values by hand.

use crate::row;
use crate::support::database::{content, execute, query, refused, started};
use crate::support::value::Row;

const MOST: i64 = i64::MAX;

#[test]
fn sums_of_ad_hoc_queries() {
    let db = started(&[
        "CREATE TABLE t (id BIGINT PRIMARY KEY, k VARCHAR, x BIGINT, u BIGINT UNSIGNED, s SMALLINT,
           d DECIMAL(38, 0), f DOUBLE)",
        &format!(
            "INSERT INTO t VALUES (1, 'a', {MOST}, 18446744073709551615, 32767,
               '99999999999999999999999999999999999999', 0.5),
             (2, 'a', 1, 1, 32767, '1', 0.5), (3, 'b', -1, 0, 1, '-1', 0.25), (4, 'b', NULL, NULL, NULL, NULL, NULL)"
        ),
    ]);
    for sum in [
        "sum(x) FROM t WHERE id < 3",
        "sum(x) FROM t WHERE k = 'a' GROUP BY k",
        "sum(u) FROM t",
        "sum(u) FROM t GROUP BY k",
        "sum(DISTINCT u) FROM t",
        "sum(DISTINCT x) FROM t WHERE id < 3",
        "sum(d) FROM t WHERE id < 3",
        "sum(DISTINCT d) FROM t WHERE id < 3",
        "sum(x) FILTER (WHERE k = 'a') FROM t",
        "sum(x + 0) FROM t WHERE id < 3",
        "sum(x) OVER (ORDER BY id) FROM t",
        "sum(x) OVER (PARTITION BY k) FROM t",
        "sum(x) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "a FROM (SELECT sum(x) AS a FROM t GROUP BY k) AS u WHERE a > 0",
        "id FROM t WHERE x < (SELECT sum(u) FROM t)",
    ] {
        let error = refused(&db, &format!("SELECT {sum}")).to_string();
        assert!(error.contains("overflow"), "{sum}\n{error}");
    }
    let most = format!("{MOST}");
    // In whichever order: only the sum must fit.
    assert_eq!(query(&db, "SELECT CAST(sum(x) AS VARCHAR) FROM t"), [row![most.as_str()]]);
    assert_eq!(
        query(&db, "SELECT sum(s), sum(f), sum(x) FILTER (WHERE id > 5) FROM t"),
        [row![65535, 1.25, None::<i64>]]
    );
    assert_eq!(
        query(&db, "SELECT k, sum(s), count(x) FROM t GROUP BY k ORDER BY k"),
        [row!["a", 65534, 2], row!["b", 1, 1]]
    );
    assert_eq!(
        query(
            &db,
            "SELECT id, sum(s) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t ORDER BY id"
        ),
        [row![1, 32767], row![2, 65534], row![3, 32768], row![4, 1]]
    );
    assert_eq!(
        query(&db, "SELECT sum(DISTINCT s), sum(DISTINCT x) FROM t WHERE id > 1"),
        [row![32768, 0]]
    );
    assert_eq!(
        query(&db, "SELECT CAST(sum(d) AS VARCHAR) FROM t WHERE id <> 2"),
        [row!["99999999999999999999999999999999999998"]]
    );
    assert_eq!(query(&db, "SELECT sum(x) FROM t WHERE id > 9"), [row![None::<i64>]]);
}

#[test]
fn sums_of_window_functions_in_streams() {
    let db = started(&[
        "CREATE SOURCE s (k VARCHAR, x BIGINT)",
        "CREATE STREAM running AS SELECT k, x, sum(x) OVER (PARTITION BY k ORDER BY x) AS total FROM s",
    ]);
    execute(&db, &format!("INSERT INTO s VALUES ('a', {MOST}), ('b', 1)"));
    execute(&db, "INSERT INTO s VALUES ('b', 2)");
    assert_eq!(content(&db, "running"), [row!["a", MOST, MOST], row!["b", 1, 1], row!["b", 2, 3]]);
    // The sums of these rows, which are peers, do not fit.
    execute(&db, &format!("INSERT INTO s VALUES ('a', {MOST}), ('a', -5)"));
    execute(&db, "INSERT INTO s VALUES ('b', 3)");
    let expected = [row!["a", -5, -5], row!["b", 1, 1], row!["b", 2, 3], row!["b", 3, 6]];
    assert_eq!(content(&db, "running"), expected);
    let letters = "SELECT count(*) FROM laminar_dead_letters WHERE stream = 'running'";
    assert!(query(&db, letters)[0][0].int() > 0);
    // In a table rows come and go: those that fit again are there again.
    let db = started(&[
        "CREATE TABLE t (id BIGINT PRIMARY KEY, x BIGINT, d DECIMAL(38, 0))",
        "CREATE STREAM sums AS SELECT id,
           sum(x) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s,
           row_number() OVER (ORDER BY id) AS n, dense_rank() OVER (ORDER BY id) AS r FROM t",
        "CREATE STREAM decimals AS SELECT id, sum(d) OVER (PARTITION BY id % 1) AS s FROM t",
    ]);
    let most = format!("'{}'", "9".repeat(38));
    execute(&db, &format!("INSERT INTO t VALUES (1, {MOST}, {most}), (2, 1, '1'), (3, 1, '0')"));
    assert_eq!(content(&db, "sums"), [row![1, MOST, 1, 1], row![3, 2, 3, 3]]);
    assert_eq!(content(&db, "decimals"), Vec::<Row>::new());
    execute(&db, "UPDATE t SET x = x - 1, d = 0 WHERE id IN (1, 2)");
    let expected = [row![1, MOST - 1, 1, 1], row![2, MOST - 1, 2, 2], row![3, 1, 3, 3]];
    assert_eq!(content(&db, "sums"), expected);
    assert_eq!(content(&db, "decimals"), [row![1, "0"], row![2, "0"], row![3, "0"]]);
}

#[test]
fn the_least_value_has_no_negative() {
    let db = started(&[
        "CREATE TABLE t (id INT, x BIGINT, i TINYINT, v INTERVAL, at TIMESTAMP(9))",
        "INSERT INTO t VALUES (1, -9223372036854775808, -128, INTERVAL '-2147483648' MONTH, NULL)",
        "CREATE STREAM negatives AS SELECT id, -x AS a FROM t",
        "CREATE STREAM tiny AS SELECT id, -i AS a FROM t",
        "CREATE STREAM intervals AS SELECT id, -v AS a FROM t",
    ]);
    for expression in ["-x", "-i", "-v", "- (x + 0)", "abs(x)", "x * -1", "x / -1", "x - 1"] {
        let error = refused(&db, &format!("SELECT {expression} FROM t")).to_string();
        assert!(error.contains("verflow"), "{expression}\n{error}");
    }
    for stream in ["negatives", "tiny", "intervals"] {
        assert_eq!(content(&db, stream), Vec::<Row>::new(), "{stream}");
    }
    let letters = query(&db, "SELECT count(*) FROM laminar_dead_letters");
    assert_eq!(letters, [row![3]]);
    execute(&db, "INSERT INTO t VALUES (2, 5, 5, INTERVAL '5' MONTH, NULL)");
    assert_eq!(query(&db, "SELECT -x, -i FROM t WHERE id = 2"), [row![-5, -5]]);
    assert_eq!(content(&db, "tiny"), [row![2, -5]]);
    assert_eq!(content(&db, "intervals").len(), 1);
}

#[test]
fn differences_of_times_are_durations_that_are_checked() {
    let db = started(&[
        "CREATE TABLE t (a TIMESTAMP(9), b TIMESTAMP(9))",
        "INSERT INTO t VALUES ('2262-01-01', '1700-01-01'), ('2000-01-02', '2000-01-01')",
    ]);
    let error =
        refused(&db, "SELECT (a - TIMESTAMP '1970-01-01') + (TIMESTAMP '1970-01-01' - b) FROM t");
    assert!(error.to_string().contains("verflow"), "{error}");
    let rows = query(&db, "SELECT CAST((a - b) + (a - b) AS BIGINT) FROM t WHERE a < '2001-01-01'");
    assert_eq!(rows, [row![2 * 86_400_000_000_000i64]]);
}

/// As in streams: by event time, not by arrival.
#[test]
fn first_and_last_of_ad_hoc_queries_go_by_event_time() {
    let db = started(&[
        "CREATE SOURCE s (k VARCHAR, x BIGINT, ts BIGINT, WATERMARK FOR ts AS ts - 100)",
        "CREATE STREAM kept AS SELECT k, x, ts FROM s WHERE x > 0",
        "CREATE STREAM firsts AS SELECT k, FIRST(x) AS f, LAST(x) AS l FROM s GROUP BY k",
        "CREATE SOURCE plain (x BIGINT, ts BIGINT)",
        "INSERT INTO s VALUES ('a', 1, 30), ('a', 2, 10), ('b', 5, 7), ('a', 3, 20)",
        "INSERT INTO plain VALUES (1, 30), (2, 10), (3, 20)",
    ]);
    let expected = [row!["a", 2, 1], row!["b", 5, 5]];
    assert_eq!(content(&db, "firsts"), expected);
    for text in [
        "SELECT k, FIRST(x) AS f, LAST(x) AS l FROM s GROUP BY k ORDER BY k",
        "SELECT k, first_value(x) AS f, last_value(x) AS l FROM kept GROUP BY k ORDER BY k",
        "SELECT k, first_value(x) AS f, last_value(x) AS l FROM (SELECT * FROM s WHERE x < 9) AS u GROUP BY k
           ORDER BY k",
    ] {
        assert_eq!(query(&db, text), expected, "{text}");
    }
    assert_eq!(query(&db, "SELECT (SELECT LAST(x) FROM s WHERE k = 'a') AS l"), [row![1]]);
    // Without an event time by arrival, and with an order by that.
    assert_eq!(query(&db, "SELECT FIRST(x), LAST(x) FROM plain"), [row![1, 3]]);
    assert_eq!(query(&db, "SELECT FIRST(x ORDER BY x DESC) FROM s WHERE k = 'a'"), [row![3]]);
}

#[test]
fn what_fails_in_a_statement_is_named_and_nothing_is_changed() {
    let db = started(&[
        "CREATE TABLE t (id BIGINT, k VARCHAR, x BIGINT, small SMALLINT, PRIMARY KEY (k, id))",
        "INSERT INTO t VALUES (1, 'a', 5, 1), (2, 'a', 0, 2), (3, 'b', 9223372036854775807, 3)",
        "CREATE TABLE bag (id BIGINT, x BIGINT)",
        "INSERT INTO bag VALUES (1, 1), (2, 0)",
        "CREATE SOURCE s (x BIGINT, y BIGINT)",
    ]);
    let held = |name: &str| content(&db, name);
    let before = (held("t"), held("bag"));
    for (statement, words) in [
        ("UPDATE t SET small = 1, x = 10 / x", "column `x` of the row with k = a, id = 2: "),
        ("UPDATE t SET x = x + 1", "column `x` of the row with k = b, id = 3: "),
        (
            "UPDATE t SET x = x + 1 WHERE k = 'b' AND id = 3",
            "column `x` of the row with k = b, id = 3: ",
        ),
        ("UPDATE t SET x = 1 WHERE 10 / x > 0", "the condition for the row with k = a, id = 2: "),
        ("DELETE FROM t WHERE 10 / x > 0", "the condition for the row with k = a, id = 2: "),
        (
            "UPDATE t SET small = x",
            "the row with k = b, id = 3, column `small` of `t`, which is a Int16: ",
        ),
        ("UPDATE bag SET x = 1 / x", "column `x` of the row id: 2, x: 0: "),
        (
            "UPDATE t SET x = y / t.x FROM (SELECT 1 AS y) AS o",
            "column `x` of the row with k = a, id = 2: ",
        ),
        (
            "INSERT INTO t SELECT id + 10, k, 10 / x, small FROM t",
            "column `x` of the row with k = a, id = 12: ",
        ),
        (
            "INSERT INTO t (x, id, k) SELECT x * 2, id, k FROM t WHERE k = 'b'",
            "column `x` of the row with k = b, id = 3: ",
        ),
        ("INSERT INTO t VALUES (7, 'c', 1, 1), (8, 'c', 1 / 0, 1)", "ivide by zero"),
        ("INSERT INTO s SELECT id, 10 / x FROM bag", "column `y` of row 1: "),
        ("INSERT INTO bag SELECT id, x FROM bag WHERE 1 / x > 0", "the condition for row 1: "),
        ("INSERT INTO bag SELECT id, 10 / x FROM bag ORDER BY id LIMIT 5", "column `x` of row 1: "),
    ] {
        let error = refused(&db, statement).to_string();
        assert!(
            error.contains(words) && error.contains("nothing was changed"),
            "{statement}\n{error}"
        );
        assert_eq!((held("t"), held("bag")), before, "{statement}");
    }
    assert_eq!(held("s"), Vec::<Row>::new());
}
