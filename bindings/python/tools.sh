# The tools and libraries that the tests and benchmarks work with, in an environment of their own;
# sourced after `here` was set and target.sh was sourced. It stays between runs and is made anew when
# the list changes. Sets `tools` to its folder and puts its programs into PATH.
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "Python 3.11 or newer is needed, and python3 is $(python3 --version)." >&2; exit 1; }

tools=$CARGO_TARGET_DIR/python-tools
wanted="duckdb>=1.2 maturin==1.16.* mypy nanoarrow>=0.6 pandas>=2.2 pandas-stubs polars>=1.3 pyarrow>=16 pytest"
if [[ ! -f $tools/wanted || $(<"$tools/wanted") != "$wanted" ]]; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    # shellcheck disable=SC2086 # words are wanted
    "$tools/bin/pip" install --quiet --disable-pip-version-check $wanted
    echo "$wanted" >"$tools/wanted"
fi
export PATH=$tools/bin:$PATH
