"""Which copies an operator means: filters, all ANDed, as a query and in words.

No filter at all picks nothing unless `everything` says so, because a slip at a shell must not
touch the whole queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from delivery.models import Recipient, State
from delivery.policy.transport import DIRECT, ROUTES
from mailweb.lib.addresses import InvalidAddressError, domain_to_ascii
from mailweb.lib.errors import UserError


class NoFilterError(UserError):
    """Nothing was picked: name at least one filter, or say --all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which copies; every condition that is given must hold."""

    ids: tuple[int, ...] = ()
    account: str = ""
    from_domain: str = ""
    to: str = ""
    to_domain: str = ""
    state: str = ""
    mode: str = ""
    transport: str = ""
    older_than: timedelta | None = None
    attempts_ge: int | None = None
    limit: int | None = None
    everything: bool = False

    @property
    def given(self) -> dict[str, Any]:
        """The conditions that narrow the choice, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if name not in ("limit", "everything") and value not in ((), "", None)
        }

    @property
    def is_empty(self) -> bool:
        """Whether nothing narrows the choice."""
        return not self.given

    @property
    def words(self) -> str:
        """The choice as a log tells it: `to-domain x.test, state waiting`."""
        said = [f"{name.replace('_', '-')} {_word(value)}" for name, value in self.given.items()]
        if self.limit is not None:
            said.append(f"at most {self.limit}")
        return ", ".join(said) if self.given else ", ".join(["everything", *said])


def _word(value: object) -> str:
    if isinstance(value, tuple):
        shown = ", ".join(map(str, value[:5]))
        return f"{shown} and {len(value) - 5} more" if len(value) > 5 else shown
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Copies that were picked, whatever their state, and how that is told in the log."""

    rows: QuerySet[Recipient]
    words: str
    filters: dict[str, Any] = field(default_factory=dict)
    limit: int | None = None

    def among(self, states: Iterable[State], also: Q | None = None) -> QuerySet[Recipient]:
        """Return those in `states` for which `also` holds, the longest due first."""
        rows = self.rows.filter(also or Q(), state__in=tuple(states))
        rows = rows.order_by(F("next_attempt_at").asc(nulls_last=True), "id")
        return rows[: self.limit] if self.limit is not None else rows


def chosen(filters: Filters, *, now: datetime) -> Chosen:
    """Return the copies that `filters` pick.

    Raises:
        NoFilterError: nothing narrows the choice, and `everything` is not set.
    """
    if filters.is_empty and not filters.everything:
        raise NoFilterError
    return Chosen(
        rows=Recipient.objects.filter(_condition(filters, now)),
        words=filters.words,
        filters={name: _kept(value) for name, value in filters.given.items()},
        limit=filters.limit,
    )


def _kept(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{int(value.total_seconds())} s"
    return list(value)[:200] if isinstance(value, tuple) else value


def _condition(filters: Filters, now: datetime) -> Q:
    exact: dict[str, Any] = {
        "pk__in": filters.ids,
        "message__owner__username": filters.account.lower(),
        "address__iexact": filters.to,
        "domain": as_stored(filters.to_domain),
        "state": filters.state,
        "mode": filters.mode,
    }
    condition = Q(**{name: value for name, value in exact.items() if value})
    if filters.transport:
        condition &= given_transport(filters.transport)
    if filters.from_domain:
        condition &= sent_from(filters.from_domain)
    if filters.older_than is not None:
        condition &= Q(message__queued_at__lt=now - filters.older_than)
    if filters.attempts_ge is not None:
        condition &= Q(attempts_made__gte=filters.attempts_ge)
    return condition


def sent_from(domain: str) -> Q:
    """Return the condition that a copy's sender is at `domain`."""
    return Q(message__mail_from__iendswith=f"@{domain.strip().removeprefix('@')}")


def given_transport(word: str) -> Q:
    """Return the condition that a copy was given this transport.

    `routes` are those that were given none; `direct` those as well, for that is how they are listed.
    """
    names = {ROUTES: [""], DIRECT: ["", DIRECT]}.get(word, [word])
    return Q(transport__in=names)


def as_stored(domain: str) -> str:
    """Return a domain as copies have it, in lower case and as A-labels; what is none, as it is."""
    wanted = domain.strip().removeprefix("@").lower()
    try:
        return domain_to_ascii(wanted) if wanted else ""
    except InvalidAddressError:
        return wanted
