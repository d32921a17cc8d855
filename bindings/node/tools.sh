# The compiler and the libraries that the tests work with, outside of the source tree; sourced after
# `here` and `node_dir` were set and target.sh was sourced. They stay between runs and are installed
# anew when the lock file changes. Sets `tools` to their folder.
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
    { echo "Node 20 or newer is needed, and node is $(node --version)." >&2; exit 1; }

tools=$CARGO_TARGET_DIR/node-tools
if ! cmp --silent "$node_dir/package-lock.json" "$tools/installed-lock.json"; then
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$node_dir/package.json" "$node_dir/package-lock.json" "$tools"
    (cd "$tools" && npm ci --silent --no-audit --no-fund --ignore-scripts)
    cp "$node_dir/package-lock.json" "$tools/installed-lock.json"
fi
