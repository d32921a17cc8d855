//! Windows, watermarks and late rows.
//!
//! The first half are cases worked out by hand, the second half runs random queries over random
//! rows against a model that knows only the definition: a row goes into each of its windows that
//! is open, a window is closed when its end is at or before the frontier `W + 1`.

mod differential;
mod emit;
mod event_time;
mod hops;
mod late;
mod model;
mod sessions;
mod tables;
mod time;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::cast;
use laminar_db::{ErrorKind, LaminarDB, UntypedSource};

use crate::row;
use crate::support::database::{
    batch, content, drain, drain_rows, execute, listed, query, refused, started, subscribe,
};
use crate::support::value::{Row, Value, rows};

const SOURCE: &str =
    "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 5)";

/// Rows `(key, value, time)` for a source of a key, a value and a time of any type.
fn rows_of(source: &UntypedSource, rows: &[(i64, i64, i64)]) -> RecordBatch {
    let column = |value: &dyn Fn(&(i64, i64, i64)) -> i64, index: usize| -> ArrayRef {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(value)));
        cast(&values, source.schema().field(index).data_type()).unwrap()
    };
    let columns = vec![column(&|row| row.0, 0), column(&|row| row.1, 1), column(&|row| row.2, 2)];
    batch(source.schema(), columns)
}

fn push(source: &UntypedSource, rows: &[(i64, i64, i64)]) {
    source.push_arrow(rows_of(source, rows)).unwrap();
}

/// Pushes rows of key 1 and value 1 at these times, as one batch.
fn push_times(source: &UntypedSource, times: &[i64]) {
    push(source, &times.iter().map(|time| (1, 1, *time)).collect::<Vec<_>>());
}

fn late_rows(db: &LaminarDB, stream: &str) -> i64 {
    listed(db, "SHOW STREAMS", stream, "late_rows").int()
}

#[test]
fn a_window_closes_when_its_end_is_one_unit_past_the_watermark() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT window_start, window_end, count(*) n FROM t
         GROUP BY tumble(ts, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    // W = 13 - 5 = 8: [0, 10) would need W + 1 >= 10.
    push_times(&source, &[3, 13]);
    assert_eq!(content(&db, "w"), Vec::<Row>::new());
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "watermark_ms"), Value::Int(8));
    // Still open: 9 and 4 are taken. W = 9 after 14.
    push_times(&source, &[9, 4]);
    push_times(&source, &[14]);
    assert_eq!(content(&db, "w"), vec![row![0, 10, 3]]);
    // Closed now: 9 is late, 10 is not.
    push_times(&source, &[9, 10]);
    assert_eq!(late_rows(&db, "w"), 1);
    source.watermark(19).unwrap();
    assert_eq!(content(&db, "w"), vec![row![0, 10, 3], row![10, 20, 3]]);
}

#[test]
fn lateness_is_decided_row_by_row_inside_a_batch() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)",
        "CREATE STREAM c AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)
         EMIT CHANGES",
    ]);
    let source = db.source_untyped("t").unwrap();
    // 9 comes before 14 and is in time; after it, it is late. 15 moves nothing past 20.
    push_times(&source, &[9, 14, 9, 15, 3]);
    source.watermark(100).unwrap();
    for stream in ["w", "c"] {
        assert_eq!(content(&db, stream), vec![row![0, 1], row![10, 2]]);
        assert_eq!(late_rows(&db, stream), 2);
    }
}

#[test]
fn a_row_goes_into_those_of_its_windows_that_are_open() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM t GROUP BY hop(ts, 5, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    // [-5, 5) and [0, 10) hold 2; W = 9 closes both, [5, 15) stays open for 7 and 6.
    push_times(&source, &[2, 14, 7, 6, 4]);
    assert_eq!(content(&db, "w"), vec![row![-5, 1], row![0, 1]]);
    assert_eq!(late_rows(&db, "w"), 1);
    source.watermark(50).unwrap();
    assert_eq!(content(&db, "w"), vec![row![-5, 1], row![0, 1], row![5, 3], row![10, 1]]);
}

