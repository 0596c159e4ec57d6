"""What an account's attempts say about a domain, folded into one value.

A record is derived: folding the same attempts in the same order gives the same record, so
it can be rebuilt from the ledger at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from delivery.policy.facts import Proof, SessionEvidence, Starttls
from delivery.policy.reasons import Reason

MOST_HOSTS = 10
"""How many hosts of a domain are kept with their last session, the most recent ones."""


class Seen(StrEnum):
    """What the last session showed about one feature."""

    YES = "yes"
    NO = "no"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Mechanism(StrEnum):
    """Which policy stopped a delivery: one that the recipient publishes, or one of ours."""

    NONE = ""
    DANE = "dane"
    MTA_STS = "mta_sts"
    TLS = "tls"
    """Not a policy of the recipient's: the handshake itself, under a rule of the sender's."""

    HISTORY = "history"
    """TLS was there before, and nobody allowed plain text since (`memory.py`)."""

    ROUTE = "route"
    """The operator's rule about a relay (`first_hop.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One feature over time: what it is now, since when, and how often it was seen."""

    state: Seen = Seen.UNKNOWN
    since: datetime | None = None
    seen_at: datetime | None = None
    hits: int = 0
    sessions: int = 0
    was_yes: bool = False
    """Whether it was `yes` at any time before it became what it is now."""

    yes_at: datetime | None = None
    """When it was last `yes`; later sessions that showed something else leave it alone."""

    def after(self, state: Seen, at: datetime, times: int = 1) -> Track:
        """Return the track once so many more sessions showed `state`, the last of them at `at`."""
        changed = state is not self.state
        return Track(
            state=state,
            since=at if changed else self.since,
            seen_at=at,
            hits=self.hits + times * (state is Seen.YES),
            sessions=self.sessions + times,
            was_yes=self.was_yes or (changed and self.state is Seen.YES),
            yes_at=max(at, self.yes_at or at) if state is Seen.YES else self.yes_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSession:
    """What the latest session with one host showed, as far as the gates ask for it."""

    host: str
    at: datetime
    starttls: Starttls
    version: str = ""
    proofs: frozenset[Proof] = frozenset()
    reason: Reason = Reason.NONE
    pkix_reason: Reason = Reason.NONE
    dane_reason: Reason = Reason.NONE
    offers_requiretls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one attempt adds to a record."""

    at: datetime
    host: str
    evidence: SessionEvidence | None
    """None if no EHLO was answered."""

    is_proven: bool = False
    """Whether what the server showed ties it to the domain (`proves_server`)."""

    reason: Reason = Reason.NONE
    stopped_by: Mechanism = Mechanism.NONE
    """Set when TLS or a policy about it kept the message from being handed over."""

    delivered: bool = False

    def repeats(self, other: Observation) -> bool:
        """Whether it shows what `other` showed, later, and nothing was stopped."""
        return (
            self.stopped_by is other.stopped_by is Mechanism.NONE
            and self.evidence == other.evidence
            and (self.host, self.is_proven, self.reason, self.delivered)
            == (other.host, other.is_proven, other.reason, other.delivered)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRecord:
    """Everything known from attempts about one domain, as one account saw it."""

    domain: str
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    last_host: str = ""
    starttls: Track = Track()
    proven: Track = Track()
    """Whether encrypted sessions proved who answered."""

    requiretls: Track = Track()
    last_delivered_at: datetime | None = None
    deliveries: int = 0
    verified_deliveries: int = 0
    stopped_by: Mechanism = Mechanism.NONE
    """The policy that stops mail now: set by a failure, cleared by a delivery."""

    stopped_since: datetime | None = None
    stops: int = 0
    reason: Reason = Reason.NONE
    latest: tuple[LastSession, ...] = ()
    """The last session with each host, the newest first."""

    def after(self, seen: Observation, times: int = 1) -> DomainRecord:
        """Return the record once `seen` is added to it, so many times in a row."""
        return _with_result(_with_session(self, seen, times), seen, times)

    def after_all(self, observations: Iterable[Observation]) -> DomainRecord:
        """Return the record once all are added in their order; repetitions cost next to nothing."""
        record = self
        for first, last, more in _runs(observations):
            record = record.after(first)
            record = record.after(last, more) if more else record
        return record


def _runs(
    observations: Iterable[Observation],
) -> Iterator[tuple[Observation, Observation, int]]:
    """Yield the first and the last of each run of repetitions, and how many follow the first."""
    run: tuple[Observation, Observation, int] | None = None
    for seen in observations:
        if run is not None and seen.repeats(run[0]):
            run = (run[0], seen, run[2] + 1)
            continue
        if run is not None:
            yield run
        run = (seen, seen, 0)
    if run is not None:
        yield run


_STARTTLS = {
    Starttls.OFFERED: Seen.YES,
    Starttls.NOT_OFFERED: Seen.NO,
    Starttls.FAILED: Seen.FAILED,
}


def _with_session(record: DomainRecord, seen: Observation, times: int) -> DomainRecord:
    """Add what the session showed; one that never got an EHLO answer shows nothing."""
    if seen.evidence is None:
        return record
    tls = seen.evidence.tls
    if tls.is_encrypted and record.stopped_by is Mechanism.HISTORY:
        record = _unstopped(record)  # What mail waited for is there again.
    requiretls, proven = record.requiretls, record.proven
    if tls.starttls is not Starttls.FAILED:
        offers = Seen.YES if seen.evidence.offers_requiretls else Seen.NO
        requiretls = requiretls.after(offers, seen.at, times)
    if tls.is_encrypted:
        proven = proven.after(Seen.YES if seen.is_proven else Seen.NO, seen.at, times)
    return replace(
        record,
        first_seen_at=record.first_seen_at or seen.at,
        last_seen_at=seen.at,
        last_host=seen.host,
        starttls=record.starttls.after(_STARTTLS[tls.starttls], seen.at, times),
        proven=proven,
        requiretls=requiretls,
        reason=seen.reason,
        latest=_with_latest(record.latest, seen.evidence, seen.host, seen.at),
    )


def last_session(evidence: SessionEvidence, host: str, at: datetime) -> LastSession:
    """Return what is kept of a session."""
    tls = evidence.tls
    return LastSession(
        host=host,
        at=at,
        starttls=tls.starttls,
        version=tls.version,
        proofs=tls.proofs,
        reason=tls.reason,
        pkix_reason=tls.pkix_reason,
        dane_reason=tls.dane_reason,
        offers_requiretls=evidence.offers_requiretls,
    )


def _with_latest(
    latest: tuple[LastSession, ...], evidence: SessionEvidence, host: str, at: datetime
) -> tuple[LastSession, ...]:
    newest = last_session(evidence, host, at)
    by_host = {one.host: one for one in sorted((*latest, newest), key=lambda one: one.at)}
    return tuple(sorted(by_host.values(), key=lambda one: one.at, reverse=True)[:MOST_HOSTS])


def _with_result(record: DomainRecord, seen: Observation, times: int) -> DomainRecord:
    """Add how the attempt ended: a delivery clears what stopped mail before it."""
    if seen.delivered:
        return replace(
            _unstopped(record),
            last_delivered_at=seen.at,
            deliveries=record.deliveries + times,
            verified_deliveries=record.verified_deliveries + times * seen.is_proven,
        )
    if seen.stopped_by is Mechanism.NONE:
        return record
    return replace(
        record,
        stopped_by=seen.stopped_by,
        stopped_since=record.stopped_since or seen.at,
        stops=record.stops + times,
        reason=seen.reason,
    )


def _unstopped(record: DomainRecord) -> DomainRecord:
    return replace(record, stopped_by=Mechanism.NONE, stopped_since=None, stops=0)
