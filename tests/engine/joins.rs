//! Joins and set operations over sources and over updating streams.
//!
//! Expected contents are DataFusion's batch answers over all rows that were pushed, arithmetic by
//! hand for what leaves in an epoch.

mod changes;
mod differential;
mod lookup;
mod lowering;
mod sets;
mod ttl;
mod using;

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use laminar_db::{LaminarDB, SubscribeOptions, UntypedSubscription};

use crate::support::database::{batch, content, execute, listed, texts};
use crate::support::oracle::Oracle;
use crate::support::random::Random;
use crate::support::replay::Replay;
use crate::support::value::{Value, assert_same};

const SOURCES: [&str; 2] = [
    "CREATE SOURCE a (k BIGINT, v BIGINT, s VARCHAR)",
    "CREATE SOURCE b (k BIGINT, v BIGINT, s VARCHAR)",
];

/// Updating streams over the sources: `ca` and `cb` have the unique key `k`, and their rows come
/// and go; the rows of `ua` have no key and repeat.
const UPDATING: [(&str, &str); 3] = [
    ("ca", "SELECT k, count(*) AS v, sum(v) AS s FROM a GROUP BY k HAVING count(*) % 3 <> 0"),
    ("cb", "SELECT k, count(*) AS v, sum(v) AS s FROM b GROUP BY k HAVING count(*) % 3 <> 0"),
    ("ua", "SELECT v % 3 AS k, v, s FROM ca"),
];

type SourceRow = (Option<i64>, Option<i64>, Option<&'static str>);

/// Few different values, so that rows repeat and match; every column has NULLs.
fn random_row(random: &mut Random) -> SourceRow {
    let k = (!random.chance(12)).then(|| random.range(0, 6));
    let v = (!random.chance(12)).then(|| random.range(0, 5));
    let s =
        (!random.chance(20)).then(|| *random.pick(&["x", "y", "", "a longer string, not inline"]));
    (k, v, s)
}

fn source_batch(schema: SchemaRef, rows: &[SourceRow]) -> RecordBatch {
    let k: Int64Array = rows.iter().map(|row| row.0).collect();
    let v: Int64Array = rows.iter().map(|row| row.1).collect();
    let s = texts(rows.iter().map(|row| row.2));
    batch(schema, vec![Arc::new(k), Arc::new(v), s])
}

fn push(db: &LaminarDB, source: &str, rows: &[SourceRow]) {
    let source = db.source_untyped(source).unwrap();
    source.push_arrow(source_batch(source.schema(), rows)).unwrap();
}

/// Streams that are compared with the batch answer, each with a subscription from its beginning.
struct Checked<'a> {
    db: &'a LaminarDB,
    views: Vec<(String, String)>,
    streams: Vec<(String, String, UntypedSubscription, Replay)>,
    oracle: Oracle,
    rows: [Vec<SourceRow>; 2],
}

impl<'a> Checked<'a> {
    fn new(db: &'a LaminarDB) -> Self {
        let rows = Default::default();
        Self { db, views: Vec::new(), streams: Vec::new(), oracle: Oracle::new(), rows }
    }

    /// A stream that others read, which the oracle has as a view.
    fn view(&mut self, name: &str, query: &str) {
        execute(self.db, &format!("CREATE STREAM {name} AS {query}"));
        self.views.push((name.to_string(), query.to_string()));
    }

    /// A stream whose content is to be what `expected`, or the query itself, answers.
    fn stream(&mut self, query: &str, expected: Option<&str>) {
        let name = format!("s{}", self.streams.len());
        execute(self.db, &format!("CREATE STREAM {name} AS {query} EMIT CHANGES"));
        let options = SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
        let subscription = self.db.subscribe_with(&name, options).unwrap();
        let expected = expected.unwrap_or(query).to_string();
        self.streams.push((query.to_string(), expected, subscription, Replay::default()));
    }

    fn push(&mut self, source: usize, rows: &[SourceRow]) {
        push(self.db, ["a", "b"][source], rows);
        self.rows[source].extend_from_slice(rows);
    }

    /// Compares content, changelog and batch answer of every stream.
    #[track_caller]
    fn check(&mut self) {
        for (name, rows) in ["a", "b"].iter().zip(&self.rows) {
            let schema = self.db.source_untyped(name).unwrap().schema();
            self.oracle.table(name, schema.clone(), vec![source_batch(schema, rows)]);
        }
        for (name, query) in &self.views {
            self.oracle.batches(&format!("CREATE OR REPLACE VIEW {name} AS {query}"));
        }
        let sizes = (self.rows[0].len(), self.rows[1].len());
        for (index, (query, expected, subscription, replay)) in self.streams.iter_mut().enumerate()
        {
            let expected = self.oracle.rows(expected);
            let got = content(self.db, &format!("s{index}"));
            assert_same(&format!("{query}\nover {sizes:?} rows"), &got, &expected, 0.0);
            replay.drain(subscription);
            let what = format!("the changes of {query}\nover {sizes:?} rows");
            assert_same(&what, &replay.content(), &expected, 0.0);
        }
    }

    #[track_caller]
    fn check_no_dead_letters(&self) {
        for (index, (query, ..)) in self.streams.iter().enumerate() {
            let letters = listed(self.db, "SHOW STREAMS", &format!("s{index}"), "dead_letters");
            assert_eq!(letters, Value::Int(0), "{query}");
        }
    }
}
