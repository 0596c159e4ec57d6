"""What senders do with copies that have not left: other times, other rules, a word about those held.

Each call is one transaction whose UPDATEs name the state they change, so that a worker that has
taken a copy meanwhile always wins: then the call returns 0, and the page says that it was too late.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from delivery import holding, promises, services, suppressions, tasks
from delivery.models import DUE_STATES, OutboundMessage, Recipient, State
from delivery.policy.modes import Mode, PledgeKind, SenderPolicy
from delivery.policy.promise import IfWorse
from mailweb.lib.queue import enqueue

ALL = Q()
"""Every copy of the message."""

_ASKING = Q(state=State.HELD, asks_sender=True)
_GOES_NOW: dict[str, Any] = {
    "state": State.QUEUED,
    "settled_at": None,
    "hold_reason": "",
    "asks_sender": False,
    "is_dismissed": False,
    "notice_due": False,
}


def send_all_the_same(*, message: OutboundMessage, now: datetime, copies: Q = ALL) -> int:
    """Let copies go that are held because they would travel worse than promised; return how many."""
    changes = _GOES_NOW | {"promised": "", "if_worse": IfWorse.GO, "next_attempt_at": now}
    return _change(message, message.recipients.filter(_ASKING, copies), changes, now)


def let_wait(*, message: OutboundMessage, now: datetime, copies: Q = ALL) -> int:
    """Let the same copies wait until they travel as promised, as long as mail is kept."""
    changes = _GOES_NOW | {"if_worse": IfWorse.WAIT, "next_attempt_at": now}
    return _change(message, message.recipients.filter(_ASKING, copies), changes, now)


def reschedule(*, message: OutboundMessage, at: datetime, now: datetime) -> int:
    """Give scheduled copies, and those within their undo window, another time; return how many.

    They keep their promise: at that time the verdict is worked out again.

    Raises:
        RefusedMessageError: it is too far ahead (RFC 4865).
    """
    services.check_release(at, now=now)
    with transaction.atomic():
        moved = message.recipients.filter(state=State.SCHEDULED).update(
            next_attempt_at=at, if_worse=IfWorse.HOLD
        )
        if moved:
            OutboundMessage.objects.filter(pk=message.pk).update(release_at=at, undo_until=None)
            services.start_lifetimes([message.pk], at=at)
            services.tell_owners([message.pk])
    return moved


def change_mode(*, message: OutboundMessage, mode: Mode, now: datetime, copies: Q = ALL) -> int:
    """Send copies differently from their next attempt on; return how many.

    Scheduled copies keep their time, and get a new promise; those that others hold stay held.
    Waiting copies are tried at once, and failed ones whose bytes are here are queued again.
    """
    found = message.recipients.filter(copies).select_related("message")
    ways = promises.foreseen_as(mode, found, owner_id=message.owner_id or 0, now=now)
    again = Q(state=State.WAITING) | _ASKING | Q(state=State.FAILED, message__content__isnull=False)
    stays = Q(state__in=(State.SCHEDULED, State.QUEUED)) | Q(state=State.HELD, asks_sender=False)
    with transaction.atomic():
        suppressions.lift_failed(message=message, copies=copies, now=now)
        changed = sum(
            message.recipients.filter(stays, copies, address=address).update(
                mode=mode, promised=way
            )
            for address, way in ways.items()
        )
        # The state is asked again: an operator may have put a waiting copy on hold meanwhile.
        requeued = Recipient.objects.filter(
            Q(state__in=(State.WAITING, State.FAILED)) | _ASKING,
            pk__in=list(message.recipients.filter(again, copies).values_list("pk", flat=True)),
        ).update(mode=mode, promised="", if_worse=IfWorse.GO, next_attempt_at=now, **_GOES_NOW)
        if requeued:
            services.start_lifetimes([message.pk], at=now)
            holding.catch(Q(message=message), now=now)
            enqueue(tasks.drain)
        if changed or requeued:
            services.tell_owners([message.pk])
    return changed + requeued


def apply_rules(
    *,
    message: OutboundMessage,
    pledges: dict[str, PledgeKind],
    policy: SenderPolicy,
    now: datetime,
    copies: Q = ALL,
) -> int:
    """Put copies that have not left under today's rules and pledges, as their sender asked.

    Those that wait are tried at once. Return how many copies there were.
    """
    open_copies = Q(state__in=(*DUE_STATES, State.HELD))
    with transaction.atomic():
        found = message.recipients.filter(open_copies, copies)
        addresses = list(found.values_list("address", flat=True))
        changed = sum(
            message.recipients.filter(open_copies, copies, address=address).update(
                pledge=pledges.get(address, "")
            )
            for address in addresses
        )
        if changed:
            OutboundMessage.objects.filter(pk=message.pk).update(sender_policy=policy.as_json())
            waiting = message.recipients.filter(Q(state=State.WAITING) | _ASKING, copies)
            was_held = waiting.filter(_ASKING).exists()
            if waiting.update(next_attempt_at=now, **_GOES_NOW):
                if was_held:
                    services.start_lifetimes([message.pk], at=now)
                holding.catch(Q(message=message), now=now)
                enqueue(tasks.drain)
            services.tell_owners([message.pk])
    return changed


def _change(
    message: OutboundMessage, rows: QuerySet[Recipient], changes: dict[str, Any], now: datetime
) -> int:
    with transaction.atomic():
        changed = rows.update(**changes)
        if changed:
            services.start_lifetimes([message.pk], at=now)
            holding.catch(Q(message=message), now=now)
            services.tell_owners([message.pk])
            enqueue(tasks.drain)
    return changed
