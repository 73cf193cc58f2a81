"""The report: what was found, beside what is aimed at."""

import json
import pathlib
import statistics

from . import http_load
from .servers import ROOT

TEMPLATE = ROOT / "bench/performance.md"


def write(runs: pathlib.Path) -> str:
    """The text of `docs/performance.md`: the template with its tables filled in from the runs that are kept."""
    text = TEMPLATE.read_text()
    for section, table in TABLES.items():
        file = runs / f"{section}.json"
        if file.exists():
            run = json.loads(file.read_text())
            filled = f"{circumstances(run)}\n\n{table(run['rows'])}"
        else:
            filled = "Not measured yet."
        text = text.replace(f"{{{{{section}}}}}", filled)
    return text


def circumstances(run: dict) -> str:
    load = ", ".join(f"{load:.1f}" for load in run["load_after"])
    return f"{run['date']}, {run['cores']} cores of {run['processor']}, Linux {run['kernel']}, load averages at the end {load}."


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def median(rows: list[dict], figure: str) -> float:
    return statistics.median(row[figure] for row in rows)


def size(count: int) -> str:
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count // factor} {unit}"
    return f"{count} B"


def in_process(rows: list[dict]) -> str:
    lines = []
    for row in rows:
        ours, compute, kept, fresh, warm = (
            statistics.median(row[f"{who}_ns"]) / 1000
            for who in ("wasimancer_fresh", "wasimancer_compute", "wasimancer_kept", "extism_fresh", "extism_warm")
        )
        payload = size(row["payload_bytes"]) if row["payload_bytes"] else "its own"
        lines.append([
            f"{row['plugin']} ({row['language']})", payload,
            *(f"{time:.1f}" for time in (ours, compute, kept, fresh, warm)), f"1/{fresh / ours:.0f}", f"{ours / warm:.2f}",
        ])
    head = [
        "plugin", "payload", "wasimancer, fresh, µs", "with guard pages", "kept", "extism, fresh, µs", "warm",
        "fresh of fresh", "fresh of warm",
    ]
    return table(head, lines)


def memory_functions(rows: list[dict]) -> str:
    payloads = list(dict.fromkeys(row["payload_bytes"] for row in rows))
    times = {(row["form"], row["payload_bytes"]): statistics.median(row["ns"]) / 1000 for row in rows}
    forms = dict.fromkeys(row["form"] for row in rows)
    lines = [[form, *(f"{times[form, payload]:.1f}" for payload in payloads)] for form in forms]
    return table(["the functions are", *(f"{size(payload)}, µs" for payload in payloads)], lines)


def http(rows: list[dict]) -> str:
    found = http_load.medians(rows)
    lines = []
    subjects = dict.fromkeys((who, what, era) for who, what, era, _, _ in found)
    for who, what, era in subjects:
        floor_of = lambda connections, threads: found.get(("floor", "tools/call", era, connections, threads))
        cells = []
        for connections in sorted({key[3] for key in found}):
            figures = found[who, what, era, connections, 2]
            cells.append(f"{figures['cpu_us']:.1f}")
        at_16 = found[who, what, era, 16, 2]
        alone = found.get((who, what, era, 16, 1))
        floor = floor_of(16, 2)
        lines.append([
            f"{who}: {what}", era, *cells,
            f"{at_16['cpu_us'] / floor['cpu_us']:.2f}" if floor else "–",
            f"{at_16['cpu_us'] / alone['cpu_us']:.2f}" if alone else "–",
            f"{at_16['per_second']:.0f}",
            f"{at_16['p50_ms']:.2f}", f"{at_16['p99_ms']:.2f}",
            f"{found[who, what, era, 256, 2]['p99_ms'] / found[who, what, era, 256, 2]['p50_ms']:.1f}"
            if (who, what, era, 256, 2) in found else "–",
            f"{sum(row['errors'] for row in rows if (row['who'], row['what'], row['era']) == (who, what, era))}",
        ])
    connections = sorted({key[3] for key in found})
    head = [
        "who: what", "era", *[f"{count} connections, CPU µs" for count in connections],
        "16: of the floor", "16: two threads of one", "16: per second", "16: p50 ms", "16: p99 ms", "256: p99 of p50", "errors",
    ]
    return table(head, lines)


def startup(rows: list[dict]) -> str:
    lines = []
    for plugins in dict.fromkeys(row["plugins"] for row in rows):
        cells = []
        for cache in ("cold", "warm"):
            of = [row for row in rows if row["plugins"] == plugins and row["cache"] == cache]
            cells += [f"{median(of, 'first_list_ms'):.0f}", f"{median(of, 'resident_kb') / 1000:.1f}"]
        lines.append([plugins, *cells])
    head = ["plugins", "cold cache, ms", "MB by then", "warm cache, ms", "MB by then"]
    return table(head, lines)


def named(figure: str, unit: str, digits: int):
    """A table of rows that each name what they are about."""

    def of(rows: list[dict]) -> str:
        names = dict.fromkeys(row["what"] for row in rows)
        medians = {name: median([row for row in rows if row["what"] == name], figure) for name in names}
        return table(["what", unit], [[name, f"{found:.{digits}f}"] for name, found in medians.items()])

    return of


def fairness(rows: list[dict]) -> str:
    figures = ("alone_p50_ms", "alone_p99_ms", "beside_p50_ms", "beside_p99_ms")
    return table(["p50 alone, ms", "p99 alone", "p50 beside", "p99 beside"], [[f"{median(rows, figure):.2f}" for figure in figures]])


def soak(rows: list[dict]) -> str:
    tenth = next(row for row in rows if row["calls"] >= rows[-1]["calls"] / 10)
    later = [row["resident_kb"] for row in rows if row["calls"] >= tenth["calls"]]
    calls, errors = rows[-1]["calls"], rows[-1]["errors"]
    spread = max(abs(kb / later[0] - 1) for kb in later) * 100
    line = [f"{calls:,}", str(errors), f"{later[0] / 1000:.1f}", f"{later[-1] / 1000:.1f}", f"{spread:.1f} %"]
    return table(["calls", "errors", "MB after a tenth", "MB at the end", "widest difference"], [line])


TABLES = {
    "in-process": in_process,
    "memory-functions": memory_functions,
    "http": http,
    "startup": startup,
    "memory": named("kb", "kB", 1),
    "publication": named("ms", "ms", 2),
    "fairness": fairness,
    "soak": soak,
}
