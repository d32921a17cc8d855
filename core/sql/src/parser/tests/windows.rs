//! The rewrite of window calls.

use laminar_types::{Error, ErrorKind};

use super::query;
use crate::parser::windows::{Grouped, rewrite_windows, rewrite_windows_with};

fn rewritten(sql: &str) -> String {
    match rewrite(sql) {
        Ok(sql) => sql,
        Err(error) => panic!("{sql}\n{error}"),
    }
}

fn rewrite(sql: &str) -> Result<String, Error> {
    let mut query = query(sql).query;
    rewrite_windows(&mut query)?;
    Ok(query.to_string())
}

/// Checks a `SELECT` of `trades`, grouped by `symbol` and a tumbling window.
fn tumbles(items: &str, expected: &str) {
    let group = "FROM trades GROUP BY symbol, tumble(ts, INTERVAL '1' MINUTE)";
    let sql = rewritten(&format!("SELECT {items} {group}"));
    assert_eq!(sql, format!("SELECT {expected} {group}"));
}

const T: &str = "tumble(ts, INTERVAL '1' MINUTE)";

#[test]
fn bounds_in_the_select_list() {
    let end = format!("__window_end({T})");
    tumbles("window_start", &format!("{T} AS window_start"));
    tumbles("window_end", &format!("{end} AS window_end"));
    tumbles("Window_Start, WINDOW_END", &format!("{T} AS window_start, {end} AS window_end"));
    tumbles("window_start AS w", &format!("{T} AS w"));
    tumbles(T, &format!("{T} AS window_start"));
    tumbles(&format!("{T} AS w"), &format!("{T} AS w"));
    tumbles("TUMBLE(TS, INTERVAL '60' SECOND) AS w", &format!("{T} AS w"));
    tumbles("tumble(trades.ts, INTERVAL '1 minute') AS w", &format!("{T} AS w"));
    tumbles("tumble_start(ts, INTERVAL '1' MINUTE)", &format!("{T} AS window_start"));
    tumbles("tumble_end(ts, INTERVAL '1' MINUTE) AS e", &format!("{end} AS e"));
    tumbles("tumble_end(), window_start()", &format!("{end} AS window_end, {T} AS window_start"));
    tumbles("tumble_end(ts)", &format!("{end} AS window_end"));
    tumbles(&format!("CAST({T} AS BIGINT) AS b"), &format!("CAST({T} AS BIGINT) AS b"));
    tumbles("window_end - window_start AS d", &format!("{end} - {T} AS d"));
    tumbles("date_trunc('hour', window_start)", &format!("date_trunc('hour', {T})"));
    tumbles(&format!("{T}, window_start"), &format!("{T}, {T} AS window_start"));
}

#[test]
fn what_belongs_to_the_rows_stays() {
    tumbles("max(window_start)", "max(window_start)");
    tumbles("FIRST(window_end), LAST(window_end)", "FIRST(window_end), LAST(window_end)");
    tumbles("count(*) FILTER (WHERE window_start > 1)", "count(*) FILTER (WHERE window_start > 1)");
    tumbles("my_agg(DISTINCT window_start)", "my_agg(DISTINCT window_start)");
    tumbles("t.window_start", "t.window_start");
    tumbles(
        "row_number() OVER (PARTITION BY window_start ORDER BY sum(x))",
        &format!("row_number() OVER (PARTITION BY {T} ORDER BY sum(x))"),
    );
    tumbles(
        "sum(max(window_end)) OVER (ORDER BY window_end)",
        &format!("sum(max(window_end)) OVER (ORDER BY __window_end({T}))"),
    );
    tumbles("(SELECT window_start FROM u)", "(SELECT window_start FROM u)");
    for sql in [
        "SELECT window_start FROM t",
        "SELECT window_start, window_end FROM t GROUP BY window_start, window_end",
        "SELECT a FROM t GROUP BY a ORDER BY window_start",
    ] {
        assert_eq!(rewritten(sql), sql);
    }
    assert_eq!(
        rewritten("SELECT window_start, window_end FROM t GROUP BY window_start, tumble(ts, 5)"),
        "SELECT window_start, __window_end(tumble(ts, 5)) AS window_end FROM t \
         GROUP BY window_start, tumble(ts, 5)"
    );
}

