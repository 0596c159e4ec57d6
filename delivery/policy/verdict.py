"""The one judge: how a copy would travel, if it were sent now.

Compose, dashboard and command line ask `foresee`; the worker runs the very gates that
`foresee` runs (requirements.py), on what the session really shows instead of what the
record says it showed last time. So what compose promises, the worker does.

What a server answers to MAIL, RCPT or the content is its own affair and never foreseen: a
forecast says whether TLS and DNS let the copy be handed over, how it is encrypted and who is proven.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from delivery.policy import telling
from delivery.policy.dates import ago
from delivery.policy.facts import (
    DnsFailure,
    Dnssec,
    DomainFacts,
    HostFacts,
    Proof,
    SessionEvidence,
    proves_server,
)
from delivery.policy.memory import tls_history
from delivery.policy.modes import Mode, Order
from delivery.policy.outcome import Result
from delivery.policy.reasons import Reason
from delivery.policy.recall import recall, settles
from delivery.policy.record import DomainRecord, Mechanism
from delivery.policy.requirements import Demand, Refusal, Tls, demand, judge


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

    `result` is what becomes of it as far as TLS and DNS decide: delivered means that they let it
    be handed over; None that no session has shown it yet. `proofs` and `reason` are what the
    attempt would be kept with.
    """

    way: Way
    sentence: str
    stopped_by: Mechanism = Mechanism.NONE
    result: Result | None = None
    proofs: frozenset[Proof] = frozenset()
    reason: Reason = Reason.NONE
    is_from_session: bool = False
    """Whether it rests on what a session showed, not on look-ups alone."""

    @property
    def is_final(self) -> bool:
        """Tell a refusal that trying again can't change from one that may pass."""
        return self.result is Result.FAILED


def travelled(
    *,
    mode: Mode,
    requiretls: bool,
    version: str,
    proofs: frozenset[Proof],
    mx: Dnssec,
    reason: Reason,
) -> Way:
    """Return how a message handed over in a session like this travels.

    `mode` is the effective one: under VERIFIED the gate let nothing else pass.
    """
    if requiretls:
        return Way.REQUIRETLS
    if not version:
        return Way.PLAIN
    is_proven = mode is Mode.VERIFIED or proves_server(proofs, mx, reason)
    return Way.VERIFIED if is_proven else Way.TLS


def foresee(
    order: Order, facts: DomainFacts | None, record: DomainRecord | None, now: datetime
) -> Forecast:
    """Return how a copy sent under `order` would travel, as far as it can be known.

    Hosts that would not get it are passed over, as the worker passes over them; where the
    rest differ, the weakest way is told.
    """
    if facts is None or not facts.is_complete:
        return Forecast(way=Way.UNKNOWN, sentence="The look-ups are still running.")
    if facts.failure is not None:
        return _without_hosts(facts, facts.failure)
    case = _Case(order, facts, record or DomainRecord(domain=facts.domain), now)
    return _together([case.at(host) for host in facts.hosts])


def _together(told: list[Forecast]) -> Forecast:
    """Sum the hosts up: a final refusal counts only if every host gives one."""
    refused = (Result.DEFERRED, Result.FAILED)
    takers = [one for one in told if one.result not in refused]
    if takers:
        return min(takers, key=lambda one: _WEAKEST_FIRST.index(one.way))
    if not told:
        sentence = "No server is known that takes its mail."
        return Forecast(way=Way.UNKNOWN, sentence=sentence, result=Result.DEFERRED)
    return next((one for one in told if one.result is Result.DEFERRED), told[0])


def _without_hosts(facts: DomainFacts, failure: DnsFailure) -> Forecast:
    """A domain that DNS gives no servers for."""
    final = telling.NO_HOST.get(failure)
    if final:
        return Forecast(
            way=Way.NOT_SENT, sentence=final.format(domain=facts.domain), result=Result.FAILED
        )
    return Forecast(
        way=Way.UNKNOWN,
        sentence="DNS gives no answer now. The copy waits and is tried again.",
        result=Result.DEFERRED,
        reason=Reason.DNSSEC_INVALID if facts.dnssec is Dnssec.BOGUS else Reason.NONE,
    )


class _Case:
    """One copy and everything known about its domain; asked about one host at a time."""

    def __init__(
        self, order: Order, facts: DomainFacts, record: DomainRecord, now: datetime
    ) -> None:
        self._order = order
        self._facts = facts
        self._record = record
        self._now = now
        self._history = tls_history(facts.domain, record.starttls, now)

    def at(self, host: HostFacts) -> Forecast:
        """Return what becomes of the copy at one host: both gates, as the worker runs them."""
        if not host.addresses and host.failure is not None:
            return self._without_address(host)
        gate = demand(self._order, self._facts, host, self._history)
        if isinstance(gate, Refusal):
            return _refused(gate, gate.outcome.public)
        evidence = recall(self._record, self._facts, host, self._now)
        if evidence is None:
            return _untested(gate)
        is_settled = settles(gate, evidence)
        asked = gate if is_settled else replace(gate, tls=Tls.ENCRYPTED)
        refusal = judge(asked, evidence, self._history)
        if refusal is not None:
            sentence = telling.refused(gate, refusal, evidence, self._told(), self._facts.domain)
            return _refused(refusal, sentence, is_from_session=True)
        return self._handed_over(gate, evidence) if is_settled else _untested(gate)

    def _told(self) -> str:
        history = self._history
        return history.told(ago(history.last_at, self._now)) if history else ""

    def _handed_over(self, gate: Demand, evidence: SessionEvidence) -> Forecast:
        tls = evidence.tls
        way = travelled(
            mode=self._order.effective_mode,
            requiretls=gate.requiretls,
            version=tls.version,
            proofs=tls.proofs,
            mx=self._facts.dnssec,
            reason=tls.reason,
        )
        return Forecast(
            way=way,
            sentence=telling.handed_over(gate, way.value),
            result=Result.DELIVERED,
            proofs=tls.proofs,
            reason=tls.reason,
            is_from_session=True,
        )

    def _without_address(self, host: HostFacts) -> Forecast:
        is_final = host.failure is DnsFailure.NO_ADDRESS and self._facts.is_implicit_mx
        if is_final:
            return Forecast(
                way=Way.NOT_SENT,
                sentence=f"{self._facts.domain} has no mail server.",
                result=Result.FAILED,
            )
        return Forecast(
            way=Way.UNKNOWN,
            sentence=f"DNS gives no address of {host.name} now. The copy waits and is tried again.",
            result=Result.DEFERRED,
        )


def _refused(refusal: Refusal, sentence: str, *, is_from_session: bool = False) -> Forecast:
    return Forecast(
        way=Way.NOT_SENT,
        sentence=sentence,
        stopped_by=refusal.stopped_by,
        result=refusal.outcome.result,
        reason=refusal.outcome.reason,
        is_from_session=is_from_session,
    )


def _untested(gate: Demand) -> Forecast:
    """Nobody has seen yet whether the host meets what is demanded."""
    insisted_on = gate.by in (Mechanism.DANE, Mechanism.MTA_STS) and bool(gate.accepts)
    way = Way.VERIFIED if insisted_on and not gate.requiretls else Way.UNKNOWN
    return Forecast(way=way, sentence=telling.untested(gate))
