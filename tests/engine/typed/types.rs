//! Values of every type, in and out. A batch of more rows than a block has goes as Arrow arrays, so
//! that each test pushes its records one by one and all at once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use laminar_db::{Decimal, FromRow, LaminarDB, Record};

/// More rows than travel as a block.
const MANY: usize = 40;

/// What comes back of records that are pushed one by one, and all at once, as rows of a stream
/// over a source made of the record and as those of a query.
fn returned<T: Record + Clone + 'static, R: FromRow + 'static>(records: &[T]) -> [Vec<R>; 3] {
    let read = |by_one: bool| {
        let db = LaminarDB::open().unwrap();
        let source = db.create_source_blocking::<T>("input").unwrap();
        db.execute_blocking("CREATE STREAM output AS SELECT * FROM input").unwrap();
        let mut output = db.subscribe::<R>("output").unwrap();
        db.start_blocking().unwrap();
        if by_one {
            for record in records {
                source.push(record.clone()).unwrap();
            }
        } else {
            source.push_batch(records).unwrap();
        }
        let queried = db.query_as_blocking("SELECT * FROM input").unwrap();
        (output.drain().unwrap(), queried)
    };
    let ((one, _), (many, queried)) = (read(true), read(false));
    [one, many, queried]
}

#[derive(Record, FromRow, Clone, Debug, PartialEq)]
struct Plain {
    flag: bool,
    tiny: i8,
    small: i16,
    int: i32,
    long: i64,
    byte: u8,
    word: u16,
    dword: u32,
    qword: u64,
    single: f32,
    double: f64,
    text: String,
    blob: Vec<u8>,
    at: SystemTime,
    maybe: Option<i64>,
    note: Option<String>,
    r#type: Arc<str>,
}

impl Plain {
    fn extreme(row: usize) -> Self {
        let is_low = row.is_multiple_of(2);
        let pick = |low: i64, high: i64| if is_low { low } else { high };
        Self {
            flag: is_low,
            tiny: pick(i8::MIN.into(), i8::MAX.into()) as i8,
            small: pick(i16::MIN.into(), i16::MAX.into()) as i16,
            int: pick(i32::MIN.into(), i32::MAX.into()) as i32,
            long: pick(i64::MIN, i64::MAX),
            byte: pick(0, u8::MAX.into()) as u8,
            word: pick(0, u16::MAX.into()) as u16,
            dword: pick(0, u32::MAX.into()) as u32,
            qword: if is_low { 0 } else { u64::MAX },
            single: if is_low { -0.0 } else { f32::MAX },
            double: if is_low { f64::NEG_INFINITY } else { 1e-310 },
            text: if is_low { String::new() } else { format!("grün {row}") },
            blob: if is_low { Vec::new() } else { vec![0, 255, row as u8] },
            at: if is_low {
                SystemTime::UNIX_EPOCH - Duration::from_nanos(1)
            } else {
                SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789)
            },
            maybe: (!is_low).then_some(row as i64),
            note: is_low.then(|| "a text of more than fifteen bytes".to_string()),
            r#type: "t".into(),
        }
    }
}

#[test]
fn plain_values_come_back_as_they_went_in() {
    let records: Vec<Plain> = (0..MANY).map(Plain::extreme).collect();
    for rows in returned::<Plain, Plain>(&records) {
        assert_eq!(rows, records);
    }
}

#[derive(Record, FromRow, Clone, Debug, PartialEq)]
struct Leg {
    symbol: String,
    ratio: Option<i32>,
}

#[derive(Record, FromRow, Clone, Debug, PartialEq)]
struct Nested {
    id: i64,
    price: Decimal<12, 4>,
    tags: Vec<String>,
    depths: Vec<Option<i64>>,
    main: Leg,
    more: Option<Vec<i32>>,
}

#[test]
fn lists_structs_and_decimals_come_back_as_they_went_in() {
    let nested = |id: usize| Nested {
        id: id as i64,
        price: format!("{}.0625", id as i64 - 20).parse().unwrap(),
        tags: (0..id % 3).map(|tag| format!("tag {tag}")).collect(),
        depths: if id.is_multiple_of(2) { vec![] } else { vec![Some(1), None] },
        main: Leg { symbol: format!("S{id}"), ratio: (id % 2 == 1).then_some(-1) },
        more: id.is_multiple_of(4).then(|| vec![i32::MIN, i32::MAX]),
    };
    let records: Vec<Nested> = (0..MANY).map(nested).collect();
    for rows in returned::<Nested, Nested>(&records) {
        assert_eq!(rows, records);
    }
}

#[derive(Record, FromRow, Clone, Debug, PartialEq)]
struct Times {
    at: DateTime<Utc>,
    local: NaiveDateTime,
    day: NaiveDate,
    time: NaiveTime,
}

#[test]
fn times_of_chrono_come_back_as_they_went_in() {
    let day = |year| NaiveDate::from_ymd_opt(year, 2, 29).unwrap();
    let time = NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999).unwrap();
    let records = [1968, 2024].map(|year| {
        let local = day(year).and_time(time);
        Times { at: local.and_utc(), local, day: day(year), time }
    });
    for rows in returned::<Times, Times>(&records) {
        assert_eq!(rows, records);
    }
}

