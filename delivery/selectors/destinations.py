"""Which copies wait for which host: what the list of hosts in trouble tells beside their state."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection

from django.db.models import Count

from delivery.models import Recipient, State


def domains_behind(hosts: Collection[str]) -> dict[str, set[str]]:
    """Return for each host the domains of copies whose last attempt was made there."""
    rows = (
        Recipient.objects.filter(state=State.WAITING, last_attempt__mx__in=hosts)
        .order_by()
        .values_list("last_attempt__mx", "domain")
        .distinct()
    )
    found: dict[str, set[str]] = defaultdict(set)
    for host, domain in rows:
        found[host].add(domain)
    return found


def waiting_for(hosts: Collection[str]) -> dict[str, int]:
    """Return how many copies wait for the domains behind each host: two queries."""
    behind = domains_behind(hosts)
    domains = set().union(*behind.values())
    rows = Recipient.objects.filter(state=State.WAITING, domain__in=domains).order_by()
    depths = Counter(dict(rows.values_list("domain").annotate(depth=Count("id"))))
    return {host: sum(depths[domain] for domain in behind.get(host, ())) for host in hosts}
