"""Lets many begin, but not all at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Burst:
    """So many at a time; one that takes longer than `seconds` does not hold up those behind it."""

    def __init__(self, most: int, *, seconds: float) -> None:
        self._places = asyncio.Semaphore(most)
        self._seconds = seconds

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it until the block ends or its time is over."""
        await self._places.acquire()
        leave = _Once(self._places)
        timer = asyncio.get_running_loop().call_later(self._seconds, leave)
        try:
            yield
        finally:
            timer.cancel()
            leave()


class _Once:
    """Gives a place back, the first time it is called."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places: asyncio.Semaphore | None = places

    def __call__(self) -> None:
        if self._places is not None:
            self._places.release()
            self._places = None
