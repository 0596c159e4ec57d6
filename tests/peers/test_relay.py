"""Relays over real sockets: TLS, many recipients, several messages, and what they refuse."""

from __future__ import annotations

import pytest

from delivery.agent.job import Job, JobRecipient
from delivery.policy.modes import Mode, Order, SenderPolicy
from delivery.policy.outcome import Result, Scope
from delivery.policy.transport import Credentials, Families, Kind, TlsRule, Transport, refusing
from tests.fakes.smtp_server import SmtpServer, context_of
from tests.peers.conftest import CONTENT, ROOT, outcomes_of


@pytest.fixture
def context(tmp_path):
    return context_of(ROOT.leaf("smtp.test"), str(tmp_path / "relay.pem"))


@pytest.fixture
def stranger(tmp_path):
    return context_of(ROOT.leaf("other.test"), str(tmp_path / "stranger.pem"))


class Via:
    """A relay in the small world, and messages sent through it."""

    def __init__(self, net, **settings):
        self.net = net
        self.settings = {"name": "smarthost", "kind": Kind.RELAY, "tls": TlsRule.MAY, **settings}

    async def serve(self, server, host="smtp.test"):
        await self.net._stack.enter_async_context(server)
        self.net.resolver.records[f"A {host}"] = (server.address,)
        self.settings.setdefault("port", server.port)
        return server

    @property
    def transport(self):
        return Transport(**{"hosts": ("smtp.test",), **self.settings})

    async def send(self, *to, mode=Mode.DEFAULT, order=None, content=CONTENT, **more):
        job = Job(
            mail_from="alice@mailweb.test",
            domain=self.transport.domain_of_job("a.test"),
            recipients=tuple(
                JobRecipient(key=key, address=address, domain=address.rpartition("@")[2])
                for key, address in enumerate(to or ("bob@a.test",))
            ),
            order=order or Order(mode=mode),
            content=content,
            transport=self.transport,
            **more,
        )
        return await (await self.net.agent()).deliver(job)


async def test_a_relay_takes_recipients_of_all_domains_at_once_and_nobody_asks_for_their_mx(net):
    via = Via(net)
    server = await via.serve(SmtpServer())
    report = await via.send("bob@a.test", "carol@b.test", "dave@c.test")
    assert [one.result for one in outcomes_of(report)] == [Result.DELIVERED] * 3
    assert len(server.contents) == 1
    assert server.conversations[0].verbs.count("RCPT") == 3
    assert not [one for one in net.resolver.asked if "MX" in one or "a.test" in one]
    assert report.job.recipient_domain == ""
    assert not report.job.is_about_domain


async def test_one_session_serves_messages_to_different_domains(net):
    via = Via(net)
    server = await via.serve(SmtpServer())
    for address in ("bob@a.test", "carol@b.test", "dave@c.test"):
        assert outcomes_of(await via.send(address))[0].result is Result.DELIVERED
    assert len(server.conversations) == 1
    assert len(server.contents) == 3


async def test_a_changed_transport_never_gets_a_session_opened_under_other_settings(net):
    via = Via(net)
    server = await via.serve(SmtpServer())
    await via.send()
    via.settings["version"] = 2
    await via.send()
    assert len(server.conversations) == 2


async def test_one_recipient_too_many_goes_in_a_further_transaction(net):
    via = Via(net)
    replies = {"RCPT TO:<carol@b.test>": ["452 4.5.3 too many", "250 ok"]}
    server = await via.serve(SmtpServer(replies))
    report = await via.send("bob@a.test", "carol@b.test")
    assert [one.result for one in outcomes_of(report)] == [Result.DELIVERED] * 2
    assert len(server.contents) == 2
    assert len(server.conversations) == 1


async def test_an_announced_limit_of_recipients_is_kept(net):
    via = Via(net)
    server = await via.serve(SmtpServer(announces=("PIPELINING", "LIMITS RCPTMAX=2")))
    await via.send(*(f"friend@{letter}.test" for letter in "abcde"))
    assert [one.count(b"Subject") for one in server.contents] == [1, 1, 1]


async def test_an_announced_limit_of_domains_is_kept(net):
    via = Via(net)
    server = await via.serve(SmtpServer(announces=("PIPELINING", "LIMITS RCPTDOMAINMAX=2")))
    report = await via.send("a@a.test", "b@b.test", "c@c.test", "d@a.test")
    assert [one.result for one in outcomes_of(report)] == [Result.DELIVERED] * 4
    said = [line for line in server.conversations[0].lines if line.startswith(("MAIL", "RCPT"))]
    assert [line.split()[1].partition("<")[2].rstrip(">") for line in said[1:4]] == [
        "a@a.test",
        "b@b.test",
        "d@a.test",
    ]
    assert said[5].startswith("RCPT TO:<c@c.test>")


async def test_submission_insists_on_starttls(net, context):
    via = Via(net, kind=Kind.SUBMISSION, tls=TlsRule.VERIFIED)
    bare = await via.serve(SmtpServer())
    waiting = outcomes_of(await via.send())[0]
    assert (waiting.result, waiting.enhanced) == (Result.DEFERRED, "4.7.10")
    assert "MAIL" not in bare.conversations[0].verbs
    via.settings |= {"version": 2, "port": 0}
    via.settings.pop("port")
    await via.serve(SmtpServer(context=context))
    report = await via.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert report.attempts[-1].evidence.tls.proofs == {"pkix"}


