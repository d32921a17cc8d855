//! Numbers at their limits: large beside small ones that come and go, NaN, infinities, overflow.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use laminar_db::LaminarDB;

use crate::row;
use crate::support::database::{affected, batch, content, listed, query, started};
use crate::support::oracle::Oracle;
use crate::support::random::{Random, for_seeds};
use crate::support::value::{Row, assert_same};

const LOG: &str = "CREATE SOURCE log (id BIGINT, live BOOLEAN, x DOUBLE, y DOUBLE)";
const LAST: &str = "CREATE STREAM u AS SELECT id, last_value(x) AS x, last_value(y) AS y FROM log
    GROUP BY id HAVING last_value(live)";

type Entry = (i64, bool, Option<f64>, f64);

fn push(db: &LaminarDB, rows: &[Entry]) {
    let source = db.source_untyped("log").unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.1)))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.2))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    source.push_arrow(batch(source.schema(), columns)).unwrap();
}

fn relation(rows: &BTreeMap<i64, (Option<f64>, f64)>) -> RecordBatch {
    let field = |name| Field::new(name, DataType::Float64, true);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from_iter(rows.values().map(|row| row.0))),
        Arc::new(Float64Array::from_iter_values(rows.values().map(|row| row.1))),
    ];
    batch(Arc::new(Schema::new(vec![field("x"), field("y")])), columns)
}

/// Whenever the large values have gone, the small ones' results are as if they had never been.
#[test]
fn large_values_leave_no_trace_in_small_ones() {
    const QUERY: &str = "SELECT count(x) AS n, sum(x) AS s, avg(x) AS a, var_pop(x) AS v,
        stddev(x) AS d, regr_sxx(y, x) AS xx, regr_syy(y, x) AS yy, regr_avgx(y, x) AS ax,
        min(x) AS low, max(x) AS high, median(x) AS m, count(DISTINCT x) AS c,
        corr(x, x) AS one FROM u";
    for_seeds(6, |seed| {
        let mut random = Random::new(seed);
        let db = started(&[LOG, LAST, &format!("CREATE STREAM s AS {QUERY}")]);
        let mut model = BTreeMap::new();
        let oracle = Oracle::new();
        for step in 0..60 {
            let mut rows: Vec<Entry> = Vec::new();
            for _ in 0..random.range(1, 8) {
                // The ids from 100 on hold large values, and go together.
                let (id, large) = (random.range(0, 12), step % 4 == 1 && random.chance(60));
                let small = 1.0 + random.range(-50, 50) as f64 / 64.0;
                let value = if large { small * 1e14 } else { small };
                let x = (!random.chance(10)).then_some(value);
                rows.push((if large { id + 100 } else { id }, random.chance(85), x, small * 3.0));
            }
            if step % 4 == 3 {
                rows.extend((100..112).map(|id| (id, false, None, 0.0)));
            }
            for (id, live, x, y) in &rows {
                match live {
                    true => model.insert(*id, (*x, *y)),
                    false => model.remove(id),
                };
            }
            push(&db, &rows);
            let relation = relation(&model);
            oracle.table("u", relation.schema(), vec![relation]);
            let what = format!("step {step}");
            assert_same(&what, &content(&db, "s"), &oracle.rows(QUERY), 1e-9);
        }
    });
}

#[test]
fn values_that_differ_in_their_last_digits() {
    let db = started(&[
        LOG,
        LAST,
        "CREATE STREAM appended AS SELECT var_pop(x) AS v, corr(x, y) AS c, regr_slope(y, x) AS b
           FROM log",
        "CREATE STREAM updated AS SELECT var_pop(x) AS v, corr(x, y) AS c, regr_slope(y, x) AS b
           FROM u",
        "CREATE STREAM same AS SELECT var_samp(y) AS v, corr(x, y) AS c, regr_slope(x, y) AS b FROM u",
    ]);
    // 10^9 + 0, 1, 2, 3: variance 1.25; y is twice x, less a constant.
    let rows: Vec<Entry> =
        (0..4).map(|n| (n, true, Some(1e9 + n as f64), 2.0 * n as f64 - 1e12)).collect();
    push(&db, &rows);
    for stream in ["appended", "updated"] {
        assert_same(stream, &content(&db, stream), &[row![1.25, 1.0, 2.0]], 1e-12);
    }
    // All equal: no variance, and nothing to correlate with. A tenth is no binary number.
    let rows: Vec<Entry> = (0..4).map(|n| (n, true, Some(n as f64), 0.1)).collect();
    push(&db, &rows);
    assert_eq!(content(&db, "same"), vec![row![0.0, None::<f64>, None::<f64>]]);
}

