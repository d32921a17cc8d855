//! The handles against the staged library.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use laminar_client::sys;
use laminar_client::{
    AggregateFunction, Array, ArraySchema, Database, Encoding, Executed, Gatherer, Polled,
    RowBuffer, Rows, Stream, Value,
};
use laminar_client::{fixed_values, pack, wire};

fn open(sources: &[&str]) -> Database {
    let db = Database::open(None).unwrap();
    for source in sources {
        db.execute(&format!("CREATE SOURCE {source}")).unwrap();
    }
    db.start().unwrap();
    db
}

fn cells(rows: &Rows) -> Vec<Vec<Value<'static>>> {
    let mut cells = Vec::new();
    for batch in rows.batches() {
        for row in 0..batch.num_rows() {
            let columns = 0..batch.schema().fields().len();
            let cell = |column| batch.column(column).value(row).unwrap().into_owned();
            cells.push(columns.map(cell).collect());
        }
    }
    cells
}

fn query(db: &Database, sql: &str) -> Vec<Vec<Value<'static>>> {
    cells(&db.query(sql).unwrap().collect().unwrap())
}

#[test]
fn statements_and_rows_are_told_apart() {
    let db = open(&[]);
    let Executed::Statement { statement, object, rows_affected } =
        db.execute("CREATE SOURCE s (id BIGINT)").unwrap()
    else {
        panic!("a definition has no rows");
    };
    assert_eq!((statement.as_str(), object.as_str(), rows_affected), ("CREATE SOURCE", "s", 0));
    let Executed::Rows(rows) = db.execute("SELECT 1 AS one").unwrap() else {
        panic!("a query has rows");
    };
    assert_eq!(cells(&rows), [[Value::Int(1)]]);
}

#[test]
fn an_appender_pushes_rows_through_its_producer() {
    let db = open(&["s (id BIGINT NOT NULL, name VARCHAR, price DECIMAL(10, 2))"]);
    let source = db.source("s").unwrap();
    assert_eq!(source.name(), "s");
    let mut rows = source.appender().unwrap();
    for id in 0..3 {
        rows.int64(0, id).unwrap();
        rows.string(1, "n").unwrap();
        rows.string(2, "1.5").unwrap();
        rows.end_row().unwrap();
    }
    let error = rows.string(0, "three").unwrap_err();
    assert_eq!(error.status(), sys::LAMINAR_INGESTION_FAILED);
    assert!(error.message().contains("id"), "{error}");
    assert_eq!(rows.end_row().unwrap_err().status(), sys::LAMINAR_INGESTION_FAILED);
    assert_eq!(rows.rows(), 3);
    rows.flush().unwrap();
    assert_eq!(rows.rows(), 0);
    let price = Value::Decimal("1.50".into());
    assert_eq!(query(&db, "SELECT id, price FROM s WHERE id = 2"), [[Value::Int(2), price]]);
}

#[test]
fn a_buffer_keeps_the_rows_before_a_mistake() {
    let db = open(&["s (id BIGINT NOT NULL, tags VARCHAR[])"]);
    let mut source = db.source("s").unwrap();
    let mut rows = RowBuffer::new(source.schema());
    let tags = Value::List(vec![Value::Str("a".into()), Value::Null]);
    rows.set(0, &Value::Int(1)).unwrap();
    rows.set(1, &tags).unwrap();
    rows.end_row().unwrap();
    rows.set(1, &tags).unwrap();
    let error = rows.end_row().unwrap_err();
    assert!(error.message().contains("`id`") && error.message().contains("row 2"), "{error}");
    rows.set(0, &Value::Int(2)).unwrap();
    assert!(rows.set(1, &Value::List(vec![Value::Int(7)])).is_err());
    rows.set(0, &Value::Int(3)).unwrap();
    rows.end_row().unwrap();
    assert_eq!(rows.rows(), 2);
    assert_eq!(source.push(rows.batch().unwrap(), None).unwrap(), 2);
    assert_eq!(
        query(&db, "SELECT * FROM s ORDER BY id"),
        [[Value::Int(1), tags], [Value::Int(3), Value::Null]]
    );
}

