//! Every refusal of the planner has its code, a place in the SQL and something to do instead. The
//! sources are searched for refusals, so that none is forgotten here.

use std::fmt::Write;
use std::path::Path;

use laminar_db::LaminarDB;

use crate::support::database::{refused, started};

/// What is refused, with `^` before the token at which the error points, and what to do instead in
/// the words of the error.
const REFUSALS: &[(&str, &str)] = &[
    ("SELECT * FROM trades ORDER BY ^ts", "order the rows of an ad-hoc SELECT, or add a LIMIT"),
    ("^SELECT sym FROM trades ALLOW LATENESS 5", "leave it out, or group by tumble(ts, size)"),
    ("SELECT sym FROM trades LATE DATA TO ^k", "leave it out"),
    ("SELECT * FROM trades ^EMIT ON WINDOW CLOSE", "use EMIT ON UPDATE or EMIT CHANGES"),
    ("SELECT sym, max(n) FROM counts GROUP BY sym ^EMIT ON WINDOW CLOSE", "use EMIT CHANGES"),
    (
        "SELECT qty FROM trades INTERSECT ALL ^SELECT bid FROM quotes",
        "cast the columns of both queries",
    ),
    ("SELECT ^ntile(0) OVER (PARTITION BY sym ORDER BY ts) FROM trades", "write ntile(4)"),
    (
        "SELECT t.sym FROM trades t ASOF JOIN quotes q MATCH_CONDITION (^t.ts >= t.qty) ON t.sym = q.sym",
        "compares a time of its left side with one of its right side",
    ),
    (
        "SELECT t.sym FROM trades t ASOF JOIN ^quotes q MATCH_CONDITION (t.price >= q.bid) ON t.sym = q.sym",
        "compares TIMESTAMPs or BIGINTs",
    ),
    (
        "SELECT t.sym FROM trades t ASOF JOIN quotes q MATCH_CONDITION (t.ts >= q.ts) ON t.sym = q.sym \
         AND ^t.price > q.bid",
        "put t.price > q.bid into WHERE",
    ),
    (
        "SELECT t.sym FROM trades t JOIN ^prices FOR SYSTEM_TIME AS OF t.ts AS p ON t.price = p.price",
        "ON to equate exactly the primary key",
    ),
    (
        "SELECT p.sym FROM prices p ASOF JOIN ^quotes q MATCH_CONDITION (p.ts >= q.ts) ON p.sym = q.sym \
         EMIT ON WINDOW CLOSE",
        "use EMIT CHANGES",
    ),
    (
        "SELECT p.sym FROM prices p JOIN ^counts FOR SYSTEM_TIME AS OF proctime() AS c ON p.sym = c.sym",
        "needs a left side whose rows never change",
    ),
    (
        "SELECT t.sym FROM trades t LEFT JOIN prices FOR SYSTEM_TIME AS OF proctime() AS p \
         ON t.sym = p.sym AND ^t.price > p.price",
        "into WHERE",
    ),
    ("SELECT * FROM (VALUES (^now())) AS v (a)", "use at, the time at which the row came"),
    (
        "SELECT sym FROM trades WHERE ^now() > TIMESTAMP '2026-01-01'",
        "write FROM (SELECT *, now() AS at",
    ),
    (
        "SELECT sym FROM trades WHERE ^current_timestamp > TIMESTAMP '2026-01-01'",
        "write FROM (SELECT *, now() AS at",
    ),
    ("SELECT sym, ^now() AS at FROM counts", "select it of the rows that come"),
    ("SELECT sym, ^random() AS r FROM counts", "select it of the rows that come"),
    ("SELECT sum(n) FROM counts GROUP BY sym WITH (^state_ttl = 1000)", "leave it out"),
    ("SELECT sym FROM trades WITH (^state_ttl = 1000)", "state_ttl"),
    (
        "SELECT count(*) FROM trades GROUP BY tumble(ts, 10), ^tumble(ts, 20)",
        "join two streams to combine windows",
    ),
    (
        "SELECT count(*) FROM trades GROUP BY GROUPING SETS ((^tumble(ts, 10)), (sym))",
        "write GROUP BY window, ROLLUP (...)",
    ),
    (
        "SELECT sym FROM trades WHERE price = (^SELECT bid FROM quotes)",
        "aggregate its rows, as in (SELECT max(x) FROM t), or add LIMIT 1",
    ),
    ("SELECT sum(^unnest(make_array(price, 1))) AS s FROM trades", "unnest in a subquery in FROM"),
    ("SELECT count(*) FROM trades GROUP BY ^tumble(sym, 10)", "must be TIMESTAMP or BIGINT"),
    ("SELECT count(*) FROM trades GROUP BY tumble(^ts % 5, 10)", "use an event-time column"),
    ("SELECT count(*) FROM trades GROUP BY ^tumble(ts, INTERVAL '1' MONTH)", "use days"),
    ("SELECT count(*) FROM trades GROUP BY ^tumble(ts, qty)", "must be constants"),
    (
        "SELECT ^string_agg(DISTINCT sym, ',' ORDER BY ts) FROM trades",
        "leave DISTINCT out, or order by an argument",
    ),
    ("SELECT ^string_agg(sym, sym) FROM trades", "write its value"),
    ("SELECT ^percentile_cont(3) WITHIN GROUP (ORDER BY price) FROM trades", "from 0 to 1"),
    ("SELECT ^approx_distinct(sym) FROM counts", "use count(DISTINCT ...)"),
    ("SELECT ^cuont(sym) FROM trades", "did you mean `count`?"),
    ("SELECT ^prise FROM trades", "did you mean `price`? There are sym, price, qty, ts"),
    ("SELECT sym FROM ^trade", "did you mean `trades`?"),
];

