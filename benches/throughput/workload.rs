//! [`Workload`]: a query in both engines' words, and the rows that it is asked over.

use crate::input::{Disorder, Input};

/// A query in both engines' words. Its output columns are the same, in the same order.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) input: Input,
    pub(crate) sizes: &'static [Size],
    /// The SELECT of the stream, over `events (key, value, ts)`.
    pub(crate) stream: String,
    /// DataFusion's query over the same table.
    pub(crate) reference: String,
    pub(crate) output: Output,
}

/// How many rows are pushed, and how many of them at once.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) batch: usize,
    pub(crate) rows: usize,
}

/// How the stream's result is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// By a subscription that is polled after each push.
    Changes,
    /// By one query at the end, which is not timed: the stream has no subscriber.
    Content,
}

const MANY: &[Size] = &[
    Size { batch: 1_000, rows: 8_000_000 },
    Size { batch: 1, rows: 200_000 },
    Size { batch: 64, rows: 2_000_000 },
    Size { batch: 8_192, rows: 8_000_000 },
    Size { batch: 65_536, rows: 8_000_000 },
];
const HEADLINE: &[Size] = &[Size { batch: 1_000, rows: 8_000_000 }];

const SESSIONS: &[Size] = &[Size { batch: 1_000, rows: 4_000_000 }];

/// Joins keep every row.
const JOINS: &[Size] = &[
    Size { batch: 1_000, rows: 2_000_000 },
    Size { batch: 64, rows: 500_000 },
    Size { batch: 8_192, rows: 2_000_000 },
];

/// Events per second of event time, for the windows.
const RATE: i64 = 100_000;

/// Every workload, in the order of `docs/BENCHMARKS.md`.
pub(crate) fn all() -> Vec<Workload> {
    vec![
        tumble(),
        filter(),
        keyed("keyed_1m", 1_000_000, Output::Content),
        keyed("keyed_1m_subscribed", 1_000_000, Output::Changes),
        keyed("keyed_1k", 1_000, Output::Content),
        tumble_with_disorder(),
        session(),
        hop("hop_60s_1s", 1),
        hop("hop_60s_10s", 10),
        join_updates(),
        join_appends(),
        asof_join(),
        interval_join(),
        top_appends(),
        top_updates(),
    ]
}

/// What is run with one worker and with two: groups, and joins of what changes and of what only comes.
pub(crate) fn divided() -> Vec<(Workload, Size)> {
    let of = |workload: fn() -> Workload, rows| {
        [1_000, 8_192, 65_536].map(|batch| {
            let workload = workload();
            let name = format!("workers_{}", workload.name);
            (Workload { name, ..workload }, Size { batch, rows })
        })
    };
    let all = [
        of(|| keyed("keyed_1m", 1_000_000, Output::Content), 8_000_000),
        of(|| keyed("keyed_1m_subscribed", 1_000_000, Output::Changes), 8_000_000),
        of(join_updates, 2_000_000),
        of(join_appends, 2_000_000),
    ];
    all.into_iter().flatten().collect()
}

fn tumble() -> Workload {
    Workload {
        name: "tumble_10s".to_string(),
        input: Input { keys: 1_000, rate: RATE, disorder: Disorder::None },
        sizes: MANY,
        stream: "SELECT key, tumble(ts, INTERVAL '10' SECOND) AS w, count(*) AS n, \
                 sum(value) AS total FROM events \
                 GROUP BY key, tumble(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE"
            .to_string(),
        reference: "SELECT key, ts / 10000 * 10000 AS w, count(*) AS n, sum(value) AS total \
                    FROM events GROUP BY key, ts / 10000 * 10000"
            .to_string(),
        output: Output::Changes,
    }
}

/// The same where 5 % of the rows are behind the watermark, in windows that are still open.
fn tumble_with_disorder() -> Workload {
    let disorder = Disorder::Percent { rows: 5, most_ms: 4_000, not_before_ms: 10_000 };
    Workload {
        name: "tumble_10s_disorder".to_string(),
        input: Input { keys: 1_000, rate: RATE, disorder },
        sizes: HEADLINE,
        ..tumble()
    }
}

