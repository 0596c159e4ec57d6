"""Live look-ups: the latest facts about a domain, kept for every page that asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction

from delivery import events, stored
from delivery.agent.agent import Agent
from delivery.agent.clock import Clock
from delivery.config import DeliveryConfig
from delivery.models import DomainLookup
from delivery.policies import DatabasePolicyStore
from delivery.policy.facts import DomainFacts

GOOD_FOR = timedelta(minutes=10)
BAD_FOR = timedelta(minutes=1)


def keep(facts: Iterable[DomainFacts], *, now: datetime) -> None:
    """Keep the latest facts of each domain; what is incomplete or failed is asked again sooner."""
    latest = {one.domain: one for one in facts}
    DomainLookup.objects.bulk_create(
        [_row(one, now) for one in latest.values()],
        update_conflicts=True,
        unique_fields=["domain"],
        update_fields=["facts", "started_at", "looked_up_at", "expires_at"],
    )


def _row(facts: DomainFacts, now: datetime) -> DomainLookup:
    good = GOOD_FOR if facts.failure is None else BAD_FOR
    return DomainLookup(
        domain=facts.domain,
        facts=stored.facts_json(facts),
        started_at=now,
        looked_up_at=facts.looked_up_at,
        expires_at=now + good if facts.is_complete else None,
    )


def look_up(*, owner_id: int, domain: str, config: DeliveryConfig, clock: Clock) -> None:
    """Look a domain up and tell the account's pages about each part as it arrives."""
    async_to_sync(_look_up)(owner_id, domain, config, clock)


async def _look_up(owner_id: int, domain: str, config: DeliveryConfig, clock: Clock) -> None:
    async def arrived(facts: DomainFacts) -> None:
        await sync_to_async(_keep_and_tell)(owner_id, facts, clock.now())

    async with Agent(config.agent, policies=DatabasePolicyStore(), clock=clock) as agent:
        await arrived(await agent.look_up(domain, on_part=arrived))


def _keep_and_tell(owner_id: int, facts: DomainFacts, now: datetime) -> None:
    with transaction.atomic():
        keep([facts], now=now)
        events.publish(owner_id, events.DOMAIN_CHANGED, domain=facts.domain)
