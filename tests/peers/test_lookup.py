from __future__ import annotations

import hashlib
from itertools import pairwise
from random import Random

import pytest

from delivery.agent.answers import Answer
from delivery.agent.config import AgentConfig
from delivery.agent.lookup import Lookup
from delivery.agent.policy_fetch import PolicyFinder
from delivery.agent.policy_host import PolicyHost
from delivery.policy.facts import (
    DnsFailure,
    Dnssec,
    DomainFacts,
    HostFacts,
    Part,
    StsMode,
    TlsaState,
)
from tests.fakes.clock import FakeClock
from tests.fakes.policies import MemoryPolicies
from tests.fakes.resolver import FakeResolver

GOOD = "3 1 1 " + hashlib.sha256(b"key").hexdigest()
TLSA = "TLSA _25._tcp.mx.dane.test"
SIGNED = {
    "MX dane.test": ["10 mx.dane.test"],
    "A mx.dane.test": ["127.0.0.2"],
    "AAAA mx.dane.test": ["::1"],
    TLSA: [GOOD],
}


async def look_up(resolver: FakeResolver, domain: str, *, seed: int = 0, **more) -> DomainFacts:
    clock, config = FakeClock(), AgentConfig(hostname="mail.mailweb.test")
    policies = PolicyFinder(
        resolver=resolver,
        host=PolicyHost(config, resolver=resolver),
        store=MemoryPolicies(),
        clock=clock,
    )
    lookup = Lookup(
        resolver=resolver,
        policies=policies,
        own_host="mail.mailweb.test",
        clock=clock,
        rng=Random(seed),
    )
    return await lookup.domain(domain, **more)


async def host_of(resolver: FakeResolver, domain: str = "dane.test") -> HostFacts:
    (host,) = (await look_up(resolver, domain)).hosts
    return host


async def test_signed_domain_with_tlsa_is_found_whole():
    facts = await look_up(FakeResolver(SIGNED, secure=["dane.test"]), "dane.test")
    (host,) = facts.hosts
    assert (facts.dnssec, facts.sts.mode, facts.is_complete) == (
        Dnssec.SECURE,
        StsMode.ABSENT,
        True,
    )
    assert (host.name, host.preference, host.dnssec) == ("mx.dane.test", 10, Dnssec.SECURE)
    assert host.addresses == ("::1", "127.0.0.2")
    assert (host.tlsa_state, [str(one) for one in host.tlsa]) == (TlsaState.USABLE, [GOOD])
    assert host.tlsa_names == ("mx.dane.test", "dane.test")


# MX


async def test_hosts_are_in_order_of_preference_and_equals_in_any_order():
    resolver = FakeResolver(
        {"MX d.test": ["20 c.test", "10 a.test", "10 b.test", "30 d.test"]}
        | {f"A {name}.test": ["127.0.0.2"] for name in "abcd"}
    )
    seen = set()
    for seed in range(20):
        facts = await look_up(resolver, "d.test", seed=seed)
        seen.add(tuple(host.name for host in facts.hosts))
    assert seen == {
        ("a.test", "b.test", "c.test", "d.test"),
        ("b.test", "a.test", "c.test", "d.test"),
    }


@pytest.mark.parametrize(
    ("records", "failure"),
    [
        pytest.param({"MX d.test": ["0 ."]}, DnsFailure.NULL_MX, id="null MX"),
        pytest.param({"A other.test": ["127.0.0.2"]}, DnsFailure.NXDOMAIN, id="no such domain"),
        pytest.param(
            {"MX d.test": ["10 mail.mailweb.test", "20 b.test"]},
            DnsFailure.OWN_HOST,
            id="we are its best host",
        ),
        pytest.param(
            {"CNAME d.test": ["e.test"], "CNAME e.test": ["d.test"]},
            DnsFailure.ALIAS_LOOP,
            id="alias loop",
        ),
        pytest.param({"CNAME d.test": ["gone.test"]}, DnsFailure.NXDOMAIN, id="alias to nothing"),
    ],
)
async def test_domain_without_hosts_says_why(records: dict[str, list[str]], failure: DnsFailure):
    facts = await look_up(FakeResolver(records), "d.test")
    assert (facts.failure, facts.hosts, facts.is_complete) == (failure, (), True)


