"""How soon a plugin that is uploaded can be called, and what publications cost the calls beside them."""

import http.client
import json
import pathlib
import statistics
import tempfile
import threading
import time
import uuid

from . import wrk
from .homes import NAMES_MODULE, distinct, empty
from .plan import Plan
from .servers import ADMIN_TOKEN, ROOT, Server, listen, modern, product

CONNECTIONS = 32
MODULES = (NAMES_MODULE.read_bytes(), (ROOT / "examples/plugins/hello/hello.wasm").read_bytes())
EXPORTS = ("GenerateCharacterName", "hello")


def definition(name: str, version: int) -> str:
    arguments = [{"name": "name", "type": "string", "required": False, "default": "Ada"}]
    functions = [{"displayName": name, "function": EXPORTS[version % 2], "arguments": arguments}]
    return json.dumps({"name": name, "version": f"1.0.{version}", "functions": functions})


def send(connection: http.client.HTTPConnection, method: str, path: str, data: str, module: bytes) -> float:
    """Uploads a plugin; answers the milliseconds to the whole answer."""
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="pluginData"\r\n\r\n{data}\r\n--{edge}\r\n'
    head += 'Content-Disposition: form-data; name="wasmFile"; filename="m.wasm"\r\n\r\n'
    body = head.encode() + module + f"\r\n--{edge}--\r\n".encode()
    sent = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": f"multipart/form-data; boundary={edge}"}
    began = time.perf_counter()
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return (time.perf_counter() - began) * 1000


def measure(plan: Plan) -> list[dict]:
    """Rows of milliseconds."""
    rows = []
    for round_number in range(plan.rounds):
        with tempfile.TemporaryDirectory() as folder:
            home = empty(pathlib.Path(folder, "home"))
            with product(plan.product, home, cache=str(pathlib.Path(folder, "compiled"))) as server:
                found = to_callable(plan, server) | beside_updates(plan, server)
        rows += [{"what": what, "ms": ms, "round": round_number} for what, ms in found.items()]
    return rows


def to_callable(plan: Plan, server: Server) -> dict[str, float]:
    """From an upload to the first answer of its tool, with a new module each time and with a known one.

    The difference is what compiling costs.
    """
    operator, client = server.connect(), server.connect()
    moments: list[float] = []
    threading.Thread(target=follow, args=(listen().open(server.connect()), moments), daemon=True).start()
    new, known, told = [], [], []
    for number in range(plan.publications):
        for kind, times in (("new", new), ("known", known)):
            name = f"{kind}-{number}"
            module = distinct(MODULES[1], number)
            began = time.perf_counter()
            send(operator, "POST", "/upload-plugin", definition(name, 1), module)
            result = modern("tools/call", {"name": name, "arguments": {}}).send(client)["result"]
            times.append((time.perf_counter() - began) * 1000)
            assert "isError" not in result, result
            while len(moments) < len(new) + len(known):
                assert time.perf_counter() < began + 60, "the subscriber is told"
            told.append((moments[-1] - began) * 1000)
    return {
        "upload of a new module, to callable": statistics.median(new),
        "upload of a known module, to callable": statistics.median(known),
        "upload, to a subscriber": statistics.median(told),
    }


def follow(events: http.client.HTTPResponse, moments: list[float]) -> None:
    for line in events:
        if b"list_changed" in line:
            moments.append(time.perf_counter())


def beside_updates(plan: Plan, server: Server) -> dict[str, float]:
    """Latencies of calls alone and beside updates of the plugin that is called."""
    operator = server.connect()
    send(operator, "POST", "/upload-plugin", definition("busy", 0), MODULES[0])
    call = modern("tools/call", {"name": "busy", "arguments": {}})
    alone = wrk.load(server, call, CONNECTIONS, plan.seconds)
    # Longer than the updates take; ended when they are made.
    process, lua = wrk.start(server, call, CONNECTIONS, 600)
    times = [
        send(operator, "PUT", "/update-plugin", definition("busy", version), MODULES[version % 2])
        for version in range(1, 4 * plan.publications + 1)
    ]
    process.send_signal(2)
    beside = wrk.finish(process, lua)
    assert alone.errors == wrk.errors(beside) == 0, beside
    return {
        "calls alone, p50": alone.p50_ms,
        "calls alone, p99": alone.p99_ms,
        "calls beside updates, p50": wrk.percentile(beside, "50"),
        "calls beside updates, p99": wrk.percentile(beside, "99"),
        "an update beside calls": statistics.median(times),
    }
