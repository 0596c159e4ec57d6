"""Direct delivery through a real SOCKS5 proxy: DNS and TLS stay ours, and blame goes where it belongs."""

from __future__ import annotations

import pytest

from delivery.policy.outcome import Result, Scope
from delivery.policy.transport import Credentials, Kind, Transport
from tests.fakes.smtp_server import SmtpServer, context_of
from tests.peers.conftest import ROOT, outcomes_of
from tests.peers.servers.microsocks import Microsocks
from tests.services import free_port

LOG_IN = Credentials(username="us", secret="through")


def by(port, **settings):
    return Transport(
        **{
            "name": "proxy",
            "kind": Kind.SOCKS,
            "hosts": ("127.0.0.1",),
            "port": port,
            "ehlo_name": "out.mailweb.test",
            **settings,
        }
    )


@pytest.fixture
def proxy():
    with Microsocks() as running:
        yield running


async def test_mail_goes_through_the_proxy_to_the_mx_with_tls_of_our_own(net, tmp_path, proxy):
    context = context_of(ROOT.leaf("mx.d.test"), str(tmp_path / "mx.pem"))
    server = await net.serve(SmtpServer(context=context))
    report = await net.send("bob@d.test", transport=by(proxy.port))
    assert outcomes_of(report)[0].result is Result.DELIVERED
    assert server.conversations[0].lines[0] == "EHLO out.mailweb.test"
    assert report.attempts[0].evidence.tls.proofs == {"pkix"}
    assert "MX d.test" in net.resolver.asked
    assert report.job.is_about_domain
    proxy.__exit__(None, None, None)
    assert "connected to 127.0.0.1" in proxy.log  # It was told an address, not a name.


async def test_a_session_through_the_proxy_serves_no_mail_that_goes_straight(net, proxy):
    server = await net.serve(SmtpServer())
    await net.send("bob@d.test", transport=by(proxy.port))
    await net.send("bob@d.test")
    await net.send("bob@d.test", transport=by(proxy.port))
    assert len(server.conversations) == 2
    assert len(server.contents) == 3


async def test_a_proxy_with_a_password_wants_the_right_one(net):
    with Microsocks(username="us", password="through") as proxy:
        server = await net.serve(SmtpServer())
        report = await net.send("bob@d.test", transport=by(proxy.port, credentials=LOG_IN))
        assert outcomes_of(report)[0].result is Result.DELIVERED
        wrong = Credentials(username="us", secret="looking-glass")
        for via in (by(proxy.port, version=2, credentials=wrong), by(proxy.port, version=3)):
            waiting = outcomes_of(await net.send("bob@d.test", transport=via))[0]
            assert (waiting.result, waiting.scope) == (Result.DEFERRED, Scope.TRANSPORT)
            assert waiting.public.startswith("The transport “proxy” can't be used now")
        agent = await net.agent()
        assert [one.works for one in await agent.try_out(by(proxy.port, credentials=LOG_IN))] == [
            True
        ]
        for via in (by(proxy.port, credentials=wrong), by(proxy.port)):
            assert [one.works for one in await agent.try_out(via)] == [False]
    assert len(server.contents) == 1


async def test_a_proxy_that_is_away_is_not_the_hosts_fault(net):
    server = await net.serve(SmtpServer())
    for _ in range(6):
        report = await net.send("bob@d.test", transport=by(free_port()))
        waiting = outcomes_of(report)[0]
        assert (waiting.result, waiting.scope) == (Result.DEFERRED, Scope.TRANSPORT)
    assert outcomes_of(await net.send("bob@d.test"))[0].result is Result.DELIVERED
    assert len(server.contents) == 1


async def test_a_host_that_the_proxy_can_not_reach_is_the_hosts_fault(net, proxy):
    net.name("10 mx.d.test", "127.0.0.9")
    net.port = free_port()
    waiting = outcomes_of(await net.send("bob@d.test", transport=by(proxy.port)))[0]
    assert (waiting.result, waiting.scope) == (Result.DEFERRED, Scope.HOST)
    assert "mx.d.test could not be reached at 127.0.0.9" in waiting.public


async def test_the_second_proxy_is_asked_where_the_first_is_away(net, proxy):
    server = await net.serve(SmtpServer())
    net.resolver.records["A proxy.test"] = ("127.0.0.1",)
    via = by(proxy.port, hosts=("127.0.0.8", "proxy.test"))
    assert outcomes_of(await net.send("bob@d.test", transport=via))[0].result is Result.DELIVERED
    assert len(server.contents) == 1
