"""What accounts remember of TLS, loaded for the copies of one claim."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from delivery.copies import Copy
from delivery.models import DomainEvidence
from delivery.policy.memory import FORGOTTEN_AFTER, TlsHistory, tls_history
from delivery.policy.record import Track


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
