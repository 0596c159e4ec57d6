"""When a deferred copy is tried again."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

from delivery.policy.retry import coming_attempts, next_attempt, wait_after
from tests.unit.policy.worlds import NOW

FIVE_DAYS = NOW + timedelta(days=5)


def test_the_first_waits_are_short_and_the_later_ones_at_most_four_hours():
    minutes = [wait_after(attempt).total_seconds() / 60 for attempt in range(1, 12)]
    assert minutes == [1, 5, 15, 30, 60, 120, 180, 240, 240, 240, 240]


def test_jitter_lengthens_a_wait_by_at_most_a_tenth():
    assert next_attempt(1, now=NOW, expires_at=FIVE_DAYS, jitter=1.0) == NOW + timedelta(seconds=66)


def test_a_host_that_is_left_alone_lengthens_the_wait_and_never_shortens_it():
    soon, later = NOW + timedelta(seconds=20), NOW + timedelta(minutes=8)
    at = [
        next_attempt(0, now=NOW, expires_at=FIVE_DAYS, jitter=0.0, not_before=until)
        for until in (soon, later)
    ]
    assert at == [NOW + timedelta(minutes=1), later]
    assert next_attempt(0, now=NOW, expires_at=soon, jitter=0.0, not_before=later) == soon


def test_there_is_one_last_try_when_the_lifetime_ends():
    soon = NOW + timedelta(seconds=20)
    assert next_attempt(9, now=NOW, expires_at=soon, jitter=0.0) == soon
    assert next_attempt(10, now=soon, expires_at=soon, jitter=0.0) is None


def test_five_days_of_retries_end():
    now, attempts = NOW, 1
    while (
        following := next_attempt(attempts, now=now, expires_at=FIVE_DAYS, jitter=0.5)
    ) is not None:
        assert following > now
        now, attempts = following, attempts + 1
    assert now == FIVE_DAYS
    assert 30 < attempts < 45


def test_coming_attempts_are_those_that_the_queue_will_make():
    coming = coming_attempts(4, next_at=NOW, expires_at=NOW + timedelta(hours=12))
    hours = [(at - NOW) / timedelta(hours=1) for at in coming]
    assert hours == [0, 1, 3, 6, 10, 12]


def test_coming_attempts_end_when_the_lifetime_does():
    late = NOW + timedelta(hours=1)
    assert list(coming_attempts(9, next_at=late, expires_at=NOW)) == [NOW]
    assert len(list(islice(coming_attempts(0, next_at=NOW, expires_at=FIVE_DAYS), 100))) < 50
