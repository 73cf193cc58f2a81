#!/usr/bin/env bash
# Plays one session (tests/clients/session.json) with every public MCP client, in both eras of the protocol, against a
# server that serves the examples. Then shows what the official SDKs' clients can do besides, against one that serves a
# copy of conformance/ and whose operator they play.
#
#   scripts/clients.sh PATH_OF_THE_BINARY         both
#   scripts/clients.sh PATH_OF_THE_BINARY HOME    the session alone, with a home that holds the catalogue of examples/
#
# Prints a line for each client, one for each thing that a client cannot do, and a line of sums, and fails if a client
# does. What the clients and the servers write is kept in target/clients/logs/. Fetches the clients once, and Node where
# `node` is missing or too old. Wants cargo.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/lib/tools.sh"
clients=$root/tests/clients
python_tools=$root/target/tools/python-clients
older_python_tools=$root/target/tools/python-clients-1
node_tools=$root/target/tools/clients
work=$root/target/clients
logs=$work/logs
source "$root/scripts/lib/servers.sh"

# Long enough for the slowest machine: nothing waits for it but a client that hangs.
client_seconds=600

# What the clients show besides the session, in this order: a session's lists are watched once its stream is open, which
# the subscription proves.
features=(subscription list_changed elicitation progress cancellation task)
# What is missing, by client, mode and feature, or by client and mode. Tasks are an extension of 2026-07-28.
declare -A gaps=(
  [python legacy task]='the client has no tasks in 2025-11-25'
  [typescript-client legacy task]='the server has no tasks in 2025-11-25, where they were an experiment'
  [typescript-sdk auto]='the client has no 2026-07-28'
  [typescript-sdk legacy task]='the server has no tasks in 2025-11-25, where they were an experiment'
  [rmcp initialize task]='the client has no tasks in 2025-11-25'
)

