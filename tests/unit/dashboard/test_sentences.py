from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from accounts.dashboard.sentences import Census, Travelled, about_domain, alert, overview
from delivery.policy.facts import DnsFailure, DomainFacts
from delivery.policy.record import DomainRecord, Mechanism, Seen, Track

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SINCE = datetime(2026, 5, 14, 9, 0, tzinfo=UTC)
NOBODY = Census(domains=0, seen=0, verified=0, never_tls=0)
NOTHING = Travelled(verified=0, plain=0, total=0)


def track(state: Seen, hits: int, sessions: int, *, was_yes: bool = False) -> Track:
    return Track(
        state=state, since=SINCE, seen_at=NOW, hits=hits, sessions=sessions, was_yes=was_yes
    )


YES = track(Seen.YES, 12, 12)
NO = track(Seen.NO, 0, 12)
RECORD = DomainRecord(
    domain="far.test", first_seen_at=SINCE, last_seen_at=NOW, starttls=YES, proven=NO, requiretls=NO
)


@pytest.mark.parametrize(
    ("travelled", "sentence"),
    [
        (
            Travelled(verified=176, plain=3, total=225),
            "176 of your 225 messages travelled over verified TLS. Three went in plain text.",
        ),
        (
            Travelled(verified=2, plain=0, total=2),
            "All of your 2 messages travelled over verified TLS. None went in plain text.",
        ),
        (
            Travelled(verified=0, plain=1, total=4),
            "None of your 4 messages travelled over verified TLS. One went in plain text.",
        ),
        (
            Travelled(verified=1, plain=0, total=1),
            "Your one message travelled over verified TLS. None went in plain text.",
        ),
    ],
)
def test_the_overview_says_how_copies_travelled(travelled, sentence):
    assert overview(travelled, NOBODY) == sentence


@pytest.mark.parametrize(
    ("census", "sentence"),
    [
        (
            Census(domains=9, seen=9, verified=4, never_tls=1),
            "Four of 9 servers you write to were seen with verified TLS. "
            "One was never seen with TLS.",
        ),
        (
            Census(domains=1, seen=1, verified=1, never_tls=0),
            "The one server you write to was seen with verified TLS.",
        ),
        (
            Census(domains=1, seen=1, verified=0, never_tls=1),
            "The one server you write to was never seen with TLS.",
        ),
        (NOBODY, "No server has shown anything yet."),
    ],
)
def test_without_copies_the_overview_speaks_of_servers(census, sentence):
    assert overview(NOTHING, census) == sentence


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (
            replace(RECORD, stopped_by=Mechanism.DANE, stopped_since=NOW - timedelta(days=3)),
            "far.test has not matched its own DANE records since 17 November.",
        ),
        (
            replace(RECORD, stopped_by=Mechanism.MTA_STS, stopped_since=NOW - timedelta(days=1)),
            "far.test has not met its own MTA-STS policy since yesterday.",
        ),
        (
            replace(RECORD, starttls=track(Seen.NO, 11, 12, was_yes=True)),
            "far.test has stopped offering TLS since 14 May.",
        ),
        (
            replace(RECORD, starttls=track(Seen.FAILED, 0, 2)),
            "far.test offers TLS, but it does not come up, since 14 May.",
        ),
        (
            replace(RECORD, starttls=track(Seen.NO, 0, 7)),
            "far.test did not offer TLS in any of 7 sessions, last just now.",
        ),
        (RECORD, "far.test used TLS, last just now, and nothing proved who answered."),
        (
            replace(RECORD, proven=YES),
            "far.test proved who it is in all 12 sessions, last just now.",
        ),
        (
            replace(RECORD, proven=YES, requiretls=YES),
            "far.test proved who it is and announced REQUIRETLS, last just now.",
        ),
        (None, "far.test has shown nothing yet."),
    ],
)
def test_the_sentence_about_a_domain_names_what_is_broken_first(record, sentence):
    lede = about_domain("far.test", record, None, NOW)
    assert f"{lede.text} {lede.tail}".strip() == sentence


