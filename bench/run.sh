#!/usr/bin/env bash
# Measures the server beside its peers, prints one report and writes docs/performance.md.
#
#   bash bench/run.sh                        everything; about two hours on a quiet machine of two cores
#   bash bench/run.sh in-process http        some sections; the others are reported as they were kept
#   bash bench/run.sh --once [BINARY]        everything of the product for a moment, without peers or report
#
# Wants wrk, which it installs on Debian. Nothing is asserted: figures depend on the machine.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/lib/tools.sh
want_program wrk wrk
want_program python3 python3

if [ "${1:-}" = --once ]; then
    binary=${2:-target/dist/wasimancer}
    PYTHONPATH=bench exec python3 -m measure --once --product "$binary"
fi
cargo build --profile dist --workspace --bin wasimancer --locked
CARGO_TARGET_DIR=target cargo build --profile dist --manifest-path bench/Cargo.toml --locked
# The engine makes a backtrace of each of its errors where this is set; the product is fast either way.
export RUST_BACKTRACE=0
PYTHONPATH=bench exec python3 -m measure --product target/dist/wasimancer --peers target/dist "$@"
