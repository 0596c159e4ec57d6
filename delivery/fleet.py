"""The workers of an installation, as one of them sees the others; the `Neighbours` of its agent.

About once a second while it works, a worker says in its row that it lives, looks who else does, and
tells what hosts did that are now left alone. Nothing here happens for each message.

1. A worker lives whose `beats` go on; no clock is compared.
2. The sessions of a host are divided evenly among those at work. Who has just come takes one for
   each host until all others have had time to see it.
3. A breaker that opens becomes a row, which the others believe unless the host answers them. Who
   finds the host well deletes the row, and so may an operator.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q

from delivery.agent.clock import Clock
from delivery.agent.health import Breaker, Health, Trouble
from delivery.agent.neighbours import share_of
from delivery.clocks import SharedClock
from delivery.models import DestinationHealth, HealthState, Worker

BEAT_SECONDS = 1.0
DEAD_SECONDS = 6.0
"""A worker whose beats have not gone on for so long is not counted any more."""

BEATS_TO_BE_SEEN = 2
PROBE_FOR = timedelta(minutes=2)
"""How long a probe may take before somebody else tries."""

ALONE_LEARNS_EVERY = 10
"""A worker that is alone looks once in so many beats whether an operator cleared a host."""

FORGET_WORKERS_AFTER = timedelta(days=1)
MOST_ROWS = 5_000
LONGEST_REPLY = 1_000

Address = tuple[str, str]
Changes = dict[Address, Breaker | None]


@dataclass(slots=True)
class _Other:
    """Another worker: its beats, and when they were last seen to go on."""

    beats: int
    at: float


@dataclass(frozen=True, slots=True)
class News:
    """What the database said: beats of those at work, by worker; hosts left alone, if read."""

    beats: dict[UUID, int]
    left_alone: dict[Address, Breaker] | None


@dataclass(slots=True)
class Fleet:
    """The view of one worker process. `health` is what it shares with its agent."""

    health: Health = field(default_factory=Health)
    uuid: UUID = field(default_factory=uuid4)
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    most_per_host: int = 20
    _others: dict[UUID, _Other] = field(default_factory=dict)
    _living: list[UUID] = field(default_factory=list)
    _waits_for: dict[UUID, int] | None = None
    """Until when others may not have seen this worker, in beats of theirs; None before the first."""

    _unsaid: Changes = field(default_factory=dict)
    _known: frozenset[Address] = frozenset()
    """Hosts that had a row when rows were last read."""

    _beats: int = 0
    _rank: int = 0
    _clock: Clock | None = None

    # What the agent asks

    def share(self, host: str, most: int) -> int:
        """Return how many of `most` sessions with `host` this worker may have; perhaps none."""
        if not self._living:
            return most
        if self._waits_for:
            return min(1, most)
        return share_of(host, most, rank=self._rank, workers=1 + len(self._living))

    async def may_probe(self, host: str, address: str) -> bool:
        """Ask for the only probe of a host in trouble; one conditional UPDATE answers."""
        if self._clock is None:
            return False
        return await sync_to_async(_took_probe)(host, address, self.name, self._clock.now())

    # What a drain does about once a second, on the thread of the database and on the loop

    def changes(self) -> Changes:
        """Return what the others have yet to hear."""
        self._unsaid |= self.health.take_changes()
        return dict(self._unsaid)

    def exchange(self, changes: Changes, clock: Clock) -> News:
        """Say that this worker lives and what it found, and return what the others say."""
        if isinstance(clock, SharedClock):
            clock.read()
        self._clock = clock
        now = clock.now()
        self._announce(now)
        self._bury()
        alive = Worker.objects.filter(is_at_work=True).exclude(uuid=self.uuid)
        beats = dict(alive.values_list("uuid", "beats"))
        if changes:
            _publish(changes, self.name, now)
        is_time = self._beats % ALONE_LEARNS_EVERY == 0
        self._beats += 1
        return News(beats=beats, left_alone=_left_alone() if beats or changes or is_time else None)

    def apply(self, said: Changes, news: News) -> None:
        """Take note of what `exchange` returned, once `said` is written down."""
        for key, breaker in said.items():
            if self._unsaid.get(key) == breaker:
                del self._unsaid[key]
        self._count(news.beats, time.monotonic())
        if news.left_alone is not None:
            self._believe(news.left_alone)

    def leave(self) -> None:
        """Say that this worker has nothing to do now."""
        Worker.objects.filter(uuid=self.uuid).update(is_at_work=False)
        self._others, self._living, self._waits_for = {}, [], None

    # Details

    def _announce(self, now: datetime) -> None:
        changes = {"beats": F("beats") + 1, "seen_at": now, "is_at_work": True}
        if Worker.objects.filter(uuid=self.uuid).update(**changes):
            return
        Worker.objects.filter(seen_at__lt=now - FORGET_WORKERS_AFTER).delete()
        Worker.objects.create(uuid=self.uuid, name=self.name, started_at=now, seen_at=now)

    def _bury(self) -> None:
        """Let nobody count those who are gone; one that was only slow comes back by its next beat."""
        for key in self._others.keys() - set(self._living):
            stopped = Worker.objects.filter(uuid=key, beats=self._others[key].beats)
            stopped.update(is_at_work=False)

    def _count(self, beats: dict[UUID, int], at: float) -> None:
        """Work out who lives, this worker's place among them, and whether they have seen it."""
        for key in self._others.keys() - beats.keys():
            del self._others[key]
        for key, number in beats.items():
            other = self._others.get(key)
            if other is None or other.beats != number:
                self._others[key] = _Other(beats=number, at=at)
        self._living = [k for k, one in self._others.items() if at - one.at < DEAD_SECONDS]
        self._rank = sorted([*self._living, self.uuid]).index(self.uuid)
        if self._waits_for is None:
            self._waits_for = {key: beats[key] + BEATS_TO_BE_SEEN for key in self._living}
        self._waits_for = {
            key: number
            for key, number in self._waits_for.items()
            if key in self._living and beats[key] < number
        }

    def _believe(self, rows: dict[Address, Breaker]) -> None:
        ours = self._unsaid.keys()
        for host, address in self._known - rows.keys() - ours:
            self.health.of(host, self.most_per_host).release(address)
        for (host, address), breaker in rows.items():
            if (host, address) not in ours:
                self.health.of(host, self.most_per_host).adopt(address, breaker)
        self._known = frozenset(rows)


