"""A lab on a thread of its own, for tests that are not asynchronous themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from delivery.lab.behaviour import Profile
from delivery.lab.world import Lab


@contextmanager
def running_lab(
    *profiles: str | Profile, pace: float = 0.01, records: Iterable[tuple[str, str]] = ()
) -> Iterator[Lab]:
    """Run a lab with these profiles (none: all) until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def on_loop(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    lab = Lab(profiles=profiles, pace=pace, records=records)
    on_loop(lab.__aenter__())
    try:
        yield lab
    finally:
        on_loop(lab.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
