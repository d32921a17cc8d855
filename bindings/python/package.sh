#!/usr/bin/env bash
# Builds the wheel of laminardb, with liblaminar from the staged tree in it.
#
#   package.sh OUT    leaves the wheel in OUT; RELEASE=1 builds with the release profile
#
# Needs maturin in PATH (test.sh sees to it).
set -euo pipefail

python_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$(cd "$python_dir/.." && pwd)
. "$here/target.sh"
out=${1:?usage: package.sh OUT}

profile=dev
[[ ${RELEASE:-0} == 1 ]] && profile=release

# Under the name by which the extension asks for it, and without what only a debugger reads.
soname=$(basename "$(readlink "$LAMINAR_DIST/lib/liblaminar.so")")
beside=$python_dir/python/laminardb
stamp=$CARGO_TARGET_DIR/liblaminar.stamp
real=$(readlink -f "$LAMINAR_DIST/lib/$soname")
now=$(stat -c '%n %s %y' "$real")
if [[ ! -e $beside/$soname || ! -e $stamp || $(<"$stamp") != "$now" ]]; then
    mkdir -p "$CARGO_TARGET_DIR"
    rm -f "$beside"/liblaminar.*
    strip --strip-debug -o "$beside/$soname" "$real"
    echo "$now" >"$stamp"
fi

rm -rf "$out"
mkdir -p "$out"
cd "$python_dir"
maturin build --quiet --locked --profile "$profile" --out "$out"
