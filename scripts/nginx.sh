#!/usr/bin/env bash
# Serves the examples behind nginx, with TLS, a prefix and kept connections, and plays what clients do through it.
#
#   scripts/nginx.sh PATH_OF_THE_BINARY
#
# Wants nginx and openssl, which it installs on Debian, and the Python clients of scripts/clients.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
source scripts/lib/tools.sh
[ $# -eq 1 ] || tools_die "usage: ${0##*/} PATH_OF_THE_BINARY"
binary=$1
folder=$root/target/nginx
logs=$folder/logs
rm -rf "$folder"
mkdir -p "$logs"
source scripts/lib/servers.sh

want_program nginx nginx-light
want_program openssl openssl
want_program python3 python3
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost' \
    -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>"$logs/openssl.stderr"

export MCP_TOKEN=a-token-of-the-test
# The examples' own words for where they may go do not matter here.
start server 's|.*listening on http://\([^[:space:]]*\)/mcp.*|\1|p' env \
    WASIMANCER_AUTHENTICATION_TOKEN="$MCP_TOKEN" WASIMANCER_PUBLIC_HOSTS=tools.example.com \
    WASIMANCER_TRUSTED_PROXIES=127.0.0.1 "$binary" serve --home examples --http-port 0
server=$announced
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -e "s|{folder}|$folder|g" -e "s|{port}|$port|g" -e "s|{server}|$server|g" tests/proxies/nginx.conf >"$folder/nginx.conf"
start nginx 's/^ready$/ready/p' bash -c '
    nginx -c "$0/nginx.conf" -p "$0" & trap "kill $!" TERM
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do kill -0 $! || exit 1; sleep 0.1; done
    echo ready; wait $!' "$folder" "$port"
MCP_URL=https://localhost:$port/mcp python3 tests/proxies/through_nginx.py "$folder/certificate.pem"