async def test_a_relay_that_does_not_prove_its_name_gets_nothing(net, stranger):
    via = Via(net, kind=Kind.SUBMISSION, tls=TlsRule.VERIFIED)
    server = await via.serve(SmtpServer(context=stranger))
    waiting = outcomes_of(await via.send())[0]
    assert (waiting.result, waiting.enhanced) == (Result.DEFERRED, "4.7.5")
    assert not server.contents
    via.settings |= {"tls": TlsRule.ENCRYPTED, "version": 2}
    assert outcomes_of(await via.send())[0].result is Result.DELIVERED


async def test_submissions_speaks_tls_from_the_first_octet(net, context):
    via = Via(net, kind=Kind.SUBMISSIONS, tls=TlsRule.VERIFIED)
    server = await via.serve(SmtpServer(implicit=context))
    report = await via.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert "STARTTLS" not in server.conversations[0].verbs
    assert report.attempts[0].evidence.tls.proofs == {"pkix"}
    assert server.conversations[0].is_tls


async def test_submissions_where_nobody_speaks_tls_waits(net):
    via = Via(net, kind=Kind.SUBMISSIONS, tls=TlsRule.VERIFIED)
    await via.serve(SmtpServer())
    assert outcomes_of(await via.send())[0].result is Result.DEFERRED


async def test_requiretls_goes_to_a_relay_that_announces_it_and_proves_itself(net, context):
    via = Via(net, kind=Kind.SUBMISSION, tls=TlsRule.VERIFIED)
    server = await via.serve(SmtpServer(context=context, announces_tls=("REQUIRETLS",)))
    report = await via.send(mode=Mode.REQUIRETLS)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert any("REQUIRETLS" in line for line in server.conversations[0].lines)
    assert report.attempts[0].requiretls_used


async def test_requiretls_fails_where_the_relay_does_not_announce_it(net, context):
    via = Via(net, kind=Kind.SUBMISSION, tls=TlsRule.VERIFIED)
    await via.serve(SmtpServer(context=context))
    refused = outcomes_of(await via.send(mode=Mode.REQUIRETLS))[0]
    assert (refused.result, refused.enhanced) == (Result.FAILED, "5.7.30")


async def test_requiretls_waits_for_a_relay_without_tls(net):
    via = Via(net)
    await via.serve(SmtpServer())
    waiting = outcomes_of(await via.send(mode=Mode.REQUIRETLS))[0]
    assert (waiting.result, waiting.scope) == (Result.DEFERRED, Scope.HOST)


async def test_verified_waits_and_nobody_is_connected_to(net):
    via = Via(net)
    server = await via.serve(SmtpServer())
    waiting = outcomes_of(await via.send(mode=Mode.VERIFIED))[0]
    assert waiting.result is Result.DEFERRED
    assert not server.conversations


async def test_tls_required_no_travels_on_to_the_relay(net):
    via = Via(net)
    server = await via.serve(SmtpServer())
    await via.send(mode=Mode.OPTIONAL)
    assert b"TLS-Required: No" in server.contents[0]


async def test_never_in_the_clear_holds_for_the_first_hop(net):
    via = Via(net)
    server = await via.serve(SmtpServer())
    order = Order(sender=SenderPolicy(allows_plain_text=False))
    assert outcomes_of(await via.send(order=order))[0].result is Result.DEFERRED
    assert not server.contents


async def test_hosts_are_tried_in_their_order(net):
    via = Via(net, hosts=("first.test", "smtp.test"))
    server = await via.serve(SmtpServer(address="127.0.0.2"))
    net.resolver.records["A first.test"] = ("127.0.0.3",)
    report = await via.send()
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert [one.host for one in report.attempts] == ["first.test", "smtp.test"]
    assert len(server.contents) == 1


async def test_a_relay_without_an_address_of_the_wanted_family_waits(net):
    via = Via(net, families=Families.IPV6)
    await via.serve(SmtpServer())
    waiting = outcomes_of(await via.send())[0]
    assert (waiting.result, waiting.enhanced) == (Result.DEFERRED, "4.4.4")


async def test_eight_bits_are_hidden_from_a_relay_that_takes_seven(net):
    via = Via(net)
    server = await via.serve(SmtpServer(announces=("PIPELINING",)))
    content = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "Grüße\r\n".encode()
    report = await via.send(content=content, has_8bit=True)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.contents[0].isascii()


async def test_a_password_is_never_told_to_a_relay_that_proves_nothing(net):
    via = Via(net, credentials=Credentials(username="us", secret="hunter2"))
    server = await via.serve(SmtpServer(announces=("AUTH PLAIN", "PIPELINING")))
    assert outcomes_of(await via.send())[0].result is Result.DEFERRED
    assert set(server.conversations[0].verbs) <= {"EHLO", "QUIT"}


@pytest.mark.parametrize(("code", "result"), [(554, Result.FAILED), (451, Result.DEFERRED)])
async def test_a_failing_transport_answers_as_it_is_told_without_a_connection(net, code, result):
    enhanced = f"{code // 100}.7.0"
    refusal = refusing(code, enhanced, "Not from here.")
    via = Via(net, kind=Kind.FAIL, hosts=(), refusal=refusal)
    report = await via.send("bob@a.test", "carol@a.test")
    assert [one.result for one in outcomes_of(report)] == [result] * 2
    assert outcomes_of(report)[0].last_reply == f"{code} {enhanced} Not from here."
    assert len(report.attempts) == 1
    assert not net.resolver.asked
