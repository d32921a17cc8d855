//! JSON in text: parts of documents by hand, continuous and ad hoc, and what is no JSON.

use crate::row;
use crate::support::database::{content, execute, query, refused, started};
use crate::support::value::Value;

const DOCUMENT: &str = r#"{"b": {"c": [10, 20.5, "x", null, true]}, "a": "text", "n": -3}"#;

#[test]
fn parts_of_a_document() {
    let db = started(&[]);
    for (sql, expected) in [
        ("d -> 'b'", Value::from(r#"{"c":[10,20.5,"x",null,true]}"#)),
        ("d -> 'a'", r#""text""#.into()),
        ("d ->> 'a'", "text".into()),
        ("d -> 'b' -> 'c' -> 1", "20.5".into()),
        ("d -> 'b' -> 'c' ->> -3", "x".into()),
        ("d -> 'b' -> 'c' -> 3", "null".into()),
        ("d -> 'b' -> 'c' ->> 3", Value::Null),
        ("d -> 'b' -> 'c' -> 5", Value::Null),
        ("d -> 'b' -> 'c' -> -6", Value::Null),
        ("d -> 'missing'", Value::Null),
        ("d -> 'a' -> 'b'", Value::Null),
        ("d -> 0", Value::Null),
        ("d #> '{b,c,0}'", "10".into()),
        ("d #>> '{b, c, 2}'", "x".into()),
        ("json_extract_path(d, 'b', 'c', 4)", "true".into()),
        ("jsonb_extract_path_text(d, 'n')", "-3".into()),
        ("CAST(d ->> 'n' AS BIGINT) * 2", Value::Int(-6)),
        ("json_array_length(d -> 'b' -> 'c')", Value::Int(5)),
        ("json_typeof(d)", "object".into()),
        ("json_typeof(d -> 'b' -> 'c' -> 3)", "null".into()),
        ("json_typeof(d -> 'n')", "number".into()),
        ("array_to_string(json_object_keys(d), ' ')", "a b n".into()),
        ("CAST(json_exists(d, 'a') AS BIGINT)", Value::Int(1)),
        ("CAST(jsonb_exists(d, 'z') AS BIGINT)", Value::Int(0)),
        ("CAST(json_exists(d #> '{b,c}', 'x') AS BIGINT)", Value::Int(1)),
        ("CAST(json_valid(d) AS BIGINT)", Value::Int(1)),
        ("CAST(json_valid('{') AS BIGINT)", Value::Int(0)),
        ("d -> CAST(NULL AS VARCHAR)", Value::Null),
        ("json_typeof(CAST(NULL AS VARCHAR))", Value::Null),
    ] {
        let got = query(&db, &format!("SELECT {sql} FROM (SELECT '{DOCUMENT}' AS d) AS t"));
        assert_eq!(got, vec![vec![expected]], "{sql}");
    }
}

#[test]
fn documents_in_streams() {
    let db = started(&[
        "CREATE SOURCE events (id BIGINT, body VARCHAR)",
        "CREATE STREAM totals AS SELECT body ->> 'user' AS who, sum(CAST(body ->> 'n' AS BIGINT)) AS n
            FROM events WHERE json_exists(body, 'user') GROUP BY body ->> 'user'",
        "CREATE STREAM tags AS SELECT id, unnest(json_array_elements_text(body -> 'tags')) AS tag
            FROM events",
        "CREATE STREAM failing AS SELECT id, json_array_length(body -> 'tags') AS n FROM events",
    ]);
    execute(
        &db,
        r#"INSERT INTO events VALUES (1, '{"user": "ann", "n": 2, "tags": ["x", "y"]}'),
            (2, '{"user": "bob", "n": 5, "tags": []}'), (3, '{"n": 9, "tags": ["z"]}'),
            (4, '{"user": "ann", "n": 40}')"#,
    );
    assert_eq!(content(&db, "totals"), vec![row!["ann", 42], row!["bob", 5]]);
    assert_eq!(content(&db, "tags"), vec![row![1, "x"], row![1, "y"], row![3, "z"]]);
    assert_eq!(
        content(&db, "failing"),
        vec![row![1, 2], row![2, 0], row![3, 1], row![4, None::<i64>]]
    );
    execute(&db, r#"INSERT INTO events VALUES (5, '{"tags": 7}'), (6, '{"tags": ["w"]}')"#);
    assert_eq!(content(&db, "failing").last(), Some(&row![6, 1]));
    let letters = query(&db, "SELECT stream, error FROM laminar_dead_letters");
    let lengths = letters.iter().find(|letter| letter[0] == "failing".into()).expect("a letter");
    assert!(lengths[1].text().contains("the length of a number is asked"), "{lengths:?}");
}

#[test]
fn what_is_no_json_and_what_is_no_key() {
    let db = started(&[]);
    for (sql, words) in [
        ("'{\"a\": ' -> 'a'", "is no JSON"),
        ("json_array_length('{}')", "the length of an object"),
        ("json_object_keys('[1]')", "the keys of an array"),
        ("'{}' -> 1.5", "is a text or a place in an array"),
        ("json_typeof(7)", "reads JSON in text"),
        ("json_typeof('7', 'x')", "takes nothing behind"),
        ("'{}' #> 'a'", "is no path in JSON"),
    ] {
        let error = refused(&db, &format!("SELECT {sql}"));
        assert!(error.message().contains(words), "{sql}\n{error}");
    }
}

#[test]
fn a_chain_of_operators_is_one_way_down() {
    let db = started(&[
        "CREATE SOURCE d (body VARCHAR, k VARCHAR)",
        "CREATE STREAM s AS SELECT body -> 'a' -> 'b' ->> k AS x, body #> '{a,b}' #>> '{0}' AS y, \
         body -> 'a' ->> 'b' -> 'c' AS z FROM d",
    ]);
    // The document is read by one call, but for a text that is read as a document of its own.
    let explained = |sql: &str| db.explain(&format!("SELECT {sql} FROM d")).unwrap();
    let plan = explained("body -> 'a' -> 'b' ->> k");
    let call = "json_extract_path_text(d.body, Utf8(\"a\"), Utf8(\"b\"), d.k)";
    assert!(plan.contains(call), "{plan}");
    let plan = explained("body -> 'a' ->> 'b' -> 'c'");
    let call =
        "json_extract_path(json_extract_path_text(d.body, Utf8(\"a\"), Utf8(\"b\")), Utf8(\"c\"))";
    assert!(plan.contains(call), "{plan}");
    execute(
        &db,
        r#"INSERT INTO d VALUES ('{"a": {"b": {"c": 1.50, "0": "n"}}}', 'c'), ('{"a": {"b": [[7], 2]}}', '0'),
           ('{"a": {"b": "{\"c\": [1]}"}}', 'c'), ('{"a": null}', 'c'), (NULL, 'c'),
           ('{"a": {"b": {"c": 1}}}', NULL)"#,
    );
    assert_eq!(
        content(&db, "s"),
        [
            row![None::<&str>, None::<&str>, None::<&str>],
            row![None::<&str>, None::<&str>, None::<&str>],
            row![None::<&str>, None::<&str>, "1"],
            row![None::<&str>, None::<&str>, "[1]"],
            row!["1.5", "n", "1.5"],
            row!["[7]", "[7]", None::<&str>],
        ]
    );
}
