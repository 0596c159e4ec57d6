"""Taking copies from the queue, and writing down how they ended.

Copies are taken by one conditional UPDATE that gives them a lease; whoever writes an outcome
must still hold that lease. Evidence is kept in a savepoint of its own, so that a failure to
keep it never fails a delivery.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q

from delivery import evidence, services, signing, tasks
from delivery.agent.job import AttemptReport, Job, JobRecipient, RecipientResult
from delivery.agent.route import NOTHING, Memory
from delivery.copies import Copy, held_under
from delivery.histories import memories_of, tls_histories
from delivery.models import DUE_STATES, Content, Recipient, State
from delivery.policy.memory import TlsHistory
from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.retry import next_attempt
from delivery.shares import FOR_ALL, Room
from mailweb.lib.queue import enqueue

logger = logging.getLogger(__name__)

CLAIM_BYTES = 64 * 1024 * 1024
"""How much content one claim loads; a larger message comes alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Copies held under one lease, with the content of their messages and who signs it.

    `histories` has what their senders remember of TLS, by owner and domain; `memories` what earlier
    attempts at single copies mean for the way of the next.
    """

    lease: UUID
    copies: tuple[Copy, ...]
    contents: dict[int, bytes]
    signers: dict[int, signing.MessageSigner] = field(default_factory=dict)
    histories: dict[tuple[int | None, str], TlsHistory] = field(default_factory=dict)
    memories: dict[int, Memory] = field(default_factory=dict)


def claim(
    *, limit: int, lease: UUID, now: datetime, lease_until: datetime, room: Room = FOR_ALL
) -> Claim:
    """Take up to `limit` due copies, and with them the rest of their messages to the same domains.

    Copies of those for whom there is no `room` stay where they are. Two workers never get the same copy: the
    UPDATE checks the state again when it writes.
    """
    with transaction.atomic():
        due, is_all = _due(limit, now, room)
        if not due:
            return Claim(lease=lease, copies=(), contents={})
        keys, messages, domains = (set(column) for column in zip(*due, strict=True))
        _take(Q(pk__in=keys), lease, lease_until)
        if not is_all:
            companions = Q(message__in=messages, domain__in=domains, next_attempt_at__lte=now)
            _take(companions, lease, lease_until)
        copies = held_under(lease)
    contents = _contents(copies)
    signers = signing.signers_of(contents, at=now)
    return Claim(
        lease=lease,
        copies=copies,
        contents=contents,
        signers=signers,
        histories=tls_histories(copies, now=now),
        memories=memories_of(copies),
    )


def _due(limit: int, now: datetime, room: Room) -> tuple[list[tuple[int, int, str]], bool]:
    """Return key, message and domain of the copies to take, and whether that is all there is."""
    due = Recipient.objects.due(now).select_for_update(skip_locked=True, of=("self",))
    if room.full_domains:
        due = due.exclude(domain__in=room.full_domains)
    if room.full_owners:
        due = due.exclude(owner__in=room.full_owners)
    rows = list(due.values_list("pk", "message_id", "domain", "message__size_bytes")[:limit])
    totals = accumulate(size for *_, size in rows)
    taken = [
        row[:3] for row, total in zip(rows, totals, strict=True) if total - row[3] < CLAIM_BYTES
    ]
    if room.answering is not None:
        taken = _one_for_strangers(taken, room.answering)
    return taken, len(taken) < limit and len(taken) == len(rows)


def _one_for_strangers(
    rows: Iterable[tuple[int, int, str]], answering: Collection[str]
) -> list[tuple[int, int, str]]:
    """Keep what is for domains that answer, and one message for each of the others."""
    first: dict[str, int] = {}
    return [
        (key, message, domain)
        for key, message, domain in rows
        if domain in answering or first.setdefault(domain, message) == message
    ]


def _take(which: Q, lease: UUID, lease_until: datetime) -> None:
    Recipient.objects.filter(which, state__in=DUE_STATES).update(
        state=State.SENDING,
        lease=lease,
        lease_until=lease_until,
        attempts_made=F("attempts_made") + 1,
    )


def _contents(copies: Iterable[Copy]) -> dict[int, bytes]:
    rows = Content.objects.filter(message__in={one.message_id for one in copies})
    return {pk: bytes(data) for pk, data in rows.values_list("message_id", "data")}


def renew(*, leases: Iterable[UUID], lease_until: datetime) -> None:
    """Hold on to what is still being sent."""
    Recipient.objects.filter(lease__in=list(leases), state=State.SENDING).update(
        lease_until=lease_until
    )


def give_back(*, leases: Iterable[UUID], now: datetime) -> int:
    """Put copies that were claimed and not finished back into the queue."""
    return _requeue(Q(lease__in=list(leases), state=State.SENDING), now)


def reclaim_abandoned(*, now: datetime) -> int:
    """Put copies back whose worker has not been heard of; return how many.

    A copy whose worker died between the server's last answer and our note of it is sent
    again: at least once, never not at all.
    """
    return _requeue(Q(state=State.SENDING, lease_until__lt=now), now)


def _requeue(which: Q, now: datetime) -> int:
    return Recipient.objects.filter(which).update(
        state=State.QUEUED, lease=None, lease_until=None, next_attempt_at=now
    )


def jobs_from(claimed: Claim, copies: Iterable[Copy]) -> list[Job]:
    """Group copies into jobs: one message, one domain, one order, one way to go."""
    groups: dict[tuple[int, str, str, str, Memory], list[Copy]] = defaultdict(list)
    for one in copies:
        memory = claimed.memories.get(one.pk, NOTHING)
        groups[one.message_id, one.domain, one.mode, one.pledge, memory].append(one)
    return [_job(group, key[-1], claimed) for key, group in groups.items()]


def _job(group: list[Copy], memory: Memory, claimed: Claim) -> Job:
    first = group[0]
    return Job(
        mail_from=first.mail_from,
        domain=first.domain,
        recipients=tuple(JobRecipient(key=one.pk, address=one.address) for one in group),
        order=Order(
            mode=Mode(first.mode),
            pledge=PledgeKind(first.pledge) if first.pledge else None,
            sender=SenderPolicy.from_json(first.sender_policy),
        ),
        content=claimed.contents[first.message_id],
        history=claimed.histories.get((first.owner_id, first.domain)),
        has_8bit=first.has_8bit,
        needs_smtputf8=first.needs_smtputf8,
        sign=claimed.signers.get(first.message_id),
        account=first.owner_id,
        memory=memory,
    )


def record(
    *, claimed: Claim, reports: Sequence[AttemptReport], now: datetime, jitter: float
) -> int:
    """Write down what the jobs of `reports` showed and how they ended; return how many copies."""
    results = [result for report in reports for result in report.results]
    with transaction.atomic():
        attempts = _kept_evidence(claimed, reports, now)
        return settle(claimed=claimed, results=results, now=now, jitter=jitter, attempts=attempts)


def _kept_evidence(
    claimed: Claim, reports: Sequence[AttemptReport], now: datetime
) -> dict[int, int]:
    """Keep what the jobs showed, or log why not: an outcome is written down whatever happens here."""
    copies = {one.pk: one for one in claimed.copies}
    try:
        with transaction.atomic():
            return evidence.add(reports=reports, copies=copies, now=now)
    except Exception:
        logger.exception("evidence not kept", extra={"reports": len(reports)})
        return {}


def settle(
    *,
    claimed: Claim,
    results: Iterable[RecipientResult],
    now: datetime,
    jitter: float,
    attempts: Mapping[int, int] = MappingProxyType({}),
) -> int:
    """Write each copy's outcome, as long as the lease is still held; return how many were given.

    `attempts` names the attempt that decided about each copy.
    """
    copies = {one.pk: one for one in claimed.copies}
    known = [(copies[result.key], result.outcome) for result in results if result.key in copies]
    if not known:
        return 0
    changes = [
        (*_columns(copy, outcome, now, jitter), attempts.get(copy.pk), copy.pk, claimed.lease)
        for copy, outcome in known
    ]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.executemany(_SETTLE, [_adapted(change) for change in changes])
        _after_settling({copy.message_id for copy, _ in known}, {change[0] for change in changes})
    return len(changes)


def _after_settling(messages: set[int], states: set[Any]) -> None:
    """Drop bytes nobody needs, have senders told, and refresh their pages."""
    if State.DELIVERED.value in states:
        services.forget_content(messages)
    if State.FAILED.value in states:
        enqueue(tasks.notify)
    services.tell_owners(messages)


_SETTLE = """
    UPDATE delivery_recipient
    SET state = %s, next_attempt_at = %s, settled_at = %s, code = %s, enhanced = %s,
        last_reply = %s, explanation = %s, reason = %s, notice_due = %s,
        attempts_made = attempts_made - %s, last_attempt_id = COALESCE(%s, last_attempt_id),
        lease = NULL, lease_until = NULL
    WHERE id = %s AND lease = %s AND state = 'sending'
