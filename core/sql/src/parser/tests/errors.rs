//! What is wrong, where, and what is said about it.

use laminar_types::{ErrorKind, error::code};

use super::error;

/// A text with `^` in front of the token that an error must point to, and words it must say.
fn refused(marked: &str, words: &str) {
    let at = marked.find('^').expect("a mark");
    let sql = marked.replacen('^', "", 1);
    let before = &sql[..at];
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.chars().rev().take_while(|ch| *ch != '\n').count() as u64 + 1;
    let error = error(&sql);
    let position = error.position().expect("a position");
    assert_eq!((position.line, position.column), (line, column), "{sql}\n{error}");
    assert!(error.message().contains(words), "{sql}\n{error}");
    let kinds = [ErrorKind::SqlParseError, ErrorKind::Unsupported, ErrorKind::InvalidSchema];
    assert!(kinds.contains(&error.kind()), "{error}");
}

#[test]
fn of_statements() {
    refused("^", "holds no statement");
    refused("^ -- only this\n;", "holds no statement");
    refused("SELECT 1; ^SELECT 2", "expected one statement");
    refused("^SELEC 1", "did you mean SELECT?");
    refused("^123", "expected a statement, found 123");
    refused("SELECT ^'open", "nterminated string");
    refused("CREATE ^SORCE s (a INT)", "did you mean SOURCE?");
    refused("CREATE^", "expected SOURCE, TABLE, STREAM");
    refused("CREATE MATERIALIZED ^VEW v AS SELECT 1", "did you mean VIEW?");
    refused("DROP ^STREEM s", "did you mean STREAM?");
    refused("DROP STREAM s ^CASCAD", "did you mean CASCADE?");
    refused("SHOW ^SORCES", "did you mean SOURCES?");
    refused("SHOW CREATE ^SOURC s", "did you mean SOURCE?");
    refused("SHOW SOURCES ^x", "expected the end of the statement, found x");
    refused("ALTER SOURCE s ^DROP COLUMN a", "ADD COLUMN");
    refused("SUBSCRIBE s WITH ^SNAPSHO", "did you mean SNAPSHOT?");
    refused("SUBSCRIBE s AS OF EPOCH ^x", "the number of an epoch");
    refused("SUBSCRIBE s WHERE a > ^", "found the end of the statement");
    refused("SET ^= 3", "the name of a setting");
    refused("DESCRIBE a^.b", "has one part");
    refused("EXPLAIN^", "expected a statement");
    refused("EXPLAIN FORMAT ^TREE SELECT 1", "no format `tree`: write FORMAT TEXT");
    refused("EXPLAIN (VERBOSE, ^VERBOSE) SELECT 1", "expected ANALYZE, VERBOSE or FORMAT");
    refused("EXPLAIN (VERBOSE ^FORMAT JSON) SELECT 1", "expected a comma");
}

#[test]
fn of_column_lists() {
    refused("CREATE SOURCE ^(a INT)", "expected the name of a source, found (");
    refused("CREATE SOURCE s^", "expected ( and columns, or FROM and a connector");
    refused("CREATE SOURCE s (a^)", "expected the type of column a, found )");
    refused("CREATE SOURCE s (a ^NOT NULL)", "expected the type of column a");
    refused("CREATE SOURCE s (a INT ^b INT)", "expected a comma");
    refused("CREATE SOURCE s (a INT,^)", "expected the name of a column, found )");
    refused("CREATE SOURCE s (a INT^", "expected a comma or )");
    refused("CREATE SOURCE s (a INT NOT ^NUL)", "did you mean NULL?");
    refused("CREATE SOURCE s (a INT PRIMARY ^KY)", "did you mean KEY?");
    refused("CREATE SOURCE s (a INT ^DEFAULT 3)", "DEFAULT is not supported");
    refused("CREATE SOURCE s (a INT, ^A INT)", "declared twice");
    refused("CREATE SOURCE s (a INT, WATERMARK FOR ^b AS b)", "there is no column b");
    refused("CREATE SOURCE s (a INT, b INT, WATERMARK FOR a AS ^b)", "computed from a itself");
    refused("CREATE SOURCE s (a INT, WATERMARK FOR a AS a - ^x)", "expected a duration");
    refused("CREATE SOURCE s (a INT, WATERMARK FOR a AS a ^+ 5)", "expected - and a delay");
    refused(
        "CREATE SOURCE s (a INT, WATERMARK FOR a AS a - ^INTERVAL '1' MONTH)",
        "no fixed length",
    );
    refused(
        "CREATE SOURCE s (a INT, WATERMARK FOR a AS a - ^INTERVAL '-1' SECOND)",
        "not negative",
    );
    refused("CREATE SOURCE s (a INT, WATERMARK FOR a, ^WATERMARK FOR a)", "given twice");
    refused("CREATE TABLE t (a INT, PRIMARY KEY (^b))", "there is no column b");
    refused("CREATE TABLE t (a INT PRIMARY KEY, ^b INT PRIMARY KEY)", "given twice");
    refused("CREATE TABLE t (a INT, ^UNIQUE (a))", "only constraint");
    refused("CREATE TABLE t (a INT, b ^AS a + 1)", "proctime()");
    refused("CREATE SOURCE s (a ARRAY<INT^)", "expected");
}

