#!/usr/bin/env bash
# The benchmarks, over the staged release library and with the release profile.
#
#   benches/run.sh [latency|footprint|throughput|nexmark|groups|languages]... [-- ARGUMENTS]     (default: the first four)
#
# ARGUMENTS go to the programs, so name one when giving some. Figures for people go to the
# terminal; lines of JSON go to laminar-bench/results.jsonl in Cargo's target directory, the first
# line saying on what machine, with what library. LAMINAR_DIST is the staged tree (default:
# laminar-dist-release in Cargo's target directory, made by `RELEASE=1 cmake/stage.sh`).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
stage=${LAMINAR_DIST:-$target/laminar-dist-release}
out=$target/laminar-bench
results=$out/results.jsonl
library=$stage/lib/liblaminar.so

programs=()
arguments=()
while [[ $# -gt 0 ]]; do
    case $1 in
    latency | footprint | throughput | nexmark | groups | languages) programs+=("$1") ;;
    --)
        shift
        arguments=("$@")
        break
        ;;
    *)
        echo "run.sh: there is no benchmark $1" >&2
        exit 2
        ;;
    esac
    shift
done
[[ ${#programs[@]} -gt 0 ]] || programs=(latency footprint throughput nexmark)

if [[ ! -e $library ]]; then
    echo "run.sh: no library in $stage: run RELEASE=1 cmake/stage.sh, or make bench" >&2
    exit 1
fi
mkdir -p "$out"

# compile NAME: a program in C against the staged tree.
compile() {
    "${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wpedantic -Werror "$here/$1.c" \
        -o "$out/$1" -I"$stage/include" -L"$stage/lib" -Wl,-rpath,"$stage/lib" -llaminar -pthread
}

# The processor, the load that others make, the library's own words, and its size stripped.
machine() {
    local model load size
    model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)
    load=$(cut -d ' ' -f 1 /proc/loadavg)
    strip -o "$out/stripped.so" "$library"
    size=$(stat -c %s "$out/stripped.so")
    rm "$out/stripped.so"
    printf '{"bench":"machine","processor":"%s","cores":%d,"load":%s,"commit":"%s",' \
        "$model" "$(nproc)" "$load" "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || true)"
    printf '"library_stripped_bytes":%d}\n' "$size"
    echo "$model, $(nproc) cores, load $load before the run" >&2
    awk -v bytes="$size" 'BEGIN { printf "library, stripped          %.1f MB\n", bytes / 1e6 }' >&2
}

machine >"$results"
for program in "${programs[@]}"; do
    echo "== $program" >&2
    case $program in
    throughput | groups | nexmark)
        [[ $program == nexmark ]] && package=laminar-nexmark || package=laminar-benches
        (cd "$root" && cargo bench --locked -p "$package" --bench "$program" -- \
            "${arguments[@]}") >>"$results"
        ;;
    languages) LAMINAR_DIST=$stage "$here/languages/run.sh" "${arguments[@]}" >>"$results" ;;
    *)
        compile "$program"
        "$out/$program" "${arguments[@]}" >>"$results"
        ;;
    esac
done
echo "the figures as JSON: $results" >&2