#[test]
fn either_order_of_the_arguments_of_hop() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM a AS SELECT hop(ts, 10, 4) w, count(*) n FROM t GROUP BY hop(ts, 10, 4)",
        "CREATE STREAM b AS SELECT hop(ts, 4, 10) w, count(*) n FROM t GROUP BY 1",
        "CREATE STREAM c AS SELECT slide(ts, 10, 4) w, count(*) n FROM t GROUP BY 1",
        "CREATE STREAM d AS SELECT hopping(ts, INTERVAL '4' MILLISECOND,
             INTERVAL '10' MILLISECOND) w, count(*) n FROM t GROUP BY 1",
        "CREATE STREAM e AS SELECT hop_start(ts, 4, 10) w, count(*) n FROM t
         GROUP BY hop(ts, 4, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    push_times(&source, &[0, 9]);
    source.watermark(100).unwrap();
    // 0 lies in [-8, 2), [-4, 6), [0, 10); 9 in [0, 10), [4, 14), [8, 18).
    let expected = vec![row![-8, 1], row![-4, 1], row![0, 2], row![4, 1], row![8, 1]];
    for stream in ["a", "b", "c", "d", "e"] {
        assert_eq!(content(&db, stream), expected, "{stream}");
    }
}

#[test]
fn the_larger_length_of_hop_is_the_size_so_windows_never_leave_gaps() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT hop(ts, 3, 10) w, count(*) n FROM t GROUP BY 1",
    ]);
    let source = db.source_untyped("t").unwrap();
    push_times(&source, &[4]);
    source.watermark(100).unwrap();
    assert_eq!(content(&db, "w"), vec![row![-3, 1], row![0, 1], row![3, 1]]);
}

#[test]
fn offsets_and_times_before_the_epoch() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM a AS SELECT tumble(ts, 10, 3) w, window_end e, count(*) n FROM t GROUP BY 1",
        "CREATE STREAM b AS SELECT tumble(ts, 10, -7) w, window_end e, count(*) n FROM t
         GROUP BY tumble(ts, 10, -7)",
    ]);
    let source = db.source_untyped("t").unwrap();
    push_times(&source, &[-8, -7, -4, 2, 3]);
    source.watermark(100).unwrap();
    let expected = vec![row![-17, -7, 1], row![-7, 3, 3], row![3, 13, 1]];
    assert_eq!(content(&db, "a"), expected);
    assert_eq!(content(&db, "b"), expected);
}

#[test]
fn windows_over_every_type_of_event_time() {
    for (data_type, unit_ns) in differential::TYPES {
        let db = started(&[
            &format!(
                "CREATE SOURCE t (k BIGINT, v BIGINT, ts {data_type} NOT NULL,
                 WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)"
            ),
            "CREATE STREAM w AS SELECT window_start, window_end, count(*) n FROM t
             GROUP BY tumble(ts, INTERVAL '10' SECOND)",
        ]);
        let source = db.source_untyped("t").unwrap();
        let second = 1_000_000_000 / unit_ns;
        // W + 1 unit is 10 seconds exactly at 12 seconds less one unit.
        let last = 12 * second - 1;
        push_times(&source, &[-second, 0, 10 * second - 1, last - 1]);
        let before = content(&db, "w");
        assert_eq!(before, vec![row![-10 * second, 0, 1]], "{data_type}");
        push_times(&source, &[last, 10 * second - 1]);
        let after = vec![row![-10 * second, 0, 1], row![0, 10 * second, 2]];
        assert_eq!(content(&db, "w"), after, "{data_type}");
        assert_eq!(late_rows(&db, "w"), 1, "{data_type}");
        let schema = subscribe(&db, "w").schema();
        let source_type = source.schema().field(2).data_type().clone();
        assert_eq!(schema.field(0).data_type(), &source_type, "window_start");
        assert_eq!(schema.field(1).data_type(), &source_type, "window_end");
    }
}

#[test]
fn explicit_watermarks_alone_close_windows() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts TIMESTAMP(0))",
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM t
         GROUP BY tumble(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE",
    ]);
    let plan = query(&db, "EXPLAIN w");
    let note = "no watermark is declared: windows close only when the producer calls watermark(t)";
    assert!(plan.iter().any(|line| line[0].text().contains(note)), "{plan:?}");
    let source = db.source_untyped("t").unwrap();
    push_times(&source, &[5, 1_000, 5]);
    assert_eq!(content(&db, "w"), Vec::<Row>::new());
    // In milliseconds, whatever the column counts. 8,999 promises up to second 8 only.
    source.watermark(8_999).unwrap();
    assert_eq!(content(&db, "w"), Vec::<Row>::new());
    source.watermark(9_000).unwrap();
    assert_eq!(content(&db, "w"), vec![row![0, 2]]);
    push_times(&source, &[9, 10]);
    assert_eq!(late_rows(&db, "w"), 1);
}

