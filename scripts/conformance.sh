#!/usr/bin/env bash
# Runs the public MCP conformance suite against a server that serves the home `conformance/`, once per revision.
#
#   scripts/conformance.sh PATH_OF_THE_BINARY    starts the server on a free port and stops it at the end
#   scripts/conformance.sh http://127.0.0.1:PORT/mcp    uses the server that runs there, without authentication; nobody
#                                                       plays its operator, so that its lists do not change
#
# Succeeds when each failure is in conformance/expected-failures.yml and each entry there fails. The complete output of
# a run is kept in target/conformance/. Fetches the suite once, and Node where `node` is missing or too old.
set -euo pipefail

suite_version=0.2.0-alpha.12
revisions=(2026-07-28 2025-11-25)

root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/lib/tools.sh"
tools=$root/target/tools/npm
logs=$root/target/conformance
source "$root/scripts/lib/servers.sh"
expected=$root/conformance/expected-failures.yml
operator_announced='s|.*operator listening on \(http://[^[:space:]]*\).*|\1|p'
# The checks that fail where nobody plays the operator.
operated=(
  server-stateless:sep-2575-server-sends-tools-list-changed-on-subscription
  server-stateless:sep-2575-server-sends-prompts-list-changed-on-subscription
)

[ $# -eq 1 ] || tools_die "usage: ${0##*/} PATH_OF_THE_BINARY | URL_OF_THE_ENDPOINT"

install_suite() {
  local manifest="{\"private\": true, \"dependencies\": {\"@modelcontextprotocol/conformance\": \"$suite_version\"}}"
  want_node 22.0
  if [ -f "$tools/installed.json" ] && [ "$(cat "$tools/installed.json")" = "$manifest" ]; then
    return
  fi
  rm -rf "$tools"
  mkdir -p "$tools"
  echo "$manifest" >"$tools/package.json"
  (cd "$tools" && npm install --no-audit --no-fund --loglevel=error) || tools_die "npm could not install the suite"
  echo "$manifest" >"$tools/installed.json"
}

# Judges the output $2 of the suite's run of revision $1: prints a line of sums and what was not expected, fails if
# there is anything. The suite judges what the revision requires. What it only reports is judged here, by the entries
# of the expected failures that name a whole scenario.
judge() {
  awk -v revision="$1" '
    NR == FNR { if ($1 == "-") listed[$2] = 1; next }
    /=== SUMMARY ===/ { summary = 1 }
    !summary { next }
    /^(✓|✗) .*: [0-9]+ passed, [0-9]+ failed$/ { sub(/:$/, "", $2); scenarios[++count] = $2; failing[$2] = ($1 == "✗"); next }
    /Expected failures \(in baseline\)/ { verdict = "expected" }
    /Stale baseline entries/ { verdict = "stale" }
    /Unexpected failures \(not in baseline\)/ { verdict = "unexpected" }
    /^  (~|✓|✗) / {
      scenario = $2
      sub(/:.*/, "", scenario)
      required[scenario] = 1
      if (verdict == "expected") expected[scenario] = 1
      else { wrong[scenario] = 1; complaints = complaints "  " verdict ": " $2 "\n" }
    }
    END {
      for (i = 1; i <= count; i++) {
        scenario = scenarios[i]
        if (!(scenario in required)) {
          if (failing[scenario] && scenario in listed) expected[scenario] = 1
          else if (failing[scenario] || scenario in listed) {
            wrong[scenario] = 1
            complaints = complaints "  " (failing[scenario] ? "unexpected: " : "stale: ") scenario "\n"
          }
        }
        if (scenario in wrong) wrongs++
        else if (scenario in expected) expecteds++
        else passed++
      }
      printf "%s: %d scenarios, %d passed, %d failed as expected, %d not as expected\n%s", revision, count, passed, expecteds, wrongs, complaints
      exit (!count || wrongs > 0)
    }' "$expected" "$2"
}

mkdir -p "$logs"
install_suite
case $1 in
  http://* | https://*)
    url=$1
    expected=$logs/expected-failures.yml
    sed "s|^server:\$|&$(printf '\\n  - %s # has no operator' "${operated[@]}")|" "$root/conformance/${expected##*/}" >"$expected"
    ;;
  *)
    [ -x "$1" ] || tools_die "$1 is not an executable file"
    # The operator's changes go to the definition files, so that the server gets a copy of them.
    rm -rf "${logs:?}/home"
    cp -r "$root/conformance" "$logs/home"
    export WASIMANCER_ADMIN_TOKEN=conformance
    start operator "$operator_announced" node "$root/conformance/operator.mjs" "$logs/server.stdout"
    start server "$endpoint_announced" env WASIMANCER_AUTHENTICATION_TOKEN=NO_AUTHENTICATION \
      WASM_OPERATOR="$announced" "$1" serve --home "$logs/home" --http-port 0
    url=$announced
    ;;
esac

failed=
for revision in "${revisions[@]}"; do
  log=$logs/$revision.log
  suite_failed=
  node "$tools/node_modules/@modelcontextprotocol/conformance/dist/index.js" server --url "$url" \
    --requirements "$revision" --expected-failures "$expected" >"$log" 2>&1 || suite_failed=1
  if ! judge "$revision" "$log" || [ -n "$suite_failed" ]; then
    failed=1
    echo "  in full: target/conformance/$revision.log"
  fi
done
[ -z "$failed" ]
