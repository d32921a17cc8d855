//! Benchmarks: `throughput/` in Rust, `latency.c` and `footprint.c` over the C ABI; see
//! `run.sh` and `docs/BENCHMARKS.md`.
