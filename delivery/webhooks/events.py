"""Keeping calls: in the transaction in which a copy changed, for each webhook that wants it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import F

from delivery import tasks
from delivery.models import Recipient, State
from delivery.webhook_models import CallState, Event, Webhook, WebhookCall
from delivery.webhooks import document
from mailweb.lib.queue import enqueue

logger = logging.getLogger(__name__)

MOST_PENDING = 10_000
"""Calls that may wait for one webhook; what comes on top is counted, not kept."""

_EVENTS = {
    State.DELIVERED.value: Event.DELIVERED,
    State.WAITING.value: Event.DELAYED,
    State.HELD.value: Event.HELD,
    State.FAILED.value: Event.FAILED,
    State.CANCELLED.value: Event.CANCELLED,
}


def note(
    copies: Collection[int], *, now: datetime, owners: Collection[int | None] | None = None
) -> None:
    """Keep what the present state of `copies` is news of; `owners` are theirs, where known.

    To be called after the change, inside its transaction. For accounts without webhooks this is
    one look at a small table. A failure here never undoes the change.
    """
    if owners is None:
        of_copies = Recipient.objects.filter(pk__in=copies)
        owners = set(of_copies.order_by().values_list("owner", flat=True).distinct())
    hooks = _hooks_of(owners)
    if not hooks:
        return
    try:
        with transaction.atomic():
            _keep(hooks, copies, now)
    except Exception:
        logger.exception("webhook events not kept", extra={"copies": len(copies)})


def _hooks_of(owners: Collection[int | None]) -> dict[int, list[Webhook]]:
    found: dict[int, list[Webhook]] = defaultdict(list)
    known = {owner for owner in owners if owner is not None}
    for hook in Webhook.objects.filter(owner__in=known, owner__is_active=True, is_active=True):
        found[hook.owner_id].append(hook)
    return found


def _keep(hooks: dict[int, list[Webhook]], copies: Collection[int], now: datetime) -> None:
    rows = Recipient.objects.filter(pk__in=copies, owner__in=hooks, state__in=_EVENTS)
    wanted: dict[Webhook, list[WebhookCall]] = defaultdict(list)
    for copy in rows.select_related("message", "last_attempt").order_by("pk"):
        event = _EVENTS[copy.state]
        willing = [hook for hook in hooks[copy.owner_id or 0] if hook.wants(event)]
        if not willing:
            continue
        body = document.about(copy, event, now=now)
        for hook in willing:
            wanted[hook].append(
                WebhookCall(webhook=hook, event=event, body=body, created_at=now, next_try_at=now)
            )
    for hook, calls in wanted.items():
        _add(hook, calls)
    if wanted:
        enqueue(tasks.call_webhooks)


def _add(hook: Webhook, calls: list[WebhookCall]) -> None:
    waiting = hook.calls.filter(state=CallState.PENDING).count()
    kept = calls[: max(0, MOST_PENDING - waiting)]
    WebhookCall.objects.bulk_create(kept)
    if len(kept) < len(calls):
        Webhook.objects.filter(pk=hook.pk).update(dropped=F("dropped") + len(calls) - len(kept))
