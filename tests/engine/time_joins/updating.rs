//! ASOF joins over inputs that are updated, and against DataFusion.

use crate::support::database::{batches, content, created, execute, subscribe};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::replay::Replay;
use crate::support::value::{Row, rows};

/// An ASOF join as join and ROW_NUMBER. Of right rows at one time the greatest by all columns is
/// the last.
fn as_row_number(operator: &str, outer: bool) -> String {
    let (compare, order) = match operator {
        ">=" | ">" => (operator, "r.ts DESC, r.k DESC, r.w DESC"),
        _ => (operator, "r.ts, r.k, r.w"),
    };
    let join = if outer { "LEFT" } else { "INNER" };
    format!(
        "WITH best AS (SELECT * FROM (
             SELECT l.k AS lk, l.ts AS lts, l.v AS lv, r.k, r.ts, r.w, ROW_NUMBER() OVER (
                 PARTITION BY l.k, l.ts, l.v ORDER BY {order}) AS n
             FROM l JOIN r ON l.k = r.k AND l.ts {compare} r.ts) WHERE n = 1)
         SELECT l.k, l.ts, l.v, best.ts AS rts, best.w FROM l {join} JOIN best
         ON best.lk = l.k AND best.lts = l.ts AND best.lv = l.v"
    )
}

/// Both inputs are groups whose values change and which cease with `HAVING`.
#[test]
fn matches_follow_updates_of_both_sides() {
    for_seeds(12, |seed| {
        let mut random = Random::new(seed);
        let operator = *random.pick(&[">=", ">", "<=", "<"]);
        let outer = random.chance(50);
        let db = created(&[
            "CREATE SOURCE ls (k BIGINT, ts BIGINT, x BIGINT)",
            "CREATE SOURCE rs (k BIGINT, ts BIGINT, x BIGINT)",
            "CREATE STREAM l AS SELECT k, ts, sum(x) AS v FROM ls GROUP BY k, ts HAVING sum(x) <> 0",
            "CREATE STREAM r AS SELECT k, ts, sum(x) AS w FROM rs GROUP BY k, ts HAVING sum(x) <> 0",
        ]);
        let join = if outer { "ASOF LEFT JOIN" } else { "ASOF JOIN" };
        let sql = format!(
            "SELECT l.k, l.ts, l.v, r.ts AS rts, r.w FROM l {join} r
             MATCH_CONDITION (l.ts {operator} r.ts) ON l.k = r.k"
        );
        execute(&db, &format!("CREATE STREAM joined AS {sql}"));
        let mut subscription = subscribe(&db, "joined");
        db.start_blocking().unwrap();
        let mut replay = Replay::default();
        let oracle = Oracle::new();
        for step in 0..25 {
            let source = random.pick(&["ls", "rs"]).to_string();
            let rows: Vec<String> = (0..*random.pick(&[1, 2, 7, 20]))
                .map(|_| {
                    let key = match random.chance(10) {
                        true => "NULL".to_string(),
                        false => random.range(0, 3).to_string(),
                    };
                    format!("({key}, {}, {})", random.range(0, 12), random.range(-1, 2))
                })
                .collect();
            execute(&db, &format!("INSERT INTO {source} VALUES {}", rows.join(", ")));
            let held = ["l", "r"].map(|name| batches(&db, &format!("SELECT * FROM {name}")));
            if step % 4 == 3 && held.iter().all(|held| !held.is_empty()) {
                for (name, held) in ["l", "r"].into_iter().zip(held) {
                    oracle.table(name, held[0].schema(), held.clone());
                }
                let mut expected: Vec<Row> = oracle.rows(&as_row_number(operator, outer));
                expected.sort();
                assert_eq!(content(&db, "joined"), expected, "{sql}");
                replay.drain(&mut subscription);
                assert_eq!(replay.content(), expected, "told by {sql}");
            }
        }
    });
}

/// Interval joins take no part where an input is updated and carries no frontier: they are refused
/// or unbounded joins, never wrong.
#[test]
fn what_is_planned_is_said() {
    let db = created(&[
        "CREATE SOURCE l (k BIGINT, v BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 5)",
        "CREATE SOURCE r (k BIGINT, w BIGINT, ts BIGINT NOT NULL, WATERMARK FOR ts AS ts - 5)",
        "CREATE STREAM a AS SELECT l.ts, r.w FROM l ASOF LEFT JOIN r
             MATCH_CONDITION (l.ts >= r.ts) ON l.k = r.k",
        "CREATE STREAM b AS SELECT l.ts, r.w FROM l JOIN r
             ON l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL '5' SECOND AND l.ts",
        "CREATE STREAM c AS SELECT l.ts, r.w FROM l ASOF JOIN r
             MATCH_CONDITION (NEAREST(l.ts, r.ts)) ON l.k = r.k AND r.w > 3 EMIT CHANGES",
    ]);
    let explain = |name: &str| {
        rows(&batches(&db, &format!("EXPLAIN {name}")))
            .iter()
            .map(|row| row[0].text().to_string())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let asof = explain("a");
    assert!(asof.starts_with("EMIT ON WINDOW CLOSE (by default)"), "{asof}");
    assert!(asof.contains("ASOF left join by (k): the last r.ts <= l.ts"), "{asof}");
    let interval = explain("b");
    assert!(interval.contains("from -5 s before") || interval.contains("5 s before"), "{interval}");
    assert!(interval.contains("append-only; event time ts"), "{interval}");
    let updating = explain("c");
    assert!(updating.starts_with("EMIT CHANGES\n"), "{updating}");
    assert!(
        updating.contains("filter r.w > Int64(3)") || updating.contains("filter r.w > 3"),
        "{updating}"
    );
}
