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
target=${CARGO_TARGET_DIR:-target}
document=docs/reliability.md

binary=${1:-$target/dist/wasimancer}
seconds=${2:-600}
seed=${3:-1}
[[ -x $binary ]] || cargo build --workspace --profile dist --locked --bin wasimancer
rows=$(mktemp)
table=$(mktemp)
trap 'rm -f "$rows" "$table"' EXIT

read -r load _ </proc/loadavg
# The whole workspace is selected, since another selection would compile wasmtime with other features.
status=0
SOAK_SECONDS=$seconds SOAK_SEED=$seed HOSTILE_REPORT=$rows TESTED_BINARY=$(realpath "$binary") \
    cargo test --workspace --locked --test hostile -- slow_soak || status=$?

processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
{
    echo "$seconds s with seed $seed on $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD): $(nproc) × ${processor:-unknown processor}, load $load before."
    echo
    echo "| what | limit | how it ended | longest | \`/healthz\` p50 / p99 / max | a small tool p50 / p99 / max | peak memory |"
    echo "|---|---|---|---|---|---|---|"
    cat "$rows"
} >"$table"
awk -v table="$table" '
    /<!-- soak: end -->/ { inside = 0 }
    !inside
    /<!-- soak: begin -->/ { inside = 1; while ((getline line < table) > 0) print line }
' "$document" >"$rows"
cp "$rows" "$document"
exit "$status"
