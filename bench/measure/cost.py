"""What a small `tools/call` costs one build beside another: instructions, and CPU time in turns."""

import argparse
import os
import pathlib
import platform
import re
import statistics
import subprocess
import tempfile
import time

from . import wrk
from .homes import empty
from .servers import ROOT, Server, modern, product

# A small plugin, since under valgrind its compilation takes a hundred times as long, with an argument to check.
MODULE = ROOT / "examples/plugins/text-tools/text-tools.wasm"
DEFINITION = """\
plugins:
  - name: text-tools
    path: ./text-tools.wasm
    functions:
      - displayName: reverse
        function: reverse
        arguments: [{name: text, type: string}]
"""
REQUEST = modern("tools/call", {"name": "reverse", "arguments": {"text": "Alice"}})
# Requests before the count, so that what is made once is not counted, and requests that are counted.
WARM_UP, COUNTED = 300, 2000
# Seconds of each turn of load, and how many connections it has.
TURN_SECONDS, CONNECTIONS = 4, 16


def home_of(folder: pathlib.Path) -> pathlib.Path:
    home = empty(folder / "home")
    (home / "plugins/text-tools.wasm").write_bytes(MODULE.read_bytes())
    (home / "plugins/plugins.yml").write_text(DEFINITION)
    return home


def instructions(binary: str, home: pathlib.Path) -> float:
    """Instructions of one request outside the kernel, the guest included. The pool is left out, since
    valgrind has no address space for it."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "count"
        wrapper = pathlib.Path(folder) / "server"
        wrapper.write_text(
            f'#!/bin/sh\nexec valgrind --tool=callgrind --callgrind-out-file={out} --quiet "{os.path.abspath(binary)}" "$@"\n'
        )
        wrapper.chmod(0o755)
        # Processes that compile would be valgrind itself.
        with product(str(wrapper), home, threads=1, WASIMANCER_COMPILE_APART="false") as server:
            connection = server.connect()
            for _ in range(WARM_UP):
                REQUEST.send(connection)
            control(server, "--zero")
            for _ in range(COUNTED):
                REQUEST.send(connection)
            control(server, "--dump")
            dumped = pathlib.Path(f"{out}.1")
            deadline = time.monotonic() + 60
            while not (found := re.search(r"^(?:summary|totals): (\d+)", dumped.read_text() if dumped.exists() else "", re.M)):
                assert time.monotonic() < deadline, "callgrind wrote nothing"
                time.sleep(0.1)
    return int(found.group(1)) / COUNTED


def control(server: Server, what: str) -> None:
    subprocess.run(["callgrind_control", what, str(server.process.pid)], check=True, capture_output=True)


def cpu_times(binaries: list[str], home: pathlib.Path, rounds: int) -> list[list[float]]:
    """Microseconds of CPU time of one request, for each binary in each round, in turns."""
    found: list[list[float]] = [[] for _ in binaries]
    for _ in range(rounds):
        for binary, times in zip(binaries, found):
            with product(binary, home) as server:
                wrk.load(server, REQUEST, CONNECTIONS, 1)
                times.append(wrk.load(server, REQUEST, CONNECTIONS, TURN_SECONDS).cpu_us)
    return found


def processor() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bash bench/cost.sh", description=__doc__)
    parser.add_argument("before", help="the binary to compare with")
    parser.add_argument("after", help="the binary in question")
    parser.add_argument("--rounds", type=int, default=5, help="turns of load for each")
    arguments = parser.parse_args()
    binaries = [arguments.before, arguments.after]
    print(f"{processor()}; load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        home = home_of(pathlib.Path(folder))
        counted = [instructions(binary, home) for binary in binaries]
        print(f"{counted[0]:,.0f} to {counted[1]:,.0f} instructions ({counted[1] / counted[0]:.3f})", flush=True)
        times = [statistics.median(found) for found in cpu_times(binaries, home, arguments.rounds)]
        print(f"{times[0]:.1f} to {times[1]:.1f} µs of CPU time ({times[1] / times[0]:.3f})")


if __name__ == "__main__":
    main()
