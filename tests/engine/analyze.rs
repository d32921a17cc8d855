//! `EXPLAIN ANALYZE`: what each operator was given, gave, took and holds. The counts are by hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use laminar_db::{ErrorKind, LaminarDB};

use crate::support::database::{batch, created, execute, query, refused, started, texts};
use crate::support::value::Value;

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR NOT NULL, v BIGINT, ts BIGINT, WATERMARK FOR ts)";
const COUNTS: &str =
    "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t WHERE v > 0 GROUP BY k";

/// What is told of the operator of a label.
#[derive(Debug, PartialEq)]
struct Told {
    rows_in: u64,
    late: u64,
    rows_out: u64,
    batches: u64,
    time_ms: f64,
    state_bytes: u64,
}

impl Told {
    fn counts(&self) -> (u64, u64, u64) {
        (self.rows_in, self.rows_out, self.batches)
    }
}

#[track_caller]
fn analyze(db: &LaminarDB, name: &str, label: &str) -> Told {
    let lines = query(db, &format!("EXPLAIN ANALYZE {name}"));
    let lines: Vec<String> = lines
        .into_iter()
        .map(|mut row| match row.remove(0) {
            Value::Text(text) => text,
            other => panic!("a line of a plan is {other:?}"),
        })
        .collect();
    let at = lines.iter().position(|line| line.trim_start().starts_with(label));
    let at = at.unwrap_or_else(|| panic!("no {label} in\n{}", lines.join("\n")));
    let line = lines[at + 1].trim();
    let words: Vec<&str> = line
        .strip_prefix('(')
        .and_then(|line| line.strip_suffix(')'))
        .unwrap_or_else(|| panic!("{line}"))
        .split([' ', ',', ';'])
        .filter(|word| !word.is_empty())
        .collect();
    let before = |unit: &str| {
        let at = words.iter().position(|word| *word == unit)?;
        Some(words[at - 1])
    };
    let number = |unit: &str| before(unit).map_or(0, |word| word.parse().unwrap());
    let batches = words.iter().position(|word| *word == "batches").unwrap();
    Told {
        rows_in: number("in"),
        late: number("late"),
        rows_out: number("out"),
        batches: words[batches + 1].parse().unwrap(),
        time_ms: before("ms").unwrap().parse().unwrap(),
        state_bytes: number("bytes"),
    }
}

#[test]
fn rows_and_batches_are_counted_by_operator() {
    let db = started(&[SOURCE, COUNTS]);
    assert_eq!(analyze(&db, "counts", "Aggregate").counts(), (0, 0, 0));
    execute(&db, "INSERT INTO t VALUES ('a', 1, 0), ('b', -1, 0), ('a', 2, 0)");
    execute(&db, "INSERT INTO t VALUES ('b', 5, 0)");
    execute(&db, "INSERT INTO t VALUES ('b', 0, 0)");
    // Three epochs; the filter leaves 2, 1 and 0 rows. The groups a and b appear.
    assert_eq!(analyze(&db, "counts", "Map: filter").counts(), (5, 3, 3));
    assert_eq!(analyze(&db, "counts", "Aggregate").counts(), (3, 2, 2));
    execute(&db, "INSERT INTO t VALUES ('a', 1, 0)");
    // The change of a group is what it was and what it is.
    assert_eq!(analyze(&db, "counts", "Aggregate").counts(), (4, 4, 3));
    assert!(analyze(&db, "counts", "Aggregate").state_bytes > 0);
    assert_eq!(analyze(&db, "counts", "Map: filter").state_bytes, 0);
}

#[test]
fn rows_one_by_one_and_at_once_are_counted_alike() {
    let db = started(&[SOURCE, COUNTS]);
    let source = db.source_untyped("t").unwrap();
    for v in 0..500 {
        let columns: Vec<ArrayRef> = vec![
            texts([Some("a")]),
            Arc::new(Int64Array::from_iter_values([v])),
            Arc::new(Int64Array::from_iter_values([0])),
        ];
        source.push_arrow(batch(source.schema(), columns)).unwrap();
    }
    let told = analyze(&db, "counts", "Map: filter");
    assert_eq!(told.counts(), (500, 499, 500));
    assert!(told.time_ms > 0.0);
}

#[test]
fn late_rows_and_joins_of_both_sides_are_told() {
    let db = started(&[
        SOURCE,
        "CREATE TABLE names (k VARCHAR PRIMARY KEY, name VARCHAR)",
        "CREATE STREAM tens AS SELECT count(*) AS n FROM t GROUP BY tumble(ts, 10)
         EMIT ON WINDOW CLOSE",
        "CREATE MATERIALIZED VIEW named AS SELECT name, v FROM t JOIN names ON t.k = names.k",
        "CREATE SINK out FROM named",
    ]);
    execute(&db, "INSERT INTO names VALUES ('a', 'ann'), ('b', 'bob')");
    execute(&db, "INSERT INTO t VALUES ('a', 1, 5), ('c', 2, 20)");
    execute(&db, "INSERT INTO t VALUES ('a', 3, 6)");
    let tens = analyze(&db, "tens", "Window");
    assert_eq!((tens.rows_in, tens.late, tens.rows_out), (3, 1, 1));
    // Two names, three rows; a sink is the stream behind it.
    let named = analyze(&db, "out", "Inner join");
    assert_eq!((named.rows_in, named.rows_out), (5, 2));
}

