"""A domain that publishes MTA-STS, its policy host, and our side with its memory."""

from __future__ import annotations

from pathlib import Path

from delivery.agent.config import AgentConfig
from delivery.agent.policy_fetch import PolicyFinder
from delivery.agent.policy_host import PolicyHost
from delivery.policy.facts import StsFacts
from tests.fakes.certificates import Authority
from tests.fakes.clock import FakeClock
from tests.fakes.policies import MemoryPolicies
from tests.fakes.policy_server import PolicyServer
from tests.fakes.resolver import FakeResolver

ROOT = Authority()
NAME = "mta-sts.sts.test"
TXT = "TXT _mta-sts.sts.test"


def policy(mode: str = "enforce", max_age: int = 86400) -> bytes:
    return f"version: STSv1\r\nmode: {mode}\r\nmx: mx.sts.test\r\nmax_age: {max_age}\r\n".encode()


class PolicyWorld:
    """sts.test; every call of `finder` is a worker of its own, with nothing but the store shared."""

    def __init__(self, server: PolicyServer, ca_file: Path) -> None:
        self.server = server
        self.clock = FakeClock()
        self.store = MemoryPolicies()
        self.resolver = FakeResolver({TXT: ["v=STSv1; id=1"], f"A {NAME}": ["127.0.0.1"]})
        self.ca_file = ca_file
        self.time_scale = 1.0

    def announce(self, policy_id: str) -> None:
        self.resolver.records[TXT] = (f"v=STSv1; id={policy_id}",)

    def host(self) -> PolicyHost:
        config = AgentConfig(
            hostname="mail.mailweb.test",
            sts_port=self.server.port,
            ca_file=str(self.ca_file),
            time_scale=self.time_scale,
        )
        return PolicyHost(config, resolver=self.resolver)

    def finder(self, *, patience: float = 60.0) -> PolicyFinder:
        return PolicyFinder(
            resolver=self.resolver,
            host=self.host(),
            store=self.store,
            clock=self.clock,
            patience=patience,
        )

    async def find(self) -> StsFacts:
        return await self.finder().find("sts.test")

    async def refresh(self) -> bool:
        return await self.finder().refresh("sts.test")
