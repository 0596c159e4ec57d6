"""Connections to mail servers, straight or through a proxy."""

from __future__ import annotations

import asyncio
import ipaddress
import os

from delivery.agent import outcomes, proxy
from delivery.agent.answers import Resolver
from delivery.agent.config import AgentConfig
from delivery.agent.errors import ConnectError
from delivery.agent.wire import Wire
from delivery.policy.transport import Kind, Transport
from delivery.smtp import TIMEOUTS, Phase


class Dialer:
    """Opens connections from the configured source addresses; `resolver` finds named proxies."""

    def __init__(self, config: AgentConfig, *, resolver: Resolver | None = None) -> None:
        self._port = config.smtp_port
        self._seconds = TIMEOUTS[Phase.CONNECT] * config.time_scale
        self._sources = _by_family(config.sources)
        self._resolver = resolver

    async def dial(self, address: str, *, host: str, via: Transport | None = None) -> Wire:
        """Return a connection to one address of `host`.

        Raises:
            ConnectError: there is none.
        """
        try:
            async with asyncio.timeout(self._seconds):
                if via is not None and via.kind is Kind.SOCKS:
                    return await self._through(via, address, host)
                return await self._straight(address, via)
        except TimeoutError:
            raise ConnectError(outcomes.no_connection(host, address, "no answer")) from None
        except OSError as error:
            raise ConnectError(outcomes.no_connection(host, address, _words(error))) from error

    async def greet_proxy(self, via: Transport, name: str) -> str:
        """Visit one proxy of `via`; return what is wrong with it, or an empty string."""
        try:
            async with asyncio.timeout(self._seconds):
                return await proxy.greet(via, name, resolver=self._resolver)
        except TimeoutError:
            return "it does not answer"

    async def _straight(self, address: str, via: Transport | None) -> Wire:
        port, sources = self._port, self._sources
        if via is not None:
            port = via.port if via.is_relay else port
            sources = _by_family(via.sources) or sources
        source = sources.get(ipaddress.ip_address(address).version)
        _, wire = await asyncio.get_running_loop().create_connection(
            Wire, address, port, local_addr=(source, 0) if source else None
        )
        return wire

    async def _through(self, via: Transport, address: str, host: str) -> Wire:
        stream = await proxy.connect(via, address, self._port, host=host, resolver=self._resolver)
        _, wire = await asyncio.get_running_loop().create_connection(Wire, sock=stream)
        return wire


def _by_family(sources: tuple[str, ...]) -> dict[int, str]:
    return {ipaddress.ip_address(source).version: source for source in reversed(sources)}


def _words(error: OSError) -> str:
    """Say what the system said, without the addresses that asyncio puts around it."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
