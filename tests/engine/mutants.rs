//! Every deliberate bug is noticed by the random tester.
//!
//! The bugs are in the engine's own code (`core/types/src/mutants.rs` lists them) and exist only
//! with the feature `mutants`. One is selected for a thread, so bugs are tried side by side:
//! `cargo test -p laminar-tests --features mutants --test engine -- mutants::`. `LAMINAR_MUTANTS` are
//! those to try alone (`A,B`), `LAMINAR_SEEDS` another number of cases.

use std::panic::{AssertUnwindSafe, catch_unwind};

use laminar_tests::differential::case::{Case, Step};
use laminar_tests::differential::oracle::Expected;
use laminar_tests::differential::{compare, driver, in_parallel, judge};
use laminar_types::mutants::{Mutant, select};

/// Cases tried for each bug; the bounded tester takes the first ones.
const CASES: u64 = 300;

#[test]
fn every_mutant_is_noticed() {
    let count = std::env::var("LAMINAR_SEEDS").ok().and_then(|text| text.parse().ok());
    let seeds: Vec<u64> = (0..count.unwrap_or(CASES)).collect();
    let cases = in_parallel(&seeds, |seed| {
        let case = Case::random(*seed);
        match judge(&case) {
            Ok((_, expected)) => (case, expected),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    });
    // Panics are one of the ways in which bugs are noticed.
    std::panic::set_hook(Box::new(|_| {}));
    let only = std::env::var("LAMINAR_MUTANTS").unwrap_or_default();
    let mutants: Vec<_> = Mutant::ALL
        .iter()
        .filter(|(mutant, ..)| {
            only.is_empty() || only.split(',').any(|name| name == format!("{mutant:?}"))
        })
        .collect();
    let unnoticed = in_parallel(&mutants, |(mutant, breaks, place, concerns)| {
        let about = format!("{mutant:?}: {breaks}; {place}");
        match first_noticed(*mutant, &cases, concerns) {
            Some((seed, tried)) => {
                println!("{about}: seed {seed}, case {tried} that was tried");
                None
            }
            None => {
                println!("{about}: not noticed");
                Some(about)
            }
        }
    });
    let _ = std::panic::take_hook();
    let unnoticed: Vec<String> = unnoticed.into_iter().flatten().collect();
    assert!(
        unnoticed.is_empty(),
        "not noticed in {} cases:\n{}",
        cases.len(),
        unnoticed.join("\n")
    );
}

/// The seed of the first case that notices a bug, and how many were tried. Those that are about the
/// constructs that it concerns come first.
fn first_noticed(
    mutant: Mutant,
    cases: &[(Case, Vec<Expected>)],
    concerns: &[&str],
) -> Option<(usize, usize)> {
    let is_concerned = |index: &usize| constructs(&cases[*index].0).any(|c| concerns.contains(&c));
    let (first, then): (Vec<usize>, Vec<usize>) = (0..cases.len()).partition(is_concerned);
    let order: Vec<usize> = first.into_iter().chain(then).collect();
    let tried = order.iter().position(|index| {
        let (case, expected) = &cases[*index];
        select(Some(mutant));
        let result = catch_unwind(AssertUnwindSafe(|| {
            driver::run(case).and_then(|observed| compare::compare(case, &observed, expected))
        }));
        select(None);
        !matches!(result, Ok(Ok(())))
    })?;
    Some((order[tried], tried + 1))
}

fn constructs(case: &Case) -> impl Iterator<Item = &'static str> {
    let created = case.steps.iter().filter_map(|step| match step {
        Step::Create(stream) => Some(case.streams[*stream].query.constructs()),
        _ => None,
    });
    created.flatten()
}
