//! What is refused: with which words, of which kind, and at which place.

use laminar_db::{Error, ErrorKind, LaminarDB};

use crate::row;
use crate::support::database::{content, execute, refused, started};

fn database() -> LaminarDB {
    started(&[
        "CREATE SOURCE trades (sym VARCHAR NOT NULL, price DOUBLE, qty BIGINT, ts BIGINT NOT NULL,
         WATERMARK FOR ts AS ts - 5)",
        "CREATE SOURCE quotes (sym VARCHAR, bid DOUBLE, ts BIGINT)",
        "CREATE STREAM counts AS SELECT sym, count(*) AS n FROM trades GROUP BY sym",
    ])
}

/// A statement with `^` in front of the token at which the error must point, if there is one.
#[track_caller]
fn check(db: &LaminarDB, marked: &str, kind: ErrorKind, words: &[&str]) -> Error {
    let sql = marked.replacen('^', "", 1);
    let error = refused(db, &sql);
    for words in words {
        assert!(error.message().contains(words), "no `{words}` in\n{error}\nof {sql}");
    }
    assert_eq!(error.kind(), kind, "{error}\nof {sql}");
    if let Some(at) = marked.find('^') {
        let before = &marked[..at];
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() as u64 + 1;
        let position = error.position().unwrap_or_else(|| panic!("no position: {error}\nof {sql}"));
        assert_eq!((position.line, position.column), (line, column), "{error}\nof {sql}");
    }
    error
}

#[track_caller]
fn unsupported(db: &LaminarDB, marked: &str, words: &[&str]) {
    check(db, marked, ErrorKind::Unsupported, words);
}

