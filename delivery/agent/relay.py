"""Copies that go another way than to the recipient's own servers: to relays, or nowhere.

A relay is a host of our own choosing: its addresses are looked up, and its TLSA records at its
port; no MX, no MTA-STS. What a session with it needs is worked out by `policy.first_hop`; all else
(who is tried next, many recipients, several messages in one session) is done as for MX hosts.

A log-in that was refused is not tried again with the same settings: servers lock accounts. A token
that was refused is renewed first, once.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from datetime import datetime, timedelta

from delivery.agent import outcomes
from delivery.agent.answers import Resolver
from delivery.agent.clock import Clock
from delivery.agent.deliver import deliver
from delivery.agent.errors import WindingDownError
from delivery.agent.hosts import MailHosts, look_up_host
from delivery.agent.job import AttemptReport, HostAttempt, Job, RecipientResult
from delivery.agent.pool import Pool
from delivery.agent.tokens import RESTS, Tokens
from delivery.policy.facts import Dnssec, DomainFacts, HostFacts
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.record import Mechanism
from delivery.policy.routing import WAITS_FOR
from delivery.policy.transport import Transport
from delivery.sasl.renewal import TokenError

FACTS_HOLD = timedelta(seconds=60)
CHOSEN_BY_US = MailHosts(dnssec=Dnssec.SECURE)
"""The relay's name comes from our own settings: nobody can forge it on the way."""


class Relays:
    """Delivers what does not go to the recipient's own servers; remembers who may not log in."""

    def __init__(self, *, resolver: Resolver, pool: Pool, clock: Clock, tokens: Tokens) -> None:
        self._resolver = resolver
        self._tokens = tokens
        self._pool = pool
        self._clock = clock
        self._facts: dict[tuple[str, int], DomainFacts] = {}
        self._locked_out: dict[tuple[str, int], str] = {}

    async def deliver(self, job: Job, via: Transport) -> AttemptReport:
        """Try to deliver `job` by the transport `via`; what the remote does never raises."""
        if via.barred is not None:
            return self._settled(job, via.barred, is_attempt=False)
        if via.refusal is not None:
            return self._settled(job, via.refusal, is_attempt=True)
        if via.key in self._locked_out:
            return self._settled(job, self._still_locked_out(via), is_attempt=False)
        try:
            report = await self._delivered(job, await self._tokens.ready(via))
        except TokenError as error:
            return self._without_token(job, via, error)
        answers = [attempt.locked_out for attempt in report.attempts if attempt.locked_out]
        if answers:
            self._locked_out[via.key] = answers[0]
        return report

    async def _delivered(self, job: Job, via: Transport) -> AttemptReport:
        """Deliver; if the relay does not take the token, once more with another one."""
        facts = await self.facts_of(via)
        job = replace(job, transport=via)
        report = await deliver(job, facts, pool=self._pool, clock=self._clock)
        if not (via.credentials and via.credentials.renews and _is_token_refused(report)):
            return report
        waiting = {one.key for one in report.results if _is_waiting(one.outcome)}
        rest = replace(job, recipients=tuple(one for one in job.recipients if one.key in waiting))
        try:
            rest = replace(rest, transport=await self._tokens.after_refusal(via))
        except TokenError as error:
            return _joined(report, self._without_token(rest, via, error))
        try:
            again = await deliver(rest, facts, pool=self._pool, clock=self._clock)
        except WindingDownError:
            return _forgiven(report)
        return _joined(report, again)

    def _without_token(self, job: Job, via: Transport, error: TokenError) -> AttemptReport:
        """Settle a job that can't log in: for a while, or until somebody has seen to it."""
        why = str(error)
        if not error.is_final:
            until = self._clock.now() + RESTS
            told = outcomes.no_token(via.name, why, until=until)
            return self._settled(job, told, is_attempt=False)
        self._locked_out[via.key] = why
        told = outcomes.no_token(via.name, why, until=None)
        return self._settled(job, told, is_attempt=True, locked_out=why)

    async def facts_of(self, via: Transport) -> DomainFacts:
        """Return the addresses and TLSA records of the relay's hosts, at most a minute old."""
        now = self._clock.now()
        facts = self._facts.get(via.key)
        if facts is None or now - facts.looked_up_at >= FACTS_HOLD:
            facts = await self._look_up(via, now)
            if all(host.addresses for host in facts.hosts):
                self._facts[via.key] = facts
        return facts

    async def _look_up(self, via: Transport, now: datetime) -> DomainFacts:
        hosts = await asyncio.gather(
            *(self._look_up_host(name, at, via.port) for at, name in enumerate(via.hosts))
        )
        return DomainFacts(domain=via.gate(via.hosts[0]), looked_up_at=now, hosts=tuple(hosts))

    async def _look_up_host(self, name: str, preference: int, port: int) -> HostFacts:
        host = HostFacts(name=name, preference=preference)
        try:
            address = str(ipaddress.ip_address(name))
        except ValueError:
            return await look_up_host(self._resolver, host, found=CHOSEN_BY_US, port=port)
        return HostFacts(name=f"[{name}]", preference=preference, addresses=(address,))

    def _still_locked_out(self, via: Transport) -> Outcome:
        until = self._clock.now() + WAITS_FOR
        return outcomes.still_locked_out(via.name, self._locked_out[via.key], until)

    def _settled(
        self, job: Job, outcome: Outcome, *, is_attempt: bool, locked_out: str = ""
    ) -> AttemptReport:
        """Settle the whole job without a session."""
        now = self._clock.now()
        results = tuple(RecipientResult(key=one.key, outcome=outcome) for one in job.recipients)
        attempt = HostAttempt(
            host="",
            address="",
            started_at=now,
            duration_ms=0,
            evidence=None,
            requiretls_used=False,
            stopped_by=Mechanism.NONE,
            outcome=outcome,
            results=results,
            locked_out=locked_out,
        )
        return AttemptReport(
            job=job,
            facts=DomainFacts(domain=job.domain, looked_up_at=now),
            attempts=(attempt,) if is_attempt else (),
            results=results,
        )


_SEEN_AND_REFUSED = "4.7.8"
"""Of a log-in that was refused after the relay had seen the token."""


def _is_token_refused(report: AttemptReport) -> bool:
    return any(
        one.locked_out and one.outcome.enhanced == _SEEN_AND_REFUSED for one in report.attempts
    )


def _joined(report: AttemptReport, again: AttemptReport) -> AttemptReport:
    """Return both tries as one."""
    attempts = (*_forgiven(report).attempts, *again.attempts)
    results = {one.key: one for one in (*report.results, *again.results)}
    return replace(report, attempts=attempts, results=tuple(results.values()))


def _forgiven(report: AttemptReport) -> AttemptReport:
    """Return the try with a token that was refused as one that locks nobody out."""
    return replace(report, attempts=tuple(replace(one, locked_out="") for one in report.attempts))


def _is_waiting(outcome: Outcome) -> bool:
    return outcome.result is Result.DEFERRED and outcome.scope is Scope.TRANSPORT
