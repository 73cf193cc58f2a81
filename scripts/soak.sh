#!/usr/bin/env bash
# Lets hostile plugins, callers, operators and strangers do everything at once, and writes what became of it to
# docs/reliability.md. The machine should do nothing else.
#
#   scripts/soak.sh [BINARY [SECONDS [SEED]]]
#
# BINARY is target/dist/wasimancer, built where it is missing; 600 seconds; the seed decides who does what in which order.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/lib/reliability.sh

want_dist_binary "${1:-}"
seconds=${2:-600}
seed=${3:-1}

# The whole workspace is selected, since another selection would compile wasmtime with other features.
cargo test --workspace --locked --test hostile --no-run
begin_report
status=0
SOAK_SECONDS=$seconds SOAK_SEED=$seed HOSTILE_REPORT=$rows TESTED_BINARY=$binary \
    cargo test --workspace --locked --test hostile -- slow_soak || status=$?
tabulate "$seconds s with seed $seed" what
publish soak
exit "$status"
