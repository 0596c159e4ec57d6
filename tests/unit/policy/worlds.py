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
from delivery.policy.record import DomainRecord, Mechanism, Observation

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
    starttls: Starttls = Starttls.OFFERED,
    requiretls: bool = False,
    is_proven: bool = False,
    stopped_by: Mechanism = Mechanism.NONE,
    delivered: bool = True,
) -> Observation:
    return Observation(
        at=NOW - timedelta(days=days_ago),
        host="mx.x.test",
        starttls=starttls,
        is_encrypted=starttls is Starttls.OFFERED,
        offers_requiretls=requiretls,
        is_proven=is_proven,
        stopped_by=stopped_by,
        delivered=delivered and stopped_by is Mechanism.NONE,
    )


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