#[test]
fn cascades_read_the_column_of_the_same_name() {
    assert_eq!(
        rewritten(
            "SELECT window_start, max(window_start) FROM bars \
                   GROUP BY tumble(window_start, INTERVAL '1' HOUR)"
        ),
        "SELECT tumble(window_start, INTERVAL '1' HOUR) AS window_start, max(window_start) \
         FROM bars GROUP BY tumble(window_start, INTERVAL '1' HOUR)"
    );
}

#[test]
fn having_and_order_by() {
    assert_eq!(
        rewritten(
            "SELECT count(*) FROM t GROUP BY session(ts, 5) HAVING window_end > 10 \
                   ORDER BY window_start DESC, session_end(ts, 5)"
        ),
        "SELECT count(*) FROM t GROUP BY session(ts, 5) HAVING __window_end(session(ts, 5)) > 10 \
         ORDER BY session(ts, 5) DESC, __window_end(session(ts, 5))"
    );
    assert_eq!(
        rewritten("SELECT window_start FROM t GROUP BY tumble(ts, 5) ORDER BY window_start"),
        "SELECT tumble(ts, 5) AS window_start FROM t GROUP BY tumble(ts, 5) ORDER BY window_start"
    );
}

#[test]
fn spellings_of_the_calls() {
    for call in [
        "hop(ts, INTERVAL '10' SECOND, INTERVAL '5' SECOND)",
        "HOPPING(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
        "Slide(ts, INTERVAL '10' SECOND, INTERVAL '5' SECOND)",
    ] {
        assert_eq!(
            rewritten(&format!("SELECT a FROM t GROUP BY {call}")),
            "SELECT a FROM t GROUP BY hop(ts, INTERVAL '10' SECOND, INTERVAL '5' SECOND)"
        );
    }
    assert_eq!(
        rewritten("SELECT hop_end(ts, 5000, 2500) FROM t GROUP BY HOPPING(ts, 2500, 5000)"),
        "SELECT __window_end(hop(ts, 5000, 2500)) AS window_end FROM t GROUP BY hop(ts, 5000, 2500)"
    );
    assert_eq!(
        rewritten("SELECT window_end FROM t GROUP BY CUMULATE(ts, 1000, 60000)"),
        "SELECT __window_end(cumulate(ts, 1000, 60000)) AS window_end FROM t \
         GROUP BY cumulate(ts, 1000, 60000)"
    );
    assert_eq!(
        rewritten("SELECT 1 FROM t GROUP BY tumble(ts, INTERVAL '1' HOUR, INTERVAL '8' HOUR)"),
        "SELECT 1 FROM t GROUP BY tumble(ts, INTERVAL '1' HOUR, INTERVAL '8' HOUR)"
    );
}

#[test]
fn aliases_and_ordinals() {
    for group in ["w", "1", "W", "tumble(ts, 5)", "tumble_start(ts, 5)"] {
        assert_eq!(
            rewritten(&format!("SELECT TUMBLE(ts, 5) AS w, window_end FROM t GROUP BY {group}")),
            "SELECT tumble(ts, 5) AS w, __window_end(tumble(ts, 5)) AS window_end FROM t \
             GROUP BY tumble(ts, 5)"
        );
    }
    assert_eq!(
        rewritten("SELECT tumble(ts, 5) AS window_start FROM t GROUP BY a, window_start"),
        "SELECT tumble(ts, 5) AS window_start FROM t GROUP BY a, tumble(ts, 5)"
    );
    // `ts` is the column that the window reads, not the window.
    assert_eq!(
        rewritten("SELECT tumble(ts, 5) AS ts FROM t GROUP BY ts"),
        "SELECT tumble(ts, 5) AS ts FROM t GROUP BY ts"
    );
    assert_eq!(
        rewritten("SELECT tumble_start(ts, 5) AS s, tumble_end(ts, 5) AS e FROM t GROUP BY s, e"),
        "SELECT tumble(ts, 5) AS s, __window_end(tumble(ts, 5)) AS e FROM t GROUP BY tumble(ts, 5)"
    );
    assert_eq!(
        rewritten("SELECT a, window_end FROM t GROUP BY ROLLUP (a, tumble(ts, 5))"),
        "SELECT a, __window_end(tumble(ts, 5)) AS window_end FROM t \
         GROUP BY ROLLUP (a, tumble(ts, 5))"
    );
    assert_eq!(
        rewritten("SELECT a, tumble(ts, 5), window_end, max(b) FROM t GROUP BY ALL"),
        "SELECT a, tumble(ts, 5) AS window_start, __window_end(tumble(ts, 5)) AS window_end, \
         max(b) FROM t GROUP BY ALL"
    );
}

