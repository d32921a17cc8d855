//! `ASOF` joins.

use datafusion::sql::sqlparser::ast::{JoinConstraint, SetExpr, Statement as SqlStatement};
use laminar_types::ErrorKind;

use super::{error, one, query};
use crate::parser::{Statement, joins::asof_join};

/// Whether the first join of a query is a left one, its condition and its keys.
fn asof(joins: &str) -> (bool, String, String) {
    let query = query(&format!("SELECT * FROM o {joins}"));
    let SetExpr::Select(select) = query.query.body.as_ref() else { panic!() };
    let join = asof_join(&select.from[0].joins[0].join_operator).expect("an ASOF join");
    let keys = match join.constraint {
        JoinConstraint::On(on) => on.to_string(),
        JoinConstraint::Using(names) => format!("USING {}", names[0]),
        other => format!("{other:?}"),
    };
    (join.left, join.condition.to_string(), keys)
}

#[test]
fn in_all_spellings() {
    let expected = |left: bool| (left, "o.ts >= t.ts".to_string(), "o.k = t.k".to_string());
    for (join, left) in [
        ("ASOF JOIN", false),
        ("ASOF INNER JOIN", false),
        ("INNER ASOF JOIN", false),
        ("ASOF LEFT JOIN", true),
        ("LEFT ASOF JOIN", true),
        ("LEFT OUTER ASOF JOIN", true),
        ("ASOF LEFT OUTER JOIN", true),
    ] {
        for condition in [
            "MATCH_CONDITION (o.ts >= t.ts) ON o.k = t.k",
            "ON o.k = t.k AND o.ts >= t.ts",
            "ON (o.ts >= t.ts AND o.k = t.k)",
        ] {
            assert_eq!(asof(&format!("{join} trades t {condition}")), expected(left));
            assert_eq!(
                asof(&format!("{join} trades AS t {condition} WHERE o.x > t.y")),
                expected(left)
            );
        }
    }
}

#[test]
fn conditions_and_keys() {
    assert_eq!(
        asof("ASOF JOIN t MATCH_CONDITION (NEAREST(o.ts, t.ts)) ON o.k = t.k").1,
        "NEAREST(o.ts, t.ts)"
    );
    assert_eq!(asof("ASOF JOIN t ON o.k = t.k AND NEAREST(o.ts, t.ts)").1, "NEAREST(o.ts, t.ts)");
    assert_eq!(asof("ASOF LEFT JOIN t MATCH_CONDITION (o.ts < t.ts) USING (k)").2, "USING k");
    assert_eq!(asof("ASOF JOIN t ON o.ts > t.ts").2, "None");
    assert_eq!(
        asof("ASOF JOIN t ON o.a = t.a AND o.ts <= t.ts AND t.p > 5 AND o.b = t.b").2,
        "o.a = t.a AND o.b = t.b".replace("AND o.b", "AND t.p > 5 AND o.b")
    );
    let nested = "ASOF LEFT JOIN (SELECT * FROM a ASOF JOIN b ON a.ts >= b.ts) t \
                  ON o.k = t.k AND o.ts >= t.ts";
    assert_eq!(asof(nested).1, "o.ts >= t.ts");
}

#[test]
fn probes_are_asof_joins_of_offsets() {
    for (probe, expected) in [
        (
            "TEMPORAL PROBE JOIN t ON (k) TIMESTAMPS (o.ts, ts) LIST (0s, -1s, 1000) AS p",
            "CROSS JOIN UNNEST(make_array(-1000, 0, 1000), __probe_times(o.ts, -1000, 0, 1000)) \
             AS p (offset_ms, probe_ts) ASOF JOIN t MATCH_CONDITION (p.probe_ts >= t.ts) USING(k)",
        ),
        (
            "LEFT TEMPORAL PROBE JOIN (SELECT * FROM t) AS u ON o.k = u.k TIMESTAMPS (ts, u.at) \
             RANGE FROM -INTERVAL '1' MINUTE TO '1 minute' STEP 60s AS \"P\" WHERE o.k > 1",
            "CROSS JOIN UNNEST(make_array(-60000, 0, 60000), __probe_times(ts, -60000, 0, 60000)) \
             AS \"P\" (offset_ms, probe_ts) ASOF JOIN (SELECT * FROM t) AS u \
             MATCH_CONDITION (__asof_left(\"P\".probe_ts >= u.at)) ON o.k = u.k WHERE o.k > 1",
        ),
    ] {
        let query = query(&format!("SELECT * FROM o {probe}"));
        assert_eq!(query.query.to_string(), format!("SELECT * FROM o {expected}"));
    }
}

#[test]
fn inside_other_statements() {
    let Statement::Insert(insert) = one("INSERT INTO x SELECT * FROM o ASOF JOIN t ON o.ts > t.ts")
    else {
        panic!()
    };
    assert!(insert.to_string().contains("MATCH_CONDITION (o.ts > t.ts)"));
    let Statement::Other(view) = one("CREATE VIEW v AS SELECT * FROM o ASOF JOIN t ON o.ts > t.ts")
    else {
        panic!()
    };
    assert!(matches!(*view, SqlStatement::CreateView(_)));
    assert_eq!(
        query("SELECT asof, left FROM asof").query.to_string(),
        "SELECT asof, left FROM asof"
    );
}

#[test]
fn refused() {
    for (sql, kind, column) in [
        ("SELECT * FROM o RIGHT ASOF JOIN t ON o.ts > t.ts", ErrorKind::Unsupported, 17),
        ("SELECT * FROM o ASOF FULL JOIN t ON o.ts > t.ts", ErrorKind::Unsupported, 22),
        ("SELECT * FROM o ASOF JOIN t ON o.k = t.k", ErrorKind::SqlParseError, 29),
        ("SELECT * FROM o ASOF JOIN t ON o.a > t.a AND o.b > t.b", ErrorKind::SqlParseError, 29),
        ("SELECT * FROM o ASOF JOIN t USING (k)", ErrorKind::SqlParseError, 29),
        ("SELECT * FROM o ASOF JOIN t", ErrorKind::SqlParseError, 28),
        ("SELECT * FROM o TEMPORAL PROBE JOIN t ON (k)", ErrorKind::SqlParseError, 45),
        ("SELECT * FROM o RIGHT TEMPORAL PROBE JOIN t ON (k)", ErrorKind::Unsupported, 17),
    ] {
        let error = error(sql);
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.position().expect("a position").column, column, "{sql}\n{error}");
    }
}
