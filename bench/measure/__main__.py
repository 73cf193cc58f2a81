"""Runs the sections that are asked for, keeps what they found, and writes the report of all of them."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import time

from . import fairness, http_load, memory, plan, publication, report, soak, startup
from .servers import ROOT

RUNS = ROOT / "bench/runs"
# Programs that print what they measure.
IN_PROCESS = {"in-process": "in_process", "memory-functions": "memory_functions"}
SECTIONS = {
    "http": http_load.measure,
    "startup": startup.measure,
    "memory": memory.measure,
    "publication": publication.measure,
    "fairness": fairness.measure,
    "soak": soak.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bash bench/run.sh", description=__doc__)
    parser.add_argument("--product", required=True, help="the binary under test")
    parser.add_argument("--peers", type=pathlib.Path, help="the folder of the peers' binaries")
    parser.add_argument("--once", action="store_true", help="everything of the product for a moment, and no report")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("section", nargs="*", help=f"{', '.join([*IN_PROCESS, *SECTIONS])}; none for all")
    arguments = parser.parse_args()
    if arguments.once:
        chosen, plan_of_run = list(SECTIONS), plan.once(arguments.product)
    else:
        chosen = arguments.section or [*IN_PROCESS, *SECTIONS]
        plan_of_run = plan.Plan(arguments.product, arguments.peers, rounds=arguments.rounds)
    for section in chosen:
        began = time.time()
        print(f"{section} …", flush=True)
        rows = in_process(section, plan_of_run) if section in IN_PROCESS else SECTIONS[section](plan_of_run)
        print(f"{section}: {len(rows)} figures in {time.time() - began:.0f} s", flush=True)
        if not arguments.once:
            keep(section, rows)
    if not arguments.once:
        text = report.write(RUNS)
        (ROOT / "docs/performance.md").write_text(text)
        print(text)


def in_process(section: str, plan_of_run: plan.Plan) -> list[dict]:
    command = [str(plan_of_run.peers / IN_PROCESS[section]), str(plan_of_run.rounds)]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def keep(section: str, rows: list[dict]) -> None:
    """Writes what a section found, with the circumstances; a later run of the section takes its place."""
    RUNS.mkdir(exist_ok=True)
    run = {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_after": os.getloadavg(),
        "rows": rows,
    }
    lines = ",\n".join(json.dumps(row) for row in rows)
    head = json.dumps({key: value for key, value in run.items() if key != "rows"})
    (RUNS / f"{section}.json").write_text(f'{head[:-1]}, "rows": [\n{lines}\n]}}\n')


def processor() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
