#!/usr/bin/env bash
# Builds the package of @laminardb/node, installs its tarball in fresh projects and tests it there:
# alone first, then its types, then everything else with the libraries that it works with. Needs
# Node 20 or newer and npm.
#
#   test.sh [NAME...]    all tests, or only the files tests/NAME.test.ts
set -euo pipefail

node_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$(cd "$node_dir/.." && pwd)
. "$here/target.sh"
. "$node_dir/tools.sh"

packages=$CARGO_TARGET_DIR/npm
"$node_dir/package.sh" "$packages"

# fresh FOLDER: a new project with the package in it.
fresh() {
    rm -rf "$1"
    mkdir -p "$1"
    echo '{ "private": true, "type": "module" }' >"$1/package.json"
    (cd "$1" && npm install --silent --offline --no-audit --no-fund --no-package-lock \
        "$packages"/laminardb-node-*.tgz)
}

# Nothing is above this one: the package needs nothing but Node.
bare=$CARGO_TARGET_DIR/node-bare
fresh "$bare"
cp "$node_dir/tests/bare.mjs" "$node_dir/README.md" "$here/../docs/NODE.md" "$bare"
(cd "$bare" && node bare.mjs "$(basename "$(readlink "$LAMINAR_DIST/lib/liblaminar.so")")")

# The tools are above this one, where Node and the compiler look for them.
project=$tools/fresh
fresh "$project"
cp -r "$node_dir/tests" "$node_dir/examples" "$node_dir/README.md" "$here/../docs/NODE.md" "$project"
cp "$project/tests/tsconfig.json" "$project"
"$tools/node_modules/.bin/tsc" -p "$project"

files=()
for name in "${@:-*}"; do
    files+=("$project"/tests/$name.test.js)
done
log=$CARGO_TARGET_DIR/node-tests.tap
status=0
(cd "$project" && node --expose-gc --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$log" "${files[@]}") || status=$?
awk '/^# pass /{ pass = $3 } /^# fail /{ fail = $3 } END { print pass + 0 " passed, " fail + 0 " failed" }' "$log"
exit "$status"