#[test]
fn constructs_that_cannot_be_kept_up_to_date_are_named() {
    let db = database();
    let stream = |query: &str| format!("CREATE STREAM s AS {query}");
    for (query, words) in [
        ("SELECT sym FROM trades ORDER BY sym", vec!["ORDER BY without LIMIT"]),
        ("SELECT sum(price) OVER () FROM trades", vec!["PARTITION BY", "sum(trades.price)"]),
        ("SELECT sym FROM trades WHERE price = (SELECT bid FROM quotes)", vec!["one row"]),
        (
            "SELECT approx_distinct(sym) FROM counts",
            vec!["approx_distinct(...)", "updating input", "count(DISTINCT ...)"],
        ),
        (
            "SELECT string_agg(DISTINCT sym, ',' ORDER BY ts) FROM trades",
            vec!["string_agg(DISTINCT ...)", "ordered by its arguments"],
        ),
        ("SELECT string_agg(sym, sym) FROM trades", vec!["string_agg(...)", "a constant"]),
        ("SELECT nth_value(sym, ts) FROM trades", vec!["nth_value(...)", "a constant"]),
        ("SELECT nth_value(sym, 0) FROM trades", vec!["nth_value(x, 0)"]),
        (
            "SELECT count(*) FROM trades GROUP BY GROUPING SETS ((tumble(ts, 10), sym), (sym))",
            vec!["a window", "every grouping set"],
        ),
        ("SELECT now(), sym FROM counts", vec!["now()", "updating input"]),
        ("SELECT sym FROM trades WHERE ts > extract(epoch FROM current_timestamp)", vec!["now()"]),
        ("SELECT sym, random() FROM counts", vec!["random()", "updating input"]),
    ] {
        unsupported(&db, &stream(query), &words);
        // The same for a subscription; nothing is left behind.
        let error = db.subscribe_with(query, Default::default()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{query}\n{error}");
    }
    assert_eq!(content(&db, "(SELECT count(*) AS n FROM counts)").len(), 1);
    assert_eq!(refused(&db, "SELECT * FROM s").kind(), ErrorKind::TableNotFound);
}

#[test]
fn clauses_that_are_not_built_are_named_at_their_place() {
    let db = database();
    unsupported(&db, "EXPLAIN ANALYZE DROP STREAM counts", &["EXPLAIN ANALYZE", "a query"]);
    unsupported(&db, "INSERT INTO trades DEFAULT VALUES", &["DEFAULT VALUES"]);
}

#[test]
fn connectors_that_are_not_built_are_named_at_their_place() {
    let db = database();
    for (sql, name) in [
        ("CREATE SOURCE s (a INT) FROM ^KAFKA (topic = 't', schema.registry.url = 'x')", "KAFKA"),
        ("CREATE SOURCE s FROM ^KAFKA (topic = 't')", "KAFKA"),
        ("CREATE SOURCE s (a INT, WATERMARK FOR a) FROM ^Kafka () WITH (x = 1)", "KAFKA"),
        ("CREATE SOURCE s (id INT) FROM ^POSTGRES_CDC (slot.name = 's')", "POSTGRES_CDC"),
        ("CREATE SOURCE s (id INT) FROM ^MYSQL_CDC (server_id = '1')", "MYSQL_CDC"),
        ("CREATE SOURCE s FROM ^CDC (connector = 'postgres', table = 'orders')", "POSTGRES_CDC"),
        ("CREATE SOURCE s FROM ^CDC (table = 'orders')", "CDC"),
        (
            "CREATE TABLE s (id INT PRIMARY KEY) FROM ^POSTGRES_CDC (publication = 'p')",
            "POSTGRES_CDC",
        ),
        ("CREATE OR REPLACE TABLE s FROM ^MYSQL_CDC (table = 'p')", "MYSQL_CDC"),
        ("CREATE LOOKUP TABLE s (id INT PRIMARY KEY) FROM ^POSTGRES (table = 't')", "POSTGRES"),
        ("CREATE LOOKUP TABLE s FROM ^POSTGRES (query = 'SELECT 1')", "POSTGRES"),
        ("CREATE SINK k FROM counts INTO ^kafka (topic = 't')", "KAFKA"),
        (
            "CREATE SINK k INTO ^KAFKA (compression.type = 'snappy') AS SELECT * FROM counts",
            "KAFKA",
        ),
        (
            "CREATE SINK k INTO ^DELTA_LAKE (path = 's3://b/t', write_mode = 'append') FROM counts",
            "DELTA_LAKE",
        ),
        (
            "CREATE SINK k INTO ^DELTA_LAKE (path = 'p') WITH (a = 1) AS SELECT 1 EMIT CHANGES",
            "DELTA_LAKE",
        ),
        ("CREATE SINK k FROM counts INTO ^WEBSOCKET (port = 80)", "WEBSOCKET"),
    ] {
        unsupported(&db, sql, &[&format!("the connector {name} is not built yet"), "push rows"]);
    }
    for name in ["s", "k"] {
        assert_eq!(refused(&db, &format!("SELECT * FROM {name}")).kind(), ErrorKind::TableNotFound);
    }
}

#[test]
fn statements_that_are_not_built_are_named() {
    let db = database();
    for (sql, name) in [
        ("ALTER SOURCE trades RENAME COLUMN sym TO x", "ADD COLUMN"),
        ("SUBSCRIBE counts", "SUBSCRIBE"),
        ("CREATE INDEX i ON trades (sym)", "CREATE INDEX"),
    ] {
        unsupported(&db, sql, &[name]);
    }
}

#[test]
fn misspelled_names_get_a_suggestion_and_a_place() {
    let db = database();
    let (missing, query) = (ErrorKind::TableNotFound, ErrorKind::QueryFailed);
    check(&db, "SELECT *\n  FROM ^trade", missing, &["`trade`", "did you mean `trades`?"]);
    check(
        &db,
        "CREATE STREAM s AS SELECT sym\nFROM ^qoutes",
        missing,
        &["`qoutes`", "did you mean `quotes`?"],
    );
    let error = check(&db, "SELECT * FROM ^completely_different", missing, &[]);
    assert!(!error.message().contains("did you mean"), "{error}");
    check(&db, "SELECT sym,\n  ^prise FROM trades", query, &["prise", "price"]);
    check(
        &db,
        "CREATE STREAM s AS\nSELECT sym,\n       ^prise FROM trades",
        query,
        &["prise", "price"],
    );
    check(&db, "SELECT t.^bid FROM trades t".replace("t.^", "^t.").as_str(), query, &["bid"]);
    check(&db, "CREATE STREAM s AS SELECT ^cuont(sym) FROM trades", query, &["cuont"]);
    check(&db, "DESCRIBE ^tredes", missing, &["tredes", "trades"]);
    check(&db, "EXPLAIN ^count", missing, &["count", "counts"]);
    check(&db, "CREATE SINK k FROM ^cuonts", missing, &["cuonts", "counts"]);
    let error = db.source_untyped("trade").map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), missing);
    assert!(error.message().contains("trades"), "{error}");
    let error = db.source_untyped("counts").map(|_| ()).unwrap_err();
    assert!(error.message().contains("`counts` is a STREAM"), "{error}");
    let error = db.subscribe_with("cuonts", Default::default()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), missing);
}

