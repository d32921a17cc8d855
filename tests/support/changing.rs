//! [`Changing`]: queries over rows that only come and over rows that change, against the batch
//! answer after every push.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use laminar_db::{LaminarDB, SubscribeOptions, UntypedSubscription};

use super::database::{batch, batches, content, execute, started, texts};
use super::oracle::Oracle;
use super::random::{Random, for_seeds};
use super::replay::Replay;
use super::value::{assert_same, sorted};

/// Events about rows. `t` has every event as a row; `u` has one row for each `id` that is alive,
/// and its events change all of its columns.
pub const EVENTS: &str = "CREATE SOURCE t
    (id BIGINT, k VARCHAR, o BIGINT, v BIGINT, x DOUBLE, live BIGINT, seq BIGINT)";

/// The rows that change.
pub const ROWS: &str = "SELECT id, max(k) AS k, sum(o) AS o, sum(v) AS v, sum(x) AS x
    FROM t GROUP BY id HAVING sum(live) > 0";

/// Columns of rows that only come, named as those of `u`; `id` is unique.
const COMING: &str = "SELECT seq AS id, k, o, v, x FROM t";

/// The query over these rows, which it calls `r`, and `other` where it reads them once more.
fn over(query: &str, rows: &str) -> String {
    query
        .replace("FROM r", &format!("FROM {rows} AS r"))
        .replace("FROM other", &format!("FROM {rows} AS other"))
}

pub struct Changing {
    pub db: LaminarDB,
    streams: Vec<Stream>,
    pushed: Vec<RecordBatch>,
    sequence: i64,
}

struct Stream {
    name: String,
    /// What it is defined by.
    continuous: String,
    query: String,
    subscription: UntypedSubscription,
    replay: Replay,
}

impl Changing {
    /// Queries over `r`, each run over both kinds of rows.
    pub fn new(queries: &[&str]) -> Self {
        let itself = |query: &&str| (query.to_string(), query.to_string());
        Self::answered(&queries.iter().map(itself).collect::<Vec<_>>())
    }

    /// Queries over `r`, each with the one that the batch engine answers in its place.
    pub fn answered(queries: &[(String, String)]) -> Self {
        let db = started(&[
            EVENTS,
            &format!("CREATE STREAM coming AS {COMING}"),
            &format!("CREATE STREAM u AS {ROWS}"),
        ]);
        let mut streams = Vec::new();
        for (index, (query, answer)) in queries.iter().enumerate() {
            for (kind, rows) in [("coming", COMING), ("u", ROWS)] {
                let name = format!("s{index}_{kind}");
                let continuous = over(query, kind);
                execute(&db, &format!("CREATE STREAM {name} AS {continuous} EMIT CHANGES"));
                let options =
                    SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
                let subscription = db.subscribe_with(&name, options).unwrap();
                let query = over(answer, &format!("({rows})"));
                let replay = Replay::default();
                streams.push(Stream { name, continuous, query, subscription, replay });
            }
        }
        Self { db, streams, pushed: Vec::new(), sequence: 0 }
    }

    /// Random events about a few rows, in one push.
    pub fn push(&mut self, random: &mut Random, rows: usize) {
        let ids: Vec<i64> = (0..rows).map(|_| random.range(0, 30)).collect();
        let keys: Vec<Option<&str>> = (0..rows)
            .map(|_| (!random.chance(10)).then(|| *random.pick(&["a", "b", "c"])))
            .collect();
        let mut optional = |low: i64, high: i64| -> Vec<Option<i64>> {
            (0..rows).map(|_| (!random.chance(15)).then(|| random.range(low, high))).collect()
        };
        let (o, v) = (optional(-6, 7), optional(-50, 50));
        let x: Vec<Option<f64>> =
            optional(-40, 40).into_iter().map(|x| x.map(|x| x as f64 / 4.0)).collect();
        let live: Vec<i64> = (0..rows).map(|_| if random.chance(35) { -1 } else { 1 }).collect();
        let sequence: Vec<i64> = (0..rows as i64).map(|row| self.sequence + row).collect();
        self.sequence += rows as i64;
        let source = self.db.source_untyped("t").unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(ids)),
            texts(keys),
            Arc::new(Int64Array::from(o)),
            Arc::new(Int64Array::from(v)),
            Arc::new(Float64Array::from(x)),
            Arc::new(Int64Array::from(live)),
            Arc::new(Int64Array::from(sequence)),
        ];
        let rows = batch(source.schema(), columns);
        source.push_arrow(rows.clone()).unwrap();
        self.pushed.push(rows);
    }

    /// Compares every stream, and what its changes add up to, with the batch answer.
    pub fn check(&mut self) {
        let oracle = Oracle::new();
        oracle.table("t", self.pushed[0].schema(), self.pushed.clone());
        for stream in &mut self.streams {
            let got = content(&self.db, &stream.name);
            let what =
                format!("{} after {} pushes\n{}", stream.name, self.pushed.len(), stream.query);
            assert_same(&what, &got, &oracle.rows(&stream.query), 1e-9);
            stream.replay.drain(&mut stream.subscription);
            assert_eq!(stream.replay.content(), got, "what was told adds up: {what}");
        }
    }
}

impl Changing {
    /// Asks the query of each stream ad hoc, and compares with the stream.
    pub fn ask(&self) {
        for stream in &self.streams {
            let got = sorted(&batches(&self.db, &stream.continuous));
            let what = format!("ad hoc, {}\n{}", stream.name, stream.continuous);
            assert_same(&what, &got, &content(&self.db, &stream.name), 1e-9);
        }
    }
}

/// Checks queries after each of so many random pushes of fewer than `largest` rows, half of them of
/// one row.
pub fn run(queries: &[&str], seeds: u64, pushes: usize, largest: i64) {
    check(|| Changing::new(queries), seeds, pushes, largest);
}

/// The same of queries with the ones that answer them.
pub fn run_answered(queries: &[(String, String)], seeds: u64, pushes: usize, largest: i64) {
    check(|| Changing::answered(queries), seeds, pushes, largest);
}

fn check(made: impl Fn() -> Changing, seeds: u64, pushes: usize, largest: i64) {
    for_seeds(seeds, |seed| {
        let mut changing = made();
        let mut random = Random::new(seed);
        for _ in 0..pushes {
            let rows = if random.chance(50) { 1 } else { random.range(1, largest) };
            changing.push(&mut random, rows as usize);
            changing.check();
        }
        changing.ask();
    });
}
