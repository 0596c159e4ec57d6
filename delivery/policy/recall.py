"""What the last session with a host would show the gates, if it took place under today's facts.

A session is remembered with what its certificate proved, and facts change: a policy that names the
host turns the same trusted certificate into the proof that MTA-STS asks for, and a proof by DANE
counts only while TLSA records are published.
"""

from __future__ import annotations

from datetime import datetime

from delivery.policy.facts import (
    DomainFacts,
    HostFacts,
    Proof,
    SessionEvidence,
    Starttls,
    TlsaState,
    TlsEvidence,
)
from delivery.policy.memory import FORGOTTEN_AFTER, known
from delivery.policy.reasons import Reason
from delivery.policy.record import DomainRecord, LastSession, Mechanism, Seen
from delivery.policy.requirements import (
    BY_DANE,
    BY_PKIX,
    Demand,
    Tls,
    is_in_sts_policy,
)


def recall(
    record: DomainRecord, facts: DomainFacts, host: HostFacts, now: datetime
) -> SessionEvidence | None:
    """Return what the last session with `host` showed, read under `facts`.

    A host that was never spoken to is taken to be like the one of the domain that was spoken to
    last. None if there was no session, or none that is young enough to count.
    """
    latest = [one for one in record.latest if now - one.at <= FORGOTTEN_AFTER]
    own = [one for one in latest if one.host == host.name]
    last = next(iter(own or latest), None) or _from_tracks(record, now)
    return _under(facts, host, last) if last else None


def settles(demanded: Demand, evidence: SessionEvidence) -> bool:
    """Return whether `evidence` says anything about the proof that is demanded.

    A certificate that was never compared with the records that are published now neither
    meets nor fails them.
    """
    if demanded.tls is not Tls.PROVEN or not evidence.tls.is_encrypted:
        return True
    by_dane = demanded.by is Mechanism.DANE
    against = evidence.tls.dane_reason if by_dane else evidence.tls.pkix_reason
    return bool(demanded.accepts & evidence.tls.proofs) or against is not Reason.NONE


def _under(facts: DomainFacts, host: HostFacts, last: LastSession) -> SessionEvidence:
    has_tlsa = host.tlsa_state in (TlsaState.USABLE, TlsaState.UNUSABLE)
    proofs = last.proofs & BY_DANE if has_tlsa else frozenset()
    if last.proofs & BY_PKIX:
        proofs |= {Proof.STS_PKIX if is_in_sts_policy(facts, host) else Proof.PKIX}
    dane_reason = last.dane_reason if has_tlsa else Reason.NONE
    certified = dane_reason if has_tlsa else last.pkix_reason
    return SessionEvidence(
        host=host.name,
        tls=TlsEvidence(
            starttls=last.starttls,
            version=last.version,
            proofs=proofs,
            reason=certified if last.version else last.reason,
            pkix_reason=last.pkix_reason,
            dane_reason=dane_reason,
        ),
        offers_requiretls=last.offers_requiretls,
    )


_STARTTLS = {
    Seen.YES: Starttls.OFFERED,
    Seen.NO: Starttls.NOT_OFFERED,
    Seen.FAILED: Starttls.FAILED,
}


def _from_tracks(record: DomainRecord, now: datetime) -> LastSession | None:
    """Return the session that the tracks tell of, for records older than `latest`."""
    starttls = known(record.starttls, now)
    if starttls.state is Seen.UNKNOWN or starttls.seen_at is None:
        return None
    is_encrypted = starttls.state is Seen.YES
    against = record.reason or Reason.VALIDATION_FAILURE
    by_pkix = record.stopped_by in (Mechanism.MTA_STS, Mechanism.TLS)
    return LastSession(
        host=record.last_host,
        at=starttls.seen_at,
        starttls=_STARTTLS[starttls.state],
        version="TLS" if is_encrypted else "",
        proofs=BY_PKIX if known(record.proven, now).state is Seen.YES else frozenset(),
        reason=record.reason,
        pkix_reason=against if by_pkix else Reason.NONE,
        dane_reason=against if record.stopped_by is Mechanism.DANE else Reason.NONE,
        offers_requiretls=known(record.requiretls, now).state is Seen.YES,
    )
