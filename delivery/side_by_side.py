"""The same work for many domains: a few at a time, and not for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

logger = logging.getLogger(__name__)


async def in_turns(
    work: Callable[[str], Awaitable[object]],
    domains: Collection[str],
    *,
    at_once: int,
    seconds: float,
) -> int:
    """Do `work` for each domain, `at_once` side by side; return for how many it was done.

    After `seconds` the rest is left for another time: servers that hang must not occupy a worker
    that others wait for. What breaks for one domain is logged, and the others have their turn.
    """
    places = asyncio.Semaphore(at_once)
    done = 0

    async def one(domain: str) -> None:
        nonlocal done
        async with places:
            try:
                await work(domain)
                done += 1
            except Exception:
                logger.exception("work for a domain broke", extra={"domain": domain})

    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*map(one, domains))
    except TimeoutError:
        logger.info("work left for another time", extra={"domains": len(domains) - done})
    return done
