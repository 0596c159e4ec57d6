"""Scheduled and held mail is judged again when it is released: by a worker, at its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from delivery import (
    audit,
    claims,
    dispatch,
    maintenance,
    notices,
    operations,
    releasing,
    services,
)
from delivery.config import DeliveryConfig
from delivery.models import Attempt, OutboundMessage, State
from delivery.orders import VERBS, Order
from delivery.picking import Filters, chosen
from delivery.policy.modes import Mode, SenderPolicy
from delivery.policy.outcome import Outcome, Result, Scope
from delivery.policy.promise import IfWorse
from delivery.policy.verdict import Way
from tests.delivery.factories import CONTENT, claimed, settled
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
WHY = "When you sent this, it was to go over verified TLS. Now nothing tells how it would go."


def order(verb, key, now, reason=""):
    copies = chosen(Filters(ids=(key,)), now=now)
    wanted = Order(verb=VERBS[verb], reason=reason)
    operations.carry_out(wanted, copies, by=audit.shell(), now=now)


@pytest.fixture
def clock():
    return FakeClock(timezone.now())


@pytest.fixture
def work(lab, drain, clock):
    """Work the queue off at the clock's time; returns what the drain did."""

    def run():
        config = DeliveryConfig.from_settings()
        config = replace(config, agent=replace(config.agent, time_scale=0.1))
        return dispatch.drain(config=config, clock=clock, once=True)

    return run


def scheduled(owner, clock, *addresses, promised=Way.VERIFIED, **times) -> OutboundMessage:
    return services.submit(
        owner=owner,
        mail_from="alice@mailweb.test",
        recipients=[
            services.NewRecipient(address=address, promised=promised) for address in addresses
        ],
        content=CONTENT,
        sender_policy=SenderPolicy(),
        now=clock.now(),
        **({"release_at": clock.now() + DAY} | times),
    )


def held(owner, clock, work) -> OutboundMessage:
    """A message that was promised verified TLS to a domain that gives no reason to expect it."""
    message = scheduled(owner, clock, "friend@starttls.test")
    clock.advance(DAY)
    work()
    return message


def test_what_would_travel_worse_is_held_at_its_time_and_nothing_connects(alice, clock, work):
    message = scheduled(alice, clock, "friend@starttls.test", "friend@dane.test")
    assert work().claimed == 0
    clock.advance(DAY)
    report = work()
    assert (report.held, report.delivered) == (1, 1)
    worse, as_good = message.recipients.order_by("-domain")
    assert (worse.state, worse.explanation, worse.asks_sender) == (State.HELD, WHY, True)
    assert (worse.held_at, worse.attempts_made) == (clock.now(), 0)
    assert as_good.state == State.DELIVERED
    assert not Attempt.objects.filter(domain="starttls.test").exists()


def told(message):
    return list(message.notices.order_by("id").values_list("subject", flat=True))


def test_its_sender_is_told_once_of_what_is_held(alice, clock, work):
    message = scheduled(alice, clock, "a@starttls.test", "b@starttls.test", "friend@dane.test")
    message.recipients.update(notify="NEVER")
    clock.advance(DAY)
    assert work().held == 2
    for _ in range(3):
        notices.tell(now=clock.now())
        maintenance.sweep(now=clock.now())
    assert told(message) == ["Held: 2 of 3 recipients"]
    assert not message.recipients.filter(notice_due=True).exists()


def test_a_worker_that_is_late_asks_nothing_twice(alice, clock, work):
    message = scheduled(alice, clock, "friend@starttls.test")
    clock.advance(DAY)
    late = claimed(clock.now())
    clock.advance(timedelta(minutes=5))
    claims.reclaim_abandoned(now=clock.now())
    assert work().held == 1
    notices.tell(now=clock.now())
    settled(late, Outcome(result=Result.HELD, scope=Scope.RECIPIENT, public=WHY), clock.now())
    notices.tell(now=clock.now())
    assert told(message) == ["Held: friend@starttls.test"]


def test_who_has_decided_by_then_is_not_asked(alice, clock, work):
    message = held(alice, clock, work)
    releasing.send_all_the_same(message=message, now=clock.now())
    notices.tell(now=clock.now())
    assert told(message) == []


