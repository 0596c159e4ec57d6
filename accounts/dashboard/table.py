"""The table of recipient domains: searched, filtered, sorted, and always five queries a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.urls import reverse

from accounts.dashboard import clock
from accounts.dashboard.overview import IN_THE_CLEAR, NEEDS_ATTENTION, NEVER_SEEN
from accounts.names import display_domain, parse_domain
from delivery.models import DomainEvidence, Recipient, State
from delivery.policy.verdict import Way
from delivery.policy.words import WIRES, LedgerRow, WireView
from delivery.selectors import rows_for, way_of
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet

PER_PAGE = 50
FILTERS = {
    "": ("All", Q()),
    "changed": ("Changed", NEEDS_ATTENTION),
    "plain": ("Plain text", IN_THE_CLEAR),
    "unknown": ("Unknown", NEVER_SEEN),
}
ORDERS = {
    "domain": F("domain").asc(),
    "starttls": F("starttls_state").asc(),
    "requiretls": F("requiretls_state").asc(),
    "sent": F("deliveries").asc(),
    "seen": F("last_seen_at").asc(nulls_first=True),
    "first": F("first_seen_at").asc(nulls_first=True),
}
DEFAULT_ORDER = "-seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What the table was asked for; anything unknown falls back to the default."""

    search: str = ""
    show: str = ""
    order: str = DEFAULT_ORDER

    @classmethod
    def from_request(cls, asked: Mapping[str, str]) -> Query:
        """Read the parameters of an address."""
        show, order = asked.get("show", ""), asked.get("sort", DEFAULT_ORDER)
        return cls(
            search=asked.get("q", "").strip()[:253],
            show=show if show in FILTERS else "",
            order=order if order.removeprefix("-") in ORDERS else DEFAULT_ORDER,
        )

    def url(self, **changes: str) -> str:
        """Return the parameters with some changed, those with their default left out."""
        values = {"q": self.search, "show": self.show, "sort": self.order} | changes
        kept = {
            name: value
            for name, value in values.items()
            if value and (name, value) != ("sort", DEFAULT_ORDER)
        }
        return f"?{urlencode(kept)}" if kept else "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRow:
    """One domain in the table."""

    domain: str
    name: str
    url: str
    row: LedgerRow
    sent: int
    wire: WireView | None
    seen: str
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One way to narrow the table."""

    name: str
    count: int
    url: str
    is_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a column: pressing it sorts by it, pressing it again the other way round."""

    name: str
    url: str
    classes: str
    sorted: str
    """ascending, descending or none, as aria-sort wants it; empty where a column can't be sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A page of the table with everything around it."""

    query: Query
    here: str
    rows: tuple[DomainRow, ...]
    page: Page[DomainEvidence]
    page_query: str
    filters: tuple[Filter, ...]
    heads: tuple[Head, ...]

    @property
    def unknown_domain(self) -> str:
        """The domain that was searched for and not found, so that it can be checked."""
        if self.rows or self.query.show:
            return ""
        try:
            return parse_domain(self.query.search)
        except UserError:
            return ""

    @property
    def is_reordered(self) -> bool:
        """Whether another order was asked for than the usual one."""
        return self.query.order != DEFAULT_ORDER


def table(*, owner_id: int, query: Query, page: str | None, now: datetime) -> Table:
    """Return one page of the account's recipient domains."""
    pages = Paginator(evidence(owner_id=owner_id, query=query), PER_PAGE)
    shown = pages.get_page(page)
    url = query.url()
    return Table(
        query=query,
        here=query.url(page=str(shown.number) if shown.number > 1 else ""),
        rows=_rows(list(shown.object_list), owner_id, now),
        page=shown,
        page_query=f"{url[1:]}&" if url != "?" else "",
        filters=_filters(owner_id, query),
        heads=tuple(_head(query, *column) for column in COLUMNS),
    )


def evidence(*, owner_id: int, query: Query) -> QuerySet[DomainEvidence]:
    """Return the account's recipient domains as asked for."""
    column = ORDERS[query.order.removeprefix("-")]
    rows = DomainEvidence.objects.filter(FILTERS[query.show][1], owner_id=owner_id)
    if query.search:
        rows = rows.filter(_named_like(owner_id, query.search))
    order = column.copy()
    if query.order.startswith("-"):
        order.reverse_ordering()
    return rows.order_by(order, "domain")


