#!/usr/bin/env bash
# Builds the C and C++ programs of this folder against the staged tree and runs them three ways:
# plain, with the address, undefined-behaviour and leak sanitizers, and under valgrind, the latter two
# side by side on all cores. Then
# compares the exported symbols with ffi/symbols.txt and with what laminar.hpp uses, and provokes
# panics in a library that is built for it.
#
#   tests/capi/run.sh [plain|sanitized|valgrind|symbols|panics]...      (default: all)
#
# LAMINAR_DIST is the staged tree (default: laminar-dist in Cargo's target directory).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
stage=${LAMINAR_DIST:-$target/laminar-dist}
out=$target/laminar-tests/capi
ways=("$@")
[[ ${#ways[@]} -gt 0 ]] || ways=(plain sanitized valgrind symbols panics)

CC=${CC:-gcc}
CXX=${CXX:-g++}
warnings=(-Wall -Wextra -Wpedantic -Werror)
programs=(header golden_path results nulls wrong_calls arrow_input ownership appender encoded
    system_tables writer callbacks threads fork growth wrapper cpp_functions cpp_data)
# Under valgrind a program takes some thirty times as long: the ones that look at memory.
# growth is left out: it measures the heap by numbers that valgrind's allocator does not have.
watched=(golden_path nulls arrow_input ownership appender encoded system_tables
    writer callbacks threads fork wrapper cpp_functions cpp_data)
seconds_allowed=300

passed=0
failed=0
# What programs that ran side by side counted, a line "passed failed" each.
counted=$out/counted.txt

# compile WAY FLAGS...: all programs into $out/WAY.
compile() {
    local way=$1 dir=$out/$1 program
    shift
    mkdir -p "$dir"
    for program in "${programs[@]}"; do
        local link=(-I"$stage/include" -L"$stage/lib" -Wl,-rpath,"$stage/lib" -llaminar -pthread)
        if [[ -f $here/$program.c ]]; then
            "$CC" -std=c11 -D_GNU_SOURCE "${warnings[@]}" "$@" "$here/$program.c" \
                -o "$dir/$program" "${link[@]}"
        else
            "$CXX" -std=c++17 "${warnings[@]}" "$@" "$here/$program.cpp" -o "$dir/$program" \
                "${link[@]}"
        fi
    done
}

# run WAY PROGRAM COMMAND...: its closing line, or all it said when it failed. A program that dies
# before its closing line counts as one failed test.
run() {
    local way=$1 program=$2 log=$out/$1/$2.log status=0 begun=$SECONDS closing good=0 bad=0
    shift 2
    timeout "$seconds_allowed" "$@" >"$log" 2>&1 || status=$?
    closing=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -1 || true)
    if [[ $closing =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        good=${BASH_REMATCH[1]}
        bad=${BASH_REMATCH[2]}
        [[ $status -eq 0 || $bad -gt 0 ]] || bad=1
    else
        bad=1
        closing="no closing line"
    fi
    echo "$good $bad" >>"$counted"
    if [[ $status -eq 0 ]]; then
        echo "ok     $way/$program: $closing ($((SECONDS - begun)) s)"
    else
        echo "FAILED $way/$program: $closing, exit status $status ($((SECONDS - begun)) s)"
        tail -n 100 "$log" | sed 's/^/    /'
    fi
}

# beside COMMAND...: in the background, as soon as a core is free for it.
beside() {
    while [[ $(jobs -rp | wc -l) -ge $(nproc) ]]; do
        wait -n || true
    done
    "$@" &
}

plain() {
    compile plain -O1 -g
    local program
    for program in "${programs[@]}"; do
        run plain "$program" "$out/plain/$program"
    done
    header_example
}

# The complete program in the header compiles as printed and says what it should.
header_example() {
    local dir=$out/example
    mkdir -p "$dir"
    sed -n '/^ \* A complete program$/,/^ \* A program that has its rows/p' \
        "$stage/include/laminar.h" | sed -n 's/^ \*     //p' >"$dir/example.c"
    "$CC" -std=c11 "${warnings[@]}" -g "$dir/example.c" -o "$dir/example" -I"$stage/include" \
        -L"$stage/lib" -Wl,-rpath,"$stage/lib" -llaminar
    if "$dir/example" >"$dir/said" 2>&1 &&
        diff -u <(printf '100.5\n101.5\n') <(sed -n 's/^epoch [1-9][0-9]*: //p' "$dir/said"); then
        passed=$((passed + 1))
        echo "ok     the header's example runs as printed"
    else
        failed=$((failed + 1))
        echo "FAILED the header's example"
        sed 's/^/    /' "$dir/said"
    fi
}

sanitized() {
    # GCC's instrumentation hides from its own flow analysis that an optional was looked at.
    compile sanitized -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
        -fno-sanitize-recover=all -Wno-maybe-uninitialized
    local program
    for program in "${programs[@]}"; do
        beside run sanitized "$program" env \
            ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1 \
            UBSAN_OPTIONS=print_stacktrace=1 "$out/sanitized/$program"
    done
    wait
}

under_valgrind() {
    compile valgrind -O1 -g -DRUNNING_SLOWLY
    local program leaks
    for program in "${watched[@]}"; do
        leaks=full
        # In a forked child handles leak on purpose. What the parent frees, others look at.
        [[ $program == fork ]] && leaks=no
        beside run valgrind "$program" valgrind --quiet --error-exitcode=99 --leak-check=$leaks \
            --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=30 \
            --child-silent-after-fork=yes --fair-sched=yes --suppressions="$here/valgrind.supp" \
            "$out/valgrind/$program"
    done
    wait
}

symbols() {
    local list=$out/symbols.txt
    mkdir -p "$out"
    nm -D --defined-only "$stage/lib/liblaminar.so" | awk '{ print $NF }' | sed 's/@.*//' |
        LC_ALL=C sort >"$list"
    if diff -u <(grep -v -e '^#' -e '^$' "$root/ffi/symbols.txt" | LC_ALL=C sort) "$list"; then
        passed=$((passed + 1))
        echo "ok     symbols: $(wc -l <"$list") exported, as ffi/symbols.txt says"
    else
        failed=$((failed + 1))
        echo "FAILED symbols: the library (+) does not export what ffi/symbols.txt (-) says"
    fi
    mirrored
    headers_alone
}

# Every function of the C interface is used by the C++ one, or stands in cpp_without.txt with a
# reason.
mirrored() {
    local wrong=$out/mirrored.txt symbol used listed
    mkdir -p "$out"
    : >"$wrong"
    while read -r symbol; do
        used=0 listed=0
        grep -qhw "$symbol" "$stage/include/laminar.hpp" "$stage"/include/laminar/*.hpp && used=1
        grep -q "^$symbol: ..*" "$here/cpp_without.txt" && listed=1
        case $used$listed in
        00) echo "$symbol is neither used in laminar.hpp nor listed in cpp_without.txt" ;;
        11) echo "$symbol is used in laminar.hpp, and listed in cpp_without.txt as if it were not" ;;
        esac >>"$wrong"
    done < <(grep -v -e '^#' -e '^$' "$root/ffi/symbols.txt")
    # What it lists must exist.
    while IFS=: read -r symbol _; do
        grep -qx "$symbol" "$root/ffi/symbols.txt" || echo "there is no $symbol" >>"$wrong"
    done < <(grep -v -e '^#' -e '^$' "$here/cpp_without.txt")
    if [[ ! -s $wrong ]]; then
        passed=$((passed + 1))
        echo "ok     laminar.hpp has every function of laminar.h"
    else
        failed=$((failed + 1))
        echo "FAILED laminar.hpp mirrors laminar.h"
        sed 's/^/    /' "$wrong"
    fi
}

# Each file of the C++ interface compiles alone.
headers_alone() {
    local header said=$out/headers.log
    mkdir -p "$out"
    for header in laminar.hpp $(cd "$stage/include" && echo laminar/*.hpp); do
        if ! "$CXX" -std=c++17 "${warnings[@]}" -I"$stage/include" -fsyntax-only -x c++ - \
            <<<"#include <$header>" >"$said" 2>&1; then
            failed=$((failed + 1))
            echo "FAILED $header alone"
            sed 's/^/    /' "$said"
            return
        fi
    done
    passed=$((passed + 1))
    echo "ok     each file of laminar.hpp compiles alone"
}

# panics.c needs a function that no library has that is given away.
panics() {
    local dir=$out/panics
    mkdir -p "$dir"
    (cd "$root" && cargo build --quiet --locked -p laminar-ffi --features fault-injection)
    # Its name in the target directory is that of the real one, which the next stage.sh puts back.
    local soname
    soname=$(readlink "$stage/lib/liblaminar.so")
    cp "$target/debug/liblaminar.so" "$dir/$soname"
    ln -sfn "$soname" "$dir/liblaminar.so"
    "$CC" -std=c11 -D_GNU_SOURCE "${warnings[@]}" -O1 -g "$here/panics.c" -o "$dir/panics" \
        -I"$stage/include" -L"$dir" -Wl,-rpath,"$dir" -llaminar -pthread
    run panics panics "$dir/panics"
}

mkdir -p "$out"
: >"$counted"
for way in "${ways[@]}"; do
    case $way in
    plain | sanitized | symbols | panics) "$way" ;;
    valgrind) under_valgrind ;;
    *)
        echo "run.sh: there is no way '$way': plain, sanitized, valgrind, symbols or panics" >&2
        exit 2
        ;;
    esac
done
while read -r good bad; do
    passed=$((passed + good))
    failed=$((failed + bad))
done <"$counted"
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
