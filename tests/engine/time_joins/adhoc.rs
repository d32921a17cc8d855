//! Joins in time in ad-hoc queries: they answer what a stream over the same rows holds.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};

use crate::row;
use crate::support::database::{batch, content, execute, query, refused, started};
use crate::support::random::{Random, for_seeds};
use crate::support::value::Row;

/// The answer of an ad-hoc query, sorted.
fn answer(db: &laminar_db::LaminarDB, sql: &str) -> Vec<Row> {
    let mut rows = query(db, sql);
    rows.sort();
    rows
}

#[test]
fn the_same_as_a_stream() {
    let joins = [
        "ASOF JOIN r MATCH_CONDITION (l.ts >= r.ts) ON l.k = r.k",
        "ASOF LEFT JOIN r MATCH_CONDITION (l.ts > r.ts) ON l.k = r.k AND r.v > 1",
        "ASOF LEFT JOIN r MATCH_CONDITION (r.ts >= l.ts) USING (k)",
        "ASOF JOIN r MATCH_CONDITION (l.ts < r.ts)",
        "ASOF LEFT JOIN r MATCH_CONDITION (NEAREST(l.ts, r.ts)) USING (k)",
        "JOIN r FOR SYSTEM_TIME AS OF l.ts USING (k)",
        "LEFT JOIN r FOR SYSTEM_TIME AS OF l.ts ON l.k = r.k",
        "TEMPORAL PROBE LEFT JOIN r ON (k) TIMESTAMPS (ts, ts) LIST (-3, 0, 4) AS p",
        "ASOF LEFT JOIN u AS r MATCH_CONDITION (l.ts >= r.ts) USING (k)",
        "ASOF JOIN u AS r MATCH_CONDITION (NEAREST(l.ts, r.ts)) ON l.k = r.k",
    ];
    for_seeds(6, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[
            "CREATE SOURCE l (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 20)",
            "CREATE SOURCE r (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 20)",
            "CREATE STREAM u AS SELECT k, sum(v) AS v, ts FROM r GROUP BY k, ts",
        ]);
        let select =
            |join: &str| format!("SELECT l.k, l.v, l.ts, r.v AS rv, r.ts AS rts FROM l {join}");
        for (index, join) in joins.iter().enumerate() {
            let sql = format!("CREATE STREAM s{index} AS {} EMIT CHANGES", select(join));
            execute(&db, &sql);
        }
        for _ in 0..6 {
            let source = *random.pick(&["l", "r"]);
            let rows: Vec<String> = (0..*random.pick(&[1, 5, 20]))
                .map(|_| {
                    let key = match random.chance(10) {
                        true => "NULL".to_string(),
                        false => random.range(0, 3).to_string(),
                    };
                    format!("({key}, {}, {})", random.range(0, 5), random.range(0, 20))
                })
                .collect();
            execute(&db, &format!("INSERT INTO {source} VALUES {}", rows.join(", ")));
            for (index, join) in joins.iter().enumerate() {
                let sql = select(join);
                assert_eq!(answer(&db, &sql), content(&db, &format!("s{index}")), "{sql}");
            }
        }
    });
}

/// Each of very many rows of one key with its one right row: not at the cost of every pair, which
/// would be ten milliards here.
#[test]
fn a_key_of_many_rows() {
    let db = started(&[
        "CREATE SOURCE l (id BIGINT, at TIMESTAMP(6)) WITH (retain_history = 200000)",
        "CREATE SOURCE r (v BIGINT, at TIMESTAMP(3)) WITH (retain_history = 200000)",
    ]);
    // Left rows at 10, 20, ... ms, right rows at 5, 15, ... ms; both come out of order.
    for (name, shift) in [("l", 10), ("r", 5)] {
        execute(
            &db,
            &format!(
                "INSERT INTO {name} SELECT n, to_timestamp_millis(n * 10 + {shift}) FROM (
                     SELECT (value * 7919) % 100003 AS n FROM generate_series(0, 100002))"
            ),
        );
    }
    let counted = |join: &str| {
        query(&db, &format!("SELECT count(*), sum(v - id), sum(v) FROM l {join} ON l.id < 100000"))
    };
    // Of the right rows around a left one of n the one before is of n, the one after of n + 1.
    let (rows, sum) = (100_000_i64, (0..100_000_i64).sum::<i64>());
    let back = "ASOF JOIN r MATCH_CONDITION (l.at >= r.at)";
    assert_eq!(counted(back), vec![row![rows, 0, sum]]);
    let ahead = "ASOF LEFT JOIN r MATCH_CONDITION (l.at < r.at)";
    let all = 100_003_i64;
    assert_eq!(counted(ahead), vec![row![all, rows, sum + rows]]);
    // As far from the one as from the other: the earlier one.
    let nearest = "ASOF JOIN r MATCH_CONDITION (NEAREST(l.at, r.at))";
    assert_eq!(counted(nearest), vec![row![rows, 0, sum]]);
}

