"""What the log shows of sessions, level by level."""

from __future__ import annotations

import logging
from base64 import b64encode

import pytest

from delivery.agent import dialogue
from delivery.agent.transcript import Transcript
from delivery.smtp import Auth, AuthResponse, Ehlo, Reply
from mailweb.lib.levels import TRACE, TRACEAUTH, TRACEDATA
from tests.fakes.smtp_server import SmtpServer
from tests.peers.conftest import CONTENT, Net

PASSWORD = b"\0alice\0correct horse"
ENCODED = b64encode(PASSWORD).decode()
LOG_IN = (Auth("PLAIN", PASSWORD), AuthResponse(PASSWORD))
WIRE = b"".join(command.to_bytes() for command in LOG_IN)
CHALLENGE = Reply(334, None, ("cj1hYmMscz1zYWx0LGk9NDA5Ng==",))


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "delivery.dialogue"]


def say_all(log: dialogue.Dialogue) -> None:
    log.commands((Ehlo("mail.test"),), b"EHLO mail.test\r\n")
    log.commands(LOG_IN, WIRE)
    log.reply(CHALLENGE, LOG_IN[0])
    log.content(b"Subject: Hello\r\n\r\nBob\r\n", "(24 octets of content)")


@pytest.mark.parametrize(
    ("level", "credentials", "content"),
    [(TRACE, False, False), (TRACEAUTH, True, False), (TRACEDATA, True, True)],
)
def test_each_level_shows_what_it_is_for(
    level: int, credentials: bool, content: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(level, logger="delivery.dialogue"):
        say_all(dialogue.Dialogue("mx.test", "127.0.0.1"))
    lines = lines_of(caplog)
    assert {"C: EHLO mail.test", "C: AUTH PLAIN ***", "C: ***", "S: 334 ***"} <= set(lines)
    assert any(ENCODED in line for line in lines) == credentials
    assert any("cj1hYmMs" in line for line in lines) == credentials
    assert ("C: Subject: Hello" in lines) == content


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_nothing_of_it_shows_above_the_trace_levels(
    level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(level, logger="delivery.dialogue"):
        say_all(dialogue.Dialogue("mx.test", "127.0.0.1"))
    assert lines_of(caplog) == []


def test_transcript_has_no_credentials_at_any_level() -> None:
    transcript = Transcript()
    transcript.add("C", dialogue.spoken(LOG_IN, WIRE))
    transcript.add("S", dialogue.heard(CHALLENGE, LOG_IN[1]))
    assert transcript.take() == "C: AUTH PLAIN ***\nC: ***\nS: 334 ***"


@pytest.mark.parametrize("chunking", [False, True])
async def test_trace_of_a_delivery_has_its_dialogue_and_no_content(
    net: Net, chunking: bool, caplog: pytest.LogCaptureFixture
) -> None:
    announces = ["PIPELINING", "8BITMIME", *(["CHUNKING"] if chunking else [])]
    await net.serve(SmtpServer(announces=announces))
    with caplog.at_level(TRACE):
        report = await net.send()
    lines = lines_of(caplog)
    assert "C: EHLO mail.mailweb.test" in lines
    assert any(line.startswith("C: MAIL FROM:<alice@mailweb.test>") for line in lines)
    assert "C: RCPT TO:<bob@d.test>" in lines
    assert any("octets of content" in line for line in lines)
    assert not [line for line in lines if "Hello" in line or ".dot" in line]
    sessions = {getattr(record, "session", "") for record in caplog.records} - {""}
    assert len(sessions) == 1
    assert (
        report.attempts[0].transcript.count("C: ") == sum(line.startswith("C: ") for line in lines)
        or chunking
    )


async def test_content_shows_at_tracedata(net: Net, caplog: pytest.LogCaptureFixture) -> None:
    await net.serve(SmtpServer())
    with caplog.at_level(TRACEDATA, logger="delivery.dialogue"):
        await net.send()
    assert "C: Subject: Hello" in lines_of(caplog)
    assert CONTENT


async def test_refusal_is_told_at_info_and_success_at_debug(
    net: Net, caplog: pytest.LogCaptureFixture
) -> None:
    await net.serve(SmtpServer({"RCPT": ["550 5.1.1 no such user", "250 OK"]}))
    with caplog.at_level(logging.DEBUG, logger="delivery.agent.attempt_log"):
        await net.send()
        await net.send()
    told = [one for one in caplog.records if one.getMessage() == "attempt ended"]
    assert [one.levelname for one in told] == ["INFO", "DEBUG"]
    refused = vars(told[0])
    assert (refused["code"], refused["enhanced"], refused["outcome"]) == (550, "5.1.1", "failed")
    assert refused["answer"] == "550 5.1.1 no such user"
    assert refused["session"]
