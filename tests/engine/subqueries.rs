//! Subqueries in expressions, over rows that come and rows that change, against the batch answer.

use crate::row;
use crate::support::changing::{run, run_answered};
use crate::support::database::{content, execute, query, refused, started};
use crate::support::value::Row;

#[test]
fn scalar_subqueries() {
    run(
        &[
            "SELECT id, v FROM r WHERE v > (SELECT avg(v) FROM other)",
            "SELECT id, v - (SELECT min(v) FROM other) AS above FROM r",
            "SELECT id, v, (SELECT max(other.v) FROM other WHERE other.k = r.k) AS best FROM r",
            "SELECT id FROM r WHERE v >= (SELECT max(other.v) FROM other WHERE other.k = r.k)",
            "SELECT id, (SELECT count(*) FROM other WHERE other.o = r.o AND other.v > 0) AS n FROM r",
            "SELECT k, count(*) AS n FROM r GROUP BY k
             HAVING count(*) >= (SELECT count(*) / 4 FROM other)",
        ],
        3,
        10,
        15,
    );
}

#[test]
fn membership_and_existence() {
    run(
        &[
            "SELECT id, v FROM r WHERE v IN (SELECT o * 5 FROM other)",
            "SELECT id FROM r WHERE EXISTS (SELECT 1 FROM other WHERE other.k = r.k AND other.v < r.v)",
            "SELECT id FROM r WHERE NOT EXISTS
                (SELECT 1 FROM other WHERE other.k = r.k AND other.v > r.v)",
            "SELECT id FROM r WHERE v > 20 OR EXISTS (SELECT 1 FROM other WHERE other.o = r.v)",
            "SELECT id FROM r WHERE k IN (SELECT k FROM other WHERE v > 40) AND o > 0",
            "SELECT id FROM r WHERE o > 3 OR k IN (SELECT k FROM other WHERE v > 30)",
            "SELECT count(*) AS n FROM r WHERE o IN (SELECT o FROM other GROUP BY o HAVING count(*) > 2)",
        ],
        3,
        10,
        15,
    );
}

#[test]
fn not_in_and_nulls() {
    run(
        &[
            "SELECT id FROM r WHERE v NOT IN (SELECT o FROM other WHERE v > 25)",
            "SELECT id FROM r WHERE o NOT IN (SELECT o FROM other WHERE o IS NOT NULL AND v < -20)",
            "SELECT id FROM r WHERE id NOT IN (SELECT id FROM other WHERE v > 0)",
            "SELECT id, k FROM r WHERE v > 0 AND k NOT IN (SELECT k FROM other WHERE v > 45)",
        ],
        4,
        12,
        15,
    );
}

/// The joins that tell, for `value IN (SELECT column FROM other WHERE condition)`, whether a row has a
/// match, and how many rows and known values the subquery has.
fn members(number: usize, value: &str, column: &str, condition: &str) -> String {
    format!(
        "LEFT JOIN (SELECT DISTINCT {column} AS y FROM other WHERE {condition}) AS m{number}
            ON m{number}.y = {value}
         CROSS JOIN (SELECT count(*) AS n, count({column}) AS known FROM other WHERE {condition})
            AS s{number}"
    )
}

/// The membership by its definition in SQL.
fn is_member(number: usize, value: &str) -> String {
    format!(
        "CASE WHEN m{number}.y IS NOT NULL THEN true WHEN s{number}.n = 0 THEN false
            WHEN {value} IS NULL OR s{number}.known < s{number}.n THEN NULL ELSE false END"
    )
}

