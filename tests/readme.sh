#!/usr/bin/env bash
# Compiles and runs the programs of README.md as they are printed, and compares what they say with
# the text block below each. Needs the staged library, and for Python and Node what
# bindings/python/test.sh and bindings/node/test.sh leave.
#
# LAMINAR_DIST is the staged tree (default: laminar-dist in Cargo's target directory).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
stage=${LAMINAR_DIST:-$target/laminar-dist}
out=$target/laminar-tests/readme
python=$target/bindings/python-fresh/bin/python
node=$target/bindings/node-bare
warnings=(-Wall -Wextra -Wpedantic -Werror)
link=(-I"$stage/include" -L"$stage/lib" -Wl,-rpath,"$stage/lib" -llaminar)

passed=0
failed=0

# extract LANGUAGE: its one block into $out, and the text block behind it.
extract() {
    awk -v language="$1" -v program="$out/quickstart.$1" -v said="$out/quickstart.$1.expected" '
        /^```/ && into { into = ""; wanted = (last == language); next }
        /^```/ {
            last = substr($0, 4)
            if (last == language) { into = program; blocks++ }
            else if (last == "text" && wanted) into = said
            else into = "/dev/null"
            next
        }
        into { print > into }
        END { exit blocks == 1 ? 0 : 1 }' "$root/README.md"
}

# try LANGUAGE COMMAND...: runs the quick start and compares what it says.
try() {
    local language=$1 said=$out/quickstart.$1.said
    shift
    if "$@" >"$said" 2>&1 && diff -u "$out/quickstart.$language.expected" "$said"; then
        passed=$((passed + 1))
        echo "ok     the quick start in $language runs as printed"
    else
        failed=$((failed + 1))
        echo "FAILED the quick start in $language"
        sed 's/^/    /' "$said"
    fi
}

c_program() {
    "${CC:-gcc}" -std=c11 "${warnings[@]}" "$out/quickstart.c" -o "$out/quickstart-c" "${link[@]}" &&
        "$out/quickstart-c"
}

cpp_program() {
    "${CXX:-g++}" -std=c++17 "${warnings[@]}" "$out/quickstart.cpp" -o "$out/quickstart-cpp" \
        "${link[@]}" && "$out/quickstart-cpp"
}

node_program() {
    (cd "$node" && node --input-type=module) <"$out/quickstart.js"
}

rm -rf "$out"
mkdir -p "$out"
for language in c cpp python js; do
    extract "$language" || { echo "README.md has not one block of $language" >&2; exit 1; }
done
try c c_program
try cpp cpp_program
if [[ -x $python ]]; then
    try python "$python" "$out/quickstart.python"
else
    failed=$((failed + 1))
    echo "FAILED the quick start in Python: no $python, run bindings/python/test.sh first"
fi
if [[ -d $node ]]; then
    try js node_program
else
    failed=$((failed + 1))
    echo "FAILED the quick start in Node: no $node, run bindings/node/test.sh first"
fi
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
