"""What one account knows about domains: records, facts, bars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import QuerySet

from delivery import routes, stored
from delivery.models import DomainEvidence, DomainLookup
from delivery.policy import words
from delivery.policy.bars import Bar, bars_for
from delivery.policy.facts import DomainFacts
from delivery.policy.first_hop import Ahead, foresee_by
from delivery.policy.modes import Order
from delivery.policy.record import DomainRecord
from delivery.policy.verdict import Forecast
from delivery.policy.words import LedgerRow
from delivery.services import LOOKUP_GIVES_UP_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainView:
    """A domain as one account knows it."""

    domain: str
    record: DomainRecord | None
    facts: DomainFacts | None
    bars: tuple[Bar, ...]
    ahead: Ahead | None = None
    """What a route leads its mail to, if not to its own servers."""

    def foresee(self, order: Order, now: datetime) -> Forecast:
        """Return how a copy sent under `order` would travel now."""
        return foresee_by(self.ahead, order, self.facts, self.record, now)


def domain_views(*, owner_id: int, domains: Iterable[str], now: datetime) -> dict[str, DomainView]:
    """Return what is known of each domain: two queries, however many there are.

    One more where nothing is known, and some where there are routes.
    """
    wanted = list(dict.fromkeys(domains))
    records = {
        row.domain: stored.record_from(row)
        for row in DomainEvidence.objects.filter(owner_id=owner_id, domain__in=wanted)
    }
    rows = DomainLookup.objects.filter(domain__in=wanted).annotate(has_routes=routes.ANY)
    lookups = {row.domain: row for row in rows}
    has_routes = next((row.has_routes for row in lookups.values()), None)
    ahead = routes.ahead_of(owner_id=owner_id, domains=wanted, has_any=has_routes, now=now)
    return {
        domain: _view(domain, records.get(domain), lookups.get(domain), ahead.get(domain), now)
        for domain in wanted
    }


def _view(
    domain: str,
    record: DomainRecord | None,
    lookup: DomainLookup | None,
    ahead: Ahead | None,
    now: datetime,
) -> DomainView:
    facts = stored.facts_from(lookup.facts) if lookup else None
    running = (
        lookup is not None
        and lookup.expires_at is None
        and now - lookup.started_at < LOOKUP_GIVES_UP_AFTER
    )
    bars = bars_for(record, facts, now, checking=running)
    return DomainView(domain=domain, record=record, facts=facts, bars=bars, ahead=ahead)


def rows_for(*, owner_id: int, domains: Iterable[str], now: datetime) -> dict[str, LedgerRow]:
    """Return each domain's row of bars, ready to be drawn."""
    views = domain_views(owner_id=owner_id, domains=domains, now=now)
    return {domain: row_of(view, now) for domain, view in views.items()}


def row_of(view: DomainView, now: datetime) -> LedgerRow:
    """Return one domain's row of bars."""
    row = words.ledger_row(view.domain, view.bars, view.record, view.facts, now)
    return replace(row, ahead=view.ahead.told) if view.ahead else row


def ledger_row(*, owner_id: int, domain: str, now: datetime) -> LedgerRow:
    """Return one domain's row of bars."""
    return rows_for(owner_id=owner_id, domains=[domain], now=now)[domain]


def policy_facts(domain: str) -> DomainFacts | None:
    """Return the latest facts about a domain, whoever asked for them."""
    row = DomainLookup.objects.filter(domain=domain).first()
    return stored.facts_from(row.facts) if row else None


def looked_up_since(domains: Iterable[str], *, since: datetime) -> set[str]:
    """Return those of the domains that were looked up after `since`, by whomever."""
    found = DomainLookup.objects.filter(domain__in=list(domains), looked_up_at__gt=since)
    return set(found.values_list("domain", flat=True))


def domains_of(
    *, owner_id: int, search: str = "", order: str = "-last_seen_at"
) -> QuerySet[DomainEvidence]:
    """Return the account's recipient domains."""
    rows = DomainEvidence.objects.filter(owner_id=owner_id)
    if search:
        rows = rows.filter(domain__icontains=search)
    return rows.order_by(order, "domain")
