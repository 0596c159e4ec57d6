"""Each mail server of a domain, step by step, as the last session with it showed.

What was not tried says why. A missing option is quiet; only what broke is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.dashboard import clock
from delivery.models import Attempt
from delivery.policy.facts import Dnssec, DomainFacts, HostFacts, Proof, Starttls, TlsaState
from delivery.policy.reasons import Reason
from delivery.policy.verdict import Way
from delivery.policy.words import REASONS
from delivery.selectors import way_of

STAGES = ("DNS", "Connect", "Greeting", "STARTTLS", "Handshake", "Proof", "REQUIRETLS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step with one server. `kind` is yes, bad, warn, no or skip; each has its own sign."""

    kind: str
    word: str
    note: str = ""

    @property
    def icon(self) -> str:
        """The sign that carries the kind without its colour."""
        return {"yes": "check", "bad": "fail", "warn": "clock", "no": "dash"}.get(self.kind, "skip")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRow:
    """One server."""

    host: str
    note: str
    when: str
    stages: tuple[Stage, ...]


def matrix(
    facts: DomainFacts | None, attempts: Sequence[Attempt], now: datetime
) -> tuple[ServerRow, ...]:
    """Return a row for each server DNS names now, then for those that only attempts know.

    `attempts` are newest first; the first one of each host counts. A relay is none of its servers.
    """
    latest: dict[str, Attempt] = {}
    for attempt in attempts:
        if attempt.mx and not attempt.is_first_hop:
            latest.setdefault(attempt.mx, attempt)
    known = {host.name: host for host in facts.hosts} if facts else {}
    names = [*known, *(name for name in latest if name not in known)]
    return tuple(_server(name, known.get(name), latest.get(name), now) for name in names)


def _server(name: str, host: HostFacts | None, attempt: Attempt | None, now: datetime) -> ServerRow:
    address = attempt.address if attempt and attempt.address else ""
    address = address or (host.addresses[0] if host and host.addresses else "")
    preference = f"preference {host.preference}" if host else "not named by DNS now"
    return ServerRow(
        host=name,
        note=", ".join(part for part in (address, preference) if part),
        when=clock.full(attempt.at, now) if attempt else "",
        stages=(_dns(host), *_session(host, attempt)),
    )


def _dns(host: HostFacts | None) -> Stage:
    if host is None:
        return Stage(kind="skip", word="Not looked up")
    if host.failure is not None:
        return Stage(kind="warn", word="No answer", note=host.failure.value)
    return {
        Dnssec.SECURE: Stage(kind="yes", word="Signed"),
        Dnssec.INSECURE: Stage(kind="no", word="Unsigned"),
        Dnssec.BOGUS: Stage(kind="bad", word="Bad signature"),
        Dnssec.UNCHECKED: Stage(kind="skip", word="Not checked"),
    }[host.dnssec]


def _session(host: HostFacts | None, attempt: Attempt | None) -> tuple[Stage, ...]:
    if attempt is None:
        untried = Stage(kind="skip", word="Not tested", note="no session yet")
        return (untried,) * 6
    if attempt.starttls == Starttls.UNKNOWN:
        return _without_ehlo(attempt)
    return (
        Stage(kind="yes", word="Open"),
        Stage(kind="yes", word="ESMTP"),
        _starttls(attempt),
        _handshake(attempt),
        _proof(host, attempt),
        _requiretls(attempt),
    )


def _without_ehlo(attempt: Attempt) -> tuple[Stage, ...]:
    """A session that ended before EHLO was answered: no connection, or a refusal at the door."""
    if attempt.transcript and attempt.code:
        refused = Stage(kind="warn", word="Refused", note=str(attempt.code))
        after = Stage(kind="skip", word="Not tested", note="no greeting")
        return (Stage(kind="yes", word="Open"), refused, *(after,) * 4)
    took = f"{attempt.duration_ms / 1000:.0f} s" if attempt.duration_ms >= 1000 else ""
    after = Stage(kind="skip", word="Not tested", note="no connection")
    return (Stage(kind="warn", word="No answer", note=took), *(after,) * 5)


def _starttls(attempt: Attempt) -> Stage:
    if attempt.starttls == Starttls.NOT_OFFERED:
        return Stage(kind="no", word="Not offered")
    return Stage(kind="yes", word="Offered")


def _handshake(attempt: Attempt) -> Stage:
    if attempt.starttls == Starttls.NOT_OFFERED:
        return Stage(kind="skip", word="Not tested", note="no STARTTLS")
    if not attempt.tls_version:
        return Stage(kind="bad", word="Broke", note=attempt.detail)
    version = attempt.tls_version.replace("TLSv", "TLS ")
    return Stage(kind="yes", word=version)


_PROOFS = {
    Proof.DANE_EE: "DANE-EE",
    Proof.DANE_TA: "DANE-TA",
    Proof.STS_PKIX: "MTA-STS",
    Proof.PKIX: "Certificate",
}


def _proof(host: HostFacts | None, attempt: Attempt) -> Stage:
    """What proved the server. Nothing is quiet, unless the domain promised otherwise."""
    if not attempt.tls_version:
        return Stage(kind="skip", word="Not tested", note="no TLS")
    proofs = [_PROOFS[Proof(proof)] for proof in attempt.verified_by]
    promises_dane = host is not None and host.tlsa_state is TlsaState.USABLE
    if promises_dane and not {"DANE-EE", "DANE-TA"} & set(proofs):
        return Stage(kind="bad", word="No match", note="TLSA record and certificate differ")
    if way_of(attempt) in (Way.VERIFIED, Way.REQUIRETLS):
        return Stage(kind="yes", word=proofs[0] if proofs else "Yes", note=", ".join(proofs[1:]))
    if attempt.stopped_by:
        return Stage(kind="bad", word="Failed", note=_reason(attempt))
    if proofs:
        return Stage(kind="no", word=proofs[0], note="but the name came over unsigned DNS")
    return Stage(kind="no", word="None", note=_reason(attempt))


def _requiretls(attempt: Attempt) -> Stage:
    if not attempt.tls_version:
        return Stage(kind="skip", word="Not tested", note="no TLS")
    if attempt.requiretls_offered:
        return Stage(kind="yes", word="Announced")
    return Stage(kind="no", word="Not announced")


def _reason(attempt: Attempt) -> str:
    reason = Reason(attempt.reason)
    said = attempt.detail if reason is Reason.VALIDATION_FAILURE else REASONS[reason]
    return said.rstrip(".")
