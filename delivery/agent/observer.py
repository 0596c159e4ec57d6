"""Somebody who hears what the agent does, to count it; the agent itself counts nothing.

Calls come from the event loop, several for each message: they must take microseconds and must not
raise.
"""

from __future__ import annotations

from typing import Protocol

from delivery.agent.answers import Answer
from delivery.smtp import Kind


class Observer(Protocol):
    """What is told, as it happens."""

    def dns_answered(self, answer: Answer, seconds: float) -> None:
        """A question was asked, and this came of it."""

    def policy_fetched(self, reason: str) -> None:
        """An MTA-STS policy was fetched; `reason` (RFC 8460) says why not, if it was not."""

    def session_began(self, how: str) -> None:
        """A session is there for a message: `opened`, `reused`, or not, `failed`."""

    def command_answered(self, kind: Kind, code: int, seconds: float) -> None:
        """A server has replied to a command, or greeted us."""

    def logged_in(self, mechanism: str, result: str) -> None:
        """A log-in at a relay ended: `ok`, `deferred`, or `paused` until a person looks."""

    def flush(self) -> None:
        """The agent ends: nothing more will be told."""


class NobodyListens:
    """Hears nothing."""

    def dns_answered(self, answer: Answer, seconds: float) -> None: ...

    def policy_fetched(self, reason: str) -> None: ...

    def session_began(self, how: str) -> None: ...

    def command_answered(self, kind: Kind, code: int, seconds: float) -> None: ...

    def logged_in(self, mechanism: str, result: str) -> None: ...

    def flush(self) -> None: ...


NOBODY = NobodyListens()
