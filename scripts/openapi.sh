#!/usr/bin/env bash
# Holds the administration API of a server against the OpenAPI document that it gives of itself.
#
#   scripts/openapi.sh PATH_OF_THE_BINARY
#
# The document must be valid OpenAPI 3.1 and the same as docs/openapi.json. Then a session of an operator
# (tests/openapi/session.py) and schemathesis, which makes requests of the document, look for any answer that it does
# not describe and for any server error without a word of its own; in the end the home must be whole, and empty of what
# was removed. The server has a copy of the examples. What everything writes is kept in target/openapi/.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/lib/tools.sh"
tests=$root/tests/openapi
tools=$root/target/tools/openapi
logs=$root/target/openapi
source "$root/scripts/lib/servers.sh"
home=$logs/home
document=$logs/openapi.json

[ $# -eq 1 ] || tools_die "usage: ${0##*/} PATH_OF_THE_BINARY"
binary=$1
[ -x "$binary" ] || tools_die "$binary is not an executable file"

install() {
  cmp -s "$tests/requirements.txt" "$tools/installed.txt" && return
  rm -rf "$tools"
  want_venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --requirement "$tests/requirements.txt" >&2
  cp "$tests/requirements.txt" "$tools/installed.txt"
}

# Prints what schemathesis found, and its sums; the rest is in the log.
fuzz() {
  local log=$logs/schemathesis.log failed=
  # Its own folder holds what it learns, which must not make one run unlike another.
  (cd "$work" && PYTHONHASHSEED=0 PYTHONPATH=$tests SCHEMATHESIS_HOOKS=hooks OPENAPI_MODULE=$module OPENAPI_ANSWERS=$logs/answers.json \
    "$tools/bin/schemathesis" --config-file "$tests/schemathesis.toml" run "$document" --url "$url") >"$log" 2>&1 || failed=1
  sed -n '/^=.* ERRORS =/,/^=.* WARNINGS =/p; /^=.* FAILURES =/,/^=.* WARNINGS =/p' "$log"
  grep -A 1 '^Test cases:' "$log" || failed=1
  [ -z "$failed" ] || tools_die "in full: ${log#"$root"/}; the answers: target/openapi/answers.json"
}

want_program curl curl ca-certificates
install || tools_die "schemathesis could not be installed"

# What the caller configures for a server of their own is not for this one.
unset "${!WASIMANCER_@}" "${!WASM_@}" "${!SCHEMATHESIS_@}" HTTP_PORT PORT PLUGINS_PATH RESOURCES_PATH PROMPTS_PATH
export NO_PROXY='127.0.0.1' no_proxy='127.0.0.1'

rm -rf "$logs"
work=$logs/work
mkdir -p "$home" "$work"
cp -r "$root"/examples/{plugins,resources,prompts} "$home"
module=$root/examples/plugins/character-names/character-names.wasm

export WASIMANCER_ADMIN_TOKEN=a-token-of-the-test
start server "$endpoint_announced" env WASIMANCER_AUTHENTICATION_TOKEN=another-token-of-the-test \
  "$binary" serve --home "$home" --http-port 0
url=${announced%/mcp}

curl --silent --show-error --fail --header "Authorization: Bearer $WASIMANCER_ADMIN_TOKEN" "$url/openapi.json" |
  python3 -m json.tool --no-ensure-ascii >"$document"
"$tools/bin/openapi-spec-validator" --schema 3.1 "$document" || tools_die "the document is no OpenAPI 3.1"
diff -u "$root/docs/openapi.json" "$document" ||
  tools_die "the document has changed; if it should: cp target/openapi/openapi.json docs/openapi.json"

"$tools/bin/python" "$tests/session.py" "$url" "$document" "$module"
fuzz
"$binary" check --home "$home" || tools_die "what the requests left in $home does not load"
"$tools/bin/python" "$tests/leftovers.py" "$url" "$home"
