#!/usr/bin/env bash
# Runs every scenario of this folder through each language: see README.md. Needs the staged library
# and what bindings/test.sh leaves: the environment with the wheel, the npm package, the jar.
#
#   tests/contract/run.sh [cpp|python|node|java|rust]...      (default: all)
#
# LAMINAR_DIST is the staged tree (default: laminar-dist in Cargo's target directory).
set -euo pipefail

contract=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$contract/../../bindings
. "$here/target.sh"
out=${CARGO_TARGET_DIR%/bindings}/laminar-tests/contract
mkdir -p "$out"
cd "$contract"
languages=("$@")
[[ ${#languages[@]} -gt 0 ]] || languages=(cpp python node java rust)

for file in scenarios/*.json; do
    name=$(basename "$file" .json)
    grep -q "^|.*\`$name\`" README.md || { echo "run.sh: no rule of README.md names $name" >&2; exit 1; }
done

# The scenarios of a language: all but those that name other languages.
scenarios_of() {
    local file
    for file in scenarios/*.json; do
        if ! grep -q '^  "languages": ' "$file" || grep -q '^  "languages": .*"'"$1"'"' "$file"; then
            echo "$file"
        fi
    done
}

# Each builds what it needs and runs the program that it is given behind its name, if any.
cpp() {
    "${CXX:-g++}" -std=c++17 -Wall -Wextra -Wpedantic -Werror -O1 -g cpp/driver.cpp -o "$out/driver" \
        -I"$LAMINAR_DIST/include" -L"$LAMINAR_DIST/lib" -Wl,-rpath,"$LAMINAR_DIST/lib" -llaminar -pthread
    "$out/driver" "$@"
}

python() {
    PYTHONDONTWRITEBYTECODE=1 "$CARGO_TARGET_DIR/python-fresh/bin/python" python/driver.py "$@"
}

# Packages are looked up from where the program lies.
node_driver() {
    cp node/driver.mjs "$CARGO_TARGET_DIR/node-bare"
    node "$CARGO_TARGET_DIR/node-bare/driver.mjs" "$@"
}

java_driver() {
    local jar
    jar=$(echo "$CARGO_TARGET_DIR"/java-repository/io/laminardb/laminardb/*/laminardb-[0-9].[0-9].[0-9].jar)
    mkdir -p "$out/java"
    javac -Werror -Xlint:all,-classfile -cp "$jar" -d "$out/java" java/*.java
    java -Xcheck:jni -cp "$out/java:$jar" Driver "$@"
}

rust() {
    (cd "$here" && cargo build --quiet --locked --package laminar-client --example contract)
    "$CARGO_TARGET_DIR/debug/examples/contract" "$@"
}

passed=0
failed=0
for language in "${languages[@]}"; do
    command=$language
    case $language in
        cpp | python | rust) ;;
        node | java) command=${language}_driver ;;
        *)
            echo "run.sh: there is no language '$language': cpp, python, node, java or rust" >&2
            exit 2
            ;;
    esac
    echo "-- $language"
    log=$out/$language.log
    mapfile -t scenarios < <(scenarios_of "$language")
    status=0
    # In a subshell of its own, where set -e holds.
    (set -e; "$command" "${scenarios[@]}") >"$log" 2>&1 & wait $! || status=$?
    closing=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -1 || true)
    if [[ $closing =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        [[ $status -eq 0 || ${BASH_REMATCH[2]} -gt 0 ]] || failed=$((failed + 1))
        sed '/^[0-9]* passed, [0-9]* failed$/d' "$log"
        echo "$language: ${BASH_REMATCH[1]} of ${#scenarios[@]} scenarios"
    else
        failed=$((failed + 1))
        cat "$log"
        echo "$language: no closing line, exit status $status"
    fi
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
