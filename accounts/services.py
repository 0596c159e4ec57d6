"""Everything that changes accounts, domains, addresses, rules for sending and sessions.

Each change is one transaction and leaves an `AuditEntry`. `actor` is who did it; None is
the command line.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import selectors
from accounts.models import Address, AuditEntry, BrowserSession, Domain, Pledge, User
from accounts.names import BadAddressError, parse_address, parse_domain
from mailweb.lib.console import shell_name
from mailweb.lib.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from accounts.models import SendPreferences
    from delivery.policy.modes import PledgeKind


_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike


class NoAccountError(UserError):
    """There is no such account."""


class AddressTakenError(UserError):
    """This address already belongs to an account."""


class UnknownDomainError(UserError):
    """This installation does not have that domain. Add the domain first."""


class DomainTakenError(UserError):
    """This domain is already here."""


class WeakPasswordError(UserError):
    """Choose another password."""


class BadTargetError(UserError):
    """Enter an address or a domain, such as bob@mailweb.test or mailweb.test."""


class WrongAddressError(UserError):
    """Choose one of your own addresses."""


def record(
    action: str,
    *,
    now: datetime,
    actor: User | None = None,
    target: object = "",
    detail: Mapping[str, object] | None = None,
) -> AuditEntry:
    """Write down who changed what."""
    return AuditEntry.objects.create(
        actor=actor,
        by=actor.username if actor else f"shell: {shell_name()}",
        action=action,
        target=str(target)[:320],
        detail=dict(detail or {}),
        at=now,
    )


def check_new_password(password: str, user: User | None = None) -> None:
    """Refuse a password that is easy to guess.

    Raises:
        WeakPasswordError: with the sentences of all rules it breaks.
    """
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPasswordError(" ".join(error.messages), field="password") from None


@transaction.atomic
def add_domain(name: str, *, now: datetime | None = None, actor: User | None = None) -> Domain:
    """Start receiving and sending for a domain.

    Raises:
        BadDomainError: it is no domain name.
        DomainTakenError: it is here already.
    """
    now = now or timezone.now()
    stored = parse_domain(name)
    domain, is_new = Domain.objects.get_or_create(name=stored, defaults={"created_at": now})
    if not is_new:
        raise DomainTakenError(f"{stored} is already here.", field="domain")
    record("domain added", now=now, actor=actor, target=stored)
    return domain


@transaction.atomic
def create_account(
    *, address: str, password: str | None, name: str = "", now: datetime, actor: User | None = None
) -> User:
    """Make an account whose log-in is its first address. Its domain must exist.

    `password` is not judged here (`check_new_password` does); None makes an account that
    nobody can log in to yet. Mailboxes are made on first use.

    Raises:
        BadAddressError, UnknownDomainError, AddressTakenError: it can't be had.
    """
    wanted = parse_address(address)
    if User.objects.filter(username=str(wanted)).exists():
        raise AddressTakenError(f"{wanted} already belongs to an account.", field="address")
    user = User.objects.create_user(str(wanted), password, name=name, date_joined=now)
    _attach_address(user, str(wanted), now=now)
    record("account added", now=now, actor=actor, target=user)
    return user


@transaction.atomic
def create_operator(
    *, address: str, password: str | None, name: str = "", now: datetime, actor: User | None = None
) -> User:
    """Make someone who runs the installation: a plain name without mail, or an account.

    Raises:
        BadAddressError, UnknownDomainError, AddressTakenError: it can't be had.
    """
    if "@" in address:
        user = create_account(address=address, password=password, name=name, now=now, actor=actor)
    elif not _LOGIN.fullmatch(login := address.strip().lower()):
        raise BadAddressError("Enter an address, or a name of letters and digits.", field="address")
    elif User.objects.filter(username=login).exists():
        raise AddressTakenError(f"{login} already has an account.", field="address")
    else:
        user = User.objects.create_user(login, password, name=name, date_joined=now)
    user.is_staff = user.is_superuser = True
    user.save(update_fields=["is_staff", "is_superuser"])
    record("made an operator", now=now, actor=actor, target=user)
    return user


def account_named(name: str) -> User:
    """Return the account with this log-in or address.

    Raises:
        NoAccountError: there is none.
    """
    user = selectors.user_named(name)
    if user is None:
        raise NoAccountError(f"There is no account {name}.", field="address")
    return user


def new_password() -> str:
    """Return a password of a hundred bits that can be read out aloud."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(5)) for _ in range(4))


@transaction.atomic
def add_address(*, user: User, address: str, now: datetime, actor: User | None = None) -> Address:
    """Give the user one more address; the first one becomes the primary.

    Raises:
        BadAddressError, UnknownDomainError, AddressTakenError: it can't be had.
    """
    added = _attach_address(user, address, now=now)
    record("address added", now=now, actor=actor, target=user, detail={"address": str(added)})
    return added


def is_taken(address: str, *, by_others_than: User) -> bool:
    """Tell whether an address, or a log-in of that name, belongs to somebody else or is there."""
    wanted = parse_address(address)
    return (
        User.objects.exclude(pk=by_others_than.pk).filter(username=str(wanted)).exists()
        or Address.objects.filter(
            local_part__iexact=wanted.local_part, domain__name=wanted.domain
        ).exists()
    )


