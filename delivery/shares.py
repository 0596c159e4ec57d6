"""Who may have how much of a drain, so that nobody's mail stands in the way of everybody's.

1. A drain works on a limited number of jobs at a time. No account has more of them than are
   still free: one alone gets half, the next one half of what is left, and there is always room
   for somebody who has none yet. A domain may have twice as many as are free, so that one
   account's mail for it leaves room for another's.
2. An account's mail for one domain has no more of them than the account has left: a backlog for one
   slow domain gets a third, and what the same account writes to others passes it.
3. A domain begins with one job, until one has ended soon or one of its servers has answered. So
   two hundred domains whose servers hang have two hundred jobs, not all there are.
4. A job that its servers have kept waiting for longer than `SLOW_SECONDS` takes no room any more,
   up to a limit. One that waits for its turn here does: another worker may have turns to give.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from delivery.agent.job import Job

Key = TypeVar("Key")

MOST_BYTES = 256 * 1024 * 1024
"""How much content a drain holds in memory before it claims more."""


SLOW_SECONDS = 3.0
MOST_SLOW = 4
"""For each job that may be worked on at a time, so many may wait for slow servers beside it."""

MOST_ANSWERING = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """For whom there is room in the next claim."""

    full_domains: frozenset[str] = frozenset()
    full_owners: frozenset[int] = frozenset()
    full_pairs: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Domains that are full for one account only, by account."""

    answering: Collection[str] | None = None
    """Of a domain that is not among these, one message is enough; None if any number is fine."""

    @property
    def is_for_all(self) -> bool:
        """Whether nobody is passed over."""
        return not (self.full_domains or self.full_owners or self.full_pairs)


FOR_ALL = Room()


@dataclass(slots=True)
class Shares:
    """What a drain is working on: how many jobs, for whom, and how many bytes.

    Moments are seconds of `time.monotonic`, which is the clock of the event loop as well.
    """

    most: int
    """How many jobs a drain works on at most."""

    _bytes: int = 0
    _slow: int = 0
    _begun: dict[int, tuple[float, Job]] = field(default_factory=dict)
    """Jobs that are not slow yet, the oldest first, by the identity of the job."""

    _domains: Counter[str] = field(default_factory=Counter)
    _pairs: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Jobs by account and domain."""

    _waiting: Counter[str] = field(default_factory=Counter)
    """Jobs of each domain, those included that are slow."""

    _owners: Counter[int] = field(default_factory=Counter)
    _answering: dict[str, None] = field(default_factory=dict)

    @property
    def free(self) -> int:
        """How many more jobs may begin now."""
        if self._bytes >= MOST_BYTES or self._slow >= MOST_SLOW * self.most:
            return 0
        return max(0, self.most - len(self._begun))

    @property
    def next_claim(self) -> int:
        """How many copies to claim next: nobody who is not full can get too much by it."""
        return (self.free + 1) // 2

    @property
    def room(self) -> Room:
        """For whom there is room now."""
        free = max(1, self.free)
        full_domains = frozenset(
            [name for name, jobs in self._domains.items() if jobs >= 2 * free]
            + [name for name in self._waiting if name not in self._answering]
        )
        full_owners = frozenset(key for key, jobs in self._owners.items() if jobs >= free)
        return Room(
            full_domains=full_domains,
            full_owners=full_owners,
            full_pairs={
                owner: full
                for owner, jobs in self._owners.items()
                if owner not in full_owners
                and (full := self._full_for(owner, free - jobs) - full_domains)
            },
            answering=self._answering,
        )

    def _full_for(self, owner: int, left: int) -> frozenset[str]:
        """Return the domains that have their share of an account to which so many jobs are left."""
        return frozenset(name for name, jobs in self._pairs[owner].items() if jobs >= left)

    def begin(self, job: Job, at: float) -> None:
        """Count a job that begins."""
        self._begun[id(job)] = at, job
        self._bytes += len(job.content)
        _add(self._waiting, job.domain, 1)
        self._count(job, 1)

    def end(self, job: Job, *, has_answered: bool) -> bool:
        """Count a job as no longer there; return whether this made more room for its domain."""
        self._bytes -= len(job.content)
        _add(self._waiting, job.domain, -1)
        was_slow = self._begun.pop(id(job), None) is None
        if was_slow:
            self._slow -= 1
        else:
            self._count(job, -1)
        answers = has_answered or not was_slow
        news = [self._note(domain, answers=answers) for domain in job.domains]
        return any(news)

    def age(self, now: float) -> None:
        """Give the room of those back that have become slow."""
        slow = []
        for key, (begun_at, job) in self._begun.items():
            if now - begun_at < SLOW_SECONDS:
                break
            if now - begun_at - job.line.stood(now) >= SLOW_SECONDS:
                slow.append((key, job))
        for key, job in slow:
            del self._begun[key]
            self._slow += 1
            self._count(job, -1)

    def _note(self, domain: str, *, answers: bool) -> bool:
        if not answers:
            self._answering.pop(domain, None)
            return False
        is_new = domain not in self._answering
        if is_new and len(self._answering) >= MOST_ANSWERING:
            del self._answering[next(iter(self._answering))]
        self._answering[domain] = None
        return is_new

    def _count(self, job: Job, by: int) -> None:
        _add(self._domains, job.domain, by)
        if job.account is not None:
            _add(self._owners, job.account, by)
            _add(self._pairs[job.account], job.domain, by)
            if not self._pairs[job.account]:
                del self._pairs[job.account]


def _add(counter: Counter[Key], key: Key, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]
