"""Questions to a validating resolver, by dnspython.

The resolver's word about DNSSEC (the AD bit) counts only where nobody can forge it on the way:
from loopback, unless the operator says otherwise. Where it does not count, or where the resolver
does not validate at all, everything is `unchecked`: neither signed nor unsigned.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.resolver

from delivery.agent import responses
from delivery.agent.answers import Answer, Status
from delivery.agent.burst import Burst
from delivery.agent.cache import AnswerCache
from delivery.agent.clock import Clock
from delivery.agent.config import AgentConfig
from delivery.agent.observer import NOBODY, Observer
from delivery.policy.facts import Dnssec

TRY_SECONDS = (3.0, 6.0)

MOST_AT_ONCE = 100
"""More questions than this in one burst, and a socket's buffer may lose some: each costs a retry."""

BURST_SECONDS = 0.25
VALIDATION_HOLDS = timedelta(hours=1)
NO_VALIDATION_HOLDS = timedelta(minutes=1)

UNCHECKED_TTL = 60

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """One recursive resolver."""

    address: str
    port: int


class DnsResolver:
    """Asks the configured resolvers, or else the system's; remembers what they said.

    Questions that are already on their way are not asked twice. Where the word of some resolvers
    about DNSSEC counts, only those are asked.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        clock: Clock,
        answers: AnswerCache | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self._servers = servers_to_ask(config)
        self._observer = observer
        self._trust_ad = config.trust_ad
        self._time_scale = config.time_scale
        self._clock = clock
        self._cache = AnswerCache() if answers is None else answers
        self._asked: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._validates: dict[Server, tuple[bool, datetime]] = {}
        self._burst = Burst(MOST_AT_ONCE, seconds=BURST_SECONDS)

    async def query(self, name: str, kind: str) -> Answer:
        """Return the answer about exactly `name` and `kind`, from memory if its TTL allows."""
        name = name.rstrip(".").lower()
        kept = self._cache.get(name, kind, now=self._clock.now())
        if kept is not None:
            return kept
        asked = self._asked.get((name, kind))
        if asked is None:
            asked = asyncio.create_task(self._ask(name, kind))
            self._asked[name, kind] = asked
            asked.add_done_callback(lambda _: self._asked.pop((name, kind), None))
        return await asyncio.shield(asked)

    def forget(self, name: str, kind: str) -> None:
        """Let the next query be asked anew, whatever is remembered."""
        self._cache.drop(name.rstrip(".").lower(), kind)

    async def close(self) -> None:
        """Give up the questions still on their way."""
        asked = list(self._asked.values())
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    async def _ask(self, name: str, kind: str) -> Answer:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await self._find_out(name, kind)
        self._observer.dns_answered(answer, loop.time() - began)
        return answer

    async def _find_out(self, name: str, kind: str) -> Answer:
        try:
            question = _question(name, kind)
        except (dns.exception.DNSException, UnicodeError) as error:
            return Answer(name=name, kind=kind, status=Status.NXDOMAIN, detail=f"{name}: {error}")
        said = await self._exchange(question)
        if said is None:
            return Answer(
                name=name, kind=kind, status=Status.TIMEOUT, detail=f"no answer about {name} {kind}"
            )
        server, response = said
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return await self._failed(name, kind, server, response)
        dnssec = await self._dnssec_of(server, response)
        answer = replace(responses.read(name, kind, response), dnssec=dnssec)
        if dnssec is Dnssec.UNCHECKED and self._trusts(server):
            # It may just have failed to say so; that must not be believed for hours.
            answer = replace(answer, ttl=min(answer.ttl, UNCHECKED_TTL))
        self._cache.put(answer, now=self._clock.now())
        return answer

    async def _exchange(
        self, question: dns.message.QueryMessage
    ) -> tuple[Server, dns.message.Message] | None:
        """Ask each server in turn until one knows; else return the last refusal, else None.

        That an answer does not validate is an answer: who does not notice is not asked.
        """
        refusal = None
        for seconds in TRY_SECONDS:
            for server in self._servers:
                response = await self._ask_server(server, question, seconds)
                if response is None:
                    continue
                if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    return server, response
                refusal = server, response
                if self._trusts(server) and responses.is_called_bogus(response):
                    return refusal
            if refusal:
                break
        return refusal

    async def _ask_server(
        self, server: Server, question: dns.message.QueryMessage, seconds: float
    ) -> dns.message.Message | None:
        """Return one server's response, by TCP if it does not fit; None if there was none."""
        try:
            async with self._burst.place():
                response, _ = await dns.asyncquery.udp_with_fallback(
                    question,
                    server.address,
                    port=server.port,
                    timeout=seconds * self._time_scale,
                    ignore_unexpected=True,
                    ignore_errors=True,
                )
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            # A ValueError: dnspython takes it for granted that extended errors are in UTF-8.
            logger.debug(
                "resolver did not answer", extra={"server": server.address, "why": repr(error)}
            )
            return None
        return response

    async def _failed(
        self, name: str, kind: str, server: Server, response: dns.message.Message
    ) -> Answer:
        return Answer(
            name=name,
            kind=kind,
            status=Status.SERVFAIL,
            dnssec=await self._why_failed(name, kind, server, response),
            detail=responses.words(name, kind, response),
        )

    async def _why_failed(
        self, name: str, kind: str, server: Server, response: dns.message.Message
    ) -> Dnssec:
        """Tell an answer that does not validate from one that could not be had."""
        if not self._trusts(server) or response.rcode() != dns.rcode.SERVFAIL:
            return Dnssec.UNCHECKED
        if not responses.extended_errors(response):
            # Resolvers without RFC 8914: what is there unchecked but not checked is bogus.
            unchecked = _question(name, kind, flags=dns.flags.CD)
            again = await self._ask_server(server, unchecked, TRY_SECONDS[0])
            is_there = again is not None and again.rcode() == dns.rcode.NOERROR and again.answer
            return Dnssec.BOGUS if is_there else Dnssec.UNCHECKED
        return Dnssec.BOGUS if responses.is_called_bogus(response) else Dnssec.UNCHECKED

    async def _dnssec_of(self, server: Server, response: dns.message.Message) -> Dnssec:
        if not self._trusts(server):
            return Dnssec.UNCHECKED
        if response.flags & dns.flags.AD:
            self._validates[server] = (True, self._clock.now() + VALIDATION_HOLDS)
            return Dnssec.SECURE
        return Dnssec.INSECURE if await self._is_validating(server) else Dnssec.UNCHECKED

    async def _is_validating(self, server: Server) -> bool:
        """Return whether `server` validates: it said AD lately, or says it of the root zone."""
        validates, until = self._validates.get(server, (False, self._clock.now()))
        if until > self._clock.now():
            return validates
        response = await self._ask_server(server, _question(".", "SOA"), TRY_SECONDS[0])
        validates = response is not None and bool(response.flags & dns.flags.AD)
        holds = VALIDATION_HOLDS if validates else NO_VALIDATION_HOLDS
        self._validates[server] = (validates, self._clock.now() + holds)
        return validates

    def _trusts(self, server: Server) -> bool:
        return trusts_ad(server.address, self._trust_ad)


