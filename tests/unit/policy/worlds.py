"""Facts and records as policy tests need them, built by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from delivery.policy.facts import (
    Dnssec,
    DomainFacts,
    HostFacts,
    Proof,
    SessionEvidence,
    Starttls,
    StsFacts,
    StsMode,
    TlsaRecord,
    TlsaState,
    TlsEvidence,
)
from delivery.policy.reasons import Reason
from delivery.policy.record import DomainRecord, Mechanism, Observation
from delivery.policy.requirements import BY_PKIX

NOW = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
RECORD = TlsaRecord(usage=3, selector=1, matching_type=1, data=bytes(32))
NO_POLICY = StsFacts(mode=StsMode.ABSENT)
ENFORCE = StsFacts(mode=StsMode.ENFORCE, policy_id="20260514", mx=("mx.x.test",))


def host(tlsa: TlsaState = TlsaState.ABSENT, name: str = "mx.x.test") -> HostFacts:
    return HostFacts(
        name=name,
        preference=10,
        addresses=("127.0.0.9",),
        dnssec=Dnssec.SECURE,
        tlsa_state=tlsa,
        tlsa=(RECORD,) if tlsa is TlsaState.USABLE else (),
    )


def facts(
    *hosts: HostFacts,
    dnssec: Dnssec = Dnssec.SECURE,
    sts: StsFacts = NO_POLICY,
) -> DomainFacts:
    return DomainFacts(
        domain="x.test", looked_up_at=NOW, dnssec=dnssec, hosts=hosts or (host(),), sts=sts
    )


DANE = facts(host(TlsaState.USABLE))
STS = facts(sts=ENFORCE)
BARE = facts()


def seen(
    *,
    days_ago: float = 1,
    host: str = "mx.x.test",
    starttls: Starttls = Starttls.OFFERED,
    requiretls: bool = False,
    is_proven: bool = False,
    proofs: frozenset[Proof] = frozenset(),
    pkix_reason: Reason = Reason.NONE,
    dane_reason: Reason = Reason.NONE,
    stopped_by: Mechanism = Mechanism.NONE,
    delivered: bool = True,
) -> Observation:
    """One session: unless more is said, TLS with a certificate that nobody vouches for."""
    if is_proven and not proofs:
        proofs = frozenset({Proof.PKIX, Proof.DANE_EE})
    if not proofs & BY_PKIX:
        pkix_reason = pkix_reason or Reason.CERTIFICATE_NOT_TRUSTED
    if stopped_by is Mechanism.DANE:
        dane_reason = dane_reason or Reason.VALIDATION_FAILURE
    has_tls = starttls is Starttls.OFFERED
    tls = TlsEvidence(
        starttls=starttls,
        version="TLSv1.3" if has_tls else "",
        proofs=proofs if has_tls else frozenset(),
        reason=_REASONS.get(starttls, dane_reason),
        pkix_reason=pkix_reason,
        dane_reason=dane_reason,
    )
    shown = SessionEvidence(host=host, tls=tls, offers_requiretls=requiretls)
    return Observation(
        at=NOW - timedelta(days=days_ago),
        host=host,
        evidence=None if starttls is Starttls.UNKNOWN else shown,
        is_proven=is_proven,
        reason=tls.reason,
        stopped_by=stopped_by,
        delivered=delivered and stopped_by is Mechanism.NONE,
    )


_REASONS = {
    Starttls.NOT_OFFERED: Reason.STARTTLS_NOT_SUPPORTED,
    Starttls.FAILED: Reason.VALIDATION_FAILURE,
}


def record(*observations: Observation) -> DomainRecord:
    known = DomainRecord(domain="x.test")
    for observation in observations:
        known = known.after(observation)
    return known


def session(
    *,
    version: str = "TLSv1.3",
    proofs: frozenset[Proof] = frozenset(),
    requiretls: bool = False,
    starttls: Starttls = Starttls.OFFERED,
) -> SessionEvidence:
    return SessionEvidence(
        host="mx.x.test",
        tls=TlsEvidence(starttls=starttls, version=version, proofs=proofs),
        offers_requiretls=requiretls,
    )
