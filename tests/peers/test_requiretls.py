"""Scenario 18: REQUIRETLS and the header that says the opposite (RFC 8689), over real sockets."""

from __future__ import annotations

import pytest

from delivery.policy.facts import StsMode
from delivery.policy.modes import Mode
from delivery.policy.outcome import Result
from delivery.policy.record import Mechanism
from tests.fakes.certificates import self_signed
from tests.fakes.smtp_server import SmtpServer
from tests.peers.conftest import CONTENT, ROOT, Net, outcomes_of
from tests.peers.published import (
    LONG_AGO,
    MX,
    REQUIRETLS,
    TLSA,
    ee,
    hold_policy,
    publish_tlsa,
    tls_server,
)

NEVER = (Result.FAILED, "5.7.30")


async def ends(net: Net, **more) -> tuple[Result, str]:
    (outcome,) = outcomes_of(await net.send(mode=Mode.REQUIRETLS, **more))
    return outcome.result, outcome.enhanced


def mail_line(server: SmtpServer) -> str:
    return next(line for line in server.conversations[-1].lines if line.startswith("MAIL"))


@pytest.mark.parametrize("policy", ["dane", "mta-sts"])
async def test_scenario_18_success_has_the_parameter(net: Net, policy: str):
    leaf = ROOT.leaf(MX)
    server = await net.serve(tls_server(net, leaf, announces_tls=REQUIRETLS))
    if policy == "dane":
        publish_tlsa(net, ee(leaf))
    else:
        hold_policy(net)
    assert await ends(net) == (Result.DELIVERED, "2.0.0")
    assert mail_line(server).endswith(" REQUIRETLS")


@pytest.mark.parametrize("policy", ["nothing", "testing", "none"])
async def test_scenario_18_no_policy_fails_at_once_without_a_session(net: Net, policy: str):
    server = await net.serve(tls_server(net, announces_tls=REQUIRETLS))
    if policy != "nothing":
        hold_policy(net, mode=StsMode(policy))
    assert await ends(net) == NEVER
    assert server.conversations == []


async def test_scenario_18_every_host_outside_the_policy_fails_at_once(net: Net):
    await net.serve(tls_server(net, announces_tls=REQUIRETLS))
    net.name("20 b.d.test", "127.0.0.2")
    hold_policy(net, "c.d.test")
    assert await ends(net) == NEVER


async def test_scenario_18_policy_that_is_kept_from_us_puts_mail_off(net: Net):
    # Whoever stands in between must not be able to make it fail for good.
    await net.serve(tls_server(net, announces_tls=REQUIRETLS))
    net.resolver.failing.add("TXT _mta-sts.d.test")
    assert (await ends(net))[0] is Result.DEFERRED


async def test_scenario_18_extension_missing_on_all_hosts_fails_at_once(net: Net):
    one = await net.serve(tls_server(net))
    leaf = ROOT.leaf("b.d.test")
    two = await net.serve(tls_server(net, leaf, address="127.0.0.2"), mx="20 b.d.test")
    hold_policy(net, "*.d.test")
    assert await ends(net) == NEVER
    assert one.contents == two.contents == []


@pytest.mark.parametrize("unreachable", ["10 down.d.test", "20 down.d.test"])
async def test_scenario_18_one_host_unreachable_puts_mail_off(net: Net, unreachable: str):
    await net.serve(tls_server(net), mx="15 mx.d.test")
    net.name(unreachable, "127.0.0.9")
    hold_policy(net, "*.d.test")
    assert (await ends(net))[0] is Result.DEFERRED


async def test_scenario_18_one_host_without_a_policy_and_one_unanswered_puts_mail_off(net: Net):
    await net.serve(tls_server(net, announces_tls=REQUIRETLS))
    net.name("20 b.d.test", "127.0.0.2")
    net.resolver.secure = ("d.test",)
    net.resolver.failing.add("TLSA _25._tcp.b.d.test")
    assert (await ends(net))[0] is Result.DEFERRED


