"""The ledger of attempts, and the record of each domain that is derived from it.

Attempts are only added. The record is a fold over them, written in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from delivery import events, stored
from delivery.agent.job import AttemptReport, HostAttempt
from delivery.models import Attempt, DomainEvidence, Recipient, RecipientAttempt, Source
from delivery.policy.facts import (
    CertificateFacts,
    DomainFacts,
    Starttls,
    StsMode,
    proves_server,
)
from delivery.policy.modes import Mode
from delivery.policy.outcome import Outcome, Result
from delivery.policy.record import DomainRecord, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One attempt on its way into the ledger."""

    row: Attempt
    attempt: HostAttempt
    facts: DomainFacts


def add(
    *, reports: Sequence[AttemptReport], recipients: Mapping[int, Recipient], now: datetime
) -> None:
    """Add what deliveries showed."""
    entries: list[_Entry] = []
    for report in reports:
        message = recipients[report.job.recipients[0].key].message
        entries += [
            _Entry(
                row=_row(attempt, report.facts, report.job.order.effective_mode, message.owner_id),
                attempt=attempt,
                facts=report.facts,
            )
            for attempt in report.attempts
        ]
        for entry in entries[-len(report.attempts) :] if report.attempts else []:
            entry.row.message = message
    _write(entries)
    _link(entries, recipients)
    stored.keep_facts([report.facts for report in reports], now=now)


def add_probe(*, owner_id: int, facts: DomainFacts, attempts: Iterable[HostAttempt]) -> None:
    """Add what a "Check now" showed."""
    entries = [
        _Entry(row=_row(attempt, facts, Mode.DEFAULT, owner_id), attempt=attempt, facts=facts)
        for attempt in attempts
    ]
    for entry in entries:
        entry.row.source = Source.PROBE
        entry.row.outcome = "probed"
    _write(entries)


def _write(entries: list[_Entry]) -> None:
    Attempt.objects.bulk_create([entry.row for entry in entries])
    by_domain: dict[tuple[int, str], list[_Entry]] = defaultdict(list)
    for entry in entries:
        if entry.row.owner_id is not None:
            by_domain[entry.row.owner_id, entry.row.domain].append(entry)
    _fold(by_domain)


def _fold(by_domain: dict[tuple[int, str], list[_Entry]]) -> None:
    """Fold new attempts into the records of their accounts and domains."""
    owners, domains = {key[0] for key in by_domain}, {key[1] for key in by_domain}
    rows = {
        (row.owner_id, row.domain): row
        for row in DomainEvidence.objects.select_for_update().filter(
            owner__in=owners, domain__in=domains
        )
    }
    for (owner_id, domain), entries in sorted(by_domain.items()):
        row = rows.get((owner_id, domain))
        record = stored.record_from(row) if row else DomainRecord(domain=domain)
        for entry in sorted(entries, key=lambda one: one.attempt.started_at):
            record = record.after(observation(entry.attempt, entry.facts))
        DomainEvidence.objects.update_or_create(
            owner_id=owner_id, domain=domain, defaults=stored.columns_of(record)
        )
        events.publish(owner_id, events.DOMAIN_CHANGED, domain=domain)


def observation(attempt: HostAttempt, facts: DomainFacts) -> Observation:
    """Return what one attempt adds to a domain's record."""
    evidence = attempt.evidence
    return Observation(
        at=attempt.started_at,
        host=attempt.host,
        starttls=evidence.tls.starttls if evidence else Starttls.UNKNOWN,
        is_encrypted=evidence.tls.is_encrypted if evidence else False,
        offers_requiretls=evidence.offers_requiretls if evidence else False,
        is_proven=evidence is not None
        and proves_server(evidence.tls.proofs, facts.dnssec, evidence.tls.reason),
        reason=evidence.tls.reason if evidence else attempt.outcome.reason,
        stopped_by=attempt.stopped_by,
        delivered=any(one.outcome.result is Result.DELIVERED for one in attempt.results),
    )


def _row(attempt: HostAttempt, facts: DomainFacts, mode: Mode, owner_id: int | None) -> Attempt:
    tls = attempt.evidence.tls if attempt.evidence else None
    outcome = attempt.outcome
    return Attempt(
        owner_id=owner_id,
        at=attempt.started_at,
        duration_ms=attempt.duration_ms,
        domain=facts.domain,
        mode=mode,
        mx=attempt.host,
        address=attempt.address or None,
        starttls=tls.starttls if tls else Starttls.UNKNOWN,
        tls_version=tls.version if tls else "",
        cipher=tls.cipher if tls else "",
        verified_by=sorted(tls.proofs) if tls else [],
        certificate=_certificate(tls.certificate) if tls and tls.certificate else None,
        mta_sts_mode="" if facts.sts.mode is StsMode.ABSENT else facts.sts.mode,
        mta_sts_id=facts.sts.policy_id,
        dnssec=facts.dnssec,
        requiretls_offered=attempt.evidence.offers_requiretls if attempt.evidence else False,
        requiretls_used=attempt.requiretls_used,
        reason=(tls.reason if tls else outcome.reason) or outcome.reason,
        detail=(tls.detail if tls else "") or outcome.private or outcome.public,
        stopped_by=attempt.stopped_by,
        scope=outcome.scope,
        **_answer(outcome),
        transcript=attempt.transcript,
    )


def _answer(outcome: Outcome) -> dict[str, Any]:
    return {
        "outcome": outcome.result.value,
        "code": outcome.code,
        "enhanced": outcome.enhanced,
        "reply": outcome.last_reply,
    }


def _certificate(facts: CertificateFacts) -> dict[str, Any]:
    return {
        "subject": facts.subject,
        "issuer": facts.issuer,
        "names": list(facts.names),
        "not_after": facts.not_after.isoformat(),
        "fingerprint": facts.fingerprint,
    }


def _link(entries: list[_Entry], recipients: Mapping[int, Recipient]) -> None:
    """Tie every decided copy to the attempt that decided it, with its own answer."""
    RecipientAttempt.objects.bulk_create(
        RecipientAttempt(
            attempt=entry.row,
            recipient_id=result.key,
            scope=result.outcome.scope,
            **_answer(result.outcome),
        )
        for entry in entries
        for result in entry.attempt.results
        if result.key in recipients
    )
    decided = [
        (entry.row.pk, result.key)
        for entry in entries
        for result in entry.attempt.results
        if result.key in recipients
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE delivery_recipient SET last_attempt_id = %s WHERE id = %s", decided
        )
