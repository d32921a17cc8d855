#!/usr/bin/env bash
# Builds the npm package of @laminardb/node: the compiled TypeScript with its types, and the addon
# with liblaminar from the staged tree beside it.
#
#   package.sh OUT    leaves the tarball in OUT; RELEASE=1 builds with the release profile
set -euo pipefail

node_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$(cd "$node_dir/.." && pwd)
. "$here/target.sh"
. "$node_dir/tools.sh"
out=${1:?usage: package.sh OUT}

profile=dev
[[ ${RELEASE:-0} == 1 ]] && profile=release
built=$CARGO_TARGET_DIR/${profile/dev/debug}
(cd "$here" && cargo build --quiet --locked --package laminar-node --profile "$profile")

package=$CARGO_TARGET_DIR/node-package
mkdir -p "$package/native"
rm -rf "$package/dist"
cp "$node_dir/package.json" "$node_dir/README.md" "$here/../LICENSE" "$package"
"$tools/node_modules/.bin/tsc" -p "$node_dir" --outDir "$package/dist" \
    --typeRoots "$tools/node_modules/@types"
strip --strip-debug -o "$package/native/laminar.node" "$built/liblaminar_node.so"

# Under the name by which the addon asks for it, and without what only a debugger reads.
soname=$(basename "$(readlink "$LAMINAR_DIST/lib/liblaminar.so")")
real=$(readlink -f "$LAMINAR_DIST/lib/$soname")
now=$(stat -c '%n %s %y' "$real")
stamp=$package.liblaminar
if [[ ! -e $package/native/$soname || ! -e $stamp || $(<"$stamp") != "$now" ]]; then
    rm -f "$package"/native/liblaminar.*
    strip --strip-debug -o "$package/native/$soname" "$real"
    echo "$now" >"$stamp"
fi

# Compressing liblaminar takes the longest: a tarball of the same files is left as it is.
name=laminardb-node-$(node -p 'require(process.argv[1]).version' "$package/package.json").tgz
files=$(cd "$package" && sha256sum package.json README.md dist/* native/laminar.node && echo "$now")
if [[ ! -e $out/$name || ! -e $package.files || $(<"$package.files") != "$files" ]]; then
    rm -rf "$out"
    mkdir -p "$out"
    (cd "$package" && npm pack --silent --pack-destination "$out" >/dev/null)
    echo "$files" >"$package.files"
fi
