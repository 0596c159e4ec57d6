"""A scripted server on a thread of its own, for tests that are not asynchronous themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from tests.fakes.relay import Relay
from tests.fakes.smtp_server import SmtpServer

Server = TypeVar("Server", SmtpServer, Relay)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Run the server until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def on_loop(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    on_loop(server.__aenter__())
    try:
        yield server
    finally:
        on_loop(server.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