async def test_null_mx_beside_other_hosts_is_passed_over():
    facts = await look_up(FakeResolver({"MX d.test": ["0 .", "10 a.test"]}), "d.test")
    assert (facts.failure, [host.name for host in facts.hosts]) == (None, ["a.test"])


async def test_own_host_and_all_after_it_are_removed():
    resolver = FakeResolver(
        {"MX d.test": ["10 a.test", "20 MAIL.mailweb.test".lower(), "20 b.test", "30 c.test"]}
    )
    facts = await look_up(resolver, "d.test")
    assert [host.name for host in facts.hosts] == ["a.test"]


async def test_mx_servfail_is_not_an_implicit_mx():
    resolver = FakeResolver({"A d.test": ["127.0.0.2"]}, failing=["MX d.test"])
    facts = await look_up(resolver, "d.test")
    assert (facts.failure, facts.detail) == (DnsFailure.SERVFAIL, "SERVFAIL")


async def test_bogus_mx_keeps_the_resolvers_words():
    resolver = FakeResolver({"A d.test": ["127.0.0.2"]}, bogus=["MX d.test"])
    facts = await look_up(resolver, "d.test")
    assert (facts.failure, facts.dnssec) == (DnsFailure.SERVFAIL, Dnssec.BOGUS)
    assert facts.detail == "SERVFAIL; dnssec bogus: signature does not fit"


async def test_mx_time_out_is_temporary():
    facts = await look_up(FakeResolver({"A d.test": ["127.0.0.2"]}, silent=["MX d.test"]), "d.test")
    assert facts.failure is DnsFailure.TIMEOUT


async def test_domain_without_mx_is_its_own_host_and_can_have_dane():
    # Trap: the secure denial of MX is a secure answer.
    resolver = FakeResolver(
        {"A dane.test": ["127.0.0.2"], "TLSA _25._tcp.dane.test": [GOOD]}, secure=["dane.test"]
    )
    facts = await look_up(resolver, "dane.test")
    (host,) = facts.hosts
    assert (facts.is_implicit_mx, host.name) == (True, "dane.test")
    assert host.tlsa_state is TlsaState.USABLE


async def test_address_in_brackets_is_its_own_host():
    for literal, address in (("[127.0.0.2]", "127.0.0.2"), ("[IPv6:::1]", "::1")):
        facts = await look_up(FakeResolver({}), literal)
        assert [host.addresses for host in facts.hosts] == [(address,)]


# Addresses


async def test_addresses_of_both_families_alternate():
    resolver = FakeResolver(
        {
            "MX d.test": ["10 mx.test"],
            "A mx.test": ["127.0.0.2", "127.0.0.3", "127.0.0.4"],
            "AAAA mx.test": ["::1"],
        }
    )
    host = await host_of(resolver, "d.test")
    assert host.addresses == ("::1", "127.0.0.2", "127.0.0.3", "127.0.0.4")


async def test_no_more_than_twenty_addresses_of_a_host_are_kept():
    many = [f"127.0.1.{number}" for number in range(200)]
    host = await host_of(FakeResolver({"MX d.test": ["10 mx.test"], "A mx.test": many}), "d.test")
    assert host.addresses == tuple(many[:20])


async def test_host_without_addresses_says_why():
    resolver = FakeResolver({"MX d.test": ["10 mx.test"], "TXT mx.test": ["x"]})
    assert (await host_of(resolver, "d.test")).failure is DnsFailure.NO_ADDRESS


async def test_host_whose_addresses_cannot_be_had_now_is_temporary():
    resolver = FakeResolver(
        {"MX d.test": ["10 mx.test"], "TXT mx.test": ["x"]}, failing=["A mx.test"]
    )
    assert (await host_of(resolver, "d.test")).failure is DnsFailure.SERVFAIL


async def test_one_family_is_enough_when_the_other_fails():
    resolver = FakeResolver(SIGNED, secure=["dane.test"], failing=["AAAA mx.dane.test"])
    host = await host_of(resolver)
    assert (host.addresses, host.tlsa_state) == (("127.0.0.2",), TlsaState.USABLE)


