# Builds the native part and lays it out as in the jar; sourced after `here` and `java_dir` were set.
# Leaves in $build where Maven is to build and in $maven the command, its build directory set.
. "$here/target.sh"

for tool in java javac mvn; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing: the Java binding needs a JDK, 17 or newer, and Maven, 3.6.3 or newer" \
            "(Debian: apt-get install default-jdk-headless maven)." >&2
        exit 1
    }
done

[[ $(javac -version 2>&1) =~ ([0-9]+) && ${BASH_REMATCH[1]} -ge 17 ]] || {
    echo "the Java binding needs a JDK, 17 or newer, and javac is $(javac -version 2>&1)." >&2
    exit 1
}

build=$CARGO_TARGET_DIR/java
profile=dev
built=$CARGO_TARGET_DIR/debug
if [[ ${RELEASE:-0} == 1 ]]; then
    profile=release
    built=$CARGO_TARGET_DIR/release
fi
(cd "$java_dir/native" && cargo build --quiet --locked --profile "$profile")

natives=$build/natives/io/laminardb/native/linux-$(uname -m)
mkdir -p "$natives"

# put FROM NAME: without what only a debugger reads, unless it is there already.
put() {
    local stamp=$build/$2.stamp now
    now=$(stat -c '%n %s %y' "$1")
    [[ -e $natives/$2 && -e $stamp && $(<"$stamp") == "$now" ]] && return
    strip --strip-debug -o "$natives/$2" "$1"
    echo "$now" >"$stamp"
}

# Under the name by which the native part asks for it.
soname=$(basename "$(readlink "$LAMINAR_DIST/lib/liblaminar.so")")
put "$(readlink -f "$LAMINAR_DIST/lib/$soname")" "$soname"
put "$built/liblaminar_java.so" liblaminar_java.so
# By this list io.laminardb.NativeLibrary knows what there is.
printf '%s\n' "$soname" liblaminar_java.so >"$natives/libraries.txt.new"
cmp -s "$natives/libraries.txt.new" "$natives/libraries.txt" ||
    mv "$natives/libraries.txt.new" "$natives/libraries.txt"
find "$natives" -type f ! -name "$soname" ! -name liblaminar_java.so ! -name libraries.txt -delete

maven=(mvn --quiet --batch-mode --no-transfer-progress "-Dlaminar.build=$build")
