"""An HTTPS server for MTA-STS policies on loopback, with chosen faults."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from tests.fakes.certificates import Leaf

Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


def http(
    body: bytes, *, status: str = "200 OK", headers: str = "", media_type: str = "text/plain"
) -> bytes:
    """Return a whole response."""
    kind = f"Content-Type: {media_type}\r\n" if media_type else ""
    head = f"HTTP/1.1 {status}\r\n{kind}Content-Length: {len(body)}\r\n"
    return (head + headers + "Connection: close\r\n\r\n").encode() + body


class PolicyServer:
    """Answers every request with `response`; `requests` has their heads, `names` the SNI.

    With a `pause` it sends one byte at a time, that many seconds apart. With an empty `response`
    it never answers.
    """

    def __init__(self, leaf: Leaf, directory: Path, response: bytes = b"") -> None:
        self.response = response
        self.requests: list[str] = []
        self.names: list[str | None] = []
        self.port = 0
        self.pause = 0.0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(leaf.write(directory / "policy.pem"))
        self._context.sni_callback = self._note_name

    def _note_name(self, _: ssl.SSLSocket | ssl.SSLObject, name: str | None, __: ssl.SSLContext):
        self.names.append(name)

    async def __aenter__(self) -> PolicyServer:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._context
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if self.response:
                await self._answer(writer)
            else:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        if not self.pause:
            writer.write(self.response)
        for byte in self.response if self.pause else b"":
            writer.write(bytes([byte]))
            await asyncio.sleep(self.pause)
        await writer.drain()
