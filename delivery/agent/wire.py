"""One TCP connection as the driver wants it: what arrived is never lost, nothing waits for ever.

Rule: bytes that arrived before an error are read before the error is raised. Servers that refuse
with a reply and then reset the connection would otherwise refuse without a word.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from typing import cast

HIGH_WATER = 256 * 1024

# Each TLS connection of asyncio reads through a buffer of 256 KiB of its own. Replies are short,
# and hundreds of sessions are open at a time.
SSLProtocol.max_size = 16 * 1024


class Wire(asyncio.Protocol):
    """A connection; plain at first, TLS after `start_tls`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._arrived = bytearray()
        self._error: Exception | None = None
        self._has_ended = False
        self._is_paused = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    # What the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        if len(self._arrived) > HIGH_WATER and not self._is_paused and self._transport:
            self._is_paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> None:
        self._has_ended = True
        _wake(self._reader)

    def connection_lost(self, error: Exception | None) -> None:
        self._has_ended = True
        self._error = error
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._writer = self._loop.create_future()

    def resume_writing(self) -> None:
        _wake(self._writer)
        self._writer = None

    # What the driver asks

    @property
    def is_open(self) -> bool:
        """Whether nothing has arrived that is not read, the end of the connection included."""
        return not (self._has_ended or self._arrived)

    @property
    def can_write(self) -> bool:
        """Whether what was written so far has mostly been taken."""
        return self._writer is None

    @property
    def has_unread(self) -> bool:
        """Whether bytes have arrived that nobody has read."""
        return bool(self._arrived)

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """The TLS connection, once there is one."""
        found = self._transport.get_extra_info("ssl_object") if self._transport else None
        return found if isinstance(found, ssl.SSLObject) else None

    async def receive(self) -> bytes:
        """Return what has arrived, b"" at the end of the connection.

        Raises:
            OSError: the connection broke, or (`ssl.SSLError`) TLS did.
        """
        if not self._arrived and not self._has_ended:
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if self._arrived:
            data = bytes(self._arrived)
            self._arrived.clear()
            self._resume()
            return data
        if self._error is not None:
            raise self._error
        return b""

    def write(self, data: bytes | memoryview) -> None:
        """Send `data` when the other side takes it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the other side has taken most of what was written, or is gone."""
        if self._writer is not None and not self._has_ended:
            await self._writer

    async def start_tls(self, context: ssl.SSLContext, name: str | None, seconds: float) -> None:
        """Go on in TLS.

        Raises:
            OSError: the handshake failed.
        """
        if self._transport is None:
            raise ConnectionResetError("closed before the handshake")
        self._resume()
        self._transport = await self._loop.start_tls(
            self._transport,
            self,
            context,
            server_hostname=name,
            ssl_handshake_timeout=seconds,
            ssl_shutdown_timeout=1.0,
        )
        if self._transport is None:
            raise ConnectionResetError("closed during the handshake")

    def abort(self) -> None:
        """Close at once, without waiting for anything the other side should say."""
        self._has_ended = True
        if self._transport is not None:
            self._transport.abort()

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
