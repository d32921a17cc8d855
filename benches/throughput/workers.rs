//! What a second worker brings: rows per second on the wall, with one and with two, in turn over the
//! same batches. Processor seconds would not show it.

use crate::report::median;
use crate::workload::Workload;
use crate::{Result, input, streaming};

/// Runs both in turn; their outputs must be the same.
pub(crate) fn compare(
    workload: &Workload,
    batch_rows: usize,
    rows: usize,
    repeat: usize,
) -> Result<()> {
    let batches = input::batches(&workload.input, rows, batch_rows)?;
    let (mut wall, mut cpu) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..repeat {
        let mut checksums = Vec::new();
        for (index, workers) in [1, 2].into_iter().enumerate() {
            let outcome = streaming::run(workload, &batches, workers)?;
            wall[index].push(outcome.wall_seconds);
            cpu[index].push(outcome.cpu_seconds);
            checksums.push(outcome.checksum);
        }
        if checksums[0] != checksums[1] {
            let name = &workload.name;
            return Err(
                format!("{name} at batch {batch_rows}: two workers give {checksums:?}").into()
            );
        }
    }
    let rate = |seconds: &[f64]| rows as f64 / median(seconds);
    let [one, two] = [rate(&wall[0]), rate(&wall[1])];
    let line = serde_json::json!({
        "bench": "throughput",
        "name": workload.name,
        "batch": batch_rows,
        "rows": rows,
        "runs": repeat,
        "rows_per_second_1_worker": one.round(),
        "rows_per_second_2_workers": two.round(),
        "rows_per_cpu_second_1_worker": rate(&cpu[0]).round(),
        "rows_per_cpu_second_2_workers": rate(&cpu[1]).round(),
        "ratio": (two / one * 1e3).round() / 1e3,
    });
    println!("{line}");
    eprintln!(
        "{:<28} batch {batch_rows:>6}: {:8.2} million rows per second with 1 worker, {:8.2} with 2, \
         ratio {:5.2}",
        workload.name,
        one / 1e6,
        two / 1e6,
        two / one
    );
    Ok(())
}
