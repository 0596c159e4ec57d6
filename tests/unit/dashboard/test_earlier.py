"""What a domain published, with dates, as its page tells it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from accounts.dashboard.earlier import History
from accounts.dashboard.published import earlier, published
from delivery.models import PublishedPolicy
from delivery.policy.facts import (
    Dnssec,
    DomainFacts,
    HostFacts,
    StsFacts,
    StsMode,
    TlsaRecord,
    TlsaState,
)
from delivery.policy.reasons import Reason

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MAY, AUGUST = datetime(2026, 5, 14, tzinfo=UTC), datetime(2026, 8, 2, tzinfo=UTC)
DAY = timedelta(days=1)
RECORD = TlsaRecord(usage=3, selector=1, matching_type=1, data=bytes(range(32)))
FACTS = DomainFacts(domain="far.test", looked_up_at=NOW, dnssec=Dnssec.SECURE)
ENFORCED = StsFacts(mode=StsMode.ENFORCE, policy_id="7", mx=("mx1.far.test", "mx2.far.test"))


def row(mode, first, last=NOW, gone=None, *, host="", mx=2, content=""):
    names = "".join(f"mx: mx{number}.far.test\n" for number in range(mx))
    return PublishedPolicy(
        domain="far.test",
        kind="tlsa" if host else "mta-sts",
        host=host,
        mode=mode,
        content=content or f"version: STSv1\nmode: {mode}\n{names}max_age: 604800\n",
        first_seen_at=first,
        last_seen_at=last,
        gone_at=gone,
    )


def history(*rows, known_since=MAY - 10 * DAY):
    return History(rows=rows, known_since=known_since)


def sts_now(sts, told):
    return published(replace(FACTS, sts=sts), None, [], NOW, told)[0]


def test_a_policy_says_since_when_it_is_enforced_and_how_many_servers_it_names():
    policy = sts_now(ENFORCED, history(row("enforce", MAY)))
    assert policy.when == "policy 7, enforced since 14 May, 2 servers named, looked up today 12:00"


def test_enforcement_goes_on_through_a_change_of_the_text():
    told = history(row("enforce", AUGUST), row("enforce", MAY, AUGUST, AUGUST))
    assert "enforced since 14 May," in sts_now(ENFORCED, told).when


def test_enforcement_counts_anew_after_a_break():
    told = history(row("enforce", AUGUST), row("enforce", MAY, MAY + DAY, MAY + DAY))
    assert "enforced since 2 August," in sts_now(ENFORCED, told).when


def test_a_change_of_mode_begins_anew():
    told = history(row("enforce", AUGUST), row("testing", MAY, AUGUST, AUGUST))
    assert "enforced since 2 August," in sts_now(ENFORCED, told).when


@pytest.mark.parametrize(
    ("known_since", "words"),
    [
        (AUGUST, "enforced at least since 2 August,"),
        (None, "policy 7, 2 servers named,"),
    ],
)
def test_dates_go_no_further_back_than_the_account_knows_the_domain(known_since, words):
    # When others first asked about it is theirs to know.
    told = history(row("enforce", MAY), known_since=known_since)
    assert words in sts_now(ENFORCED, told).when


def test_a_policy_that_got_weaker_says_until_when_it_was_enforced():
    told = history(row("testing", AUGUST), row("enforce", MAY, AUGUST, AUGUST))
    policy = sts_now(StsFacts(mode=StsMode.TESTING, policy_id="8", mx=("*.far.test",)), told)
    assert policy.text.startswith("It was enforced until 2 August. ")
    assert policy.kind == "warn"


def test_a_policy_that_cannot_be_had_any_more_is_told_as_it_was_last_seen():
    told = history(row("enforce", MAY, AUGUST))
    sts = StsFacts(mode=StsMode.ERROR, reason=Reason.STS_POLICY_FETCH_ERROR)
    assert sts_now(sts, told).text.endswith("Last seen 2 August: enforced, 2 servers named.")


def tlsa_now(told, *names):
    hosts = tuple(
        HostFacts(name=name, preference=10, tlsa_state=TlsaState.USABLE, tlsa=(RECORD,))
        for name in names
    )
    return published(replace(FACTS, hosts=hosts), None, [], NOW, told)[-1]


def test_tlsa_records_say_since_when_they_are_what_they_are():
    told = history(
        row("usable", MAY, host="mx1.far.test", content=str(RECORD)),
        row("usable", AUGUST, host="mx2.far.test", content=str(RECORD)),
    )
    assert tlsa_now(told, "mx1.far.test").when == "since 14 May, looked up today 12:00"
    assert tlsa_now(told, "mx1.far.test", "mx2.far.test").when.startswith("since 2 August,")


def test_what_was_replaced_and_what_was_withdrawn_is_told_with_its_dates():
    told = history(
        row("testing", MAY - 9 * DAY, MAY, MAY),
        row("enforce", MAY, AUGUST, AUGUST + DAY),
    )
    withdrawn, replaced = earlier(told, NOW)
    assert (withdrawn.tag, withdrawn.text, withdrawn.when) == (
        "Withdrawn",
        "Enforced, 2 servers named.",
        "14 May to 2 August",
    )
    assert (replaced.tag, replaced.text, replaced.when) == (
        "Replaced",
        "In testing, 2 servers named.",
        "5 May to 14 May",
    )
    assert "mode: enforce" in withdrawn.body


def test_hosts_that_had_the_same_records_are_told_together():
    gone = [
        row("usable", MAY, AUGUST, AUGUST, host=f"mx{n}.far.test", content=str(RECORD))
        for n in (1, 2)
    ]
    (policy,) = earlier(history(*gone), NOW)
    assert policy.text == "For mx1.far.test and mx2.far.test: usable records."
    assert policy.records == ("3 1 1 00010203…1c1d1e1f",)
    assert policy.body == str(RECORD)


def test_what_ended_before_the_account_knew_the_domain_is_not_told():
    told = history(row("enforce", MAY, MAY + DAY, MAY + DAY), known_since=AUGUST)
    assert earlier(told, NOW) == ()
    assert earlier(history(row("enforce", MAY, AUGUST, AUGUST), known_since=None), NOW) == ()


def test_what_was_there_for_a_day_has_one_date():
    (policy,) = earlier(history(row("none", MAY, MAY, AUGUST, mx=0)), NOW)
    assert (policy.text, policy.when) == ("Given up.", "14 May")


def test_a_long_history_is_cut():
    rows = [row("enforce", MAY + n * DAY, MAY + n * DAY, MAY + (n + 1) * DAY) for n in range(30)]
    assert len(earlier(history(*rows), NOW)) == 10