/// Conditions of one side, of both, and times that differ in their types.
#[test]
fn conditions_beside_the_match() {
    let db = started(&[
        "CREATE TABLE l (id BIGINT, k INT, at TIMESTAMP(0))",
        "CREATE TABLE r (k BIGINT, v BIGINT, at TIMESTAMP(3))",
        "INSERT INTO l VALUES (1, 1, '2026-01-01 00:00:10'), (2, 1, '2026-01-01 00:00:20'),
         (3, NULL, '2026-01-01 00:00:20'), (4, 1, NULL), (5, 2, '2026-01-01 00:00:20')",
        "INSERT INTO r VALUES (1, 10, '2026-01-01 00:00:09.5'), (1, 11, '2026-01-01 00:00:10.5'),
         (NULL, 12, '2026-01-01 00:00:19'), (1, 13, NULL), (1, 0, '2026-01-01 00:00:19.5')",
    ]);
    let join = |on: &str| {
        let sql =
            format!("SELECT id, v FROM l ASOF LEFT JOIN r MATCH_CONDITION (l.at >= r.at) {on}");
        answer(&db, &sql)
    };
    let none = None::<i64>;
    let pads = |matched: [Option<i64>; 2]| {
        vec![row![1, matched[0]], row![2, matched[1]], row![3, none], row![4, none], row![5, none]]
    };
    assert_eq!(join("ON l.k = r.k"), pads([Some(10), Some(0)]));
    assert_eq!(join("ON l.k = r.k AND r.v > 0"), pads([Some(10), Some(11)]));
    assert_eq!(join("ON l.k = r.k AND l.id > 1"), pads([None, Some(0)]));
    assert_eq!(join("ON l.k = r.k AND l.id < r.v"), pads([Some(10), Some(11)]));
}

/// Joins by `USING` may follow one another, and their keys are named without a relation.
#[test]
fn keys_by_using() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, ts BIGINT NOT NULL)",
        "CREATE SOURCE m (k BIGINT, x BIGINT, at BIGINT NOT NULL)",
        "CREATE SOURCE n (k BIGINT, y BIGINT, since BIGINT NOT NULL)",
    ]);
    let sql = "SELECT l.k, ts, x, at, y, since FROM l
         ASOF JOIN m MATCH_CONDITION (ts >= at) USING (k)
         ASOF LEFT JOIN n AS o MATCH_CONDITION (l.ts >= o.since) USING (k) WHERE x > 0 OR x < 0";
    execute(&db, &format!("CREATE STREAM s AS {sql}"));
    let grouped = "SELECT k, count(*) AS n FROM l ASOF JOIN m MATCH_CONDITION (ts >= at) USING (k)
         GROUP BY k";
    execute(&db, &format!("CREATE STREAM g AS {grouped}"));
    let nested =
        "SELECT l.ts, x FROM l JOIN (n ASOF JOIN m MATCH_CONDITION (n.since >= m.at) USING (k))
         ON l.k = n.k";
    execute(&db, &format!("CREATE STREAM p AS {nested}"));
    let everything = "SELECT * FROM l ASOF JOIN m MATCH_CONDITION (ts >= at) USING (k)";
    execute(&db, &format!("CREATE STREAM e AS {everything}"));
    execute(&db, "INSERT INTO m VALUES (1, 10, 1), (2, 20, 5), (1, 0, 9)");
    execute(&db, "INSERT INTO n VALUES (1, 7, 2)");
    execute(&db, "INSERT INTO l VALUES (1, 3), (2, 5), (2, 4), (1, 1), (1, 9)");
    let none = None::<i64>;
    let expected =
        vec![row![1, 1, 10, 1, none, none], row![1, 3, 10, 1, 7, 2], row![2, 5, 20, 5, none, none]];
    assert_eq!(content(&db, "s"), expected);
    assert_eq!(answer(&db, sql), expected);
    assert_eq!(content(&db, "g"), vec![row![1, 3], row![2, 1]]);
    assert_eq!(answer(&db, grouped), vec![row![1, 3], row![2, 1]]);
    assert_eq!(content(&db, "p"), vec![row![1, 10], row![3, 10], row![9, 10]]);
    assert_eq!(answer(&db, nested), vec![row![1, 10], row![3, 10], row![9, 10]]);
    let everything = row![1, 3, 10, 1];
    assert!(content(&db, "e").contains(&everything), "the key comes once");
}

