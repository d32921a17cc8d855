//! Keyed aggregates, aggregates over aggregates, and streams over streams.
//!
//! Expected contents are DataFusion's batch answers over all rows that were pushed.

mod empty_groups;
mod enumerated;
mod functions;
mod grouping_sets;
mod numbers;
mod ordered;
mod relation;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, SchemaRef};
use laminar_db::{LaminarDB, SubscribeOptions, UntypedSubscription};

use crate::row;
use crate::support::database::{
    batch, batches, content, created, drain_rows, execute, listed, started, subscribe, texts,
};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, Value, assert_same, rows};

/// A column of every type that can be summed, compared or grouped by. `w` holds doubles of any
/// value, the other floats are quarters, whose sums are exact.
const EVERY_TYPE: &str = "CREATE SOURCE t (
    k VARCHAR, k2 INT, flag BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INT, i64 BIGINT,
    u8 TINYINT UNSIGNED, u16 SMALLINT UNSIGNED, u32 INT UNSIGNED, u64 BIGINT UNSIGNED,
    f32 REAL, f64 DOUBLE, w DOUBLE, d DECIMAL(10, 2), wide DECIMAL(30, 4), day DATE,
    at0 TIMESTAMP(0), at9 TIMESTAMP(9), s VARCHAR)";

/// Random rows for a schema of [`EVERY_TYPE`]; every column has NULLs.
fn random_rows(random: &mut Random, schema: &SchemaRef, count: usize) -> RecordBatch {
    let mut columns = Vec::new();
    for field in schema.fields() {
        let mut parts: Vec<ArrayRef> = Vec::new();
        for _ in 0..count {
            parts.push(random_value(random, field.name(), field.data_type()));
        }
        let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(AsRef::as_ref).collect();
        columns.push(concat(&parts).unwrap());
    }
    batch(Arc::clone(schema), columns)
}

fn random_value(random: &mut Random, name: &str, data_type: &DataType) -> ArrayRef {
    if random.chance(12) {
        return new_null_array(data_type, 1);
    }
    let integer = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
    let value: ArrayRef = match data_type {
        DataType::Utf8 if name == "k" => texts([Some(*random.pick(&["x", "y", "", "long key é"]))]),
        DataType::Utf8 => {
            let text =
                format!("{}{}", random.range(0, 30), "é".repeat(random.range(0, 9) as usize));
            texts([Some(text.as_str())])
        }
        DataType::Float64 if name == "w" => {
            Arc::new(Float64Array::from(vec![random.range(1, 1 << 40) as f64 / 1.1e6]))
        }
        DataType::Float32 | DataType::Float64 => {
            Arc::new(Float64Array::from(vec![random.range(-4_000, 4_000) as f64 / 4.0]))
        }
        DataType::Decimal128(_, scale) => {
            let cents = random.range(-1_000_000, 1_000_000);
            let text = format!("{}.{:02}", cents / 100, cents.abs() % 100);
            assert!(*scale >= 2);
            texts([Some(text.as_str())])
        }
        DataType::Boolean => integer(random.range(0, 2)),
        DataType::UInt8 => integer(random.range(0, 256)),
        DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => integer(random.range(0, 60_000)),
        DataType::Int8 => integer(random.range(-128, 128)),
        DataType::Int32 if name == "k2" => integer(random.range(0, 4)),
        DataType::Date32 => {
            return cast(
                &cast(&integer(random.range(-900, 20_000)), &DataType::Int32).unwrap(),
                data_type,
            )
            .unwrap();
        }
        _ => integer(random.range(-30_000, 30_000)),
    };
    cast(&value, data_type).unwrap()
}

/// The types of what a query answers.
fn types(batches: &[RecordBatch]) -> Vec<DataType> {
    let fields = batches.first().map(|batch| batch.schema().fields().clone());
    fields
        .into_iter()
        .flat_map(|f| f.iter().map(|f| f.data_type().clone()).collect::<Vec<_>>())
        .collect()
}

