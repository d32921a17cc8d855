#!/usr/bin/env bash
# Sees to the tools that the project needs: what is missing is installed from Debian's packages
# where that is possible (apt-get, as root), and otherwise named in a sentence.
#
#   tests/tools.sh build    for the library and the demo
#   tests/tools.sh test     for everything
set -euo pipefail

what=${1:-test}

# A tool and the Debian package that has it.
tools=(cc:gcc c++:g++ ld:binutils make:make)
if [[ $what == test ]]; then
    tools+=(cmake:cmake pkg-config:pkg-config valgrind:valgrind python3:python3 nm:binutils
        javac:default-jdk-headless mvn:maven node:nodejs npm:npm)
fi

packages=()
missing=()
need() {
    missing+=("$1")
    packages+=("$2")
}

for tool in "${tools[@]}"; do
    command -v "${tool%%:*}" >/dev/null || need "${tool%%:*}" "${tool##*:}"
done
[[ -e /usr/include/stdio.h ]] || need "C headers" libc6-dev
if [[ $what == test ]]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || need "Python's venv" python3-venv
fi

if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then
    echo "cargo is in $HOME/.cargo/bin, which is not in PATH: add it and run this again." >&2
    exit 1
fi
if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install rustup (the toolchain that rust-toolchain.toml names then" \
        "comes by itself) and run this again." >&2
    exit 1
fi

[[ ${#missing[@]} -eq 0 ]] && exit 0
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "These tools are missing and cannot be installed from here: ${missing[*]}. Install them" \
        "(Debian: apt-get install ${packages[*]}) and run this again." >&2
    exit 1
fi
echo "installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
