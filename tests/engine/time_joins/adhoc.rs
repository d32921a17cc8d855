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
