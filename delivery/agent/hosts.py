"""From a domain to its mail hosts, and from a host to its addresses (RFC 5321 §5.1, RFC 7672 §2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from random import Random

from delivery.agent.answers import Chain, Resolver, Status, follow, weakest
from delivery.policy import dane
from delivery.policy.facts import DnsFailure, Dnssec, HostFacts, TlsaState

MOST_HOSTS = 20
MOST_ADDRESSES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHosts:
    """The MX answer of a domain: its hosts in the order in which they are tried.

    `next_hops` are the domain and what it is an alias of: names a DANE-TA certificate may carry.
    """

    hosts: tuple[HostFacts, ...] = ()
    dnssec: Dnssec = Dnssec.UNCHECKED
    failure: DnsFailure | None = None
    detail: str = ""
    is_implicit_mx: bool = False
    next_hops: tuple[str, ...] = ()


async def find_hosts(resolver: Resolver, domain: str, *, own_host: str, rng: Random) -> MailHosts:
    """Return the hosts that take mail for `domain`, without their addresses yet."""
    answer = await follow(resolver, domain, "MX")
    if answer.failure is not None:
        return MailHosts(failure=answer.failure, dnssec=answer.dnssec, detail=answer.detail)
    if answer.last.status is Status.NXDOMAIN:
        return MailHosts(failure=DnsFailure.NXDOMAIN, dnssec=answer.dnssec, detail=answer.detail)
    secure = answer.dnssec is Dnssec.SECURE
    next_hops = (domain, answer.last.name) if secure and answer.is_aliased else (domain,)
    if not answer.records:
        # RFC 5321 §5.1: without MX records the domain is its own host.
        host = HostFacts(name=domain, preference=0)
        return MailHosts(
            hosts=(host,), dnssec=answer.dnssec, is_implicit_mx=True, next_hops=next_hops
        )
    hosts = _in_order(answer.records, rng)
    if not hosts:
        # RFC 7505 §3: a lone "." says that the domain takes no mail.
        return MailHosts(failure=DnsFailure.NULL_MX, dnssec=answer.dnssec)
    hosts = _before_ourselves(hosts, own_host)
    failure = None if hosts else DnsFailure.OWN_HOST
    return MailHosts(hosts=hosts, dnssec=answer.dnssec, failure=failure, next_hops=next_hops)


def _in_order(records: tuple[str, ...], rng: Random) -> tuple[HostFacts, ...]:
    """Sort by preference; among equals chance decides, to spread the load."""
    hosts = [
        HostFacts(name=name.rstrip("."), preference=int(preference))
        for preference, _, name in (record.partition(" ") for record in records)
        if name != "."
    ]
    rng.shuffle(hosts)
    return tuple(sorted(hosts, key=lambda host: host.preference)[:MOST_HOSTS])


def _before_ourselves(hosts: tuple[HostFacts, ...], own_host: str) -> tuple[HostFacts, ...]:
    """RFC 5321 §5.1: mail goes only to hosts preferred to ourselves, or it would go in circles."""
    ours = [host.preference for host in hosts if host.name == own_host.rstrip(".").lower()]
    return tuple(host for host in hosts if not ours or host.preference < min(ours))


async def look_up_host(
    resolver: Resolver, host: HostFacts, *, found: MailHosts, port: int = 25
) -> HostFacts:
    """Return `host` with its addresses and, where every answer was secure, its TLSA records.

    Addresses come first on purpose: servers of unsigned zones may fail when asked for TLSA
    (RFC 7672 §2.2.3).
    """
    families = await asyncio.gather(
        follow(resolver, host.name, "AAAA"), follow(resolver, host.name, "A")
    )
    answered = [family for family in families if family.failure is None]
    addresses = tuple(chain(*zip_longest(*(family.records for family in families))))
    located = replace(
        host,
        addresses=tuple(address for address in addresses if address)[:MOST_ADDRESSES],
        dnssec=weakest(family.dnssec for family in answered or families),
        detail="; ".join(family.detail for family in families if family.failure),
    )
    if not located.addresses:
        return replace(located, failure=_why_no_address(families), detail=_details(families))
    bases = _tlsa_bases(host.name, answered) if found.dnssec is Dnssec.SECURE else ()
    return await _with_tlsa(resolver, located, bases, found, port) if bases else located


def _why_no_address(families: Sequence[Chain]) -> DnsFailure:
    failures = [family.failure for family in families if family.failure]
    return failures[0] if failures else DnsFailure.NO_ADDRESS


def _details(families: Sequence[Chain]) -> str:
    return "; ".join(dict.fromkeys(family.detail for family in families if family.detail))


def _tlsa_bases(name: str, families: Sequence[Chain]) -> tuple[str, ...]:
    """Return the names under which TLSA records may be looked for, best first (RFC 7672 §2.2.2).

    With every alias secure: where the aliases end, then the name itself. With only the first
    alias secure: just the name itself. Else none.
    """
    if all(family.dnssec is Dnssec.SECURE for family in families):
        return tuple(dict.fromkeys((*(family.last.name for family in families), name)))
    if all(family.is_aliased and family.first.dnssec is Dnssec.SECURE for family in families):
        return (name,)
    return ()


async def _with_tlsa(
    resolver: Resolver, host: HostFacts, bases: tuple[str, ...], found: MailHosts, port: int
) -> HostFacts:
    for base in bases:
        answer = await follow(resolver, f"_{port}._tcp.{base}", "TLSA")
        if answer.failure is not None or answer.dnssec is Dnssec.UNCHECKED:
            # RFC 7672 §2.1.2: no answer is not the answer "none"; the host must be left alone. Nor
            # is one that nobody validated, after answers that somebody did.
            bogus = answer.dnssec is Dnssec.BOGUS
            return replace(
                host,
                tlsa_state=TlsaState.ERROR,
                dnssec=Dnssec.BOGUS if bogus else host.dnssec,
                detail=answer.detail
                or f"nobody validated the answer about _{port}._tcp.{base} TLSA",
            )
        records = tuple(filter(None, map(dane.parse_record, answer.records)))
        if answer.records and answer.dnssec is Dnssec.SECURE:
            can_be_used = bool(dane.usable(records))
            return replace(
                host,
                tlsa_state=TlsaState.USABLE if can_be_used else TlsaState.UNUSABLE,
                tlsa=records,
                tlsa_names=tuple(dict.fromkeys((base, host.name, *found.next_hops))),
            )
    return replace(host, tlsa_state=TlsaState.ABSENT)
