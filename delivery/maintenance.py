"""What is done from time to time, whatever was announced and whatever was lost."""

from __future__ import annotations

from datetime import datetime, timedelta

from asgiref.sync import async_to_sync
from django.db import transaction

from delivery import ledger
from delivery.agent.agent import Agent
from delivery.agent.clock import Clock
from delivery.config import DeliveryConfig
from delivery.models import OutboundMessage, Recipient, State, StsPolicy
from delivery.policies import DatabasePolicyStore
from delivery.signals import delivery_settled

REFRESH_AHEAD = timedelta(hours=24)
REFRESH_BATCH = 200


def sweep(*, now: datetime) -> bool:
    """Put abandoned copies back, fail overdue ones, send pending notices; True if mail is due."""
    ledger.reclaim_abandoned(now=now)
    ledger.expire(now=now)
    notify()
    return Recipient.objects.due(now).exists()


def notify() -> None:
    """Tell about every copy whose sender has yet to be told, one transaction a message."""
    due = Recipient.objects.filter(notice_due=True).values_list("message_id", flat=True)
    for message_id in dict.fromkeys(due[:1000]):
        _notify(message_id)


def _notify(message_id: int) -> None:
    with transaction.atomic():
        failed = list(
            Recipient.objects.select_for_update().filter(
                message_id=message_id, notice_due=True, state=State.FAILED
            )
        )
        Recipient.objects.filter(message_id=message_id, notice_due=True).update(notice_due=False)
        if failed:
            message = OutboundMessage.objects.get(pk=message_id)
            delivery_settled.send(
                OutboundMessage, message=message, recipients=failed, kind="failed"
            )


def refresh_policies(*, config: DeliveryConfig, clock: Clock) -> int:
    """Fetch policies again that would run out within a day; return how many were looked at."""
    ending = StsPolicy.objects.filter(expires_at__lt=clock.now() + REFRESH_AHEAD)
    domains = list(ending.values_list("domain", flat=True)[:REFRESH_BATCH])
    if domains:
        async_to_sync(_look_up_all)(domains, config, clock)
    return len(domains)


async def _look_up_all(domains: list[str], config: DeliveryConfig, clock: Clock) -> None:
    async with Agent(config.agent, policies=DatabasePolicyStore(), clock=clock) as agent:
        for domain in domains:
            await agent.look_up(domain)
