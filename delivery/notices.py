"""Telling senders how their mail fares: one report for a message and an outcome.

Rule: what is told is marked as told in the transaction that files the report, under a lock on the
message. So nothing is told twice, and nothing is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet

from delivery.models import OutboundMessage, Recipient, State
from delivery.policy.reporting import wants
from delivery.signals import delivery_settled
from delivery.smtp import Notify

logger = logging.getLogger(__name__)

MESSAGES_AT_ONCE = 1000
DELAYS_AT_ONCE = 200
"""How many messages one call reports on; the next one finds the others."""

GATHERS_FOR = timedelta(minutes=1)
"""How long a report waits for the message's other copies to be tried, so that it names them too."""

_ENDS = (
    (State.FAILED, Notify.FAILURE, "failed"),
    (State.DELIVERED, Notify.SUCCESS, "delivered"),
)


def tell(*, now: datetime) -> None:
    """Report every end, and every hold that asks its sender, that is yet to be told of.

    One transaction a message.
    """
    due = Recipient.objects.filter(notice_due=True).order_by("id")
    _for_each(_messages(due, MESSAGES_AT_ONCE), lambda message: _tell_ends(message, now))


def tell_delays(*, now: datetime) -> None:
    """Report copies that have waited for so long that it is a delay, once for a message."""
    late = Recipient.objects.filter(state=State.WAITING, delay_notice_at__lte=now)
    found = _messages(late.order_by("delay_notice_at"), DELAYS_AT_ONCE)
    _for_each(found, lambda message: _tell_delay(message, now))


def _for_each(message_ids: Iterable[int], tell_about: Callable[[OutboundMessage], None]) -> None:
    """Do it for each message in a transaction of its own.

    One that is broken must not keep the others from being told, or the sweep from going on; it
    stays due, and the log says why.
    """
    for message_id in message_ids:
        try:
            with transaction.atomic():
                tell_about(_locked(message_id))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("report not filed", extra={"message_id": message_id})


def _messages(copies: QuerySet[Recipient], limit: int) -> Iterable[int]:
    return dict.fromkeys(copies.values_list("message_id", flat=True)[:limit])


def _locked(message_id: int) -> OutboundMessage:
    """Return the message, for nobody else to report on; whoever delivers it is not held up."""
    return OutboundMessage.objects.select_for_update(no_key=True).get(pk=message_id)


def _tell_ends(message: OutboundMessage, now: datetime) -> None:
    due = list(_copies(message).filter(notice_due=True))
    if not due or _is_gathering(message, due, now):
        return
    Recipient.objects.filter(pk__in=[one.pk for one in due]).update(notice_due=False)
    asking = [one for one in due if one.state == State.HELD and one.asks_sender]
    _send(message, asking, "held", now)
    for state, about, kind in _ENDS:
        _send(
            message,
            [one for one in due if one.state == state and wants(one.notify, about)],
            kind,
            now,
        )


def _is_gathering(message: OutboundMessage, due: list[Recipient], now: datetime) -> bool:
    """Whether other copies are about to end as well: being tried, or next, for the first time."""
    times = (one.settled_at or one.held_at for one in due)
    if any(at is not None and at <= now - GATHERS_FOR for at in times):
        return False
    soon = Q(state=State.SENDING, attempts_made__lte=1) | Q(
        state=State.QUEUED, attempts_made=0, next_attempt_at__lte=now
    )
    return message.recipients.filter(soon).exists()


def _tell_delay(message: OutboundMessage, now: datetime) -> None:
    is_tried_again = Q(state=State.SENDING, attempts_made__gt=1) | Q(
        state=State.QUEUED, attempts_made__gt=0
    )
    late = list(
        _copies(message).filter(
            Q(state=State.WAITING) | is_tried_again, delay_notice_at__isnull=False
        )
    )
    message.recipients.filter(delay_notice_at__isnull=False).update(delay_notice_at=None)
    if message.expires_at > now:
        _send(message, late, "delayed", now)


def _copies(message: OutboundMessage) -> QuerySet[Recipient]:
    return message.recipients.select_related("last_attempt").order_by("id")


def _send(message: OutboundMessage, copies: list[Recipient], kind: str, now: datetime) -> None:
    if copies:
        delivery_settled.send(
            OutboundMessage, message=message, recipients=copies, kind=kind, now=now
        )
