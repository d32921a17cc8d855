//! `CREATE SOURCE`, `CREATE TABLE`, `CREATE LOOKUP TABLE`, `CREATE SINK`.

use datafusion::sql::sqlparser::ast::DataType;

use super::{error, one};
use crate::parser::{CreateSink, CreateSource, CreateTable, OptionValue, SinkInput, Statement};

fn source(sql: &str) -> CreateSource {
    match one(sql) {
        Statement::CreateSource(source) => source,
        other => panic!("{other:?}"),
    }
}

fn table(sql: &str) -> CreateTable {
    match one(sql) {
        Statement::CreateTable(table) => table,
        other => panic!("{other:?}"),
    }
}

fn sink(sql: &str) -> CreateSink {
    match one(sql) {
        Statement::CreateSink(sink) => sink,
        other => panic!("{other:?}"),
    }
}

/// The column and the delay of a watermark in milliseconds.
fn watermark(sql: &str) -> (String, i64) {
    let watermark = source(sql).watermark.expect("there is one");
    (watermark.column.value, watermark.delay_ns / 1_000_000)
}

#[test]
fn names_are_lower_case_unless_quoted() {
    let source = source("CREATE SOURCE Trades (\"Sym\" VARCHAR, Price DOUBLE)");
    assert_eq!(source.name.value, "trades");
    assert_eq!(source.columns[0].name.value, "Sym");
    assert_eq!(source.columns[1].name.value, "price");
    assert_eq!(source.columns[1].data_type.to_string(), "DOUBLE");
}

#[test]
fn words_of_sql_are_column_names() {
    let words = [
        "value",
        "ts",
        "type",
        "key",
        "timestamp",
        "date",
        "source",
        "stream",
        "sink",
        "emit",
        "watermark",
        "check",
        "unique",
        "primary",
        "time",
        "interval",
        "index",
        "order_id",
        "user",
        "count",
        "first",
        "last",
        "window",
        "level",
        "name",
        "table",
        "changes",
        "late",
        "error",
    ];
    for word in words {
        let source = source(&format!("CREATE SOURCE s ({word} VARCHAR, x INT)"));
        assert_eq!(source.columns[0].name.value, word);
    }
}

#[test]
fn types_keep_their_commas() {
    let source = source(
        "CREATE SOURCE s (a STRUCT<x INT, y ARRAY<MAP(VARCHAR, INT)>>, b DECIMAL(10, 2) NOT NULL, \
         c INT[], d TIMESTAMP(6) WITH TIME ZONE, e DOUBLE PRECISION, f INT UNSIGNED)",
    );
    let types: Vec<_> = source.columns.iter().map(|column| column.data_type.to_string()).collect();
    assert_eq!(types[1], "DECIMAL(10,2)");
    assert_eq!(types[3], "TIMESTAMP(6) WITH TIME ZONE");
    assert_eq!(types[4], "DOUBLE PRECISION");
    assert_eq!(types.len(), 6);
    assert!(matches!(source.columns[0].data_type, DataType::Struct(..)));
    assert!(source.columns[1].not_null && !source.columns[0].not_null);
}

#[test]
fn watermarks_in_all_spellings() {
    let spellings = [
        ("WATERMARK FOR ts AS ts - INTERVAL '5' SECOND", 5000),
        ("WATERMARK FOR ts AS ts - INTERVAL '5 seconds'", 5000),
        ("WATERMARK FOR ts AS ts - INTERVAL '100ms'", 100),
        ("WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE", 60_000),
        ("WATERMARK FOR ts AS ts - INTERVAL '5'", 5000),
        ("WATERMARK FOR ts AS ts - '5 seconds'", 5000),
        ("WATERMARK FOR ts AS (ts - INTERVAL 5 SECOND)", 5000),
        ("WATERMARK FOR ts AS ts - 250", 250),
        ("WATERMARK FOR ts AS ts", 0),
        ("watermark for TS as Ts", 0),
        ("WATERMARK FOR ts", 0),
    ];
    for (spelling, ms) in spellings {
        for sql in [
            format!("CREATE SOURCE s (ts BIGINT, x INT, {spelling})"),
            format!("CREATE SOURCE s ({spelling}, ts BIGINT)"),
        ] {
            assert_eq!(watermark(&sql), ("ts".to_string(), ms), "{sql}");
        }
    }
}

#[test]
fn watermarks_as_options() {
    let spelled = |value: &str| {
        format!(
            "CREATE SOURCE s (ts BIGINT) WITH (watermark = 'ts', allowed_lateness = {value}, x = 1)"
        )
    };
    for (value, ms) in
        [("INTERVAL '5' SECOND", 5000), ("'5 seconds'", 5000), ("250", 250), ("'250'", 250)]
    {
        assert_eq!(watermark(&spelled(value)), ("ts".to_string(), ms));
        assert_eq!(source(&spelled(value)).options.len(), 1);
    }
    let both = "CREATE SOURCE s (ts BIGINT, WATERMARK FOR ts) WITH (allowed_lateness = 7)";
    assert_eq!(watermark(both), ("ts".to_string(), 7));
    let quoted = "CREATE SOURCE s (\"Ts\" BIGINT) WITH (watermark = 'Ts')";
    assert_eq!(watermark(quoted).0, "Ts");
}

