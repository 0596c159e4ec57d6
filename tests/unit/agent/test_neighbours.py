from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.agent.config import AgentConfig
from delivery.agent.errors import TurnedAwayError
from delivery.agent.fair import Party
from delivery.agent.health import PATIENCE, Breaker, Health, Trouble
from delivery.agent.neighbours import share_of
from delivery.agent.slots import Slot, Slots
from tests.fakes.clock import FakeClock

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOST, ADDRESS = "mx.example.test", "127.0.0.1"
PARTY = Party(1, "example.test")


class Company:
    """Other workers that leave this one a share and, perhaps, the probe."""

    def __init__(self, share: int = 20, *, may_probe: bool = True) -> None:
        self.left = share
        self.answer = may_probe
        self.asked = 0

    def share(self, host: str, most: int) -> int:
        return min(self.left, most)

    async def may_probe(self, host: str, address: str) -> bool:
        self.asked += 1
        return self.answer


def slots(company: Company, health: Health | None = None, *, at: datetime = NOW) -> Slots:
    config = AgentConfig(hostname="mail.mailweb.test")
    return Slots(config, clock=FakeClock(at), health=health or Health(), neighbours=company)


def open_breaker(health: Health) -> None:
    for _ in range(PATIENCE):
        health.of(HOST, 20).was_in_trouble(ADDRESS, Trouble.SILENT, NOW, "no route")


@given(st.integers(1, 50), st.integers(1, 12), st.text(max_size=20))
def test_the_shares_of_all_workers_are_exactly_what_a_host_may_have(most, workers, host):
    shares = [share_of(host, most, rank=rank, workers=workers) for rank in range(workers)]
    assert sum(shares) == most
    assert max(shares) - min(shares) <= 1


def test_what_cannot_be_divided_goes_to_different_workers_for_different_hosts():
    hosts = [f"mx{number}.example.test" for number in range(300)]
    lucky = Counter(
        rank for host in hosts for rank in range(3) if share_of(host, 1, rank=rank, workers=3)
    )
    assert min(lucky.values()) > 50


async def test_a_worker_opens_no_more_sessions_than_its_share():
    company, health = Company(share=2), Health()
    for _ in range(30):
        health.of(HOST, 20).went_well(ADDRESS)
    all_slots = slots(company, health)
    wanted = [Slot(all_slots, HOST, ADDRESS, PARTY) for _ in range(20)]
    entering = [asyncio.create_task(one.__aenter__()) for one in wanted]
    await asyncio.sleep(0.01)
    assert sum(task.done() for task in entering) == 2
    company.left = 5
    all_slots.adjust_all()
    await asyncio.sleep(0.01)
    assert 2 < sum(task.done() for task in entering) <= 5
    for task in entering:
        task.cancel()
    await asyncio.gather(*entering, return_exceptions=True)
    all_slots.close()


async def test_a_copy_for_a_host_that_is_left_to_others_is_turned_away():
    with pytest.raises(TurnedAwayError) as told:
        async with Slot(slots(Company(share=0)), HOST, ADDRESS, PARTY):
            raise AssertionError("no session may be opened")
    assert told.value.outcome.is_turned_away
    assert HOST in told.value.outcome.public


async def test_those_who_wait_are_turned_away_once_the_share_is_gone():
    company = Company(share=1)
    all_slots = slots(company)
    async with Slot(all_slots, HOST, ADDRESS, PARTY):
        waiting = asyncio.create_task(Slot(all_slots, HOST, ADDRESS, PARTY).__aenter__())
        await asyncio.sleep(0.01)
        company.left = 0
        all_slots.adjust_all()
        with pytest.raises(TurnedAwayError):
            await waiting
    all_slots.close()


@pytest.mark.parametrize("may_probe", [True, False])
async def test_only_who_is_given_the_probe_visits_a_host_in_trouble(may_probe):
    health, company = Health(), Company(may_probe=may_probe)
    open_breaker(health)
    health.take_changes()
    all_slots = slots(company, health, at=NOW + timedelta(hours=1))
    slot = Slot(all_slots, HOST, ADDRESS, PARTY)
    if may_probe:
        async with slot:
            pass
        assert (HOST, ADDRESS) in health.take_changes(), "others must hear how it ended"
    else:
        with pytest.raises(TurnedAwayError):
            async with slot:
                raise AssertionError("no session may be opened")
        assert not health.take_changes(), "the probe belongs to somebody else"
    assert company.asked == 1


async def test_nobody_is_asked_about_a_host_that_does_well():
    company = Company()
    async with Slot(slots(company), HOST, ADDRESS, PARTY):
        assert not company.asked


def test_breakers_that_opened_or_closed_are_news_once():
    health = Health()
    open_breaker(health)
    changes = health.take_changes()
    breaker = changes[HOST, ADDRESS]
    assert breaker is not None
    assert breaker.told == "no route"
    assert not health.take_changes()
    health.of(HOST, 20).went_well(ADDRESS)
    assert health.take_changes() == {(HOST, ADDRESS): None}


def test_a_neighbours_word_counts_only_where_the_host_does_not_answer_us():
    health = Health()
    told = Breaker(failures=5, pauses=1, until=NOW + timedelta(minutes=1))
    health.of("silent.test", 20).adopt(ADDRESS, told)
    assert health.of("silent.test", 20).breaker(ADDRESS) is told
    assert health.of("silent.test", 20).allowed == 1
    health.of("lively.test", 20).went_well(ADDRESS)
    health.of("lively.test", 20).adopt(ADDRESS, told)
    assert health.of("lively.test", 20).breaker(ADDRESS) is None