/// Creates a stream per query, pushes random rows in random batches, and compares each stream
/// after some of the pushes with the batch answer over all rows so far.
fn check_against_batch(seed: u64, queries: &[String], row_count: usize) {
    let mut random = Random::new(seed);
    let db = started(&[EVERY_TYPE]);
    for (index, query) in queries.iter().enumerate() {
        execute(&db, &format!("CREATE STREAM s{index} AS {query}"));
    }
    let source = db.source_untyped("t").unwrap();
    let all = random_rows(&mut random, &source.schema(), row_count);
    let oracle = Oracle::new();
    let mut offset = 0;
    while offset < row_count {
        let most = (row_count - offset).min(if random.chance(50) { 3 } else { row_count / 3 });
        let size = random.range(1, most as i64 + 1) as usize;
        source.push_arrow(all.slice(offset, size)).unwrap();
        offset += size;
        if offset < row_count && !random.chance(15) {
            continue;
        }
        oracle.table("t", source.schema(), vec![all.slice(0, offset)]);
        for (index, query) in queries.iter().enumerate() {
            let got = batches(&db, &format!("SELECT * FROM s{index}"));
            let expected = oracle.batches(query);
            if !expected.is_empty() && expected.iter().any(|batch| batch.num_rows() > 0) {
                assert_eq!(types(&got), types(&expected), "types of {query}");
            }
            let what = format!("{query} over {offset} rows");
            assert_same(&what, &rows(&got), &rows(&expected), 1e-9);
        }
    }
    for (index, query) in queries.iter().enumerate() {
        let letters = listed(&db, "SHOW STREAMS", &format!("s{index}"), "dead_letters");
        assert_eq!(letters, Value::Int(0), "{query}");
    }
}

const NUMBERS: [&str; 14] =
    ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "w", "d", "wide", "k2"];

const ORDERED: [&str; 6] = ["flag", "day", "at0", "at9", "s", "k"];

#[test]
fn every_function_over_every_type() {
    let mut queries = Vec::new();
    for column in NUMBERS {
        queries.push(format!(
            "SELECT k, count(*) AS n, count({column}) AS c, sum({column}) AS s, avg({column}) AS a,
             min({column}) AS low, max({column}) AS high FROM t GROUP BY k"
        ));
    }
    for column in ORDERED {
        queries.push(format!(
            "SELECT k2, count({column}) AS c, min({column}) AS low, max({column}) AS high
             FROM t GROUP BY k2"
        ));
    }
    for_seeds(2, |seed| check_against_batch(seed, &queries, 400));
}

#[test]
fn filters_having_expressions_and_keys() {
    let queries = [
        "SELECT k, count(*) FILTER (WHERE flag) AS f, sum(i32) FILTER (WHERE i32 > 0) AS p,
           max(s) FILTER (WHERE k2 = 1) AS m, avg(f64) FILTER (WHERE false) AS nothing
         FROM t GROUP BY k",
        "SELECT k, sum(i64) AS s FROM t GROUP BY k HAVING sum(i64) > 0",
        "SELECT k, k2 FROM t GROUP BY k, k2 HAVING count(*) > 5 AND max(i32) < 29000",
        "SELECT k, count(*) * 2 AS twice, sum(i64) / count(*) AS m, sum(w) / sum(u8 + 1) AS r,
           max(i32) - min(i32) AS spread, CASE WHEN count(*) > 9 THEN 'many' ELSE 'few' END AS c
         FROM t GROUP BY k",
        "SELECT upper(k) AS u, count(*) AS n FROM t GROUP BY upper(k)",
        "SELECT k2 % 2 AS parity, k2 IS NULL AS none, count(*) AS n FROM t GROUP BY 1, 2",
        "SELECT k, k2, flag, day, count(*) AS n, sum(d) AS s FROM t GROUP BY k, k2, flag, day",
        "SELECT d, count(*) AS n FROM t GROUP BY d",
        "SELECT wide, count(*) AS n FROM t GROUP BY wide",
        "SELECT at9, at0, count(*) AS n FROM t GROUP BY at9, at0",
        "SELECT flag, count(i8) AS n FROM t GROUP BY flag",
        "SELECT DISTINCT k, k2 FROM t",
        "SELECT k FROM t GROUP BY k",
        "SELECT count(*) AS n FROM t GROUP BY k",
        "SELECT k, count(1) AS n, count(k) AS m, sum(i32 * 2 + 1) AS s FROM t
         WHERE i32 IS NOT NULL AND (flag OR k2 > 1) GROUP BY k",
        "WITH a AS (SELECT k, k2, count(*) AS n, sum(i64) AS s FROM t GROUP BY k, k2)
         SELECT k, sum(n) AS n, max(s) AS high, min(s) AS low, avg(n) AS a FROM a GROUP BY k",
        "SELECT n, count(*) AS groups FROM (SELECT s, count(*) AS n FROM t GROUP BY s) GROUP BY n",
        "SELECT k, count(*) AS n FROM (SELECT k FROM t UNION ALL SELECT s FROM t) GROUP BY k",
        "SELECT k FROM t UNION SELECT s FROM t",
    ];
    let queries: Vec<String> = queries.iter().map(ToString::to_string).collect();
    for_seeds(3, |seed| check_against_batch(seed, &queries, 300));
}

