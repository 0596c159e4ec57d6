"""A line to another server that can be cut: what is on it breaks, and nobody gets through."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Line:
    """Listens on a port of loopback and passes on what arrives, until it is cut, and again once mended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self._loop, self._far = loop, port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    def mend(self) -> None:
        """Let others through."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)

    def cut(self) -> int:
        """Break every connection and refuse new ones; return how many there were."""
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(30)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> int:
        if self._server is not None:
            self._server.close()
            self._server = None
        broken = len(self._writers) // 2
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)
        return broken

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        await asyncio.wait(
            (
                asyncio.create_task(self._pass_on(reader, far_writer)),
                asyncio.create_task(self._pass_on(far_reader, writer)),
            )
        )
        self._writers -= both

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while some := await reader.read(65536):
                writer.write(some)
                await writer.drain()
        except OSError:
            pass
        writer.close()


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    """Lay a line to a port of loopback; it is taken away when the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    line = Line(loop, port)
    line.mend()
    try:
        yield line
    finally:
        line.cut()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
