"""What a request costs over HTTP, beside the floor and the official SDK's endpoint."""

import json
import pathlib
import statistics
import tempfile
from collections.abc import Iterator

from . import servers, wrk
from .homes import with_tools
from .plan import Plan
from .servers import Request, Server, begin_session, legacy, modern, product, running

TOOL_COUNTS = (20, 1000, 10000)
MODULE = "examples/plugins/hello/hello.wasm"
CALLS = {
    "C": ("GenerateCharacterName", {}),
    "Rust": ("hello", {"name": "Alice"}),
    "AssemblyScript": ("reverse", {"text": "Alice"}),
    "Go": ("rollDice", {"numFaces": 6, "numDice": 2}),
}


def subjects(session: str) -> Iterator[tuple[str, str, Request]]:
    """What is asked of the product: a name, the era, and the request."""
    for era in ("modern", "legacy"):
        def asked(method: str, params: dict | None = None) -> Request:
            return modern(method, params) if era == "modern" else legacy(session, method, params)

        for language, (name, arguments) in CALLS.items():
            yield f"tools/call, {language}", era, asked("tools/call", {"name": name, "arguments": arguments})
        yield "resources/read", era, asked("resources/read", {"uri": "greet-user://Ada/Lovelace"})
        arguments = {"name": "introduce-character", "arguments": {"name": "Ada"}}
        yield "prompts/get", era, asked("prompts/get", arguments)


def measure(plan: Plan) -> list[dict]:
    """Rows of figures; each round measures everything once, one after another."""
    rows: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        homes = {tools: with_tools(pathlib.Path(folder) / f"tools-{tools}", tools) for tools in TOOL_COUNTS}
        page = page_file(plan, homes[1000], pathlib.Path(folder))
        for round_number in range(plan.rounds):
            for threads in plan.threads:
                rows += [row | {"round": round_number, "threads": threads} for row in one_round(plan, threads, homes, page)]
    return rows


def page_file(plan: Plan, home: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A file with the answer to a whole page of tools."""
    with product(plan.product, home) as server:
        answer = modern("tools/list").send(server.connect())
    file = folder / "page.json"
    file.write_text(json.dumps(answer, separators=(",", ":"), ensure_ascii=False))
    return file


def one_round(plan: Plan, threads: int, homes: dict[int, pathlib.Path], page: pathlib.Path) -> list[dict]:
    rows = []

    def take(server: Server, who: str, what: str, era: str, request: Request, path: str = "/mcp") -> None:
        for connections in plan.connections:
            found = wrk.load(server, request, connections, plan.seconds, path)
            rows.append({"who": who, "what": what, "era": era, "connections": connections} | vars(found))

    call = {"name": "hello", "arguments": {"name": "Alice"}}
    if plan.peers:
        with running([str(plan.peers / "floor"), str(threads), str(page)]) as server:
            take(server, "floor", "tools/call", "modern", modern("tools/call", call))
            take(server, "floor", "tools/call", "legacy", legacy("", "tools/call", call))
            take(server, "floor", "a file of a page", "modern", modern("tools/list"), "/file/0")
        command = [str(plan.peers / "rmcp_endpoint"), str(threads), str(servers.ROOT / MODULE), "hello"]
        with running(command) as server:
            for path, what in (("/mcp", "tools/call, constant"), ("/plugin/mcp", "tools/call, Rust")):
                take(server, "rmcp", what, "modern", modern("tools/call", call), path)
                take(server, "rmcp", what, "legacy", legacy("", "tools/call", call), path)
    with product(plan.product, servers.ROOT / "examples", threads) as server:
        session = begin_session(server.connect())
        for what, era, request in subjects(session):
            take(server, "wasimancer", what, era, request)
    for tools, home in homes.items():
        with product(plan.product, home, threads) as server:
            take(server, "wasimancer", f"tools/list, {tools} tools", "modern", modern("tools/list"))
            call = {"name": "tool-7", "arguments": {}}
            take(server, "wasimancer", f"tools/call, {tools} tools", "modern", modern("tools/call", call))
    return rows


def medians(rows: list[dict]) -> dict[tuple, dict]:
    """The median of each figure over the rounds, by what was measured."""
    grouped: dict[tuple, list[dict]] = {}
    for row in rows:
        key = (row["who"], row["what"], row["era"], row["connections"], row["threads"])
        grouped.setdefault(key, []).append(row)
    figures = ("cpu_us", "per_second", "p50_ms", "p99_ms", "errors")
    return {
        key: {figure: statistics.median(row[figure] for row in group) for figure in figures}
        for key, group in grouped.items()
    }
