#!/usr/bin/env python3
"""Prints what publication costs the calls beside it, and how soon clients know of it.

    cargo build --release && python3 scripts/measure_publish.py [BINARY]

Wants wrk (apt-get install wrk). 32 connections call one tool without pause, first alone, then while its plugin is
updated 200 times between two versions; then a new tool is published again and again while a client holds a
subscriptions/listen stream. Nothing is asserted: figures depend on the machine, so its load is printed beside them.
"""

import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

RUNS = 5
UPDATES = 200
CONNECTIONS = 32
ALONE_SECONDS = 5
PUBLICATIONS = 50
ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = "measure"
MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
MODULES = [
    (ROOT / f"examples/plugins/{name}/{name}.wasm").read_bytes() for name in ("character-names", "hello")
]
EXPORTS = ["GenerateCharacterName", "hello"]


def headers(method: str, name: str | None = None) -> dict[str, str]:
    found = {"Content-Type": "application/json", "MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    return found | ({"Mcp-Name": name} if name else {})


def request(method: str, params: dict) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params | {"_meta": META}})


def definition(name: str, version: int) -> str:
    arguments = [{"name": "name", "type": "string", "required": False, "default": "Ada"}]
    export = EXPORTS[version % 2]
    functions = [{"displayName": name, "function": export, "arguments": arguments}]
    return json.dumps({"name": name, "version": f"1.0.{version}", "functions": functions})


def send(connection: http.client.HTTPConnection, method: str, path: str, parts: tuple[str, bytes]) -> float:
    """Uploads a plugin; answers the milliseconds to the whole answer."""
    edge = uuid.uuid4().hex
    data, module = parts
    head = f'--{edge}\r\nContent-Disposition: form-data; name="pluginData"\r\n\r\n{data}\r\n--{edge}\r\n'
    head += 'Content-Disposition: form-data; name="wasmFile"; filename="m.wasm"\r\n\r\n'
    body = head.encode() + module + f"\r\n--{edge}--\r\n".encode()
    sent = {"Authorization": f"Bearer {TOKEN}", "Content-Type": f"multipart/form-data; boundary={edge}"}
    began = time.perf_counter()
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return (time.perf_counter() - began) * 1000


def load(authority: str, folder: str, seconds: float) -> subprocess.Popen:
    script = pathlib.Path(folder) / "call.lua"
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers("tools/call", "busy").items()]
    body = request("tools/call", {"name": "busy", "arguments": {}})
    script.write_text("\n".join(['wrk.method = "POST"', f"wrk.body = [[{body}]]", *lines]))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script)]
    return subprocess.Popen([*command, f"http://{authority}/mcp"], stdout=subprocess.PIPE, text=True)


def percentile(output: str, which: str) -> float:
    """Milliseconds of a line such as `99%    1.20ms`."""
    number, unit = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)", output).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def beside_updates(authority: str, folder: str) -> dict[str, float]:
    """Latencies of calls alone and beside updates, and the time of an update, in milliseconds."""
    operator = http.client.HTTPConnection(authority)
    send(operator, "POST", "/upload-plugin", (definition("busy", 0), MODULES[0]))
    alone = load(authority, folder, ALONE_SECONDS).communicate()[0]
    # Longer than the updates take; ended when they are made.
    wrk = load(authority, folder, 600)
    times = [
        send(operator, "PUT", "/update-plugin", (definition("busy", version), MODULES[version % 2]))
        for version in range(1, UPDATES + 1)
    ]
    wrk.send_signal(2)
    beside = wrk.communicate()[0]
    for output in (alone, beside):
        assert "Non-2xx" not in output and "Socket errors" not in output, output
    operator.request("DELETE", "/remove-plugin/busy", headers={"Authorization": f"Bearer {TOKEN}"})
    operator.getresponse().read()
    return {
        "calls alone, p50": percentile(alone, "50"),
        "calls alone, p99": percentile(alone, "99"),
        "calls beside updates, p50": percentile(beside, "50"),
        "calls beside updates, p99": percentile(beside, "99"),
        "an update beside calls": statistics.median(times),
    }


def told(authority: str) -> dict[str, float]:
    """How soon a new tool is answered for, callable and told of, in milliseconds from the request."""
    stream = http.client.HTTPConnection(authority)
    listen = {"notifications": {"toolsListChanged": True}}
    stream.request("POST", "/mcp", request("subscriptions/listen", listen), headers("subscriptions/listen"))
    events = stream.getresponse()
    moments: list[float] = []

    def follow() -> None:
        for line in events:
            if b"list_changed" in line:
                moments.append(time.perf_counter())

    threading.Thread(target=follow, daemon=True).start()
    operator = http.client.HTTPConnection(authority)
    client = http.client.HTTPConnection(authority)
    answered, told_of = [], []
    for number in range(PUBLICATIONS):
        name = f"new-{number}"
        began = time.perf_counter()
        answered.append(send(operator, "POST", "/upload-plugin", (definition(name, 0), MODULES[0])))
        client.request("POST", "/mcp", request("tools/call", {"name": name}), headers("tools/call", name))
        assert "isError" not in json.load(client.getresponse())["result"], "it is callable by then"
        while len(moments) <= number:
            assert time.perf_counter() < began + 60, "the subscriber is told"
        told_of.append((moments[number] - began) * 1000)
    return {
        "a new tool, to its 200": statistics.median(answered),
        "a new tool, told to a subscriber": statistics.median(told_of),
        "a new tool, told to a subscriber, slowest": max(told_of),
    }


def run(binary: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("plugins", "resources", "prompts"):
            (pathlib.Path(folder) / kind).mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "WASIMANCER_AUTHENTICATION_TOKEN": "NO_AUTHENTICATION",
            "WASIMANCER_ADMIN_TOKEN": TOKEN,
            "WASIMANCER_CACHE_FOLDER": str(pathlib.Path(folder) / "compiled"),
            "WASIMANCER_LOG": "warn",
        }
        command = [binary, "serve", "--home", folder, "--http-port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        try:
            line = next(line for line in server.stdout if line.startswith("listening on "))
            authority = line.split("//")[1].split("/")[0]
            return beside_updates(authority, folder) | told(authority)
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    binary = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/wasimancer")
    load_before = os.getloadavg()[0]
    runs = [run(binary) for _ in range(RUNS)]
    print(f"medians of {RUNS} runs, milliseconds; load {load_before:.1f} before")
    for what in runs[0]:
        print(f"{what:45} {statistics.median(run[what] for run in runs):8.2f}")


if __name__ == "__main__":
    main()
