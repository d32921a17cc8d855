//! Whole columns, in and out, and the calls that must not wait.

use laminar_client::sys;
use laminar_client::{ColumnSet, Database, Error, Polled, Rows, Value};

fn open(source: &str) -> Database {
    let db = Database::open(Some(r#"{"push_timeout_ms": 0}"#)).unwrap();
    db.execute(&format!("CREATE SOURCE {source}")).unwrap();
    db
}

fn bytes<const N: usize>(values: &[[u8; N]]) -> Vec<u8> {
    values.concat()
}

#[test]
fn columns_go_in_whole_and_come_out_whole() {
    let db = open("s (id BIGINT NOT NULL, name VARCHAR, ok BOOLEAN, day DATE, left VARCHAR)");
    db.start().unwrap();
    let source = db.source("s").unwrap();
    let mut set = ColumnSet::new(source.schema(), 3);
    set.set_plain(
        0,
        &bytes(&[1i64.to_le_bytes(), (-2i64).to_le_bytes(), 3i64.to_le_bytes()]),
        None,
    )
    .unwrap();
    set.set_texts(1, "aüb", &[1, 3, 4], Some(&[1, 0, 1])).unwrap();
    set.set_plain(2, &[1, 1, 0], Some(&[1, 0, 1])).unwrap();
    set.set_values(3, |row| Ok::<_, Error>(Value::Date(row as i64))).unwrap();
    let batch = set.batch().unwrap();
    assert_eq!(db.insert("s", batch.export(), Some(&batch.schema().export())).unwrap(), 3);
    let two = Rows::of(batch.schema(), vec![batch.clone(), batch.clone()]);
    assert_eq!(db.insert_stream("s", two.export()).unwrap(), 6);

    // A slice, so that offsets count.
    let sql = "SELECT * FROM (SELECT * FROM s ORDER BY id DESC LIMIT 8) LIMIT 6 OFFSET 1";
    let rows = db.query(sql).unwrap().collect().unwrap();
    assert_eq!(rows.num_rows(), 6);
    for (row, id) in [3, 3, 1, 1, 1, -2].into_iter().enumerate() {
        let (batch, at) = rows.locate(row).unwrap();
        let id_bytes = &batch.column(0).plain().unwrap()[at * 8..][..8];
        assert_eq!(i64::from_le_bytes(id_bytes.try_into().unwrap()), id);
        let (texts, ends) = batch.column(1).texts().unwrap();
        let from = if at == 0 { 0 } else { ends[at - 1] };
        let valid = batch.column(1).validity().is_none_or(|valid| valid[at] == 1);
        let name = valid.then(|| &texts[from..ends[at]]);
        assert_eq!(name, [Some("a"), None, Some("b")][(id.unsigned_abs() - 1) as usize]);
        assert_eq!(batch.column(2).booleans().unwrap()[at], u8::from(id == 1));
        assert_eq!(batch.column(4).validity().unwrap()[at], 0);
    }
    let batch = &rows.batches()[0];
    assert!(batch.column(0).texts().is_none() && batch.column(0).validity().is_none());
    assert!(batch.column(1).plain().is_none() && batch.column(1).booleans().is_none());
}

#[test]
fn columns_that_do_not_fit_are_named() {
    let db = open("s (id BIGINT NOT NULL, name VARCHAR, price DECIMAL(10, 2))");
    let source = db.source("s").unwrap();
    let mut set = ColumnSet::new(source.schema(), 2);
    for error in [
        set.set_plain(0, &[0; 15], None).unwrap_err(),
        set.set_plain(0, &[0; 16], Some(&[1])).unwrap_err(),
        set.set_texts(0, "ab", &[1, 2], None).unwrap_err(),
    ] {
        assert_eq!(error.status(), sys::LAMINAR_INGESTION_FAILED);
        assert!(error.message().contains("`id`"), "{error}");
    }
    for (text, ends) in [("ü", [1, 2]), ("ab", [2, 1]), ("ab", [1, 3])] {
        assert!(set.set_texts(1, text, &ends, None).is_err(), "{text} {ends:?}");
    }
    assert!(set.set_plain(2, &[0; 32], None).unwrap_err().message().contains("`price`"));
    let error = set.set_values(0, |row| Ok::<_, Error>(Value::Float(row as f64))).unwrap_err();
    assert!(error.message().contains("`id`") && error.message().contains("row 1"), "{error}");
    set.set_plain(0, &[0; 16], Some(&[1, 0])).unwrap();
    let error = set.batch().unwrap_err();
    assert!(error.message().contains("`id`") && error.message().contains("row 2"), "{error}");
    let unset = ColumnSet::new(source.schema(), 1).batch().unwrap_err();
    assert!(unset.message().contains("`id`"), "{unset}");
    assert_eq!(ColumnSet::new(source.schema(), 0).batch().unwrap().num_rows(), 0);
}

#[test]
fn a_push_that_would_wait_says_so() {
    let db = open("s (id BIGINT)");
    db.start().unwrap();
    let options = r#"{"capacity": 4, "on_full": "block"}"#;
    let mut changes = db.subscribe("s", Some(options)).unwrap();
    let mut source = db.source("s").unwrap();
    let batch = ColumnSet::new(source.schema(), 4).batch().unwrap();
    assert_eq!(source.try_push(batch.export(), None).unwrap(), Some(4));
    assert_eq!(source.try_push(batch.export(), None).unwrap(), None);
    // Without a push timeout this does not wait either.
    assert_eq!(source.push(batch.export(), None).unwrap_err().status(), sys::LAMINAR_BACKPRESSURE);
    assert!(matches!(changes.poll(0).unwrap(), Polled::Batch { .. }));
    assert_eq!(source.try_push(batch.export(), None).unwrap(), Some(4));

    assert!(matches!(changes.poll(0).unwrap(), Polled::Batch { .. }));
    source.end_of_input().unwrap();
    assert!(source.try_push(batch.export(), None).unwrap_err().status() >= 300);
}

#[test]
fn a_push_before_the_start_that_would_wait_says_so() {
    let config = r#"{"push_timeout_ms": 0, "max_queued_bytes": 1024}"#;
    let db = Database::open(Some(config)).unwrap();
    db.execute("CREATE SOURCE s (id BIGINT)").unwrap();
    db.execute("CREATE STREAM t AS SELECT id FROM s").unwrap();
    let mut source = db.source("s").unwrap();
    let batch = ColumnSet::new(source.schema(), 1_000).batch().unwrap();
    assert_eq!(source.try_push(batch.export(), None).unwrap(), Some(1_000));
    assert_eq!(source.try_push(batch.export(), None).unwrap(), None);
    assert_eq!(source.push(batch.export(), None).unwrap_err().status(), sys::LAMINAR_BACKPRESSURE);
    db.start().unwrap();
    assert_eq!(source.try_push(batch.export(), None).unwrap(), Some(1_000));
}

#[test]
fn a_query_is_cancelled_from_elsewhere() {
    let db = open("s (id BIGINT)");
    let sql = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b";
    let mut query = db.query(sql).unwrap();
    let canceller = query.canceller();
    let reader = std::thread::spawn(move || query.next_batch().map(|_| ()));
    canceller.cancel();
    assert_eq!(reader.join().unwrap().unwrap_err().status(), sys::LAMINAR_QUERY_CANCELLED);
}
