"""What the queue remembers of a copy between its attempts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery import claims, dispatch, ledger, selectors
from delivery.agent import slots
from delivery.agent.clock import SystemClock
from delivery.agent.health import PATIENCE
from delivery.config import DeliveryConfig
from delivery.models import Attempt, Recipient, RecipientAttempt, State
from delivery.policy.outcome import Outcome, Result, Scope
from tests.delivery.factories import LATER, claimed, held, queued, report, settled

pytestmark = pytest.mark.django_db

TURNED_AWAY = (
    "We stopped trying mx.x.test until 12:08 UTC because it did not answer 5 times in a row."
)


def turned_away(until) -> Outcome:
    return Outcome(
        result=Result.DEFERRED,
        scope=Scope.HOST,
        code=451,
        enhanced="4.4.1",
        public=TURNED_AWAY,
        not_before=until,
    )


def make_due() -> None:
    Recipient.objects.filter(state=State.WAITING).update(next_attempt_at=timezone.now())


def test_greylisted_copies_come_back_to_where_they_were_and_are_delivered(alice, lab, drain):
    messages = [
        queued(f"friend{number}@greylist.test", owner=alice, now=timezone.now())
        for number in range(8)
    ]
    assert drain().deferred == 8
    make_due()
    assert drain().delivered == 8
    for message in messages:
        first, second = RecipientAttempt.objects.filter(recipient__message=message).order_by("id")
        assert (first.enhanced, second.outcome) == ("4.7.1", "delivered")
        assert first.attempt.mx == second.attempt.mx
        assert first.attempt.address == second.attempt.address


def test_a_copy_refused_over_ipv6_leaves_over_ipv4_with_the_second_attempt(alice, lab, drain):
    # Scenario 22.
    message = queued("friend@dualstack.test", owner=alice, now=timezone.now())
    drain()
    copy = message.recipients.get()
    assert (copy.state, copy.code, copy.enhanced) == (State.WAITING, 550, "5.7.1")
    assert copy.explanation == (
        "mx.dualstack.test refuses this over IPv6, perhaps because of the address we came from. "
        "The next try goes over IPv4."
    )
    make_due()
    drain()
    copy.refresh_from_db()
    assert (copy.state, copy.attempts_made) == (State.DELIVERED, 2)
    addresses = [attempt.address for attempt in Attempt.objects.order_by("id")]
    assert [":" in address for address in addresses] == [True, False]


def test_a_host_in_trouble_is_left_alone_and_nothing_false_is_written_down(alice, lab, drain):
    for _ in range(PATIENCE):
        queued("friend@busy.test", owner=alice, now=timezone.now())
    drain()
    visits = Attempt.objects.filter(domain="busy.test").count()
    before = lab.summary()["connections"]
    message = queued("friend@busy.test", owner=alice, now=timezone.now())
    drain()
    copy = message.recipients.get()
    assert (copy.state, copy.attempts_made, copy.last_attempt) == (State.WAITING, 0, None)
    assert copy.explanation.startswith("We stopped trying mx.busy.test until ")
    assert copy.next_attempt_at > timezone.now() + timedelta(seconds=50)
    assert Attempt.objects.filter(domain="busy.test").count() == visits == PATIENCE
    assert lab.summary()["connections"] == before


@pytest.mark.usefixtures("drain")
def test_copies_for_a_host_that_hangs_are_put_off_while_others_leave(
    alice, bob, lab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(slots, "HANGING_SECONDS", 0.3)
    now = timezone.now()
    for _ in range(40):
        queued("friend@silent.test", owner=alice, now=now)
    live = [queued("friend@pkix.test", owner=bob, now=now) for _ in range(20)]
    config = DeliveryConfig.from_settings()
    config = replace(config, agent=replace(config.agent, time_scale=0.01))
    report = dispatch.drain(config=config, clock=SystemClock(), once=True)
    assert report is not None
    assert (report.delivered, report.deferred) == (20, 40)
    assert {message.recipients.get().state for message in live} == {State.DELIVERED}
    silent = Recipient.objects.filter(domain="silent.test")
    tried = sum(copy.attempts_made for copy in silent)
    assert 1 <= tried <= 10  # not all forty; how many depends on who was first to connect
    assert Attempt.objects.filter(domain="silent.test").count() == tried
    left = silent.filter(explanation__contains="does not answer the copies before")
    assert left.count() == 40 - tried


def test_a_copy_that_is_turned_away_waits_until_the_host_is_tried_again(alice, now):
    queued(owner=alice, now=now)
    settled(claimed(now), turned_away(now + timedelta(minutes=8)), now)
    copy = Recipient.objects.get()
    assert (copy.state, copy.next_attempt_at) == (State.WAITING, now + timedelta(minutes=8))
    assert (copy.attempts_made, copy.explanation) == (0, TURNED_AWAY)
    (item,) = selectors.outbox(owner_id=alice.pk, now=now).moving
    assert item.sentence == f"{TURNED_AWAY} No try so far."


def test_being_turned_away_neither_hurries_an_old_copy_nor_counts_against_it(alice, now):
    queued(owner=alice, now=now)
    Recipient.objects.update(attempts_made=5)
    settled(claimed(now), turned_away(now + timedelta(minutes=8)), now)
    copy = Recipient.objects.get()
    assert copy.attempts_made == 5
    assert copy.next_attempt_at == now + timedelta(hours=1)


def test_a_copy_that_was_turned_away_until_its_end_fails_then(alice, now):
    message = queued(owner=alice, now=now)
    late = message.expires_at
    settled(claimed(late), turned_away(late + timedelta(minutes=8)), late)
    copy = Recipient.objects.get()
    assert (copy.state, copy.enhanced) == (State.FAILED, "5.4.7")


def test_copies_that_were_answered_differently_go_different_ways(alice, now):
    queued("a@x.test", "b@x.test", "c@x.test", owner=alice, now=now)
    first = claimed(now)
    (job,) = claims.jobs_from(first, first.copies)
    told = report(job, now, outcome=LATER)
    ledger.record(copies=held(first), reports=[told], now=now, jitter=0.0)
    gone = RecipientAttempt.objects.get(recipient__address="c@x.test")
    gone.code, gone.enhanced = 452, "4.2.2"
    gone.save()
    later = now + timedelta(hours=1)
    second = claimed(later)
    jobs = claims.jobs_from(second, second.copies)
    assert sorted((len(one.recipients), one.memory.again) for one in jobs) == [
        (1, None),
        (2, ("mx.x.test", "127.0.0.9")),
    ]


def test_first_attempts_ask_for_no_memory_and_all_others_at_once(alice, now):
    for number in range(10):
        queued(f"a{number}@x.test", owner=alice, now=now)
    with CaptureQueriesContext(connection) as fresh:
        first = claimed(now)
    settled(first, LATER, now)
    with CaptureQueriesContext(connection) as again:
        claimed(now + timedelta(hours=1))
    asked = [[q for q in one if "recipientattempt" in q["sql"]] for one in (fresh, again)]
    assert [len(queries) for queries in asked] == [0, 1]
