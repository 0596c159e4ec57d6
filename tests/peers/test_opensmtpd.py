"""Against Debian's OpenSMTPD, without TLS: no pipelining, no SMTPUTF8, and limits it tells of when they are reached."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from delivery.agent.job import AttemptReport
from delivery.policy.outcome import Result
from tests.peers.conftest import ROOT, Net, outcomes_of
from tests.peers.servers.bodies import BODIES, HEAD
from tests.peers.servers.opensmtpd import OpenSmtpd
from tests.peers.test_tls import ee, publish_tlsa

# Without these it adds its own.
WHOLE_HEAD = HEAD + (b"Date: Fri, 20 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@mailweb.test>\r\n")
CONTENT = WHOLE_HEAD + b"\r\nBob.\r\n.dot\r\n"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenSmtpd]:
    with OpenSmtpd() as opensmtpd:
        yield opensmtpd


@pytest.fixture
async def server(net: Net, running: OpenSmtpd) -> AsyncIterator[OpenSmtpd]:
    """OpenSMTPD, and it alone is the mail host of the world."""
    net.port = running.port
    net.name("10 mx.d.test", "127.0.0.1")
    running.arrivals.forget()
    yield running
    await net.leave()


def _results(report: AttemptReport) -> list[Result]:
    return [outcome.result for outcome in outcomes_of(report)]


@pytest.mark.parametrize("body", BODIES)
async def test_octets_arrive_as_they_were_sent(net: Net, server: OpenSmtpd, body: bytes):
    content = WHOLE_HEAD + b"\r\n" + body
    report = await net.send(content=content, has_8bit=not content.isascii())
    assert _results(report) == [Result.DELIVERED]
    (message,) = await server.arrivals.wait_for(1)
    assert (message.sender, message.recipients) == ("alice@mailweb.test", ("bob@d.test",))
    assert message.content == content


async def test_message_that_must_be_encrypted_does_not_leave(net: Net, server: OpenSmtpd):
    publish_tlsa(net, ee(ROOT.leaf("mx.d.test")))
    report = await net.send(content=CONTENT)
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.7.10")
    assert "MAIL" not in report.attempts[0].transcript


async def test_address_in_another_script_fails_before_anything_is_sent(net: Net, server: OpenSmtpd):
    (outcome,) = outcomes_of(await net.send("böb@d.test"))
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.6.7")


async def test_message_that_is_too_large_fails_before_it_is_sent(net: Net, server: OpenSmtpd):
    (outcome,) = outcomes_of(await net.send(content=CONTENT + b"x" * 70 * 40_000))
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.3.4")
    assert "takes messages of up to 2097152 octets" in outcome.public


async def test_each_recipient_has_the_answer_that_was_given_for_them(net: Net, server: OpenSmtpd):
    names = ("bob", "nobody", "charlie")
    outcomes = outcomes_of(await net.send(*(f"{name}@d.test" for name in names), content=CONTENT))
    assert [(outcome.result, outcome.code) for outcome in outcomes] == [
        (Result.DELIVERED, 250),
        (Result.FAILED, 550),
        (Result.DELIVERED, 250),
    ]
    assert outcomes[1].reply == "550 Invalid recipient: <nobody@d.test>"
    arrived = await server.arrivals.wait_for(2)
    recipients = sorted(one for message in arrived for one in message.recipients)
    assert recipients == ["bob@d.test", "charlie@d.test"]


async def test_recipients_beyond_the_limit_follow_in_the_same_connection(
    net: Net, server: OpenSmtpd
):
    # It says so with 451 4.5.3, where RFC 5321 has 452.
    everybody = [f"person{number}@d.test" for number in range(50)]
    report = await net.send(*everybody, content=CONTENT)
    assert set(_results(report)) == {Result.DELIVERED}
    assert len(report.attempts) == 1
    arrived = await server.arrivals.wait_for(50)
    assert sorted(one for message in arrived for one in message.recipients) == sorted(everybody)
    assert {message.content for message in arrived} == {CONTENT}


async def test_messages_beyond_the_limit_of_a_session_go_over_a_new_one(
    net: Net, server: OpenSmtpd
):
    # The fifth MAIL of a session is answered with 452; that speaks for the session alone.
    reports = [await net.send(content=CONTENT) for _ in range(10)]
    assert [_results(report) for report in reports] == [[Result.DELIVERED]] * 10
    opened = ["EHLO" in report.attempts[-1].transcript for report in reports]
    assert [number for number, is_new in enumerate(opened) if is_new] == [0, 4, 8]
    await server.arrivals.wait_for(10)
