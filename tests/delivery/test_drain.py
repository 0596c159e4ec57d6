"""What a drain does when the database is away for a step, or will not take a row."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from delivery import claims, ledger, local
from delivery import drain as drains
from delivery.agent.agent import Agent
from delivery.config import DeliveryConfig
from delivery.models import Attempt, Recipient, State
from tests.delivery.factories import queued

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keep_the_tests_connection(monkeypatch):
    """A drain drops a connection that failed; a test's own, with its transaction, must stay."""
    monkeypatch.setattr(drains, "close_old_connections", lambda: None)


class AwayOnce:
    """A step of the database that fails the first time, and then does what it should."""

    def __init__(self, step) -> None:
        self.step = step
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.calls == 1:
            raise OperationalError("the database is starting up")
        return self.step(*args, **kwargs)


def test_an_outcome_that_cannot_be_written_does_not_hold_up_the_others(alice, drain, monkeypatch):
    deliver = Agent.deliver

    async def unwritable(self, job):
        report = await deliver(self, job)
        if job.recipients[0].address != "odd@pkix.test":
            return report
        (result,) = report.results
        return replace(report, results=(replace(result, outcome=replace(result.outcome, code=-1)),))

    monkeypatch.setattr(Agent, "deliver", unwritable)
    for name in ("odd", "one", "two"):
        queued(f"{name}@pkix.test", owner=alice, now=timezone.now())
    report = drain()
    assert (report.delivered, report.deferred) == (2, 1)
    states = dict(Recipient.objects.values_list("address", "state"))
    assert states == {
        "odd@pkix.test": State.WAITING,
        "one@pkix.test": State.DELIVERED,
        "two@pkix.test": State.DELIVERED,
    }


def test_outcomes_wait_for_a_database_that_is_away_and_nothing_is_sent_twice(
    alice, drain, lab, monkeypatch
):
    record = AwayOnce(ledger.record)
    monkeypatch.setattr(ledger, "record", record)
    queued("friend@pkix.test", owner=alice, now=timezone.now())
    before = len(lab.accepted.all())
    assert drain().delivered == 1
    assert record.calls == 2
    assert len(lab.accepted.all()) - before == 1
    assert Attempt.objects.count() == 1


def test_a_claim_whose_local_part_could_not_be_filed_is_not_held_on_to(
    alice, bob, drain, monkeypatch
):
    monkeypatch.setattr(local, "deliver", AwayOnce(local.deliver))
    message = queued("bob@mailweb.test", owner=alice, now=timezone.now())
    assert drain().delivered == 0
    copy = message.recipients.get()
    assert copy.state == State.SENDING
    Recipient.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert claims.reclaim_abandoned(now=timezone.now()) == 1
    assert drain().delivered == 1
    assert bob.messages.count() == 1


def test_copies_that_another_worker_has_taken_over_are_not_sent_twice(
    alice, drain, lab, monkeypatch
):
    """As when this process stood still for longer than its lease, and then goes on."""
    seen = []

    async def takes_long(self, job):
        seen.append(job.domain)
        await asyncio.sleep(30)
        raise AssertionError("it went on though nothing was its own any more")

    monkeypatch.setattr(Agent, "deliver", takes_long)
    monkeypatch.setattr(claims, "renew", lambda **_: taken_over())
    from_config = DeliveryConfig.from_settings

    def taken_over():
        changes = {"lease": uuid4(), "lease_until": timezone.now() + timedelta(hours=1)}
        Recipient.objects.update(**changes)
        return set()

    monkeypatch.setattr(
        DeliveryConfig,
        "from_settings",
        lambda: replace(from_config(), lease_for=timedelta(seconds=0.6)),
    )
    queued("one@pkix.test", owner=alice, now=timezone.now())
    report = drain()
    assert seen == ["pkix.test"]
    assert (report.claimed, report.delivered, report.deferred) == (1, 0, 0)
    assert Recipient.objects.get().state == State.SENDING, "it is the other worker's now"
