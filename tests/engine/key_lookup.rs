//! `UPDATE` and `DELETE` whose condition tells primary keys, against the same statements over a
//! table without a key, in which nothing can be looked up.

use laminar_db::LaminarDB;

use crate::support::database::{affected, content, execute, query, refused, started};
use crate::support::random::{Random, for_seeds};

/// A table by its key `keyed`, one of the same rows without a key `bag`, and a third to read.
fn tables(columns: &str, key: &str) -> LaminarDB {
    started(&[
        &format!("CREATE TABLE keyed ({columns}, PRIMARY KEY ({key}))"),
        &format!("CREATE TABLE bag ({columns})"),
        "CREATE TABLE other (id BIGINT, y BIGINT)",
        "INSERT INTO other VALUES (1, 10), (2, 20), (5, 50), (NULL, 7)",
        "CREATE STREAM followed AS SELECT * FROM keyed",
    ])
}

#[track_caller]
fn same(db: &LaminarDB, statement: &str) {
    let of = |table: &str| affected(db, &statement.replace('@', table));
    assert_eq!(of("keyed"), of("bag"), "rows of {statement}");
    assert_eq!(content(db, "keyed"), content(db, "bag"), "{statement}");
    assert_eq!(content(db, "keyed"), content(db, "followed"), "what follows {statement}");
}

fn fill(db: &LaminarDB, rows: &str) {
    for table in ["keyed", "bag"] {
        execute(db, &format!("DELETE FROM {table}"));
        execute(db, &format!("INSERT INTO {table} VALUES {rows}"));
    }
}

#[test]
fn conditions_that_tell_one_key() {
    let conditions = [
        "id = 3",
        "3 = id",
        "(id) = 3",
        "id = -3",
        "id = -(3)",
        "id = 99",
        "id = 3000000000",
        "id = 99999999999999999999",
        "id = 3.0",
        "id = 3.5",
        "id = '3'",
        "id = NULL",
        "id = 1 + 2",
        "id IN (3)",
        "id IN (1, 3, 3, 77, -3)",
        "id IN (1, NULL, 3)",
        "id IN (1, 2.5, 3)",
        "id NOT IN (1, 3)",
        "id = 3 AND x > 0",
        "x < 100 AND (id IN (1, 2, 3) AND name <> 'b')",
        "id = 1 AND id = 2",
        "id = 1 AND id IN (1, 2)",
        "id = 1 OR id = 2",
        "NOT id = 1",
        "id = x",
        "@.id = 3",
        "\"id\" = 3 AND name IS NOT NULL",
        "ID = 3",
        "id = 3 AND EXISTS (SELECT 1 FROM other WHERE other.id = 1)",
        "id IN (SELECT id FROM other)",
        "id = 2 AND x = (SELECT y FROM other WHERE other.id = 2)",
        "id = 1 OR id = 2 OR id IN (5, 77)",
        "(id = 1 OR id = 3) AND x > 3",
        "id = 1 OR x = 3",
        "id = 1 OR (id = 3 AND x = 99)",
        "(id = 1 AND x = 10) OR (id IN (2, 3) AND name = 'c') OR id = -3",
        "id = 1 OR id = 2.0",
        "NOT (id = 1 OR id = 2)",
        "id BETWEEN 2 AND 3",
        "id = 1 IS TRUE",
        "(id = 1) = (x = 10)",
    ];
    let db = tables("id INT, name VARCHAR, x BIGINT", "id");
    for condition in conditions {
        let rows = "(1, 'a', 10), (2, 'b', 20), (3, 'c', 3), (-3, 'd', 40), (5, NULL, NULL)";
        fill(&db, rows);
        same(&db, &format!("UPDATE @ SET x = x + 1, name = name || '!' WHERE {condition}"));
        same(&db, &format!("UPDATE @ SET id = id + 100 WHERE {condition}"));
        fill(&db, rows);
        same(&db, &format!("DELETE FROM @ WHERE {condition}"));
    }
}

#[test]
fn names_and_other_relations() {
    let db = tables("id BIGINT, x BIGINT", "id");
    let rows = "(1, 1), (2, 2), (3, 3), (5, 5)";
    for statement in [
        "UPDATE @ AS o SET x = 0 WHERE o.id = 2",
        "UPDATE @ AS o SET x = o.x * 2 WHERE id IN (2, 3)",
        "UPDATE @ SET x = y FROM other WHERE other.id = @.id AND @.id = 2",
        "UPDATE @ SET x = y FROM other WHERE other.id = 5 AND @.id IN (1, 2)",
        "DELETE FROM @ USING other WHERE other.id = @.id AND @.id IN (2, 3)",
        "DELETE FROM @ WHERE @.id = 1",
    ] {
        fill(&db, rows);
        same(&db, statement);
    }
    // A name that two relations have is as ambiguous as ever.
    let message = refused(&db, "UPDATE keyed SET x = y FROM other WHERE id = 2").to_string();
    assert!(message.contains("write keyed.id or other.id"), "{message}");
}

