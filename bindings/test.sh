#!/usr/bin/env bash
# Checks every binding against the staged library: see README.md. Needs `make dist` before it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/target.sh"

cd "$here"
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo test --workspace --locked
python/test.sh
java/test.sh
node/test.sh