#[test]
fn every_select_of_a_query() {
    let inner = "SELECT window_end FROM t GROUP BY tumble(ts, 5)";
    let done = "SELECT __window_end(tumble(ts, 5)) AS window_end FROM t GROUP BY tumble(ts, 5)";
    for frame in [
        "WITH x AS ({}) SELECT * FROM x",
        "SELECT * FROM ({}) AS x",
        "{} UNION ALL {}",
        "({}) EXCEPT {}",
        "SELECT * FROM y WHERE a IN ({}) AND EXISTS ({})",
        "SELECT ({}) FROM y JOIN ({}) AS z ON y.a = z.a",
    ] {
        assert_eq!(rewritten(&frame.replace("{}", inner)), frame.replace("{}", done));
    }
}

#[test]
fn grouped_table_functions() {
    for from in [
        "TUMBLE(t, ts, INTERVAL '1' MINUTE)",
        "tumble(t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
        "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
    ] {
        assert_eq!(
            rewritten(&format!(
                "SELECT a, window_start, t.window_end, count(*), max(window_end) FROM {from} \
                 WHERE window_start > 5 GROUP BY a, window_start, window_end"
            )),
            format!(
                "SELECT a, {T} AS window_start, __window_end({T}) AS window_end, count(*), \
                 max(__window_end({T})) FROM t WHERE {T} > 5 GROUP BY a, {T}"
            )
        );
    }
    assert_eq!(
        rewritten(
            "SELECT w.window_start FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), 5, 10)) AS w \
                   GROUP BY w.window_start"
        ),
        "SELECT hop(ts, 10, 5) AS window_start FROM t AS w GROUP BY hop(ts, 10, 5)"
    );
    // What a call in GROUP BY cannot say.
    let hop = "(SELECT *, __row_window_start(hop(ts, 10, 5)) AS window_start, \
               __row_window_end(hop(ts, 10, 5)) AS window_end, \
               __window_time(__row_window_end(hop(ts, 10, 5))) AS window_time FROM t) AS \"t\"";
    assert_eq!(
        rewritten("SELECT max(window_end) FROM HOP(t, ts, 5, 10) GROUP BY window_start"),
        format!("SELECT max(window_end) FROM {hop} GROUP BY window_start")
    );
    let session = "SELECT k, count(*) FROM SESSION(t PARTITION BY k, ts, 5) GROUP BY";
    assert_eq!(
        rewritten(&format!("{session} k, window_end")),
        "SELECT k, count(*) FROM t GROUP BY k, session(ts, 5)"
    );
    assert!(
        rewritten(&format!("{session} window_end")).contains("__row_window_end(session(ts, 5), k)")
    );
}

#[test]
fn sessions_by_keys() {
    let derived = "(SELECT *, __row_window_start(session(ts, 5), a, b) AS window_start, \
                   __row_window_end(session(ts, 5), a, b) AS window_end, \
                   __window_time(__row_window_end(session(ts, 5), a, b)) AS window_time FROM t)";
    for from in [
        "SESSION(t PARTITION BY a, b, ts, 5)",
        "SESSION(t PARTITION BY (a, b), ts, 5)",
        "TABLE(SESSION(TABLE t PARTITION BY a, b, DESCRIPTOR(ts), 5))",
    ] {
        let sql = format!("SELECT * FROM {from} AS w");
        assert_eq!(rewritten(&sql), format!("SELECT * FROM {derived} AS w"), "{from}");
    }
    let error = rewrite("SELECT * FROM TUMBLE(t PARTITION BY a, ts, 5)").expect_err("refused");
    assert!(error.message().contains("the same for every key"), "{error}");
    let over = "SELECT sum(x) OVER (PARTITION BY a) FROM t";
    assert_eq!(rewritten(over), over);
}

