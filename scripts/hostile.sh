#!/usr/bin/env bash
# Runs the hostile cases as large as they are, one after the other, and writes what a probe measured beside each to
# docs/reliability.md. The machine should do nothing else.
#
#   scripts/hostile.sh [BINARY [CASE…]]
#
# BINARY is target/dist/wasimancer, built where it is missing. CASE is a part of the names in
# crates/wasimancer/tests/hostile/slow_attacks, such as `wasi::` or `crowds::one_plugin`; with one the table is printed, and the
# document stays as it is.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/lib/reliability.sh

want_dist_binary "${1:-}"
shift || true

# The whole workspace is selected, since another selection would compile wasmtime with other features.
cargo test --workspace --locked --test hostile --no-run
begin_report
status=0
HOSTILE=full HOSTILE_REPORT=$rows TESTED_BINARY=$binary \
    cargo test --workspace --locked --test hostile -- --test-threads=1 --skip all:: "$@" || status=$?
tabulate "$(wc -l <"$rows") cases" case
if [[ $# -gt 0 ]]; then
    cat "$table"
else
    publish hostile
fi
exit "$status"
