//! `SELECT *` over joins by `USING`: which columns there are, in which order, and whose values.

use laminar_db::LaminarDB;

use crate::row;
use crate::support::database::{content, execute, query, started};
use crate::support::value::Row;

/// The names of the columns of a relation.
fn columns(db: &LaminarDB, name: &str) -> Vec<String> {
    query(db, &format!("DESCRIBE {name}")).iter().map(|row| row[0].text().to_string()).collect()
}

fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort();
    rows
}

/// The relations stand in no order of the alphabet, so that it does not matter.
#[test]
fn the_key_comes_first_and_is_that_of_the_side_that_stays() {
    let db = started(&[
        "CREATE SOURCE z (v BIGINT, k BIGINT)",
        "CREATE SOURCE a (k BIGINT, w BIGINT)",
        "CREATE SOURCE m (w BIGINT, x BIGINT, k BIGINT)",
        "CREATE TABLE only_key (k BIGINT)",
    ]);
    let joins = [
        ("inner_join", "z JOIN a USING (k)"),
        ("left_join", "z LEFT JOIN a USING (k)"),
        ("right_join", "z RIGHT JOIN a USING (k)"),
        ("full_join", "z FULL JOIN a USING (k)"),
        ("three", "z LEFT JOIN a USING (k) FULL JOIN m AS b USING (K)"),
        ("by_two", "a JOIN m USING (w, k)"),
        ("beside", "z AS y JOIN a USING (k) JOIN only_key AS o ON o.k = y.k"),
        ("nothing_else", "only_key AS q JOIN a USING (k)"),
    ];
    for (name, join) in joins {
        let sql = match name {
            // Two columns of one name: a stream's differ.
            "beside" => format!("SELECT y.k, v, w FROM {join}"),
            "three" => format!("SELECT x, v, z.k FROM {join}"),
            _ => format!("SELECT * FROM {join}"),
        };
        execute(&db, &format!("CREATE STREAM {name} AS {sql}"));
    }
    execute(&db, "INSERT INTO z VALUES (10, 1), (20, 2)");
    execute(&db, "INSERT INTO a VALUES (2, 200), (3, 300)");
    execute(&db, "INSERT INTO m VALUES (200, 7, 2), (9, 8, 4)");
    execute(&db, "INSERT INTO only_key VALUES (2)");
    let none = None::<i64>;
    let expected: Vec<(&str, Vec<&str>, Vec<Row>)> = vec![
        ("inner_join", vec!["k", "v", "w"], vec![row![2, 20, 200]]),
        ("left_join", vec!["k", "v", "w"], vec![row![1, 10, none], row![2, 20, 200]]),
        ("right_join", vec!["k", "v", "w"], vec![row![2, 20, 200], row![3, none, 300]]),
        (
            "full_join",
            vec!["k", "v", "w"],
            vec![row![1, 10, none], row![2, 20, 200], row![3, none, 300]],
        ),
        ("by_two", vec!["w", "k", "x"], vec![row![200, 2, 7]]),
        ("nothing_else", vec!["k", "w"], vec![row![2, 200]]),
    ];
    for (name, names, rows) in expected {
        assert_eq!(columns(&db, name), names, "{name}");
        let rows = in_order(rows);
        assert_eq!(content(&db, name), rows, "{name}");
        let (_, join) = joins.iter().find(|join| join.0 == name).unwrap();
        assert_eq!(in_order(query(&db, &format!("SELECT * FROM {join}"))), rows, "{name}");
    }
    let three = in_order(query(&db, &format!("SELECT * FROM {}", joins[4].1)));
    let expected =
        vec![row![1, 10, none, none, none], row![2, 20, 200, 200, 7], row![4, none, none, 9, 8]];
    assert_eq!(three, in_order(expected));
    let beside = query(&db, &format!("SELECT * FROM {}", joins[6].1));
    assert_eq!(beside, vec![row![2, 20, 200, 2]]);
    // In a subquery, in another order of the items, and beside what is no join.
    let nested = "SELECT q.v, q.k FROM (SELECT w AS first, * FROM z RIGHT JOIN a USING (k)) AS q";
    assert_eq!(in_order(query(&db, nested)), in_order(vec![row![20, 2], row![none, 3]]));
    let crossed = "SELECT * FROM z JOIN a USING (k), only_key";
    assert_eq!(query(&db, crossed), vec![row![2, 20, 200, 2]]);
}

