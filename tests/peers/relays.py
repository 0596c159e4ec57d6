"""Sessions with a relay, up to the point where one logs in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from delivery.agent.config import AgentConfig
from delivery.agent.dialer import Dialer
from delivery.agent.session import Care, Session, Target
from delivery.policy.facts import HostFacts
from delivery.policy.requirements import Demand
from tests.fakes.clock import FakeClock

HOST = "relay.test"


@asynccontextmanager
async def session_with(
    port: int, *, care: Care = Care.USUAL, is_implicit: bool = False, time_scale: float = 0.1
) -> AsyncIterator[Session]:
    """Open a session with the relay on a port of loopback."""
    config = AgentConfig(hostname="mail.mailweb.test", smtp_port=port, time_scale=time_scale)
    wire = await Dialer(config).dial("127.0.0.1", host=HOST)
    target = Target(host=HostFacts(name=HOST, preference=0), address="127.0.0.1", demand=Demand())
    session = Session(wire, target, config=config, clock=FakeClock())
    try:
        await session.open(care, is_implicit=is_implicit)
        yield session
    finally:
        await session.close()
