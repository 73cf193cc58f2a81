"""Servers under test: started on a free port of loopback, watched in /proc, ended."""

import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ADMIN_TOKEN = "measure"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


# What every client sends.
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@dataclasses.dataclass
class Server:
    """A running server; `started` is when its process was made."""

    process: subprocess.Popen
    authority: str
    started: float

    def cpu_seconds(self) -> float:
        """CPU time of all threads so far, the kernel's part included."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_kb(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.authority, timeout=120)


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Starts a command that says on standard output where it listens."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]} | (environment or {}),
        text=True,
    )
    try:
        line = next((line for line in process.stdout if line.startswith("listening on ")), None)
        assert line, f"{command[0]} did not start"
        yield Server(process, line.split("//")[1].split("/")[0], started)
    finally:
        process.terminate()
        process.wait()


def product(binary: str, home: pathlib.Path, threads: int = 2, cache: str = "", **variables: str):
    """The product with a home; without a cache folder, modules are compiled at every start."""
    environment = {
        "WASIMANCER_AUTHENTICATION_TOKEN": "NO_AUTHENTICATION",
        "WASIMANCER_ADMIN_TOKEN": ADMIN_TOKEN,
        "WASIMANCER_CACHE_FOLDER": cache,
        "WASIMANCER_LOG": "error",
        "TOKIO_WORKER_THREADS": str(threads),
    }
    return running([binary, "serve", "--home", str(home), "--http-port", "0"], environment | variables)


@dataclasses.dataclass(frozen=True)
class Request:
    """A request of one era: its headers and its body."""

    headers: dict[str, str]
    body: str

    def open(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        """Sends it; the body of the answer is yet to be read."""
        connection.request("POST", "/mcp", self.body, self.headers)
        answer = connection.getresponse()
        assert answer.status == 200, (answer.status, answer.read())
        return answer

    def send(self, connection: http.client.HTTPConnection) -> dict:
        return json.loads(self.open(connection).read())


def modern(method: str, params: dict | None = None) -> Request:
    """A request of 2026-07-28."""
    params = params or {}
    about = params.get("uri") if method == "resources/read" else params.get("name")
    headers = HEADERS | {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
    headers |= {"Mcp-Name": about} if about else {}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params | {"_meta": META}}
    return Request(headers, json.dumps(message))


def listen() -> Request:
    """A subscription to the list of tools."""
    return modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})


def legacy(session: str, method: str, params: dict | None = None) -> Request:
    """A request of 2025-11-25 in a session; without one where that is empty."""
    headers = HEADERS | {"MCP-Protocol-Version": LEGACY} | ({"Mcp-Session-Id": session} if session else {})
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    return Request(headers, json.dumps(message))


def begin_session(connection: http.client.HTTPConnection) -> str:
    """Initializes; answers the id of the session, empty where the server keeps none."""
    params = {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "measure", "version": "0"},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    answer = Request(HEADERS, body).open(connection)
    answer.read()
    return answer.headers.get("Mcp-Session-Id", "")
