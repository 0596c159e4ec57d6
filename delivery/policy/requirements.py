"""What one MX host must show before it gets a copy, and whether a session showed it.

Two gates: `demand` before connecting, from the order and what DNS and HTTPS say; `judge`
after EHLO, from what the session showed. Both are used to send and to foresee sending, and
nothing else decides: refusals of TLS are temporary, for an attacker can cause every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from delivery.policy.facts import (
    Dnssec,
    DomainFacts,
    HostFacts,
    Proof,
    SessionEvidence,
    Starttls,
    StsMode,
    TlsaState,
)
from delivery.policy.memory import TlsHistory
from delivery.policy.modes import Mode, Order
from delivery.policy.mtasts import matches_any
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism

BY_DANE = frozenset({Proof.DANE_EE, Proof.DANE_TA})
BY_STS = frozenset({Proof.STS_PKIX})
BY_PKIX = frozenset({Proof.PKIX, Proof.STS_PKIX})


class Tls(IntEnum):
    """How much TLS a copy needs. A larger number is stricter."""

    MAY = 0
    ENCRYPTED = 1
    """TLS, to whoever answers."""

    PROVEN = 2
    """TLS, to a server that proved who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a session with one host must show for one order."""

    tls: Tls = Tls.MAY
    accepts: frozenset[Proof] = frozenset()
    """Any one of these proofs is enough; empty unless `tls` is `PROVEN`."""

    requiretls: bool = False
    allows_plain_text: bool = True
    by: Mechanism = Mechanism.NONE
    """Who asks for it: the recipient's DANE or MTA-STS, or (`tls`, `history`) a rule of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a host does not get the copy, and what stood in the way."""

    outcome: Outcome
    stopped_by: Mechanism


def demand(
    order: Order, facts: DomainFacts, host: HostFacts, history: TlsHistory | None = None
) -> Demand | Refusal:
    """Return what `host` must show to get a copy sent under `order`, or why it can't get it.

    `history` is what the account remembers of TLS with the domain (`tls_history`).

    RFC 8689 §3: "TLS-Required: No" sets every published policy aside, unless the sender
    pledged verified TLS for this recipient.
    """
    mode = order.effective_mode
    if mode is Mode.OPTIONAL:
        return Demand(allows_plain_text=order.allows_plain_text)
    published = _published(facts, host)
    if mode is Mode.REQUIRETLS:
        return _for_requiretls(published, facts, host)
    if isinstance(published, Refusal):
        return published
    if mode is Mode.VERIFIED and published.tls is not Tls.PROVEN:
        return _for_verified(order, facts, host)
    if published.tls is Tls.MAY and not order.allows_plain_text:
        return Demand(tls=Tls.ENCRYPTED, allows_plain_text=False, by=Mechanism.TLS)
    if published.tls is Tls.MAY and history is not None and not order.outweighs_history:
        return Demand(tls=Tls.ENCRYPTED, allows_plain_text=False, by=Mechanism.HISTORY)
    return published


def is_in_sts_policy(facts: DomainFacts, host: HostFacts) -> bool:
    """Return whether an enforced MTA-STS policy of the domain names `host`."""
    return facts.sts.mode is StsMode.ENFORCE and matches_any(host.name, facts.sts.mx)


def _published(facts: DomainFacts, host: HostFacts) -> Demand | Refusal:
    """Return what the recipient's own policies ask for; DANE comes first and is never rescued."""
    if host.tlsa_state is TlsaState.ERROR:
        # RFC 7672 §2.1.2: without an answer about TLSA the host must not be used.
        return _tlsa_unanswered(facts, host)
    if host.tlsa_state is TlsaState.USABLE:
        # RFC 8461 §2: MTA-STS must not override what DANE says.
        return Demand(tls=Tls.PROVEN, accepts=BY_DANE, allows_plain_text=False, by=Mechanism.DANE)
    if facts.sts.mode is StsMode.ENFORCE:
        if not is_in_sts_policy(facts, host):
            return _not_in_policy(facts, host)
        return Demand(tls=Tls.PROVEN, accepts=BY_STS, allows_plain_text=False, by=Mechanism.MTA_STS)
    if host.tlsa_state is TlsaState.UNUSABLE:
        # RFC 7672 §2.2: unusable records mean TLS without authentication.
        return Demand(tls=Tls.ENCRYPTED, allows_plain_text=False, by=Mechanism.DANE)
    return Demand()


def _for_requiretls(
    published: Demand | Refusal, facts: DomainFacts, host: HostFacts
) -> Demand | Refusal:
    """RFC 8689 §4.2.1: the MX must be proven by DANE or MTA-STS; nothing less will do."""
    if isinstance(published, Refusal):
        in_policy = published.stopped_by is not Mechanism.MTA_STS
        return published if in_policy else _cannot_require(facts, host)
    if published.tls is not Tls.PROVEN:
        return _cannot_require(facts, host)
    return Demand(
        tls=Tls.PROVEN,
        accepts=published.accepts,
        requiretls=True,
        allows_plain_text=False,
        by=published.by,
    )


def _for_verified(order: Order, facts: DomainFacts, host: HostFacts) -> Demand | Refusal:
    """Verified without a published policy: PKIX, if the MX name itself can be relied on."""
    if facts.dnssec is Dnssec.SECURE or order.sender.accepts_pkix:
        return Demand(tls=Tls.PROVEN, accepts=BY_PKIX, allows_plain_text=False, by=Mechanism.TLS)
    if facts.dnssec is Dnssec.UNCHECKED:
        return _refuse(
            Result.DEFERRED,
            "4.7.5",
            f"Our resolver does not check DNSSEC, so nothing proves that {host.name} is the right "
            f"server for {facts.domain}.",
            stopped_by=Mechanism.TLS,
        )
    if _policy_is_kept_from_us(facts):
        return _policy_unanswered(facts)
    return _refuse(
        Result.FAILED,
        "5.7.10",
        f"{facts.domain} publishes neither DANE nor an enforced MTA-STS policy, and its MX records "
        f"are not signed, so nothing proves that {host.name} is the right server.",
        stopped_by=Mechanism.TLS,
    )


