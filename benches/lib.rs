//! What the benchmarks share.
//!
//! | module | what it holds |
//! |---|---|
//! | [`clock`] | the processor time of the process |
//! | [`checksum`] | a sum over rows that does not depend on their order |
//! | [`sink`] | takes the output: a checksum, with the clock stopped |
//!
//! The programs: `throughput/`, `groups/`, `languages/` and the crate `nexmark/` in Rust, `latency.c` and
//! `footprint.c` over the C ABI; see `run.sh` and `docs/BENCHMARKS.md`.

pub mod checksum;
pub mod clock;
pub mod sink;
