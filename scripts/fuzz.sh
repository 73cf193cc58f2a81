#!/usr/bin/env bash
# Lets libFuzzer look for inputs at which the server does what it must not.
#
#   scripts/fuzz.sh [SECONDS [TARGET…]]    600 seconds for each of the targets in fuzz/fuzz_targets
#
# Begins with fuzz/corpus/TARGET; what it finds interesting goes to target/fuzz-corpus/TARGET, what it finds wrong to
# fuzz/artifacts/TARGET. An input that was wrong belongs into the corpus, which the tests run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/lib/tools.sh
cargo_fuzz_version=0.13.2

seconds=${1:-600}
shift || true
targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
want_program c++ g++
PATH=$root/target/tools/cargo/bin:$PATH
[[ $(cargo fuzz --version 2>/dev/null) == "cargo-fuzz $cargo_fuzz_version" ]] ||
    cargo install --quiet --locked --root target/tools/cargo "cargo-fuzz@$cargo_fuzz_version"
# The instrumentation is not stable yet. No sanitizer: all of the server but one call is safe Rust.
export RUSTC_BOOTSTRAP=1
for target in "${targets[@]}"; do
    mkdir -p "target/fuzz-corpus/$target"
    cargo fuzz run --sanitizer none --features libfuzzer --target-dir target/fuzz "$target" \
        "target/fuzz-corpus/$target" "fuzz/corpus/$target" -- -max_total_time="$seconds" -rss_limit_mb=4096
done
