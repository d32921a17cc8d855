//! Texts of all kinds against columns of all types; expected values are written by hand.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow::util::display::array_value_to_string;
use laminar_types::Result;

use crate::csv::{self, CsvOptions};
use crate::json::{self, JsonOptions};

fn schema(columns: Vec<(&str, DataType)>) -> SchemaRef {
    let fields = columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn one(data_type: DataType) -> SchemaRef {
    schema(vec![("x", data_type)])
}

fn from_json(text: &str, schema: &SchemaRef) -> Result<RecordBatch> {
    json::decode(text, schema, JsonOptions::default())
}

fn from_csv(text: &str, schema: &SchemaRef) -> Result<RecordBatch> {
    csv::decode(text, schema, &CsvOptions::default())
}

/// `a|b` for each row; NULL is empty.
fn shown(batch: &RecordBatch) -> Vec<String> {
    let cell =
        |row| move |column: &arrow::array::ArrayRef| array_value_to_string(column, row).unwrap();
    (0..batch.num_rows())
        .map(|row| batch.columns().iter().map(cell(row)).collect::<Vec<_>>().join("|"))
        .collect()
}

/// What a JSON value becomes in a column of a type, or the message that refuses it.
fn value(json: &str, data_type: &DataType) -> String {
    match from_json(&format!("{{\"x\": {json}}}"), &one(data_type.clone())) {
        Ok(batch) => shown(&batch).remove(0),
        Err(error) => error.to_string(),
    }
}

#[test]
fn json_comes_in_three_forms() {
    let schema = schema(vec![("a", DataType::Int64), ("b", DataType::Utf8)]);
    let rows = ["1|x", "2|"];
    for text in [
        r#"[{"a": 1, "b": "x"}, {"a": 2}]"#,
        "{\"a\": 1, \"b\": \"x\"}\n{\"b\": null, \"a\": 2}\n",
        r#"  {"b": "x", "a": 1} {"a": 2}"#,
    ] {
        assert_eq!(shown(&from_json(text, &schema).unwrap()), rows, "{text}");
    }
    assert_eq!(from_json("[]", &schema).unwrap().num_rows(), 0);
    assert_eq!(from_json("", &schema).unwrap().num_rows(), 0);
}

#[test]
fn json_that_is_none_is_refused() {
    let schema = one(DataType::Int64);
    for (text, part) in [
        ("{\"x\": 1", "LDB-3005: the text is no JSON: EOF"),
        ("[{\"x\": 1}, 5]", "row 1 must be a JSON object with a member for each column, not 5"),
        ("[{\"x\": 1}, {\"y\": 1}]", "LDB-3201: row 1 has a member `y`"),
        ("7", "row 0 must be a JSON object"),
    ] {
        let error = from_json(text, &schema).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn values_keep_their_value_or_are_refused() {
    use DataType::*;
    let ms = Timestamp(TimeUnit::Millisecond, None);
    let ns = Timestamp(TimeUnit::Nanosecond, None);
    let s = Timestamp(TimeUnit::Second, None);
    let zoned = Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
    for (json, data_type, expected) in [
        ("127", Int8, "127"),
        ("9223372036854775807", Int64, "9223372036854775807"),
        ("18446744073709551615", UInt64, "18446744073709551615"),
        ("\"-12\"", Int32, "-12"),
        ("1.5", Float64, "1.5"),
        ("\"NaN\"", Float64, "NaN"),
        ("3", Float32, "3.0"),
        ("true", Boolean, "true"),
        ("\"False\"", Boolean, "false"),
        ("\"caf\\u00e9\"", Utf8, "café"),
        ("\"x\"", LargeUtf8, "x"),
        ("\"x\"", Utf8View, "x"),
        ("\"x\"", Dictionary(Box::new(Int32), Box::new(Utf8)), "x"),
        ("\"00ff\"", Binary, "00ff"),
        ("\"00ff\"", FixedSizeBinary(2), "00ff"),
        ("12.34", Decimal128(10, 2), "12.34"),
        ("\"12345678901234567.89\"", Decimal128(20, 2), "12345678901234567.89"),
        ("-7", Decimal32(5, 1), "-7.0"),
        ("\"2024-02-29\"", Date32, "2024-02-29"),
        ("\"13:14:15.250\"", Time32(TimeUnit::Millisecond), "13:14:15.250"),
        ("\"13:14:15.000000001\"", Time64(TimeUnit::Nanosecond), "13:14:15.000000001"),
        ("1500", Duration(TimeUnit::Millisecond), "PT1.5S"),
        // Epoch numbers are milliseconds whatever the unit of the column.
        ("1700000000123", ms.clone(), "2023-11-14T22:13:20.123"),
        ("1700000000123", ns.clone(), "2023-11-14T22:13:20.123"),
        ("1700000000000", s.clone(), "2023-11-14T22:13:20"),
        ("\"2023-11-14T22:13:20.123\"", ms.clone(), "2023-11-14T22:13:20.123"),
        ("\"2023-11-14 22:13:20\"", s.clone(), "2023-11-14T22:13:20"),
        ("\"2023-11-15T00:13:20+02:00\"", zoned, "2023-11-14T22:13:20Z"),
        ("\"3023-01-01T00:00:00Z\"", ms.clone(), "3023-01-01T00:00:00"),
        ("null", Int64, ""),
    ] {
        assert_eq!(value(json, &data_type), expected, "{json} as {data_type}");
    }
    for (json, data_type, part) in [
        ("128", Int8, "128 is no value of the type Int8"),
        ("-1", UInt8, "-1 is no value"),
        ("1.5", Int64, "row 0, column `x`: 1.5 is no value of the type Int64"),
        ("1e3", Int64, "1000 is no value"),
        ("\"abc\"", Float64, "'abc' is no value of the type Float64"),
        ("1e300", Float32, "no value of the type Float32"),
        ("1", Boolean, "1 is no value"),
        ("5", Utf8, "5 is no value of the type Utf8"),
        ("\"0g\"", Binary, "hexadecimal"),
        ("\"00\"", FixedSizeBinary(2), "hexadecimal"),
        ("1.234", Decimal128(10, 2), "1.234 is no value"),
        ("12345678901234567.89", Decimal128(20, 2), "in quotes where there are more than 15"),
        ("\"2024-02-30\"", Date32, "YYYY-MM-DD"),
        ("2024", Date32, "2024 is no value"),
        ("\"13:14:15.2505\"", Time32(TimeUnit::Millisecond), "no value"),
        ("\"2023-11-14T22:13:20.1234\"", ms.clone(), "no value of the type Timestamp"),
        ("1700000000123", s, "ISO 8601, or an integer in ms since 1970"),
        ("\"3023-01-01T00:00:00Z\"", ns, "no value"),
        ("{\"y\": 1}", Int64, "an object is no value"),
        ("[1]", ms, "an array is no value"),
    ] {
        let given = value(json, &data_type);
        assert!(given.starts_with("LDB-3002: "), "{json} as {data_type}: {given}");
        assert!(given.contains(part), "{json} as {data_type}: {given}");
    }
}

#[test]
fn json_nests() {
    use DataType::*;
    let item = Arc::new(Field::new_list_field(Int64, true));
    let pair = Fields::from(vec![
        Field::new("a", Int64, true),
        Field::new("b", List(Arc::clone(&item)), true),
    ]);
    let entries =
        Fields::from(vec![Field::new("key", Utf8, false), Field::new("value", Int64, true)]);
    let map = Map(Arc::new(Field::new("entries", Struct(entries), false)), false);
    for (json, data_type, expected) in [
        ("[1, null, 3]", List(Arc::clone(&item)), "[1, , 3]"),
        ("[]", LargeList(Arc::clone(&item)), "[]"),
        ("[1, 2]", FixedSizeList(Arc::clone(&item), 2), "[1, 2]"),
        ("null", FixedSizeList(Arc::clone(&item), 2), ""),
        ("{\"b\": [4], \"a\": 1}", Struct(pair.clone()), "{a: 1, b: [4]}"),
        ("{\"p\": 1, \"q\": null}", map.clone(), "{p: 1, q: }"),
    ] {
        assert_eq!(value(json, &data_type), expected, "{json} as {data_type}");
    }
    for (json, data_type, part) in [
        ("[1, \"y\"]", List(Arc::clone(&item)), "row 0, column `x[]`: 'y' is no value"),
        ("[1]", FixedSizeList(item, 2), "an array is no value of the type a list of 2 elements"),
        ("{\"b\": [true]}", Struct(pair.clone()), "column `x.b[]`: true is no value"),
        ("{\"c\": 1}", Struct(pair), "the struct has no field `c`"),
        ("{\"p\": \"q\"}", map, "column `x{}`: 'q' is no value"),
    ] {
        let given = value(json, &data_type);
        assert!(given.contains(part), "{json} as {data_type}: {given}");
    }
}

#[test]
fn the_row_that_is_wrong_is_named() {
    let text = "{\"x\": 1}\n{\"x\": 2}\n{\"x\": \"three\"}\n{\"x\": \"four\"}";
    let error = from_json(text, &one(DataType::Int64)).unwrap_err().to_string();
    assert!(error.contains("row 2, column `x`: 'three' is no value"), "{error}");
    let item = Arc::new(Field::new_list_field(DataType::Int64, true));
    let text = "{\"x\": [1, 2]}\n{\"x\": []}\n{\"x\": [3, \"z\"]}";
    let error = from_json(text, &one(DataType::List(item))).unwrap_err().to_string();
    assert!(error.contains("row 2, column `x[]`: 'z' is no value"), "{error}");
    let error = from_csv("x\n1\n2\nthree\n", &one(DataType::Int64)).unwrap_err().to_string();
    assert!(error.contains("row 2, column `x`: 'three' is no value"), "{error}");
}

#[test]
fn csv_is_read_by_its_header() {
    let schema =
        schema(vec![("a", DataType::Int64), ("b", DataType::Utf8), ("c", DataType::Float64)]);
    let text = "b,a\r\n\"x, \"\"y\"\"\nz\",1\r\n,2\r\n";
    assert_eq!(shown(&from_csv(text, &schema).unwrap()), ["1|x, \"y\"\nz|", "2||"]);
    // Without an end of the last line; with a mark of the byte order.
    assert_eq!(shown(&from_csv("\u{feff}a\n1", &schema).unwrap()), ["1||"]);
    assert_eq!(from_csv("a,b", &schema).unwrap().num_rows(), 0);
    let options = CsvOptions::from_json(Some(
        r#"{"header": false, "delimiter": ";", "quote": "'", "null": "\\N"}"#,
    ));
    let batch = csv::decode("1;'p;q';0.5\n2;\\N;\\N\n3;;1\n", &schema, &options.unwrap()).unwrap();
    assert_eq!(shown(&batch), ["1|p;q|0.5", "2||", "3||1.0"]);
    assert_eq!(batch.column(1).null_count(), 1, "the empty text is one");
}

#[test]
fn csv_that_does_not_fit_is_refused() {
    let schema = schema(vec![("a", DataType::Int64), ("b", DataType::Utf8)]);
    for (text, part) in [
        ("", "no first line"),
        ("a,c\n1,2", "LDB-3201: the source has no column `c`"),
        ("a,a\n1,2", "`a` is named twice"),
        (
            "a,b\n1,x\n2\n",
            "LDB-3005: the CSV cannot be read: incorrect number of fields for line 2",
        ),
        ("a,b\n1,x,y\n", "incorrect number of fields for line 1"),
    ] {
        let error = from_csv(text, &schema).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let item = Arc::new(Field::new_list_field(DataType::Int64, true));
    let error = from_csv("x\n1", &one(DataType::List(item))).unwrap_err().to_string();
    assert!(error.contains("LDB-4301: CSV cannot be read into the column `x`"), "{error}");
    for json in [r#"{"delimiter": "::"}"#, r#"{"delimiter": "é"}"#, r#"{"separator": ","}"#] {
        let error = CsvOptions::from_json(Some(json)).unwrap_err().to_string();
        assert!(error.starts_with("LDB-3001: "), "{error}");
    }
}

#[test]
fn many_lines_of_csv_keep_their_order() {
    let text: String =
        std::iter::once("x\n".to_string()).chain((0..20_000).map(|n| format!("{n}\n"))).collect();
    let batch = from_csv(&text, &one(DataType::Int64)).unwrap();
    let expected: Vec<String> = (0..20_000).map(|n: i64| n.to_string()).collect();
    assert_eq!(shown(&batch), expected);
}

#[test]
fn epoch_units_are_chosen() {
    let options = JsonOptions::from_json(Some(r#"{"epoch": "s"}"#)).unwrap();
    let schema = one(DataType::Timestamp(TimeUnit::Microsecond, None));
    let batch = json::decode("{\"x\": 1700000000}", &schema, options).unwrap();
    assert_eq!(shown(&batch), ["2023-11-14T22:13:20"]);
}
