//! Shows slow requests as they happen, while others are measured: asynchronous throughout.
//!
//! `cargo run -p laminar-db --example dashboard`

use std::io::{self, Write};
use std::time::Duration;

use futures::StreamExt;
use laminar_db::{FromRow, LaminarDB, Record};

#[derive(Record)]
struct Request {
    ts: i64,
    service: &'static str,
    latency_ms: f64,
}

#[derive(FromRow)]
struct Slow {
    service: String,
    latency_ms: f64,
}

pub async fn run(out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let db = LaminarDB::open()?;
    let metrics = db.create_source::<Request>("metrics").await?;
    db.execute("CREATE STREAM slow_requests AS SELECT * FROM metrics WHERE latency_ms > 500.0")
        .await?;
    db.start().await?;

    let mut slow = db.subscribe::<Slow>("slow_requests")?;
    let measuring = tokio::spawn(async move {
        let services = ["api", "web", "worker"];
        for ts in 0_i64.. {
            let service = services[ts as usize % 3];
            let request = Request { ts, service, latency_ms: ((ts * 173) % 700) as f64 };
            if metrics.push_async(request).await.is_err() {
                return; // the database was shut down
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });

    let mut seen = 0;
    while let Some(request) = slow.next().await {
        let Slow { service, latency_ms } = request?;
        seen += 1;
        writeln!(out, "Slow request: {service} took {latency_ms} ms")?;
        if seen == 5 {
            break;
        }
    }
    db.shutdown().await?;
    measuring.await?;
    writeln!(out, "Detected {seen} slow requests")?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(&mut io::stdout()).await
}
