//! No aggregate function that DataFusion registers is forgotten: each runs over appends and over
//! updates, or is refused by its name for a reason.

use std::collections::BTreeMap;

use datafusion::functions_aggregate::all_default_aggregate_functions;

use super::relation::{Changes, database};
use crate::support::database::{execute, refused};

/// How each function is called.
fn calls() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("any_value", "any_value(s)"),
        ("approx_distinct", "approx_distinct(s)"),
        ("approx_median", "approx_median(w)"),
        ("approx_percentile_cont", "approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY w)"),
        (
            "approx_percentile_cont_with_weight",
            "approx_percentile_cont_with_weight(i64, 0.9) WITHIN GROUP (ORDER BY w)",
        ),
        ("array_agg", "array_agg(s ORDER BY id)"),
        ("avg", "avg(w)"),
        ("bit_and", "bit_and(i64)"),
        ("bit_or", "bit_or(i64)"),
        ("bit_xor", "bit_xor(i64)"),
        ("bool_and", "bool_and(flag)"),
        ("bool_or", "bool_or(flag)"),
        ("corr", "corr(w, f64)"),
        ("count", "count(s)"),
        ("covar_pop", "covar_pop(w, f64)"),
        ("covar_samp", "covar_samp(w, f64)"),
        ("first_value", "first_value(s)"),
        ("grouping", "grouping(k)"),
        ("last_value", "last_value(s)"),
        ("max", "max(s)"),
        ("median", "median(w)"),
        ("min", "min(s)"),
        ("nth_value", "nth_value(s, 2 ORDER BY id)"),
        ("percentile_cont", "percentile_cont(w, 0.9)"),
        ("regr_avgx", "regr_avgx(w, f64)"),
        ("regr_avgy", "regr_avgy(w, f64)"),
        ("regr_count", "regr_count(w, f64)"),
        ("regr_intercept", "regr_intercept(w, f64)"),
        ("regr_r2", "regr_r2(w, f64)"),
        ("regr_slope", "regr_slope(w, f64)"),
        ("regr_sxx", "regr_sxx(w, f64)"),
        ("regr_sxy", "regr_sxy(w, f64)"),
        ("regr_syy", "regr_syy(w, f64)"),
        ("stddev", "stddev(w)"),
        ("stddev_pop", "stddev_pop(w)"),
        ("string_agg", "string_agg(s, ',')"),
        ("sum", "sum(w)"),
        ("var", "var(w)"),
        ("var_pop", "var_pop(w)"),
    ])
}

#[test]
fn every_function_of_datafusion_runs_or_is_refused_by_name() {
    let calls = calls();
    let functions = all_default_aggregate_functions();
    assert_eq!(functions.len(), calls.len());
    for changes in [Changes::Appends, Changes::Updates, Changes::Table] {
        let db = database(changes);
        for function in &functions {
            let name = function.name();
            let call = calls.get(name).unwrap_or_else(|| panic!("{name} has no call here"));
            let sql =
                format!("CREATE STREAM x AS SELECT k, {call} AS a FROM u GROUP BY ROLLUP (k)");
            if changes != Changes::Appends && name == "approx_distinct" {
                let error = refused(&db, &sql);
                assert!(error.message().starts_with("approx_distinct(...)"), "{error}");
                continue;
            }
            execute(&db, &sql);
            execute(&db, "DROP STREAM x");
        }
    }
}
