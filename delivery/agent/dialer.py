"""Connections to mail servers."""

from __future__ import annotations

import asyncio
import ipaddress
import os

from delivery.agent import outcomes
from delivery.agent.config import AgentConfig
from delivery.agent.errors import ConnectError
from delivery.agent.wire import Wire
from delivery.smtp import TIMEOUTS, Phase


class Dialer:
    """Opens connections from the configured source addresses."""

    def __init__(self, config: AgentConfig) -> None:
        self._port = config.smtp_port
        self._seconds = TIMEOUTS[Phase.CONNECT] * config.time_scale
        self._sources = {
            ipaddress.ip_address(source).version: source for source in reversed(config.sources)
        }

    async def dial(self, address: str, *, host: str) -> Wire:
        """Return a connection to one address of `host`.

        Raises:
            ConnectError: there is none.
        """
        source = self._sources.get(ipaddress.ip_address(address).version)
        try:
            async with asyncio.timeout(self._seconds):
                _, wire = await asyncio.get_running_loop().create_connection(
                    Wire, address, self._port, local_addr=(source, 0) if source else None
                )
        except TimeoutError:
            raise ConnectError(outcomes.no_connection(host, address, "no answer")) from None
        except OSError as error:
            raise ConnectError(outcomes.no_connection(host, address, _words(error))) from error
        return wire


def _words(error: OSError) -> str:
    """Say what the system said, without the addresses that asyncio puts around it."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
