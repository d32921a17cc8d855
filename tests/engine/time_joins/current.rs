//! Joins with a version: of an event time, and of now.

use crate::row;
use crate::support::database::{content, execute, refused, started};

#[test]
fn a_left_row_gets_what_is_there_when_it_comes() {
    let db = started(&[
        "CREATE SOURCE orders (id BIGINT, currency VARCHAR)",
        "CREATE SOURCE rates (currency VARCHAR, rate BIGINT)",
        "CREATE STREAM best AS SELECT currency, max(rate) AS rate FROM rates GROUP BY currency
         HAVING max(rate) < 100",
        "CREATE STREAM priced AS SELECT o.id, o.currency, b.rate FROM orders o
         LEFT JOIN best FOR SYSTEM_TIME AS OF proctime() AS b ON o.currency = b.currency",
    ]);
    execute(&db, "INSERT INTO orders VALUES (1, 'EUR'), (2, NULL)");
    execute(&db, "INSERT INTO rates VALUES ('EUR', 5), ('USD', 7)");
    execute(&db, "INSERT INTO orders VALUES (3, 'EUR'), (4, 'USD'), (5, 'GBP')");
    execute(&db, "INSERT INTO rates VALUES ('EUR', 6), ('USD', 100)");
    execute(&db, "INSERT INTO orders VALUES (6, 'EUR'), (7, 'USD')");
    let none = None::<i64>;
    let mut expected = vec![
        row![1, "EUR", none],
        row![2, None::<&str>, none],
        row![3, "EUR", 5],
        row![4, "USD", 7],
        row![5, "GBP", none],
        row![6, "EUR", 6],
        row![7, "USD", none],
    ];
    expected.sort();
    assert_eq!(content(&db, "priced"), expected);
}

#[test]
fn a_left_row_gets_the_version_of_its_time() {
    let db = started(&[
        "CREATE SOURCE orders (id BIGINT, currency VARCHAR, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE rates (currency VARCHAR, rate BIGINT, ts BIGINT NOT NULL,
         WATERMARK FOR ts AS ts - 1)",
        "CREATE STREAM priced AS SELECT o.id, r.rate FROM orders o
         JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency",
    ]);
    execute(&db, "INSERT INTO rates VALUES ('EUR', 5, 100), ('USD', 7, 110), ('EUR', 6, 200)");
    execute(
        &db,
        "INSERT INTO orders VALUES (1, 'EUR', 99), (2, 'EUR', 100), (3, 'USD', 150),
         (4, 'EUR', 199), (5, 'EUR', 200)",
    );
    // The version of 200 may still be replaced by another of that very time.
    assert_eq!(content(&db, "priced"), [row![2, 5], row![3, 7], row![4, 5]]);
    execute(&db, "INSERT INTO rates VALUES ('EUR', 8, 201)");
    assert_eq!(content(&db, "priced"), [row![2, 5], row![3, 7], row![4, 5], row![5, 6]]);
}

#[test]
fn what_a_join_in_time_is_not() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE r (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE STREAM s AS SELECT k, count(*) AS n FROM l GROUP BY k",
    ]);
    for (query, words) in [
        ("SELECT l.k FROM l ASOF JOIN r MATCH_CONDITION (l.ts = r.ts) ON l.k = r.k", "NEAREST"),
        (
            "SELECT l.k FROM l ASOF JOIN r MATCH_CONDITION (l.ts >= l.v) ON l.k = r.k",
            "with one of its right side",
        ),
        (
            "SELECT l.k FROM l ASOF LEFT JOIN r MATCH_CONDITION (l.ts >= r.ts) ON l.v < r.v",
            "put l.v < r.v into WHERE",
        ),
        ("SELECT l.k FROM l FOR SYSTEM_TIME AS OF l.ts", "right side"),
        ("SELECT l.k FROM l JOIN s FOR SYSTEM_TIME AS OF l.ts ON l.k = s.k", "WATERMARK FOR"),
        (
            "SELECT l.k FROM l FULL JOIN r FOR SYSTEM_TIME AS OF l.ts ON l.k = r.k",
            "an inner or a left join",
        ),
        ("SELECT s.k FROM s JOIN r FOR SYSTEM_TIME AS OF proctime() ON s.k = r.k", "never change"),
        (
            "SELECT s.k FROM s ASOF JOIN r MATCH_CONDITION (s.n >= r.ts) ON s.k = r.k
             EMIT ON WINDOW CLOSE",
            "its left side is updated",
        ),
    ] {
        let error = refused(&db, &format!("CREATE STREAM x AS {query}")).to_string();
        assert!(error.contains(words), "{query}\n{error}");
    }
}

/// A table's rows are versions: what an update replaces stays valid for the times before it.
#[test]
fn a_left_row_gets_the_version_of_a_table() {
    let db = started(&[
        "CREATE SOURCE orders (id BIGINT, currency VARCHAR, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE TABLE rates (currency VARCHAR PRIMARY KEY, rate BIGINT, ts BIGINT NOT NULL,
         WATERMARK FOR ts AS ts - 100)",
        "CREATE STREAM priced AS SELECT o.id, r.rate FROM orders o
         LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency",
        "CREATE STREAM nearest AS SELECT o.id, r.rate FROM orders o
         ASOF LEFT JOIN rates r MATCH_CONDITION (o.ts >= r.ts) ON o.currency = r.currency",
    ]);
    execute(&db, "INSERT INTO rates VALUES ('EUR', 5, 100), ('USD', 7, 110)");
    execute(&db, "INSERT INTO rates VALUES ('EUR', 6, 200)");
    execute(&db, "INSERT INTO orders VALUES (1, 'EUR', 99), (2, 'EUR', 150), (3, 'EUR', 250)");
    execute(&db, "INSERT INTO rates VALUES ('GBP', 9, 1000)");
    let none = None::<i64>;
    assert_eq!(content(&db, "priced"), [row![1, none], row![2, 5], row![3, 6]]);
    // By the content of the table there is one rate, of 200.
    assert_eq!(content(&db, "nearest"), [row![1, none], row![2, none], row![3, 6]]);
    // A deletion counts from the watermark on, 900.
    execute(&db, "DELETE FROM rates WHERE currency = 'EUR'");
    execute(&db, "INSERT INTO orders VALUES (4, 'EUR', 899), (5, 'EUR', 901)");
    execute(&db, "INSERT INTO rates VALUES ('GBP', 8, 2000)");
    let expected = [row![1, none], row![2, 5], row![3, 6], row![4, 6], row![5, none]];
    assert_eq!(content(&db, "priced"), expected);
}

/// What leaves once and for all must not be taken back.
#[test]
fn a_result_that_can_change_for_ever_is_not_final() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE SOURCE r (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
        "CREATE TABLE names (k BIGINT PRIMARY KEY, name VARCHAR)",
    ]);
    for query in [
        "SELECT w.n, names.name FROM (SELECT k, count(*) AS n FROM l GROUP BY k, tumble(ts, 10))
         AS w JOIN names ON w.k = names.k",
        "SELECT l.k, r.v, names.name FROM l ASOF JOIN r ON l.k = r.k AND l.ts >= r.ts
         LEFT JOIN names ON names.k = l.k",
    ] {
        let error = refused(&db, &format!("CREATE STREAM x AS {query} EMIT ON WINDOW CLOSE"));
        assert!(error.to_string().contains("can change for ever"), "{query}\n{error}");
        execute(&db, &format!("CREATE STREAM x AS {query} EMIT CHANGES"));
        execute(&db, "DROP STREAM x");
    }
}