#[test]
fn names_types_and_arguments_are_told_with_a_place() {
    let db = database();
    execute(&db, "CREATE TABLE tt (id BIGINT PRIMARY KEY, n VARCHAR)");
    let query = ErrorKind::QueryFailed;
    // Each as a stream and as an ad-hoc query.
    for (marked, words) in [
        ("SELECT sym FROM trades HAVING ^prise > 1", &["did you mean `price`?"][..]),
        ("SELECT sym FROM trades GROUP BY sym HAVING ^prise > 1", &["`prise`", "`price`"]),
        ("SELECT ^t.qt FROM trades t", &["`t.qt`", "did you mean `qty`?"]),
        ("SELECT t.sym FROM trades t JOIN quotes q ON ^q.symb = t.sym", &["did you mean `q.sym`?"]),
        ("SELECT ^sym FROM trades JOIN quotes ON true", &["trades.sym or quotes.sym"]),
        ("SELECT ^sum(sym) FROM trades", &["sum(...) does not take (Utf8)", "sum(Int64)", "cast"]),
        ("SELECT ^upper(sym, 2) FROM trades", &["upper(...) does not take (Utf8, Int64)"]),
        ("SELECT ^row_number() FROM trades", &["is a window function", "OVER ("]),
        ("SELECT ^xyzzy(sym) FROM trades", &["no function is called `xyzzy`", "registered"]),
        ("SELECT ^sym + 1 FROM trades", &["Utf8 + Int64", "cast"]),
        ("SELECT ^price, count(*) FROM trades", &["`trades.price`", "GROUP BY", "min("]),
        ("SELECT sym FROM trades WHERE ^sum(qty) > 1", &["write HAVING"]),
        ("SELECT sym FROM trades WHERE ^qty", &["a BOOLEAN", "trades.qty is Int64"]),
        ("SELECT sym AS a, ^qty AS a FROM trades", &["are called `a`", "AS"]),
        ("SELECT ^x.* FROM trades", &["no relation is called `x`", "there are trades"]),
        ("SELECT sym FROM trades LIMIT ^'x'", &["LIMIT"]),
    ] {
        check(&db, marked, query, words);
        check(&db, &format!("CREATE STREAM s AS {marked}"), query, words);
    }
    let (unsupported, none) = (ErrorKind::Unsupported, &["there is no type FOO", "BIGINT"]);
    check(&db, "SELECT CAST(^qty AS FOO) FROM trades", unsupported, none);
    // What is constant fails at its value.
    check(&db, "SELECT CAST(^'x' AS BIGINT)", query, &["'x'"]);
    check(&db, "SELECT * FROM trades WHERE qty = ^'abc'", query, &["'abc'"]);
    check(&db, "SELECT 1 / ^0", query, &["zero"]);
    // Names of ours are not listed.
    let error = check(&db, "UPDATE tt SET n = ^colour", query, &["there are id, n"]);
    assert!(!error.message().contains("_laminar"), "{error}");
    let batch = ErrorKind::BatchSchemaMismatch;
    check(&db, "INSERT INTO tt (id, ^m) VALUES (1, 'a')", batch, &["there are id, n"]);
    check(&db, "INSERT INTO tt VALUES (1, 'a'), (^2)", batch, &["1 columns, and 2 of `tt`"]);
    // A value that does not fit, and one that is missing, at its place.
    let unfit = ErrorKind::IngestionFailed;
    execute(
        &db,
        "CREATE TABLE days (id BIGINT PRIMARY KEY, d DATE, n SMALLINT, s VARCHAR NOT NULL)",
    );
    for (marked, kind, words) in [
        ("INSERT INTO tt VALUES (1, 'a'),\n  (^'b', 'c')", query, &["row 1", "`id`"][..]),
        ("INSERT INTO days VALUES (1, ^'some day', 1, 'a')", unfit, &["row 0", "`d`"]),
        ("INSERT INTO days VALUES (1, '2024-01-31', ^40000, 'a')", unfit, &["row 0", "`n`"]),
        (
            "INSERT INTO days (n, s, id) VALUES (1, 'a', 2), (^40000, 'a', 3)",
            unfit,
            &["row 1", "`n`"],
        ),
        ("INSERT INTO days (s, id) VALUES ('a', 1), ('b', ^NULL)", unfit, &["row 1", "`id`"]),
        ("INSERT INTO days VALUES (1, NULL, NULL, ^NULL)", unfit, &["row 0", "`s`"]),
    ] {
        check(&db, marked, kind, words);
    }
    assert!(content(&db, "days").is_empty());
}

