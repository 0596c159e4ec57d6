"""Rules that come and go while messages are being queued: none slips by, and nobody waits for ever."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from delivery import audit, holdrules
from delivery.holdrules import NewRule
from delivery.models import Recipient, State
from tests.delivery.factories import queued

pytestmark = pytest.mark.django_db(transaction=True)

ACTOR = audit.Actor(name="admin")


class Beside(threading.Thread):
    """Does something on a connection of its own, and keeps what went wrong."""

    def __init__(self, work) -> None:
        super().__init__()
        self.work, self.done = work, threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:
            self.error = error
        finally:
            connection.close()
            self.done.set()


def while_queueing(owner, now, work) -> Beside:
    """Queue a message and start `work` before that is committed."""
    beside = Beside(work)
    with transaction.atomic():
        queued("a@x.test", owner=owner, now=now)
        beside.start()
        beside.done.wait(1)
    beside.join(30)
    return beside


def test_a_rule_made_while_a_message_is_queued_holds_it(alice, now):
    new = NewRule(recipient_domain="x.test", reason="Why.")
    beside = while_queueing(alice, now, lambda: holdrules.add(new, actor=ACTOR, now=now))
    assert beside.error is None
    copy = Recipient.objects.get()
    assert (copy.state, copy.hold_reason) == (State.HELD, "Why.")


def test_a_rule_removed_while_it_catches_a_message_lets_it_go(alice, now):
    rule, _ = holdrules.add(NewRule(recipient_domain="x.test"), actor=ACTOR, now=now)
    beside = while_queueing(alice, now, lambda: holdrules.remove(rule, actor=ACTOR, now=now))
    assert beside.error is None
    assert Recipient.objects.get().state == State.QUEUED