def test_a_domain_that_never_let_a_session_come_up_is_told_with_the_reason():
    never = DomainRecord(domain="far.test")
    lede = about_domain("far.test", never, None, NOW, last_try="It takes no connections now.")
    assert lede.text == "No session with far.test has come up so far."
    assert lede.more == "It takes no connections now."


@pytest.mark.parametrize(
    ("deliveries", "first", "sentence"),
    [
        (0, SINCE, "Nothing was handed over there so far."),
        (1, NOW, "Mail was handed over there once, today."),
        (2, SINCE, "Mail was handed over there twice since 14 May."),
        (35, SINCE, "Mail was handed over there 35 times since 14 May."),
    ],
)
def test_how_much_mail_went_there_is_told(deliveries, first, sentence):
    record = replace(RECORD, deliveries=deliveries, first_seen_at=first)
    assert about_domain("far.test", record, None, NOW).more == sentence


def test_evidence_of_last_year_is_no_statement_about_today():
    old = replace(YES, seen_at=NOW - timedelta(days=181))
    lede = about_domain("far.test", replace(RECORD, starttls=old, proven=old), None, NOW)
    assert lede.text == "far.test has shown nothing for half a year."


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (DnsFailure.NXDOMAIN, "There is no domain far.test."),
        (DnsFailure.NULL_MX, "far.test takes no mail."),
    ],
)
def test_a_domain_without_mail_servers_is_told(failure, sentence):
    facts = DomainFacts(domain="far.test", looked_up_at=NOW, failure=failure)
    assert about_domain("far.test", None, facts, NOW).text == sentence


def test_what_was_never_there_is_no_alert():
    assert alert("far.test", replace(RECORD, starttls=NO), NOW) is None
    assert alert("far.test", RECORD, NOW) is None


@pytest.mark.parametrize(
    ("record", "shape", "title"),
    [
        (
            replace(RECORD, stopped_by=Mechanism.DANE, stops=1, deliveries=34),
            "failed",
            "far.test: certificate and DANE disagree",
        ),
        (
            replace(RECORD, starttls=track(Seen.NO, 11, 12, was_yes=True)),
            "lost",
            "far.test stopped offering TLS",
        ),
        (
            replace(RECORD, requiretls=track(Seen.NO, 3, 4, was_yes=True)),
            "lost",
            "far.test stopped announcing REQUIRETLS",
        ),
        (
            replace(RECORD, starttls=track(Seen.FAILED, 3, 4)),
            "failed",
            "far.test: TLS does not come up",
        ),
    ],
)
def test_what_broke_or_was_lost_needs_attention(record, shape, title):
    found = alert("far.test", record, NOW)
    assert found is not None
    assert (found.shape, found.title) == (shape, title)


LOST = replace(
    track(Seen.NO, 12, 13, was_yes=True),
    since=NOW - timedelta(days=1),
    yes_at=NOW - timedelta(days=3),
)
WAITING = replace(RECORD, starttls=LOST, stopped_by=Mechanism.HISTORY, stopped_since=NOW, stops=2)


def test_mail_that_waits_for_tls_is_told_with_dated_evidence_and_what_can_be_done():
    lede = about_domain("far.test", WAITING, None, NOW)
    assert f"{lede.text} {lede.tail}" == (
        "far.test used to bring up TLS and does not now, since yesterday."
    )
    assert lede.more.startswith("far.test used TLS in 12 of 13 sessions, last 3 days ago.")
    assert "TLS optional" in lede.more
    assert "pledge" in lede.more
    found = alert("far.test", WAITING, NOW)
    assert found.title == "far.test had TLS before; mail waits for it"


@pytest.mark.parametrize(
    "starttls",
    [YES, replace(LOST, yes_at=NOW - timedelta(days=181))],
    ids=["it is back", "it is forgotten"],
)
def test_nothing_waits_once_tls_is_back_or_forgotten(starttls):
    lede = about_domain("far.test", replace(WAITING, starttls=starttls), None, NOW)
    assert "does not now" not in lede.text
