"""BDAT (RFC 3030): the same bytes as with DATA, and the same answer to every recipient."""

from __future__ import annotations

from datetime import timedelta

import pytest

from delivery.agent import chunking
from delivery.agent.chunking import BrokenChunking
from delivery.policy.outcome import Result, Scope
from tests.fakes.smtp_server import Reply, Say, SmtpServer
from tests.peers.conftest import CONTENT, Net, outcomes_of

KEYWORDS = ("8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING")
BOTH_WAYS = pytest.mark.parametrize(
    "announces",
    [
        pytest.param(("PIPELINING", *KEYWORDS), id="pipelined"),
        pytest.param(KEYWORDS, id="stepwise"),
    ],
)
PIPELINED = ("PIPELINING", *KEYWORDS)
ALICE, BOB = "alice@d.test", "bob@d.test"
LARGE = b"Subject: Large\r\n\r\n" + b"".join(b".%0900d\r\n" % n for n in range(5000))
HUGE = b"Subject: Huge\r\n\r\n" + (b"." + b"x" * 997 + b"\r\n") * 20_972


def rcpt(address: str) -> str:
    return f"RCPT TO:<{address}>"


def unaware(*announces: str) -> SmtpServer:
    """A server that announces CHUNKING and does not know the command."""
    return SmtpServer({"BDAT": "502 5.5.1 what?"}, announces=announces or PIPELINED)


async def proven(net: Net, server: SmtpServer) -> SmtpServer:
    """Start a server, and send it a message: from now on its BDAT is known to work."""
    await net.serve(server)
    (outcome,) = outcomes_of(await net.send())
    assert outcome.result is Result.DELIVERED
    return server


# The same bytes


@BOTH_WAYS
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            b"Subject: x\r\n\r\n.\r\n..\r\n.dot\r\n\r\n.", id="dots at the start of lines"
        ),
        pytest.param(b"Subject: x\r\n\r\nno end of line", id="no CRLF at the end"),
        pytest.param("Subject: x\r\n\r\nGrüße 日本\r\n".encode(), id="eight bits"),
        pytest.param(LARGE, id="several megabytes"),
    ],
)
async def test_same_bytes_arrive_in_chunks_as_by_data(
    net: Net, announces: tuple[str, ...], content: bytes
):
    server = await net.serve(SmtpServer(announces=announces))
    plain = SmtpServer(announces=announces[:-1], address="127.0.0.2")
    await net.serve(plain, domain="plain.test", mx="10 mx.plain.test")
    has_8bit = not content.isascii()
    for _ in range(2):
        (outcome,) = outcomes_of(await net.send(content=content, has_8bit=has_8bit))
        assert (outcome.result, outcome.reply) == (Result.DELIVERED, "250 2.0.0 taken")
    await net.send(content=content, has_8bit=has_8bit, domain="plain.test")
    assert server.contents == plain.contents * 2
    assert "DATA" not in server.conversations[0].verbs
    assert "BDAT" not in plain.conversations[0].verbs


