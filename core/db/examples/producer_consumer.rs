//! Two threads write events, another counts them as they come, and windows close behind them.
//!
//! `cargo run -p laminar-db --example producer_consumer`

use std::io::{self, Write};
use std::thread;

use laminar_db::{LaminarDB, Record};

#[derive(Record)]
struct Event {
    #[event_time]
    ts: i64,
    kind: String,
    payload: f64,
}

pub fn run(out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let db = LaminarDB::open()?;
    let events = db.create_source_blocking::<Event>("events")?;
    db.execute_blocking(
        "CREATE STREAM per_window AS
         SELECT tumble(ts, 100) AS start, count(*) AS events FROM events GROUP BY tumble(ts, 100)",
    )?;
    let mut windows = db.subscribe::<(i64, u64)>("per_window")?;
    let mut all = db.subscribe::<(i64, String, f64)>("events")?;
    db.start_blocking()?;

    let consumer = thread::spawn(move || -> Result<usize, laminar_db::Error> {
        let mut consumed = 0;
        for event in &mut all {
            event?;
            consumed += 1;
        }
        Ok(consumed) // the database was shut down
    });

    // A clone is one more producer, with a watermark of its own: windows wait for the slower one.
    let channel = "SELECT channel FROM laminar_sources WHERE name = 'events'";
    writeln!(out, "{} producer", db.query_one_blocking::<(String,)>(channel)?.0)?;
    let other = events.clone();
    writeln!(out, "{} producers", db.query_one_blocking::<(String,)>(channel)?.0)?;
    let produce = |source: laminar_db::Source<Event>, first: i64| {
        move || -> Result<(), laminar_db::Error> {
            for ts in (first..500).step_by(2) {
                source.push(Event { ts, kind: format!("evt_{}", ts % 3), payload: ts as f64 })?;
            }
            source.end_of_input()?;
            Ok(())
        }
    };
    let producers = [thread::spawn(produce(events, 0)), thread::spawn(produce(other, 1))];
    for producer in producers {
        producer.join().expect("the producer does not panic")?;
    }

    while let Some((start, events)) = windows.poll()? {
        writeln!(out, "window {start}: {events} events")?;
    }
    db.shutdown_blocking()?;
    let consumed = consumer.join().expect("the consumer does not panic")?;
    writeln!(out, "Consumed {consumed} events")?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(&mut io::stdout())
}
