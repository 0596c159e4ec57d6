"""How much an account may send in a day, checked in the transaction that queues a message.

A stolen password is worth less the sooner it stops sending. Two numbers are counted over the last 24
hours: recipients, and those of them that the account had never written to. Mail of the
installation itself, which no account owns, is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from delivery import audit
from delivery.models import KnownAddress, Recipient, SendingLimits, State
from delivery.policy.dates import day
from delivery.refusals import LimitReachedError
from delivery.suppressions import key_in
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from accounts.models import User

WINDOW = timedelta(hours=24)
HIGHEST = 10_000_000
KEYS_AT_ONCE = 500
NOTED_EVERY = timedelta(days=30)
"""How exactly it is known when an address was last written to: not a write for each message."""


class BadLimitError(UserError):
    """A limit is a number from 0 to 10,000,000; 0 means no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for an account. Zero: no limit."""

    recipients: int
    new_recipients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an account has sent in the last 24 hours, beside what it may."""

    limits: Limits
    recipients: int
    new_recipients: int


def limits_of(owner_id: int) -> Limits:
    """Return the account's limits: its own, or else those of the settings."""
    own = own_limits(owner_id)
    most, new = own.recipients_per_day, own.new_recipients_per_day
    return Limits(
        recipients=settings.SENDING_RECIPIENTS_PER_DAY if most is None else most,
        new_recipients=settings.SENDING_NEW_RECIPIENTS_PER_DAY if new is None else new,
    )


def own_limits(owner_id: int) -> SendingLimits:
    """Return what was set for the account itself; a row without numbers, not stored, if nothing."""
    found = SendingLimits.objects.filter(owner=owner_id).first()
    return found or SendingLimits(owner_id=owner_id)


def usage_of(owner_id: int, *, now: datetime) -> Usage:
    """Return how much of its limits an account has used up."""
    return Usage(
        limits=limits_of(owner_id),
        recipients=_sent(owner_id, now).count(),
        new_recipients=_met(owner_id, now).count(),
    )


def _sent(owner_id: int, now: datetime) -> QuerySet[Recipient]:
    """Return the copies of the last 24 hours; what was taken back before any try does not count."""
    taken_back = Q(state=State.CANCELLED, attempts_made=0)
    return Recipient.objects.filter(
        message__owner=owner_id, message__queued_at__gt=now - WINDOW
    ).exclude(taken_back)


def _met(owner_id: int, now: datetime) -> QuerySet[KnownAddress]:
    return KnownAddress.objects.filter(owner=owner_id, was_new=True, first_at__gt=now - WINDOW)


def count_in(
    owner: User, addresses: Sequence[str], *, known: Collection[str], now: datetime
) -> None:
    """Refuse a message that is too much; remember whom it is to.

    Call it in the transaction that queues the message: until that ends, nobody else counts for
    this account. `known` has those of `addresses` that the account knows from elsewhere.

    Raises:
        LimitReachedError: with the time from which on it would be taken.
    """
    get_user_model().objects.select_for_update(no_key=True).filter(pk=owner.pk).first()
    limits = limits_of(owner.pk)
    keys = list(dict.fromkeys(key_in(one) for one in addresses))
    unknown = _unknown(owner.pk, keys, now)
    elsewhere = {key_in(one) for one in known}
    strangers = [key for key in unknown if key not in elsewhere]
    _check_recipients(owner.pk, len(addresses), limits.recipients, now)
    _check_strangers(owner.pk, len(strangers), limits.new_recipients, now)
    new = set(strangers)
    KnownAddress.objects.bulk_create(
        (
            KnownAddress(owner_id=owner.pk, key=key, first_at=now, was_new=key in new)
            for key in sorted(unknown)
        ),
        ignore_conflicts=True,
    )


def _unknown(owner_id: int, keys: list[str], now: datetime) -> list[str]:
    """Return those of the addresses never written to; note of the others that they are used."""
    met: set[str] = set()
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        rows = KnownAddress.objects.filter(owner=owner_id, key__in=some)
        found = list(rows.values_list("pk", "key", "first_at", "last_at"))
        met.update(key for _, key, _, _ in found)
        old = [pk for pk, _, first, last in found if (last or first) < now - NOTED_EVERY]
        if old:
            KnownAddress.objects.filter(pk__in=old).update(last_at=now)
    return [key for key in keys if key not in met]


def _check_recipients(owner_id: int, number: int, limit: int, now: datetime) -> None:
    if not limit:
        return
    _check_possible(number, limit, "recipients")
    sent = _sent(owner_id, now)
    too_many = sent.count() + number - limit
    if too_many > 0:
        freed = sent.order_by("message__queued_at", "id")[too_many - 1]
        at = freed.message.queued_at + WINDOW
        what = f"You may write to {limit:,} recipients in 24 hours"
        raise LimitReachedError(_sentence(what, number, at, now), again_at=at)


def _check_strangers(owner_id: int, number: int, limit: int, now: datetime) -> None:
    if not limit or not number:
        return
    _check_possible(number, limit, "recipients that you never wrote to before")
    met = _met(owner_id, now)
    too_many = met.count() + number - limit
    if too_many > 0:
        at = met.order_by("first_at", "id")[too_many - 1].first_at + WINDOW
        what = f"You may write to {limit:,} recipients for the first time in 24 hours"
        raise LimitReachedError(_sentence(what, number, at, now), again_at=at)


def _check_possible(number: int, limit: int, what: str) -> None:
    if number > limit:
        raise LimitReachedError(
            f"This message has {number:,} {what}; {limit:,} in 24 hours is the limit. "
            "Send it to fewer, or ask the operator of this server.",
            again_at=None,
        )


def _sentence(what: str, number: int, at: datetime, now: datetime) -> str:
    here = timezone.localtime(at)
    on = "" if here.date() == timezone.localtime(now).date() else f" on {day(here, here)}"
    most = f"these {number:,}" if number > 1 else "this one"
    zone = "" if str(timezone.get_current_timezone()) != "UTC" else " UTC"
    return f"{what}, and with {most} it would be more. From {here:%H:%M}{zone}{on} it can be sent."


@transaction.atomic
def set_limits(
    *,
    owner: User,
    recipients: int | None,
    new_recipients: int | None,
    actor: audit.Actor,
    now: datetime,
) -> SendingLimits:
    """Give an account limits of its own; None means those of the settings, 0 none at all.

    Raises:
        BadLimitError: a number is out of bounds.
    """
    if any(one is not None and not 0 <= one <= HIGHEST for one in (recipients, new_recipients)):
        raise BadLimitError
    limits, _ = SendingLimits.objects.update_or_create(
        owner=owner,
        defaults={"recipients_per_day": recipients, "new_recipients_per_day": new_recipients},
    )
    detail = {"recipients_per_day": recipients, "new_recipients_per_day": new_recipients}
    entry = audit.Entry(
        action="sending limits set", actor=actor, at=now, target=str(owner), detail=detail
    )
    audit.write(entry)
    return limits
