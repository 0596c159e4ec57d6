from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from delivery.agent.agent import Agent
from delivery.agent.config import AgentConfig
from delivery.agent.health import Health
from delivery.agent.job import AttemptReport, Job, JobRecipient
from delivery.agent.tokens import TokenStore
from delivery.policy.modes import Mode, Order
from delivery.policy.outcome import Outcome
from tests.fakes import policy_world
from tests.fakes.certificates import Authority
from tests.fakes.clock import FakeClock
from tests.fakes.policies import MemoryPolicies
from tests.fakes.policy_server import PolicyServer, http
from tests.fakes.resolver import FakeResolver
from tests.fakes.smtp_server import SmtpServer
from tests.services import free_port

ROOT = Authority()
CONTENT = b"From: alice@mailweb.test\r\nSubject: Hello\r\n\r\nBob.\r\n.dot\r\n"


class Net:
    """A small world: servers, names for them, and an agent that can reach them."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self.directory = directory
        self.clock = FakeClock()
        self.policies = MemoryPolicies()
        self.resolver = FakeResolver({})
        self.ca_file = directory / "ca.pem"
        self.ca_file.write_bytes(ROOT.pem)
        self.port = 0
        self.sts_port = 443
        self.time_scale = 0.1
        self.options: dict[str, Any] = {}
        self.health: Health | None = None
        self.tokens: TokenStore | None = None
        self._stack = stack
        self._agent: Agent | None = None

    async def serve(self, server: SmtpServer, *, domain: str = "d.test", mx: str = "10 mx.d.test"):
        """Start a server and name it; all servers share one port, on addresses of their own."""
        server.port = self.port or free_port()
        await self._stack.enter_async_context(server)
        self.port = server.port
        self.name(mx, server.address, domain=domain)
        return server

    def name(self, mx: str, *addresses: str, domain: str = "d.test") -> None:
        """Make `mx` ("10 mx.d.test") a host of `domain`."""
        host = mx.split()[1]
        found = self.resolver.records.get(f"MX {domain}", ())
        self.resolver.records[f"MX {domain}"] = (*found, mx)
        for address in addresses:
            kind = "AAAA" if ":" in address else "A"
            before = self.resolver.records.get(f"{kind} {host}", ())
            self.resolver.records[f"{kind} {host}"] = (*before, address)

    async def agent(self) -> Agent:
        if self._agent is None:
            config = AgentConfig(
                hostname="mail.mailweb.test",
                smtp_port=self.port or 1,
                sts_port=self.sts_port,
                ca_file=str(self.ca_file),
                time_scale=self.time_scale,
                **self.options,
            )
            self._agent = await self._stack.enter_async_context(
                Agent(
                    config,
                    policies=self.policies,
                    clock=self.clock,
                    resolver=self.resolver,
                    health=self.health,
                    tokens=self.tokens,
                )
            )
        return self._agent

    def new_agent(self) -> None:
        """Let the next message go through another agent, as in the next drain of a worker."""
        self._agent = None

    async def leave(self) -> None:
        """Close what the agent still holds open; the next message has an agent of its own."""
        if self._agent is not None:
            await self._agent.__aexit__(None, None, None)
            self._agent = None

    async def send(
        self,
        *to: str,
        mode: Mode = Mode.DEFAULT,
        order: Order | None = None,
        content: bytes = CONTENT,
        domain: str = "d.test",
        mail_from: str = "alice@mailweb.test",
        **more: Any,
    ) -> AttemptReport:
        """Send a message to `to`, by default to bob."""
        addresses = to or (f"bob@{domain}",)
        job = Job(
            mail_from=mail_from,
            domain=domain,
            recipients=tuple(
                JobRecipient(key=key, address=address) for key, address in enumerate(addresses)
            ),
            order=order or Order(mode=mode),
            content=content,
            **more,
        )
        return await (await self.agent()).deliver(job)


@pytest.fixture
async def net(tmp_path: Path):
    async with AsyncExitStack() as stack:
        yield Net(tmp_path, stack)


def outcomes_of(report: AttemptReport) -> list[Outcome]:
    """Return the outcomes in the order of the recipients."""
    return [result.outcome for result in report.results]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[policy_world.PolicyWorld]:
    """A domain that enforces a policy, for a day at a time."""
    ca_file = tmp_path / "policy-ca.pem"
    ca_file.write_bytes(policy_world.ROOT.pem)
    leaf = policy_world.ROOT.leaf(policy_world.NAME)
    async with PolicyServer(leaf, tmp_path, http(policy_world.policy())) as server:
        yield policy_world.PolicyWorld(server, ca_file)
