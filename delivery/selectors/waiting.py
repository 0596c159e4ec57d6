"""The queue in numbers for a monitoring system: how many copies wait, since when, and why."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Min

from delivery.models import DUE_STATES, OPEN_STATES, Recipient, Transport
from delivery.webhook_models import CallState, WebhookCall


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


def transports_by_state() -> dict[str, int]:
    """Return how many transports are `active`, `paused` and `disabled`."""
    found = Counter(
        "disabled" if not is_enabled else "paused" if paused_at else "active"
        for is_enabled, paused_at in Transport.objects.values_list("is_enabled", "paused_at")
    )
    return {state: found[state] for state in ("active", "paused", "disabled")}


def webhook_calls_waiting() -> int:
    """Return how many calls of webhooks are still to be made."""
    return WebhookCall.objects.filter(state=CallState.PENDING).count()


def most_overdue(now: datetime) -> datetime | None:
    """Return since when the copy that is due the longest has been due; None if none is."""
    due = Recipient.objects.filter(state__in=DUE_STATES, next_attempt_at__lte=now)
    return due.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