#[test]
fn clauses_without_effect_are_refused() {
    let db = database();
    for (marked, words) in [
        ("SELECT * FROM ^trades TABLESAMPLE (10)", "TABLESAMPLE"),
        ("SELECT * FROM (^SELECT sym FROM trades) TABLESAMPLE (10)", "TABLESAMPLE"),
        ("SELECT sym FROM trades FOR UPDATE", "FOR UPDATE"),
        ("^SELECT TOP 3 sym FROM trades", "write LIMIT"),
        ("SELECT sym INTO x FROM trades", "CREATE TABLE ... AS SELECT"),
        ("SELECT sym FROM trades LIMIT 1 BY sym", "LIMIT BY"),
        ("SELECT sym FROM trades SORT BY sym", "write ORDER BY"),
        ("SELECT sym FROM ^trades PIVOT (sum(qty) FOR sym IN ('a'))", "has no PIVOT"),
        ("SELECT sym FROM trades GROUP BY ^sym WITH TOTALS", "ROLLUP"),
        ("SELECT sym FROM trades ORDER BY sym FETCH FIRST ^5 PERCENT ROWS ONLY", "percent_rank"),
    ] {
        unsupported(&db, marked, &[words]);
        unsupported(&db, &format!("CREATE STREAM s AS {marked}"), &[words]);
    }
}

/// Spellings of other databases that stand for one that there is.
#[test]
fn other_spellings_are_what_they_stand_for() {
    let db = database();
    for (name, query) in [
        ("a", "SELECT qty FROM trades ORDER BY qty OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY"),
        ("b", "SELECT qty FROM trades ORDER BY qty FETCH FIRST ROW ONLY"),
        ("c", "SELECT sym, sum(qty) AS n FROM trades GROUP BY sym WITH ROLLUP"),
        ("d", "SELECT sym, qty, count(*) AS n FROM trades GROUP BY sym, qty WITH CUBE"),
    ] {
        execute(&db, &format!("CREATE STREAM {name} AS {query}"));
    }
    execute(&db, "INSERT INTO trades VALUES ('x', 1, 4, 1), ('x', 1, 2, 2), ('y', 1, 3, 3)");
    let of = |name: &str| content(&db, name);
    assert_eq!(of("a"), [row![3], row![4]]);
    assert_eq!(of("b"), [row![2]]);
    assert_eq!(of("c"), [row![None::<&str>, 9], row!["x", 6], row!["y", 3]]);
    // Three sets of both, two of a name, three of a number and the one of all.
    assert_eq!(of("d").len(), 3 + 2 + 3 + 1);
    let rows = content(&db, "(SELECT qty FROM trades ORDER BY qty FETCH FIRST 2 ROWS ONLY)");
    assert_eq!(rows, [row![2], row![3]]);
}

