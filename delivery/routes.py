"""Which mail takes which transport: the table of routes, kept in the database.

The table is read once for all copies of a claim, and not at all where there are no routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists

from delivery import audit, stored, transports
from delivery.copies import Copy
from delivery.models import Route, Transport
from delivery.policy import routing
from delivery.policy.first_hop import Ahead
from delivery.policy.routing import Decision, Level, Question, Table
from delivery.policy.transport import DIRECT, LOCAL
from delivery.policy.transport import Transport as Way
from mailweb.lib.addresses import InvalidAddressError, domain_to_ascii
from mailweb.lib.errors import UserError

MOST_DOMAINS = 200
ANY = Exists(Route.objects.order_by())
"""Whether there are routes at all, to be asked beside something else."""


class BadRouteError(UserError):
    """This route can't be."""


class UnknownRouteError(UserError):
    """There is no route of that number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoute:
    """A route as an operator asks for it; at most one of `account` and `domain` is set."""

    account: str = ""
    domain: str = ""
    sender_domains: tuple[str, ...] = ()
    recipient_domains: tuple[str, ...] = ()
    minimum_attempts: int = 0
    transport: str = DIRECT
    position: int = 100


def add(new: NewRoute, *, actor: audit.Actor, now: datetime) -> Route:
    """Add a route.

    Raises:
        BadRouteError: account and domain are both set, or one is unknown.
        UnknownTransportError: there is no such transport.
    """
    way = None if new.transport == DIRECT else transports.named(new.transport)
    row = Route(
        level=_level(new),
        account=_account(new.account) if new.account else None,
        domain=new.domain,
        sender_domains=list(new.sender_domains),
        recipient_domains=list(new.recipient_domains),
        minimum_attempts=new.minimum_attempts,
        transport=way,
        position=new.position,
    )
    keep(row, actor=actor, now=now)
    return row


def keep(row: Route, *, actor: audit.Actor, now: datetime) -> None:
    """Save a new or changed route.

    Raises:
        BadRouteError: its conditions can't be read.
    """
    check(row)
    action = "route changed" if row.pk else "route added"
    with transaction.atomic():
        row.save()
        _write(action, row, actor, now)


def check(row: Route) -> None:
    """Put the domains into their usual form, and refuse what can't be.

    Raises:
        BadRouteError: with the field and a sentence.
    """
    level = Level(row.level)
    if (level is Level.ACCOUNT) != (row.account_id is not None):
        raise BadRouteError("An account is named at the account level alone.", field="account")
    if (level is Level.DOMAIN) != bool(row.domain):
        raise BadRouteError("A domain is named at the domain level alone.", field="domain")
    row.domain = _domain(row.domain, "domain") if row.domain else ""
    row.sender_domains = _patterns(row.sender_domains, "sender_domains")
    row.recipient_domains = _patterns(row.recipient_domains, "recipient_domains")


def remove(key: int, *, actor: audit.Actor, now: datetime) -> None:
    """Remove a route.

    Raises:
        UnknownRouteError: there is none of that number.
    """
    with transaction.atomic():
        row = Route.objects.select_related("transport").filter(pk=key).first()
        if row is None:
            raise UnknownRouteError(f"There is no route {key}.")
        _write("route removed", row, actor, now)
        row.delete()


def table(*, now: datetime) -> Table:
    """Return all routes and transports: two queries."""
    return _table(Transport.objects.all(), now)


def _table(rows: Iterable[Transport], now: datetime) -> Table:
    return Table.of(
        map(value_of, Route.objects.select_related("transport")),
        (transports.value_of(row, now=now) for row in rows),
    )


def value_of(row: Route) -> routing.Route:
    """Return a route as policy reads it."""
    return routing.Route(
        key=row.pk,
        level=Level(row.level),
        position=row.position,
        account=row.account_id,
        domain=row.domain,
        sender_domains=tuple(row.sender_domains),
        recipient_domains=tuple(row.recipient_domains),
        minimum_attempts=row.minimum_attempts,
        transport=row.transport.name if row.transport else "",
    )


def ways_for(copies: Iterable[Copy], *, now: datetime) -> dict[int, Way]:
    """Return the transport of each copy that does not go plainly direct, by its key.

    Where there is no route and no copy was given a transport, nothing is asked of the database.
    """
    held = tuple(copies)
    if not any(one.has_routes or one.transport not in ("", LOCAL) for one in held):
        return {}
    found = table(now=now)
    ways = ((one.pk, found.decide(question(one), now=now).transport) for one in held)
    return {key: way for key, way in ways if way is not None}


def ahead_of(
    *, owner_id: int, domains: Sequence[str], has_any: bool | None = None, now: datetime
) -> dict[str, Ahead]:
    """Return what routes lead an account's mail to, for those of `domains` where they do.

    A way that ends at the recipient's own servers is left out: nothing is foreseen otherwise for
    it. `has_any` says whether there are routes, if the caller knows (`ANY`).
    """
    if not domains or not (Route.objects.exists() if has_any is None else has_any):
        return {}
    transports_now = list(Transport.objects.all())
    found = _table(transports_now, now)
    sender = get_user_model().objects.filter(pk=owner_id).first()
    last = {row.name: row.last_session for row in transports_now}
    ways: dict[str, Ahead] = {}
    for domain in domains:
        asked = Question(
            account=owner_id,
            sender_domain=sender_domain(sender.get_username()) if sender else "",
            recipient_domain=domain,
        )
        way = found.decide(asked, now=now).transport
        if way is not None and way.stands_alone:
            seen = last.get(way.name)
            ways[domain] = Ahead(transport=way, last=stored.session_from(seen) if seen else None)
    return ways


def question(copy: Copy) -> Question:
    """Return what routes are asked about a copy that was claimed: this try is not counted yet."""
    return Question(
        account=copy.owner_id,
        sender_domain=sender_domain(copy.mail_from),
        recipient_domain=copy.domain,
        attempts_made=max(0, copy.attempts_made - 1),
        asked="" if copy.transport == LOCAL else copy.transport,
    )


def sender_domain(mail_from: str) -> str:
    """Return the domain of MAIL FROM as routes name it; empty for bounces."""
    domain = mail_from.rpartition("@")[2]
    try:
        return domain_to_ascii(domain) if domain else ""
    except InvalidAddressError:
        return domain.lower()


def explain(
    *, mail_from: str, rcpt: str, attempts_made: int, account: str = "", now: datetime
) -> Decision:
    """Return by which way a copy would leave, and why.

    Without an `account` the one whose name is the sender's address counts, if there is one.

    Raises:
        BadRouteError: an address or the account can't be read.
    """
    user = get_user_model().objects.filter(username=account or mail_from).first()
    if account and user is None:
        raise BadRouteError(f"There is no account {account}.", field="account")
    asked = Question(
        account=user.pk if user else None,
        sender_domain=sender_domain(mail_from),
        recipient_domain=_domain(rcpt.rpartition("@")[2], "to"),
        attempts_made=attempts_made,
    )
    return table(now=now).decide(asked, now=now)


def _level(new: NewRoute) -> Level:
    if new.account and new.domain:
        raise BadRouteError("Name an account or a domain, not both.")
    return Level.ACCOUNT if new.account else Level.DOMAIN if new.domain else Level.GLOBAL


def _account(name: str) -> Any:
    found = get_user_model().objects.filter(username=name).first()
    if found is None:
        raise BadRouteError(f"There is no account {name}.", field="account")
    return found


def _patterns(texts: list[str], field: str) -> list[str]:
    if len(texts) > MOST_DOMAINS:
        raise BadRouteError(f"A route names at most {MOST_DOMAINS} domains.", field=field)
    return [_pattern(text.strip(), field) for text in texts]


def _pattern(text: str, field: str) -> str:
    if not text.startswith("."):
        return _domain(text, field)
    # A suffix may be a single label: ".test" means a whole top-level domain.
    return "." + _domain(f"x{text}", field).removeprefix("x.")


def _domain(text: str, field: str) -> str:
    try:
        return domain_to_ascii(text)
    except InvalidAddressError as error:
        raise BadRouteError(f"“{text}” is not a domain.", field=field) from error


def _write(action: str, row: Route, actor: audit.Actor, now: datetime) -> None:
    target, because = f"route {row.pk}", routing.told(value_of(row))
    audit.write(audit.Entry(action=action, actor=actor, at=now, target=target, reason=because))
