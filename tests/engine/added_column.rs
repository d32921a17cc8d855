//! `ALTER SOURCE ... ADD COLUMN`: what reads the source stays as it was, what comes later has the
//! column, and rows come with it or without it. Expected rows are by hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{ErrorKind, LaminarDB, SubscribeOptions, UntypedSource};

use crate::row;
use crate::support::database::{
    batch, content, created, drain, execute, listed, query, refused, started, subscribe, texts,
};
use crate::support::value::{Row, Value, rows};

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT)";
const ADD: &str = "ALTER SOURCE t ADD COLUMN c BIGINT";

/// Rows of the columns that a handle knows, or of the first two.
fn push(source: &UntypedSource, columns: usize, values: &[(&str, i64, i64)]) {
    let numbers = |of: fn(&(&str, i64, i64)) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(values.iter().map(of)))
    };
    let keys = texts(values.iter().map(|row| Some(row.0)));
    let all = [keys, numbers(|row| row.1), numbers(|row| row.2)];
    let schema = source.schema().project(&(0..columns).collect::<Vec<_>>()).unwrap();
    source.push_arrow(batch(Arc::new(schema), all[..columns].to_vec())).unwrap();
}

fn changes(db: &LaminarDB, sql: &str, act: impl FnOnce()) -> Vec<Row> {
    let mut following = subscribe(db, sql);
    drain(&mut following);
    act();
    let batches: Vec<RecordBatch> =
        drain(&mut following).into_iter().map(|change| change.batch).collect();
    rows(&batches)
}

#[test]
fn streams_stay_as_they_were_and_new_ones_have_the_column() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM star AS SELECT * FROM t",
        "CREATE STREAM sums AS SELECT k, sum(v) AS v FROM t GROUP BY k",
        "CREATE STREAM pairs AS SELECT a.*, b.v AS other FROM t a JOIN t b ON a.k = b.k",
        "CREATE SINK out FROM t",
    ]);
    let before = db.source_untyped("t").unwrap();
    push(&before, 2, &[("a", 1, 0)]);
    let sinks = changes(&db, "out", || {
        execute(&db, ADD);
        execute(&db, "CREATE STREAM wide AS SELECT * FROM t");
        execute(&db, "CREATE MATERIALIZED VIEW whole AS SELECT k, c FROM t");
        let after = db.source_untyped("t").unwrap();
        assert_eq!((before.schema().fields().len(), after.schema().fields().len()), (2, 3));
        push(&before, 2, &[("b", 2, 0)]);
        push(&after, 3, &[("a", 3, 30)]);
        push(&after, 2, &[("b", 4, 0), ("b", 5, 0)]);
        execute(&db, "INSERT INTO t VALUES ('c', 6)");
        execute(&db, "INSERT INTO t VALUES ('c', 7, 70)");
        execute(&db, "INSERT INTO t (c, k) VALUES (80, 'd')");
    });
    let narrow = [
        row!["a", 1],
        row!["a", 3],
        row!["b", 2],
        row!["b", 4],
        row!["b", 5],
        row!["c", 6],
        row!["c", 7],
        row!["d", Value::Null],
    ];
    assert_eq!(content(&db, "star"), narrow);
    assert_eq!(sinks.len(), 7);
    assert!(sinks.iter().all(|row| row.len() == 2), "{sinks:?}");
    let sums = [row!["a", 4], row!["b", 11], row!["c", 13], row!["d", Value::Null]];
    assert_eq!(content(&db, "sums"), sums);
    // 2, 3, 2 and 1 rows of a key, each with each.
    let pairs = content(&db, "pairs");
    assert_eq!((pairs.len(), pairs[0].len()), (4 + 9 + 4 + 1, 3));
    let null = || Value::Null;
    let mut wide = vec![
        row!["a", 1, null()],
        row!["a", 3, 30],
        row!["b", 2, null()],
        row!["b", 4, null()],
        row!["b", 5, null()],
        row!["c", 6, null()],
        row!["c", 7, 70],
        row!["d", null(), 80],
    ];
    assert_eq!(content(&db, "t"), wide);
    let of_view: Vec<Row> = content(&db, "(SELECT w.k, w.c FROM whole w)");
    assert_eq!(of_view.len(), 8);
    assert_eq!(query(&db, "SELECT sum(c) FROM whole"), [row![180]]);
    wide.remove(0);
    assert_eq!(content(&db, "wide"), wide);
}

