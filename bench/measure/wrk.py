"""Load from wrk, and what a request under it costs the server."""

import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile

from .servers import Request, Server


@dataclasses.dataclass
class Load:
    """What one run of wrk has found."""

    cpu_us: float
    """CPU time of the server for one request, in microseconds."""
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def script(request: Request, path: str) -> str:
    """The Lua that makes wrk send this request."""
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in request.headers.items()]
    return "\n".join(['wrk.method = "POST"', f'wrk.path = "{path}"', f"wrk.body = [==[{request.body}]==]", *lines])


def start(server: Server, request: Request, connections: int, seconds: int, path: str = "/mcp"):
    """Begins a load on a server; `finish` waits for its end."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as lua:
        lua.write(script(request, path))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency", "-s", lua.name]
    process = subprocess.Popen([*command, f"http://{server.authority}"], stdout=subprocess.PIPE, text=True)
    return process, lua.name


def finish(process: subprocess.Popen, lua: str) -> str:
    output = process.communicate()[0]
    os.unlink(lua)
    assert process.returncode == 0, output
    return output


def load(server: Server, request: Request, connections: int, seconds: int, path: str = "/mcp") -> Load:
    """Sends a request over and over for a while."""
    before = server.cpu_seconds()
    output = finish(*start(server, request, connections, seconds, path))
    cpu = server.cpu_seconds() - before
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    return Load(
        cpu_us=cpu / max(requests, 1) * 1e6,
        per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1)),
        p50_ms=percentile(output, "50"),
        p99_ms=percentile(output, "99"),
        errors=errors(output),
    )


def percentile(output: str, which: str) -> float:
    """Milliseconds of a line such as `99%    1.20ms`."""
    number, unit = re.search(rf"{which}%\s+([\d.]+)(us|ms|s|m)\b", output).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def errors(output: str) -> int:
    """Answers other than 2xx, and errors of sockets."""
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return sum(int(count) for found in (refused, sockets) if found for count in found.groups())


def available() -> bool:
    return any(pathlib.Path(folder, "wrk").exists() for folder in os.environ["PATH"].split(":"))