#[test]
fn keys_of_other_types_and_of_several_columns() {
    let db = tables("name VARCHAR, day DATE, n SMALLINT UNSIGNED, x BIGINT", "name, day, n");
    let rows = "('a', '2026-01-01', 1, 1), ('a', '2026-01-02', 2, 2), ('b', '2026-01-01', 1, 3),
                ('', '2026-02-28', 7, 4), ('A', '2026-01-01', 1, 5)";
    for condition in [
        "name = 'a' AND day = '2026-01-01' AND n = 1",
        "name = 'a' AND day = DATE '2026-01-01' AND n = 1 AND x = 9",
        "name IN ('a', 'b', 'A', 'a') AND day IN ('2026-01-01', '2026-1-2') AND n IN (1, 2)",
        "name = '' AND day = '2026-02-28' AND n = 7",
        "name = 'a' AND day = '2026-01-01'",
        "name = 'a' AND day = '2026-01-01' AND n = -1",
        "name = 'a' AND day = '2026-01-01' AND n = 70000",
        "n = 1 AND name = 'b' AND DATE '2026-01-01' = day",
    ] {
        fill(&db, rows);
        same(&db, &format!("UPDATE @ SET x = x + 1 WHERE {condition}"));
        fill(&db, rows);
        same(&db, &format!("DELETE FROM @ WHERE {condition}"));
    }
    refused(&db, "DELETE FROM keyed WHERE name = 'a' AND day = 'someday' AND n = 1");
    // Every combination is too many: the condition is evaluated over the whole table.
    fill(&db, rows);
    let many: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let names: Vec<String> = (0..300).map(|n| format!("'{n}'")).collect();
    let condition = format!(
        "n IN ({}) AND name IN ({}, 'a') AND day = '2026-01-01'",
        many.join(", "),
        names.join(", ")
    );
    same(&db, &format!("DELETE FROM @ WHERE {condition}"));
}

#[test]
fn keys_of_floats_decimals_and_times() {
    for (columns, rows, conditions) in [
        (
            "id DOUBLE, x BIGINT",
            "(1.5, 1), (-2, 2), (0.1, 3), (0, 4), (9007199254740993, 5), (1e300, 6)",
            vec![
                "id = 1.5",
                "id = -2",
                "id = -(2.0)",
                "id = 0.1",
                "id = 0.10000000000000001",
                "id = 0",
                "id = -0.0",
                "id = 0.0 OR id = 1.5",
                "id IN (1.5, 7, 0.1)",
                "id = 9007199254740993",
                "id = 9007199254740992",
                "id = 1e300",
                "id = 1e999",
                "id = '1.5'",
                "id = NULL",
            ],
        ),
        (
            "id REAL, x BIGINT",
            "(1.5, 1), (0.1, 2), (16777217, 3)",
            vec!["id = 1.5", "id = 0.1", "id = 16777217", "id = 16777216", "id IN (0.1, 1.5)"],
        ),
        (
            "id DECIMAL(10, 2), x BIGINT",
            "(1.50, 1), (-2, 2), (0.01, 3), (99999999.99, 4)",
            vec![
                "id = 1.5",
                "id = 1.50",
                "id = 1.504",
                "id = 1.496",
                "id = -2",
                "id = 0.01",
                "id = 0.010000000000000000001",
                "id = 99999999.99",
                "id = 100000000",
                "id IN (1.5, -2) OR id = 0.01",
                "id = '1.5'",
                "id = 1e0 + 0.5",
            ],
        ),
        (
            "id DECIMAL(30, 10), x BIGINT",
            "(1.5, 1), (12345678901234567, 2)",
            vec!["id = 1.5", "id = 12345678901234567.5", "id = 12345678901234567", "id = 1"],
        ),
        (
            "id TIMESTAMP(3), x BIGINT",
            "('2026-01-01 00:00:00', 1), ('2026-01-01 00:00:00.001', 2), ('1969-12-31 23:59:59', 3)",
            vec![
                "id = '2026-01-01 00:00:00'",
                "id = '2026-01-01'",
                "id = '2026-01-01T00:00:00Z'",
                "id = TIMESTAMP '2026-01-01 00:00:00.001'",
                "id = TIMESTAMP '2026-01-01 00:00:00.0015'",
                "id = '2026-01-01 00:00:00.0015'",
                "id = DATE '2026-01-01'",
                "id = '2026-01-01 01:00:00+01:00'",
                "id IN ('1969-12-31 23:59:59', TIMESTAMP '2026-01-01') OR id = '2026-01-01 00:00:00.001'",
            ],
        ),
        (
            "id TIMESTAMP WITH TIME ZONE, x BIGINT",
            "('2026-01-01 00:00:00', 1), ('2026-01-01 00:00:00.000000001', 2)",
            vec![
                "id = '2026-01-01 00:00:00'",
                "id = '2026-01-01 02:00:00+02:00'",
                "id = TIMESTAMP '2026-01-01 00:00:00.000000001'",
            ],
        ),
    ] {
        let db = tables(columns, "id");
        for condition in conditions {
            fill(&db, rows);
            let selected =
                |table: &str| content(&db, &format!("(SELECT * FROM {table} WHERE {condition})"));
            assert_eq!(selected("keyed"), selected("bag"), "{columns}: {condition}");
            same(&db, &format!("UPDATE @ SET x = x + 1 WHERE {condition}"));
            same(&db, &format!("DELETE FROM @ WHERE {condition}"));
        }
    }
}

