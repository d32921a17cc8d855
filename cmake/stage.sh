#!/usr/bin/env bash
# Builds liblaminar and stages the tree that C and C++ users, the bindings and the packages get:
#
#   <stage>/include/laminar.h, laminar.hpp, laminar/*.hpp
#   <stage>/lib/liblaminar.so -> liblaminar.so.0.1 -> liblaminar.so.0.1.0, liblaminar.a
#   <stage>/lib/cmake/laminar/laminarConfig.cmake, laminarConfigVersion.cmake
#   <stage>/lib/pkgconfig/laminar.pc
#
# <stage> is $LAMINAR_DIST, or laminar-dist in Cargo's target directory; RELEASE=1 builds with the
# release profile, into laminar-dist-release. The tree may be copied anywhere: nothing in it names
# its place. With nothing changed this takes about a second.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
release=${RELEASE:-0}
[[ $release == 1 ]] && stage=$target/laminar-dist-release || stage=$target/laminar-dist
stage=${LAMINAR_DIST:-$stage}

die() {
    echo "stage.sh: $*" >&2
    exit 1
}

version=$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
[[ $version =~ ^([0-9]+)\.([0-9]+)\.[0-9]+$ ]] || die "no version in Cargo.toml"
abi=${BASH_REMATCH[1]}.${BASH_REMATCH[2]}

# Until 1.0 each minor version is a binary interface of its own.
soname=liblaminar.so.$abi

build() {
    cd "$root"
    if [[ $release == 1 ]]; then
        # One crate type at a time: beside a static library Cargo would silently drop LTO.
        cargo rustc -p laminar-ffi --lib --locked --release --crate-type cdylib
        cargo rustc -p laminar-ffi --lib --locked --release --crate-type staticlib
        built=$target/release
    else
        cargo build -p laminar-ffi --locked
        built=$target/debug
    fi
    for library in liblaminar.so liblaminar.a; do
        [[ -f $built/$library ]] || die "the build left no $built/$library"
    done
}

# put FROM TO: as a hard link where that is possible (the static library is large), else a copy;
# nothing when it is there already.
put() {
    [[ $1 -ef $2 ]] && return
    cmp -s "$1" "$2" && [[ ${1##*/} != liblaminar.* ]] && return
    rm -f "$2"
    ln "$1" "$2" 2>/dev/null || cp -p "$1" "$2"
}

# fill TEMPLATE TO: with the @NAMES@ replaced, written only when it differs.
fill() {
    local text
    text=$(sed -e "s|@LAMINAR_VERSION@|$version|g" -e "s|@LAMINAR_ABI@|$abi|g" \
        -e "s|@LAMINAR_NATIVE_LIBS@|$native|g" -e "s|@LAMINAR_NATIVE_NAMES@|$names|g" "$1")
    [[ -f $2 && $(<"$2") == "$text" ]] || printf '%s\n' "$text" >"$2"
}

# The system's libraries that Rust's own runtime needs; everything else is inside the archive.
native_libraries() {
    local scratch
    scratch=$(mktemp -d)
    (cd "$root" && echo '' | rustc --crate-type staticlib --crate-name nothing \
        --print native-static-libs -o "$scratch/nothing.a" - 2>&1) |
        sed -n 's/^note: native-static-libs: //p' | tr ' ' '\n' | awk 'NF && !seen[$0]++' |
        paste -sd ' '
    rm -rf "$scratch"
}

build
mkdir -p "$stage/include/laminar" "$stage/lib/cmake/laminar" "$stage/lib/pkgconfig"
real=$stage/lib/liblaminar.so.$version
if [[ ! $built/liblaminar.so -ef $real ]]; then
    found=$(readelf -d "$built/liblaminar.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
    [[ $found == "$soname" ]] || die "the library calls itself '$found', not '$soname'"
fi
put "$built/liblaminar.so" "$real"
ln -sfn "liblaminar.so.$version" "$stage/lib/$soname"
ln -sfn "$soname" "$stage/lib/liblaminar.so"
put "$built/liblaminar.a" "$stage/lib/liblaminar.a"
cd "$root/include"
for header in laminar.h laminar.hpp laminar/*.hpp; do
    cmp -s "$header" "$stage/include/$header" || cp "$header" "$stage/include/$header"
done
# What is no longer there must not be found by those who build against the tree.
for header in "$stage"/include/laminar/*.hpp; do
    [[ -e laminar/${header##*/} ]] || rm -f "$header"
done

native=$(native_libraries)
[[ -n $native ]] || die "rustc names no native libraries for a static library"
names=$(tr ' ' '\n' <<<"$native" | sed 's/^-l//' | paste -sd ';')
fill "$root/cmake/laminarConfig.cmake.in" "$stage/lib/cmake/laminar/laminarConfig.cmake"
fill "$root/cmake/laminarConfigVersion.cmake.in" \
    "$stage/lib/cmake/laminar/laminarConfigVersion.cmake"
fill "$root/cmake/laminar.pc.in" "$stage/lib/pkgconfig/laminar.pc"
echo "staged liblaminar $version in $stage"
