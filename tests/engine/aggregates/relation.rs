//! A relation `u` of every type, appended to or updated, and queries over it compared with the
//! batch answer over its content.
//!
//! Rows come as those of a log. Over appends `u` is every row. Otherwise it is the last row of
//! each `id`, unless that row says that it is gone: rows are replaced, vanish and come back. It is
//! then a stream over the log, or a table that is changed by pushes and DELETE.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use laminar_db::LaminarDB;

use crate::support::database::{batches, execute, listed, started};
use crate::support::oracle::Oracle;
use crate::support::random::Random;
use crate::support::value::{Value, assert_near, rows};

use super::{random_value, types};

/// The columns of `u` after its `id`, with their types.
pub const COLUMNS: [(&str, &str); 20] = [
    ("k", "VARCHAR"),
    ("k2", "INT"),
    ("flag", "BOOLEAN"),
    ("i8", "TINYINT"),
    ("i16", "SMALLINT"),
    ("i32", "INT"),
    ("i64", "BIGINT"),
    ("u8", "TINYINT UNSIGNED"),
    ("u16", "SMALLINT UNSIGNED"),
    ("u32", "INT UNSIGNED"),
    ("u64", "BIGINT UNSIGNED"),
    ("f32", "REAL"),
    ("f64", "DOUBLE"),
    ("w", "DOUBLE"),
    ("d", "DECIMAL(10, 2)"),
    ("wide", "DECIMAL(30, 4)"),
    ("day", "DATE"),
    ("at0", "TIMESTAMP(0)"),
    ("at9", "TIMESTAMP(9)"),
    ("s", "VARCHAR"),
];

/// How `u` changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    Appends,
    Updates,
    Table,
}

/// The numbers of rows in a push that tests go through.
pub const BATCH_SIZES: [usize; 4] = [1, 7, 1_000, 37];

/// A started database with the relation `u`.
pub fn database(changes: Changes) -> LaminarDB {
    let columns: Vec<String> =
        COLUMNS.iter().map(|(name, data_type)| format!("{name} {data_type}")).collect();
    let db = started(&[&format!(
        "CREATE SOURCE log (id BIGINT NOT NULL, live BOOLEAN NOT NULL, {})",
        columns.join(", ")
    )]);
    let pick = |with: &dyn Fn(&str) -> String| {
        COLUMNS.iter().map(|(name, _)| with(name)).collect::<Vec<String>>().join(", ")
    };
    execute(
        &db,
        &match changes {
            Changes::Appends => {
                format!("CREATE STREAM u AS SELECT id, {} FROM log", pick(&str::to_string))
            }
            Changes::Updates => format!(
                "CREATE STREAM u AS SELECT id, {} FROM log GROUP BY id HAVING last_value(live)",
                pick(&|name| format!("last_value({name}) AS {name}"))
            ),
            Changes::Table => {
                format!("CREATE TABLE u (id BIGINT PRIMARY KEY, {})", columns.join(", "))
            }
        },
    );
    db
}

/// Rows for `log`: of new ids over appends, of few ids over updates.
pub fn log_rows(
    random: &mut Random,
    db: &LaminarDB,
    changes: Changes,
    from: usize,
    count: usize,
) -> RecordBatch {
    let schema = db.source_untyped("log").unwrap().schema();
    let ids = (from..from + count).map(|id| match changes {
        Changes::Appends => id as i64,
        Changes::Updates | Changes::Table => random.range(0, 40),
    });
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.collect::<Vec<_>>()));
    let live: Vec<bool> =
        (0..count).map(|_| changes == Changes::Appends || random.chance(75)).collect();
    let mut columns = vec![ids, Arc::new(BooleanArray::from(live)) as ArrayRef];
    for field in &schema.fields()[2..] {
        let values: Vec<ArrayRef> =
            (0..count).map(|_| random_value(random, field.name(), field.data_type())).collect();
        let values: Vec<&dyn arrow::array::Array> = values.iter().map(AsRef::as_ref).collect();
        columns.push(arrow::compute::concat(&values).unwrap());
    }
    RecordBatch::try_new(schema, columns).unwrap()
}

