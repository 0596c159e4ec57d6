"""A relay that takes OAuth 2 access tokens, and the server that renews them: real TLS for both."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from delivery.agent.tokens import AccessToken
from delivery.policy.outcome import Result, Scope
from delivery.policy.transport import Credentials, Kind, TlsRule, Transport
from delivery.sasl.renewal import Endpoint, Grant
from tests.fakes.relay import Relay
from tests.fakes.smtp_server import context_of
from tests.fakes.token_server import TokenServer
from tests.peers.conftest import ROOT, outcomes_of
from tests.peers.test_relay_log_in import send


class MemoryTokens:
    """A store as two workers would share it: `kept` and whose turn it is."""

    def __init__(self, url: str) -> None:
        self.kept: AccessToken | None = None
        self.asking = False
        self.grant = Grant(
            endpoint=Endpoint.of(url),
            client_id="us",
            client_secret="s3cret",
            refresh_token="refresh-1",
        )

    async def get(self, key):
        return self.kept

    async def begin(self, key, *, now, until):
        if self.asking:
            return None
        self.asking = True
        return self.grant

    async def keep(self, key, renewed, *, grant, good_until):
        self.kept = AccessToken(token=renewed.token, good_until=good_until)
        self.grant = replace(self.grant, refresh_token=renewed.refresh_token)
        self.asking = False

    async def give_up(self, key):
        self.asking = False


@pytest.fixture
async def relay(net, tmp_path):
    context = context_of(ROOT.leaf("smtp.test"), str(tmp_path / "relay.pem"))
    net.resolver.records["A smtp.test"] = ("127.0.0.1",)
    server = Relay(context=context, mechanisms=("XOAUTH2",), tokens={"alice": "token-1"})
    return await net._stack.enter_async_context(server)


@pytest.fixture
async def login(net, tmp_path):
    net.resolver.records["A login.test"] = ("127.0.0.1",)
    with TokenServer(ROOT.leaf("login.test").write(tmp_path / "login.pem")) as server:
        net.tokens = MemoryTokens(server.url)
        yield server


def by(relay, version=1):
    return Transport(
        name="smarthost",
        kind=Kind.SUBMISSION,
        hosts=("smtp.test",),
        port=relay.port,
        tls=TlsRule.VERIFIED,
        version=version,
        credentials=Credentials(username="alice", secret="", mechanisms=("XOAUTH2",), renews=True),
    )


async def test_a_token_is_fetched_once_and_used_by_all(net, relay, login):
    reports = await asyncio.gather(*(send(net, by(relay)) for _ in range(5)))
    assert {outcomes_of(one)[0].result for one in reports} == {Result.DELIVERED}
    assert {name for name, _ in relay.log_ins} == {"alice"}
    ((path, fields, _),) = login.heard
    assert path == "/oauth/token?tenant=ours"
    assert fields["content-type"] == "application/x-www-form-urlencoded"
    assert login.asked[0]["refresh_token"] == "refresh-1"
    assert "token-1" not in "".join(one.transcript for report in reports for one in report.attempts)


async def test_another_worker_uses_what_was_kept(net, relay, login):
    net.tokens.kept = AccessToken(
        token="token-1", good_until=net.clock.now() + timedelta(minutes=5)
    )
    assert outcomes_of(await send(net, by(relay)))[0].result is Result.DELIVERED
    assert not login.heard


async def test_it_is_renewed_before_it_ends(net, relay, login):
    await send(net, by(relay))
    relay.tokens["alice"] = "token-2"
    net.clock.advance(timedelta(minutes=56))
    await net.leave()
    assert outcomes_of(await send(net, by(relay)))[0].result is Result.DELIVERED
    assert login.issued == 2


async def test_a_token_that_the_relay_refuses_is_renewed_once(net, relay, login):
    net.tokens.kept = AccessToken(token="stale", good_until=net.clock.now() + timedelta(hours=1))
    login.more = {"refresh_token": "refresh-2"}
    report = await send(net, by(relay))
    assert [one.result for one in outcomes_of(report)] == [Result.DELIVERED]
    assert [one.locked_out for one in report.attempts] == ["", ""]
    assert login.issued == 1
    assert net.tokens.grant.refresh_token == "refresh-2"


async def test_a_relay_that_refuses_a_new_token_too_locks_out_and_bounces_nothing(
    net, relay, login
):
    relay.tokens["alice"] = "never"
    report = await send(net, by(relay))
    waiting = outcomes_of(report)[0]
    assert (waiting.result, waiting.scope) == (Result.DEFERRED, Scope.TRANSPORT)
    assert "535" in report.attempts[-1].locked_out
    asked = len(login.heard)
    again = await send(net, by(relay))
    assert outcomes_of(again)[0].is_turned_away
    assert len(login.heard) == asked


async def test_a_server_that_refuses_for_good_locks_out_as_a_wrong_password_does(net, relay, login):
    login.answers = [(400, {"error": "invalid_grant", "error_description": "Revoked."})]
    report = await send(net, by(relay))
    waiting = outcomes_of(report)[0]
    assert (waiting.result, waiting.scope) == (Result.DEFERRED, Scope.TRANSPORT)
    assert waiting.public.startswith("The transport “smarthost” can't log in at its server.")
    (attempt,) = report.attempts
    assert attempt.locked_out == (
        "login.test refused to issue a new token: invalid_grant (Revoked.)."
    )
    assert not (await send(net, by(relay))).attempts
    assert len(login.heard) == 1
    assert not relay.tries


@pytest.mark.parametrize(
    "answer",
    [
        (503, {}),
        (302, {"error": "invalid_grant"}),
        (200, {"token": "x"}),
        (500, {"x": "y" * 70_000}),
    ],
    ids=["busy", "elsewhere", "nothing", "endless"],
)
async def test_a_server_that_is_in_trouble_makes_mail_wait_for_a_while(net, relay, login, answer):
    if answer[0] == 302:
        login.fields = {"Location": login.url}
        answer = (302, {})
    login.answers = [answer]
    report = await send(net, by(relay))
    assert outcomes_of(report)[0].is_turned_away
    assert outcomes_of(report)[0].scope is Scope.TRANSPORT
    assert not report.attempts
    await send(net, by(relay))
    assert len(login.heard) == 1, "it is left alone for a moment"
    net.clock.advance(timedelta(minutes=3))
    assert outcomes_of(await send(net, by(relay)))[0].result is Result.DELIVERED


async def test_nobody_is_asked_who_does_not_prove_its_name(net, relay, login):
    net.tokens = MemoryTokens(login.url.replace("login.test", "other.test"))
    net.resolver.records["A other.test"] = ("127.0.0.1",)
    assert outcomes_of(await send(net, by(relay)))[0].is_turned_away
    assert not login.heard


async def test_a_silent_server_is_not_waited_for_for_long(net, relay, login):
    login.pause = threading.Event()
    net.time_scale = 0.01
    try:
        report = await send(net, by(relay))
    finally:
        login.pause.set()
    assert outcomes_of(report)[0].is_turned_away
    assert not net.tokens.asking


async def test_whoever_has_another_worker_asking_waits_for_its_token(net, relay, login):
    net.tokens.asking = True
    sending = asyncio.create_task(send(net, by(relay)))
    await asyncio.sleep(0)
    in_an_hour = net.clock.now() + timedelta(hours=1)
    net.tokens.kept = AccessToken(token="token-1", good_until=in_an_hour)
    assert outcomes_of(await sending)[0].result is Result.DELIVERED
    assert not login.heard


async def test_a_relay_that_refuses_while_tokens_can_not_be_had_is_not_locked_out(
    net, relay, login
):
    net.tokens.kept = AccessToken(token="stale", good_until=net.clock.now() + timedelta(hours=1))
    login.answers = [(503, {})]
    report = await send(net, by(relay))
    assert outcomes_of(report)[0].is_turned_away
    assert [one.locked_out for one in report.attempts] == [""]


async def test_what_was_issued_is_kept_though_the_store_is_away_for_a_while(
    net, relay, login, monkeypatch
):
    keep, failures = net.tokens.keep, [OSError("the database restarts")] * 3

    async def keep_later(key, renewed, **how):
        if failures:
            raise failures.pop()
        await keep(key, renewed, **how)

    monkeypatch.setattr(net.tokens, "keep", keep_later)
    login.more = {"refresh_token": "refresh-2"}
    assert outcomes_of(await send(net, by(relay)))[0].result is Result.DELIVERED
    assert net.tokens.grant.refresh_token == "refresh-2"


async def test_a_trial_asks_for_a_new_token_and_says_what_is_wrong(net, relay, login):
    net.tokens.kept = AccessToken(token="stale", good_until=net.clock.now() + timedelta(hours=1))
    trials = await (await net.agent()).try_out(by(relay))
    assert [trial.works for trial in trials] == [True]
    assert login.issued == 1
    login.answers = [(401, {"error": "invalid_client"})]
    (trial,) = await (await net.agent()).try_out(by(relay))
    assert not trial.works
    assert trial.words == ("login.test refused to issue a new token: invalid_client.",)
