//! `laminar-slt PATH...`: runs sqllogictest scripts, each on a fresh database in memory.
//! `laminar-slt --random`: runs the random differential tester, whose failures are such scripts.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use laminar_tests::differential::coverage::Coverage;
use laminar_tests::differential::{Failure, run_seeds};
use laminar_tests::slt;

const HELP: &str = "\
laminar-slt PATH...
laminar-slt --random [--seed N] [--cases N] [--seconds N] [--failures N] [--write FILE]

Runs sqllogictest scripts, each on a fresh database in memory that has started. A PATH is a script
of any name, or a folder of which every .slt and .test file is run. Ends with 1 if one failed.

Beside the dialect of sqllogictest (statement, query, include, skipif, onlyif, halt,
hash-threshold, control, connection, subtest) these statements stand for calls of the API:

  OPEN UNSTARTED                     first in a script: the database waits for START
  START                              starts the streams
  PUSH INTO source [BY producer] [IN BATCHES OF n] VALUES ... | SELECT ...
                                     each batch is one epoch; all rows are one without n
  WATERMARK source [BY producer] TO milliseconds
  OPEN PRODUCER name OF source       a producer of its own, until CLOSE PRODUCER name
  END PRODUCER name                  it sends nothing any more
  ADVANCE CLOCK BY milliseconds      the clock stands otherwise
  SUBSCRIBE name [WITH SNAPSHOT] TO stream | SELECT ...
  POLL name [ONCE]                   (query) the changes that wait, or the first batch of them
  UNSUBSCRIBE name
  RESTART                            closes and opens again: refused until databases are durable
  FLUSH                              nothing: what was pushed can be read at once

A SET that is not known is accepted. tests/sql/README.md says more.

With --random, cases made from the seeds N, N + 1 and so on are compared with an independent oracle,
until one fails (or --failures of them) or as many as --cases (1000), or for as long as --seconds
says. A failure is shrunk to a script, written to FILE.SEED or to the output, and ends with 1. The
coverage is printed.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() || arguments.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return ExitCode::from(u8::from(arguments.is_empty()) * 2);
    }
    if arguments[0] == "--random" {
        return match Random::read(&arguments[1..]) {
            Ok(random) => random.run(),
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(2)
            }
        };
    }
    let (mut passed, mut failed) = (0, 0);
    for path in &arguments {
        let scripts = match slt::scripts(Path::new(path)) {
            Ok(scripts) => scripts,
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::from(2);
            }
        };
        for script in scripts {
            let begun = Instant::now();
            match slt::run_file(&script) {
                Ok(()) => {
                    passed += 1;
                    println!("ok      {} ({} ms)", script.display(), begun.elapsed().as_millis());
                }
                Err(error) => {
                    failed += 1;
                    println!("FAILED  {}\n{error}", script.display());
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

/// A run of the random differential tester.
struct Random {
    seed: u64,
    cases: u64,
    time: Option<Duration>,
    failures: u64,
    write: Option<String>,
}

impl Random {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut random = Self { seed: 0, cases: 1000, time: None, failures: 1, write: None };
        let mut has_cases = false;
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} takes a value"))?;
            let number = || value.parse().map_err(|_| format!("{word} takes a number: {value}"));
            match word.as_str() {
                "--seed" => random.seed = number()?,
                "--cases" => (random.cases, has_cases) = (number()?, true),
                "--seconds" => random.time = Some(Duration::from_secs(number()?)),
                "--failures" => random.failures = number()?.max(1),
                "--write" => random.write = Some(value.clone()),
                _ => return Err(format!("there is no option {word}: see --help")),
            }
        }
        if random.time.is_some() && !has_cases {
            random.cases = u64::MAX;
        }
        Ok(random)
    }

    fn run(self) -> ExitCode {
        /// Seeds between two looks at the clock.
        const AT_ONCE: u64 = 16;
        let begun = Instant::now();
        let mut coverage = Coverage::default();
        let (mut failed, mut next) = (0, 0);
        while next < self.cases
            && failed < self.failures
            && self.time.is_none_or(|time| begun.elapsed() < time)
        {
            let count = AT_ONCE.min(self.cases - next);
            let seeds: Vec<u64> =
                (next..next + count).map(|index| self.seed.wrapping_add(index)).collect();
            next += count;
            let (of_seeds, failures) = run_seeds(&seeds);
            coverage.merge(of_seeds);
            failed += failures.len() as u64;
            failures.iter().for_each(|failure| self.report(failure));
        }
        println!("{coverage}\nin {} s", begun.elapsed().as_secs());
        ExitCode::from(u8::from(failed > 0))
    }

    fn report(&self, failure: &Failure) {
        println!("seed {} failed: {}", failure.seed, failure.message);
        match &self.write {
            Some(file) => {
                let file = format!("{file}.{}", failure.seed);
                match std::fs::write(&file, &failure.script) {
                    Ok(()) => println!("its script is {file}"),
                    Err(error) => eprintln!("{file}: {error}"),
                }
            }
            None => println!("\n{}", failure.script),
        }
    }
}
