//! Runs sqllogictest scripts against a database in memory.
//!
//! | module | what it holds |
//! |---|---|
//! | `session` | [`Session`], the database of one script and what it has open |
//! | `command` | the statements that only scripts have: pushes, watermarks, polls |
//! | `format` | how values are printed |
//! | `compare` | when a printed row is the expected one |
//!
//! `tests/sql/README.md` describes the dialect.

mod command;
mod compare;
mod format;
mod session;

use std::path::{Path, PathBuf};

use futures::future::ready;
use sqllogictest::Runner;

pub use session::{Failure, Session};

/// The label that `skipif` and `onlyif` know this database by.
pub const ENGINE_NAME: &str = "laminar";

/// Runs the script of a file on a fresh database.
pub fn run_file(path: &Path) -> Result<(), String> {
    let session = Session::new();
    let mut runner = Runner::new(move || ready(Ok(session.clone())));
    runner.with_validator(compare::is_same);
    runner.run_file(path).map_err(|error| error.to_string())
}

/// Runs a script that has no file.
pub fn run_script(script: &str) -> Result<(), String> {
    let session = Session::new();
    let mut runner = Runner::new(move || ready(Ok(session.clone())));
    runner.with_validator(compare::is_same);
    runner.run_script(script).map_err(|error| error.to_string())
}

/// The scripts that a path stands for, in order: a file of any name, or every `.slt` and `.test`
/// file in a folder and its folders.
pub fn scripts(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut entries = std::fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        let is_script = entry.extension().is_some_and(|name| name == "slt" || name == "test");
        if entry.is_dir() || is_script {
            found.extend(scripts(&entry)?);
        }
    }
    Ok(found)
}
