"""RFC 8461 §5.1: before a policy makes mail fail, the domain is asked for a newer one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from delivery.agent.policy_fetch import StoredPolicy
from delivery.agent.second_try import is_news
from delivery.policy.facts import StsFacts, StsMode
from delivery.policy.modes import Mode
from delivery.policy.outcome import Result
from delivery.policy.record import Mechanism
from tests.fakes.certificates import Leaf, self_signed
from tests.fakes.policy_server import PolicyServer, http
from tests.fakes.smtp_server import Say, SmtpServer, context_of
from tests.peers.conftest import ROOT, Net, outcomes_of

MX = "mx.d.test"
OLD = ("old.d.test",)
TXT = "TXT _mta-sts.d.test"


def tls_server(net: Net, leaf: Leaf | None = None, **more) -> SmtpServer:
    path = str(net.directory / f"leaf-{len(list(net.directory.iterdir()))}.pem")
    return SmtpServer(context=context_of(leaf or ROOT.leaf(MX), path), **more)


def text(mode: str, mx: str) -> bytes:
    return f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 604800\r\n".encode()


@pytest.fixture
async def host(net: Net, tmp_path: Path):
    """The policy host of d.test, which serves a policy that names its MX host."""
    leaf = ROOT.leaf("mta-sts.d.test")
    async with PolicyServer(leaf, tmp_path, http(text("enforce", MX))) as server:
        net.sts_port = server.port
        net.resolver.records["A mta-sts.d.test"] = ("127.0.0.1",)
        yield server


async def hold(net: Net, mode: StsMode, mx: tuple[str, ...] = OLD) -> None:
    """Hold a policy that was current until a moment ago: the worker knows nothing newer yet."""
    now = net.clock.now()
    net.policies.kept["d.test"] = StoredPolicy(
        domain="d.test",
        mode=mode,
        fetched_at=now,
        expires_at=now + timedelta(days=7),
        policy_id="1",
        mx=mx,
    )
    net.resolver.records[TXT] = ("v=STSv1; id=1",)
    await (await net.agent()).look_up("d.test")
    net.resolver.records[TXT] = ("v=STSv1; id=2",)


async def test_new_policy_that_names_the_host_lets_the_copy_through_at_once(
    net: Net, host: PolicyServer
):
    server = await net.serve(tls_server(net))
    await hold(net, StsMode.ENFORCE)
    report = await net.send("bob@d.test", "charlie@d.test")
    assert {one.result for one in outcomes_of(report)} == {Result.DELIVERED}
    assert [attempt.stopped_by for attempt in report.attempts] == [
        Mechanism.MTA_STS,
        Mechanism.NONE,
    ]
    assert (report.facts.sts.policy_id, len(server.contents)) == ("2", 1)
    assert TXT in net.resolver.forgotten


async def test_next_message_goes_by_the_new_policy_without_asking_again(
    net: Net, host: PolicyServer
):
    await net.serve(tls_server(net))
    await hold(net, StsMode.ENFORCE)
    await net.send()
    report = await net.send()
    assert [attempt.stopped_by for attempt in report.attempts] == [Mechanism.NONE]
    assert len(host.requests) == 1


async def test_same_policy_is_not_tried_twice(net: Net, host: PolicyServer):
    server = await net.serve(tls_server(net))
    await hold(net, StsMode.ENFORCE)
    net.resolver.records[TXT] = ("v=STSv1; id=1",)
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, len(report.attempts)) == (Result.DEFERRED, 1)
    assert host.requests == server.conversations == []


async def test_new_policy_that_still_rules_the_host_out_changes_nothing(
    net: Net, host: PolicyServer
):
    await net.serve(tls_server(net))
    host.response = http(text("enforce", "third.d.test"))
    await hold(net, StsMode.ENFORCE)
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, report.facts.sts.mx) == (Result.DEFERRED, ("third.d.test",))


async def test_policy_that_cannot_be_fetched_keeps_the_old_one_in_force(
    net: Net, host: PolicyServer
):
    server = await net.serve(tls_server(net))
    host.response = http(b"", status="500 Oops")
    await hold(net, StsMode.ENFORCE)
    for _ in range(2):
        assert outcomes_of(await net.send())[0].result is Result.DEFERRED
    assert (server.contents, len(host.requests)) == ([], 1)


async def test_domain_is_asked_once_in_five_minutes_however_much_mail_fails(
    net: Net, host: PolicyServer
):
    await net.serve(tls_server(net))
    await hold(net, StsMode.ENFORCE)
    net.resolver.records[TXT] = ("v=STSv1; id=1",)
    for _ in range(5):
        await net.send()
    assert net.resolver.forgotten == [TXT]
    net.clock.advance(timedelta(minutes=5))
    await net.send()
    assert net.resolver.forgotten == [TXT, TXT]


async def test_certificate_that_the_old_policy_refuses_passes_under_a_new_one_in_testing(
    net: Net, host: PolicyServer
):
    await net.serve(tls_server(net, self_signed(MX)))
    host.response = http(text("testing", MX))
    await hold(net, StsMode.ENFORCE, (MX,))
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED


async def test_requiretls_is_not_refused_for_good_by_an_outdated_policy(
    net: Net, host: PolicyServer
):
    await net.serve(tls_server(net, announces_tls=("PIPELINING", "REQUIRETLS")))
    await hold(net, StsMode.TESTING)
    report = await net.send(mode=Mode.REQUIRETLS)
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert report.attempts[-1].requiretls_used


async def test_mail_that_failed_for_other_reasons_is_not_tried_again(net: Net, host: PolicyServer):
    server = await net.serve(tls_server(net, replies={"RCPT": "550 5.1.1 nobody"}))
    await hold(net, StsMode.ENFORCE, (MX,))
    assert outcomes_of(await net.send())[0].result is Result.FAILED
    assert net.resolver.forgotten == []
    assert len(server.conversations) == 1


async def test_only_the_copies_that_the_policy_stopped_are_tried_again(
    net: Net, host: PolicyServer
):
    replies = {
        "RCPT TO:<bob@d.test>": "550 5.1.1 nobody",
        "RCPT TO:<charlie@d.test>": Say("421 4.3.2 going down", "close"),
    }
    await net.serve(tls_server(net, ROOT.leaf("old.d.test"), replies=replies), mx="10 old.d.test")
    two = await net.serve(tls_server(net, address="127.0.0.2"), mx="20 mx.d.test")
    await hold(net, StsMode.ENFORCE)
    report = await net.send("bob@d.test", "charlie@d.test")
    bob, charlie = outcomes_of(report)
    assert (bob.result, bob.enhanced) == (Result.FAILED, "5.1.1")
    assert charlie.result is Result.DELIVERED
    assert not any("bob" in line for talk in two.conversations for line in talk.lines)


def test_policy_held_for_longer_is_no_news(now):
    known = StsFacts(mode=StsMode.ENFORCE, policy_id="1", mx=(MX,), expires_at=now)
    assert not is_news(replace(known, expires_at=now + timedelta(days=1)), known)
    assert is_news(replace(known, mx=OLD), known)
