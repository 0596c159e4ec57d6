"""Sessions that serve several messages, and those that must not."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

import pytest

from delivery.agent import pool
from delivery.policy.modes import Mode, Order, SenderPolicy
from delivery.policy.outcome import Result
from tests.fakes.smtp_server import Say, SmtpServer, context_of
from tests.peers.conftest import CONTENT, ROOT, Net, outcomes_of


async def test_second_message_goes_over_the_same_connection(net: Net):
    server = await net.serve(SmtpServer())
    await net.send()
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    (talk,) = server.conversations
    assert talk.contents == [CONTENT] * 2
    assert talk.verbs == ["EHLO", "MAIL", "RCPT", "DATA", "MAIL", "RCPT", "DATA"]


async def test_reused_session_has_its_evidence_and_a_transcript_of_its_own(net: Net):
    await net.serve(SmtpServer())
    first, second = await net.send(), await net.send()
    assert first.attempts[0].evidence == second.attempts[0].evidence
    lines = second.attempts[0].transcript.splitlines()
    assert lines[0] == "*: (the connection was open from an earlier message)"
    assert lines[1].startswith("C: MAIL FROM:")


async def test_session_is_shared_by_domains_at_the_same_host(net: Net):
    server = await net.serve(SmtpServer())
    net.name("10 mx.d.test", domain="other.test")
    await net.send()
    await net.send(domain="other.test")
    assert len(server.conversations) == 1


async def test_stricter_message_gets_a_session_of_its_own(net: Net):
    # Trap 4.
    context = context_of(ROOT.leaf("mx.d.test"), str(net.directory / "leaf.pem"))
    server = await net.serve(SmtpServer(context=context))
    net.resolver.secure = ("d.test",)
    await net.send()
    await net.send(order=Order(sender=SenderPolicy(allows_plain_text=False)))
    await net.send(mode=Mode.VERIFIED)
    await net.send()
    await net.send(mode=Mode.VERIFIED)
    assert [len(talk.contents) for talk in server.conversations] == [2, 1, 2]


async def test_session_is_not_used_once_the_published_records_change(net: Net):
    leaf = ROOT.leaf("mx.d.test")
    server = await net.serve(SmtpServer(context=context_of(leaf, str(net.directory / "l.pem"))))
    net.resolver.secure = ("d.test",)
    net.resolver.records["TLSA _25._tcp.mx.d.test"] = ("3 1 1 " + "00" * 32,)
    await net.send(mode=Mode.OPTIONAL)
    net.clock.advance(timedelta(minutes=2))
    net.resolver.records["TLSA _25._tcp.mx.d.test"] = (
        "3 1 1 " + hashlib.sha256(b"another").hexdigest(),
    )
    await net.send(mode=Mode.OPTIONAL)
    assert len(server.conversations) == 2


@pytest.mark.parametrize(
    "dying",
    [
        pytest.param(Say(then="close"), id="closes"),
        pytest.param(Say(then="reset"), id="resets"),
        pytest.param(Say("421 4.4.2 idle too long", "close"), id="says 421"),
    ],
)
@pytest.mark.parametrize("chunking", [(), ("CHUNKING",)], ids=["DATA", "BDAT"])
async def test_dead_session_is_replaced_without_a_word(net: Net, dying, chunking: tuple[str, ...]):
    announces = ("PIPELINING", "8BITMIME", *chunking)
    server = await net.serve(SmtpServer({"MAIL": ["250 ok", dying, "250 ok"]}, announces=announces))
    await net.send()
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert len(report.attempts) == 1
    assert server.contents == [CONTENT] * 2
    assert len(server.conversations) == 2


@pytest.mark.parametrize(
    "dying",
    [
        pytest.param(Say(then="close"), id="closes"),
        pytest.param(Say(then="reset"), id="resets"),
        pytest.param(Say("421 4.4.2 idle too long", "close"), id="says 421"),
        pytest.param("500 what?", id="does not know RSET"),
    ],
)
async def test_session_that_cannot_be_reset_is_replaced_without_a_word(net: Net, dying):
    replies = {"RSET": dying, "DATA": ["451 4.3.0 later", "354 go on"]}
    server = await net.serve(SmtpServer(replies))
    await net.send()
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert len(report.attempts) == 1
    assert server.contents == [CONTENT]
    assert len(server.conversations) == 2


async def test_session_in_order_is_not_reset(net: Net):
    server = await net.serve(SmtpServer())
    await net.send()
    await net.send()
    assert server.conversations[0].verbs.count("MAIL") == 2
    assert "RSET" not in server.conversations[0].verbs


@pytest.mark.parametrize("announces", [("PIPELINING",), ()], ids=["pipelined", "stepwise"])
async def test_session_that_has_had_its_number_of_messages_is_replaced_without_a_word(
    net: Net, announces: tuple[str, ...]
):
    # OpenSMTPD answers MAIL with 452 then, and has not announced MAILMAX.
    had_enough = "452 4.5.0 Too many messages sent"
    replies = {"MAIL": ["250 ok", had_enough, "250 ok"]}
    server = await net.serve(SmtpServer(replies, announces=announces))
    await net.send()
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert (len(report.attempts), len(server.conversations)) == (1, 2)


async def test_first_mail_of_a_session_that_gets_452_is_put_off(net: Net):
    server = await net.serve(SmtpServer({"MAIL": "452 4.3.1 no space left"}))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.3.1")
    assert len(server.conversations) == 1


async def test_session_that_dies_later_is_an_attempt_like_any_other(net: Net):
    server = await net.serve(SmtpServer({"RCPT": ["250 ok", Say(then="close"), "250 ok"]}))
    await net.send()
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert len(server.contents) == 1


async def test_session_that_was_closed_meanwhile_is_not_taken(net: Net):
    server = await net.serve(SmtpServer({".": Say("250 taken", "close")}))
    await net.send()
    report = await net.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert len(server.conversations) == 2


async def test_mailmax_is_kept_to(net: Net):
    server = await net.serve(SmtpServer(announces=("PIPELINING", "LIMITS MAILMAX=2")))
    for _ in range(5):
        await net.send()
    assert [len(talk.contents) for talk in server.conversations] == [2, 2, 1]


async def test_idle_session_is_closed_politely(net: Net, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.01)
    server = await net.serve(SmtpServer())
    await net.send()
    await server.heard("QUIT")
    assert len(server.contents) == 1


async def test_old_session_is_not_used_again(net: Net):
    server = await net.serve(SmtpServer())
    await net.send()
    net.clock.advance(timedelta(minutes=11))
    await net.send()
    assert len(server.conversations) == 2


async def test_plain_session_after_broken_tls_is_not_kept(net: Net):
    context = context_of(ROOT.leaf("mx.d.test"), str(net.directory / "leaf.pem"))
    server = await net.serve(SmtpServer({"STARTTLS": "454 not now"}, context=context))
    await net.send()
    server.replies = {}
    await net.send()
    assert [talk.is_tls for talk in server.conversations] == [False, True]


async def test_refused_message_leaves_the_session_usable(net: Net):
    server = await net.serve(SmtpServer({"RCPT": ["550 5.1.1 no", "250 ok"]}))
    await net.send()
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED
    assert len(server.conversations) == 1


async def test_host_gets_no_more_sessions_at_once_than_allowed(net: Net):
    net.options = {"concurrency_per_host": 3}
    server = await net.serve(SmtpServer())
    reports = await asyncio.gather(*(net.send() for _ in range(20)))
    assert {outcomes_of(report)[0].result for report in reports} == {Result.DELIVERED}
    assert len(server.conversations) <= 3
    assert len(server.contents) == 20


async def test_all_hosts_together_get_no_more_sessions_than_allowed(net: Net):
    net.options = {"concurrency": 2}
    servers = [
        await net.serve(
            SmtpServer(address=f"127.0.0.{n}"), domain=f"d{n}.test", mx=f"10 mx.d{n}.test"
        )
        for n in range(2, 8)
    ]
    await asyncio.gather(*(net.send(domain=f"d{n}.test") for n in range(2, 8)))
    assert [len(server.contents) for server in servers] == [1] * 6


async def test_one_silent_host_holds_up_nobody_else(net: Net):
    net.options = {"concurrency_per_host": 1}
    await net.serve(SmtpServer({"": Say(then="silence")}))
    other = await net.serve(
        SmtpServer(address="127.0.0.2"), domain="other.test", mx="10 mx.other.test"
    )
    stuck = asyncio.create_task(net.send())
    report = await net.send(domain="other.test")
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert len(other.contents) == 1
    assert not stuck.done()
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)


async def test_cancelled_delivery_closes_its_connection(net: Net):
    server = await net.serve(SmtpServer({"MAIL": Say(then="silence")}))
    stuck = asyncio.create_task(net.send())
    await server.heard("MAIL")
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    assert stuck.cancelled()
    server.replies = {}
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED
