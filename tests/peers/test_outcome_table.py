"""Outcome = scope x permanence, for every stage and class of reply, and whether the next MX is tried.

RFC 5321 §5.1: what speaks for one host leads to the next one; what speaks for the mail does not.
"""

from __future__ import annotations

import pytest

from delivery.policy.outcome import Result, Scope
from tests.fakes.smtp_server import Say, SmtpServer
from tests.peers.conftest import Net, outcomes_of

PIPELINED = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")
STEPWISE = ("8BITMIME", "ENHANCEDSTATUSCODES")
LATER, NEVER = Result.DEFERRED, Result.FAILED
HOST, MESSAGE, RECIPIENT = Scope.HOST, Scope.MESSAGE, Scope.RECIPIENT
GREETING, EHLO, MAIL, RCPT, DATA, CONTENT = "", "EHLO", "MAIL", "RCPT", "DATA", "."

TABLE: list[tuple[str, str | Say, Result, Scope]] = [
    # stage, reply, result, scope
    (GREETING, "421 4.3.2 busy", LATER, HOST),
    (GREETING, "450 4.7.1 not you", LATER, HOST),
    (GREETING, "554 5.7.1 not you", NEVER, HOST),
    (GREETING, "521 5.3.2 no mail here", NEVER, HOST),
    (EHLO, "421 4.3.2 busy", LATER, HOST),
    (EHLO, "450 4.7.1 not now", LATER, HOST),
    (EHLO, "554 5.7.1 your name", NEVER, HOST),
    (MAIL, "421 4.3.2 busy", LATER, HOST),
    (MAIL, "451 4.3.0 trouble", LATER, HOST),
    (MAIL, "452 4.3.1 no room", LATER, HOST),
    (MAIL, "550 5.7.1 not from you", NEVER, MESSAGE),
    (MAIL, "552 5.3.4 too big", NEVER, MESSAGE),
    (RCPT, "421 4.3.2 busy", LATER, HOST),
    (RCPT, "450 4.2.1 busy mailbox", LATER, RECIPIENT),
    (RCPT, "451 4.7.1 greylisted", LATER, RECIPIENT),
    (RCPT, "452 4.2.2 mailbox full", LATER, RECIPIENT),
    (RCPT, "550 5.1.1 nobody", NEVER, RECIPIENT),
    (RCPT, "551 5.1.6 moved", NEVER, RECIPIENT),
    (RCPT, "552 5.2.2 mailbox full", NEVER, RECIPIENT),
    (RCPT, "553 5.1.3 what", NEVER, RECIPIENT),
    (RCPT, "556 5.1.10 null MX", NEVER, RECIPIENT),
    (RCPT, "599 5.9.9 unheard of", NEVER, RECIPIENT),
    (RCPT, "499 4.9.9 unheard of", LATER, RECIPIENT),
    (DATA, "421 4.3.2 busy", LATER, HOST),
    (DATA, "451 4.3.0 trouble", LATER, HOST),
    (DATA, "554 5.7.1 no", NEVER, MESSAGE),
    (CONTENT, "421 4.3.2 busy", LATER, HOST),
    (CONTENT, "451 4.7.0 looks odd", LATER, MESSAGE),
    (CONTENT, "452 4.3.1 no room", LATER, MESSAGE),
    (CONTENT, "550 5.7.1 spam", NEVER, MESSAGE),
    (CONTENT, "552 5.3.4 too big", NEVER, MESSAGE),
    # What is not understood is temporary.
    (MAIL, "nonsense", LATER, HOST),
    (RCPT, "nonsense", LATER, HOST),
    (MAIL, "354 go on", LATER, HOST),
    (RCPT, Say("", "close"), LATER, HOST),
    (RCPT, Say("", "reset"), LATER, HOST),
]
IDS = [
    f"{stage or 'greeting'} {reply if isinstance(reply, str) else reply.then}"
    for stage, reply, *_ in TABLE
]


@pytest.mark.parametrize("announces", [PIPELINED, STEPWISE], ids=["pipelined", "stepwise"])
@pytest.mark.parametrize(("stage", "reply", "result", "scope"), TABLE, ids=IDS)
async def test_reply_has_its_scope_and_permanence(net: Net, announces, stage, reply, result, scope):
    await net.serve(SmtpServer({stage: reply}, announces=announces))
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.scope) == (result, scope)
    if isinstance(reply, str) and reply[0].isdigit() and reply[0] != "3":
        assert (outcome.reply, outcome.code) == (reply, int(reply[:3]))


@pytest.mark.parametrize(("stage", "reply", "result", "scope"), TABLE, ids=IDS)
async def test_next_host_is_tried_exactly_where_the_first_spoke_for_itself(
    net: Net, stage, reply, result, scope
):
    await net.serve(SmtpServer({stage: reply}, announces=STEPWISE))
    second = SmtpServer(announces=STEPWISE, address="127.0.0.2")
    await net.serve(second, mx="20 mx2.d.test")
    (outcome,) = outcomes_of(await net.send())
    if scope is HOST:
        assert outcome.result is Result.DELIVERED
        assert len(second.contents) == 1
    else:
        assert (outcome.result, outcome.scope) == (result, scope)
        assert second.conversations == []


@pytest.mark.parametrize("answers", [("554", "421"), ("421", "554")], ids=str)
async def test_host_that_may_take_it_later_outweighs_one_that_never_will(net: Net, answers):
    first, second = ({"": f"{code} {code[0]}.3.2 no"} for code in answers)
    await net.serve(SmtpServer(first))
    await net.serve(SmtpServer(second, address="127.0.0.2"), mx="20 mx2.d.test")
    (outcome,) = outcomes_of(await net.send())
    assert (outcome.result, outcome.code) == (LATER, 421)


async def test_refusal_of_one_recipient_says_nothing_about_the_others(net: Net):
    replies = {"RCPT TO:<bob@d.test>": "550 5.1.1 no", "RCPT TO:<charlie@d.test>": "450 4.2.1 busy"}
    await net.serve(SmtpServer(replies))
    found = outcomes_of(await net.send("alice@d.test", "bob@d.test", "charlie@d.test"))
    assert [one.result for one in found] == [Result.DELIVERED, NEVER, LATER]
    assert [one.scope for one in found] == [RECIPIENT] * 3