#[test]
fn of_a_declared_and_an_explicit_watermark_the_larger_wins_and_it_never_goes_back() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    let watermark = || listed(&db, "SHOW SOURCES", "t", "watermark_ms");
    assert_eq!(watermark(), Value::Null);
    source.watermark(20).unwrap();
    push_times(&source, &[3, 22]);
    assert_eq!((watermark(), late_rows(&db, "w")), (Value::Int(20), 1));
    source.watermark(7).unwrap();
    assert_eq!(watermark(), Value::Int(20));
    push_times(&source, &[40]);
    assert_eq!(watermark(), Value::Int(35));
    source.watermark(34).unwrap();
    push_times(&source, &[1, 2]);
    assert_eq!((watermark(), late_rows(&db, "w")), (Value::Int(35), 3));
    assert_eq!(content(&db, "w"), vec![row![20, 1]]);
}

#[test]
fn the_slowest_open_producer_holds_the_watermark() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)",
    ]);
    let watermark = || listed(&db, "SHOW SOURCES", "t", "watermark_ms");
    let (fast, slow) = (db.source_untyped("t").unwrap(), db.source_untyped("t").unwrap());
    push_times(&fast, &[100, 1]);
    assert_eq!(watermark(), Value::Null);
    push_times(&slow, &[12]);
    assert_eq!(watermark(), Value::Int(7));
    // One more producer promises nothing, and takes nothing back.
    let third = slow.try_clone().unwrap();
    push_times(&slow, &[50]);
    assert_eq!(watermark(), Value::Int(7));
    push_times(&third, &[30]);
    assert_eq!(watermark(), Value::Int(25));
    // Who has ended holds nothing back: 26 meets 45 and is late.
    drop(third);
    push_times(&fast, &[26]);
    assert_eq!((watermark(), late_rows(&db, "w")), (Value::Int(45), 1));
    drop(slow);
    drop(fast);
    assert_eq!(content(&db, "w"), vec![row![0, 1], row![10, 1], row![30, 1]]);
}

#[test]
fn changes_are_net_and_retractions_come_first() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM c AS SELECT k, window_start, sum(v) s FROM t GROUP BY k, tumble(ts, 10)
         EMIT CHANGES",
        "CREATE STREAM u AS SELECT k, window_start, sum(v) s FROM t GROUP BY k, tumble(ts, 10)
         EMIT ON UPDATE",
    ]);
    let source = db.source_untyped("t").unwrap();
    let (mut changes, mut updates) = (subscribe(&db, "c"), subscribe(&db, "u"));
    push(&source, &[(1, 4, 1), (2, 7, 2), (1, 6, 3)]);
    assert_eq!(drain_rows(&mut changes), vec![row![1, 0, 10, 1], row![2, 0, 7, 1]]);
    assert_eq!(drain_rows(&mut updates), vec![row![1, 0, 10], row![2, 0, 7]]);
    push(&source, &[(2, 1, 4), (1, 5, 12)]);
    let changed = drain(&mut changes);
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].weights.as_ref().unwrap()[..], [-1, 1, 1]);
    let rows = rows(&[changed[0].batch.clone()]);
    assert_eq!(rows, vec![row![2, 0, 7, -1], row![2, 0, 8, 1], row![1, 10, 5, 1]]);
    assert_eq!(drain_rows(&mut updates), vec![row![2, 0, 8], row![1, 10, 5]]);
    // Nothing net: 3 and -3, and a late row.
    push(&source, &[(1, 3, 5), (1, -3, 6)]);
    source.watermark(30).unwrap();
    push(&source, &[(1, 9, 5)]);
    assert_eq!(drain_rows(&mut changes), Vec::<Row>::new());
    assert_eq!(drain_rows(&mut updates), Vec::<Row>::new());
    let expected = vec![row![1, 0, 10], row![1, 10, 5], row![2, 0, 8]];
    assert_eq!(content(&db, "c"), expected);
    assert_eq!(content(&db, "u"), expected);
    assert_eq!(late_rows(&db, "c"), 1);
}

