//! `SHOW`, `SET`, `DESCRIBE`, `EXPLAIN`, `SUBSCRIBE`, `DROP`, `ALTER` and what sqlparser reads.

use super::one;
use crate::outline::ExplainForm;
use crate::parser::{
    Explain, ExplainTarget, ObjectKind, OptionValue, Show, Statement, Subscribe, Target,
};

#[test]
fn show() {
    for (sql, list) in [
        ("SHOW SOURCES", Show::Sources),
        ("show tables", Show::Tables),
        ("SHOW LOOKUP TABLES", Show::LookupTables),
        ("SHOW STREAMS", Show::Streams),
        ("SHOW MATERIALIZED VIEWS", Show::MaterializedViews),
        ("SHOW SINKS", Show::Sinks),
        ("SHOW QUERIES;", Show::Queries),
    ] {
        assert_eq!(one(sql), Statement::Show(list));
    }
    let Statement::ShowCreate(create) = one("SHOW CREATE MATERIALIZED VIEW V") else { panic!() };
    assert_eq!((create.kind, create.name.value.as_str()), (ObjectKind::MaterializedView, "v"));
    let Statement::ShowVariable(name) = one("SHOW DataFusion.Execution.Batch_Size") else {
        panic!()
    };
    assert_eq!(name.value, "datafusion.execution.batch_size");
    assert!(matches!(one("SHOW ALL"), Statement::ShowVariable(name) if name.value == "all"));
    assert!(matches!(one("SHOW COLUMNS FROM t"), Statement::Other(_)));
}

#[test]
fn cancel_query() {
    assert_eq!(one("CANCEL QUERY 12"), Statement::CancelQuery(12));
    assert_eq!(one("cancel query 0;"), Statement::CancelQuery(0));
    for sql in ["CANCEL", "CANCEL 12", "CANCEL QUERY", "CANCEL QUERY x", "CANCEL QUERY 1 2"] {
        assert!(crate::parser::parse_one(sql).is_err(), "{sql}");
    }
}

#[test]
fn set() {
    for (sql, name, value) in [
        ("SET timezone = 'UTC'", "timezone", OptionValue::String("UTC".to_string())),
        ("SET TIME ZONE 'UTC'", "timezone", OptionValue::String("UTC".to_string())),
        ("SET a.B TO 5", "a.b", OptionValue::Number("5".to_string())),
        ("SET a = on", "a", OptionValue::String("on".to_string())),
        ("SET a = FALSE", "a", OptionValue::Boolean(false)),
        ("SET a = INTERVAL '1' SECOND", "a", OptionValue::Interval(1_000_000_000)),
    ] {
        let Statement::Set(set) = one(sql) else { panic!("{sql}") };
        assert_eq!((set.name.value.as_str(), set.value), (name, value));
    }
}

#[test]
fn describe() {
    let describe = |sql: &str| match one(sql) {
        Statement::Describe(describe) => describe,
        other => panic!("{other:?}"),
    };
    for (sql, extended, name) in [
        ("DESCRIBE trades", false, "trades"),
        ("DESC EXTENDED Trades", true, "trades"),
        ("DESCRIBE extended", false, "extended"),
        ("DESCRIBE TABLE t", false, "t"),
        ("DESCRIBE STREAM s", false, "s"),
    ] {
        let describe = describe(sql);
        assert_eq!(describe.extended, extended, "{sql}");
        assert!(matches!(describe.target, Target::Name(found) if found.value == name), "{sql}");
    }
    assert!(matches!(describe("DESCRIBE SELECT 1 EMIT FINAL").target, Target::Query(_)));
}