/// DataFusion's batch engine has no memberships as values: the joins that define them answer.
#[test]
fn membership_and_existence_as_values() {
    let member = |value: &str| is_member(1, value);
    let queries = [
        ("SELECT id, v IN (SELECT o * 5 FROM other) AS a,
            v NOT IN (SELECT o FROM other WHERE v > 25) AS b FROM r",
         format!("SELECT r.id, {} AS a, NOT ({}) AS b FROM r {} {}",
            member("r.v"), is_member(2, "r.v"),
            members(1, "r.v", "o * 5", "true"), members(2, "r.v", "o", "v > 25"))),
        ("SELECT id, EXISTS (SELECT 1 FROM other WHERE other.k = r.k AND other.v < 20) AS a,
            NOT EXISTS (SELECT 1 FROM other WHERE other.v > 45) AS b FROM r",
         format!("SELECT r.id, m1.y IS NOT NULL AS a, s2.n = 0 AS b FROM r {} {}",
            members(1, "r.k", "k", "v < 20"), members(2, "r.v", "v", "v > 45"))),
        ("SELECT id FROM r WHERE v > 20 OR k NOT IN (SELECT k FROM other WHERE v > 30)",
         format!("SELECT r.id FROM r {} WHERE r.v > 20 OR NOT ({})",
            members(1, "r.k", "k", "v > 30"), member("r.k"))),
        ("SELECT id FROM r WHERE (v IN (SELECT v FROM other)) IS NULL",
         format!("SELECT r.id FROM r {} WHERE ({}) IS NULL",
            members(1, "r.v", "v", "true"), member("r.v"))),
        ("SELECT id, CASE WHEN o IN (SELECT o FROM other WHERE v > 10) THEN 'in' ELSE 'out' END AS c
            FROM r",
         format!("SELECT r.id, CASE WHEN ({}) THEN 'in' ELSE 'out' END AS c FROM r {}",
            member("r.o"), members(1, "r.o", "o", "v > 10"))),
    ];
    let queries = queries.map(|(query, answer)| (query.to_string(), answer));
    run_answered(&queries, 4, 12, 15);
}

#[test]
fn a_membership_is_true_false_or_unknown() {
    let db = started(&[
        "CREATE SOURCE t (x BIGINT)",
        "CREATE TABLE s (id BIGINT PRIMARY KEY, y BIGINT)",
        "CREATE STREAM out AS SELECT x, x IN (SELECT y FROM s) AS a, x NOT IN (SELECT y FROM s) AS b FROM t",
    ]);
    let (yes, no, unknown) = (Some(true), Some(false), None::<bool>);
    execute(&db, "INSERT INTO t VALUES (1), (2), (NULL)");
    let all = |of: [(Option<bool>, Option<bool>); 3]| -> Vec<Row> {
        let xs = [None, Some(1), Some(2)];
        xs.iter().zip(of).map(|(x, (a, b))| row![*x, a, b]).collect()
    };
    // Nothing is in nothing, not even NULL.
    assert_eq!(content(&db, "out"), all([(no, yes), (no, yes), (no, yes)]));
    execute(&db, "INSERT INTO s VALUES (1, 2)");
    assert_eq!(content(&db, "out"), all([(unknown, unknown), (no, yes), (yes, no)]));
    execute(&db, "INSERT INTO s VALUES (2, NULL)");
    assert_eq!(content(&db, "out"), all([(unknown, unknown), (unknown, unknown), (yes, no)]));
    execute(&db, "DELETE FROM s WHERE id = 1");
    assert_eq!(
        content(&db, "out"),
        all([(unknown, unknown), (unknown, unknown), (unknown, unknown)])
    );
}

/// Each row of `r` with the rows of `other` that a condition gives it, as a join; `p` are these.
fn pairs(condition: &str) -> String {
    format!("FROM r LEFT JOIN (SELECT * FROM other) AS p ON {condition}")
}

/// `value IN (...)` of the pairs' `column`, by its definition.
fn in_pairs(value: &str, column: &str) -> String {
    format!(
        "CASE WHEN count(p.id) FILTER (WHERE p.{column} = {value}) > 0 THEN true
            WHEN count(p.id) FILTER (WHERE p.{column} IS NULL OR {value} IS NULL) > 0 THEN NULL
            ELSE false END"
    )
}

