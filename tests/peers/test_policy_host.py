"""The HTTPS fetch of an MTA-STS policy: what is taken, and what is not (RFC 8461 §3.2, §3.3)."""

from __future__ import annotations

import asyncio
import gzip
from datetime import timedelta
from pathlib import Path

import pytest

from delivery.policy.facts import StsMode
from delivery.policy.outcome import Result
from delivery.policy.reasons import Reason
from tests.fakes.certificates import START, self_signed
from tests.fakes.policy_server import PolicyServer, http
from tests.fakes.policy_world import NAME, ROOT, PolicyWorld, policy
from tests.fakes.smtp_server import SmtpServer
from tests.peers.conftest import Net, outcomes_of


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        pytest.param(
            http(b"", status="301 Moved", headers="Location: https://elsewhere.test/\r\n"),
            Reason.STS_POLICY_FETCH_ERROR,
            id="redirect",
        ),
        pytest.param(http(b"", status="404 None"), Reason.STS_POLICY_FETCH_ERROR, id="not found"),
        pytest.param(
            http(b"", status="304 Same"), Reason.STS_POLICY_FETCH_ERROR, id="not modified"
        ),
        pytest.param(http(policy(), status="203 Odd"), Reason.STS_POLICY_FETCH_ERROR, id="203"),
        pytest.param(http(b"<html>"), Reason.STS_POLICY_INVALID, id="HTML"),
        pytest.param(
            http(policy(), media_type="text/html"), Reason.STS_POLICY_INVALID, id="as text/html"
        ),
        pytest.param(http(policy(), media_type=""), Reason.STS_POLICY_INVALID, id="as nothing"),
        pytest.param(
            http(gzip.compress(policy()), headers="Content-Encoding: gzip\r\n"),
            Reason.STS_POLICY_INVALID,
            id="compressed",
        ),
        pytest.param(http(b"\xff\xfe"), Reason.STS_POLICY_INVALID, id="not text"),
        pytest.param(http(policy() + b"#" * 65536), Reason.STS_POLICY_INVALID, id="too large"),
        pytest.param(b"", Reason.STS_POLICY_FETCH_ERROR, id="silence"),
        pytest.param(b"220 mx ESMTP\r\n\r\n", Reason.STS_POLICY_FETCH_ERROR, id="not HTTP"),
    ],
)
async def test_fetch_takes_nothing_but_a_policy(
    world: PolicyWorld, response: bytes, reason: Reason
):
    world.server.response = response
    world.time_scale = 1.0 if response else 0.02
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
async def test_certificate_of_the_policy_host_must_be_good(
    world: PolicyWorld, leaf, tmp_path: Path
):
    async with PolicyServer(leaf, tmp_path, http(policy())) as server:
        world.server = server
        facts = await world.find()
    assert (facts.mode, facts.reason) == (StsMode.ERROR, Reason.STS_WEBPKI_INVALID)
    assert server.requests == []


@pytest.mark.parametrize("media_type", ["text/plain; charset=utf-8", "Text/Plain;x=y"])
async def test_parameters_of_the_media_type_do_not_matter(world: PolicyWorld, media_type: str):
    world.server.response = http(policy(), media_type=media_type)
    assert (await world.find()).mode is StsMode.ENFORCE


async def test_redirect_is_not_followed_even_to_the_same_host(world: PolicyWorld):
    path = "https://mta-sts.sts.test/.well-known/mta-sts.txt?again"
    world.server.response = http(b"", status="302 Found", headers=f"Location: {path}\r\n")
    assert (await world.find()).detail == f"{NAME} answered 302"
    assert len(world.server.requests) == 1


async def test_policy_that_trickles_in_is_given_up_after_a_minute(world: PolicyWorld):
    # Every read succeeds at once, so only a limit on the whole fetch ends it.
    world.server.pause = 0.1
    world.time_scale = 0.05
    facts = await world.find()
    assert (facts.reason, facts.detail) == (
        Reason.STS_POLICY_FETCH_ERROR,
        f"{NAME} took more than 3 seconds",
    )


async def test_body_is_read_no_further_than_64_kib(world: PolicyWorld):
    endless = http(b"")[:-2].replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"\r\n"
    world.server.response = endless + (b"1000\r\n" + b"#" * 4096 + b"\r\n") * 17
    facts = await world.find()
    assert (facts.reason, facts.detail) == (
        Reason.STS_POLICY_INVALID,
        f"{NAME} sent more than 64 KiB",
    )


async def test_answer_that_claims_to_be_compressed_is_refused_unread(world: PolicyWorld):
    world.server.response = http(policy(), headers="Content-Encoding: br\r\n")
    facts = await world.find()
    assert (facts.reason, facts.detail) == (
        Reason.STS_POLICY_INVALID,
        f"{NAME} sent the policy as br",
    )


async def test_compression_is_not_asked_for(world: PolicyWorld):
    await world.find()
    assert "accept-encoding: identity" in world.server.requests[0].lower()


async def test_policy_host_without_an_address_is_a_fetch_error(world: PolicyWorld):
    del world.resolver.records[f"A {NAME}"]
    facts = await world.find()
    assert facts.reason is Reason.STS_POLICY_FETCH_ERROR


async def test_next_address_is_tried_when_one_does_not_answer(world: PolicyWorld):
    world.resolver.records[f"A {NAME}"] = ("127.0.0.77", "127.0.0.1")
    assert (await world.find()).mode is StsMode.ENFORCE


async def test_address_that_answers_is_the_last_one_asked(world: PolicyWorld):
    # What one address says holds for the host: another answer might suit us better, and be older.
    world.server.response = http(b"", status="404 None")
    world.resolver.records[f"A {NAME}"] = ("127.0.0.1", "127.0.0.1")
    assert (await world.find()).detail == f"{NAME} answered 404"
    assert len(world.server.requests) == 1


async def test_policy_host_that_is_an_alias_is_found_under_its_own_name(world: PolicyWorld):
    # RFC 8461 §3.3 and §8.2: policies may be delegated by CNAME; SNI, Host and certificate stay.
    del world.resolver.records[f"A {NAME}"]
    world.resolver.records[f"CNAME {NAME}"] = ("policies.hoster.test",)
    world.resolver.records["A policies.hoster.test"] = ("127.0.0.1",)
    assert (await world.find()).mode is StsMode.ENFORCE
    assert world.server.names == [NAME]


async def test_policy_host_that_hangs_delays_first_mail_to_its_own_domain_and_nobody_else(
    net: Net, world: PolicyWorld
):
    await net.serve(SmtpServer(), domain="sts.test", mx="10 mx.sts.test")
    await net.serve(SmtpServer(address="127.0.0.2"), domain="d.test", mx="10 mx.d.test")
    net.resolver.records |= world.resolver.records
    net.sts_port, net.ca_file = world.server.port, world.ca_file
    net.time_scale = 0.05  # a minute is 3 seconds
    world.server.response = b""
    waiting = asyncio.create_task(net.send(domain="sts.test"))
    quick = await net.send(domain="d.test")
    assert outcomes_of(quick)[0].result is Result.DELIVERED
    assert not waiting.done()
    slow = await waiting
    assert outcomes_of(slow)[0].result is Result.DELIVERED
    assert slow.facts.sts.reason is Reason.STS_POLICY_FETCH_ERROR
    net.clock.advance(timedelta(minutes=2))
    async with asyncio.timeout(2.5):  # it pauses: the host is not asked again
        await net.send(domain="sts.test")
