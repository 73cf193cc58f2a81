#!/usr/bin/env bash
# Runs the public MCP conformance suite against a server that serves the home `conformance/`, once per revision.
#
#   scripts/conformance.sh PATH_OF_THE_BINARY    starts the server on a free port and stops it at the end
#   scripts/conformance.sh http://127.0.0.1:PORT/mcp    uses the server that runs there, without authentication; nobody
#                                                       plays its operator, so that its lists do not change
#
# Succeeds when every check passes, those that the suite does not score included, and docs/conformance.md says so; with
# UPDATE=1 in the environment it is written anew. The complete output of a run is kept in target/conformance/. Fetches
# the suite once, and Node where `node` is missing or too old.
set -euo pipefail

suite_version=0.2.0-alpha.12
revisions=(2026-07-28 2025-11-25)

root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/lib/tools.sh"
tools=$root/target/tools/npm
logs=$root/target/conformance
source "$root/scripts/lib/servers.sh"
results=$logs/results
operator_announced='s|.*operator listening on \(http://[^[:space:]]*\).*|\1|p'

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

mkdir -p "$logs"
install_suite
without_operator=
case $1 in
  http://* | https://*)
    url=$1
    without_operator=--without-operator
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

rm -rf "$results"
for revision in "${revisions[@]}"; do
  # Its own verdict is of the scored checks alone: what counts is judged below.
  node "$tools/node_modules/@modelcontextprotocol/conformance/dist/index.js" server --url "$url" \
    --requirements "$revision" --output-dir "$results/$revision" >"$logs/$revision.log" 2>&1 || true
  [ -d "$results/$revision" ] || tools_die "the suite did not run: see target/conformance/$revision.log"
done
node "$root/conformance/report.mjs" "$results" "$suite_version" "$root/docs/conformance.md" $without_operator
