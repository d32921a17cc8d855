#!/bin/sh
# Compiles the demo against the staged install tree (`make dist`) and runs it with the arguments.
# `make demo` does both. Environment: LAMINAR_DIST (another install tree), CC, CFLAGS.
set -eu

cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
dist=${LAMINAR_DIST:-$target/laminar-dist}
cc=${CC:-cc}

if [ ! -f "$dist/include/laminar.h" ]; then
    echo "no laminar in $dist: run 'make dist' first, or 'make demo' for both" >&2
    exit 1
fi
if ! command -v "$cc" >/dev/null; then
    echo "no C compiler '$cc': install one (Debian: gcc libc6-dev), or name yours in CC" >&2
    exit 1
fi

mkdir -p "$target/laminar-demo"
"$cc" -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror ${CFLAGS:-} -I"$dist/include" docs/demo/*.c \
    -L"$dist/lib" -Wl,-rpath,"$dist/lib" -llaminar -lm -o "$target/laminar-demo/flights"
exec "$target/laminar-demo/flights" "$@"
