from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.dashboard.matrix import STAGES, matrix
from delivery.models import Attempt
from delivery.policy.facts import (
    DnsFailure,
    Dnssec,
    DomainFacts,
    HostFacts,
    Proof,
    Starttls,
    TlsaState,
)
from delivery.policy.record import Mechanism

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SIGNED = HostFacts(
    name="mx1.far.test",
    preference=10,
    addresses=("192.0.2.1",),
    dnssec=Dnssec.SECURE,
    tlsa_state=TlsaState.USABLE,
)


def facts(*hosts: HostFacts) -> DomainFacts:
    return DomainFacts(domain="far.test", looked_up_at=NOW, hosts=hosts)


def attempt(**values: Any) -> Attempt:
    known = {
        "at": NOW,
        "domain": "far.test",
        "mx": "mx1.far.test",
        "starttls": Starttls.OFFERED,
        "tls_version": "TLSv1.3",
        "outcome": "delivered",
        "dnssec": Dnssec.SECURE,
    }
    return Attempt(**(known | values))


def words(host: HostFacts | None, one: Attempt | None) -> list[str]:
    rows = matrix(facts(host) if host else None, [one] if one else [], NOW)
    assert len(rows[0].stages) == len(STAGES)
    return [f"{stage.kind}: {stage.word}" for stage in rows[0].stages]


def test_a_proven_session_is_good_at_every_step():
    one = attempt(verified_by=[Proof.DANE_EE], requiretls_offered=True)
    assert words(SIGNED, one) == [
        "yes: Signed",
        "yes: Open",
        "yes: ESMTP",
        "yes: Offered",
        "yes: TLS 1.3",
        "yes: DANE-EE",
        "yes: Announced",
    ]


def test_a_server_without_tls_is_quiet_and_says_why_nothing_follows():
    rows = matrix(None, [attempt(starttls=Starttls.NOT_OFFERED, tls_version="")], NOW)
    stages = rows[0].stages
    assert stages[3].word == "Not offered"
    assert [(stage.kind, stage.note) for stage in stages[4:]] == [
        ("skip", "no STARTTLS"),
        ("skip", "no TLS"),
        ("skip", "no TLS"),
    ]


def test_a_broken_handshake_is_not_the_same_as_none_offered():
    one = attempt(starttls=Starttls.FAILED, tls_version="", detail="wrong version number")
    assert words(SIGNED, one)[3:6] == ["yes: Offered", "bad: Broke", "skip: Not tested"]


@pytest.mark.parametrize(
    ("host", "values", "said"),
    [
        (SIGNED, {"verified_by": [Proof.PKIX]}, "bad: No match"),
        (None, {"verified_by": [], "stopped_by": Mechanism.MTA_STS}, "bad: Failed"),
        (None, {"verified_by": []}, "no: None"),
        (None, {"verified_by": [Proof.PKIX], "dnssec": Dnssec.INSECURE}, "no: Certificate"),
        (None, {"verified_by": [Proof.PKIX]}, "yes: Certificate"),
    ],
    ids=["TLSA differs", "stopped", "nothing promised", "forgeable name", "signed name"],
)
def test_what_a_certificate_proves_depends_on_what_was_promised(host, values, said):
    assert words(host, attempt(**values))[5] == said


def test_a_server_that_does_not_answer_and_one_that_turns_us_away_are_told_apart():
    gone = attempt(starttls="", tls_version="", duration_ms=30_000, outcome="deferred")
    assert words(None, gone)[1:3] == ["warn: No answer", "skip: Not tested"]
    away = attempt(
        starttls="", tls_version="", code=421, transcript="S: 421 Too busy", outcome="deferred"
    )
    assert words(None, away)[1:3] == ["yes: Open", "warn: Refused"]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (HostFacts(name="mx1.far.test", preference=1, dnssec=Dnssec.INSECURE), "no: Unsigned"),
        (HostFacts(name="mx1.far.test", preference=1, dnssec=Dnssec.BOGUS), "bad: Bad signature"),
        (HostFacts(name="mx1.far.test", preference=1), "skip: Not checked"),
        (
            HostFacts(name="mx1.far.test", preference=1, failure=DnsFailure.TIMEOUT),
            "warn: No answer",
        ),
        (None, "skip: Not looked up"),
    ],
)
def test_dns_comes_from_the_look_up(host, said):
    assert words(host, attempt())[0] == said


def test_servers_stand_in_the_order_of_dns_and_the_newest_session_counts():
    other = HostFacts(name="mx2.far.test", preference=20)
    attempts = [
        attempt(tls_version="TLSv1.3"),
        attempt(tls_version="TLSv1.2"),
        attempt(mx="old.far.test"),
        attempt(mx=""),
    ]
    rows = matrix(facts(SIGNED, other), attempts, NOW)
    assert [row.host for row in rows] == ["mx1.far.test", "mx2.far.test", "old.far.test"]
    assert rows[0].stages[4].word == "TLS 1.3"
    assert rows[0].note == "192.0.2.1, preference 10"
    assert rows[1].stages[1].note == "no session yet"
    assert rows[2].note == "not named by DNS now"