/// The same rows in one batch, one by one, and as blocks of a handle from before.
#[test]
fn a_few_rows_at_a_time_give_what_a_batch_gives() {
    let expected: Vec<Row> = (0..50).map(|v| row![format!("k{}", v % 7).as_str(), v]).collect();
    let mut expected = expected;
    expected.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
    for at_a_time in [1, 7, 50] {
        let db = started(&[SOURCE, "CREATE STREAM star AS SELECT * FROM t WHERE v >= 0"]);
        let before = db.source_untyped("t").unwrap();
        assert!(before.row_layout().is_some());
        execute(&db, ADD);
        execute(&db, "CREATE STREAM wide AS SELECT * FROM t WHERE v >= 0");
        let after = db.source_untyped("t").unwrap();
        let keys: Vec<String> = (0..50).map(|v| format!("k{}", v % 7)).collect();
        let values: Vec<(&str, i64, i64)> =
            (0..50).map(|v| (keys[v].as_str(), v as i64, 100 + v as i64)).collect();
        for (index, part) in values.chunks(at_a_time).enumerate() {
            match index % 3 {
                0 => push(&before, 2, part),
                1 => push(&after, 3, part),
                _ => {
                    let layout = before.row_layout().expect("the handle had one");
                    let mut block = laminar_types::RowBlock::new(layout);
                    let columns: Vec<ArrayRef> = vec![
                        texts(part.iter().map(|row| Some(row.0))),
                        Arc::new(Int64Array::from_iter_values(part.iter().map(|row| row.1))),
                    ];
                    let rows = batch(before.schema(), columns);
                    assert!(block.append_batch(&rows, None).unwrap());
                    before.push_rows(&block).unwrap();
                }
            }
        }
        let mut star = content(&db, "star");
        star.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
        assert_eq!(star, expected, "{at_a_time}");
        let with_column: i64 = values
            .chunks(at_a_time)
            .enumerate()
            .filter(|(index, _)| index % 3 == 1)
            .flat_map(|(_, part)| part.iter().map(|row| row.2))
            .sum();
        let total = query(&db, "SELECT count(*), coalesce(sum(c), 0) FROM wide");
        assert_eq!(total, [row![50, with_column]], "{at_a_time}");
    }
}

#[test]
fn what_queued_before_the_start_goes_to_both() {
    let db = created(&[
        SOURCE,
        "CREATE STREAM star AS SELECT * FROM t",
        "INSERT INTO t VALUES ('a', 1)",
        ADD,
        "INSERT INTO t VALUES ('b', 2, 20)",
        "CREATE STREAM wide AS SELECT * FROM t",
        "INSERT INTO t VALUES ('c', 3, 30)",
        "ALTER SOURCE t ADD d VARCHAR",
        "INSERT INTO t VALUES ('d', 4, 40, 'x')",
        "CREATE MATERIALIZED VIEW all_of_it AS SELECT * FROM t",
    ]);
    db.start_blocking().unwrap();
    execute(&db, "INSERT INTO t VALUES ('e', 5, 50, 'y')");
    let narrow = [row!["a", 1], row!["b", 2], row!["c", 3], row!["d", 4], row!["e", 5]];
    assert_eq!(content(&db, "star"), narrow);
    let wide = [row!["c", 3, 30], row!["d", 4, 40], row!["e", 5, 50]];
    assert_eq!(content(&db, "wide"), wide);
    let null = || Value::Null;
    let whole = [
        row!["a", 1, null(), null()],
        row!["b", 2, 20, null()],
        row!["c", 3, 30, null()],
        row!["d", 4, 40, "x"],
        row!["e", 5, 50, "y"],
    ];
    assert_eq!(content(&db, "all_of_it"), whole);
    assert_eq!(content(&db, "t"), whole);
}