/// A million users, 5 % of whose rows are out of order within the watermark's delay. DataFusion's
/// sessions are gaps and islands.
fn session() -> Workload {
    let disorder = Disorder::Percent { rows: 5, most_ms: 900, not_before_ms: 1 };
    Workload {
        name: "session_10s".to_string(),
        input: Input { keys: 1_000_000, rate: RATE, disorder },
        sizes: SESSIONS,
        stream: "SELECT key, window_start, count(*) AS n, sum(value) AS total FROM events \
                 GROUP BY key, session(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE"
            .to_string(),
        reference: "WITH marked AS (SELECT key, value, ts, CASE WHEN ts - lag(ts) OVER \
                    (PARTITION BY key ORDER BY ts) < 10000 THEN 0 ELSE 1 END AS first FROM events), \
                    numbered AS (SELECT key, value, ts, sum(first) OVER \
                    (PARTITION BY key ORDER BY ts) AS session FROM marked) \
                    SELECT key, min(ts) AS w, count(*) AS n, sum(value) AS total FROM numbered \
                    GROUP BY key, session"
            .to_string(),
        output: Output::Changes,
    }
}

fn filter() -> Workload {
    let query = "SELECT key, value * 2 AS doubled, ts FROM events WHERE value >= 500".to_string();
    Workload {
        name: "filter_project".to_string(),
        input: Input { keys: 1_000, rate: RATE, disorder: Disorder::None },
        sizes: MANY,
        stream: query.clone(),
        reference: query,
        output: Output::Changes,
    }
}

fn keyed(name: &str, keys: u64, output: Output) -> Workload {
    let query = "SELECT key, count(*) AS n, sum(value) AS total, min(value) AS least, \
                 max(value) AS most FROM events GROUP BY key";
    Workload {
        name: name.to_string(),
        input: Input { keys, rate: RATE, disorder: Disorder::None },
        sizes: HEADLINE,
        stream: format!("{query} EMIT CHANGES"),
        reference: query.to_string(),
        output,
    }
}

/// DataFusion groups by panes first, then adds up the panes of each window, as the engine does.
fn hop(name: &str, slide_s: i64) -> Workload {
    let slide = slide_s * 1_000;
    let steps: Vec<String> = (0..60 / slide_s).map(|step| format!("({step})")).collect();
    Workload {
        name: name.to_string(),
        input: Input { keys: 10_000, rate: RATE, disorder: Disorder::None },
        sizes: HEADLINE,
        stream: format!(
            "SELECT key, hop(ts, INTERVAL '{slide_s}' SECOND, INTERVAL '60' SECOND) AS w, \
             count(*) AS n, sum(value) AS total FROM events \
             GROUP BY key, hop(ts, INTERVAL '{slide_s}' SECOND, INTERVAL '60' SECOND) \
             EMIT ON WINDOW CLOSE"
        ),
        reference: format!(
            "WITH panes AS (SELECT key, ts / {slide} * {slide} AS pane, count(*) AS n, \
             sum(value) AS total FROM events GROUP BY key, ts / {slide} * {slide}) \
             SELECT key, pane - step * {slide} AS w, sum(n) AS n, sum(total) AS total \
             FROM panes CROSS JOIN (VALUES {}) AS steps (step) GROUP BY key, pane - step * {slide}",
            steps.join(", ")
        ),
        output: Output::Changes,
    }
}

/// Two aggregates by key, joined by it: an event takes back a row of one side or of both and puts
/// another in its place.
fn join_updates() -> Workload {
    let query = "SELECT l.key, l.n, r.total FROM \
                 (SELECT key, count(*) AS n FROM events GROUP BY key) AS l JOIN \
                 (SELECT key, sum(value) AS total FROM events WHERE value >= 500 GROUP BY key) AS r \
                 ON l.key = r.key";
    Workload {
        name: "join_updates".to_string(),
        input: Input { keys: 100_000, rate: RATE, disorder: Disorder::None },
        sizes: JOINS,
        stream: format!("{query} EMIT CHANGES"),
        reference: query.to_string(),
        output: Output::Changes,
    }
}