# TLSA


async def test_tlsa_is_not_asked_for_when_the_mx_answer_is_not_secure():
    # Trap: TLSA used though the MX answer was not secure.
    resolver = FakeResolver({"MX plain.test": ["10 mx.dane.test"], **SIGNED}, secure=["dane.test"])
    host = await host_of(resolver, "plain.test")
    assert (host.dnssec, host.tlsa_state, host.tlsa) == (Dnssec.SECURE, TlsaState.UNCHECKED, ())
    assert TLSA not in resolver.asked


async def test_tlsa_is_not_asked_for_when_the_addresses_are_not_secure():
    resolver = FakeResolver(
        {"MX dane.test": ["10 mx.plain.test"], "A mx.plain.test": ["127.0.0.2"]},
        secure=["dane.test"],
    )
    host = await host_of(resolver)
    assert (host.dnssec, host.tlsa_state) == (Dnssec.INSECURE, TlsaState.UNCHECKED)
    assert not [question for question in resolver.asked if question.startswith("TLSA")]


async def test_resolver_that_does_not_validate_leaves_dane_unchecked_never_absent():
    facts = await look_up(FakeResolver(SIGNED, validates=False), "dane.test")
    (host,) = facts.hosts
    assert (facts.dnssec, host.dnssec, host.tlsa_state) == (
        Dnssec.UNCHECKED,
        Dnssec.UNCHECKED,
        TlsaState.UNCHECKED,
    )


async def test_secure_denial_of_tlsa_means_absent():
    records = {question: found for question, found in SIGNED.items() if question != TLSA}
    host = await host_of(FakeResolver(records, secure=["dane.test"]))
    assert host.tlsa_state is TlsaState.ABSENT


@pytest.mark.parametrize("how", ["failing", "silent", "bogus"])
async def test_tlsa_that_cannot_be_had_is_an_error_not_absent(how: str):
    resolver = FakeResolver(SIGNED, secure=["dane.test"])
    getattr(resolver, how).add(TLSA)
    host = await host_of(resolver)
    assert host.tlsa_state is TlsaState.ERROR
    assert host.dnssec is (Dnssec.BOGUS if how == "bogus" else Dnssec.SECURE)
    assert host.detail


@pytest.mark.parametrize("family", ["A", "AAAA"])
async def test_host_with_addresses_of_one_family_has_its_tlsa(family: str):
    # Trap: only one family checked.
    other = {"A": "AAAA mx.dane.test", "AAAA": "A mx.dane.test"}[family]
    records = {question: found for question, found in SIGNED.items() if question != other}
    host = await host_of(FakeResolver(records, secure=["dane.test"]))
    assert (len(host.addresses), host.tlsa_state) == (1, TlsaState.USABLE)


async def test_wildcard_that_gives_an_address_at_the_name_of_tlsa_means_absent():
    records = {question: found for question, found in SIGNED.items() if question != TLSA}
    wildcard = {"A _25._tcp.mx.dane.test": ["127.0.0.2"]}
    host = await host_of(FakeResolver(records | wildcard, secure=["dane.test"]))
    assert host.tlsa_state is TlsaState.ABSENT


async def test_tlsa_that_nobody_validated_is_an_error_once_the_addresses_were_validated():
    # Trap: the validating resolver is gone in the middle of the look-up, and another one answers.
    class Losing(FakeResolver):
        async def query(self, name: str, kind: str) -> Answer:
            self.validates = kind != "TLSA"
            return await super().query(name, kind)

    for records in (
        SIGNED,
        {question: SIGNED[question] for question in SIGNED if question != TLSA},
    ):
        host = await host_of(Losing(records, secure=["dane.test"]))
        assert (host.tlsa_state, host.dnssec) == (TlsaState.ERROR, Dnssec.SECURE)
        assert host.detail


async def test_records_none_of_which_can_be_used_are_unusable():
    resolver = FakeResolver({**SIGNED, TLSA: ["1 1 1 00", "3 1 1 0011"]}, secure=["dane.test"])
    host = await host_of(resolver)
    assert (host.tlsa_state, len(host.tlsa)) == (TlsaState.UNUSABLE, 2)


