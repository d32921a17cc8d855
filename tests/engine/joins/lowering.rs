//! What EXPLAIN says of joins: their keys, how each side is kept, what the result promises.

use super::SOURCES;
use crate::row;
use crate::support::database::{content, execute, query, refused, started};

fn explain(db: &laminar_db::LaminarDB, sql: &str) -> String {
    let rows = query(db, &format!("EXPLAIN CREATE STREAM x AS {sql}"));
    rows.iter().map(|row| row[0].text().to_string() + "\n").collect()
}

#[track_caller]
fn check(db: &laminar_db::LaminarDB, sql: &str, words: &[&str]) {
    let plan = explain(db, sql);
    for word in words {
        assert!(plan.contains(word), "{sql}\n{plan}\ndoes not say {word}");
    }
}

#[test]
fn what_the_result_promises_follows_from_the_inputs() {
    let db = started(&SOURCES);
    execute(&db, "CREATE STREAM c AS SELECT k, count(*) AS n FROM a GROUP BY k");
    execute(&db, "CREATE STREAM d AS SELECT k, v, count(*) AS n FROM b GROUP BY k, v");
    for (sql, words) in [
        (
            "SELECT a.v, b.v AS w FROM a JOIN b ON a.k = b.k",
            &[
                "Inner join on a.k = b.k: keeps for ever: left rows by key, append-only; right rows \
               by key, append-only  [append-only; event time k, k]",
            ][..],
        ),
        (
            "SELECT a.v FROM a LEFT SEMI JOIN b ON a.k = b.k",
            &["Left semi join", "[append-only; event time k]"],
        ),
        ("SELECT a.v FROM a LEFT ANTI JOIN b ON a.k = b.k", &["[updating with deletes]"]),
        ("SELECT a.v FROM a LEFT JOIN b ON a.k = b.k", &["[updating with deletes]"]),
        (
            "SELECT c.k, d.v, d.n FROM c JOIN d ON c.k = d.k",
            &["left one row per key; right rows by key, found by hash", "key (k, v)"],
        ),
        ("SELECT l.k, r.n FROM c AS l LEFT JOIN c AS r ON l.k = r.k", &["[updating; key (k)]"]),
        // Several counts can be the same key.
        (
            "SELECT l.k, r.n FROM c AS l JOIN c AS r ON l.k = r.n",
            &["left one row per key; right rows by key, found by hash  [updating with deletes]"],
        ),
        ("SELECT d.k, d.v, c.n FROM d JOIN c ON d.k = c.k", &["key (k, v)"]),
        (
            "SELECT a.v, b.v AS w FROM a, b WHERE a.k = b.k AND a.v < 3",
            &["Inner join on a.k = b.k"],
        ),
        ("SELECT a.v FROM a JOIN b ON a.k = b.k AND a.v < b.v", &["where a.v < b.v"]),
        ("SELECT a.v FROM a JOIN b ON a.v < b.v", &["Inner join, where a.v < b.v"]),
        ("SELECT a.v FROM a CROSS JOIN b", &["Cross join: keeps for ever"]),
        // Only an equality that cannot fail leaves the WHERE for the join.
        ("SELECT a.v FROM a, b WHERE a.k = 10 / b.v", &["Cross join", "filter a.k = "]),
        ("SELECT a.v FROM a JOIN b ON a.k = b.v + 1", &["Inner join on a.k = b.v + "]),
        // What comes before an equality that can fail keeps rows from it: on their way in, or there.
        (
            "SELECT a.v FROM a JOIN b ON b.v > 0 AND a.k = 10 / b.v",
            &["Inner join on a.k = ", "filter b.v > "],
        ),
        ("SELECT a.v FROM a JOIN b ON b.v > a.v AND a.k = 10 / b.v", &["Inner join, where b.v > "]),
    ] {
        check(&db, sql, words);
    }
}

#[test]
fn relations_of_a_comma_join_wait_for_one_with_a_condition() {
    let db = started(&SOURCES);
    let sql = "SELECT x.v, y.v AS w FROM a AS x, b AS y, a AS z WHERE x.k = z.k AND y.v = z.v";
    let plan = explain(&db, sql);
    assert!(!plan.contains("Cross join"), "{plan}");
    check(&db, sql, &["on x.k = z.k", "on z.v = y.v"]);
    let sql = "SELECT x.v FROM a AS x CROSS JOIN b AS y JOIN a AS z ON x.k = z.k WHERE y.v = z.v";
    assert!(!explain(&db, sql).contains("Cross join"), "{}", explain(&db, sql));
}