def _named_like(owner_id: int, search: str) -> Q:
    """Match a part of the name as people write it; A-labels can't be searched by their letters."""
    if search.isascii():
        return Q(domain__icontains=search)
    encoded = DomainEvidence.objects.filter(owner_id=owner_id, domain__contains="xn--")
    names = encoded.values_list("domain", flat=True)
    return Q(domain__in=[name for name in names if search.lower() in display_domain(name)])


def _rows(found: list[DomainEvidence], owner_id: int, now: datetime) -> tuple[DomainRow, ...]:
    domains = [each.domain for each in found]
    bars = rows_for(owner_id=owner_id, domains=domains, now=now)
    latest = _latest_copies(owner_id, domains)
    return tuple(
        DomainRow(
            domain=each.domain,
            name=display_domain(each.domain),
            url=reverse("accounts:security-domain", args=[each.domain]),
            row=bars[each.domain],
            sent=each.deliveries,
            wire=_wire(latest[each.domain]) if each.domain in latest else None,
            seen=clock.short(each.last_seen_at, now),
            first=bars[each.domain].since if each.first_seen_at else "",
        )
        for each in found
    )


def _latest_copies(owner_id: int, domains: list[str]) -> dict[str, Recipient]:
    """Return the account's latest copy to each domain: one query."""
    newest = (
        Recipient.objects.filter(message__owner_id=owner_id, domain=OuterRef("domain"))
        .order_by("-id")
        .values("id")[:1]
    )
    wanted = DomainEvidence.objects.filter(owner_id=owner_id, domain__in=domains)
    copies = Recipient.objects.filter(
        pk__in=wanted.annotate(newest=Subquery(newest)).values("newest")
    )
    return {copy.domain: copy for copy in copies.select_related("last_attempt")}


_UNFINISHED = {
    State.FAILED: WireView(kind="cut", words="Not sent"),
    State.CANCELLED: WireView(kind="cut", words="Cancelled"),
    State.HELD: WireView(kind="cut", words="Held"),
}


def _wire(copy: Recipient) -> WireView:
    """Return how a copy travelled, or why it did not."""
    if copy.state != State.DELIVERED:
        return _UNFINISHED.get(State(copy.state), WireView(kind="unk", words="On its way"))
    return WIRES[way_of(copy.last_attempt) if copy.last_attempt else Way.UNKNOWN]


def _filters(owner_id: int, query: Query) -> tuple[Filter, ...]:
    counts = DomainEvidence.objects.filter(owner_id=owner_id).aggregate(
        **{f"n_{key}": Count("id", filter=condition) for key, (_, condition) in FILTERS.items()}
    )
    return tuple(
        Filter(
            name=name,
            count=counts[f"n_{key}"],
            url=query.url(show=key),
            is_on=key == query.show,
        )
        for key, (name, _) in FILTERS.items()
    )


COLUMNS = (
    ("Domain", "domain", ""),
    ("STARTTLS", "starttls", "col-bar"),
    ("MTA-STS", "", "col-bar"),
    ("DNSSEC", "", "col-bar"),
    ("DANE", "", "col-bar"),
    ("REQUIRETLS", "requiretls", "col-bar"),
    ("Sent", "sent", "num col-sent"),
    ("Last message", "", "th-way col-way"),
    ("Seen", "seen", "num col-seen td-last"),
)
_LARGEST_FIRST = ("sent", "seen", "starttls", "requiretls")


def _head(query: Query, name: str, key: str, classes: str) -> Head:
    if not key:
        return Head(name=name, url="", classes=classes, sorted="")
    first = f"-{key}" if key in _LARGEST_FIRST else key
    other = key if first.startswith("-") else f"-{key}"
    is_sorted = query.order.removeprefix("-") == key
    direction = "descending" if query.order.startswith("-") else "ascending"
    return Head(
        name=name,
        url=query.url(sort=other if query.order == first else first),
        classes=classes,
        sorted=direction if is_sorted else "none",
    )
