//! Every function over every type it takes, with and without clauses, over appends and updates.

use super::relation::{COLUMNS, compare_all};
use super::{NUMBERS, ORDERED};
use crate::support::random::for_seeds;

const INTEGERS: [&str; 9] = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "k2"];

#[test]
fn moments() {
    let mut queries = Vec::new();
    for x in NUMBERS {
        queries.push(format!(
            "SELECT k, var_pop({x}) AS a, var_samp({x}) AS b, stddev({x}) AS c,
               stddev_pop({x}) AS d, var_samp({x}) FILTER (WHERE flag) AS e FROM u GROUP BY k"
        ));
    }
    for (y, x) in [("w", "f64"), ("i32", "w"), ("d", "u16"), ("f32", "i8"), ("wide", "f64")] {
        queries.push(format!(
            "SELECT k2, covar_pop({y}, {x}) AS a, covar_samp({y}, {x}) AS b, corr({y}, {x}) AS c,
               regr_count({y}, {x}) AS d, regr_slope({y}, {x}) AS e, regr_intercept({y}, {x}) AS f,
               regr_r2({y}, {x}) AS g, regr_avgx({y}, {x}) AS h, regr_avgy({y}, {x}) AS i,
               regr_sxx({y}, {x}) AS j, regr_syy({y}, {x}) AS l, regr_sxy({y}, {x}) AS m
             FROM u GROUP BY k2"
        ));
    }
    queries.push("SELECT stddev(w) AS a, corr(w, f64) AS b, regr_sxx(w, f64) AS c FROM u".into());
    for_seeds(2, |seed| compare_all(seed, &queries, 90));
}

#[test]
fn booleans_and_bits() {
    let mut queries = vec![
        "SELECT k, bool_and(flag) AS a, bool_or(flag) AS b, bool_and(i32 > -20000) AS c,
           bool_or(f64 > 900) FILTER (WHERE k2 = 1) AS d FROM u GROUP BY k"
            .to_string(),
        "SELECT bool_and(flag) AS a, bool_or(flag) AS b, bit_xor(i64) AS c FROM u".to_string(),
    ];
    for x in INTEGERS {
        queries.push(format!(
            "SELECT k2, bit_and({x}) AS a, bit_or({x}) AS b, bit_xor({x}) AS c,
               bit_and({x}) FILTER (WHERE flag) AS e
             FROM u GROUP BY k2"
        ));
        // With GROUP BY DataFusion forgets the DISTINCT.
        queries.push(format!("SELECT bit_xor(DISTINCT {x}) AS a FROM u"));
    }
    for_seeds(2, |seed| compare_all(seed, &queries, 90));
}

#[test]
fn distinct_values() {
    let mut queries = Vec::new();
    for (x, _) in COLUMNS {
        queries.push(format!(
            "SELECT k, count(DISTINCT {x}) AS a, count({x}) AS b,
               count(DISTINCT {x}) FILTER (WHERE flag) AS c,
               count(DISTINCT {x}) FILTER (WHERE k2 < 2) AS d FROM u GROUP BY k"
        ));
    }
    for x in ["i8", "i64", "u8", "u64", "k2", "d", "wide", "f64"] {
        queries.push(format!(
            "SELECT k2, sum(DISTINCT {x}) AS a, min(DISTINCT {x}) AS b, max(DISTINCT {x}) AS c
             FROM u GROUP BY k2"
        ));
    }
    for x in ["i8", "u8", "k2", "f64", "d"] {
        queries.push(format!("SELECT k, avg(DISTINCT {x}) AS a FROM u GROUP BY k"));
    }
    queries.push("SELECT count(DISTINCT k) AS a, sum(DISTINCT k2) AS b FROM u".to_string());
    for_seeds(2, |seed| compare_all(seed, &queries, 90));
}

#[test]
fn order_statistics() {
    let mut queries = Vec::new();
    for x in NUMBERS {
        queries.push(format!(
            "SELECT k, median({x}) AS a, median(DISTINCT {x}) AS b,
               median({x}) FILTER (WHERE flag) AS c FROM u GROUP BY k"
        ));
    }
    for x in ["i32", "u64", "f32", "f64", "w"] {
        queries.push(format!(
            "SELECT k2, percentile_cont({x}, 0.3) AS a, percentile_cont({x}, 0.0) AS b,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY {x}) AS c,
               percentile_cont(0.1) WITHIN GROUP (ORDER BY {x} DESC) AS d,
               quantile_cont({x}, 1.0) AS e, percentile_cont({x}, 0.5) FILTER (WHERE flag) AS f
             FROM u GROUP BY k2"
        ));
    }
    queries.push("SELECT median(w) AS a, percentile_cont(w, 0.25) AS b FROM u".to_string());
    for_seeds(2, |seed| compare_all(seed, &queries, 90));
}

