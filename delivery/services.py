"""What people and operators may do to the queue. Each call is one transaction."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from delivery import events, holding, journal, limits, suppressions, tasks
from delivery.models import (
    DUE_STATES,
    Content,
    DomainLookup,
    OutboundMessage,
    ProbeRequest,
    Recipient,
    State,
)
from delivery.policy.modes import Mode, PledgeKind, SenderPolicy
from delivery.policy.promise import IfWorse
from delivery.policy.reporting import (
    BadReportingError,
    Reporting,
    check_orcpt,
    to_stored,
    wants,
)
from delivery.policy.retry import DELAY_NOTICE_AFTER, FURTHEST_RELEASE
from delivery.policy.verdict import Way
from delivery.refusals import LimitReachedError as LimitReachedError
from delivery.refusals import RefusedMessageError as RefusedMessageError
from delivery.smtp import Notify
from delivery.webhooks import events as webhook_events
from mailweb.lib.addresses import domain_to_ascii
from mailweb.lib.errors import UserError
from mailweb.lib.queue import enqueue

if TYPE_CHECKING:
    from accounts.models import User

logger = logging.getLogger(__name__)

PROBES_PER_HOUR = 60
LOOKUPS_AT_ONCE = 50
LOOKUP_GIVES_UP_AFTER = timedelta(seconds=90)
NOTHING_SAID = Reporting()


class TooManyProbesError(UserError):
    """Too many checks were asked for in the last hour. Try again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecipient:
    """One copy to be sent."""

    address: str
    mode: Mode = Mode.DEFAULT
    pledge: PledgeKind | None = None
    notify: frozenset[Notify] = frozenset()
    """What its sender wants to be told (RFC 3461 §4.1); empty: what holds for the message."""

    orcpt: str = ""
    """The address the sender wrote, with its type: "rfc822;bob@mailweb.test"."""
    promised: Way | None = None
    """How it was foreseen to travel; looked at again if it leaves later than at once."""


def domain_of(address: str) -> str:
    """Return the domain of an address in lower case, as A-labels.

    Raises:
        InvalidAddressError: it has none, or it is not a domain name.
    """
    return domain_to_ascii(address.rpartition("@")[2])


def submit(
    *,
    owner: User | None,
    mail_from: str,
    recipients: Sequence[NewRecipient],
    content: bytes,
    sender_policy: SenderPolicy,
    now: datetime,
    subject: str = "",
    message_id: str = "",
    release_at: datetime | None = None,
    undo_until: datetime | None = None,
    reporting: Reporting = NOTHING_SAID,
    known: Collection[str] = (),
) -> OutboundMessage:
    """Accept a message for delivery; once this returns and commits, it is never lost.

    With `release_at` nothing leaves before then, and its lifetime starts then. `undo_until` is how
    long Undo is shown; the caller makes `release_at` later than that. `reporting` is what the
    sender wants to be told, such as `TELL_WHEN_DELIVERED`. `known` has recipients that the account
    knows from elsewhere: they are no first-time ones. What a hold rule is about is held at once.

    Raises:
        RefusedMessageError: no recipients, too many, too large, to leave in too distant a future,
            or with wishes about reports that no server could be told.
        LimitReachedError: more than the account may send in a day.
    """
    _check(recipients, content)
    check_release(release_at, now=now)
    leaves_at = max(release_at or now, now)
    with transaction.atomic():
        holding.wait_for_rules()
        if owner is not None:
            limits.count_in(owner, [new.address for new in recipients], known=known, now=now)
        message = OutboundMessage.objects.create(
            owner=owner,
            mail_from=mail_from,
            message_id=message_id[:998],
            subject=subject[:998],
            size_bytes=len(content),
            has_8bit=not content.isascii(),
            needs_smtputf8=_needs_smtputf8(mail_from, recipients, content),
            sender_policy=sender_policy.as_json(),
            queued_at=now,
            undo_until=undo_until,
            release_at=None if undo_until else release_at,
            expires_at=leaves_at + lifetime_of(sender_policy),
            ret=reporting.ret or "",
            envid=reporting.envid,
        )
        Content.objects.create(message=message, data=content)
        Recipient.objects.bulk_create(
            _copy(message, new, reporting, leaves_at, is_scheduled=release_at is not None)
            for new in recipients
        )
        holding.catch(Q(message=message), now=now)
        journal.tell_of_accepted(message, copies=len(recipients))
        _changed(message)
        enqueue(tasks.drain)
    return message


