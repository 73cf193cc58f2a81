#!/usr/bin/env bash
# Runs every test, and installs what is missing for it on a Debian machine that has cargo.
#
#   bash scripts/test.sh
#
# The steps share one target folder; a first run takes about half an hour on two cores, most of it
# the compilation of wasmtime.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Paths, tokens and plugin configuration of the caller's environment are none of the tests' business.
unset "${!WASIMANCER_@}" "${!WASM_@}" HTTP_PORT PORT PLUGINS_PATH RESOURCES_PATH PROMPTS_PATH

step() { printf '\n== %s (%s)\n' "$*" "$(date +%H:%M:%S)"; }

fail() {
    printf 'test: %s\n' "$*" >&2
    exit 1
}

# Installs Debian packages when a program of theirs is missing: missing PROGRAM PACKAGE…
missing() {
    local program=$1
    shift
    command -v "$program" >/dev/null 2>&1 && return
    command -v apt-get >/dev/null 2>&1 || fail "please install $program"
    local root=()
    [[ $EUID -eq 0 ]] || root=(sudo)
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

step "Tools"
command -v cargo >/dev/null 2>&1 || fail "please install Rust 1.95 or newer, with clippy and rustfmt"
missing cc gcc libc6-dev
missing curl curl ca-certificates
missing python3 python3 python3-venv

step "One version of what must not come twice"
for crate in wasmtime hyper rustls; do
    [[ $(grep -c "^name = \"$crate\"\$" Cargo.lock) == 1 ]] || fail "Cargo.lock holds more than one $crate"
done

step "Format and lints"
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings

step "Unit and integration tests"
cargo test --workspace --locked

step "Benchmarks, each once"
# The whole workspace is selected, since another selection would compile wasmtime with other features.
cargo test --workspace --locked --bench call

step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

step "Conformance suite"
bash scripts/conformance.sh target/debug/wasimancer

step "Official clients"
bash scripts/clients.sh target/debug/wasimancer examples

step "Plugins from source: C and AssemblyScript byte for byte, all to the same behaviour"
rebuilt=target/rebuilt-examples
rm -rf "$rebuilt"
cp -r examples "$rebuilt"
bash scripts/build-plugins.sh --check --out "$rebuilt/plugins"
bash scripts/clients.sh target/debug/wasimancer "$rebuilt"

step "All tests passed"
