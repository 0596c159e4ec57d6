"""Debian's unbound validates the lab's zones; the agent that asks it does what it does otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from delivery.agent.agent import Agent
from delivery.agent.answers import Status, follow
from delivery.agent.clock import SystemClock
from delivery.agent.config import AgentConfig
from delivery.agent.job import AttemptReport, Job, JobRecipient
from delivery.agent.resolver import DnsResolver
from delivery.lab import PROFILES, Lab
from delivery.policy.facts import Dnssec, TlsaState
from delivery.policy.modes import Mode, Order
from delivery.policy.outcome import Outcome, Result
from mailweb.diagnosis import Grade, network
from tests.fakes.policies import MemoryPolicies
from tests.labs import running_lab
from tests.peers.servers.unbound import Unbound
from tests.peers.test_lab_profiles import CONTENT, DEFAULT

WAITING = {"dns-silent", "dns-slow", "silent", "slow"}
ANSWERING = [name for name in PROFILES if name not in WAITING]
FICKLE = {"downgrade", "greylist"}
"""Hosts that treat a second message differently."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def unbound(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    folder = tmp_path_factory.mktemp("unbound")
    with Unbound(folder, upstream=lab.dns_port, anchor=lab.zones.trust_anchor) as server:
        yield server


@pytest.fixture
def fresh(lab: Lab, tmp_path: Path) -> Iterator[Unbound]:
    """One that was asked nothing yet: what it repeats from memory it gives no reasons for."""
    with Unbound(tmp_path, upstream=lab.dns_port, anchor=lab.zones.trust_anchor) as server:
        yield server


def _config(lab: Lab, port: int, **options: Any) -> AgentConfig:
    return AgentConfig(
        hostname="mail.mailweb.test",
        smtp_port=lab.smtp_port,
        sts_port=lab.sts_port,
        ca_file=str(lab.ca_file),
        resolvers=(("127.0.0.1", port),),
        **options,
    )


def _asking(lab: Lab, port: int, **options: Any) -> DnsResolver:
    return DnsResolver(_config(lab, port, **options), clock=SystemClock())


@pytest.fixture
async def resolver(lab: Lab, unbound: Unbound) -> AsyncIterator[DnsResolver]:
    resolver = _asking(lab, unbound.port)
    yield resolver
    await resolver.close()


# What it says


@pytest.mark.parametrize(
    ("name", "kind", "status", "dnssec"),
    [
        ("dane.test", "MX", Status.FOUND, Dnssec.SECURE),
        ("mx.dane.test", "A", Status.FOUND, Dnssec.SECURE),
        ("_25._tcp.mx.dane.test", "TLSA", Status.FOUND, Dnssec.SECURE),
        ("mx.dane.test", "AAAA", Status.NODATA, Dnssec.SECURE),
        ("nowhere.dane.test", "A", Status.NXDOMAIN, Dnssec.SECURE),
        ("nxdomain.test", "MX", Status.NXDOMAIN, Dnssec.SECURE),
        ("pkix.test", "MX", Status.FOUND, Dnssec.INSECURE),
        ("mx.pkix.test", "AAAA", Status.NODATA, Dnssec.INSECURE),
        ("nowhere.pkix.test", "A", Status.NXDOMAIN, Dnssec.INSECURE),
        ("_25._tcp.mx.tlsa-wildcard.test", "A", Status.FOUND, Dnssec.SECURE),
        ("_25._tcp.mx.tlsa-wildcard.test", "TLSA", Status.NODATA, Dnssec.SECURE),
        ("bogus.test", "MX", Status.SERVFAIL, Dnssec.BOGUS),
        ("dnssec-expired.test", "MX", Status.SERVFAIL, Dnssec.BOGUS),
        ("servfail.test", "MX", Status.SERVFAIL, Dnssec.UNCHECKED),
        ("_25._tcp.mx.tlsa-servfail.test", "TLSA", Status.SERVFAIL, Dnssec.UNCHECKED),
    ],
)
async def test_answer_and_what_dnssec_says_of_it(
    resolver: DnsResolver, name: str, kind: str, status: Status, dnssec: Dnssec
):
    answer = await resolver.query(name, kind)
    assert (answer.status, answer.dnssec) == (status, dnssec)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bogus.test", "dnskey missing: validation failure <bogus.test. MX IN>"),
        ("dnssec-expired.test", "signature expired: validation failure <dnssec-expired.test."),
    ],
)
async def test_extended_error_says_why_an_answer_does_not_validate(
    lab: Lab, fresh: Unbound, name: str, words: str
):
    answer = await _asking(lab, fresh.port).query(name, "MX")
    assert answer.detail.startswith(f"{name} MX: SERVFAIL; ")
    assert words in answer.detail


async def test_secure_aliases_are_secure_at_every_step(resolver: DnsResolver):
    chain = await follow(resolver, "mx.cname.test", "A")
    assert [step.name for step in chain.steps] == ["mx.cname.test", "mx.aliased.test"]
    assert {step.dnssec for step in chain.steps} == {Dnssec.SECURE}


async def test_signed_alias_of_an_unsigned_name_is_told_apart(resolver: DnsResolver):
    chain = await follow(resolver, "mx.cname-insecure.test", "A")
    assert [step.dnssec for step in chain.steps] == [Dnssec.SECURE, Dnssec.INSECURE]


