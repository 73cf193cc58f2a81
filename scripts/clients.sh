#!/usr/bin/env bash
# Plays one session (tests/clients/session.json) with every public MCP client, in both eras of the protocol, against a
# server that serves the examples.
#
#   scripts/clients.sh PATH_OF_THE_BINARY [HOME]    HOME is examples/ unless another home holds the same catalogue
#
# Prints a line for each client and a line of sums, and fails if a client does. What the clients and the server write is
# kept in target/clients/logs/. Fetches the clients once, and Node where `node` is missing or too old. Wants cargo.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/lib/tools.sh"
clients=$root/tests/clients
python_tools=$root/target/tools/python-clients
node_tools=$root/target/tools/clients
work=$root/target/clients
logs=$work/logs
source "$root/scripts/lib/servers.sh"

# Long enough for the slowest machine: nothing waits for it but a client that hangs.
client_seconds=600

[ $# -eq 1 ] || [ $# -eq 2 ] || tools_die "usage: ${0##*/} PATH_OF_THE_BINARY [HOME]"
binary=$1
home=${2:-$root/examples}
[ -x "$binary" ] || tools_die "$binary is not an executable file"
[ -d "$home" ] || tools_die "$home is not a folder"

install_python() {
  local wanted=$clients/python/requirements.txt
  cmp -s "$wanted" "$python_tools/installed.txt" && return
  rm -rf "$python_tools"
  want_venv "$python_tools"
  "$python_tools/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
  cp "$wanted" "$python_tools/installed.txt"
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

passed=0
failed=0

# play NAME MODE COMMAND…: runs a client, which prints the revision and what it did if all went well.
play() {
  local name=$1 mode=$2 log=$logs/$1-$2 result
  if timeout "$client_seconds" "${@:3}" >"$log.stdout" 2>"$log.stderr" &&
    result=$(grep -Ex '[0-9]{4}-[0-9]{2}-[0-9]{2}: [1-9][0-9]* tools called' "$log.stdout"); then
    passed=$((passed + 1))
    echo "ok $name $mode $result"
  else
    failed=$((failed + 1))
    echo "FAILED $name $mode, in full: ${log#"$root"/}.stderr"
    tail -n 20 "$log.stderr"
  fi
}

install_python || tools_die "the Python client could not be installed"
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

export MCP_TOKEN=a-token-of-the-test
message='What the operator says: “été” 🎲'
start server "$endpoint_announced" env \
  WASIMANCER_AUTHENTICATION_TOKEN="$MCP_TOKEN" WASIMANCER_ADMIN_TOKEN=another-token-of-the-test \
  WASIMANCER_ALLOWED_HOSTS=127.0.0.1 WASM_MESSAGE="$message" \
  "$binary" serve --home "$home" --http-port 0
export MCP_URL=$announced

export MCP_SESSION=$work/session.json
sed -e "s/{port}/$page_port/" -e "s/{message}/$message/" "$clients/session.json" >"$MCP_SESSION"

for mode in auto legacy; do
  play python "$mode" "$python_tools/bin/python" "$clients/python/client.py" "$mode"
done
for mode in auto pinned legacy; do
  play typescript-client "$mode" node "$node_tools/client.mjs" client "$mode"
done
play typescript-sdk legacy node "$node_tools/client.mjs" sdk legacy
for mode in auto modern legacy; do
  # It keeps a folder of its own in the user's.
  play inspector "$mode" env HOME="$work/home" node "$node_tools/inspector.mjs" "$mode"
done
for mode in auto discover initialize; do
  play rmcp "$mode" env CARGO_TARGET_DIR="$work" cargo run --quiet --locked \
    --manifest-path "$clients/rmcp/Cargo.toml" -- "$mode"
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
