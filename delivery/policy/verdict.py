"""The one judge: how a copy would travel, if it were sent now.

Compose, dashboard and command line ask `foresee`; the worker runs the very gates that
`foresee` runs (requirements.py), on what the session really shows instead of what the
record says it showed last time. So what compose promises, the worker does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from delivery.policy.facts import DnsFailure, Dnssec, DomainFacts
from delivery.policy.modes import Order
from delivery.policy.outcome import Result
from delivery.policy.record import DomainRecord, Mechanism, Seen, Track
from delivery.policy.requirements import Demand, Refusal, Tls, demand

FADES_AFTER = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(days=180)


class Way(StrEnum):
    """How one copy travels; the values are the names of the drawn wires."""

    REQUIRETLS = "req"
    VERIFIED = "ver"
    TLS = "tls"
    UNKNOWN = "unk"
    PLAIN = "plain"
    NOT_SENT = "cut"
    LOCAL = "local"


_WEAKEST_FIRST = (Way.NOT_SENT, Way.PLAIN, Way.UNKNOWN, Way.TLS, Way.VERIFIED, Way.REQUIRETLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How a copy would travel now, and why, in one sentence.

    `is_final` tells a refusal that trying again can't change from one that may pass.
    """

    way: Way
    sentence: str
    stopped_by: Mechanism = Mechanism.NONE
    is_final: bool = False


def known(track: Track, now: datetime) -> Track:
    """Return the track as it counts for decisions: evidence that is too old counts as none."""
    too_old = track.seen_at is None or now - track.seen_at > FORGOTTEN_AFTER
    return Track() if too_old else track


def foresee(
    order: Order, facts: DomainFacts | None, record: DomainRecord | None, now: datetime
) -> Forecast:
    """Return how a copy sent under `order` would travel, as far as it can be known.

    The host that is tried first decides; where hosts differ, the weakest way is told.
    """
    if facts is None or not facts.is_complete:
        return Forecast(way=Way.UNKNOWN, sentence="The look-ups are still running.")
    if facts.failure is not None:
        return _without_hosts(facts)
    gates = [demand(order, facts, host) for host in facts.hosts]
    demands = [gate for gate in gates if isinstance(gate, Demand)]
    if not demands:
        return _refused([gate for gate in gates if isinstance(gate, Refusal)])
    record = record or DomainRecord(domain=facts.domain)
    is_lenient = order.sender.accepts_pkix and facts.dnssec is not Dnssec.SECURE
    return min(
        (_with_evidence(one, record, now, is_lenient=is_lenient) for one in demands),
        key=lambda forecast: _WEAKEST_FIRST.index(forecast.way),
    )


def _without_hosts(facts: DomainFacts) -> Forecast:
    """A domain that DNS gives no servers for."""
    if facts.failure is DnsFailure.NXDOMAIN:
        sentence = f"There is no domain {facts.domain}."
        return Forecast(way=Way.NOT_SENT, sentence=sentence, is_final=True)
    if facts.failure is DnsFailure.NULL_MX:
        sentence = f"{facts.domain} says in DNS that it takes no mail."
        return Forecast(way=Way.NOT_SENT, sentence=sentence, is_final=True)
    return Forecast(
        way=Way.UNKNOWN, sentence="DNS gives no answer now. The copy waits and is tried again."
    )


def _refused(refusals: list[Refusal]) -> Forecast:
    """Every host is ruled out before anything connects."""
    if not refusals:
        return Forecast(way=Way.UNKNOWN, sentence="No server is known that takes its mail.")
    first = refusals[0]
    return Forecast(
        way=Way.NOT_SENT,
        sentence=first.outcome.public,
        stopped_by=first.stopped_by,
        is_final=all(refusal.outcome.result is Result.FAILED for refusal in refusals),
    )


