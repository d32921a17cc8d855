//! Nexmark: events per second of processor time for each query, beside DataFusion's batch answer to
//! it over the same events in the same run.
//!
//! ```text
//! nexmark [--only QUERY] [--events COUNT] [--batch EVENTS] [--rate EVENTS] [--repeat TIMES] [--alone]
//! ```
//!
//! All three relations are pushed for every query, in batches that together hold `--batch` events
//! (1,000), and the result is polled after each; `--rate` events make a second of event time (10,000).
//! `--alone` leaves DataFusion out, for a profiler. A line of JSON per figure goes to stdout, a line
//! for people to stderr. A run whose checksum over every output column, weights included, differs
//! from DataFusion's ends the program.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use laminar_benches::sink::{Outcome, Sink};
use laminar_db::{Config, LaminarDB, Polled, SubscribeOptions, UntypedSubscription};
use laminar_nexmark::generator::Generator;
use laminar_nexmark::queries::{self, Query};
use laminar_nexmark::schema::Relation;
use laminar_nexmark::{bids_for_reference, reference_schema};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The clock of the first push, which is moved with event time.
const CLOCK_MS: i64 = 1_700_000_000_000;

/// The events in the order of the pushes.
struct Input {
    events: u64,
    /// The pushes of a batch of events, and how far the clock moves after them.
    chunks: Vec<[RecordBatch; 3]>,
    tick: Duration,
}

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let input = Input::make(&options);
    for query in &queries::ALL {
        if options.only.as_ref().is_none_or(|only| only == query.name) {
            compare(query, &input, &options)?;
        }
    }
    Ok(())
}

/// Runs both engines in turn.
fn compare(query: &Query, input: &Input, options: &Options) -> Result<()> {
    let (mut streaming, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..options.repeat {
        let ours = stream(query, input)?;
        streaming.push(ours.cpu_seconds);
        if !options.alone {
            let theirs = batch(query, input)?;
            reference.push(theirs.cpu_seconds);
            if ours.checksum != theirs.checksum {
                return Err(format!(
                    "{}: Laminar's output is {:?}, DataFusion's is {:?}",
                    query.name, ours.checksum, theirs.checksum
                )
                .into());
            }
        }
    }
    let rate = |seconds: Vec<f64>| median(seconds).map(|seconds| input.events as f64 / seconds);
    let (streaming, reference) = (rate(streaming).unwrap_or(f64::NAN), rate(reference));
    let line = serde_json::json!({
        "bench": "nexmark",
        "name": query.name,
        "batch": options.batch,
        "events": input.events,
        "runs": options.repeat,
        "events_per_cpu_second": streaming.round(),
        "datafusion_events_per_cpu_second": reference.map(f64::round),
    });
    println!("{line}");
    let beside = reference.map_or(String::new(), |reference| {
        format!("   DataFusion {:8.0}   ratio {:5.2}", reference / 1e3, streaming / reference)
    });
    eprintln!(
        "{:<4} {:8.0} thousand events per CPU-second{beside}   {}",
        query.name,
        streaming / 1e3,
        query.about
    );
    Ok(())
}

/// One run of Laminar: pushes and polls, as an application would.
fn stream(query: &Query, input: &Input) -> Result<Outcome> {
    let db = LaminarDB::open_with_clock_at(Config::default(), CLOCK_MS)?;
    for relation in Relation::ALL {
        let more = if relation == Relation::Bid { query.bid_columns } else { "" };
        db.execute_blocking(&relation.create_source(more))?;
    }
    for sql in query.setup {
        db.execute_blocking(sql)?;
    }
    let emit = if query.waits { "" } else { "EMIT CHANGES" };
    db.execute_blocking(&format!("CREATE STREAM result AS {} {emit}", query.stream))?;
    db.start_blocking()?;
    let roomy = SubscribeOptions { capacity: Some(1 << 24), ..SubscribeOptions::default() };
    let mut subscription = db.subscribe_with("result", roomy)?;
    let sources = Relation::ALL.map(|relation| db.source_untyped(relation.name()));
    let sources: Vec<_> = sources.into_iter().collect::<Result<_, _>>()?;
    let columns = db.query_blocking("SELECT * FROM result")?.schema().fields().len();
    let chunks = input.chunks.clone();
    let mut sink = Sink::start(columns);
    for chunk in chunks {
        for (source, rows) in sources.iter().zip(chunk) {
            if rows.num_rows() > 0 {
                source.push_arrow(rows)?;
                drain(&mut subscription, &mut sink)?;
            }
        }
        db.advance_clock(input.tick)?;
    }
    for source in &sources {
        source.end_of_input()?;
    }
    // What waits for the clock.
    db.advance_clock(Duration::from_secs(60))?;
    drain(&mut subscription, &mut sink)?;
    sink.finish(|_| Ok(()))
}

fn drain(subscription: &mut UntypedSubscription, sink: &mut Sink) -> Result<()> {
    loop {
        match subscription.poll(Some(Duration::ZERO))? {
            Polled::Batch(change) => {
                let weights = change.weights.map(|weights| weights.to_vec());
                sink.take_weighted(change.batch, weights)?;
            }
            Polled::Empty | Polled::End => return Ok(()),
            other => return Err(format!("a poll answered {other:?}").into()),
        }
    }
}

/// One run of DataFusion, on one thread. Its plan is made outside the clock, as Laminar's is.
fn batch(query: &Query, input: &Input) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
        let context = SessionContext::new_with_config(config);
        for (place, relation) in Relation::ALL.into_iter().enumerate() {
            let rows = input.of_reference(relation, place)?;
            let table = MemTable::try_new(reference_schema(relation), vec![rows])?;
            context.register_table(relation.name(), Arc::new(table))?;
        }
        let plan = context.sql(query.reference).await?.create_physical_plan().await?;
        let mut sink = Sink::start(plan.schema().fields().len());
        let mut answer = execute_stream(plan, context.task_ctx())?;
        while let Some(rows) = answer.next().await {
            sink.take(rows?)?;
        }
        sink.finish(|_| Ok(()))
    })
}