@pytest.mark.parametrize("profile", ANSWERING)
async def test_lab_answers_as_a_validating_resolver_does(
    lab: Lab, resolver: DnsResolver, profile: str
):
    pretending = _asking(lab, lab.dns_port)
    domain = PROFILES[profile].domain
    for prefix, kind in (
        ("", "MX"),
        ("mx.", "A"),
        ("mx.", "AAAA"),
        ("_25._tcp.mx.", "TLSA"),
        ("_mta-sts.", "TXT"),
        ("nowhere.", "A"),
    ):
        one, other = [
            await asked.query(f"{prefix}{domain}", kind) for asked in (pretending, resolver)
        ]
        assert (one.status, one.dnssec, one.alias) == (other.status, other.dnssec, other.alias)
        assert sorted(one.records) == sorted(other.records)


# What the agent makes of it


async def _send(lab: Lab, port: int, profile: str, mode: Mode, **options: Any) -> AttemptReport:
    job = Job(
        mail_from="alice@mailweb.test",
        domain=f"{profile}.test",
        recipients=(JobRecipient(key=1, address=f"bob@{profile}.test"),),
        order=Order(mode=mode),
        content=CONTENT,
    )
    config = _config(lab, port, **options)
    async with Agent(config, policies=MemoryPolicies(), clock=SystemClock()) as agent:
        return await agent.deliver(job)


def _outcome(report: AttemptReport) -> Outcome:
    (result,) = report.results
    return result.outcome


def _shown(report: AttemptReport) -> tuple[object, ...]:
    """Return all that matters about a delivery, but for the resolver's own words."""
    last, facts, outcome = report.attempts[-1], report.facts, _outcome(report)
    tls = last.evidence.tls if last.evidence else None
    return (
        (outcome.result, outcome.enhanced, outcome.reason, last.stopped_by, last.requiretls_used),
        (tls.starttls, tls.proofs, tls.reason) if tls else None,
        (facts.dnssec, facts.failure, facts.is_implicit_mx, facts.sts.mode),
        [(host.name, host.dnssec, host.tlsa_state, host.tlsa_names) for host in facts.hosts],
    )


@pytest.mark.parametrize("profile", [name for name in ANSWERING if name not in FICKLE])
async def test_default_message_ends_the_same_over_unbound(lab: Lab, unbound: Unbound, profile: str):
    reports = [
        await _send(lab, port, profile, Mode.DEFAULT) for port in (lab.dns_port, unbound.port)
    ]
    assert _shown(reports[0]) == _shown(reports[1])
    outcome, expected = _outcome(reports[1]), DEFAULT[profile]
    assert (outcome.result, outcome.enhanced) == (expected.result, expected.enhanced)


@pytest.mark.parametrize("mode", [Mode.VERIFIED, Mode.REQUIRETLS, Mode.OPTIONAL])
@pytest.mark.parametrize(
    "profile",
    [
        *("dane", "dane-ta", "dane-mismatch", "dane-unusable", "dane-insecure", "tlsa-servfail"),
        *("bogus", "requiretls", "requiretls-sts", "cname", "cname-insecure", "sts", "implicit"),
    ],
)
async def test_message_of_another_mode_ends_the_same_over_unbound(
    lab: Lab, unbound: Unbound, profile: str, mode: Mode
):
    over_lab, over_unbound = [
        await _send(lab, port, profile, mode) for port in (lab.dns_port, unbound.port)
    ]
    assert _shown(over_lab) == _shown(over_unbound)


@pytest.mark.parametrize(
    ("profile", "words"),
    [("bogus", "no keys have a DS"), ("dnssec-expired", "signature expired from")],
)
async def test_sender_reads_the_resolvers_own_words_about_broken_dnssec(
    lab: Lab, fresh: Unbound, profile: str, words: str
):
    outcome = _outcome(await _send(lab, fresh.port, profile, Mode.DEFAULT))
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.3")
    assert words in outcome.public


async def test_dead_resolver_puts_mail_off(lab: Lab, fresh: Unbound):
    fresh.stop()
    outcome = _outcome(await _send(lab, fresh.port, "dane", Mode.DEFAULT, time_scale=0.02))
    assert (outcome.result, outcome.enhanced) == (Result.DEFERRED, "4.4.3")


# Whether it validates at all


async def test_doctor_finds_the_validator(lab: Lab, unbound: Unbound, resolver: DnsResolver):
    assert (await network.resolver(resolver, _config(lab, unbound.port))).grade is Grade.OK


async def test_resolver_without_a_validator_leaves_everything_unchecked(lab: Lab, tmp_path: Path):
    with Unbound(
        tmp_path, upstream=lab.dns_port, anchor=lab.zones.trust_anchor, validates=False
    ) as server:
        report = await _send(lab, server.port, "dane", Mode.DEFAULT)
        asking = _asking(lab, server.port)
        finding = await network.resolver(asking, _config(lab, server.port))
    (host,) = report.facts.hosts
    assert _outcome(report).result is Result.DELIVERED
    assert (report.facts.dnssec, host.tlsa_state) == (Dnssec.UNCHECKED, TlsaState.UNCHECKED)
    assert finding.grade is Grade.WARN
    assert "apt install unbound" in finding.remedy


async def test_word_of_a_validator_is_not_taken_if_the_operator_forbids_it(
    lab: Lab, unbound: Unbound
):
    answer = await _asking(lab, unbound.port, trust_ad="never").query("dane.test", "MX")
    assert (answer.status, answer.dnssec) == (Status.FOUND, Dnssec.UNCHECKED)
