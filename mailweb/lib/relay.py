"""The channel layer of the embedded mode: one web process owns the groups, others hand it hints.

The process whose consumers wait for messages takes a lock and listens on a unix socket; for
itself it is an ordinary in-memory layer. Every other process, and every other event loop,
writes frames to that socket. A hint that cannot be handed over is dropped: it only says that
something changed, and pages read the state again whenever they reconnect.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import IO, Any

import msgpack
from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer

logger = logging.getLogger(__name__)

LENGTH_BYTES = 4
MAX_FRAME_BYTES = 64 * 1024
TIMEOUT_SECONDS = 2.0
QUIET_SECONDS = 5.0

Hint = dict[str, Any]


class RelayChannelLayer(InMemoryChannelLayer):
    """Groups in the memory of one web process, reachable from every process of this machine.

    Limits: one machine, one web process. Several of either need `REDIS_URL`.
    """

    def __init__(self, *, path: str, **options: Any) -> None:
        super().__init__(**options)
        self._path = Path(path)
        self._owner: asyncio.AbstractEventLoop | None = None
        self._lock: IO[str] | None = None
        self._server: asyncio.Server | None = None
        self._sender = Sender(self._path)

    async def new_channel(self, prefix: str = "specific.") -> str:
        """Return a name to wait on. Whoever asks for one owns the groups from then on.

        Raises:
            RuntimeError: another process owns them already.
        """
        if self._owner is not asyncio.get_running_loop():
            await self._take_ownership()
        return str(await super().new_channel(prefix))

    async def send(self, channel: str, message: Hint) -> None:
        """Send to one channel."""
        if self._owner is asyncio.get_running_loop():
            await super().send(channel, message)
        else:
            self._sender.send(("send", channel, message))

    async def group_send(self, group: str, message: Hint) -> None:
        """Send to every channel of a group."""
        if self._owner is asyncio.get_running_loop():
            await super().group_send(group, message)
        else:
            self._sender.send(("group_send", group, message))

    async def close(self) -> None:
        """Give up ownership, so that another process can take it."""
        self._sender.close()
        if self._server is not None and self._lock is not None:
            self._server.close()
            self._lock.close()
        self._owner = self._server = self._lock = None

    async def _take_ownership(self) -> None:
        lock = self._path.with_suffix(".lock").open("w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise RuntimeError(
                "Another web process owns the live updates; several need REDIS_URL."
            ) from None
        self._lock = lock
        self._owner = asyncio.get_running_loop()  # before any await: a second caller must see it
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        os.fchmod(listener.fileno(), 0o600)  # decides the mode of the file that bind() makes
        listener.bind(str(self._path))
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
                if size > MAX_FRAME_BYTES:
                    break
                await self._hand_over(*msgpack.unpackb(await reader.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _hand_over(self, kind: str, name: str, message: Hint) -> None:
        try:
            await (self.group_send if kind == "group_send" else self.send)(name, message)
        except ChannelFull:
            pass


class Sender:
    """The way to the owner, kept open. Used from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._mutex = threading.Lock()
        self._quiet_until = 0.0

    def send(self, hint: tuple[str, str, Hint]) -> bool:
        """Write one frame and say whether it left; a broken connection is made anew once.

        Writing is a copy in memory. Only an owner that hangs makes it wait, two seconds, and
        then hints are dropped for a while so that it cannot hold up delivery.
        """
        frame = msgpack.packb(hint)
        with self._mutex:
            if time.monotonic() < self._quiet_until:
                return False
            for _ in range(2):
                try:
                    self._connected().sendall(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)
                except TimeoutError:
                    self.close()
                    self._quiet_until = time.monotonic() + QUIET_SECONDS
                    logger.warning("live updates paused", extra={"socket": str(self._path)})
                    return False
                except OSError:  # no owner yet, or it was restarted
                    self.close()
                else:
                    return True
        return False

    def close(self) -> None:
        """Forget the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            new = socket.socket(socket.AF_UNIX)
            new.settimeout(TIMEOUT_SECONDS)
            try:
                new.connect(str(self._path))
            except OSError:
                new.close()
                raise
            self._socket = new
        return self._socket