def test_what_is_held_again_after_an_operator_let_it_go_is_told_again(alice, clock, work):
    message = held(alice, clock, work)
    notices.tell(now=clock.now())
    order("release", message.recipients.get().pk, clock.now())
    assert work().held == 1
    notices.tell(now=clock.now())
    assert told(message) == ["Held: friend@starttls.test"] * 2


def test_a_copy_that_others_hold_is_never_taken_for_one_that_asks_its_sender(alice, clock, work):
    message = held(alice, clock, work)
    copy = message.recipients.get()
    assert releasing.send_all_the_same(message=message, now=clock.now()) == 1
    order("hold", copy.pk, clock.now(), reason="Audit")
    assert releasing.send_all_the_same(message=message, now=clock.now()) == 0
    copy.refresh_from_db()
    assert (copy.state, copy.hold_reason, copy.held_at) == (State.HELD, "Audit", clock.now())


def test_mail_that_leaves_at_once_or_after_its_undo_window_is_not_judged_again(alice, clock, work):
    at_once = scheduled(alice, clock, "friend@starttls.test", release_at=None)
    seconds = clock.now() + timedelta(seconds=15)
    undoable = scheduled(
        alice, clock, "friend@pkix.test", release_at=seconds, undo_until=clock.now()
    )
    clock.advance(timedelta(minutes=1))
    assert work().delivered == 2
    assert at_once.recipients.get().state == undoable.recipients.get().state == State.DELIVERED


def test_nothing_is_held_that_nothing_was_promised_for(alice, clock, work):
    message = scheduled(alice, clock, "friend@plain.test", promised=Way.UNKNOWN)
    clock.advance(DAY)
    work()
    assert message.recipients.get().state == State.DELIVERED


def test_sent_all_the_same_it_leaves_as_it_can(alice, clock, work):
    message = held(alice, clock, work)
    clock.advance(timedelta(days=30))
    assert releasing.send_all_the_same(message=message, now=clock.now()) == 1
    assert work().delivered == 1
    assert message.recipients.get().last_attempt.tls_version


def test_it_can_wait_and_goes_as_soon_as_it_travels_as_promised(alice, clock, work):
    message = held(alice, clock, work)
    assert releasing.let_wait(message=message, now=clock.now()) == 1
    assert work().deferred == 1
    copy = message.recipients.get()
    assert (copy.state, copy.attempts_made, copy.explanation) == (State.WAITING, 0, WHY)
    assert copy.next_attempt_at >= clock.now() + timedelta(hours=1)
    # A session that proves its server is a reason to expect it again.
    message.recipients.update(promised=Way.TLS)
    services.submit(
        owner=alice,
        mail_from="alice@mailweb.test",
        recipients=[services.NewRecipient(address="other@starttls.test")],
        content=CONTENT,
        sender_policy=SenderPolicy(),
        now=clock.now(),
    )
    work()
    clock.advance(timedelta(hours=2))
    assert work().delivered == 1


def test_another_mode_is_a_word_of_the_sender_too(alice, clock, work):
    message = held(alice, clock, work)
    assert releasing.change_mode(message=message, mode=Mode.OPTIONAL, now=clock.now()) == 1
    work()
    copy = message.recipients.get()
    assert (copy.state, copy.mode) == (State.DELIVERED, Mode.OPTIONAL)


def test_an_operator_who_releases_does_not_speak_for_the_sender(alice, clock, work):
    message = held(alice, clock, work)
    key = message.recipients.get().pk
    order("release", key, clock.now())
    assert work().held == 1
    assert message.recipients.get().asks_sender


def test_what_an_operator_held_is_judged_again_when_it_is_released(alice, clock, work):
    message = scheduled(alice, clock, "friend@starttls.test", release_at=None)
    key = message.recipients.get().pk
    order("hold", key, clock.now(), reason="Audit")
    assert releasing.send_all_the_same(message=message, now=clock.now()) == 0, "it is not theirs"
    order("release", key, clock.now())
    assert work().held == 1


def test_a_scheduled_copy_with_another_mode_keeps_its_time_and_gets_another_promise(alice, clock):
    message = scheduled(alice, clock, "friend@starttls.test")
    assert releasing.change_mode(message=message, mode=Mode.OPTIONAL, now=clock.now()) == 1
    copy = message.recipients.get()
    assert (copy.state, copy.mode, copy.promised) == (State.SCHEDULED, "optional", Way.UNKNOWN)
    assert copy.next_attempt_at == clock.now() + DAY
    assert copy.if_worse == IfWorse.HOLD
