#!/usr/bin/env bash
# Runs every test, and installs what is missing for it on a Debian machine that has cargo.
#
#   bash scripts/test.sh             everything; what a change must pass
#   bash scripts/test.sh --quick     format, lints and all tests but the slow ones, for work in progress
#
# Slow tests have names that begin with slow_. The steps share one target folder; a first run takes 30 to 40 minutes on two cores, most of it
# the compilation of wasmtime.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/lib/tools.sh
# Paths, tokens and plugin configuration of the caller's environment are none of the tests' business.
unset "${!WASIMANCER_@}" "${!WASM_@}" HTTP_PORT PORT PLUGINS_PATH RESOURCES_PATH PROMPTS_PATH
unset UPLOAD_PATH UPLOAD_LIMIT ADMIN_ADDRESS

quick=
case "${1:-}" in
    "") ;;
    --quick) quick=1 ;;
    *) tools_die "please write scripts/test.sh, or scripts/test.sh --quick" ;;
esac

step() { printf '\n== %s (%s)\n' "$*" "$(date +%H:%M:%S)"; }

step "Tools"
has cargo || tools_die "please install Rust 1.95 or newer, with clippy and rustfmt"
want_program cc gcc libc6-dev
want_program make make
want_program python3 python3 python3-venv

if [ -n "$quick" ]; then
    step "Format and lints"
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    step "Tests, but for the slow ones"
    cargo test --workspace --locked -- --skip slow_
    step "The quick tests passed; scripts/test.sh runs the others"
    exit
fi

step "One version of what must not come twice"
for crate in wasmtime hyper rustls; do
    [[ $(grep -c "^name = \"$crate\"\$" Cargo.lock) == 1 ]] || tools_die "Cargo.lock holds more than one $crate"
done

step "Format and lints"
cargo fmt --all --check
cargo fmt --check --manifest-path bench/Cargo.toml
cargo clippy --workspace --all-targets --locked -- -D warnings
# The peers that are measured beside the product, but for the one that brings an engine of its own.
CARGO_TARGET_DIR=target cargo clippy --manifest-path bench/Cargo.toml --no-default-features --all-targets --locked -- -D warnings

step "Unit and integration tests"
[ -n "${MCP_SPEC:-}" ] || echo "MCP_SPEC is not set: messages are not held against the schemas of the specification"
cargo test --workspace --locked

step "Benchmarks, each once"
# The whole workspace is selected, since another selection would compile wasmtime with other features.
cargo test --workspace --locked --bench call
bash bench/run.sh --once target/debug/wasimancer

step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

step "Conformance suite"
bash scripts/conformance.sh target/debug/wasimancer

step "Official clients"
bash scripts/clients.sh target/debug/wasimancer

step "Behind nginx"
bash scripts/nginx.sh target/debug/wasimancer

step "The README's and the guides' commands"
bash scripts/readme.sh target/debug/wasimancer

step "The administration API against its OpenAPI document"
bash scripts/openapi.sh target/debug/wasimancer

step "Plugins from source: C and AssemblyScript byte for byte, all to the same behaviour"
rebuilt=target/rebuilt-examples
rm -rf "$rebuilt"
cp -r examples "$rebuilt"
bash scripts/build-plugins.sh --check --out "$rebuilt/plugins"
bash scripts/clients.sh target/debug/wasimancer "$rebuilt"

step "All tests passed"