"""


def _columns(copy: Copy, outcome: Outcome, now: datetime, jitter: float) -> tuple[Any, ...]:
    """Return the new columns of one copy, in the order of `_SETTLE`.

    A copy that was turned away has not been tried: its claim is not counted as an attempt.
    """
    state, next_at, uncounted = State.DELIVERED, None, int(outcome.is_turned_away)
    if outcome.result is Result.FAILED:
        state = State.FAILED
    elif outcome.result is Result.DEFERRED:
        next_at = next_attempt(
            copy.attempts_made - uncounted,
            now=now,
            expires_at=copy.expires_at,
            jitter=jitter,
            not_before=outcome.not_before,
        )
        state = State.WAITING if next_at else State.FAILED
    expired = state is State.FAILED and outcome.result is Result.DEFERRED
    return (
        state.value,
        next_at,
        None if state is State.WAITING else now,
        outcome.code,
        "5.4.7" if expired else outcome.enhanced,
        outcome.last_reply,
        outcome.public,
        outcome.reason.value,
        state is State.FAILED,
        uncounted,
    )


def _adapted(change: tuple[Any, ...]) -> list[Any]:
    """Return parameters as this database's driver takes them."""
    ops = connection.ops
    return [
        ops.adapt_datetimefield_value(value)
        if isinstance(value, datetime)
        else (value.hex if isinstance(value, UUID) and not _has_uuid() else value)
        for value in change
    ]


def _has_uuid() -> bool:
    return bool(connection.features.has_native_uuid_field)


def expire(*, now: datetime) -> int:
    """Fail copies whose message has been in the queue too long; the last reply is kept."""
    with transaction.atomic():
        overdue = Recipient.objects.filter(
            state__in=DUE_STATES, message__expires_at__lt=now, next_attempt_at__lt=now
        )
        failed = Recipient.objects.filter(
            pk__in=list(overdue.values_list("pk", flat=True)[:1000])
        ).update(
            state=State.FAILED,
            settled_at=now,
            next_attempt_at=None,
            enhanced="5.4.7",
            explanation="It could not be delivered for as long as mail is kept here.",
            notice_due=True,
        )
        if failed:
            enqueue(tasks.notify)
    return failed


def lost_content(copies: Iterable[Copy]) -> list[RecipientResult]:
    """Return the outcome for copies whose bytes are gone: nothing can be sent any more."""
    outcome = Outcome(
        result=Result.FAILED,
        scope=Scope.MESSAGE,
        code=554,
        enhanced="5.3.0",
        public="The content of this message is no longer here.",
    )
    return [RecipientResult(key=one.pk, outcome=outcome) for one in copies]
