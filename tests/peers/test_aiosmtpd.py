"""Against a server that other people wrote."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from delivery.policy.facts import Proof
from delivery.policy.outcome import Result
from tests.fakes.smtp_server import context_of
from tests.peers.conftest import CONTENT, ROOT, Net, outcomes_of
from tests.services import free_port


class Keeper:
    """Takes all but charlie's mail."""

    def __init__(self) -> None:
        self.kept: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("charlie"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.kept.append(envelope)
        return "250 2.0.0 kept"


@pytest.fixture
async def keeper(net: Net) -> AsyncIterator[Keeper]:
    keeper = Keeper()
    context = context_of(ROOT.leaf("mx.d.test"), str(net.directory / "leaf.pem"))
    context.verify_mode = ssl.CERT_NONE
    net.port = free_port()
    controller = Controller(
        keeper,
        hostname="127.0.0.1",
        port=net.port,
        tls_context=context,
        require_starttls=True,
        enable_SMTPUTF8=True,
    )
    controller.start()
    net.name("10 mx.d.test", "127.0.0.1")
    yield keeper
    await net.leave()
    controller.stop()


async def test_messages_arrive_over_starttls_in_one_connection(net: Net, keeper: Keeper):
    for _ in range(3):
        report = await net.send("bob@d.test", "charlie@d.test")
        delivered, failed = outcomes_of(report)
        assert (delivered.result, failed.result) == (Result.DELIVERED, Result.FAILED)
        assert failed.reply == "550 5.1.1 no such mailbox"
    evidence = report.attempts[0].evidence
    assert evidence is not None
    assert evidence.tls.proofs == {Proof.PKIX}
    assert [one.original_content for one in keeper.kept] == [CONTENT] * 3
    assert keeper.kept[0].rcpt_tos == ["bob@d.test"]


async def test_8bit_content_and_utf8_addresses_arrive(net: Net, keeper: Keeper):
    content = "Subject: Grüße\r\n\r\nGrüße\r\n".encode()
    (outcome,) = outcomes_of(await net.send("böb@d.test", content=content, has_8bit=True))
    assert outcome.result is Result.DELIVERED
    assert keeper.kept[0].original_content == content
    assert keeper.kept[0].rcpt_tos == ["böb@d.test"]
