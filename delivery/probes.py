"""The answer to "Check now": visit a domain's MX hosts, see what they offer, leave. Nothing is sent."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.db import transaction

from delivery import events, evidence, stored
from delivery.agent.agent import Agent
from delivery.agent.clock import Clock
from delivery.agent.job import ProbeReport
from delivery.config import DeliveryConfig
from delivery.counting import Meter
from delivery.models import ProbeRequest
from delivery.policies import DatabasePolicyStore


def answer(*, probe_id: int, config: DeliveryConfig, clock: Clock) -> None:
    """Carry out one check and keep what it showed; a second call for the same check does nothing."""
    probe = ProbeRequest.objects.get(pk=probe_id)
    if probe.finished_at is not None:
        return
    report = async_to_sync(_visit)(probe.domain, config, clock)
    with transaction.atomic():
        evidence.add_probe(owner_id=probe.owner_id, facts=report.facts, attempts=report.attempts)
        stored.keep_facts([report.facts], now=clock.now())
        ProbeRequest.objects.filter(pk=probe_id).update(finished_at=clock.now())
        events.publish(probe.owner_id, events.DOMAIN_CHANGED, domain=probe.domain)


async def _visit(domain: str, config: DeliveryConfig, clock: Clock) -> ProbeReport:
    async with Agent(
        config.agent, policies=DatabasePolicyStore(), clock=clock, observer=Meter()
    ) as agent:
        return await agent.probe(domain)
