"""Copies whose way was promised are judged before anything connects."""

from __future__ import annotations

from datetime import datetime, timedelta

from delivery.agent import outcomes
from delivery.agent.job import Job
from delivery.policy.facts import DomainFacts
from delivery.policy.outcome import Outcome
from delivery.policy.promise import broken

JUDGED_AGAIN_AFTER = timedelta(hours=1)
"""How long a copy waits that shall go as soon as it travels as promised."""


def held_back(job: Job, facts: DomainFacts, now: datetime) -> Outcome | None:
    """Return how the copies of `job` end if they would travel worse than was foreseen."""
    if job.promise is None:
        return None
    via = job.transport
    relay = via if via is not None and via.is_relay else None
    why = broken(job.promise, job.order, facts, now, relay=relay)
    if not why:
        return None
    if job.promise.waits:
        return outcomes.awaiting(why, now + JUDGED_AGAIN_AFTER)
    return outcomes.held(why)
