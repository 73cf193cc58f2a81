"""Runs what a section of a Markdown file shows, and holds it against what the file says.

    transcript.py FILE SECTION [OLD=NEW …]

Works in the current folder. A fenced block of a language other than console is written to the file that the line of
text before it names last, in backquotes. In a console block `$ ` begins a command; it goes on for as long as the shell wants
more of it; what follows, up to the next command, is what it prints, on standard output and standard error. All commands
run in one bash and must succeed. OLD is replaced by NEW in every command.

What may differ: digests, which must be the same one wherever the file has the same one. And what `cat` and `tail` show of
a file may take its time to be written by another program.
"""

import os
import re
import subprocess
import sys
import threading
import time

# Long enough for the slowest machine: nothing waits for it but what hangs.
COMMAND_SECONDS = 120
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
MARK = "--- the command has ended: "


def fail(message):
    sys.exit(f"transcript: {message}")


def section_of(lines, title):
    """The lines below a heading, up to the next one."""
    if f"## {title}" not in lines:
        fail(f"there is no section {title!r}")
    below = lines[lines.index(f"## {title}") + 1 :]
    end = next((number for number, line in enumerate(below) if line.startswith("## ")), len(below))
    return below[:end]


def blocks_of(lines):
    """Language, lines, and the last line of text before, of each fenced block."""
    block, language, before = None, None, ""
    for line in lines:
        if block is None:
            if line.startswith("```"):
                block, language = [], line[3:]
            elif line:
                before = line
        elif line == "```":
            yield language, block, before
            block = None
        else:
            block.append(line)
    if block is not None:
        fail("a fenced block has no end")


def is_complete(command):
    check = subprocess.run(["bash", "-n", "-c", command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return check.returncode == 0 and not command.endswith("\\")


def commands_of(lines):
    """Each command, and what it prints."""
    lines = list(lines)
    while lines:
        command = lines.pop(0)
        if not command.startswith("$ "):
            fail(f"this belongs to no command: {command}")
        command = command[2:]
        while not is_complete(command):
            if not lines:
                fail(f"this command has no end: {command}")
            command += "\n" + lines.pop(0)
        printed = []
        while lines and not lines[0].startswith("$ "):
            printed.append(lines.pop(0))
        yield command, "\n".join(printed).rstrip("\n")


class Shell:
    def __init__(self):
        self.bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, command):
        """What the command prints, without the line breaks at its end, and then its status if that is not 0."""
        # Read from a file, so that no command reads those that follow it.
        with open(".command", "w", encoding="utf-8") as file:
            file.write(command + "\n")
        self.bash.stdin.write(f". ./.command </dev/null; printf '\\n{MARK}%s\\n' $?\n")
        self.bash.stdin.flush()
        timer = threading.Timer(COMMAND_SECONDS, self.bash.kill)
        timer.daemon = True
        timer.start()
        printed = []
        for line in self.bash.stdout:
            if line.startswith(MARK):
                timer.cancel()
                status = line.removeprefix(MARK).rstrip("\n")
                text = "".join(printed).rstrip("\n")
                return text if status == "0" else f"{text}\n[exit status {status}]"
            printed.append(line)
        fail(f"{command}\nended the shell, or took more than {COMMAND_SECONDS} s:\n{''.join(printed)}")


class Digests:
    """Which digest of the machine stands for which of the file."""

    def __init__(self):
        self.found = {}

    def agree(self, expected, printed):
        if DIGEST.sub("", expected) != DIGEST.sub("", printed):
            return False
        pairs = dict(self.found)
        for written, found in zip(DIGEST.findall(expected), DIGEST.findall(printed)):
            if pairs.setdefault(written, found) != found:
                return False
        if len(set(pairs.values())) < len(pairs):
            return False
        self.found = pairs
        return True


def run_block(shell, digests, lines, replacements):
    """Runs the commands of a console block, and answers how many there are."""
    commands = list(commands_of(lines))
    for command, expected in commands:
        for replacement in replacements:
            command = command.replace(*replacement.split("=", 1))
        deadline = time.monotonic() + COMMAND_SECONDS
        printed = shell.run(command)
        while not digests.agree(expected, printed):
            if not command.startswith(("cat ", "tail ")) or time.monotonic() > deadline:
                fail(f"$ {command}\n--- ought to print:\n{expected}\n--- and prints:\n{printed}")
            time.sleep(0.1)
            printed = shell.run(command)
    return len(commands)


def main(path, title, *replacements):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    shell, digests, ran = Shell(), Digests(), 0
    for language, content, before in blocks_of(section_of(lines, title)):
        if language == "console":
            ran += run_block(shell, digests, content, replacements)
            continue
        names = re.findall(r"`([\w.-]+\.\w+)`", before)
        if not names:
            fail(f"nothing names the file that begins with {content[0]}")
        with open(names[-1], "w", encoding="utf-8") as file:
            file.write("\n".join(content) + "\n")
    if ran == 0:
        fail(f"the section {title!r} shows no command")
    print(f"{os.path.basename(path)}, {title}: {ran} commands print what it shows")


main(*sys.argv[1:])
