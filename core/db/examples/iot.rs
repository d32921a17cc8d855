//! Watches sensors: alerts as they come, statistics for each device.
//!
//! `cargo run -p laminar-db --example iot`

use std::io::{self, Write};

use laminar_db::{FromRow, LaminarDB, Record};

#[derive(Record)]
struct Reading {
    #[event_time]
    ts: i64,
    device: String,
    temp: f64,
    humidity: f64,
}

#[derive(FromRow)]
struct Alert {
    device: String,
    temp: f64,
}

#[derive(FromRow)]
struct DeviceStats {
    device: String,
    readings: u64,
    avg_temp: f64,
    max_temp: f64,
    min_temp: f64,
}

pub fn run(out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let db = LaminarDB::open()?;
    let sensors = db.create_source_blocking::<Reading>("sensors")?;
    db.execute_blocking(
        "CREATE STREAM temp_alerts AS
         SELECT device, temp FROM sensors WHERE temp > 80.0 OR temp < -20.0",
    )?;
    db.execute_blocking(
        "CREATE STREAM device_stats AS
         SELECT device, count(*) AS readings, avg(temp) AS avg_temp, max(temp) AS max_temp,
                min(temp) AS min_temp
         FROM sensors GROUP BY device",
    )?;
    let mut alerts = db.subscribe::<Alert>("temp_alerts")?;
    db.start_blocking()?;

    for t in 0..200 {
        sensors.push(Reading {
            ts: t * 1_000,
            device: format!("device_{}", t % 5),
            temp: 20.0 + (t % 50) as f64 * 1.5, // some exceed 80
            humidity: 40.0 + (t % 20) as f64,
        })?;
        // A push returns when every stream has its result: alerts can be read at once.
        while let Some(Alert { device, temp }) = alerts.poll()? {
            writeln!(out, "ALERT {device}: {temp}")?;
        }
    }

    let stats = "SELECT * FROM device_stats ORDER BY device";
    for of in db.query_as_blocking::<DeviceStats>(stats)? {
        let DeviceStats { device, readings, avg_temp, max_temp, min_temp } = of;
        writeln!(
            out,
            "{device}: {readings} readings, {min_temp} to {max_temp}, {avg_temp} on average"
        )?;
    }
    db.shutdown_blocking()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run(&mut io::stdout())
}
