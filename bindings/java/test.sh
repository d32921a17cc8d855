#!/usr/bin/env bash
# Builds the jar of io.laminardb:laminardb and tests it: what it says of null is checked, the tests
# run under -Xcheck:jni, whose warnings are errors, then a project of its own gets the package from
# a repository and runs with every JDK from 17 on that is there. What is given goes to Maven:
# -Dtest=SourceTest, -Djvm=/usr/lib/jvm/NAME/bin/java.
set -euo pipefail

java_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$(cd "$java_dir/.." && pwd)
. "$java_dir/natives.sh"

log=$build/test.log
# A local repository of our own, so that nothing is left in the user's.
repository=$CARGO_TARGET_DIR/java-repository
maven+=("-Dmaven.repo.local=$repository")
cd "$java_dir"

status=0
rm -rf "$build/surefire-reports"
"${maven[@]}" -Dlaminar.check install "$@" >"$log" 2>&1 || status=$?

# arrow-java's loader looks classes up in a way that the checks complain about; that is not ours.
complaints=$(awk '
    function end() { if (block != "" && block !~ /org\.apache\.arrow\.c\.jni\.JniLoader/) printf "%s", block; block = "" }
    /in native method|^WARNING: JNI|^FATAL ERROR/ { end(); block = $0 "\n"; next }
    block != "" && /^\t/ { block = block $0 "\n"; next }
    { end() }
    END { end() }' "$log")

read -r passed failed < <(cat "$build"/surefire-reports/*.txt 2>/dev/null | awk -F'[:,]' '
    /^Tests run/ { passed += $2 - $4 - $6 - $8; failed += $4 + $6 }
    END { print passed + 0, failed + 0 }')

if [[ $status -ne 0 ]]; then
    grep -v '^	at \(org.junit\|java\|jdk\|org.apache\)\|^	- locked' "$log" >&2 || true
    echo "$passed passed, $failed failed"
    exit "$status"
fi
if [[ -n $complaints ]]; then
    printf 'the virtual machine complains about native code:\n%s\n' "$complaints" >&2
    exit 1
fi

consumer=$build/consumer
"${maven[@]}" -f consumer/pom.xml "-Dlaminar.build=$consumer" compile
jar=$(echo "$repository"/io/laminardb/laminardb/*/laminardb-[0-9].[0-9].[0-9].jar)
java_commands=$(for java in "$(command -v java)" /usr/lib/jvm/*/bin/java; do
    [[ -x $java && $("$java" -version 2>&1) =~ \"([0-9]+) && ${BASH_REMATCH[1]} -ge 17 ]] &&
        readlink -f "$java"
done | sort -u)
for java in $java_commands; do
    said=$("$java" -Xcheck:jni --enable-native-access=ALL-UNNAMED -cp "$consumer/classes:$jar" \
        consumer.Main 2>"$log.stderr") || { cat "$log.stderr" >&2; exit 1; }
    if [[ $said != "Reading[sensor=boiler, celsius=105.3] from "* || $said == *$'\n'* ]]; then
        printf '%s: the program that uses the jar said:\n%s\n' "$java" "$said" >&2
        exit 1
    fi
    echo "$java: $said"
    passed=$((passed + 1))
done
echo "$passed passed, $failed failed"
