"""The drain: claim due copies, run their sessions, write down the outcomes.

It keeps hundreds of sessions going at once on one event loop; every database step is one short transaction on the thread that called it, and no
transaction is ever open while the network is used:

1. claim a batch under a lease, as long as there is room, from those who have not had their share
2. file what is for this installation, start a job for the rest
3. write finished jobs down in bulk
4. renew the leases of what is still being sent
5. with nothing left, linger a little (connections stay open), then stop
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, close_old_connections

from delivery import claims, ledger, local
from delivery.agent.agent import Agent
from delivery.agent.cache import AnswerCache
from delivery.agent.clock import Clock
from delivery.agent.health import Health
from delivery.agent.job import AttemptReport, Job, RecipientResult
from delivery.config import DeliveryConfig
from delivery.copies import Copy
from delivery.models import Recipient
from delivery.policies import DatabasePolicyStore
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.shares import Shares

logger = logging.getLogger(__name__)

T = TypeVar("T")

GLANCE_SECONDS = 0.1
"""How often a busy drain looks for new work that nobody announced."""

FLUSH_SECONDS = 0.05
"""How long a finished job waits for others to be written down with it."""

ENDING_SECONDS = 6.0
"""How long a worker that shall stop waits for its sessions; then their copies are given back."""

AWAITS_DUE_FOR = timedelta(seconds=30)
"""A drain does not stop if the next copy is due this soon."""


@dataclass(slots=True)
class DrainReport:
    """What a drain did."""

    claimed: int = 0
    delivered: int = 0
    deferred: int = 0
    failed: int = 0

    def count(self, results: tuple[RecipientResult, ...]) -> None:
        """Add the outcomes of one job."""
        for result in results:
            name = result.outcome.result.value
            setattr(self, name, getattr(self, name) + 1)


@dataclass(slots=True)
class _Held:
    """A claim and the number of its copies that are not settled yet."""

    claim: claims.Claim
    open: int


@dataclass(slots=True)
class Drain:
    """One pass over the queue, until nothing is due."""

    config: DeliveryConfig
    clock: Clock
    once: bool = False
    """Stop as soon as nothing is due, without lingering."""

    health: Health = field(default_factory=Health)
    answers: AnswerCache = field(default_factory=AnswerCache)
    """What earlier drains of the process learned about hosts; this one adds to it."""

    report: DrainReport = field(default_factory=DrainReport)
    _shares: Shares = field(init=False)
    _held: dict[uuid.UUID, _Held] = field(default_factory=dict)
    _finished: list[tuple[uuid.UUID, AttemptReport]] = field(default_factory=list)
    _broken: list[tuple[uuid.UUID, tuple[int, ...]]] = field(default_factory=list)
    """Keys of copies that something here failed to deliver, by their lease."""

    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _news: asyncio.Event = field(init=False)
    _loop: asyncio.AbstractEventLoop | None = None
    _ends_at: float | None = None
    _claimed_for_all: bool = True

    async def run(self) -> DrainReport:
        """Work the queue off; return what was done."""
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        self._shares = Shares(most=max(self.config.batch, 4 * self.config.agent.concurrency))
        policies = DatabasePolicyStore()
        async with Agent(
            self.config.agent,
            policies=policies,
            clock=self.clock,
            health=self.health,
            answers=self.answers,
        ) as agent:
            heart = asyncio.create_task(self._keep_leases())
            try:
                await self._work(agent)
            finally:
                await self._stop(heart)
        return self.report

    def poke(self) -> None:
        """Say from another thread that there is new work."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    def end(self) -> None:
        """Say from another thread that this process stops: claim nothing more, finish what runs."""
        if self._loop is not None:
            self._ends_at = self._loop.time() + ENDING_SECONDS
            self.poke()

    async def _work(self, agent: Agent) -> None:
        last_work = self._loop_time()
        while self._ends_at is None or self._loop_time() < self._ends_at:
            self._news.clear()
            self._shares.age(self._loop_time())
            claimed = await self._claim(agent)
            await self._flush()
            if claimed or self._tasks or self._finished or self._broken:
                last_work = self._loop_time()
            elif await self._may_stop(last_work):
                return
            if not claimed:
                await self._wait(FLUSH_SECONDS if self._tasks else GLANCE_SECONDS)

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    async def _may_stop(self, last_work: float) -> bool:
        if self._ends_at is not None:
            return True
        if self.once:
            # What was passed over while somebody was busy may be claimed now.
            return self._claimed_for_all
        if self._loop_time() - last_work < self.config.linger_for.total_seconds():
            return False
        soon = self.clock.now() + AWAITS_DUE_FOR
        return not await _in_database(Recipient.objects.due(soon).exists)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            pass

    async def _claim(self, agent: Agent) -> int:
        """Take a batch, file the local part of it, and start the rest; return its size."""
        if not self._shares.free or self._ends_at is not None:
            self._claimed_for_all = False
            return 0
        now, lease, room = self.clock.now(), uuid.uuid4(), self._shares.room
        self._claimed_for_all = room.is_for_all
        limit = min(self.config.batch, self._shares.next_claim)
        lease_until = now + self.config.lease_for
        taken = await _in_database(
            lambda: claims.claim(
                limit=limit, lease=lease, now=now, lease_until=lease_until, room=room
            )
        )
        if taken is None or not taken.copies:
            return 0
        self._held[lease] = _Held(claim=taken, open=len(taken.copies))
        self.report.claimed += len(taken.copies)
        for job in await self._remote_jobs(taken):
            self._shares.begin(job, self._loop_time())
            task = asyncio.create_task(self._deliver(agent, lease, job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(taken.copies)

    async def _remote_jobs(self, taken: claims.Claim) -> list[Job]:
        """Settle what needs no network, and return jobs for the rest."""
        rest = await _in_database(lambda: _settle_here(taken, self.clock.now()))
        if rest is None:
            # The lease is not renewed: it runs out, and the copies are claimed again.
            del self._held[taken.lease]
            return []
        here = len(taken.copies) - len(rest)
        self._count_down(taken.lease, here)
        self.report.delivered += here
        jobs = claims.jobs_from(taken, rest)
        taken.contents.clear()
        begun = {one.key for job in jobs for one in job.recipients}
        left = tuple(one.pk for one in rest if one.pk not in begun)
        if left:
            self._broken.append((taken.lease, left))
        return jobs

    async def _deliver(self, agent: Agent, lease: uuid.UUID, job: Job) -> None:
        """Run one job. The task boundary: what we did not foresee is our bug, and temporary."""
        try:
            report = await agent.deliver(job)
        except Exception:
            logger.exception("delivery broke", extra={"domain": job.domain})
            self._broken.append((lease, tuple(one.key for one in job.recipients)))
            has_answered = False
        else:
            self._finished.append((lease, report))
            has_answered = any(attempt.evidence for attempt in report.attempts)
        has_room = self._shares.end(job, has_answered=has_answered)
        if has_room or len(self._finished) >= self.config.batch:
            self._news.set()

    async def _flush(self) -> None:
        """Write down what is finished, one transaction a claim."""
        finished, self._finished = self._finished, []
        broken, self._broken = self._broken, []
        by_lease: dict[uuid.UUID, list[AttemptReport]] = defaultdict(list)
        for lease, report in finished:
            by_lease[lease].append(report)
        for lease, reports in by_lease.items():
            await self._record(lease, reports)
        for lease, keys in broken:
            await self._settle_broken(lease, keys)

    async def _record(self, lease: uuid.UUID, reports: list[AttemptReport]) -> None:
        claimed = self._held[lease].claim
        done = await _in_database(
            lambda: (
                ledger.record(
                    claimed=claimed,
                    reports=reports,
                    now=self.clock.now(),
                    jitter=random.random(),  # noqa: S311
                )
                or True
            )
        )
        if done is None:
            self._finished += [(lease, report) for report in reports]
            return
        for report in reports:
            self.report.count(report.results)
        self._count_down(lease, sum(len(report.results) for report in reports))

    async def _settle_broken(self, lease: uuid.UUID, keys: tuple[int, ...]) -> None:
        claimed = self._held[lease].claim
        results = tuple(RecipientResult(key=key, outcome=_BROKEN) for key in keys)
        done = await _in_database(
            lambda: (
                ledger.settle(claimed=claimed, results=results, now=self.clock.now(), jitter=0.0)
                or True
            )
        )
        if done is None:
            self._broken.append((lease, keys))
            return
        self.report.count(results)
        self._count_down(lease, len(results))

    def _count_down(self, lease: uuid.UUID, settled: int) -> None:
        held = self._held[lease]
        held.open -= settled
        if held.open <= 0:
            del self._held[lease]

    async def _keep_leases(self) -> None:
        """Renew in time, so that only a dead worker's leases run out."""
        while True:
            await asyncio.sleep(self.config.lease_for.total_seconds() / 3)
            leases = list(self._held)
            if leases:
                until = self.clock.now() + self.config.lease_for
                await _in_database(partial(claims.renew, leases=leases, lease_until=until))

    async def _stop(self, heart: asyncio.Task[None]) -> None:
        """End what still runs, keep what is finished, and give the rest back."""
        for task in (heart, *self._tasks):
            task.cancel()
        await asyncio.gather(heart, *self._tasks, return_exceptions=True)
        await self._flush()
        leases = list(self._held)
        if leases:
            await _in_database(lambda: claims.give_back(leases=leases, now=self.clock.now()))


_BROKEN = Outcome(
    result=Result.DEFERRED,
    scope=Scope.TRANSPORT,
    code=451,
    enhanced="4.3.0",
    public="Something went wrong on this server. The copy is tried again.",
)


def _settle_here(taken: claims.Claim, now: datetime) -> list[Copy]:
    """File local copies and settle those without content; return what must leave."""
    missing = [one for one in taken.copies if one.message_id not in taken.contents]
    if missing:
        results = ledger.lost_content(missing)
        ledger.settle(claimed=taken, results=results, now=now, jitter=0.0)
    rest = [one for one in taken.copies if one.message_id in taken.contents]
    ours = local.local_domains({one.domain for one in rest})
    local.deliver(claimed=taken, recipients=[one for one in rest if one.domain in ours], now=now)
    return [one for one in rest if one.domain not in ours]


async def _in_database(step: Callable[[], T]) -> T | None:
    """Run one short step; None, and a pause, if the database can't be reached."""
    try:
        return await sync_to_async(step)()
    except (OperationalError, InterfaceError) as error:
        logger.warning("database step failed", extra={"error": str(error)})
        await sync_to_async(close_old_connections)()
        await asyncio.sleep(1)
        return None
