//! The C ABI of Laminar: `liblaminar` and `include/laminar.h`.
//!
//! Thin: no engine code. One file per noun of the C API; the header is generated from them by
//! `tests/header.rs`, so their documentation is written for readers of C.
//!
//! | file | what it holds |
//! |---|---|
//! | [`status`], [`version`], [`error`] | numbers, names, versions, `laminar_error` |
//! | [`db`], [`query`], [`source`], [`appender`], [`writer`], [`subscription`] | the handles |
//! | [`udf`] | functions of the host |
//! | [`log`] | the callback that is told of the database's work |
//! | [`encoded`], `ipc` | rows written as JSON, CSV and Arrow IPC |
//! | `guard`, `handle`, `args` | panics and forks; counting and exclusive use; texts and outs |
//! | `arrow_c` | Arrow's C structs and every pointer inside imported data |
//! | `import`, `adapt` | arrays of C to arrow-rs; columns by name and kind |
//! | `export`, `stream` | batches to arrays of C; streams, both ways |
//! | `rows`, `waker`, `userdata` | the appender's columns; the callback of `laminar_on_ready` |
//!
//! Every exported function that takes a pointer is `unsafe` for one reason, which its documentation
//! does not repeat: pointers are NULL, or live and used as the header's chapters on ownership and
//! threads say.
//!
//! Must not: hold an engine's lock while host code runs, let a panic out, or read a Rust enum from
//! C.
//!
//! The crate is a `cdylib` and a `staticlib` and nothing else: next to a `lib` Cargo would build
//! the shared library without link-time optimisation and say nothing. Unit tests do not need one
//! (`cargo test -p laminar-ffi --lib` compiles the sources as a test program of their own), and
//! tests of the ABI itself are C programs that link the library.
#![warn(missing_docs)]

// In the order of the header.
mod version;

mod status;

mod error;

mod db;

mod query;

mod source;

mod appender;

mod encoded;

mod writer;

mod subscription;

mod log;

mod udf;

// What they stand on.
mod adapt;
mod args;
mod arrow_c;
mod export;
mod export_rows;
mod guard;
mod handle;
mod import;
mod import_rows;
mod ipc;
mod rows;
mod stream;
mod userdata;
mod waker;

#[cfg(test)]
mod allocation_tests;
#[cfg(test)]
mod tests;
