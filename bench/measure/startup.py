"""How soon a server answers its first tools/list after its process was made, and what it takes by then."""

import pathlib
import tempfile
import time

from . import servers
from .homes import with_plugins
from .plan import Plan
from .servers import modern, product

PLUGINS = (10, 100, 1000)


def measure(plan: Plan) -> list[dict]:
    """Milliseconds and resident kilobytes, with an empty and with a filled cache of compiled modules."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        homes = {str(plugins): with_plugins(pathlib.Path(folder, f"home-{plugins}"), plugins) for plugins in PLUGINS}
        homes |= {"examples": servers.ROOT / "examples"}
        for round_number in range(plan.rounds):
            for plugins, home in homes.items():
                cache = pathlib.Path(folder, f"cache-{plugins}-{round_number}")
                for state in ("cold", "warm"):
                    rows.append({"plugins": plugins, "cache": state, "round": round_number} | start(plan, home, cache))
    return rows


def start(plan: Plan, home: pathlib.Path, cache: pathlib.Path) -> dict:
    with product(plan.product, home, cache=str(cache)) as server:
        tools = modern("tools/list").send(server.connect())["result"]["tools"]
        milliseconds = (time.perf_counter() - server.started) * 1000
        assert tools, "no tools are listed"
        return {"first_list_ms": milliseconds, "resident_kb": server.resident_kb()}
