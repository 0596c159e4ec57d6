"""From a domain to an outcome: which hosts are tried, and what their refusals mean together."""

from __future__ import annotations

from datetime import timedelta

import pytest

from delivery.agent import deliver
from delivery.agent.job import AttemptReport
from delivery.policy.modes import Order, SenderPolicy
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.record import Mechanism
from tests.fakes.smtp_server import Say, SmtpServer, context_of
from tests.peers.conftest import ROOT, Net, outcomes_of


def only(report: AttemptReport) -> Outcome:
    (outcome,) = outcomes_of(report)
    return outcome


# What DNS says


async def test_nxdomain_fails_at_once(net: Net):
    # Scenario 21; a typo must not wait for five days.
    outcome = only(await net.send(domain="gone.test"))
    assert (outcome.result, outcome.scope, outcome.code, outcome.enhanced) == (
        Result.FAILED,
        Scope.DOMAIN,
        550,
        "5.1.2",
    )
    assert outcome.last_reply == "550 5.1.2 There is no domain gone.test."


async def test_null_mx_fails_at_once(net: Net):
    net.resolver.records["MX d.test"] = ("0 .",)
    outcome = only(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.1.10")


async def test_bogus_dnssec_is_put_off_with_the_resolvers_words(net: Net):
    net.resolver.bogus.add("MX d.test")
    outcome = only(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.3")
    assert "dnssec bogus: signature does not fit" in outcome.public


async def test_silent_dns_is_put_off(net: Net):
    net.resolver.silent.add("MX d.test")
    outcome = only(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.3")


async def test_failure_in_dns_is_an_attempt_without_a_host(net: Net):
    report = await net.send(domain="gone.test")
    (attempt,) = report.attempts
    assert (attempt.host, attempt.address, attempt.evidence) == ("", "", None)
    assert attempt.results == report.results


async def test_domain_with_neither_mx_nor_address_fails_at_once(net: Net):
    net.resolver.records["TXT d.test"] = ("v=spf1 -all",)
    outcome = only(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.1.2")


async def test_mx_host_without_an_address_is_put_off(net: Net):
    net.name("10 mx.d.test")
    net.resolver.records["TXT mx.d.test"] = ("x",)
    outcome = only(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.4")


async def test_mail_for_ourselves_does_not_go_in_circles(net: Net):
    net.name("10 mail.mailweb.test", "127.0.0.1")
    outcome = only(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.FAILED, "5.4.6")


async def test_domain_without_mx_is_delivered_to_its_own_address(net: Net):
    server = await net.serve(SmtpServer())
    del net.resolver.records["MX d.test"]
    net.resolver.records["A d.test"] = ("127.0.0.1",)
    assert only(await net.send()).result is Result.DELIVERED
    assert len(server.contents) == 1


async def test_address_in_brackets_is_delivered_to(net: Net):
    server = await net.serve(SmtpServer())
    report = await net.send("bob@[127.0.0.1]", domain="[127.0.0.1]")
    assert only(report).result is Result.DELIVERED
    assert len(server.contents) == 1


# Which host is next


async def test_next_host_is_tried_when_the_first_does_not_answer(net: Net):
    net.name("10 down.d.test", "127.0.0.9")
    await net.serve(SmtpServer(), mx="20 mx.d.test")
    report = await net.send()
    assert only(report).result is Result.DELIVERED
    refused, delivered = report.attempts
    assert (refused.host, refused.outcome.enhanced) == ("down.d.test", "4.4.1")
    assert "connection refused" in refused.outcome.public
    assert (delivered.host, delivered.results) == ("mx.d.test", report.results)


async def test_every_address_of_a_host_is_tried(net: Net):
    # Trap 20: IPv4 only, first address only.
    server = await net.serve(SmtpServer(address="127.0.0.2"), mx="10 mx.d.test")
    net.resolver.records["A mx.d.test"] = ("127.0.0.9", "127.0.0.2")
    net.resolver.records["AAAA mx.d.test"] = ("::1",)
    report = await net.send()
    assert only(report).result is Result.DELIVERED
    assert [attempt.address for attempt in report.attempts] == ["::1", "127.0.0.9", "127.0.0.2"]
    assert len(server.contents) == 1


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param({"": "554 5.3.2 no mail here"}, id="554 greeting"),
        pytest.param({"": Say("421 4.3.2 busy", "close")}, id="421 greeting"),
        pytest.param({"": Say(then="close")}, id="closes instead of a greeting"),
        pytest.param({"": "hello"}, id="does not speak SMTP"),
        pytest.param({"EHLO": "550 5.7.1 bad name"}, id="refuses EHLO"),
        pytest.param({"MAIL": "451 4.3.0 disk full"}, id="451 to MAIL"),
    ],
)
async def test_refusal_that_speaks_for_the_host_leads_to_the_next(net: Net, replies):
    await net.serve(SmtpServer(replies))
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    assert only(await net.send()).result is Result.DELIVERED
    assert len(spare.contents) == 1


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param({"MAIL": "550 5.7.1 no"}, id="550 to MAIL"),
        pytest.param({"RCPT": "550 5.1.1 no"}, id="550 to RCPT"),
        pytest.param({"RCPT": "450 4.2.0 later"}, id="450 to RCPT"),
        pytest.param({".": "554 5.6.0 no"}, id="554 to the content"),
    ],
)
async def test_refusal_that_speaks_for_the_mail_does_not(net: Net, replies):
    await net.serve(SmtpServer(replies))
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    await net.send()
    assert spare.conversations == []


async def test_refusal_is_final_if_every_host_gives_a_final_one(net: Net):
    await net.serve(SmtpServer({"": "554 5.3.2 no"}))
    await net.serve(SmtpServer({"": "521 no mail"}, address="127.0.0.2"), mx="20 two.d.test")
    outcome = only(await net.send())
    assert (outcome.result, outcome.reply) == (Result.FAILED, "554 5.3.2 no")


async def test_refusal_is_not_final_if_one_host_may_still_take_it(net: Net):
    await net.serve(SmtpServer({"": "554 5.3.2 no"}))
    net.name("20 down.d.test", "127.0.0.9")
    report = await net.send()
    outcome = only(report)
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.1")
    assert report.attempts[1].results == report.results


async def test_refusal_of_one_address_family_leads_to_the_other(net: Net):
    # Scenario 22, without the wait: 5.7.x to IPv6, fine by IPv4.
    await net.serve(SmtpServer({"MAIL": "550 5.7.1 bad IPv6 reputation"}, address="::1"))
    four = SmtpServer(address="127.0.0.1", port=net.port)
    await net.serve(four, domain="other.test")
    net.resolver.records["A mx.d.test"] = ("127.0.0.1",)
    assert only(await net.send()).result is Result.DELIVERED
    assert len(four.contents) == 1


async def test_refusal_of_both_address_families_is_final(net: Net):
    refusing = {"MAIL": "550 5.7.1 listed"}
    await net.serve(SmtpServer(refusing, address="::1"))
    await net.serve(SmtpServer(refusing, address="127.0.0.1", port=net.port), domain="other.test")
    net.resolver.records["A mx.d.test"] = ("127.0.0.1",)
    outcome = only(await net.send())
    assert (outcome.result, outcome.reply) == (Result.FAILED, "550 5.7.1 listed")


async def test_recipients_go_their_own_ways_over_several_hosts(net: Net):
    await net.serve(
        SmtpServer({"RCPT TO:<a@d.test>": "550 5.1.1 no", "DATA": Say("421 bye", "close")})
    )
    await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    report = await net.send("a@d.test", "b@d.test")
    failed, delivered = outcomes_of(report)
    assert (failed.result, delivered.result) == (Result.FAILED, Result.DELIVERED)
    assert [len(attempt.results) for attempt in report.attempts] == [1, 1]


async def test_helo_is_said_to_a_server_that_does_not_know_ehlo(net: Net):
    server = await net.serve(SmtpServer({"EHLO": "502 5.5.1 what?"}))
    report = await net.send()
    assert only(report).result is Result.DELIVERED
    assert server.conversations[0].verbs[:3] == ["EHLO", "HELO", "MAIL"]


# Patience


@pytest.mark.parametrize("stage", ["", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_silence_is_put_off(net: Net, stage: str):
    net.time_scale = 0.001
    await net.serve(SmtpServer({stage: Say(then="silence")}))
    outcome = only(await net.send())
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.2")
    assert "no answer for" in outcome.public


async def test_attempts_end_when_too_many_addresses_lead_nowhere(net: Net):
    net.name("10 mx.d.test", *(f"127.0.1.{n}" for n in range(1, 30)))
    report = await net.send()
    assert only(report).result is Result.DEFERRED
    assert len(report.attempts) == 10


async def test_nothing_of_this_is_blamed_on_tls(net: Net):
    net.name("10 mx.d.test", "127.0.0.9")
    report = await net.send()
    assert {attempt.stopped_by for attempt in report.attempts} == {Mechanism.NONE}


# Hosts whose TLS is broken

BROKEN_TLS = {"STARTTLS": Say("220 go on", "close")}
TLS_ONLY = Order(sender=SenderPolicy(allows_plain_text=False))


def broken(address: str) -> SmtpServer:
    return SmtpServer(BROKEN_TLS, announces=("PIPELINING", "STARTTLS"), address=address)


async def serve_good(net: Net, address: str, mx: str) -> SmtpServer:
    context = context_of(ROOT.leaf(mx.split()[1]), str(net.directory / "leaf.pem"))
    server = SmtpServer(context=context, address=address)
    await net.serve(server, mx=mx)
    return server


async def test_broken_tls_of_one_address_leads_to_the_next(net: Net):
    bad = await net.serve(broken("127.0.0.2"))
    good = await serve_good(net, "127.0.0.3", "10 mx.d.test")
    net.resolver.records["MX d.test"] = ("10 mx.d.test",)
    report = await net.send(order=TLS_ONLY)
    assert only(report).result is Result.DELIVERED
    assert [attempt.address for attempt in report.attempts] == ["127.0.0.2"] * 2 + ["127.0.0.3"]
    assert len(bad.conversations) == 2  # once more, with TLS 1.2
    assert good.conversations[0].is_tls


async def test_broken_tls_of_many_hosts_leads_to_the_one_that_works(net: Net):
    for number in range(2, 10):
        await net.serve(broken(f"127.0.0.{number}"), mx=f"{number} mx{number}.d.test")
    good = await serve_good(net, "127.0.0.10", "50 good.d.test")
    report = await net.send(order=TLS_ONLY)
    assert only(report).result is Result.DELIVERED
    assert len(report.attempts) == 8 * 2 + 1
    assert len(good.contents) == 1


async def test_broken_tls_of_every_host_is_put_off_and_never_sent_in_the_clear(net: Net):
    servers = [
        await net.serve(broken(f"127.0.0.{number}"), mx=f"{number} mx{number}.d.test")
        for number in (2, 3)
    ]
    report = await net.send(order=TLS_ONLY)
    assert (only(report).result, only(report).enhanced) == (Result.DEFERRED, "4.7.5")
    verbs = {verb for server in servers for talk in server.conversations for verb in talk.verbs}
    assert "MAIL" not in verbs


async def test_search_ends_after_a_while_even_if_hosts_are_left(
    net: Net, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(deliver, "LONGEST_SEARCH", timedelta(0))
    net.name("10 down.d.test", "127.0.0.9")
    spare = await net.serve(SmtpServer(), mx="20 mx.d.test")
    report = await net.send()
    assert (only(report).result, len(report.attempts)) == (Result.DEFERRED, 1)
    assert spare.conversations == []
