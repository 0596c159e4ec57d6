"""Taking copies from the queue under a lease, and giving them back.

Copies are taken by one conditional UPDATE that gives them a lease; whoever writes an outcome
must still hold that lease.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from delivery import journal, routes, signing
from delivery.agent.job import Job, JobRecipient
from delivery.agent.route import NOTHING, Memory
from delivery.copies import Copy, held_under
from delivery.histories import memories_of, records_of, tls_histories
from delivery.models import DUE_STATES, Content, Recipient, State
from delivery.policy.memory import TlsHistory
from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.promise import IfWorse, Promise
from delivery.policy.record import DomainRecord
from delivery.policy.reporting import from_stored
from delivery.policy.transport import Transport
from delivery.policy.verdict import Way
from delivery.shares import FOR_ALL, Room
from delivery.smtp import Ret

logger = logging.getLogger(__name__)

CLAIM_BYTES = 64 * 1024 * 1024
"""How much content one claim loads; a larger message comes alone."""

MOST_RECLAIMED = 10_000
"""How many abandoned copies one sweep puts back; the next one goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Copies held under one lease, with the content of their messages and who signs it.

    `histories` has what their senders remember of TLS, by owner and domain; `memories` what earlier
    attempts at single copies mean for the way of the next. `records` has what is known of the
    domains of copies whose promise is looked at again, `ways` the transports of copies that do not
    go plainly direct.
    """

    lease: UUID
    copies: tuple[Copy, ...]
    contents: dict[int, bytes]
    signers: dict[int, signing.MessageSigner] = field(default_factory=dict)
    histories: dict[tuple[int | None, str], TlsHistory] = field(default_factory=dict)
    memories: dict[int, Memory] = field(default_factory=dict)
    records: dict[tuple[int | None, str], DomainRecord] = field(default_factory=dict)
    ways: dict[int, Transport] = field(default_factory=dict)


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
        # Those of the same messages and domains, which these are among.
        companions = Q(message__in=messages, domain__in=domains, next_attempt_at__lte=now)
        wanted = keys if is_all else _unlocked(companions)
        _take(Q(pk__in=wanted), lease, lease_until)
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
        records=records_of(copies),
        ways=routes.ways_for(copies, now=now),
    )


def _due(limit: int, now: datetime, room: Room) -> tuple[list[tuple[int, int, str]], bool]:
    """Return key, message and domain of the copies to take, and whether that is all there is."""
    due = Recipient.objects.due(now).select_for_update(skip_locked=True, of=("self",))
    if room.full_domains:
        due = due.exclude(domain__in=room.full_domains)
    if room.full_owners:
        due = due.exclude(owner__in=room.full_owners)
    for owner, domains in room.full_pairs.items():
        due = due.exclude(owner=owner, domain__in=domains)
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


def _unlocked(which: Q) -> set[int]:
    """Lock the copies meant that nobody else holds; waiting for one could wait in a circle."""
    rows = Recipient.objects.filter(which, state__in=DUE_STATES)
    free = rows.select_for_update(skip_locked=True, of=("self",)).order_by("pk")
    return set(free.values_list("pk", flat=True))


def _contents(copies: Iterable[Copy]) -> dict[int, bytes]:
    rows = Content.objects.filter(message__in={one.message_id for one in copies})
    return {pk: bytes(data) for pk, data in rows.values_list("message_id", "data")}


def renew(*, leases: Iterable[UUID], lease_until: datetime) -> set[UUID]:
    """Hold on to what is still being sent; return the leases under which anything still is."""
    held = Recipient.objects.filter(lease__in=list(leases), state=State.SENDING)
    held.update(lease_until=lease_until)
    still = held.order_by().values_list("lease", flat=True).distinct()
    return {lease for lease in still if lease is not None}


def give_back(*, leases: Iterable[UUID], now: datetime) -> int:
    """Put copies that were claimed and not finished back into the queue."""
    return _requeue(Q(lease__in=list(leases), state=State.SENDING), now)


def reclaim_abandoned(*, now: datetime) -> int:
    """Put copies back whose worker has not been heard of; return how many.

    A copy whose worker died between the server's last answer and our note of it is sent
    again: at least once, never not at all.
    """
    with transaction.atomic():
        abandoned = Recipient.objects.abandoned(now).order_by("pk")
        # Who renews or settles a copy right now has not abandoned it.
        free = abandoned.select_for_update(skip_locked=True)
        keys = list(free.values_list("pk", flat=True)[:MOST_RECLAIMED])
        return _requeue(Q(pk__in=keys, state=State.SENDING, lease_until__lt=now), now)


def _requeue(which: Q, now: datetime) -> int:
    return Recipient.objects.filter(which).update(
        state=State.QUEUED, lease=None, lease_until=None, next_attempt_at=now
    )


def jobs_from(claimed: Claim, copies: Iterable[Copy]) -> list[Job]:
    """Group copies into jobs: one message, one domain, one order, one way to go.

    What leaves through a relay is one job for all domains: the first hop is the same.

    Copies whose row can't be read are left out, and the log says why.
    """
    groups: dict[tuple[int, str, str, str, str, str, str, Memory], list[Copy]] = defaultdict(list)
    for one in copies:
        memory = claimed.memories.get(one.pk, NOTHING)
        promised = one.promised if one.if_worse else ""
        way = claimed.ways.get(one.pk)
        name, domain = (way.name, way.domain_of_job(one.domain)) if way else ("", one.domain)
        key = (one.message_id, domain, name, one.mode, one.pledge, promised, one.if_worse, memory)
        groups[key].append(one)
    jobs = (_job_or_none(group, key[1], key[-1], claimed) for key, group in groups.items())
    return [job for job in jobs if job is not None]


def _job_or_none(group: list[Copy], domain: str, memory: Memory, claimed: Claim) -> Job | None:
    """One row that is broken must not stop all the others of a claim, again and again."""
    try:
        return _job(group, domain, memory, claimed)
    except Exception:
        logger.exception("copies can't be sent", extra={"recipients": [one.pk for one in group]})
        return None


def _job(group: list[Copy], domain: str, memory: Memory, claimed: Claim) -> Job:
    first = group[0]
    return Job(
        mail_from=first.mail_from,
        domain=domain,
        recipients=tuple(_recipient(one) for one in group),
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
        ret=Ret(first.ret) if first.ret else None,
        envid=first.envid,
        log=journal.fields_of(group),
        promise=_promise(first, claimed) if first.if_worse and first.promised else None,
        transport=claimed.ways.get(first.pk),
    )


def _promise(copy: Copy, claimed: Claim) -> Promise:
    return Promise(
        way=Way(copy.promised),
        record=claimed.records.get((copy.owner_id, copy.domain)),
        waits=copy.if_worse == IfWorse.WAIT,
    )


def _recipient(one: Copy) -> JobRecipient:
    if not (one.notify or one.orcpt):
        return JobRecipient(key=one.pk, address=one.address, domain=one.domain)
    return JobRecipient(
        key=one.pk,
        address=one.address,
        domain=one.domain,
        notify=from_stored(one.notify),
        orcpt=one.orcpt,
    )
