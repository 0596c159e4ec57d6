"""Messages in the queue, and reports as the agent makes them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from accounts.models import User
from delivery import claims, ledger, services
from delivery.agent.job import AttemptReport, HostAttempt, Job, RecipientResult
from delivery.copies import Copy
from delivery.models import OutboundMessage
from delivery.policy.facts import (
    DomainFacts,
    HostFacts,
    Proof,
    SessionEvidence,
    Starttls,
    TlsEvidence,
)
from delivery.policy.modes import Mode, SenderPolicy
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from delivery.policy.reporting import Reporting
from delivery.shares import FOR_ALL, Room

CONTENT = b"From: alice@mailweb.test\r\nSubject: Hello\r\n\r\nHello.\r\n"
ACCEPTED = Outcome(
    result=Result.DELIVERED, scope=Scope.RECIPIENT, code=250, enhanced="2.0.0", reply="250 2.0.0 ok"
)
LATER = Outcome(
    result=Result.DEFERRED,
    scope=Scope.RECIPIENT,
    code=451,
    enhanced="4.7.1",
    reply="451 4.7.1 later",
)
REFUSED = Outcome(
    result=Result.FAILED,
    scope=Scope.RECIPIENT,
    code=550,
    enhanced="5.1.1",
    reply="550-5.1.1 no\n550 5.1.1 such user",
)


def queued(
    *addresses: str,
    owner: User | None,
    now: datetime,
    mode: Mode = Mode.DEFAULT,
    release_at: datetime | None = None,
    undo_until: datetime | None = None,
    lifetime_hours: int | None = None,
    reporting: Reporting = services.NOTHING_SAID,
) -> OutboundMessage:
    """Submit a small message."""
    return services.submit(
        owner=owner,
        mail_from="alice@mailweb.test",
        recipients=[
            services.NewRecipient(address=address, mode=mode)
            for address in addresses or ("friend@x.test",)
        ],
        content=CONTENT,
        subject="Hello",
        sender_policy=SenderPolicy(lifetime_hours=lifetime_hours),
        now=now,
        release_at=release_at,
        undo_until=undo_until,
        reporting=reporting,
    )


def claimed(
    now: datetime, limit: int = 100, lease_seconds: int = 60, room: Room = FOR_ALL
) -> claims.Claim:
    """Claim what is due."""
    return claims.claim(
        limit=limit,
        lease=uuid.uuid4(),
        now=now,
        lease_until=now + timedelta(seconds=lease_seconds),
        room=room,
    )


def held(claim: claims.Claim) -> dict[int, Copy]:
    """Return the copies of a claim by their key."""
    return {one.pk: one for one in claim.copies}


def settled(claim: claims.Claim, outcome: Outcome, now: datetime) -> None:
    """Settle every copy of a claim with one outcome."""
    results = [RecipientResult(key=one.pk, outcome=outcome) for one in claim.copies]
    ledger.settle(copies=held(claim), results=results, now=now, jitter=0.0)


def report(
    job: Job,
    now: datetime,
    *,
    outcome: Outcome = ACCEPTED,
    starttls: Starttls = Starttls.OFFERED,
    requiretls: bool = False,
    proofs: frozenset[Proof] = frozenset(),
    stopped_by: Mechanism = Mechanism.NONE,
    reason: Reason = Reason.NONE,
    host: str = "",
) -> AttemptReport:
    """Return what one session with the domain's only host showed."""
    results = tuple(RecipientResult(key=one.key, outcome=outcome) for one in job.recipients)
    mx = host or f"mx.{job.domain}"
    tls = TlsEvidence(
        starttls=starttls,
        version="TLSv1.3" if starttls is Starttls.OFFERED else "",
        cipher="TLS_AES_256_GCM_SHA384" if starttls is Starttls.OFFERED else "",
        proofs=proofs,
        reason=reason,
    )
    attempt = HostAttempt(
        host=mx,
        address="127.0.0.9",
        started_at=now,
        duration_ms=12,
        evidence=SessionEvidence(host=mx, tls=tls, offers_requiretls=requiretls),
        requiretls_used=job.order.mode is Mode.REQUIRETLS,
        stopped_by=stopped_by,
        outcome=outcome,
        results=results,
        transcript="EHLO mail.mailweb.test",
    )
    facts = DomainFacts(
        domain=job.domain, looked_up_at=now, hosts=(HostFacts(name=mx, preference=10),)
    )
    return AttemptReport(job=job, facts=facts, attempts=(attempt,), results=results)
