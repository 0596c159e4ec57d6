"""What domains published over time, and which protection they gave up."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db.models import DateTimeField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from delivery.models import PublishedPolicy
from delivery.policy.published import PROTECTING, LostPolicy, PolicyKind

TOLD_FOR = timedelta(days=90)
"""How long a protection that was given up is worth an alert; then it is history."""


def published_history(domain: str) -> list[PublishedPolicy]:
    """Return all that the domain was seen to publish, by kind and host, the latest first."""
    return list(PublishedPolicy.objects.filter(domain=domain))


def weakened_domains() -> Q:
    """Return the condition that a row's `domain` gave up DANE or an enforced MTA-STS policy lately.

    It is one small list for the database, however many rows it is asked about.
    """
    kinds = [_lost(kind).values("domain") for kind in PolicyKind]
    return Q(domain__in=kinds[0]) | Q(domain__in=kinds[1])


def lost_policies(domains: Collection[str]) -> dict[str, LostPolicy]:
    """Return what each of the domains gave up lately; DANE before MTA-STS where it was both."""
    found: dict[str, LostPolicy] = {}
    for kind in (PolicyKind.MTA_STS, PolicyKind.TLSA):
        for row in _lost(kind).filter(domain__in=domains).order_by("gone_at"):
            if row.gone_at is None:
                continue
            found[row.domain] = LostPolicy(
                domain=row.domain,
                kind=kind,
                first_seen_at=row.first_seen_at,
                last_seen_at=row.last_seen_at,
                gone_at=row.gone_at,
            )
    return found


def _lost(kind: PolicyKind) -> QuerySet[PublishedPolicy]:
    protecting = PublishedPolicy.objects.filter(kind=kind, mode__in=PROTECTING)
    lately = ExpressionWrapper(Now() - TOLD_FOR, output_field=DateTimeField())
    still = protecting.filter(domain=OuterRef("domain"), gone_at=None)
    return protecting.filter(~Exists(still), gone_at__gt=lately)
