"""What an agent must know of the other workers of its installation; who tells it is handed in.

Sessions to one host are divided among all workers that are at work, so that together they never
have more than the configured number; and of all workers one at a time probes a host in trouble.
"""

from __future__ import annotations

from typing import Protocol
from zlib import crc32


class Neighbours(Protocol):
    """The other workers, as far as an agent is concerned."""

    def share(self, host: str, most: int) -> int:
        """Return how many of `most` sessions with `host` this worker may have; perhaps none."""

    async def may_probe(self, host: str, address: str) -> bool:
        """Ask for the only probe of a host in trouble; whoever gets it tells how it ended."""


class Nobody:
    """No other worker."""

    def share(self, host: str, most: int) -> int:
        """Return all there are."""
        return most

    async def may_probe(self, host: str, address: str) -> bool:
        """There is nobody else who could."""
        return True


def share_of(host: str, most: int, *, rank: int, workers: int) -> int:
    """Return the part of `most` sessions with `host` that the worker of this rank has.

    The parts of all workers add up to `most`. What can't be divided goes to other workers for
    other hosts, so that nobody is left without work everywhere.
    """
    if workers <= 1:
        return most
    part, rest = divmod(most, workers)
    return part + ((rank + crc32(host.encode())) % workers < rest)
