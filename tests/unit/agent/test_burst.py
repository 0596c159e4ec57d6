"""Many begin, but not all at once."""

from __future__ import annotations

import asyncio

from delivery.agent.burst import Burst

HOUR = 3600.0


async def test_no_more_than_so_many_begin_and_each_that_ends_lets_one_in():
    burst, begun, may_end = Burst(2, seconds=HOUR), [], asyncio.Event()

    async def work(number: int) -> None:
        async with burst.place():
            begun.append(number)
            await may_end.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert begun == [0, 1]
    may_end.set()
    await asyncio.gather(*tasks)
    assert begun == [0, 1, 2, 3, 4]


async def test_who_takes_long_does_not_hold_up_those_behind():
    burst, has_begun = Burst(1, seconds=0.01), False
    async with burst.place(), asyncio.timeout(5), burst.place():
        has_begun = True
    assert has_begun


async def test_a_place_is_given_back_once_only():
    burst, begun, may_end = Burst(1, seconds=0.2), [], asyncio.Event()
    async with burst.place():
        await asyncio.sleep(0.3)

    async def work(number: int) -> None:
        async with burst.place():
            begun.append(number)
            await may_end.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(2)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert begun == [0]
    may_end.set()
    await asyncio.gather(*tasks)
