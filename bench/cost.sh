#!/usr/bin/env bash
# What a small call costs one build of the server beside another: instructions outside the kernel, which do
# not depend on the machine, and CPU time, in turns.
#
#   bash bench/cost.sh BEFORE [AFTER]        two binaries; the second is target/dist/wasimancer if it is left out
#
# Both are to be built alike: cargo build --profile dist. Wants valgrind and wrk, which it installs on Debian.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/lib/tools.sh
want_program wrk wrk
want_program valgrind valgrind
want_program python3 python3
[ $# -gt 0 ] || tools_die "please name the binary to compare with"
after=${2:-target/dist/wasimancer}
PYTHONPATH=bench exec python3 -m measure.cost "$1" "$after" "${@:3}"