async def test_announcement_in_clear_text_does_not_count(net: Net):
    server = await net.serve(tls_server(net, announces=REQUIRETLS, announces_tls=("PIPELINING",)))
    hold_policy(net)
    assert await ends(net) == NEVER
    assert server.contents == []


async def test_certificate_that_does_not_prove_the_host_puts_mail_off(net: Net):
    leaf = ROOT.leaf(MX, until=LONG_AGO)
    server = await net.serve(tls_server(net, leaf, announces_tls=REQUIRETLS))
    hold_policy(net)
    assert (await ends(net))[0] is Result.DEFERRED
    assert server.contents == []


async def test_parameter_is_sent_only_where_it_is_asked_for(net: Net):
    server = await net.serve(tls_server(net, announces_tls=REQUIRETLS))
    hold_policy(net)
    for mode in (Mode.DEFAULT, Mode.VERIFIED, Mode.OPTIONAL):
        await net.send(mode=mode)
    lines = [line for talk in server.conversations for line in talk.lines]
    assert not any("REQUIRETLS" in line for line in lines if line.startswith("MAIL"))


async def test_parameter_is_sent_anew_for_each_message_of_a_session(net: Net):
    # Trap 4: a session that is kept serves no stricter message than it was opened for.
    leaf = self_signed(MX)
    server = await net.serve(tls_server(net, leaf, announces_tls=REQUIRETLS))
    publish_tlsa(net, ee(leaf))
    for mode in (Mode.DEFAULT, Mode.REQUIRETLS, Mode.DEFAULT):
        await net.send(mode=mode)
    lines = [line for talk in server.conversations for line in talk.lines]
    mails = sorted("REQUIRETLS" in line for line in lines if line.startswith("MAIL"))
    assert mails == [False, False, True]


# The header (RFC 8689 §3)


async def test_requiretls_outranks_a_header_that_says_no(net: Net):
    # Trap 7. The header may go on its way: servers must ignore it beside REQUIRETLS.
    server = await net.serve(tls_server(net, self_signed(MX), announces_tls=REQUIRETLS))
    hold_policy(net)
    content = b"TLS-Required: No\r\n" + CONTENT
    assert (await ends(net, content=content))[0] is Result.DEFERRED
    assert server.contents == []


@pytest.mark.parametrize(
    "header",
    [b"", b"TLS-Required: Yes\r\n", b"TLS-Required: No\r\nTLS-Required: Perhaps\r\n"],
    ids=["none", "another value", "two that disagree"],
)
async def test_tls_optional_says_so_on_the_wire_exactly_once(net: Net, header: bytes):
    server = await net.serve(SmtpServer())
    await net.send(mode=Mode.OPTIONAL, content=header + CONTENT)
    assert server.contents == [b"TLS-Required: No\r\n" + CONTENT]


async def test_header_of_the_sender_is_left_as_it_is(net: Net):
    server = await net.serve(SmtpServer())
    content = b"From: alice@mailweb.test\r\nTLS-required: NO\r\n\r\nBob.\r\n"
    await net.send(mode=Mode.OPTIONAL, content=content)
    assert server.contents == [content]


async def test_header_alone_lowers_nothing_in_the_worker(net: Net):
    # What counts is the mode of the copy, decided when it was handed over.
    await net.serve(tls_server(net, self_signed(MX)))
    hold_policy(net)
    report = await net.send(content=b"TLS-Required: No\r\n" + CONTENT)
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert report.attempts[-1].stopped_by is Mechanism.MTA_STS


@pytest.mark.parametrize("how", ["unanswered TLSA", "wrong TLSA"])
async def test_scenario_14_header_that_says_no_sets_dane_aside_too(net: Net, how: str):
    server = await net.serve(tls_server(net))
    publish_tlsa(net, "3 1 1 " + "00" * 32)
    if how == "unanswered TLSA":
        net.resolver.failing.add(TLSA)
    assert outcomes_of(await net.send(mode=Mode.OPTIONAL))[0].result is Result.DELIVERED
    assert len(server.contents) == 1