/// Every event with those of its key that have a small value, however long ago they were.
fn join_appends() -> Workload {
    let query = "SELECT l.key, l.value, r.ts FROM events AS l JOIN \
                 (SELECT key, ts FROM events WHERE value < 100) AS r ON l.key = r.key";
    Workload {
        name: "join_appends".to_string(),
        input: Input { keys: 500_000, rate: RATE, disorder: Disorder::None },
        sizes: JOINS,
        stream: query.to_string(),
        reference: query.to_string(),
        output: Output::Changes,
    }
}

/// Ten events for each that answers: each gets the last answer of its key. No two events have one
/// time, so that DataFusion's answer, one pass by window function, is the only one.
fn asof_join() -> Workload {
    Workload {
        name: "asof_join".to_string(),
        input: Input { keys: 100_000, rate: 1_000, disorder: Disorder::None },
        sizes: JOINS,
        stream: "SELECT l.key, l.value, l.ts, r.ts AS answered FROM \
                 (SELECT key, value, ts FROM events WHERE value >= 91) AS l ASOF JOIN \
                 (SELECT key, ts FROM events WHERE value < 91) AS r \
                 MATCH_CONDITION (l.ts >= r.ts) ON l.key = r.key EMIT ON WINDOW CLOSE"
            .to_string(),
        reference: "SELECT key, value, ts, answered FROM (SELECT key, value, ts, \
                    last_value(CASE WHEN value < 91 THEN ts END) IGNORE NULLS OVER \
                    (PARTITION BY key ORDER BY ts ROWS UNBOUNDED PRECEDING) AS answered \
                    FROM events) AS a WHERE value >= 91 AND answered IS NOT NULL"
            .to_string(),
        output: Output::Changes,
    }
}

/// The halves of the events of a million keys, paired within ten seconds: about one pair each.
fn interval_join() -> Workload {
    let query = "SELECT l.key, l.ts, r.value, r.ts AS other FROM \
                 (SELECT key, ts FROM events WHERE value < 500) AS l JOIN \
                 (SELECT key, value, ts FROM events WHERE value >= 500) AS r \
                 ON l.key = r.key AND r.ts BETWEEN l.ts - 10000 AND l.ts + 10000";
    Workload {
        name: "interval_join".to_string(),
        input: Input { keys: 1_000_000, rate: RATE, disorder: Disorder::None },
        sizes: JOINS,
        stream: query.to_string(),
        reference: query.to_string(),
        output: Output::Changes,
    }
}

/// The first ten values of each of a million keys.
fn top_appends() -> Workload {
    let query = "SELECT key, value, ts FROM (SELECT key, value, ts, row_number() OVER \
                 (PARTITION BY key ORDER BY value DESC, ts) AS place FROM events) AS ranked \
                 WHERE place <= 10";
    Workload {
        name: "top10_appends".to_string(),
        input: Input { keys: 1_000_000, rate: RATE, disorder: Disorder::None },
        sizes: HEADLINE,
        stream: format!("{query} EMIT CHANGES"),
        reference: query.to_string(),
        output: Output::Content,
    }
}

/// The first ten of each sixteen totals: an event takes a total back and puts another in its place.
fn top_updates() -> Workload {
    let query = "SELECT board, key, total FROM (SELECT key / 16 AS board, key, total, row_number() \
                 OVER (PARTITION BY key / 16 ORDER BY total DESC, key) AS place FROM \
                 (SELECT key, sum(value) AS total FROM events GROUP BY key) AS totals) AS ranked \
                 WHERE place <= 10";
    Workload {
        name: "top10_updates".to_string(),
        input: Input { keys: 1_000_000, rate: RATE, disorder: Disorder::None },
        sizes: HEADLINE,
        stream: format!("{query} EMIT CHANGES"),
        reference: query.to_string(),
        output: Output::Content,
    }
}
