"""Operators and workers at the same time: each copy belongs to one of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from delivery import audit, operations
from delivery.models import Recipient, State
from delivery.orders import VERBS, Order
from delivery.picking import Filters, chosen
from tests.delivery.factories import claimed, queued

COPIES = 200
pytestmark = pytest.mark.django_db(transaction=True)


def as_worker(start, now):
    try:
        start.wait(10)
        taken = set()
        while batch := claimed(now, limit=10).copies:
            taken |= {one.pk for one in batch}
        return taken
    finally:
        connection.close()


def as_operator(start, now):
    order = Order(verb=VERBS["drop"])
    some = chosen(Filters(to_domain="x.test", limit=10), now=now)
    try:
        start.wait(10)
        touched = []
        while ids := operations.carry_out(
            order, some, by=audit.Actor(name="shell: root"), now=now
        ).ids:
            touched += ids
        return touched
    finally:
        connection.close()


def test_what_a_worker_has_taken_is_not_dropped_and_what_is_dropped_is_not_sent(alice, now):
    for number in range(COPIES // 20):
        queued(*[f"a{number}-{each}@x.test" for each in range(20)], owner=alice, now=now)
    start = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        worker = pool.submit(as_worker, start, now)
        operator = pool.submit(as_operator, start, now)
        sent, dropped = worker.result(60), operator.result(60)
    assert len(dropped) == len(set(dropped))
    assert sent.isdisjoint(dropped)
    by_state = {
        state: set(Recipient.objects.filter(state=state).values_list("pk", flat=True))
        for state in State
    }
    assert by_state[State.SENDING] == sent
    assert by_state[State.CANCELLED] == set(dropped)
    assert len(sent) + len(dropped) == COPIES