def _with_evidence(
    demanded: Demand, record: DomainRecord, now: datetime, *, is_lenient: bool
) -> Forecast:
    """Judge one host's demand by what earlier sessions showed.

    `is_lenient`: a certificate alone is accepted, although records count it as no proof.
    """
    if demanded.by is not Mechanism.NONE and record.stopped_by is demanded.by:
        return Forecast(
            way=Way.NOT_SENT,
            sentence=f"{_ASKERS[demanded.by]} could not be met when it was last tried. "
            "The copy waits until that changes.",
            stopped_by=record.stopped_by,
        )
    if demanded.requiretls:
        return _requiretls(record, now)
    if demanded.tls is Tls.PROVEN:
        return _proven(demanded, record, now, is_lenient=is_lenient)
    if demanded.tls is Tls.ENCRYPTED:
        return _encrypted(record, now)
    return _opportunistic(record, now)


_ASKERS = {
    Mechanism.DANE: "What its DANE record asks for",
    Mechanism.MTA_STS: "What its MTA-STS policy asks for",
    Mechanism.TLS: "The TLS you ask for",
}


def _requiretls(record: DomainRecord, now: datetime) -> Forecast:
    state = known(record.requiretls, now).state
    if state is Seen.YES:
        return Forecast(
            way=Way.REQUIRETLS,
            sentence="Verified TLS here, and every later server must do the same.",
        )
    if state is Seen.NO:
        return Forecast(
            way=Way.NOT_SENT,
            sentence=f"{record.domain} did not announce REQUIRETLS when it was last asked.",
            is_final=True,
        )
    return Forecast(
        way=Way.UNKNOWN, sentence="Sent if the server announces REQUIRETLS, else returned to you."
    )


def _proven(demanded: Demand, record: DomainRecord, now: datetime, *, is_lenient: bool) -> Forecast:
    """DANE and MTA-STS are insisted on; a certificate alone is as good as its last session."""
    if demanded.by is Mechanism.DANE:
        return Forecast(way=Way.VERIFIED, sentence="DANE is insisted on.")
    if demanded.by is Mechanism.MTA_STS:
        return Forecast(way=Way.VERIFIED, sentence="Its MTA-STS policy is insisted on.")
    state = known(record.proven, now).state
    if state is Seen.YES:
        return Forecast(way=Way.VERIFIED, sentence="A valid certificate is insisted on.")
    has_no_tls = known(record.starttls, now).state in (Seen.NO, Seen.FAILED)
    if has_no_tls or (state is Seen.NO and not is_lenient):
        return Forecast(
            way=Way.NOT_SENT,
            sentence=f"{record.domain} did not prove who it is when it was last asked.",
            stopped_by=Mechanism.TLS,
        )
    return Forecast(
        way=Way.UNKNOWN, sentence="Sent if the server shows a valid certificate, else kept waiting."
    )


def _encrypted(record: DomainRecord, now: datetime) -> Forecast:
    state = known(record.starttls, now).state
    if state is Seen.YES:
        return Forecast(way=Way.TLS, sentence="TLS is insisted on; who answers is not proven.")
    if state is Seen.UNKNOWN:
        return Forecast(
            way=Way.UNKNOWN, sentence="Sent if the server offers TLS, else kept waiting."
        )
    return Forecast(
        way=Way.NOT_SENT,
        sentence=f"{record.domain} did not bring up TLS when it was last asked.",
        stopped_by=Mechanism.TLS,
    )


def _opportunistic(record: DomainRecord, now: datetime) -> Forecast:
    state = known(record.starttls, now).state
    if state is Seen.YES and known(record.proven, now).state is Seen.YES:
        return Forecast(
            way=Way.VERIFIED, sentence="It proved who it is last time. Nothing insists on it."
        )
    if state is Seen.YES:
        return Forecast(
            way=Way.TLS, sentence="Encrypted, to whoever answers. Nothing insists on it."
        )
    if state is Seen.UNKNOWN:
        return Forecast(way=Way.UNKNOWN, sentence="TLS if the server offers it, else plain text.")
    return Forecast(way=Way.PLAIN, sentence="Anyone on the way could read this copy.")