#[test]
fn table_functions_elsewhere() {
    let derived = format!(
        "(SELECT *, __row_window_start({T}) AS window_start, __row_window_end({T}) AS window_end, \
                 __window_time(__row_window_end({T})) AS window_time FROM t) AS \"t\""
    );
    assert_eq!(
        rewritten("SELECT * FROM TUMBLE(t, ts, INTERVAL '1' MINUTE)"),
        format!("SELECT * FROM {derived}")
    );
    assert_eq!(
        rewritten("SELECT * FROM x JOIN TUMBLE(t, ts, INTERVAL '1' MINUTE) AS w ON x.a = w.a"),
        format!("SELECT * FROM x JOIN {} ON x.a = w.a", derived.replace("\"t\"", "w"))
    );
    let error = rewrite("SELECT * FROM TUMBLE(t, ts)").expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::SqlParseError);
}

#[test]
fn bounds_of_windows_that_are_not_grouped() {
    for (sql, column) in [
        ("SELECT tumble_end(ts, 7) FROM t GROUP BY tumble(ts, 5)", 8),
        ("SELECT hop_end(ts, 7, 5) FROM t GROUP BY tumble(ts, 5)", 8),
        ("SELECT a, session_start() FROM t GROUP BY tumble(ts, 5)", 11),
        ("SELECT window_start FROM t GROUP BY tumble(ts, 5), tumble(ts, 7)", 8),
    ] {
        let error = rewrite(sql).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::QueryFailed, "{error}");
        assert_eq!(error.position().expect("a position").column, column, "{error}");
    }
    assert_eq!(
        rewritten("SELECT tumble_end(ts, 7) FROM t GROUP BY tumble(ts, 5), tumble(ts, 7)"),
        "SELECT __window_end(tumble(ts, 7)) AS window_end FROM t \
         GROUP BY tumble(ts, 5), tumble(ts, 7)"
    );
}

#[test]
fn aggregates_of_the_host() {
    let mut query = query("SELECT vwap(window_end) FROM t GROUP BY tumble(ts, 5)").query;
    rewrite_windows_with(&mut query, Grouped::ByOperator, &|name| name == "vwap", &|_| None)
        .expect("rewritten");
    assert_eq!(query.to_string(), "SELECT vwap(window_end) FROM t GROUP BY tumble(ts, 5)");
}

/// SQL looks for a name in `GROUP BY` among the columns of the input first.
#[test]
fn a_name_is_a_column_before_it_is_a_window() {
    let columns_of = |name: &str| (name == "t").then(|| vec!["k".to_string(), "ts".to_string()]);
    let rewritten = |sql: &str| {
        let mut query = query(sql).query;
        rewrite_windows_with(&mut query, Grouped::ByOperator, &|_| false, &columns_of)
            .expect("rewritten");
        query.to_string()
    };
    for from in [
        "t",
        "u JOIN T AS x ON true",
        "(SELECT ts, u.a AS k FROM u)",
        "(SELECT u.K, ts FROM u) AS q",
        "(SELECT * FROM t)",
        "(u CROSS JOIN t)",
    ] {
        let sql = format!("SELECT tumble(ts, 5) AS k FROM {from} GROUP BY k, ts");
        assert_eq!(rewritten(&sql), sql, "{from}");
    }
    for with in ["WITH c AS (SELECT k, ts FROM x)", "WITH c (k, ts) AS (SELECT a, b FROM x)"] {
        let sql = format!("{with} SELECT tumble(ts, 5) AS k FROM c GROUP BY k, ts");
        assert_eq!(rewritten(&sql), sql);
    }
    for from in ["u", "(SELECT ts FROM t)", "(SELECT k AS a, ts FROM t)"] {
        assert_eq!(
            rewritten(&format!("SELECT tumble(ts, 5) AS k FROM {from} GROUP BY k, ts")),
            format!("SELECT tumble(ts, 5) AS k FROM {from} GROUP BY tumble(ts, 5), ts")
        );
    }
    // A common table expression hides the table of its name.
    assert_eq!(
        rewritten("WITH t AS (SELECT a AS ts FROM x) SELECT tumble(ts, 5) AS k FROM t GROUP BY k"),
        "WITH t AS (SELECT a AS ts FROM x) SELECT tumble(ts, 5) AS k FROM t GROUP BY tumble(ts, 5)"
    );
}

#[test]
fn a_rewritten_query_stays_as_it_is() {
    for sql in [
        "SELECT window_start, window_end, hop_end(ts, 5, 9) FROM t GROUP BY hopping(ts, 5, 9)",
        "SELECT * FROM TUMBLE(t, ts, 5)",
    ] {
        let once = rewritten(sql);
        assert_eq!(rewritten(&once), once);
    }
}
