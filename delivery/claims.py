"""Taking copies from the queue under a lease, and giving them back.

Copies are locked, read, and given a lease in one short transaction; whoever writes an outcome must
still hold that lease.
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
from django.db.models import F, Q, QuerySet

from delivery import journal, routes, signing
from delivery.agent.job import Job, JobRecipient
from delivery.agent.route import NOTHING, Memory
from delivery.copies import Copy, taken_under
from delivery.histories import memories_of, records_of, tls_histories
from delivery.models import Content, Recipient, State
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
    """Take up to `limit` due copies, and the rest of the last message of them to the same domains.

    Copies of those for whom there is no `room` stay where they are. Two workers never get the same copy: what
    one of them has locked the other one passes over.
    """
    with transaction.atomic():
        copies = tuple(_due(limit, lease, now, room))
        if not copies:
            return Claim(lease=lease, copies=(), contents={})
        _take([one.pk for one in copies], lease, lease_until)
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


def _due(limit: int, lease: UUID, now: datetime, room: Room) -> list[Copy]:
    """Return the copies to take, locked: nobody else takes or changes them meanwhile."""
    due = Recipient.objects.due(now)
    if room.full_domains:
        due = due.exclude(domain__in=room.full_domains)
    if room.full_owners:
        due = due.exclude(owner__in=room.full_owners)
    for owner, domains in room.full_pairs.items():
        due = due.exclude(owner=owner, domain__in=domains)
    rows = taken_under(_unlocked(due)[:limit], lease)
    totals = accumulate(size for _, size in rows)
    fit = [
        one for (one, size), total in zip(rows, totals, strict=True) if total - size < CLAIM_BYTES
    ]
    taken = fit if room.answering is None else _one_for_strangers(fit, room.answering)
    is_cut = len(rows) == limit or len(fit) < len(rows)
    if is_cut and taken and taken[-1] is fit[-1]:
        taken += _rest_of(taken, lease, now)
    return taken


def _rest_of(taken: list[Copy], lease: UUID, now: datetime) -> list[Copy]:
    """Return the other copies of the last message taken, to the same domains: they travel together.

    Copies of a message that are due at the same time stand next to each other in the queue.
    """
    last = taken[-1].message_id
    keys, domains = zip(
        *((one.pk, one.domain) for one in taken if one.message_id == last), strict=True
    )
    rest = Recipient.objects.due(now).filter(message=last, domain__in=set(domains))
    return [one for one, _ in taken_under(_unlocked(rest.exclude(pk__in=keys)), lease)]


def _one_for_strangers(copies: Iterable[Copy], answering: Collection[str]) -> list[Copy]:
    """Keep what is for domains that answer, and one message for each of the others."""
    first: dict[str, int] = {}
    return [
        one
        for one in copies
        if one.domain in answering or first.setdefault(one.domain, one.message_id) == one.message_id
    ]


def _unlocked(rows: QuerySet[Recipient]) -> QuerySet[Recipient]:
    """Lock the rows that nobody else holds; waiting for one could wait in a circle.

    With SQLite the transaction is the only one that writes.
    """
    return rows.select_for_update(skip_locked=True, of=("self",))


def _take(keys: Collection[int], lease: UUID, lease_until: datetime) -> None:
    Recipient.objects.filter(pk__among=keys).update(
        state=State.SENDING,
        lease=lease,
        lease_until=lease_until,
        attempts_made=F("attempts_made") + 1,
    )


def _contents(copies: Iterable[Copy]) -> dict[int, bytes]:
    rows = Content.objects.filter(message__among={one.message_id for one in copies})
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
