"""What is known about a server's BDAT (RFC 3030): that it works is found out, not believed.

Rule: no content follows a BDAT before the same session has taken an empty chunk. A server that
announces CHUNKING and does not know BDAT would read the content as commands, and whoever wrote
the message could say MAIL in our name.
"""

from __future__ import annotations

from enum import Enum

MOST_REMEMBERED = 1000


class Chunking(Enum):
    """What one session has shown."""

    UNTRIED = "untried"
    WORKS = "works"
    BROKEN = "broken"


class BrokenChunking:
    """The addresses where BDAT did not work although it was announced; the oldest are forgotten."""

    def __init__(self) -> None:
        self._addresses: dict[str, None] = {}

    def __contains__(self, address: str) -> bool:
        return address in self._addresses

    def add(self, address: str) -> None:
        """Remember an address: DATA will do there from now on."""
        while len(self._addresses) >= MOST_REMEMBERED:
            del self._addresses[next(iter(self._addresses))]
        self._addresses[address] = None
