"""What is to be measured, and how long."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a run goes; the defaults are those of a full one."""

    product: str
    """The binary under test."""
    peers: pathlib.Path | None
    """The folder of the peers' binaries; none leaves them out."""
    rounds: int = 5
    seconds: int = 2
    """How long each load lasts."""
    connections: tuple[int, ...] = (1, 16, 64, 256)
    threads: tuple[int, ...] = (2, 1)
    """Worker threads of the servers."""
    publications: int = 50
    """How often a plugin is uploaded, and four times as often updated."""
    settle_seconds: int = 15
    """How long resident memory is watched for its least: what is no longer needed is given back after a while."""
    soak_calls: int = 2_000_000


def once(product: str) -> Plan:
    """A short run that measures nothing to be quoted, and shows that everything can be measured."""
    return Plan(product, None, rounds=1, seconds=1, connections=(16,), threads=(2,), publications=3, settle_seconds=1, soak_calls=1)
