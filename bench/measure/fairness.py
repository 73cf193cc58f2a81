"""What small calls wait while others spin on all cores."""

import os
import pathlib
import tempfile
import threading

from . import wrk
from .homes import NAMES_MODULE, empty
from .plan import Plan
from .servers import modern, product

SPINNING = 8
SPIN_SECONDS = 2
CONNECTIONS = 4


def measure(plan: Plan) -> list[dict]:
    """Latencies of small calls alone and beside calls that spin, one after another, until their time-out."""
    with tempfile.TemporaryDirectory() as folder:
        home = empty(pathlib.Path(folder, "home"))
        (home / "plugins/spin.wasm").write_bytes(SPIN_WASM)
        (home / "plugins/names.wasm").write_bytes(NAMES_MODULE.read_bytes())
        (home / "plugins/plugins.yml").write_text(DEFINITIONS)
        return [{"round": number} | one_round(plan, home) for number in range(plan.rounds)]


def one_round(plan: Plan, home: pathlib.Path) -> dict:
    small = modern("tools/call", {"name": "small", "arguments": {}})
    spin = modern("tools/call", {"name": "spin", "arguments": {}})
    with product(plan.product, home) as server:
        alone = wrk.load(server, small, CONNECTIONS, plan.seconds)
        stop = threading.Event()

        def spinning() -> None:
            connection = server.connect()
            while not stop.is_set():
                assert "isError" in spin.send(connection)["result"], "it ends at its time-out"

        threads = [threading.Thread(target=spinning) for _ in range(SPINNING)]
        for thread in threads:
            thread.start()
        beside = wrk.load(server, small, CONNECTIONS, max(plan.seconds, 2 * SPIN_SECONDS))
        stop.set()
        for thread in threads:
            thread.join()
    assert alone.errors == beside.errors == 0
    return {
        "cores": os.cpu_count(),
        "alone_p50_ms": alone.p50_ms,
        "alone_p99_ms": alone.p99_ms,
        "beside_p50_ms": beside.p50_ms,
        "beside_p99_ms": beside.p99_ms,
    }


# (module (func (export "spin") (loop br 0)))
SPIN_WASM = bytes.fromhex(
    "0061736d01000000" "010401600000" "03020100" "070801047370696e0000" "0a09010700" "03400c000b0b"
)
DEFINITIONS = f"""plugins:
  - name: spin
    path: ./spin.wasm
    version: 1.0.0
    limits: {{timeout: {SPIN_SECONDS}s}}
    functions:
      - {{displayName: spin, function: spin, description: spins, arguments: []}}
  - name: small
    path: ./names.wasm
    version: 1.0.0
    functions:
      - {{displayName: small, function: GenerateCharacterName, description: names, arguments: []}}
"""
