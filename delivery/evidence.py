"""The ledger of attempts, and the record of each domain that is derived from it.

Attempts are only added. The record is a fold over them, written in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import uuid4

from delivery import bulk, events, stored
from delivery.agent.job import AttemptReport, HostAttempt
from delivery.copies import Copy
from delivery.models import Attempt, AttemptOutcome, DomainEvidence, RecipientAttempt, Source
from delivery.policy.facts import (
    CertificateFacts,
    DomainFacts,
    Proof,
    Starttls,
    StsMode,
    TlsEvidence,
    proves_server,
)
from delivery.policy.modes import Mode
from delivery.policy.outcome import Outcome, Result
from delivery.policy.record import DomainRecord, Observation
from delivery.policy.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One attempt on its way into the ledger."""

    pk: int
    owner_id: int | None
    message_id: int | None
    mode: Mode
    attempt: HostAttempt
    facts: DomainFacts
    domain: str
    signed_by: str = ""
    via: Transport | None = None

    @property
    def is_about_domain(self) -> bool:
        """Whether it says anything about the domain; a session with a relay does not."""
        return self.via is None or not self.via.stands_alone


def add(
    *, reports: Sequence[AttemptReport], copies: Mapping[int, Copy], now: datetime
) -> dict[int, int]:
    """Add what deliveries showed; return the attempt that decided about each copy."""
    keys = iter(bulk.reserve_keys(Attempt, sum(len(report.attempts) for report in reports)))
    entries = [
        _Entry(
            pk=next(keys),
            owner_id=copy.owner_id,
            message_id=copy.message_id,
            mode=report.job.order.effective_mode,
            attempt=attempt,
            facts=report.facts,
            domain=report.job.recipient_domain,
            signed_by=_signed_by(report, attempt),
            via=report.job.transport,
        )
        for report in reports
        for copy in [copies[report.job.recipients[0].key]]
        for attempt in report.attempts
    ]
    _write(entries, Source.DELIVERY)
    stored.keep_facts([one.facts for one in reports if one.job.is_about_domain], now=now)
    return _link(entries, copies)


def add_probe(*, owner_id: int, facts: DomainFacts, attempts: Sequence[HostAttempt]) -> None:
    """Add what a "Check now" showed."""
    keys = bulk.reserve_keys(Attempt, len(attempts))
    entries = [
        _Entry(
            pk=pk,
            owner_id=owner_id,
            message_id=None,
            mode=Mode.DEFAULT,
            attempt=attempt,
            facts=facts,
            domain=facts.domain,
        )
        for pk, attempt in zip(keys, attempts, strict=True)
    ]
    _write(entries, Source.PROBE)


def _write(entries: list[_Entry], source: Source) -> None:
    bulk.add(Attempt, [_row(entry, source) for entry in entries])
    by_domain: dict[tuple[int, str], list[_Entry]] = defaultdict(list)
    for entry in entries:
        if entry.owner_id is not None and entry.is_about_domain:
            by_domain[entry.owner_id, entry.domain].append(entry)
    _fold(by_domain)


def _fold(by_domain: dict[tuple[int, str], list[_Entry]]) -> None:
    """Fold new attempts into the records of their accounts and domains."""
    rows = _locked(by_domain)
    changed = []
    for (owner_id, domain), entries in sorted(by_domain.items()):
        entries.sort(key=lambda one: one.attempt.started_at)
        record = stored.record_from(rows[owner_id, domain]).after_all(
            observation(entry.attempt, entry.facts) for entry in entries
        )
        columns = stored.columns_of(record)
        changed.append(DomainEvidence(owner_id=owner_id, domain=domain, **columns))
    DomainEvidence.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["owner", "domain"],
        update_fields=list(stored.columns_of(DomainRecord(domain=""))),
    )
    for owner_id in {owner_id for owner_id, _ in by_domain}:
        events.publish_domains(
            owner_id, [domain for owner, domain in by_domain if owner == owner_id]
        )


def _locked(keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], DomainEvidence]:
    """Return the rows of these accounts and domains, made if need be, for nobody else to change."""
    rows = _found(keys)
    missing = sorted(set(keys) - set(rows))
    if missing:
        DomainEvidence.objects.bulk_create(
            (DomainEvidence(owner_id=owner, domain=domain) for owner, domain in missing),
            ignore_conflicts=True,
        )
        rows |= _found(missing)
    return rows


