"""What a relay must show before it gets a copy, and what can be foreseen of it.

Nothing here speaks of the recipient's domain: where the relay sends the copy on to, and how, is
not known. So REQUIRETLS goes by what the relay announces and promises (RFC 8689 §4.2.1), *verified*
can't be kept at all and waits, and what was remembered of TLS with the domain does not come into it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from delivery.policy import verdict
from delivery.policy.facts import (
    DomainFacts,
    HostFacts,
    Proof,
    SessionEvidence,
    TlsaState,
    TlsEvidence,
)
from delivery.policy.memory import FORGOTTEN_AFTER
from delivery.policy.modes import Mode, Order
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.reasons import Reason
from delivery.policy.record import DomainRecord, LastSession, Mechanism
from delivery.policy.requirements import BY_DANE, BY_PKIX, Demand, Refusal, Tls, judge
from delivery.policy.transport import Kind, TlsRule, Transport
from delivery.policy.verdict import Forecast, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What the route of a copy leads to, where that is not its recipient's own server.

    `last` is what the last session with a relay showed.
    """

    transport: Transport
    last: LastSession | None = None

    @property
    def told(self) -> str:
        """What people are told beside the facts about the recipient's own servers."""
        if self.transport.barred is not None:
            return self.transport.barred.public
        if self.transport.kind is Kind.FAIL:
            return "An operator lets no mail leave for it."
        return f"Mail for it goes {through(self.transport)}. {UNKNOWN_AFTER}"


_LEVELS = {TlsRule.VERIFIED: Tls.PROVEN, TlsRule.ENCRYPTED: Tls.ENCRYPTED, TlsRule.MAY: Tls.MAY}


def demand(order: Order, transport: Transport, host: HostFacts) -> Demand | Refusal:
    """Return what the relay `host` must show to get a copy sent under `order`, or why it can't."""
    mode = order.effective_mode
    if mode is Mode.VERIFIED:
        return _refuse("4.7.10", _cannot_verify(transport))
    requiretls = mode is Mode.REQUIRETLS
    tls = Tls.PROVEN if requiretls else _LEVELS[transport.rule()]
    if not order.allows_plain_text:
        tls = max(tls, Tls.ENCRYPTED)
    if tls is Tls.PROVEN and host.tlsa_state is TlsaState.ERROR:
        # RFC 7672 §2.1.2: no answer is not the answer "none".
        told = f"DNS gave no answer about the TLSA records of {host.name}."
        return _refuse("4.7.5", told, reason=Reason.TLSA_INVALID, private=host.detail)
    if tls is Tls.MAY:
        return Demand()
    return Demand(
        tls=tls,
        accepts=_accepted(host) if tls is Tls.PROVEN else frozenset(),
        requiretls=requiretls,
        allows_plain_text=False,
        by=Mechanism.ROUTE,
    )


def _accepted(host: HostFacts) -> frozenset[Proof]:
    return BY_DANE if host.tlsa_state is TlsaState.USABLE else BY_PKIX


def travelled(*, requiretls: bool, version: str) -> Way:
    """Return how a copy travels that a relay took; after it, only REQUIRETLS is a promise."""
    if requiretls:
        return Way.REQUIRETLS
    return Way.UNKNOWN if version else Way.PLAIN


def foresee_by(
    ahead: Ahead | None,
    order: Order,
    facts: DomainFacts | None,
    record: DomainRecord | None,
    now: datetime,
) -> Forecast:
    """Return how a copy would travel: by what is `ahead`, or else to the recipient's own server."""
    if ahead is not None:
        return foresee(order, ahead.transport, ahead.last, now)
    return verdict.foresee(order, facts, record, now)


def foresee(
    order: Order, transport: Transport, last: LastSession | None, now: datetime
) -> Forecast:
    """Return how a copy would travel by this transport, by what its last session showed."""
    if transport.barred is not None:
        return _not_sent(transport.barred)
    if transport.kind is Kind.FAIL:
        return _not_sent(transport.refusal or Outcome(result=Result.FAILED, scope=Scope.TRANSPORT))
    host = HostFacts(name=transport.hosts[0] if transport.hosts else "", preference=0)
    gate = demand(order, transport, host)
    if isinstance(gate, Refusal):
        return _not_sent(gate.outcome, gate.stopped_by)
    if last is None or now - last.at > FORGOTTEN_AFTER:
        return Forecast(way=Way.UNKNOWN, sentence=f"It goes {through(transport)}. {UNKNOWN_AFTER}")
    evidence = _recalled(last)
    if gate.tls is Tls.PROVEN and last.proofs:
        gate = replace(gate, accepts=BY_DANE | BY_PKIX)
    refusal = judge(gate, evidence)
    if refusal is not None:
        return _not_sent(refusal.outcome, refusal.stopped_by, is_from_session=True)
    way = travelled(requiretls=gate.requiretls, version=last.version)
    return Forecast(
        way=way,
        sentence=_sentence(way, transport, last, is_proven=bool(last.proofs)),
        result=Result.DELIVERED,
        proofs=last.proofs,
        reason=last.reason,
        is_from_session=True,
    )


UNKNOWN_AFTER = "What happens after it is not known here."


def through(transport: Transport) -> str:
    """Return "through the relay smtp.example", for sentences."""
    return f"through the relay {transport.hosts[0] if transport.hosts else transport.name}"


def _sentence(way: Way, transport: Transport, last: LastSession, *, is_proven: bool) -> str:
    if way is Way.REQUIRETLS:
        return f"It goes {through(transport)}, which must pass it on over verified TLS only."
    if not last.version:
        return f"It goes {through(transport)} in plain text. {UNKNOWN_AFTER}"
    verified = "verified TLS" if is_proven else "TLS that is not verified"
    return f"It goes over {verified} {through(transport)}. {UNKNOWN_AFTER}"


def _cannot_verify(transport: Transport) -> str:
    return (
        f"The copy would go {through(transport)}, and nothing there proves over which TLS it "
        "reaches the recipient's own server. It waits, because Verified asks for that."
    )


def _recalled(last: LastSession) -> SessionEvidence:
    return SessionEvidence(
        host=last.host,
        tls=TlsEvidence(
            starttls=last.starttls,
            version=last.version,
            proofs=last.proofs,
            reason=last.reason,
            pkix_reason=last.pkix_reason,
            dane_reason=last.dane_reason,
        ),
        offers_requiretls=last.offers_requiretls,
    )


def _not_sent(
    outcome: Outcome, stopped_by: Mechanism = Mechanism.NONE, *, is_from_session: bool = False
) -> Forecast:
    return Forecast(
        way=Way.NOT_SENT,
        sentence=outcome.public,
        stopped_by=stopped_by,
        result=outcome.result,
        reason=outcome.reason,
        is_from_session=is_from_session,
    )


def _refuse(
    enhanced: str, public: str, *, reason: Reason = Reason.NONE, private: str = ""
) -> Refusal:
    outcome = Outcome(
        result=Result.DEFERRED,
        scope=Scope.HOST,
        code=454,
        enhanced=enhanced,
        public=public,
        private=private,
        reason=reason,
    )
    return Refusal(outcome=outcome, stopped_by=Mechanism.ROUTE)
