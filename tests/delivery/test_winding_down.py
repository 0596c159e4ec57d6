"""A drain that is told to end in the middle of much work finishes what it began, and begins no more."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from asgiref.sync import async_to_sync
from django.db import connection

from delivery.agent.clock import SystemClock
from delivery.config import DeliveryConfig
from delivery.drain import Drain
from delivery.lab.profiles import PROFILES
from delivery.models import Recipient
from tests.delivery.factories import queued
from tests.labs import running_lab
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

BACKLOG = 30
SESSIONS = 2


@pytest.fixture
def lab():
    """A host that takes half a second for each message."""
    starttls = PROFILES["starttls"]
    hosts = [replace(one, smtp=replace(one.smtp, accepts_after=0.5)) for one in starttls.hosts]
    with running_lab(replace(starttls, hosts=tuple(hosts)), pace=1.0) as lab:
        yield lab


@pytest.fixture
def drain(lab, settings):
    for name, value in lab.environment.items():
        setattr(settings, name, int(value) if name.endswith("PORT") else value)
    settings.DNS_RESOLVERS = [lab.environment["DNS_RESOLVERS"]]
    settings.DELIVERY_CONCURRENCY, settings.DELIVERY_CONCURRENCY_PER_HOST = 4, SESSIONS
    return Drain(config=DeliveryConfig.from_settings(), clock=SystemClock())


def run(drain: Drain) -> None:
    async_to_sync(drain.run)()
    connection.close()


def test_a_drain_that_ends_finishes_its_sessions_and_gives_the_rest_back(lab, drain, alice, now):
    for number in range(BACKLOG):
        queued(f"r{number}@starttls.test", owner=alice, now=now)
    thread = threading.Thread(target=run, args=(drain,))
    thread.start()
    assert eventually(lambda: len(lab.accepted) >= SESSIONS)
    drain.end()
    begun = len(lab.accepted) + 2 * SESSIONS
    thread.join()
    delivered = len(lab.accepted)
    assert delivered <= begun
    assert drain.report.delivered == delivered
    assert Recipient.objects.filter(state="queued", lease=None).count() == BACKLOG - delivered


def test_a_drain_that_is_ended_before_it_begins_sends_nothing(lab, drain, alice, now):
    queued("r@starttls.test", owner=alice, now=now)
    drain.end()
    run(drain)
    assert not len(lab.accepted)
    assert Recipient.objects.get().state == "queued"
