"""What is foreseen of copies at hand-over, kept with those that leave later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from delivery import local
from delivery.models import Recipient
from delivery.policy.modes import Mode, Order
from delivery.policy.verdict import Way
from delivery.selectors.domains import domain_views
from delivery.services import domain_of


def foreseen(*, owner_id: int, orders: Mapping[str, Order], now: datetime) -> dict[str, Way]:
    """Return how a copy to each address would travel now, from what is stored."""
    domains = {address: domain_of(address) for address in orders}
    ours = local.local_domains(set(domains.values()))
    views = domain_views(owner_id=owner_id, domains=domains.values(), now=now)
    return {
        address: Way.LOCAL if domain in ours else views[domain].foresee(orders[address], now).way
        for address, domain in domains.items()
    }


def foreseen_as(
    mode: Mode, copies: Iterable[Recipient], *, owner_id: int, now: datetime
) -> dict[str, Way]:
    """Return how each of a message's copies would travel now if it were sent as `mode` says."""
    orders = {copy.address: replace(copy.order, mode=mode) for copy in copies}
    return foreseen(owner_id=owner_id, orders=orders, now=now)
