"""Homes that are made for a measurement, and modules for them."""

import pathlib

from .servers import ROOT

NAMES_MODULE = ROOT / "examples/plugins/character-names/character-names.wasm"


def empty(home: pathlib.Path) -> pathlib.Path:
    """A home that serves nothing yet."""
    for kind in ("plugins", "resources", "prompts"):
        (home / kind).mkdir(parents=True)
    return home


def with_tools(home: pathlib.Path, tools: int) -> pathlib.Path:
    """A home with one plugin and so many tools."""
    empty(home)
    (home / "plugins/names.wasm").write_bytes(NAMES_MODULE.read_bytes())
    lines = ["plugins:", "  - name: names", "    path: ./names.wasm", "    version: 1.0.0", "    functions:"]
    for number in range(tools):
        lines += function(f"tool-{number}")
    (home / "plugins/plugins.yml").write_text("\n".join(lines))
    return home


def with_plugins(home: pathlib.Path, plugins: int) -> pathlib.Path:
    """A home with so many plugins of one tool, no two of which have the same module."""
    empty(home)
    module = NAMES_MODULE.read_bytes()
    lines = ["plugins:"]
    for number in range(plugins):
        (home / f"plugins/p{number}.wasm").write_bytes(distinct(module, number))
        lines += [f"  - name: p{number}", f"    path: ./p{number}.wasm", "    version: 1.0.0", "    functions:"]
        lines += function(f"tool-{number}")
    (home / "plugins/plugins.yml").write_text("\n".join(lines))
    return home


def function(name: str) -> list[str]:
    return [
        f"      - displayName: {name}",
        "        function: GenerateCharacterName",
        "        description: invents a name for a character in a game or a story",
        "        arguments: []",
    ]


def distinct(module: bytes, number: int) -> bytes:
    """The module with a custom section of its own, so that it has a digest of its own."""
    name, content = b"number", str(number).encode()
    payload = bytes([len(name)]) + name + content
    return module + b"\0" + bytes([len(payload)]) + payload
