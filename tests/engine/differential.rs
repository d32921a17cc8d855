//! The random differential tester, bounded. Long runs: `laminar-slt --random`.

use laminar_tests::differential::coverage::Coverage;
use laminar_tests::differential::{case::Case, run_seed, script};
use laminar_tests::slt;

/// Cases of the run that `make test` makes; `LAMINAR_SEEDS` is another number of them.
const CASES: u64 = 60;

#[test]
fn random_cases_agree_with_the_oracle() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = setting("LAMINAR_SEED").unwrap_or(0);
    let mut coverage = Coverage::default();
    let mut failures = Vec::new();
    for seed in first..first + setting("LAMINAR_SEEDS").unwrap_or(CASES) {
        if let Err(failure) = run_seed(seed, &mut coverage) {
            failures.push(format!("seed {seed}: {}\n\n{}", failure.message, failure.script));
        }
    }
    println!("{coverage}");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(coverage.contents_with_rows * 3 > coverage.contents, "too little happens: {coverage}");
}

#[test]
fn a_case_is_a_script_that_passes() {
    for seed in [3, 14, 15] {
        let script = script::write(&Case::random(seed), "nothing failed");
        if let Err(error) = slt::run_script(&script) {
            panic!("{error}\n{script}");
        }
    }
}
