//! Rows per second of processor time, beside DataFusion's batch answer to the same query over the
//! same batches in the same run.
//!
//! ```text
//! throughput [--only NAME] [--batch ROWS] [--repeat TIMES] [--rows PERCENT] [--alone]
//! ```
//!
//! `--rows` scales the input, and `--alone` leaves DataFusion out, for a profiler. A line of JSON
//! per figure goes to stdout, a line for people to stderr. A run whose checksum over every output
//! column differs from DataFusion's ends the program.
//!
//! | module | what it holds |
//! |---|---|
//! | `workload` | the queries, each for Laminar and for DataFusion, and their inputs |
//! | `input` | the rows, made once into Arrow batches; their cost is left out |
//! | `streaming` | one run of Laminar |
//! | `reference` | one run of DataFusion |
//! | `workers` | Laminar with one worker and with two, on the wall |
//! | `report` | medians, and what is printed |

mod input;
mod reference;
mod report;
mod streaming;
mod workers;
mod workload;

use std::error::Error;

use report::Figure;
use workload::Workload;

/// Any failure ends the benchmark.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// What the command line asks for.
struct Options {
    only: Option<String>,
    batch: Option<usize>,
    repeat: usize,
    rows_percent: usize,
    alone: bool,
}

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    for workload in workload::all() {
        if options.only.as_ref().is_some_and(|only| *only != workload.name) {
            continue;
        }
        let sizes: Vec<_> = workload.sizes.to_vec();
        for size in sizes {
            if options.batch.is_none_or(|batch| batch == size.batch) {
                let rows = (size.rows * options.rows_percent / 100).max(size.batch);
                compare(&workload, size.batch, rows, &options)?;
            }
        }
    }
    for (workload, size) in workload::divided() {
        let is_wanted = options.only.as_ref().is_none_or(|only| *only == workload.name);
        if is_wanted && options.batch.is_none_or(|batch| batch == size.batch) {
            let rows = (size.rows * options.rows_percent / 100).max(size.batch);
            workers::compare(&workload, size.batch, rows, options.repeat)?;
        }
    }
    Ok(())
}

/// Runs both engines in turn over the same batches.
fn compare(workload: &Workload, batch_rows: usize, rows: usize, options: &Options) -> Result<()> {
    let batches = input::batches(&workload.input, rows, batch_rows)?;
    let mut streaming = Vec::new();
    let mut reference = Vec::new();
    for _ in 0..options.repeat {
        let ours = streaming::run(workload, &batches, 1)?;
        streaming.push(ours.cpu_seconds);
        if !options.alone {
            let theirs = reference::run(workload, &batches)?;
            reference.push(theirs.cpu_seconds);
            if ours.checksum != theirs.checksum {
                return Err(format!(
                    "{} at batch {batch_rows}: Laminar's output is {:?}, DataFusion's is {:?}",
                    workload.name, ours.checksum, theirs.checksum
                )
                .into());
            }
        }
    }
    Figure { name: &workload.name, batch_rows, rows, streaming, reference }.print();
    Ok(())
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options =
            Self { only: None, batch: None, repeat: 5, rows_percent: 100, alone: false };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--only" => options.only = Some(value()?),
                "--batch" => options.batch = Some(value()?.parse()?),
                "--repeat" => options.repeat = value()?.parse::<usize>()?.max(1),
                "--rows" => options.rows_percent = value()?.parse()?,
                "--alone" => options.alone = true,
                // Cargo's own.
                "--bench" => {}
                _ => return Err(format!("there is no argument {argument}").into()),
            }
        }
        Ok(options)
    }
}