#[test]
fn append_only_queries_and_their_rows() {
    let queries = [
        "SELECT k, i32 + 1 AS n, w * 2 AS x, CAST(i64 AS VARCHAR) AS text FROM t WHERE k2 > 0",
        "SELECT coalesce(k, '?') || s AS key, CASE WHEN flag THEN i8 ELSE i16 END AS n FROM t",
        "SELECT k, i32 FROM t WHERE i32 > 0 UNION ALL SELECT s, k2 FROM t WHERE NOT flag",
        "SELECT * FROM t WHERE d > 100.5 AND day > DATE '1990-01-01'",
        "SELECT length(s) AS l, substr(s, 2) AS rest, k IN ('x', 'y') AS known FROM t",
    ];
    let mut random = Random::new(5);
    let db = started(&[EVERY_TYPE]);
    for (index, query) in queries.iter().enumerate() {
        execute(&db, &format!("CREATE STREAM s{index} AS {query}"));
    }
    let source = db.source_untyped("t").unwrap();
    let all = random_rows(&mut random, &source.schema(), 300);
    for offset in (0..300).step_by(60) {
        source.push_arrow(all.slice(offset, 60)).unwrap();
    }
    let oracle = Oracle::new();
    oracle.table("t", source.schema(), vec![all]);
    for (index, query) in queries.iter().enumerate() {
        let mut expected = oracle.rows(query);
        expected.sort();
        assert_eq!(content(&db, &format!("s{index}")), expected, "{query}");
    }
}

#[test]
fn floats_as_keys_and_extremes() {
    let db = started(&[
        "CREATE SOURCE t (x DOUBLE, y DOUBLE)",
        "CREATE STREAM by_x AS SELECT x, count(*) AS n FROM t GROUP BY x",
        "CREATE STREAM all_y AS SELECT sum(y) AS s, min(y) AS low, max(y) AS high FROM t",
    ]);
    let source = db.source_untyped("t").unwrap();
    let push = |pairs: &[(Option<f64>, f64)]| {
        let x: ArrayRef = Arc::new(Float64Array::from_iter(pairs.iter().map(|pair| pair.0)));
        let y: ArrayRef = Arc::new(Float64Array::from_iter_values(pairs.iter().map(|p| p.1)));
        source.push_arrow(batch(source.schema(), vec![x, y])).unwrap();
    };
    push(&[(Some(1.5), 2.0), (None, -3.5), (Some(f64::NAN), 1e300)]);
    assert_eq!(content(&db, "all_y"), vec![row![1e300, -3.5, 1e300]]);
    push(&[(Some(f64::NAN), -1e300), (None, 0.0), (Some(1.5), f64::NEG_INFINITY)]);
    assert_eq!(content(&db, "by_x"), vec![row![None::<i64>, 2], row![1.5, 2], row![f64::NAN, 2]]);
    assert_eq!(content(&db, "all_y"), vec![row![f64::NEG_INFINITY, f64::NEG_INFINITY, 1e300]]);
    push(&[(Some(0.5), f64::INFINITY)]);
    assert_eq!(content(&db, "all_y"), vec![row![f64::NAN, f64::NEG_INFINITY, f64::INFINITY]]);
}

