#!/usr/bin/env bash
# What each language costs over C: the same rows through the same stream, pushed and polled on one
# thread, in C, C++, Rust, Python, Java and Node; README.md says what is measured.
#
#   benches/languages/run.sh [SECONDS [LANGUAGE]...]      (default: 1 c cpp rust python java node)
#
# Lines of JSON go to the standard output, a table for people to the terminal. Everything is built
# with the release profile; LAMINAR_DIST is the staged tree (default: laminar-dist-release in Cargo's
# target directory, made by `RELEASE=1 cmake/stage.sh`). RELEASE=0 takes the development profile.
set -euo pipefail

languages_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$languages_dir/../.." && pwd)
here=$root/bindings
export RELEASE=${RELEASE:-1}
target=${CARGO_TARGET_DIR:-$root/target}
suffix=""
[[ $RELEASE == 1 ]] && suffix=-release
export LAMINAR_DIST=${LAMINAR_DIST:-$target/laminar-dist$suffix}
. "$here/target.sh"
out=$target/laminar-bench/languages
mkdir -p "$out"
seconds=${1:-1}
shift || true
[[ $# -gt 0 ]] || set -- c cpp rust python java node

link=(-I"$LAMINAR_DIST/include" -L"$LAMINAR_DIST/lib" -Wl,-rpath,"$LAMINAR_DIST/lib" -llaminar -pthread)
warnings=(-O2 -Wall -Wextra -Wpedantic -Werror)

c() {
    "${CC:-gcc}" -std=c11 -D_GNU_SOURCE "${warnings[@]}" "$languages_dir/languages.c" -o "$out/c" "${link[@]}"
    "$out/c" "$seconds"
}

cpp() {
    "${CXX:-g++}" -std=c++17 "${warnings[@]}" "$languages_dir/languages.cpp" -o "$out/cpp" "${link[@]}"
    "$out/cpp" "$seconds"
}

rust() {
    local profile=dev
    [[ $RELEASE == 1 ]] && profile=bench
    (cd "$root" && CARGO_TARGET_DIR=$target cargo bench --quiet --locked --profile "$profile" \
        -p laminar-benches --bench languages -- "$seconds")
}

python() {
    . "$here/python/tools.sh"
    local fresh=$out/python
    "$here/python/package.sh" "$out/wheels"
    rm -rf "$fresh"
    python3 -m venv --without-pip "$fresh"
    "$tools/bin/pip" --python "$fresh/bin/python" install --quiet --disable-pip-version-check \
        --no-index --no-deps "$out"/wheels/laminardb-*.whl
    "$tools/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        >"$(echo "$fresh"/lib/python3*/site-packages)/tools.pth"
    "$fresh/bin/python" "$languages_dir/languages.py" "$seconds"
}

java() {
    local java_dir=$here/java
    . "$java_dir/natives.sh"
    (cd "$java_dir" && "${maven[@]}" compile && "${maven[@]}" \
        org.apache.maven.plugins:maven-dependency-plugin:3.9.0:build-classpath \
        "-Dmdep.outputFile=$build/classpath" -Dmdep.includeScope=test) >&2
    command java --add-opens=java.base/java.nio=ALL-UNNAMED "-Dio.laminardb.native=$natives" \
        -cp "$build/classes:$(<"$build/classpath")" "$languages_dir/Languages.java" "$seconds"
}

node() {
    "$here/node/package.sh" "$out/npm" >&2
    mkdir -p "$out/node"
    echo '{ "private": true, "type": "module" }' >"$out/node/package.json"
    cp "$languages_dir/languages.mjs" "$out/node"
    (cd "$out/node" && npm install --silent --offline --no-audit --no-fund --no-package-lock \
        "$out"/npm/laminardb-node-*.tgz >&2 && command node languages.mjs "$seconds")
}

results=$out/results.jsonl
: >"$results"
for language in "$@"; do
    case $language in
    c | cpp | rust | python | java | node) ;;
    *)
        echo "run.sh: there is no language '$language': c, cpp, rust, python, java or node" >&2
        exit 2
        ;;
    esac
    # In a subshell of its own: each sets what the next one must not find.
    (set -e; "$language") | { grep '^{' || true; } >>"$results"
done
cat "$results"

# A line for each workload: nanoseconds of processor time a row, and how many times that of C.
awk -F'"' '
    {
        if (!($8 in seen_language)) { seen_language[$8]; languages[++l] = $8 }
        if (!($12 in seen_name)) { seen_name[$12]; names[++n] = $12 }
        value = $15; gsub(/[:}]/, "", value)
        cost[$12, $8] = value
    }
    END {
        printf "%-14s", "ns of CPU a row"
        for (i = 1; i <= l; i++) printf "%20s", languages[i]
        print ""
        for (j = 1; j <= n; j++) {
            printf "%-14s ", names[j]
            for (i = 1; i <= l; i++) {
                ours = cost[names[j], languages[i]]; c = cost[names[j], "C"]
                printf "%20s", ours == "" ? "" : sprintf("%.1f", ours) (c ? sprintf(" (%.2f)", ours / c) : "")
            }
            print ""
        }
    }' "$results" >&2
