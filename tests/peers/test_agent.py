from __future__ import annotations

import asyncio
from datetime import timedelta

from delivery.agent.endings import elapsed_ms
from delivery.policy.outcome import Result
from tests.fakes.smtp_server import SmtpServer
from tests.peers.conftest import Net, outcomes_of

MX = "MX d.test"


async def test_facts_serve_for_a_minute(net: Net):
    await net.serve(SmtpServer())
    await net.send()
    net.clock.advance(timedelta(seconds=59))
    await net.send()
    assert net.resolver.asked.count(MX) == 1
    net.clock.advance(timedelta(seconds=1))
    await net.send()
    assert net.resolver.asked.count(MX) == 2


async def test_many_messages_at_once_share_one_look_up(net: Net):
    await net.serve(SmtpServer())
    await asyncio.gather(*(net.send() for _ in range(10)))
    assert net.resolver.asked.count(MX) == 1


async def test_facts_that_something_is_wrong_with_are_asked_for_again(net: Net):
    await net.serve(SmtpServer())
    net.resolver.failing.add(MX)
    assert outcomes_of(await net.send())[0].result is Result.DEFERRED
    net.resolver.failing.clear()
    assert outcomes_of(await net.send())[0].result is Result.DELIVERED


async def test_look_up_is_fresh_and_serves_the_next_message(net: Net):
    await net.serve(SmtpServer())
    agent = await net.agent()
    await agent.look_up("d.test")
    await agent.look_up("d.test")
    await net.send()
    assert net.resolver.asked.count(MX) == 2


async def test_leaving_says_goodbye_to_every_open_session(net: Net):
    server = await net.serve(SmtpServer())
    await net.send()
    await net.leave()
    assert server.conversations[0].verbs[-1] == "QUIT"


def test_clock_that_is_set_back_makes_no_negative_duration(net: Net):
    now = net.clock.now()
    assert elapsed_ms(now, now - timedelta(seconds=5)) == 0
    assert elapsed_ms(now, now + timedelta(seconds=1.5)) == 1500
