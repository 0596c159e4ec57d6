"""What accounts know: addresses, domains, rules for sending, pledges, sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.sessions.models import Session
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.browsers import browser_name
from accounts.models import (
    Address,
    AuditEntry,
    BrowserSession,
    Domain,
    Pledge,
    SendPreferences,
    User,
)
from accounts.names import display_name, parse_address
from delivery import limits, suppressions
from delivery.policy.modes import PledgeKind
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

MOST_SUPPRESSED = 500


def addresses_of(user: User) -> list[Address]:
    """Return the user's addresses, the primary one first."""
    return list(Address.objects.filter(user=user).select_related("domain"))


def primary_address(user: User) -> str:
    """Return the address the user sends from, or "" for an operator without mail."""
    addresses = addresses_of(user)
    return str(addresses[0]) if addresses else ""


def preferences_of(user: User) -> SendPreferences:
    """Return the user's rules for sending, made with the defaults on first use."""
    return SendPreferences.objects.get_or_create(user=user)[0]


def user_for_address(address: str) -> User | None:
    """Return whose address it is, active or not: mail still arrives for a disabled account."""
    try:
        name = parse_address(address)
    except UserError:
        return None
    found = (
        Address.objects.alias(lowered=Lower("local_part"))
        .filter(lowered=name.local_part, domain__name=name.domain, domain__is_active=True)
        .select_related("user")
        .first()
    )
    return found.user if found else None


