//! The same as `languages.c` in Rust, which stands beside the C ABI and not on it: structs as rows,
//! batches of the arrow crate. `languages SECONDS`

use std::error::Error;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use laminar_benches::clock::Clock;
use laminar_db::{FromRow, LaminarDB, Record};

#[derive(Clone, Record, FromRow)]
struct Trade {
    symbol: String,
    price: f64,
    ts: i64,
}

/// Every other row passes the filter; a row on its own does.
fn trades_of(rows: i64) -> Vec<Trade> {
    let price = |row: i64| if rows == 1 || row % 2 == 1 { 100.0 } else { 0.0 };
    let trade = |row| Trade { symbol: format!("S{}", row % 100), price: price(row), ts: row };
    (0..rows).map(trade).collect()
}

fn batch_of(rows: i64) -> Result<RecordBatch, Box<dyn Error>> {
    let trades = trades_of(rows);
    let symbols = trades.iter().map(|trade| trade.symbol.as_str());
    let columns: [(&str, ArrayRef); 3] = [
        ("symbol", Arc::new(StringArray::from_iter_values(symbols))),
        ("price", Arc::new(Float64Array::from_iter_values(trades.iter().map(|t| t.price)))),
        ("ts", Arc::new(Int64Array::from_iter_values(trades.iter().map(|t| t.ts)))),
    ];
    let columns = columns.map(|(name, array)| (name, array, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// Two rounds, of which the first warms up.
fn measure(
    name: &str,
    rows: i64,
    seconds: f64,
    mut push: impl FnMut() -> laminar_db::Result<i64>,
) -> laminar_db::Result<()> {
    let (mut pushes, mut used) = (0, 0.0);
    for _ in 0..2 {
        let clock = Clock::start();
        pushes = 0;
        loop {
            for _ in 0..16 {
                assert_eq!(push()?, (rows + 1) / 2, "half of the rows pass");
                pushes += 1;
            }
            used = clock.seconds();
            if used >= seconds {
                break;
            }
        }
    }
    let per_row = used * 1e9 / (pushes * rows) as f64;
    println!(
        r#"{{"bench":"languages","language":"Rust","name":"{name}","cpu_ns_per_row":{per_row:.1}}}"#
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench`.
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1.0);
    let db = LaminarDB::open()?;
    let source = db.create_source_blocking::<Trade>("trades")?;
    db.execute_blocking("CREATE STREAM dear AS SELECT * FROM trades WHERE price >= 50")?;
    db.start_blocking()?;
    let mut changes = db.subscribe::<Trade>("dear")?;
    let one = trades_of(1).remove(0);
    measure("1 row", 1, seconds, || {
        source.push(one.clone())?;
        Ok(changes.drain()?.len() as i64)
    })?;
    let thousand = trades_of(1_000);
    measure("1,000 rows", 1_000, seconds, || {
        source.push_batch(&thousand)?;
        Ok(changes.drain()?.len() as i64)
    })?;
    drop(changes);
    let mut batches = db.subscribe::<RecordBatch>("dear")?;
    for (name, rows) in [("Arrow, 1,000", 1_000), ("Arrow, 8,192", 8_192)] {
        let batch = batch_of(rows)?;
        measure(name, rows, seconds, || {
            source.push_arrow(batch.clone())?;
            let mut passed = 0;
            while let Some(found) = batches.poll()? {
                passed += found.num_rows() as i64;
            }
            Ok(passed)
        })?;
    }
    Ok(())
}
