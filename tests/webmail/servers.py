"""What an account knows about recipients' servers, stored as look-ups and sessions would store it."""

from __future__ import annotations

from datetime import datetime, timedelta

from accounts.models import User
from delivery import stored
from delivery.models import DomainEvidence, DomainLookup
from delivery.policy.facts import (
    ALL_PARTS,
    DnsFailure,
    Dnssec,
    DomainFacts,
    HostFacts,
    Part,
    StsFacts,
    StsMode,
    TlsaRecord,
    TlsaState,
)
from delivery.policy.record import DomainRecord, Mechanism, Seen, Track

RECORD = TlsaRecord(usage=3, selector=1, matching_type=1, data=b"x" * 32)


def looked_up(
    domain: str,
    *,
    now: datetime,
    has_dane: bool = False,
    failure: DnsFailure | None = None,
    parts: frozenset[Part] = ALL_PARTS,
) -> None:
    """Store a look-up that is good for a while."""
    dnssec = Dnssec.SECURE if has_dane else Dnssec.INSECURE
    host = HostFacts(
        name=f"mx.{domain}",
        preference=10,
        addresses=("127.0.0.9",),
        dnssec=dnssec,
        tlsa_state=TlsaState.USABLE if has_dane else TlsaState.ABSENT,
        tlsa=(RECORD,) if has_dane else (),
    )
    facts = DomainFacts(
        domain=domain,
        looked_up_at=now,
        dnssec=dnssec,
        hosts=() if failure else (host,),
        sts=StsFacts(mode=StsMode.ABSENT),
        failure=failure,
        parts=parts,
    )
    DomainLookup.objects.create(
        domain=domain,
        facts=stored.facts_json(facts),
        looked_up_at=now,
        started_at=now,
        expires_at=now + timedelta(hours=1),
    )


def seen(
    domain: str,
    *,
    owner: User,
    now: datetime,
    starttls: Seen = Seen.YES,
    requiretls: Seen = Seen.NO,
    stopped_by: Mechanism = Mechanism.NONE,
) -> None:
    """Store what three sessions showed, the last one yesterday."""
    at = now - timedelta(days=1)

    def track(state: Seen) -> Track:
        hits = 3 if state is Seen.YES else 0
        return Track(state=state, since=at, seen_at=at, hits=hits, sessions=3)

    record = DomainRecord(
        domain=domain,
        starttls=track(starttls),
        requiretls=track(requiretls),
        first_seen_at=at,
        last_seen_at=at,
        last_host=f"mx.{domain}",
        stopped_by=stopped_by,
        stopped_since=at if stopped_by else None,
        stops=3 if stopped_by else 0,
    )
    DomainEvidence.objects.create(owner=owner, domain=domain, **stored.columns_of(record))


def strong(domain: str, *, owner: User, now: datetime) -> None:
    """Make a domain that can take REQUIRETLS."""
    looked_up(domain, now=now, has_dane=True)
    seen(domain, owner=owner, now=now, requiretls=Seen.YES)


def plain(domain: str, *, owner: User, now: datetime) -> None:
    """Make a domain that never offered TLS."""
    looked_up(domain, now=now)
    seen(domain, owner=owner, now=now, starttls=Seen.NO)


def broken(domain: str, *, owner: User, now: datetime) -> None:
    """Make a domain whose servers fail its own DANE records."""
    looked_up(domain, now=now, has_dane=True)
    seen(domain, owner=owner, now=now, stopped_by=Mechanism.DANE)
