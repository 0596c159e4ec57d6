"""The five bars: what is known about a recipient's domain, one fact each, always in this order.

STARTTLS and REQUIRETLS come from sessions; MTA-STS, DNSSEC and DANE from look-ups, unless
sessions show that what is published does not work. *Not offered* and *offered but broken*
are never the same bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from delivery.policy.facts import (
    Dnssec,
    DomainFacts,
    HostFacts,
    Part,
    StsMode,
    TlsaState,
)
from delivery.policy.memory import FADES_AFTER, known, tls_history
from delivery.policy.mtasts import matches_any
from delivery.policy.reasons import Reason
from delivery.policy.recall import recall, settles
from delivery.policy.record import DomainRecord, Mechanism, Seen, Track
from delivery.policy.requirements import BY_DANE, BY_STS, Demand, Tls, judge


class BarKey(StrEnum):
    """Which fact; the order of the members is the order of the bars."""

    STARTTLS = "starttls"
    MTA_STS = "mta_sts"
    DNSSEC = "dnssec"
    DANE = "dane"
    REQUIRETLS = "requiretls"


class BarState(StrEnum):
    """What is known."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    FAILED = "failed"
    ERROR = "error"
    CHECKING = "checking"
    """Only while a look-up runs; never stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One fact with its evidence.

    `hits` of `sessions` showed it (for DANE: of hosts). `value` is what was found where yes and
    no say too little: a policy's id, its mode. `was_yes` with `NO` means that it was lost.
    """

    key: BarKey
    state: BarState
    since: datetime | None = None
    seen_at: datetime | None = None
    hits: int = 0
    sessions: int = 0
    reason: Reason = Reason.NONE
    host: str = ""
    value: str = ""
    detail: str = ""
    was_yes: bool = False
    is_old: bool = False
    remembered_at: datetime | None = None
    """STARTTLS: when TLS was last there, if that forbids plain text now."""


def bars_for(
    record: DomainRecord | None, facts: DomainFacts | None, now: datetime, *, checking: bool = False
) -> tuple[Bar, ...]:
    """Return the five bars. `checking` says that a look-up runs for what `facts` lacks."""
    record = record or DomainRecord(domain="")
    return (
        _from_track(BarKey.STARTTLS, record.starttls, record, now),
        _looked_up(BarKey.MTA_STS, Part.MTA_STS, facts, record, now, checking=checking),
        _looked_up(BarKey.DNSSEC, Part.MX, facts, record, now, checking=checking),
        _looked_up(BarKey.DANE, Part.DANE, facts, record, now, checking=checking),
        _from_track(BarKey.REQUIRETLS, record.requiretls, record, now),
    )


_STATES = {
    Seen.YES: BarState.YES,
    Seen.NO: BarState.NO,
    Seen.FAILED: BarState.FAILED,
    Seen.UNKNOWN: BarState.UNKNOWN,
}


def _from_track(key: BarKey, track: Track, record: DomainRecord, now: datetime) -> Bar:
    """A bar that sessions tell; what is older than half a year counts as unknown."""
    counted = known(track, now)
    has_memory = key is BarKey.STARTTLS and counted.state in (Seen.NO, Seen.FAILED)
    history = tls_history(record.domain, track, now) if has_memory else None
    return Bar(
        key=key,
        state=_STATES[counted.state],
        since=counted.since,
        seen_at=track.seen_at,
        hits=track.hits,
        sessions=track.sessions,
        reason=record.reason if counted.state is Seen.FAILED else Reason.NONE,
        host=record.last_host,
        was_yes=counted.was_yes,
        is_old=track.seen_at is not None and now - track.seen_at > FADES_AFTER,
        remembered_at=history.last_at if history else None,
    )


def _looked_up(
    key: BarKey,
    part: Part,
    facts: DomainFacts | None,
    record: DomainRecord,
    now: datetime,
    *,
    checking: bool,
) -> Bar:
    """A bar that look-ups tell, overruled by sessions that failed on what is published."""
    if facts is None or part not in facts.parts:
        return Bar(key=key, state=BarState.CHECKING if checking else BarState.UNKNOWN)
    bar = _READERS[key](facts)
    failed = _failed(key, facts, record, now) if bar.state is BarState.YES else None
    return failed or bar


