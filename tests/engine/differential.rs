//! The random differential tester, bounded. Long runs: `laminar-slt --random`.

use laminar_tests::differential::{case::Case, run_seeds, script};
use laminar_tests::slt;

/// Cases of the run that `make test` makes; `LAMINAR_SEEDS` is another number of them.
const CASES: u64 = 200;

#[test]
fn random_cases_agree_with_the_oracle() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = setting("LAMINAR_SEED").unwrap_or(0);
    let count = setting("LAMINAR_SEEDS").unwrap_or(CASES);
    let (coverage, failures) = run_seeds(&(first..first + count).collect::<Vec<u64>>());
    println!("{coverage}");
    for failure in &failures {
        println!("seed {}: {}\n\n{}", failure.seed, failure.message, failure.script);
    }
    let seeds: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
    assert!(seeds.is_empty(), "the seeds {seeds:?} failed");
    if first == 0 && count >= CASES {
        assert_eq!(coverage.missing(), Vec::<&str>::new(), "never tested");
    }
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