#[test]
fn what_is_known_of_the_source_goes_on() {
    let db = started(&[
        "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT, WATERMARK FOR v) WITH (retain_history = 3000)",
        "CREATE STREAM windows AS SELECT count(*) AS n FROM t GROUP BY tumble(v, 10)",
    ]);
    let before = db.source_untyped("t").unwrap();
    let many: Vec<(&str, i64, i64)> = (0..2_000).map(|v| ("a", v, 0)).collect();
    push(&before, 2, &many);
    push(&before, 2, &[("b", 2_000, 0)]);
    let epoch = query(&db, "SELECT epochs FROM laminar_metrics")[0][0].int() as u64;
    push(&before, 2, &[("b", 2_001, 0)]);
    // A time that is added is no event time, and moves no frontier.
    execute(&db, "ALTER SOURCE t ADD COLUMN at TIMESTAMP");
    execute(&db, "INSERT INTO t VALUES ('c', 2002, TIMESTAMP '2030-01-01')");
    assert_eq!(content(&db, "windows").len(), 200);
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "total_rows"), 2_003.into());
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "watermark_ms"), 2_001.into());
    let sql = query(&db, "SHOW CREATE SOURCE t").remove(0).remove(1);
    let Value::Text(sql) = sql else { panic!("{sql:?}") };
    assert!(sql.ends_with(";\nALTER SOURCE t ADD COLUMN at TIMESTAMP"), "{sql}");
    assert_eq!(query(&db, "DESCRIBE t").len(), 3);
    assert_eq!(query(&db, "SELECT count(*), count(at), min(v) FROM t"), [row![2_003, 1, 0]]);
    let options = SubscribeOptions { as_of_epoch: Some(epoch), ..SubscribeOptions::default() };
    let mut since = db.subscribe_with("SELECT v, at IS NULL AS is_old FROM t", options).unwrap();
    let since: Vec<RecordBatch> = drain(&mut since).into_iter().map(|c| c.batch).collect();
    assert_eq!(rows(&since), [row![2_001, true], row![2_002, false]]);
    // The oldest go first, as ever.
    push(&before, 2, &many.iter().map(|row| (row.0, row.1 + 3_000, 0)).collect::<Vec<_>>());
    assert_eq!(query(&db, "SELECT count(*), min(v) FROM t"), [row![3_000, 1_003]]);
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "producers"), 1.into());
    drop(before);
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "producers"), 0.into());
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let db = started(&[SOURCE, "CREATE TABLE u (a INT)"]);
    for (sql, words, kind) in [
        ("ALTER SOURCE t ADD COLUMN v INT", "has a column `v`", ErrorKind::TableExists),
        (
            "ALTER SOURCE t ADD COLUMN c INT NOT NULL",
            "leave NOT NULL out",
            ErrorKind::InvalidSchema,
        ),
        ("ALTER SOURCE t ADD COLUMN c INT PRIMARY KEY", "PRIMARY KEY", ErrorKind::InvalidSchema),
        ("ALTER SOURCE u ADD COLUMN c INT", "is a TABLE", ErrorKind::TableNotFound),
        ("ALTER SOURCE x ADD COLUMN c INT", "is called `x`", ErrorKind::TableNotFound),
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains(words), "{sql}\n{error}");
        assert_eq!(error.kind(), kind, "{sql}\n{error}");
        assert!(error.position().is_some(), "{sql}\n{error}");
    }
    execute(&db, "ALTER SOURCE t ADD COLUMN IF NOT EXISTS v INT");
    execute(&db, "ALTER SOURCE IF EXISTS x ADD COLUMN c INT");
    assert_eq!(query(&db, "DESCRIBE t").len(), 2);
    execute(&db, ADD);
    let source = db.source_untyped("t").unwrap();
    let keys: ArrayRef = texts([Some("a")]);
    let schema = source.schema().project(&[0]).unwrap();
    let error = source.push_arrow(batch(Arc::new(schema), vec![keys])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BatchSchemaMismatch);
    assert_eq!(refused(&db, "INSERT INTO t VALUES ('a')").kind(), ErrorKind::BatchSchemaMismatch);
    // A definition in its place has the column as well.
    let error = refused(&db, "CREATE OR REPLACE SOURCE t (k VARCHAR NOT NULL, v BIGINT)");
    assert!(error.message().contains("t"), "{error}");
    execute(&db, "CREATE OR REPLACE SOURCE t (k VARCHAR NOT NULL, v BIGINT, c BIGINT)");
    execute(&db, "INSERT INTO t VALUES ('a', 1, 2)");
    assert_eq!(content(&db, "t"), [row!["a", 1, 2]]);
}
