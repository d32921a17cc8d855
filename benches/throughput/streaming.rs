//! One run of Laminar.

use std::time::Duration;

use arrow::array::RecordBatch;
use laminar_benches::sink::{Outcome, Sink};
use laminar_db::{Config, LaminarDB, Polled, SubscribeOptions, UntypedSubscription};

use crate::Result;
use crate::workload::{Output, Workload};

/// No event of any input comes later: 2100-01-01.
const END_MS: i64 = 4_102_444_800_000;

/// Pushes the batches one by one and polls after each, as an application would.
pub(crate) fn run(workload: &Workload, batches: &[RecordBatch], workers: usize) -> Result<Outcome> {
    let db = LaminarDB::open_with_config(Config { workers, ..Config::default() })?;
    db.execute_blocking(
        "CREATE SOURCE events (key BIGINT NOT NULL, value BIGINT NOT NULL, ts BIGINT NOT NULL, \
         WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)",
    )?;
    db.execute_blocking(&format!("CREATE STREAM result AS {}", workload.stream))?;
    db.start_blocking()?;
    let mut subscription = match workload.output {
        Output::Changes => Some(db.subscribe_with("result", options())?),
        Output::Content => None,
    };
    let source = db.source_untyped("events")?;
    let columns = db.query_blocking("SELECT * FROM result")?.schema().fields().len();
    let input = batches.to_vec();
    let mut sink = Sink::start(columns);
    for batch in input {
        source.push_arrow(batch)?;
        drain(&mut subscription, &mut sink)?;
    }
    source.watermark(END_MS)?;
    drain(&mut subscription, &mut sink)?;
    sink.finish(|sink| {
        if workload.output == Output::Content {
            let mut content = db.query_blocking("SELECT * FROM result")?;
            while let Some(batch) = content.next_blocking()? {
                sink.take(batch)?;
            }
        }
        Ok(())
    })
}

/// Room for what the last watermark may close at once.
fn options() -> SubscribeOptions {
    SubscribeOptions { capacity: Some(1 << 24), ..SubscribeOptions::default() }
}

fn drain(subscription: &mut Option<UntypedSubscription>, sink: &mut Sink) -> Result<()> {
    let Some(subscription) = subscription else { return Ok(()) };
    loop {
        match subscription.poll(Some(Duration::ZERO))? {
            Polled::Batch(change) => {
                let weights = change.weights.map(|weights| weights.to_vec());
                sink.take_weighted(change.batch, weights)?;
            }
            Polled::Empty => return Ok(()),
            other => return Err(format!("a poll answered {other:?}").into()),
        }
    }
}
