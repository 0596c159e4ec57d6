"""MTA-STS: which policy holds, whatever DNS and the policy host do (RFC 8461 §3.3, §5.1, §8.3)."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from delivery.policy.facts import StsFacts, StsMode
from delivery.policy.reasons import Reason
from tests.fakes.policy_server import http
from tests.fakes.policy_world import NAME, TXT, PolicyWorld, policy


async def test_policy_is_fetched_and_kept(world: PolicyWorld):
    facts = await world.find()
    assert (facts.mode, facts.policy_id, facts.mx) == (StsMode.ENFORCE, "1", ("mx.sts.test",))
    assert facts.expires_at == world.clock.now() + timedelta(days=1)
    assert world.store.kept["sts.test"].text == policy().decode()
    assert world.server.names == [NAME]
    assert world.server.requests[0].startswith("GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert f"Host: {NAME}\r\n" in world.server.requests[0]


async def test_policy_with_the_same_id_is_not_fetched_again(world: PolicyWorld):
    await world.find()
    world.clock.advance(timedelta(hours=2))
    assert (await world.find()).mode is StsMode.ENFORCE
    assert len(world.server.requests) == 1


async def test_new_id_brings_the_new_policy(world: PolicyWorld):
    await world.find()
    world.announce("2")
    world.server.response = http(policy("testing"))
    facts = await world.find()
    assert (facts.mode, facts.policy_id) == (StsMode.TESTING, "2")


async def test_policy_that_grows_old_is_fetched_anew_and_nobody_waits(world: PolicyWorld):
    await world.find()
    world.clock.advance(timedelta(hours=19))
    world.store.changed.clear()
    finder = world.finder()
    facts = await finder.find("sts.test")
    assert facts.expires_at == world.clock.now() + timedelta(hours=5)
    async with asyncio.timeout(10):
        await world.store.changed.wait()
    assert (await finder.find("sts.test")).expires_at == world.clock.now() + timedelta(days=1)
    assert len(world.server.requests) == 2


async def test_many_look_ups_fetch_once(world: PolicyWorld):
    finder = world.finder()
    found = await asyncio.gather(*(finder.find("sts.test") for _ in range(20)))
    assert len(set(found)) == len(world.server.requests) == 1


# What is held stays in force


@pytest.mark.parametrize("how", ["gone", "failing", "silent", "damaged"])
async def test_held_policy_survives_the_loss_of_its_record(world: PolicyWorld, how: str):
    await world.find()
    if how == "gone":
        del world.resolver.records[TXT]
    elif how == "damaged":
        world.resolver.records[TXT] = ("v=STSv1; id=",)
    else:
        getattr(world.resolver, how).add(TXT)
    facts = await world.find()
    assert (facts.mode, facts.policy_id) == (StsMode.ENFORCE, "1")
    assert facts.detail, "what is wrong is told beside it"


async def test_held_policy_survives_a_failed_refresh_and_pauses(world: PolicyWorld):
    await world.find()
    world.announce("2")
    world.server.response = http(b"", status="500 Oops")
    first, second = await world.find(), await world.find()
    assert (first.mode, first.policy_id, second.mode) == (StsMode.ENFORCE, "1", StsMode.ENFORCE)
    assert len(world.server.requests) == 2
    kept = world.store.kept["sts.test"]
    assert (kept.reason, kept.detail) == (
        Reason.STS_POLICY_FETCH_ERROR,
        f"{NAME} answered 500",
    )
    world.clock.advance(timedelta(minutes=5))
    world.server.response = http(policy())
    assert (await world.find()).policy_id == "2"


async def test_held_policy_is_replaced_by_none(world: PolicyWorld):
    await world.find()
    world.announce("2")
    world.server.response = http(policy("none"))
    assert (await world.find()).mode is StsMode.NONE


async def test_expired_policy_counts_for_nothing(world: PolicyWorld):
    await world.find()
    world.clock.advance(timedelta(days=2))
    del world.resolver.records[TXT]
    assert (await world.find()).mode is StsMode.ABSENT
    assert world.store.kept == {}


async def test_policy_of_mode_none_is_removed_when_its_record_is_gone(world: PolicyWorld):
    world.server.response = http(policy("none"))
    await world.find()
    del world.resolver.records[TXT]
    assert (await world.find()).mode is StsMode.ABSENT
    assert world.store.kept == {}


async def test_policy_of_mode_none_is_kept_while_dns_fails(world: PolicyWorld):
    world.server.response = http(policy("none"))
    await world.find()
    world.resolver.failing.add(TXT)
    assert (await world.find()).mode is StsMode.NONE


@pytest.mark.parametrize("announced", ["1", "2"], ids=["merely old", "replaced"])
async def test_policy_host_that_hangs_holds_up_nobody_while_a_policy_is_held(
    world: PolicyWorld, announced: str
):
    await world.find()
    world.clock.advance(timedelta(hours=19))
    world.announce(announced)
    world.server.response = b""
    finder = world.finder(patience=0.05)
    async with asyncio.timeout(30):  # the fetch itself would take a minute
        facts = await finder.find("sts.test")
    assert (facts.mode, facts.policy_id) == (StsMode.ENFORCE, "1")
    await finder.close()


async def test_policy_is_looked_for_at_the_recipient_domain_as_written(world: PolicyWorld):
    # An alias for the mail domain has no say: whoever forges it would choose the policy.
    world.resolver.records["CNAME sts.test"] = ("other.test",)
    world.resolver.records["TXT _mta-sts.other.test"] = ("v=STSv1; id=9",)
    assert (await world.find()).policy_id == "1"


async def test_announcement_may_be_delegated_by_an_alias(world: PolicyWorld):
    # RFC 8461 §8.2.
    world.resolver.records["TXT _mta-sts.hoster.test"] = world.resolver.records.pop(TXT)
    world.resolver.records["CNAME _mta-sts.sts.test"] = ("_mta-sts.hoster.test",)
    assert (await world.find()).mode is StsMode.ENFORCE


async def test_second_announcement_changes_nothing_about_the_policy_held(world: PolicyWorld):
    await world.find()
    world.resolver.records[TXT] = ("v=STSv1; id=2", "v=STSv1; id=3")
    assert (await world.find()).policy_id == "1"
    assert len(world.server.requests) == 1


# Refreshing what is held (RFC 8461 §3.3)


async def test_refresh_makes_the_same_policy_last_longer(world: PolicyWorld):
    await world.find()
    world.clock.advance(timedelta(hours=3))
    assert await world.refresh()
    assert world.store.kept["sts.test"].expires_at == world.clock.now() + timedelta(days=1)


@pytest.mark.parametrize("how", ["gone", "failing", "silent"])
async def test_refresh_goes_on_while_dns_is_kept_from_us(world: PolicyWorld, how: str):
    # RFC 8461 §10.2: else it would be enough to hold up DNS until the policy expires.
    await world.find()
    if how == "gone":
        del world.resolver.records[TXT]
    else:
        getattr(world.resolver, how).add(TXT)
    world.clock.advance(timedelta(hours=3))
    assert await world.refresh()
    kept = world.store.kept["sts.test"]
    assert (kept.policy_id, kept.expires_at) == ("1", world.clock.now() + timedelta(days=1))


async def test_refresh_ends_a_policy_of_mode_none_whose_record_is_gone(world: PolicyWorld):
    world.server.response = http(policy("none"))
    await world.find()
    del world.resolver.records[TXT]
    assert not await world.refresh()
    assert world.store.kept == {}


async def test_refresh_that_fails_keeps_the_policy_and_tells_the_operator(
    world: PolicyWorld, caplog: pytest.LogCaptureFixture
):
    await world.find()
    world.server.response = http(b"", status="500 Oops")
    assert await world.refresh()
    assert (await world.find()).mode is StsMode.ENFORCE
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert await world.refresh()
    assert len(world.server.requests) == 2


async def test_failed_refresh_of_a_policy_given_up_is_no_warning(
    world: PolicyWorld, caplog: pytest.LogCaptureFixture
):
    world.server.response = http(policy("none"))
    await world.find()
    world.server.response = http(b"", status="500 Oops")
    with caplog.at_level(logging.WARNING):
        await world.refresh()
    assert caplog.records == []


async def test_refresh_asks_nobody_for_a_policy_that_is_not_held(world: PolicyWorld):
    assert not await world.refresh()
    assert world.resolver.asked == world.server.requests == []


async def test_policy_that_lasts_less_than_a_day_is_used_and_the_operator_told(
    world: PolicyWorld, caplog: pytest.LogCaptureFixture
):
    world.server.response = http(policy(max_age=3600))
    assert (await world.find()).mode is StsMode.ENFORCE
    assert [record.message for record in caplog.records] == ["policy lasts for less than a day"]


# Asked once more before mail fails because of a policy (RFC 8461 §5.1)


async def test_check_goes_past_what_is_remembered_of_dns(world: PolicyWorld):
    finder = world.finder()
    await finder.find("sts.test")
    world.announce("2")
    world.server.response = http(policy("testing"))
    assert (await finder.check_again("sts.test")).mode is StsMode.TESTING
    assert world.resolver.forgotten == [TXT]


async def test_check_is_made_once_in_five_minutes(world: PolicyWorld):
    finder = world.finder()
    await finder.find("sts.test")
    asked = len(world.resolver.asked)
    for _ in range(3):
        assert (await finder.check_again("sts.test")).mode is StsMode.ENFORCE
    assert len(world.resolver.asked) == asked + 1
    world.clock.advance(timedelta(minutes=5))
    await finder.check_again("sts.test")
    assert len(world.resolver.asked) == asked + 2


async def test_many_who_check_at_once_all_get_the_new_policy(world: PolicyWorld):
    finder = world.finder()
    await finder.find("sts.test")
    world.announce("2")
    found = await asyncio.gather(*(finder.check_again("sts.test") for _ in range(9)))
    assert {facts.policy_id for facts in found} == {"2"}
    assert len(world.server.requests) == 2


# What was never had is not missed


async def test_domain_without_a_record_has_no_policy_and_is_not_asked(world: PolicyWorld):
    del world.resolver.records[TXT]
    assert await world.find() == StsFacts(mode=StsMode.ABSENT)
    assert world.server.requests == []


async def test_first_fetch_that_fails_is_ignored_and_tried_again_after_five_minutes(
    world: PolicyWorld,
):
    world.server.response = http(b"", status="500 Oops")
    first, second = await world.find(), await world.find()
    assert first.mode is second.mode is StsMode.ERROR
    assert first.reason is second.reason is Reason.STS_POLICY_FETCH_ERROR
    assert len(world.server.requests) == 1
    world.clock.advance(timedelta(minutes=5))
    world.server.response = http(policy())
    assert (await world.find()).mode is StsMode.ENFORCE


async def test_record_that_cannot_be_had_is_an_error_not_absent(world: PolicyWorld):
    world.resolver.failing.add(TXT)
    facts = await world.find()
    assert (facts.mode, facts.reason) == (StsMode.ERROR, Reason.STS_POLICY_FETCH_ERROR)
    assert world.server.requests == []


async def test_two_records_are_an_invalid_policy(world: PolicyWorld):
    world.resolver.records[TXT] = ("v=STSv1; id=1", "v=STSv1; id=2")
    facts = await world.find()
    assert (facts.mode, facts.reason) == (StsMode.ERROR, Reason.STS_POLICY_INVALID)
