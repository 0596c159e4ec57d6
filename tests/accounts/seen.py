"""Sessions that tests start from: an attempt in the ledger, folded into the domain's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from delivery import stored
from delivery.models import (
    Attempt,
    DomainEvidence,
    DomainLookup,
    OutboundMessage,
    Recipient,
    RecipientAttempt,
    Source,
    State,
)
from delivery.policy.facts import (
    Dnssec,
    DomainFacts,
    HostFacts,
    Proof,
    SessionEvidence,
    Starttls,
    StsFacts,
    StsMode,
    TlsEvidence,
    proves_server,
)
from delivery.policy.modes import Mode
from delivery.policy.reasons import Reason
from delivery.policy.record import DomainRecord, Mechanism, Observation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from accounts.models import User


def make_session(
    owner: User,
    domain: str,
    at: datetime,
    *,
    starttls: Starttls = Starttls.OFFERED,
    proofs: Sequence[Proof] = (),
    requiretls: bool = False,
    outcome: str = "delivered",
    stopped_by: Mechanism = Mechanism.NONE,
    reason: Reason = Reason.NONE,
    mx: str = "",
    fingerprint: str = "aa",
    dnssec: Dnssec = Dnssec.INSECURE,
    mode: Mode = Mode.DEFAULT,
    transcript: str = "",
    reply: str = "250 2.0.0 Ok",
) -> Attempt:
    """Add one session with `domain`; unless it is a probe, it was about one copy."""
    has_tls = starttls is Starttls.OFFERED
    host = mx or f"mx.{domain}"
    attempt = Attempt.objects.create(
        owner=owner,
        message=None if outcome == "probed" else _message(owner, at),
        source=Source.PROBE if outcome == "probed" else Source.DELIVERY,
        at=at,
        domain=domain,
        mx=host,
        dnssec=dnssec,
        mode=mode,
        starttls=starttls,
        tls_version="TLSv1.3" if has_tls else "",
        verified_by=list(proofs),
        requiretls_offered=requiretls,
        requiretls_used=requiretls and outcome == "delivered",
        certificate={
            "fingerprint": fingerprint,
            "issuer": "Test CA",
            "not_after": "2027-02-01T00:00:00+00:00",
        }
        if has_tls
        else None,
        stopped_by=stopped_by,
        reason=reason,
        code=250 if outcome == "delivered" else None,
        reply=reply,
        outcome=outcome,
        transcript=transcript,
    )
    if attempt.message:
        _copy(attempt, attempt.message)
    _fold(attempt)
    return attempt


def _message(owner: User, at: datetime) -> OutboundMessage:
    return OutboundMessage.objects.create(
        owner=owner, subject="Lease", size_bytes=1, queued_at=at, expires_at=at
    )


def _copy(attempt: Attempt, message: OutboundMessage) -> None:
    is_done = attempt.outcome in ("delivered", "failed")
    copy = Recipient.objects.create(
        message=message,
        address=f"dave@{attempt.domain}",
        domain=attempt.domain,
        state=attempt.outcome if is_done else State.WAITING,
        settled_at=attempt.at if is_done else None,
        next_attempt_at=None if is_done else attempt.at,
        last_attempt=attempt,
    )
    RecipientAttempt.objects.create(attempt=attempt, recipient=copy, outcome=attempt.outcome)


def _fold(attempt: Attempt) -> None:
    row = DomainEvidence.objects.filter(owner=attempt.owner, domain=attempt.domain).first()
    record = stored.record_from(row) if row else DomainRecord(domain=attempt.domain)
    record = record.after(
        Observation(
            at=attempt.at,
            host=attempt.mx,
            evidence=_evidence(attempt) if attempt.starttls else None,
            is_proven=proves_server(
                frozenset(Proof(proof) for proof in attempt.verified_by),
                Dnssec(attempt.dnssec),
                Reason(attempt.reason),
            ),
            reason=Reason(attempt.reason),
            stopped_by=Mechanism(attempt.stopped_by),
            delivered=attempt.outcome == "delivered",
        )
    )
    DomainEvidence.objects.update_or_create(
        owner=attempt.owner, domain=attempt.domain, defaults=stored.columns_of(record)
    )


def _evidence(attempt: Attempt) -> SessionEvidence:
    return SessionEvidence(
        host=attempt.mx,
        tls=TlsEvidence(
            starttls=Starttls(attempt.starttls),
            version=attempt.tls_version,
            proofs=frozenset(Proof(proof) for proof in attempt.verified_by),
            reason=Reason(attempt.reason),
            dane_reason=Reason(attempt.reason),
        ),
        offers_requiretls=attempt.requiretls_offered,
    )


def make_facts(
    domain: str,
    at: datetime,
    *hosts: HostFacts,
    dnssec: Dnssec = Dnssec.INSECURE,
    sts: StsFacts | None = None,
) -> DomainFacts:
    """Store what a look-up of `domain` found; one plain host unless others are given."""
    facts = DomainFacts(
        domain=domain,
        looked_up_at=at,
        dnssec=dnssec,
        hosts=hosts or (HostFacts(name=f"mx.{domain}", preference=10, dnssec=dnssec),),
        sts=sts or StsFacts(mode=StsMode.ABSENT),
    )
    DomainLookup.objects.create(
        domain=domain,
        facts=stored.facts_json(facts),
        started_at=at,
        looked_up_at=at,
        expires_at=at,
    )
    return facts