#[test]
fn values_in_an_order() {
    let mut queries = Vec::new();
    for (x, _) in COLUMNS {
        queries.push(format!(
            "SELECT k, first_value({x} ORDER BY id) AS a, last_value({x} ORDER BY id) AS b,
               first_value({x} ORDER BY w DESC NULLS LAST, id) AS c,
               last_value({x} ORDER BY s NULLS FIRST, id DESC) AS d,
               nth_value({x}, 2 ORDER BY w, id) AS e,
               array_agg({x} ORDER BY i32 DESC, id) AS f,
               array_agg({x} ORDER BY id) FILTER (WHERE flag) AS g FROM u GROUP BY k"
        ));
        queries.push(format!(
            "SELECT k2, first_value({x}) IGNORE NULLS AS never FROM u WHERE id < 0 GROUP BY k2"
        ));
    }
    for (x, _) in COLUMNS {
        queries.push(format!(
            "SELECT k2, array_agg(DISTINCT {x} ORDER BY {x}) AS a,
               array_agg(DISTINCT {x} ORDER BY {x} DESC NULLS LAST) AS b,
               array_agg({x} ORDER BY id) AS c FROM u GROUP BY k2"
        ));
    }
    queries.push(
        "SELECT k, string_agg(s, ', ' ORDER BY id) AS a,
           string_agg(s, '-' ORDER BY id) FILTER (WHERE k2 = 2) AS d,
           string_agg(k, ',' ORDER BY id) AS e FROM u GROUP BY k"
            .to_string(),
    );
    queries.push("SELECT k, string_agg(DISTINCT s, '|' ORDER BY s) AS c FROM u GROUP BY k".into());
    queries.push("SELECT k, string_agg(s, '' ORDER BY s DESC, id) AS c FROM u GROUP BY k".into());
    queries.push(
        "SELECT array_agg(k2 ORDER BY id) AS a, nth_value(k2, 3 ORDER BY id) AS b,
           last_value(s ORDER BY id) AS c FROM u"
            .to_string(),
    );
    for_seeds(2, |seed| compare_all(seed, &queries, 90));
}

#[test]
fn extremes_of_every_type() {
    let mut queries = Vec::new();
    for x in ORDERED {
        queries.push(format!(
            "SELECT k2, min({x}) AS a, max({x}) AS b, count({x}) AS c FROM u GROUP BY k2"
        ));
    }
    queries.push(
        "SELECT k, max(a) AS a, min(a) AS b FROM
           (SELECT k, k2, array_agg(i8 ORDER BY id) AS a FROM u GROUP BY k, k2) AS x GROUP BY k"
            .to_string(),
    );
    for_seeds(2, |seed| compare_all(seed, &queries, 90));
}

#[test]
fn expressions_and_aggregates_over_aggregates() {
    let queries = [
        "SELECT k, stddev(w) / avg(w) AS a, count(DISTINCT s) * 2 AS b FROM u GROUP BY k
         HAVING count(DISTINCT k2) > 1 AND median(i32) < 20000",
        "SELECT n, count(*) AS groups, array_agg(k ORDER BY k) AS ks FROM
           (SELECT k, count(DISTINCT i8) AS n FROM u GROUP BY k) AS x GROUP BY n",
        "SELECT median(m) AS a, stddev(v) AS b, bit_or(n) AS c, string_agg(k, ',' ORDER BY k) AS d
         FROM (SELECT k, median(f64) AS m, var_pop(i16) AS v, count(*) AS n FROM u GROUP BY k) AS x",
        "SELECT first_value(n ORDER BY m, k2) AS a, last_value(m ORDER BY k2) AS b FROM
           (SELECT k2, max(n) AS n, min(m) AS m FROM
              (SELECT k, k2, count(*) AS n, median(i32) AS m FROM u GROUP BY k, k2) AS y
            GROUP BY k2) AS x",
        "SELECT upper(k) AS u, k2 % 2 AS p, array_agg(id ORDER BY id) AS a FROM u GROUP BY 1, 2",
        "SELECT k, k2, median(i64) AS a FROM u GROUP BY ALL",
        "SELECT f64, count(DISTINCT k) AS a, first_value(s ORDER BY id) AS b FROM u GROUP BY f64",
    ];
    let queries: Vec<String> = queries.iter().map(ToString::to_string).collect();
    for_seeds(3, |seed| compare_all(seed, &queries, 90));
}
