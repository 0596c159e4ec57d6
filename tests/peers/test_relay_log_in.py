"""Logging in at relays while mail is delivered: once a session, and never again once refused."""

from __future__ import annotations

import pytest

from delivery.agent.job import Job, JobRecipient
from delivery.policy.modes import Order
from delivery.policy.outcome import Result, Scope
from delivery.policy.transport import Credentials, Kind, TlsRule, Transport
from delivery.smtp import Reply
from tests.fakes.relay import Relay
from tests.fakes.smtp_server import context_of
from tests.peers.conftest import CONTENT, ROOT, outcomes_of

PASSWORD = "wonderland"


@pytest.fixture
async def relay(net, tmp_path):
    context = context_of(ROOT.leaf("smtp.test"), str(tmp_path / "relay.pem"))
    server = Relay(context=context, mechanisms=("SCRAM-SHA-256", "PLAIN"))
    net.resolver.records["A smtp.test"] = ("127.0.0.1",)
    return await net._stack.enter_async_context(server)


def by(relay, secret=PASSWORD, version=1, **settings):
    names = ("mechanisms", "pinned", "proven")
    credentials = Credentials(
        username="alice",
        secret=secret,
        **{name: settings.pop(name) for name in names if name in settings},
    )
    return Transport(
        name="smarthost",
        kind=settings.pop("kind", Kind.SUBMISSION),
        hosts=("smtp.test",),
        port=relay.port,
        tls=TlsRule.VERIFIED,
        version=version,
        credentials=credentials,
        **settings,
    )


async def send(net, via, address="bob@a.test"):
    job = Job(
        mail_from="alice@mailweb.test",
        domain=via.domain_of_job("a.test"),
        recipients=(JobRecipient(key=1, address=address, domain=address.rpartition("@")[2]),),
        order=Order(),
        content=CONTENT,
        transport=via,
    )
    return await (await net.agent()).deliver(job)


async def test_it_logs_in_once_for_many_messages_and_the_attempt_says_how(net, relay):
    for address in ("bob@a.test", "carol@b.test"):
        report = await send(net, by(relay), address)
        assert outcomes_of(report)[0].result is Result.DELIVERED
        assert report.attempts[0].mechanism == "SCRAM-SHA-256"
    assert relay.log_ins == [("alice", "SCRAM-SHA-256")]
    assert [one.username for one in relay.taken] == ["alice", "alice"]
    assert "wonderland" not in "".join(one.transcript for one in report.attempts)


async def test_a_refused_password_makes_mail_wait_and_is_not_tried_again(net, relay):
    report = await send(net, by(relay, "looking-glass"))
    waiting = outcomes_of(report)[0]
    assert (waiting.result, waiting.scope) == (Result.DEFERRED, Scope.TRANSPORT)
    assert waiting.public.startswith("The transport “smarthost” can't log in")
    assert "535" in report.attempts[0].locked_out
    tries = len(relay.tries)
    again = await send(net, by(relay, "looking-glass"))
    assert outcomes_of(again)[0].is_turned_away
    assert not again.attempts
    assert len(relay.tries) == tries
    assert not relay.taken


async def test_a_changed_password_is_tried_at_once(net, relay):
    await send(net, by(relay, "looking-glass"))
    report = await send(net, by(relay, version=2))
    assert outcomes_of(report)[0].result is Result.DELIVERED


async def test_a_server_that_can_not_check_now_is_tried_again_later(net, relay):
    relay.answers[0] = Reply(454, None, ("4.7.0 later",))
    report = await send(net, by(relay))
    assert outcomes_of(report)[0].result is Result.DEFERRED
    assert report.attempts[0].locked_out == ""
    relay.answers.clear()
    assert outcomes_of(await send(net, by(relay)))[0].result is Result.DELIVERED


async def test_a_weaker_mechanism_than_the_pinned_one_is_refused(net, relay):
    report = await send(net, by(relay, pinned="SCRAM-SHA-256-PLUS"))
    assert report.attempts[0].locked_out
    assert not relay.tries


async def test_what_logged_in_there_before_is_pinned_as_well(net, relay):
    report = await send(net, by(relay, proven=(("smtp.test", "SCRAM-SHA-256-PLUS"),)))
    assert "Pinned is SCRAM-SHA-256-PLUS" in report.attempts[0].locked_out
    assert not relay.tries
    elsewhere = (("other.test", "SCRAM-SHA-256-PLUS"), ("smtp.test", "SCRAM-SHA-1"))
    report = await send(net, by(relay, version=2, proven=elsewhere))
    assert report.attempts[0].mechanism == "SCRAM-SHA-256"


async def test_plain_is_used_only_where_somebody_asked_for_it(net, relay):
    relay.mechanisms = ("PLAIN",)
    assert (await send(net, by(relay))).attempts[0].locked_out
    report = await send(net, by(relay, version=2, mechanisms=("PLAIN",)))
    assert report.attempts[0].mechanism == "PLAIN"


async def test_a_trial_says_who_it_is_and_how_it_logged_in(net, relay):
    trials = await (await net.agent()).try_out(by(relay))
    assert [trial.works for trial in trials] == [True]
    assert "Logged in by SCRAM-SHA-256." in trials[0].words
    assert not relay.taken
    trials = await (await net.agent()).try_out(by(relay, "looking-glass"))
    assert [trial.works for trial in trials] == [False]
    assert "535" in " ".join(trials[0].words)