#[test]
fn queries_that_tell_keys_read_those_rows_alone() {
    let db = tables("a INT, b VARCHAR, x BIGINT", "a, b");
    fill(&db, "(1, 'p', 1), (1, 'q', 2), (2, 'p', 3), (3, 'p', 0)");
    execute(&db, "CREATE SINK out FROM keyed");
    for query_of in [
        "SELECT * FROM @ WHERE a = 1 AND b = 'q'",
        "SELECT o.x FROM @ AS o WHERE o.a = 1 AND o.b IN ('p', 'z')",
        "SELECT sum(x) FROM @ WHERE (a = 1 AND b = 'p') OR (a = 2 AND b = 'p')",
        "SELECT * FROM @ WHERE (a = 1 AND b = 'p') OR a = 2",
        "SELECT count(*) OVER () AS n, x FROM @ WHERE a IN (1, 2) AND b = 'p' ORDER BY x LIMIT 1",
        "SELECT x, (SELECT count(*) FROM @) AS n FROM @ WHERE a = 1 AND b = 'p'",
        "SELECT x FROM @ WHERE a = 1 AND b = 'p' UNION ALL SELECT x FROM @",
        "WITH c AS (SELECT * FROM @) SELECT * FROM c WHERE a = 1 AND b = 'p'",
        "SELECT l.x FROM @ l JOIN @ r ON l.a <> r.a WHERE l.a = 1 AND l.b = 'p'",
        "SELECT x FROM @ WHERE a = 9 AND b = 'p'",
    ] {
        let of = |table: &str| {
            crate::support::value::sorted(&crate::support::database::batches(
                &db,
                &query_of.replace('@', table),
            ))
        };
        assert_eq!(of("keyed"), of("bag"), "{query_of}");
        assert_eq!(of("out"), of("bag"), "{query_of}");
    }
    // What would fail on another row does not meet it.
    let looked_up = "SELECT 6 / x AS y FROM keyed WHERE 6 / x > 0 AND a = 1 AND b = 'q'";
    assert_eq!(query(&db, looked_up), [crate::row![3]]);
    refused(&db, &looked_up.replace("keyed", "bag"));
}

#[test]
fn random_keys_beside_a_residue() {
    for_seeds(4, |seed| {
        let mut random = Random::new(seed);
        let db = tables("id BIGINT, x BIGINT", "id");
        let rows: Vec<String> = (0..40).map(|id| format!("({id}, {})", id * 7 % 11)).collect();
        fill(&db, &rows.join(", "));
        for _ in 0..30 {
            let keys: Vec<String> =
                (0..random.range(1, 6)).map(|_| random.range(-2, 45).to_string()).collect();
            let (keys, x) = (keys.join(", "), random.range(0, 11));
            match random.range(0, 4) {
                0 => same(&db, &format!("DELETE FROM @ WHERE id IN ({keys}) AND x < {x}")),
                1 => same(&db, &format!("UPDATE @ SET x = {x} WHERE id IN ({keys})")),
                2 => {
                    same(&db, &format!("UPDATE @ SET x = x + {x} WHERE x > {x} AND id IN ({keys})"))
                }
                _ => same(
                    &db,
                    &format!("UPDATE @ SET id = id + 1000 WHERE id IN ({keys}) AND x = {x}"),
                ),
            }
        }
        assert!(!query(&db, "SELECT * FROM keyed").is_empty());
    });
}
