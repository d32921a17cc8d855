//! Subqueries in expressions, over rows that come and rows that change, against the batch answer.

use crate::row;
use crate::support::changing::{run, run_answered};
use crate::support::database::{content, execute, refused, started};
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
        ("SELECT bool_or(v IN (SELECT v FROM t)) AS x FROM t", "subquery"),
    ] {
        let error = refused(&db, &format!("CREATE STREAM s AS {query}"));
        assert!(error.message().contains(word), "{query}: {error}");
    }
}