/// Refusals that no SQL reaches, or that other tests reach with what these have not.
const ELSEWHERE: &[&str] = &[
    // A join in time is refused by the types of its condition first.
    "is no time",
    // DataFusion asks for constants first.
    "LIMIT and OFFSET",
    // `host_functions.rs`.
    "registered without",
    // `subqueries.rs`, `unnest.rs`, `over.rs`.
    "this version cannot keep a subquery in an expression",
    "unnest(x) and unnest(unnest(x))",
    "would be computed from every row",
    // `windows/late.rs`.
    "read rows with different columns",
    // What DataFusion can plan and no lowering knows.
    "continuously: use an ad-hoc query",
    "needs a TIMESTAMP or BIGINT as event time",
];

fn database() -> LaminarDB {
    started(&[
        "CREATE SOURCE trades (sym VARCHAR NOT NULL, price DOUBLE, qty BIGINT, ts BIGINT NOT NULL,
         WATERMARK FOR ts AS ts - 5)",
        "CREATE SOURCE quotes (sym VARCHAR, bid DOUBLE, ts BIGINT, WATERMARK FOR ts)",
        "CREATE TABLE prices (sym VARCHAR PRIMARY KEY, price DOUBLE, ts BIGINT, WATERMARK FOR ts)",
        "CREATE STREAM counts AS SELECT sym, count(*) AS n FROM trades GROUP BY sym",
    ])
}

#[test]
fn every_refusal_has_a_place_and_says_what_to_do() {
    let db = database();
    let mut failures = String::new();
    for (marked, instead) in REFUSALS {
        let at = marked.find('^').expect("a case has its place");
        let query = marked.replacen('^', "", 1);
        let prefix = "CREATE STREAM s AS ";
        let error = refused(&db, &format!("{prefix}{query}"));
        let column = (prefix.len() + marked[..at].chars().count() + 1) as u64;
        let place = error.position().map(|at| (at.line, at.column));
        if place != Some((1, column)) || !error.message().contains(instead) {
            writeln!(failures, "{marked}\n  column {column}, `{instead}`, and got {error}")
                .unwrap();
        }
        assert!(
            error.to_string().starts_with(&format!("LDB-{}: ", error.code().number())),
            "{error}"
        );
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn no_refusal_of_the_sources_is_forgotten() {
    let db = database();
    let messages: Vec<String> = REFUSALS
        .iter()
        .map(|(marked, _)| {
            refused(&db, &format!("CREATE STREAM s AS {}", marked.replacen('^', "", 1)))
        })
        .map(|error| error.message().to_string())
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/sql/src");
    let mut files: Vec<_> =
        ["aggregates.rs", "compile.rs", "clock.rs"].map(|f| folder.join(f)).into();
    let lowering = std::fs::read_dir(folder.join("lower")).expect("the sources are there");
    files.extend(lowering.map(|entry| entry.unwrap().path()));
    let mut found = 0;
    let mut forgotten = Vec::new();
    for file in files {
        for text in refusals_of(&std::fs::read_to_string(&file).unwrap()) {
            found += 1;
            let known = messages.iter().any(|message| message.contains(&text))
                || ELSEWHERE.iter().any(|other| text.contains(other));
            if !known {
                forgotten.push(format!("{}: {text}", file.display()));
            }
        }
    }
    assert!(found > 25, "only {found} refusals were found");
    assert!(forgotten.is_empty(), "\n{}", forgotten.join("\n"));
}

/// The longest fixed part of the message of each error that a source makes.
fn refusals_of(source: &str) -> Vec<String> {
    let starts = ["Error::unsupported(", "code::PLAN,", "refused = Some("];
    let mut texts = Vec::new();
    for start in starts {
        for (at, _) in source.match_indices(start) {
            let rest = &source[at + start.len()..];
            // The message follows at once, or in a `format!`.
            let before = rest.split('"').next().unwrap_or("").trim();
            if !(before.is_empty() || before == "format!(") {
                continue;
            }
            let Some(literal) = rest.split('"').nth(1) else { continue };
            let joined: String = literal
                .split("\\\n")
                .enumerate()
                .map(|(line, text)| if line == 0 { text } else { text.trim_start() })
                .collect();
            let parts = joined.split(['{', '}']).step_by(2);
            texts.extend(parts.max_by_key(|part| part.len()).map(ToString::to_string));
        }
    }
    texts
}
