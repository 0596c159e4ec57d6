"""The same work for many domains."""

from __future__ import annotations

import asyncio
import logging

from delivery.side_by_side import in_turns


async def test_a_few_are_worked_on_side_by_side_and_never_more():
    running = most = 0

    async def work(_: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    assert await in_turns(work, [f"d{n}.test" for n in range(20)], at_once=3, seconds=5) == 20
    assert most == 3


async def test_what_breaks_for_one_domain_is_logged_and_the_others_have_their_turn(caplog):
    done = []

    async def work(domain: str) -> None:
        if domain == "b.test":
            raise RuntimeError(domain)
        done.append(domain)

    assert await in_turns(work, ["a.test", "b.test", "c.test"], at_once=1, seconds=5) == 2
    assert done == ["a.test", "c.test"]
    (record,) = caplog.records
    assert (record.levelno, record.domain) == (logging.ERROR, "b.test")


async def test_servers_that_hang_occupy_a_worker_only_so_long():
    done, given_up = [], []

    async def work(domain: str) -> None:
        try:
            await asyncio.sleep(60 if domain.startswith("hangs") else 0)
            done.append(domain)
        except asyncio.CancelledError:
            given_up.append(domain)
            raise

    domains = ["quick.test", "hangs1.test", "hangs2.test", "late.test"]
    async with asyncio.timeout(5):
        assert await in_turns(work, domains, at_once=3, seconds=0.05) == 2
    assert (done, given_up) == (["quick.test", "late.test"], ["hangs1.test", "hangs2.test"])