#[test]
fn options_of_every_kind() {
    let source = source(
        "CREATE SOURCE s (a INT) WITH (A.b.C = 'x''y', \"Quoted\" = -1.5, 'key' = TRUE, \
         d = INTERVAL '1' MINUTE, k = 7)",
    );
    let value = |key: &str| source.options.entry(key).expect("is there").value.clone();
    assert_eq!(value("a.b.c"), OptionValue::String("x'y".to_string()));
    assert_eq!(value("quoted"), OptionValue::Number("-1.5".to_string()));
    assert_eq!(value("key"), OptionValue::Boolean(true));
    assert_eq!(value("d"), OptionValue::Interval(60_000_000_000));
    assert_eq!(source.options.entry("k").expect("is there").integer().expect("whole"), 7);
    assert_eq!(source.options.iter().count(), 5);
}

#[test]
fn connectors_with_or_without_columns() {
    let kafka = source(
        "CREATE SOURCE IF NOT EXISTS e FROM KAFKA (schema.registry.url = 'http://sr:8081') \
         WITH (idle_timeout = '5s')",
    );
    assert!(kafka.if_not_exists && kafka.columns.is_empty());
    let connector = kafka.connector.expect("there is one");
    assert_eq!(connector.name.value, "kafka");
    assert!(connector.options.entry("schema.registry.url").is_some());
    let timeout = kafka.options.entry("idle_timeout").expect("is there");
    assert_eq!(timeout.duration_ns().expect("a duration"), 5_000_000_000);
    let either_order = source("CREATE SOURCE e (a INT) WITH (x = 1) FROM KAFKA (y = 2)");
    assert!(either_order.connector.is_some() && either_order.options.len() == 1);
}

#[test]
fn primary_keys() {
    let inline = table("CREATE TABLE t (id BIGINT PRIMARY KEY, x INT)");
    assert_eq!(inline.primary_key[0].value, "id");
    assert!(inline.columns[0].primary_key && inline.columns[0].not_null);
    let listed = table("CREATE TABLE t (PRIMARY KEY (b, a), a INT, b INT, c INT)");
    let names: Vec<_> = listed.primary_key.iter().map(|name| name.value.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert!(listed.columns[0].primary_key && !listed.columns[2].primary_key);
    let named = table("CREATE TABLE t (a INT, CONSTRAINT pk PRIMARY KEY (a))");
    assert_eq!(named.primary_key.len(), 1);
    let versions =
        table("CREATE TABLE t (k INT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts AS ts)");
    assert!(versions.watermark.is_some());
    assert!(table("CREATE TABLE t AS SELECT 1 AS x").query.is_some());
}

#[test]
fn processing_time() {
    let source = source("CREATE SOURCE s (a INT, p AS proctime(), q TIMESTAMP AS PROCTIME())");
    assert!(source.columns[1].proctime && source.columns[2].proctime);
    assert!(!source.columns[0].proctime);
    assert!(error("CREATE SOURCE s (a INT, b AS a + 1)").message().contains("proctime()"));
}

#[test]
fn sinks() {
    let plain = sink("CREATE SINK k FROM s");
    assert!(matches!(plain.input, SinkInput::Name(name) if name.value == "s"));
    for sql in [
        "CREATE SINK k INTO KAFKA (topic = 't') FROM s WITH (a = 1)",
        "CREATE SINK k FROM s INTO KAFKA (topic = 't') WITH (a = 1)",
        "CREATE SINK k WITH (a = 1) INTO KAFKA (topic = 't') FROM s",
    ] {
        let sink = sink(sql);
        assert_eq!(sink.connector.expect("there is one").name.value, "kafka");
        assert_eq!(sink.options.len(), 1);
    }
    let query = sink("CREATE SINK k INTO KAFKA (topic = 't') AS SELECT * FROM s EMIT CHANGES");
    match query.input {
        SinkInput::Query(query) => {
            assert!(query.emit.is_some_and(|emit| emit.changes));
            assert_eq!(query.text, "SELECT * FROM s");
        }
        SinkInput::Name(name) => panic!("{name:?}"),
    }
    // Without a connector options before the query are the query's.
    let sql = "CREATE SINK k WITH (retain_history = 5) AS SELECT * FROM s WITH (state_ttl = 9)";
    let SinkInput::Query(query) = sink(sql).input else { panic!("{sql}") };
    assert_eq!((query.options.len(), query.state_ttl.map(|ttl| ttl.ns)), (1, Some(9_000_000)));
    let sql = "CREATE SINK k WITH (a = 5) INTO KAFKA () AS SELECT * FROM s WITH (b = 9)";
    let sink = sink(sql);
    assert_eq!(sink.options.iter().map(|entry| &entry.key).collect::<Vec<_>>(), ["a"]);
}
