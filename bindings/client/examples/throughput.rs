//! What the bindings' share costs without a language on top: rows pushed through a filter that every
//! other row passes, and polled, per second of one thread's processor time. Compare with the bindings'
//! own.

use std::time::Duration;

use laminar_client::{Database, Polled, Result, RowBuffer, Subscription, Value};

const TIME: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let db = Database::open(None)?;
    db.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)")?;
    db.execute("CREATE STREAM dear AS SELECT * FROM trades WHERE price >= 50")?;
    db.start()?;
    let mut source = db.source("trades")?;
    let mut changes = db.subscribe("dear", None)?;
    let schema = std::sync::Arc::clone(source.schema());
    let rows = |count: i64| -> Result<RowBuffer> {
        let mut rows = RowBuffer::new(&schema);
        for row in 0..count {
            let passes = count == 1 || row % 2 == 1;
            rows.set(0, &Value::Str(format!("S{}", row % 100).into()))?;
            rows.set(1, &Value::Float(if passes { 100.0 } else { 0.0 }))?;
            rows.set(2, &Value::Int(row))?;
            rows.end_row()?;
        }
        Ok(rows)
    };
    for count in [1, 1000] {
        measure(&format!("{count} rows of values"), count, || {
            source.push(rows(count)?.batch()?, None)?;
            drain(&mut changes)
        })?;
    }
    for count in [1000, 8192] {
        // One batch, whose buffers are shared again and again.
        db.execute(&format!(
            "CREATE SOURCE kept{count} (symbol VARCHAR, price DOUBLE, ts BIGINT)"
        ))?;
        db.insert(&format!("kept{count}"), rows(count)?.batch()?, None)?;
        let kept = db.query(&format!("SELECT * FROM kept{count}"))?.collect()?;
        let batch = kept.batches()[0].clone();
        assert_eq!(batch.num_rows() as i64, count);
        measure(&format!("{count} rows of Arrow"), count, || {
            source.push(batch.export(), None)?;
            drain(&mut changes)
        })?;
    }
    Ok(())
}

fn drain(changes: &mut Subscription) -> Result<i64> {
    let mut passed = 0;
    while let Polled::Batch { rows, .. } = changes.poll(0)? {
        passed += rows.num_rows() as i64;
    }
    Ok(passed)
}

fn measure(what: &str, rows: i64, mut push: impl FnMut() -> Result<i64>) -> Result<()> {
    let begun = processor_time();
    let mut pushes = 0;
    while processor_time() - begun < TIME {
        for _ in 0..16 {
            assert_eq!(push()?, if rows == 1 { 1 } else { rows / 2 });
            pushes += 1;
        }
    }
    let seconds = (processor_time() - begun).as_secs_f64();
    println!(
        "{what:<46} {:>8.3} M rows/s {:>9.2} us/push",
        (pushes * rows) as f64 / seconds / 1e6,
        seconds * 1e6 / pushes as f64
    );
    Ok(())
}

/// How long this thread has had a processor.
fn processor_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("/proc/thread-self/schedstat tells nanoseconds first"))
}
