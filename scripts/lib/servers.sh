# Functions that start the servers of a script and stop them with it. To be sourced after tools.sh, once `logs` is the
# folder for what the servers write.
# shellcheck shell=bash

# Long enough for the slowest machine: nothing waits for these but what hangs.
readonly start_seconds=300
readonly stop_seconds=30
# What sed finds the endpoint with that WASImancer announces.
readonly endpoint_announced='s|.*listening on \(http://[^[:space:]]*/mcp\).*|\1|p'

server_pids=()
stop_servers() {
  local pid deadline=$((SECONDS + stop_seconds))
  for pid in "${server_pids[@]}"; do
    # More than once, since what was started just now may miss a signal.
    while kill "$pid" 2>/dev/null; do
      [ $SECONDS -lt $deadline ] || kill -KILL "$pid" 2>/dev/null || true
      sleep 0.1
    done
  done
}
trap stop_servers EXIT

# start NAME SCRIPT COMMAND…: starts a server, and sets `announced` to what sed with SCRIPT prints of its output.
start() {
  local name=$1 script=$2 pid deadline=$((SECONDS + start_seconds))
  : >"${logs:?}/$name.stdout" # The server may be slower to create it than this shell is to read it.
  "${@:3}" >"$logs/$name.stdout" 2>"$logs/$name.stderr" &
  pid=$!
  server_pids+=("$pid")
  while [ $SECONDS -lt $deadline ]; do
    announced=$(sed -n "$script" "$logs/$name.stdout")
    [ -z "$announced" ] || return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$logs/$name.stderr" >&2
  tools_die "the $name announced no address"
}
