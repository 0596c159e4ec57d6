from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from delivery.agent.config import AgentConfig
from delivery.agent.policy_fetch import PolicyFinder
from delivery.agent.policy_host import PolicyHost
from delivery.policy.facts import StsFacts, StsMode
from delivery.policy.reasons import Reason
from tests.fakes.certificates import START, Authority, self_signed
from tests.fakes.clock import FakeClock
from tests.fakes.policies import MemoryPolicies
from tests.fakes.policy_server import PolicyServer, http
from tests.fakes.resolver import FakeResolver

ROOT = Authority()
NAME = "mta-sts.sts.test"
TXT = "TXT _mta-sts.sts.test"


def policy(mode: str = "enforce", max_age: int = 86400) -> bytes:
    return f"version: STSv1\r\nmode: {mode}\r\nmx: mx.sts.test\r\nmax_age: {max_age}\r\n".encode()


class World:
    """A domain with a policy host, and our side with its memory."""

    def __init__(self, server: PolicyServer, ca_file: Path) -> None:
        self.server = server
        self.clock = FakeClock()
        self.store = MemoryPolicies()
        self.resolver = FakeResolver({TXT: ["v=STSv1; id=1"], f"A {NAME}": ["127.0.0.1"]})
        self.ca_file = ca_file

    def announce(self, policy_id: str) -> None:
        self.resolver.records[TXT] = (f"v=STSv1; id={policy_id}",)

    async def find(self) -> StsFacts:
        config = AgentConfig(
            hostname="mail.mailweb.test",
            sts_port=self.server.port,
            ca_file=str(self.ca_file),
            time_scale=0.01,
        )
        finder = PolicyFinder(
            resolver=self.resolver,
            host=PolicyHost(config, resolver=self.resolver),
            store=self.store,
            clock=self.clock,
        )
        return await finder.find("sts.test")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(ROOT.pem)
    async with PolicyServer(ROOT.leaf(NAME), tmp_path, http(policy())) as server:
        yield World(server, ca_file)


