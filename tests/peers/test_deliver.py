from __future__ import annotations

from tests.fakes.smtp_server import SmtpServer
from tests.peers.conftest import CONTENT, Net, outcomes_of


async def test_message_is_delivered(net: Net):
    server = await net.serve(SmtpServer())
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.code, outcome.reply) == ("delivered", 250, "250 2.0.0 taken")
    assert server.contents == [CONTENT]
    (attempt,) = report.attempts
    assert (attempt.host, attempt.address) == ("mx.d.test", "127.0.0.1")
