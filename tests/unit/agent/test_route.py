from __future__ import annotations

import pytest

from delivery.agent.route import NOTHING, Memory, Try, in_order, other_family_first, remember
from delivery.policy.facts import HostFacts
from delivery.policy.outcome import Outcome, Result, Scope

ONE = HostFacts(name="mx1.test", preference=10, addresses=("::1", "127.0.0.1", "127.0.0.2"))
TWO = HostFacts(name="mx2.test", preference=20, addresses=("::2", "127.0.0.3"))
HOSTS = (ONE, TWO)


def tried(
    reply: str, *, host: str = "mx1.test", address: str = "::1", enhanced: str | None = None
) -> Try:
    code, second, *_ = reply.split(" ")
    found = second if enhanced is None else enhanced
    return Try(host=host, address=address, code=int(code), enhanced=found, reply=reply)


def way(memory: Memory) -> list[str]:
    return [address for host in in_order(HOSTS, memory) for address in host.addresses]


def test_first_try_goes_in_the_order_of_dns():
    assert way(NOTHING) == ["::1", "127.0.0.1", "127.0.0.2", "::2", "127.0.0.3"]
    assert in_order(HOSTS, NOTHING) is HOSTS


@pytest.mark.parametrize(
    "reply",
    [
        "450 4.7.1 try again",
        "451 4.7.1 try again",
        "450 4.2.0 <bob@d.test>: Recipient address rejected: Greylisted",
        "451 4.3.0 Graylisting in action",
        "450 4.2.0 busy",
    ],
)
def test_after_greylisting_the_same_host_and_address_come_first(reply: str):
    memory = remember([tried(reply, host="mx2.test", address="127.0.0.3")])
    assert memory == Memory(again=("mx2.test", "127.0.0.3"))
    assert way(memory) == ["127.0.0.3", "::2", "::1", "127.0.0.1", "127.0.0.2"]


def test_greylisting_without_an_enhanced_code_is_known_by_its_words():
    memory = remember([tried("450 You are greylisted", enhanced="")])
    assert memory.again == ("mx1.test", "::1")


def test_a_copy_comes_back_several_times_and_then_tries_the_other_family():
    answers = [tried("450 4.7.1 later")] * 5
    assert [remember(answers[:number]).again is not None for number in range(1, 6)] == [
        True,
        True,
        True,
        True,
        False,
    ]
    assert way(remember(answers))[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "reply",
    ["550 5.7.1 no", "554 5.7.25 no reverse name", "450 4.7.25 no name", "421 4.7.0 rate"],
)
def test_after_a_refusal_by_policy_the_other_family_comes_first(reply: str):
    memory = remember([tried(reply)])
    assert way(memory) == ["127.0.0.1", "127.0.0.2", "::1", "::2", "127.0.0.3"]


def test_ipv4_that_was_refused_gives_way_to_ipv6():
    memory = remember([tried("550 5.7.1 no", address="127.0.0.1")])
    assert way(memory)[:3] == ["::1", "127.0.0.1", "127.0.0.2"]


def test_refusals_of_both_families_leave_the_order_of_dns():
    memory = remember([tried("450 4.7.25 no"), tried("450 4.7.25 no", address="127.0.0.1")])
    assert way(memory) == way(NOTHING)


@pytest.mark.parametrize(
    "reply",
    [
        "451 4.7.5 TLS failed",
        "554 5.7.30 no REQUIRETLS",
        "554 5.7.10 encryption needed",
        "451 4.4.2 ended early",
        "452 4.2.2 full",
        "250 2.0.0 ok",
    ],
)
def test_nothing_else_changes_the_order(reply: str):
    assert remember([tried(reply)]) == NOTHING


def test_a_try_without_an_address_says_nothing():
    assert remember([tried("450 4.7.1 later", address="")]) == NOTHING


def test_a_refusal_by_policy_is_kept_while_another_answer_follows():
    memory = remember([tried("550 5.7.1 no"), tried("452 4.2.2 full", address="127.0.0.1")])
    assert memory == Memory(refused=frozenset({("mx1.test", 6)}))


def test_hosts_that_are_gone_from_dns_are_no_matter():
    memory = remember([tried("450 4.7.1 later", host="old.test")])
    assert way(memory) == way(NOTHING)


# Once more, by the other family


def refusal(enhanced: str = "5.7.1", reply: str = "550 5.7.1 no") -> Outcome:
    return Outcome(
        result=Result.FAILED, scope=Scope.RECIPIENT, code=550, enhanced=enhanced, reply=reply
    )


def test_a_final_refusal_by_policy_is_put_off_for_the_other_family():
    again = other_family_first(ONE, "::1", NOTHING, refusal())
    assert again is not None
    assert (again.result, again.reply) == (Result.DEFERRED, "550 5.7.1 no")
    assert again.public == (
        "mx1.test refuses this over IPv6, perhaps because of the address we came from. "
        "The next try goes over IPv4."
    )


@pytest.mark.parametrize(
    ("host", "address", "memory", "outcome"),
    [
        pytest.param(
            ONE, "127.0.0.1", Memory(refused=frozenset({("mx1.test", 6)})), refusal(), id="second"
        ),
        pytest.param(
            ONE, "::1", Memory(refused=frozenset({("mx1.test", 6)})), refusal(), id="once only"
        ),
        pytest.param(
            HostFacts(name="mx1.test", preference=10, addresses=("::1", "::2")),
            "::1",
            NOTHING,
            refusal(),
            id="one family",
        ),
        pytest.param(ONE, "::1", NOTHING, refusal("5.1.1"), id="no such mailbox"),
        pytest.param(ONE, "::1", NOTHING, refusal("5.7.30"), id="about TLS"),
        pytest.param(ONE, "::1", NOTHING, refusal(reply=""), id="our own words"),
        pytest.param(ONE, "::1", NOTHING, refusal(""), id="no enhanced code"),
    ],
)
def test_anything_else_that_is_final_stays_final(host, address, memory, outcome):
    assert other_family_first(host, address, memory, outcome) is None