#[test]
fn rows_in_one_piece_are_rows() {
    let db = open(&["s (id BIGINT NOT NULL, name VARCHAR)"]);
    let mut source = db.source("s").unwrap();
    let mut piece = 2u32.to_le_bytes().to_vec();
    for value in [Value::Int(1), Value::Str("a".into()), Value::Int(2), Value::Null] {
        wire::write(&value, &mut piece);
    }
    let mut rows = RowBuffer::new(source.schema());
    assert_eq!(wire::read_rows(&piece, &mut rows).unwrap(), 2);
    assert_eq!(source.try_push(rows.batch().unwrap(), None).unwrap(), Some(2));
    let stored = query(&db, "SELECT * FROM s ORDER BY id");
    assert_eq!(
        stored,
        [[Value::Int(1), Value::Str("a".into())], [Value::Int(2), Value::Null]].map(Vec::from)
    );
    // A row that does not fit, a row that ends early, and one too many.
    let mut unfit = 1u32.to_le_bytes().to_vec();
    wire::write(&Value::Null, &mut unfit);
    wire::write(&Value::Null, &mut unfit);
    for (piece, words) in [(&unfit[..], "`id`"), (&piece[..20], "form"), (&[0; 5], "form")] {
        let mut rows = RowBuffer::new(source.schema());
        let error = wire::read_rows(piece, &mut rows).unwrap_err();
        assert!(error.message().contains(words), "{error}");
    }
}

#[test]
fn a_gatherer_keeps_rows_until_they_are_many() {
    let db = open(&["s (id BIGINT)"]);
    let mut writer = Gatherer::new(db.source("s").unwrap());
    let mut gather = |ids: &[i64]| {
        let mut rows = RowBuffer::new(writer.source().schema());
        for id in ids {
            rows.set(0, &Value::Int(*id)).unwrap();
            rows.end_row().unwrap();
        }
        assert_eq!(writer.gather(rows, 3).unwrap(), ids.len() as u64);
        writer.rows()
    };
    let count = || query(&db, "SELECT count(*) FROM s")[0][0].clone();
    assert_eq!((gather(&[1, 2]), count()), (2, Value::Int(0)));
    assert_eq!((gather(&[3, 4]), count()), (0, Value::Int(4)));
    assert_eq!((gather(&[5]), count()), (1, Value::Int(4)));
    writer.end_of_input().unwrap();
    assert_eq!(count(), Value::Int(5));
    assert!(writer.source().try_push(laminar_client::Array::empty(), None).is_err());
}

#[test]
fn a_gatherer_keeps_rows_that_a_function_cannot_push() {
    let db = open(&["s (id BIGINT)", "t (id BIGINT)"]);
    let mut writer = Gatherer::new(db.source("t").unwrap());
    let mut rows = RowBuffer::new(writer.source().schema());
    rows.set(0, &Value::Int(1)).unwrap();
    rows.end_row().unwrap();
    writer.gather(rows, 10).unwrap();
    let (all, one) = bigint_schemas(&db);
    let writer = Arc::new(std::sync::Mutex::new(writer));
    let inside = Arc::clone(&writer);
    let flushing = move |arguments: Array| {
        let busy = inside.lock().unwrap().flush().unwrap_err();
        assert_eq!(busy.status(), sys::LAMINAR_CONNECTION_IN_USE);
        Ok(column(arguments))
    };
    db.register_scalar("flushing", &all, &one, None, Box::new(flushing)).unwrap();
    assert_eq!(query(&db, "SELECT flushing(7)")[0][0], Value::Int(7));
    assert_eq!(writer.lock().unwrap().rows(), 1);
    assert_eq!(writer.lock().unwrap().flush().unwrap(), 1);
    assert_eq!(query(&db, "SELECT id FROM t")[0][0], Value::Int(1));
}

#[test]
fn packed_columns_begin_at_the_first_row() {
    let db = open(&["s (id SMALLINT, name VARCHAR, ok BOOLEAN, tags VARCHAR[])"]);
    db.execute(
        "INSERT INTO s VALUES (1, 'a', true, ['x']), (NULL, NULL, NULL, NULL), (-3, 'ccc', false, [])",
    )
    .unwrap();
    let mut rows = db.query("SELECT * FROM s WHERE id IS NULL OR id < 0").unwrap();
    let batch = rows.next_batch().unwrap().unwrap();
    assert_eq!(batch.num_rows(), 2);
    let piece = pack(&batch, 0..4).unwrap().unwrap();
    let number = |at: usize| i32::from_le_bytes(piece[at..at + 4].try_into().unwrap()) as usize;
    // Layout, width and nulls of each column.
    let heads: Vec<_> = (0..4).map(|c| [0, 4, 8].map(|at| number(c * 24 + at))).collect();
    assert_eq!(heads, [[1, 2, 1], [2, 0, 1], [1, 1, 1], [3, 0, 1]]);
    for column in 0..4 {
        // The first row is NULL, the second is not.
        assert_eq!(piece[number(column * 24 + 12)], 0b10);
        assert_eq!(number(column * 24 + 16) % 8, 0);
    }
    let id = number(16) + 2;
    assert_eq!(piece[id..id + 2], (-3i16).to_le_bytes());
    assert_eq!(fixed_values(&batch, 0).unwrap()[2..], (-3i16).to_le_bytes());
    assert!((1..4).all(|column| fixed_values(&batch, column).is_none()));
    let (offsets, data) = (number(24 + 16), number(24 + 20));
    assert_eq!((number(offsets), number(offsets + 4), number(offsets + 8)), (0, 0, 3));
    assert_eq!(&piece[data..data + 3], b"ccc");
    let (offsets, data) = (number(72 + 16), number(72 + 20));
    let (from, to) = (data + number(offsets + 4), data + number(offsets + 8));
    assert_eq!(wire::read(&piece[from..to]).unwrap(), Value::List(vec![]));
    // One column alone.
    let alone = pack(&batch, 1..2).unwrap().unwrap();
    assert_eq!(alone[0..4], 2i32.to_le_bytes());
}

