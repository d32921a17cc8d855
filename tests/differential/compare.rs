//! When two contents are the same: as multisets, floats to 1e-9 of their magnitude, every NaN equal
//! to every other.

use arrow::array::RecordBatch;
use laminar_db::Epoch;

use super::case::Case;
use super::driver::{self, Observed, ToldBatch};
use super::oracle::Expected;
use super::query::Nature;
use crate::support::value::{Row, Value, rows};

/// How far floats may be apart, of their magnitude.
const TOLERANCE: f64 = 1e-9;

/// Compares everything that was observed with what was expected.
pub fn compare(case: &Case, observed: &Observed, expected: &[Expected]) -> Result<(), String> {
    if observed.contents.len() != expected.len() {
        let (got, wanted) = (observed.contents.len(), expected.len());
        return Err(format!("{got} contents were observed, expected {wanted}"));
    }
    for (got, wanted) in observed.contents.iter().zip(expected) {
        let name = &case.streams[wanted.stream].name;
        if (got.step, got.stream) != (wanted.step, wanted.stream) {
            return Err(format!("the content of {name} was not observed at step {}", wanted.step));
        }
        let at = |what: &str| format!("step {}: {what} of {name}", wanted.step);
        differ(&at("the content"), &got.rows, &wanted.rows)?;
        if let (Some(got), Some(wanted)) = (&got.late, &wanted.late) {
            differ(&at("the late rows"), got, wanted)?;
        }
        if let Some(counts) = &got.counts {
            differ(&at("the ad-hoc count"), counts, &driver::counts(&wanted.rows))?;
        }
    }
    Ok(())
}

/// Whether two runs of a case told the same, batch for batch and row for row. What stands in no order
/// is the first epoch of a subscription, a snapshot, and what is over a stream that may have had
/// content when it was created.
pub fn same_told(case: &Case, some: &Observed, one: &Observed) -> Result<(), String> {
    if some.told.len() != one.told.len() {
        return Err("another number of workers has other subscriptions".to_string());
    }
    let updating = |name: &String| {
        let stream = case.streams.iter().find(|stream| stream.name == *name);
        stream.is_some_and(|stream| stream.query.gives().nature != Some(Nature::AppendOnly))
    };
    for (some, one) in some.told.iter().zip(&one.told) {
        let stream = &case.streams[some.stream];
        let is_ordered = !stream.query.inputs().iter().any(|input| updating(&input.name));
        let (first, rest) = first_epoch(&some.batches);
        let (first_alone, rest_alone) = first_epoch(&one.batches);
        let same_rest = match is_ordered {
            true => rest == rest_alone,
            false => {
                rest.len() == rest_alone.len()
                    && rest
                        .iter()
                        .zip(rest_alone)
                        .all(|(some, one)| (some.0, sorted(&some.1)) == (one.0, sorted(&one.1)))
            }
        };
        if first != first_alone || !same_rest {
            let (name, workers) = (&stream.name, case.workers);
            return Err(format!(
                "{name} tells with {workers} workers\n{first:?}\n{rest:?}\nand with one\n\
                 {first_alone:?}\n{rest_alone:?}"
            ));
        }
    }
    Ok(())
}

/// The rows of a subscription's first epoch, in order, and what it told after it.
fn first_epoch(batches: &[ToldBatch]) -> ((Option<Epoch>, Vec<Row>), &[ToldBatch]) {
    let epoch = batches.first().map(|first| first.0);
    let count = batches.iter().take_while(|batch| Some(batch.0) == epoch).count();
    let (first, rest) = batches.split_at(count);
    let mut all: Vec<Row> = first.iter().flat_map(|batch| sorted(&batch.1)).collect();
    all.sort();
    ((epoch, all), rest)
}

fn sorted(batch: &RecordBatch) -> Vec<Row> {
    let mut rows = rows(std::slice::from_ref(batch));
    rows.sort();
    rows
}

fn differ(what: &str, got: &[Row], wanted: &[Row]) -> Result<(), String> {
    let order = |rows: &[Row]| {
        let mut rows: Vec<Row> = rows.iter().map(|row| row.iter().map(plain).collect()).collect();
        // What is exact decides the order first, since floats may differ a little.
        rows.sort_by_key(|row: &Row| {
            let exact = row.iter().filter(|value| !matches!(value, Value::Float(_))).cloned();
            (exact.collect::<Row>(), row.clone())
        });
        rows
    };
    let (got, wanted) = (order(got), order(wanted));
    let same = got.len() == wanted.len()
        && got.iter().zip(&wanted).all(|(got, wanted)| {
            got.len() == wanted.len() && got.iter().zip(wanted).all(|(a, b)| is_close(a, b))
        });
    match same {
        true => Ok(()),
        false => Err(format!("{what} is\n  {got:?}\nand should be\n  {wanted:?}")),
    }
}

/// Decimals as numbers: how many digits a mean has is not compared.
fn plain(value: &Value) -> Value {
    match value {
        Value::Text(text) if text.contains('.') => match text.parse() {
            Ok(number) => Value::Float(number),
            Err(_) => value.clone(),
        },
        other => other.clone(),
    }
}

fn is_close(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) if a.is_finite() && b.is_finite() => {
            (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0)
        }
        (a, b) => a == b,
    }
}