#[test]
fn a_stream_that_is_held_back_has_done_nothing_until_the_start() {
    let db = created(&[SOURCE, COUNTS, "INSERT INTO t VALUES ('a', 1, 0), ('a', 1, 0)"]);
    assert_eq!(analyze(&db, "counts", "Map: filter").counts(), (0, 0, 0));
    db.start_blocking().unwrap();
    assert_eq!(analyze(&db, "counts", "Map: filter").counts(), (2, 2, 1));
}

#[test]
fn a_query_that_does_not_run_is_run_once_over_what_its_inputs_hold() {
    let db = started(&[SOURCE, COUNTS]);
    execute(&db, "INSERT INTO t VALUES ('a', 1, 0), ('b', -1, 5), ('a', 2, 20)");
    execute(&db, "INSERT INTO t VALUES ('c', 5, 30)");
    let before = query(&db, "SELECT epochs, streams, subscriptions FROM laminar_metrics");
    // Four rows, of which the filter leaves three; the groups a and c.
    let sql = "SELECT k, sum(v) AS v FROM t WHERE v > 0 GROUP BY k";
    for analyzed in [
        sql.to_string(),
        format!("CREATE STREAM x AS {sql} EMIT CHANGES"),
        format!("CREATE MATERIALIZED VIEW x (a, b) AS {sql}"),
        format!("CREATE SINK x AS {sql}"),
    ] {
        assert_eq!(analyze(&db, &analyzed, "Map: filter").counts(), (4, 3, 1), "{analyzed}");
        let groups = analyze(&db, &analyzed, "Aggregate by");
        assert_eq!(groups.counts(), (3, 2, 1), "{analyzed}");
        assert!(groups.state_bytes > 0);
    }
    // Of a stream that updates, its content: two groups, both taken in once.
    let of_counts = analyze(&db, "SELECT max(n) AS n FROM counts", "Aggregate");
    assert_eq!(of_counts.counts(), (2, 1, 1));
    // Windows close as far as the watermark is, which is at 30; no row is late for them.
    let tens = "SELECT count(*) AS n FROM t GROUP BY tumble(ts, 10)";
    let tens = analyze(&db, tens, "Window");
    assert_eq!((tens.rows_in, tens.late, tens.rows_out), (4, 0, 2));
    assert_eq!(query(&db, "SELECT epochs, streams, subscriptions FROM laminar_metrics"), before);
}

#[test]
fn rows_that_fail_are_told() {
    let db = started(&[SOURCE]);
    execute(&db, "INSERT INTO t VALUES ('a', 0, 0), ('b', 2, 0), ('c', 0, 0)");
    let sql = "CREATE STREAM x AS SELECT 6 / v AS v FROM t";
    let text = db.explain(&format!("EXPLAIN ANALYZE {sql}")).unwrap();
    assert!(text.contains("rows 3 in, 1 out"), "{text}");
    assert!(text.contains("2 rows, the first by Divide by zero error on the row k: a"), "{text}");
    assert_eq!(query(&db, "SELECT * FROM laminar_dead_letters").len(), 0);
    let error = refused(&db, &format!("EXPLAIN ANALYZE {sql} ON ERROR FAIL"));
    assert!(error.message().contains("Divide by zero error on the row k: a"), "{error}");
}

#[test]
fn a_query_is_told_as_a_continuous_and_as_an_ad_hoc_one() {
    let db = started(&[SOURCE]);
    execute(&db, "INSERT INTO t VALUES ('a', 1, 0), ('b', -1, 5)");
    let text = db.explain("EXPLAIN ANALYZE SELECT k FROM t WHERE v > 0").unwrap();
    let (continuous, ad_hoc) = text.split_once("As an ad-hoc query:").unwrap();
    assert!(continuous.contains("rows 2 in, 1 out"), "{text}");
    assert!(ad_hoc.contains("output_rows=1"), "{text}");
    // What only one of both can do.
    let text = db.explain("EXPLAIN ANALYZE SELECT k FROM t ORDER BY k").unwrap();
    let (continuous, ad_hoc) = text.split_once("As an ad-hoc query:").unwrap();
    assert!(continuous.contains("ORDER BY without LIMIT"), "{text}");
    assert!(ad_hoc.contains("output_rows=2"), "{text}");
}

#[test]
fn only_queries_can_be_analyzed() {
    let db = started(&[SOURCE, COUNTS]);
    let error = refused(&db, "EXPLAIN ANALYZE INSERT INTO t VALUES ('a', 1, 0)");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("EXPLAIN ANALYZE runs a query"), "{error}");
    let error = refused(&db, "EXPLAIN ANALYZE CREATE STREAM x AS SELECT nothing FROM t");
    assert_eq!(error.kind(), ErrorKind::QueryFailed);
    let error = refused(&db, "EXPLAIN ANALYZE t");
    assert!(error.message().contains("runs no query"), "{error}");
    assert_eq!(refused(&db, "EXPLAIN ANALYZE nothing").kind(), ErrorKind::TableNotFound);
    assert!(db.explain("EXPLAIN ANALYZE counts").unwrap().contains("batches 0"));
}