def _attach_address(user: User, address: str, *, now: datetime) -> Address:
    wanted = parse_address(address)
    domain = Domain.objects.filter(name=wanted.domain).first()
    if domain is None:
        raise UnknownDomainError(
            f"{wanted.domain} is not a domain of this installation. Add the domain first.",
            field="address",
        )
    taken = AddressTakenError(f"{wanted} already belongs to an account.", field="address")
    if User.objects.exclude(pk=user.pk).filter(username=str(wanted)).exists():
        raise taken
    try:
        with transaction.atomic():
            return Address.objects.create(
                user=user,
                local_part=wanted.local_part,
                domain=domain,
                is_primary=not Address.objects.filter(user=user).exists(),
                created_at=now,
            )
    except IntegrityError:
        raise taken from None


@transaction.atomic
def save_profile(
    *, user: User, name: str, address: str, now: datetime, actor: User | None = None
) -> None:
    """Set the name that recipients see and the address that new messages are sent from.

    Raises:
        WrongAddressError: the address is not the user's.
    """
    own = {str(each): each for each in selectors.addresses_of(user)}
    if own and address not in own:
        raise WrongAddressError(field="address")
    user.name = name
    user.save(update_fields=["name"])
    if own:
        Address.objects.filter(user=user, is_primary=True).update(is_primary=False)
        Address.objects.filter(pk=own[address].pk).update(is_primary=True)
    record(
        "profile changed", now=now, actor=actor or user, target=user, detail={"address": address}
    )


@transaction.atomic
def save_preferences(
    *, preferences: SendPreferences, now: datetime, actor: User | None = None
) -> None:
    """Keep changed rules for sending, and write down what changed. Sent messages keep theirs."""
    fields = [field.attname for field in preferences._meta.concrete_fields if not field.primary_key]
    before = type(preferences).objects.filter(pk=preferences.pk).values(*fields).get()
    preferences.save()
    changes = {
        name: [before[name], getattr(preferences, name)]
        for name in fields
        if name != "signature" and before[name] != getattr(preferences, name)
    }
    if changes:
        user = preferences.user
        record(
            "rules for sending changed",
            now=now,
            actor=actor or user,
            target=user,
            detail=changes,
        )


@transaction.atomic
def make_pledge(*, user: User, target: str, kind: PledgeKind, now: datetime) -> Pledge:
    """Promise oneself something about an address or a whole domain; the newest word counts.

    Raises:
        BadTargetError: `target` is neither.
    """
    stored = _pledge_target(target)
    pledge, _ = Pledge.objects.update_or_create(
        user=user,
        target=stored,
        defaults={"kind": kind},
        create_defaults={"kind": kind, "created_at": now},
    )
    record("pledge made", now=now, actor=user, target=user, detail={"about": stored, "kind": kind})
    return pledge


def _pledge_target(text: str) -> str:
    try:
        return str(parse_address(text)) if "@" in text else parse_domain(text)
    except UserError:
        raise BadTargetError(field="target") from None


@transaction.atomic
def withdraw_pledge(*, pledge: Pledge, now: datetime) -> None:
    """Take a pledge back."""
    user, about = pledge.user, pledge.target
    pledge.delete()
    record("pledge withdrawn", now=now, actor=user, target=user, detail={"about": about})


@transaction.atomic
def set_password(
    *,
    user: User,
    password: str,
    now: datetime,
    actor: User | None = None,
    keep_session: str | None = None,
) -> None:
    """Change the password and log the account out everywhere but in `keep_session`."""
    user.set_password(password)
    user.save(update_fields=["password"])
    end_sessions(user=user, keep=keep_session)
    record("password changed", now=now, actor=actor, target=user)


@transaction.atomic
def disable_account(*, user: User, now: datetime, actor: User | None = None) -> None:
    """Log the account out everywhere and refuse its log-in. Its mail stays and still arrives."""
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_sessions(user=user)
    record("account disabled", now=now, actor=actor, target=user)


@transaction.atomic
def enable_account(*, user: User, now: datetime, actor: User | None = None) -> None:
    """Let the account log in again."""
    user.is_active = True
    user.save(update_fields=["is_active"])
    record("account enabled", now=now, actor=actor, target=user)


@transaction.atomic
def begin_session(
    *, user: User, session_key: str, address: str | None, user_agent: str, now: datetime
) -> BrowserSession:
    """List the browser in which the user has just logged in; strike those long gone."""
    alive = Session.objects.filter(expire_date__gt=now).values("session_key")
    BrowserSession.objects.filter(user=user).exclude(session_key__in=alive).delete()
    _is_first_this_minute(session_key)
    session, _ = BrowserSession.objects.update_or_create(
        session_key=session_key,
        defaults={
            "user": user,
            "address": address,
            "user_agent": user_agent[:300],
            "started_at": now,
            "last_seen_at": now,
        },
    )
    return session


def _is_first_this_minute(session_key: str) -> bool:
    """Say so once a minute for each session; each process remembers for itself."""
    return cache.add(f"seen:{session_key}", 1, timeout=60)


def follow_session(*, before: str, after: str) -> None:
    """Keep a browser listed whose session got a new key."""
    BrowserSession.objects.filter(session_key=before).update(session_key=after)


def touch_session(*, session_key: str, now: datetime) -> None:
    """Note that a browser is still in use; what comes within a minute is not written."""
    if _is_first_this_minute(session_key):
        BrowserSession.objects.filter(session_key=session_key).update(last_seen_at=now)


@transaction.atomic
def end_sessions(*, user: User, only: str | None = None, keep: str | None = None) -> int:
    """Log the user out: everywhere, in the session `only`, or everywhere but in `keep`."""
    sessions = BrowserSession.objects.filter(user=user)
    if only is not None:
        sessions = sessions.filter(session_key=only)
    if keep is not None:
        sessions = sessions.exclude(session_key=keep)
    keys = list(sessions.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    sessions.delete()
    return len(keys)