/// What a merged column means by its name alone, and what `NATURAL` merges: each query is the same as
/// one that says it by `ON`.
#[test]
fn a_merged_column_has_the_value_of_the_side_that_has_it() {
    let db = started(&[
        "CREATE SOURCE z (v BIGINT, k BIGINT)",
        "CREATE SOURCE a (k BIGINT, w BIGINT)",
        "CREATE SOURCE m (w BIGINT, x BIGINT, k BIGINT)",
        "CREATE SOURCE apart (q BIGINT)",
    ]);
    let full = "z FULL JOIN a ON z.k = a.k";
    let either = "coalesce(z.k, a.k)";
    let of_three = format!("{full} LEFT JOIN m ON m.k = {either} AND m.w = a.w");
    let queries = [
        ("SELECT k, v, w FROM z FULL JOIN a USING (k)", format!("SELECT {either} AS k, v, w FROM {full}")),
        ("SELECT k FROM z RIGHT JOIN a USING (k)", "SELECT a.k FROM z RIGHT JOIN a ON z.k = a.k".into()),
        ("SELECT k FROM z LEFT JOIN a USING (k)", "SELECT z.k FROM z LEFT JOIN a ON z.k = a.k".into()),
        ("SELECT k, z.k AS zk, a.k AS ak FROM z FULL JOIN a USING (k)",
            format!("SELECT {either} AS k, z.k AS zk, a.k AS ak FROM {full}")),
        ("SELECT k + 1 AS next FROM z FULL JOIN a USING (k) WHERE k > 1",
            format!("SELECT {either} + 1 AS next FROM {full} WHERE {either} > 1")),
        ("SELECT K, count(*) AS n FROM z FULL JOIN a USING (k) GROUP BY k HAVING min(k) > 1",
            format!("SELECT {either} AS k, count(*) AS n FROM {full} GROUP BY {either} HAVING min({either}) > 1")),
        ("SELECT v, w FROM z FULL JOIN a USING (k) ORDER BY k DESC LIMIT 2",
            format!("SELECT v, w FROM {full} ORDER BY {either} DESC LIMIT 2")),
        (
            "SELECT v, x FROM z FULL JOIN a USING (k) FULL JOIN m USING (k)
                 ORDER BY k DESC NULLS LAST LIMIT 1",
            format!(
                "SELECT v, x FROM {full} FULL JOIN m ON m.k = {either}
                     ORDER BY coalesce({either}, m.k) DESC NULLS LAST LIMIT 1"
            ),
        ),
        ("SELECT v AS k, w FROM z FULL JOIN a USING (k) ORDER BY k LIMIT 2",
            format!("SELECT v AS k, w FROM {full} ORDER BY v LIMIT 2")),
        ("SELECT k, v FROM z FULL JOIN a USING (k) WHERE k IN (SELECT k FROM m)",
            format!("SELECT {either} AS k, v FROM {full} WHERE {either} IN (SELECT m.k FROM m)")),
        ("SELECT * FROM z NATURAL FULL JOIN a", format!("SELECT {either} AS k, v, w FROM {full}")),
        ("SELECT * FROM z NATURAL JOIN a", "SELECT z.k, v, w FROM z JOIN a ON z.k = a.k".into()),
        ("SELECT k, x FROM z NATURAL FULL JOIN a NATURAL LEFT JOIN m", format!("SELECT {either} AS k, x FROM {of_three}")),
        ("SELECT * FROM z NATURAL FULL JOIN a NATURAL LEFT JOIN m",
            format!("SELECT {either} AS k, a.w, v, x FROM {of_three}")),
        ("WITH b AS (SELECT k, w + 1 AS u FROM a) SELECT * FROM z NATURAL RIGHT JOIN b",
            "SELECT b.k, v, u FROM z RIGHT JOIN (SELECT k, w + 1 AS u FROM a) AS b ON z.k = b.k".into()),
        ("SELECT k, v, u FROM z NATURAL FULL JOIN (SELECT * FROM a) AS a (k, u)",
            format!("SELECT {either} AS k, v, w AS u FROM {full}")),
        ("SELECT * FROM a NATURAL JOIN apart", "SELECT a.k, w, q FROM a CROSS JOIN apart".into()),
        ("SELECT w, q FROM a NATURAL LEFT JOIN (SELECT q FROM apart WHERE q > 100) AS b",
            "SELECT w, q FROM a LEFT JOIN (SELECT q FROM apart WHERE q > 100) AS b ON true".into()),
        ("SELECT w, q FROM (SELECT q FROM apart WHERE q > 100) AS b NATURAL FULL JOIN a",
            "SELECT w, q FROM (SELECT q FROM apart WHERE q > 100) AS b FULL JOIN a ON true".into()),
        ("SELECT z.v, k, x FROM z JOIN apart ON q = v FULL JOIN m USING (k)",
            "SELECT z.v, coalesce(z.k, m.k) AS k, x FROM z JOIN apart ON q = v FULL JOIN m ON z.k = m.k".into()),
    ];
    for (index, (sql, _)) in queries.iter().enumerate() {
        execute(&db, &format!("CREATE STREAM s{index} AS {sql}"));
    }
    execute(&db, "INSERT INTO z VALUES (10, 1), (20, 2), (30, NULL)");
    execute(&db, "INSERT INTO a VALUES (2, 200), (3, 300), (NULL, 400)");
    execute(&db, "INSERT INTO m VALUES (200, 7, 2), (9, 8, 4), (300, 9, 3)");
    execute(&db, "INSERT INTO apart VALUES (10), (20)");
    for (index, (sql, spelled)) in queries.iter().enumerate() {
        let expected = in_order(query(&db, spelled));
        assert!(!expected.is_empty(), "{spelled}");
        assert_eq!(in_order(query(&db, sql)), expected, "ad hoc: {sql}");
        assert_eq!(content(&db, &format!("s{index}")), expected, "{sql}");
    }
}
