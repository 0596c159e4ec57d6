"""The words under a bar: how long ago, how often, since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from delivery.policy.bars import Bar, BarKey, BarState
from delivery.policy.dates import ago
from delivery.policy.verdict import Forecast, Way
from delivery.policy.words import WIRES, count, shape, since, wire, word
from tests.unit.policy.worlds import NOW, record, seen


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=119), "just now"),
        (timedelta(minutes=2), "2 minutes ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=1), "today 11:00"),
        (timedelta(hours=13), "yesterday"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=30), "30 days ago"),
        (timedelta(days=31), "13 April"),
        (timedelta(days=365), "14 May 2025"),
    ],
)
def test_age_is_told_as_people_say_it(age: timedelta, words: str):
    assert ago(NOW - age, NOW) == words


def test_what_was_never_seen_has_no_age():
    assert ago(None, NOW) == "never seen"


def test_days_are_those_of_the_reader():
    late = datetime(2026, 5, 13, 22, 30, tzinfo=UTC)
    assert ago(late, NOW) == "yesterday"
    assert ago(late, NOW.astimezone(timezone(timedelta(hours=2)))) == "today 00:30"


def test_domain_is_known_since_its_first_session():
    assert since(None, NOW) == "First message"
    assert since(record(seen(days_ago=0)), NOW) == "since today"
    assert since(record(seen(days_ago=3)), NOW) == "since 11 May"


def bar(key: BarKey, state: BarState, **more: object) -> Bar:
    return Bar(key=key, state=state, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (bar(BarKey.DANE, BarState.CHECKING), "asking DNS"),
        (bar(BarKey.STARTTLS, BarState.UNKNOWN), "0 sessions"),
        (bar(BarKey.STARTTLS, BarState.YES, hits=2, sessions=3), "2 of 3"),
        (bar(BarKey.DANE, BarState.UNKNOWN), "not looked up"),
        (bar(BarKey.DANE, BarState.FAILED, since=NOW, sessions=1), "0 of 1 session"),
        (bar(BarKey.MTA_STS, BarState.FAILED, since=NOW, sessions=2), "0 of 2 sessions"),
        (bar(BarKey.DANE, BarState.YES, hits=1, sessions=1), "1 of 1 host"),
        (bar(BarKey.DANE, BarState.YES, hits=2, sessions=2), "2 of 2 hosts"),
        (bar(BarKey.MTA_STS, BarState.YES, value="20260514T120000"), "policy 20260514T120"),
        (bar(BarKey.DNSSEC, BarState.YES), "all of MX"),
        (bar(BarKey.DNSSEC, BarState.NO), "looked up"),
    ],
)
def test_count_says_how_often_and_of_how_many(shown: Bar, words: str):
    assert count(shown) == words


def test_bar_that_was_lost_or_is_old_is_drawn_as_such():
    lost = bar(BarKey.STARTTLS, BarState.NO, was_yes=True)
    old = bar(BarKey.STARTTLS, BarState.YES, is_old=True)
    assert [(shape(one), word(one)) for one in (lost, old)] == [
        ("lost", "Lost"),
        ("yes-old", "Yes, old"),
    ]


@pytest.mark.parametrize("way", Way)
def test_every_way_has_its_drawing(way: Way):
    assert wire(Forecast(way=way, sentence="")) is WIRES[way]
