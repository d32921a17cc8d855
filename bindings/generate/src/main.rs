//! Renews the generated files of the bindings from `include/laminar.h`, or from the header named.

use std::path::PathBuf;
use std::process::ExitCode;

use laminar_bindings_generate::{header_path, outputs};

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), String> {
    let header = std::env::args_os().nth(1).map_or_else(header_path, PathBuf::from);
    for output in outputs(&header)? {
        std::fs::write(&output.path, &output.text)
            .map_err(|error| format!("{}: {error}", output.path.display()))?;
        println!("{}", output.path.display());
    }
    Ok(())
}
