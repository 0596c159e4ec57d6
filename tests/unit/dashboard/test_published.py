from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from accounts.dashboard.published import published
from delivery.models import Attempt, StsPolicy
from delivery.policy.facts import (
    Dnssec,
    DomainFacts,
    HostFacts,
    Part,
    Proof,
    StsFacts,
    StsMode,
    TlsaRecord,
    TlsaState,
)
from delivery.policy.reasons import Reason

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RECORD = TlsaRecord(usage=3, selector=1, matching_type=1, data=bytes(range(32)))
HOST = HostFacts(name="mx1.far.test", preference=10, tlsa_state=TlsaState.USABLE, tlsa=(RECORD,))
FACTS = DomainFacts(domain="far.test", looked_up_at=NOW, dnssec=Dnssec.SECURE, hosts=(HOST,))


def test_before_the_first_look_up_nothing_is_claimed():
    assert published(None, None, [], NOW) == ()


def test_parts_that_have_not_arrived_are_left_out():
    facts = replace(FACTS, parts=frozenset({Part.MX}))
    assert [each.name for each in published(facts, None, [], NOW)] == ["DNSSEC"]


@pytest.mark.parametrize(
    ("sts", "tag", "kind"),
    [
        (StsFacts(mode=StsMode.ABSENT), "None", ""),
        (StsFacts(mode=StsMode.TESTING, policy_id="1"), "Testing", ""),
        (StsFacts(mode=StsMode.NONE, policy_id="1"), "Given up", ""),
        (
            StsFacts(mode=StsMode.ERROR, reason=Reason.STS_POLICY_FETCH_ERROR),
            "No answer",
            "warn",
        ),
    ],
)
def test_the_mta_sts_policy_is_told_in_one_word(sts, tag, kind):
    policy = published(replace(FACTS, sts=sts), None, [], NOW)[0]
    assert (policy.name, policy.tag, policy.kind) == ("MTA-STS", tag, kind)


def test_an_enforced_policy_names_its_servers_and_shows_its_text():
    sts = StsFacts(
        mode=StsMode.ENFORCE, policy_id="7", mx=("*.far.test",), expires_at=NOW + timedelta(days=9)
    )
    row = policy_row(mode="enforce", text="version: STSv1")
    policy = published(replace(FACTS, sts=sts), row, [], NOW)[0]
    assert policy.records == ("mx: *.far.test",)
    assert policy.body == "version: STSv1"
    assert policy.when == "policy 7, 1 server named, looked up today 12:00, good until 29 November"
    assert policy.kind == "yes"


@pytest.mark.parametrize(
    ("sts", "told"),
    [
        (
            StsFacts(mode=StsMode.ENFORCE, reason=Reason.STS_POLICY_FETCH_ERROR, detail="500"),
            "The MTA-STS policy could not be fetched. What counts is the copy that we hold.",
        ),
        (
            StsFacts(mode=StsMode.ENFORCE, detail="gone", expires_at=NOW + timedelta(days=12)),
            "The domain announces no policy any more. What counts is the copy that we hold. It is "
            "good until 2 December.",
        ),
    ],
)
def test_a_policy_that_is_only_held_says_so(sts, told):
    policy = published(replace(FACTS, sts=sts), None, [], NOW)[0]
    assert policy.text.startswith(told)
    assert (policy.tag, policy.kind) == ("Enforced", "warn")


def policy_row(*, lasts=timedelta(days=9), **columns):
    return StsPolicy(
        domain="far.test", fetched_at=NOW, expires_at=NOW + lasts, policy_id="7", **columns
    )


@pytest.mark.parametrize(
    ("lasts", "told"),
    [
        (timedelta(days=1), ""),
        (timedelta(hours=23), "It lasts for 23 hours only, so it protects little. "),
        (timedelta(hours=1), "It lasts for 1 hour only, so it protects little. "),
        (timedelta(minutes=5), "It lasts for minutes only, so it protects little. "),
    ],
)
def test_a_policy_that_lasts_for_less_than_a_day_is_called_weak(lasts, told):
    sts = StsFacts(mode=StsMode.ENFORCE, policy_id="7", mx=("mx1.far.test",))
    row = policy_row(mode="enforce", lasts=lasts)
    policy = published(replace(FACTS, sts=sts), row, [], NOW)[0]
    assert policy.text == f"{told}Mail goes only to the servers it names:"
    assert policy.kind == ("warn" if told else "yes")


def test_the_pause_after_a_failed_fetch_says_nothing_about_how_long_a_policy_lasts():
    sts = StsFacts(mode=StsMode.ENFORCE, policy_id="7", mx=("mx1.far.test",))
    row = policy_row(mode="error", lasts=timedelta(minutes=5))
    assert published(replace(FACTS, sts=sts), row, [], NOW)[0].kind == "yes"


@pytest.mark.parametrize(
    ("proofs", "tag", "kind"),
    [
        ([Proof.DANE_EE], "Matches", "yes"),
        ([Proof.PKIX], "No match", "bad"),
        (None, "Published", ""),
    ],
)
def test_tlsa_records_are_held_against_the_last_session(proofs, tag, kind):
    attempts = (
        []
        if proofs is None
        else [Attempt(mx="mx1.far.test", tls_version="TLSv1.3", verified_by=proofs)]
    )
    policy = published(FACTS, None, attempts, NOW)[-1]
    assert (policy.tag, policy.kind) == (tag, kind)
    assert policy.records == ("3 1 1 00010203…1c1d1e1f",)
    assert policy.body == str(RECORD)


def test_hosts_with_the_same_records_are_told_together():
    hosts = [replace(HOST, name=f"mx{number}.far.test") for number in (1, 2, 3)]
    rows = published(replace(FACTS, hosts=tuple(hosts)), None, [], NOW)
    assert [row.text for row in rows if row.name == "TLSA"] == [
        "For mx1.far.test, mx2.far.test and mx3.far.test:"
    ]


@pytest.mark.parametrize("state", list(TlsaState))
def test_every_state_of_tlsa_has_its_words(state):
    host = replace(HOST, tlsa_state=state, tlsa=())
    policy = published(replace(FACTS, hosts=(host,)), None, [], NOW)[-1]
    assert policy.tag
    assert policy.text.endswith("mx1.far.test.")