def _found(keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], DomainEvidence]:
    rows = DomainEvidence.objects.select_for_update(of=("self",)).filter(
        owner__in={key[0] for key in keys}, domain__in={key[1] for key in keys}
    )
    return {(row.owner_id, row.domain): row for row in rows.order_by("owner_id", "domain")}


def observation(attempt: HostAttempt, facts: DomainFacts) -> Observation:
    """Return what one attempt adds to a domain's record."""
    evidence = attempt.evidence
    return Observation(
        at=attempt.started_at,
        host=attempt.host,
        evidence=evidence,
        is_proven=evidence is not None
        and proves_server(evidence.tls.proofs, facts.dnssec, evidence.tls.reason),
        reason=evidence.tls.reason if evidence else attempt.outcome.reason,
        stopped_by=attempt.stopped_by,
        delivered=any(one.outcome.result is Result.DELIVERED for one in attempt.results),
    )


def _row(entry: _Entry, source: Source) -> dict[str, Any]:
    attempt, facts, outcome = entry.attempt, entry.facts, entry.attempt.outcome
    evidence, sts = attempt.evidence, attempt.sts or facts.sts
    tls = evidence.tls if evidence else _NOTHING_SHOWN
    row = {
        "id": entry.pk,
        "uuid": uuid4(),
        "owner_id": entry.owner_id,
        "message_id": entry.message_id,
        "source": source,
        "at": attempt.started_at,
        "duration_ms": attempt.duration_ms,
        "domain": entry.domain,
        "mode": entry.mode,
        "mx": attempt.host,
        "address": attempt.address or None,
        "starttls": tls.starttls,
        "tls_version": tls.version,
        "cipher": tls.cipher,
        "verified_by": _names(tls.proofs),
        "certificate": _certificate(tls.certificate) if tls.certificate else None,
        "mta_sts_mode": "" if sts.mode is StsMode.ABSENT else sts.mode,
        "mta_sts_id": sts.policy_id,
        "dnssec": facts.dnssec,
        "requiretls_offered": evidence.offers_requiretls if evidence else False,
        "requiretls_used": attempt.requiretls_used,
        "signed_by": entry.signed_by,
        "reason": tls.reason or outcome.reason,
        "detail": tls.detail or outcome.private or outcome.public,
        "stopped_by": attempt.stopped_by,
        "transcript": attempt.transcript,
        "transport": entry.via.name if entry.via else "",
        "transport_kind": entry.via.kind if entry.via else "",
        "mechanism": attempt.mechanism,
        **_answer(outcome),
    }
    return row if source is Source.DELIVERY else row | {"outcome": AttemptOutcome.PROBED}


def _signed_by(report: AttemptReport, attempt: HostAttempt) -> str:
    """Return the keys whose signatures were handed over in this session."""
    is_over = attempt.outcome.result is Result.DELIVERED
    return ", ".join(report.job.sign.keys)[:200] if report.job.sign and is_over else ""


_NOTHING_SHOWN = TlsEvidence(starttls=Starttls.UNKNOWN)


def _answer(outcome: Outcome) -> dict[str, Any]:
    return {
        "scope": outcome.scope,
        "outcome": outcome.result.value,
        "code": outcome.code,
        "enhanced": outcome.enhanced,
        "reply": outcome.last_reply,
    }


@cache
def _names(proofs: frozenset[Proof]) -> list[Proof]:
    """Return the same list for the same proofs; nobody may change it."""
    return sorted(proofs)


@lru_cache(maxsize=256)
def _certificate(facts: CertificateFacts) -> dict[str, Any]:
    """Return what is kept of a certificate: the same object each time, which nobody may change."""
    return {
        "subject": facts.subject,
        "issuer": facts.issuer,
        "names": list(facts.names),
        "not_after": facts.not_after.isoformat(),
        "fingerprint": facts.fingerprint,
    }


def _link(entries: list[_Entry], copies: Mapping[int, Copy]) -> dict[int, int]:
    """Tie every decided copy to the attempt that decided it, with its own answer."""
    decided = [
        (entry.pk, result)
        for entry in entries
        for result in entry.attempt.results
        if result.key in copies
    ]
    bulk.add(
        RecipientAttempt,
        [
            {"attempt_id": attempt, "recipient_id": result.key, **_answer(result.outcome)}
            for attempt, result in decided
        ],
    )
    return {result.key: attempt for attempt, result in decided}
