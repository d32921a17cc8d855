//! The random differential tester: makes a [`Case`], runs it on the engine and through an
//! independent oracle, and compares every stream's content, changelog and ad-hoc answer.
//!
//! | module | what it holds |
//! |---|---|
//! | `schema` | the types of columns and the relations that rows enter by |
//! | `data` | values and rows, made at random with ties, NULLs and disorder |
//! | `expression` | scalar expressions, written for the engine and for the oracle |
//! | `query` | the queries of streams, one shape for each construct |
//! | `case` | a whole test as data: definitions, pushes, checks |
//! | `driver` | runs a case on the engine and notes what it answered |
//! | `oracle` | answers the same from the definitions alone, by DataFusion's batch engine |
//! | `compare` | when two contents are the same |
//! | `shrink` | makes a failing case small |
//! | `script` | writes a case as a script for `laminar-slt` |
//! | `coverage` | counts what was tested, by construct |
//!
//! The oracle shares nothing with the engine but DataFusion's parser and batch operators.

pub mod case;
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
            let script = script::write(&case, &message);
            Err(Box::new(Failure { seed, message, script }))
        }
    }
}

/// Runs a case on both sides and compares.
pub fn judge(case: &Case) -> Result<(Observed, Vec<Expected>), String> {
    let observed = driver::run(case)?;
    let expected = oracle::answer(case, &observed.unsupported)?;
    compare::compare(case, &observed, &expected)?;
    Ok((observed, expected))
}
