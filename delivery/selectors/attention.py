"""What operators should know of first: what is held, what nobody takes, where mail fails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min

from delivery.models import DUE_STATES, Recipient, State

OVERDUE_AFTER = timedelta(minutes=5)
"""Copies that are due for so long say that no worker takes them."""

LATELY = timedelta(hours=24)
DOMAINS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """Some copies, what they have in common, and the moment that tells of them."""

    key: str
    depth: int
    at: datetime | None


def held() -> list[Pile]:
    """Return what is held, by reason: the most first, each with the oldest."""
    rows = Recipient.objects.filter(state=State.HELD).order_by().values("hold_reason")
    found = rows.annotate(depth=Count("id"), at=Min("message__queued_at")).order_by("-depth")
    return [
        Pile(key=row["hold_reason"], depth=row["depth"], at=row["at"])
        for row in found[:DOMAINS_SHOWN]
    ]


def overdue(*, now: datetime) -> Pile:
    """Return the copies that were to leave a while ago, with the time of the first."""
    rows = Recipient.objects.filter(
        state__in=DUE_STATES, next_attempt_at__lt=now - OVERDUE_AFTER
    ).order_by()
    found = rows.aggregate(depth=Count("id"), at=Min("next_attempt_at"))
    return Pile(key="", depth=found["depth"], at=found["at"])


def failing_domains(*, now: datetime) -> list[Pile]:
    """Return the domains to which the most copies failed lately, with the latest failure."""
    rows = Recipient.objects.filter(state=State.FAILED, settled_at__gte=now - LATELY).order_by()
    found = rows.values("domain").annotate(depth=Count("id"), at=Max("settled_at"))
    return [
        Pile(key=row["domain"], depth=row["depth"], at=row["at"])
        for row in found.order_by("-depth", "domain")[:DOMAINS_SHOWN]
    ]


def waiting_domains() -> list[Pile]:
    """Return the domains for which the most copies wait for a retry, with the oldest."""
    rows = Recipient.objects.filter(state=State.WAITING).order_by().values("domain")
    found = rows.annotate(depth=Count("id"), at=Min("message__queued_at"))
    return [
        Pile(key=row["domain"], depth=row["depth"], at=row["at"])
        for row in found.order_by("-depth", "domain")[:DOMAINS_SHOWN]
    ]
