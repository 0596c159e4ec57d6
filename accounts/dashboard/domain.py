"""Everything one account knows about one domain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from accounts.dashboard import clock
from accounts.dashboard.earlier import History
from accounts.dashboard.matrix import STAGES, ServerRow, matrix
from accounts.dashboard.published import Policy, earlier, published
from accounts.dashboard.sentences import Lede, about_domain
from accounts.dashboard.timeline import Event, timeline
from accounts.names import display_domain
from delivery.models import Attempt, ProbeRequest, StsPolicy
from delivery.selectors import domain_attempts, domain_views, published_history, row_of

if TYPE_CHECKING:
    from delivery.policy.words import LedgerRow

ATTEMPTS_SHOWN = 12
MOST_ATTEMPTS = 200
PROBE_GIVES_UP_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPage:
    """What stands on the page of one domain."""

    domain: str
    name: str
    lede: Lede
    row: LedgerRow
    checked: str
    is_checking: bool
    stages: tuple[str, ...]
    servers: tuple[ServerRow, ...]
    events: tuple[Event, ...]
    attempts: int
    is_cut: bool
    policies: tuple[Policy, ...]
    earlier: tuple[Policy, ...]


def domain_page(*, owner_id: int, domain: str, all_attempts: bool, now: datetime) -> DomainPage:
    """Return what the account knows about the domain: seven queries."""
    view = domain_views(owner_id=owner_id, domains=[domain], now=now)[domain]
    limit = MOST_ATTEMPTS if all_attempts else ATTEMPTS_SHOWN
    attempts = domain_attempts(owner_id=owner_id, domain=domain, limit=limit)
    total = Attempt.objects.filter(owner_id=owner_id, domain=domain).count()
    policy = StsPolicy.objects.filter(domain=domain).first()
    history = History(
        rows=published_history(domain),
        known_since=view.record.first_seen_at if view.record else None,
    )
    return DomainPage(
        domain=domain,
        name=display_domain(domain),
        lede=about_domain(
            display_domain(domain),
            view.record,
            view.facts,
            now,
            last_try=attempts[0].detail if attempts else "",
        ),
        row=row_of(view, now),
        checked=clock.within(view.facts.looked_up_at, now) if view.facts else "",
        is_checking=_is_checking(owner_id, domain, now),
        stages=STAGES,
        servers=matrix(view.facts, attempts, now),
        events=timeline(attempts, now),
        attempts=total,
        is_cut=total > len(attempts),
        policies=published(view.facts, policy, attempts, now, history),
        earlier=earlier(history, now),
    )


def _is_checking(owner_id: int, domain: str, now: datetime) -> bool:
    """Tell whether a "Check now" of this account still runs."""
    return ProbeRequest.objects.filter(
        owner_id=owner_id,
        domain=domain,
        finished_at=None,
        requested_at__gt=now - PROBE_GIVES_UP_AFTER,
    ).exists()
