//! Windows as tables: a row for each window of a row, and what is built on such rows.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use super::model::Windows;
use super::{SOURCE, late_rows, push, rows_of};
use crate::row;
use crate::support::database::{content, drain_rows, execute, query, refused, started, subscribe};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::Row;

/// Nothing is ever late.
const PATIENT: &str = "CREATE SOURCE t (k BIGINT, v BIGINT, ts BIGINT NOT NULL,
    WATERMARK FOR ts AS ts - 1000000)";

/// Random rows `(key, value, time)`.
fn random_rows(random: &mut Random, count: usize) -> Vec<(i64, i64, i64)> {
    let mut row = || (random.range(0, 3), random.range(-9, 9), random.range(-40, 200));
    (0..count).map(|_| row()).collect()
}

/// Each row with the bounds of each window that holds it.
fn with_windows(rows: &[(i64, i64, i64)], windows: impl Fn(i64) -> Vec<(i64, i64)>) -> Vec<Row> {
    let bounded = rows.iter().flat_map(|(k, v, ts)| {
        windows(*ts).into_iter().map(|(start, end)| row![*k, *v, *ts, start, end, end - 1])
    });
    let mut bounded: Vec<Row> = bounded.collect();
    bounded.sort();
    bounded
}

/// A row without a time is in no window, whatever its kind and however it is written.
#[test]
fn a_row_without_a_time_is_in_no_window() {
    let db = started(&["CREATE SOURCE s (k BIGINT, ts BIGINT)"]);
    let windows = [
        ("TUMBLE(s, ts, 10)", "tumble(ts, 10)", vec![(0, 10)]),
        ("HOP(s, ts, 10, 20)", "hop(ts, 10, 20)", vec![(-10, 10), (0, 20)]),
        ("CUMULATE(s, ts, 10, 20)", "cumulate(ts, 10, 20)", vec![(0, 10), (0, 20)]),
        ("SESSION(s PARTITION BY k, ts, 10)", "session(ts, 10)", vec![(5, 15)]),
    ];
    for (index, (table, call, _)) in windows.iter().enumerate() {
        execute(
            &db,
            &format!("CREATE STREAM t{index} AS SELECT k, window_start, window_end FROM {table}"),
        );
        let grouped = format!("k, window_start, window_end FROM s GROUP BY k, {call} EMIT CHANGES");
        execute(&db, &format!("CREATE STREAM g{index} AS SELECT {grouped}"));
    }
    execute(&db, "INSERT INTO s VALUES (1, 5), (2, NULL)");
    for (index, (table, _, bounds)) in windows.iter().enumerate() {
        let rows: Vec<Row> = bounds.iter().map(|(start, end)| row![1, *start, *end]).collect();
        for name in [format!("t{index}"), format!("g{index}")] {
            assert_eq!(content(&db, &name), rows, "{name}");
            let letters = query(
                &db,
                &format!("SELECT row FROM laminar_dead_letters WHERE stream = '{name}'"),
            );
            assert_eq!(letters.len(), 1, "{name}: {letters:?}");
        }
        // A query leaves it out, as the stream does.
        let sql = format!("SELECT k, window_start, window_end FROM {table} ORDER BY window_end");
        assert_eq!(query(&db, &sql), rows, "{table}");
    }
}

/// `tumble` of a time is by the arithmetic of windows.
#[test]
fn the_start_of_a_window_is_a_function() {
    let db = started(&["CREATE SOURCE s (ts TIMESTAMP(0))"]);
    let starts = "SELECT tumble(-1, 10), tumble(7, 10, -4), tumble(CAST(NULL AS BIGINT), 10),
         tumble(9223372036854775787, 10)";
    let last = 9_223_372_036_854_775_780_i64;
    assert_eq!(query(&db, starts), [row![-10, 6, None::<i64>, last]]);
    execute(&db, "INSERT INTO s VALUES ('2026-01-01 00:00:01')");
    let error = refused(&db, "SELECT tumble(ts, INTERVAL '1500' MILLISECOND) FROM s").to_string();
    assert!(error.contains("whole number of Seconds"), "{error}");
}

