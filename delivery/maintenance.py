"""What is done from time to time, whatever was announced and whatever was lost."""

from __future__ import annotations

from datetime import datetime, timedelta

from asgiref.sync import async_to_sync
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from delivery import claims, holdrules, ledger, notices
from delivery.agent.agent import Agent
from delivery.agent.clock import Clock
from delivery.agent.policy_fetch import HELD_MODES
from delivery.config import DeliveryConfig
from delivery.counting import Meter
from delivery.models import DomainLookup, Recipient, StsPolicy
from delivery.policies import DatabasePolicyStore
from delivery.policy.facts import StsMode
from delivery.side_by_side import in_turns

REFRESH_EVERY = timedelta(hours=24)
REFRESH_AHEAD = timedelta(hours=2)
"""What expires sooner is fetched though it was fetched today: policies may last for hours only."""

HOURS_TO_REFRESH_IN = 12
FEWEST_REFRESHED = 50
REFRESHED_AT_ONCE = 10
REFRESH_SECONDS = 180.0

UNUSED_AFTER = timedelta(days=180)
SETTLES_AFTER = timedelta(days=1)


def sweep(*, now: datetime, may_reclaim: bool = True) -> bool:
    """Put abandoned copies back, see to hold rules, fail overdue copies, report what is due.

    True if mail is due. Copies may not be put back while it is not sure what time it is.
    """
    if may_reclaim:
        claims.reclaim_abandoned(now=now)
    holdrules.expire(now=now)
    holdrules.enforce(now=now)
    ledger.expire(now=now)
    notices.tell(now=now)
    notices.tell_delays(now=now)
    return Recipient.objects.due(now).exists()


def refresh_policies(*, config: DeliveryConfig, clock: Clock) -> int:
    """Fetch again what is a day old or about to expire; return how many policies were due.

    RFC 8461 §3.3 suggests once a day. Called every hour, this takes no more than a share of the
    policies each time, so that a restart or a long pause does not make every policy host hear from
    us at once: those that expire first before the others, and hosts that failed last of all.
    """
    now = clock.now()
    forget_policies(now=now)
    held = _in_use(StsPolicy.objects.filter(mode__in=HELD_MODES, expires_at__gt=now), now)
    due = held.filter(
        Q(fetched_at__lt=now - REFRESH_EVERY) | Q(expires_at__lt=now + REFRESH_AHEAD)
    ).exclude(retry_at__gt=now)
    share = max(FEWEST_REFRESHED, held.count() // HOURS_TO_REFRESH_IN)
    order = (F("retry_at").asc(nulls_first=True), "expires_at")
    domains = list(due.order_by(*order).values_list("domain", flat=True)[:share])
    if domains:
        async_to_sync(_refresh)(domains, config, clock)
    return len(domains)


def forget_policies(*, now: datetime) -> None:
    """Remove policies of domains nobody writes to any more, and pauses that are long over."""
    settled = StsPolicy.objects.filter(fetched_at__lt=now - SETTLES_AFTER)
    used = _in_use(settled, now).values("pk")
    settled.exclude(pk__in=used).delete()
    StsPolicy.objects.filter(mode=StsMode.ERROR, expires_at__lt=now - SETTLES_AFTER).delete()


def _in_use(policies: QuerySet[StsPolicy], now: datetime) -> QuerySet[StsPolicy]:
    """Keep those of domains that mail, a look-up or a check asked about not too long ago."""
    asked = DomainLookup.objects.filter(
        domain=OuterRef("domain"), looked_up_at__gt=now - UNUSED_AFTER
    )
    return policies.filter(Exists(asked))


async def _refresh(domains: list[str], config: DeliveryConfig, clock: Clock) -> None:
    async with Agent(
        config.agent, policies=DatabasePolicyStore(), clock=clock, observer=Meter()
    ) as agent:
        await in_turns(
            agent.refresh_policy, domains, at_once=REFRESHED_AT_ONCE, seconds=REFRESH_SECONDS
        )