#[test]
fn rules_of_sql() {
    let db = database();
    let query = ErrorKind::QueryFailed;
    check(&db, "CREATE STREAM s AS SELECT sym, price FROM trades GROUP BY sym", query, &["price"]);
    check(&db, "CREATE STREAM s AS SELECT sym FROM trades WHERE qty", query, &[]);
    check(&db, "CREATE STREAM s AS SELECT sym + 1 > ts AND price FROM trades", query, &[]);
    check(&db, "CREATE STREAM s AS SELECT sym FROM trades WHERE sum(qty) > 1", query, &[]);
    check(&db, "SELECT CAST('x' AS BIGINT)", query, &["x"]);
    check(
        &db,
        "CREATE STREAM ^s AS SELECT a.sym, b.sym FROM trades AS a JOIN trades AS b ON a.ts = b.ts",
        ErrorKind::InvalidSchema,
        &["two columns of `s` are called `sym`", "AS"],
    );
    check(
        &db,
        "CREATE STREAM s AS SELECT sym FROM trades ^EMIT ON WINDOW CLOSE",
        query,
        &["needs a window"],
    );
    check(&db, "SELECT sym FROM trades ^EMIT CHANGES", query, &["CREATE STREAM"]);
    for (sql, words) in [
        ("tumble(ts)", "tumble(ts, size [, offset])"),
        ("tumble(ts, 0)", "must be positive"),
        ("tumble(ts, -5)", "must be positive"),
        ("tumble(ts, INTERVAL '1' MONTH)", "months"),
        ("tumble(sym, 10)", "must be TIMESTAMP or BIGINT"),
        ("tumble(ts, qty)", "must be constants"),
        ("tumble(ts, INTERVAL '1' MICROSECOND)", "whole number of Millisecond"),
        ("hop(ts, 10)", "hop(ts, size, slide [, offset])"),
        ("tumble(ts, 10), hop(ts, 5, 10)", "one window"),
    ] {
        let sql = format!("CREATE STREAM s AS SELECT count(*) FROM trades GROUP BY {sql}");
        let error = refused(&db, &sql);
        assert!(error.message().contains(words), "{sql}\n{error}");
    }
    execute(&db, "INSERT INTO trades VALUES ('x', 1, 1, 1)");
    check(&db, "SELECT hop(ts, 5, 10), count(*) FROM trades GROUP BY 1", query, &["hop(...)"]);
}

#[test]
fn texts_that_are_not_sql() {
    let db = database();
    let syntax = ErrorKind::SqlParseError;
    check(&db, "CREATE ^SORCE s (a INT)", syntax, &["did you mean SOURCE?"]);
    check(
        &db,
        "CREATE STREAM s AS\n  SELECT sym FROM trades\n  EMIT ON WINDOW ^CLOS",
        syntax,
        &["did you mean CLOSE?"],
    );
    check(&db, "SELECT 1; ^SELECT 2", syntax, &["one statement"]);
    check(&db, "^", syntax, &["no statement"]);
    check(&db, "CREATE STREAM s AS SELECT sym FROM trades WHERE sym = 'é' ^)", syntax, &[]);
    let error = db.query_blocking("DROP STREAM counts").map(|_| ()).unwrap_err();
    assert!(error.message().contains("run it with execute"), "{error}");
    assert_eq!(content(&db, "counts").len(), 0);
}

#[test]
fn schemas_and_options() {
    let db = database();
    let schema = ErrorKind::InvalidSchema;
    check(&db, "CREATE SOURCE s (a INT, ^a INT)", ErrorKind::SqlParseError, &["twice"]);
    check(&db, "CREATE SOURCE s (^a NOSUCHTYPE)", schema, &["`a`", "NOSUCHTYPE"]);
    check(&db, "CREATE SOURCE s (^a INT PRIMARY KEY)", schema, &["append-only", "PRIMARY KEY"]);
    check(
        &db,
        "CREATE SOURCE s (a VARCHAR, WATERMARK FOR ^a AS a - 5)",
        schema,
        &["`a`", "must be TIMESTAMP or BIGINT"],
    );
    check(
        &db,
        "CREATE SOURCE s (a INT) WITH (^no_such_option = 1)",
        schema,
        &["`no_such_option`", "retain_history"],
    );
    check(&db, "CREATE SOURCE s (a INT) WITH (^retain_history = -1)", schema, &["0 or more"]);
    for value in ["'x'", "'64 pounds'", "1.5", "TRUE", "'-1 MB'"] {
        let sql = format!("CREATE SOURCE s (a INT) WITH (^retain_history = {value})");
        check(&db, &sql, schema, &["whole number of rows", "MB"]);
    }
    let error = db
        .subscribe_with(
            "counts",
            laminar_db::SubscribeOptions { capacity: Some(0), ..Default::default() },
        )
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SubscriptionFailed);
}