async def test_policy_is_fetched_and_kept(world: World):
    facts = await world.find()
    assert (facts.mode, facts.policy_id, facts.mx) == (StsMode.ENFORCE, "1", ("mx.sts.test",))
    assert facts.expires_at == world.clock.now() + timedelta(days=1)
    assert world.store.kept["sts.test"].text == policy().decode()
    assert world.server.names == [NAME]
    assert world.server.requests[0].startswith("GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
    assert f"Host: {NAME}\r\n" in world.server.requests[0]


async def test_policy_with_the_same_id_is_not_fetched_again(world: World):
    await world.find()
    world.clock.advance(timedelta(hours=2))
    assert (await world.find()).mode is StsMode.ENFORCE
    assert len(world.server.requests) == 1


async def test_new_id_brings_the_new_policy(world: World):
    await world.find()
    world.announce("2")
    world.server.response = http(policy("testing"))
    facts = await world.find()
    assert (facts.mode, facts.policy_id) == (StsMode.TESTING, "2")


async def test_policy_is_fetched_anew_before_it_expires(world: World):
    await world.find()
    world.clock.advance(timedelta(hours=19))
    facts = await world.find()
    assert facts.expires_at == world.clock.now() + timedelta(days=1)


async def test_many_look_ups_fetch_once(world: World):
    config = AgentConfig(
        hostname="mail.mailweb.test", sts_port=world.server.port, ca_file=str(world.ca_file)
    )
    finder = PolicyFinder(
        resolver=world.resolver,
        host=PolicyHost(config, resolver=world.resolver),
        store=world.store,
        clock=world.clock,
    )
    found = await asyncio.gather(*(finder.find("sts.test") for _ in range(20)))
    assert len(set(found)) == len(world.server.requests) == 1


# What is held stays in force


@pytest.mark.parametrize("how", ["gone", "failing", "silent", "damaged"])
async def test_held_policy_survives_the_loss_of_its_record(world: World, how: str):
    await world.find()
    if how == "gone":
        del world.resolver.records[TXT]
    elif how == "damaged":
        world.resolver.records[TXT] = ("v=STSv1; id=",)
    else:
        getattr(world.resolver, how).add(TXT)
    assert (await world.find()).mode is StsMode.ENFORCE


async def test_held_policy_survives_a_failed_refresh_and_pauses(world: World):
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


async def test_held_policy_is_replaced_by_none(world: World):
    await world.find()
    world.announce("2")
    world.server.response = http(policy("none"))
    assert (await world.find()).mode is StsMode.NONE


async def test_expired_policy_counts_for_nothing(world: World):
    await world.find()
    world.clock.advance(timedelta(days=2))
    del world.resolver.records[TXT]
    assert (await world.find()).mode is StsMode.ABSENT
    assert world.store.kept == {}


async def test_policy_of_mode_none_is_removed_when_its_record_is_gone(world: World):
    world.server.response = http(policy("none"))
    await world.find()
    del world.resolver.records[TXT]
    assert (await world.find()).mode is StsMode.ABSENT
    assert world.store.kept == {}


async def test_policy_of_mode_none_is_kept_while_dns_fails(world: World):
    world.server.response = http(policy("none"))
    await world.find()
    world.resolver.failing.add(TXT)
    assert (await world.find()).mode is StsMode.NONE


# What was never had is not missed


async def test_domain_without_a_record_has_no_policy_and_is_not_asked(world: World):
    del world.resolver.records[TXT]
    assert await world.find() == StsFacts(mode=StsMode.ABSENT)
    assert world.server.requests == []


async def test_first_fetch_that_fails_is_ignored_and_tried_again_after_five_minutes(world: World):
    world.server.response = http(b"", status="500 Oops")
    first, second = await world.find(), await world.find()
    assert first.mode is second.mode is StsMode.ERROR
    assert first.reason is second.reason is Reason.STS_POLICY_FETCH_ERROR
    assert len(world.server.requests) == 1
    world.clock.advance(timedelta(minutes=5))
    world.server.response = http(policy())
    assert (await world.find()).mode is StsMode.ENFORCE


async def test_record_that_cannot_be_had_is_an_error_not_absent(world: World):
    world.resolver.failing.add(TXT)
    facts = await world.find()
    assert (facts.mode, facts.reason) == (StsMode.ERROR, Reason.STS_POLICY_FETCH_ERROR)
    assert world.server.requests == []


async def test_two_records_are_an_invalid_policy(world: World):
    world.resolver.records[TXT] = ("v=STSv1; id=1", "v=STSv1; id=2")
    facts = await world.find()
    assert (facts.mode, facts.reason) == (StsMode.ERROR, Reason.STS_POLICY_INVALID)


# The fetch itself


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        pytest.param(
            http(b"", status="301 Moved", headers="Location: https://elsewhere.test/\r\n"),
            Reason.STS_POLICY_FETCH_ERROR,
            id="redirect",
        ),
        pytest.param(http(b"", status="404 None"), Reason.STS_POLICY_FETCH_ERROR, id="not found"),
        pytest.param(http(b"<html>"), Reason.STS_POLICY_INVALID, id="HTML"),
        pytest.param(http(b"\xff\xfe"), Reason.STS_POLICY_INVALID, id="not text"),
        pytest.param(http(policy() + b"#" * 65536), Reason.STS_POLICY_INVALID, id="too large"),
        pytest.param(b"", Reason.STS_POLICY_FETCH_ERROR, id="silence"),
        pytest.param(b"220 mx ESMTP\r\n\r\n", Reason.STS_POLICY_FETCH_ERROR, id="not HTTP"),
    ],
)
async def test_fetch_takes_nothing_but_a_policy(world: World, response: bytes, reason: Reason):
    world.server.response = response
    facts = await world.find()
    assert (facts.mode, facts.reason) == (StsMode.ERROR, reason)
    assert facts.detail


@pytest.mark.parametrize(
    "leaf",
    [
        pytest.param(ROOT.leaf("other.test"), id="wrong name"),
        pytest.param(ROOT.leaf(NAME, until=START + timedelta(days=1)), id="expired"),
        pytest.param(self_signed(NAME), id="self-signed"),
    ],
)
async def test_certificate_of_the_policy_host_must_be_good(world: World, leaf, tmp_path: Path):
    async with PolicyServer(leaf, tmp_path, http(policy())) as server:
        world.server = server
        facts = await world.find()
    assert (facts.mode, facts.reason) == (StsMode.ERROR, Reason.STS_WEBPKI_INVALID)
    assert server.requests == []


async def test_policy_host_without_an_address_is_a_fetch_error(world: World):
    del world.resolver.records[f"A {NAME}"]
    facts = await world.find()
    assert facts.reason is Reason.STS_POLICY_FETCH_ERROR


async def test_next_address_is_tried_when_one_does_not_answer(world: World):
    world.resolver.records[f"A {NAME}"] = ("127.0.0.77", "127.0.0.1")
    assert (await world.find()).mode is StsMode.ENFORCE
