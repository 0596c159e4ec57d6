"""Whether a copy that leaves long after Send still travels as well as was foreseen then.

What was foreseen at hand-over is kept with the copy (`Way`). When a scheduled or held copy is
released, the one judge (`verdict.foresee`) is asked again, with what DNS says at that moment. If the
answer is worse, the copy is not sent until its sender has said so.

A copy that nothing was promised for, because nothing was known or because it was sent although it
could not be, is left to the gates that every copy passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from delivery.policy import first_hop
from delivery.policy.facts import DomainFacts
from delivery.policy.modes import Mode, Order
from delivery.policy.record import DomainRecord, Mechanism
from delivery.policy.transport import Transport
from delivery.policy.verdict import Forecast, Way, foresee


class IfWorse(StrEnum):
    """What becomes of a copy that would travel worse than was promised."""

    GO = ""
    """Nothing: it is not judged again. Mail that leaves at once, or with its sender's word."""

    HOLD = "hold"
    """It is held, and its sender decides."""

    WAIT = "wait"
    """Its sender has decided: it waits until it travels as promised, as long as mail is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """How a copy was to travel, and what its account's record of the domain says now."""

    way: Way
    record: DomainRecord | None = None
    waits: bool = False


_RANKS = (Way.NOT_SENT, Way.PLAIN, Way.UNKNOWN, Way.TLS, Way.VERIFIED, Way.REQUIRETLS, Way.LOCAL)
_NOTHING_PROMISED = frozenset({Way.NOT_SENT, Way.PLAIN, Way.UNKNOWN})
_INSISTED_ON = {Mode.VERIFIED: Way.VERIFIED, Mode.REQUIRETLS: Way.REQUIRETLS}

_PROMISED = {
    Way.TLS: "over TLS",
    Way.VERIFIED: "over verified TLS",
    Way.REQUIRETLS: "with REQUIRETLS",
    Way.LOCAL: "to a mailbox on this server",
}
_NOW = {
    Way.PLAIN: "Now it would go in plain text.",
    Way.UNKNOWN: "Now nothing tells how it would go.",
    Way.TLS: "Now it would go over TLS that proves nobody.",
    Way.VERIFIED: "Now it would go over verified TLS, with no promise for the servers after that.",
}
_STOPPED = {
    Mechanism.HISTORY: "Now {domain} offers no TLS.",
    Mechanism.DANE: "Now what the DANE record of {domain} asks for can’t be met.",
    Mechanism.MTA_STS: "Now what the MTA-STS policy of {domain} asks for can’t be met.",
    Mechanism.TLS: "Now {domain} does not come up to that.",
    Mechanism.ROUTE: "Now it would go through a relay, which can’t be held to that.",
}


def is_worth_keeping(way: Way) -> bool:
    """Tell whether a forecast promised anything that could get worse."""
    return way not in _NOTHING_PROMISED


def broken(
    promise: Promise,
    order: Order,
    facts: DomainFacts,
    now: datetime,
    *,
    relay: Transport | None = None,
) -> str:
    """Return why a copy would travel worse than was promised, or "" if it would not.

    The sentence names no day, for it is kept with the copy. Through a `relay` only what that
    promises counts, and `facts` are about the relay alone.
    """
    if not is_worth_keeping(promise.way):
        return ""
    if relay is not None:
        forecast = first_hop.foresee(order, relay, None, now)
    else:
        forecast = foresee(order, facts, promise.record, now)
    if not _is_worse(forecast, order, promise.way):
        return ""
    promised = f"When you sent this, it was to go {_PROMISED[promise.way]}."
    if promise.way is Way.LOCAL:
        return f"{promised} Now {facts.domain} is not filed here, so it would leave this server."
    if relay is not None and forecast.way is Way.UNKNOWN:
        return f"{promised} Now it would go {first_hop.through(relay)}. {first_hop.UNKNOWN_AFTER}"
    return f"{promised} {_told(forecast, facts.domain)}"


def _is_worse(forecast: Forecast, order: Order, promised: Way) -> bool:
    if promised is Way.LOCAL:
        return True
    if forecast.way is Way.NOT_SENT:
        # What DNS says against it for other reasons (no such domain) is told by failing.
        return forecast.stopped_by is not Mechanism.NONE
    if forecast.way is Way.UNKNOWN and forecast.result is not None:
        # DNS gives no answer now; the copy is tried again, and judged again then.
        return False
    floor = _INSISTED_ON.get(order.effective_mode, Way.NOT_SENT)
    return max(_rank(forecast.way), _rank(floor)) < _rank(promised)


def _rank(way: Way) -> int:
    return _RANKS.index(way)


def _told(forecast: Forecast, domain: str) -> str:
    if forecast.way is Way.NOT_SENT:
        return _STOPPED[forecast.stopped_by].format(domain=domain)
    return _NOW[forecast.way]
