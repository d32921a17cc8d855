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
        ("SELECT * FROM o TEMPORAL PROBE JOIN t ON (k)", ErrorKind::Unsupported, 17),
    ] {
        let error = error(sql);
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.position().expect("a position").column, column, "{sql}\n{error}");
    }
}
