#!/usr/bin/env bash
# Publishes a plugin: uploads it where the server has none of its name, and updates it where it has one.
#
#   scripts/publish-plugin.sh [--dry-run] PLUGIN.wasm DEFINITION.json
#
# Wants in the environment WASIMANCER_URL, such as https://tools.example.com, and WASIMANCER_TOKEN, the server's
# WASIMANCER_ADMIN_TOKEN; and curl and jq. Prints what the server answers. --dry-run finds out everything that is wrong,
# and changes nothing.
set -euo pipefail

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

query=
if [ "${1:-}" = --dry-run ]; then
  query='?dryRun=true'
  shift
fi
[ $# -eq 2 ] || die "usage: ${0##*/} [--dry-run] PLUGIN.wasm DEFINITION.json"
module=$1
definition=$2
[ -r "$module" ] || die "there is no module $module"
[ -n "${WASIMANCER_URL:-}" ] || die "WASIMANCER_URL is not set: give it the address of the server"
[ -n "${WASIMANCER_TOKEN:-}" ] || die "WASIMANCER_TOKEN is not set: give it the server's WASIMANCER_ADMIN_TOKEN"
name=$(jq -er '.name | strings | @uri' "$definition") || die "$definition is no JSON with a name"

# request CURL_ARGUMENT…: sends a request, and sets http_code and response_body.
request() {
  local response
  # The token is handed over as a file, since everybody on the machine sees the arguments of a program.
  response=$(curl -sS -w '\n%{http_code}' -H @<(printf 'Authorization: Bearer %s\n' "$WASIMANCER_TOKEN") "$@") ||
    die "$WASIMANCER_URL cannot be reached"
  http_code=${response##*$'\n'}
  response_body=${response%$'\n'*}
}

request "${WASIMANCER_URL%/}/plugins/$name"
case $http_code in
  200) change=(-X PUT "${WASIMANCER_URL%/}/update-plugin$query") ;;
  404) change=(-X POST "${WASIMANCER_URL%/}/upload-plugin$query") ;;
  *) die "error $http_code: $response_body" ;;
esac
request "${change[@]}" -F "wasmFile=@$module" -F "pluginData=<$definition"
[ "$http_code" -eq 200 ] || die "error $http_code: $response_body"
echo "$response_body"