def user_named(name: str) -> User | None:
    """Return the user with this log-in or this address, active or not."""
    user = User.objects.filter(username=name.strip().lower()).first()
    return user or user_for_address(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account as operators list it."""

    login: str
    name: str
    addresses: tuple[str, ...]
    is_active: bool
    is_operator: bool

    @property
    def words(self) -> str:
        """What is special about it."""
        others = [each for each in self.addresses if each != self.login]
        parts = (
            self.name,
            f"also {', '.join(others)}" if others else "",
            "operator" if self.is_operator else "",
            "" if self.is_active else "disabled",
        )
        return "; ".join(part for part in parts if part)

    def as_json(self) -> dict[str, object]:
        """Return the row for scripts."""
        return {
            "login": self.login,
            "name": self.name,
            "addresses": list(self.addresses),
            "is_active": self.is_active,
            "is_operator": self.is_operator,
        }


def account_rows() -> list[AccountRow]:
    """Return all accounts, by log-in."""
    return [
        AccountRow(
            login=user.username,
            name=user.name,
            addresses=tuple(str(each) for each in user.addresses.all()),
            is_active=user.is_active,
            is_operator=user.is_staff,
        )
        for user in User.objects.prefetch_related("addresses__domain")
    ]


def local_domains(domains: Iterable[str]) -> set[str]:
    """Return those of `domains` (A-labels) that this installation receives mail for."""
    lowered = {domain.lower() for domain in domains}
    found = Domain.objects.filter(name__in=lowered, is_active=True)
    return set(found.values_list("name", flat=True))


def pledges_of(user: User) -> QuerySet[Pledge]:
    """Return all the user's pledges, by target."""
    return Pledge.objects.filter(user=user)


def pledge_for(user: User, address: str, domain: str) -> PledgeKind | None:
    """Return the pledge that applies to `address`; one for the address beats one for its domain."""
    return _pledges(user, {address: domain}).get(address)


def pledges_for(user: User, addresses: Iterable[str]) -> dict[str, PledgeKind]:
    """Return the pledge of each address that has one, keyed by the address as given."""
    return _pledges(user, {address: address.rpartition("@")[2] for address in addresses})


def _pledges(user: User, domains: dict[str, str]) -> dict[str, PledgeKind]:
    """Look up all targets at once. `domains` has the domain of each address."""
    targets = {address: _targets(address, domain) for address, domain in domains.items()}
    wanted = {target for pair in targets.values() for target in pair}
    rows = Pledge.objects.filter(user=user, target__in=wanted).values_list("target", "kind")
    kinds = {target: PledgeKind(kind) for target, kind in rows}
    return {
        address: kinds[target]
        for address, pair in targets.items()
        for target in reversed(pair)
        if target in kinds
    }


def _targets(address: str, domain: str) -> tuple[str, str]:
    """Return the stored forms of an address and its domain, the stronger claim first."""
    try:
        name = parse_address(address)
    except UserError:
        return address.strip().lower(), domain.strip().lower()
    return str(name), name.domain


@dataclass(frozen=True, slots=True, kw_only=True)
class PledgeRow:
    """A pledge as its owner reads it."""

    pk: int
    target: str
    kind: PledgeKind
    is_domain: bool
    made_at: datetime


def pledge_rows(user: User) -> list[PledgeRow]:
    """Return the user's pledges, by target, with domains in their own letters."""
    return [_pledge_row(pledge) for pledge in pledges_of(user)]


def pledges_about(user: User, domain: str) -> list[PledgeRow]:
    """Return the user's pledges about a domain and about addresses in it."""
    found = pledges_of(user).filter(Q(target=domain) | Q(target__endswith=f"@{domain}"))
    return [_pledge_row(pledge) for pledge in found]


def _pledge_row(pledge: Pledge) -> PledgeRow:
    return PledgeRow(
        pk=pledge.pk,
        target=display_name(pledge.target),
        kind=PledgeKind(pledge.kind),
        is_domain="@" not in pledge.target,
        made_at=pledge.created_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedRow:
    """A suppressed address as its owner reads it."""

    pk: int
    address: str
    sentence: str
    times: int
    ends_at: datetime | None


def suppressed_rows(user: User, *, now: datetime) -> tuple[list[SuppressedRow], int]:
    """Return the user's suppressed addresses, the latest first, and how many more there are."""
    entries = suppressions.listed(user.pk, now=now)
    rows = [
        SuppressedRow(
            pk=entry.pk,
            address=display_name(entry.address),
            sentence=suppressions.sentence(entry, now=now),
            times=entry.times,
            ends_at=entry.ends_at,
        )
        for entry in entries[:MOST_SUPPRESSED]
    ]
    return rows, len(entries) - len(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One of the account's limits, and how much of it is used up."""

    name: str
    sentence: str


def limit_rows(user: User, *, now: datetime) -> list[LimitRow]:
    """Return the user's limits of sending with the use of the last 24 hours."""
    usage = limits.usage_of(user.pk, now=now)
    return [
        LimitRow(name=name, sentence=_used(used, limit))
        for name, used, limit in (
            ("Recipients", usage.recipients, usage.limits.recipients),
            ("First-time recipients", usage.new_recipients, usage.limits.new_recipients),
        )
    ]


def _used(used: int, limit: int) -> str:
    if not limit:
        return f"{used:,} in the last 24 hours. There is no limit."
    return f"{used:,} of {limit:,} in the last 24 hours."


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One browser in which the user is logged in."""

    pk: int
    browser: str
    address: str
    started_at: datetime
    last_seen_at: datetime
    is_this: bool


def sessions_of(user: User, *, now: datetime) -> QuerySet[BrowserSession]:
    """Return the browsers in which the user is logged in, last seen first."""
    alive = Session.objects.filter(expire_date__gt=now)
    return BrowserSession.objects.filter(user=user, session_key__in=alive.values("session_key"))


def session_rows(user: User, *, this: str, now: datetime) -> list[SessionRow]:
    """Return those browsers in words, the one whose session key is `this` first."""
    rows = [
        SessionRow(
            pk=session.pk,
            browser=browser_name(session.user_agent),
            address=session.address or "",
            started_at=session.started_at,
            last_seen_at=session.last_seen_at,
            is_this=session.session_key == this,
        )
        for session in sessions_of(user, now=now)
    ]
    return sorted(rows, key=lambda row: not row.is_this)


def latest_changes(most: int) -> list[AuditEntry]:
    """Return the newest entries of the log."""
    return list(AuditEntry.objects.all()[:most])
