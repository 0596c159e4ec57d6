"""What senders want to be told (RFC 3461), on the wire."""

from __future__ import annotations

import pytest

from delivery.agent.job import AttemptReport, Job, JobRecipient
from delivery.policy.modes import Order
from delivery.policy.outcome import Result
from delivery.smtp import Notify, Ret
from tests.fakes.smtp_server import SmtpServer
from tests.peers.conftest import CONTENT, Net, outcomes_of

WITH_DSN = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN")
STEP_BY_STEP = ("8BITMIME", "ENHANCEDSTATUSCODES", "DSN")
WITHOUT = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")
BOB = JobRecipient(
    key=0,
    address="bob@d.test",
    notify=frozenset({Notify.DELAY, Notify.SUCCESS}),
    orcpt="rfc822;Bob+x=y@old.test",
)
CHARLIE = JobRecipient(key=1, address="charlie@d.test", notify=frozenset({Notify.NEVER}))
DAVE = JobRecipient(key=2, address="dave@d.test")


async def sent(net: Net, *recipients: JobRecipient, **more) -> AttemptReport:
    job = Job(
        mail_from="alice@mailweb.test",
        domain="d.test",
        recipients=recipients,
        order=Order(),
        content=CONTENT,
        **more,
    )
    return await (await net.agent()).deliver(job)


@pytest.mark.parametrize("announces", [WITH_DSN, STEP_BY_STEP], ids=["pipelined", "stepwise"])
async def test_wishes_are_passed_on_to_a_server_that_offers_dsn(net: Net, announces):
    server = await net.serve(SmtpServer(announces=announces))
    report = await sent(net, BOB, CHARLIE, DAVE, ret=Ret.HEADERS, envid="QQ+314 159=x")
    lines = server.conversations[0].lines
    assert lines[1:5] == [
        "MAIL FROM:<alice@mailweb.test> BODY=7BIT RET=HDRS ENVID=QQ+2B314+20159+3Dx",
        "RCPT TO:<bob@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx+3Dy@old.test",
        "RCPT TO:<charlie@d.test> NOTIFY=NEVER",
        "RCPT TO:<dave@d.test>",
    ]
    assert [one.is_reported_by_host for one in outcomes_of(report)] == [True, True, True]


async def test_server_without_dsn_hears_nothing_of_them(net: Net):
    server = await net.serve(SmtpServer(announces=WITHOUT))
    report = await sent(net, BOB, CHARLIE, ret=Ret.FULL, envid="x")
    assert server.conversations[0].lines[1:4] == [
        "MAIL FROM:<alice@mailweb.test> BODY=7BIT",
        "RCPT TO:<bob@d.test>",
        "RCPT TO:<charlie@d.test>",
    ]
    assert [one.result for one in outcomes_of(report)] == [Result.DELIVERED, Result.DELIVERED]
    assert not any(one.is_reported_by_host for one in outcomes_of(report))


async def test_where_nothing_was_said_nothing_is_said(net: Net):
    server = await net.serve(SmtpServer(announces=WITH_DSN))
    await sent(net, DAVE)
    assert server.conversations[0].lines[1:3] == [
        "MAIL FROM:<alice@mailweb.test> BODY=7BIT",
        "RCPT TO:<dave@d.test>",
    ]


async def test_recipient_of_a_further_transaction_keeps_its_wishes(net: Net):
    replies = {"RCPT TO:<charlie@d.test> NOTIFY=NEVER": ["452 4.5.3 too many", "250 ok"]}
    server = await net.serve(SmtpServer(replies, announces=WITH_DSN))
    await sent(net, BOB, CHARLIE, ret=Ret.FULL)
    lines = server.conversations[0].lines
    assert lines.count("RCPT TO:<charlie@d.test> NOTIFY=NEVER") == 2
    mails = [line for line in lines if line.startswith("MAIL")]
    assert mails == ["MAIL FROM:<alice@mailweb.test> BODY=7BIT RET=FULL"] * 2


async def test_next_host_without_dsn_takes_the_message_all_the_same(net: Net):
    await net.serve(SmtpServer({"": "421 4.3.2 busy"}, announces=WITH_DSN))
    second = SmtpServer(announces=WITHOUT, address="127.0.0.2")
    await net.serve(second, mx="20 mx2.d.test")
    (outcome,) = outcomes_of(await sent(net, BOB))
    assert (outcome.result, outcome.is_reported_by_host) == (Result.DELIVERED, False)
    assert "RCPT TO:<bob@d.test>" in second.conversations[0].lines


async def test_original_recipient_outside_ascii_travels_as_ascii(net: Net):
    server = await net.serve(SmtpServer(announces=WITH_DSN))
    await sent(net, JobRecipient(key=0, address="bob@d.test", orcpt="utf-8;bürger+1@d.test"))
    line = r"RCPT TO:<bob@d.test> ORCPT=utf-8;b\x{FC}rger\x{2B}1@d.test"
    assert server.conversations[0].lines[2] == line
