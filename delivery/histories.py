"""What is remembered when copies are tried, loaded for all copies of one claim at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from delivery import stored
from delivery.agent.route import Memory, Try, remember
from delivery.copies import Copy
from delivery.models import DomainEvidence, RecipientAttempt
from delivery.policy.memory import FORGOTTEN_AFTER, TlsHistory, tls_history
from delivery.policy.record import DomainRecord, Track


def tls_histories(
    copies: Iterable[Copy], *, now: datetime
) -> dict[tuple[int | None, str], TlsHistory]:
    """Return what the senders of `copies` remember of TLS, by owner and domain: one query."""
    wanted = {(one.owner_id, one.domain) for one in copies if one.owner_id is not None}
    rows = DomainEvidence.objects.filter(
        owner__in={owner for owner, _ in wanted},
        domain__in={domain for _, domain in wanted},
        starttls_yes_at__gte=now - FORGOTTEN_AFTER,
    ).values_list("owner_id", "domain", "starttls_yes_at", "starttls_hits", "starttls_sessions")
    found = {
        (owner, domain): tls_history(domain, Track(yes_at=at, hits=hits, sessions=sessions), now)
        for owner, domain, at, hits, sessions in rows
    }
    return {key: history for key, history in found.items() if history is not None}


def records_of(copies: Iterable[Copy]) -> dict[tuple[int | None, str], DomainRecord]:
    """Return what is known of the domains of copies that are judged again: at most one query."""
    wanted = {(one.owner_id, one.domain) for one in copies if one.if_worse and one.promised}
    if not wanted:
        return {}
    rows = DomainEvidence.objects.filter(
        owner__in={owner for owner, _ in wanted if owner is not None},
        domain__in={domain for _, domain in wanted},
    )
    return {(row.owner_id, row.domain): stored.record_from(row) for row in rows}


SHAPES_THE_WAY = (
    Q(code__in=(450, 451)) | Q(enhanced__startswith="4.7.") | Q(enhanced__startswith="5.7.")
)
"""Answers that greylisting or a refusal by policy may be behind (`delivery.agent.route`)."""


def memories_of(copies: Iterable[Copy]) -> dict[int, Memory]:
    """Return what earlier attempts at `copies` mean for the way of the next: at most one query."""
    tried_before = [one.pk for one in copies if one.attempts_made > 1]
    if not tried_before:
        return {}
    rows = (
        RecipientAttempt.objects.filter(SHAPES_THE_WAY, recipient__among=tried_before)
        .order_by("attempt_id")
        .values_list("recipient_id", "attempt__mx", "attempt__address", "code", "enhanced", "reply")
    )
    tries: dict[int, list[Try]] = defaultdict(list)
    for key, host, address, code, enhanced, reply in rows:
        tries[key].append(
            Try(host=host, address=address or "", code=code, enhanced=enhanced, reply=reply)
        )
    return {key: remember(answers) for key, answers in tries.items()}