#[test]
fn a_query_is_cancelled_from_elsewhere() {
    let db = open(&[]);
    let mut query = db.query("SELECT 1").unwrap();
    query.canceller().cancel();
    let error = query.next_batch().unwrap_err();
    assert_eq!(error.status(), sys::LAMINAR_QUERY_CANCELLED);
}

#[test]
fn results_are_shared_and_go_in_again() {
    let db = open(&["s (id BIGINT, name VARCHAR)", "t (id BIGINT, name VARCHAR)"]);
    db.execute("INSERT INTO s VALUES (1, 'a'), (2, NULL)").unwrap();
    let rows = db.query("SELECT * FROM s").unwrap().collect().unwrap();
    let mut first = rows.export();
    let second = rows.export();
    let schema = first.schema().unwrap();
    let array = first.next_array().unwrap().unwrap();
    assert!(first.next_array().unwrap().is_none());
    let column = rows.batches()[0].export();
    drop(rows);
    drop(first);
    assert_eq!(db.insert("t", array, Some(&schema)).unwrap(), 2);
    assert_eq!(db.insert("t", column, None).unwrap(), 2);
    assert_eq!(db.insert_stream("t", second).unwrap(), 2);
    assert_eq!(query(&db, "SELECT count(*), count(name) FROM t"), [[Value::Int(6), Value::Int(3)]]);
    assert!(db.insert_stream("t", Stream::empty()).is_err());
}

#[test]
fn a_subscription_polls_wakes_and_ends() {
    let db = Arc::new(open(&["s (id BIGINT)"]));
    let mut changes = db.subscribe("s", None).unwrap();
    assert!(matches!(changes.poll(0).unwrap(), Polled::Nothing));
    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    changes
        .on_ready(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    db.execute("INSERT INTO s VALUES (1)").unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    let Polled::Batch { rows, epoch, weights } = changes.poll(0).unwrap() else {
        panic!("the insert brought a batch");
    };
    assert_eq!(cells(&rows.into()), [[Value::Int(1)]]);
    assert!(epoch > 0);
    assert_eq!(weights, None);

    let canceller = changes.canceller();
    let waiter = thread::spawn(move || {
        let begun = Instant::now();
        let polled = changes.poll(60_000).unwrap();
        (matches!(polled, Polled::End), begun.elapsed())
    });
    canceller.cancel();
    let (ended, waited) = waiter.join().unwrap();
    assert!(ended && waited < Duration::from_secs(30));
    // The waker was dropped with the subscription, and what it held with it.
    drop(canceller);
    assert_eq!(Arc::strong_count(&woken), 1);
}

#[test]
fn retractions_have_weights() {
    let db = open(&["s (k VARCHAR)"]);
    let stream = "CREATE STREAM n AS SELECT k, count(*) AS n FROM s GROUP BY k EMIT CHANGES";
    db.execute(stream).unwrap();
    let mut changes = db.subscribe("n", None).unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        db.execute("INSERT INTO s VALUES ('a')").unwrap();
        while let Polled::Batch { rows, weights, .. } = changes.poll(0).unwrap() {
            seen.extend(weights.unwrap_or_else(|| vec![1; rows.num_rows()]));
        }
    }
    assert_eq!(seen, [1, -1, 1]);
}