#[test]
fn changes_of_one_push_are_net_even_when_late_rows_cut_it() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM c AS SELECT window_start, sum(v) s FROM t GROUP BY tumble(ts, 10)
         EMIT CHANGES",
    ]);
    let source = db.source_untyped("t").unwrap();
    let mut changes = subscribe(&db, "c");
    push(&source, &[(1, 4, 18)]);
    assert_eq!(drain_rows(&mut changes), vec![row![10, 4, 1]]);
    // W runs to 13, then to 14: the batch is cut, and 2 and -2 fall into two pieces of it.
    push(&source, &[(1, 2, 15), (1, 0, 19), (1, 7, 3), (1, -2, 16)]);
    assert_eq!(drain_rows(&mut changes), Vec::<Row>::new());
    push(&source, &[(1, 2, 15), (1, 0, 21), (1, 7, 3), (1, 5, 16)]);
    let mut told = drain_rows(&mut changes);
    assert_eq!(told[0], row![10, 4, -1]);
    told.sort();
    assert_eq!(told, vec![row![10, 4, -1], row![10, 11, 1], row![20, 0, 1]]);
    assert_eq!(late_rows(&db, "c"), 2);
}

#[test]
fn a_window_close_is_told_once_in_the_epoch_that_closes_it() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM w AS SELECT window_start, k, count(*) n FROM t GROUP BY k, tumble(ts, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    let mut subscription = subscribe(&db, "w");
    push(&source, &[(1, 0, 1), (2, 0, 2), (1, 0, 11), (1, 0, 3)]);
    assert_eq!(drain(&mut subscription).len(), 0);
    let epoch = source.push_arrow(rows_of(&source, &[(1, 0, 40), (2, 0, 4), (1, 0, 41)])).unwrap();
    let closed = drain(&mut subscription);
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].epoch, epoch);
    assert!(closed[0].weights.is_none());
    let mut told = rows(&[closed[0].batch.clone()]);
    told.sort();
    assert_eq!(told, vec![row![0, 1, 2], row![0, 2, 1], row![10, 1, 1]]);
    let epoch = source.watermark(49).unwrap();
    let closed = drain(&mut subscription);
    assert_eq!((closed.len(), closed[0].epoch), (1, epoch));
    assert_eq!(rows(&[closed[0].batch.clone()]), vec![row![40, 1, 2]]);
}

#[test]
fn a_null_event_time_is_refused_where_a_watermark_is_declared() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT, WATERMARK FOR ts AS ts - 5)",
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    let times: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(50), None]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let columns = vec![Arc::clone(&numbers), numbers, times];
    let error = source.push_arrow(batch(source.schema(), columns)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IngestionFailed);
    assert!(error.message().contains("row 2") && error.message().contains("`ts`"), "{error}");
    assert_eq!(content(&db, "t"), Vec::<Row>::new());
    assert_eq!(listed(&db, "SHOW SOURCES", "t", "watermark_ms"), Value::Null);
}

#[test]
fn a_null_event_time_is_a_dead_letter_elsewhere() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT)",
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM t GROUP BY tumble(ts, 10)
         EMIT ON WINDOW CLOSE",
        "CREATE STREAM all_rows AS SELECT count(*) n FROM t",
    ]);
    let source = db.source_untyped("t").unwrap();
    let times: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(2)]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let columns = vec![Arc::clone(&numbers), numbers, times];
    let epoch = source.push_arrow(batch(source.schema(), columns)).unwrap();
    source.watermark(9).unwrap();
    assert_eq!(content(&db, "w"), vec![row![0, 2]]);
    assert_eq!(content(&db, "all_rows"), vec![row![3]]);
    let letters = query(&db, "SELECT epoch, stream, error FROM laminar_dead_letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0][..2], row![epoch as i64, "w"][..]);
    assert!(letters[0][2].text().contains("is NULL"), "{letters:?}");
    assert_eq!(late_rows(&db, "w"), 0);
}

