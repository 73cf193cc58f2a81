"""What a plugin, a session and a stream of notifications cost in resident memory."""

import http.client
import pathlib
import tempfile
import time

from . import servers
from .homes import with_plugins
from .plan import Plan
from .servers import Request, Server, begin_session, legacy, listen, modern, product

PLUGINS = (10, 510)
SESSIONS = 2000
CONNECTIONS = 2000


def measure(plan: Plan) -> list[dict]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        homes = [with_plugins(pathlib.Path(folder, str(plugins)), plugins) for plugins in PLUGINS]
        for round_number in range(plan.rounds):
            # Compiling takes memory that is given back late, so that another start has filled the cache.
            cache = str(pathlib.Path(folder, "compiled"))
            with product(plan.product, servers.ROOT / "examples", cache=cache) as server:
                modern("tools/list").send(server.connect())
            with product(plan.product, servers.ROOT / "examples", cache=cache) as server:
                modern("tools/list").send(server.connect())
                idle = settled(plan, server)
                found = {"idle with the examples": idle, "a session": of_sessions(plan, server)}
            # Each with a server of its own, since memory that is given back late is taken again.
            opened = {"a connection that waits": legacy("", "ping"), "a listen stream, with its connection": listen()}
            for what, request in opened.items():
                with product(plan.product, servers.ROOT / "examples", cache=cache) as server:
                    found[what] = of_open(plan, server, request)
            few, many = (resident(plan, home) for home in homes)
            found["a further small plugin"] = (many - few) / (PLUGINS[1] - PLUGINS[0])
            rows += [{"what": what, "kb": kb, "round": round_number} for what, kb in found.items()]
    return rows


def settled(plan: Plan, server: Server) -> float:
    """The least resident kilobytes for a while."""
    deadline = time.monotonic() + plan.settle_seconds
    least = server.resident_kb()
    while time.monotonic() < deadline:
        time.sleep(0.5)
        least = min(least, server.resident_kb())
    return least


def resident(plan: Plan, home: pathlib.Path) -> float:
    with product(plan.product, home) as server:
        modern("tools/list").send(server.connect())
        return settled(plan, server)


def of_sessions(plan: Plan, server: Server) -> float:
    connection = server.connect()
    begin_session(connection)
    before = settled(plan, server)
    for _ in range(SESSIONS):
        assert begin_session(connection), "the server keeps a session"
    return (settled(plan, server) - before) / SESSIONS


def of_open(plan: Plan, server: Server, request: Request) -> float:
    """Of a connection that stays open after the answer to a request, or while it lasts."""

    def opened() -> http.client.HTTPConnection:
        connection = server.connect()
        answer = request.open(connection)
        if "event-stream" not in answer.headers["Content-Type"]:
            answer.read()
        return connection

    first = opened()
    before = settled(plan, server)
    connections = [opened() for _ in range(CONNECTIONS)]
    after = settled(plan, server)
    for connection in (first, *connections):
        connection.close()
    return (after - before) / CONNECTIONS
