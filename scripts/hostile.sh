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
target=${CARGO_TARGET_DIR:-target}
document=docs/reliability.md

binary=${1:-$target/dist/wasimancer}
shift || true
[[ -x $binary ]] || cargo build --workspace --profile dist --locked --bin wasimancer
rows=$(mktemp)
table=$(mktemp)
trap 'rm -f "$rows" "$table"' EXIT

# The whole workspace is selected, since another selection would compile wasmtime with other features.
cargo test --workspace --locked --test hostile --no-run
read -r load _ </proc/loadavg
status=0
HOSTILE=full HOSTILE_REPORT=$rows TESTED_BINARY=$(realpath "$binary") \
    cargo test --workspace --locked --test hostile -- --test-threads=1 --skip all:: "$@" || status=$?

processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
{
    echo "$(wc -l <"$rows") cases on $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD): $(nproc) × ${processor:-unknown processor}, load $load before."
    echo
    echo "| case | limit | how it ended | longest | \`/healthz\` p50 / p99 / max | a small tool p50 / p99 / max | peak memory |"
    echo "|---|---|---|---|---|---|---|"
    cat "$rows"
} >"$table"

if [[ $# -gt 0 ]]; then
    cat "$table"
else
    awk -v table="$table" '
        /<!-- hostile: end -->/ { inside = 0 }
        !inside
        /<!-- hostile: begin -->/ { inside = 1; while ((getline line < table) > 0) print line }
    ' "$document" >"$rows"
    cp "$rows" "$document"
fi
exit "$status"