/// At the ends of what a column holds windows have no bounds: rows there are dead letters, and all
/// others are in the windows that they are in.
#[test]
fn times_at_the_ends_of_a_column_are_in_no_window() {
    let db = started(&["CREATE SOURCE s (ts BIGINT)"]);
    let windows = ["tumble(ts, 10)", "hop(ts, 5, 10)", "cumulate(ts, 5, 10)", "session(ts, 10)"];
    for (index, call) in windows.iter().enumerate() {
        let bounds = "window_start, window_end, count(*) AS n FROM s";
        let sql = format!("CREATE STREAM g{index} AS SELECT {bounds} GROUP BY {call} EMIT CHANGES");
        execute(&db, &sql);
    }
    execute(&db, "CREATE STREAM t AS SELECT window_start, window_end FROM TUMBLE(s, ts, 10)");
    execute(&db, "CREATE STREAM h AS SELECT window_start, window_end FROM HOP(s, ts, 5, 10)");
    let (low, high) = (i64::MIN + 20, i64::MAX - 20);
    for ts in [i64::MIN, low - 1, low, high, high + 1, i64::MAX] {
        // As a difference: the parser has no literal for the least number.
        execute(&db, &format!("INSERT INTO s SELECT {} - 1", i128::from(ts) + 1));
    }
    // i64::MIN ends in 808 and i64::MAX in 807: the times are ...788 and ...787.
    let tens = [low - 2, high - 7];
    let tumbling = vec![row![tens[0], tens[0] + 10, 1], row![tens[1], tens[1] + 10, 1]];
    assert_eq!(content(&db, "g0"), tumbling);
    let pairs = |rows: &[Row]| rows.iter().map(|row| row[..2].to_vec()).collect::<Vec<Row>>();
    assert_eq!(content(&db, "t"), pairs(&tumbling));
    let hopping: Vec<Row> = tens
        .iter()
        .zip([low, high])
        .flat_map(|(ten, ts)| [ten - 5, *ten, ten + 5].map(|start| (start, ts)))
        .filter(|(start, ts)| (*start..start + 10).contains(ts))
        .map(|(start, _)| row![start, start + 10, 1])
        .collect();
    assert_eq!(content(&db, "g1"), hopping);
    assert_eq!(content(&db, "h"), pairs(&hopping));
    let cumulating: Vec<Row> = tens
        .iter()
        .zip([low, high])
        .flat_map(|(ten, ts)| [5, 10].map(|size| (*ten, ten + size, ts)))
        .filter(|(start, end, ts)| (start..end).contains(&ts))
        .map(|(start, end, _)| row![start, end, 1])
        .collect();
    assert_eq!(content(&db, "g2"), cumulating);
    assert_eq!(content(&db, "g3"), vec![row![low, low + 10, 1], row![high, high + 10, 1]]);
    for name in ["g0", "g1", "g2", "g3", "t", "h"] {
        let sql = format!("SELECT count(*) FROM laminar_dead_letters WHERE stream = '{name}'");
        assert_eq!(query(&db, &sql), [row![4]], "{name}");
    }
}

/// Grouping by the bounds of a window is a window, and final by default; grouping by columns of another
/// stream, which carry event time like any others, is not.
#[test]
fn bounds_of_a_named_stream_are_columns() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM rows AS SELECT * FROM HOP(t, ts, 5, 10)",
        "CREATE STREAM windows AS SELECT window_start, count(*) AS n FROM HOP(t, ts, 5, 10)
         GROUP BY window_start, window_end",
        "CREATE STREAM columns AS SELECT window_start, window_end, count(*) AS n FROM rows
         GROUP BY window_start, window_end",
        "CREATE STREAM waits AS SELECT window_start, count(*) AS n FROM rows
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    ]);
    push(&db.source_untyped("t").unwrap(), &[(1, 0, 2), (1, 0, 7), (1, 0, 9)]);
    assert_eq!(content(&db, "windows"), [row![-5, 1]]);
    assert_eq!(content(&db, "columns"), [row![-5, 5, 1], row![0, 10, 3], row![5, 15, 2]]);
    assert_eq!(content(&db, "waits"), [row![-5, 1]]);
    let emit = |name: &str| query(&db, &format!("EXPLAIN {name}"))[0][0].text().to_string();
    assert!(emit("windows").contains("ON WINDOW CLOSE (by default)"), "{}", emit("windows"));
    assert!(emit("columns").contains("ON UPDATE (by default)"), "{}", emit("columns"));
}

