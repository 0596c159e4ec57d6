"""Scheduled work that two processes do at the same time."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from delivery import claims, clocks, duties, maintenance, notices, tasks
from delivery.models import Duty, Recipient, State
from delivery.signals import delivery_settled
from tests.delivery.factories import queued

MANY = 40


def at_once(*works):
    """Run all of it in threads that start together; return what came of it, in order."""
    start, came, wrong = threading.Barrier(len(works)), [None] * len(works), []

    def run(index, work):
        try:
            start.wait(10)
            came[index] = work()
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    return came


def waiting(number, *, now, **changes):
    for one in range(number):
        queued(f"friend{one}@plain.test", owner=None, now=now)
    Recipient.objects.update(**changes)


# Duties


@pytest.mark.django_db
def test_a_duty_is_done_once_until_it_is_time_again(now):
    hour = timedelta(hours=1)
    assert duties.begin("count", now=now, every=hour)
    assert not duties.begin("count", now=now + timedelta(minutes=59), every=hour)
    assert duties.begin("other", now=now, every=hour)
    assert duties.begin("count", now=now + hour, every=hour)


@pytest.mark.django_db
def test_a_clock_that_was_far_ahead_does_not_stop_a_duty(now):
    duties.begin("count", now=now + timedelta(days=300), every=timedelta(hours=1))
    assert duties.begin("count", now=now, every=timedelta(hours=1))


@pytest.mark.django_db(transaction=True)
def test_of_many_who_begin_a_duty_at_once_one_does_it(now):
    def begin():
        return duties.begin("count", now=now, every=timedelta(hours=1))

    assert sorted(at_once(*[begin] * 6)) == [False] * 5 + [True]
    assert Duty.objects.count() == 1


@pytest.mark.django_db
def test_policies_are_fetched_once_though_two_clocks_ask_for_it(monkeypatch):
    calls = []
    monkeypatch.setattr(maintenance, "refresh_policies", lambda **_: calls.append(1))
    tasks.refresh_policies()
    tasks.refresh_policies()
    assert len(calls) == 1


# Sweeps


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_put_each_abandoned_copy_back_once(now):
    waiting(
        MANY,
        now=now,
        state=State.SENDING,
        lease="6a1f6f0e-58a5-4b6f-8c3f-0f6a0b8e9a11",
        lease_until=now - timedelta(seconds=1),
    )
    came = at_once(*[lambda: claims.reclaim_abandoned(now=now)] * 2)
    claims.reclaim_abandoned(now=now)  # what one passed over because the other held it
    assert sum(came) <= MANY
    assert Recipient.objects.filter(state=State.QUEUED).count() == MANY


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_fail_and_tell_of_each_overdue_copy_once(now, alice):
    told = []

    def note(recipients, **_):
        told.extend(one.pk for one in recipients)

    waiting(MANY, now=now - timedelta(days=9))
    delivery_settled.connect(note)
    try:
        at_once(*[lambda: maintenance.sweep(now=now)] * 2)
        at_once(*[lambda: notices.tell(now=now)] * 2)
    finally:
        delivery_settled.disconnect(note)
    maintenance.sweep(now=now)
    assert Recipient.objects.filter(state=State.FAILED, notice_due=False).count() == MANY
    assert len(told) == len(set(told)) <= MANY


@pytest.mark.django_db(transaction=True)
def test_an_overdue_copy_that_is_being_claimed_is_not_failed(now):
    waiting(1, now=now - timedelta(days=9))
    claimed, swept = threading.Event(), threading.Event()

    def claim():
        with transaction.atomic():
            claims.claim(limit=1, lease=uuid4(), now=now, lease_until=now + timedelta(hours=1))
            claimed.set()
            swept.wait(1)  # SQLite lets the sweep begin only once this has ended.

    def sweep():
        claimed.wait(10)
        maintenance.sweep(now=now)
        swept.set()

    at_once(claim, sweep)
    assert Recipient.objects.get().state == State.SENDING


# Claims


@pytest.mark.django_db(transaction=True)
def test_two_who_claim_at_once_share_the_copies_and_wait_for_nobody(now):
    for number in range(10):
        addresses = [f"friend{one}@plain.test" for one in range(8)]
        queued(*addresses, owner=None, now=now + timedelta(seconds=number))
    later = now + timedelta(minutes=1)

    def claim():
        taken = set()
        for _ in range(20):
            got = claims.claim(
                limit=3, lease=uuid4(), now=later, lease_until=later + timedelta(hours=1)
            )
            taken |= {one.pk for one in got.copies}
        return taken

    one, other = at_once(claim, claim)
    close_old_connections()
    rest = set(Recipient.objects.due(later).values_list("pk", flat=True))
    assert not one & other
    assert one | other | rest == set(Recipient.objects.values_list("pk", flat=True))


# The clock


@pytest.mark.django_db
def test_nothing_is_put_back_while_it_is_not_sure_what_time_it_is(monkeypatch, alice):
    queued("friend@plain.test", owner=alice, now=timezone.now() - timedelta(minutes=5))
    abandoned = timezone.now() - timedelta(minutes=1)
    Recipient.objects.update(
        state=State.SENDING,
        lease="6a1f6f0e-58a5-4b6f-8c3f-0f6a0b8e9a11",
        lease_until=abandoned,
    )
    clock = clocks.SharedClock()
    clock.set(timezone.now() - timedelta(hours=1))
    monkeypatch.setattr(clocks, "_shared", clock)
    tasks.sweep()
    assert Recipient.objects.get().state == State.SENDING
    monkeypatch.setattr(clock, "_leapt_at", None)
    monkeypatch.setattr(maintenance.Recipient.objects, "due", lambda now: Recipient.objects.none())
    tasks.sweep()
    assert Recipient.objects.get().state == State.QUEUED


@pytest.mark.django_db
def test_the_time_is_the_databases():
    clock = clocks.shared()
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_TIMESTAMP")
    assert abs(clock.now() - timezone.now()) < timedelta(seconds=5)
