"""Whether memory stays flat over millions of calls with publications between them."""

import pathlib
import shutil
import tempfile

from . import wrk
from .plan import Plan
from .publication import MODULES, definition, send
from .servers import ROOT, modern, product

CONNECTIONS = 16
CALLS = (
    ("GenerateCharacterName", {}),
    ("hello", {"name": "Alice"}),
    ("add", {"a": 1, "b": 2}),
    ("statistics", {"numbers": [1, 2, 3]}),
    ("reverse", {"text": "Alice"}),
    ("count", {"text": "Alice"}),
    ("rollDice", {"numFaces": 6, "numDice": 2}),
    ("soaked", {}),
)


def measure(plan: Plan) -> list[dict]:
    """Resident kilobytes after each step; a step is a load on each tool, and publications."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder, "home")
        shutil.copytree(ROOT / "examples", home)
        with product(plan.product, home, cache=str(pathlib.Path(folder, "compiled"))) as server:
            operator = server.connect()
            send(operator, "POST", "/upload-plugin", definition("soaked", 0), MODULES[0])
            calls = errors = version = step = 0
            while calls < plan.soak_calls:
                for name, arguments in CALLS:
                    request = modern("tools/call", {"name": name, "arguments": arguments})
                    found = wrk.load(server, request, CONNECTIONS, plan.seconds)
                    calls += round(found.per_second * plan.seconds)
                    errors += found.errors
                    version += 1
                    send(operator, "PUT", "/update-plugin", definition("soaked", version), MODULES[version % 2])
                step += 1
                rows.append({"step": step, "calls": calls, "errors": errors, "resident_kb": server.resident_kb()})
    return rows