#[test]
fn each_row_stands_in_each_of_its_windows() {
    for_seeds(6, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[
            SOURCE,
            "CREATE STREAM tumble AS SELECT * FROM TUMBLE(t, ts, INTERVAL '10' MILLISECOND)",
            "CREATE STREAM hop AS SELECT * FROM HOP(t, ts, 4, 10, 3)",
            "CREATE STREAM cumulate AS SELECT *
             FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), 5, 20))",
        ]);
        let source = db.source_untyped("t").unwrap();
        let rows = random_rows(&mut random, 300);
        for chunk in rows.chunks(*random.pick(&[1, 7, 100, 300])) {
            push(&source, chunk);
        }
        let of = |size, slide, offset| {
            let windows = Windows { size, slide, offset };
            move |time| windows.of(time).into_iter().map(|start| (start, start + size)).collect()
        };
        assert_eq!(content(&db, "tumble"), with_windows(&rows, of(10, 10, 0)));
        assert_eq!(content(&db, "hop"), with_windows(&rows, of(10, 4, 3)));
        let cumulating = |time: i64| {
            let start = time - time.rem_euclid(20);
            let ends = (1..=4).map(|steps| start + steps * 5).filter(|end| time < *end);
            ends.map(|end| (start, end)).collect()
        };
        assert_eq!(content(&db, "cumulate"), with_windows(&rows, cumulating));
        // Rows without grouping are never late.
        assert_eq!(late_rows(&db, "hop"), 0);
        // An ad-hoc query knows the same windows.
        assert_eq!(
            query(&db, "SELECT * FROM HOP(t, ts, 4, 10, 3)").len(),
            content(&db, "hop").len()
        );
        let grouped = "SELECT window_start, window_time, count(*) n FROM CUMULATE(t, ts, 5, 20)
                       GROUP BY window_start, window_time";
        let mut counts: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for row in content(&db, "cumulate") {
            *counts.entry((row[3].int(), row[5].int())).or_default() += 1;
        }
        let mut got = query(&db, grouped);
        got.sort();
        let expected: Vec<Row> = counts.into_iter().map(|((s, t), n)| row![s, t, n]).collect();
        assert_eq!(got, expected);
    });
}

