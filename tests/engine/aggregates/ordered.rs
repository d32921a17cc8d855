//! What depends on the order of rows where the query gives none: by event time where there is
//! one, else by arrival; over updating input by value. Expected values are by hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use laminar_db::LaminarDB;

use super::{PAIRS, push};
use crate::row;
use crate::support::database::{batch, content, execute, started, texts};
use crate::support::value::Row;

#[test]
fn without_an_order_rows_come_as_they_arrive() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM s AS SELECT k, first_value(v) AS a, last_value(v) AS b, first(v) AS c,
           last(v) AS d, any_value(v) AS e, nth_value(v, 2) AS f, nth_value(v, -2) AS g
           FROM t GROUP BY k",
        "CREATE STREAM lists AS SELECT k, array_agg(v) AS a, string_agg(CAST(v AS VARCHAR), '+')
           AS b FROM t GROUP BY k",
    ]);
    push(&db, &[("a", 5), ("b", 9), ("a", 3)]);
    let expected =
        vec![row!["a", 5, 3, 5, 3, 5, 3, 5], row!["b", 9, 9, 9, 9, 9, None::<i64>, None::<i64>]];
    assert_eq!(content(&db, "s"), expected);
    push(&db, &[("a", 4)]);
    push(&db, &[("b", 1), ("a", 5)]);
    assert_eq!(
        content(&db, "s"),
        vec![row!["a", 5, 5, 5, 5, 5, 3, 4], row!["b", 9, 1, 9, 1, 9, 1, 9]]
    );
    let expected = vec![row!["a", "[5, 3, 4, 5]", "5+3+4+5"], row!["b", "[9, 1]", "9+1"]];
    assert_eq!(content(&db, "lists"), expected);
}

const TIMED: &str = "CREATE SOURCE t (k VARCHAR, v BIGINT, ts BIGINT NOT NULL,
    WATERMARK FOR ts AS ts - INTERVAL '100' SECOND)";

fn push_timed(db: &LaminarDB, rows: &[(&str, Option<i64>, i64)]) {
    let source = db.source_untyped("t").unwrap();
    let values: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1)));
    let times: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2)));
    let keys = texts(rows.iter().map(|row| Some(row.0)));
    source.push_arrow(batch(source.schema(), vec![keys, values, times])).unwrap();
}

#[test]
fn first_and_last_go_by_event_time() {
    let db = started(&[
        TIMED,
        "CREATE STREAM s AS SELECT k, first(v) AS a, last(v) AS b, array_agg(v) AS c
           FROM t GROUP BY k",
        "CREATE STREAM nested AS SELECT first_value(w) AS a, last_value(w) AS b FROM
           (SELECT v * 10 AS w, ts AS at FROM t WHERE v > 0) AS x",
        "CREATE STREAM nulls AS SELECT last_value(v) IGNORE NULLS AS a, last_value(v) AS b FROM t",
    ]);
    push_timed(&db, &[("a", Some(1), 50), ("a", Some(2), 70), ("a", Some(3), 40)]);
    assert_eq!(content(&db, "s"), vec![row!["a", 3, 2, "[1, 2, 3]"]]);
    // Of equal times the first that came is first, and the last that came is last.
    push_timed(&db, &[("a", Some(4), 40), ("a", Some(5), 70), ("b", None, 99)]);
    assert_eq!(content(&db, "s")[0], row!["a", 3, 5, "[1, 2, 3, 4, 5]"]);
    assert_eq!(content(&db, "nested"), vec![row![30, 50]]);
    assert_eq!(content(&db, "nulls"), vec![row![5, None::<i64>]]);
}

#[test]
fn panes_of_a_window_keep_the_order_of_arrival() {
    let db = started(&[
        TIMED,
        "CREATE STREAM s AS SELECT window_start, array_agg(v) AS a, first(v) AS f, last(v) AS l,
           count(DISTINCT v) AS d, median(v) AS m
           FROM t GROUP BY hop(ts, 2000, 1000) EMIT ON UPDATE",
        "CREATE STREAM closed AS SELECT window_start, array_agg(v) AS a, first(v) AS f,
           last(v) AS l, count(DISTINCT v) AS d, sum(DISTINCT v) AS s, median(v) AS m,
           stddev_pop(v) AS sd, bit_or(v) AS o, bool_and(v > 1) AS b, approx_distinct(v) AS ad
           FROM t GROUP BY hop(ts, 2000, 1000)",
    ]);
    push_timed(&db, &[("", Some(7), 1500), ("", Some(1), 500), ("", Some(7), 700)]);
    push_timed(&db, &[("", Some(4), 1100)]);
    let expected: Vec<Row> = vec![
        row![-1000, "[1, 7]", 1, 7, 2, 4.0],
        row![0, "[7, 1, 7, 4]", 1, 7, 3, 5.5],
        row![1000, "[7, 4]", 4, 7, 2, 5.5],
    ];
    assert_eq!(content(&db, "s"), expected);
    db.source_untyped("t").unwrap().watermark(10_000).unwrap();
    // Squares from the mean: 9 + 9; 5.0625 + 14.0625 + 5.0625 + 0.5625; 2.25 + 2.25.
    let expected: Vec<Row> = vec![
        row![-1000, "[1, 7]", 1, 7, 2, 8, 4.0, 3.0, 7, "false", 2],
        row![0, "[7, 1, 7, 4]", 1, 7, 3, 12, 5.5, 6.1875f64.sqrt(), 7, "false", 3],
        row![1000, "[7, 4]", 4, 7, 2, 11, 5.5, 1.5, 7, "true", 2],
    ];
    assert_eq!(content(&db, "closed"), expected);
}

#[test]
fn over_updating_input_equal_rows_stand_in_the_order_of_their_values() {
    let db = started(&[
        PAIRS,
        "CREATE STREAM totals AS SELECT k, sum(v) AS total FROM t GROUP BY k",
        "CREATE STREAM s AS SELECT first_value(total) AS a, last_value(total) AS b,
           array_agg(total) AS c, string_agg(k, '') AS d, any_value(total) AS e,
           nth_value(total, 2) AS f FROM totals",
        "CREATE STREAM ties AS SELECT array_agg(k ORDER BY total % 2) AS a FROM totals",
    ]);
    execute(&db, "CREATE STREAM late AS SELECT array_agg(total) AS c FROM totals");
    assert_eq!(
        content(&db, "s")[0],
        vec![None::<i64>; 6].into_iter().map(Into::into).collect::<Row>()
    );
    push(&db, &[("c", 5), ("a", 9), ("b", 7)]);
    assert_eq!(content(&db, "s"), vec![row![5, 9, "[5, 7, 9]", "abc", 5, 7]]);
    push(&db, &[("c", 3), ("b", -7)]);
    assert_eq!(content(&db, "s"), vec![row![0, 9, "[0, 8, 9]", "abc", 0, 8]]);
    assert_eq!(content(&db, "ties"), vec![row!["[b, c, a]"]]);
    assert_eq!(content(&db, "late"), vec![row!["[0, 8, 9]"]]);
}
