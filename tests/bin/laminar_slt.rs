//! `laminar-slt PATH...`: runs sqllogictest scripts, each on a fresh database in memory.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use laminar_tests::slt;

const HELP: &str = "\
laminar-slt PATH...

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
  SUBSCRIBE name [WITH SNAPSHOT] TO stream | SELECT ...
  POLL name [ONCE]                   (query) the changes that wait, or the first batch of them
  UNSUBSCRIBE name
  RESTART                            closes and opens again: refused until databases are durable
  FLUSH                              nothing: what was pushed can be read at once

A SET that is not known is accepted. tests/sql/README.md says more.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() || arguments.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return ExitCode::from(u8::from(arguments.is_empty()) * 2);
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
