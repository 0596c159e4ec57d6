from __future__ import annotations

import asyncio

import pytest

from delivery.agent.fair import Party
from delivery.agent.turns import Turns

PARTY = Party(1, "d.test")


async def waiting(turns: Turns, *parties: Party) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(turns.take(party)) for party in parties]
    await asyncio.sleep(0)
    return tasks


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_no_more_turns_are_taken_than_there_are():
    turns = Turns(2)
    tasks = await waiting(turns, *[PARTY] * 5)
    assert [task.done() for task in tasks] == [True, True, False, False, False]
    turns.give_back()
    await settle()
    assert [task.done() for task in tasks] == [True, True, True, False, False]
    turns.allow(5)
    await settle()
    assert all(task.done() for task in tasks)


async def test_a_turn_that_ends_goes_to_whose_turn_it_is():
    turns = Turns(1)
    await turns.take(PARTY)
    many = await waiting(turns, *[Party(1, "d.test")] * 3)
    (single,) = await waiting(turns, Party(2, "d.test"))
    turns.give_back()
    turns.give_back()
    await settle()
    assert [task.done() for task in (*many, single)] == [True, False, False, True]
    for task in many:
        task.cancel()


async def test_who_stops_waiting_blocks_nobody():
    turns = Turns(1)
    await turns.take(PARTY)
    gone, stays = await waiting(turns, PARTY, PARTY)
    gone.cancel()
    turns.give_back()
    await settle()
    assert stays.done()
    assert gone.cancelled()
    turns.give_back()
    assert turns.used == 0


async def test_a_turn_that_comes_together_with_a_cancellation_is_passed_on():
    turns = Turns(1)
    await turns.take(PARTY)
    first, second = await waiting(turns, PARTY, PARTY)
    turns.give_back()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert second.done()
    assert turns.used == 1


async def test_fewer_turns_end_none_that_has_begun():
    turns = Turns(3)
    for _ in range(3):
        await turns.take(PARTY)
    turns.allow(1)
    (late,) = await waiting(turns, PARTY)
    turns.give_back()
    turns.give_back()
    await settle()
    assert not late.done()
    turns.give_back()
    await settle()
    assert late.done()


async def test_all_who_wait_can_be_sent_away():
    turns = Turns(1)
    await turns.take(PARTY)
    tasks = await waiting(turns, PARTY, PARTY)
    assert turns.are_wanted
    turns.send_away(lambda: LookupError("nobody answers"))
    for task in tasks:
        with pytest.raises(LookupError):
            await task
    assert not turns.are_wanted
    turns.give_back()
    assert turns.used == 0


async def test_a_second_turn_waits_for_a_line_although_there_is_one():
    turns = Turns(5, line=2)
    tasks = await waiting(turns, *[PARTY] * 2)
    assert [task.done() for task in tasks] == [True, False]
    more = await waiting(turns, PARTY)
    await settle()
    assert [task.done() for task in (*tasks, *more)] == [True, True, False]
    turns.give_back()
    await settle()
    assert more[0].done()


async def test_one_more_turn_begins_only_for_a_line_that_is_long_enough():
    turns = Turns(1, line=4)
    short = await waiting(turns, *[PARTY] * 4)
    turns.allow(5)
    await settle()
    assert [task.done() for task in short] == [True, False, False, False]
    long = await waiting(turns, *[PARTY] * 5)
    turns.allow(5)
    await settle()
    assert turns.used == 2
    for _ in range(9):
        turns.give_back()
        await settle()
    assert all(task.done() for task in (*short, *long))
    assert turns.used == 0
