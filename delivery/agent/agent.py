"""The agent: one object that looks domains up, delivers jobs and probes servers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random, SystemRandom
from types import TracebackType

from delivery.agent import probe, second_try, trial
from delivery.agent.answers import Resolver
from delivery.agent.cache import AnswerCache
from delivery.agent.caller import Caller
from delivery.agent.clock import Clock
from delivery.agent.config import AgentConfig
from delivery.agent.deliver import deliver
from delivery.agent.dialer import Dialer
from delivery.agent.errors import WindingDownError
from delivery.agent.health import Health
from delivery.agent.job import AttemptReport, Job, ProbeReport
from delivery.agent.lookup import Lookup, OnPart
from delivery.agent.neighbours import Neighbours
from delivery.agent.observer import NOBODY, Observer
from delivery.agent.policy_fetch import PATIENCE_SECONDS, PolicyFinder, PolicyStore
from delivery.agent.policy_host import PolicyHost
from delivery.agent.pool import Pool
from delivery.agent.relay import Relays
from delivery.agent.resolver import DnsResolver
from delivery.agent.tokens import Tokens, TokenStore
from delivery.agent.trial import Trial
from delivery.policy.facts import DomainFacts, TlsaState
from delivery.policy.transport import Kind, Transport
from delivery.sasl.renewal import MAX_ANSWER, TokenError

FACTS_HOLD = timedelta(seconds=60)
MOST_FACTS = 5000


class Agent:
    """The way out, as an asynchronous context manager.

    It keeps DNS answers as long as their TTL allows, the facts about a domain for a minute, and
    sessions for the next message; leaving it closes them all. What it learned about the `health`
    of hosts, and `answers` of DNS, it leaves to the next one that is given the same.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        policies: PolicyStore,
        clock: Clock,
        resolver: Resolver | None = None,
        rng: Random | None = None,
        health: Health | None = None,
        answers: AnswerCache | None = None,
        neighbours: Neighbours | None = None,
        observer: Observer = NOBODY,
        tokens: TokenStore | None = None,
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._resolver: Resolver = resolver or DnsResolver(
            config, clock=clock, answers=answers, observer=observer
        )
        self._policies = PolicyFinder(
            resolver=self._resolver,
            host=PolicyHost(config, resolver=self._resolver),
            store=policies,
            clock=clock,
            patience=PATIENCE_SECONDS * config.time_scale,
            observer=observer,
        )
        self._lookup = Lookup(
            resolver=self._resolver,
            policies=self._policies,
            own_host=config.hostname,
            clock=clock,
            rng=rng or SystemRandom(),
        )
        self._dialer = Dialer(config, resolver=self._resolver)
        self._pool = Pool(
            config,
            dialer=self._dialer,
            clock=clock,
            health=health,
            neighbours=neighbours,
            observer=observer,
        )
        # Operators say where tokens are issued: it may be inside their own network.
        caller = Caller(
            resolver=self._resolver,
            ca_file=config.ca_file,
            allows=lambda _, is_tls: is_tls,
            kept_octets=MAX_ANSWER,
        )
        self._tokens = Tokens(
            store=tokens, caller=caller, clock=clock, time_scale=config.time_scale
        )
        self._relays = Relays(
            resolver=self._resolver, pool=self._pool, clock=clock, tokens=self._tokens
        )
        self._facts: dict[str, DomainFacts] = {}
        self._looking: dict[str, asyncio.Task[DomainFacts]] = {}

    async def __aenter__(self) -> Agent:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        looking = list(self._looking.values())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        await self._tokens.close()
        await self._pool.close()
        await self._policies.close()
        await self._resolver.close()
        self._observer.flush()

    @property
    def sessions(self) -> tuple[int, int]:
        """How many sessions are at work, and how many wait for the next message."""
        return self._pool.sessions

    async def deliver(self, job: Job) -> AttemptReport:
        """Try to deliver `job`; what the remote does never raises.

        Raises:
            WindingDownError: it was not begun, because nothing is begun any more.
        """
        if job.transport is not None and job.transport.stands_alone:
            return await self._relays.deliver(job, job.transport)
        facts = await self._facts_about(job.domain)
        report = await deliver(job, facts, pool=self._pool, clock=self._clock)
        if not second_try.depends_on_policy(report):
            return report
        fresh = replace(facts, sts=await self._policies.check_again(job.domain))
        if not second_try.is_news(fresh.sts, facts.sts):
            return report
        self._remember(fresh)
        rest = second_try.job_for_rest(report)
        try:
            again = await deliver(rest, fresh, pool=self._pool, clock=self._clock)
        except WindingDownError:
            return report
        return second_try.joined(report, again)

    def adjust(self) -> None:
        """Take note of other workers that came or went."""
        self._pool.adjust()

    def wind_down(self) -> None:
        """Begin no session any more; those that run go on."""
        self._pool.wind_down()

    async def refresh_policy(self, domain: str) -> bool:
        """Fetch the MTA-STS policy held for `domain` anew; return whether one is still held."""
        return await self._policies.refresh(domain)

    async def look_up(self, domain: str, on_part: OnPart | None = None) -> DomainFacts:
        """Return the facts about `domain`, telling `on_part` of each part but the last."""
        facts = await self._lookup.domain(domain, on_part)
        self._remember(facts)
        return facts

    async def probe(self, domain: str) -> ProbeReport:
        """Look `domain` up and visit its hosts, without a message."""
        facts = await self.look_up(domain)
        attempts = await probe.visit(facts, pool=self._pool, clock=self._clock)
        return ProbeReport(facts=facts, attempts=attempts)

    async def try_out(self, via: Transport) -> tuple[Trial, ...]:
        """Visit what a transport leads to, without a message."""
        if via.kind is Kind.SOCKS:
            return tuple([await trial.try_proxy(via, name, self._dialer) for name in via.hosts])
        try:
            via = await self._tokens.renewed(via)
        except TokenError as error:
            return (Trial(place="token", words=(str(error),), works=False),)
        return await trial.try_relay(via, await self._relays.facts_of(via), pool=self._pool)

    async def _facts_about(self, domain: str) -> DomainFacts:
        """Return facts that are at most a minute old; many who ask at once share one look-up."""
        facts = self._facts.get(domain)
        if facts is not None and self._clock.now() - facts.looked_up_at < FACTS_HOLD:
            return facts
        looking = self._looking.get(domain)
        if looking is None:
            looking = asyncio.create_task(self.look_up(domain))
            self._looking[domain] = looking
            looking.add_done_callback(lambda _: self._looking.pop(domain, None))
        return await asyncio.shield(looking)

    def _remember(self, facts: DomainFacts) -> None:
        """Keep facts that nothing was wrong with."""
        self._facts.pop(facts.domain, None)
        if facts.failure or any(
            host.failure or host.tlsa_state is TlsaState.ERROR for host in facts.hosts
        ):
            return
        while len(self._facts) >= MOST_FACTS:
            del self._facts[next(iter(self._facts))]
        self._facts[facts.domain] = facts