def _publish(changes: Changes, worker: str, now: datetime) -> None:
    """Write down in one transaction which hosts are left alone and which no more."""
    closed = [key for key, breaker in changes.items() if breaker is None or not breaker.until]
    rows = [
        DestinationHealth(
            host=host,
            address=address,
            state=HealthState.RESTING,
            failures=breaker.failures,
            pauses=breaker.pauses,
            trouble=breaker.trouble.value,
            last_reply=breaker.told[:LONGEST_REPLY],
            next_probe_at=breaker.until,
            probing_until=None,
            worker=worker,
            updated_at=now,
        )
        for (host, address), breaker in sorted(changes.items(), key=lambda one: one[0])
        if breaker is not None and breaker.until is not None
    ]
    with transaction.atomic():
        for host, address in sorted(closed):
            DestinationHealth.objects.filter(host=host, address=address).delete()
        DestinationHealth.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["host", "address"],
            update_fields=_SAID,
        )


_SAID = [
    "state",
    "failures",
    "pauses",
    "trouble",
    "last_reply",
    "next_probe_at",
    "probing_until",
    "worker",
    "updated_at",
]


def _left_alone() -> dict[Address, Breaker]:
    rows = DestinationHealth.objects.order_by("-updated_at").values_list(
        "host", "address", "failures", "pauses", "trouble", "next_probe_at", "last_reply"
    )
    return {
        (host, address): Breaker(
            failures=failures,
            pauses=pauses,
            trouble=_TROUBLES.get(trouble, Trouble.SILENT),
            until=until,
            told=told,
        )
        for host, address, failures, pauses, trouble, until, told in rows[:MOST_ROWS]
    }


_TROUBLES = {one.value: one for one in Trouble}


def _took_probe(host: str, address: str, worker: str, now: datetime) -> bool:
    """Return whether the probe is ours; a host without a row may be probed by anybody."""
    rows = DestinationHealth.objects.filter(host=host, address=address)
    is_free = Q(state=HealthState.RESTING) | Q(probing_until__lt=now)
    try:
        took = rows.filter(is_free, next_probe_at__lte=now).update(
            state=HealthState.PROBING,
            probing_until=now + PROBE_FOR,
            worker=worker,
            updated_at=now,
        )
        return bool(took) or not rows.exists()
    except (OperationalError, InterfaceError):
        return False
