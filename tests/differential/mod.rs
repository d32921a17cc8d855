//! The random differential tester: makes a [`Case`], runs it on the engine and through an
//! independent oracle, and compares every stream's content, changelog and ad-hoc answer.
//!
//! | module | what it holds |
//! |---|---|
//! | `schema` | the types of columns and the relations that rows enter by |
//! | `data` | values and rows, made at random with ties, NULLs and disorder |
//! | `expression` | scalar expressions, written for the engine and for the oracle |
//! | `query` | the queries of streams, one file for each construct |
//! | `case` | a whole test as data: definitions, pushes, checks |
//! | `twins` | streams that have a query in common, and drops |
//! | `shrinking` | sessions that a deletion ends |
//! | `driver` | runs a case on the engine and notes what it answered |
//! | `clock` | how far event times have come, by the definition |
//! | `oracle` | answers the same from the definitions alone, by DataFusion's batch engine |
//! | `compare` | when two contents are the same |
//! | `shrink` | makes a failing case small |
//! | `script` | writes a case as a script for `laminar-slt` |
//! | `coverage` | counts what was tested, by construct |
//!
//! The oracle shares nothing with the engine but DataFusion's parser and batch operators.

pub mod case;
mod clock;
pub mod compare;
pub mod coverage;
pub mod data;
pub mod driver;
pub mod expression;
pub mod oracle;
pub mod query;
pub mod schema;
pub mod script;
pub mod shrink;
mod shrinking;
mod twins;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use case::Case;
use coverage::Coverage;
use driver::Observed;
use oracle::Expected;

/// Why a case failed: a sentence, and the case that shows it.
#[derive(Debug)]
pub struct Failure {
    pub seed: u64,
    pub message: String,
    /// The shrunk case as a script that `laminar-slt` runs.
    pub script: String,
}

/// Runs the case of a seed; a failure is shrunk.
pub fn run_seed(seed: u64, coverage: &mut Coverage) -> Result<(), Box<Failure>> {
    let case = Case::random(seed);
    match judge(&case) {
        Ok((observed, expected)) => {
            coverage.add(&case, &observed, &expected);
            Ok(())
        }
        Err(_) => {
            let (case, message) = shrink::shrink(case);
            let script = catch_unwind(AssertUnwindSafe(|| script::write(&case, &message)));
            let script = script.unwrap_or_else(|_| format!("# {message}\n# no script: a panic\n"));
            Err(Box::new(Failure { seed, message, script }))
        }
    }
}

/// Runs the cases of many seeds, on all processors.
pub fn run_seeds(seeds: &[u64]) -> (Coverage, Vec<Failure>) {
    let mut coverage = Coverage::default();
    let mut failures = Vec::new();
    let results = in_parallel(seeds, |seed| {
        let mut coverage = Coverage::default();
        run_seed(*seed, &mut coverage).map(|()| coverage)
    });
    for result in results {
        match result {
            Ok(of_case) => coverage.merge(of_case),
            Err(failure) => failures.push(*failure),
        }
    }
    (coverage, failures)
}

/// Does something with each item, one item a thread at a time; the results stand as the items do.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Whether one worker tells what several told, in the same order.
pub fn alike_alone(case: &Case, observed: &Observed) -> Result<(), String> {
    match case.workers {
        1 => Ok(()),
        _ => compare::same_told(case, observed, &driver::run_with(case, 1)?),
    }
}

/// Runs a case on both sides and compares. A panic is a failure like any other.
pub fn judge(case: &Case) -> Result<(Observed, Vec<Expected>), String> {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let observed = driver::run(case)?;
        let expected = oracle::answer(case, &observed.unsupported)?;
        compare::compare(case, &observed, &expected)?;
        alike_alone(case, &observed)?;
        Ok((observed, expected))
    }));
    judged.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("a panic: {}", text.or(panic.downcast_ref().copied()).unwrap_or_default()))
    })
}