impl Input {
    fn make(options: &Options) -> Self {
        let mut generator = Generator::new(options.rate);
        let chunks = options.events / options.batch;
        let chunk = |_| {
            let events = generator.events(options.batch);
            Relation::ALL.map(|relation| events.of(relation).clone())
        };
        Self {
            events: chunks * options.batch,
            chunks: (0..chunks).map(chunk).collect(),
            tick: Duration::from_secs_f64(options.batch as f64 / options.rate as f64),
        }
    }

    fn of_reference(&self, relation: Relation, place: usize) -> Result<Vec<RecordBatch>> {
        let batches = self.chunks.iter().map(|chunk| &chunk[place]);
        if relation != Relation::Bid {
            return Ok(batches.cloned().collect());
        }
        let (mut arrival, mut clock) = (0, Duration::from_millis(CLOCK_MS as u64));
        let mut bids = Vec::with_capacity(self.chunks.len());
        for batch in batches {
            bids.push(bids_for_reference(batch, arrival, clock.as_millis() as i64)?);
            arrival += batch.num_rows();
            clock += self.tick;
        }
        Ok(bids)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What the command line asks for.
struct Options {
    only: Option<String>,
    events: u64,
    batch: u64,
    rate: u64,
    repeat: usize,
    alone: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            only: None,
            events: 1_000_000,
            batch: 1_000,
            rate: 10_000,
            repeat: 5,
            alone: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--only" => options.only = Some(value()?),
                "--events" => options.events = value()?.parse::<u64>()?.max(1),
                "--batch" => options.batch = value()?.parse::<u64>()?.max(1),
                "--rate" => options.rate = value()?.parse::<u64>()?.max(1),
                "--repeat" => options.repeat = value()?.parse::<usize>()?.max(1),
                "--alone" => options.alone = true,
                // Cargo's own.
                "--bench" => {}
                _ => return Err(format!("there is no argument {argument}").into()),
            }
        }
        Ok(options)
    }
}
