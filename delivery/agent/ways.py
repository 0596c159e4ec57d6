"""What a job's transport changes about its delivery: who is tried, what is demanded, who logs in.

Plainly direct delivery is the usual case and pays nothing for the others.
"""

from __future__ import annotations

from dataclasses import replace

from delivery.agent import route
from delivery.agent.job import Job
from delivery.agent.session import Session, Target
from delivery.policy import first_hop, requirements
from delivery.policy.facts import DomainFacts, HostFacts
from delivery.policy.requirements import Demand, Refusal, is_in_sts_policy, judge


def hosts_of(job: Job, facts: DomainFacts) -> tuple[HostFacts, ...]:
    """Return the hosts in the order in which they are tried."""
    return route.in_order(facts.hosts, job.memory)


def reachable(job: Job, host: HostFacts) -> HostFacts:
    """Return the host with those of its addresses that mail may go to."""
    via = job.transport
    if via is None or all(via.families.has(address) for address in host.addresses):
        return host
    return replace(host, addresses=tuple(filter(via.families.has, host.addresses)))


def demand(job: Job, facts: DomainFacts, host: HostFacts) -> Demand | Refusal:
    """Return what the host must show: the recipient's server, or the first hop to it."""
    if job.transport is not None and job.transport.is_relay:
        return first_hop.demand(job.order, job.transport, host)
    return requirements.demand(job.order, facts, host, job.history)


def refusal(job: Job, session: Session) -> Refusal | None:
    """Return why the session must not get the message; what was remembered adds to the words."""
    if session.evidence is None:
        return None
    is_relay = job.transport is not None and job.transport.is_relay
    return judge(session.target.demand, session.evidence, None if is_relay else job.history)


def target(job: Job, facts: DomainFacts, host: HostFacts, address: str, demanded: Demand) -> Target:
    """Return where a session leads, by which way, and by what it is checked."""
    return Target(
        host=host,
        address=address,
        demand=demanded,
        is_in_sts_policy=is_in_sts_policy(facts, host),
        via=job.transport,
    )
