//! Nexmark's queries as streams, against DataFusion's batch answer: after every few pushes where
//! results are told at once, at the end of the input where they wait to be final. What subscribers
//! were told adds up to the same.

use std::time::Duration;

use arrow::array::RecordBatch;
use laminar_db::{Config, LaminarDB, UntypedSubscription};
use laminar_nexmark::generator::Generator;
use laminar_nexmark::queries::{self, Query};
use laminar_nexmark::schema::Relation;
use laminar_nexmark::{bids_for_reference, reference_schema};

use crate::support::database::{content, execute, subscribe};
use crate::support::oracle::Oracle;
use crate::support::random::Random;
use crate::support::replay::Replay;
use crate::support::value::assert_same;

/// A minute and a half of event time, so that windows of ten seconds close.
const EVENTS: u64 = 9_000;
const EVENTS_PER_SECOND: u64 = 100;
const CHECKS: u64 = 3;
const CLOCK_MS: i64 = 1_700_000_000_000;
/// How far the clock moves on with each push.
const TICK: Duration = Duration::from_millis(700);

/// A query that runs, in a database of its own.
struct Running {
    query: &'static Query,
    db: LaminarDB,
    subscription: UntypedSubscription,
    replay: Replay,
}

impl Running {
    fn start(query: &'static Query) -> Self {
        let db = LaminarDB::open_with_clock_at(Config::default(), CLOCK_MS).unwrap();
        for relation in Relation::ALL {
            let more = if relation == Relation::Bid { query.bid_columns } else { "" };
            execute(&db, &relation.create_source(more));
        }
        query.setup.iter().for_each(|sql| execute(&db, sql));
        let emit = if query.waits { "" } else { "EMIT CHANGES" };
        execute(&db, &format!("CREATE STREAM {} AS {} {emit}", query.name, query.stream));
        db.start_blocking().unwrap();
        let subscription = subscribe(&db, query.name);
        Self { query, db, subscription, replay: Replay::default() }
    }

    fn check(&mut self, when: &str, oracle: &Oracle) {
        let expected = oracle.rows(self.query.reference);
        self.replay.drain(&mut self.subscription);
        let told = self.replay.content();
        let what = format!("{} {when}", self.query.name);
        assert_same(&what, &told, &expected, 1e-9);
        // An append-only result can be asked for its last rows alone.
        if expected.len() < 60_000 {
            assert_same(&what, &content(&self.db, self.query.name), &expected, 1e-9);
        }
    }
}

#[test]
fn nexmark_as_streams_equals_the_batch_answers() {
    let mut running: Vec<Running> = queries::ALL.iter().map(Running::start).collect();
    let oracle = Oracle::new();
    let mut rows: [Vec<RecordBatch>; 3] = Default::default();
    let mut random = Random::new(22);
    let mut generator = Generator::new(EVENTS_PER_SECOND);
    let (mut events, mut bids, mut clock_ms) = (0, 0, CLOCK_MS);
    for check in 1..=CHECKS {
        while events < EVENTS * check / CHECKS {
            let count = random.range(1, 400) as u64;
            let chunk = generator.events(count);
            events += count;
            for (relation, rows) in Relation::ALL.into_iter().zip(&mut rows) {
                let batch = chunk.of(relation);
                if batch.num_rows() == 0 {
                    continue;
                }
                for running in &mut running {
                    let source = running.db.source_untyped(relation.name()).unwrap();
                    source.push_arrow(batch.clone()).unwrap();
                    running.replay.drain(&mut running.subscription);
                }
                if relation == Relation::Bid {
                    rows.push(bids_for_reference(batch, bids, clock_ms).unwrap());
                    bids += batch.num_rows();
                } else {
                    rows.push(batch.clone());
                }
            }
            running.iter().for_each(|running| running.db.advance_clock(TICK).unwrap());
            clock_ms += TICK.as_millis() as i64;
        }
        for (relation, rows) in Relation::ALL.into_iter().zip(&rows) {
            oracle.table(relation.name(), reference_schema(relation), rows.clone());
        }
        for running in running.iter_mut().filter(|running| !running.query.waits) {
            running.check(&format!("after {events} events"), &oracle);
        }
    }
    for running in running.iter_mut().filter(|running| running.query.waits) {
        for relation in Relation::ALL {
            running.db.source_untyped(relation.name()).unwrap().end_of_input().unwrap();
        }
        running.db.advance_clock(Duration::from_secs(60)).unwrap();
        running.check("at the end", &oracle);
    }
}