#[test]
fn window_time_is_the_last_time_of_a_window() {
    let db = started(&[
        "CREATE SOURCE t (k BIGINT, v BIGINT, ts TIMESTAMP(0) NOT NULL, WATERMARK FOR ts)",
        "CREATE STREAM a AS SELECT window_start, window_time, count(*) n FROM t
         GROUP BY tumble(ts, INTERVAL '10' SECOND)",
        "CREATE STREAM b AS SELECT hop_rowtime(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND) w,
             count(*) n FROM t GROUP BY hop(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
        "CREATE STREAM c AS SELECT window_time, count(*) n
         FROM CUMULATE(t, ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND)
         GROUP BY window_start, window_time",
        // Windows over windows by their last time stand in the same window as their rows.
        "CREATE STREAM d AS SELECT tumble(window_time, INTERVAL '20' SECOND) w, sum(n) n FROM a
         GROUP BY 1",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 1, 0), (1, 1, 19), (1, 1, 100)]);
    assert_eq!(content(&db, "a"), vec![row![0, 9, 1], row![10, 19, 1]]);
    assert_eq!(content(&db, "b"), vec![row![4, 1], row![9, 1], row![19, 1], row![24, 1]]);
    assert_eq!(content(&db, "c"), vec![row![4, 1], row![9, 1], row![19, 1]]);
    assert_eq!(content(&db, "d"), vec![row![0, 2]]);
}

/// The bounds of each row's session, by walking along each key's rows in order.
fn sessions(rows: &[(i64, i64, i64)], gap: i64, by_key: bool) -> Vec<Row> {
    let mut of_key: BTreeMap<i64, Vec<(i64, i64, i64)>> = BTreeMap::new();
    for row in rows {
        of_key.entry(if by_key { row.0 } else { 0 }).or_default().push(*row);
    }
    let mut bounded = Vec::new();
    for rows in of_key.values_mut() {
        rows.sort_by_key(|row| row.2);
        let mut first = 0;
        for last in 0..rows.len() {
            let ends = rows.get(last + 1).is_none_or(|next| next.2 - rows[last].2 >= gap);
            if ends {
                let (start, end) = (rows[first].2, rows[last].2 + gap);
                let of_session = rows[first..=last].iter();
                bounded.extend(of_session.map(|(k, v, ts)| row![*k, *v, *ts, start, end, end - 1]));
                first = last + 1;
            }
        }
    }
    bounded.sort();
    bounded
}

#[test]
fn rows_have_the_bounds_of_their_session() {
    for_seeds(10, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[
            PATIENT,
            "CREATE STREAM now AS SELECT * FROM SESSION(t PARTITION BY k, ts, 6) EMIT CHANGES",
            "CREATE STREAM done AS SELECT *
             FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '6' MILLISECOND))",
            "CREATE STREAM all_keys AS SELECT * FROM SESSION(t, ts, 6) EMIT CHANGES",
            "CREATE STREAM counted AS SELECT k, window_start, count(*) n
             FROM SESSION(t PARTITION BY k, ts, 6) GROUP BY k, window_start",
        ]);
        let source = db.source_untyped("t").unwrap();
        let rows = random_rows(&mut random, 120);
        let (mut subscription, mut replay) = (subscribe(&db, "now"), Replay::default());
        let mut pushed = 0;
        for chunk in rows.chunks(*random.pick(&[1, 7, 40, 120])) {
            push(&source, chunk);
            pushed += chunk.len();
            let expected = sessions(&rows[..pushed], 6, true);
            replay.drain(&mut subscription);
            assert_eq!(replay.content(), expected, "told");
            assert_eq!(content(&db, "now"), expected);
            assert_eq!(asked(&db, "SELECT * FROM SESSION(t PARTITION BY k, ts, 6)"), expected);
        }
        assert_eq!(content(&db, "all_keys"), sessions(&rows, 6, false));
        assert_eq!(asked(&db, "SELECT * FROM SESSION(t, ts, 6)"), sessions(&rows, 6, false));
        assert_eq!(content(&db, "done"), Vec::<Row>::new());
        source.watermark(1_000).unwrap();
        let all = sessions(&rows, 6, true);
        assert_eq!(content(&db, "done"), all);
        let mut counts: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for row in &all {
            *counts.entry((row[0].int(), row[3].int())).or_default() += 1;
        }
        let counts: Vec<Row> = counts.into_iter().map(|((k, s), n)| row![k, s, n]).collect();
        assert_eq!(content(&db, "counted"), counts);
        // Grouped by the bounds, sessions are of the other keys, whether the text says so or not.
        for (table, keys) in [
            ("SESSION(t PARTITION BY k, ts, 6)", "k, window_start"),
            ("SESSION(t, ts, 6) AS s", "s.k, s.window_start"),
            ("TABLE(SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '6' MILLISECOND))", "1, 2"),
        ] {
            let sql = format!("SELECT k, window_start, count(*) FROM {table} GROUP BY {keys}");
            assert_eq!(asked(&db, &sql), counts, "{sql}");
        }
    });
}

/// The answer of an ad-hoc query, sorted.
fn asked(db: &laminar_db::LaminarDB, sql: &str) -> Vec<Row> {
    let mut rows = query(db, sql);
    rows.sort();
    rows
}

#[test]
fn sessions_of_ad_hoc_queries() {
    let db = started(&[
        "CREATE TABLE t (id BIGINT, at TIMESTAMP(3))",
        "INSERT INTO t VALUES (1, '2026-01-01 00:00:00'), (2, NULL), (3, '2026-01-01 00:00:05'),
         (4, '2026-01-01 00:00:09.999')",
    ]);
    let millis = "CAST(CAST(window_end AS BIGINT) - CAST(window_start AS BIGINT) AS BIGINT)";
    let sql = format!("SELECT id, {millis} FROM SESSION(t, at, INTERVAL '5' SECOND)");
    // The second begins a gap after the first; a row without a time is in none.
    assert_eq!(asked(&db, &sql), vec![row![1, 5_000], row![3, 9_999], row![4, 9_999]]);
    for (sql, part) in [
        ("SELECT * FROM SESSION(t, at, id)", "must be a constant"),
        ("SELECT * FROM SESSION(t, at, INTERVAL '0' SECOND)", "must be positive"),
        (
            "SELECT id, count(*) FROM SESSION(t, at, INTERVAL '1' SECOND)
             GROUP BY ROLLUP (id), window_start",
            "PARTITION BY",
        ),
    ] {
        let error = refused(&db, sql);
        assert!(error.message().contains(part), "{sql}\n{error}");
    }
}