#[test]
fn everything_answers_closed_after_close() {
    let db = open(&["s (id BIGINT)"]);
    let mut source = db.source("s").unwrap();
    let mut changes = db.subscribe("s", None).unwrap();
    db.close().unwrap();
    db.close().unwrap();
    assert!(db.is_closed());
    for error in [
        db.start().unwrap_err(),
        db.execute("SELECT 1").unwrap_err(),
        db.query("SELECT 1").unwrap_err(),
        db.explain("SELECT 1").unwrap_err(),
        db.source("s").unwrap_err(),
        db.subscribe("s", None).unwrap_err(),
        source.watermark(1).unwrap_err(),
    ] {
        assert_eq!(error.status(), sys::LAMINAR_CONNECTION_CLOSED, "{error}");
    }
    assert!(matches!(changes.poll(0), Ok(Polled::End) | Err(_)));
}

#[test]
fn the_end_of_input_closes_every_window() {
    let db = open(&["t (ts BIGINT NOT NULL, WATERMARK FOR ts)"]);
    db.execute("CREATE STREAM w AS SELECT count(*) AS n FROM t GROUP BY tumble(ts, 10)").unwrap();
    let mut source = db.source("t").unwrap();
    let mut changes = db.subscribe("w", None).unwrap();
    let mut appender = source.appender().unwrap();
    appender.int64(0, 3).unwrap();
    appender.end_row().unwrap();
    appender.flush().unwrap();
    assert!(matches!(changes.poll(0), Ok(Polled::Nothing)));
    source.end_of_input().unwrap();
    assert!(matches!(changes.poll(0), Ok(Polled::Batch { .. })));
}

#[test]
fn errors_carry_number_code_and_place() {
    let db = open(&[]);
    let error = db.execute("SELECT (1\n FROM").unwrap_err();
    assert_eq!(error.status(), sys::LAMINAR_SQL_PARSE_ERROR);
    assert_eq!(error.code(), "LDB-4101");
    assert_eq!(error.position().map(|(line, _)| line), Some(2));
    assert!(db.execute("SELECT '\0'").unwrap_err().message().contains("NUL"));
    let error = Database::open(Some("{\"buffer_size\": 3}")).unwrap_err();
    assert_eq!(error.status(), sys::LAMINAR_CONNECTION_FAILED);
}