async def test_message_of_20_megabytes_arrives_whole(net: Net):
    net.time_scale = 1.0
    server = await net.serve(SmtpServer(announces=PIPELINED))
    (outcome,) = outcomes_of(await net.send(content=HUGE))
    assert outcome.result is Result.DELIVERED
    assert server.contents == [HUGE]
    assert server.conversations[0].verbs.count("BDAT") == 1 + -(-(len(HUGE) - 1) // (1024 * 1024))


async def test_parameters_of_mail_are_the_same(net: Net):
    announces = (*PIPELINED, "SIZE 1000", "SMTPUTF8")
    server = await net.serve(SmtpServer(announces=announces))
    await net.send("böb@d.test")
    assert server.conversations[0].lines[1] == (
        f"MAIL FROM:<alice@mailweb.test> SIZE={len(CONTENT)} BODY=7BIT SMTPUTF8"
    )


async def test_eight_bits_are_encoded_where_only_8bitmime_is_missing(net: Net):
    server = await net.serve(SmtpServer(announces=("PIPELINING", "CHUNKING")))
    content = (
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
    ).encode()
    (outcome,) = outcomes_of(await net.send(content=content, has_8bit=True))
    assert outcome.result is Result.DELIVERED
    assert server.contents[0].isascii()


# What goes out when


async def test_first_chunk_of_a_session_is_one_octet(net: Net):
    server = await net.serve(SmtpServer({"MAIL": Say(then="silence")}, announces=PIPELINED))
    net.time_scale = 0.001
    report = await net.send()
    sent = [line for line in report.attempts[0].transcript.splitlines() if line.startswith("C: ")]
    assert sent[2:] == ["C: RCPT TO:<bob@d.test>", "C: BDAT 1", "C: (1 octet of content)"]
    assert server.contents == []


async def test_next_message_goes_out_in_one_write(net: Net):
    replies: dict[str, Reply] = {"MAIL": ["250 ok", Say(then="silence")]}
    server = await net.serve(SmtpServer(replies, announces=PIPELINED))
    net.time_scale = 0.002
    await net.send()
    report = await net.send()
    sent = [line for line in report.attempts[0].transcript.splitlines() if line.startswith("C: ")]
    assert sent == [
        "C: MAIL FROM:<alice@mailweb.test> BODY=7BIT",
        "C: RCPT TO:<bob@d.test>",
        f"C: BDAT {len(CONTENT)} LAST",
        f"C: ({len(CONTENT)} octets of content)",
    ]
    assert server.contents == [CONTENT]


async def test_large_message_waits_for_the_recipients(net: Net):
    replies = {"RCPT": ["250 ok", "550 5.1.1 no"]}
    server = await proven(net, SmtpServer(replies, announces=PIPELINED))
    (outcome,) = outcomes_of(await net.send(content=LARGE))
    assert outcome.result is Result.FAILED
    assert server.conversations[0].verbs[-1] == "RCPT"


# Every recipient keeps its own answer


@BOTH_WAYS
async def test_refused_recipient_keeps_its_words_and_the_other_gets_the_message(
    net: Net, announces: tuple[str, ...]
):
    server = await proven(net, SmtpServer({rcpt(ALICE): "550 5.1.1 no"}, announces=announces))
    refused, taken = outcomes_of(await net.send(ALICE, BOB))
    assert (refused.result, refused.reply) == (Result.FAILED, "550 5.1.1 no")
    assert taken.result is Result.DELIVERED
    assert server.contents == [CONTENT] * 2


@pytest.mark.parametrize("answer", ["503 5.5.1 no recipients", "554 5.5.1 no valid recipients"])
async def test_body_sent_in_vain_costs_nothing_but_itself(net: Net, answer: str):
    replies = {rcpt(ALICE): "550 5.1.1 no", ".": ["250 2.0.0 taken", answer, "250 2.0.0 taken"]}
    server = await proven(net, SmtpServer(replies, announces=PIPELINED))
    (refused,) = outcomes_of(await net.send(ALICE))
    assert (refused.result, refused.reply) == (Result.FAILED, "550 5.1.1 no")
    (taken,) = outcomes_of(await net.send())
    assert taken.result is Result.DELIVERED
    (talk,) = server.conversations
    assert talk.verbs.count("RSET") == 1


async def test_refused_mail_is_final_although_the_body_went_along(net: Net):
    replies = {"MAIL": ["250 ok", "550 5.7.1 not from you"], ".": ["250 ok", "503 5.5.1 what?"]}
    await proven(net, SmtpServer(replies, announces=PIPELINED))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.code, outcome.scope) == (Result.FAILED, 550, Scope.MESSAGE)


async def test_452_is_tried_again_in_the_same_session(net: Net):
    replies = {rcpt(BOB): ["250 ok", "452 4.5.3 too many", "250 ok"]}
    server = await proven(net, SmtpServer(replies, announces=PIPELINED))
    report = await net.send(ALICE, BOB)
    assert [one.result for one in outcomes_of(report)] == [Result.DELIVERED] * 2
    assert len(server.conversations) == 1
    assert server.contents == [CONTENT] * 3