/// Subqueries that refer to the rows around them by more than equalities.
#[test]
fn subqueries_by_comparisons() {
    let queries = [
        ("SELECT id, EXISTS (SELECT 1 FROM other WHERE other.v > r.v) AS a,
            NOT EXISTS (SELECT 1 FROM other WHERE other.v > r.v AND other.k = r.k) AS b FROM r",
         format!("SELECT r.id, count(p.id) > 0 AS a, count(p.id) FILTER (WHERE p.k = r.k) = 0 AS b {}
            GROUP BY r.id", pairs("p.v > r.v"))),
        ("SELECT id, v IN (SELECT o * 5 FROM other WHERE other.v < r.v + 10) AS a FROM r",
         format!("SELECT r.id, {} AS a FROM r
            LEFT JOIN (SELECT id, o * 5 AS y, v FROM other) AS p ON p.v < r.v + 10 GROUP BY r.id",
            in_pairs("r.v", "y"))),
        ("SELECT id FROM r WHERE v NOT IN (SELECT o FROM other WHERE other.k = r.k)",
         format!("SELECT id FROM (SELECT r.id, NOT ({}) AS c {} GROUP BY r.id) AS q WHERE c",
            in_pairs("r.v", "o"), pairs("p.k = r.k"))),
        ("SELECT id, (SELECT count(*) FROM other WHERE other.o <= r.o) AS n,
            (SELECT coalesce(max(other.v), -1) FROM other WHERE other.k = r.k AND other.o < r.o) AS m,
            (SELECT sum(other.v + r.o) FROM other WHERE other.o <= r.o) AS s FROM r",
         format!("SELECT r.id, count(p.id) AS n,
            coalesce(max(p.v) FILTER (WHERE p.k = r.k AND p.o < r.o), -1) AS m,
            sum(p.v + r.o) FILTER (WHERE p.id IS NOT NULL) AS s {} GROUP BY r.id", pairs("p.o <= r.o"))),
        ("SELECT id FROM r WHERE (SELECT count(*) FROM other WHERE other.v > r.v) < 4",
         format!("SELECT r.id {} GROUP BY r.id HAVING count(p.id) < 4", pairs("p.v > r.v"))),
        ("SELECT id, v >= ALL (SELECT v FROM other WHERE other.k = r.k) AS a,
            v < ANY (SELECT v FROM other WHERE other.o > 2) AS b FROM r",
         "SELECT a.id, a.a, b.b FROM
            (SELECT r.id, CASE WHEN count(p.id) FILTER (WHERE NOT (r.v >= p.v)) > 0 THEN false
                WHEN count(p.id) FILTER (WHERE (r.v >= p.v) IS NULL) > 0 THEN NULL ELSE true END AS a
             FROM r LEFT JOIN (SELECT * FROM other) AS p ON p.k = r.k GROUP BY r.id) AS a JOIN
            (SELECT r.id, CASE WHEN count(p.id) FILTER (WHERE r.v < p.v) > 0 THEN true
                WHEN count(p.id) FILTER (WHERE (r.v < p.v) IS NULL) > 0 THEN NULL ELSE false END AS b
             FROM r LEFT JOIN (SELECT * FROM other) AS p ON p.o > 2 GROUP BY r.id) AS b
            ON a.id = b.id".to_string()),
    ];
    let queries = queries.map(|(query, answer)| (query.to_string(), answer));
    run_answered(&queries, 2, 8, 10);
}

/// What goes by the rows that a subquery has for each row around it.
#[test]
fn subqueries_with_limits_windows_and_unions() {
    let first = |order: &str, condition: &str, at: &str| {
        format!(
            "SELECT id, c FROM (SELECT r.id, p.v AS c, row_number() OVER (PARTITION BY r.id
                ORDER BY {order}) AS n {}) AS q WHERE n = {at}",
            pairs(condition)
        )
    };
    let queries = [
        ("SELECT id, (SELECT v FROM other WHERE other.k = r.k AND other.o >= r.o
            ORDER BY v DESC NULLS LAST, id LIMIT 1) AS c FROM r",
         first("p.v DESC NULLS LAST, p.id", "p.k = r.k AND p.o >= r.o", "1")),
        ("SELECT r.id, l.v AS c FROM r, LATERAL
            (SELECT v FROM other WHERE other.k = r.k ORDER BY v, id LIMIT 1 OFFSET 1) AS l",
         first("p.v, p.id", "p.k = r.k", "2")),
        ("SELECT r.id, l.v AS c FROM r LEFT JOIN LATERAL
            (SELECT v FROM other WHERE other.k = r.k AND other.v > 40 ORDER BY v, id LIMIT 1) AS l ON true",
         first("p.v, p.id", "p.k = r.k AND p.v > 40", "1")),
        // Numbered among the rows of one key, not among all.
        ("SELECT id, (SELECT sum(n) FROM (SELECT row_number() OVER (ORDER BY id) AS n FROM other
            WHERE other.k = r.k) AS w) AS c FROM r",
         format!("SELECT r.id, CASE WHEN count(p.id) > 0 THEN count(p.id) * (count(p.id) + 1) / 2 END
            AS c {} GROUP BY r.id", pairs("p.k = r.k"))),
        ("SELECT id, (SELECT count(*) FROM (SELECT v AS y FROM other WHERE other.v > r.v UNION
            SELECT o AS y FROM other WHERE other.k = r.k) AS u) AS n FROM r",
         // Each different value of the two, by the row around.
         "SELECT r.id, count(DISTINCT p.y) + max(CASE WHEN p.id IS NOT NULL AND p.y IS NULL
            THEN 1 ELSE 0 END) AS n FROM r LEFT JOIN (SELECT id, k, v, v AS y, 1 AS side FROM other
            UNION ALL SELECT id, k, v, o AS y, 2 AS side FROM other) AS p
            ON (p.side = 1 AND p.v > r.v) OR (p.side = 2 AND p.k = r.k) GROUP BY r.id".to_string()),
        ("SELECT id, (SELECT count(*) FROM (SELECT * FROM other) AS a JOIN (SELECT * FROM other) AS b
            ON a.k = b.k AND b.v < r.v WHERE a.o < r.o) AS n FROM r",
         "SELECT r.id, count(p.o) AS n FROM r LEFT JOIN (SELECT a.o, b.v FROM
            (SELECT * FROM other) AS a JOIN (SELECT * FROM other) AS b ON a.k = b.k) AS p
            ON p.o < r.o AND p.v < r.v GROUP BY r.id".to_string()),
    ];
    let queries = queries.map(|(query, answer)| (query.to_string(), answer));
    run_answered(&queries, 2, 8, 8);
}

