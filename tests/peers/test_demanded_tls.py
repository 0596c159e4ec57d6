"""TLS that is demanded, by anybody, and does not come about: the copy waits, and is never returned.

Whoever sits in between can strip STARTTLS, refuse it with any code or break the handshake, so
none of that may be taken for a final answer, and MAIL is not said before TLS is up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from delivery.policy.memory import TlsHistory
from delivery.policy.modes import Mode, Order, PledgeKind, SenderPolicy
from delivery.policy.outcome import Result, Scope
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from tests.fakes.certificates import START
from tests.fakes.smtp_server import Say, SmtpServer
from tests.peers.conftest import ROOT, Net, outcomes_of
from tests.peers.test_tls import MX, ee, hold_policy, publish_tlsa, tls_server

LEAF = ROOT.leaf(MX)
HISTORY = TlsHistory(domain="d.test", last_at=START - timedelta(days=3), hits=12, sessions=12)


def nothing(net: Net) -> None:
    """Publish nothing."""


def dane(net: Net) -> None:
    publish_tlsa(net, ee(LEAF))


def unusable(net: Net) -> None:
    publish_tlsa(net, "1 1 1 " + "00" * 32)


LENIENT = SenderPolicy(accepts_pkix=True)
DEMANDERS = [
    pytest.param(dane, {}, Mechanism.DANE, id="dane"),
    pytest.param(unusable, {}, Mechanism.DANE, id="unusable tlsa"),
    pytest.param(hold_policy, {}, Mechanism.MTA_STS, id="mta-sts"),
    pytest.param(dane, {"mode": Mode.REQUIRETLS}, Mechanism.DANE, id="requiretls by dane"),
    pytest.param(hold_policy, {"mode": Mode.REQUIRETLS}, Mechanism.MTA_STS, id="requiretls by sts"),
    pytest.param(
        nothing,
        {"order": Order(mode=Mode.VERIFIED, sender=LENIENT)},
        Mechanism.TLS,
        id="verified",
    ),
    pytest.param(
        nothing,
        {"order": Order(mode=Mode.OPTIONAL, pledge=PledgeKind.VERIFIED, sender=LENIENT)},
        Mechanism.TLS,
        id="pledge of verified tls",
    ),
    pytest.param(
        nothing,
        {"order": Order(sender=SenderPolicy(allows_plain_text=False))},
        Mechanism.TLS,
        id="account",
    ),
    pytest.param(nothing, {"history": HISTORY}, Mechanism.HISTORY, id="history"),
]


def serve_without(net: Net) -> SmtpServer:
    return SmtpServer()


def serve_helo_only(net: Net) -> SmtpServer:
    return SmtpServer({"EHLO": "502 5.5.1 what?"})


def answering(reply: object) -> Callable[[Net], SmtpServer]:
    return lambda net: tls_server(net, LEAF, replies={"STARTTLS": reply})


NOT_THERE = ("4.7.10", Reason.STARTTLS_NOT_SUPPORTED)
BROKEN = ("4.7.5", Reason.VALIDATION_FAILURE)
SITUATIONS = [
    pytest.param(serve_without, NOT_THERE, id="not announced"),
    pytest.param(serve_helo_only, NOT_THERE, id="no ehlo"),
    pytest.param(answering("454 4.7.0 not now"), NOT_THERE, id="454"),
    pytest.param(answering("501 5.5.4 no"), NOT_THERE, id="501"),
    pytest.param(answering("502 5.5.1 no"), NOT_THERE, id="502"),
    pytest.param(answering("530 5.7.0 no"), NOT_THERE, id="530"),
    pytest.param(answering("554 5.7.1 never"), NOT_THERE, id="554"),
    pytest.param(answering(Say("220 go on", "close")), BROKEN, id="220, then closed"),
    pytest.param(answering(Say("220 go on\r\n250 forged")), BROKEN, id="220, then clear text"),
]


@pytest.mark.parametrize(("serve", "told"), SITUATIONS)
@pytest.mark.parametrize(("publish", "asked", "by"), DEMANDERS)
async def test_copy_waits_and_mail_is_never_said(net: Net, publish, asked, by, serve, told):
    publish(net)
    server = await net.serve(serve(net))
    report = await net.send(**asked)
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.scope) == (Result.DEFERRED, Scope.HOST)
    assert (outcome.enhanced, outcome.reason) == told
    assert {attempt.stopped_by for attempt in report.attempts} == {by}
    assert server.conversations
    assert not any({"MAIL", "RCPT", "DATA"} & set(talk.verbs) for talk in server.conversations)


@pytest.mark.parametrize(("publish", "asked", "by"), DEMANDERS)
async def test_server_that_is_busy_is_put_off_like_any_other(net: Net, publish, asked, by):
    publish(net)
    server = await net.serve(tls_server(net, LEAF, replies={"STARTTLS": "421 4.3.2 busy"}))
    (outcome,) = outcomes_of(await net.send(**asked))
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.3.2")
    assert not any("MAIL" in talk.verbs for talk in server.conversations)


@pytest.mark.parametrize(("publish", "asked", "by"), DEMANDERS)
async def test_another_address_that_brings_up_tls_gets_the_copy(net: Net, publish, asked, by):
    publish(net)
    await net.serve(SmtpServer(address="127.0.0.3"), mx="10 mx.d.test")
    server = await net.serve(
        tls_server(net, LEAF, address="127.0.0.4", announces_tls=("REQUIRETLS",)),
        mx="20 mx.d.test",
    )
    report = await net.send(**asked)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert [attempt.stopped_by for attempt in report.attempts] == [by, Mechanism.NONE]
    assert server.conversations[0].is_tls


async def test_history_tells_its_evidence_also_after_a_broken_handshake(net: Net):
    await net.serve(tls_server(net, LEAF, replies={"STARTTLS": Say("220 go on", "close")}))
    (outcome,) = outcomes_of(await net.send(history=HISTORY))
    assert HISTORY.told() in outcome.public
    assert outcome.private
