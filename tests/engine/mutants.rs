//! Every deliberate bug is noticed by the random tester.
//!
//! The bugs are in the engine's own code (`core/types/src/mutants.rs` lists them) and exist only
//! with the feature `mutants`. One is selected for the whole process, so this test runs alone:
//! `cargo test -p laminar-tests --features mutants --test engine -- mutants::`. `LAMINAR_MUTANT` is
//! the one to begin with.

use laminar_tests::differential::{case::Case, compare, driver, judge};
use laminar_types::mutants::{Mutant, select};

/// Cases tried for each bug; the bounded tester takes the first ones.
const CASES: u64 = 400;

#[test]
fn every_mutant_is_noticed() {
    let cases: Vec<_> = (0..CASES)
        .map(|seed| {
            let case = Case::random(seed);
            let (_, expected) = judge(&case).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            (case, expected)
        })
        .collect();
    // Panics are one of the ways in which bugs are noticed.
    std::panic::set_hook(Box::new(|_| {}));
    let first = std::env::var("LAMINAR_MUTANT").unwrap_or_default();
    let is_before = |mutant: &Mutant| !first.is_empty() && format!("{mutant:?}") != first;
    let mut unnoticed = Vec::new();
    for (mutant, breaks, place) in Mutant::ALL.iter().skip_while(|(mutant, ..)| is_before(mutant)) {
        let noticed = cases.iter().position(|(case, expected)| {
            select(Some(*mutant));
            let result = std::panic::catch_unwind(|| {
                driver::run(case).and_then(|observed| compare::compare(case, &observed, expected))
            });
            select(None);
            !matches!(result, Ok(Ok(())))
        });
        match noticed {
            Some(seed) => println!("{mutant:?}: seed {seed} ({breaks}; {place})"),
            None => unnoticed.push(format!("{mutant:?}: {breaks}; {place}")),
        }
    }
    let _ = std::panic::take_hook();
    assert!(unnoticed.is_empty(), "not noticed in {CASES} cases:\n{}", unnoticed.join("\n"));
}
