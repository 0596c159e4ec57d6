"""The agent against every domain of the lab: real DNS, real TLS, real HTTPS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from delivery.agent.agent import Agent
from delivery.agent.clock import SystemClock
from delivery.agent.config import AgentConfig
from delivery.agent.job import AttemptReport, Job, JobRecipient
from delivery.lab.profiles import PROFILES
from delivery.lab.world import Lab, has_ipv6
from delivery.policy.facts import Dnssec, Proof, Starttls, StsMode, TlsaState
from delivery.policy.modes import Mode, Order
from delivery.policy.outcome import Result
from delivery.policy.reasons import Reason
from delivery.policy.record import Mechanism
from tests.fakes.policies import MemoryPolicies

CONTENT = b"From: alice@mailweb.test\r\nSubject: Hello\r\n\r\nBob.\r\n"
SCALE = {"silent": 0.01, "dns-silent": 0.02, "dns-slow": 1.0}


@dataclass(frozen=True)
class Expected:
    """What a default message to bob shows, and how it ends."""

    result: Result = Result.DELIVERED
    enhanced: str = "2.0.0"
    starttls: Starttls | None = Starttls.OFFERED
    proofs: frozenset[Proof] = frozenset({Proof.PKIX})
    reason: Reason = Reason.NONE
    stopped_by: Mechanism = Mechanism.NONE
    dnssec: Dnssec = Dnssec.INSECURE
    tlsa: TlsaState | None = TlsaState.UNCHECKED
    sts: StsMode = StsMode.ABSENT
    sessions: int = 1


NOBODY: frozenset[Proof] = frozenset()
PKIX = Expected()
BROKEN_TLS = Expected(
    starttls=Starttls.FAILED, proofs=NOBODY, reason=Reason.VALIDATION_FAILURE, sessions=3
)


def held_back(enhanced: str = "4.7.5", **more) -> Expected:
    return Expected(result=Result.DEFERRED, enhanced=enhanced, **more)


def untouched(result: Result, enhanced: str, **more) -> Expected:
    """No session came about."""
    return Expected(result=result, enhanced=enhanced, starttls=None, proofs=NOBODY, **more)


SECURE: dict[str, Any] = {"dnssec": Dnssec.SECURE, "tlsa": TlsaState.USABLE}
DANE = Expected(proofs=frozenset({Proof.DANE_EE}), **SECURE)
ENFORCED: dict[str, Any] = {"sts": StsMode.ENFORCE, "stopped_by": Mechanism.MTA_STS}
BOGUS = untouched(
    Result.DEFERRED,
    "4.4.3",
    reason=Reason.DNSSEC_INVALID,
    dnssec=Dnssec.BOGUS,
    tlsa=None,
    sts=StsMode.ERROR,
)

DEFAULT: dict[str, Expected] = {
    "plain": Expected(
        starttls=Starttls.NOT_OFFERED, proofs=NOBODY, reason=Reason.STARTTLS_NOT_SUPPORTED
    ),
    "starttls": Expected(proofs=NOBODY, reason=Reason.CERTIFICATE_NOT_TRUSTED),
    "pkix": PKIX,
    "downgrade": PKIX,
    "late-alert": BROKEN_TLS,
    "tls10": BROKEN_TLS,
    "tls-broken": BROKEN_TLS,
    "injection": BROKEN_TLS,
    "tls-refused": Expected(
        starttls=Starttls.FAILED, proofs=NOBODY, reason=Reason.STARTTLS_NOT_SUPPORTED
    ),
    "sts": Expected(proofs=frozenset({Proof.STS_PKIX}), sts=StsMode.ENFORCE),
    "sts-testing": Expected(
        proofs=NOBODY, reason=Reason.CERTIFICATE_NOT_TRUSTED, sts=StsMode.TESTING
    ),
    "sts-none": Expected(sts=StsMode.NONE),
    "sts-mismatch": untouched(
        Result.DEFERRED, "4.7.5", reason=Reason.VALIDATION_FAILURE, **ENFORCED
    ),
    "sts-expired": held_back(proofs=NOBODY, reason=Reason.CERTIFICATE_EXPIRED, **ENFORCED),
    "sts-other-name": held_back(proofs=NOBODY, reason=Reason.CERTIFICATE_HOST_MISMATCH, **ENFORCED),
    "sts-plain": held_back(
        "4.7.10",
        starttls=Starttls.NOT_OFFERED,
        proofs=NOBODY,
        reason=Reason.STARTTLS_NOT_SUPPORTED,
        **ENFORCED,
    ),
    "sts-unreachable": Expected(sts=StsMode.ERROR),
    "sts-redirect": Expected(sts=StsMode.ERROR),
    "sts-untrusted": Expected(sts=StsMode.ERROR),
    "dnssec": Expected(dnssec=Dnssec.SECURE, tlsa=TlsaState.ABSENT),
    "dane": DANE,
    "dane-ta": Expected(proofs=frozenset({Proof.DANE_TA}), **SECURE),
    "dane-mismatch": held_back(
        reason=Reason.VALIDATION_FAILURE, stopped_by=Mechanism.DANE, **SECURE
    ),
    "dane-unusable": Expected(
        proofs=NOBODY,
        reason=Reason.TLSA_INVALID,
        dnssec=Dnssec.SECURE,
        tlsa=TlsaState.UNUSABLE,
    ),
    "dane-expired": DANE,
    "dane-rollover": DANE,
    "dane-mismatch-sts": held_back(
        proofs=frozenset({Proof.STS_PKIX}),
        reason=Reason.VALIDATION_FAILURE,
        stopped_by=Mechanism.DANE,
        sts=StsMode.ENFORCE,
        **SECURE,
    ),
    "dane-insecure": PKIX,
    "dane-partly": DANE,
    "tlsa-servfail": untouched(
        Result.DEFERRED,
        "4.7.5",
        reason=Reason.TLSA_INVALID,
        stopped_by=Mechanism.DANE,
        dnssec=Dnssec.SECURE,
        tlsa=TlsaState.ERROR,
    ),
    "bogus": BOGUS,
    "dnssec-expired": BOGUS,
    "tlsa-wildcard": Expected(dnssec=Dnssec.SECURE, tlsa=TlsaState.ABSENT),
    "cname": DANE,
    "cname-insecure": DANE,
    "requiretls": DANE,
    "requiretls-sts": Expected(proofs=frozenset({Proof.STS_PKIX}), sts=StsMode.ENFORCE),
    "requiretls-nopolicy": PKIX,
    "greylist": held_back("4.7.1"),
    "slow": PKIX,
    "silent": untouched(Result.DEFERRED, "4.4.2"),
    "busy": untouched(Result.DEFERRED, "4.3.2"),
    "blocklist-mail": Expected(result=Result.FAILED, enhanced="5.7.1"),
    "blocklist-rcpt": Expected(result=Result.FAILED, enhanced="5.7.1"),
    "rcptmax": PKIX,
    "rcpt452": PKIX,
    "full": Expected(result=Result.FAILED, enhanced="5.2.2"),
    "rejects-content": Expected(result=Result.FAILED, enhanced="5.6.0"),
    "eai": PKIX,
    "no8bit": PKIX,
    "bare": PKIX,
    "nobdat": PKIX,
    "dualstack": held_back("5.7.1") if has_ipv6() else PKIX,
    "backup": Expected(sessions=2),
    "nullmx": untouched(Result.FAILED, "5.1.10", tlsa=None),
    "nxdomain": untouched(Result.FAILED, "5.1.2", dnssec=Dnssec.SECURE, tlsa=None),
    "servfail": untouched(
        Result.DEFERRED, "4.4.3", dnssec=Dnssec.UNCHECKED, tlsa=None, sts=StsMode.ERROR
    ),
    "dns-silent": untouched(
        Result.DEFERRED, "4.4.3", dnssec=Dnssec.UNCHECKED, tlsa=None, sts=StsMode.ERROR
    ),
    "dns-slow": PKIX,
    "big-dns": PKIX,
    "implicit": PKIX,
    "no-address": untouched(Result.DEFERRED, "4.4.4"),
}


async def send(
    profile: str, *, mode: Mode = Mode.DEFAULT, names: tuple[str, ...] = ("bob",), **more
) -> tuple[AttemptReport, Lab]:
    """Send one message to a domain of a lab that has nothing else."""
    async with Lab(profiles=[profile], pace=0.1) as lab:
        address, _, port = lab.environment["DNS_RESOLVERS"].partition(":")
        config = AgentConfig(
            hostname="mail.mailweb.test",
            smtp_port=lab.smtp_port,
            sts_port=lab.sts_port,
            ca_file=str(lab.ca_file),
            resolvers=((address, int(port)),),
            time_scale=SCALE.get(profile, 0.2),
        )
        domain = f"{profile}.test"
        job = Job(
            mail_from="alice@mailweb.test",
            domain=domain,
            recipients=tuple(
                JobRecipient(key=key, address=f"{name}@{domain}") for key, name in enumerate(names)
            ),
            order=Order(mode=mode),
            content=more.pop("content", CONTENT),
            **more,
        )
        async with Agent(config, policies=MemoryPolicies(), clock=SystemClock()) as agent:
            return await agent.deliver(job), lab


def test_every_profile_has_its_expectation():
    assert set(DEFAULT) == set(PROFILES)


@pytest.mark.parametrize("profile", DEFAULT)
async def test_default_message(profile: str):
    expected = DEFAULT[profile]
    report, lab = await send(profile)
    (result,) = report.results
    last = report.attempts[-1]
    assert (result.outcome.result, result.outcome.enhanced) == (expected.result, expected.enhanced)
    is_delivered = expected.result is Result.DELIVERED
    assert result.outcome.reason is (Reason.NONE if is_delivered else expected.reason)
    assert last.stopped_by is expected.stopped_by
    assert last.results == (result,)
    if expected.starttls is None:
        assert last.evidence is None
    else:
        assert last.evidence is not None
        tls = last.evidence.tls
        assert (tls.starttls, tls.proofs, tls.reason) == (
            expected.starttls,
            expected.proofs,
            expected.reason,
        )
        assert len(report.attempts) == expected.sessions
    facts = report.facts
    assert (facts.dnssec, facts.sts.mode) == (expected.dnssec, expected.sts)
    assert (facts.hosts[0].tlsa_state if facts.hosts else None) is expected.tlsa
    assert lab.summary()["messages"] == (expected.result is Result.DELIVERED)


FINAL = (Result.FAILED, "5.7.30", Mechanism.TLS)


@pytest.mark.parametrize(
    ("profile", "ends"),
    [
        ("requiretls", (Result.DELIVERED, "2.0.0", Mechanism.NONE)),
        ("requiretls-sts", (Result.DELIVERED, "2.0.0", Mechanism.NONE)),
        ("requiretls-nopolicy", FINAL),
        ("dane", FINAL),
        ("sts", FINAL),
        ("sts-testing", FINAL),
        ("dane-unusable", FINAL),
        ("plain", FINAL),
        ("dane-mismatch", (Result.DEFERRED, "4.7.5", Mechanism.DANE)),
        ("tlsa-servfail", (Result.DEFERRED, "4.7.5", Mechanism.DANE)),
    ],
)
async def test_message_that_requires_tls(profile: str, ends: tuple[Result, str, Mechanism]):
    report, _ = await send(profile, mode=Mode.REQUIRETLS)
    outcome = report.results[0].outcome
    assert (outcome.result, outcome.enhanced, report.attempts[-1].stopped_by) == ends
    assert report.attempts[-1].requiretls_used is (outcome.result is Result.DELIVERED)


@pytest.mark.parametrize(
    "profile",
    ["sts-mismatch", "sts-expired", "sts-plain", "dane-mismatch", "tlsa-servfail", "tls10"],
)
async def test_message_for_which_tls_is_optional_gets_through(profile: str):
    report, lab = await send(profile, mode=Mode.OPTIONAL)
    assert report.results[0].outcome.result is Result.DELIVERED
    (message,) = lab.accepted.all()
    assert message.content.startswith(b"TLS-Required: No\r\n")


@pytest.mark.parametrize("profile", ["rcptmax", "rcpt452"])
async def test_many_recipients_take_several_transactions_of_one_session(profile: str):
    names = ("bob", "charlie", "dave", "erin", "frank")
    report, lab = await send(profile, names=names)
    assert {one.outcome.result for one in report.results} == {Result.DELIVERED}
    assert lab.summary()["connections"] == 1


async def test_server_that_does_not_know_bdat_gets_data():
    report, lab = await send("nobdat")
    transcript = report.attempts[-1].transcript.splitlines()
    assert "C: DATA" in transcript
    assert not any(line.startswith("C: BDAT") for line in transcript)
    summary = lab.summary()
    assert (summary["connections"], summary["messages"]) == (2, 1)


async def test_8bit_message_reaches_a_server_without_8bitmime():
    content = (
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
    )
    report, lab = await send("no8bit", content=content.encode(), has_8bit=True)
    assert report.results[0].outcome.result is Result.DELIVERED
    assert lab.accepted.all()[0].content.isascii()


@pytest.mark.parametrize(
    ("profile", "ends"),
    [("eai", (Result.DELIVERED, "2.0.0")), ("pkix", (Result.FAILED, "5.6.7"))],
)
async def test_address_in_another_script(profile: str, ends: tuple[Result, str]):
    report, _ = await send(profile, names=("bøb",), needs_smtputf8=True)
    outcome = report.results[0].outcome
    assert (outcome.result, outcome.enhanced) == ends


async def test_downgrade_shows_in_the_evidence():
    async with Lab(profiles=["downgrade"]) as lab:
        address, _, port = lab.environment["DNS_RESOLVERS"].partition(":")
        config = AgentConfig(
            hostname="mail.mailweb.test",
            smtp_port=lab.smtp_port,
            ca_file=str(lab.ca_file),
            resolvers=((address, int(port)),),
        )
        seen = []
        for _ in range(4):
            async with Agent(config, policies=MemoryPolicies(), clock=SystemClock()) as agent:
                (attempt,) = (await agent.probe("downgrade.test")).attempts
                assert attempt.evidence is not None
                seen.append(attempt.evidence.tls.starttls)
    assert seen == [Starttls.OFFERED] * 3 + [Starttls.NOT_OFFERED]