@BOTH_WAYS
@pytest.mark.parametrize(
    ("reply", "result"),
    [("451 4.7.1 greylisted", Result.DEFERRED), ("554 5.6.0 we do not like it", Result.FAILED)],
)
async def test_reply_to_the_last_chunk_decides_for_the_accepted(
    net: Net, announces: tuple[str, ...], reply: str, result: Result
):
    server = await proven(net, SmtpServer({".": ["250 ok", reply, "250 ok"]}, announces=announces))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope, outcome.reply) == (result, Scope.MESSAGE, reply)
    (taken,) = outcomes_of(await net.send())
    assert taken.result is Result.DELIVERED
    assert server.conversations[0].verbs.count("RSET") == 1


@BOTH_WAYS
@pytest.mark.parametrize(
    ("reply", "result"),
    [("452 4.3.1 disk full", Result.DEFERRED), ("552 5.3.4 too large", Result.FAILED)],
)
async def test_refused_chunk_ends_the_message_and_not_the_session(
    net: Net, announces: tuple[str, ...], reply: str, result: Result
):
    replies = {"BDAT 1048576": ["250 ok", reply]}
    server = await proven(net, SmtpServer(replies, announces=announces))
    (outcome,) = outcomes_of(await net.send(content=LARGE))
    assert (outcome.result, outcome.reply) == (result, reply)
    assert server.conversations[0].lines.count("BDAT 1048576") < 5
    (taken,) = outcomes_of(await net.send())
    assert taken.result is Result.DELIVERED
    assert server.conversations[0].verbs.count("RSET") == 1


async def test_refused_chunk_is_final_although_the_connection_ends(net: Net):
    replies: dict[str, Reply] = {"BDAT 1048576": Say("552 5.3.4 too large", "close")}
    await net.serve(SmtpServer(replies, announces=PIPELINED))
    (outcome,) = outcomes_of(await net.send(content=LARGE))
    assert (outcome.result, outcome.reply) == (Result.FAILED, "552 5.3.4 too large")


# Servers that go away


async def test_connection_lost_in_the_middle_of_a_chunk_is_temporary(net: Net):
    server = SmtpServer(announces=PIPELINED)
    server.reads_of_a_chunk = 300_000
    await net.serve(server)
    (outcome,) = outcomes_of(await net.send(content=LARGE))
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.2")
    assert server.contents == []


@pytest.mark.parametrize("then", ["close", "reset", "silence"])
async def test_connection_lost_before_the_last_chunk_leaves_the_next_host(net: Net, then: str):
    # What is not complete can't have been taken: another host can't deliver it twice.
    net.time_scale = 0.002 if then == "silence" else 0.1
    server = SmtpServer(announces=PIPELINED)
    server.reads_of_a_chunk, server.after_part_of_a_chunk = 300_000, then
    await net.serve(server)
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    (outcome,) = outcomes_of(await net.send(content=HUGE))
    assert outcome.result is Result.DELIVERED
    assert spare.contents == [HUGE]
    assert server.contents == []


@pytest.mark.parametrize("then", ["close", "reset", "silence"])
async def test_missing_reply_to_the_last_chunk_is_put_off_and_no_other_host_is_tried(
    net: Net, then: str
):
    net.time_scale = 0.0005 if then == "silence" else 0.1
    await net.serve(SmtpServer({".": Say(then=then)}, announces=PIPELINED))
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope) == (Result.DEFERRED, Scope.MESSAGE)
    assert spare.conversations == []


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param({rcpt(BOB): ["250 ok", Say(then="close")]}, id="closes at RCPT"),
        pytest.param({".": ["250 ok", Say(then="close")]}, id="closes at the end"),
        pytest.param({"MAIL": ["250 ok", Say(then="silence")]}, id="says nothing"),
    ],
)
async def test_message_that_went_out_whole_is_not_sent_again_at_once(net: Net, replies):
    net.time_scale = 0.002
    await proven(net, SmtpServer(replies, announces=PIPELINED))
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    net.clock.advance(timedelta(minutes=2))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope) == (Result.DEFERRED, Scope.MESSAGE)
    assert spare.conversations == []


@pytest.mark.parametrize("then", ["", "close", "reset"])
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "BDAT 1", "."])
async def test_421_is_the_end_of_the_session_whatever_follows(net: Net, stage: str, then: str):
    replies = {stage: Say("421 4.3.2 bye", then)}
    server = await net.serve(SmtpServer(replies, announces=PIPELINED))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope, outcome.reply) == (
        Result.DEFERRED,
        Scope.HOST,
        "421 4.3.2 bye",
    )
    assert len(server.conversations) == 1