/// A field may be of another type than its column where nothing is lost.
#[test]
fn fields_fit_columns_that_are_wider() {
    #[derive(Record)]
    struct Narrow<'a> {
        a: i8,
        b: u32,
        c: f32,
        d: &'a str,
        e: SystemTime,
        f: SystemTime,
        g: i64,
        h: Decimal<4, 1>,
        i: Cow<'a, str>,
        j: [i64; 2],
    }
    let db = LaminarDB::open().unwrap();
    db.execute_blocking(
        "CREATE SOURCE input (j BIGINT[], i VARCHAR, h DECIMAL(10, 3), g TIMESTAMP(3), f BIGINT,
         e TIMESTAMP(3), d VARCHAR, c DOUBLE, b BIGINT, a BIGINT, z DOUBLE)",
    )
    .unwrap();
    // The name is borrowed for as long as the handle lives, so it lives longer.
    let name = String::from("borrowed");
    let source = db.source::<Narrow<'_>>("input").unwrap();
    let second = Duration::from_micros(1_999_999);
    let record = || Narrow {
        a: -1,
        b: u32::MAX,
        c: 0.5,
        d: &name,
        // A time is counted in the column's unit, rounded down, also before 1970.
        e: SystemTime::UNIX_EPOCH - second,
        f: SystemTime::UNIX_EPOCH + second,
        g: 1_234,
        h: "-12.5".parse().unwrap(),
        i: Cow::Borrowed("cow"),
        j: [1, 2],
    };
    source.push(record()).unwrap();
    source.push_batch(&(0..MANY).map(|_| record()).collect::<Vec<_>>()).unwrap();
    type Wide =
        (Vec<i64>, String, Decimal<10, 3>, i64, i64, i64, String, f64, i64, i64, Option<f64>);
    let rows: Vec<Wide> = db.query_as_blocking("SELECT * FROM input").unwrap();
    assert_eq!(rows.len(), MANY + 1);
    for (j, i, h, g, f, e, d, c, b, a, z) in rows {
        assert_eq!((a, b, c, d.as_str()), (-1, i64::from(u32::MAX), 0.5, "borrowed"));
        assert_eq!((e, f, g, h.unscaled()), (-2_000, 1_999, 1_234, -12_500));
        assert_eq!((i.as_str(), j, z), ("cow", vec![1, 2], None));
    }
}

#[test]
fn rows_are_read_wherever_nothing_is_lost() {
    let db = LaminarDB::open().unwrap();
    let sql = "SELECT CAST(7 AS TINYINT) AS a, 9007199254740992 AS b, CAST(0.5 AS REAL) AS c,
               to_timestamp_millis(1500) AS d, 1500 AS e, CAST(3 AS BIGINT UNSIGNED) AS f,
               CAST('2024-02-29' AS DATE) AS g, NULL AS h, arrow_cast('x', 'Utf8View') AS i";
    type Read = (u64, f64, f64, SystemTime, SystemTime, i8, i32, Option<String>, String);
    let (a, b, c, d, e, f, g, h, i) = db.query_one_blocking::<Read>(sql).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
    // 2024-02-29 is 54 years and 59 days after 1970-01-01, 13 of the years being leap years.
    assert_eq!(
        (a, b, c, d, e, f, g),
        (7, 9_007_199_254_740_992.0, 0.5, at, at, 3, 54 * 365 + 13 + 59)
    );
    assert_eq!((h, i.as_str()), (None, "x"));
}

#[test]
fn names_and_defaults_are_as_the_attributes_say() {
    #[derive(Record, FromRow, Clone, Debug, PartialEq)]
    #[laminar(rename_all = "camelCase")]
    struct Spelled {
        unit_price: f64,
        #[laminar(rename = "order")]
        r#in: i64,
        #[laminar(skip)]
        seen: bool,
        #[laminar(nullable, default)]
        note: String,
    }
    let record = Spelled { unit_price: 1.5, r#in: 2, seen: true, note: "n".into() };
    let schema = Spelled::schema();
    let columns: Vec<(&str, bool)> =
        schema.fields().iter().map(|f| (f.name().as_str(), f.is_nullable())).collect();
    assert_eq!(columns, [("unitPrice", false), ("order", false), ("note", true)]);
    for rows in returned::<Spelled, Spelled>(std::slice::from_ref(&record)) {
        assert_eq!(rows, [Spelled { seen: false, ..record.clone() }]);
    }
    let db = LaminarDB::open().unwrap();
    for sql in [
        r#"SELECT 1.5e0 AS "unitPrice", 2 AS "order""#,
        r#"SELECT 1.5e0 AS "unitPrice", 2 AS "order", CAST(NULL AS VARCHAR) AS note, 3 AS other"#,
    ] {
        let read: Spelled = db.query_one_blocking(sql).unwrap();
        assert_eq!(read, Spelled { seen: false, note: String::new(), ..record.clone() }, "{sql}");
    }
}

#[test]
fn a_generic_record_is_one_of_its_parameter() {
    #[derive(Record, FromRow, Clone, Debug, PartialEq)]
    struct Keyed<K, V> {
        key: K,
        values: Vec<V>,
    }
    let records = [Keyed { key: 1_i64, values: vec![Some(0.5), None] }];
    for rows in returned::<Keyed<i64, Option<f64>>, Keyed<i64, Option<f64>>>(&records) {
        assert_eq!(rows, records);
    }
}

#[test]
fn a_batch_is_made_of_records_and_records_of_a_batch() {
    use laminar_db::FromRecordBatch;
    let records: Vec<Plain> = (0..3).map(Plain::extreme).collect();
    let batch = Plain::to_record_batch(&records).unwrap();
    assert_eq!(Plain::from_record_batch(&batch).unwrap(), records);
    assert_eq!(Plain::to_record_batch(&[]).unwrap().num_rows(), 0);
}