#[test]
fn windows_of_windows() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM tens AS SELECT k, window_start, window_end, count(*) n FROM t
         GROUP BY k, tumble(ts, 10)",
        "CREATE STREAM thirties AS SELECT tumble(window_end, 30) w, sum(n) s FROM tens
         GROUP BY tumble(window_end, 30)",
        "CREATE STREAM by_start AS SELECT tumble(window_start, 30) w, sum(n) s FROM tens
         GROUP BY tumble(window_start, 30)",
        "CREATE STREAM total AS SELECT count(*) c, sum(s) s FROM thirties",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 0, 5), (2, 0, 15), (1, 0, 25), (2, 0, 29), (1, 0, 33)]);
    source.watermark(29).unwrap();
    // [0,10), [10,20), [20,30) are closed; their ends are 10, 20 and 30. The ends of [0, 30) are
    // complete, 10 and 20; that at 30 belongs to [30, 60).
    assert_eq!(content(&db, "thirties"), vec![row![0, 2]]);
    assert_eq!(content(&db, "by_start"), vec![row![0, 4]]);
    push(&source, &[(1, 0, 61)]);
    source.watermark(58).unwrap();
    assert_eq!(content(&db, "thirties"), vec![row![0, 2]]);
    source.watermark(59).unwrap();
    assert_eq!(content(&db, "thirties"), vec![row![0, 2], row![30, 3]]);
    assert_eq!(content(&db, "by_start"), vec![row![0, 4], row![30, 1]]);
    assert_eq!(content(&db, "total"), vec![row![2, 5]]);
    assert_eq!(late_rows(&db, "thirties"), 0);
}

#[test]
fn windows_over_a_projected_and_shifted_time() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts TIMESTAMP(3) NOT NULL,
         WATERMARK FOR ts AS ts - INTERVAL '5' MILLISECOND)",
        "CREATE STREAM shifted AS SELECT k, ts + INTERVAL '100' MILLISECOND AS later FROM t
         WHERE v > 0",
        "CREATE STREAM w AS SELECT window_start, count(*) n FROM shifted
         GROUP BY tumble(later, INTERVAL '10' MILLISECOND)",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 1, 3), (1, -1, 4), (1, 1, 13)]);
    assert_eq!(content(&db, "w"), Vec::<Row>::new());
    // Rows that the filter leaves out move the watermark all the same.
    push(&source, &[(1, -1, 14)]);
    assert_eq!(content(&db, "w"), vec![row![100, 1]]);
    push(&source, &[(1, 1, 9), (1, 1, 10)]);
    assert_eq!(late_rows(&db, "w"), 1);
}

/// A name in `GROUP BY` is a column of the input before it is a window of the select list.
#[test]
fn a_column_is_grouped_by_before_an_alias() {
    let db = started(&[SOURCE]);
    let sql = "SELECT tumble(ts, 10) AS k, count(*) AS n FROM t GROUP BY k, ts";
    execute(&db, &format!("CREATE STREAM w AS {sql}"));
    execute(&db, "INSERT INTO t VALUES (1, 0, 3), (2, 0, 3), (2, 0, 3), (1, 0, 14)");
    let expected = vec![row![0, 1], row![0, 2], row![10, 1]];
    assert_eq!(content(&db, "w"), expected);
    assert_eq!(content(&db, &format!("({sql}) AS q")), expected);
}

#[test]
fn windows_as_table_functions() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM a AS SELECT k, window_start, window_end, sum(v) s
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MILLISECOND))
         GROUP BY k, window_start, window_end",
        "CREATE STREAM b AS SELECT k, window_start, window_end, sum(v) s
         FROM TUMBLE(t, ts, INTERVAL '10' MILLISECOND) GROUP BY k, window_start, window_end",
        "CREATE STREAM c AS SELECT k, window_start, window_end, sum(v) s
         FROM t GROUP BY k, tumble(ts, 10)",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 2, 3), (2, 3, 4), (1, 5, 9), (1, 7, 10)]);
    source.watermark(30).unwrap();
    let expected = vec![row![1, 0, 10, 7], row![1, 10, 20, 7], row![2, 0, 10, 3]];
    for stream in ["a", "b", "c"] {
        assert_eq!(content(&db, stream), expected, "{stream}");
    }
}

#[test]
fn a_window_that_no_watermark_can_reach_is_refused() {
    let db =
        started(&[SOURCE, "CREATE STREAM latest AS SELECT k, max(ts) AS ts FROM t GROUP BY k"]);
    for sql in [
        "CREATE STREAM w AS SELECT count(*) n FROM t GROUP BY tumble(v, 10)",
        "CREATE STREAM w AS SELECT count(*) n FROM t GROUP BY tumble(1000 - ts, 10)",
        "CREATE STREAM w AS SELECT count(*) n FROM latest GROUP BY tumble(ts, 10)",
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains("no watermark reaches"), "{sql}\n{error}");
    }
}
