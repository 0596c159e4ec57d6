"""Trying a transport out: as far as it goes without a message."""

from __future__ import annotations

from dataclasses import dataclass

from delivery.agent.admission import admit
from delivery.agent.dialer import Dialer
from delivery.agent.errors import ConnectError, SessionError
from delivery.agent.fair import Party
from delivery.agent.pool import Pool
from delivery.agent.session import Care, Session, Target
from delivery.policy import first_hop
from delivery.policy.facts import DomainFacts, HostFacts
from delivery.policy.modes import Order
from delivery.policy.requirements import Refusal, judge
from delivery.policy.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one address of a transport showed, in words for operators."""

    place: str
    words: tuple[str, ...]
    works: bool


async def try_relay(via: Transport, facts: DomainFacts, *, pool: Pool) -> tuple[Trial, ...]:
    """Visit every host of a relay, each at its first address that answers."""
    return tuple([await _try_host(via, facts, host, pool) for host in facts.hosts])


async def try_proxy(via: Transport, name: str, dialer: Dialer) -> Trial:
    """Visit one proxy."""
    wrong = await dialer.greet_proxy(via, name)
    words = f"The proxy can't be used: {wrong}." if wrong else "The proxy lets us in."
    return Trial(place=f"{name}:{via.port}", words=(words,), works=not wrong)


async def _try_host(via: Transport, facts: DomainFacts, host: HostFacts, pool: Pool) -> Trial:
    place = f"{host.name}:{via.port}"
    demanded = first_hop.demand(Order(), via, host)
    if isinstance(demanded, Refusal):
        return Trial(place=place, words=(demanded.outcome.public,), works=False)
    trial = Trial(place=place, words=(f"{host.name} has no address in DNS.",), works=False)
    for address in filter(via.families.has, host.addresses):
        target = Target(host=host, address=address, demand=demanded, via=via)
        party = Party(None, facts.domain)
        async with pool.slot(target.gate, address, party, is_visit=True):
            trial = await _visit(target, place, pool)
        if len(trial.words) > 1:
            break
    return trial


async def _visit(target: Target, place: str, pool: Pool) -> Trial:
    try:
        session = await pool.connect(target, None)
    except ConnectError as error:
        return Trial(place=place, words=(error.outcome.public,), works=False)
    words = [f"Connected to {target.address}."]
    try:
        await session.open(Care.USUAL)
        words += _shown(session)
        refusal = judge(target.demand, session.evidence) if session.evidence else None
        barred = None if refusal else await admit(session)
        if session.mechanism:
            words.append(f"Logged in by {session.mechanism}.")
        wrong = refusal.outcome if refusal else barred.outcome if barred else None
        if wrong is not None:
            words.append(f"{wrong.public} {wrong.private}".strip())
    except SessionError as error:
        words.append(
            error.outcome.public + (f" {error.outcome.reply}" if error.outcome.reply else "")
        )
        return Trial(place=place, words=tuple(words), works=False)
    finally:
        await session.close()
    return Trial(place=place, words=tuple(words), works=wrong is None)


def _shown(session: Session) -> list[str]:
    """Say what the session has shown."""
    evidence = session.evidence
    if evidence is None:
        return []
    tls = evidence.tls
    if not tls.is_encrypted:
        return ["There is no TLS.", _announced(session)]
    proven = ", ".join(sorted(tls.proofs)) or f"nothing ({tls.detail or 'no proof'})"
    return [f"{tls.version}, {tls.cipher}; verified by {proven}.", _announced(session)]


def _announced(session: Session) -> str:
    words = sorted(line.split()[0].upper() for line in session.smtp.extensions.keywords())
    return f"It announces {', '.join(words) or 'no extension'}."