def _copy(
    message: OutboundMessage,
    new: NewRecipient,
    reporting: Reporting,
    leaves_at: datetime,
    *,
    is_scheduled: bool,
) -> Recipient:
    notify = to_stored(new.notify or reporting.notify)
    is_told_of_delay = message.owner_id is not None and wants(notify, Notify.DELAY)
    return Recipient(
        message=message,
        owner_id=message.owner_id,
        address=new.address,
        domain=domain_of(new.address),
        mode=new.mode,
        pledge=new.pledge or "",
        promised=new.promised or "",
        if_worse=IfWorse.HOLD if is_scheduled and not message.undo_until else IfWorse.GO,
        state=State.SCHEDULED if is_scheduled else State.QUEUED,
        next_attempt_at=leaves_at,
        notify=notify,
        orcpt=new.orcpt,
        delay_notice_at=leaves_at + DELAY_NOTICE_AFTER if is_told_of_delay else None,
    )


def lifetime_of(policy: SenderPolicy) -> timedelta:
    """Return how long mail of an account is tried, counted from its release."""
    return timedelta(hours=policy.lifetime_hours or settings.QUEUE_LIFETIME_HOURS)


def check_release(release_at: datetime | None, *, now: datetime) -> None:
    """Refuse a time that is too far ahead (RFC 4865).

    Raises:
        RefusedMessageError: it is.
    """
    if release_at is not None and release_at > now + FURTHEST_RELEASE:
        raise RefusedMessageError(
            f"That is more than {FURTHEST_RELEASE.days} days ahead. Choose an earlier time."
        )


def _check(recipients: Sequence[NewRecipient], content: bytes) -> None:
    if not recipients:
        raise RefusedMessageError("There is no recipient.")
    if len(recipients) > settings.MAX_RECIPIENTS:
        raise RefusedMessageError(
            f"{len(recipients)} recipients are too many; {settings.MAX_RECIPIENTS} is the limit."
        )
    # In base64, 57 bytes take a line of 78.
    if len(content) > settings.MAX_MESSAGE_BYTES * 78 // 57 + 65536:
        raise RefusedMessageError("The message is larger than this server accepts.")
    for new in recipients:
        _check_reporting(new)


def _check_reporting(new: NewRecipient) -> None:
    if not (new.notify or new.orcpt):
        return
    try:
        Reporting(notify=new.notify)
        if new.orcpt:
            check_orcpt(new.orcpt)
    except BadReportingError as error:
        raise RefusedMessageError(str(error)) from None


def _needs_smtputf8(mail_from: str, recipients: Sequence[NewRecipient], content: bytes) -> bool:
    """RFC 6531 §3.2: a local part or a header outside ASCII. Domains travel as A-labels."""
    local_parts = [mail_from, *(new.address for new in recipients)]
    headers = content.partition(b"\r\n\r\n")[0]
    return not headers.isascii() or any(
        not address.rpartition("@")[0].isascii() for address in local_parts
    )


def _changed(message: OutboundMessage) -> None:
    events.publish(message.owner_id, events.DELIVERY_CHANGED, message=str(message.uuid))


def tell_owners(message_ids: Iterable[int]) -> None:
    """Refresh the open pages of everyone whose messages these are."""
    rows = OutboundMessage.objects.filter(pk__among=message_ids)
    events.tell_owners(rows.values_list("owner_id", "uuid"))


def undo(*, message: OutboundMessage, now: datetime) -> bool:
    """Take a whole message back; False, and nothing changed, if any copy has begun to leave.

    Copies that were cancelled before do not stand in the way.
    """
    with transaction.atomic():
        taken = message.recipients.filter(
            state__in=(*DUE_STATES, State.HELD), attempts_made=0
        ).update(state=State.CANCELLED, settled_at=now, next_attempt_at=None)
        if not taken or message.recipients.exclude(state=State.CANCELLED).exists():
            transaction.set_rollback(True)
            return False
        Content.objects.filter(message=message).delete()
        _note_cancelled(message, now)
        _changed(message)
    return True


def cancel(*, message: OutboundMessage, now: datetime) -> int:
    """Stop every copy that is not being sent right now; return how many."""
    return cancel_copies(message=message, copies=Q(state__in=(*DUE_STATES, State.HELD)), now=now)


def cancel_copies(*, message: OutboundMessage, copies: Q, now: datetime) -> int:
    """Stop those copies of a message that `copies` picks; return how many."""
    with transaction.atomic():
        stopped = message.recipients.filter(copies, state__in=(*DUE_STATES, State.HELD)).update(
            state=State.CANCELLED, settled_at=now, next_attempt_at=None
        )
        if stopped:
            _note_cancelled(message, now)
            forget_content([message.pk])
            _changed(message)
    return stopped


def _note_cancelled(message: OutboundMessage, now: datetime) -> None:
    keys = message.recipients.filter(state=State.CANCELLED, settled_at=now).values_list("pk")
    webhook_events.note([pk for (pk,) in keys], now=now, owners=[message.owner_id])