#[test]
fn a_window_over_a_join_closes_where_the_times_are_equated() {
    let db = started(&[
        "CREATE SOURCE o (k BIGINT, ts BIGINT, WATERMARK FOR ts)",
        "CREATE SOURCE p (k BIGINT, ts BIGINT, WATERMARK FOR ts)",
    ]);
    execute(
        &db,
        "CREATE STREAM w AS SELECT tumble(ts, 10) AS start, count(*) AS n FROM
         (SELECT o.ts FROM o JOIN p ON o.k = p.k AND o.ts = p.ts) AS j GROUP BY tumble(ts, 10)",
    );
    execute(&db, "INSERT INTO o VALUES (1, 1), (1, 2), (1, 12), (2, 13), (1, 40)");
    assert_eq!(content(&db, "w").len(), 0, "the other side may still bring a pair");
    execute(&db, "INSERT INTO p VALUES (1, 1), (1, 2), (1, 12)");
    // The smaller watermark is 12.
    assert_eq!(content(&db, "w"), vec![row![0, 2]]);
    execute(&db, "INSERT INTO p VALUES (2, 13), (1, 39)");
    assert_eq!(content(&db, "w"), vec![row![0, 2], row![10, 2]]);
    let error = refused(
        &db,
        "CREATE STREAM x AS SELECT tumble(ts, 10) AS s, count(*) AS n FROM
         (SELECT o.ts FROM o JOIN p ON o.k = p.k) AS j GROUP BY tumble(ts, 10)",
    );
    assert!(error.to_string().contains("no watermark reaches"), "{error}");
}

#[test]
fn windows_are_joined_by_their_bounds() {
    let db = started(&[
        "CREATE SOURCE o (k BIGINT, ts BIGINT, WATERMARK FOR ts)",
        "CREATE STREAM w AS SELECT k, tumble(ts, 10) AS start, window_end, count(*) AS n FROM o
         GROUP BY k, tumble(ts, 10)",
        "CREATE STREAM j AS SELECT l.start, l.window_end, l.n, r.n AS m FROM w AS l JOIN w AS r
         ON l.window_end = r.window_end AND l.k < r.k",
    ]);
    execute(&db, "INSERT INTO o VALUES (1, 1), (1, 2), (2, 3), (1, 15), (2, 30)");
    assert_eq!(content(&db, "j"), vec![row![0, 10, 2, 1]]);
}

#[test]
fn keys_of_different_types_are_coerced() {
    let db = started(&[
        "CREATE SOURCE n (k INT, d DECIMAL(8, 2))",
        "CREATE SOURCE m (k BIGINT, d DOUBLE)",
        "CREATE STREAM j AS SELECT n.k, m.d FROM n, m WHERE n.k = m.k",
        "CREATE STREAM l AS SELECT n.k, m.d FROM n FULL JOIN m ON n.d = m.d",
    ]);
    let plan = query(&db, "EXPLAIN CREATE STREAM x AS SELECT n.k FROM n, m WHERE n.k = m.k");
    assert!(plan.iter().any(|row| row[0].text().contains("Inner join on")), "{plan:?}");
    execute(&db, "INSERT INTO n VALUES (1, 1.5), (2, 2.25), (NULL, NULL)");
    execute(&db, "INSERT INTO m VALUES (1, 2.25), (3, 9), (NULL, NULL)");
    assert_eq!(content(&db, "j"), vec![row![1, 2.25]]);
    let none = None::<i64>;
    let expected = vec![
        row![none, None::<f64>],
        row![none, None::<f64>],
        row![none, 9.0],
        row![1, None::<f64>],
        row![2, 2.25],
    ];
    assert_eq!(content(&db, "l"), expected);
}

#[test]
fn what_is_said_twice_is_one_node() {
    let db = started(&SOURCES);
    let counts = "(SELECT k, count(*) AS n FROM a GROUP BY k)";
    let sql = format!(
        "SELECT c.k, c.n FROM {counts} AS c JOIN (SELECT max(n) AS n FROM {counts} AS d) AS m \
         ON c.n = m.n"
    );
    let plan = explain(&db, &sql);
    assert_eq!(plan.matches("Read a").count(), 1, "{plan}");
    check(&db, &sql, &["[shared: as above]"]);
    let sql = sql.replacen("count(*)", "sum(v)", 1);
    assert_eq!(explain(&db, &sql).matches("Read a").count(), 2);
}

#[test]
fn a_condition_goes_below_the_join_unless_it_can_fail() {
    let db = started(&SOURCES);
    for (condition, is_below) in [("b.v > 2", true), ("10 / b.v > 2", false)] {
        let sql = format!("SELECT a.v FROM a JOIN b ON a.k = b.k WHERE {condition}");
        let plan = explain(&db, &sql);
        assert_eq!(plan.find("Inner join") < plan.find("filter"), is_below, "{plan}");
    }
}
