#!/usr/bin/env bash
# Builds and runs each consumer project against a copy of the staged tree, elsewhere: a package
# that knows where it was built would fail here.
#
# LAMINAR_DIST is the staged tree (default: laminar-dist in Cargo's target directory).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
stage=${LAMINAR_DIST:-$target/laminar-dist}
work=$target/laminar-tests/consumers
prefix="$work/a place elsewhere"

passed=0
failed=0

# try NAME COMMAND...: runs it quietly, and shows what it said if it failed.
try() {
    local name=$1 log
    shift
    log=$work/$name.log
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok     $name: $(grep -h 'the answer is' "$log" | tail -1)"
    else
        failed=$((failed + 1))
        echo "FAILED $name"
        tail -40 "$log"
    fi
}

cmake_project() {
    cmake -S "$here/$1" -B "$work/build-$1" -DCMAKE_PREFIX_PATH="$prefix" "${@:2}"
    cmake --build "$work/build-$1"
    (cd "$work/build-$1" && ctest --verbose)
}

pkgconfig_project() {
    # A copy of its own: a Makefile cannot say a path with a space in it.
    mkdir -p "$work/build-pkgconfig"
    rm -rf "$work/pkgconfig-prefix"
    cp -al "$stage" "$work/pkgconfig-prefix" 2>/dev/null || cp -a "$stage" "$work/pkgconfig-prefix"
    export PKG_CONFIG_PATH=$work/pkgconfig-prefix/lib/pkgconfig
    [[ $(pkg-config --modversion laminar) == "$(version)" ]]
    [[ $(pkg-config --variable=libdir laminar) == "$work/pkgconfig-prefix/"* ]]
    make -B -C "$here/pkgconfig" BUILD="$work/build-pkgconfig" check
}

version() {
    sed -n 's/^#define LAMINAR_VERSION "\(.*\)"$/\1/p' "$stage/include/laminar.h"
}

refuses_other_versions() {
    local asked
    for asked in 0.2 1.0 0.1.9; do
        mkdir -p "$work/build-version"
        cat >"$work/build-version/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.16)
project(asks LANGUAGES C)
find_package(laminar $asked REQUIRED)
END
        rm -rf "$work/build-version/out"
        if cmake -S "$work/build-version" -B "$work/build-version/out" \
            -DCMAKE_PREFIX_PATH="$prefix"; then
            echo "version $(version) was accepted as $asked"
            return 1
        fi
    done
    echo "(refused) the answer is no"
}

names_no_place() {
    local hits
    hits=$(grep -rIl -e "$root" -e "$target" "$stage/include" "$stage/lib/cmake" \
        "$stage/lib/pkgconfig" || true)
    [[ -z $hits ]] || { echo "these name the place they were built in: $hits"; return 1; }
    echo "(clean) the answer is nowhere"
}

# nanoarrow's C sources, as a package bundles them unchanged, into $nanoarrow, where they stay.
nanoarrow=$target/laminar-tests/nanoarrow-0.8.0
nanoarrow_sources() {
    [[ -f $nanoarrow/src/nanoarrow.c ]] && return
    local scratch
    scratch=$(mktemp -d)
    echo "arx-nanoarrow-sources==0.8.0.post1" \
        "--hash=sha256:4763e651b01598a0a0ad4d253feb7468d1d4a05ba68beab9bc9035421c5551ac" >"$scratch/wanted"
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --dest "$scratch" --requirement "$scratch/wanted"
    python3 -m zipfile -e "$scratch"/*.whl "$scratch"
    mkdir -p "${nanoarrow%/*}"
    mv "$scratch/arx_nanoarrow_sources/vendor" "$nanoarrow"
    rm -rf "$scratch"
}

# The programs of bindings/cpp/examples, built as their README says, print what follows from their
# numbers, which are those of the other languages' examples.
cpp_examples() {
    local out=$work/build-examples
    cmake -S "$root/bindings/cpp/examples" -B "$out" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_CXX_FLAGS=-Werror
    cmake --build "$out"
    for program in iot timeseries correlation dashboard producer_consumer; do
        timeout 60 "$out/$program" >"$out/$program.said"
    done
    # 20 + 1.5 * (t % 50) is past 80 from t % 50 = 41 on, four times.
    [[ $(grep -c ^ALERT "$out/iot.said") -eq 36 ]]
    # device_4 has t % 50 of 4, 9, ... 49, so 59.75 on average.
    grep -qx 'device_4: 40 readings, 59.75 on average, at most 93.5' "$out/iot.said"
    # AAPL trades at 0, 4, ... 56 s in the first minute, at 100 + (37 t % 200) / 10.
    grep -qx '14:30 AAPL: open 100, high 119.2, low 100, close 107.2' "$out/timeseries.said"
    grep -qx '337 large trades' "$out/timeseries.said"
    grep -qx '64 bars are final' "$out/timeseries.said"
    printf '%s\n' 'alice at 1.2.3.4 paid 29.99' 'bob at 5.6.7.8 paid 999' 'alice at 1.2.3.4 paid 750' \
        'large: bob, 999' 'large: alice, 750' | diff - "$out/correlation.said"
    # 173 t % 700 is past 500 first at t = 3, 4, 7, 8 and 11.
    printf 'Slow request: %s ms\n' 'api took 519' 'web took 692' 'web took 511' 'worker took 684' \
        'worker took 503' | cat - <(echo 'Detected 5 slow requests') | diff - "$out/dashboard.said"
    for start in 0 100 200 300 400; do
        echo "window $start: 100 events"
    done | cat - <(echo 'Consumed 500 events') | diff - "$out/producer_consumer.said"
    echo "(five programs) the answer is right"
}

rm -rf "$work"
mkdir -p "$work"
cp -al "$stage" "$prefix" 2>/dev/null || cp -a "$stage" "$prefix"
try cmake cmake_project cmake
try pkgconfig pkgconfig_project
try static cmake_project static
try fetchcontent env CARGO_TARGET_DIR="$target" bash -c "
    cmake -S '$here/fetchcontent' -B '$work/build-fetch' -DLAMINAR_SOURCE='$root' &&
    cmake --build '$work/build-fetch' && cd '$work/build-fetch' && ctest --verbose &&
    cmake --install . --prefix '$work/installed' && test -L '$work/installed/lib/liblaminar.so' &&
    test -f '$work/installed/include/laminar/database.hpp' &&
    test -f '$work/installed/lib/cmake/laminar/laminarConfig.cmake'"
# In a subshell of its own, where set -e holds.
status=0
(set -e; nanoarrow_sources) >"$work/nanoarrow-sources.log" 2>&1 & wait $! || status=$?
if [[ $status -eq 0 ]]; then
    try nanoarrow cmake_project nanoarrow -DNANOARROW="$nanoarrow"
else
    echo "skipped nanoarrow: its sources could not be had: $(tail -1 "$work/nanoarrow-sources.log")"
fi
status=0
(set -e; cpp_examples) >"$work/examples.log" 2>&1 & wait $! || status=$?
try examples eval "cat '$work/examples.log'; [[ $status -eq 0 ]]"
try version refuses_other_versions
try relocatable names_no_place
rm -rf "$prefix" "$work/pkgconfig-prefix"
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
