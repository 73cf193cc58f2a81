# What the scripts share that write to docs/reliability.md. To be sourced in the root of the repository.
# shellcheck shell=bash

readonly document=docs/reliability.md
rows=$(mktemp)
table=$(mktemp)
trap 'rm -f "$rows" "$table"' EXIT

# want_dist_binary [BINARY]: sets `binary` to the path of that one, or of target/dist/wasimancer, built where it is missing.
want_dist_binary() {
    binary=${1:-${CARGO_TARGET_DIR:-target}/dist/wasimancer}
    [[ -x $binary ]] || cargo build --workspace --profile dist --locked --bin wasimancer
    binary=$(realpath "$binary")
}

# begin_report: notes how busy the machine is before anything is measured.
begin_report() { read -r load _ </proc/loadavg; }

# tabulate WHAT FIRST_COLUMN: makes `table` of what the harness has written to `rows`.
tabulate() {
    local processor
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
    {
        echo "$1 on $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD): $(nproc) × ${processor:-unknown processor}, load $load before."
        echo
        echo "| $2 | limit | how it ended | longest | \`/healthz\` p50 / p99 / max | a small tool p50 / p99 / max | peak memory |"
        echo "|---|---|---|---|---|---|---|"
        cat "$rows"
    } >"$table"
}

# publish MARK: puts `table` between the marks of this name in the document.
publish() {
    awk -v table="$table" -v begin="<!-- $1: begin -->" -v end="<!-- $1: end -->" '
        index($0, end) { inside = 0 }
        !inside
        index($0, begin) { inside = 1; while ((getline line < table) > 0) print line }
    ' "$document" >"$rows"
    cp "$rows" "$document"
}
