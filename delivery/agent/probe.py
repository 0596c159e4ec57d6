"""A visit without a message: connect, EHLO, STARTTLS, EHLO, QUIT."""

from __future__ import annotations

import asyncio

from delivery.agent import outcomes
from delivery.agent.clock import Clock
from delivery.agent.endings import elapsed_ms
from delivery.agent.errors import ConnectError, SessionError
from delivery.agent.fair import Party
from delivery.agent.job import HostAttempt
from delivery.agent.pool import Pool
from delivery.agent.session import Care, Session, Target
from delivery.policy.facts import DomainFacts, HostFacts, Starttls
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.record import Mechanism
from delivery.policy.requirements import Demand, is_in_sts_policy

MOST_HOSTS = 5
MOST_ADDRESSES = 2


async def visit(facts: DomainFacts, *, pool: Pool, clock: Clock) -> tuple[HostAttempt, ...]:
    """Visit the hosts of a domain, all at once; return an attempt for each, in their order."""
    hosts = facts.hosts[:MOST_HOSTS]
    return tuple(
        await asyncio.gather(*(_visit_host(facts, host, pool=pool, clock=clock) for host in hosts))
    )


async def _visit_host(
    facts: DomainFacts, host: HostFacts, *, pool: Pool, clock: Clock
) -> HostAttempt:
    """Visit the first address of a host that answers."""
    attempt = _attempt(host.name, "", outcomes.no_address(facts, host), clock)
    for address in host.addresses[:MOST_ADDRESSES]:
        target = Target(
            host=host,
            address=address,
            demand=Demand(),
            is_in_sts_policy=is_in_sts_policy(facts, host),
        )
        party = Party(None, facts.domain)
        async with pool.slot(host.name, address, party, is_visit=True):
            attempt = await _visit_address(target, pool=pool, clock=clock)
        if attempt.evidence is not None:
            break
    return attempt


async def _visit_address(target: Target, *, pool: Pool, clock: Clock) -> HostAttempt:
    """Visit an address; where TLS breaks, once more with TLS 1.2, as a delivery does."""
    attempt = await _visit(target, Care.USUAL, pool=pool, clock=clock)
    shown = attempt.evidence
    if shown is None or shown.tls.starttls is not Starttls.FAILED:
        return attempt
    if attempt.outcome.result is Result.DELIVERED:
        return attempt  # STARTTLS was refused, and the session went on without.
    return await _visit(target, Care.TLS_1_2, pool=pool, clock=clock)


async def _visit(target: Target, care: Care, *, pool: Pool, clock: Clock) -> HostAttempt:
    started = clock.now()
    try:
        session = await pool.connect(target, None)
    except ConnectError as error:
        return _attempt(target.host.name, target.address, error.outcome, clock)
    try:
        await session.open(care)
        outcome = _answered(session)
    except SessionError as error:
        outcome = error.outcome
    finally:
        await session.close()
    return HostAttempt(
        host=target.host.name,
        address=target.address,
        started_at=started,
        duration_ms=elapsed_ms(started, clock.now()),
        evidence=session.evidence,
        requiretls_used=False,
        stopped_by=Mechanism.NONE,
        outcome=outcome,
        results=(),
        transcript=session.transcript.take(),
    )


def _answered(session: Session) -> Outcome:
    """The visit was answered as it should be; no recipient comes into it."""
    return Outcome(
        result=Result.DELIVERED, scope=Scope.HOST, public=f"{session.host} answered the check."
    )


def _attempt(host: str, address: str, outcome: Outcome, clock: Clock) -> HostAttempt:
    return HostAttempt(
        host=host,
        address=address,
        started_at=clock.now(),
        duration_ms=0,
        evidence=None,
        requiretls_used=False,
        stopped_by=Mechanism.NONE,
        outcome=outcome,
        results=(),
    )
