"""Servers that say anything at any time: nothing is raised, and nobody is left without an answer."""

from __future__ import annotations

from random import Random

import pytest

from delivery.policy.modes import Mode
from delivery.policy.outcome import Result
from tests.fakes.smtp_server import Reply, Say, SmtpServer, context_of
from tests.peers.conftest import ROOT, Net

SAYINGS: list[str | Say] = [
    "250 ok",
    "220 ready",
    "251 will forward",
    "221 bye",
    "334 who are you",
    "354 go on",
    "421 4.3.2 bye",
    Say("421 4.3.2 bye", "close"),
    "450 4.2.0 later",
    "452 4.5.3 too many",
    "503 5.5.1 bad sequence",
    "550 5.1.1 no",
    "552 too many",
    "552 5.2.2 full",
    Say("554 5.7.1 no", "reset"),
    Say(then="close"),
    Say(then="reset"),
    "nonsense",
    "250-one\n251 two",
    "250 ok\n250 more than asked for",
]
KIND = {"": "220 ready", "DATA": "354 go on", "STARTTLS": "220 go on", "QUIT": "221 bye"}
STAGES = ("", "EHLO", "HELO", "STARTTLS", "MAIL", "RCPT", "DATA", ".", "RSET", "QUIT")
KEYWORDS = ("8BITMIME", "SIZE 1000", "SIZE 10", "SMTPUTF8", "LIMITS RCPTMAX=1", "LIMITS MAILMAX=1")


def odd_server(rng: Random, net: Net, number: int) -> SmtpServer:
    replies: dict[str, Reply] = {
        stage: [
            rng.choice(SAYINGS) if rng.random() < 0.6 else KIND.get(stage, "250 ok")
            for _ in range(3)
        ]
        for stage in (*STAGES, "RCPT TO:<a@d.test>", "RCPT TO:<b@d.test>")
        if rng.random() < 0.25
    }
    announces = [word for word in KEYWORDS if rng.random() < 0.2]
    announces += ["PIPELINING"] if rng.random() < 0.6 else []
    leaf = ROOT.leaf(f"mx{number}.d.test")
    context = context_of(leaf, str(net.directory / f"{number}.pem"))
    return SmtpServer(
        replies,
        announces=announces,
        context=context if rng.random() < 0.5 else None,
        address=f"127.0.0.{2 + number}",
    )


@pytest.mark.parametrize("seed", range(40))
async def test_every_recipient_gets_exactly_one_answer(net: Net, seed: int):
    rng = Random(seed)
    net.time_scale = 0.02
    servers = [
        await net.serve(odd_server(rng, net, number), mx=f"{number} mx{number}.d.test")
        for number in range(rng.choice((1, 2)))
    ]
    for _ in range(3):
        to = rng.sample([f"{name}@d.test" for name in "abcd"], rng.randint(1, 4))
        before = sum(len(server.contents) for server in servers)
        report = await net.send(*to, mode=rng.choice([Mode.DEFAULT, Mode.OPTIONAL]))
        decided = [result for attempt in report.attempts for result in attempt.results]
        assert [result.key for result in report.results] == list(range(len(to)))
        tried = [result for result in report.results if not result.outcome.is_turned_away]
        assert sorted(result.key for result in decided) == [result.key for result in tried]
        assert set(decided) == set(tried)
        is_delivered = any(one.outcome.result is Result.DELIVERED for one in report.results)
        taken = sum(len(server.contents) for server in servers) - before
        assert taken >= is_delivered
