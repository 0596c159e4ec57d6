"""The history of what domains published: MTA-STS policies and TLSA records, as texts with dates.

A policy is noted when it is fetched, which is rare. TLSA records come with every look-up and so
with every batch of mail; where nothing changed, that costs one query for all domains of the
batch. Nothing here is ever removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from delivery.agent.policy_fetch import StoredPolicy
from delivery.models import DomainLookup, PublishedPolicy
from delivery.policy.facts import Dnssec, DomainFacts, HostFacts, Part, StsMode, TlsaState
from delivery.policy.published import PolicyKind, PublishedMode

MOST_HOSTS_COMPARED = 20
"""A domain with more hosts shows others each time, so one that is missing says nothing."""

Key = tuple[str, PolicyKind, str]
"""Domain, kind, and the host whose TLSA records it is about."""


Text = tuple[PublishedMode, str]


class _Row(NamedTuple):
    """What is still published, as far as it is compared."""

    pk: int
    domain: str
    kind: str
    host: str
    content: str
    last_seen_at: datetime


@dataclass(slots=True)
class _Seen:
    """What look-ups found: texts by key, and keys under which there is nothing any more."""

    texts: dict[Key, Text] = field(default_factory=dict)
    missing: set[Key] = field(default_factory=set)


def note_policy(policy: StoredPolicy) -> None:
    """Note an MTA-STS policy that was just fetched."""
    key = (policy.domain, PolicyKind.MTA_STS, "")
    row = _current([policy.domain])[policy.domain].get(key)
    if row is not None and row.content == policy.text:
        PublishedPolicy.objects.filter(pk=row.pk).update(last_seen_at=policy.fetched_at)
        return
    if row is not None:
        _end([row], now=policy.fetched_at)
    _begin({key: (PublishedMode(policy.mode.value), policy.text)}, now=policy.fetched_at)


def note_facts(facts: Collection[DomainFacts], *, now: datetime) -> None:
    """Note what look-ups found, before they take the place of the look-ups before them."""
    current = _current([one.domain for one in facts])
    begun: dict[Key, Text] = {}
    ended: list[_Row] = []
    for one in facts:
        rows = current[one.domain]
        seen = _read(one, rows)
        changed = {
            key: text
            for key, text in seen.texts.items()
            if key not in rows or rows[key].content != text[1]
        }
        begun |= changed
        ended += [row for key, row in rows.items() if key in changed or key in seen.missing]
    if ended:
        _end(ended, now=now)
    if begun:
        _begin(begun, now=now)


def _current(domains: Iterable[str]) -> dict[str, dict[Key, _Row]]:
    """Return what is still published, by domain."""
    found: dict[str, dict[Key, _Row]] = {domain: {} for domain in domains}
    rows = PublishedPolicy.objects.filter(domain__in=list(found), gone_at=None).order_by()
    for values in rows.values_list(*_Row._fields):
        row = _Row(*values)
        found[row.domain][row.domain, PolicyKind(row.kind), row.host] = row
    return found


def _read(facts: DomainFacts, rows: Iterable[Key]) -> _Seen:
    """Return what `facts` say; what failed or was not asked says nothing."""
    seen = _Seen()
    if Part.MTA_STS in facts.parts and facts.sts.mode is StsMode.ABSENT:
        seen.missing.add((facts.domain, PolicyKind.MTA_STS, ""))
    if Part.DANE not in facts.parts or facts.failure is not None:
        return seen
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
            key for key in rows if key[1] is PolicyKind.TLSA and key[2] not in named
        )
    return seen


def _has_none(facts: DomainFacts, host: HostFacts) -> bool:
    """Return whether the host certainly has no TLSA records that count.

    Unsigned answers make records worthless, so nobody asks for them; a resolver that checks
    nothing could not tell.
    """
    if host.tlsa_state is TlsaState.UNCHECKED and host.failure is None:
        return Dnssec.INSECURE in (facts.dnssec, host.dnssec)
    return host.tlsa_state is TlsaState.ABSENT


def _last_look_ups(rows: Iterable[_Row]) -> dict[str, datetime]:
    """Return when each domain was looked up before: then it was still as the rows say."""
    domains = {row.domain for row in rows}
    found = DomainLookup.objects.filter(domain__in=domains, looked_up_at__isnull=False)
    return {domain: at for domain, at in found.values_list("domain", "looked_up_at") if at}


def _end(rows: Collection[_Row], *, now: datetime) -> None:
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
