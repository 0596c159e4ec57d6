"""What needs an operator, in sentences with dates, each with a link to where it can be mended."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from delivery.admin_kinds import copies, moment
from delivery.models import DestinationHealth, Transport
from delivery.selectors import attention
from delivery.selectors.destinations import domains_behind, waiting_for

HOSTS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing to look at. `tone` is bad or warn; `at` is told by `dated`, such as "oldest"."""

    words: str
    url: str
    tone: str = "warn"
    detail: str = ""
    dated: str = ""
    at: datetime | None = None

    @property
    def shown_at(self) -> str:
        """The moment by the reader's clock."""
        return moment(self.at)


def concerns(*, now: datetime) -> list[Concern]:
    """Return what needs attention, the worst first; nothing if all is well."""
    troubled = _hosts_in_trouble()
    told = {domain for trouble in troubled for domain in trouble.domains}
    return [
        *_overdue(now),
        *_paused(),
        *_held(),
        *map(_of_host, troubled),
        *_failing(now),
        *_waiting(told),
    ]


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A host that is left alone, the domains behind it, and how many copies wait for these."""

    row: DestinationHealth
    domains: frozenset[str]
    depth: int


def _queue(**filters: str) -> str:
    return f"{reverse('admin:delivery_recipient_changelist')}?{urlencode(filters)}"


def _overdue(now: datetime) -> Iterator[Concern]:
    pile = attention.overdue(now=now)
    them = "it" if pile.depth == 1 else "them"
    if pile.depth:
        yield Concern(
            words=f"{copies(pile.depth, 'are')} due and nobody takes {them}. Is a worker running?",
            url=_queue(state="all", o="3"),
            tone="bad",
            dated="since",
            at=pile.at,
        )


def _held() -> Iterator[Concern]:
    for pile in attention.held():
        yield Concern(
            words=f"{copies(pile.depth, 'are')} held",
            detail=pile.key,
            url=_queue(state="held"),
            dated="the oldest handed over",
            at=pile.at,
        )


def _paused() -> Iterator[Concern]:
    for row in Transport.objects.filter(paused_at__isnull=False):
        yield Concern(
            words=f"The transport {row.name} is paused, and its mail waits",
            detail=row.paused_because,
            url=reverse("admin:delivery_transport_change", args=[row.pk]),
            tone="bad",
            dated="since",
            at=row.paused_at,
        )


def _hosts_in_trouble() -> list[_Trouble]:
    rows = list(DestinationHealth.objects.order_by("-failures", "host")[:HOSTS_SHOWN])
    hosts = {row.host for row in rows}
    behind, depths = domains_behind(hosts), waiting_for(hosts)
    return [_Trouble(row, frozenset(behind.get(row.host, ())), depths[row.host]) for row in rows]


def _of_host(found: _Trouble) -> Concern:
    row = found.row
    waits = f"; {copies(found.depth, 'wait')}" if found.depth else ""
    to = f" for {', '.join(sorted(found.domains)[:3])}" if found.depth else ""
    return Concern(
        words=f"{row.host} [{row.address}]: {row.trouble} {row.failures} times in a row{waits}{to}",
        detail=row.last_reply.partition("\n")[0][:160],
        url=f"{reverse('admin:delivery_destinationhealth_changelist')}?q={row.host}",
        dated="tried again at",
        at=row.next_probe_at,
    )


def _waiting(told: Collection[str]) -> Iterator[Concern]:
    """Tell of domains that no host in trouble has told of already."""
    for pile in attention.waiting_domains():
        if pile.key in told:
            continue
        yield Concern(
            words=f"{copies(pile.depth, 'wait')} for {pile.key}",
            url=_queue(to=pile.key),
            dated="the oldest handed over",
            at=pile.at,
        )


def _failing(now: datetime) -> Iterator[Concern]:
    for pile in attention.failing_domains(now=now):
        yield Concern(
            words=f"{copies(pile.depth)} to {pile.key} failed in the last 24 hours",
            url=_queue(state="failed", to=pile.key),
            tone="bad",
            dated="the latest",
            at=pile.at,
        )
