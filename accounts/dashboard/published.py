"""What a domain publishes about its mail servers, as it was last looked up, and what it did before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.dashboard import clock
from accounts.dashboard.earlier import MOST_EARLIER, History, servers, told
from delivery.models import Attempt, PublishedPolicy, StsPolicy
from delivery.policy.dates import day
from delivery.policy.facts import (
    Dnssec,
    DomainFacts,
    HostFacts,
    Part,
    Proof,
    StsFacts,
    StsMode,
    TlsaState,
)
from delivery.policy.mtasts import SHORT_MAX_AGE
from delivery.policy.published import PolicyKind, PublishedMode
from delivery.policy.words import REASONS

NOTHING = History()
_NAMES = {PolicyKind.MTA_STS: "MTA-STS", PolicyKind.TLSA: "TLSA"}


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
    facts: DomainFacts | None,
    policy: StsPolicy | None,
    attempts: Sequence[Attempt],
    now: datetime,
    history: History = NOTHING,
) -> tuple[Policy, ...]:
    """Return what was looked up, in the order of the bars; nothing before the first look-up."""
    if facts is None:
        return ()
    when = f"looked up {clock.within(facts.looked_up_at, now)}"
    found = [_mta_sts(facts, policy, now, history)] if Part.MTA_STS in facts.parts else []
    if Part.MX in facts.parts:
        found.append(_dnssec(facts, when))
    if Part.DANE in facts.parts:
        found += _tlsa(facts.hosts, attempts, history, now, when)
    return tuple(found)


def earlier(history: History, now: datetime) -> tuple[Policy, ...]:
    """Return what is published no more, the latest first; hosts that had the same are told together."""
    alike: dict[tuple[str, str, str, str], list[PublishedPolicy]] = {}
    for row in history.ended():
        tag = "Replaced" if history.is_replaced(row) else "Withdrawn"
        alike.setdefault((row.kind, tag, row.content, history.period(row, now)), []).append(row)
    return tuple(
        Policy(
            name=_NAMES[PolicyKind(kind)],
            tag=tag,
            text=_told_of(rows),
            when=period,
            records=tuple(map(_shortened, content.splitlines())) if rows[0].host else (),
            body=content,
        )
        for (kind, tag, content, period), rows in list(alike.items())[:MOST_EARLIER]
    )


def _told_of(rows: Sequence[PublishedPolicy]) -> str:
    hosts = [row.host for row in rows if row.host]
    words = told(rows[0])
    return f"For {_joined(hosts)}: {words}" if hosts else f"{words[0].upper()}{words[1:]}"


def _mta_sts(
    facts: DomainFacts, policy: StsPolicy | None, now: datetime, history: History
) -> Policy:
    sts, when = facts.sts, f"looked up {clock.within(facts.looked_up_at, now)}"
    if sts.mode is StsMode.ABSENT:
        return Policy(name="MTA-STS", tag="None", text="No policy is published.", when=when)
    if sts.mode is StsMode.ERROR:
        known = history.last_known(PolicyKind.MTA_STS, now)
        text = " ".join(part for part in (REASONS[sts.reason], sts.detail, known) if part)
        return Policy(name="MTA-STS", tag="No answer", kind="warn", text=text, when=when)
    tag, kind, text = _MODES[sts.mode]
    since = history.mode_since(PolicyKind.MTA_STS, PublishedMode(sts.mode.value), now)
    weaker = history.weakened(now)
    notes = [
        _only_held(sts, now),
        f"It was enforced until {weaker}." if weaker else "",
        _short_life(policy, sts.mode),
    ]
    dates = [
        f"policy {sts.policy_id}",
        f"{_IN_FORCE[sts.mode]} {since}" if since else "",
        f"{servers(len(sts.mx))} named" if sts.mx else "",
        when,
        f"good until {day(sts.expires_at, now)}" if sts.expires_at else "",
    ]
    return Policy(
        name="MTA-STS",
        tag=tag,
        kind="warn" if any(notes) else kind,
        text=" ".join(filter(None, (*notes, text))),
        when=", ".join(filter(None, dates)),
        records=tuple(f"mx: {name}" for name in sts.mx),
        body=policy.text if policy else "",
    )


def _only_held(sts: StsFacts, now: datetime) -> str:
    """Say so if the policy is one that we hold, and the domain can't be heard about it now."""
    if not sts.reason and not sts.detail:
        return ""
    why = REASONS[sts.reason] or "The domain announces no policy any more."
    until = f" It is good until {day(sts.expires_at, now)}." if sts.expires_at else ""
    return f"{why} What counts is the copy that we hold.{until}"


def _short_life(policy: StsPolicy | None, mode: StsMode) -> str:
    """Say so if the policy ends before a day is over: holding up one fetch is then enough."""
    if policy is None or policy.mode != mode:
        return ""
    lasts = policy.expires_at - policy.fetched_at
    if lasts >= SHORT_MAX_AGE:
        return ""
    hours = lasts // timedelta(hours=1)
    told_for = clock.counted(hours, "hour") if hours else "minutes"
    return f"It lasts for {told_for} only, so it protects little."


_IN_FORCE = {StsMode.ENFORCE: "enforced", StsMode.TESTING: "in testing", StsMode.NONE: "given up"}
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


def _tlsa(
    hosts: Sequence[HostFacts],
    attempts: Sequence[Attempt],
    history: History,
    now: datetime,
    when: str,
) -> list[Policy]:
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
            when=", ".join(
                filter(None, (history.hosts_since(names, now) if records else "", when))
            ),
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
