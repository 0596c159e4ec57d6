"""Times to come, as they are offered, typed and said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mailweb.webmail import later
from mailweb.webmail.later import ImpossibleTimeError

FRIDAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_an_hour_tomorrow_and_monday_are_offered():
    assert [(offer.key, offer.at.isoformat()) for offer in later.offers(FRIDAY)] == [
        ("hour", "2026-11-20T13:00:00+00:00"),
        ("tomorrow", "2026-11-21T08:00:00+00:00"),
        ("monday", "2026-11-23T08:00:00+00:00"),
    ]


def test_on_a_sunday_tomorrow_is_not_offered_twice():
    sunday = FRIDAY + timedelta(days=2)
    assert [offer.key for offer in later.offers(sunday)] == ["hour", "tomorrow"]


def test_mornings_are_those_of_the_reader():
    here = FRIDAY.astimezone(ZoneInfo("Europe/Berlin"))
    assert later.chosen("tomorrow", "", here) == datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    assert later.chosen("at", "2026-11-20T14:30", here) == datetime(
        2026, 11, 20, 13, 30, tzinfo=UTC
    )


def test_nothing_chosen_is_now():
    assert later.chosen("", "2026-12-24T18:00", FRIDAY) is None


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Choose a day and a time."),
        ("soon", "Choose a day and a time."),
        ("2026-02-30T08:00", "Choose a day and a time."),
        ("2026-11-20T12:00", "has passed"),
        ("1999-01-01T00:00", "has passed"),
        ("2027-01-20T12:00", "more than 60 days"),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_a_sentence(typed: str, words: str):
    with pytest.raises(ImpossibleTimeError, match=words):
        later.chosen("at", typed, FRIDAY)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (1, "today at 13:00"),
        (20, "tomorrow at 08:00"),
        (68, "on Monday, 23 November, at 08:00"),
        (24 * 60, "on Tuesday, 19 January 2027, at 12:00"),
    ],
)
def test_times_are_said_in_words(hours: int, words: str):
    assert later.in_words(FRIDAY + timedelta(hours=hours), FRIDAY) == words