/// `(k, v)` rows as a batch of a source `(k VARCHAR, v BIGINT)`.
fn pairs(schema: SchemaRef, rows: &[(&str, i64)]) -> RecordBatch {
    let keys = texts(rows.iter().map(|row| Some(row.0)));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    batch(schema, vec![keys, values])
}

fn push(db: &LaminarDB, rows: &[(&str, i64)]) {
    let source = db.source_untyped("t").unwrap();
    source.push_arrow(pairs(source.schema(), rows)).unwrap();
}

const PAIRS: &str = "CREATE SOURCE t (k VARCHAR, v BIGINT)";

#[test]
fn a_global_aggregate_has_its_row_from_the_beginning() {
    let db = created(&[
        PAIRS,
        "CREATE STREAM total AS SELECT count(*) AS n, count(v) AS c, sum(v) AS s, max(k) AS m,
             avg(v) AS a FROM t",
        "CREATE STREAM some AS SELECT count(*) AS n FROM t HAVING count(*) > 1",
        "CREATE STREAM over AS SELECT sum(n) AS s, count(*) AS c FROM total",
        "CREATE STREAM keyed AS SELECT k, count(*) AS n FROM t GROUP BY k",
    ]);
    let nothing = row![0, 0, None::<i64>, None::<i64>, None::<i64>];
    assert_eq!(content(&db, "total"), vec![nothing.clone()]);
    assert_eq!(content(&db, "over"), vec![row![0, 1]]);
    assert_eq!(content(&db, "some"), Vec::<Row>::new());
    assert_eq!(content(&db, "keyed"), Vec::<Row>::new());
    db.start_blocking().unwrap();
    assert_eq!(content(&db, "total"), vec![nothing]);
    let mut changes = db
        .subscribe_with("SELECT count(*) AS n FROM t EMIT CHANGES", SubscribeOptions::default())
        .unwrap();
    assert_eq!(drain_rows(&mut changes), vec![row![0, 1]]);
    push(&db, &[("a", 3), ("b", 4)]);
    assert_eq!(drain_rows(&mut changes), vec![row![0, -1], row![2, 1]]);
    assert_eq!(content(&db, "total"), vec![row![2, 2, 7, "b", 3.5]]);
    assert_eq!(content(&db, "some"), vec![row![2]]);
    assert_eq!(content(&db, "over"), vec![row![2, 1]]);
}

#[test]
fn an_aggregate_over_an_aggregate_stream_does_not_count_twice() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM counts AS SELECT k, count(*) AS n, max(v) AS high FROM t GROUP BY k",
        "CREATE STREAM total AS SELECT count(*) AS keys, sum(n) AS n, min(n) AS low,
             max(high) AS high, avg(n) AS a FROM counts",
        "CREATE STREAM by_count AS SELECT n, count(*) AS keys FROM counts GROUP BY n",
    ]);
    push(&db, &[("a", 1), ("b", 9), ("a", 2)]);
    assert_eq!(content(&db, "total"), vec![row![2, 3, 1, 9, 1.5]]);
    assert_eq!(content(&db, "by_count"), vec![row![1, 1], row![2, 1]]);
    push(&db, &[("b", 3)]);
    push(&db, &[("b", 3), ("c", 1)]);
    // a: 2, b: 3, c: 1.
    assert_eq!(content(&db, "total"), vec![row![3, 6, 1, 9, 2.0]]);
    assert_eq!(content(&db, "by_count"), vec![row![1, 1], row![2, 1], row![3, 1]]);
    push(&db, &[("c", 1)]);
    assert_eq!(content(&db, "by_count"), vec![row![2, 2], row![3, 1]]);
    assert_eq!(content(&db, "total")[0][2], Value::Int(2));
}

