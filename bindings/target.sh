# Where things are, for the scripts of the bindings; sourced after `here` was set to their folder.
#
#   LAMINAR_DIST      the staged tree that the bindings are built against
#   CARGO_TARGET_DIR  where they are built: `bindings` in the target directory of the main workspace
case ${CARGO_TARGET_DIR:-} in
    */bindings) ;;
    *) CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$(cd "$here/.." && pwd)/target}/bindings ;;
esac
export CARGO_TARGET_DIR
export LAMINAR_DIST=${LAMINAR_DIST:-${CARGO_TARGET_DIR%/bindings}/laminar-dist}

if [[ ! -e $LAMINAR_DIST/lib/liblaminar.so ]]; then
    echo "liblaminar is not staged in $LAMINAR_DIST: run \`make dist\` in the root first." >&2
    exit 1
fi
