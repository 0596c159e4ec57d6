"""The history of what domains published: MTA-STS policies and TLSA records, as texts with dates.

A policy is noted when it is fetched, which is rare. TLSA records come with every look-up and so
with every batch of mail; where nothing changed, that costs one query for all domains of the
batch. Nothing here is ever removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from delivery.agent.policy_fetch import StoredPolicy
from delivery.models import DomainLookup, PublishedPolicy
from delivery.policy.facts import Dnssec, DomainFacts, HostFacts, Part, StsMode, TlsaState
from delivery.policy.published import PolicyKind, PublishedMode

MOST_HOSTS_COMPARED = 20
"""A domain with more hosts shows others each time, so one that is missing says nothing."""

Key = tuple[str, PolicyKind, str]
"""Domain, kind, and the host whose TLSA records it is about."""


Text = tuple[PublishedMode, str]


@dataclass(slots=True)
class _Seen:
    """What look-ups found: texts by key, and keys under which there is nothing any more."""

    texts: dict[Key, Text] = field(default_factory=dict)
    missing: set[Key] = field(default_factory=set)


def note_policy(policy: StoredPolicy) -> None:
    """Note an MTA-STS policy that was just fetched."""
    key = (policy.domain, PolicyKind.MTA_STS, "")
    row = PublishedPolicy.objects.filter(domain=policy.domain, kind=key[1], gone_at=None).first()
    if row is not None and row.content == policy.text:
        PublishedPolicy.objects.filter(pk=row.pk).update(last_seen_at=policy.fetched_at)
        return
    if row is not None:
        _end([row], now=policy.fetched_at)
    _begin({key: (PublishedMode(policy.mode.value), policy.text)}, now=policy.fetched_at)


def note_facts(facts: Collection[DomainFacts], *, now: datetime) -> None:
    """Note what look-ups found, before they take the place of the look-ups before them."""
    domains = {one.domain for one in facts}
    current = {
        (row.domain, PolicyKind(row.kind), row.host): row
        for row in PublishedPolicy.objects.filter(domain__in=domains, gone_at=None)
    }
    seen = _Seen()
    for one in facts:
        _read(one, current, seen)
    changed = {
        key: text
        for key, text in seen.texts.items()
        if key not in current or current[key].content != text[1]
    }
    ended = [row for key, row in current.items() if key in changed or key in seen.missing]
    if ended:
        _end(ended, now=now)
    if changed:
        _begin(changed, now=now)


def _read(facts: DomainFacts, current: Mapping[Key, PublishedPolicy], seen: _Seen) -> None:
    """Add what `facts` say to `seen`; what failed or was not asked says nothing."""
    if Part.MTA_STS in facts.parts and facts.sts.mode is StsMode.ABSENT:
        seen.missing.add((facts.domain, PolicyKind.MTA_STS, ""))
    if Part.DANE not in facts.parts or facts.failure is not None:
        return
    for host in facts.hosts:
        key = (facts.domain, PolicyKind.TLSA, host.name)
        if host.tlsa:
            is_usable = host.tlsa_state is TlsaState.USABLE
            mode = PublishedMode.USABLE if is_usable else PublishedMode.UNUSABLE
            seen.texts[key] = mode, "\n".join(sorted(str(record) for record in host.tlsa))
        elif _has_none(facts, host):
            seen.missing.add(key)
    if len(facts.hosts) < MOST_HOSTS_COMPARED:
        named = {host.name for host in facts.hosts}
        seen.missing.update(
            key
            for key in current
            if key[:2] == (facts.domain, PolicyKind.TLSA) and key[2] not in named
        )


def _has_none(facts: DomainFacts, host: HostFacts) -> bool:
    """Return whether the host certainly has no TLSA records that count.

    Unsigned answers make records worthless, so nobody asks for them; a resolver that checks
    nothing could not tell.
    """
    if host.tlsa_state is TlsaState.UNCHECKED and host.failure is None:
        return Dnssec.INSECURE in (facts.dnssec, host.dnssec)
    return host.tlsa_state is TlsaState.ABSENT


def _last_look_ups(rows: Iterable[PublishedPolicy]) -> dict[str, datetime]:
    """Return when each domain was looked up before: then it was still as the rows say."""
    domains = {row.domain for row in rows}
    found = DomainLookup.objects.filter(domain__in=domains, looked_up_at__isnull=False)
    return {domain: at for domain, at in found.values_list("domain", "looked_up_at") if at}


def _end(rows: Collection[PublishedPolicy], *, now: datetime) -> None:
    last = _last_look_ups(rows)
    for row in rows:
        seen_at = max(row.last_seen_at, last.get(row.domain, row.last_seen_at))
        PublishedPolicy.objects.filter(pk=row.pk, gone_at=None).update(
            last_seen_at=min(seen_at, now), gone_at=now
        )


def _begin(texts: Mapping[Key, Text], *, now: datetime) -> None:
    """Add rows; another worker that noticed the same change may have been faster."""
    PublishedPolicy.objects.bulk_create(
        [
            PublishedPolicy(
                domain=domain,
                kind=kind,
                host=host,
                mode=mode,
                content=text,
                first_seen_at=now,
                last_seen_at=now,
            )
            for (domain, kind, host), (mode, text) in texts.items()
        ],
        ignore_conflicts=True,
    )
