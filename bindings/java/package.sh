#!/usr/bin/env bash
# Builds the jar of io.laminardb:laminardb, with the native libraries in it, and the jar of its
# sources.
#
#   package.sh OUT    leaves both in OUT, with the pom; RELEASE=1 builds with the release profile
set -euo pipefail

java_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$(cd "$java_dir/.." && pwd)
out=${1:?usage: package.sh OUT}
. "$java_dir/natives.sh"

cd "$java_dir"
"${maven[@]}" -DskipTests package
mkdir -p "$out"
cp "$build"/laminardb-*.jar pom.xml "$out"