#[test]
fn a_group_leaves_a_having_and_comes_back() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM rich AS SELECT k, sum(v) AS s FROM t GROUP BY k HAVING sum(v) > 10",
        "CREATE STREAM how_many AS SELECT count(*) AS n, sum(s) AS s FROM rich",
    ]);
    let mut changes = subscribe(&db, "rich");
    push(&db, &[("a", 11), ("b", 10)]);
    assert_eq!(drain_rows(&mut changes), vec![row!["a", 11, 1]]);
    push(&db, &[("a", -5), ("b", 10)]);
    assert_eq!(drain_rows(&mut changes), vec![row!["a", 11, -1], row!["b", 20, 1]]);
    assert_eq!(content(&db, "how_many"), vec![row![1, 20]]);
    push(&db, &[("b", -20)]);
    assert_eq!(drain_rows(&mut changes), vec![row!["b", 20, -1]]);
    assert_eq!(content(&db, "rich"), Vec::<Row>::new());
    assert_eq!(content(&db, "how_many"), vec![row![0, None::<i64>]]);
    push(&db, &[("a", 5)]);
    assert_eq!(drain_rows(&mut changes), vec![row!["a", 11, 1]]);
    // Nothing that nets to zero is told.
    push(&db, &[("a", 1), ("a", -1), ("c", 3)]);
    assert_eq!(drain_rows(&mut changes), Vec::<Row>::new());
}

#[test]
fn only_the_groups_that_changed_are_told() {
    let db = started(&[PAIRS, "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k"]);
    let names: Vec<String> = (0..5_000).map(|index| format!("key {index}")).collect();
    let many: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    push(&db, &many);
    let mut updates = subscribe(&db, "counts");
    push(&db, &[("key 77", 1)]);
    assert_eq!(drain_rows(&mut updates), vec![row!["key 77", 2]]);
}

#[test]
fn streams_created_late_begin_with_the_content_of_what_updates_alone() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM counts AS SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k",
        "CREATE STREAM big AS SELECT k, v FROM t WHERE v > 10",
    ]);
    push(&db, &[("a", 5), ("b", 15), ("a", 25)]);
    for sql in [
        "CREATE STREAM of_counts AS SELECT sum(n) AS n, max(s) AS high FROM counts",
        "CREATE STREAM filtered AS SELECT k, n * 10 AS n FROM counts WHERE n > 1",
        "CREATE STREAM of_big AS SELECT count(*) AS n FROM big",
        "CREATE STREAM of_t AS SELECT k, count(*) AS n FROM t GROUP BY k",
        "CREATE STREAM copy AS SELECT * FROM big",
    ] {
        execute(&db, sql);
    }
    assert_eq!(content(&db, "of_counts"), vec![row![3, 30]]);
    assert_eq!(content(&db, "filtered"), vec![row!["a", 20]]);
    assert_eq!(content(&db, "of_big"), vec![row![0]]);
    assert_eq!(content(&db, "of_t"), Vec::<Row>::new());
    assert_eq!(content(&db, "copy"), Vec::<Row>::new());
    push(&db, &[("b", 50), ("c", 1)]);
    assert_eq!(content(&db, "of_counts"), vec![row![5, 65]]);
    assert_eq!(content(&db, "filtered"), vec![row!["a", 20], row!["b", 20]]);
    assert_eq!(content(&db, "of_big"), vec![row![1]]);
    assert_eq!(content(&db, "of_t"), vec![row!["b", 1], row!["c", 1]]);
    assert_eq!(content(&db, "copy"), vec![row!["b", 50]]);
}

/// Queries over `t`, streams before them, and the same as batch queries over `t` alone.
struct Chain {
    db: LaminarDB,
    streams: Vec<(String, String, UntypedSubscription, Replay, bool)>,
}

impl Chain {
    /// `(name, query, emit)`; a query may read the streams before it.
    fn new(definitions: &[(&str, &str, &str)]) -> Self {
        let db = started(&[PAIRS]);
        let mut expanded: BTreeMap<&str, String> = BTreeMap::new();
        let mut streams = Vec::new();
        for (name, query, emit) in definitions {
            execute(&db, &format!("CREATE STREAM {name} AS {query} {emit}"));
            let mut batch_query = query.to_string();
            for (known, text) in &expanded {
                batch_query = batch_query
                    .replace(&format!("FROM {known}"), &format!("FROM ({text}) AS {known}"));
            }
            expanded.insert(name, batch_query.clone());
            // A global aggregate has content from the beginning.
            let options = SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
            let subscription = db.subscribe_with(name, options).unwrap();
            // ON UPDATE leaves out retractions, so its changes do not add up to the content.
            let adds_up = *emit == "EMIT CHANGES";
            streams.push((name.to_string(), batch_query, subscription, Replay::default(), adds_up));
        }
        Self { db, streams }
    }

