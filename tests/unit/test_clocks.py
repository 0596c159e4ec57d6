from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from delivery import clocks
from delivery.clocks import SharedClock

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def seconds(monkeypatch):
    passed = [1000.0]
    monkeypatch.setattr(clocks.time, "monotonic", lambda: passed[0])
    return passed


def test_it_goes_on_by_itself_from_where_it_was_set(seconds):
    clock = SharedClock()
    clock.set(NOON)
    seconds[0] += 90
    assert clock.now() == NOON + timedelta(seconds=90)


def test_the_first_reading_is_no_leap_however_far_it_is(seconds):
    clock = SharedClock()
    clock.set(NOON)
    assert not clock.has_leapt_within(MINUTE)


@pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(hours=-1), timedelta(seconds=-3)])
def test_a_clock_that_was_set_has_leapt_until_everybody_had_time_to_follow(seconds, by):
    clock = SharedClock()
    clock.set(NOON)
    clock.set(NOON + by)
    assert clock.now() == NOON + by
    assert clock.has_leapt_within(MINUTE)
    seconds[0] += 61
    assert not clock.has_leapt_within(MINUTE)


def test_readings_that_come_a_little_late_are_no_leap(seconds):
    clock = SharedClock()
    clock.set(NOON)
    seconds[0] += 5
    clock.set(NOON + timedelta(seconds=6))
    assert not clock.has_leapt_within(MINUTE)
