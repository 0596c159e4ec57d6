"""Who may have how much of a drain, so that nobody's mail stands in the way of everybody's.

A drain works on a limited number of jobs at a time. No account has more of them than are still
free: one alone gets half, the next one half of what is left, and there is always room for
somebody who has none yet. A domain may have twice as many as are free, so that one account's
mail for it leaves room for another's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeVar

from delivery.agent.job import Job

Key = TypeVar("Key")

MOST_BYTES = 256 * 1024 * 1024
"""How much content a drain holds in memory before it claims more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Those who have their share: the next claim passes them over."""

    domains: frozenset[str] = frozenset()
    owners: frozenset[int] = frozenset()


NOBODY = Busy()


@dataclass(slots=True)
class Shares:
    """What a drain is working on: how many jobs, for whom, and how many bytes."""

    most: int
    """How many jobs a drain works on at most."""

    _jobs: int = 0
    _bytes: int = 0
    _domains: Counter[str] = field(default_factory=Counter)
    _owners: Counter[int] = field(default_factory=Counter)

    @property
    def free(self) -> int:
        """How many more jobs may begin now."""
        return max(0, self.most - self._jobs) if self._bytes < MOST_BYTES else 0

    @property
    def next_claim(self) -> int:
        """How many copies to claim next: nobody who is not busy can get too much by it."""
        return (self.free + 1) // 2

    @property
    def busy(self) -> Busy:
        """Who has as much as there may be."""
        free = max(1, self.free)
        return Busy(
            domains=frozenset(name for name, jobs in self._domains.items() if jobs >= 2 * free),
            owners=frozenset(key for key, jobs in self._owners.items() if jobs >= free),
        )

    def begin(self, job: Job) -> None:
        """Count a job that begins."""
        self._count(job, 1)

    def end(self, job: Job) -> None:
        """Count a job as no longer there."""
        self._count(job, -1)

    def _count(self, job: Job, by: int) -> None:
        self._jobs += by
        self._bytes += by * len(job.content)
        _add(self._domains, job.domain, by)
        if job.account is not None:
            _add(self._owners, job.account, by)


def _add(counter: Counter[Key], key: Key, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]
