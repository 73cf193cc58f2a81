#!/usr/bin/env python3
"""Prints the memory of an idle server with all examples, and the time from its start to the first tools/list.

    cargo build --release && python3 scripts/measure.py [BINARY]

Medians of several starts, with a warm and with a cold cache of compiled modules. Nothing is asserted: figures
depend on the machine, so its load is printed beside them.
"""

import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 7
ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})


def start(binary: str, cache: str) -> tuple[float, float]:
    """Starts a server; answers the milliseconds to its first tools/list and its resident memory in MB."""
    environment = {
        "PATH": os.environ["PATH"],
        "WASIMANCER_AUTHENTICATION_TOKEN": "NO_AUTHENTICATION",
        "WASIMANCER_ADMIN_TOKEN": "measure",
        "WASIMANCER_CACHE_FOLDER": cache,
    }
    began = time.perf_counter()
    server = subprocess.Popen(
        [binary, "serve", "--home", str(ROOT / "examples"), "--http-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    try:
        line = next(line for line in server.stdout if line.startswith("listening on "))
        authority = line.split("//")[1].split("/")[0]
        connection = http.client.HTTPConnection(authority)
        connection.request("POST", "/mcp", LIST, {"Content-Type": "application/json"})
        tools = json.load(connection.getresponse())["result"]["tools"]
        took = (time.perf_counter() - began) * 1000
        assert tools, "no tools are listed"
        status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return took, int(resident.split()[1]) / 1024
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    binary = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/wasimancer")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as cache:
        cold, _ = start(binary, cache)
        warm = [start(binary, cache) for _ in range(RUNS)]
    times, memory = zip(*warm)
    print(f"load average before: {load:.2f}")
    print(f"start to first tools/list, cold cache: {cold:.0f} ms")
    print(f"start to first tools/list, warm cache: {statistics.median(times):.0f} ms (median of {RUNS})")
    print(f"resident memory, idle, all examples:   {statistics.median(memory):.1f} MB (median of {RUNS})")


if __name__ == "__main__":
    main()