#[test]
fn rows_come_and_go_as_bytes() {
    let db = open(&["s (id BIGINT NOT NULL, name VARCHAR)", "t (name VARCHAR, id BIGINT)"]);
    let mut source = db.source("s").unwrap();
    let mut changes = db.subscribe("SELECT id, name FROM s", None).unwrap();
    let json = Encoding::Json(None);
    assert_eq!(source.push_encoded(json, br#"[{"id": 1}, {"id": 2, "name": "b"}]"#).unwrap(), 2);
    let Polled::Batch { rows, epoch, weights } = changes.poll_ipc(0).unwrap() else {
        panic!("a change waits");
    };
    assert!(epoch > 0 && weights.is_none());
    assert!(matches!(changes.poll_ipc(0).unwrap(), Polled::Nothing));
    assert_eq!(db.insert_encoded("t", Encoding::Ipc, &rows).unwrap(), 2);
    let csv = Encoding::Csv(Some(r#"{"delimiter": ";"}"#));
    assert_eq!(db.insert_encoded("t", csv, b"id;name\n3;c").unwrap(), 1);
    let all = "SELECT id, name FROM t ORDER BY id";
    let expected = [
        [Value::Int(1), Value::Null],
        [Value::Int(2), Value::Str("b".into())],
        [Value::Int(3), Value::Str("c".into())],
    ];
    assert_eq!(query(&db, all), expected);
    let bytes = db.query(all).unwrap().ipc().unwrap();
    assert_eq!(source.push_encoded(Encoding::Ipc, &bytes).unwrap(), 3);
    let error = source.push_encoded(json, br#"{"id": "x"}"#).unwrap_err();
    assert_eq!(error.status(), sys::LAMINAR_INGESTION_FAILED);
    assert!(error.message().contains("row 0, column `id`"), "{error}");
}

#[test]
fn metrics_are_sql_and_queries_are_cancelled_by_number() {
    let db = open(&["s (id BIGINT)"]);
    db.insert_encoded("s", Encoding::Json(None), br#"{"id": 1}"#).unwrap();
    let metrics = "SELECT total_rows_ingested, sources FROM laminar_metrics";
    let one = Value::Int(1);
    assert_eq!(query(&db, metrics), [[one.clone(), one]]);
    let mut open = db.query("SELECT a.value FROM generate_series(1, 100000) a").unwrap();
    assert!(open.id() > 0);
    assert!(db.cancel_query(open.id()).unwrap());
    assert_eq!(open.next_batch().unwrap_err().status(), sys::LAMINAR_QUERY_CANCELLED);
    let id = open.id();
    drop(open);
    assert!(!db.cancel_query(id).unwrap());
}

/// A struct of one BIGINT column, and that column by itself.
fn bigint_schemas(db: &Database) -> (ArraySchema, ArraySchema) {
    let schema = || {
        let rows = db.query("SELECT 1 AS x").unwrap().collect().unwrap();
        rows.export().schema().unwrap()
    };
    let (all, one) = (schema(), schema());
    // SAFETY: a struct with one child, which is moved out of it.
    let one = unsafe { ArraySchema::take(*one.raw().children) };
    (all, one)
}

/// The one column of a struct array.
fn column(array: Array) -> Array {
    // SAFETY: a struct with one child, which is moved out of it.
    unsafe { Array::take(*array.raw().children) }
}

/// The last value: takes rows one at a time.
struct Last;

impl AggregateFunction for Last {
    fn update(&self, _state: Option<Array>, arguments: Array) -> Result<Array, String> {
        match arguments.raw().length {
            1 => Ok(arguments),
            rows => Err(format!("{rows} rows at once")),
        }
    }

    fn merge(&self, _state: Array, other: Array) -> Result<Array, String> {
        Ok(other)
    }

    fn evaluate(&self, state: Option<Array>) -> Result<Array, String> {
        state.map(column).ok_or_else(|| "nothing".to_string())
    }
}

#[test]
fn functions_of_the_host_run_in_sql() {
    let db = Arc::new(open(&["s (k VARCHAR, id BIGINT)"]));
    let (all, one) = bigint_schemas(&db);
    let counted = Arc::new(AtomicUsize::new(0));
    let (inside, calls) = (Arc::downgrade(&db), Arc::clone(&counted));
    let same = move |arguments: Array| {
        calls.fetch_add(1, Ordering::Relaxed);
        if let Some(db) = inside.upgrade() {
            let busy = db.execute("SELECT 1").unwrap_err();
            assert_eq!(busy.status(), sys::LAMINAR_CONNECTION_IN_USE);
        }
        match arguments.raw().length {
            0 => panic!("no rows"),
            length if length > 2 => Err("three are a crowd".to_string()),
            _ => Ok(column(arguments)),
        }
    };
    db.register_scalar("same", &all, &one, None, Box::new(same)).unwrap();
    let options = Some("{\"retractable\": false}");
    db.register_aggregate("latest", &all, &all, &one, options, Box::new(Last)).unwrap();
    db.execute("CREATE STREAM echo AS SELECT same(id) AS id FROM s").unwrap();
    db.execute("CREATE STREAM l AS SELECT k, latest(id) AS id FROM s GROUP BY k").unwrap();
    let json = br#"[{"k": "a", "id": 1}, {"k": "a", "id": 2}, {"k": "b", "id": 3}]"#;
    db.insert_encoded("s", Encoding::Json(None), json).unwrap();
    let ids = [[Value::Int(1)], [Value::Int(2)], [Value::Int(3)]];
    assert_eq!(query(&db, "SELECT id FROM echo ORDER BY id"), ids);
    let latest = [[Value::Str("a".into()), Value::Int(2)], [Value::Str("b".into()), Value::Int(3)]];
    assert_eq!(query(&db, "SELECT k, id FROM l ORDER BY k"), latest);
    assert!(counted.load(Ordering::Relaxed) >= 4, "all at once, then one by one");
    let error = db.register_scalar("same", &all, &one, None, Box::new(Ok)).unwrap_err();
    assert_eq!(error.status(), sys::LAMINAR_TABLE_EXISTS);
    db.register_scalar("broken", &all, &one, None, Box::new(|_| panic!("no"))).unwrap();
    let error = db.query("SELECT broken(id) FROM s").unwrap().collect().unwrap_err();
    assert!(error.message().contains("broken: the function panicked"), "{error}");
    assert_eq!(db.checkpoint().unwrap_err().status(), sys::LAMINAR_UNSUPPORTED);
}

#[test]
fn the_log_is_heard() {
    let db = open(&[]);
    let heard: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let lines = Arc::clone(&heard);
    let listener = move |level, line: &str| lines.lock().unwrap().push(format!("{level} {line}"));
    db.set_log(3, Some(Box::new(listener))).unwrap();
    db.execute("CREATE SOURCE s (id BIGINT)").unwrap();
    assert_eq!(*heard.lock().unwrap(), ["3 CREATE SOURCE s"]);
    db.set_log(3, None).unwrap();
    db.execute("DROP SOURCE s").unwrap();
    assert_eq!((heard.lock().unwrap().len(), Arc::strong_count(&heard)), (1, 1));
    assert!(db.set_log(7, Some(Box::new(|_, _| {}))).is_err());
}
