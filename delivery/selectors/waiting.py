"""The queue in numbers for a monitoring system: how many copies wait, since when, and why."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Min

from delivery.models import DUE_STATES, OPEN_STATES, Recipient


class Waiting(NamedTuple):
    """The copies in one state, for one reason (RFC 8460 §4.3) or none."""

    state: str
    reason: str
    copies: int
    oldest_at: datetime


def waiting_copies() -> list[Waiting]:
    """Return what is in the queue, in one query."""
    rows = (
        Recipient.objects.filter(state__in=OPEN_STATES)
        .values_list("state", "reason")
        .annotate(copies=Count("id"), oldest=Min("message__queued_at"))
        .order_by("state", "reason")
    )
    return [Waiting(*row) for row in rows]


def most_overdue(now: datetime) -> datetime | None:
    """Return since when the copy that is due the longest has been due; None if none is."""
    due = Recipient.objects.filter(state__in=DUE_STATES, next_attempt_at__lte=now)
    return due.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