#[test]
fn a_row_that_joins_a_session_is_told_alone() {
    let db = started(&[
        PATIENT,
        "CREATE STREAM w AS SELECT v, window_start s, window_end e
         FROM SESSION(t PARTITION BY k, ts, 10) EMIT CHANGES",
    ]);
    let source = db.source_untyped("t").unwrap();
    let mut changes = subscribe(&db, "w");
    push(&source, &[(1, 1, 100), (1, 2, 108)]);
    assert_eq!(drain_rows(&mut changes), vec![row![1, 100, 118, 1], row![2, 100, 118, 1]]);
    // Inside the session: its bounds stay.
    push(&source, &[(1, 3, 104)]);
    assert_eq!(drain_rows(&mut changes), vec![row![3, 100, 118, 1]]);
    push(&source, &[(1, 4, 110)]);
    let mut told = drain_rows(&mut changes);
    assert!(told[..3].iter().all(|row| row[3].int() == -1), "{told:?}");
    told.sort();
    let mut expected: Vec<Row> = (1..4).map(|v| row![v, 100, 118, -1]).collect();
    expected.extend((1..5).map(|v| row![v, 100, 120, 1]));
    expected.sort();
    assert_eq!(told, expected);
}

/// The columns of `t` as the oracle has them with a window of 10.
const TUMBLED: &str = "(SELECT *, (ts - ((ts % 10) + 10) % 10) AS window_start FROM rows) AS w";

#[test]
fn windows_join_rank_and_nest() {
    for_seeds(4, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[
            SOURCE,
            "CREATE SOURCE u (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 5)",
            "CREATE STREAM joined AS SELECT l.k, l.v, r.v AS other, l.window_start
             FROM TUMBLE(t, ts, 10) AS l JOIN TUMBLE(u, ts, 10) AS r
             ON l.k = r.k AND l.window_start = r.window_start AND l.window_end = r.window_end",
            "CREATE STREAM ranked AS SELECT k, v, window_start, place FROM (
                 SELECT *, row_number() OVER (PARTITION BY window_start, window_end
                     ORDER BY v DESC, k, ts) AS place
                 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), 10))) AS p WHERE place <= 2",
            "CREATE STREAM shares AS WITH w AS (SELECT * FROM TUMBLE(t, ts, 10))
             SELECT k, v, ts, sum(v) OVER (PARTITION BY window_start) AS total FROM w",
            "CREATE STREAM counted AS WITH w AS (SELECT * FROM HOP(t, ts, 5, 10))
             SELECT window_start, window_end, count(*) AS n FROM w WHERE v > 0
             GROUP BY window_start, window_end EMIT CHANGES",
        ]);
        let sources = [db.source_untyped("t").unwrap(), db.source_untyped("u").unwrap()];
        let mut all: [Vec<RecordBatch>; 2] = Default::default();
        // In the order of time, so that no row is late for a join.
        let mut time = 0;
        for _ in 0..12 {
            for (source, all) in sources.iter().zip(&mut all) {
                let mut rows = Vec::new();
                for _ in 0..random.range(1, 15) {
                    time += random.range(0, 2);
                    rows.push((random.range(0, 3), random.range(-9, 9), time));
                }
                let batch = rows_of(source, &rows);
                source.push_arrow(batch.clone()).unwrap();
                all.push(batch);
            }
        }
        let oracle = Oracle::new();
        let [rows, others] = all;
        oracle.table("rows", sources[0].schema().clone(), rows);
        oracle.table("others", sources[1].schema().clone(), others);
        let other = TUMBLED.replace("FROM rows) AS w", "FROM others) AS r");
        let expect = |name: &str, sql: String| {
            let mut expected = oracle.rows(&sql);
            expected.sort();
            assert_eq!(content(&db, name), expected, "{name}");
        };
        expect(
            "joined",
            format!(
                "SELECT w.k, w.v, r.v, w.window_start FROM {TUMBLED} JOIN {other}
                 ON w.k = r.k AND w.window_start = r.window_start"
            ),
        );
        expect(
            "ranked",
            format!(
                "SELECT k, v, window_start, CAST(place AS BIGINT) FROM (SELECT *, row_number() OVER
                 (PARTITION BY window_start ORDER BY v DESC, k, ts) AS place FROM {TUMBLED})
                 WHERE place <= 2"
            ),
        );
        expect(
            "shares",
            format!("SELECT k, v, ts, sum(v) OVER (PARTITION BY window_start) FROM {TUMBLED}"),
        );
        expect(
            "counted",
            "SELECT s, s + 10, count(*) FROM (SELECT v, ts - ts % 5 AS s FROM rows
             UNION ALL SELECT v, ts - ts % 5 - 5 FROM rows) WHERE v > 0 GROUP BY s"
                .to_string(),
        );
        // The join forgets what its windows are done with.
        let plan = query(&db, "EXPLAIN joined");
        assert!(plan.iter().any(|line| line[0].text().contains("Interval join")), "{plan:?}");
    });
}

