"""Folding attempts into what is known about a domain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from delivery.policy.facts import Starttls
from delivery.policy.record import DomainRecord, Mechanism, Observation, Seen
from tests.unit.policy.worlds import NOW, record, seen


def test_not_offered_and_offered_but_broken_are_different_facts():
    assert record(seen(starttls=Starttls.NOT_OFFERED)).starttls.state is Seen.NO
    assert record(seen(starttls=Starttls.FAILED)).starttls.state is Seen.FAILED


def test_counts_dates_and_since_are_kept():
    known = record(seen(days_ago=9), seen(days_ago=5), seen(days_ago=1))
    assert (known.starttls.hits, known.starttls.sessions) == (3, 3)
    assert known.starttls.since == known.first_seen_at
    assert (NOW - known.starttls.seen_at).days == 1


def test_what_was_yes_and_is_not_offered_any_more_is_lost():
    known = record(seen(days_ago=2), seen(days_ago=1, starttls=Starttls.NOT_OFFERED))
    assert (known.starttls.state, known.starttls.was_yes) == (Seen.NO, True)


def test_a_session_without_an_answer_to_ehlo_says_nothing_about_features():
    known = record(seen(starttls=Starttls.UNKNOWN, delivered=False))
    assert known == DomainRecord(domain="x.test")


def test_a_broken_handshake_says_nothing_about_requiretls():
    assert record(seen(starttls=Starttls.FAILED)).requiretls.state is Seen.UNKNOWN


def test_a_delivery_clears_what_stopped_mail_before():
    stopped = record(seen(days_ago=2, stopped_by=Mechanism.MTA_STS))
    assert (stopped.stopped_by, stopped.stops) == (Mechanism.MTA_STS, 1)
    assert stopped.after(seen()).stopped_by is Mechanism.NONE


def test_how_long_mail_has_been_stopped_is_counted_from_the_first_time():
    known = record(
        seen(days_ago=3, stopped_by=Mechanism.DANE), seen(days_ago=1, stopped_by=Mechanism.DANE)
    )
    assert known.stops == 2
    assert (NOW - known.stopped_since).days == 3


def test_verified_deliveries_are_counted_apart():
    known = record(seen(), seen(is_proven=True))
    assert (known.deliveries, known.verified_deliveries, known.proven.state) == (2, 1, Seen.YES)


SESSIONS = st.builds(
    seen,
    host=st.sampled_from(["mx1.x.test", "mx2.x.test"]),
    starttls=st.sampled_from(Starttls),
    requiretls=st.booleans(),
    is_proven=st.booleans(),
    stopped_by=st.sampled_from(Mechanism),
    delivered=st.booleans(),
)


@given(runs=st.lists(st.tuples(SESSIONS, st.integers(1, 4)), max_size=6))
def test_adding_all_at_once_is_adding_one_after_the_other(runs: list[tuple[Observation, int]]):
    each = [one for one, times in runs for _ in range(times)]
    observations = [replace(one, at=NOW + timedelta(minutes=at)) for at, one in enumerate(each)]
    assert DomainRecord(domain="x.test").after_all(observations) == record(*observations)


def test_repetitions_count_and_leave_since_alone():
    known = DomainRecord(domain="x.test").after_all(seen(days_ago=at) for at in (9, 5, 3, 1))
    assert (known.starttls.hits, known.starttls.sessions, known.deliveries) == (4, 4, 4)
    assert (NOW - known.starttls.since).days == 9
    assert (NOW - known.last_delivered_at).days == 1