    fn check(&mut self, schema: SchemaRef, pushed: &[(&str, i64)]) {
        let oracle = Oracle::new();
        oracle.table("t", schema.clone(), vec![pairs(schema, pushed)]);
        for (name, query, subscription, replay, adds_up) in &mut self.streams {
            let got = content(&self.db, name);
            let what = format!("{name} after {} rows", pushed.len());
            assert_same(&what, &got, &oracle.rows(query), 1e-9);
            if *adds_up {
                replay.drain(subscription);
                assert_eq!(replay.content(), got, "what {what} told adds up");
            }
        }
    }
}

#[test]
fn changes_always_add_up_to_the_content() {
    for_seeds(12, |seed| {
        let mut chain = Chain::new(&[
            (
                "counts",
                "SELECT k, count(*) AS n, sum(v) AS s, min(v) AS low FROM t GROUP BY k",
                "EMIT CHANGES",
            ),
            ("rich", "SELECT k, s, n FROM counts WHERE s > 0", "EMIT CHANGES"),
            (
                "extremes",
                "SELECT n, min(s) AS low, max(s) AS high, count(*) AS c, avg(s) AS a
                FROM rich GROUP BY n",
                "EMIT CHANGES",
            ),
            ("parity", "SELECT n % 2 AS p, s FROM counts", "EMIT CHANGES"),
            ("updates", "SELECT k, max(v) AS m FROM t GROUP BY k", "EMIT ON UPDATE"),
            ("of_updates", "SELECT m, count(*) AS c FROM updates GROUP BY m", "EMIT CHANGES"),
            (
                "both",
                "SELECT p AS x, s AS y FROM parity UNION ALL SELECT c, m FROM of_updates",
                "EMIT CHANGES",
            ),
            (
                "summary",
                "SELECT x, count(*) AS n, sum(y) AS s, max(y) AS m FROM both GROUP BY x
                HAVING count(*) > 1",
                "EMIT CHANGES",
            ),
            (
                "diamond",
                "SELECT count(*) AS n, sum(s) AS s FROM
                (SELECT s FROM rich UNION ALL SELECT s FROM counts) AS u",
                "EMIT CHANGES",
            ),
        ]);
        let mut random = Random::new(seed);
        let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let source = chain.db.source_untyped("t").unwrap();
        let mut pushed: Vec<(&str, i64)> = Vec::new();
        for _ in 0..20 {
            let count = if random.chance(50) { 1 } else { random.range(1, 40) };
            let new: Vec<(&str, i64)> =
                (0..count).map(|_| (*random.pick(&keys), random.range(-20, 20))).collect();
            source.push_arrow(pairs(source.schema(), &new)).unwrap();
            pushed.extend(new);
            chain.check(source.schema(), &pushed);
        }
    });
}

#[test]
fn an_epoch_tells_of_a_stream_once() {
    // A diamond: `both` hears of a row over two ways and must tell one change.
    let db = started(&[
        PAIRS,
        "CREATE STREAM counts AS SELECT k, count(*) AS n FROM t GROUP BY k",
        "CREATE STREAM sums AS SELECT k, sum(v) AS n FROM t GROUP BY k",
        "CREATE STREAM both AS SELECT sum(n) AS s FROM
             (SELECT n FROM counts UNION ALL SELECT n FROM sums) AS u EMIT CHANGES",
    ]);
    let mut changes = subscribe(&db, "both");
    push(&db, &[("a", 10)]);
    assert_eq!(drain_rows(&mut changes), vec![row![None::<i64>, -1], row![11, 1]]);
    push(&db, &[("a", 5), ("b", 1)]);
    assert_eq!(drain_rows(&mut changes), vec![row![11, -1], row![19, 1]]);
    // One more row and one less in value: the sums cancel, and nothing is told.
    push(&db, &[("a", -1)]);
    assert_eq!(drain_rows(&mut changes), Vec::<Row>::new());
    assert_eq!(content(&db, "both"), vec![row![19]]);
}
