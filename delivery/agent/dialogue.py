"""What is said in a session, for the log: nothing above the trace levels, secrets below them only.

`trace` shows commands and replies without credentials, `traceauth` with them, `tracedata` also the
content. Lines about one session carry its name, and those about one message what is bound to it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from itertools import count

from delivery.smtp import Command, Kind, Reply
from mailweb.lib.levels import TRACE, TRACEAUTH, TRACEDATA

HIDDEN = "***"
SECRET = frozenset({Kind.AUTH, Kind.AUTH_RESPONSE})

logger = logging.getLogger("delivery.dialogue")
_prefix = secrets.token_hex(2)
_numbers = count(1)


def new_name() -> str:
    """Return a name for a session that no other process of the installation is likely to give."""
    return f"{_prefix}-{next(_numbers):x}"


def spoken(commands: Sequence[Command], wire: bytes) -> str:
    """Return what was said as it may be kept: as it went over the wire, but for credentials."""
    if SECRET.isdisjoint([command.kind for command in commands]):
        return wire.decode("utf-8", "replace")
    return "".join(_without_credentials(command) for command in commands)


def _without_credentials(command: Command) -> str:
    line = command.to_bytes().decode("utf-8", "replace")
    if command.kind is Kind.AUTH:
        words = line.split(maxsplit=2)
        return " ".join([*words[:2], *([HIDDEN] if len(words) > 2 else [])]) + "\r\n"
    if command.kind is Kind.AUTH_RESPONSE and line != "*\r\n":
        return f"{HIDDEN}\r\n"
    return line


def heard(reply: Reply, command: Command | None) -> str | Reply:
    """Return a reply as it may be kept: of a log-in its codes, as its words may repeat a secret."""
    if command is None or command.kind not in SECRET:
        return reply
    return f"334 {HIDDEN}" if reply.code == 334 else codes_of(reply)


def codes_of(reply: Reply) -> str:
    """Return a reply's codes alone."""
    return f"{reply.code} {reply.enhanced or ''}".rstrip()


class Dialogue:
    """The log of one session."""

    def __init__(self, host: str, address: str) -> None:
        self.name = new_name()
        self._fields = {"session": self.name, "host": host, "address": address}

    def commands(self, commands: Sequence[Command], wire: bytes) -> None:
        """Log what we said."""
        if logger.isEnabledFor(TRACE):
            self._log(TRACE, "C", spoken(commands, wire))
            if not SECRET.isdisjoint([command.kind for command in commands]):
                self._log(TRACEAUTH, "C", wire.decode("utf-8", "replace"))

    def reply(self, reply: Reply, command: Command | None) -> None:
        """Log what the server said."""
        if logger.isEnabledFor(TRACE):
            shown = heard(reply, command)
            self._log(TRACE, "S", str(shown))
            if shown is not reply:
                self._log(TRACEAUTH, "S", str(reply))

    def content(self, content: bytes | memoryview, said: str) -> None:
        """Log that content went out; `said` is how it is told without it."""
        if logger.isEnabledFor(TRACE):
            self._log(TRACE, "C", said)
            if logger.isEnabledFor(TRACEDATA):
                self._log(TRACEDATA, "C", bytes(content).decode("utf-8", "replace"))

    def note(self, what: str) -> None:
        """Log what happened to the session itself."""
        if logger.isEnabledFor(TRACE):
            self._log(TRACE, "*", what)

    def _log(self, level: int, who: str, text: str) -> None:
        if logger.isEnabledFor(level):
            for line in text.splitlines():
                logger.log(level, "%s: %s", who, line, extra=self._fields)
