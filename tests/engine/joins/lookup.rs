//! Lookup tables: the rows that come ask, once, what the table holds then.

use crate::row;
use crate::support::database::{content, execute, query, refused, started};

fn explain(db: &laminar_db::LaminarDB, sql: &str) -> String {
    let rows = query(db, &format!("EXPLAIN CREATE STREAM x AS {sql}"));
    rows.iter().map(|row| row[0].text().to_string() + "\n").collect()
}

#[test]
fn the_other_side_drives() {
    let db = started(&[
        "CREATE LOOKUP TABLE instruments (symbol VARCHAR PRIMARY KEY, sector VARCHAR, lot BIGINT)",
        "CREATE SOURCE trades (id BIGINT, symbol VARCHAR, qty BIGINT)",
        "CREATE STREAM known AS SELECT t.id, i.sector FROM trades t
         JOIN instruments i ON t.symbol = i.symbol",
        "CREATE STREAM every AS SELECT t.id, i.sector FROM trades t
         LEFT JOIN instruments i ON t.symbol = i.symbol AND i.lot < 100",
        "CREATE STREAM turned AS SELECT i.sector, t.id, i.lot FROM instruments i
         JOIN trades t ON t.symbol = i.symbol",
        "CREATE STREAM right_one AS SELECT i.sector, t.id FROM instruments i
         RIGHT JOIN trades t USING (symbol)",
        "CREATE STREAM filtered AS SELECT t.id FROM trades t, (SELECT * FROM instruments
         WHERE lot > 1) AS i WHERE t.symbol = i.symbol AND t.qty >= i.lot",
        "CREATE STREAM asked AS SELECT t.id, i.sector FROM trades t
         JOIN instruments FOR SYSTEM_TIME AS OF proctime() AS i ON t.symbol = i.symbol",
        "CREATE STREAM sectors AS SELECT sector, count(*) AS trades FROM trades
         JOIN instruments USING (symbol) GROUP BY sector",
    ]);
    execute(&db, "INSERT INTO trades VALUES (1, 'A', 5)");
    execute(&db, "INSERT INTO instruments VALUES ('A', 'tech', 10), ('B', 'oil', 1)");
    execute(&db, "INSERT INTO trades VALUES (2, 'A', 10), (3, 'B', 1), (4, 'C', 1), (5, NULL, 1)");
    execute(&db, "UPDATE instruments SET sector = 'media', lot = 100 WHERE symbol = 'A'");
    execute(&db, "INSERT INTO trades VALUES (6, 'A', 99)");
    execute(&db, "DELETE FROM instruments WHERE symbol = 'A'");
    execute(&db, "INSERT INTO trades VALUES (7, 'A', 100)");
    let none = None::<&str>;
    let known = vec![row![2, "tech"], row![3, "oil"], row![6, "media"]];
    assert_eq!(content(&db, "known"), known);
    assert_eq!(content(&db, "asked"), known);
    assert_eq!(
        content(&db, "every"),
        vec![
            row![1, none],
            row![2, "tech"],
            row![3, "oil"],
            row![4, none],
            row![5, none],
            row![6, none],
            row![7, none],
        ]
    );
    let turned = vec![row!["media", 6, 100], row!["oil", 3, 1], row!["tech", 2, 10]];
    assert_eq!(content(&db, "turned"), turned);
    let mut right = vec![
        row![none, 1],
        row![none, 4],
        row![none, 5],
        row![none, 7],
        row!["media", 6],
        row!["oil", 3],
        row!["tech", 2],
    ];
    right.sort();
    assert_eq!(content(&db, "right_one"), right);
    assert_eq!(content(&db, "filtered"), vec![row![2]]);
    assert_eq!(content(&db, "sectors"), vec![row!["media", 1], row!["oil", 1], row!["tech", 1]]);
    // An ad-hoc query joins what is there now.
    let now = query(&db, "SELECT t.id FROM trades t JOIN instruments i ON t.symbol = i.symbol");
    assert_eq!(now, vec![row![3]]);
}

#[test]
fn what_is_planned_is_said() {
    let db = started(&[
        "CREATE LOOKUP TABLE names (id BIGINT PRIMARY KEY, name VARCHAR)",
        "CREATE TABLE plain (id BIGINT PRIMARY KEY, name VARCHAR)",
        "CREATE SOURCE t (id BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE STREAM sums AS SELECT id, sum(v) AS v FROM t GROUP BY id",
    ]);
    let plan = explain(&db, "SELECT t.id, t.ts, n.name FROM t JOIN names n ON t.id = n.id");
    assert!(plan.contains("Lookup join by (id)"), "{plan}");
    assert!(plan.contains("append-only; event time ts"), "{plan}");
    assert!(plan.contains("note: not exact: a join with a lookup table"), "{plan}");
    // Any other join reads it like a table: exactly, and keeping both sides.
    for sql in [
        "SELECT t.id, n.name FROM t JOIN plain n ON t.id = n.id",
        "SELECT s.id, n.name FROM sums s JOIN names n ON s.id = n.id",
        "SELECT n.name FROM t FULL JOIN names n ON t.id = n.id",
        "SELECT n.name FROM names n LEFT JOIN t ON t.id = n.id",
        "SELECT t.id FROM t WHERE t.id IN (SELECT id FROM names)",
        "SELECT t.id, n.name FROM t CROSS JOIN names n",
        "SELECT n.name FROM names n JOIN names o ON n.id = o.id",
    ] {
        let plan = explain(&db, sql);
        assert!(plan.contains("keeps for ever"), "{sql}\n{plan}");
        assert!(!plan.contains("not exact"), "{sql}\n{plan}");
    }
    let error = refused(
        &db,
        "CREATE STREAM x AS SELECT t.id FROM t LEFT JOIN names n ON t.id = n.id AND t.v > 3",
    );
    assert!(error.to_string().contains("put t.v > 3 into WHERE"), "{error}");
    let error = refused(&db, "CREATE LOOKUP TABLE x FROM POSTGRES (table = 't')").to_string();
    assert!(error.contains("the connector POSTGRES is not built yet"), "{error}");
}
