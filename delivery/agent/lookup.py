"""Everything DNS and HTTPS say about a recipient domain, put together."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from random import Random

from delivery.agent.answers import Resolver
from delivery.agent.clock import Clock
from delivery.agent.hosts import MailHosts, find_hosts, look_up_host
from delivery.agent.policy_fetch import PolicyFinder
from delivery.policy.facts import DnsFailure, DomainFacts, HostFacts, Part

OnPart = Callable[[DomainFacts], Awaitable[None]]


class Lookup:
    """Looks domains up."""

    def __init__(
        self,
        *,
        resolver: Resolver,
        policies: PolicyFinder,
        own_host: str,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._resolver = resolver
        self._policies = policies
        self._own_host = own_host
        self._clock = clock
        self._rng = rng

    async def domain(self, domain: str, on_part: OnPart | None = None) -> DomainFacts:
        """Return the facts about `domain`, an A-label name or an address in brackets.

        `on_part` is told whenever a part has been answered, save the last one, which makes the
        facts complete: those are returned.
        """
        now = self._clock.now()
        if domain.startswith("["):
            return _literal(domain, now)
        growing = _Growing(DomainFacts(domain=domain, looked_up_at=now, parts=frozenset()), on_part)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._find_policy(growing))
            found = await find_hosts(self._resolver, domain, own_host=self._own_host, rng=self._rng)
            await growing.add(Part.MX, _with_mx(growing.facts, found))
            hosts = await self._look_up_hosts(found)
            await growing.add(Part.DANE, replace(growing.facts, hosts=hosts))
        return growing.facts

    async def _find_policy(self, growing: _Growing) -> None:
        sts = await self._policies.find(growing.facts.domain)
        await growing.add(Part.MTA_STS, replace(growing.facts, sts=sts))

    async def _look_up_hosts(self, found: MailHosts) -> tuple[HostFacts, ...]:
        return tuple(
            await asyncio.gather(
                *(look_up_host(self._resolver, host, found=found) for host in found.hosts)
            )
        )


class _Growing:
    """Facts about one domain while their parts arrive."""

    def __init__(self, facts: DomainFacts, on_part: OnPart | None) -> None:
        self.facts = facts
        self._on_part = on_part

    async def add(self, part: Part, facts: DomainFacts) -> None:
        """Take over `facts`, in which `part` has just been answered."""
        self.facts = replace(facts, parts=facts.parts | {part})
        if self._on_part and not self.facts.is_complete:
            await self._on_part(self.facts)


def _with_mx(facts: DomainFacts, found: MailHosts) -> DomainFacts:
    return replace(
        facts,
        hosts=found.hosts,
        dnssec=found.dnssec,
        failure=found.failure,
        detail=found.detail,
        is_implicit_mx=found.is_implicit_mx,
    )


def _literal(domain: str, now: datetime) -> DomainFacts:
    """RFC 5321 §4.1.3: an address in brackets is its own host; DNS has no part in it."""
    facts = DomainFacts(domain=domain, looked_up_at=now)
    try:
        address = ipaddress.ip_address(domain.strip("[]").lower().removeprefix("ipv6:"))
    except ValueError:
        return replace(facts, failure=DnsFailure.NXDOMAIN, detail=f"{domain} is no address")
    return replace(facts, hosts=(HostFacts(name=domain, preference=0, addresses=(str(address),)),))
