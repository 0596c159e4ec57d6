"""How operators narrow the queue: the same conditions as `manage.py queue`, all ANDed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.utils import timezone

from delivery.models import OPEN_STATES, SETTLED_STATES, State
from delivery.orders import transport_choices
from delivery.picking import as_stored, given_transport, sent_from
from delivery.policy.why import words_for
from delivery.selectors.depths import Depths, queue_depths, waiting_because
from delivery.selectors.destinations import domains_behind

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest

    Rows = QuerySet[Any]


def depths_of(request: HttpRequest) -> Depths:
    """Return the depths of the queue, counted once for a request."""
    found: Depths | None = getattr(request, "queue_depths", None)
    if found is None:
        found = queue_depths()
        request.queue_depths = found  # type: ignore[attr-defined]
    return found


class StateFilter(admin.SimpleListFilter):
    """What is not settled, unless something else is asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Each state, and two that gather several."""
        states = [(state.value, state.value.capitalize()) for state in State]
        return [*states, ("settled", "Settled, all three"), ("all", "Everything")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep what is in the state."""
        value = self.value()
        if value == "all":
            return queryset
        if value == "settled":
            return queryset.filter(state__in=SETTLED_STATES)
        return queryset.filter(state=value) if value else queryset.filter(state__in=OPEN_STATES)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Say what no choice means here."""
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"].replace("All", "Not settled")}


class WhyFilter(admin.SimpleListFilter):
    """Why copies wait, in the kinds that are there now."""

    title = "why it waits"
    parameter_name = "why"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The kinds that are there, and the one that is asked for."""
        kinds = {kind.key: kind.words for kind in depths_of(request).kinds[:12]}
        if (asked := request.GET.get("why", "")[:60]) and asked not in kinds:
            kinds[asked] = words_for(asked)
        return list(kinds.items())

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep what waits because of that."""
        value = self.value()
        return queryset.filter(waiting_because(value)) if value else queryset


class _Steps(admin.SimpleListFilter):
    """A few steps of a number; `steps` has key, words and the number."""

    steps: tuple[tuple[str, str, int], ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Name the steps."""
        return [(key, words) for key, words, _ in self.steps]

    def number(self) -> int | None:
        """Return what was chosen."""
        return next((number for key, _, number in self.steps if key == self.value()), None)


class AgeFilter(_Steps):
    """How long ago it was handed over."""

    title = "age"
    parameter_name = "older"
    steps = (
        ("15m", "Older than 15 minutes", 15),
        ("1h", "Older than an hour", 60),
        ("4h", "Older than 4 hours", 240),
        ("1d", "Older than a day", 1440),
        ("3d", "Older than 3 days", 4320),
    )

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep what is older."""
        minutes = self.number()
        if minutes is None:
            return queryset
        return queryset.filter(message__queued_at__lt=timezone.now() - timedelta(minutes=minutes))


class AttemptsFilter(_Steps):
    """How often it was tried."""

    title = "attempts"
    parameter_name = "tries"
    steps = (
        ("0", "Not tried yet", 0),
        ("1", "1 or more", 1),
        ("3", "3 or more", 3),
        ("5", "5 or more", 5),
        ("10", "10 or more", 10),
    )

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep what was tried so often."""
        number = self.number()
        if number is None:
            return queryset
        return (
            queryset.filter(attempts_made=0)
            if number == 0
            else queryset.filter(attempts_made__gte=number)
        )


class TransportFilter(admin.SimpleListFilter):
    """The way out that a copy was given."""

    title = "transport"
    parameter_name = "transport"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All there are, and the one that is asked for, be it gone or not."""
        names = dict(transport_choices())
        if asked := request.GET.get("transport", "")[:60]:
            names.setdefault(asked, asked)
        return list(names.items())

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep what goes that way."""
        value = self.value()
        return queryset.filter(given_transport(value)) if value else queryset


class TextFilter(admin.SimpleListFilter):
    """Something to type, because there are too many to choose from."""

    template = "admin/delivery/text_filter.html"
    hint = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Nothing to choose."""
        return []

    def has_output(self) -> bool:
        """Shown always."""
        return True

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Yield the one form: what it has, and the other filters that it must keep."""
        others = {
            key: text for key, text in changelist.params.items() if key != self.parameter_name
        }
        yield {
            "name": self.parameter_name,
            "value": self.value() or "",
            "hint": self.hint,
            "others": others,
            "selected": bool(self.value()),
            "query_string": changelist.get_query_string(remove=[str(self.parameter_name)]),
        }

    def condition(self, text: str) -> Q:
        """Return what must hold of a copy."""
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep what fits."""
        text = (self.value() or "").strip()[:320].replace("\x00", "")
        return queryset.filter(self.condition(text)) if text else queryset


class RecipientDomainFilter(TextFilter):
    """Where it goes."""

    title = "recipient domain"
    parameter_name = "to"
    hint = "example.org"

    def condition(self, text: str) -> Q:
        """Return that it goes to this domain."""
        return Q(domain=as_stored(text))


class HostFilter(TextFilter):
    """Which host its domain was tried at last."""

    title = "host"
    parameter_name = "host"
    hint = "mx.example.org"

    def condition(self, text: str) -> Q:
        """Return that its domain is one of those behind the host."""
        host = as_stored(text)
        return Q(domain__in=domains_behind([host])[host])


class SenderDomainFilter(TextFilter):
    """Where it comes from."""

    title = "sender domain"
    parameter_name = "from"
    hint = "example.org"

    def condition(self, text: str) -> Q:
        """Return that it comes from this domain."""
        return sent_from(text)


class AccountFilter(TextFilter):
    """Whose it is."""

    title = "account"
    parameter_name = "account"
    hint = "name@example.org"

    def condition(self, text: str) -> Q:
        """Return that the account with this log-in sent it."""
        return Q(owner__username=text.lower())
