#!/usr/bin/env bash
# What the Java binding costs over the bindings' share in Rust, row by row and batch by batch, and
# functions of SQL in Java over those in C++. Uses the release profile; LAMINAR_DIST should be a tree
# that RELEASE=1 staged.
set -euo pipefail

java_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
here=$(cd "$java_dir/.." && pwd)
export RELEASE=1
. "$java_dir/natives.sh"

cd "$java_dir"
"${maven[@]}" compile
"${maven[@]}" org.apache.maven.plugins:maven-dependency-plugin:3.9.0:build-classpath "-Dmdep.outputFile=$build/classpath" \
    -Dmdep.includeScope=test

echo "# Rust, over bindings/client"
cd "$here"
LD_LIBRARY_PATH=$LAMINAR_DIST/lib cargo run --quiet --locked --release -p laminar-client \
    --example throughput
echo "# C++, functions"
"${CXX:-g++}" -std=c++17 -O2 "$java_dir/benches/functions.cpp" -o "$build/functions" \
    -I"$LAMINAR_DIST/include" -L"$LAMINAR_DIST/lib" -Wl,-rpath,"$LAMINAR_DIST/lib" -llaminar -pthread
"$build/functions"
echo "# Java"
java --add-opens=java.base/java.nio=ALL-UNNAMED "-Dio.laminardb.native=$natives" \
    -cp "$build/classes:$(<"$build/classpath")" "$java_dir/benches/Throughput.java"
