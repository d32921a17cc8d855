//! Durations.

use datafusion::sql::sqlparser::{ast::Expr, dialect::GenericDialect, parser::Parser};
use laminar_types::{ErrorKind, Result};

use crate::parser::duration::{duration_of_expr_ns, parse_duration_ns};

const MS: i64 = 1_000_000;
const S: i64 = 1_000 * MS;

fn expr(sql: &str) -> Expr {
    let mut parser = Parser::new(&GenericDialect).try_with_sql(sql).expect("tokens");
    parser.parse_expr().expect("an expression")
}

fn of_expr(sql: &str) -> Result<i64> {
    duration_of_expr_ns(&expr(sql))
}

#[test]
fn texts() {
    for (text, ns) in [
        ("5 seconds", 5 * S),
        ("100ms", 100 * MS),
        ("1 minute 30 seconds", 90 * S),
        ("1minute30seconds", 90 * S),
        ("1 minute, 30 seconds", 90 * S),
        ("1h", 3600 * S),
        ("1.5h", 5400 * S),
        (".5 s", 500 * MS),
        ("2 days", 2 * 86_400 * S),
        ("1 week", 7 * 86_400 * S),
        ("250", 250 * MS),
        ("0", 0),
        ("10 us", 10_000),
        ("10\u{b5}s", 10_000),
        ("7 ns", 7),
        ("00:01:30", 90 * S),
        ("1 day 02:00:00.5", (86_400 + 7200) * S + 500 * MS),
        ("PT5S", 5 * S),
        ("P1DT2H", (86_400 + 7200) * S),
        ("pt1m30.5s", 90 * S + 500 * MS),
        ("-5 s", -5 * S),
        ("+5 s", 5 * S),
        ("  5   S  ", 5 * S),
        ("106751 days", 106_751 * 86_400 * S),
    ] {
        assert_eq!(parse_duration_ns(text).map_err(|error| error.to_string()), Ok(ns), "{text}");
    }
}

#[test]
fn texts_that_are_none() {
    for text in [
        "",
        " ",
        "s",
        "5 x",
        "five seconds",
        "1:2:3:4",
        "1..5 s",
        "5 s 3",
        "P",
        "PT",
        "P5",
        "PT5",
        "-",
        "--5 s",
        "5 s -3 s",
        "1e3 ms",
        "\u{663} s",
        "P5D3",
        "1 \u{1F600}",
        "5 seconds ago",
        ".",
        "0x5 ms",
        "P1H",
    ] {
        let error = parse_duration_ns(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::SqlParseError, "{text}: {error}");
    }
    for text in ["1 month", "2 years", "P1Y", "P1M", "1 quarter", "1 day 1 mon"] {
        let error = parse_duration_ns(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}: {error}");
    }
    let many = "99999999999999999999999999999999999999999 weeks ".repeat(50_000);
    for text in ["999999999999 days", "106752 days", "99999999999999999999", "P999999999W", &many] {
        let error = parse_duration_ns(text).expect_err(text);
        assert!(error.to_string().contains("longer than 292 years"), "{text}: {error}");
    }
}

#[test]
fn expressions() {
    for (sql, ns) in [
        ("INTERVAL '5' SECOND", 5 * S),
        ("INTERVAL '5 seconds'", 5 * S),
        ("INTERVAL '5'", 5 * S),
        ("INTERVAL 5 MINUTE", 300 * S),
        ("INTERVAL '1.5' HOUR", 5400 * S),
        ("INTERVAL '100ms'", 100 * MS),
        ("INTERVAL '-5' SECOND", -5 * S),
        ("5000", 5 * S),
        ("-5000", -5 * S),
        ("(5000)", 5 * S),
        ("'5s'", 5 * S),
    ] {
        assert_eq!(of_expr(sql).map_err(|error| error.to_string()), Ok(ns), "{sql}");
    }
    for sql in ["INTERVAL '1' MONTH", "INTERVAL '1' DAY TO SECOND", "INTERVAL '1' YEAR"] {
        let error = of_expr(sql).expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}: {error}");
    }
    for sql in ["x", "INTERVAL x SECOND", "INTERVAL '5 seconds' SECOND", "1 + 1", "TRUE"] {
        assert!(of_expr(sql).is_err(), "{sql}");
    }
}