#[test]
fn explain() {
    let explain = |sql: &str| -> Explain {
        match one(sql) {
            Statement::Explain(explain) => explain,
            other => panic!("{other:?}"),
        }
    };
    let query = explain("EXPLAIN ANALYZE VERBOSE SELECT 1 FROM t EMIT FINAL");
    assert!(query.analyze && query.form == ExplainForm { verbose: true, json: false });
    match query.target {
        ExplainTarget::Statement(inner) => {
            assert!(matches!(*inner, Statement::Query(query) if query.emit.is_some()));
        }
        ExplainTarget::Name(name) => panic!("{name:?}"),
    }
    for sql in ["EXPLAIN s", "EXPLAIN STREAM s", "EXPLAIN MATERIALIZED VIEW s", "EXPLAIN ANALYZE s"]
    {
        assert!(
            matches!(explain(sql).target, ExplainTarget::Name(name) if name.value == "s"),
            "{sql}"
        );
    }
    for (sql, analyze, verbose, json) in [
        ("EXPLAIN FORMAT JSON SELECT 1", false, false, true),
        ("EXPLAIN FORMAT text SELECT 1", false, false, false),
        ("EXPLAIN (FORMAT JSON) s", false, false, true),
        ("EXPLAIN (VERBOSE, ANALYZE, FORMAT JSON) SELECT 1", true, true, true),
        ("EXPLAIN VERBOSE FORMAT JSON s", false, true, true),
        ("EXPLAIN (SELECT 1)", false, false, false),
    ] {
        let read = explain(sql);
        assert_eq!((read.analyze, read.form), (analyze, ExplainForm { verbose, json }), "{sql}");
    }
    // What looks like an option may be a name.
    assert!(matches!(
        explain("EXPLAIN format").target,
        ExplainTarget::Name(name) if name.value == "format"
    ));
    assert!(matches!(
        explain("EXPLAIN CREATE STREAM s AS SELECT 1").target,
        ExplainTarget::Statement(inner) if matches!(*inner, Statement::CreateStream(_))
    ));
}

#[test]
fn subscribe() {
    let subscribe = |sql: &str| -> Subscribe {
        match one(sql) {
            Statement::Subscribe(subscribe) => subscribe,
            other => panic!("{other:?}"),
        }
    };
    for sql in [
        "SUBSCRIBE s WITH SNAPSHOT WHERE a > 1 OR b IS NULL AS OF EPOCH 7",
        "SUBSCRIBE TO s AS OF EPOCH 7 WHERE a > 1 OR b IS NULL WITH SNAPSHOT",
        "SUBSCRIBE s WHERE a > 1 OR b IS NULL AS OF EPOCH 7 WITH SNAPSHOT",
    ] {
        let subscribe = subscribe(sql);
        assert!(matches!(&subscribe.target, Target::Name(name) if name.value == "s"));
        assert!(subscribe.snapshot);
        assert_eq!(subscribe.predicate.expect("there").to_string(), "a > 1 OR b IS NULL");
        assert_eq!(subscribe.as_of_epoch, Some(7));
    }
    let cast = subscribe("SUBSCRIBE s WHERE CAST(a AS INT) > 1");
    assert_eq!(cast.predicate.expect("there").to_string(), "CAST(a AS INT) > 1");
    let query = subscribe("SUBSCRIBE (SELECT * FROM s) EMIT CHANGES");
    assert!(matches!(query.target, Target::Query(query) if query.emit.is_some()));
}

#[test]
fn drop_and_alter() {
    for (sql, kind) in [
        ("DROP SOURCE x", ObjectKind::Source),
        ("DROP TABLE x", ObjectKind::Table),
        ("DROP LOOKUP TABLE x", ObjectKind::LookupTable),
        ("DROP STREAM x", ObjectKind::Stream),
        ("DROP MATERIALIZED VIEW x", ObjectKind::MaterializedView),
        ("DROP SINK x", ObjectKind::Sink),
    ] {
        let Statement::Drop(drop) = one(sql) else { panic!("{sql}") };
        assert_eq!((drop.kind, drop.if_exists, drop.cascade), (kind, false, false));
        let Statement::Drop(drop) = one(&sql.replace(" x", " IF EXISTS \"X\" CASCADE")) else {
            panic!("{sql}")
        };
        assert_eq!((drop.name.value.as_str(), drop.if_exists, drop.cascade), ("X", true, true));
    }
    assert!(matches!(one("DROP VIEW v"), Statement::Other(_)));
    let Statement::AlterSource(alter) = one("ALTER SOURCE s ADD COLUMN x STRUCT<a INT, b INT>")
    else {
        panic!()
    };
    assert_eq!((alter.name.value.as_str(), alter.column.name.value.as_str()), ("s", "x"));
    assert!(matches!(one("ALTER TABLE t ADD COLUMN x INT"), Statement::Other(_)));
}

#[test]
fn changes_of_rows() {
    assert!(matches!(one("INSERT INTO t VALUES (1, 'a')"), Statement::Insert(_)));
    assert!(matches!(one("INSERT INTO t (a) SELECT 1"), Statement::Insert(_)));
    assert!(matches!(one("UPDATE t SET a = 1 WHERE b = 2"), Statement::Update(_)));
    assert!(matches!(one("DELETE FROM t WHERE b = 2"), Statement::Delete(_)));
}
