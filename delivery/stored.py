"""How the pure values of delivery.policy are kept in rows and read back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from delivery import published
from delivery.models import DomainEvidence, DomainLookup
from delivery.policy.facts import (
    DnsFailure,
    Dnssec,
    DomainFacts,
    HostFacts,
    Part,
    Proof,
    Starttls,
    StsFacts,
    StsMode,
    TlsaRecord,
    TlsaState,
)
from delivery.policy.reasons import Reason
from delivery.policy.record import DomainRecord, LastSession, Mechanism, Seen, Track

GOOD_FOR = timedelta(minutes=10)
BAD_FOR = timedelta(minutes=1)
"""How long facts are shown without asking again: shorter if the look-up failed."""

TRACKS = ("starttls", "proven", "requiretls")
PLAIN_FIELDS = tuple(
    field.name for field in fields(DomainRecord) if field.name not in (*TRACKS, "domain", "latest")
)


def record_from(row: DomainEvidence) -> DomainRecord:
    """Return the record that a row of evidence holds."""
    values: dict[str, Any] = {name: getattr(row, name) for name in PLAIN_FIELDS}
    values |= {name: _track_from(row, name) for name in TRACKS}
    values |= {"stopped_by": Mechanism(row.stopped_by), "reason": Reason(row.reason)}
    values["latest"] = tuple(session_from(one) for one in row.latest)
    return DomainRecord(domain=row.domain, **values)


def _track_from(row: DomainEvidence, name: str) -> Track:
    return Track(
        state=Seen(getattr(row, f"{name}_state")),
        since=getattr(row, f"{name}_since"),
        seen_at=getattr(row, f"{name}_seen_at"),
        hits=getattr(row, f"{name}_hits"),
        sessions=getattr(row, f"{name}_sessions"),
        was_yes=getattr(row, f"{name}_was_yes"),
        yes_at=getattr(row, f"{name}_yes_at"),
    )


def session_from(stored: dict[str, Any]) -> LastSession:
    """Return the session that `session_json` kept."""
    return LastSession(
        host=stored["host"],
        at=datetime.fromisoformat(stored["at"]),
        starttls=Starttls(stored["starttls"]),
        version=stored["version"],
        proofs=frozenset(Proof(proof) for proof in stored["proofs"]),
        reason=Reason(stored["reason"]),
        pkix_reason=Reason(stored["pkix_reason"]),
        dane_reason=Reason(stored["dane_reason"]),
        offers_requiretls=stored["requiretls"],
    )


def session_json(session: LastSession) -> dict[str, Any]:
    """Return a session as it is kept."""
    return {
        "host": session.host,
        "at": session.at.isoformat(),
        "starttls": session.starttls,
        "version": session.version,
        "proofs": sorted(session.proofs),
        "reason": session.reason,
        "pkix_reason": session.pkix_reason,
        "dane_reason": session.dane_reason,
        "requiretls": session.offers_requiretls,
    }


def columns_of(record: DomainRecord) -> dict[str, Any]:
    """Return the columns of a row of evidence that hold `record`."""
    columns: dict[str, Any] = {name: getattr(record, name) for name in PLAIN_FIELDS}
    for name in TRACKS:
        track: Track = getattr(record, name)
        for field in fields(Track):
            columns[f"{name}_{field.name}"] = getattr(track, field.name)
    columns["latest"] = [session_json(session) for session in record.latest]
    return columns


def facts_json(facts: DomainFacts) -> dict[str, Any]:
    """Return `facts` as JSON that `facts_from` reads back."""
    return {
        "domain": facts.domain,
        "looked_up_at": facts.looked_up_at.isoformat(),
        "dnssec": facts.dnssec,
        "hosts": [_host_json(host) for host in facts.hosts],
        "sts": {
            "mode": facts.sts.mode,
            "id": facts.sts.policy_id,
            "mx": list(facts.sts.mx),
            "reason": facts.sts.reason,
            "detail": facts.sts.detail,
            "expires_at": facts.sts.expires_at.isoformat() if facts.sts.expires_at else None,
        },
        "failure": facts.failure,
        "detail": facts.detail,
        "is_implicit_mx": facts.is_implicit_mx,
        "parts": sorted(facts.parts),
    }


def _host_json(host: HostFacts) -> dict[str, Any]:
    return {
        "name": host.name,
        "preference": host.preference,
        "addresses": list(host.addresses),
        "dnssec": host.dnssec,
        "tlsa_state": host.tlsa_state,
        "tlsa": [
            [record.usage, record.selector, record.matching_type, record.data.hex()]
            for record in host.tlsa
        ],
        "tlsa_names": list(host.tlsa_names),
        "failure": host.failure,
        "detail": host.detail,
    }


def facts_from(stored: dict[str, Any]) -> DomainFacts | None:
    """Return the facts a look-up stored, or None if there are none yet."""
    if not stored:
        return None
    sts = stored["sts"]
    return DomainFacts(
        domain=stored["domain"],
        looked_up_at=datetime.fromisoformat(stored["looked_up_at"]),
        dnssec=Dnssec(stored["dnssec"]),
        hosts=tuple(_host_from(host) for host in stored["hosts"]),
        sts=StsFacts(
            mode=StsMode(sts["mode"]),
            policy_id=sts["id"],
            mx=tuple(sts["mx"]),
            reason=Reason(sts["reason"]),
            detail=sts["detail"],
            expires_at=datetime.fromisoformat(sts["expires_at"]) if sts["expires_at"] else None,
        ),
        failure=DnsFailure(stored["failure"]) if stored["failure"] else None,
        detail=stored["detail"],
        is_implicit_mx=stored["is_implicit_mx"],
        parts=frozenset(Part(part) for part in stored["parts"]),
    )


def _host_from(stored: dict[str, Any]) -> HostFacts:
    return HostFacts(
        name=stored["name"],
        preference=stored["preference"],
        addresses=tuple(stored["addresses"]),
        dnssec=Dnssec(stored["dnssec"]),
        tlsa_state=TlsaState(stored["tlsa_state"]),
        tlsa=tuple(
            TlsaRecord(usage=usage, selector=selector, matching_type=kind, data=bytes.fromhex(data))
            for usage, selector, kind, data in stored["tlsa"]
        ),
        tlsa_names=tuple(stored["tlsa_names"]),
        failure=DnsFailure(stored["failure"]) if stored["failure"] else None,
        detail=stored["detail"],
    )


def keep_facts(facts: Iterable[DomainFacts], *, now: datetime) -> None:
    """Keep the latest facts of each domain; what is incomplete or failed is asked again sooner."""
    latest = {one.domain: one for one in facts}
    published.note_facts(latest.values(), now=now)
    DomainLookup.objects.bulk_create(
        [_lookup(one, now) for one in latest.values()],
        update_conflicts=True,
        unique_fields=["domain"],
        update_fields=["facts", "started_at", "looked_up_at", "expires_at"],
    )


def _lookup(facts: DomainFacts, now: datetime) -> DomainLookup:
    good = GOOD_FOR if facts.failure is None else BAD_FOR
    return DomainLookup(
        domain=facts.domain,
        facts=facts_json(facts),
        started_at=now,
        looked_up_at=facts.looked_up_at,
        expires_at=now + good if facts.is_complete else None,
    )