# Servers that announce what they cannot do


@BOTH_WAYS
@pytest.mark.parametrize("reply", ["502 5.5.1 what?", "503 5.5.1 not now", "451 4.3.0 later"])
async def test_refusal_of_the_first_chunk_means_data_in_a_new_session(
    net: Net, announces: tuple[str, ...], reply: str
):
    server = await net.serve(SmtpServer({"BDAT": reply}, announces=announces))
    for _ in range(2):
        (outcome,) = outcomes_of(await net.send())
        assert outcome.result is Result.DELIVERED
    assert server.contents == [CONTENT] * 2
    first, second = server.conversations
    assert "BDAT" in first.verbs
    assert "DATA" not in first.verbs
    # The address is remembered.
    assert second.verbs.count("DATA") == 2
    assert "BDAT" not in second.verbs


@BOTH_WAYS
async def test_content_is_never_read_as_commands(net: Net, announces: tuple[str, ...]):
    server = await net.serve(unaware(*announces))
    content = b"RSET\r\nMAIL FROM:<boss@d.test>\r\n"
    (outcome,) = outcomes_of(await net.send(content=content))
    assert outcome.result is Result.DELIVERED
    assert server.contents == [content]
    assert "MAIL FROM:<boss@d.test>" not in [
        line for talk in server.conversations for line in talk.lines
    ]


async def test_octet_that_an_unaware_server_keeps_spoils_no_later_message(net: Net):
    replies: dict[str, Reply] = {"BDAT": "502 5.5.1 what?", rcpt(BOB): "550 5.1.1 no"}
    server = await net.serve(SmtpServer(replies, announces=PIPELINED))
    (refused,) = outcomes_of(await net.send(BOB))
    assert refused.reply == "550 5.1.1 no"
    (taken,) = outcomes_of(await net.send(ALICE))
    assert taken.result is Result.DELIVERED
    assert len(server.conversations) == 2


@BOTH_WAYS
@pytest.mark.parametrize("then", ["close", "reset"])
async def test_server_that_leaves_at_the_first_chunk_gets_data_in_a_new_session(
    net: Net, announces: tuple[str, ...], then: str
):
    server = await net.serve(SmtpServer({"BDAT": Say(then=then)}, announces=announces))
    (outcome,) = outcomes_of(await net.send())
    assert outcome.result is Result.DELIVERED
    assert server.contents == [CONTENT]
    assert ["BDAT" in talk.verbs for talk in server.conversations] == [True, False]


async def test_next_session_of_the_address_does_not_try_again(net: Net):
    server = await net.serve(unaware(*PIPELINED, "LIMITS MAILMAX=1"))
    for _ in range(2):
        (outcome,) = outcomes_of(await net.send())
        assert outcome.result is Result.DELIVERED
    assert [talk.verbs.count("BDAT") for talk in server.conversations] == [1, 0, 0]


async def test_refused_recipient_is_settled_also_where_chunking_is_broken(net: Net):
    replies: dict[str, Reply] = {"BDAT": Say(then="close"), rcpt(ALICE): "550 5.1.1 no"}
    server = await net.serve(SmtpServer(replies, announces=PIPELINED))
    refused, taken = outcomes_of(await net.send(ALICE, BOB))
    assert (refused.reply, taken.result) == ("550 5.1.1 no", Result.DELIVERED)
    assert rcpt(ALICE) not in server.conversations[1].lines


async def test_server_that_forgets_bdat_defers_and_is_not_believed_again(net: Net):
    replies = {".": ["250 ok", "502 5.5.1 what?", "250 ok"]}
    server = await proven(net, SmtpServer(replies, announces=PIPELINED))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.5.0")
    (outcome,) = outcomes_of(await net.send())
    assert outcome.result is Result.DELIVERED
    assert "DATA" in server.conversations[1].verbs


def test_memory_of_broken_chunking_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunking, "MOST_REMEMBERED", 2)
    broken = BrokenChunking()
    for last in range(1, 5):
        broken.add(f"127.0.0.{last}")
    assert [f"127.0.0.{last}" in broken for last in range(1, 5)] == [False, False, True, True]
