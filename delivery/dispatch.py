"""At most one drain runs in a process at a time; this is where it is asked for and ended.

What drains learn about the health of hosts, and from DNS, is handed from one to the next.
"""

from __future__ import annotations

import threading

from asgiref.sync import async_to_sync

from delivery.agent.cache import AnswerCache
from delivery.agent.clock import Clock
from delivery.agent.health import Health
from delivery.config import DeliveryConfig
from delivery.drain import Drain, DrainReport
from delivery.fleet import Fleet


class _OnlyOne:
    """At most one drain in this process; a second call hands its news to the first."""

    def __init__(self) -> None:
        self.health = Health()
        self.answers = AnswerCache()
        self.fleet = Fleet()
        self._lock = threading.Lock()
        self._current: Drain | None = None
        self._poked = False
        self._has_ended = False

    def run(self, drain: Drain) -> DrainReport | None:
        """Run `drain`, again if news came while it ended; None if another one runs.

        None too once the process stops: Celery still begins the tasks it has fetched before.
        """
        if self._has_ended:
            return None
        self._poked = True
        if not self._lock.acquire(blocking=False):
            if self._current is not None:
                self._current.poke()
            return None
        try:
            self._current = drain  # before the next look at _has_ended: `end` sees one or the other
            while self._poked and not self._has_ended:
                self._poked = False
                async_to_sync(drain.run)()
        finally:
            self._current = None
            self._lock.release()
        return drain.report

    def end(self) -> None:
        """Let the drain that runs, if one does, be the last."""
        self._has_ended = True
        current = self._current
        if current is not None:
            current.end()


_only_one = _OnlyOne()


def drain(*, config: DeliveryConfig, clock: Clock, once: bool = False) -> DrainReport | None:
    """Work the queue off until nothing is due; None if this process is already at it."""
    health, answers = _only_one.health, _only_one.answers
    return _only_one.run(
        Drain(
            config=config,
            clock=clock,
            once=once,
            health=health,
            answers=answers,
            fleet=_only_one.fleet,
        )
    )


def end() -> None:
    """Bring the drain of this process to its end, because the process stops."""
    _only_one.end()