def forget_content(message_ids: Iterable[int]) -> None:
    """Drop the bytes of those messages that nobody can send again.

    A failed copy keeps them until its sender has put it away, so that it can be tried again.
    """
    needed = Recipient.objects.keeping_content().filter(message=OuterRef("message_id"))
    Content.objects.filter(~Exists(needed), message__among=message_ids).delete()


def send_now(*, message: OutboundMessage, now: datetime) -> int:
    """Let scheduled and waiting copies leave at once; return how many."""
    return _release(message, Q(state__in=(State.SCHEDULED, State.WAITING)), now)


def retry_now(*, message: OutboundMessage, now: datetime) -> int:
    """Try waiting copies again at once; return how many."""
    return _release(message, Q(state=State.WAITING), now)


def _release(message: OutboundMessage, copies: Q, now: datetime) -> int:
    """Let copies leave that nobody holds.

    Held ones are let go by whoever holds them: operators by `operations`, rules by `holdrules`, and
    where the sender was asked by a word of theirs (`releasing`).
    """
    with transaction.atomic():
        mine = message.recipients.filter(copies)
        is_released = mine.filter(state=State.SCHEDULED).exists()
        released = mine.update(state=State.QUEUED, next_attempt_at=now)
        if released:
            OutboundMessage.objects.filter(pk=message.pk).update(undo_until=None)
            if is_released:
                start_lifetimes([message.pk], at=now)
            holding.catch(Q(message=message), now=now)
            _changed(message)
            enqueue(tasks.drain)
    return released


def keep_trying(*, recipient: Recipient, now: datetime) -> bool:
    """Queue a failed copy again for another lifetime, as it was.

    False if it has not failed, or its bytes are gone.
    """
    again = {"state": State.QUEUED, "is_dismissed": False, "notice_due": False}
    one = Q(pk=recipient.pk)
    with transaction.atomic():
        suppressions.lift_failed(message=recipient.message, copies=one, now=now)
        failed = Recipient.objects.filter(one, state=State.FAILED, message__content__isnull=False)
        changed = failed.update(next_attempt_at=now, settled_at=None, **again)
        if changed:
            start_lifetimes([recipient.message_id], at=now)
            holding.catch(one, now=now)
            _changed(recipient.message)
            enqueue(tasks.drain)
    return bool(changed)


def start_lifetimes(message_ids: Iterable[int], *, at: datetime) -> None:
    """Count the lifetimes of messages, and the wait that is a delay, from `at`: their release.

    Who has been told of a delay is not told again.
    """
    by_lifetime: dict[timedelta, list[int]] = defaultdict(list)
    rows = OutboundMessage.objects.filter(pk__in=list(message_ids))
    for pk, policy in rows.values_list("pk", "sender_policy"):
        by_lifetime[lifetime_of(SenderPolicy.from_json(policy))].append(pk)
    for lifetime, keys in by_lifetime.items():
        OutboundMessage.objects.filter(pk__in=keys).update(expires_at=at + lifetime)
        untold = Recipient.objects.open().filter(message__in=keys, delay_notice_at__isnull=False)
        untold.update(delay_notice_at=at + DELAY_NOTICE_AFTER)


def dismiss(*, message: OutboundMessage) -> None:
    """Put failed copies away: they need no decision any more, and the bytes can go."""
    with transaction.atomic():
        message.recipients.filter(state=State.FAILED).update(is_dismissed=True)
        forget_content([message.pk])
        _changed(message)


def request_probe(*, owner: User, domain: str, now: datetime) -> None:
    """Ask the worker to visit the domain's MX hosts and leave: "Check now".

    Raises:
        TooManyProbesError: the account has used up its checks of this hour.
    """
    with transaction.atomic():
        recent = ProbeRequest.objects.filter(owner=owner, requested_at__gt=now - timedelta(hours=1))
        if recent.count() >= PROBES_PER_HOUR:
            raise TooManyProbesError
        if recent.filter(domain=domain, finished_at=None).exists():
            return
        probe = ProbeRequest.objects.create(owner=owner, domain=domain, requested_at=now)
        enqueue(tasks.probe, probe.pk)


def request_lookup(*, owner: User, domains: Iterable[str], now: datetime) -> None:
    """Start live look-ups of those domains whose facts are missing or out of date.

    Answers come to the account's pages as `domain-changed`; nothing here waits for DNS.
    """
    wanted = list(dict.fromkeys(domains))[:LOOKUPS_AT_ONCE]
    fresh = set(
        DomainLookup.objects.filter(domain__in=wanted)
        .filter(
            Q(expires_at__gt=now) | Q(started_at__gt=now - LOOKUP_GIVES_UP_AFTER, expires_at=None)
        )
        .values_list("domain", flat=True)
    )
    with transaction.atomic():
        for domain in wanted:
            if domain not in fresh:
                DomainLookup.objects.update_or_create(
                    domain=domain, defaults={"started_at": now, "expires_at": None}
                )
                enqueue(tasks.look_up, owner.pk, domain)