def trusts_ad(address: str, rule: str) -> bool:
    """Return whether AD counts when the resolver at `address` says it; `rule` is the setting."""
    if rule == "auto":
        return ipaddress.ip_address(address).is_loopback
    return rule == "always"


def servers_to_ask(config: AgentConfig) -> tuple[Server, ...]:
    """Return the configured resolvers, or else the system's, in order.

    If the word of some counts and that of others does not, the others are left out: a forged answer
    that fails with a validating resolver must not pass with the next one.
    """
    servers = tuple(Server(*pair) for pair in config.resolvers) or _system_servers()
    trusted = tuple(one for one in servers if trusts_ad(one.address, config.trust_ad))
    return trusted or servers


def _system_servers() -> tuple[Server, ...]:
    """Return what the system is configured with; like libc, the local host if with nothing."""
    try:
        system = dns.resolver.Resolver(configure=True)
    except dns.resolver.NoResolverConfiguration:
        return (Server("127.0.0.1", 53),)
    return tuple(Server(str(address), 53) for address in system.nameservers)


def _question(name: str, kind: str, *, flags: int = 0) -> dns.message.QueryMessage:
    """Ask for one type, with AD and DO set: without them no resolver says AD."""
    return dns.message.make_query(
        dns.name.from_text(name),
        kind,
        use_edns=0,
        ednsflags=dns.flags.DO,
        payload=1232,
        flags=dns.flags.RD | dns.flags.AD | flags,
    )
