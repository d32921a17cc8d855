#!/usr/bin/env bash
# Everything that `make test` runs, in the order of what is cheapest to know first. Stages that
# do not need what failed still run; the last lines say what each took and how it all ended.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
export LAMINAR_DIST=${LAMINAR_DIST:-$CARGO_TARGET_DIR/laminar-dist}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
logs=$CARGO_TARGET_DIR/laminar-tests/logs
mkdir -p "$logs"

begun=$SECONDS
passed=0
failed=0
summary=()
broken=""

# The closing lines of a log: ours and unittest's, cargo's, pytest's.
count() {
    awk '
        function add(text,   n, words, i) {
            n = split(text, words, /[ ,;.]+/)
            for (i = 2; i <= n; i++) {
                if (words[i] == "passed") passed += words[i - 1]
                if (words[i] == "failed" || words[i] == "error" || words[i] == "errors")
                    failed += words[i - 1]
            }
        }
        /^[0-9]+ passed, [0-9]+ failed$/ || /^test result: / || /^=+ .* in [0-9.]+s.* =+$/ ||
            /^[0-9]+ (passed|failed).* in [0-9.]+s/ { add($0) }
        END { print passed + 0, failed + 0 }' "$1"
}

# stage NAME NEEDS COMMAND...: runs it unless what it needs failed ("" needs nothing).
stage() {
    local name=$1 needs=$2 log=$logs/$1.log from=$SECONDS status=0 good bad result
    shift 2
    if [[ -n $needs && " $broken " == *" $needs "* ]]; then
        summary+=("$(printf '%-10s not run, for want of: %s' "$name" "$needs")")
        broken+=" $name"
        return
    fi
    echo "== $name"
    "$@" 2>&1 | tee "$log" || status=$?
    read -r good bad < <(count "$log")
    passed=$((passed + good))
    failed=$((failed + bad))
    result=ok
    if [[ $status -ne 0 ]]; then
        result=FAILED
        broken+=" $name"
    fi
    summary+=("$(printf '%-10s %-6s %5d s %5d passed %4d failed' \
        "$name" "$result" $((SECONDS - from)) "$good" "$bad")")
}

stage tools "" tests/tools.sh test
stage lint tools make --no-print-directory lint
stage engine tools cargo test --workspace --locked --no-fail-fast
stage mutants engine cargo test -p laminar-tests --features mutants --test engine --locked -- mutants::
stage library tools cmake/stage.sh
stage c library tests/capi/run.sh
stage packages library tests/consumers/run.sh
stage bindings library bindings/test.sh
stage contract bindings tests/contract/run.sh
stage readme bindings tests/readme.sh
stage demo library docs/demo/run.sh --fast --plain

echo
printf '%s\n' "${summary[@]}"
echo "$passed tests passed, $failed failed, in $((SECONDS - begun)) s"
if [[ -n $broken ]]; then
    echo "FAILED:$broken (logs in $logs)"
    exit 1
fi
echo "all passed"
