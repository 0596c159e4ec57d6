"""What is known about a server's BDAT (RFC 3030): that it works is found out, not believed.

Rule: the first chunk of a session is one octet, and nothing follows before it was taken. A server
that announces CHUNKING and does not know BDAT would read content as commands, and whoever wrote
the message could say MAIL in our name; a single octet is no command. (An empty chunk would do,
but Postfix refuses it.)
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