_INSISTED_ON = {
    BarKey.DANE: Demand(
        tls=Tls.PROVEN, accepts=BY_DANE, allows_plain_text=False, by=Mechanism.DANE
    ),
    BarKey.MTA_STS: Demand(
        tls=Tls.PROVEN, accepts=BY_STS, allows_plain_text=False, by=Mechanism.MTA_STS
    ),
}


def _failed(key: BarKey, facts: DomainFacts, record: DomainRecord, now: datetime) -> Bar | None:
    """Return the bar of a policy that the last session with one of its hosts did not meet."""
    gate = _INSISTED_ON.get(key)
    if gate is None:
        return None
    for host in facts.hosts:
        last = next((one for one in record.latest if one.host == host.name), None)
        if record.latest and (last is None or not _is_covered(key, facts, host)):
            continue
        evidence = recall(record, facts, host, now)
        refusal = judge(gate, evidence) if evidence and settles(gate, evidence) else None
        if refusal is not None:
            stopped = record.stopped_by is gate.by
            seen_at = last.at if last else record.last_seen_at
            return Bar(
                key=key,
                state=BarState.FAILED,
                since=record.stopped_since if stopped else seen_at,
                seen_at=seen_at,
                sessions=record.stops if stopped else 1,
                reason=refusal.outcome.reason,
                host=host.name,
            )
    return None


def _is_covered(key: BarKey, facts: DomainFacts, host: HostFacts) -> bool:
    if key is BarKey.DANE:
        return host.tlsa_state is TlsaState.USABLE
    return matches_any(host.name, facts.sts.mx)


def _mta_sts(facts: DomainFacts) -> Bar:
    sts = facts.sts
    state = {StsMode.ENFORCE: BarState.YES, StsMode.ERROR: BarState.ERROR}.get(
        sts.mode, BarState.NO
    )
    named = [host for host in facts.hosts if matches_any(host.name, sts.mx)]
    mismatch = state is BarState.YES and bool(facts.hosts) and not named
    return Bar(
        key=BarKey.MTA_STS,
        state=BarState.FAILED if mismatch else state,
        seen_at=facts.looked_up_at,
        reason=Reason.VALIDATION_FAILURE if mismatch else sts.reason,
        host=facts.hosts[0].name if mismatch else "",
        value=sts.policy_id if sts.mode is StsMode.ENFORCE else sts.mode.value,
        detail=sts.detail,
    )


def _dnssec(facts: DomainFacts) -> Bar:
    state = {
        Dnssec.SECURE: BarState.YES,
        Dnssec.INSECURE: BarState.NO,
        Dnssec.BOGUS: BarState.FAILED,
        Dnssec.UNCHECKED: BarState.ERROR,
    }[facts.dnssec]
    return Bar(
        key=BarKey.DNSSEC,
        state=state,
        seen_at=facts.looked_up_at,
        reason=Reason.DNSSEC_INVALID if state is BarState.FAILED else Reason.NONE,
        value=facts.dnssec.value,
        detail=facts.detail,
    )


def _dane(facts: DomainFacts) -> Bar:
    """Yes needs every host (product rule): the worst host decides."""
    states = [host.tlsa_state for host in facts.hosts]
    usable = states.count(TlsaState.USABLE)
    if not states:
        unknown = facts.dnssec in (Dnssec.UNCHECKED, Dnssec.BOGUS)
        state = BarState.ERROR if unknown else BarState.NO
    elif TlsaState.ERROR in states:
        state = BarState.ERROR
    elif usable == len(states):
        state = BarState.YES
    elif TlsaState.UNUSABLE in states:
        state = BarState.FAILED
    elif facts.dnssec is Dnssec.UNCHECKED:
        state = BarState.ERROR
    else:
        state = BarState.NO
    faulty = state in (BarState.FAILED, BarState.ERROR) and bool(states)
    return Bar(
        key=BarKey.DANE,
        state=state,
        seen_at=facts.looked_up_at,
        hits=usable,
        sessions=len(states),
        reason=Reason.TLSA_INVALID if faulty and facts.dnssec is Dnssec.SECURE else Reason.NONE,
        host=next(
            (host.name for host in facts.hosts if host.tlsa_state is not TlsaState.USABLE), ""
        ),
        detail="; ".join(host.detail for host in facts.hosts if host.detail),
    )


_READERS = {BarKey.MTA_STS: _mta_sts, BarKey.DNSSEC: _dnssec, BarKey.DANE: _dane}
