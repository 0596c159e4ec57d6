"""Who is told what, when, and how often."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from delivery import audit, ledger, maintenance, notices, operations, releasing, services, tasks
from delivery.models import OutboundMessage, Recipient, State
from delivery.orders import VERBS, Order
from delivery.picking import Filters, chosen
from delivery.policy.modes import Mode, SenderPolicy
from delivery.policy.outcome import Outcome
from delivery.policy.reporting import TELL_WHEN_DELIVERED, Reporting
from delivery.report import Report, build
from delivery.smtp import Notify
from mailweb.webmail.mime.parse import parse
from tests.delivery.factories import ACCEPTED, CONTENT, LATER, REFUSED, claimed, queued, settled
from tests.delivery.test_together import at_once

pytestmark = pytest.mark.django_db

NEVER = Reporting(notify=frozenset({Notify.NEVER}))
FAILURE = Reporting(notify=frozenset({Notify.FAILURE}))
SUCCESS = Reporting(notify=frozenset({Notify.SUCCESS}))
REPORTED_THERE = Outcome(
    result=ACCEPTED.result,
    scope=ACCEPTED.scope,
    code=250,
    enhanced="2.0.0",
    reply="250 2.0.0 ok",
    is_reported_by_host=True,
)
FOUR_HOURS = timedelta(hours=4)


def told(message: OutboundMessage) -> list[str]:
    """Return the subjects of the reports on a message, oldest first."""
    return list(message.notices.order_by("id").values_list("subject", flat=True))


def ended(message: OutboundMessage, outcome: Outcome, now) -> None:
    """Settle all that is due, and let the sender be told."""
    settled(claimed(now), outcome, now)
    notices.tell(now=now)


def test_copies_that_fail_together_stand_in_one_report(alice, now):
    message = queued("a@x.test", "b@x.test", "c@y.test", owner=alice, now=now)
    ended(message, REFUSED, now)
    assert told(message) == ["Not delivered: 3 of 3 recipients"]


def test_failure_starts_the_task_that_tells_of_it(
    alice, now, started, django_capture_on_commit_callbacks
):
    message = queued(owner=alice, now=now)
    claim = claimed(now)
    with django_capture_on_commit_callbacks(execute=True):
        settled(claim, REFUSED, now)
    assert ("delivery.tasks.notify", ()) in started
    tasks.notify()
    assert told(message) == ["Not delivered: friend@x.test"]


@pytest.mark.parametrize(("outcome", "reporting"), [(ACCEPTED, SUCCESS), (REFUSED, FAILURE)])
def test_success_that_is_to_be_told_starts_it_too(
    alice, now, started, django_capture_on_commit_callbacks, outcome, reporting
):
    for is_asked in (False, True):
        queued(owner=alice, now=now, reporting=reporting if is_asked else NEVER)
        claim = claimed(now)
        with django_capture_on_commit_callbacks(execute=True):
            settled(claim, outcome, now)
        assert (("delivery.tasks.notify", ()) in started) is is_asked


def test_report_waits_for_copies_that_are_still_tried_for_the_first_time(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now)
    first, second = claimed(now, limit=1), claimed(now, limit=1)
    settled(first, REFUSED, now)
    notices.tell(now=now)
    assert told(message) == []
    settled(second, REFUSED, now)
    notices.tell(now=now)
    assert told(message) == ["Not delivered: 2 of 2 recipients"]


def test_report_waits_no_longer_than_a_minute(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now)
    settled(claimed(now, limit=1), REFUSED, now)
    notices.tell(now=now + timedelta(seconds=59))
    assert told(message) == []
    notices.tell(now=now + timedelta(seconds=60))
    assert told(message) == ["Not delivered: a@x.test"]


def test_copy_that_only_waits_for_a_retry_holds_no_report_up(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now)
    settled(claimed(now, limit=1), LATER, now)
    settled(claimed(now), REFUSED, now)
    notices.tell(now=now)
    assert told(message) == ["Not delivered: b@y.test"]


def test_report_that_cannot_be_filed_stays_due_and_holds_no_other_up(
    alice, now, monkeypatch, caplog
):
    broken, other = (queued(address, owner=alice, now=now) for address in ("a@x.test", "b@x.test"))
    settled(claimed(now), REFUSED, now)

    def build_or_break(about: Report) -> bytes:
        if about.recipients[0].address == "a@x.test":
            raise ZeroDivisionError
        return build(about)

    with monkeypatch.context() as patch:
        patch.setattr("mailweb.webmail.receivers.build", build_or_break)
        notices.tell(now=now)
    assert (told(broken), told(other)) == ([], ["Not delivered: b@x.test"])
    assert "report not filed" in caplog.text
    assert broken.recipients.get().notice_due
    notices.tell(now=now)
    assert told(broken) == ["Not delivered: a@x.test"]


@pytest.mark.django_db(transaction=True)
def test_two_that_report_at_the_same_time_report_once(alice, now):
    message = queued("a@x.test", "b@x.test", owner=alice, now=now)
    settled(claimed(now), REFUSED, now)
    at_once(*[lambda: notices.tell(now=now)] * 4)
    assert told(message) == ["Not delivered: 2 of 2 recipients"]


@pytest.mark.django_db(transaction=True)
def test_two_that_report_a_delay_at_the_same_time_report_it_once(alice, now):
    message = late("a@x.test", "b@x.test", owner=alice, now=now)
    at_once(*[lambda: notices.tell_delays(now=now + FOUR_HOURS)] * 4)
    assert told(message) == ["Delayed: 2 of 2 recipients"]


# NOTIFY (RFC 3461 §4.1)


@pytest.mark.parametrize("reporting", [NEVER, SUCCESS], ids=["NEVER", "SUCCESS"])
def test_failure_is_not_told_to_who_did_not_ask_for_it(alice, now, reporting):
    message = queued(owner=alice, now=now, reporting=reporting)
    ended(message, REFUSED, now)
    assert (message.recipients.get().state, told(message)) == (State.FAILED, [])
    assert not Recipient.objects.filter(notice_due=True).exists()


def test_never_holds_for_what_expires_and_for_what_an_operator_fails(alice, now):
    expired = queued(owner=alice, now=now, reporting=NEVER)
    failed = queued("b@x.test", owner=alice, now=now, reporting=NEVER)
    order, them = Order(verb=VERBS["fail"]), chosen(Filters(to="b@x.test"), now=now)
    operations.carry_out(order, them, by=audit.Actor(name="shell: root"), now=now)
    much_later = now + timedelta(days=6)
    assert ledger.expire(now=much_later) == 1
    notices.tell(now=much_later)
    assert told(expired) == told(failed) == []
    assert not Recipient.objects.filter(notice_due=True).exists()


def test_recipients_own_wish_goes_before_the_messages(alice, now):
    message = services.submit(
        owner=alice,
        mail_from="alice@mailweb.test",
        recipients=[
            services.NewRecipient(address="a@x.test", notify=NEVER.notify),
            services.NewRecipient(address="b@x.test"),
        ],
        content=CONTENT,
        sender_policy=SenderPolicy(),
        reporting=FAILURE,
        now=now,
    )
    ended(message, REFUSED, now)
    assert told(message) == ["Not delivered: b@x.test"]


def test_delivery_is_told_only_where_it_was_asked_for(alice, now):
    plain = queued(owner=alice, now=now)
    asked = queued("b@x.test", owner=alice, now=now, reporting=TELL_WHEN_DELIVERED)
    settled(claimed(now), ACCEPTED, now)
    notices.tell(now=now)
    assert (told(plain), told(asked)) == ([], ["Handed over: b@x.test"])


def test_server_that_reports_itself_needs_no_report_from_here(alice, now):
    message = queued(owner=alice, now=now, reporting=TELL_WHEN_DELIVERED)
    ended(message, REPORTED_THERE, now)
    assert told(message) == []


def test_filing_here_is_told_as_delivered(alice, bob, now, drain):
    message = queued(str(bob), owner=alice, now=now, reporting=TELL_WHEN_DELIVERED)
    drain()
    notices.tell(now=now)
    assert told(message) == ["Delivered: bob@mailweb.test"]


def test_success_and_failure_of_one_message_are_two_reports(alice, now):
    message = queued("a@x.test", "b@y.test", owner=alice, now=now, reporting=TELL_WHEN_DELIVERED)
    settled(claimed(now, limit=1), ACCEPTED, now)
    settled(claimed(now, limit=1), REFUSED, now)
    notices.tell(now=now)
    assert told(message) == ["Not delivered: b@y.test", "Handed over: a@x.test"]


# Delays


def late(*addresses: str, owner, now, **more) -> OutboundMessage:
    message = queued(*addresses, owner=owner, now=now, **more)
    settled(claimed(now), LATER, now)
    return message


def test_delay_is_told_once_after_four_hours_with_every_copy_that_waits(alice, now):
    message = late("a@x.test", "b@y.test", owner=alice, now=now)
    maintenance.sweep(now=now + FOUR_HOURS - timedelta(seconds=1))
    assert told(message) == []
    for hours in (4, 5, 9):
        maintenance.sweep(now=now + timedelta(hours=hours))
    assert told(message) == ["Delayed: 2 of 2 recipients"]


def test_copy_that_is_just_being_tried_again_is_late_too(alice, now):
    message = late("a@x.test", "b@y.test", owner=alice, now=now)
    then = now + FOUR_HOURS
    claimed(then, limit=1, lease_seconds=600)
    maintenance.sweep(now=then)
    assert told(message) == ["Delayed: 2 of 2 recipients"]
    words = parse(bytes(message.notices.get().blob.data)).text
    assert "It is being tried again now" in words


@pytest.mark.parametrize(
    "reporting", [NEVER, FAILURE, SUCCESS], ids=["NEVER", "FAILURE", "SUCCESS"]
)
def test_delay_is_not_told_to_who_did_not_ask_for_it(alice, now, reporting):
    message = late(owner=alice, now=now, reporting=reporting)
    maintenance.sweep(now=now + FOUR_HOURS)
    assert told(message) == []


def test_what_was_delivered_or_cancelled_by_then_is_not_late(alice, now):
    message = late("a@x.test", "b@x.test", owner=alice, now=now)
    Recipient.objects.filter(address="a@x.test").update(
        state=State.CANCELLED, settled_at=now, next_attempt_at=None
    )
    maintenance.sweep(now=now + FOUR_HOURS)
    assert told(message) == ["Delayed: b@x.test"]


def test_held_and_scheduled_mail_is_not_late(alice, now):
    message = queued(owner=alice, now=now, release_at=now + timedelta(days=1))
    held = queued("b@x.test", owner=alice, now=now)
    held.recipients.update(state=State.HELD, next_attempt_at=None)
    maintenance.sweep(now=now + FOUR_HOURS)
    assert told(message) == told(held) == []


def test_wait_is_counted_from_release(alice, now):
    held = queued(owner=alice, now=now)
    held.recipients.update(state=State.HELD, next_attempt_at=None)
    released = now + timedelta(days=9)
    copies = chosen(Filters(ids=(held.recipients.get().pk,)), now=released)
    operations.carry_out(Order(verb=VERBS["release"]), copies, by=audit.shell(), now=released)
    held.refresh_from_db()
    assert held.expires_at == released + timedelta(days=5)
    settled(claimed(released), LATER, released)
    maintenance.sweep(now=released + timedelta(hours=3))
    assert told(held) == []
    maintenance.sweep(now=released + FOUR_HOURS)
    assert told(held) == ["Delayed: friend@x.test"]


def test_second_lifetime_brings_no_second_notice_of_delay(alice, now):
    message = late(owner=alice, now=now)
    then = now + FOUR_HOURS
    maintenance.sweep(now=then)
    releasing.change_mode(message=message, mode=Mode.OPTIONAL, now=then)
    settled(claimed(then), LATER, then)
    maintenance.sweep(now=then + FOUR_HOURS)
    assert told(message) == ["Delayed: friend@x.test"]


def test_looking_for_delays_is_one_query_and_needs_no_walk_through_the_queue(
    alice, now, django_assert_num_queries
):
    late("a@x.test", "b@y.test", owner=alice, now=now)
    with django_assert_num_queries(1) as seen:
        notices.tell_delays(now=now)
    query = seen.captured_queries[0]["sql"]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {query}")
            assert "SCAN" not in str(cursor.fetchall())
        else:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {query}")
            assert "recipient_delay_due" in str(cursor.fetchall())


def test_mail_without_an_owner_is_never_late(now):
    message = late(owner=None, now=now)
    assert message.recipients.get().delay_notice_at is None
