"""Which mechanism is taken: the strongest that we allow, the server offers and nothing forbids."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from delivery.sasl.bindings import ChannelBinding
from delivery.sasl.credentials import Credentials
from delivery.sasl.mechanism import DEFAULT_MECHANISMS, Client, Mechanism, known
from delivery.sasl.oauth import XOauth2
from delivery.sasl.passwords import CramMd5, Login, Plain
from delivery.sasl.scram import Scram


class Refusal(StrEnum):
    """Why there is no mechanism to log in with."""

    NOT_OFFERED = "not-offered"
    """The server offers no log-in at all."""

    NONE_IN_COMMON = "none-in-common"
    """What it offers is not allowed here, not known, or does not go with these credentials."""

    NEEDS_TLS = "needs-tls"
    """All that is left would show the secret to whoever listens."""

    CANNOT_BIND = "cannot-bind"
    """All that is left binds to the TLS connection, and nothing is known to bind to."""

    WEAKER = "weaker"
    """Something stronger is pinned: it was there before, or an operator insists on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A mechanism to log in with.

    `bindings` are to be tried one after the other: a server does not say which kinds it has.
    `hides_binding` says that this side could bind and the server announces no PLUS, which the
    log-in then tells it (RFC 5802 §6).
    """

    mechanism: Mechanism
    bindings: tuple[ChannelBinding, ...] = ()
    hides_binding: bool = False

    def start(
        self, credentials: Credentials, *, nonce: str, binding: ChannelBinding | None = None
    ) -> Client:
        """Return the client's half of one log-in; `binding` is one of `bindings`.

        Raises:
            MechanismError: the mechanism cannot carry these credentials.
        """
        match self.mechanism:
            case Mechanism.PLAIN:
                return Plain(credentials)
            case Mechanism.LOGIN:
                return Login(credentials)
            case Mechanism.CRAM_MD5:
                return CramMd5(credentials)
            case Mechanism.XOAUTH2:
                return XOauth2(credentials)
            case _:
                return Scram(self.mechanism, credentials, nonce=nonce, binding=binding)


def choose(
    *,
    offered: Collection[str],
    credentials: Credentials,
    is_tls: bool,
    allowed: Sequence[Mechanism] = DEFAULT_MECHANISMS,
    bindings: Sequence[ChannelBinding] = (),
    pinned: Mechanism | None = None,
) -> Choice | Refusal:
    """Return what to log in with, or why there is nothing.

    `bindings` are what this TLS connection can be bound by, best first. `pinned` is the strongest
    mechanism that was ever used with this server: no weaker one will do, unless `allowed` leaves
    out all that are as strong.
    """
    there = known(offered)
    if not there:
        return Refusal.NONE_IN_COMMON if offered else Refusal.NOT_OFFERED
    common = [one for one in there if one in allowed and _suits(one, credentials)]
    if not common:
        return Refusal.NONE_IN_COMMON
    common = [one for one in common if is_tls or not one.reveals]
    if not common:
        return Refusal.NEEDS_TLS
    common = [one for one in common if (is_tls and bindings) or not one.binds]
    if not common:
        return Refusal.CANNOT_BIND
    best = common[0]
    if pinned is not None and best.rank > _floor(pinned, allowed, credentials):
        return Refusal.WEAKER
    return _choice(best, there, allowed, tuple(bindings) if is_tls else ())


def _choice(
    best: Mechanism,
    there: Sequence[Mechanism],
    allowed: Sequence[Mechanism],
    bindings: tuple[ChannelBinding, ...],
) -> Choice:
    if best.binds:
        return Choice(mechanism=best, bindings=bindings)
    could_bind = bool(bindings) and best.is_scram and f"{best}-PLUS" in allowed
    hides = could_bind and not any(one.binds for one in there)
    return Choice(mechanism=best, bindings=bindings[:1] if hides else (), hides_binding=hides)


def _suits(mechanism: Mechanism, credentials: Credentials) -> bool:
    """Return whether there is what the mechanism proves: a token for XOAUTH2, else a password."""
    return bool(credentials.token if mechanism is Mechanism.XOAUTH2 else credentials.secret)


def _floor(pinned: Mechanism, allowed: Sequence[Mechanism], credentials: Credentials) -> int:
    """Return the rank that must be reached: the pinned one, or the best below it that is allowed."""
    ranks = [one.rank for one in allowed if one.rank >= pinned.rank and _suits(one, credentials)]
    return min(ranks, default=len(Mechanism))
