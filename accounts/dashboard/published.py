"""What a domain publishes about its mail servers, as it was last looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.dashboard import clock
from delivery.models import Attempt, StsPolicy
from delivery.policy.facts import Dnssec, DomainFacts, HostFacts, Part, Proof, StsMode, TlsaState
from delivery.policy.words import REASONS, day


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One thing that is published, or not: a tag of one word, a sentence, and the bytes."""

    name: str
    tag: str
    kind: str = ""
    """yes, warn, bad or nothing."""

    text: str = ""
    when: str = ""
    records: tuple[str, ...] = ()
    body: str = ""


def published(
    domain: str,
    facts: DomainFacts | None,
    policy: StsPolicy | None,
    attempts: Sequence[Attempt],
    now: datetime,
) -> tuple[Policy, ...]:
    """Return what was looked up, in the order of the bars; nothing before the first look-up."""
    if facts is None:
        return ()
    when = f"looked up {clock.within(facts.looked_up_at, now)}"
    found = [_mta_sts(domain, facts, policy, now)] if Part.MTA_STS in facts.parts else []
    if Part.MX in facts.parts:
        found.append(_dnssec(facts, when))
    if Part.DANE in facts.parts:
        found += _tlsa(facts.hosts, attempts, when)
    return tuple(found)


def _mta_sts(domain: str, facts: DomainFacts, policy: StsPolicy | None, now: datetime) -> Policy:
    sts, when = facts.sts, f"looked up {clock.within(facts.looked_up_at, now)}"
    if sts.mode is StsMode.ABSENT:
        return Policy(name="MTA-STS", tag="None", text="No policy is published.", when=when)
    if sts.mode is StsMode.ERROR:
        text = " ".join(part for part in (REASONS[sts.reason], sts.detail) if part)
        return Policy(name="MTA-STS", tag="No answer", kind="warn", text=text, when=when)
    tag, kind, text = _MODES[sts.mode]
    until = f", good until {day(sts.expires_at, now)}" if sts.expires_at else ""
    return Policy(
        name="MTA-STS",
        tag=tag,
        kind=kind,
        text=text,
        when=f"policy {sts.policy_id}, {when}{until}",
        records=tuple(f"mx: {name}" for name in sts.mx),
        body=policy.text if policy else "",
    )


_MODES = {
    StsMode.ENFORCE: ("Enforced", "yes", "Mail goes only to the servers it names:"),
    StsMode.TESTING: ("Testing", "", "Failures are reported, mail goes on. It names:"),
    StsMode.NONE: ("Given up", "", "The policy says that there is none any more."),
}
_DNSSEC = {
    Dnssec.SECURE: ("Valid", "yes", "The MX answer is signed, aliases included."),
    Dnssec.INSECURE: ("Unsigned", "", "The MX answer is not signed."),
    Dnssec.BOGUS: ("Broken", "bad", "The signatures do not check out."),
    Dnssec.UNCHECKED: ("Not checked", "warn", "The resolver used here does not check DNSSEC."),
}


def _dnssec(facts: DomainFacts, when: str) -> Policy:
    tag, kind, text = _DNSSEC[facts.dnssec]
    if facts.detail:
        text = f"{text} {facts.detail}"
    return Policy(name="DNSSEC", tag=tag, kind=kind, text=text, when=when)


def _tlsa(hosts: Sequence[HostFacts], attempts: Sequence[Attempt], when: str) -> list[Policy]:
    """Return what each host has; those that have the same are told together."""
    alike: dict[tuple[str, str, TlsaState, tuple[str, ...]], list[str]] = {}
    for host in hosts:
        records = tuple(str(record) for record in host.tlsa)
        key = (*_judged(host, attempts), host.tlsa_state, records)
        alike.setdefault(key, []).append(host.name)
    return [
        Policy(
            name="TLSA",
            tag=tag,
            kind=kind,
            text=f"{_TEXTS[state]} {_joined(names)}{':' if records else '.'}",
            when=when,
            records=tuple(_shortened(record) for record in records),
            body="\n".join(records),
        )
        for (tag, kind, state, records), names in alike.items()
    ]


def _judged(host: HostFacts, attempts: Sequence[Attempt]) -> tuple[str, str]:
    """Return tag and kind: what the last session over TLS made of usable records."""
    seen = next((one for one in attempts if one.mx == host.name and one.tls_version), None)
    if host.tlsa_state is TlsaState.USABLE and seen is not None:
        matched = {Proof.DANE_EE, Proof.DANE_TA} & set(seen.verified_by)
        return ("Matches", "yes") if matched else ("No match", "bad")
    return _TLSA[host.tlsa_state]


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _shortened(record: str) -> str:
    """Return a record with the middle of its data left out."""
    head, _, data = record.rpartition(" ")
    return f"{head} {data[:8]}…{data[-8:]}" if len(data) > 20 else record


_TLSA = {
    TlsaState.USABLE: ("Published", ""),
    TlsaState.UNUSABLE: ("Can’t be used", "bad"),
    TlsaState.ABSENT: ("None", ""),
    TlsaState.ERROR: ("No answer", "warn"),
    TlsaState.UNCHECKED: ("Not asked", ""),
}
_TEXTS = {
    TlsaState.USABLE: "For",
    TlsaState.UNUSABLE: "None of a kind that mail can use, for",
    TlsaState.ABSENT: "No record for",
    TlsaState.ERROR: "The look-up got no answer, so mail does not go to",
    TlsaState.UNCHECKED: "Without DNSSEC a record would prove nothing about",
}