/// The content of `u` after these rows of `log`.
pub fn content_of(log: &RecordBatch, changes: Changes) -> RecordBatch {
    let ids: &Int64Array = log.column(0).as_primitive();
    let live = log.column(1).as_boolean();
    let mut last: BTreeMap<i64, u32> = BTreeMap::new();
    for row in 0..log.num_rows() {
        last.insert(ids.value(row), row as u32);
    }
    let mut kept: Vec<u32> = match changes {
        Changes::Appends => (0..log.num_rows() as u32).collect(),
        Changes::Updates | Changes::Table => {
            last.into_values().filter(|row| live.value(*row as usize)).collect()
        }
    };
    kept.sort_unstable();
    let content = take_record_batch(log, &UInt32Array::from(kept)).unwrap();
    let columns: Vec<usize> = (0..content.num_columns()).filter(|column| *column != 1).collect();
    content.project(&columns).unwrap()
}

/// Brings rows of the log into `u`.
fn push(db: &LaminarDB, changes: Changes, log: &RecordBatch) {
    if changes != Changes::Table {
        db.source_untyped("log").unwrap().push_arrow(log.clone()).unwrap();
        return;
    }
    let ids: &Int64Array = log.column(0).as_primitive();
    let live = log.column(1).as_boolean();
    let gone: Vec<String> = (0..log.num_rows())
        .filter(|row| !live.value(*row))
        .map(|row| ids.value(row).to_string())
        .collect();
    if !gone.is_empty() {
        execute(db, &format!("DELETE FROM u WHERE id IN ({})", gone.join(", ")));
    }
    // A row that goes again in the same log does not come.
    let content = content_of(log, changes);
    let table = db.source_untyped("u").unwrap();
    table
        .push_arrow(RecordBatch::try_new(table.schema(), content.columns().to_vec()).unwrap())
        .unwrap();
}

/// Creates a stream per query over `u` and compares each with the batch answer before the first
/// push, after every one, and after every row is gone.
pub fn compare(seed: u64, changes: Changes, queries: &[String], row_count: usize) {
    let mut random = Random::new(seed);
    let db = database(changes);
    for (index, query) in queries.iter().enumerate() {
        execute(&db, &format!("CREATE STREAM s{index} AS {query}"));
    }
    let all = log_rows(&mut random, &db, changes, 0, row_count);
    let oracle = Oracle::new();
    compare_content(&db, &oracle, content_of(&all.slice(0, 0), changes), changes, queries);
    let mut offset = 0;
    let mut pushes = 0;
    while offset < row_count {
        let size = BATCH_SIZES[(pushes + seed as usize) % BATCH_SIZES.len()];
        // Some single rows, some handfuls, then the rest.
        let size = if size == 1_000 && offset < row_count / 2 { 7 } else { size };
        let size = size.min(row_count - offset);
        push(&db, changes, &all.slice(offset, size));
        (offset, pushes) = (offset + size, pushes + 1);
        let content = content_of(&all.slice(0, offset), changes);
        compare_content(&db, &oracle, content, changes, queries);
    }
    if changes != Changes::Appends {
        let mut gone =
            vec![Arc::clone(all.column(0)), Arc::new(BooleanArray::from(vec![false; row_count]))];
        gone.extend_from_slice(&all.columns()[2..]);
        push(&db, changes, &RecordBatch::try_new(all.schema(), gone).unwrap());
        let nothing = content_of(&all.slice(0, 0), changes);
        compare_content(&db, &oracle, nothing, changes, queries);
    }
    for (index, query) in queries.iter().enumerate() {
        let letters = listed(&db, "SHOW STREAMS", &format!("s{index}"), "dead_letters");
        assert_eq!(letters, Value::Int(0), "{query}");
    }
}

/// Compares each stream with the batch answer over this content of `u`.
fn compare_content(
    db: &LaminarDB,
    oracle: &Oracle,
    content: RecordBatch,
    changes: Changes,
    queries: &[String],
) {
    let row_count = content.num_rows();
    oracle.table("u", content.schema(), vec![content]);
    for (index, query) in queries.iter().enumerate() {
        let got = batches(db, &format!("SELECT * FROM s{index}"));
        let expected = oracle.batches(query);
        if expected.iter().any(|batch| batch.num_rows() > 0) {
            assert_eq!(types(&got), types(&expected), "types of {query}");
        }
        let what = format!("{query} over {row_count} rows as {changes:?}");
        assert_near(&what, &rows(&got), &rows(&expected), 1e-9, 1e-6);
    }
}

/// [`compare`] over appends, over updates of a stream and, for half of the seeds, of a table.
pub fn compare_all(seed: u64, queries: &[String], row_count: usize) {
    compare(seed, Changes::Appends, queries, row_count);
    compare(seed, Changes::Updates, queries, row_count);
    if seed % 2 == 1 {
        compare(seed, Changes::Table, queries, row_count);
    }
}