async def test_alias_of_tlsa_is_followed_if_secure():
    base = {question: found for question, found in SIGNED.items() if question != TLSA}
    alias = {f"CNAME {TLSA.split()[1]}": ["tlsa.keys.test"], "TLSA tlsa.keys.test": [GOOD]}
    secure = FakeResolver(base | alias, secure=["dane.test", "keys.test"])
    insecure = FakeResolver(base | alias, secure=["dane.test"])
    assert (await host_of(secure)).tlsa_state is TlsaState.USABLE
    assert (await host_of(insecure)).tlsa_state is TlsaState.ABSENT


ALIASED = {
    "MX dane.test": ["10 mx.dane.test"],
    "CNAME mx.dane.test": ["real.host.test"],
    "A real.host.test": ["127.0.0.2"],
}


async def test_aliased_host_has_its_tlsa_at_the_end_of_the_alias_first():
    resolver = FakeResolver(
        ALIASED | {"TLSA _25._tcp.real.host.test": [GOOD], TLSA: ["3 1 1 " + "00" * 32]},
        secure=["dane.test", "host.test"],
    )
    host = await host_of(resolver)
    assert [str(one) for one in host.tlsa] == [GOOD]
    assert host.tlsa_names == ("real.host.test", "mx.dane.test", "dane.test")


async def test_aliased_host_falls_back_to_its_own_name_for_tlsa():
    resolver = FakeResolver(ALIASED | {TLSA: [GOOD]}, secure=["dane.test", "host.test"])
    host = await host_of(resolver)
    assert (host.tlsa_state, host.tlsa_names[0]) == (TlsaState.USABLE, "mx.dane.test")


async def test_signed_alias_to_an_unsigned_host_has_tlsa_at_the_alias_only():
    # The verdict must not depend on chance: the alias is signed, where it leads is not.
    resolver = FakeResolver(
        ALIASED | {TLSA: [GOOD], "TLSA _25._tcp.real.host.test": ["3 1 1 " + "00" * 32]},
        secure=["dane.test"],
    )
    host = await host_of(resolver)
    assert (host.tlsa_state, host.dnssec) == (TlsaState.USABLE, Dnssec.INSECURE)
    assert [str(one) for one in host.tlsa] == [GOOD]


async def test_unsigned_alias_to_a_signed_host_has_no_tlsa():
    resolver = FakeResolver(
        {
            "MX signed.test": ["10 mx.plain.test"],
            "CNAME mx.plain.test": ["mx.dane.test"],
            **SIGNED,
        },
        secure=["signed.test", "dane.test"],
    )
    assert (await host_of(resolver, "signed.test")).tlsa_state is TlsaState.UNCHECKED


async def test_aliased_domain_is_followed_and_may_be_named_by_the_certificate():
    resolver = FakeResolver(
        {"CNAME alias.test": ["dane.test"], **SIGNED}, secure=["alias.test", "dane.test"]
    )
    facts = await look_up(resolver, "alias.test")
    assert facts.dnssec is Dnssec.SECURE
    assert facts.hosts[0].tlsa_names == ("mx.dane.test", "alias.test", "dane.test")


async def test_aliased_domain_with_an_insecure_half_is_insecure():
    resolver = FakeResolver({"CNAME alias.test": ["dane.test"], **SIGNED}, secure=["dane.test"])
    facts = await look_up(resolver, "alias.test")
    assert (facts.dnssec, facts.hosts[0].tlsa_state) == (Dnssec.INSECURE, TlsaState.UNCHECKED)


# Parts


async def test_parts_are_told_as_they_arrive():
    told: list[frozenset[Part]] = []

    async def on_part(facts: DomainFacts) -> None:
        told.append(facts.parts)

    facts = await look_up(FakeResolver(SIGNED, secure=["dane.test"]), "dane.test", on_part=on_part)
    assert len(told) == 2
    assert all(earlier < later for earlier, later in pairwise(told))
    assert facts.is_complete
