"""Look-ups: the latest facts about a domain, kept for every page that asks."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction

from delivery import events, stored
from delivery.agent.agent import Agent
from delivery.agent.clock import Clock
from delivery.config import DeliveryConfig
from delivery.counting import Meter
from delivery.policies import DatabasePolicyStore
from delivery.policy.facts import DomainFacts
from delivery.side_by_side import in_turns

LOOKED_UP_AT_ONCE = 5
LOOK_AHEAD_SECONDS = 180.0


def look_up(*, owner_id: int, domain: str, config: DeliveryConfig, clock: Clock) -> None:
    """Look a domain up and tell the account's pages about each part as it arrives."""
    async_to_sync(_look_up)(owner_id, domain, config, clock)


async def _look_up(owner_id: int, domain: str, config: DeliveryConfig, clock: Clock) -> None:
    async def arrived(facts: DomainFacts) -> None:
        await sync_to_async(_keep_and_tell)(owner_id, facts, clock.now())

    async with Agent(
        config.agent, policies=DatabasePolicyStore(), clock=clock, observer=Meter()
    ) as agent:
        await arrived(await agent.look_up(domain, on_part=arrived))


def _keep_and_tell(owner_id: int, facts: DomainFacts, now: datetime) -> None:
    with transaction.atomic():
        stored.keep_facts([facts], now=now)
        events.publish(owner_id, events.DOMAIN_CHANGED, domain=facts.domain)


def look_ahead(domains: Collection[str], *, config: DeliveryConfig, clock: Clock) -> None:
    """Look domains up, with their policies, though nobody waits for the answer; few at a time."""
    if domains:
        async_to_sync(_look_ahead)(domains, config, clock)


async def _look_ahead(domains: Collection[str], config: DeliveryConfig, clock: Clock) -> None:
    async with Agent(
        config.agent, policies=DatabasePolicyStore(), clock=clock, observer=Meter()
    ) as agent:

        async def one(domain: str) -> None:
            facts = await agent.look_up(domain)
            await sync_to_async(stored.keep_facts)([facts], now=clock.now())

        await in_turns(one, domains, at_once=LOOKED_UP_AT_ONCE, seconds=LOOK_AHEAD_SECONDS)
