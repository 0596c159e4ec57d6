"""Hosts in trouble: what they may cost others, and when they are left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from delivery.agent import health, slots
from delivery.agent.health import Health
from delivery.policy.outcome import Result, Scope
from tests.fakes.smtp_server import Say, SmtpServer
from tests.lab.client import until
from tests.peers.conftest import Net, outcomes_of

SILENT = {"": Say(then="silence")}
BUSY = {"": Say("421 4.3.2 too busy", "close")}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths for slots; the dialogue keeps its own patience."""
    monkeypatch.setattr(slots, "SLOW_SECONDS", 0.03)
    monkeypatch.setattr(slots, "SWEEP_SECONDS", 0.01)


@pytest.fixture
def very_impatient(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do those after which nobody waits any more for a greeting."""
    monkeypatch.setattr(slots, "HANGING_SECONDS", 0.15)


async def serve_silent(net: Net, number: int) -> list[SmtpServer]:
    return [
        await net.serve(
            SmtpServer(SILENT, address=f"127.0.2.{n}"), domain=f"s{n}.test", mx=f"10 mx.s{n}.test"
        )
        for n in range(1, number + 1)
    ]


async def stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def send_many(net: Net, number: int, **more):
    reports = await asyncio.gather(*(net.send(**more) for _ in range(number)))
    return [outcomes_of(report)[0] for report in reports]


# Hosts that hang


@pytest.mark.usefixtures("impatient")
async def test_hosts_that_never_answer_do_not_eat_the_slots_of_the_others(net: Net):
    net.options = {"concurrency": 10, "concurrency_per_host": 5}
    live = await net.serve(SmtpServer())
    silent = await serve_silent(net, 20)
    stuck = [
        asyncio.create_task(net.send(domain=f"s{n}.test")) for n in range(1, 21) for _ in range(3)
    ]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        told = await send_many(net, 200)
    assert {outcome.result for outcome in told} == {Result.DELIVERED}
    assert len(live.contents) == 200
    assert all(len(server.conversations) <= 1 for server in silent)
    await stop(stuck)


@pytest.mark.usefixtures("impatient")
async def test_no_more_sessions_wait_without_a_slot_than_two_for_each(net: Net):
    net.options = {"concurrency": 2}
    silent = await serve_silent(net, 12)
    stuck = [asyncio.create_task(net.send(domain=f"s{n}.test")) for n in range(1, 13)]
    await until(lambda: sum(len(server.conversations) for server in silent) >= 5)
    await asyncio.sleep(0.2)
    # One stranger may have one of the two slots; four wait without.
    assert sum(len(server.conversations) for server in silent) == 5
    await stop(stuck)


@pytest.mark.usefixtures("very_impatient")
async def test_when_no_more_fit_strangers_are_turned_away_and_known_hosts_are_not(net: Net):
    net.options = {"concurrency": 2}
    known = await net.serve(SmtpServer())
    stranger = await net.serve(SmtpServer(address="127.0.0.2"), domain="n.test", mx="10 mx.n.test")
    await net.send()
    await serve_silent(net, 12)
    stuck = [asyncio.create_task(net.send(domain=f"s{n}.test")) for n in range(1, 13)]
    await asyncio.sleep(0.2)
    late = asyncio.create_task(net.send(domain="n.test"))
    assert {one.result for one in await send_many(net, 20)} == {Result.DELIVERED}
    (outcome,) = outcomes_of(await late)
    assert outcome.public == ("Too many other servers do not answer now. It waits until 12:01 UTC.")
    assert (outcome.is_turned_away, outcome.scope) == (True, Scope.TRANSPORT)
    assert (len(known.contents), stranger.conversations) == (21, [])
    await stop(stuck)


@pytest.mark.usefixtures("impatient")
async def test_a_host_that_greets_late_gets_its_mail_all_the_same(net: Net):
    net.options = {"concurrency": 1}
    late = SmtpServer()
    late.greets_after = 0.3
    await net.serve(late)
    other = await net.serve(SmtpServer(address="127.0.0.2"), domain="o.test", mx="10 mx.o.test")
    reports = await asyncio.gather(net.send(), *(net.send(domain="o.test") for _ in range(10)))
    assert {outcomes_of(report)[0].result for report in reports} == {Result.DELIVERED}
    assert (len(late.contents), len(other.contents)) == (1, 10)


@pytest.mark.usefixtures("very_impatient")
async def test_copies_for_a_host_that_hangs_are_turned_away_instead_of_waiting(net: Net):
    silent = await net.serve(SmtpServer(SILENT))
    tasks = [asyncio.create_task(net.send()) for _ in range(10)]
    done, stuck = await asyncio.wait(tasks, timeout=2)
    assert (len(done), len(stuck), len(silent.conversations)) == (9, 1, 1)
    for task in done:
        report = task.result()
        (outcome,) = outcomes_of(report)
        assert report.attempts == ()
        assert outcome.is_turned_away
        assert outcome.not_before == net.clock.now() + timedelta(minutes=1)
        assert outcome.public == (
            "mx.d.test does not answer the copies before this one. It waits until 12:01 UTC."
        )
    await stop(list(stuck))


@pytest.mark.usefixtures("impatient")
async def test_copies_for_a_host_that_falls_silent_later_are_turned_away_too(
    net: Net, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(slots, "BUSY_SECONDS", 0.3)
    server = await net.serve(SmtpServer({"MAIL": ["250 ok", Say(then="silence")]}))
    await net.send()
    tasks = [asyncio.create_task(net.send()) for _ in range(10)]
    done, stuck = await asyncio.wait(tasks, timeout=2)
    assert len(server.conversations) == len(stuck) == 2
    told = [outcomes_of(task.result())[0] for task in done]
    assert {outcome.public for outcome in told} == {
        "mx.d.test takes very long for the copies before this one. It waits until 12:01 UTC."
    }
    assert all(outcome.is_turned_away for outcome in told)
    await stop(list(stuck))


@pytest.mark.usefixtures("impatient")
async def test_check_now_finds_room_beside_the_hosts_that_hang(net: Net):
    net.options = {"concurrency": 2}
    await net.serve(SmtpServer())
    await serve_silent(net, 12)
    stuck = [asyncio.create_task(net.send(domain=f"s{n}.test")) for n in range(1, 13)]
    await asyncio.sleep(0.3)
    report = await (await net.agent()).probe("d.test")
    assert report.attempts[0].evidence is not None
    await stop(stuck)


# How many sessions at once


async def test_a_new_host_gets_one_session_until_it_has_shown_what_it_can(net: Net):
    server = await net.serve(SmtpServer({"MAIL": Say(then="silence")}))
    tasks = [asyncio.create_task(net.send()) for _ in range(30)]
    await server.heard("MAIL")
    await asyncio.sleep(0.1)
    assert len(server.conversations) == 1
    await stop(tasks)


async def test_a_host_that_does_well_gets_more_sessions(net: Net):
    server = await net.serve(SmtpServer())
    await send_many(net, 100)
    assert 2 < len(server.conversations) <= 20
    assert len(server.contents) == 100


async def test_accounts_take_turns_at_a_host(net: Net):
    net.options = {"concurrency_per_host": 1}
    server = await net.serve(SmtpServer())
    many = [net.send(account=1, content=b"Subject: many\r\n\r\n") for _ in range(100)]
    few = [net.send(account=2, content=b"Subject: few\r\n\r\n") for _ in range(2)]
    await asyncio.gather(*many, *few)
    places = [at for at, content in enumerate(server.contents) if b"few" in content]
    assert places[-1] <= 4
    assert len(server.conversations) == 2  # 100 transactions each


async def test_accounts_take_turns_for_the_slots_of_all_hosts(net: Net):
    net.options = {"concurrency": 1}
    taken: list[str] = []
    for n in range(2, 12):
        server = SmtpServer(address=f"127.0.0.{n}")
        await net.serve(server, domain=f"d{n}.test", mx=f"10 mx.d{n}.test")

    async def send(domain: str, account: int) -> None:
        await net.send(domain=domain, account=account)
        taken.append(domain)

    await asyncio.gather(*(send(f"d{n}.test", 1) for n in range(2, 11)), send("d11.test", 2))
    assert taken.index("d11.test") <= 2


# Breakers


@pytest.mark.parametrize("stage", ["", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_421_at_any_stage_counts_and_the_fifth_is_enough(net: Net, stage: str):
    server = await net.serve(SmtpServer({stage: Say("421 4.3.2 too busy", "close")}))
    for _ in range(health.PATIENCE):
        (outcome,) = outcomes_of(await net.send())
        assert (outcome.result, outcome.scope, outcome.code) == (Result.DEFERRED, Scope.HOST, 421)
        assert not outcome.is_turned_away
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.result, outcome.scope) == (Result.DEFERRED, Scope.HOST)
    assert outcome.not_before == net.clock.now() + timedelta(minutes=1)
    assert outcome.public == (
        "We stopped trying mx.d.test until 12:01 UTC because it took no session 5 times in a row."
    )
    assert report.attempts == ()
    assert len(server.conversations) == health.PATIENCE


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param({"": Say(then="close")}, id="closes instead of a greeting"),
        pytest.param({"RCPT": Say(then="reset")}, id="resets in the middle"),
        pytest.param({"MAIL": Say(then="silence")}, id="falls silent"),
        pytest.param({".": Say(then="close")}, id="closes after the content"),
        pytest.param({"": "nonsense"}, id="does not speak SMTP"),
        pytest.param({"": "450 4.3.2 not now"}, id="450 greeting"),
        pytest.param({"EHLO": "451 4.3.0 not now"}, id="451 to EHLO"),
    ],
)
async def test_whatever_ends_sessions_early_counts(net: Net, replies):
    net.time_scale = 0.001
    server = await net.serve(SmtpServer(replies))
    outcomes = [outcomes_of(await net.send())[0] for _ in range(health.PATIENCE + 1)]
    assert [outcome.is_turned_away for outcome in outcomes] == [False] * 5 + [True]
    assert len(server.conversations) == health.PATIENCE


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param({"RCPT": "450 4.2.0 later"}, id="450 to RCPT"),
        pytest.param({"MAIL": "451 4.3.0 disk full"}, id="451 to MAIL"),
        pytest.param({".": "554 5.6.0 no"}, id="554 to the content"),
        pytest.param({"": "554 5.3.2 no mail here"}, id="554 greeting"),
    ],
)
async def test_refusals_of_mail_are_no_trouble_of_the_host(net: Net, replies):
    server = await net.serve(SmtpServer(replies))
    outcomes = [outcomes_of(await net.send())[0] for _ in range(2 * health.PATIENCE)]
    assert not any(outcome.is_turned_away for outcome in outcomes)
    assert server.conversations


async def test_a_host_that_takes_some_and_then_says_421_is_not_left_alone(net: Net):
    replies = {"RCPT TO:<b@d.test>": Say("421 4.7.0 enough", "close")}
    server = await net.serve(SmtpServer(replies, announces=("LIMITS RCPTMAX=1",)))
    for _ in range(2 * health.PATIENCE):
        taken, later = outcomes_of(await net.send("a@d.test", "b@d.test"))
        assert (taken.result, later.code) == (Result.DELIVERED, 421)
    assert len(server.contents) == 2 * health.PATIENCE


async def test_nobody_there_is_said_so(net: Net):
    net.name("10 mx.d.test", "127.0.0.9")
    outcomes = [outcomes_of(await net.send())[0] for _ in range(health.PATIENCE + 1)]
    assert outcomes[-1].public == (
        "We stopped trying mx.d.test until 12:01 UTC because it did not answer 5 times in a row."
    )


async def test_other_hosts_of_the_domain_are_tried_and_the_broken_one_costs_nothing(net: Net):
    first = await net.serve(SmtpServer(BUSY))
    spare = await net.serve(SmtpServer(address="127.0.0.2"), mx="20 spare.d.test")
    for _ in range(health.PATIENCE):
        assert len((await net.send()).attempts) == 2
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert outcome.result is Result.DELIVERED
    assert [attempt.host for attempt in report.attempts] == ["spare.d.test"]
    assert (len(first.conversations), len(spare.contents)) == (5, 6)


async def test_other_addresses_of_the_host_are_tried(net: Net):
    server = await net.serve(SmtpServer())
    net.resolver.records["AAAA mx.d.test"] = ("::1",)
    for _ in range(health.PATIENCE):
        assert len((await net.send()).attempts) == 2
    report = await net.send()
    assert [attempt.address for attempt in report.attempts] == ["127.0.0.1"]
    assert len(server.contents) == 6


async def test_what_another_host_says_counts_more_than_a_breaker(net: Net):
    await net.serve(SmtpServer(BUSY))
    await net.serve(SmtpServer({"MAIL": "451 4.3.0 full"}, address="127.0.0.2"), mx="20 b.d.test")
    for _ in range(health.PATIENCE):
        await net.send()
    report = await net.send()
    (outcome,) = outcomes_of(report)
    assert (outcome.reply, outcome.is_turned_away) == ("451 4.3.0 full", False)
    assert report.attempts[0].results == report.results


async def test_a_storm_of_421_and_then_one_session_drains_the_backlog(net: Net):
    # Scenario 23.
    server = await net.serve(SmtpServer(BUSY))
    told = await send_many(net, 50)
    assert {outcome.result for outcome in told} == {Result.DEFERRED}
    assert len(server.conversations) < 10
    assert (await send_many(net, 50))[0].is_turned_away
    stormy = len(server.conversations)
    net.clock.advance(timedelta(minutes=1))
    server.replies = {}
    told = await send_many(net, health.TO_PROVE)
    assert {outcome.result for outcome in told} == {Result.DELIVERED}
    assert len(server.conversations) == stormy + 1


async def test_a_probe_that_fails_makes_the_pause_longer(net: Net):
    server = await net.serve(SmtpServer(BUSY))
    await send_many(net, 20)
    stormy = len(server.conversations)
    net.clock.advance(timedelta(minutes=1))
    told = await send_many(net, 20)
    assert len(server.conversations) == stormy + 1
    turned_away = [outcome for outcome in told if outcome.is_turned_away]
    assert len(turned_away) == 19
    assert {one.not_before for one in turned_away} == {net.clock.now() + timedelta(minutes=2)}


async def test_check_now_visits_a_host_that_is_left_alone(net: Net):
    server = await net.serve(SmtpServer(BUSY))
    await send_many(net, 10)
    server.replies = {}
    report = await (await net.agent()).probe("d.test")
    assert report.attempts[0].evidence is not None


async def test_the_next_agent_of_the_process_knows_what_the_last_one_learned(net: Net):
    net.health = Health()
    await net.serve(SmtpServer(BUSY))
    await send_many(net, 10)
    await net.leave()
    net.new_agent()
    assert (await send_many(net, 1))[0].is_turned_away


async def test_a_delivery_that_is_cancelled_while_it_probes_lets_the_next_one_probe(net: Net):
    server = await net.serve(SmtpServer(BUSY))
    await send_many(net, 10)
    net.clock.advance(timedelta(minutes=1))
    server.replies = {"MAIL": Say(then="silence")}
    probing = asyncio.create_task(net.send())
    await server.heard("MAIL")
    await stop([probing])
    server.replies = {}
    assert (await send_many(net, 1))[0].result is Result.DELIVERED