/// Subqueries inside of what else an operator reads.
#[test]
fn subqueries_in_arguments_keys_and_conditions() {
    let (yes, members) = (is_member(1, "r.v"), members(1, "r.v", "o * 5", "true"));
    let queries = [
        ("SELECT k, sum(CASE WHEN v IN (SELECT o * 5 FROM other) THEN 1 ELSE 0 END) AS a,
            bool_or(v IN (SELECT o * 5 FROM other)) AS b,
            count(*) FILTER (WHERE v NOT IN (SELECT o * 5 FROM other)) AS c, count(*) AS n
            FROM r GROUP BY k",
         format!("SELECT k, sum(CASE WHEN m THEN 1 ELSE 0 END) AS a, bool_or(m) AS b,
            count(*) FILTER (WHERE NOT m) AS c, count(*) AS n
            FROM (SELECT r.k, {yes} AS m FROM r {members}) AS q GROUP BY k")),
        ("SELECT sum((SELECT max(other.v) FROM other WHERE other.k = r.k)) AS s,
            max((SELECT min(v) FROM other)) AS m,
            sum(CASE WHEN EXISTS (SELECT 1 FROM other WHERE other.o > r.v) THEN v END) AS e FROM r",
         "SELECT sum(a) AS s, max(b) AS m, sum(CASE WHEN e THEN v END) AS e FROM
            (SELECT r.id, min(r.v) AS v, max(p.v) FILTER (WHERE p.k = r.k) AS a, min(p.v) AS b,
             count(p.id) FILTER (WHERE p.o > r.v) > 0 AS e
             FROM r LEFT JOIN (SELECT * FROM other) AS p ON true GROUP BY r.id) AS q".to_string()),
        ("SELECT v IN (SELECT o * 5 FROM other) AS m, count(*) AS n FROM r GROUP BY 1",
         format!("SELECT m, count(*) AS n FROM (SELECT {yes} AS m FROM r {members}) AS q GROUP BY m")),
        ("SELECT k, count(*) AS n, k IN (SELECT k FROM other WHERE other.v > 20) AS m,
            (SELECT count(*) FROM other WHERE other.k = r.k) AS c FROM r GROUP BY k",
         "SELECT k, n, CASE WHEN m.y IS NOT NULL THEN true WHEN s.n2 = 0 THEN false
            WHEN q.k IS NULL OR s.known < s.n2 THEN NULL ELSE false END AS m,
            CASE WHEN q.k IS NULL THEN 0 ELSE n END AS c
            FROM (SELECT k, count(*) AS n FROM r GROUP BY k) AS q
            LEFT JOIN (SELECT DISTINCT k AS y FROM other WHERE v > 20) AS m ON m.y = q.k
            CROSS JOIN (SELECT count(*) AS n2, count(k) AS known FROM other WHERE v > 20) AS s".to_string()),
        ("SELECT id, row_number() OVER (PARTITION BY v IN (SELECT o * 5 FROM other) ORDER BY id) AS n,
            sum((SELECT max(other.v) FROM other WHERE other.k = r.k)) OVER (PARTITION BY k ORDER BY id) AS s
            FROM r",
         format!("SELECT id, row_number() OVER (PARTITION BY m ORDER BY id) AS n,
            sum(b) OVER (PARTITION BY k ORDER BY id) AS s FROM (SELECT r.id, r.k, {yes} AS m,
            max(r.v) OVER (PARTITION BY r.k) AS best, CASE WHEN r.k IS NOT NULL THEN
            max(r.v) OVER (PARTITION BY r.k) END AS b FROM r {members}) AS q")),
        ("SELECT id, k FROM r ORDER BY (SELECT max(other.v) FROM other WHERE other.k = r.k) DESC NULLS
            LAST, id LIMIT 4",
         "SELECT id, k FROM (SELECT id, k, CASE WHEN k IS NOT NULL THEN max(v) OVER (PARTITION BY k) END
            AS b FROM r) AS q ORDER BY b DESC NULLS LAST, id LIMIT 4".to_string()),
        ("SELECT r.id, p.v FROM r LEFT JOIN (SELECT * FROM other) AS p ON p.id = r.id + 1
            AND r.v IN (SELECT o * 5 FROM other) AND r.o > (SELECT min(o) FROM other)",
         format!("SELECT q.id, p.v FROM (SELECT r.id, ({yes}) AND r.o > f.least AS c FROM r {members}
            CROSS JOIN (SELECT min(o) AS least FROM other) AS f) AS q
            LEFT JOIN (SELECT * FROM other) AS p ON p.id = q.id + 1 AND q.c")),
        ("SELECT r.id, p.v FROM r JOIN (SELECT * FROM other) AS p ON p.id = r.id
            AND EXISTS (SELECT 1 FROM other WHERE other.v > p.v AND other.o < r.o)",
         "SELECT DISTINCT r.id, r.v FROM r JOIN (SELECT * FROM other) AS p ON p.v > r.v AND p.o < r.o"
            .to_string()),
    ];
    let queries = queries.map(|(query, answer)| (query.to_string(), answer));
    run_answered(&queries, 2, 8, 8);
}

/// Integers of different widths: the subquery is cast, and refers to the query around it as it is.
#[test]
fn members_of_another_type() {
    let db = started(&[
        "CREATE SOURCE l (x BIGINT, y BIGINT)",
        "CREATE SOURCE i (k SMALLINT, v BIGINT)",
    ]);
    let queries: [(&str, &[i64]); 6] = [
        ("SELECT x FROM l WHERE x IN (SELECT i.k FROM i WHERE i.k < l.y)", &[1]),
        ("SELECT x FROM l WHERE x NOT IN (SELECT i.k FROM i WHERE i.k < l.y)", &[2, 3]),
        ("SELECT x FROM l WHERE x IN (SELECT i.k FROM i WHERE i.k = l.y)", &[3]),
        ("SELECT x FROM l WHERE x >= ALL (SELECT i.k FROM i WHERE i.k < l.y)", &[1, 3]),
        (
            "SELECT x FROM l WHERE CASE WHEN x IN (SELECT i.k FROM i WHERE i.k < l.y) THEN 1 END = 1",
            &[1],
        ),
        ("SELECT x FROM l WHERE x < ANY (SELECT i.k FROM i WHERE i.k < l.y)", &[2]),
    ];
    for (index, (query, _)) in queries.iter().enumerate() {
        execute(&db, &format!("CREATE STREAM s{index} AS {query}"));
    }
    execute(&db, "INSERT INTO l VALUES (1, 2), (2, 9), (3, 3)");
    execute(&db, "INSERT INTO i VALUES (1, 10), (3, 20)");
    for (index, (sql, expected)) in queries.iter().enumerate() {
        let expected: Vec<Row> = expected.iter().map(|x| row![*x]).collect();
        assert_eq!(content(&db, &format!("s{index}")), expected, "{sql}");
        assert_eq!(query(&db, &format!("{sql} ORDER BY x")), expected, "ad hoc: {sql}");
    }
}

#[test]
fn one_null_in_the_subquery_leaves_nothing() {
    let db = started(&[
        "CREATE SOURCE t (x BIGINT)",
        "CREATE SOURCE s (y BIGINT, live BIGINT)",
        "CREATE STREAM ys AS SELECT y FROM s GROUP BY y HAVING sum(live) > 0",
        "CREATE STREAM out AS SELECT x FROM t WHERE x NOT IN (SELECT y FROM ys)",
    ]);
    execute(&db, "INSERT INTO t VALUES (1), (2), (NULL)");
    // With nothing to be in, even a NULL is not in it.
    assert_eq!(content(&db, "out"), vec![row![None::<i64>], row![1], row![2]]);
    execute(&db, "INSERT INTO s VALUES (2, 1)");
    assert_eq!(content(&db, "out"), vec![row![1]]);
    execute(&db, "INSERT INTO s VALUES (NULL, 1)");
    assert_eq!(content(&db, "out"), Vec::<Row>::new());
    execute(&db, "INSERT INTO s VALUES (NULL, -1)");
    assert_eq!(content(&db, "out"), vec![row![1]]);
    execute(&db, "INSERT INTO s VALUES (2, -1)");
    assert_eq!(content(&db, "out"), vec![row![None::<i64>], row![1], row![2]]);
}

#[test]
fn what_could_be_wrong_is_refused() {
    let db = started(&["CREATE SOURCE t (k VARCHAR, v BIGINT)"]);
    for (query, word) in [
        ("SELECT k FROM t WHERE v = (SELECT v FROM t) OR v IN (SELECT v FROM t)", "one row"),
        ("SELECT k FROM t WHERE v = (SELECT v FROM t)", "one row"),
        ("SELECT k, (SELECT v FROM t AS u WHERE u.k = t.k) AS x FROM t", "one row"),
        (
            "SELECT k FROM t ORDER BY (SELECT max(v) FROM t AS u WHERE u.v < t.v) LIMIT 2",
            "subquery",
        ),
    ] {
        let error = refused(&db, &format!("CREATE STREAM s AS {query}"));
        assert!(error.message().contains(word), "{query}: {error}");
    }
}
