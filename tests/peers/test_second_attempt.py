"""What an answer means for the way of the next attempt at the same copy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from delivery.agent.agent import Agent
from delivery.agent.clock import SystemClock
from delivery.agent.config import AgentConfig
from delivery.agent.job import AttemptReport, Job, JobRecipient
from delivery.agent.route import NOTHING, Memory, Try, remember
from delivery.lab.world import Lab
from delivery.policy.modes import Mode, Order
from delivery.policy.outcome import Result
from tests.fakes.policies import MemoryPolicies
from tests.fakes.smtp_server import Reply, SmtpServer
from tests.peers.conftest import CONTENT, Net, outcomes_of


def memory_of(*reports: AttemptReport) -> Memory:
    """Return what a copy takes from its attempts so far: the answers that decided each of them."""
    return remember(
        Try(
            host=attempt.host,
            address=attempt.address,
            code=result.outcome.code,
            enhanced=result.outcome.enhanced,
            reply=result.outcome.reply,
        )
        for report in reports
        for attempt in report.attempts
        for result in attempt.results
    )


async def dual_stack(net: Net, six: dict[str, Reply], four: dict[str, Reply] | None = None):
    """Serve one host on ::1 and 127.0.0.1; IPv6 comes first in DNS."""
    over_six = await net.serve(SmtpServer(six, address="::1"))
    over_four = await net.serve(SmtpServer(four), domain="other.test")
    net.resolver.records["A mx.d.test"] = ("127.0.0.1",)
    return over_six, over_four


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param({"RCPT": "550 5.7.1 bad IPv6 reputation"}, id="550 to RCPT"),
        pytest.param({".": "554 5.7.1 looks like spam"}, id="554 to the content"),
        pytest.param({"RCPT": "450 4.7.25 no reverse name"}, id="450 to RCPT"),
        pytest.param({".": "451 4.7.24 SPF"}, id="451 to the content"),
    ],
)
async def test_refusal_of_one_family_is_followed_by_the_other(net: Net, replies):
    # Scenario 22.
    six, four = await dual_stack(net, replies)
    first = await net.send()
    assert outcomes_of(first)[0].result is Result.DEFERRED
    assert (len(six.conversations), len(four.conversations)) == (1, 0)
    second = await net.send(memory=memory_of(first))
    assert outcomes_of(second)[0].result is Result.DELIVERED
    assert [attempt.address for attempt in second.attempts] == ["127.0.0.1"]


async def test_refusal_of_the_second_family_is_final(net: Net):
    refusing: dict[str, Reply] = {"RCPT": "550 5.7.1 no"}
    await dual_stack(net, refusing, refusing)
    first = await net.send()
    second = await net.send(memory=memory_of(first))
    (outcome,) = outcomes_of(second)
    assert (outcome.result, outcome.reply) == (Result.FAILED, "550 5.7.1 no")
    assert [attempt.address for attempt in second.attempts] == ["127.0.0.1"]


async def test_refusal_that_is_not_about_policy_is_final_at_once(net: Net):
    await dual_stack(net, {"RCPT": "550 5.1.1 no such mailbox"})
    assert outcomes_of(await net.send())[0].result is Result.FAILED


async def test_host_with_one_family_may_refuse_for_good_at_once(net: Net):
    await net.serve(SmtpServer({"RCPT": "554 5.7.1 no"}))
    assert outcomes_of(await net.send())[0].result is Result.FAILED


async def test_each_recipient_has_a_second_chance_of_its_own(net: Net):
    six: dict[str, Reply] = {
        "RCPT TO:<a@d.test>": "550 5.7.1 not from there",
        "RCPT TO:<b@d.test>": "550 5.1.1 no such mailbox",
    }
    await dual_stack(net, six)
    put_off, failed, taken = outcomes_of(await net.send("a@d.test", "b@d.test", "c@d.test"))
    assert (put_off.result, failed.result, taken.result) == (
        Result.DEFERRED,
        Result.FAILED,
        Result.DELIVERED,
    )
    assert put_off.reply == "550 5.7.1 not from there"


async def test_greylisting_is_followed_by_the_same_host_and_address(net: Net):
    greylisting: dict[str, Reply] = {"RCPT": ["450 4.7.1 Greylisted", "250 ok"]}
    net.resolver.records["A mx.d.test"] = ("127.0.0.9",)  # nobody is there
    first_host = await net.serve(SmtpServer(greylisting, address="127.0.0.2"))
    other = await net.serve(SmtpServer(address="127.0.0.3"), mx="20 mx2.d.test")
    first = await net.send()
    # Meanwhile the order of DNS has changed: the other host, and a dead address, come first.
    net.resolver.records["MX d.test"] = ("5 mx2.d.test", "10 mx.d.test")
    net.new_agent()
    second = await net.send(memory=memory_of(first))
    assert outcomes_of(second)[0].result is Result.DELIVERED
    assert [attempt.address for attempt in second.attempts] == ["127.0.0.2"]
    assert (first_host.contents[-1], other.conversations) == (CONTENT, [])


async def test_greylisting_host_that_is_gone_is_followed_by_the_others(net: Net):
    await net.serve(SmtpServer())
    memory = Memory(again=("gone.d.test", "127.0.0.9"))
    assert outcomes_of(await net.send(memory=memory))[0].result is Result.DELIVERED


# In the lab


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab(profiles=["greylist", "dualstack"]) as lab:
        yield lab


async def attempt(lab: Lab, profile: str, name: str, memory: Memory = NOTHING) -> AttemptReport:
    address, _, port = lab.environment["DNS_RESOLVERS"].partition(":")
    config = AgentConfig(
        hostname="mail.mailweb.test",
        smtp_port=lab.smtp_port,
        sts_port=lab.sts_port,
        ca_file=str(lab.ca_file),
        resolvers=((address, int(port)),),
    )
    job = Job(
        mail_from="alice@mailweb.test",
        domain=f"{profile}.test",
        recipients=(JobRecipient(key=1, address=f"{name}@{profile}.test"),),
        order=Order(mode=Mode.DEFAULT),
        content=CONTENT,
        memory=memory,
    )
    async with Agent(config, policies=MemoryPolicies(), clock=SystemClock()) as agent:
        return await agent.deliver(job)


async def test_lab_that_greylists_at_each_of_two_equal_hosts_takes_the_second_attempt(lab: Lab):
    begun_at = set()
    for number in range(12):
        first = await attempt(lab, "greylist", f"bob{number}")
        assert outcomes_of(first)[0].enhanced == "4.7.1"
        second = await attempt(lab, "greylist", f"bob{number}", memory_of(first))
        assert outcomes_of(second)[0].result is Result.DELIVERED
        assert second.attempts[0].host == first.attempts[0].host
        begun_at.add(first.attempts[0].host)
    assert begun_at == {"mx.greylist.test", "mx2.greylist.test"}


async def test_lab_that_distrusts_ipv6_gets_the_second_attempt_over_ipv4(lab: Lab):
    first = await attempt(lab, "dualstack", "bob")
    (outcome,) = outcomes_of(first)
    assert (outcome.result, outcome.code, outcome.enhanced) == (Result.DEFERRED, 550, "5.7.1")
    assert "The next try goes over IPv4." in outcome.public
    second = await attempt(lab, "dualstack", "bob", memory_of(first))
    assert outcomes_of(second)[0].result is Result.DELIVERED
    assert ":" not in second.attempts[0].address
