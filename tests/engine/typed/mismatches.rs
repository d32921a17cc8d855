//! Records and rows that do not fit: what is said names the field, the column and both types.

use laminar_db::{ChangeRow, Decimal, FromRow, LaminarDB, Record, code};

use crate::support::database::created;

#[derive(Record, Debug)]
struct Trade {
    symbol: String,
    price: f64,
    #[event_time]
    ts: i64,
}

fn record_refused(columns: &str) -> String {
    let db = created(&[&format!("CREATE SOURCE trades ({columns})")]);
    let error = db.source::<Trade>("trades").unwrap_err();
    assert_eq!(error.code(), code::SCHEMA_MISMATCH, "{error}");
    error.message().to_string()
}

#[test]
fn a_record_that_does_not_fit_a_source_is_refused_at_the_handle() {
    for (columns, said) in [
        (
            "symbol VARCHAR, price DOUBLE",
            "no column for the field `ts`; the columns are symbol, price",
        ),
        (
            "symbol VARCHAR, price REAL, ts BIGINT",
            "the field `price` is a Float64, which does not fit the column `price Float32`",
        ),
        (
            "symbol VARCHAR, price DOUBLE, ts BIGINT, size INT NOT NULL",
            "no field fills the column `size`, which is NOT NULL",
        ),
        (
            "symbol VARCHAR, price DOUBLE, ts BIGINT, seen BIGINT, WATERMARK FOR seen",
            "the watermark is of the column `seen`, and the record's event time is `ts`",
        ),
    ] {
        let message = record_refused(columns);
        assert!(message.contains("the source `trades`") && message.contains(said), "{message}");
    }
    let db = LaminarDB::open().unwrap();
    assert_eq!(db.source::<Trade>("nothing").unwrap_err().code(), code::NOT_FOUND);
}

#[test]
fn types_that_would_lose_something_do_not_fit() {
    #[derive(Record)]
    struct One<T: laminar_db::ToColumn> {
        x: T,
    }
    fn fits<T: laminar_db::ToColumn>(column: &str) -> bool {
        let db = created(&[&format!("CREATE SOURCE s (x {column})")]);
        db.source::<One<T>>("s").is_ok()
    }
    assert!(!fits::<i64>("INT") && !fits::<u64>("BIGINT") && !fits::<i64>("DOUBLE"));
    assert!(!fits::<i32>("BIGINT UNSIGNED") && !fits::<u16>("SMALLINT"));
    assert!(!fits::<String>("BYTEA") && !fits::<Vec<u8>>("VARCHAR") && !fits::<bool>("INT"));
    assert!(!fits::<Decimal<10, 2>>("DECIMAL(10, 3)") && !fits::<Decimal<10, 2>>("DECIMAL(10, 1)"));
    assert!(
        fits::<Decimal<10, 2>>("DECIMAL(11, 3)") && fits::<u32>("BIGINT") && fits::<u16>("INT")
    );
    assert!(fits::<i64>("TIME") && fits::<i32>("DATE") && !fits::<i64>("DATE"));
    assert!(fits::<Vec<i16>>("INT[]") && !fits::<Vec<i64>>("INT[]") && !fits::<i64>("BIGINT[]"));
}

#[test]
fn a_value_that_its_column_cannot_hold_is_refused_whole() {
    #[derive(Record)]
    struct Event {
        id: Option<i64>,
        at: std::time::SystemTime,
    }
    let db = created(&["CREATE SOURCE events (id BIGINT NOT NULL, at TIMESTAMP)"]);
    let events = db.source::<Event>("events").unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH;
    // Nanoseconds since 1970 end in 2262.
    let far = now + std::time::Duration::from_secs(10_000_000_000);
    let error = events.push(Event { id: Some(1), at: far }).unwrap_err();
    assert_eq!(error.code(), code::VALUE);
    assert!(error.message().contains("the field `at` of Event"), "{error}");
    for rows in [1, 40] {
        let mut batch: Vec<Event> = (1..rows).map(|id| Event { id: Some(id), at: now }).collect();
        batch.push(Event { id: None, at: now });
        let error = events.push_batch(&batch).unwrap_err();
        assert_eq!(error.code(), code::NULL_VALUE);
        let row = format!("row {} has no value in column `id`", rows - 1);
        assert!(error.message().contains(&row), "{error}");
    }
    assert_eq!(db.query_one_blocking::<(i64,)>("SELECT count(*) FROM events").unwrap(), (0,));
}

#[derive(FromRow, Debug)]
struct Bar {
    #[allow(dead_code)]
    symbol: String,
    #[allow(dead_code)]
    high: i32,
}

#[test]
fn a_row_that_cannot_be_read_is_told_with_column_and_row() {
    let db = LaminarDB::open().unwrap();
    for (sql, said) in [
        (
            "SELECT 'a' AS symbol",
            "Bar reads the column `high`, and there is none: the columns are \
                                  `symbol Utf8`",
        ),
        (
            "SELECT 'a' AS symbol, 1.5e0 AS high",
            "the column `high` is a Float64, which is not read \
                                                 as i32 of Bar",
        ),
        (
            "SELECT 'a' AS symbol, 3000000000 AS high",
            "the column `high` holds the value 3000000000, \
                                                      which no i32 has in row 0",
        ),
        (
            "SELECT * FROM (VALUES ('a', 1), (NULL, 2)) AS t(symbol, high)",
            "the column `symbol` holds NULL in row 1, which is not read as String of Bar: make the \
             field an Option, or give it #[laminar(default)]",
        ),
    ] {
        let error = db.query_as_blocking::<Bar>(sql).unwrap_err();
        assert_eq!(error.code(), code::SCHEMA_MISMATCH, "{sql}");
        assert!(error.message().contains(said), "{sql}: {error}");
    }
    let error = db.query_as_blocking::<(i64, i64)>("SELECT 1, 2, 3").unwrap_err();
    assert!(error.message().contains("a tuple of 2 values"), "{error}");
    let error = db.query_one_blocking::<(i64,)>("SELECT 1 WHERE false").unwrap_err();
    assert_eq!(error.code(), code::QUERY_ARGUMENT);
}

/// Rows that ceased are never taken for rows.
#[test]
fn changes_are_read_as_changes_alone() {
    let db = created(&[
        "CREATE SOURCE trades (symbol VARCHAR, price DOUBLE)",
        "CREATE STREAM counts AS SELECT symbol, count(*) AS n FROM trades GROUP BY symbol EMIT CHANGES",
    ]);
    #[derive(FromRow)]
    struct Count {
        #[allow(dead_code)]
        n: i64,
    }
    let error = db.subscribe::<Count>("counts").unwrap_err();
    assert!(error.message().contains("ChangeRow<T>"), "{error}");
    #[derive(FromRow)]
    struct Weighted {
        #[allow(dead_code)]
        _weight: i64,
    }
    assert!(db.subscribe::<Weighted>("counts").is_ok());
    assert!(db.subscribe::<ChangeRow<Count>>("counts").is_ok());
    assert_eq!(db.sink::<Count>("nothing").unwrap_err().code(), code::NOT_FOUND);
}
