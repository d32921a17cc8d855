//! What the bindings take from `include/laminar.h`, written down in each language.
//!
//! The header is the contract, so it is the one source: [`header`] reads it, [`rust`] writes the
//! raw declarations of `laminar-sys`, [`python`] the constants of `laminardb.codes`, [`java`] the
//! enumeration `io.laminardb.ErrorCode`, [`node`] the constants of `@laminardb/node`. The results
//! are committed; `cargo run -p laminar-bindings-generate` renews them and the test of this crate
//! fails while they differ from the header. This crate must not know anything of the engine.

#![forbid(unsafe_code)]

pub mod header;
pub mod java;
pub mod node;
pub mod python;
pub mod rust;

use std::path::{Path, PathBuf};

/// A file that is generated, and what it has to hold.
#[derive(Debug)]
pub struct Output {
    /// Where it lies.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

/// The folder of all bindings.
pub fn bindings_dir() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| manifest.to_path_buf(), Path::to_path_buf)
}

/// The header that all is written from.
pub fn header_path() -> PathBuf {
    bindings_dir().join("../include/laminar.h")
}

/// Reads a header and gives every generated file. The error is a sentence.
pub fn outputs(path: &Path) -> Result<Vec<Output>, String> {
    let bindings = bindings_dir();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let header = header::parse(&text)?;
    Ok(vec![
        Output { path: bindings.join("sys/src/declarations.rs"), text: rust::write(&header)? },
        Output {
            path: bindings.join("python/python/laminardb/codes.py"),
            text: python::write(&header)?,
        },
        Output {
            path: bindings.join("java/src/main/java/io/laminardb/ErrorCode.java"),
            text: java::write(&header)?,
        },
        Output { path: bindings.join("node/ts/codes.ts"), text: node::write(&header)? },
    ])
}
