"""The ledger of attempts, newest first."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from delivery.models import Attempt


def domain_attempts(*, owner_id: int, domain: str, limit: int) -> list[Attempt]:
    """Return the account's latest attempts at a domain, newest first."""
    rows = Attempt.objects.filter(owner_id=owner_id, domain=domain).select_related("message")
    return list(rows[:limit])


def attempts(
    *,
    owner_id: int | None = None,
    domain: str = "",
    host: str = "",
    since: datetime | None = None,
    failed: bool = False,
    limit: int = 100,
) -> QuerySet[Attempt]:
    """Return the ledger, newest first, for operators; every given condition must hold."""
    rows = Attempt.objects.select_related("owner", "message")
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    if domain:
        rows = rows.filter(domain=domain)
    if host:
        rows = rows.filter(mx=host)
    if since is not None:
        rows = rows.filter(at__gte=since)
    if failed:
        rows = rows.exclude(outcome__in=("delivered", "probed"))
    return rows[:limit]
