"""What clients get through nginx: through_nginx.py CERTIFICATE.

Wants MCP_URL, that of nginx, and MCP_TOKEN (see scripts/nginx.sh).
"""

import http.client
import json
import os
import ssl
import sys
import urllib.parse

URL = urllib.parse.urlsplit(os.environ["MCP_URL"])
TOKEN = os.environ["MCP_TOKEN"]
CONTEXT = ssl.create_default_context(cafile=sys.argv[1])
# So many requests go through the connections that nginx keeps to the server.
REQUESTS = 300
# More than fits into the buffers on the way.
LARGE_BYTES = 3_000_000
VERSION = "2026-07-28"


def call(arguments):
    """The body and the headers of a call of the tool `upper`."""
    meta = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": "upper", "arguments": arguments, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "upper",
    }
    return body, headers


class Connection:
    """A connection to nginx, which a client keeps, and opens anew only where it was told that it is closed."""

    def __init__(self):
        self.http = http.client.HTTPSConnection("localhost", URL.port, context=CONTEXT, timeout=60)

    def ask(self, path, body, headers, token=TOKEN, host=None, method="POST"):
        headers = headers | {"Authorization": f"Bearer {token}"} | ({"Host": host} if host else {})
        self.http.request(method, path, body, headers)
        answer = self.http.getresponse()
        return answer.status, answer.read()


def check(what, found, wanted):
    assert found == wanted, f"{what}: {found!r}, expected {wanted!r}"


def right(what, answered):
    status, body = answered
    check(what, status, 200)
    assert b'"isError":true' not in body and b'"HELLO"' in body, f"{what}: {body[:300]!r}"


small, large = call({"text": "hello"}), call({"text": "x" * LARGE_BYTES})

for path in ("/mcp", "/tools/mcp"):
    connection = Connection()
    for number in range(REQUESTS):
        what = f"{path}, request {number}"
        if number % 3 == 1:
            # The answer comes before the body has, and the next request must not suffer from that.
            body, headers = large if number % 30 == 1 else small
            status, _ = connection.ask(path, body, headers | {"Content-Encoding": "zstd"})
            check(f"{what}, unknown coding", status, 415)
            if path != "/mcp":
                # nginx, which hands on bodies as they come, may close this connection without a word.
                connection = Connection()
        elif number % 100 == 2:
            check(f"{what}, wrong token", Connection().ask(path, *small, token="wrong")[0], 401)
        else:
            right(what, connection.ask(path, *small))
right("under a name that is public", Connection().ask("/mcp", *small, host="tools.example.com"))
check("a name that is not", Connection().ask("/mcp", *small, host="tools.example.com", method="GET")[0], 405)
check("/healthz", Connection().ask("/healthz", None, {}, method="GET")[0], 200)
print("nginx: ok")
