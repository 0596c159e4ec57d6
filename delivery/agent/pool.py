"""Sessions kept open for the next message, and how many there may be at once.

Rule: a session serves a message only if it was opened for exactly the same demand, judged by
exactly the same published records. So it can never serve a stricter one than it was checked for.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from datetime import timedelta

from delivery.agent.chunking import BrokenChunking
from delivery.agent.clock import Clock
from delivery.agent.config import AgentConfig
from delivery.agent.dialer import Dialer
from delivery.agent.errors import ConnectError
from delivery.agent.fair import Party
from delivery.agent.health import Health, Trouble
from delivery.agent.line import Line
from delivery.agent.neighbours import Neighbours
from delivery.agent.observer import NOBODY, Observer
from delivery.agent.session import Session, Target
from delivery.agent.slots import Slot, Slots
from delivery.policy.facts import TlsEvidence

IDLE_SECONDS = 15.0
OLDEST = timedelta(minutes=10)


class Pool:
    """Opens sessions, keeps idle ones for a while, and closes them politely in the background."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        dialer: Dialer,
        clock: Clock,
        health: Health | None = None,
        neighbours: Neighbours | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self._config = config
        self._dialer = dialer
        self._observer = observer
        self._clock = clock
        self._slots = Slots(config, clock=clock, health=health or Health(), neighbours=neighbours)
        self._idle: OrderedDict[Session, asyncio.TimerHandle] = OrderedDict()
        self._by_key: dict[Hashable, list[Session]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._broken_chunking = BrokenChunking()

    @property
    def sessions(self) -> tuple[int, int]:
        """How many sessions are at work, and how many are idle."""
        return self._slots.working, len(self._idle)

    def slot(
        self,
        host: str,
        address: str,
        party: Party,
        *,
        line: Line | None = None,
        is_visit: bool = False,
    ) -> Slot:
        """Return the right to have a session with `host`; entering it waits for its turn, in `line`.

        A visit is made because somebody looks at the host: it is never turned away.
        """
        return Slot(self._slots, host, address, party, line=line, is_visit=is_visit)

    def went_well(self, target: Target) -> None:
        """Remember that the host answered a whole transaction, with whatever reply."""
        health = self._slots.health_of(target.gate)
        if not health.is_at_its_best:
            health.went_well(target.address)
            self._slots.adjust(target.gate)

    def was_in_trouble(self, target: Target, trouble: Trouble, told: str = "") -> None:
        """Remember that the host did not take a session, or ended one early, and what was said."""
        health = self._slots.health_of(target.gate)
        health.was_in_trouble(target.address, trouble, self._clock.now(), told)
        self._slots.adjust(target.gate)

    def adjust(self) -> None:
        """Take note of other workers that came or went."""
        self._slots.adjust_all()

    def wind_down(self) -> None:
        """Give nobody else a slot; sessions that run go on."""
        self._slots.wind_down()

    async def connect(self, target: Target, earlier: TlsEvidence | None) -> Session:
        """Return a session that has just connected; its greeting is still to come.

        Raises:
            ConnectError: there is no connection.
        """
        try:
            wire = await self._dialer.dial(target.address, host=target.host.name, via=target.via)
        except ConnectError:
            self._observer.session_began("failed")
            raise
        self._observer.session_began("opened")
        return Session(
            wire,
            target,
            config=self._config,
            clock=self._clock,
            earlier=earlier,
            broken_chunking=self._broken_chunking,
            observer=self._observer,
        )

    def take(self, target: Target) -> Session | None:
        """Return an idle session that fits `target` exactly, or None."""
        sessions = self._by_key.get(_key(target))
        while sessions:
            session = sessions[-1]
            self._forget(session)
            is_fresh = self._clock.now() - session.opened_at < OLDEST
            if is_fresh and session.can_be_used_again:
                self._observer.session_began("reused")
                return session
            self.retire(session)
        return None

    def keep(self, session: Session) -> None:
        """Keep a session for the next message, if it can take one."""
        if not session.can_be_used_again:
            self.retire(session)
            return
        while len(self._idle) >= self._config.concurrency:
            self._expire(next(iter(self._idle)))
        self._by_key.setdefault(_key(session.target), []).append(session)
        loop = asyncio.get_running_loop()
        self._idle[session] = loop.call_later(IDLE_SECONDS, self._expire, session)

    def retire(self, session: Session) -> None:
        """Close a session politely, without anybody waiting for it."""
        task = asyncio.create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all that is idle."""
        self._slots.close()
        for session in list(self._idle):
            self._expire(session)
        await asyncio.gather(*self._closing)

    def _expire(self, session: Session) -> None:
        self._forget(session)
        self.retire(session)

    def _forget(self, session: Session) -> None:
        self._idle.pop(session).cancel()
        key = _key(session.target)
        self._by_key[key].remove(session)
        if not self._by_key[key]:
            del self._by_key[key]


def _key(target: Target) -> Hashable:
    """Return all that a session's verification rested on."""
    host = target.host
    return (
        host.name,
        target.address,
        target.demand,
        target.is_in_sts_policy,
        target.via and target.via.key,
        host.tlsa_state,
        host.tlsa,
        host.tlsa_names,
    )
