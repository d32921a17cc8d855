//! Every deliberate bug is noticed by the random tester.
//!
//! The bugs are in the engine's own code (`core/types/src/mutants.rs` lists them) and exist only
//! with the feature `mutants`. One is selected for a thread, so bugs are tried side by side:
//! `cargo test -p laminar-tests --features mutants --test engine -- mutants::`. `LAMINAR_MUTANTS` are
//! those to try alone (`A,B`), `LAMINAR_SEEDS` another number of cases.

use std::panic::{AssertUnwindSafe, catch_unwind};

use laminar_tests::differential::case::{Case, Step};
use laminar_tests::differential::coverage::constructs_of;
use laminar_tests::differential::oracle::Expected;
use laminar_tests::differential::{alike_alone, compare, driver, in_parallel, judge};
use laminar_types::mutants::{Mutant, select};

/// Cases whose answers are known before any bug is tried.
const CASES: u64 = 150;

/// Cases looked at for each bug at most. Of those that come after the known ones only what is about the
/// constructs that a bug concerns is tried: they are answered as they come, which takes its time.
const MOST_CASES: u64 = 2_000;

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
    assert!(unnoticed.is_empty(), "not noticed in {MOST_CASES} cases:\n{}", unnoticed.join("\n"));
}

/// The seed of the first case that notices a bug, and how many were tried. Those that are about the
/// constructs that it concerns come first.
fn first_noticed(
    mutant: Mutant,
    cases: &[(Case, Vec<Expected>)],
    concerns: &[&str],
) -> Option<(usize, usize)> {
    let is_concerned = |case: &Case| constructs(case).any(|c| concerns.contains(&c));
    let (first, then): (Vec<usize>, Vec<usize>) =
        (0..cases.len()).partition(|index| is_concerned(&cases[*index].0));
    let order: Vec<usize> = first.into_iter().chain(then).collect();
    let known = order.iter().position(|index| notices(mutant, &cases[*index].0, &cases[*index].1));
    if let Some(tried) = known {
        return Some((order[tried], tried + 1));
    }
    let seed = (cases.len() as u64..MOST_CASES).find(|seed| {
        let case = Case::random(*seed);
        (concerns.is_empty() || is_concerned(&case))
            && judge(&case).is_ok_and(|(_, expected)| notices(mutant, &case, &expected))
    })?;
    Some((seed as usize, seed as usize + 1))
}

/// Whether a case fails with a bug.
fn notices(mutant: Mutant, case: &Case, expected: &[Expected]) -> bool {
    select(Some(mutant));
    let result = catch_unwind(AssertUnwindSafe(|| {
        let observed = driver::run(case)?;
        compare::compare(case, &observed, expected)?;
        alike_alone(case, &observed)
    }));
    select(None);
    !matches!(result, Ok(Ok(())))
}

fn constructs(case: &Case) -> impl Iterator<Item = &'static str> {
    let created = case.steps.iter().filter_map(|step| match step {
        Step::Create(stream) => Some(constructs_of(case, *stream)),
        _ => None,
    });
    created.flatten()
}