#[test]
fn of_options() {
    refused("CREATE SOURCE s (a INT) WITH (x = ^block)", "did you mean 'block'?");
    refused("CREATE SOURCE s (a INT) WITH (x ^1)", "expected =");
    refused("CREATE SOURCE s (a INT) WITH (x = 1, ^x = 2)", "given twice");
    refused("CREATE SOURCE s (a INT) WITH (^watermark = 'b')", "there is no column b");
    refused("CREATE SOURCE s (a INT) WITH (^allowed_lateness = 5)", "needs a watermark");
    refused("CREATE SOURCE s (a INT) WITH (watermark = 'a', ^allowed_lateness = 'x')", "duration");
    refused("CREATE SOURCE s (a INT) ^WIHT (x = 1)", "did you mean WITH?");
    refused("CREATE SOURCE s (a INT) FROM KAFKA (topic = ^,)", "expected a value");
    refused("CREATE SINK k^", "expected FROM and the name of a stream");
    refused("CREATE SINK k FROM s ^INOT KAFKA ()", "did you mean INTO?");
    let error = error("CREATE SOURCE s (a INT) WITH (x = 1, x = 2)");
    assert_eq!(error.code(), code::OPTION);
}

#[test]
fn of_queries_and_clauses() {
    refused("CREATE STREAM ^AS SELECT 1", "expected the name of a stream");
    refused("CREATE STREAM s ^SELECT 1", "expected AS and a query, found SELECT");
    refused("CREATE STREAM s AS^", "expected a query, found the end");
    refused("CREATE STREAM s AS ^INSERT INTO t VALUES (1)", "expected a query");
    refused("CREATE STREAM s AS\nSELECT a,\n  b b2 ^c FROM t", "found c");
    refused("SELECT a FROM t WHERE ^", "found the end of the statement");
    refused("SELECT a FROM t EMIT ON WINDOW ^CLOS", "did you mean CLOSE?");
    refused("SELECT a FROM t EMIT ^CHANGE", "did you mean CHANGES?");
    refused("SELECT a FROM t EMIT ON ^UPDAT", "did you mean UPDATE?");
    refused("SELECT a FROM t EMIT CHANGES ^ALOW LATENESS 5", "did you mean ALLOW?");
    refused("SELECT a FROM t EMIT CHANGES ALLOW LATENESS ^x", "expected a duration");
    refused("SELECT a FROM t EMIT CHANGES ^EMIT FINAL", "EMIT is given twice");
    refused("SELECT a FROM t ^EMIT FINAL CHANGES", "not both");
    refused("SELECT a FROM t EMIT EVERY ^0", "longer than zero");
    refused("SELECT a FROM t EMIT EVERY ^INTERVAL '1' MONTH", "no fixed length");
    refused("SELECT a FROM t LATE DATA TO ^5", "the name of a sink");
    refused("SELECT a FROM t ON ERROR ^FIAL", "did you mean FAIL?");
    // sqlparser notices this one token late.
    refused("SELECT FROM ^t EMIT CHANGES", "expected an expression, found FROM");
    refused("SELECT * FROM (SELECT a FROM t WHERE ^) AS x WHERE a IN (SELECT 1)", "found )");
    refused("WITH x AS (SELECT a b ^c FROM t) SELECT * FROM x", "expected ), found c");
    refused("SELECT a FRM ^t EMIT CHANGES", "found t");
    refused("SELECT * FROM (SELECT a FROM t ^EMIT CHANGES) AS x", "not inside of brackets");
    refused("SELECT a FROM t ORDER BY a, ^", "found the end");
}

#[test]
fn of_texts_that_are_too_deep() {
    let deep = format!("SELECT {}1{}", "(".repeat(1000), ")".repeat(1000));
    assert!(error(&deep).message().contains("nest deeper"));
    let deep = format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100));
    assert!(error(&deep).message().contains("nests too deep"));
    let long = format!("SELECT 1{}", " + 1".repeat(100_000));
    assert!(error(&long).message().contains("operators follow one another"));
    let long = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(100_000));
    assert!(error(&long).message().contains("set operators follow one another"));
    let sums = format!("{}1{}", format!("({} + ", "1 + 1".repeat(90)).repeat(30), ")".repeat(30));
    assert!(error(&format!("SELECT {sums}")).message().contains("operators follow one another"));
    let queries = format!("{}1{}", "SELECT * FROM (".repeat(20), ")".repeat(20));
    assert!(error(&queries).message().contains("queries nest deeper"));
    let types = format!("CREATE SOURCE s (a {}INT)", "ARRAY<".repeat(1000));
    assert!(error(&types).message().contains("nest deeper"));
}

/// What is admitted can be copied, compared, printed and dropped on a thread of 2 MiB.
#[test]
fn what_is_admitted_is_not_too_deep() {
    let nested = format!("{}{}", " + (1".repeat(15), " + 1)".repeat(15));
    for (chain, count) in [
        (" + 1", 1_000),
        (" OR b", 1_000),
        ("::INT", 1_000),
        ("[1]", 1_000),
        (" AT TIME ZONE 'x'", 1_000),
        (" UNION SELECT 1", 100),
        (nested.as_str(), 1),
    ] {
        let parsed = super::query(&format!("SELECT a{}", chain.repeat(count)));
        assert_eq!(parsed.query.to_string(), parsed.clone().query.to_string());
        assert!(parsed == parsed.clone());
    }
}

/// An error deep inside of words that sqlparser tries twice is found in no time.
#[test]
fn errors_inside_many_calls_are_found_soon() {
    for word in
        ["CAST(", "POSITION(", "INTERVAL ", "ARRAY[", "CEIL(", "CONVERT(", "(SELECT * FROM ("]
    {
        let start = std::time::Instant::now();
        error(&format!("SELECT {}", word.repeat(40)));
        assert!(start.elapsed().as_secs() < 5, "{word}");
    }
}
