"""Runs the steps of a GitHub Actions workflow that are commands, in order, as a runner on Linux does.

    workflow.py FILE

Works in the current folder, the checkout. The value of ${{ secrets.NAME }} is that of the variable NAME, which the steps
do not see unless their `env` gives it to them. Reads as much of YAML as our workflow needs: `run` on one line or as a
block, and `env` of a step.
"""

import os
import re
import subprocess
import sys


def fail(message):
    sys.exit(f"workflow: {message}")


def depth(line):
    return len(line) - len(line.lstrip())


def steps_of(lines):
    """Name, command and environment of each step with a command."""
    steps, number = [], 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if found := re.match(r" +- (?:name: (.*)|.*)", line):
            step = {"name": found[1], "env": {}}
            steps.append(step)
        # All that lies deeper than a key is its block.
        block = []
        if found := re.fullmatch(r" +(run: \||env:)", line):
            while number < len(lines) and (not lines[number] or depth(lines[number]) > depth(line)):
                block.append(lines[number])
                number += 1
        if found and found[1] == "env:":
            step["env"] = dict(re.fullmatch(r" +(\w+): (.*)", entry).groups() for entry in block if entry)
        elif found:
            step["run"] = "\n".join(entry[depth(block[0]) :] for entry in block)
        elif found := re.fullmatch(r" +run: (.*)", line):
            step["run"] = found[1]
    return [step for step in steps if "run" in step]


def main(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    steps = steps_of(text.split("\n"))
    if len(steps) != text.count("run: ") or not steps:
        fail(f"{path} has {text.count('run: ')} commands, and {len(steps)} were found")
    secrets = set(re.findall(r"\$\{\{ secrets\.(\w+) \}\}", text))
    environment = {name: value for name, value in os.environ.items() if name not in secrets}
    for step in steps:
        given = {
            name: re.sub(r"\$\{\{ secrets\.(\w+) \}\}", lambda secret: os.environ[secret[1]], value)
            for name, value in step["env"].items()
        }
        print(f"# {step['name']}", flush=True)
        ended = subprocess.run(["bash", "-e", "-c", step["run"]], env=environment | given)
        if ended.returncode != 0:
            fail(f"the step {step['name']!r} failed with status {ended.returncode}")


main(sys.argv[1])
