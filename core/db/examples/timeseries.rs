//! A morning of trades: a summary for each symbol, bars of a minute, and the large trades.
//!
//! `cargo run -p laminar-db --example timeseries`

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use laminar_db::{FromRow, LaminarDB, Record};

#[derive(Record)]
struct Trade {
    #[event_time(delay = "5s")]
    ts: SystemTime,
    symbol: &'static str,
    price: f64,
    volume: i64,
}

#[derive(FromRow)]
struct Summary {
    symbol: String,
    trades: u64,
    high: f64,
    low: f64,
    total_volume: i64,
}

#[derive(FromRow)]
struct Bar {
    symbol: String,
    minute: SystemTime,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
}

pub fn run(out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let db = LaminarDB::open()?;
    let trades = db.create_source_blocking::<Trade>("trades")?;
    for definition in [
        "CREATE STREAM price_summary AS
         SELECT symbol, count(*) AS trades, max(price) AS high, min(price) AS low,
                sum(volume) AS total_volume
         FROM trades GROUP BY symbol",
        "CREATE STREAM bars AS
         SELECT symbol, tumble(ts, INTERVAL '1' MINUTE) AS minute,
                first_value(price ORDER BY ts) AS open, max(price) AS high, min(price) AS low,
                last_value(price ORDER BY ts) AS close
         FROM trades GROUP BY symbol, tumble(ts, INTERVAL '1' MINUTE)",
        "CREATE STREAM whale_trades AS SELECT symbol, volume FROM trades WHERE volume > 10000",
    ] {
        db.execute_blocking(definition)?;
    }
    let mut bars = db.subscribe::<Bar>("bars")?;
    db.start_blocking()?;

    let opening = SystemTime::UNIX_EPOCH + Duration::from_secs(1_699_972_200); // 14:30 UTC
    let symbols = ["AAPL", "GOOGL", "MSFT", "AMZN"];
    let morning: Vec<Trade> = (0..1_000)
        .map(|t| Trade {
            ts: opening + Duration::from_secs(t),
            symbol: symbols[t as usize % 4],
            price: 100.0 + ((t * 37) % 200) as f64 / 10.0,
            volume: 100 + ((t * 7_919) % 15_000) as i64,
        })
        .collect();
    trades.push_batch(&morning)?;

    let summary = "SELECT * FROM price_summary ORDER BY symbol";
    for Summary { symbol, trades, high, low, total_volume } in db.query_as_blocking(summary)? {
        writeln!(out, "{symbol}: {trades} trades of {total_volume}, {low} to {high}")?;
    }
    let (whales,) = db.query_one_blocking::<(u64,)>("SELECT count(*) FROM whale_trades")?;
    writeln!(out, "{whales} large trades")?;
    let closed = bars.drain()?;
    writeln!(out, "{} bars are final", closed.len())?;
    for bar in closed.iter().filter(|bar| bar.symbol == "AAPL").take(2) {
        let minute = bar.minute.duration_since(opening)?.as_secs() / 60;
        let Bar { open, high, low, close, .. } = bar;
        writeln!(out, "minute {minute}: open {open}, high {high}, low {low}, close {close}")?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(&mut io::stdout())
}
