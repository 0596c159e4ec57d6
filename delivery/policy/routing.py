"""By which way a copy leaves: the first route that fits, account before domain before global.

Worked out anew at each attempt. A transport that an operator gave to the copy itself outranks all
routes. Whatever a route names and is not there, is switched off, or paused, makes copies wait: a
mistake of ours never bounces anybody's mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.transport import DIRECT, Kind, Transport, barred_sentence

WAITS_FOR = timedelta(minutes=15)
"""How long a copy waits for a transport that can't be used, unless somebody mends it before."""


class Level(StrEnum):
    """Who a route is for; the order is the order in which they are asked."""

    ACCOUNT = "account"
    DOMAIN = "domain"
    GLOBAL = "global"


_ORDER = {level: at for at, level in enumerate(Level)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One rule. Conditions that are left empty hold for everybody; all must hold.

    `account` is for the account level, `domain` (of MAIL FROM) for the domain level.
    `minimum_attempts` is how many attempts must have been made before. No `transport` means direct.
    """

    key: int
    level: Level = Level.GLOBAL
    position: int = 0
    account: int | None = None
    domain: str = ""
    sender_domains: tuple[str, ...] = ()
    recipient_domains: tuple[str, ...] = ()
    minimum_attempts: int = 0
    transport: str = ""

    @property
    def rank(self) -> tuple[int, int, int]:
        """What routes are sorted by."""
        return _ORDER[self.level], self.position, self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One copy before an attempt: domains in lower case as A-labels, attempts already made."""

    account: int | None
    sender_domain: str
    recipient_domain: str
    attempts_made: int = 0
    asked: str = ""
    """The transport that an operator gave to this copy, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The transport, or None for plain direct delivery, and the sentence that says why."""

    transport: Transport | None
    because: str
    route: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """All routes in the order in which they are asked, and all transports by their names."""

    routes: tuple[Route, ...]
    transports: Mapping[str, Transport]

    @classmethod
    def of(cls, routes: Iterable[Route], transports: Iterable[Transport]) -> Table:
        """Put the routes in order."""
        by_name = {one.name: one for one in transports}
        return cls(tuple(sorted(routes, key=lambda one: one.rank)), by_name)

    def decide(self, asked: Question, *, now: datetime) -> Decision:
        """Return by which way the copy leaves, and why."""
        if asked.asked:
            because = f"An operator gave this copy the transport “{asked.asked}”."
            return Decision(transport=self._named(asked.asked, now), because=because)
        for route in self.routes:
            if fits(route, asked):
                transport = self._named(route.transport or DIRECT, now)
                return Decision(transport=transport, because=told(route), route=route.key)
        return Decision(transport=None, because="No route fits, so it goes direct.")

    def _named(self, name: str, now: datetime) -> Transport | None:
        if name == DIRECT:
            return None
        found = self.transports.get(name)
        if found is None:
            return barred(name, "does not exist. The copy waits until somebody mends that.", now)
        return found


def barred(name: str, why: str, now: datetime) -> Transport:
    """Return a transport whose copies wait."""
    outcome = Outcome(
        result=Result.DEFERRED,
        scope=Scope.TRANSPORT,
        code=451,
        enhanced="4.3.5",
        public=barred_sentence(name, why),
        not_before=now + WAITS_FOR,
    )
    return Transport(name=name, kind=Kind.FAIL, barred=outcome)


def fits(route: Route, asked: Question) -> bool:
    """Return whether all conditions of a route hold."""
    return (
        asked.attempts_made >= route.minimum_attempts
        and (route.level is not Level.ACCOUNT or route.account == asked.account)
        and (route.level is not Level.DOMAIN or route.domain == asked.sender_domain)
        and _is_among(asked.sender_domain, route.sender_domains)
        and _is_among(asked.recipient_domain, route.recipient_domains)
    )


def _is_among(domain: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(matches(domain, pattern) for pattern in patterns)


def matches(domain: str, pattern: str) -> bool:
    """Return whether `domain` is meant: `.suffix` means the domain and all below it."""
    if pattern.startswith("."):
        return domain == pattern[1:] or domain.endswith(pattern)
    return domain == pattern


def told(route: Route) -> str:
    """Return the sentence that says what a route is for and where it leads."""
    whose = {
        Level.ACCOUNT: "of the account",
        Level.DOMAIN: f"of the domain {route.domain}",
        Level.GLOBAL: "for everybody",
    }[route.level]
    conditions = [
        f"from {', '.join(route.sender_domains)}" if route.sender_domains else "",
        f"to {', '.join(route.recipient_domains)}" if route.recipient_domains else "",
        _after(route.minimum_attempts),
    ]
    which = " ".join(("mail", *filter(None, conditions)))
    where = f"through “{route.transport}”" if route.transport else "direct"
    return f"Route {route.key} {whose}: {which} goes {where}."


def _after(attempts: int) -> str:
    if not attempts:
        return ""
    return f"after {attempts} {'attempt' if attempts == 1 else 'attempts'}"