#[test]
fn frontiers_pass_through_windows_as_tables_ranks_and_sets() {
    let db = started(&[
        SOURCE,
        "CREATE STREAM hops AS SELECT window_start, window_end FROM HOP(t, ts, 5, 10)",
        "CREATE STREAM by_start AS SELECT tumble(window_start, 20) w, count(*) n FROM hops GROUP BY 1",
        "CREATE STREAM by_end AS SELECT tumble(window_end, 20) w, count(*) n FROM hops GROUP BY 1",
        "CREATE STREAM best AS SELECT window_start, v FROM (
             SELECT *, row_number() OVER (PARTITION BY window_start ORDER BY v DESC) AS place
             FROM TUMBLE(t, ts, 10)) AS p WHERE place = 1",
        "CREATE STREAM of_best AS SELECT tumble(window_start, 20) w, sum(v) s FROM best GROUP BY 1
         EMIT ON WINDOW CLOSE",
        "CREATE STREAM numbered AS SELECT ts, row_number() OVER (PARTITION BY k ORDER BY ts) n FROM t",
        "CREATE STREAM of_numbered AS SELECT tumble(ts, 20) w, sum(n) s FROM numbered GROUP BY 1
         EMIT ON WINDOW CLOSE",
        "CREATE STREAM times AS SELECT DISTINCT ts FROM t UNION SELECT ts FROM t WHERE v > 3",
        "CREATE STREAM of_times AS SELECT tumble(ts, 20) w, count(*) n FROM times GROUP BY 1
         EMIT ON WINDOW CLOSE",
    ]);
    let source = db.source_untyped("t").unwrap();
    push(&source, &[(1, 5, 3), (1, 7, 4), (1, 2, 12), (1, 9, 17)]);
    // F = 23 after 27: every start below 15 and every end below 25 has come.
    push(&source, &[(1, 1, 27)]);
    assert_eq!(content(&db, "by_start"), vec![row![-20, 2]]);
    // Ends 5, 10, 5, 10, 15, 20, 20, 25: those below 20.
    assert_eq!(content(&db, "by_end"), vec![row![0, 5]]);
    assert_eq!(content(&db, "of_best"), vec![row![0, 16]]);
    assert_eq!(content(&db, "of_numbered"), vec![row![0, 10]]);
    assert_eq!(content(&db, "of_times"), vec![row![0, 4]]);
    // A frontier that would not hold is not there: a later row may put an older one out.
    execute(&db, "CREATE STREAM top AS SELECT ts, v FROM t ORDER BY v DESC LIMIT 2");
    let error = refused(&db, "CREATE STREAM x AS SELECT count(*) FROM top GROUP BY tumble(ts, 10)");
    assert!(error.message().contains("no watermark reaches"), "{error}");
    execute(
        &db,
        "CREATE STREAM ahead AS SELECT ts, lead(v) OVER (PARTITION BY k ORDER BY ts) n FROM t",
    );
    let error =
        refused(&db, "CREATE STREAM x AS SELECT count(*) FROM ahead GROUP BY tumble(ts, 10)");
    assert!(error.message().contains("no watermark reaches"), "{error}");
}
