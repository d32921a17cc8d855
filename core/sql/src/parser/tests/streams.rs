//! Continuous queries and the clauses behind them.

use laminar_types::Position;

use super::{one, query};
use crate::parser::{CreateStream, EmitTiming, OnError, Statement};

fn stream(sql: &str) -> CreateStream {
    match one(sql) {
        Statement::CreateStream(stream) | Statement::CreateMaterializedView(stream) => stream,
        other => panic!("{other:?}"),
    }
}

/// The timing and the form of the `EMIT` behind a query.
fn emit(clause: &str) -> (EmitTiming, bool) {
    let query = query(&format!("SELECT a FROM t {clause}"));
    assert_eq!(query.text, "SELECT a FROM t");
    assert_eq!(query.query.to_string(), "SELECT a FROM t");
    let emit = query.emit.expect("there is one");
    (emit.timing, emit.changes)
}

#[test]
fn emit_in_all_spellings() {
    let every = |ms: i64| EmitTiming::Every { interval_ns: ms * 1_000_000 };
    for (clause, expected) in [
        ("EMIT ON WINDOW CLOSE", (EmitTiming::Final, false)),
        ("EMIT FINAL", (EmitTiming::Final, false)),
        ("emit after watermark", (EmitTiming::Final, false)),
        ("EMIT ON WATERMARK", (EmitTiming::Final, false)),
        ("EMIT ON UPDATE", (EmitTiming::Update, false)),
        ("EMIT CHANGES", (EmitTiming::Update, true)),
        ("EMIT ON UPDATE CHANGES", (EmitTiming::Update, true)),
        ("EMIT EVERY INTERVAL '10' SECOND", (every(10_000), false)),
        ("EMIT EVERY INTERVAL '10 seconds'", (every(10_000), false)),
        ("EMIT EVERY '10 seconds'", (every(10_000), false)),
        ("EMIT EVERY 10 SECONDS", (every(10_000), false)),
        ("EMIT EVERY 500", (every(500), false)),
        ("EMIT PERIODICALLY '500ms'", (every(500), false)),
        ("EMIT CHANGES EVERY INTERVAL '1' MINUTE", (every(60_000), true)),
        ("EMIT EVERY INTERVAL '1' MINUTE CHANGES", (every(60_000), true)),
    ] {
        assert_eq!(emit(clause), expected, "{clause}");
    }
}

#[test]
fn clauses_come_in_any_order() {
    let clauses = [
        "EMIT ON WINDOW CLOSE",
        "ALLOW LATENESS INTERVAL '10' SECOND",
        "LATE DATA TO late_sink",
        "ON ERROR FAIL",
        "WITH (state_ttl = '1h')",
    ];
    for shift in 0..clauses.len() {
        let mut turned = clauses;
        turned.rotate_left(shift);
        for text in [turned.join(" "), turned.iter().rev().copied().collect::<Vec<_>>().join("\n")]
        {
            let query = query(&format!("SELECT a FROM t JOIN u ON t.x = u.x {text}"));
            assert_eq!(query.text, "SELECT a FROM t JOIN u ON t.x = u.x");
            assert_eq!(query.emit.expect("there").timing, EmitTiming::Final);
            assert_eq!(query.allow_lateness_ns, Some(10_000_000_000));
            assert_eq!(query.late_data_to.expect("there").value, "late_sink");
            assert_eq!(query.on_error, Some(OnError::Fail));
            assert_eq!(query.state_ttl.expect("there").ns, 3_600_000_000_000);
            assert!(query.options.is_empty());
        }
    }
}

#[test]
fn lateness_as_an_option() {
    let query = query("SELECT 1 FROM t WITH (allowed_lateness = INTERVAL '10' SECOND, a = 1)");
    assert_eq!(query.allow_lateness_ns, Some(10_000_000_000));
    assert_eq!(query.options.len(), 1);
    let before =
        stream("CREATE STREAM s WITH (allowed_lateness = 5, a = 1) AS SELECT 1 WITH (b = 2)");
    assert_eq!(before.query.allow_lateness_ns, Some(5_000_000));
    assert_eq!(before.query.options.len(), 2);
}

#[test]
fn emit_is_a_name_where_it_is_one() {
    for sql in [
        "SELECT emit FROM t",
        "SELECT emit final FROM t",
        "SELECT a AS emit FROM t",
        "SELECT a emit FROM t",
        "SELECT emit.x FROM emit",
        "SELECT * FROM t emit",
        "SELECT * FROM t AS emit WHERE emit.a = 1",
        "SELECT * FROM t emit JOIN u late ON emit.a = late.data",
        "SELECT * FROM emit",
        "SELECT * FROM t WHERE emit = 1",
        "SELECT 'EMIT CHANGES', \"EMIT CHANGES\" FROM t",
        "SELECT 'x' AS \"EMIT\" FROM t ORDER BY emit",
        "SELECT * FROM t -- EMIT CHANGES",
        "SELECT * FROM t ORDER BY emit DESC",
        "SELECT emit, changes FROM t GROUP BY emit, changes",
        "SELECT * FROM a JOIN b ON error = b.x",
    ] {
        let query = query(sql);
        assert_eq!(query.emit, None, "{sql}");
        assert_eq!(query.on_error, None, "{sql}");
    }
    for sql in [
        "SELECT emit FROM t EMIT CHANGES",
        "SELECT * FROM emit EMIT CHANGES",
        "SELECT * FROM t emit EMIT CHANGES",
        "SELECT * FROM t WHERE a = emit EMIT CHANGES",
        "SELECT * FROM t ORDER BY ts DESC LIMIT 3 EMIT CHANGES",
        "SELECT * FROM \"EMIT\" EMIT CHANGES",
        "SELECT * FROM 'a.parquet' EMIT CHANGES",
        "SELECT COUNT(*) EMIT CHANGES",
        "(SELECT 1) EMIT CHANGES",
        "FROM t SELECT * EMIT CHANGES",
        "SELECT CASE WHEN a THEN 1 END EMIT CHANGES",
        "SELECT a[1] FROM t WHERE x IS NULL EMIT CHANGES",
        "VALUES (1) EMIT CHANGES",
    ] {
        assert!(query(sql).emit.is_some(), "{sql}");
    }
}

#[test]
fn a_stream_has_its_text_and_places() {
    let stream = stream(
        "CREATE OR REPLACE STREAM  Totals (k, total) AS\n  SELECT k, -- the key\n    sum(x)\n  \
         FROM \"T\u{e9}\" GROUP BY k\n  EMIT CHANGES;  ",
    );
    assert!(stream.or_replace && !stream.if_not_exists);
    assert_eq!(stream.name.value, "totals");
    assert_eq!(stream.name.position, Position { line: 1, column: 27 });
    assert_eq!(stream.columns.len(), 2);
    assert_eq!(
        stream.query.text,
        "SELECT k, -- the key\n    sum(x)\n  FROM \"T\u{e9}\" GROUP BY k"
    );
    let emit = stream.query.emit.expect("there is one");
    assert_eq!(emit.position, Position { line: 5, column: 3 });
}

#[test]
fn several_statements() {
    let sql = ";; CREATE SOURCE s (a INT);\nSELECT ';' FROM s; -- ;\n SHOW SOURCES ;";
    let statements = crate::parser::parse(sql).expect("three statements");
    assert_eq!(statements.len(), 3);
    assert!(crate::parser::parse(" -- nothing\n ; ").expect("none").is_empty());
}
