#!/usr/bin/env bash
# Builds the wheel of laminardb, installs it in a fresh environment and tests it there: the package
# alone first, then with the libraries that it works with, then its types.
set -euo pipefail

python_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$(cd "$python_dir/.." && pwd)
. "$here/target.sh"

. "$python_dir/tools.sh"

export PYTHONDONTWRITEBYTECODE=1
wheels=$CARGO_TARGET_DIR/wheels
"$python_dir/package.sh" "$wheels"

fresh=$CARGO_TARGET_DIR/python-fresh
rm -rf "$fresh"
python3 -m venv --without-pip "$fresh"
pip --python "$fresh/bin/python" install --quiet --disable-pip-version-check --no-index --no-deps \
    "$wheels"/laminardb-*.whl

cd "$python_dir/tests"
"$fresh/bin/python" bare.py

site=$("$fresh/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$tools/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/tools.pth"
"$fresh/bin/python" -m pytest -c "$python_dir/pyproject.toml" -p no:cacheprovider "$@" .

cd "$python_dir"
"$fresh/bin/python" -m mypy --cache-dir "$CARGO_TARGET_DIR/mypy" --strict -p laminardb
"$fresh/bin/python" -m mypy --cache-dir "$CARGO_TARGET_DIR/mypy" --strict tests/typed.py examples/*.py
cd "$CARGO_TARGET_DIR" # where it may leave its cache
"$fresh/bin/python" -m mypy.stubtest laminardb._laminardb