def judge(
    demanded: Demand, evidence: SessionEvidence, history: TlsHistory | None = None
) -> Refusal | None:
    """Return why a session that has reached EHLO must not get the copy, or None if it may.

    `history` is what `demand` was given; it only adds to the words.
    """
    tls = evidence.tls
    if not tls.is_encrypted:
        if demanded.tls is Tls.MAY and demanded.allows_plain_text:
            return None
        return _without_tls(demanded, evidence, history)
    if demanded.tls is Tls.PROVEN and not demanded.accepts & tls.proofs:
        by_dane = demanded.by is Mechanism.DANE
        return _refuse(
            Result.DEFERRED,
            "4.7.5",
            f"The certificate of {evidence.host} does not prove who it is, which "
            f"{_asker(demanded)} asks for.",
            reason=(tls.dane_reason if by_dane else tls.pkix_reason) or Reason.VALIDATION_FAILURE,
            private=tls.detail,
            stopped_by=demanded.by,
        )
    if demanded.requiretls and not evidence.offers_requiretls:
        return _refuse(
            Result.FAILED,
            "5.7.30",
            f"{evidence.host} does not announce REQUIRETLS.",
            stopped_by=Mechanism.TLS,
        )
    return None


def _without_tls(
    demanded: Demand, evidence: SessionEvidence, history: TlsHistory | None
) -> Refusal:
    """No TLS where it is demanded: not announced, refused (whatever the code), or broken."""
    tls = evidence.tls
    handshake_broke = (
        tls.starttls is Starttls.FAILED and tls.reason is not Reason.STARTTLS_NOT_SUPPORTED
    )
    told = f"{evidence.host} did not bring up TLS, which {_asker(demanded)} asks for."
    if demanded.by is Mechanism.HISTORY and history is not None:
        told = (
            f"{history.told()}, and does not now. Someone in between may be hiding it, so the copy "
            "waits. Set it to TLS optional, and it goes in plain text."
        )
    return _refuse(
        Result.DEFERRED,
        "4.7.5" if handshake_broke else "4.7.10",
        told,
        reason=tls.reason or Reason.STARTTLS_NOT_SUPPORTED,
        private=tls.detail,
        stopped_by=demanded.by,
    )


def _asker(demanded: Demand) -> str:
    """Name who insists, for a sentence."""
    return {
        Mechanism.DANE: "the domain's DANE record",
        Mechanism.MTA_STS: "the domain's MTA-STS policy",
        Mechanism.ROUTE: "the rule for this way out",
    }.get(demanded.by, "the sender")


def _tlsa_unanswered(facts: DomainFacts, host: HostFacts) -> Refusal:
    bogus = host.dnssec is Dnssec.BOGUS
    return _refuse(
        Result.DEFERRED,
        "4.7.5",
        f"DNS gave no answer about the TLSA records of {host.name}, so {facts.domain} can't be "
        f"reached safely now.",
        reason=Reason.DNSSEC_INVALID if bogus else Reason.TLSA_INVALID,
        private=host.detail,
        stopped_by=Mechanism.DANE,
    )


def _not_in_policy(facts: DomainFacts, host: HostFacts) -> Refusal:
    return _refuse(
        Result.DEFERRED,
        "4.7.5",
        f"{host.name} is not one of the servers that the MTA-STS policy of {facts.domain} names.",
        reason=Reason.VALIDATION_FAILURE,
        private="mta-sts mx mismatch",
        stopped_by=Mechanism.MTA_STS,
    )


def _cannot_require(facts: DomainFacts, host: HostFacts) -> Refusal:
    if _policy_is_kept_from_us(facts):
        return _policy_unanswered(facts)
    return _refuse(
        Result.FAILED,
        "5.7.30",
        f"REQUIRETLS needs a DANE record or an enforced MTA-STS policy that names {host.name}, and "
        f"{facts.domain} publishes none.",
        stopped_by=Mechanism.TLS,
    )


def _policy_is_kept_from_us(facts: DomainFacts) -> bool:
    """Return whether there may be a policy that could not be had; one with mistakes is none."""
    sts = facts.sts
    return sts.mode is StsMode.ERROR and sts.reason is not Reason.STS_POLICY_INVALID


def _policy_unanswered(facts: DomainFacts) -> Refusal:
    """Put off what needs a policy: whoever holds one up must not make the copy fail for good."""
    return _refuse(
        Result.DEFERRED,
        "4.7.5",
        f"Whether {facts.domain} enforces an MTA-STS policy can't be learnt now, and without one "
        f"or a DANE record nothing proves that a server is the right one.",
        reason=facts.sts.reason,
        private=facts.sts.detail,
        stopped_by=Mechanism.TLS,
    )


def _refuse(
    result: Result,
    enhanced: str,
    public: str,
    *,
    stopped_by: Mechanism,
    reason: Reason = Reason.NONE,
    private: str = "",
) -> Refusal:
    """Build the refusal of one host; a permanent one counts only if every host gives one."""
    outcome = Outcome(
        result=result,
        scope=Scope.HOST,
        code=554 if result is Result.FAILED else 454,
        enhanced=enhanced,
        public=public,
        private=private,
        reason=reason,
    )
    return Refusal(outcome=outcome, stopped_by=stopped_by)