#[test]
fn nan_and_infinity_come_and_go() {
    let db = started(&[
        LOG,
        LAST,
        "CREATE STREAM s AS SELECT var_pop(x) AS v, stddev(x) AS d, corr(y, x) AS c,
           regr_avgx(y, x) AS a, regr_count(y, x) AS n, covar_samp(y, x) AS cs FROM u",
    ]);
    let s = || content(&db, "s").remove(0);
    let nothing = None::<f64>;
    assert_eq!(s(), row![nothing, nothing, nothing, nothing, 0, nothing]);
    push(&db, &[(1, true, Some(2.0), 1.0)]);
    assert_eq!(s(), row![0.0, nothing, nothing, 2.0, 1, nothing]);
    push(&db, &[(2, true, Some(6.0), 3.0)]);
    let finite = row![4.0, 8f64.sqrt(), 1.0, 4.0, 2, 4.0];
    assert_same("finite", &[s()], std::slice::from_ref(&finite), 1e-15);
    push(&db, &[(3, true, Some(f64::NAN), 1.0)]);
    assert_eq!(s(), row![f64::NAN, f64::NAN, nothing, f64::NAN, 3, f64::NAN]);
    push(&db, &[(4, true, Some(f64::INFINITY), f64::NAN)]);
    assert_eq!(s(), row![f64::NAN, f64::NAN, f64::NAN, f64::NAN, 4, f64::NAN]);
    push(&db, &[(3, false, None, 0.0), (4, true, Some(f64::INFINITY), 1.0)]);
    assert_eq!(s(), row![f64::NAN, f64::NAN, f64::NAN, f64::INFINITY, 3, f64::NAN]);
    push(&db, &[(4, true, Some(1e200), 1.0)]);
    assert_eq!(s()[0], f64::INFINITY.into());
    push(&db, &[(4, true, None, 1.0)]);
    assert_same("finite again", &[s()], &[finite], 1e-15);
}

#[test]
fn zeros_and_nans_of_every_sign_are_one_value() {
    let negative_nan = -f64::NAN;
    for input in ["log", "u"] {
        let db = started(&[
            LOG,
            LAST,
            &format!("CREATE STREAM s AS SELECT count(DISTINCT x) AS n FROM {input}"),
            &format!("CREATE STREAM g AS SELECT x, count(*) AS n FROM {input} GROUP BY x"),
        ]);
        let values = [0.0, -0.0, f64::NAN, negative_nan, 1.0];
        let rows: Vec<Entry> =
            values.iter().enumerate().map(|(id, x)| (id as i64, true, Some(*x), 0.0)).collect();
        push(&db, &rows);
        assert_eq!(content(&db, "s"), vec![row![3]]);
        assert_eq!(content(&db, "g").len(), 3);
    }
}

#[test]
fn a_distinct_sum_that_overflows_is_a_dead_letter() {
    let db = started(&[
        "CREATE SOURCE t (k VARCHAR, v BIGINT)",
        "CREATE STREAM s AS SELECT k, sum(DISTINCT v) AS s, count(DISTINCT v) AS n,
           array_agg(v) AS a, bit_xor(v) AS x FROM t GROUP BY k",
    ]);
    let max = i64::MAX;
    affected(&db, &format!("INSERT INTO t VALUES ('a', {max}), ('a', {max}), ('b', 1)"));
    // The third and the fifth row fail, the others of the push do not.
    affected(
        &db,
        "INSERT INTO t VALUES ('b', 2), ('b', 2), ('a', 1), ('a', -5), ('a', 7), ('b', 1)",
    );
    let expected: Vec<Row> = vec![
        row!["a", max - 5, 2, format!("[{max}, {max}, -5]").as_str(), -5],
        row!["b", 3, 2, "[1, 2, 2, 1]", 0],
    ];
    assert_eq!(content(&db, "s"), expected);
    assert_eq!(listed(&db, "SHOW STREAMS", "s", "dead_letters"), 2.into());
    let letters = query(&db, "SELECT * FROM laminar_dead_letters");
    assert!(letters.iter().all(|row| !format!("{row:?}").contains("__arrival")), "{letters:?}");
}
