"""Setting up ways out, pausing them, and what the agent is told of them.

A transport whose log-in is refused is paused: mail waits, nothing bounces, and the log says so.
It goes on once somebody resumes it or changes how it logs in.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.deletion import ProtectedError

from delivery import audit, tasks
from delivery.models import DUE_STATES, Recipient, State, Transport, TransportToken
from delivery.policy import transport as policy
from delivery.policy.outcome import Outcome
from delivery.policy.routing import barred
from delivery.policy.transport import (
    DEFAULT_PORTS,
    Credentials,
    Families,
    Kind,
    TlsRule,
    refusing,
    waits_for,
)
from delivery.transport_rules import BadTransportError, check
from mailweb.lib.errors import UserError
from mailweb.lib.queue import enqueue
from mailweb.lib.sealed import BrokenSealError

logger = logging.getLogger(__name__)


class UnknownTransportError(UserError):
    """There is no transport of that name."""


class TransportInUseError(UserError):
    """Routes lead to this transport. Remove them first."""


LOGS_IN_AT = frozenset({"kind", "hosts", "port", "username"})
"""What says where and as whom; another place has to prove itself anew."""

TELLS_TO = frozenset({"kind", "hosts", "tls", "token_url"})
"""What says who learns the secret. Who changes it without knowing the secret could have it told to himself."""

TOLD_TO_ANOTHER = "Enter the password again: with these changes another server would get it."
CLIENT_TOLD_TO_ANOTHER = (
    "Enter the client secret again: with these changes another server would get it."
)

RENEWS_BY = frozenset({"token_url", "client_id", "token_scope"})
"""What says how its token is renewed, if it is."""

LOGS_IN_BY = frozenset({"hosts", "port", "username", "mechanisms", "pinned", *RENEWS_BY})
"""What a paused transport is resumed for if it changes; the secret, too."""


def named(name: str) -> Transport:
    """Return the transport of that name.

    Raises:
        UnknownTransportError: there is none.
    """
    found = Transport.objects.filter(name=name).first()
    if found is None:
        raise UnknownTransportError(f"There is no transport “{name}”.")
    return found


def add(
    changes: dict[str, Any],
    *,
    actor: audit.Actor,
    now: datetime,
    secret: str = "",
    client_secret: str = "",
) -> Transport:
    """Set a transport up. Where it renews its tokens, `secret` is a refresh token.

    Raises:
        BadTransportError: its settings do not go together; the sentence says which.
    """
    row = Transport(**changes)
    row.secret = secret
    row.client_secret = client_secret
    check(row)
    with transaction.atomic():
        row.save()
        _write("transport added", row, actor, now, settings=_shown(row))
        enqueue(tasks.drain)
    return row


def change(
    row: Transport,
    changes: dict[str, Any],
    *,
    actor: audit.Actor,
    now: datetime,
    secret: str | None = None,
    client_secret: str | None = None,
) -> None:
    """Change settings; secrets are left alone if None, and forgotten if empty.

    A transport that was paused goes on if it may log in now.

    Raises:
        BadTransportError: its settings would not go together, or the secret would go elsewhere.
    """
    before = _shown(row)
    for name, value in changes.items():
        setattr(row, name, value)
    if secret is not None:
        row.secret = secret
    if client_secret is not None:
        row.client_secret = client_secret
    check(row)
    after = _shown(row)
    changed = {name for name, value in after.items() if before[name] != value}
    _check_told(row, changed, secret, client_secret)
    has_new_secret = secret is not None or client_secret is not None
    may_log_in = row.paused_at is not None and (has_new_secret or changed & LOGS_IN_BY)
    row.version += 1
    if changed & LOGS_IN_AT:
        row.proven = {}
    with transaction.atomic():
        row.save(update_fields=_written(secret))
        if has_new_secret or changed & LOGS_IN_BY:
            TransportToken.objects.filter(transport=row).delete()
        detail = {name: after[name] for name in sorted(changed)}
        _write("transport changed", row, actor, now, changed=detail, new_secret=has_new_secret)
        if may_log_in:
            resume(row, actor=actor, now=now)
        else:
            wake(row.name, now=now)


def _written(secret: str | None) -> list[str]:
    """Return the columns to write: a refresh token may have been renewed since they were read."""
    kept = {"id", "sealed_secret"} if secret is None else {"id"}
    return [field.name for field in Transport._meta.concrete_fields if field.name not in kept]


def _check_told(
    row: Transport, changed: set[str], secret: str | None, client_secret: str | None
) -> None:
    """Refuse to tell a secret to somebody else than before, unless whoever asks for it knows it."""
    if secret is None and row.has_secret and changed & TELLS_TO:
        raise BadTransportError(TOLD_TO_ANOTHER, field="secret")
    if client_secret is None and row.has_client_secret and "token_url" in changed:
        raise BadTransportError(CLIENT_TOLD_TO_ANOTHER, field="client_secret")


def remove(row: Transport, *, actor: audit.Actor, now: datetime) -> None:
    """Remove a transport; copies that it was given to wait until they get another.

    Raises:
        TransportInUseError: routes lead to it.
    """
    try:
        with transaction.atomic():
            name = row.name
            row.delete()
            _write("transport removed", row, actor, now, name=name)
    except ProtectedError as error:
        raise TransportInUseError from error


def pause(row: Transport, *, because: str, actor: audit.Actor, now: datetime) -> None:
    """Let all mail wait that would leave by this transport."""
    with transaction.atomic():
        row.paused_at, row.paused_because = now, because[:600]
        row.save(update_fields=["paused_at", "paused_because"])
        _write("transport paused", row, actor, now, because=row.paused_because)


def pause_by_itself(row: Transport, *, because: str, now: datetime) -> bool:
    """Pause a transport whose log-in was refused; return whether that was news.

    One that was changed since is left alone: it may be right by now.
    """
    done = Transport.objects.filter(pk=row.pk, version=row.version, paused_at=None).update(
        paused_at=now, paused_because=because[:600]
    )
    if done:
        logger.error("transport paused", extra={"transport": row.name, "because": because})
    return bool(done)


def resume(row: Transport, *, actor: audit.Actor, now: datetime) -> int:
    """Let mail leave by this transport again; return how many copies stop waiting for it."""
    with transaction.atomic():
        row.paused_at, row.paused_because = None, ""
        row.version += 1
        row.save(update_fields=["paused_at", "paused_because", "version"])
        woken = wake(row.name, now=now)
        _write("transport resumed", row, actor, now, touched=woken)
    return woken


def wake(name: str, *, now: datetime) -> int:
    """Make copies due that wait for this transport and nothing else; return how many."""
    woken = Recipient.objects.filter(
        state=State.WAITING, explanation__startswith=waits_for(name), next_attempt_at__gt=now
    ).update(next_attempt_at=now)
    enqueue(tasks.drain)
    return woken


def waiting_for(name: str) -> int:
    """Return how many copies wait for this transport and nothing else."""
    rows = Recipient.objects.filter(state__in=DUE_STATES)
    return rows.filter(explanation__startswith=waits_for(name)).count()


def value_of(row: Transport, *, now: datetime) -> policy.Transport:
    """Return a transport as the agent gets it, or one whose copies wait, with the reason."""
    if not row.is_enabled:
        return barred(row.name, "is switched off. The copy waits until it is back.", now)
    if row.paused_at is not None:
        return barred(row.name, "is paused. The copy waits until it is back.", now)
    return usable_value_of(row, now=now)


def usable_value_of(row: Transport, *, now: datetime) -> policy.Transport:
    """Return the same as if it were neither switched off nor paused, for a test."""
    try:
        credentials = _credentials(row)
    except BrokenSealError:
        why = "has a password that can't be opened, because SECRET_KEY has changed. Set it again."
        return barred(row.name, why, now)
    kind = Kind(row.kind)
    return policy.Transport(
        name=row.name,
        kind=kind,
        version=row.version,
        hosts=tuple(row.hosts),
        port=row.port or DEFAULT_PORTS.get(kind, 0),
        tls=TlsRule(row.tls),
        families=Families(row.families),
        sources=tuple(row.sources),
        ehlo_name=row.ehlo_name,
        credentials=credentials,
        refusal=_refusal(row) if kind is Kind.FAIL else None,
    )


def _credentials(row: Transport) -> Credentials | None:
    if not row.username:
        return None
    secret, _ = row.secret, row.client_secret
    return Credentials(
        username=row.username,
        # A refresh token is no business of the relay's.
        secret="" if row.token_url else secret,
        renews=bool(row.token_url),
        mechanisms=tuple(row.mechanisms),
        pinned=row.pinned,
        proven=tuple(row.proven.items()),
    )


def _refusal(row: Transport) -> Outcome:
    return refusing(row.code, row.enhanced, row.text)


SHOWN = (
    "name",
    "kind",
    "hosts",
    "port",
    "tls",
    "families",
    "sources",
    "exits",
    "ehlo_name",
    "username",
    "token_url",
    "client_id",
    "token_scope",
    "mechanisms",
    "pinned",
    "code",
    "enhanced",
    "text",
    "is_enabled",
)
"""Everything about a transport that may be looked at: all but the secrets."""


def _shown(row: Transport) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SHOWN}


def _write(
    action: str,
    row: Transport,
    actor: audit.Actor,
    now: datetime,
    *,
    touched: int | None = None,
    **detail: Any,
) -> None:
    audit.write(
        audit.Entry(
            action=action, actor=actor, at=now, target=row.name, touched=touched, detail=detail
        )
    )
