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
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, close_old_connections
from structlog.contextvars import bind_contextvars

from delivery import claims, journal, ledger, metrics, without_session
from delivery.agent.agent import Agent
from delivery.agent.cache import AnswerCache
from delivery.agent.clock import Clock
from delivery.agent.errors import WindingDownError
from delivery.agent.health import Health
from delivery.agent.job import AttemptReport, Job, RecipientResult
from delivery.config import DeliveryConfig
from delivery.copies import Copy
from delivery.counting import Meter
from delivery.fleet import BEAT_SECONDS, Fleet
from delivery.models import Recipient
from delivery.policies import DatabasePolicyStore
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.shares import Shares
from delivery.tokens import DatabaseTokens

logger = logging.getLogger(__name__)

T = TypeVar("T")

GLANCE_SECONDS = 0.1
"""How often a busy drain looks for new work that nobody announced."""

FLUSH_SECONDS = 0.05
"""How long a finished job waits for others to be written down with it."""

JOBS_PER_SLOT = 4
"""How many jobs a drain holds for each session it may have, so that no session waits for a claim."""

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
    held: int = 0

    def count(self, results: tuple[RecipientResult, ...]) -> None:
        """Add the outcomes of one job."""
        for result in results:
            name = result.outcome.result.value
            setattr(self, name, getattr(self, name) + 1)


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

    fleet: Fleet = field(default_factory=Fleet)
    """The other workers, as this process sees them."""

    report: DrainReport = field(default_factory=DrainReport)
    _shares: Shares = field(init=False)
    _leases: Counter[uuid.UUID] = field(default_factory=Counter)
    """How many copies are held under each lease and not settled yet."""

    _finished: list[tuple[list[Copy], AttemptReport]] = field(default_factory=list)
    """What showed how these copies ended, to be written down."""

    _broken: list[Copy] = field(default_factory=list)
    """Copies that something here failed to deliver."""

    _meter: Meter = field(default_factory=Meter)
    _tasks: dict[asyncio.Task[None], tuple[Job, list[Copy]]] = field(default_factory=dict)
    _news: asyncio.Event = field(init=False)
    _loop: asyncio.AbstractEventLoop | None = None
    _shall_end: bool = False
    _ends_at: float | None = None
    _claimed_for_all: bool = True

    async def run(self) -> DrainReport:
        """Work the queue off; return what was done."""
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        self.fleet.health = self.health
        self.fleet.most_per_host = self.config.agent.concurrency_per_host
        self._shares = Shares(most=JOBS_PER_SLOT * self.config.agent.concurrency)
        policies = DatabasePolicyStore()
        async with Agent(
            self.config.agent,
            policies=policies,
            clock=self.clock,
            health=self.health,
            answers=self.answers,
            neighbours=self.fleet,
            observer=self._meter,
            tokens=DatabaseTokens(),
        ) as agent:
            await self._meet(agent)
            rhythm = (
                asyncio.create_task(self._keep_leases()),
                asyncio.create_task(self._keep_company(agent)),
            )
            try:
                await self._work(agent)
            finally:
                await self._stop(rhythm)
                self._meter.rest()
        return self.report

    def poke(self) -> None:
        """Say from another thread that there is new work."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    def end(self) -> None:
        """Say from another thread that this process stops: claim nothing more, finish what runs."""
        self._shall_end = True  # also if this drain has yet to begin
        self.poke()

    async def _work(self, agent: Agent) -> None:
        last_work = self._loop_time()
        while not self._is_over(agent):
            self._news.clear()
            self._shares.age(self._loop_time())
            claimed = await self._claim(agent)
            await self._flush()
            self._meter.beat(self._loop_time(), agent.sessions, self.health, self.clock.now())
            if claimed or self._tasks or self._finished or self._broken:
                last_work = self._loop_time()
            elif await self._may_stop(last_work):
                return
            if not claimed:
                await self._wait(FLUSH_SECONDS if self._tasks else GLANCE_SECONDS)

    def _is_over(self, agent: Agent) -> bool:
        """Whether the process stops, and sessions had their time to end."""
        if self._shall_end and self._ends_at is None:
            self._ends_at = self._loop_time() + ENDING_SECONDS
            agent.wind_down()
        return self._ends_at is not None and self._loop_time() >= self._ends_at

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    async def _may_stop(self, last_work: float) -> bool:
        if self._shall_end:
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
        if not self._shares.free or self._shall_end:
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
        self._leases[lease] = len(taken.copies)
        self.report.claimed += len(taken.copies)
        copies = {one.pk: one for one in taken.copies}
        for job in await self._remote_jobs(taken):
            self._shares.begin(job, self._loop_time())
            held = [copies[one.key] for one in job.recipients]
            task = asyncio.create_task(self._deliver(agent, job, held))
            self._tasks[task] = job, held
            task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return len(taken.copies)

    async def _remote_jobs(self, taken: claims.Claim) -> list[Job]:
        """Settle what needs no network, and return jobs for the rest."""
        settled = await _in_database(lambda: without_session.settle(taken, now=self.clock.now()))
        if settled is None:
            # The lease is not renewed: it runs out, and the copies are claimed again.
            self._let_go(taken.copies)
            return []
        rest, failed = settled
        remote = {one.pk for one in rest}
        here = [one for one in taken.copies if one.pk not in remote]
        self._let_go(here)
        self.report.delivered += len(here) - failed
        self.report.failed += failed
        jobs = claims.jobs_from(taken, rest)
        taken.contents.clear()
        begun = {one.key for job in jobs for one in job.recipients}
        self._broken += [one for one in rest if one.pk not in begun]
        return jobs

    async def _deliver(self, agent: Agent, job: Job, held: list[Copy]) -> None:
        """Run one job about the copies of `held`. The task boundary: what we did not foresee is our bug, and temporary."""
        bind_contextvars(**job.log)
        try:
            report = await agent.deliver(job)
        except WindingDownError:
            has_answered = False  # the copies stay held, until all that is held is given back
        except Exception:
            logger.exception("delivery broke", extra={"domain": job.domain})
            self._broken += held
            has_answered = False
        else:
            self._finished.append((held, report))
            has_answered = any(attempt.evidence for attempt in report.attempts)
        has_room = self._shares.end(job, has_answered=has_answered)
        if has_room or len(self._finished) >= self.config.batch:
            self._news.set()

    async def _flush(self) -> None:
        """Write down what is finished, in one transaction."""
        finished, self._finished = self._finished, []
        broken, self._broken = self._broken, []
        if finished:
            await self._record(finished)
        if broken:
            await self._settle_broken(broken)

    async def _record(self, finished: list[tuple[list[Copy], AttemptReport]]) -> None:
        write = partial(
            ledger.record,
            copies={one.pk: one for held, _ in finished for one in held},
            reports=[report for _, report in finished],
            now=self.clock.now(),
            jitter=random.random(),  # noqa: S311
        )
        try:
            done = await _in_database(write)
        except Exception:
            logger.exception("outcomes can't be written down", extra={"reports": len(finished)})
            await self._record_apart(finished)
            return
        if done is None:
            self._finished += finished
            return
        journal.tell_of_settled(report for _, report in finished)
        self._meter.reports(report for _, report in finished)
        for held, report in finished:
            self.report.count(report.results)
            self._let_go(held)

    async def _record_apart(self, finished: list[tuple[list[Copy], AttemptReport]]) -> None:
        """One report that can't be written down must not keep the others from it."""
        if len(finished) == 1:
            self._broken += finished[0][0]
            return
        for each in finished:
            await self._record([each])

    async def _settle_broken(self, held: list[Copy]) -> None:
        results = tuple(RecipientResult(key=one.pk, outcome=_BROKEN) for one in held)
        write = partial(
            ledger.settle,
            copies={one.pk: one for one in held},
            results=results,
            now=self.clock.now(),
            jitter=0.0,
        )
        if await _in_database(write) is None:
            self._broken += held
            return
        self.report.count(results)
        self._let_go(held)

    def _let_go(self, copies: Iterable[Copy]) -> None:
        """Forget copies that are settled, and the leases under which no other copy is held."""
        for one in copies:
            self._leases[one.lease] -= 1
            if not self._leases[one.lease]:
                del self._leases[one.lease]

    async def _keep_leases(self) -> None:
        """Renew in time, so that only a dead worker's leases run out."""
        while True:
            await asyncio.sleep(self.config.lease_for.total_seconds() / 3)
            leases, until = set(self._leases), self.clock.now() + self.config.lease_for
            if leases:
                kept = await _in_database(partial(claims.renew, leases=leases, lease_until=until))
                self._give_up(leases - kept if kept is not None else set())

    def _give_up(self, lost: set[uuid.UUID]) -> None:
        """End jobs whose copies others have taken over while this process could not renew."""
        for task, (job, held) in list(self._tasks.items()):
            if held[0].lease in lost and not task.done():
                del self._tasks[task]
                task.cancel()
                self._shares.end(job, has_answered=False)
                self._let_go(held)

    async def _keep_company(self, agent: Agent) -> None:
        """Tell the other workers that this one lives, and hear from them."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._meet(agent)

    async def _meet(self, agent: Agent) -> None:
        said = self.fleet.changes()
        news = await _in_database(partial(self.fleet.exchange, said, self.clock))
        if news is not None:
            self.fleet.apply(said, news)
            agent.adjust()

    async def _stop(self, rhythm: Iterable[asyncio.Task[None]]) -> None:
        """End what still runs, keep what is finished, and give the rest back."""
        ending = (*rhythm, *self._tasks)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._flush()
        leases = list(self._leases)
        if leases:
            await _in_database(lambda: claims.give_back(leases=leases, now=self.clock.now()))
        await self._part()

    async def _part(self) -> None:
        """Tell the others what they have not heard yet, and that this worker is not at work."""
        said = self.fleet.changes()
        if said:
            await _in_database(partial(self.fleet.exchange, said, self.clock))
        await _in_database(self.fleet.leave)


_BROKEN = Outcome(
    result=Result.DEFERRED,
    scope=Scope.TRANSPORT,
    code=451,
    enhanced="4.3.0",
    public="Something went wrong on this server. The copy is tried again.",
)


async def _in_database(step: Callable[[], T]) -> T | None:
    """Run one short step; None, and a pause, if the database can't be reached."""
    try:
        return await sync_to_async(step)()
    except (OperationalError, InterfaceError) as error:
        logger.warning("database step failed", extra={"error": str(error)})
        metrics.DATABASE_FAILURES.add()
        await sync_to_async(close_old_connections)()
        await asyncio.sleep(1)
        return None