[ $# -eq 1 ] || [ $# -eq 2 ] || tools_die "usage: ${0##*/} PATH_OF_THE_BINARY [HOME]"
binary=$1
home=${2:-$root/examples}
[ -x "$binary" ] || tools_die "$binary is not an executable file"
[ -d "$home" ] || tools_die "$home is not a folder"

# install_python FOLDER REQUIREMENTS
install_python() {
  local wanted=$clients/python/$2
  cmp -s "$wanted" "$1/installed.txt" && return
  rm -rf "$1"
  want_venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
  cp "$wanted" "$1/installed.txt"
}

# The scripts stand beside the packages, where Node looks for them.
install_node() {
  want_node 22.19
  mkdir -p "$node_tools"
  cp "$clients"/node/*.mjs "$clients/node/package.json" "$clients/node/package-lock.json" "$node_tools"
  cmp -s "$node_tools/package-lock.json" "$node_tools/installed.json" && return
  (cd "$node_tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  cp "$node_tools/package-lock.json" "$node_tools/installed.json"
}

build_rust() {
  CARGO_TARGET_DIR=$work cargo build --quiet --locked --manifest-path "$clients/rmcp/Cargo.toml"
}

# It leaves no compiled modules beside the sources.
python=("$python_tools/bin/python" -B)
passed=0
failed=0

# play NAME MODE PATTERN COMMAND…: runs a client, which prints the revision and what it did if all went well.
play() {
  local name=$1 mode=$2 pattern=$3 log=$logs/$1-$2 result
  if timeout "$client_seconds" "${@:4}" >"$log.stdout" 2>"$log.stderr" &&
    result=$(grep -Ex "[0-9]{4}-[0-9]{2}-[0-9]{2}: $pattern" "$log.stdout"); then
    passed=$((passed + 1))
    echo "ok $name $mode $result"
  else
    failed=$((failed + 1))
    echo "FAILED $name $mode, in full: ${log#"$root"/}.stderr"
    tail -n 20 "$log.stderr"
  fi
}

# play_session NAME MODE COMMAND…
play_session() {
  play "$1" "$2" '[1-9][0-9]* tools called' "${@:3}"
}

# show_features NAME MODE COMMAND…: runs a client, which gets the features that it has as further arguments.
show_features() {
  local name=$1 mode=$2 feature shown=()
  if [ -n "${gaps[$name $mode]:-}" ]; then
    echo "gap $name $mode: ${gaps[$name $mode]}"
    return
  fi
  for feature in "${features[@]}"; do
    if [ -n "${gaps[$name $mode $feature]:-}" ]; then
      echo "gap $name $mode $feature: ${gaps[$name $mode $feature]}"
    else
      shown+=("$feature")
    fi
  done
  play "$name-features" "$mode" "${shown[*]}" "${@:3}" "${shown[@]}"
}

install_python "$python_tools" requirements.txt && install_python "$older_python_tools" older.txt ||
  tools_die "the Python clients could not be installed"
install_node || tools_die "the Node clients could not be installed"
build_rust || tools_die "the Rust client could not be built"

rm -rf "$logs"
mkdir -p "$logs"
# What the caller configures for a server of their own is not for this one.
unset "${!WASIMANCER_@}" "${!WASM_@}" HTTP_PORT PORT PLUGINS_PATH RESOURCES_PATH PROMPTS_PATH
# All of them are on this machine, whatever proxies it has.
export NO_PROXY='127.0.0.1,localhost' no_proxy='127.0.0.1,localhost'

start page 's/^port //p' "$python_tools/bin/python" "$clients/page.py"
page_port=$announced

export MCP_TOKEN=a-token-of-the-test MCP_ADMIN_TOKEN=another-token-of-the-test
message='What the operator says: “été” 🎲'
start server "$endpoint_announced" env \
  WASIMANCER_AUTHENTICATION_TOKEN="$MCP_TOKEN" WASIMANCER_ADMIN_TOKEN="$MCP_ADMIN_TOKEN" \
  WASIMANCER_ALLOWED_HOSTS=127.0.0.1 WASM_MESSAGE="$message" \
  "$binary" serve --home "$home" --http-port 0
export MCP_URL=$announced

export MCP_SESSION=$work/session.json
sed -e "s/{port}/$page_port/" -e "s/{message}/$message/" "$clients/session.json" >"$MCP_SESSION"

for mode in auto legacy; do
  play_session python "$mode" "${python[@]}" "$clients/python/client.py" "$mode"
done
for mode in auto legacy; do
  play_session python-stdio "$mode" env WASIMANCER_ALLOWED_HOSTS=127.0.0.1 WASM_MESSAGE="$message" \
    "${python[@]}" "$clients/python/client.py" "$mode" "$binary" serve --stdio --home "$home"
done
play_session python-1 legacy "$older_python_tools/bin/python" -B "$clients/python/older.py"
for framework in fastmcp agents; do
  play_session "$framework" auto "${python[@]}" "$clients/python/frameworks.py" "$framework"
done
# What makes a server of standard input and output of one over HTTP. It keeps a folder of its own in the user's.
for mode in auto legacy; do
  play_session mcp-remote "$mode" env HOME="$work/home" "${python[@]}" "$clients/python/client.py" "$mode" \
    node "$node_tools/node_modules/mcp-remote/dist/proxy.js" "$MCP_URL" --allow-http --transport http-only \
    --header "Authorization: Bearer $MCP_TOKEN"
done
for mode in auto pinned legacy; do
  play_session typescript-client "$mode" node "$node_tools/client.mjs" client "$mode"
done
play_session typescript-sdk legacy node "$node_tools/client.mjs" sdk legacy
play_session typescript-sdk-1.10 legacy node "$node_tools/client.mjs" sdk-1.10 legacy
for mode in auto modern legacy; do
  # It keeps a folder of its own in the user's.
  play_session inspector "$mode" env HOME="$work/home" node "$node_tools/inspector.mjs" "$mode"
done
for mode in auto discover initialize; do
  play_session rmcp "$mode" "$work/debug/session" "$mode"
done

if [ $# -eq 2 ]; then
  echo "$passed passed, $failed failed"
  [ $failed -eq 0 ]
  exit
fi

# One place for calls shows whether a cancelled call has given up its own.
rm -rf "${work:?}/conformance"
cp -r "$root/conformance" "$work/conformance"
printf '[limits]\nconcurrency = 1\ntimeout = "1h"\n' >"$work/conformance/wasimancer.toml"
start features-server "$endpoint_announced" env \
  WASIMANCER_AUTHENTICATION_TOKEN="$MCP_TOKEN" WASIMANCER_ADMIN_TOKEN="$MCP_ADMIN_TOKEN" \
  "$binary" serve --home "$work/conformance" --http-port 0
export MCP_URL=$announced

for mode in auto legacy; do
  show_features python "$mode" "${python[@]}" "$clients/python/features.py" "$mode"
  show_features typescript-client "$mode" node "$node_tools/features.mjs" client "$mode"
  show_features typescript-sdk "$mode" node "$node_tools/features.mjs" sdk "$mode"
done
for mode in auto discover initialize; do
  show_features rmcp "$mode" "$work/debug/features" "$mode"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