/// For `=` there is one zero and NaN equals itself, and so it is for keys.
#[test]
fn floats_are_keys_as_equality_has_them() {
    let db = started(&[
        "CREATE SOURCE l (id BIGINT, k DOUBLE, ts BIGINT NOT NULL)",
        "CREATE SOURCE r (k DOUBLE, v BIGINT, ts BIGINT NOT NULL)",
        "CREATE STREAM asof AS SELECT l.id, r.v FROM l ASOF LEFT JOIN r
         MATCH_CONDITION (l.ts >= r.ts) USING (k)",
        "CREATE STREAM singles AS SELECT l.id, r.v FROM l ASOF JOIN r
         MATCH_CONDITION (l.ts >= r.ts) ON CAST(l.k AS REAL) = CAST(r.k AS REAL)",
        "CREATE STREAM current AS SELECT l.id, r.v FROM l
         JOIN r FOR SYSTEM_TIME AS OF proctime() ON l.k = r.k",
        "CREATE STREAM plain AS SELECT l.id, r.v FROM l JOIN r ON l.k = r.k",
    ]);
    let push = |source: &str, columns: Vec<ArrayRef>| {
        let source = db.source_untyped(source).unwrap();
        source.push_arrow(batch(source.schema(), columns)).unwrap();
    };
    let integers = |values: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let floats: ArrayRef =
        Arc::new(Float64Array::from(vec![Some(0.0), Some(-0.0), Some(f64::NAN), Some(1.0), None]));
    push("r", vec![floats.clone(), integers(vec![1, 2, 3, 4, 5]), integers(vec![0, 1, 1, 1, 1])]);
    push("l", vec![integers(vec![1, 2, 3, 4, 5]), floats, integers(vec![5; 5])]);
    let pairs = vec![row![1, 1], row![1, 2], row![2, 1], row![2, 2], row![3, 3], row![4, 4]];
    assert_eq!(content(&db, "plain"), pairs);
    assert_eq!(content(&db, "current"), pairs);
    let last = vec![row![1, 2], row![2, 2], row![3, 3], row![4, 4]];
    assert_eq!(content(&db, "singles"), last);
    let mut left = last;
    left.push(row![5, None::<i64>]);
    assert_eq!(content(&db, "asof"), left);
}

#[test]
fn what_an_ad_hoc_query_cannot_know() {
    let db = started(&[
        "CREATE SOURCE l (k BIGINT, ts BIGINT NOT NULL)",
        "CREATE TABLE r (k BIGINT PRIMARY KEY, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts)",
    ]);
    execute(&db, "INSERT INTO l VALUES (1, 5), (2, 5)");
    execute(&db, "INSERT INTO r VALUES (1, 10, 1)");
    let error = refused(&db, "SELECT * FROM l JOIN r FOR SYSTEM_TIME AS OF l.ts ON l.k = r.k");
    assert!(error.to_string().contains("present rows"), "{error}");
    let now = "SELECT l.k, r.v FROM l LEFT JOIN r FOR SYSTEM_TIME AS OF proctime() USING (k)";
    assert_eq!(answer(&db, now), vec![row![1, 10], row![2, None::<i64>]]);
    let error = refused(&db, "SELECT * FROM l ASOF JOIN r MATCH_CONDITION (l.ts >= l.k) USING (k)");
    assert!(error.to_string().contains("each side"), "{error}");
}
