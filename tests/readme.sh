#!/usr/bin/env bash
# Compiles and runs the programs of README.md and of the pages on C++ as they are printed, and compares
# what they say with the text block below each. (The other languages' tests run their own pages.) Needs
# the staged library, and for Python, Java and Node what bindings/test.sh leaves.
#
# LAMINAR_DIST is the staged tree (default: laminar-dist in Cargo's target directory).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
stage=${LAMINAR_DIST:-$target/laminar-dist}
out=$target/laminar-tests/readme
python=$target/bindings/python-fresh/bin/python
jar=$(echo "$target"/bindings/java-repository/io/laminardb/laminardb/*/laminardb-[0-9].[0-9].[0-9].jar)
node=$target/bindings/node-bare
warnings=(-Wall -Wextra -Wpedantic -Werror)
link=(-I"$stage/include" -L"$stage/lib" -Wl,-rpath,"$stage/lib" -llaminar)

passed=0
failed=0

# slug PAGE: a name for the files of a page, such as docs-CPP.
slug() {
    local name=${1%.md}
    echo "${name//\//-}"
}

# extract PAGE LANGUAGE: its blocks into $out as PAGE-1.LANGUAGE and so on, the text block behind each
# as PAGE-1.LANGUAGE.expected; says how many.
extract() {
    awk -v language="$2" -v program="$out/$(slug "$1")" '
        function name() { return program "-" blocks "." language }
        /^```/ && into { into = ""; wanted = (last == language); next }
        /^```/ {
            last = substr($0, 4)
            if (last == language) { blocks++; into = name() }
            else if (last == "text" && wanted) into = name() ".expected"
            else into = "/dev/null"
            next
        }
        into { print > into }
        END { print blocks + 0 }' "$root/$1"
}

# try PROGRAM COMMAND...: runs a command on a program and compares what it says.
try() {
    local program=$1 said=$out/$1.said
    shift
    if "$@" "$out/$program" >"$said" 2>&1 && diff -u "$out/$program.expected" "$said"; then
        passed=$((passed + 1))
        echo "ok     $program runs as printed"
    else
        failed=$((failed + 1))
        echo "FAILED $program"
        sed 's/^/    /' "$said"
    fi
}

c_program() {
    "${CC:-gcc}" -std=c11 "${warnings[@]}" "$1" -o "$1.out" "${link[@]}" && "$1.out"
}

cpp_program() {
    "${CXX:-g++}" -std=c++17 "${warnings[@]}" "$1" -o "$1.out" "${link[@]}" && "$1.out"
}

# Its warnings of native access are the newer virtual machines' own.
java_program() {
    java -cp "$jar" "$1" 2>"$1.stderr" || { cat "$1.stderr"; return 1; }
}

node_program() {
    (cd "$node" && node --input-type=module) <"$1"
}

# pages LANGUAGE COMMAND PAGE...: every program in that language.
pages() {
    local language=$1 run=$2 page blocks block
    shift 2
    for page in "$@"; do
        blocks=$(extract "$page" "$language")
        [[ $blocks -gt 0 ]] || { echo "$page has no block of $language" >&2; exit 1; }
        for ((block = 1; block <= blocks; block++)); do
            try "$(slug "$page")-$block.$language" "$run"
        done
    done
}

rm -rf "$out"
mkdir -p "$out"
pages c c_program README.md
pages cpp cpp_program README.md docs/CPP.md bindings/cpp/README.md
if [[ -x $python ]]; then
    pages python "$python" README.md
else
    failed=$((failed + 1))
    echo "FAILED the quick start in Python: no $python, run bindings/python/test.sh first"
fi
if [[ -e $jar ]]; then
    pages java java_program README.md
else
    failed=$((failed + 1))
    echo "FAILED the quick start in Java: no $jar, run bindings/java/test.sh first"
fi
if [[ -d $node ]]; then
    pages js node_program README.md
else
    failed=$((failed + 1))
    echo "FAILED the quick start in Node: no $node, run bindings/node/test.sh first"
fi
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
