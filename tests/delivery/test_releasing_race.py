"""Senders and workers at the same time: a copy leaves, or its sender has it, never both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from delivery import releasing, services
from delivery.models import Recipient, State
from delivery.policy.modes import Mode
from tests.delivery.factories import claimed, queued

MESSAGES = 80
LATER = timedelta(hours=5)
pytestmark = pytest.mark.django_db(transaction=True)


def as_worker(start, now):
    try:
        start.wait(10)
        taken = set()
        while batch := claimed(now, limit=4).copies:
            taken |= {one.message_id for one in batch}
        return taken
    finally:
        connection.close()


def take_back(message, now):
    return services.undo(message=message, now=now)


def cancel(message, now):
    return services.cancel(message=message, now=now)


def move(message, now):
    return releasing.reschedule(message=message, at=now + LATER, now=now)


def as_sender(start, messages, act, now):
    try:
        start.wait(10)
        return {message.pk for message in reversed(messages) if act(message, now)}
    finally:
        connection.close()


@pytest.mark.parametrize("act", [take_back, cancel, move])
def test_whoever_is_first_has_the_copy_and_the_other_is_told(alice, now, act):
    messages = [queued(owner=alice, now=now, release_at=now) for _ in range(MESSAGES)]
    start = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        worker = pool.submit(as_worker, start, now)
        sender = pool.submit(as_sender, start, messages, act, now)
        sent, kept = worker.result(60), sender.result(60)
    assert sent.isdisjoint(kept)
    assert sent | kept == {message.pk for message in messages}
    ends = State.SCHEDULED if act is move else State.CANCELLED
    for copy in Recipient.objects.all():
        assert copy.state == (State.SENDING if copy.message_id in sent else ends)


def test_a_change_of_mode_never_brings_a_copy_back_that_is_being_sent(alice, now):
    messages = [queued(owner=alice, now=now, release_at=now) for _ in range(MESSAGES)]
    start = Barrier(2)

    def optional(message, now):
        return releasing.change_mode(message=message, mode=Mode.OPTIONAL, now=now)

    with ThreadPoolExecutor(2) as pool:
        worker = pool.submit(as_worker, start, now)
        sender = pool.submit(as_sender, start, messages, optional, now)
        sent, changed = worker.result(60), sender.result(60)
    assert sent == {message.pk for message in messages}
    optional_ones = Recipient.objects.filter(mode=Mode.OPTIONAL).values_list(
        "message_id", flat=True
    )
    assert set(optional_ones) == changed
    assert set(Recipient.objects.values_list("state", flat=True)) == {State.SENDING}


def test_a_change_of_mode_never_lifts_a_hold_that_came_in_between(alice, now):
    message = queued(owner=alice, now=now)
    message.recipients.update(state=State.WAITING, attempts_made=1)
    found = []

    def operator_is_faster(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and found and State.FAILED.value in map(str, params):
            found.clear()
            message.recipients.update(state=State.HELD, held_at=now, hold_reason="Audit")
        elif sql.startswith("SELECT") and "delivery_content" in sql:
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(operator_is_faster):
        assert releasing.change_mode(message=message, mode=Mode.OPTIONAL, now=now) == 0
    copy = message.recipients.get()
    assert (copy.state, copy.hold_reason) == (State.HELD, "Audit")
